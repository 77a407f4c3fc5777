//! New connections to `echo` through the engine, against the same server without a queue.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use glutton_nfq::clock::Clock;
use glutton_nfq::config::{self, Config};
use glutton_nfq::control::Counters;
use glutton_nfq::events::{self, EventWriter, FlowRef};
use glutton_nfq::flow::{FlowId, FlowKey, Transport};
use glutton_nfq::handlers::{Guise, Registry};
use glutton_nfq::netns::{Namespace, Pair, SENSOR_V4};
use glutton_nfq::rules::{Rule, RuleSet};
use glutton_nfq::server::{self, FlowLookup, ServerHandle, Services};
use tempfile::TempDir;

use super::Options;
use super::process::Server;
use super::report::{Figure, Goal, ROUNDS};
use super::visitors::{IN_FLIGHT, Visitors};

const RULES: &str = "rules:\n  - { name: echo, match: tcp, type: handler, target: echo }\n";
/// What visitors of the engine dial.
const DIALLED: u16 = 7_005;

/// Measures connections a second.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let (queued, bare) = (Pair::create()?, Pair::create()?);
    let mut engine = Server::engine(&queued.sensor, RULES, 1)?;
    let direct = Direct::start(&bare.sensor)?;
    let mut to_engine = Visitors::new(&queued.attacker)?;
    let mut to_direct = Visitors::new(&bare.attacker)?;
    let before = engine.usage()?;
    let figure = Figure::compare(
        &format!("new connections to echo, {IN_FLIGHT} in flight"),
        "/s",
        Goal::AtLeast(0.7),
        || to_engine.run(&queued.attacker, SocketAddr::from((SENSOR_V4, DIALLED)), options.visits()),
        || to_direct.run(&bare.attacker, SocketAddr::from((SENSOR_V4, direct.port)), options.visits()),
    )?;
    let usage = engine.usage()?.since(before);
    let connections = (ROUNDS + 1) * options.visits();
    let note = format!(
        "{:.1} queued packets a connection, {} lost; us CPU a connection:",
        usage.packets as f64 / connections as f64,
        usage.dropped
    );
    let threads = engine.threads()?;
    let shares = threads.iter().filter(|(_, time)| time.as_micros() > connections as u128);
    let share = |(name, time): (&String, &Duration)| format!(" {name} {}", time.as_micros() / connections as u128);
    Ok(vec![figure.with_note(note + &shares.map(share).collect::<String>())])
}

/// The handler server of this crate, reached on its own port. Events are written as the engine writes them.
struct Direct {
    port: u16,
    _server: ServerHandle,
    _writer: EventWriter,
    _dir: TempDir,
}

/// Everybody was rewritten to here by one rule.
struct Everybody {
    rule: Arc<Rule>,
}

impl FlowLookup for Everybody {
    fn lookup(&self, transport: Transport, peer: SocketAddr, local: SocketAddr) -> Option<FlowRef> {
        let (client, client_port) = (peer.ip(), peer.port());
        let key = FlowKey { transport, client, client_port, dialled: local.ip(), dialled_port: DIALLED };
        Some(FlowRef { id: FlowId(u64::from(client_port)), key, rule: Arc::clone(&self.rule) })
    }
}

impl Direct {
    fn start(namespace: &Namespace) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = Some(dir.path().join("events.jsonl"));
        let events_config = config::Events { stdout: false, file, ..Config::default().events };
        let server_config = config::Server { listen: vec![Ipv4Addr::UNSPECIFIED.into()], ..Config::default().server };
        let rules = RuleSet::from_yaml(RULES, "bench.yml")?;
        let rule = Arc::clone(rules.rules().first().context("there is a rule")?);
        let (counters, clock) = (Arc::new(Counters::default()), Clock::start());
        let (sender, records) = events::channel(events_config.queue_len, Arc::clone(&counters));
        let sinks = events::open_sinks(&events_config, None)?;
        let writer = EventWriter::start(records, sinks, "bench".to_owned(), Arc::clone(&counters), clock)?;
        let mut registry = Registry::builtin();
        registry.configure(&Config::default().handlers, server_config.max_tcp_payload, &Guise::example())?;
        let services = Services {
            registry: Arc::new(registry),
            flows: Arc::new(Everybody { rule }),
            counters,
            clock,
            targets: Vec::new(),
        };
        let bound = namespace.run(|| server::bind(&server_config))??;
        let port = bound.tcp_port();
        let server = bound.spawn(services, sender, || Ok(()))?;
        Ok(Self { port, _server: server, _writer: writer, _dir: dir })
    }
}
