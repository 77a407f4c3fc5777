use super::*;
use crate::engine::Kernel;
use crate::explain::packet_from_text;

const RULES: &str = "
rules:
  - {name: syslog, match: udp dst port 514, type: drop, per: packet}
  - {name: few, match: udp dst port 515, type: drop, per: packet, limit: 1/d}
  - {name: gone, match: src net 198.51.100.0/24, type: drop}
  - {name: ssh, match: tcp dst port 22, type: pass}
  - {name: web, match: tcp dst port 80, type: handler, target: http}
";

fn replay() -> Replay {
    let settings =
        Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 1, closed_udp_port: 1, kernel: Kernel::NONE };
    Replay::new(Options {
        rules: Arc::new(RuleSet::from_yaml(RULES, "rules.yml").unwrap()),
        settings,
        timeouts: Timeouts::default(),
        max_flows: 1_000,
        hosts: ["10.0.0.1".parse().unwrap()].into_iter().collect(),
    })
}

/// Replays a packet given as text; what goes on, as text.
fn send(replay: &mut Replay, second: u64, text: &str) -> Option<String> {
    let bytes = packet_from_text(text).unwrap();
    let packet = CapturedPacket { bytes: &bytes, wire_len: bytes.len(), padded: &bytes, frame_len: bytes.len() };
    let record = Record { number: 1, time: Duration::from_secs(second), packet: Some(packet) };
    replay.record(&record).map(|bytes| crate::explain::summary(bytes, bytes.len()))
}

#[test]
fn a_connection_is_rewritten_on_its_way_in_and_its_answers_stay_as_the_client_sees_them() {
    let mut replay = replay();
    for (packet, goes_on) in [
        ("tcp 192.0.2.1:4000 > 10.0.0.1:80 syn", "tcp 192.0.2.1:4000 > 10.0.0.1:5000 syn, 40 bytes"),
        ("tcp 10.0.0.1:80 > 192.0.2.1:4000 syn-ack", "tcp 10.0.0.1:80 > 192.0.2.1:4000 syn-ack, 40 bytes"),
        ("tcp 192.0.2.1:4000 > 10.0.0.1:80 ack", "tcp 192.0.2.1:4000 > 10.0.0.1:5000 ack, 40 bytes"),
        ("tcp 10.0.0.1:80 > 192.0.2.1:4000 fin-ack", "tcp 10.0.0.1:80 > 192.0.2.1:4000 fin-ack, 40 bytes"),
        ("tcp 192.0.2.1:4000 > 10.0.0.1:80 rst", "tcp 192.0.2.1:4000 > 10.0.0.1:5000 rst, 40 bytes"),
    ] {
        assert_eq!(send(&mut replay, 1, packet).as_deref(), Some(goes_on), "{packet}");
    }
    let report = replay.finish();
    let (_, web) = report.rules().last().unwrap();
    assert_eq!(*web, Account { packets: 5, bytes: 200, flows: 1, rewritten: 5, ..Account::default() });
    assert_eq!(report.total(), *web);
    assert_eq!(report.closed.iter().find(|(_, count)| *count > 0), Some((crate::flow::CloseReason::Reset, 1)));
}

#[test]
fn every_packet_is_on_one_account() {
    let mut replay = replay();
    for (packet, goes_on) in [
        ("udp 192.0.2.1:4000 > 10.0.0.1:514", false),
        ("udp 192.0.2.1:4000 > 10.0.0.1:515", false),
        ("udp 192.0.2.1:4000 > 10.0.0.1:515", true),
        ("udp 198.51.100.1:4000 > 10.0.0.1:53", false),
        ("udp 10.0.0.1:53 > 198.51.100.1:4000", false),
        ("tcp 192.0.2.1:4000 > 10.0.0.1:22", true),
        ("tcp 10.0.0.1:22 > 192.0.2.1:4000 syn-ack", true),
        ("tcp 192.0.2.1:4001 > 10.0.0.1:5000", true),
        ("tcp 192.0.2.1:4001 > 10.0.0.1:443", true),
        ("tcp 192.0.2.1:4001 > 10.0.0.1:80 ack", true),
        ("icmp 10.0.0.1 > 192.0.2.1", true),
    ] {
        assert_eq!(send(&mut replay, 1, packet).is_some(), goes_on, "{packet}");
    }
    let report = replay.finish();
    let packets: Vec<u64> = report.rules().map(|(_, account)| account.packets).collect();
    assert_eq!(packets, [1, 1, 2, 2, 0]);
    assert_eq!((report.own_ports.packets, report.own_ports.rewritten), (1, 1));
    assert_eq!((report.unmatched.packets, report.unmatched.accepted), (4, 4));
    assert_eq!((report.total().packets, report.total().dropped), (11, 4));
}

#[test]
fn flows_end_by_the_clock_of_the_capture() {
    let mut replay = replay();
    let syn = "tcp 192.0.2.1:4000 > 10.0.0.1:80 syn";
    assert!(send(&mut replay, 1_700_000_000, syn).is_some());
    assert!(send(&mut replay, 1_700_000_001, "tcp 192.0.2.1:4000 > 10.0.0.1:80 ack").is_some());
    // An earlier time does not turn the clock back.
    assert!(send(&mut replay, 5, "tcp 192.0.2.1:4000 > 10.0.0.1:80 ack").is_some());
    send(&mut replay, 1_700_000_100, syn);
    let report = replay.finish();
    assert_eq!(report.rules().last().unwrap().1.flows, 2);
    let closed: Vec<(&str, u64)> =
        report.closed.iter().filter(|(_, count)| *count > 0).map(|(reason, count)| (reason.as_str(), count)).collect();
    assert_eq!(closed, [("timeout", 1), ("shutdown", 1)]);
}

#[test]
fn whoever_is_dialled_most_is_the_host() {
    let mut file = crate::capture::Writer::new(Vec::new()).unwrap();
    for text in [
        "udp 10.0.0.1:9 > 192.0.2.53:53",
        "udp 192.0.2.53:53 > 10.0.0.1:9",
        "udp 192.0.2.53:53 > 10.0.0.1:9",
        "tcp 192.0.2.1:1 > 10.0.0.1:80 syn",
        "tcp 10.0.0.1:80 > 192.0.2.1:1 syn-ack",
        "icmp 192.0.2.2 > 10.0.0.1",
        "udp [2001:db8::1]:7 > [2001:db8::2]:7",
    ] {
        let bytes = packet_from_text(text).unwrap();
        file.write(Duration::ZERO, &bytes, bytes.len()).unwrap();
    }
    let file = file.finish().unwrap();
    let hosts: Vec<String> = guess_hosts(&file).iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["10.0.0.1", "2001:db8::2"]);
    assert!(guess_hosts(&file[..50]).is_empty() && guess_hosts(b"rubbish").is_empty());
}
