//! The handler server on loopback: real sockets, a flow table that says yes to everybody, one worker unless a test asks for more.

#![cfg(test)]

mod datagram;
mod handler;
mod limit;
mod relay;
mod session;
mod worker;

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use glutton_nfq::clock::Clock;
use glutton_nfq::config;
use glutton_nfq::control::{Counter, Counters};
use glutton_nfq::events::{Event, FlowRef, Record};
use glutton_nfq::flow::{FlowId, FlowKey, Transport};
use glutton_nfq::handlers::{Context, Handler, Registry, Session};
use glutton_nfq::rules::{Action, ProxyTarget, Rule};
use glutton_nfq::samples::SampleSender;
use glutton_nfq::server::{FlowLookup, ServerHandle, Services, bind};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says that every peer was taken by one rule, and dialled port 4444; or knows nobody.
#[derive(Default)]
struct EverybodyOf {
    rule: Option<Arc<Rule>>,
    /// Every local end that was asked for.
    asked: Mutex<HashSet<SocketAddr>>,
    /// The flow of everybody.
    id: AtomicU64,
}

impl FlowLookup for EverybodyOf {
    fn lookup(&self, transport: Transport, peer: SocketAddr, local: SocketAddr) -> Option<FlowRef> {
        self.asked.lock().unwrap().insert(local);
        let key =
            FlowKey { transport, client: peer.ip(), client_port: peer.port(), dialled: local.ip(), dialled_port: 4444 };
        Some(FlowRef { id: FlowId(self.id.load(Relaxed)), key, rule: Arc::clone(self.rule.as_ref()?) })
    }
}

/// A running server and everything it says.
struct Sensor {
    tcp: SocketAddr,
    udp_port: u16,
    counters: Arc<Counters>,
    records: Receiver<Record>,
    flows: Arc<EverybodyOf>,
    handle: Option<ServerHandle>,
}

impl Sensor {
    fn start(action: Option<Action>, change: impl FnOnce(&mut config::Server)) -> Self {
        Self::start_with(Registry::builtin(), action, change)
    }

    fn start_with(registry: Registry, action: Option<Action>, change: impl FnOnce(&mut config::Server)) -> Self {
        let mut config = config::Server {
            listen: vec![LOOPBACK],
            tcp_port: 0,
            udp_port: 0,
            workers: 1,
            ..config::Server::default()
        };
        change(&mut config);
        let bound = bind(&config).unwrap();
        let (tcp_port, udp_port) = (bound.tcp_port(), bound.udp_port());
        // A target of port 0 means the server's own port, which is known only now.
        let action = action.map(|action| match action {
            Action::Proxy(ProxyTarget::Tcp { host, port: 0 }) => {
                Action::Proxy(ProxyTarget::Tcp { host, port: tcp_port })
            }
            other => other,
        });
        let flows = Arc::new(EverybodyOf { rule: action.map(rule), ..EverybodyOf::default() });
        let counters = Arc::new(Counters::default());
        let (sender, records) = unbounded();
        let services = Services {
            registry: Arc::new(registry),
            flows: Arc::clone(&flows) as Arc<dyn FlowLookup>,
            counters: Arc::clone(&counters),
            clock: Clock::start(),
            samples: SampleSender::none(),
            targets: Vec::new(),
        };
        let sink = move |record: Record| drop(sender.send(record));
        let handle = bound.spawn(services, sink, || Ok(())).unwrap();
        Self {
            tcp: SocketAddr::new(config.listen[0], tcp_port),
            udp_port,
            counters,
            records,
            flows,
            handle: Some(handle),
        }
    }

    fn handler(name: &str) -> Self {
        Self::start(Some(Action::Handler(name.to_owned())), |_| {})
    }

    fn proxy(target: SocketAddr, change: impl FnOnce(&mut config::Server)) -> Self {
        Self::start(Some(proxy_to(target)), change)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.tcp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Waits for the next session event: its handler and what it says.
    fn event(&self) -> (String, Event) {
        match self.records.recv_timeout(PATIENCE).unwrap() {
            Record::Session { handler, event, flow, .. } => {
                assert_eq!(flow.key.dialled_port, 4444);
                (handler.to_string(), *event)
            }
            other => panic!("unexpected record {other:?}"),
        }
    }

    /// Waits until a counter has reached a value: counters have no event to wait for.
    fn wait_for(&self, counter: Counter, value: u64) {
        let begin = Instant::now();
        while self.counters.value(counter) < value {
            assert!(begin.elapsed() < PATIENCE, "{counter:?} is {}", self.counters.value(counter));
            thread::yield_now();
        }
    }

    fn stop(mut self) {
        assert!(self.handle.take().unwrap().shutdown(Duration::from_secs(5)));
        assert_eq!(self.counters.value(Counter::SessionsOpened), self.counters.value(Counter::SessionsClosed));
        assert_eq!(self.counters.value(Counter::HandlerPanics), 0);
    }
}

fn rule(action: Action) -> Arc<Rule> {
    Arc::new(Rule { name: "test".into(), ..Rule::new(action) })
}

fn proxy_to(target: SocketAddr) -> Action {
    Action::Proxy(ProxyTarget::Tcp { host: target.ip().to_string(), port: target.port() })
}

fn is_reset(outcome: &io::Result<usize>) -> bool {
    matches!(outcome, Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(len).collect()
}

/// Reads to the end, so many bytes at a time.
fn read_in_pieces(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let (mut received, mut piece) = (Vec::new(), vec![0; len]);
    loop {
        match stream.read(&mut piece).unwrap() {
            0 => return received,
            len => received.extend_from_slice(&piece[..len]),
        }
    }
}
