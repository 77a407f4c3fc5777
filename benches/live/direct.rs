//! The handler server of this crate without the engine: what the engine is measured against.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use glutton_nfq::clock::Clock;
use glutton_nfq::config::{self, Config};
use glutton_nfq::control::Counters;
use glutton_nfq::events::{self, EventWriter, FlowRef};
use glutton_nfq::flow::{FlowId, FlowKey, Transport};
use glutton_nfq::handlers::{Guise, Registry};
use glutton_nfq::netns::{INTERFACE, Namespace};
use glutton_nfq::rules::{Rule, RuleSet};
use glutton_nfq::samples::SampleSender;
use glutton_nfq::server::{self, BoundServer, FlowLookup, ServerHandle, Services};
use tempfile::TempDir;

/// The handler server of this crate, reached on its own port. Events are written as the engine writes them.
pub(crate) struct Direct {
    pub(crate) port: u16,
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
        let key = FlowKey { transport, client, client_port, dialled: local.ip(), dialled_port: local.port() };
        Some(FlowRef { id: FlowId(u64::from(client_port)), key, rule: Arc::clone(&self.rule) })
    }
}

/// Lets the kernel track connections, as it does on every host whose firewall asks for their state.
pub(crate) fn track(namespace: &Namespace) -> Result<()> {
    iptables(namespace, "-A INPUT -m conntrack --ctstate INVALID -j DROP")
}

impl Direct {
    /// Reached on its own port.
    pub(crate) fn start(namespace: &Namespace, rules: &str) -> Result<Self> {
        Self::start_with(namespace, rules, |bound| Ok(bound.tcp_port()))
    }

    /// Reached on every TCP port, by a plain TPROXY rule of the kernel's.
    pub(crate) fn behind_tproxy(namespace: &Namespace, rules: &str) -> Result<Self> {
        let direct = Self::start_with(namespace, rules, |bound| {
            bound.make_transparent(0)?;
            Ok(bound.tcp_port())
        })?;
        iptables(
            namespace,
            &format!("-t mangle -A PREROUTING -i {INTERFACE} -p tcp -j TPROXY --on-port {}", direct.port),
        )?;
        Ok(direct)
    }

    /// As [`Self::behind_tproxy`], and on every address of this network, which is nobody's.
    pub(crate) fn behind_tproxy_for(namespace: &Namespace, network: &str, rules: &str) -> Result<Self> {
        let direct = Self::start_with(namespace, rules, |bound| {
            bound.make_transparent(0)?;
            Ok(bound.tcp_port())
        })?;
        namespace.ip("rule add fwmark 1 lookup 100")?;
        namespace.ip(&format!("route add local {network} dev lo table 100"))?;
        let rule = format!("-p tcp -d {network} -j TPROXY --on-port {} --tproxy-mark 1", direct.port);
        iptables(namespace, &format!("-t mangle -A PREROUTING -i {INTERFACE} {rule}"))?;
        Ok(direct)
    }

    /// Reached on every TCP port, by a plain REDIRECT rule of the kernel's.
    pub(crate) fn behind_redirect(namespace: &Namespace, rules: &str) -> Result<Self> {
        let listen = |bound: &mut BoundServer| Ok(namespace.run(|| bound.listen_for_redirected(0))??);
        let direct = Self::start_with(namespace, rules, listen)?;
        iptables(
            namespace,
            &format!("-t nat -A PREROUTING -i {INTERFACE} -p tcp -j REDIRECT --to-ports {}", direct.port),
        )?;
        Ok(direct)
    }

    /// `reach` makes the server ready for the way on which connections come, and gives the port.
    fn start_with(
        namespace: &Namespace,
        rules: &str,
        reach: impl FnOnce(&mut BoundServer) -> Result<u16>,
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = Some(dir.path().join("events.jsonl"));
        let events_config = config::Events { stdout: false, file, ..Config::default().events };
        let server_config = config::Server {
            listen: vec![Ipv4Addr::UNSPECIFIED.into()],
            max_session_bytes: 1 << 40,
            ..Config::default().server
        };
        let rules = RuleSet::from_yaml(rules, "bench.yml")?;
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
            samples: SampleSender::none(),
            targets: Vec::new(),
        };
        let mut bound = namespace.run(|| server::bind(&server_config))??;
        let port = reach(&mut bound)?;
        let server = bound.spawn(services, sender, || Ok(()))?;
        Ok(Self { port, _server: server, _writer: writer, _dir: dir })
    }
}

fn iptables(namespace: &Namespace, rule: &str) -> Result<()> {
    let output = namespace.output(Command::new("iptables").args(rule.split_whitespace()))?;
    ensure!(output.status.success(), "iptables: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
