//! The handler server of this crate without the engine, a process of its own as the engine is: what the engine is measured against.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use glutton_nfq::clock::Clock;
use glutton_nfq::config::{self, Config};
use glutton_nfq::control::Counters;
use glutton_nfq::events::{self, EventWriter, FlowRef};
use glutton_nfq::flow::{FlowId, FlowKey, Transport};
use glutton_nfq::handlers::{Guise, Registry};
use glutton_nfq::netns::{INTERFACE, Namespace};
use glutton_nfq::rules::{Rule, RuleSet};
use glutton_nfq::samples::SampleSender;
use glutton_nfq::server::{self, BoundServer, FlowLookup, Services};
use tempfile::TempDir;

/// The argument that makes this program the server.
pub(crate) const DIRECT: &str = "direct";
/// How connections reach the server: on its own port, by TPROXY, by NAT.
const OWN_PORT: &str = "own-port";
const TRANSPARENT: &str = "transparent";
const REDIRECTED: &str = "redirected";

/// The handler server of this crate. Events are written as the engine writes them.
pub(crate) struct Direct {
    pub(crate) port: u16,
    child: Child,
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
        Self::spawn(namespace, OWN_PORT, rules)
    }

    /// Reached on every TCP port, by a plain TPROXY rule of the kernel's.
    pub(crate) fn behind_tproxy(namespace: &Namespace, rules: &str) -> Result<Self> {
        Self::spawn(namespace, TRANSPARENT, rules)?.divert(namespace, "mangle", "-j TPROXY --on-port")
    }

    /// Reached on every TCP port of every address of this network, which is nobody's, in the same way.
    pub(crate) fn behind_tproxy_for(namespace: &Namespace, network: &str, rules: &str) -> Result<Self> {
        namespace.ip("rule add fwmark 1 lookup 100")?;
        namespace.ip(&format!("route add local {network} dev lo table 100"))?;
        let rule = format!("-d {network} -j TPROXY --tproxy-mark 1 --on-port");
        Self::spawn(namespace, TRANSPARENT, rules)?.divert(namespace, "mangle", &rule)
    }

    /// Reached on every TCP port, by a plain REDIRECT rule of the kernel's.
    pub(crate) fn behind_redirect(namespace: &Namespace, rules: &str) -> Result<Self> {
        Self::spawn(namespace, REDIRECTED, rules)?.divert(namespace, "nat", "-j REDIRECT --to-ports")
    }

    /// Brings what comes here, by a rule in PREROUTING of this table that ends in the port.
    fn divert(self, namespace: &Namespace, table: &str, rule: &str) -> Result<Self> {
        iptables(namespace, &format!("-t {table} -A PREROUTING -i {INTERFACE} -p tcp {rule} {}", self.port))?;
        Ok(self)
    }

    fn spawn(namespace: &Namespace, reach: &str, rules: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([DIRECT, reach, rules]).arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let port = line.trim().parse().with_context(|| format!("the server without the engine said {line:?}"))?;
        Ok(Self { port, child, _dir: dir })
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // It ends when nobody holds the other end of its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves until its input ends: the arguments are how it is reached, the rules, and a directory for events.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut argument = || arguments.next().context("an argument is missing");
    let (reach, rules, dir) = (argument()?, argument()?, argument()?);
    let events_config =
        config::Events { stdout: false, file: Some(Path::new(&dir).join("events.jsonl")), ..Config::default().events };
    let server_config = config::Server {
        listen: vec![Ipv4Addr::UNSPECIFIED.into()],
        max_session_bytes: 1 << 40,
        ..Config::default().server
    };
    let rules = RuleSet::from_yaml(&rules, "bench.yml")?;
    let rule = Arc::clone(rules.rules().first().context("there is a rule")?);
    let (counters, clock) = (Arc::new(Counters::default()), Clock::start());
    let (sender, records) = events::channel(events_config.queue_len, Arc::clone(&counters));
    let sinks = events::open_sinks(&events_config, None)?;
    let _writer = EventWriter::start(records, sinks, "bench".to_owned(), Arc::clone(&counters), clock)?;
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
    let mut bound = server::bind(&server_config)?;
    let port = reached(&mut bound, &reach)?;
    let _server = bound.spawn(services, sender, || Ok(()))?;
    super::say(&port.to_string())?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Makes the server ready for the way on which connections come; the port.
fn reached(bound: &mut BoundServer, reach: &str) -> Result<u16> {
    match reach {
        OWN_PORT => {}
        TRANSPARENT => bound.make_transparent(0)?,
        REDIRECTED => return Ok(bound.listen_for_redirected(0)?),
        other => bail!("{other}? A server is reached by {OWN_PORT}, {TRANSPARENT} or {REDIRECTED}"),
    }
    Ok(bound.tcp_port())
}

fn iptables(namespace: &Namespace, rule: &str) -> Result<()> {
    let output = namespace.output(Command::new("iptables").args(rule.split_whitespace()))?;
    ensure!(output.status.success(), "iptables: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
