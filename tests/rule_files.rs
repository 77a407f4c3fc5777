//! Every rule file that is shipped loads, and decides for telling packets as its comments say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::LazyLock;

use etherparse::PacketBuilder;
use glutton_nfq::flow::Transport;
use glutton_nfq::handlers::Registry;
use glutton_nfq::rules::filter::Input;
use glutton_nfq::rules::{Action, RuleSet, Surroundings, WarningKind};

/// The handlers that exist.
static HANDLERS: LazyLock<Vec<String>> = LazyLock::new(|| Registry::builtin().names().map(str::to_owned).collect());

/// What the rules meet: these handlers, the server's usual ports.
fn warnings(rules: &RuleSet) -> Vec<WarningKind> {
    let handlers: Vec<&str> = HANDLERS.iter().map(String::as_str).collect();
    let surroundings =
        Surroundings { handlers: &handlers, server_ports: &[5000, 5001], addresses: &[], ssh_port: None };
    rules.warnings(&surroundings).iter().map(|warning| warning.kind).collect()
}

fn load(name: &str) -> RuleSet {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(name);
    RuleSet::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// A SYN from 203.0.113.9, port `from`, to 192.0.2.1, port `to`.
fn syn_from(from: u16, to: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv4([203, 0, 113, 9], [192, 0, 2, 1], 64).tcp(from, to, 1, 1024).syn();
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

fn syn(to: u16) -> Vec<u8> {
    syn_from(40_000, to)
}

fn syn_ipv6(to: u16) -> Vec<u8> {
    let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(40_000, to, 1, 1024).syn();
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

fn udp(to: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([203, 0, 113, 9], [192, 0, 2, 1], 64).udp(40_000, to).write(&mut packet, b"x").unwrap();
    packet
}

fn ping() -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([203, 0, 113, 9], [192, 0, 2, 1], 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut packet, b"x")
        .unwrap();
    packet
}

/// What becomes of a packet: the type and target of the rule that takes it, or `none`.
fn decision(rules: &RuleSet, packet: &[u8]) -> String {
    let Some(rule) = rules.first_match(&Input::new(packet, packet.len())) else {
        return "none".to_owned();
    };
    match &rule.action {
        Action::Handler(name) => format!("handler {name}"),
        Action::Rewrite { port, .. } => format!("rewrite {port}"),
        action => action.kind().to_owned(),
    }
}

fn assert_decisions(file: &str, expected: &[(Vec<u8>, &str)]) {
    let rules = load(file);
    for (number, (packet, decision_)) in expected.iter().enumerate() {
        assert_eq!(decision(&rules, packet), *decision_, "{file}, packet {number}");
    }
}

#[test]
fn the_default_rules_bind_handlers_that_exist_and_leave_ssh_alone() {
    let rules = RuleSet::embedded_default().unwrap();
    let decide = |packet: Vec<u8>| decision(&rules, &packet);
    for port in [7, 7000, 7005] {
        assert_eq!(
            [decide(syn(port)), decide(udp(port)), decide(syn_ipv6(port))],
            ["handler echo"; 3].map(str::to_owned)
        );
    }
    assert_eq!([decide(syn(22)), decide(syn_ipv6(22)), decide(ping())], ["none"; 3].map(str::to_owned));
    assert_eq!([decide(syn(9)), decide(syn_from(22, 9))], ["handler tcp"; 2].map(str::to_owned));
    assert_eq!(warnings(&rules), []);
    assert!(!rules.names_dst_port(Transport::Tcp, 22));
}

#[test]
fn the_default_rules_bind_every_handler_to_its_ports_and_nothing_else() {
    /// Ports beside those of the table: Freki's for `echo`.
    const BESIDE: [u16; 2] = [7000, 7005];
    let (rules, registry) = (RuleSet::embedded_default().unwrap(), Registry::builtin());
    // `log_http` stands for Freki's type of the same name; its ports are those of `http`.
    let entries: Vec<_> = registry.entries().filter(|entry| &**entry.name() != "log_http").collect();
    let expected = |transport: Transport, port: u16| {
        let of_table = entries.iter().find(|entry| entry.serves(transport) && entry.default_ports().contains(&port));
        match (of_table, transport) {
            (Some(entry), _) => format!("handler {}", entry.name()),
            (None, _) if BESIDE.contains(&port) => "handler echo".to_owned(),
            (None, Transport::Tcp) if port == 22 => "none".to_owned(),
            (None, Transport::Tcp) => "handler tcp".to_owned(),
            (None, _) => "handler udp".to_owned(),
        }
    };
    for port in 1..=u16::MAX {
        assert_eq!(decision(&rules, &syn(port)), expected(Transport::Tcp, port), "TCP port {port}");
        assert_eq!(decision(&rules, &udp(port)), expected(Transport::Udp, port), "UDP port {port}");
    }
    for port in entries.iter().flat_map(|entry| entry.default_ports()) {
        let claims = entries.iter().filter(|entry| entry.default_ports().contains(port)).count();
        assert_eq!(claims, 1, "port {port} is claimed twice");
    }
}

#[test]
fn the_default_rules_never_divert_more_than_tcp_and_udp() {
    let rules = RuleSet::embedded_default().unwrap();
    let protocols = rules.protocols();
    assert!(protocols.tcp && protocols.udp && !protocols.icmp_echo && protocols.others.is_empty());
}

#[test]
fn frekis_rules_decide_as_in_freki() {
    let mut operator = syn(22);
    operator[12..16].copy_from_slice(&[192, 0, 2, 4]);
    assert_decisions(
        "freki.yml",
        &[
            (operator, "pass"),
            (syn(22), "handler log_tcp"),
            (syn(10_022), "rewrite 22"),
            (syn(6379), "proxy"),
            (syn(1337), "proxy"),
            (syn_from(1337, 9), "proxy"),
            (syn(80), "handler log_http"),
            (syn_from(8080, 9), "handler log_http"),
            (syn(7999), "handler echo"),
            (syn(5005), "drop"),
            (syn(9), "handler log_tcp"),
            (udp(80), "pass"),
            (ping(), "pass"),
        ],
    );
}

#[test]
fn gluttons_rules_decide_as_in_glutton() {
    let mut expected = vec![
        (syn(9889), "proxy"),
        (syn(3306), "proxy"),
        (syn(22), "handler tcp"),
        (udp(53), "handler udp"),
        // `port` looks at both ends, whatever stands before it: so does libpcap.
        (syn_from(2323, 9), "handler telnet"),
        (syn_from(23, 9), "handler tcp"),
        (ping(), "none"),
    ];
    expected.extend(glutton_ports());
    assert_decisions("glutton.yml", &expected);
    assert_eq!(decision(&load("glutton.yml"), &syn(3260)), "handler iscsi");
}

/// The ports that all of Glutton's releases bind alike.
fn glutton_ports() -> Vec<(Vec<u8>, &'static str)> {
    let ports = [
        (23, "handler telnet"),
        (2323, "handler telnet"),
        (23_231, "handler telnet"),
        (1883, "handler mqtt"),
        (6969, "handler bittorrent"),
        (25, "handler smtp"),
        (3389, "handler rdp"),
        (445, "handler smb"),
        (21, "handler ftp"),
        (5060, "handler sip"),
        (5222, "handler jabber"),
        (5223, "handler jabber"),
        (11_211, "handler memcache"),
    ];
    ports.into_iter().map(|(port, decision)| (syn(port), decision)).collect()
}

#[test]
fn gluttons_nfqueue_rules_decide_as_in_glutton() {
    let mut expected = vec![
        (syn(5001), "pass"),
        (syn(1080), "pass"),
        (syn(22), "proxy_ssh"),
        (syn(2222), "proxy_ssh"),
        (syn(2324), "proxy"),
        (syn(6000), "proxy"),
        (syn(7000), "proxy"),
        (syn(8000), "handler default"),
        (udp(53), "drop"),
        (ping(), "none"),
    ];
    expected.extend(glutton_ports());
    assert_decisions("glutton-nfqueue.yml", &expected);
}

#[test]
fn tpots_rules_decide_as_in_tpot() {
    let mut expected = vec![(udp(53), "drop"), (syn(27_017), "handler mongodb"), (syn(9), "handler tcp")];
    expected.extend(glutton_ports());
    assert_decisions("tpot.yml", &expected);
}

#[test]
fn the_hosts_that_could_exist_have_few_open_ports_and_leave_ssh_alone() {
    let closed =
        [(syn(22), "none"), (syn(8443), "reject"), (syn_ipv6(9), "reject"), (udp(53), "reject"), (ping(), "none")];
    let device = [(syn(23), "handler telnet"), (syn(80), "handler http"), (syn_ipv6(1883), "handler mqtt")];
    let windows = [(syn(445), "handler smb"), (syn_ipv6(135), "handler msrpc"), (syn(49_154), "handler msrpc")];
    let server = [(syn(80), "handler http"), (syn(2375), "handler docker"), (udp(11_211), "handler memcache")];
    for (file, open) in [("device.yml", device), ("windows.yml", windows), ("server.yml", server)] {
        assert_decisions(file, &[&open[..], &closed].concat());
        assert_eq!(warnings(&load(file)), [], "{file}");
    }
}

#[test]
fn the_examples_do_what_they_say() {
    let christmas = {
        let mut packet = syn(9);
        packet[33] = 0x29;
        packet
    };
    assert_decisions(
        "examples.yml",
        &[
            (christmas, "drop"),
            (syn(6001), "reject"),
            (syn(10_022), "rewrite 22"),
            (syn(10_023), "rewrite 23"),
            (syn(3306), "proxy"),
            (syn(6379), "proxy"),
            (syn(2222), "proxy_ssh"),
            (syn(7), "handler echo"),
            (udp(7), "handler echo"),
            (syn(8080), "handler log_http"),
            (syn(40_000), "handler log_tcp"),
            (udp(9), "handler udp"),
            (syn(9), "handler tcp"),
            (ping(), "pass"),
        ],
    );
    let rules = load("examples.yml");
    assert_eq!(warnings(&rules), [WarningKind::SshStaysEncrypted]);
}
