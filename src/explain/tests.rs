use super::*;
use crate::engine::Kernel;

const RULES: &str = r#"
rules:
  - {name: scanners, match: src net 198.51.100.0/24, type: drop}
  - {name: syslog, match: udp dst port 514, type: drop, per: packet}
  - {name: ssh, match: tcp and dst port 22 and src net 192.0.2.0/24, type: pass}
  - {name: moved, match: tcp dst port 10022, type: rewrite, target: 22}
  - {name: closed, match: tcp dst portrange 6000-6063 or icmp, type: reject}
  - {name: db, match: tcp dst port 3306, type: proxy, target: 'tcp://192.0.2.20:3306'}
  - {name: telnet, match: tcp dst port 23 or 2323, type: handler, target: telnet}
"#;

fn explained(bytes: &[u8]) -> Explanation {
    let rules = Arc::new(RuleSet::from_yaml(RULES, "rules.yml").unwrap());
    let settings =
        Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 1, closed_udp_port: 1, kernel: Kernel::NONE };
    explain(&Sensor { rules: &rules, settings, exempt_ports: &[2_222] }, bytes, bytes.len())
}

fn of(text: &str) -> Explanation {
    explained(&packet_from_text(text).unwrap())
}

#[test]
fn the_rule_that_takes_it_and_the_reasons_of_those_before() {
    let explanation = of("tcp 203.0.113.9:40000 > 10.0.0.1:23 syn");
    assert_eq!(explanation.packet, "tcp 203.0.113.9:40000 > 10.0.0.1:23 syn, 40 bytes");
    assert_eq!(explanation.rule.as_ref().map(|rule| rule.name.as_str()), Some("telnet"));
    assert_eq!(explanation.says(), "goes to handler `telnet`: rewritten to 10.0.0.1:5000");
    let why = |passed: &PassedOver| passed.why.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let reasons: Vec<String> = explanation.passed_over.iter().map(why).collect();
    assert_eq!(
        reasons,
        [
            "`src net 198.51.100.0/24`: the source is 203.0.113.9",
            "`udp dst port 514`: the packet is tcp over IPv4",
            "`dst port 22`: the packet has 23",
            "`tcp dst port 10022`: the packet has 23",
            "`tcp dst portrange 6000-6063`: the packet has 23; `icmp`: the packet is tcp over IPv4",
            "`tcp dst port 3306`: the packet has 23",
        ]
    );
    assert_eq!(explanation.notes, []);
}

#[test]
fn every_action_says_what_becomes_of_the_packet() {
    for (packet, says) in [
        ("udp 198.51.100.1:5 > 10.0.0.1:53", "is dropped"),
        ("udp 192.0.2.1:5 > 10.0.0.1:514", "is dropped"),
        ("tcp 192.0.2.1:5 > 10.0.0.1:22", "passes to the host, untouched"),
        ("tcp 192.0.2.1:5 > 10.0.0.1:10022", "is rewritten to 10.0.0.1:22"),
        ("tcp 192.0.2.1:5 > 10.0.0.1:6001", "is rejected: it meets a closed port, and the host says so"),
        ("icmp 192.0.2.1 > 10.0.0.1", "is dropped: only a silent host can stand in for one that is not there"),
        ("tcp 192.0.2.1:5 > 10.0.0.1:3306", "is relayed to tcp://192.0.2.20:3306: rewritten to 10.0.0.1:5000"),
        ("tcp [2001:db8::1]:5 > [2001:db8::2]:23", "goes to handler `telnet`: rewritten to [2001:db8::2]:5000"),
        ("udp 192.0.2.1:5 > 10.0.0.1:53", "passes to the host, untouched"),
        ("tcp 192.0.2.1:5 > 10.0.0.1:5000", "is rejected: it meets a closed port, and the host says so"),
    ] {
        assert_eq!(of(packet).says(), says, "{packet}");
    }
}

#[test]
fn what_overrules_the_rules_is_noted() {
    for (packet, notes) in [
        ("udp 192.0.2.1:5 > 10.0.0.1:53", &[Note::Unmatched, Note::ExemptIfServed(53)][..]),
        ("tcp 192.0.2.1:5 > 10.0.0.1:23 ack", &[Note::Midstream]),
        ("tcp 198.51.100.1:5 > 10.0.0.1:2222", &[Note::Exempt(2_222)]),
        ("tcp 192.0.2.1:5 > 10.0.0.1:5000", &[Note::OwnPort(5_000), Note::ExemptIfServed(5_000)]),
        ("icmp 192.0.2.1 > 10.0.0.1 reply", &[Note::NoFlow]),
        ("icmp6 2001:db8::1 > 2001:db8::2", &[Note::Unmatched]),
    ] {
        assert_eq!(of(packet).notes, notes, "{packet}");
    }
}

#[test]
fn rubbish_is_explained_too() {
    for bytes in [&[][..], &[0x45], &[0xff; 60], &[0x45; 60], &[0x60; 40]] {
        let explanation = explained(bytes);
        assert!(matches!(explanation.notes[..], [Note::Malformed(_)]), "{bytes:?}");
        assert_eq!(
            (explanation.fate, explanation.says()),
            (Fate::Accepted, "passes to the host, untouched".to_owned())
        );
    }
}

#[test]
fn what_a_rule_leaves_over_goes_to_the_next() {
    let text = "
rules:
  - {name: some, match: tcp, type: drop, sample: 1/1000000}
  - {name: rest, match: tcp, type: pass, limit: 5/s}
";
    let rules = Arc::new(RuleSet::from_yaml(text, "rules.yml").unwrap());
    let settings =
        Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 1, closed_udp_port: 1, kernel: Kernel::NONE };
    let bytes = packet_from_text("tcp 192.0.2.1:5 > 10.0.0.1:22").unwrap();
    let explanation = explain(&Sensor { rules: &rules, settings, exempt_ports: &[] }, &bytes, bytes.len());
    assert_eq!(explanation.rule.map(|rule| rule.name.clone()).as_deref(), Some("rest"));
    assert!(explanation.passed_over[0].why[0].found.contains("limit or sample"));
    assert_eq!(explanation.notes, [Note::Choosy, Note::ExemptIfServed(22)]);
}
