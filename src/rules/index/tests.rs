use std::net::IpAddr;
use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::*;

/// Few distinct values, so that rules and packets meet, and the ends of each range of numbers.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![0_u16..40, Just(u16::MAX), Just(u16::MAX - 1), any::<u16>()]
}

fn ranges() -> impl Strategy<Value = Vec<RangeInclusive<u16>>> {
    prop::collection::vec((port(), port()).prop_map(|(a, b)| a.min(b)..=a.max(b)), 0..4).prop_map(|mut ranges| {
        ranges.sort_by_key(|range| *range.start());
        ranges
    })
}

fn address() -> impl Strategy<Value = IpAddr> {
    let ipv4 = prop_oneof![0_u32..8, Just(u32::MAX), any::<u32>()].prop_map(|bits| IpAddr::from(bits.to_be_bytes()));
    let ipv6 = prop_oneof![0_u128..8, Just(u128::MAX)].prop_map(|bits| IpAddr::from(bits.to_be_bytes()));
    prop_oneof![3 => ipv4, 1 => ipv6]
}

fn nets() -> impl Strategy<Value = Vec<(IpAddr, u8)>> {
    let net = (address(), prop_oneof![Just(0_u8), 24..=32_u8, Just(128)]).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        (address, length.min(most))
    });
    prop::collection::vec(net, 0..4)
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let protocols = prop::collection::vec(prop_oneof![Just(6_u8), Just(17), Just(1), any::<u8>()], 0..3);
    let fields = (
        prop::option::of(protocols),
        prop::option::of(ranges()),
        prop::option::of(ranges()),
        prop::option::weighted(0.3, nets()),
        prop::option::weighted(0.3, nets()),
    );
    fields.prop_map(|(protocols, dst_ports, src_ports, src_nets, dst_nets)| Constraints {
        protocols,
        dst_ports,
        src_ports,
        src_nets,
        dst_nets,
    })
}

fn fields() -> impl Strategy<Value = Fields> {
    let protocol = prop::option::of(prop_oneof![Just(6_u8), Just(17), any::<u8>()]);
    (
        protocol,
        prop::option::of(address()),
        prop::option::of(address()),
        prop::option::of(port()),
        prop::option::of(port()),
    )
        .prop_map(|(protocol, source, destination, source_port, destination_port)| Fields {
            protocol,
            source,
            destination,
            source_port,
            destination_port,
        })
}

/// Whether a packet with these fields can fulfil the constraints: the definition that the index must keep to.
fn can_match(constraints: &Constraints, fields: &Fields) -> bool {
    let in_ports = |ranges: &Option<Vec<RangeInclusive<u16>>>, port: Option<u16>| {
        ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|range| port.is_some_and(|port| range.contains(&port))))
    };
    let in_nets = |nets: &Option<Vec<(IpAddr, u8)>>, address: Option<IpAddr>| {
        nets.as_ref().is_none_or(|nets| nets.iter().any(|net| address.is_some_and(|address| is_in(address, *net))))
    };
    let protocol = match (&constraints.protocols, fields.protocol) {
        (Some(protocols), Some(protocol)) => protocols.contains(&protocol),
        (Some(protocols), None) => !protocols.is_empty(),
        (None, _) => true,
    };
    protocol
        && in_ports(&constraints.dst_ports, fields.destination_port)
        && in_ports(&constraints.src_ports, fields.source_port)
        && in_nets(&constraints.src_nets, fields.source)
        && in_nets(&constraints.dst_nets, fields.destination)
}

fn is_in(address: IpAddr, (net, length): (IpAddr, u8)) -> bool {
    match (address, net) {
        (IpAddr::V4(address), IpAddr::V4(net)) => {
            (0..u32::from(length)).all(|bit| (address.to_bits() ^ net.to_bits()) >> (31 - bit) & 1 == 0)
        }
        (IpAddr::V6(address), IpAddr::V6(net)) => {
            (0..u32::from(length)).all(|bit| (address.to_bits() ^ net.to_bits()) >> (127 - bit) & 1 == 0)
        }
        _ => false,
    }
}

/// Of rules whose filters ask for these conditions and nothing else.
fn index(rules: &[Vec<Constraints>]) -> Index {
    let alternatives = |conditions: &Vec<Constraints>| Alternatives { conditions: conditions.clone(), suffice: true };
    let demand = |(position, conditions)| Demand { position: position as u32, alternatives: alternatives(conditions) };
    Index::new(&rules.iter().enumerate().map(demand).collect::<Vec<_>>())
}

fn positions(index: &Index, packet: &Fields) -> Vec<usize> {
    index.candidates(packet).map(|candidate| candidate.position).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_rule_that_can_match_is_left_out_and_the_order_is_kept(
        rules in prop::collection::vec(prop::collection::vec(constraints(), 0..3), 0..60),
        packets in prop::collection::vec(fields(), 30),
    ) {
        let index = index(&rules);
        for packet in packets {
            let candidates = positions(&index, &packet);
            prop_assert!(candidates.is_sorted_by(|left, right| left < right));
            for (position, alternatives) in rules.iter().enumerate() {
                let can = alternatives.iter().any(|alternative| can_match(alternative, &packet));
                prop_assert!(!can || candidates.contains(&position), "{packet:?} misses rule {position}");
                let is_certain = index.candidates(&packet).any(|rule| rule.position == position && rule.is_certain);
                prop_assert!(can || !is_certain, "{packet:?} is said to match rule {position}");
            }
        }
    }
}

fn to_port(port: u16) -> Constraints {
    Constraints { protocols: Some(vec![6]), dst_ports: Some(vec![port..=port]), ..Constraints::default() }
}

fn packet_to(port: u16, source: [u8; 4]) -> Fields {
    Fields {
        protocol: Some(6),
        source: Some(IpAddr::from(source)),
        destination: Some(IpAddr::from([10, 0, 0, 1])),
        source_port: Some(40_000),
        destination_port: Some(port),
    }
}

#[test]
fn a_packet_visits_the_rules_of_its_port_alone() {
    let rules: Vec<_> = (0..10_000).map(|n| vec![to_port(n)]).collect();
    let candidates = positions(&index(&rules), &packet_to(4_711, [1, 2, 3, 4]));
    assert_eq!(candidates, [4_711]);
}

#[test]
fn rules_of_one_port_are_told_apart_by_their_hosts() {
    let rules: Vec<_> = (0..10_000_u32)
        .map(|n| vec![Constraints { src_nets: Some(vec![(IpAddr::from(n.to_be_bytes()), 32)]), ..to_port(80) }])
        .collect();
    let candidates = positions(&index(&rules), &packet_to(80, [0, 0, 1, 0]));
    assert_eq!(candidates, [256]);
}

#[test]
fn rules_of_one_destination_are_told_apart_by_their_ports() {
    let rules: Vec<_> = (0..10_000)
        .map(|n| vec![Constraints { dst_nets: Some(vec![(IpAddr::from([10, 0, 0, 1]), 32)]), ..to_port(n) }])
        .collect();
    let candidates = positions(&index(&rules), &packet_to(4_711, [1, 2, 3, 4]));
    assert_eq!(candidates, [4_711]);
}

#[test]
fn ten_thousand_wide_and_nested_rules_need_bounded_memory() {
    let rules: Vec<_> = (0..10_000_u16)
        .map(|n| {
            let wide = Constraints { dst_ports: Some(vec![n..=n + 16_000]), ..Constraints::default() };
            let net = (IpAddr::from([10, (n >> 8) as u8, n as u8, 0]), if n % 2 == 0 { 8 } else { 32 });
            vec![if n % 3 == 0 { wide } else { Constraints { src_nets: Some(vec![net]), ..Constraints::default() } }]
        })
        .collect();
    let index = index(&rules);
    assert!(index.lists.len() <= 6 * interval::MAX_ENTRIES + 100_000);
}
