//! `match`, `explain` and `replay` as a person meets them, over small captures of every kind.

use std::fs;
use std::process::Output;

use assert_cmd::Command;
use glutton_nfq::capture::Capture;
use glutton_nfq::explain::{packet_from_text, summary};
use glutton_nfq::packet::{Packet, transport_checksum_is_valid};
use serde_json::Value;
use tempfile::TempDir;

const RULES: &str = "version: 1
rules:
  - {name: noise, match: udp dst port 1900, type: drop}
  - {name: ssh, match: tcp and dst port 22 and src net 192.0.2.0/24, type: pass}
  - {name: web, match: tcp dst port 80 or 8080, type: log_http}
  - {name: rest, match: tcp or udp, type: handler, target: tcp}
";

/// Number 3 of every capture is ARP.
const PACKETS: [Option<&str>; 8] = [
    Some("tcp 192.0.2.1:4000 > 10.0.0.1:80 syn"),
    Some("tcp 10.0.0.1:80 > 192.0.2.1:4000 syn-ack"),
    None,
    Some("tcp 192.0.2.1:4000 > 10.0.0.1:80 ack"),
    Some("tcp 192.0.2.1:4000 > 10.0.0.1:80 psh-ack data \"GET / HTTP/1.1\\r\\n\\r\\n\""),
    Some("udp 192.0.2.7:5000 > 10.0.0.1:1900 len 64"),
    Some("tcp [2001:db8::1]:4000 > [2001:db8::2]:23 syn"),
    Some("tcp 192.0.2.9:4000 > 10.0.0.1:22 syn"),
];

fn glutton(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_glutton-nfq")).env_remove("RUST_LOG").args(args).assert().get_output().clone()
}

/// Standard output, standard error and exit code.
fn run(args: &[&str]) -> (String, String, Option<i32>) {
    let output = glutton(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn succeeds(args: &[&str]) -> String {
    let (out, err, code) = run(args);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Raw,
    Ethernet,
}

/// The packets as frames of a link layer; ARP is no frame of raw IP, but something else than IP can be in one.
#[expect(clippy::unwrap_used, reason = "the packets stand above")]
fn frames(link: Link) -> Vec<Vec<u8>> {
    let frame = |text: &Option<&str>| {
        let packet = text.map(|text| packet_from_text(text).unwrap());
        match (link, packet) {
            (Link::Raw, Some(packet)) => packet,
            (Link::Raw, None) => vec![0; 28],
            (Link::Ethernet, packet) => {
                let ether_type: u16 =
                    packet.as_ref().map_or(0x0806, |ip| if ip.first() == Some(&0x45) { 0x0800 } else { 0x86dd });
                let mut frame = [&[2; 12], &ether_type.to_be_bytes()[..], &packet.unwrap_or_default()].concat();
                frame.resize(frame.len().max(60), 0);
                frame
            }
        }
    };
    PACKETS.iter().map(frame).collect()
}

fn number(big: bool, value: u32) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// One packet a second.
fn pcap(link: Link, big: bool) -> Vec<u8> {
    let link_type = if link == Link::Raw { 101 } else { 1 };
    let version = if big { 2 << 16 | 4 } else { 4 << 16 | 2 };
    let head = [0xa1b2_c3d4, version, 0, 0, 262_144, link_type];
    let mut file: Vec<u8> = head.into_iter().flat_map(|field| number(big, field)).collect();
    for (second, frame) in (0_u32..).zip(frames(link)) {
        let length = frame.len() as u32;
        file.extend([1_700_000_000 + second, 7, length, length].into_iter().flat_map(|field| number(big, field)));
        file.extend(frame);
    }
    file
}

fn pcapng(link: Link, big: bool) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = number(big, body.len() as u32 + 12);
        [&number(big, kind)[..], &length, &body, &length].concat()
    };
    let link_type: u16 = if link == Link::Raw { 101 } else { 1 };
    let link_type = if big { link_type.to_be_bytes() } else { link_type.to_le_bytes() };
    let section = [&number(big, 0x1a2b_3c4d)[..], &[0; 4], &[0xff; 8]].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &[&link_type[..], &[0; 6]].concat())].concat();
    for (second, frame) in (0_u64..).zip(frames(link)) {
        let ticks = (1_700_000_000 + second) * 1_000_000 + 7;
        let length = frame.len() as u32;
        let fields = [0, (ticks >> 32) as u32, ticks as u32, length, length].map(|field| number(big, field)).concat();
        file.extend(block(6, &[fields, frame].concat()));
    }
    file
}

struct Files(TempDir);

#[expect(clippy::unwrap_used, reason = "without its files a test has failed")]
impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.path().join(name), bytes).unwrap();
        self.path(name)
    }
}

#[test]
fn match_prints_the_numbers_of_every_kind_of_capture() {
    let files = Files::new();
    for link in [Link::Raw, Link::Ethernet] {
        for big in [false, true] {
            for bytes in [pcap(link, big), pcapng(link, big)] {
                let file = files.put("capture", bytes);
                assert_eq!(succeeds(&["match", "tcp port 80", &file]), "1\n2\n4\n5\n");
                assert_eq!(succeeds(&["match", "ip6 or udp", &file]), "6\n7\n");
                assert_eq!(succeeds(&["match", "--count", "ip or ip6", &file]), "7\n");
                assert_eq!(succeeds(&["match", "tcp port 81", &file]), "");
            }
        }
    }
}

#[test]
fn match_counts_the_link_layer_and_sees_the_padding_as_tcpdump_does() {
    let files = Files::new();
    let raw = files.put("raw", pcap(Link::Raw, false));
    let ethernet = files.put("ethernet", pcap(Link::Ethernet, false));
    assert_eq!(succeeds(&["match", "len = 40 and tcp", &raw]), "1\n2\n4\n8\n");
    assert_eq!(succeeds(&["match", "len = 60 and ip", &ethernet]), "1\n2\n4\n8\n");
    // Six bytes behind a segment of twenty.
    assert_eq!(succeeds(&["match", "--count", "tcp[25] = 0 and len = 60", &ethernet]), "4\n");
}

#[test]
fn match_reads_standard_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glutton-nfq"));
    command.args(["match", "udp", "-"]).write_stdin(pcapng(Link::Ethernet, false)).assert().success().stdout("6\n");
}

#[test]
fn a_wrong_expression_is_refused_with_a_caret() {
    let (out, err, code) = run(&["match", "tcp dst prot 80", "/nowhere"]);
    assert_eq!((out.as_str(), code), ("", Some(2)));
    insta::assert_snapshot!(err, @r"
    glutton-nfq: error: `prot` was not expected here
     --> EXPR:1:9
      |
    1 | tcp dst prot 80
      |         ^^^^ expected host, net, port, portrange
      |
      = help: did you mean `port`?
    ");
}

#[test]
fn a_broken_capture_is_read_up_to_the_break() {
    let files = Files::new();
    let whole = pcap(Link::Raw, false);
    let cut = files.put("cut", &whole[..whole.len() - 1]);
    for args in [&["match", "tcp", &cut][..], &["replay", &cut], &["explain", "--capture", &cut, "8"]] {
        let (out, err, code) = run(args);
        assert_eq!((code, err.lines().count()), (Some(1), 1), "{args:?} {err}");
        assert!(err.contains("cut short after packet 7; "), "{err}");
        assert_eq!(out.is_empty(), args[0] == "explain", "{args:?}");
    }
    let (out, _, _) = run(&["match", "tcp", &cut]);
    assert_eq!(out, "1\n2\n4\n5\n7\n");
    for args in [["match", "tcp", "/nowhere"], ["replay", "--json", "/nowhere"]] {
        let (out, err, code) = run(&args);
        assert_eq!((out.as_str(), code), ("", Some(1)), "{args:?}");
        assert!(err.contains("/nowhere: ") && err.contains("No such file") && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn rubbish_never_panics() {
    let files = Files::new();
    let whole = pcapng(Link::Ethernet, false);
    let mut noise = whole.clone();
    noise.iter_mut().enumerate().filter(|(at, _)| at % 37 == 36).for_each(|(at, byte)| *byte ^= at as u8);
    let mut rubbish: Vec<Vec<u8>> = (0..whole.len()).step_by(97).map(|length| whole[..length].to_vec()).collect();
    rubbish.extend([noise, vec![0xff; 100], [&pcap(Link::Raw, false)[..24], &[0xff; 400]].concat()]);
    for bytes in rubbish {
        let file = files.put("rubbish", bytes);
        for args in [&["match", "tcp or not udp", &file][..], &["replay", &file], &["explain", "--capture", &file, "2"]]
        {
            let (_, err, code) = run(args);
            assert!(matches!(code, Some(0..=2)) && !err.contains("panicked"), "{args:?} {code:?} {err}");
        }
    }
}

#[test]
fn explain_says_why_each_rule_before_does_not_take_the_packet() {
    let files = Files::new();
    let rules = files.put("rules.yml", RULES);
    insta::assert_snapshot!(succeeds(&["explain", "-r", &rules, "tcp 203.0.113.5:4000 > 10.0.0.1:22 syn"]), @r"
    tcp 203.0.113.5:4000 > 10.0.0.1:22 syn, 40 bytes
      not rule 1 noise (drop): `udp dst port 1900`: the packet is tcp over IPv4
      not rule 2 ssh (pass): `src net 192.0.2.0/24`: the source is 203.0.113.5
      not rule 3 web (handler log_http): `tcp dst port 80 or 8080`: the packet has 22
      taken by rule 4 rest (handler tcp): tcp or udp
    It goes to handler `tcp`: rewritten to 10.0.0.1:5000.
    ");
    insta::assert_snapshot!(succeeds(&["explain", "-r", &rules, "icmp", "1.2.3.4", ">", "10.0.0.1", "echo"]), @r"
    icmp 1.2.3.4 > 10.0.0.1 echo, 28 bytes
      not rule 1 noise (drop): `udp dst port 1900`: the packet is icmp over IPv4
      not rule 2 ssh (pass): `tcp`: the packet is icmp over IPv4
      not rule 3 web (handler log_http): `tcp dst port 80 or 8080`: the packet is icmp over IPv4
      not rule 4 rest (handler tcp): `tcp or udp`: the packet is icmp over IPv4
    It passes to the host, untouched.
    Note: no rule matches: what no rule takes passes.
    ");
}

#[test]
fn explain_takes_hex_and_captures() {
    let files = Files::new();
    let rules = files.put("rules.yml", RULES);
    let capture = files.put("capture", pcap(Link::Ethernet, true));
    let from_capture = succeeds(&["explain", "-r", &rules, "--capture", &capture, "1"]);
    let hex: String =
        packet_from_text(PACKETS[0].unwrap()).unwrap().iter().map(|byte| format!("{byte:02X} ")).collect();
    assert_eq!(succeeds(&["explain", "-r", &rules, "--hex", &hex]), from_capture);
    assert!(from_capture.contains("taken by rule 3 web (handler log_http)"), "{from_capture}");
    for (number, complaint) in [("3", "is not IP"), ("9", "the capture has 8"), ("0", "no packet number")] {
        let (_, err, code) = run(&["explain", "-r", &rules, "--capture", &capture, number]);
        assert!(code == Some(2) && err.contains(complaint), "{err}");
    }
    let (_, err, code) = run(&["explain", "--hex", "4"]);
    assert!(code == Some(2) && err.contains("--hex"), "{err}");
    let (_, err, code) = run(&["explain", "tcp 1.2.3.4:5 > 10.0.0.1:23 sny"]);
    assert!(code == Some(2) && err.contains("^^^ expected `syn`"), "{err}");
}

#[test]
fn explain_prints_json() {
    let files = Files::new();
    let rules = files.put("rules.yml", RULES);
    let text = succeeds(&["explain", "--json", "-r", &rules, "tcp 203.0.113.5:4000 > 10.0.0.1:80"]);
    let explained: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(explained["rule"]["name"], "web");
    assert_eq!((&explained["verdict"], &explained["destination"]), (&"rewrite".into(), &"10.0.0.1:5000".into()));
    assert_eq!(explained["not"][1]["rule"]["number"], 2);
    assert_eq!(explained["not"][1]["why"][0]["part"], "dst port 22");
    assert_eq!(explained["not"][1]["why"][0]["found"], "the packet has 80");
}

#[test]
fn replay_is_the_same_to_the_byte_and_writes_what_went_on() {
    let files = Files::new();
    let rules = files.put("rules.yml", RULES);
    let capture = files.put("capture", pcapng(Link::Ethernet, false));
    let once = |out: &str| {
        let out = files.path(out);
        let said = succeeds(&["replay", "-r", &rules, &capture, "-w", &out]);
        (said, fs::read(out).unwrap())
    };
    let (table, written) = once("first.pcap");
    assert_eq!((&table, &written), (&once("second.pcap").0, &once("second.pcap").1));
    insta::assert_snapshot!(table, @r"
    rule      type     packets  bytes  flows  accepted  rewritten  dropped
    #1 noise  drop           1     64      1         0          0        1
    #2 ssh    pass           1     40      1         1          0        0
    #3 web    handler        4    178      1         0          4        0
    #4 rest   handler        1     60      1         0          1        0
    total                    7    342      4         1          5        1

    host: 10.0.0.1, 2001:db8::2, dialled most (--host names another)
    flows ended: 4 open
    1 frames without IP, which no rule sees
    4 flows_opened: flows that a rule took
    ");

    let mut packets = Vec::new();
    let mut reread = Capture::new(written.as_slice()).unwrap();
    while let Some(record) = reread.next_record().unwrap() {
        let bytes = record.packet.unwrap().bytes;
        let packet = Packet::parse(bytes).unwrap();
        let segment = &bytes[packet.transport..packet.len];
        assert!(transport_checksum_is_valid(packet.src, packet.dst, packet.protocol, segment));
        packets.push(format!("{} {}", record.time.as_micros() % 10_000_000, summary(bytes, bytes.len())));
    }
    assert_eq!(
        packets,
        [
            "7 tcp 192.0.2.1:4000 > 10.0.0.1:5000 syn, 40 bytes",
            "1000007 tcp 10.0.0.1:80 > 192.0.2.1:4000 syn-ack, 40 bytes",
            "3000007 tcp 192.0.2.1:4000 > 10.0.0.1:5000 ack, 40 bytes",
            "4000007 tcp 192.0.2.1:4000 > 10.0.0.1:5000 psh-ack, 58 bytes",
            "6000007 tcp [2001:db8::1]:4000 > [2001:db8::2]:5000 syn, 60 bytes",
            "7000007 tcp 192.0.2.9:4000 > 10.0.0.1:22 syn, 40 bytes",
        ]
    );
}

#[test]
fn replay_prints_json_and_is_told_the_hosts() {
    let files = Files::new();
    let rules = files.put("rules.yml", RULES);
    let capture = files.put("capture", pcap(Link::Raw, false));
    let text = succeeds(&["replay", "--json", "-r", &rules, "--host", "192.0.2.1", &capture]);
    let outcome: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&outcome["hosts"][0], &outcome["hosts_guessed"]), (&"192.0.2.1".into(), &false.into()));
    assert_eq!(outcome["rules"].as_array().unwrap().len(), 4);
    // What the host sent belongs to no flow, and the answer to it opens none.
    assert_eq!(outcome["rules"][2]["packets"], 0);
    assert_eq!(outcome["rules"][0]["verdicts"]["drop"], 1);
    assert_eq!(outcome["counters"]["midstream_packets"], 1);
    assert_eq!(outcome["total"]["packets"], 8);
}

#[test]
fn replay_does_not_write_over_its_capture() {
    let files = Files::new();
    let capture = files.put("capture.pcap", pcap(Link::Raw, false));
    let (_, err, code) = run(&["replay", &capture, "-w", &capture]);
    assert!(code == Some(2) && err.contains("is the capture itself"), "{err}");
    assert_eq!(fs::read(&capture).unwrap(), pcap(Link::Raw, false));
    let (_, err, code) = run(&["replay", &capture, "-w", "/nowhere/out.pcap"]);
    assert!(code == Some(1) && err.contains("cannot write /nowhere/out.pcap: "), "{err}");
}

#[test]
fn every_command_that_takes_arguments_has_help_with_examples() {
    for tool in ["check", "reload", "demo", "match", "explain", "replay", "completions", "man"] {
        let help = succeeds(&[tool, "--help"]);
        assert!(help.contains("Examples:\n") && help.contains(&format!("glutton-nfq {tool}")), "{help}");
    }
}
