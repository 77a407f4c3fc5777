//! What scanners make of a sensor with the default rules: services by their personas, and nothing that says honeypot.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};

use glutton_nfq::flow::Transport;
use glutton_nfq::handlers::{Registry, is_native};

use crate::lab::events::{dialled, kind, payload};
use crate::lab::{Lab, SENSOR, at};

/// What nmap's own probe file calls the sensors that it knows.
const HONEYPOTS: [&str; 6] = ["honeypot", "honeyd", "cowrie", "dionaea", "kojoney", "nepenthes"];

/// Ports, and a word that nmap must say of the service there.
const SERVICES: &[(&str, &str)] = &[
    ("7/", "echo"),
    ("23/", "BusyBox telnetd"),
    ("80/", "http"),
    ("139/", "netbios-ssn"),
    ("443/", "ssl/http"),
    ("445/", "microsoft-ds"),
    ("1883/", "mosquitto version 2.0"),
    ("2375/", "Docker"),
    ("5222/", "ejabberd"),
    ("5555/", "Android Debug Bridge"),
    ("8883/", "ssl/"),
    ("11211/", "Memcached 1.6"),
];

/// Ports where servers speak first, and what nmap must say of them.
const GREETING: &[(&str, &str)] = &[
    ("21/", "vsftpd 3.0"),
    ("25/", "Postfix smtpd"),
    ("110/", "Dovecot pop3d"),
    ("143/", "Dovecot imapd"),
    ("465/", "ssl/smtp"),
    ("873/", "rsync"),
    ("993/", "ssl/imap"),
    ("2222/", "OpenSSH"),
    ("3306/", "MySQL 5.5.5-10."),
    ("5900/", "VNC (protocol 3.8)"),
];

/// Ports that no handler claims.
const ODD: [u16; 10] = [2_000, 3_333, 4_321, 7_777, 9_998, 12_345, 20_547, 31_337, 50_001, 60_023];

/// Ports that one nmap has in the scan of every port, and asks at once: with more it takes longer for each.
const SLICE: usize = 500;
/// So many nmaps at a time: together they stay below the sessions that a sensor gives one source.
const SCANNERS: usize = 4;
/// In CI one port in so many is scanned; with `EVERY_PORT=1` (`make scan`) each.
const STRIDE: usize = 257;

/// SSH is not among the shipped rules: who answers there is the host.
const HOSTS_OWN: u16 = 22;

fn stride() -> usize {
    if std::env::var_os("EVERY_PORT").is_some() { 1 } else { STRIDE }
}

/// `nmap -sV` of these ports.
fn scan(lab: &Lab, ports: &[u16]) -> String {
    scan_range(lab, &listed(ports))
}

/// The same, as nmap has its ports: `1-3,7`.
fn scan_range(lab: &Lab, ports: &str) -> String {
    let address = SENSOR[0].to_string();
    lab.client_for(600, "nmap", &["-n", "-Pn", "-sV", "-T4", "-p", ports, "--host-timeout", "600s", &address], b"")
}

fn listed(ports: &[u16]) -> String {
    ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

/// The same of so many that nmap's own pace would take hours.
fn scan_many(lab: &Lab, ports: &[u16]) -> String {
    let (ports, address) = (listed(ports), SENSOR[0].to_string());
    let at_once = SLICE.to_string();
    let pace = ["--min-parallelism", &at_once, "--max-parallelism", &at_once];
    let args = [&["-n", "-Pn", "-sV", "-T4"][..], &pace, &["-p", &ports, &address]].concat();
    lab.client_for(1_800, "nmap", &args, b"")
}

/// nmap has called nothing a honeypot.
pub(crate) fn assert_unsuspicious(found: &str) {
    let lower = found.to_lowercase();
    for name in HONEYPOTS {
        assert!(!lower.contains(name), "{name} in {found}");
    }
}

fn assert_named(found: &str, services: &[(&str, &str)]) {
    for (port, wanted) in services {
        let line = found.lines().find(|line| line.starts_with(port)).unwrap_or_default();
        assert!(line.contains(wanted), "{wanted} is not in {line:?}: {found}");
    }
}

#[test]
fn nmap_names_every_service_as_its_persona_and_none_as_a_honeypot() {
    let lab = Lab::new();
    let engine = lab.engine().start();
    let registry = Registry::builtin();
    let of_tcp = registry.entries().filter(|entry| entry.serves(Transport::Tcp));
    let mut ports: Vec<u16> = of_tcp.flat_map(|entry| entry.default_ports().iter().copied()).collect();
    ports.sort_unstable();
    ports.dedup();
    let found = scan(&lab, &ports);
    println!("{found}");
    assert_unsuspicious(&found);
    for port in &ports {
        assert!(
            found.lines().any(|line| line.starts_with(&format!("{port}/tcp")) && line.contains(" open ")),
            "{port}: {found}"
        );
    }
    assert_named(&found, SERVICES);
    engine.stop();
}

#[test]
fn odd_ports_are_what_they_say_to_nmap_and_none_shows_it_an_unknown_fingerprint() {
    let lab = Lab::new();
    let engine = lab.engine().start();
    let greeting = GREETING.iter().filter_map(|(port, _)| port.trim_end_matches('/').parse().ok());
    // Redis is at home on 6379 and nobody answers there.
    let ports: Vec<u16> = ODD.into_iter().chain([6_379]).chain(greeting).collect();
    let found = scan(&lab, &ports);
    assert_unsuspicious(&found);
    assert!(!found.contains("SF-Port"), "a port answers what nmap does not know: {found}");
    assert_named(&found, GREETING);
    let servers = ODD.map(|port| (format!("{port}/"), "http "));
    assert_named(&found, &servers.each_ref().map(|(port, wanted)| (port.as_str(), *wanted)));
    let line = found.lines().find(|line| line.starts_with("6379/")).unwrap_or_default();
    assert!(line.contains("redis?"), "{line:?}: {found}");
    engine.stop();
}

#[test]
fn every_port_is_named_as_its_persona_and_none_as_a_honeypot() {
    let lab = Lab::new();
    let engine = lab.engine().start();
    let ports: Vec<u16> = (1..=u16::MAX).step_by(stride()).filter(|&port| port != HOSTS_OWN).collect();
    let slices: Vec<&[u16]> = ports.chunks(SLICE).collect();
    let (next, named) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..SCANNERS {
            scope.spawn(|| {
                while let Some(slice) = slices.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_all_named(&scan_many(&lab, slice), slice);
                    let named = named.fetch_add(slice.len(), Ordering::Relaxed) + slice.len();
                    println!("{named} of {} ports are named", ports.len());
                }
            });
        }
    });
    engine.stop();
}

/// Ports that nmap asks nothing of, wherever they are: printers would print it.
const UNASKED: RangeInclusive<u16> = 9_100..=9_107;

/// Each port is open and nmap knows what speaks there; it does not where another protocol is at home, which nobody speaks. geth is named as
/// nmap names a genuine one: a server of Go whose 404 says nothing of itself.
fn assert_all_named(found: &str, ports: &[u16]) {
    assert_unsuspicious(found);
    let registry = Registry::builtin();
    let geth = registry.entries().find(|entry| &**entry.name() == "ethereum").unwrap().default_ports();
    for port in ports {
        let begin = format!("{port}/tcp");
        let line = found.lines().find(|line| line.split_whitespace().next() == Some(&begin)).unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, state, service, version @ ..] = words.as_slice() else { panic!("{port} is not in {found}") };
        let is_unknown = service.ends_with('?') || ["unknown", "tcpwrapped"].contains(service);
        assert_eq!(*state, "open", "{line}");
        // The shipped rules bind `echo` to a port of AFS.
        let is_silent = is_native(*port) && *service != "echo" || UNASKED.contains(port);
        assert_eq!(is_unknown, is_silent, "{line}");
        assert!(!geth.contains(port) || version == ["mt-daapd", "DAAP"], "{line}");
        assert!(!found.contains(&format!("SF-Port{port}-")), "{found}");
    }
}

#[test]
fn the_hosts_that_could_exist_are_just_their_services_on_all_ports() {
    const RPC: &str = "Microsoft Windows RPC";
    let device = [("23/", "BusyBox telnetd"), ("80/", "http"), ("1883/", "mosquitto version")];
    let windows = [("135/", RPC), ("139/", "netbios-ssn"), ("445/", "microsoft-ds"), ("49152/", RPC), ("49156/", RPC)];
    let server = [("80/", "http"), ("2375/", "Docker"), ("11211/", "Memcached")];
    for (name, services, open) in [("device", &device[..], 3), ("windows", &windows, 8), ("server", &server, 3)] {
        let lab = Lab::new();
        let file = format!("{}/rules/{name}.yml", env!("CARGO_MANIFEST_DIR"));
        let engine = lab.engine().args(["-r", &file]).start();
        let some: Vec<u16> = (1..=u16::MAX).step_by(stride()).collect();
        let own = "23,80,135,139,445,1883,2375,11211,49152-49156";
        let found =
            scan_range(&lab, &if stride() == 1 { "1-65535".to_owned() } else { format!("{},{own}", listed(&some)) });
        assert_unsuspicious(&found);
        assert_named(&found, services);
        let is_open = |line: &&str| line.contains("/tcp") && line.split_whitespace().nth(1) == Some("open");
        assert_eq!(found.lines().filter(is_open).count(), open, "{name}: {found}");
        engine.stop();
    }
}

#[test]
fn scans_that_open_no_connection_find_handlers_open_and_the_rest_closed() {
    let lab = Lab::new();
    let rules = "rules:\n  - {match: tcp dst port 80, type: handler, target: http}\n  - {match: tcp dst port 81, type: reject}\n";
    let engine = lab.engine().rules(rules).start();
    let address = SENSOR[0].to_string();
    // Port 82 is the host's, and closed: a probe without SYN meets silence only where something listens.
    for (scan, open) in [("-sS", "open"), ("-sX", "open|filtered")] {
        let found =
            lab.client_for(60, "nmap", &["-n", "-Pn", scan, "-p", "80-82", "--max-retries", "1", &address], b"");
        for (port, state) in [("80/", open), ("81/", "closed"), ("82/", "closed")] {
            let line = found.lines().find(|line| line.starts_with(port)).unwrap_or_default();
            assert_eq!(line.split_whitespace().nth(1), Some(state), "{scan}: {found}");
        }
    }
    engine.stop();
}

#[test]
fn clients_on_odd_ports_reach_the_handler_of_their_protocol() {
    let lab = Lab::new();
    let mut engine = lab.engine().start();
    let home = lab.path("home").to_str().unwrap().to_owned();
    std::fs::create_dir_all(&home).unwrap();
    let to = at(SENSOR[0], ODD[0]);
    let said = lab.client("env", &[&format!("HOME={home}"), "adb", "connect", &to.to_string()], b"");
    assert!(String::from_utf8_lossy(&said.stdout).contains("connected to"), "{said:?}");
    let event =
        engine.events.await_event("an ADB session", |event| dialled(event) == Some(to) && kind(event) == "request");
    assert_eq!((&event["handler"], &event["rule"]), (&"adb".into(), &"tcp".into()));
    lab.client("adb", &["kill-server"], b"");

    for (scheme, port) in [("http", ODD[2]), ("https", ODD[3])] {
        let to = at(SENSOR[0], port);
        let page = lab.client_says("curl", &["-sSk", &format!("{scheme}://{to}/")], b"");
        assert!(!page.is_empty(), "{scheme}");
        let event =
            engine.events.await_event("a request", |event| dialled(event) == Some(to) && kind(event) == "request");
        assert_eq!(event["handler"], scheme, "{event}");
    }

    // Without a handler: recorded under the protocol's name.
    let to = at(SENSOR[0], ODD[1]);
    lab.client("curl", &["-s", "--socks5", &to.to_string(), "-m", "3", "http://192.0.2.99/"], b"");
    let event =
        engine.events.await_event("a SOCKS client", |event| dialled(event) == Some(to) && kind(event) == "payload");
    assert_eq!(event["protocol"], "socks5", "{event}");
    assert_eq!(payload(&event)[0], 5);
    engine.stop();
}
