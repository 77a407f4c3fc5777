//! What each rule does to packets, with the shipped code and no kernel.

mod carriage;
mod limit;
mod load;
mod reload;

use std::net::IpAddr;
use std::sync::Arc;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::config::{Datapath, Timeouts};
use crate::control::{Counter, Counters};
use crate::flow::{FlowEvent, FlowTable, Seed, Tuple};
use crate::packet::{Address, Endpoints, Packet, Payload, Quoted, Transport, transport_checksum_is_valid};
use crate::rules::RuleSet;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const SETTINGS: Settings =
    Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 61, closed_udp_port: 62, kernel: Kernel::NONE };

/// A client and a sensor of one family.
#[derive(Debug, Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn client(self) -> IpAddr {
        match self {
            Self::V4 => "192.0.2.7".parse().unwrap(),
            Self::V6 => "2001:db8::7".parse().unwrap(),
        }
    }

    fn sensor(self) -> IpAddr {
        match self {
            Self::V4 => "10.0.0.1".parse().unwrap(),
            Self::V6 => "2001:db8:1::1".parse().unwrap(),
        }
    }

    fn builder(self, src: IpAddr, dst: IpAddr) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => PacketBuilder::ipv4(src.octets(), dst.octets(), 64),
            (IpAddr::V6(src), IpAddr::V6(dst)) => PacketBuilder::ipv6(src.octets(), dst.octets(), 64),
            _ => panic!("mixed families"),
        }
    }

    fn syn(self, src_port: u16, dst_port: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ip = self.builder(self.client(), self.sensor());
        ip.tcp(src_port, dst_port, 1, 1_024).syn().write(&mut bytes, &[]).unwrap();
        bytes
    }

    fn udp(self, src_port: u16, dst_port: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.builder(self.client(), self.sensor()).udp(src_port, dst_port).write(&mut bytes, body).unwrap();
        bytes
    }

    /// What our server sends in answer to a packet as it was delivered.
    fn answer(self, delivered: &Endpoints, transport: Transport) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ip = self.builder(delivered.dst.into(), delivered.src.into());
        match transport {
            Transport::Tcp => {
                let tcp = ip.tcp(delivered.dst_port, delivered.src_port, 9, 1_024).syn().ack(2);
                tcp.write(&mut bytes, &[]).unwrap();
            }
            _ => ip.udp(delivered.dst_port, delivered.src_port).write(&mut bytes, b"answer").unwrap(),
        }
        bytes
    }
}

struct Bed {
    engine: Engine,
    rules: Arc<RuleSet>,
    counters: Arc<Counters>,
    records: Vec<FlowEvent>,
}

impl Bed {
    fn new(rules: &str) -> Self {
        Self::with(rules, SETTINGS)
    }

    fn with(rules: &str, settings: Settings) -> Self {
        let rules = Arc::new(RuleSet::from_yaml(&format!("rules:\n{rules}"), "test.yml").unwrap());
        let flows = FlowTable::new(1_000, Timeouts::default(), Seed([1, 2, 3]), NOW);
        let counters = Arc::new(Counters::default());
        let engine = Engine::new(Arc::clone(&rules), Arc::new(flows), Arc::clone(&counters), settings);
        Self { engine, rules, counters, records: Vec::new() }
    }

    fn decide(&mut self, bytes: &mut [u8], hook: Hook) -> Decision {
        let meta = Meta { hook, checksum: Checksum::Ready, mark: 0, ifindex: 1 };
        let before = bytes.to_vec();
        let decision = self.engine.decide(bytes, &meta, NOW, &mut |record| self.records.push(record));
        assert!(decision.rewritten || before == bytes, "changed without saying so");
        if decision.rewritten {
            assert_sound(bytes);
        }
        decision
    }

    fn enter(&mut self, bytes: &mut [u8]) -> Decision {
        self.decide(bytes, Hook::In)
    }

    fn leave(&mut self, bytes: &mut [u8]) -> Decision {
        self.decide(bytes, Hook::Out)
    }
}

fn assert_sound(bytes: &[u8]) {
    let packet = Packet::parse(bytes).unwrap();
    let segment = &bytes[packet.transport..packet.len];
    assert!(transport_checksum_is_valid(packet.src, packet.dst, packet.protocol, segment));
}

fn endpoints(bytes: &[u8]) -> Endpoints {
    let packet = Packet::parse(bytes).unwrap();
    let (src_port, dst_port) = match packet.payload {
        Payload::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
        Payload::Udp { src_port, dst_port } => (src_port, dst_port),
        other => panic!("{other:?}"),
    };
    Endpoints { src: packet.src, src_port, dst: packet.dst, dst_port }
}

const BOTH: [Family; 2] = [Family::V4, Family::V6];

#[test]
fn a_handler_sees_the_client_and_the_answer_comes_from_the_dialled_port() {
    for family in BOTH {
        let mut bed = Bed::new("  - { type: handler, target: tcp }\n");
        let mut syn = family.syn(40_000, 23);
        assert_eq!(bed.enter(&mut syn), Decision::REWRITTEN);
        let delivered = endpoints(&syn);
        assert_eq!((delivered.src_port, delivered.dst_port), (40_000, 5_000));
        let mut answer = family.answer(&delivered, Transport::Tcp);
        assert_eq!(bed.leave(&mut answer), Decision::REWRITTEN);
        let seen = endpoints(&answer);
        assert_eq!((IpAddr::from(seen.src), seen.src_port, seen.dst_port), (family.sensor(), 23, 40_000));
    }
}

#[test]
fn udp_goes_to_the_udp_port_and_back() {
    for family in BOTH {
        let mut bed = Bed::new("  - { match: udp, type: handler, target: udp }\n");
        let mut datagram = family.udp(40_000, 53, b"question");
        assert_eq!(bed.enter(&mut datagram), Decision::REWRITTEN);
        let delivered = endpoints(&datagram);
        assert_eq!(delivered.dst_port, 5_001);
        let mut answer = family.answer(&delivered, Transport::Udp);
        assert_eq!(bed.leave(&mut answer), Decision::REWRITTEN);
        assert_eq!(endpoints(&answer).src_port, 53);
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut bed = Bed::new(
        "  - { match: tcp dst port 22, type: pass }\n  - { match: tcp dst port 23, type: drop }\n  - { type: handler, target: tcp }\n",
    );
    assert_eq!(bed.enter(&mut Family::V4.syn(1, 22)), Decision::ACCEPT);
    assert_eq!(bed.enter(&mut Family::V4.syn(1, 23)), Decision::DROP);
    assert_eq!(bed.enter(&mut Family::V4.syn(1, 24)), Decision::REWRITTEN);
}

#[test]
fn a_rewrite_changes_port_and_address() {
    let mut bed = Bed::new(
        "  - { match: tcp dst port 80, type: rewrite, target: '8080' }\n  - { match: tcp dst port 81, type: rewrite, target: '10.0.0.9:8081' }\n",
    );
    let mut to_port = Family::V4.syn(1_000, 80);
    bed.enter(&mut to_port);
    assert_eq!(endpoints(&to_port).dst_port, 8_080);
    let mut to_address = Family::V4.syn(1_000, 81);
    bed.enter(&mut to_address);
    let delivered = endpoints(&to_address);
    assert_eq!((IpAddr::from(delivered.dst), delivered.dst_port), ("10.0.0.9".parse().unwrap(), 8_081));
    let mut answer = Family::V4.answer(&delivered, Transport::Tcp);
    bed.leave(&mut answer);
    let seen = endpoints(&answer);
    assert_eq!((IpAddr::from(seen.src), seen.src_port), (Family::V4.sensor(), 81));
}

#[test]
fn a_reject_is_answered_by_the_kernel_from_a_closed_port() {
    for family in BOTH {
        let mut bed = Bed::new("  - { type: reject }\n");
        let mut syn = family.syn(40_000, 23);
        bed.enter(&mut syn);
        assert_eq!(endpoints(&syn).dst_port, SETTINGS.closed_tcp_port);
        let mut datagram = family.udp(40_000, 53, b"?");
        bed.enter(&mut datagram);
        assert_eq!(endpoints(&datagram).dst_port, SETTINGS.closed_udp_port);
        // The kernel's port unreachable quotes the datagram as it was delivered.
        let mut error = icmp_error(family, family.sensor(), family.client(), &datagram);
        assert_eq!(bed.leave(&mut error), Decision::REWRITTEN);
        let packet = Packet::parse(&error).unwrap();
        let quoted = Quoted::parse(&error, &packet).unwrap().endpoints;
        assert_eq!((quoted.src_port, quoted.dst_port), (40_000, 53));
    }
}

fn icmp_error(family: Family, src: IpAddr, dst: IpAddr, quoted: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let ip = family.builder(src, dst);
    match family {
        Family::V4 => ip.icmpv4_raw(3, 3, [0; 4]).write(&mut bytes, quoted).unwrap(),
        Family::V6 => ip.icmpv6_raw(1, 4, [0; 4]).write(&mut bytes, quoted).unwrap(),
    }
    bytes
}

#[test]
fn an_error_from_a_router_about_our_answer_reaches_our_server() {
    for family in BOTH {
        let mut bed = Bed::new("  - { type: handler, target: tcp }\n");
        // The second flow of this client port gets an alias, so that both ports must be translated.
        bed.enter(&mut family.syn(40_000, 22));
        let mut syn = family.syn(40_000, 23);
        bed.enter(&mut syn);
        let delivered = endpoints(&syn);
        assert_ne!(delivered.src_port, 40_000);
        let mut answer = family.answer(&delivered, Transport::Tcp);
        bed.leave(&mut answer);
        let router = if matches!(family, Family::V4) { "192.0.2.254" } else { "2001:db8::fe" };
        let mut error = icmp_error(family, router.parse().unwrap(), family.sensor(), &answer);
        assert_eq!(bed.enter(&mut error), Decision::REWRITTEN);
        let packet = Packet::parse(&error).unwrap();
        let quoted = Quoted::parse(&error, &packet).unwrap().endpoints;
        assert_eq!(quoted, delivered.reversed());
        assert_eq!(IpAddr::from(packet.src), router.parse::<IpAddr>().unwrap());
    }
}

#[test]
fn midstream_tcp_without_a_flow_passes() {
    let mut bed = Bed::new("  - { type: drop }\n");
    let mut bytes = Vec::new();
    let ip = Family::V4.builder(Family::V4.client(), Family::V4.sensor());
    ip.tcp(1, 2, 3, 4).ack(5).write(&mut bytes, b"data").unwrap();
    assert_eq!(bed.enter(&mut bytes), Decision::ACCEPT);
    assert_eq!(bed.counters.value(Counter::MidstreamPackets), 1);
    assert!(bed.engine.flows().is_empty());
}

#[test]
fn scans_without_syn_find_a_handlers_port_as_silent_as_a_listener() {
    let mut bed = Bed::new("  - { match: tcp dst port 22, type: pass }\n  - { type: handler, target: tcp }\n");
    let probe = |port, set: fn(&mut etherparse::TcpHeader)| {
        let mut header = etherparse::TcpHeader::new(1, port, 3, 4);
        set(&mut header);
        let mut bytes = Vec::new();
        Family::V4.builder(Family::V4.client(), Family::V4.sensor()).tcp_header(header).write(&mut bytes, &[]).unwrap();
        bytes
    };
    let null: fn(&mut etherparse::TcpHeader) = |_| {};
    let scans = [
        null,
        |tcp| tcp.fin = true,
        |tcp| (tcp.fin, tcp.psh, tcp.urg) = (true, true, true),
        |tcp| (tcp.syn, tcp.fin) = (true, true),
    ];
    for scan in scans {
        assert_eq!(bed.enter(&mut probe(80, scan)), Decision::DROP);
        assert_eq!(bed.enter(&mut probe(22, scan)), Decision::ACCEPT, "the host's own port is the host's");
    }
    // Whoever acknowledges what was never said is reset by a listener as well.
    assert_eq!(bed.enter(&mut probe(80, |tcp| tcp.ack = true)), Decision::ACCEPT);
    assert!(bed.engine.flows().is_empty());
}

#[test]
fn packet_rules_decide_each_packet_and_leave_the_flow_alone() {
    let mut bed = Bed::new(
        "  - { match: udp and len > 100, type: drop, per: packet }\n  - { match: udp, type: handler, target: udp }\n",
    );
    assert_eq!(bed.enter(&mut Family::V4.udp(1, 53, b"small")), Decision::REWRITTEN);
    assert_eq!(bed.enter(&mut Family::V4.udp(1, 53, &[0; 200])), Decision::DROP);
    assert_eq!(bed.enter(&mut Family::V4.udp(1, 53, b"small")), Decision::REWRITTEN);
    assert_eq!(bed.engine.flows().len(), 1);
}

#[test]
fn our_own_ports_look_closed_from_outside() {
    let mut bed = Bed::new("  - { match: tcp dst port 23, type: handler, target: tcp }\n");
    let mut syn = Family::V4.syn(40_000, SETTINGS.tcp_port);
    assert_eq!(bed.enter(&mut syn), Decision::REWRITTEN);
    assert_eq!(endpoints(&syn).dst_port, SETTINGS.closed_tcp_port);
    assert_eq!(bed.enter(&mut Family::V4.syn(40_000, 9_999)), Decision::ACCEPT);
}

#[test]
fn pings_are_passed_or_dropped_as_the_rules_say() {
    let mut ping = Vec::new();
    let ip = PacketBuilder::ipv4([192, 0, 2, 7], [10, 0, 0, 1], 64);
    ip.icmpv4_echo_request(7, 1).write(&mut ping, b"hello").unwrap();
    assert_eq!(Bed::new("  - { match: icmp, type: drop }\n").enter(&mut ping), Decision::DROP);
    assert_eq!(Bed::new("  - { match: icmp, type: pass }\n").enter(&mut ping), Decision::ACCEPT);
    assert_eq!(Bed::new("  - { match: tcp, type: drop }\n").enter(&mut ping), Decision::ACCEPT);
}

#[test]
fn a_flow_is_reported_with_the_dialled_port_and_the_rule() {
    let mut bed = Bed::new("  - { match: tcp dst port 23, type: handler, target: tcp, name: telnet-ish }\n");
    bed.enter(&mut Family::V4.syn(40_000, 23));
    let [FlowEvent::Opened { flow, .. }] = bed.records.as_slice() else { panic!("{:?}", bed.records) };
    assert_eq!((flow.key.client_port, flow.key.dialled_port, flow.rule.name.as_str()), (40_000, 23, "telnet-ish"));
}

#[test]
fn an_offloaded_checksum_is_computed_in_full() {
    let bed = Bed::new("  - { type: handler, target: tcp }\n");
    let mut syn = Family::V4.syn(40_000, 23);
    syn[36..38].copy_from_slice(&[0x12, 0x34]);
    let meta = Meta { hook: Hook::In, checksum: Checksum::NotReady, mark: 0, ifindex: 1 };
    assert_eq!(bed.engine.decide(&mut syn, &meta, NOW, &mut |_| {}), Decision::REWRITTEN);
    assert_sound(&syn);
}

#[test]
fn rules_tell_packets_apart_by_mark_and_interface() {
    let bed = Bed::new(
        "  - { match: mark 0x10/0xf0, type: drop, per: packet }\n  - { match: from iface lo, type: reject }\n  - { type: handler, target: tcp }\n",
    );
    let ports = [(0x1f, 1, None), (0, 1, Some(SETTINGS.closed_tcp_port)), (0x2f, 2, Some(SETTINGS.tcp_port))];
    for (client_port, (mark, ifindex, delivered)) in (40_000..).zip(ports) {
        let mut syn = Family::V4.syn(client_port, 23);
        let meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark, ifindex };
        let decision = bed.engine.decide(&mut syn, &meta, NOW, &mut |_| {});
        assert_eq!(decision == Decision::DROP, delivered.is_none(), "{decision:?}");
        assert_eq!(endpoints(&syn).dst_port, delivered.unwrap_or(23));
    }
}

#[test]
fn zero_ports_are_ports_like_any_other() {
    let mut bed = Bed::new("  - { type: handler, target: tcp }\n");
    let mut syn = Family::V4.syn(0, 0);
    assert_eq!(bed.enter(&mut syn), Decision::REWRITTEN);
    let delivered = endpoints(&syn);
    let key = Tuple {
        client: Address::v4([192, 0, 2, 7]),
        host: Address::v4([10, 0, 0, 1]),
        client_port: delivered.src_port,
        host_port: delivered.dst_port,
        transport: Transport::Tcp,
    };
    assert_eq!(bed.engine.flows().translated(&key).unwrap().key.dialled_port, 0);
}

proptest! {
    #[test]
    fn garbage_gets_a_decision_and_is_never_rewritten_wrong(
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..120), 0..3_u8, any::<bool>()), 1..20),
    ) {
        let bed = Bed::new("  - { match: tcp or udp, type: handler, target: tcp }\n  - { type: reject }\n");
        for (mut bytes, version, out) in packets {
            if let Some(first) = bytes.first_mut() {
                *first = match version { 0 => 0x45, 1 => 0x60, _ => *first };
            }
            let meta = Meta {
                hook: if out { Hook::Out } else { Hook::In },
                checksum: Checksum::NotReady,
                mark: 0,
                ifindex: 0,
            };
            let len = bytes.len();
            bed.engine.decide(&mut bytes, &meta, NOW, &mut |_| {});
            prop_assert_eq!(bytes.len(), len);
        }
    }
}
