//! The handler server on loopback: real sockets, a flow table that says yes to everybody.

#![cfg(test)]

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
        let mut config =
            config::Server { listen: vec![LOOPBACK], tcp_port: 0, udp_port: 0, ..config::Server::default() };
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

#[test]
fn a_megabyte_is_echoed_bit_for_bit_to_a_slow_reader() {
    let sensor = Sensor::handler("echo");
    let sent = pattern(1 << 20);
    let mut stream = sensor.connect();
    let mut writer = stream.try_clone().unwrap();
    let expected = sent.clone();
    let sending = thread::spawn(move || {
        for piece in sent.chunks(7_919) {
            writer.write_all(piece).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // Small reads: the sender runs ahead until back-pressure stops it.
    let received = read_in_pieces(&mut stream, 1_000);
    sending.join().unwrap();
    assert!(received == expected);
    let (handler, event) = sensor.event();
    assert_eq!((handler.as_str(), event.kind), ("echo", "payload"));
    assert_eq!(event.fields["bytes"], 1 << 20);
    assert_eq!(event.fields["truncated"], true);
    assert_eq!(sensor.counters.value(Counter::PayloadTruncated), 1);
    sensor.stop();
}

#[test]
fn what_an_event_leaves_out_is_counted_whatever_the_handler() {
    let stranger = [0xff; 10_000];
    for handler in ["tcp", "mqtt", "jabber", "log_http", "telnet"] {
        let sensor = Sensor::handler(handler);
        let mut stream = sensor.connect();
        stream.write_all(&stranger).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        sensor.wait_for(Counter::SessionsClosed, 1);
        let cut = sensor
            .records
            .try_iter()
            .filter(|record| matches!(record, Record::Session { event, .. } if event.is_truncated()));
        assert_eq!((cut.count(), sensor.counters.value(Counter::PayloadTruncated)), (1, 1), "{handler}");
        sensor.stop();
    }
}

#[test]
fn a_visitor_that_never_reads_is_not_read_either() {
    let sensor = Sensor::handler("echo");
    let mut stream = sensor.connect();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let piece = vec![0; 64 * 1024];
    let mut taken = 0;
    // Socket buffers on both sides take a few megabytes; without back-pressure this would go on for ever.
    while stream.write(&piece).map(|len| taken += len).is_ok() {
        assert!(taken < 256 << 20, "the server takes without bound");
    }
    drop(stream);
    sensor.event();
    sensor.stop();
}

#[test]
fn a_visitor_that_ends_its_side_still_gets_the_answer() {
    let sensor = Sensor::handler("tcp");
    let mut stream = sensor.connect();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!((12..=511).contains(&answer.len()));
    let (handler, event) = sensor.event();
    assert_eq!((handler.as_str(), &event.fields["payload_hex"]), ("tcp", &"68656c6c6f".into()));
    sensor.stop();
}

#[test]
fn the_answer_survives_what_the_visitor_still_sends() {
    let sensor = Sensor::handler("tcp");
    let mut stream = sensor.connect();
    // The limit ends the recording with most of this unread: closing then would send a reset.
    stream.write_all(&[0x41; 200_000]).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!((12..=511).contains(&answer.len()));
    drop(stream);
    sensor.stop();
}

#[test]
fn a_visitor_that_says_nothing_and_leaves_still_makes_an_event() {
    let sensor = Sensor::handler("tcp");
    drop(sensor.connect());
    assert_eq!(sensor.event().1.kind, "connect");
    sensor.stop();
}

#[test]
fn an_unknown_handler_is_replaced_by_the_recorder() {
    let sensor = Sensor::handler("no-such-handler");
    let mut stream = sensor.connect();
    stream.write_all(b"x").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(sensor.event().0, "tcp");
    sensor.stop();
}

#[test]
fn an_idle_session_is_closed_and_counted() {
    let sensor =
        Sensor::start(Some(Action::Handler("echo".into())), |config| config.idle_timeout = Duration::from_millis(150));
    let mut stream = sensor.connect();
    let mut buffer = [0; 16];
    let mut begin = Instant::now();
    for _ in 0..4 {
        // Traffic keeps it: together these take longer than the timeout.
        thread::sleep(Duration::from_millis(60));
        stream.write_all(b"x").unwrap();
        assert_eq!(stream.read(&mut buffer).unwrap(), 1);
        begin = Instant::now();
    }
    assert_eq!(stream.read(&mut buffer).unwrap(), 0);
    assert!(begin.elapsed() >= Duration::from_millis(140));
    assert_eq!(sensor.counters.value(Counter::SessionsIdle), 1);
    sensor.stop();
}

#[test]
fn a_session_ends_at_its_longest_time_and_its_most_bytes() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.max_session = Duration::from_millis(200);
        config.max_session_bytes = 1_000;
    });
    assert_eq!(sensor.connect().read(&mut [0; 16]).unwrap(), 0);
    sensor.wait_for(Counter::SessionsOverlong, 1);
    let mut stream = sensor.connect();
    stream.write_all(&[0; 1_001]).unwrap();
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    assert_eq!((echoed.len(), sensor.counters.value(Counter::SessionsOverlong)), (1_001, 2));
    drop(stream);
    sensor.stop();
}

#[test]
fn sessions_beyond_the_limits_are_reset_and_counted() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.max_sessions = 3;
        config.max_sessions_per_source = 2;
    });
    let from = |last: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&sensor.tcp.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let echoes = |stream: &mut TcpStream| {
        stream.write_all(b"x")?;
        stream.read(&mut [0; 4])
    };
    let mut held = [from(1), from(1), from(2)];
    for stream in &mut held {
        assert_eq!(echoes(stream).unwrap(), 1);
    }
    assert!(echoes(&mut from(1)).is_err());
    sensor.wait_for(Counter::SessionsRefusedSource, 1);
    assert!(echoes(&mut from(3)).is_err());
    sensor.wait_for(Counter::SessionsRefusedTotal, 1);
    drop(held);
    sensor.wait_for(Counter::SessionsClosed, 3);
    assert_eq!(echoes(&mut from(3)).unwrap(), 1);
    sensor.stop();
}

#[test]
fn a_connection_without_flow_is_reset_and_counted() {
    let sensor = Sensor::start(None, |_| {});
    assert!(is_reset(&sensor.connect().read(&mut [0; 4])));
    assert_eq!(sensor.counters.value(Counter::SessionsWithoutFlow), 1);
    assert_eq!(sensor.counters.value(Counter::SessionsOpened), 0);
    sensor.stop();
}

#[test]
fn a_thousand_connections_at_the_same_time_are_all_served() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| config.workers = 2);
    let mut streams: Vec<TcpStream> = (0..1_000).map(|_| sensor.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&(number as u64).to_be_bytes()).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut echoed = [0; 8];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(u64::from_be_bytes(echoed), number as u64);
    }
    assert_eq!(sensor.counters.value(Counter::SessionsOpened), 1_000);
    drop(streams);
    sensor.wait_for(Counter::SessionsClosed, 1_000);
    sensor.stop();
}

#[test]
fn urgent_data_neither_stalls_a_session_nor_loses_bytes() {
    let sensor = Sensor::handler("echo");
    let mut stream = sensor.connect();
    stream.write_all(b"ab").unwrap();
    socket2::SockRef::from(&stream).send_out_of_band(b"U").unwrap();
    stream.write_all(b"cd").unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"abUcd");
    drop(stream);
    sensor.stop();
}

/// A server that hands its one connection to the test.
fn backend() -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, accepted) = unbounded();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        sender.send(stream).unwrap();
    });
    (address, accepted)
}

#[test]
fn a_proxied_connection_is_relayed_with_its_half_close_and_recorded() {
    let (address, accepted) = backend();
    let sensor = Sensor::proxy(address, |_| {});
    let mut visitor = sensor.connect();
    visitor.write_all(b"question").unwrap();
    visitor.shutdown(Shutdown::Write).unwrap();
    let mut target = accepted.recv_timeout(PATIENCE).unwrap();
    let mut question = String::new();
    target.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    // The visitor's side has ended; the answer still gets through.
    target.write_all(b"answer").unwrap();
    drop(target);
    let mut answer = String::new();
    visitor.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    for (direction, payload) in [("recv", "7175657374696f6e"), ("send", "616e73776572")] {
        let (handler, event) = sensor.event();
        assert_eq!((handler.as_str(), event.kind), ("proxy", "payload"));
        assert_eq!((&event.fields["direction"], &event.fields["payload_hex"]), (&direction.into(), &payload.into()));
    }
    sensor.stop();
}

#[test]
fn a_relay_carries_megabytes_both_ways_past_a_slow_reader() {
    let (address, accepted) = backend();
    let sensor = Sensor::proxy(address, |_| {});
    let visitor = sensor.connect();
    let target = accepted.recv_timeout(PATIENCE).unwrap();
    let data = pattern(8 << 20);
    let mut ends = Vec::new();
    for stream in [visitor, target] {
        let (mut reader, mut writer, data) = (stream.try_clone().unwrap(), stream, data.clone());
        ends.push(thread::spawn(move || {
            let sending = thread::spawn(move || {
                writer.write_all(&data).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let received = read_in_pieces(&mut reader, 3_000);
            sending.join().unwrap();
            received
        }));
    }
    for end in ends {
        assert!(end.join().unwrap() == data);
    }
    assert_eq!(sensor.event().1.fields["bytes"], 8 << 20);
    sensor.stop();
}

#[test]
fn a_target_that_refuses_gives_a_reset_and_an_event() {
    let nobody = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
    let sensor = Sensor::proxy(nobody, |_| {});
    assert!(is_reset(&sensor.connect().read(&mut [0; 4])));
    let (handler, event) = sensor.event();
    assert_eq!((handler.as_str(), event.kind), ("proxy", "proxy_error"));
    assert!(
        event.msg.contains(&format!("cannot reach tcp://{nobody}: ")) && event.msg.contains("refused"),
        "{}",
        event.msg
    );
    assert_eq!(sensor.counters.value(Counter::ProxyFailures), 1);
    sensor.stop();
}

#[test]
fn a_reset_of_the_target_resets_the_visitor() {
    let (address, accepted) = backend();
    let sensor = Sensor::proxy(address, |_| {});
    let mut visitor = sensor.connect();
    let target = accepted.recv_timeout(PATIENCE).unwrap();
    socket2::SockRef::from(&target).set_linger(Some(Duration::ZERO)).unwrap();
    drop(target);
    assert!(is_reset(&visitor.read(&mut [0; 4])));
    sensor.stop();
}

#[test]
fn a_proxy_that_points_at_the_server_itself_is_refused() {
    for host in ["127.0.0.1", "localhost"] {
        let target = ProxyTarget::Tcp { host: host.into(), port: 0 };
        let sensor = Sensor::start(Some(Action::Proxy(target)), |_| {});
        assert!(is_reset(&sensor.connect().read(&mut [0; 4])), "{host}");
        let (_, event) = sensor.event();
        assert_eq!(event.kind, "proxy_error");
        assert_eq!(sensor.counters.value(Counter::SessionsOpened), 1, "it went round");
        sensor.stop();
    }
}

#[test]
fn a_target_named_by_name_is_resolved_off_the_loop() {
    let (address, accepted) = backend();
    let target = ProxyTarget::Tcp { host: "localhost".into(), port: address.port() };
    let sensor = Sensor::start(Some(Action::Proxy(target)), |_| {});
    let mut visitor = sensor.connect();
    visitor.write_all(b"hi").unwrap();
    let mut target = accepted.recv_timeout(PATIENCE).unwrap();
    let mut question = [0; 2];
    target.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"hi");
    drop((visitor, target));
    sensor.stop();
}

#[test]
fn a_target_that_does_not_answer_in_time_is_given_up() {
    // A listener whose queue is full lets connections hang.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::new(LOOPBACK, 0).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let _fill: Vec<_> = (0..3)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            socket
        })
        .collect();
    let sensor = Sensor::proxy(address, |config| config.connect_timeout = Duration::from_millis(300));
    let mut visitor = sensor.connect();
    visitor.write_all(b"first words").unwrap();
    assert!(is_reset(&visitor.read(&mut [0; 4])));
    assert!(sensor.event().1.msg.contains("does not answer in time"));
    assert_eq!(sensor.event().1.fields["payload_hex"], "666972737420776f726473");
    sensor.stop();
}

#[test]
fn udp_answers_come_from_the_address_that_was_dialled() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.listen = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    });
    for last in 1..=3 {
        let dialled = SocketAddr::from(([127, 0, 0, last], sensor.udp_port));
        let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        for payload in [&b"one"[..], b"", b"three"] {
            client.send_to(payload, dialled).unwrap();
            let mut answer = [0; 16];
            let (len, from) = client.recv_from(&mut answer).unwrap();
            assert_eq!((&answer[..len], from), (payload, dialled));
        }
        assert!(sensor.flows.asked.lock().unwrap().contains(&dialled));
    }
    assert_eq!(sensor.counters.value(Counter::DatagramsReceived), 9);
    sensor.stop();
}

#[test]
fn ipv6_visitors_are_served_as_well() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.listen = vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    });
    let to = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect(to(sensor.tcp.port())).unwrap();
    stream.write_all(b"six").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    let client = UdpSocket::bind(to(0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"six", to(sensor.udp_port)).unwrap();
    assert_eq!(client.recv_from(&mut answer).unwrap(), (3, to(sensor.udp_port)));
    drop(stream);
    sensor.stop();
}

#[test]
fn a_udp_session_that_was_silent_asks_again_whose_it_is() {
    let sensor = Sensor::handler("echo");
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let echo = || {
        client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
        assert_eq!(client.recv(&mut [0; 4]).unwrap(), 1);
    };
    echo();
    sensor.flows.id.store(7, Relaxed);
    echo();
    assert!(sensor.records.is_empty(), "the session was cut although it talked");
    thread::sleep(Duration::from_millis(1_050));
    echo();
    assert_eq!(sensor.event().1.fields["bytes"], 2);
    sensor.stop();
}

#[test]
fn udp_answers_to_one_source_are_limited() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| config.udp_answers_per_source = 10);
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..100 {
        client.send(b"x").unwrap();
    }
    sensor.wait_for(Counter::DatagramsReceived, 100);
    sensor.wait_for(Counter::DatagramsUnanswered, 70);
    assert!(sensor.counters.value(Counter::DatagramsUnanswered) <= 80);
    sensor.stop();
}

/// Answers with two datagrams, thrice as long together as what came.
struct Talkative;

impl Handler for Talkative {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        cx.send(bytes);
        cx.send([bytes, bytes].concat());
    }
}

fn talkative(change: impl FnOnce(&mut config::Server)) -> Sensor {
    let mut registry = Registry::builtin();
    registry.register("talkative", &[Transport::Udp, Transport::Tcp], |_: &Session| Talkative);
    Sensor::start_with(registry, Some(Action::Handler("talkative".into())), change)
}

#[test]
fn an_address_that_may_be_forged_never_gets_more_than_came_in_its_name() {
    let sensor = talkative(|_| {});
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..30 {
        client.send(b"0123456789").unwrap();
    }
    sensor.wait_for(Counter::DatagramsReceived, 30);
    // An answer of 30 bytes for every third datagram, and each goes whole or not at all.
    sensor.wait_for(Counter::DatagramsUnanswered, 40);
    assert_eq!(sensor.counters.value(Counter::DatagramsAnswered), 20);
    assert_eq!(sensor.counters.value(Counter::DatagramBytesReceived), 300);
    assert_eq!(sensor.counters.value(Counter::DatagramBytesSent), 300);
    sensor.stop();
}

#[test]
fn an_address_that_has_connected_over_tcp_gets_whole_answers_up_to_its_rate() {
    let sensor = talkative(|config| config.udp_answer_bytes_per_source = 1_000);
    let mut stream = sensor.connect();
    stream.write_all(b"x").unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 3);
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..30 {
        client.send(&[7; 100]).unwrap();
    }
    sensor.wait_for(Counter::DatagramsReceived, 30);
    // Two answers were wanted for each: all are decided when each was sent or refused.
    let decided =
        || sensor.counters.value(Counter::DatagramsAnswered) + sensor.counters.value(Counter::DatagramsUnanswered);
    let begin = Instant::now();
    while decided() < 60 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{} answers are decided", decided());
        thread::yield_now();
    }
    // As much as came, and two seconds' worth, or a little more if the test takes its time.
    let sent = sensor.counters.value(Counter::DatagramBytesSent);
    assert!((4_800..=6_000).contains(&sent), "{sent}");
    drop(stream);
    sensor.stop();
}

#[test]
fn datagrams_are_recorded_up_to_the_cap_and_sessions_expire() {
    let sensor = Sensor::start(Some(Action::Handler("udp".into())), |config| {
        config.udp_idle_timeout = Duration::from_millis(50);
    });
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..20 {
        client.send(b"datagram").unwrap();
    }
    sensor.wait_for(Counter::DatagramsUnrecorded, 4);
    for _ in 0..16 {
        assert_eq!(sensor.event().1.fields["payload_hex"], "646174616772616d");
    }
    sensor.stop();
}

#[test]
fn a_datagram_without_flow_is_dropped_and_counted() {
    let sensor = Sensor::start(None, |_| {});
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
    sensor.wait_for(Counter::DatagramsWithoutFlow, 1);
    sensor.stop();
}

#[test]
fn udp_sessions_beyond_the_limit_push_out_the_oldest() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| config.max_sessions = 8);
    let clients: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind((LOOPBACK, 0)).unwrap()).collect();
    for client in &clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
        assert_eq!(client.recv(&mut [0; 4]).unwrap(), 1);
    }
    assert_eq!(sensor.counters.value(Counter::DatagramSessionsEvicted), 12);
    sensor.stop();
}

#[test]
fn http_is_logged_over_a_kept_and_pipelined_connection() {
    let sensor = Sensor::handler("log_http");
    let mut stream = sensor.connect();
    stream.write_all(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").unwrap();
    for path in ["/1", "/2"] {
        assert_eq!(sensor.event().1.fields["path"], path);
    }
    stream.write_all(b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(answers.matches("\r\n\r\nOK\n").count(), 3);
    assert_eq!(sensor.event().1.fields["path"], "/3");
    sensor.stop();
}

/// Panics at `p`, hands over to echo at `e`, to nobody at `n`, to itself at `l`.
struct Troubled;

impl Handler for Troubled {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        match bytes.first() {
            Some(b'p') => panic!("as the test wants"),
            Some(b'e') => {
                cx.send(b"over: ");
                cx.hand_over("echo", bytes.to_vec());
            }
            Some(b'n') => cx.hand_over("nobody", bytes.to_vec()),
            _ => cx.hand_over("troubled", bytes.to_vec()),
        }
    }
}

fn troubled() -> Sensor {
    let mut registry = Registry::builtin();
    registry.register("troubled", &[Transport::Tcp], |_: &Session| Troubled);
    Sensor::start_with(registry, Some(Action::Handler("troubled".into())), |_| {})
}

#[test]
fn a_session_can_be_handed_over_with_what_came_so_far() {
    let sensor = troubled();
    let mut stream = sensor.connect();
    stream.write_all(b"e1").unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"over: e1");
    stream.write_all(b"more").unwrap();
    stream.read_exact(&mut answer[..4]).unwrap();
    assert_eq!(&answer[..4], b"more");
    drop(stream);
    assert_eq!(sensor.event().0, "echo");
    sensor.stop();
}

#[test]
fn handlers_that_panic_or_go_in_circles_end_their_session_only() {
    let sensor = troubled();
    for (byte, reason) in [(b"n", "does not exist"), (b"l", "too often"), (b"p", "panicked")] {
        let mut stream = sensor.connect();
        stream.write_all(byte).unwrap();
        assert!(is_reset(&stream.read(&mut [0; 4])));
        let (_, event) = sensor.event();
        assert!(event.kind == "handler_error" && event.msg.contains(reason), "{}", event.msg);
    }
    assert_eq!(sensor.counters.value(Counter::HandlerPanics), 1);
    let mut stream = sensor.connect();
    stream.write_all(b"e").unwrap();
    stream.read_exact(&mut [0; 7]).unwrap();
}

#[test]
fn at_shutdown_handlers_have_their_last_word_and_visitors_a_proper_end() {
    let mut sensor = Sensor::handler("echo");
    let mut stream = sensor.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    let handle = sensor.handle.take().unwrap();
    assert!(!handle.has_failed());
    let ended = thread::spawn(move || handle.shutdown(Duration::from_secs(5)));
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    drop(stream);
    assert!(ended.join().unwrap());
    assert_eq!(sensor.event().1.fields["payload_hex"], "78");
    assert!(TcpStream::connect(sensor.tcp).is_err());
}

#[test]
fn a_thread_that_cannot_give_up_its_rights_does_not_start() {
    let config = config::Server { listen: vec![LOOPBACK], tcp_port: 0, udp_port: 0, ..config::Server::default() };
    let services = Services {
        registry: Arc::new(Registry::builtin()),
        flows: Arc::new(EverybodyOf::default()),
        counters: Arc::default(),
        clock: Clock::start(),
        samples: SampleSender::none(),
        targets: Vec::new(),
    };
    let calls = AtomicU64::new(0);
    let denied = move || match calls.fetch_add(1, Relaxed) {
        0 => Ok(()),
        _ => Err(io::Error::from(ErrorKind::PermissionDenied)),
    };
    let error = bind(&config).unwrap().spawn(services, |_: Record| {}, denied).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

/// The limit of open files is the process's, so this test runs itself once more as a process of its own, which is told what to do
/// through its standard input.
#[test]
fn a_server_out_of_descriptors_counts_rests_and_recovers() {
    const NAME: &str = "a_server_out_of_descriptors_counts_rests_and_recovers";
    const AS_CHILD: &str = "GLUTTON_NFQ_TEST_CHILD";
    if std::env::var_os(AS_CHILD).is_some() {
        return serve_with_few_descriptors();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(AS_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = said.find_map(|line| line.split_once("port ")?.1.parse::<u16>().ok()).unwrap();
    let connect = || TcpStream::connect((LOOPBACK, port)).unwrap();
    let held: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    let errors = said.find_map(|line| line.strip_prefix("errors ")?.parse::<u64>().ok()).unwrap();
    assert!((3..30).contains(&errors), "{errors} failed accepts: it spins");
    drop(held);
    let mut late = connect();
    late.write_all(b"late").unwrap();
    late.read_exact(&mut [0; 4]).unwrap();
    drop((late, child.stdin.take()));
    assert!(child.wait().unwrap().success());
}

fn serve_with_few_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let sensor = Sensor::handler("echo");
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + 20), maximum }).unwrap();
    println!("port {}", sensor.tcp.port());
    sensor.wait_for(Counter::AcceptErrors, 3);
    thread::sleep(Duration::from_millis(300));
    println!("errors {}", sensor.counters.value(Counter::AcceptErrors));
    io::stdin().read_line(&mut String::new()).unwrap();
    sensor.stop();
}
