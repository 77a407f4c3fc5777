//! `memcache` with libmemcached's tools and nmap.

use crate::genuine::{Genuine, answers, both};
use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR};
use crate::program::text;

const RULES: &str = "
version: 1
rules:
  - {name: memcached, match: port 11211, type: handler, target: memcache}
";

/// What is installed here.
const DEBIAN_12: &str = "[handlers.memcache]\nversion = '1.6.18'\n";

fn libmemcached(lab: &Lab) {
    for binary in [false, true] {
        let servers = format!("--servers={}:11211", SENSOR[0]);
        let all = |tool: &str, rest: &[&str]| {
            let mut args = vec![servers.as_str()];
            args.extend(if binary { Some("--binary") } else { None });
            args.extend(rest);
            lab.client_says(tool, &args, b"")
        };
        let file = lab.file("loot", "what was stored");
        lab.client_says("memcping", &[&servers], b"");
        all("memccp", &[file.to_str().unwrap()]);
        assert_eq!(all("memccat", &["loot"]).trim_end(), "what was stored");
        all("memcexist", &["loot"]);
        all("memctouch", &["--expire=100", "loot"]);
        let stats = lab.client_says("memcstat", &[&servers], b"");
        assert!(stats.contains("version: 1.6.") && stats.contains("curr_items: 1"), "{stats}");
        all("memcrm", &["loot"]);
        assert!(!lab.client("memcexist", &[&servers, "loot"], b"").status.success());
        lab.client_says("memcflush", &[&servers], b"");
    }
    // libmemcached reads no IPv6 literal; a plain client does.
    let mut stream = lab.dial(crate::lab::at(SENSOR[1], 11_211));
    std::io::Write::write_all(&mut stream, b"version\r\nquit\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("VERSION 1.6."), "{answer}");
}

#[test]
fn libmemcached_stores_reads_and_counts_over_both_protocols() {
    both(RULES, Genuine::memcached, libmemcached);
}

#[test]
fn what_libmemcached_stores_is_recorded() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    libmemcached(&lab);
    let event = engine.events.await_event("the stored value", |event| {
        kind(event) == "command" && event["payload_hex"] == data_encoding::HEXLOWER.encode(b"what was stored")
    });
    assert_eq!(event["handler"], "memcache");
    engine.stop();
}

#[test]
fn nmap_names_memcached_and_its_script_reads_the_stats() {
    let target = SENSOR[0].to_string();
    let scan = ["-n", "-Pn", "-sV", "--script", "memcached-info", "-p", "11211", "--host-timeout", "90s", &target];
    both(RULES, Genuine::memcached, |lab| {
        let said = lab.client_says("nmap", &scan, b"");
        assert!(said.contains("Memcached 1.6.") && said.contains(" (uptime "), "{said}");
        let lines = ["Process ID:", "Uptime:", "Server time:", "Architecture: 64 bit", "Current connections:"];
        for line in lines.into_iter().chain(["Authentication: no"]) {
            assert!(said.contains(line), "{line} in {said}");
        }
    });
}

#[test]
fn odd_commands_are_answered_in_memcacheds_own_bytes() {
    let long = [b"get ".as_slice(), &[b'k'; 251], b"\r\n"].concat();
    let large = [b"set l 0 0 1048577\r\n".as_slice(), &[b'x'; 1_048_577], b"\r\n"].concat();
    let commands = include_str!("../dialogues/memcached.txt").lines();
    let inputs: Vec<Vec<u8>> = commands
        .map(|line| line.replace("\\r\\n", "\r\n").into_bytes())
        .chain([long, large])
        .map(|input| [input.as_slice(), b"mn\r\n"].concat())
        .collect();
    let over = |heard: &[u8]| heard.ends_with(b"MN\r\n");
    let [genuine, ours] = answers((RULES, DEBIAN_12), (Genuine::memcached, 11_211), &inputs, over);
    for ((input, genuine), ours) in inputs.iter().zip(&genuine).zip(&ours) {
        let shown = input.get(..80).unwrap_or(input).escape_ascii().to_string();
        assert_eq!(ours.escape_ascii().to_string(), genuine.escape_ascii().to_string(), "{shown}");
    }
}

#[test]
fn odd_requests_of_the_binary_protocol_are_answered_in_memcacheds_own_bytes() {
    // A request that is always answered, at the end.
    let end = b"\x80\x0a\0\0\0\0\0\0\0\0\0\0\xee\xee\xee\xee\0\0\0\0\0\0\0\0";
    let answer = b"\x81\x0a\0\0\0\0\0\0\0\0\0\0\xee\xee\xee\xee\0\0\0\0\0\0\0\0";
    let requests = include_str!("../dialogues/memcached-binary.txt").lines().map(|line| line.split_once(' ').unwrap());
    let decoded = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    let inputs: Vec<Vec<u8>> = requests.clone().map(|(_, hex)| [decoded(hex).as_slice(), end].concat()).collect();
    let over = |heard: &[u8]| heard.ends_with(answer);
    let [genuine, ours] = answers((RULES, DEBIAN_12), (Genuine::memcached, 11_211), &inputs, over);
    for (((name, _), genuine), ours) in requests.zip(&genuine).zip(&ours) {
        assert_eq!(ours.escape_ascii().to_string(), genuine.escape_ascii().to_string(), "{name}");
    }
}

#[test]
fn a_stranger_over_udp_gets_no_more_than_it_sent_and_the_stats_once_it_has_connected() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let target = SENSOR[0].to_string();
    let nmap = |how: &str, ports: &str| {
        text(&lab.client("nmap", &["-n", "-Pn", how, "--script", "memcached-info", "-p", ports, &target], b""))
    };
    let stranger = nmap("-sU", "11211");
    assert!(!stranger.contains("Process ID:"), "{stranger}");
    engine.events.await_event("the stranger's question", |event| {
        event["transport"] == "udp" && event["command"] == "stats" && event["handler"] == "memcache"
    });

    let visitor = nmap("-sTU", "T:11211,U:11211");
    assert_eq!(visitor.matches("Process ID:").count(), 2, "{visitor}");
    let (_, udp) = visitor.split_once("11211/udp").unwrap();
    assert!(udp.contains("Authentication: no"), "{visitor}");
    engine.stop();
}

#[test]
fn hydra_learns_that_there_is_no_login() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let target = format!("memcached://{}", SENSOR[0]);
    let said = text(&lab.client("hydra", &["-l", "admin", "-p", "secret", "-t", "1", &target], b""));
    assert!(said.contains("does not require any authentication") || said.contains("0 valid password"), "{said}");
    engine.stop();
}

#[test]
fn a_udp_client_stores_and_reads_a_value() {
    let script = "
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(3); u.connect((sys.argv[1], 11211))
u.send(b'\\0\\1\\0\\0\\0\\1\\0\\0set u 0 0 1\\r\\nx\\r\\n'); print(u.recv(2000))
u.send(b'\\0\\2\\0\\0\\0\\1\\0\\0get u\\r\\n'); u.send(b'\\0\\3\\0\\0\\0\\1\\0\\0get u\\r\\n'); print(u.recv(2000))
";
    both(RULES, Genuine::memcached, |lab| {
        let said = lab.client_says("python3", &["-c", script, &SENSOR[0].to_string()], b"");
        assert!(said.contains("STORED") && said.contains("VALUE u 0 1"), "{said}");
    });
}
