//! Any sequence of packets: every one gets a verdict that fits what was done to its bytes, and the flow table keeps its bound.
//!
//! Input: steps of eight bytes, each a packet from a small world (so that flows meet again), then up to four bytes of it changed.

#![no_main]

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};
use glutton_nfq::clock::Timestamp;
use glutton_nfq::config::Timeouts;
use glutton_nfq::control::Counters;
use glutton_nfq::engine::{Checksum, Decision, Engine, Hook, Kernel, Meta, Settings, Verdict};
use glutton_nfq::flow::{FlowTable, Seed};
use glutton_nfq::packet::Packet;
use glutton_nfq::rules::RuleSet;
use libfuzzer_sys::fuzz_target;

/// Every kind of rule, and one decided packet by packet.
const RULES: &str = "
version: 1
rules:
  - {name: each, match: dst port 9, type: drop, per: packet}
  - {name: dropped, match: dst port 1, type: drop}
  - {name: rejected, match: dst port 2, type: reject}
  - {name: passed, match: dst port 3, type: pass}
  - {name: port, match: dst port 4, type: rewrite, target: '7'}
  - {name: address, match: dst port 5, type: rewrite, target: '10.0.0.3:7'}
  - {name: proxied, match: tcp dst port 6, type: proxy, target: 'tcp://192.0.2.9:80'}
  - {name: rest, match: tcp or udp, type: handler, target: echo}
";
/// Few enough to be full soon.
const MAX_FLOWS: usize = 128;
const SETTINGS: Settings =
    Settings { tcp_port: 5000, udp_port: 5001, closed_tcp_port: 61, closed_udp_port: 62, kernel: Kernel::NONE };
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// One engine for all inputs, emptied in between, on one clock: making a table costs more than deciding a hundred packets.
struct World {
    engine: Engine,
    now: Timestamp,
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| {
    let rules = Arc::new(RuleSet::from_yaml(RULES, "fuzz").expect("the rules above are right"));
    let flows = Arc::new(FlowTable::new(MAX_FLOWS, Timeouts::default(), Seed([1, 2, 3]), START));
    Mutex::new(World { engine: Engine::new(rules, flows, Arc::new(Counters::default()), SETTINGS), now: START })
});

fuzz_target!(|input: &[u8]| {
    let mut world = WORLD.lock().expect("a panic ends the process");
    let World { engine, now } = &mut *world;
    for step in input.as_chunks::<8>().0 {
        let [kind, host_port, client, pause, changes @ ..] = *step;
        *now = *now + pause_of(pause);
        let hook = if kind & 1 == 0 { Hook::In } else { Hook::Out };
        let checksum = if kind & 2 == 0 { Checksum::Ready } else { Checksum::NotReady };
        let mut bytes = packet(kind >> 2, hook, host_port, client);
        change(&mut bytes, changes);
        decide(engine, &mut bytes, &Meta { hook, checksum, mark: 0, ifindex: 2 }, *now);
        if pause >= LONG {
            engine.housekeeping(*now, 16, &mut |_| {});
        }
        assert!(engine.flows().len() <= MAX_FLOWS, "{} flows", engine.flows().len());
    }
    engine.flows().close_all(*now, &mut |_| {});
    assert!(engine.flows().is_empty());
});

/// Pauses from here on outlive one of the timeouts each.
const LONG: u8 = 0xf8;

/// Milliseconds, or just more than a timeout.
fn pause_of(pause: u8) -> Duration {
    match pause {
        LONG.. => Duration::from_secs([1, 10, 31, 66, 121, 181, 600, 7201][usize::from(pause & 7)]),
        _ => Duration::from_millis(pause.into()),
    }
}

fn decide(engine: &Engine, bytes: &mut [u8], meta: &Meta, now: Timestamp) {
    let before = bytes.to_vec();
    let Decision { verdict, rewritten, .. } = engine.decide(bytes, meta, now, &mut |_| {});
    if rewritten {
        assert_eq!(verdict, Verdict::Accept, "nothing is rewritten to be dropped");
        let (old, new) = (Packet::parse(&before), Packet::parse(bytes));
        let (old, new) = (old.expect("only a parsed packet is rewritten"), new.expect("a rewritten packet parses"));
        assert_eq!((old.len, old.transport, old.protocol), (new.len, new.transport, new.protocol));
    } else {
        assert_eq!(before, bytes, "changed bytes must be announced");
    }
}

/// A right packet between one of 16 clients and the host, either way.
fn packet(kind: u8, hook: Hook, host_port: u8, client: u8) -> Vec<u8> {
    let v6 = kind & 1 == 1;
    let (last, client_port) = (client & 3, 1000 + u16::from(client >> 2 & 3));
    // Ports that rules name, and the handler server's own.
    let host_port = if host_port < 16 { u16::from(host_port) } else { 4990 + u16::from(host_port & 15) };
    let ip = |src, dst| {
        let v6_address = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        if v6 {
            PacketBuilder::ipv6(v6_address(src), v6_address(dst), 64)
        } else {
            PacketBuilder::ipv4([10, 0, 0, src], [10, 0, 0, dst], 64)
        }
    };
    let (ip, src_port, dst_port) = match hook {
        Hook::In => (ip(last + 1, 100), client_port, host_port),
        Hook::Out => (ip(100, last + 1), host_port, client_port),
    };
    build(ip, kind >> 1, v6, src_port, dst_port)
}

fn build(ip: PacketBuilderStep<IpHeaders>, kind: u8, v6: bool, src_port: u16, dst_port: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let tcp = |ip: PacketBuilderStep<IpHeaders>| ip.tcp(src_port, dst_port, 1, 1024);
    let written = match kind & 7 {
        0 => tcp(ip).syn().write(&mut bytes, &[]),
        1 => tcp(ip).syn().ack(2).write(&mut bytes, &[]),
        2 => tcp(ip).ack(2).write(&mut bytes, b"data"),
        3 => tcp(ip).fin().ack(2).write(&mut bytes, &[]),
        4 => tcp(ip).rst().write(&mut bytes, &[]),
        5 => ip.udp(src_port, dst_port).write(&mut bytes, b"datagram"),
        6 if v6 => ip.icmpv6_echo_request(src_port, 1).write(&mut bytes, b"ping"),
        6 => ip.icmpv4_echo_request(src_port, 1).write(&mut bytes, b"ping"),
        // Port unreachable, about a packet of the same small world.
        _ => {
            let quoted = packet(5 << 1 | u8::from(v6), Hook::Out, dst_port as u8, src_port as u8);
            if v6 {
                ip.icmpv6_raw(1, 4, [0; 4]).write(&mut bytes, &quoted)
            } else {
                ip.icmpv4_raw(3, 3, [0; 4]).write(&mut bytes, &quoted)
            }
        }
    };
    written.expect("writing to memory");
    bytes
}

/// Two bytes of position and value each; a position past the end cuts the packet there instead.
fn change(bytes: &mut Vec<u8>, changes: [u8; 4]) {
    for [at, value] in changes.as_chunks::<2>().0 {
        match bytes.get_mut(usize::from(*at)) {
            // Position 0 leaves the packet alone: most must stay right for flows to grow old.
            _ if *at == 0 => {}
            Some(byte) => *byte = *value,
            None => bytes.truncate(usize::from(*value)),
        }
    }
}
