use super::*;

/// IPv4 TCP from 10.0.0.1:1000 to 10.0.0.2:80.
const TCP4: [u8; 40] = [
    0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x03, 0xe8, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
    2, 0, 0, 0, 0, 0, 0,
];

fn matches(text: &str, bytes: &[u8]) -> bool {
    let filter = Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    filter.matches(&Input { bytes, wire_len: bytes.len() })
}

#[test]
fn an_empty_filter_matches_everything() {
    assert!(matches("", &[]));
    assert!(matches(" \t\n", &TCP4));
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
