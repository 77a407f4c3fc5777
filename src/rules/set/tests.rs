use etherparse::PacketBuilder;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Few ports and addresses, so that rules and packets meet.
const PORTS: [u16; 6] = [22, 23, 53, 80, 1024, 65_535];
const HOSTS: [&str; 4] = ["10.0.0.1", "10.0.1.2", "192.0.2.1", "255.255.255.255"];
const HOSTS6: [&str; 3] = ["2001:db8::1", "2001:db8:1::2", "fe80::1"];

/// Filters of the kinds that rule files hold, joined at random.
fn filter() -> impl Strategy<Value = String> {
    let words = [
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "sctp",
        "ip",
        "ip6",
        "greater 60",
        "ip proto 51",
        "ip6 proto 44",
        "ip6 protochain 6",
        "tcp[tcpflags] & tcp-syn != 0",
        "udp[2:2] = 53",
        "ip[9] = 17",
    ];
    let end = select(vec!["", "src ", "dst ", "src or dst ", "src and dst "]);
    let transport = select(vec!["", "tcp ", "udp "]);
    let net = select(vec!["10.0.0.0/8", "10.0.1.0/24", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "fe80::/10"]);
    let primitive = prop_oneof![
        select(words.to_vec()).prop_map(str::to_owned),
        (transport.clone(), end.clone(), select(PORTS.to_vec()))
            .prop_map(|(t, end, port)| format!("{t}{end}port {port}")),
        (transport, end.clone(), select(PORTS.to_vec()), any::<u16>())
            .prop_map(|(t, end, low, width)| format!("{t}{end}portrange {low}-{}", low.saturating_add(width))),
        (end.clone(), select([HOSTS.as_slice(), HOSTS6.as_slice()].concat()))
            .prop_map(|(end, host)| format!("{end}host {host}")),
        (end, net).prop_map(|(end, net)| format!("{end}net {net}")),
    ];
    primitive.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), select(vec!["and", "or"]), inner.clone())
                .prop_map(|(a, join, b)| format!("({a} {join} {b})")),
            (inner.clone(), select(vec!["and", "or"]), inner.clone())
                .prop_map(|(a, join, b)| format!("{a} {join} {b}")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

/// Packets of all kinds: both families, fragments, extension headers, cut short, and no packets at all.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let ports = || prop_oneof![3 => select(PORTS.to_vec()), 1 => any::<u16>()];
    let kind = select((0..8).collect::<Vec<_>>());
    let hosts = (0..4_usize, 0..4_usize);
    let whole = (kind, hosts, ports(), ports(), any::<bool>()).prop_map(|(kind, hosts, from, to, is_ipv6)| {
        let mut packet = build(kind, hosts, from, to, is_ipv6);
        disguise(&mut packet, kind);
        packet
    });
    let cut = (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut packet, at)| {
        packet.truncate(at.index(packet.len()));
        packet
    });
    let mutated = (whole.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut packet, at, byte)| {
        let at = at.index(packet.len());
        packet[at] = byte;
        packet
    });
    prop_oneof![6 => whole, 1 => cut, 1 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

fn build(kind: u8, (source, destination): (usize, usize), from: u16, to: u16, is_ipv6: bool) -> Vec<u8> {
    let builder = if is_ipv6 {
        let octets = |at: usize| HOSTS6[at % 3].parse::<std::net::Ipv6Addr>().unwrap().octets();
        PacketBuilder::ipv6(octets(source), octets(destination), 64)
    } else {
        let octets = |at: usize| HOSTS[at].parse::<std::net::Ipv4Addr>().unwrap().octets();
        PacketBuilder::ipv4(octets(source), octets(destination), 64)
    };
    let mut packet = Vec::new();
    match kind {
        0 | 1 => builder.tcp(from, to, 1, 1024).syn().write(&mut packet, b"payload"),
        2 => builder.icmpv4_echo_request(from, to).write(&mut packet, b"payload"),
        _ => builder.udp(from, to).write(&mut packet, b"payload"),
    }
    .unwrap();
    packet
}

/// Makes some packets later fragments, packets with odd protocols, or packets with an extension header.
fn disguise(packet: &mut Vec<u8>, kind: u8) {
    let is_ipv6 = packet[0] >> 4 == 6;
    match (kind, is_ipv6) {
        (4, false) => packet[7] = 1,
        (5, false) => packet[9] = 51,
        (6, false) => packet[0] = 0x46,
        (4 | 5, true) => {
            let upper = packet[6];
            packet[6] = if kind == 4 { 44 } else { 0 };
            packet.splice(40..40, [upper, 0, 0, 0, 0, 0, 0, 0]);
        }
        _ => {}
    }
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let rule = (filter(), any::<bool>()).prop_filter_map("contradicts itself", |(text, per_packet)| {
        let filter = Filter::parse(&text).ok()?;
        let scope = if per_packet { Scope::Packet } else { Scope::Flow };
        Some((filter, Rule { name: text, scope, ..Rule::new(super::super::rule::Action::Drop) }))
    });
    prop::collection::vec(rule, 0..12).prop_map(RuleSet::new)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_finds_what_the_ordered_walk_finds(set in rules(), packets in prop::collection::vec(packet(), 12)) {
        for bytes in packets {
            let input = Input::new(&bytes, bytes.len());
            let position = |rule: Option<&Arc<Rule>>| rule.map(|rule| rule.position);
            let walked: Vec<_> = set.with_filters().filter(|(_, filter)| filter.matches(&input)).map(|(rule, _)| rule.position).collect();
            let found: Vec<_> = set.matches(&input).map(|rule| rule.position).collect();
            prop_assert_eq!(position(set.first_match(&input)), walked.first().copied(), "{:02x?} {:?}", bytes, set);
            prop_assert_eq!(found, walked, "{:02x?} {:?}", bytes, set);
        }
    }

    #[test]
    fn a_rule_that_is_said_never_to_match_never_matches(set in rules(), packets in prop::collection::vec(packet(), 30)) {
        let warnings = set.warnings(&crate::rules::Surroundings::default());
        for bytes in packets.iter().filter(|bytes| bytes.len() >= 60) {
            let input = Input::new(bytes, bytes.len());
            if let Some(rule) = set.first_match(&input) {
                prop_assert!(warnings.iter().all(|warning| warning.position != rule.position), "{:?}", rule.name);
            }
        }
    }

    #[test]
    fn what_matches_is_among_the_protocols_to_divert(set in rules(), bytes in packet()) {
        let protocol = match bytes.first().map(|byte| byte >> 4) {
            Some(4) => bytes.get(9).copied(),
            Some(6) => bytes.get(6).copied(),
            _ => None,
        };
        if set.first_match(&Input::new(&bytes, bytes.len())).is_some() {
            match protocol {
                Some(6) => prop_assert!(set.protocols().tcp),
                Some(17) => prop_assert!(set.protocols().udp),
                Some(1 | 58) => prop_assert!(set.protocols().icmp_echo),
                _ => {}
            }
        }
    }
}

fn set(text: &str) -> RuleSet {
    RuleSet::from_yaml(text, "rules.yml").unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn only_what_a_rule_can_match_is_to_be_diverted() {
    let protocols = |filter: &str| set(&format!("rules:\n- match: {filter}\n  type: drop\n")).protocols().clone();
    let flows = Protocols { tcp: true, udp: true, icmp_echo: true, others: Vec::new() };
    assert_eq!(protocols(""), flows);
    assert_eq!(protocols("not tcp"), flows);
    assert_eq!(protocols("tcp dst port 80"), Protocols { tcp: true, ..Protocols::default() });
    assert_eq!(protocols("icmp6"), Protocols { icmp_echo: true, ..Protocols::default() });
    assert_eq!(protocols("dst port 53").others, [132]);
    assert_eq!(RuleSet::default().protocols(), &Protocols::default());
}

#[test]
fn a_port_is_named_by_port_rules_of_its_protocol_alone() {
    let set = set("rules:\n- match: tcp dst port 2222\n  type: pass\n- match: udp\n  type: drop\n");
    assert!(set.names_dst_port(Transport::Tcp, 2222));
    assert!(!set.names_dst_port(Transport::Udp, 2222));
    assert!(!set.names_dst_port(Transport::Udp, 53));
}

#[test]
fn a_rule_that_a_reload_leaves_as_it_was_is_the_very_same_and_others_keep_their_counters() {
    let (kept, changed) = ("- {name: a, match: tcp, type: drop}\n", "- {name: b, match: udp, type: drop}\n");
    let before = set(&format!("rules:\n{kept}{changed}"));
    before.rules[1].hits.fetch_add(7, std::sync::atomic::Ordering::Relaxed);
    let after = set(&format!("rules:\n{kept}{}", changed.replace("drop", "pass"))).continuing(&before);
    assert!(Arc::ptr_eq(&before.rules[0], &after.rules[0]));
    assert_eq!(after.rules[1].action, super::super::rule::Action::Pass);
    assert_eq!(after.rules[1].hits.load(std::sync::atomic::Ordering::Relaxed), 7);
    let moved = set(&format!("rules:\n{changed}{kept}")).continuing(&before);
    assert_eq!((moved.rules[1].position, moved.rules[1].name.as_str()), (1, "a"));
}
