//! Packets that no honest stack sends: none may crash or stall the engine, every one gets a verdict.

use etherparse::{EtherType, IpFragOffset, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, ether_type};
use glutton_nfq::netns::{ATTACKER_V4, ATTACKER_V6, SENSOR_V4, SENSOR_V6};

use crate::lab::client::echo;
use crate::lab::frame::FrameSender;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: rejected, match: dst portrange 100-199, type: reject}
  - {name: rewritten, match: dst portrange 200-299, type: rewrite, target: '9201'}
  - {name: echo, match: tcp or udp, type: handler, target: echo}
  - {name: rest, type: drop}
";
const MUTATIONS: usize = 20_000;

/// An IPv4 packet whose own header is right, whatever it carries.
fn v4(protocol: IpNumber, payload: &[u8], fragment: Option<(u16, u16, bool)>) -> Vec<u8> {
    let length = payload.len().try_into().unwrap();
    let mut header = Ipv4Header::new(length, 64, protocol, ATTACKER_V4.octets(), SENSOR_V4.octets()).unwrap();
    if let Some((identification, offset, more)) = fragment {
        header.identification = identification;
        header.dont_fragment = false;
        header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        header.more_fragments = more;
    }
    header.header_checksum = header.calc_header_checksum();
    [&header.to_bytes()[..], payload].concat()
}

/// An IPv6 packet whose own header is right, whatever it carries.
fn v6(next_header: IpNumber, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        payload_length: payload.len().try_into().unwrap(),
        next_header,
        hop_limit: 64,
        source: ATTACKER_V6.octets(),
        destination: SENSOR_V6.octets(),
        ..Ipv6Header::default()
    };
    [&header.to_bytes()[..], payload].concat()
}

/// A right packet of each kind that the engine knows: (IPv4 or IPv6, protocol, transport bytes with a right checksum).
fn honest(port: u16) -> Vec<(bool, IpNumber, Vec<u8>)> {
    let ip4 = || PacketBuilder::ipv4(ATTACKER_V4.octets(), SENSOR_V4.octets(), 64);
    let ip6 = || PacketBuilder::ipv6(ATTACKER_V6.octets(), SENSOR_V6.octets(), 64);
    let mut all = Vec::new();
    for six in [false, true] {
        let builder = || if six { ip6() } else { ip4() };
        let mut keep = |protocol, size: usize, write: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = Vec::with_capacity(size);
            write(&mut packet);
            all.push((six, protocol, packet.split_off(if six { 40 } else { 20 })));
        };
        let options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        let tcp = || builder().tcp(4242, port, 1, 64_240).syn().options_raw(&options).unwrap();
        keep(IpNumber::TCP, 80, &|packet| tcp().write(packet, b"data").unwrap());
        keep(IpNumber::UDP, 80, &|packet| builder().udp(4242, port).write(packet, b"datagram").unwrap());
        if six {
            keep(IpNumber::IPV6_ICMP, 80, &|packet| ip6().icmpv6_echo_request(1, 2).write(packet, b"ping").unwrap());
        } else {
            keep(IpNumber::ICMP, 80, &|packet| ip4().icmpv4_echo_request(1, 2).write(packet, b"ping").unwrap());
        }
    }
    all
}

/// Truncations, wrong lengths, options past the end, zero ports, overlapping fragments, extension headers without end.
fn catalogue() -> Vec<Vec<u8>> {
    let packet = |six, protocol, bytes: &[u8]| if six { v6(protocol, bytes) } else { v4(protocol, bytes, None) };
    let mut all = Vec::new();
    for port in [0, 150, 250, 7005] {
        for (six, protocol, bytes) in honest(port) {
            all.extend((0..=bytes.len()).map(|length| packet(six, protocol, &bytes[..length])));
            // Every value of the bytes that hold lengths: TCP data offset (12) and option lengths (21), UDP length (4, 5).
            for (at, value) in [4, 5, 12, 21].into_iter().flat_map(|at| (0..=255).map(move |value| (at, value))) {
                let mut broken = bytes.clone();
                if let Some(byte) = broken.get_mut(at) {
                    *byte = value;
                }
                all.push(packet(six, protocol, &broken));
            }
        }
    }
    all.extend((0..=255).map(|protocol| v4(IpNumber(protocol), &[0; 8], None)));
    all.extend((0..=255).map(|next_header| v6(IpNumber(next_header), &[0; 8])));
    all.extend(fragments());
    all.extend(extension_chains());
    all
}

/// Fragments that overlap, repeat, start late or never end.
fn fragments() -> Vec<Vec<u8>> {
    let udp = honest(7005)[1].2.repeat(4);
    let pieces = [
        (0, 0..24, true),
        (1, 8..32, true),
        (2, 16..40, false),
        (0, 0..8, true),
        (8000, 0..48, true),
        (8191, 0..8, false),
    ];
    let cut = |(offset, range, more): (u16, std::ops::Range<usize>, bool), id| {
        let mut v6_fragment = vec![17, 0];
        v6_fragment.extend(((offset << 3) | u16::from(more)).to_be_bytes());
        v6_fragment.extend(u32::from(id).to_be_bytes());
        v6_fragment.extend(&udp[range.clone()]);
        [
            v4(IpNumber::UDP, &udp[range], Some((id, offset, more))),
            v6(IpNumber::IPV6_FRAGMENTATION_HEADER, &v6_fragment),
        ]
    };
    (1..40_u16)
        .flat_map(|id| pieces.clone().into_iter().skip(usize::from(id) % 6).flat_map(move |piece| cut(piece, id)))
        .collect()
}

/// Chains of IPv6 extension headers: long, cut off, longer than the packet, naming themselves.
fn extension_chains() -> Vec<Vec<u8>> {
    let tcp = honest(7005)[3].2.clone();
    let mut all = Vec::new();
    for kind in [0_u8, 43, 44, 51, 60, 135] {
        for count in [1, 2, 8, 100] {
            for claimed in [0_u8, 1, 30, 255] {
                let mut chain = Vec::new();
                for n in 1..=count {
                    chain.extend([if n == count { 6 } else { kind }, claimed, 1, 4, 0, 0, 0, 0]);
                }
                all.push(v6(IpNumber(kind), &chain));
                all.push(v6(IpNumber(kind), &[&chain[..], &tcp].concat()));
            }
        }
    }
    all
}

/// Honest packets with up to four bytes changed, the same ones in every run.
fn mutations() -> impl Iterator<Item = Vec<u8>> {
    let honest: Vec<_> = [0, 150, 250, 7005].into_iter().flat_map(honest).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    (0..MUTATIONS).map(move |_| {
        let (six, protocol, mut bytes) = honest[random(honest.len())].clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        bytes.truncate(bytes.len() - random(8).min(bytes.len()));
        if six { v6(protocol, &bytes) } else { v4(protocol, &bytes, None) }
    })
}

#[test]
fn garbage_neither_crashes_nor_stalls_the_engine() {
    let lab = Lab::new();
    // A connection tracker that looks away lets more of the garbage through to the engine.
    for (key, value) in [("nf_conntrack_checksum", "0"), ("nf_conntrack_tcp_be_liberal", "1")] {
        lab.sensor(|| std::fs::write(format!("/proc/sys/net/netfilter/{key}"), value)).unwrap();
    }
    let engine = lab.engine().rules(RULES).without_events().start();
    let parts = engine.children();
    let frames = FrameSender::new(&lab);
    let mut stream = lab.dial(at(SENSOR[0], 7005));
    let mut sent = 0;
    for packet in catalogue().into_iter().chain(mutations()) {
        let family = if packet[0] >> 4 == 6 { ether_type::IPV6 } else { ether_type::IPV4 };
        frames.send_ip(&packet, EtherType(family.0));
        sent += 1;
        if sent % 500 == 0 {
            assert_eq!(echo(&mut stream, b"in between").unwrap(), b"in between", "after {sent} packets");
        }
    }
    assert!(lab.packets_queued() > 5000, "the garbage did not reach the engine");
    let decided = within(PATIENCE, || (lab.packets_waiting() == 0).then_some(()));
    assert!(decided.is_some(), "{} packets have no verdict", lab.packets_waiting());
    assert_eq!(engine.children(), parts, "the engine was started anew: it had crashed");
    for address in SENSOR {
        assert_eq!(lab.ask(at(address, 7005), "hello").unwrap(), "hello");
    }
    drop(stream);
    engine.stop();
}
