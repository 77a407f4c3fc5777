use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// IPv4 TCP from 10.0.0.1:1000 to 10.0.0.2:80.
const TCP4: [u8; 40] = [
    0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
    2, 0, 0, 0, 0, 0, 0,
];

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

fn matches(text: &str, bytes: &[u8]) -> bool {
    parse(text).matches(&Input { bytes, wire_len: bytes.len() })
}

fn prefix(text: &str, length: u8) -> (IpAddr, u8) {
    (text.parse().unwrap(), length)
}

#[test]
fn an_empty_filter_matches_everything() {
    assert!(matches("", &[]));
    assert!(matches(" \t\n", &TCP4));
    assert_eq!(parse("").constraints(), Constraints::default());
}

#[test]
fn ports_and_hosts_match() {
    for text in [
        "tcp",
        "dst port 80",
        "port 1000",
        "tcp port 80",
        "src host 10.0.0.1",
        "net 10.0.0.0/8",
        "portrange 70-90",
        "port 22 or 80",
        "tcp[tcpflags] & tcp-syn != 0",
        "tcp[2:2] = 80",
        "len = 40",
        "less 40",
        "not udp",
        "src net 10",
    ] {
        assert!(matches(text, &TCP4), "{text}");
    }
    for text in ["udp", "src port 80", "dst host 10.0.0.1", "ip6", "tcp[0:2] = 80", "greater 41"] {
        assert!(!matches(text, &TCP4), "{text}");
    }
}

#[test]
fn and_and_or_bind_equally() {
    assert!(!matches("tcp or udp and port 22", &TCP4));
    assert!(matches("tcp or (udp and port 22)", &TCP4));
}

#[test]
fn a_load_beyond_the_end_rejects_the_packet() {
    let short = &TCP4[..20];
    assert!(matches("tcp", short));
    assert!(!matches("not tcp dst port 80", short));
    assert!(!matches("not tcp dst port 22", short));
    assert!(matches("tcp or tcp dst port 22", short));
}

#[test]
fn the_optimizer_moves_a_test_before_a_load_that_rejects() {
    // As written, the load of byte 200 comes before the comparison that holds.
    assert!(matches("ip[9] = 17 or ip[200] = 1 or ip[9] = 6", &TCP4));
}

#[test]
fn a_filter_is_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>(_: &T) {}
    shared(&parse("tcp"));
}

#[test]
fn a_mistyped_qualifier_gets_a_suggestion() {
    let error = refused("dst prot 80");
    assert_eq!(error.span, 4..8);
    assert_eq!(error.suggestion.as_deref(), Some("port"));
    assert_eq!(refused("tcp prot 80").suggestion.as_deref(), Some("port"));
    assert_eq!(refused("tcp 80").suggestion.as_deref(), Some("tcp port 80"));
    assert_eq!(refused("tpc").suggestion.as_deref(), Some("tcp"));
    assert_eq!(refused("ip proto tcp").suggestion.as_deref(), Some("\\tcp"));
    assert_eq!(refused("tcp[tcpflags] = tcp-sny").suggestion.as_deref(), Some("tcp-syn"));
    assert_eq!(refused("10.0.0.1").suggestion.as_deref(), Some("host 10.0.0.1"));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let error = refused("dst prot 80 or tcp[0:3] = 1 and (udp 53) or port 70000");
    let found: Vec<_> = error.iter().map(|error| error.span.start).collect();
    assert_eq!(found, vec![4, 21, 37, 49]);
    assert!(error.iter().all(|error| !error.message.is_empty()));
}

#[test]
fn an_error_says_what_was_found_and_expected() {
    assert_eq!(refused("tcp and").to_string().split(',').next(), Some("the filter ends too early"));
    assert!(refused("port 65536").message.contains("65536"));
    assert!(refused("port nosuchservice").message.contains("/etc/services"));
    assert!(refused("tcp)").message.contains("closes nothing"));
    assert!(refused("(tcp").to_string().contains("expected `)`"));
    assert!(refused("tcp port 80 é").message.contains("no meaning"));
    assert_eq!(refused("tcp and udp").message, "no packet can match this filter");
    assert!(refused("arp").message.ends_with("NFQUEUE shows no link layer"));
    assert_eq!(refused("len / 0 = 1").message, "division by zero");
}

#[test]
fn what_is_too_long_or_too_deep_is_an_error() {
    for text in ["(".repeat(60_000), "not ".repeat(15_000), "-".repeat(60_000) + "1 = 1", "ip[".repeat(20_000)] {
        assert!(refused(&text).message.contains("within each other"), "{}", &text[..10]);
    }
    assert!(refused(&("1+".repeat(30_000) + "1 = 1")).message.contains("more than"));
    assert!(refused(&" ".repeat(MAX_TEXT_LEN + 1)).message.contains("bytes"));
    assert!(matches(&("(".repeat(90) + "tcp" + &")".repeat(90)), &TCP4));
}

#[test]
fn a_filter_too_large_to_optimize_still_matches() {
    let ports: Vec<String> = (0..4000).map(|n| format!("len = {}", n + 20)).collect();
    assert!(matches(&ports.join(" or "), &TCP4));
}

#[test]
fn conditions_follow_the_text() {
    let all = parse("tcp dst port 80 or 443 and src net 10.0.0.0/8").constraints();
    assert_eq!(all.protocols, Some(vec![6]));
    assert_eq!(all.dst_ports, Some(vec![80..=80, 443..=443]));
    assert_eq!(all.src_nets, Some(vec![prefix("10.0.0.0", 8)]));
    assert_eq!((all.src_ports, all.dst_nets), (None, None));

    let either = parse("tcp dst port 80 or udp dst port 81 or tcp dst portrange 90-82").constraints();
    assert_eq!(either.protocols, Some(vec![6, 17]));
    assert_eq!(either.dst_ports, Some(vec![80..=90]));

    assert_eq!(parse("tcp or src host ::1").constraints(), Constraints::default());
    assert_eq!(parse("not tcp").constraints(), Constraints::default());
    assert_eq!(parse("not not tcp").constraints().protocols, Some(vec![6]));
    assert_eq!(parse("port 80").constraints().dst_ports, None);
    assert_eq!(parse("src and dst port 80").constraints().src_ports, Some(vec![80..=80]));
    assert_eq!(parse("tcp[13] & 2 != 0 and dst port 22").constraints().protocols, Some(vec![6]));
    assert_eq!(parse("tcp[13] + udp[0] = 2").constraints().protocols, Some(vec![6]));
    assert_eq!(parse("1 + tcp[13] = 2").constraints().protocols, None);
    assert_eq!(parse("dst net 10.0.0.0 mask 255.0.255.0").constraints().dst_nets, None);
    assert_eq!(parse("dst net 10.1 and dst host 10.1.2.3").constraints().dst_nets, Some(vec![prefix("10.1.2.3", 32)]));
    // Behind an IPv6 extension header there is another protocol.
    assert_eq!(parse("ip6 proto 44").constraints().protocols, None);
}

#[test]
fn destination_ports_named_in_the_text_are_known() {
    for text in ["port 22", "tcp dst port 22", "portrange 22-22", "udp or port 22", "not not port 22"] {
        assert!(parse(text).names_dst_port(22), "{text}");
    }
    for text in ["tcp", "src port 22", "not port 22", "port 23", "tcp[2:2] = 22", "portrange 20-25", ""] {
        assert!(!parse(text).names_dst_port(22), "{text}");
    }
}

/// [`TCP4`] with a payload.
fn with_payload(payload: &[u8]) -> Vec<u8> {
    let mut packet = [&TCP4[..], payload].concat();
    packet[2..4].copy_from_slice(&(40 + payload.len() as u16).to_be_bytes());
    packet
}

#[test]
fn payloads_are_searched_behind_the_transport_header() {
    let packet = with_payload(b"GET /shell?\xff\0 HTTP/1.1\r\n");
    for text in [
        r#"payload contains "GET /""#,
        r#"tcp dst port 80 and payload contains "HTTP/1.1\r\n""#,
        r#"payload contains "\xff\0""#,
        "payload matches /^GET \\/[a-z]+/",
        "payload matches /^get/i or udp",
        "not payload matches /POST/",
        r#"payload contains "x" or payload contains "shell" and not (payload contains "POST" or udp)"#,
    ] {
        assert!(matches(text, &packet), "{text}");
        assert!(parse(text).looks_at_payload());
    }
    for text in
        [r#"payload contains "P\x02""#, "payload matches /^ET/", r#"payload contains "get""#, "payload matches /^get/"]
    {
        assert!(!matches(text, &packet), "{text}");
    }
    assert!(!matches(r#"payload contains "E""#, &TCP4));
    assert!(!parse("tcp").looks_at_payload());
}

#[test]
fn addresses_are_looked_up_in_lists() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "10.0.0.1\n192.0.2.0/24\n::1\n").unwrap();
    let list = file.path().display();
    assert!(matches(&format!("src in @{list}"), &TCP4));
    assert!(matches(&format!("tcp and not dst in @{list} and (src in @{list})"), &TCP4));
    assert!(!matches(&format!("dst in @{list} or udp"), &TCP4));
    assert!(!matches(&format!("src in @{list}"), &TCP4[..15]));
    assert!(refused("src in @/no/such/list").message.contains("/no/such/list"));
    assert_eq!(refused("tcp src in @x").span.start, 8);
}

#[test]
fn wrong_payload_tests_are_errors() {
    for text in [
        r#"payload contains "abc"#,
        r#"payload contains """#,
        r#"payload contains "\q""#,
        "payload contains /abc/",
        "payload matches /abc",
        "payload matches /(/",
        "payload matches /(((a{1000}){1000}){1000})/",
        "payload",
        "\"text\"",
    ] {
        let error = refused(text);
        assert!(!error.message.contains('\n'), "{error}");
    }
    assert!(refused("payload matches /a(b/").message.contains("unclosed group"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn no_row_of_words_panics(words in proptest::collection::vec(
        prop::sample::select(vec![
            "tcp", "udp", "ip", "ip6", "port", "host", "net", "src", "dst", "and", "or", "not", "(", ")", "80", "10.0.0.1", "::1",
            "[", "]", ":", "=", "&", "+", "-", "%", "/", "8", "len", "less", "byte", "mask", "proto", "\\tcp", "!", "portrange",
            "1-2", "protochain", "arp", "tcp[", "2:2", "é", "\"",
        ]),
        0..24,
    ), bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(filter) = Filter::parse(&words.join(" ")) {
            filter.matches(&Input { bytes: &bytes, wire_len: bytes.len() });
        }
    }
}
