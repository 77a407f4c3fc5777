//! The nfqueue room against the real kernel: an attacker and a sensor in two network namespaces joined by a veth pair.
//!
//! Needs root, `ip` and `iptables`; fails without them. Nothing outside the two namespaces is touched.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::os::fd::AsFd;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, iter};

use glutton_nfq::clock::{Clock, Timestamp};
use glutton_nfq::config::{self, Fail};
use glutton_nfq::control::{Counter, Counters};
use glutton_nfq::engine::{Decision, Hook, Meta};
use glutton_nfq::nfqueue::{Decide, Error, Options, Socket, Statistics, Stopper, Worker};
use rustix::thread::{CapabilitySet, LinkNameSpaceType, capabilities, move_into_link_name_space, set_capabilities};

const SENSOR: &str = "10.66.0.1";
const ATTACKER: &str = "10.66.0.2";
const QUEUE: u16 = 40;
/// How long a packet that must arrive may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a packet that must not arrive is waited for.
const SILENCE: Duration = Duration::from_millis(200);

/// Two namespaces with one link; gone when dropped.
struct Net {
    attacker: String,
    sensor: String,
}

impl Net {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "these tests need root");
        let name = format!("gn-nfqueue-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let net = Self { attacker: format!("{name}-a"), sensor: format!("{name}-s") };
        let (a, s) = (&net.attacker, &net.sensor);
        run(&format!("ip netns add {a}"));
        run(&format!("ip netns add {s}"));
        run(&format!("ip -n {a} link add veth0 type veth peer name veth0 netns {s}"));
        for (namespace, address) in [(a, ATTACKER), (s, SENSOR)] {
            run(&format!("ip -n {namespace} address add {address}/24 dev veth0"));
            run(&format!("ip -n {namespace} link set lo up"));
            run(&format!("ip -n {namespace} link set veth0 up"));
        }
        net
    }

    /// Adds a rule in the sensor's namespace.
    fn rule(&self, rule: &str) {
        run(&format!("ip netns exec {} iptables -w 5 {rule}", self.sensor));
    }

    /// Diverts UDP and TCP to the sensor into the queue.
    fn divert(&self) {
        self.rule(&format!("-t mangle -A PREROUTING -i veth0 -j NFQUEUE --queue-num {QUEUE}"));
    }

    fn on_sensor<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.sensor, work)
    }

    fn on_attacker<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        inside(&self.attacker, work)
    }

    fn socket(&self, options: Options) -> Socket {
        self.on_sensor(|| Socket::bind(&options)).unwrap()
    }

    /// A UDP socket of the sensor.
    fn server(&self, port: u16) -> UdpSocket {
        let socket = self.on_sensor(|| UdpSocket::bind((SENSOR, port))).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
        socket
    }

    /// A UDP socket of the attacker.
    fn client(&self) -> UdpSocket {
        self.on_attacker(|| UdpSocket::bind((ATTACKER, 0))).unwrap()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for namespace in [&self.attacker, &self.sensor] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `work` on a thread of its own inside a network namespace.
fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    thread::scope(|scope| {
        let enter_and_work = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        scope.spawn(enter_and_work).join().unwrap()
    })
}

fn options() -> Options {
    Options::new(&config::Engine::default(), QUEUE)
}

/// Decides by a closure.
struct By<F>(F);

impl<F: FnMut(&mut [u8], &Meta) -> Decision> Decide for By<F> {
    fn decide(&mut self, packet: &mut [u8], meta: &Meta, _now: Timestamp) -> Decision {
        (self.0)(packet, meta)
    }

    fn housekeeping(&mut self, _now: Timestamp) {}
}

fn accept_all() -> impl Decide {
    By(|_: &mut [u8], _: &Meta| Decision::ACCEPT)
}

/// A worker on its thread; stopped when told or dropped.
struct Running {
    stopper: Stopper,
    counters: Arc<Counters>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Running {
    fn start(socket: Socket, decide: impl FnMut(&mut [u8], &Meta) -> Decision + Send + 'static) -> Self {
        let counters = Arc::new(Counters::default());
        let worker =
            Worker::new(vec![socket], Fail::Closed, By(decide), Clock::start(), Arc::clone(&counters)).unwrap();
        let stopper = worker.stopper();
        Self { stopper, counters, thread: Some(thread::spawn(|| worker.run().map(drop))) }
    }

    fn stop(mut self) -> Arc<Counters> {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
        Arc::clone(&self.counters)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
    }
}

fn u16_at(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// Destination port of an IPv4 packet without options.
fn dialled_port(packet: &[u8]) -> u16 {
    u16_at(packet, 22)
}

/// Ones' complement sum of a range (RFC 1071).
fn sum(packet: &[u8], range: Range<usize>) -> u64 {
    let words = packet[range].chunks(2);
    words.map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0))).sum()
}

/// Sets a full TCP checksum in an IPv4 packet without options.
fn finish_tcp(packet: &mut [u8]) {
    packet[36..38].fill(0);
    let mut total = sum(packet, 12..packet.len()) + 6 + (packet.len() as u64 - 20);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    packet[36..38].copy_from_slice(&(!(total as u16)).to_be_bytes());
}

fn receives(server: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let length = server.recv(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

fn stays_silent(server: &UdpSocket) -> bool {
    server.set_read_timeout(Some(SILENCE)).unwrap();
    let silent = receives(server).is_none();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    silent
}

#[test]
fn accept_drop_and_mark_are_carried_out() {
    let net = Net::new();
    let running = Running::start(net.socket(options()), |packet, meta| {
        assert_eq!((meta.hook, meta.mark), (Hook::In, 0));
        assert_ne!(meta.ifindex, 0);
        match dialled_port(packet) {
            1001 => Decision::DROP,
            1002 => Decision { mark: Some(0x55), ..Decision::ACCEPT },
            _ => Decision::ACCEPT,
        }
    });
    net.divert();
    net.rule("-A INPUT -m mark ! --mark 0x55 -p udp --dport 1002:1003 -j DROP");
    let [accepted, dropped, marked, unmarked] = [1000, 1001, 1002, 1003].map(|port| net.server(port));
    let client = net.client();
    for port in [1001, 1003, 1002, 1000] {
        client.send_to(b"hello", (SENSOR, port)).unwrap();
    }
    assert_eq!(receives(&accepted).unwrap(), b"hello");
    assert_eq!(receives(&marked).unwrap(), b"hello");
    assert!(stays_silent(&dropped) && stays_silent(&unmarked));
    let counters = running.stop();
    assert_eq!(counters.value(Counter::VerdictDrop), 1);
    assert_eq!(counters.value(Counter::VerdictErrors), 0);
}

#[test]
fn rewritten_datagrams_of_every_length_arrive() {
    let net = Net::new();
    let running = Running::start(net.socket(options()), |packet, _| {
        if packet[9] != 17 {
            return Decision::ACCEPT;
        }
        packet[22..24].copy_from_slice(&2001u16.to_be_bytes());
        // No checksum (RFC 768): valid over IPv4.
        packet[26..28].fill(0);
        Decision::REWRITTEN
    });
    net.divert();
    let (server, client) = (net.server(2001), net.client());
    for length in (0..16).chain([1_471, 1_472]) {
        let payload = vec![u8::try_from(length % 251).unwrap(); length];
        client.send_to(&payload, (SENSOR, 2000)).unwrap();
        assert_eq!(receives(&server).unwrap(), payload);
    }
    assert_eq!(running.stop().value(Counter::PacketsRewritten), 18);
}

#[test]
fn rewritten_super_packets_carry_a_stream_bit_for_bit() {
    const BYTES: usize = 24 << 20;
    let net = Net::new();
    let (largest, seen) = mpsc::channel();
    let running = Running::start(net.socket(options()), move |packet, meta| {
        let (at, from, to) = match meta.hook {
            Hook::In => (22, 7000u16, 7001u16),
            Hook::Out => (20, 7001, 7000),
        };
        if packet[9] != 6 || u16_at(packet, at) != from {
            return Decision::ACCEPT;
        }
        packet[at..at + 2].copy_from_slice(&to.to_be_bytes());
        finish_tcp(packet);
        let _ = largest.send(packet.len());
        Decision::REWRITTEN
    });
    net.divert();
    net.rule(&format!("-t raw -A OUTPUT -o veth0 -p tcp --sport 7001 -j NFQUEUE --queue-num {QUEUE}"));
    let listener = net.on_sensor(|| TcpListener::bind((SENSOR, 7001))).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::with_capacity(BYTES);
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(&received).unwrap();
        received.len()
    });
    let address: SocketAddr = format!("{SENSOR}:7000").parse().unwrap();
    let mut stream = net.on_attacker(|| TcpStream::connect_timeout(&address, PATIENCE)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut state = 1u32;
    let sent: Vec<u8> = iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(BYTES)
    .collect();
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echoed = Vec::with_capacity(BYTES);
    stream.read_to_end(&mut echoed).unwrap();
    assert!(echoed == sent, "{} of {BYTES} bytes came back", echoed.len());
    assert_eq!(server.join().unwrap(), BYTES);
    let counters = running.stop();
    assert_eq!(counters.value(Counter::VerdictErrors), 0);
    assert_eq!(counters.value(Counter::VerdictFallback), 0);
    let largest = seen.iter().max().unwrap();
    assert!(largest > 60_000, "no super-packet came: the largest had {largest} bytes");
}

#[test]
fn run_of_accepts_arrives_whole_and_in_order() {
    const PACKETS: u32 = 2_000;
    let net = Net::new();
    let socket = net.socket(options());
    net.divert();
    let (server, client) = (net.server(3000), net.client());
    // All wait before the worker starts, so that it meets full batches.
    for number in 0..PACKETS {
        client.send_to(&number.to_be_bytes(), (SENSOR, 3000)).unwrap();
    }
    let running = Running::start(socket, |packet, _| {
        let wanted = packet.len() < 32 || u16_at(packet, 30) % 100 != 99;
        if wanted { Decision::ACCEPT } else { Decision::DROP }
    });
    for number in (0..PACKETS).filter(|number| number % 100 != 99) {
        assert_eq!(receives(&server).unwrap(), number.to_be_bytes());
    }
    let counters = running.stop();
    assert_eq!(counters.value(Counter::VerdictDrop), u64::from(PACKETS / 100));
    assert_eq!(counters.value(Counter::VerdictErrors), 0);
}

#[test]
fn what_waits_at_the_stop_is_still_answered() {
    let net = Net::new();
    let socket = net.socket(options());
    net.divert();
    let (server, client) = (net.server(3000), net.client());
    for number in 0..200u32 {
        client.send_to(&number.to_be_bytes(), (SENSOR, 3000)).unwrap();
    }
    let worker = Worker::new(vec![socket], Fail::Open, accept_all(), Clock::start(), Arc::default()).unwrap();
    worker.stopper().stop();
    worker.run().unwrap();
    for number in 0..200u32 {
        assert_eq!(receives(&server).unwrap(), number.to_be_bytes());
    }
}

/// Floods a sensor whose socket holds a few packets, before its worker starts. Returns how many of the 500 arrived, and how many the
/// kernel says were lost.
fn flood_a_tiny_buffer(fail: Fail) -> (usize, u64) {
    let net = Net::new();
    let socket = net.socket(Options { receive_buffer: 1, fail, ..options() });
    let mut statistics = net.on_sensor(|| Statistics::open(QUEUE, 1)).unwrap();
    net.divert();
    let (server, client) = (net.server(3000), net.client());
    for _ in 0..500 {
        client.send_to(b"flood", (SENSOR, 3000)).unwrap();
    }
    let running = Running::start(socket, |_, _| Decision::ACCEPT);
    server.set_read_timeout(Some(SILENCE)).unwrap();
    let arrived = iter::from_fn(|| receives(&server)).count();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    // The queue is still served: packets that come one at a time all pass.
    for _ in 0..20 {
        client.send_to(b"after", (SENSOR, 3000)).unwrap();
        assert_eq!(receives(&server).unwrap(), b"after");
    }
    statistics.refresh(&running.counters).unwrap();
    // With the queue its counts are gone; the last ones stay.
    let counters = running.stop();
    statistics.refresh(&counters).unwrap();
    (arrived, counters.value(Counter::KernelUserDropped))
}

#[test]
fn full_socket_loses_packets_and_not_the_queue() {
    let (arrived, lost) = flood_a_tiny_buffer(Fail::Closed);
    assert!(lost > 400 && arrived as u64 + lost == 500, "{arrived} arrived, {lost} lost");
}

#[test]
fn full_socket_passes_packets_when_it_fails_open() {
    assert_eq!(flood_a_tiny_buffer(Fail::Open), (500, 0));
}

#[test]
fn queue_of_another_process_is_named_with_its_owner() {
    let net = Net::new();
    let _first = net.socket(options());
    let error = net.on_sensor(|| Socket::bind(&options())).unwrap_err().to_string();
    let start = format!("queue {QUEUE} is already bound by another process (portid ");
    assert!(error.starts_with(&start) && error.ends_with("): stop it or choose --queue-num"), "{error}");
}

#[test]
fn binding_without_the_capability_says_so() {
    let net = Net::new();
    let result = net.on_sensor(|| {
        lose_capabilities();
        Socket::bind(&options())
    });
    let error = result.unwrap_err().to_string();
    assert_eq!(error, format!("queue {QUEUE} cannot be bound without CAP_NET_ADMIN: run as root"));
}

#[test]
fn worker_that_lost_its_capability_ends_with_an_error() {
    let net = Net::new();
    let socket = net.socket(options());
    net.divert();
    net.client().send_to(b"hello", (SENSOR, 3000)).unwrap();
    let result = thread::spawn(|| {
        let worker = Worker::new(vec![socket], Fail::Open, accept_all(), Clock::start(), Arc::default()).unwrap();
        lose_capabilities();
        worker.run().map(drop)
    });
    assert!(matches!(result.join().unwrap(), Err(Error::Refused { queue: QUEUE, .. })));
}

/// Of the calling thread.
fn lose_capabilities() {
    let mut sets = capabilities(None).unwrap();
    sets.effective = CapabilitySet::empty();
    set_capabilities(None, sets).unwrap();
}

#[test]
fn bypass_passes_packets_only_while_nothing_is_bound() {
    let net = Net::new();
    let rule = format!("-t mangle -A PREROUTING -i veth0 -p udp -j NFQUEUE --queue-num {QUEUE}");
    net.rule(&format!("{rule} --queue-bypass"));
    let (server, client) = (net.server(3000), net.client());
    client.send_to(b"unbound", (SENSOR, 3000)).unwrap();
    assert_eq!(receives(&server).unwrap(), b"unbound");

    let running = Running::start(net.socket(options()), |_, _| Decision::DROP);
    client.send_to(b"bound", (SENSOR, 3000)).unwrap();
    assert!(stays_silent(&server));
    assert_eq!(running.stop().value(Counter::VerdictDrop), 1);

    client.send_to(b"closed", (SENSOR, 3000)).unwrap();
    assert_eq!(receives(&server).unwrap(), b"closed");
}

#[test]
fn statistics_show_the_bound_queue() {
    let net = Net::new();
    let _socket = net.socket(options());
    let mut statistics = net.on_sensor(|| Statistics::open(QUEUE, 1)).unwrap();
    let queues: Vec<_> = statistics.read().unwrap().collect();
    assert_eq!((queues.len(), queues[0].queue, queues[0].copy_mode, queues[0].copy_range), (1, QUEUE, 2, 65_531));
}
