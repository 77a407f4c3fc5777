//! Connections that leave user space after their first packet: what the queue sees of them, whose marks they keep, and what happens where the
//! kernel cannot carry them.

use std::time::Duration;

use crate::lab::client::{ask, ask_datagram, datagrams, dial, echo};
use crate::lab::events::{dialled, kind};
use crate::lab::service::{DatagramService, Service};
use crate::lab::{ATTACKER, Lab, PATIENCE, SENSOR, at, within};

/// Those on which the kernel carries connections.
const DATAPATHS: [&str; 2] = ["auto", "redirect"];

const RULES: &str = "
version: 1
rules:
  - {name: passed, match: tcp dst port 9500, type: pass}
  - {name: seen, match: tcp dst port 7006, type: handler, target: echo, datapath: userspace}
  - {name: echo, match: tcp, type: handler, target: echo}
";

/// Talks and returns how many packets the queues have seen of it.
fn queued_while_talking(lab: &Lab, port: u16) -> u64 {
    let before = lab.packets_queued();
    for address in SENSOR {
        let mut stream = lab.dial(at(address, port));
        for _ in 0..50 {
            assert_eq!(echo(&mut stream, &[0x33; 3000]).unwrap(), [0x33; 3000]);
        }
    }
    lab.packets_queued() - before
}

#[test]
fn the_queue_sees_one_packet_of_a_connection_that_the_kernel_carries() {
    for datapath in DATAPATHS {
        let lab = Lab::new();
        let _passed = Service::echo(lab.sensor_namespace(), 9500);
        let engine = lab.engine().rules(RULES).datapath(datapath).start();
        assert_eq!(queued_while_talking(&lab, 7005), 2, "one for each of two connections to a handler, {datapath}");
        assert_eq!(queued_while_talking(&lab, 9500), 2, "one for each of two connections that pass, {datapath}");
        assert!(queued_while_talking(&lab, 7006) > 200, "a rule that wants every packet gets every packet");
        engine.stop();
    }
}

#[test]
fn a_connection_that_stands_goes_without_tproxy() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let counted = |family: &str| lab.sensor_command(&format!("{family} -t mangle -nvxL GLUTTON-NFQ-IN"));
    let taken = |text: &str| {
        let rule = text.lines().find(|line| line.contains("TPROXY")).unwrap();
        rule.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    for (address, family) in SENSOR.into_iter().zip(["iptables", "ip6tables"]) {
        let mut stream = lab.dial(at(address, 7005));
        for _ in 0..50 {
            assert_eq!(echo(&mut stream, &[0x33; 3000]).unwrap(), [0x33; 3000]);
        }
        let rules = counted(family);
        assert!(
            taken(&rules) <= 10,
            "of more than a hundred packets, a handshake's last and what came with it:\n{rules}"
        );
    }
    engine.stop();
}

#[test]
fn a_rule_for_single_packets_keeps_every_packet_in_user_space() {
    let lab = Lab::new();
    let rules = RULES.replace("rules:\n", "rules:\n  - {name: odd, match: tcp dst port 1, type: drop, per: packet}\n");
    let engine = lab.engine().rules(&rules).start();
    assert!(queued_while_talking(&lab, 7005) > 200);
    engine.stop();
}

#[test]
fn marks_of_others_are_kept_on_packets_and_connections() {
    DATAPATHS.into_iter().for_each(marks_of_others_are_kept);
}

fn marks_of_others_are_kept(datapath: &str) {
    let lab = Lab::new();
    lab.sensor_command("iptables -t mangle -A PREROUTING -p tcp --dport 7005 -j MARK --set-xmark 0x55/0xff");
    lab.sensor_command("iptables -t mangle -A PREROUTING -p tcp --dport 7005 -j CONNMARK --set-xmark 0x7700/0xff00");
    lab.sensor_command("iptables -t filter -A INPUT -p tcp -m mark --mark 0x55 -m connmark --mark 0x7700/0xff00");
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    let mut stream = lab.dial(at(SENSOR[0], 7005));
    assert_eq!(echo(&mut stream, b"hello").unwrap(), b"hello");
    let counted = lab.sensor_command("iptables -t filter -vnxL INPUT");
    let packets: u64 = counted.lines().last().unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(packets >= 3, "SYN, acknowledgement and data carry the operator's marks and nothing of ours:\n{counted}");
    engine.stop();
    for (table, chain) in [("mangle", "PREROUTING"), ("filter", "INPUT")] {
        lab.sensor_command(&format!("iptables -t {table} -F {chain}"));
    }
}

#[test]
fn a_connection_that_the_kernel_carries_is_reported_when_it_ends() {
    DATAPATHS.into_iter().for_each(is_reported_when_it_ends);
}

fn is_reported_when_it_ends(datapath: &str) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        let to = at(address, 7005);
        let mut stream = lab.dial(to);
        assert_eq!(echo(&mut stream, b"hello").unwrap(), b"hello");
        std::thread::sleep(Duration::from_millis(50));
        drop(stream);
        let closed =
            engine.events.await_event("the end", |event| kind(event) == "flow_close" && dialled(event) == Some(to));
        assert_eq!(closed["reason"], "finished");
        assert!(closed["duration"].as_f64() >= Some(0.05), "{closed}");
    }
    engine.stop();
}

/// Starts engines whose `iptables-restore` refuses rules in which one of these words stands.
fn path_without(lab: &Lab, words: &[&str]) -> String {
    let directory = lab.path("poor");
    std::fs::create_dir(&directory).unwrap();
    let patterns: Vec<String> = words.iter().map(|word| format!("*'{word}'*")).collect();
    for program in ["iptables-restore", "ip6tables-restore"] {
        let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|path| path.join(program))
            .find(|path| path.exists());
        let script = format!(
            "#!/bin/sh\ntext=$(cat)\ncase $text in {}) echo 'no such extension' >&2; exit 1;; esac\nprintf '%s\\n' \"$text\" | {} \"$@\"\n",
            patterns.join("|"),
            real.unwrap().display()
        );
        let file = lab.file(&format!("poor/{program}"), &script);
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    format!("PATH={}:{}", directory.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_host_that_lacks_what_carries_connections_is_told_once_and_served_in_user_space() {
    let lacking: [(&str, &[&str], &str); 5] = [
        ("auto", &["TPROXY", "DNAT"], "has no TPROXY"),
        ("auto", &["-m connmark", "CONNMARK"], "has no connection marks"),
        ("redirect", &["DNAT"], "has no NAT"),
        ("redirect", &["-m connmark", "CONNMARK"], "has no connection marks"),
        ("redirect", &["-m conntrack"], "has no connection tracking"),
    ];
    for (datapath, words, told) in lacking {
        let lab = Lab::new();
        let path = path_without(&lab, words);
        let engine = lab.engine().rules(RULES).datapath(datapath).through(&["env", &path]).start();
        assert!(queued_while_talking(&lab, 7005) > 200, "{datapath} without {words:?}");
        let warnings = || engine.said().matches("in user space").count();
        within(PATIENCE, || (warnings() > 0).then_some(()));
        assert!(engine.said().contains(told), "without {words:?}: {}", engine.said());
        assert_eq!(warnings(), 1, "{}", engine.said());
        engine.stop();
    }
}

#[test]
fn a_host_without_connection_tracking_serves_visitors_and_keeps_its_own_connections_and_lookups() {
    let lab = Lab::new();
    let _web = Service::named(lab.attacker_namespace(), 80, "web");
    let _names = DatagramService::named(lab.attacker_namespace(), 53, "names");
    let path = path_without(&lab, &["-m conntrack"]);
    let rules = "rules:\n- {match: tcp or udp, type: handler, target: echo}\n";
    let engine = lab.engine().rules(rules).through(&["env", &path]).start();
    for (address, attacker) in SENSOR.into_iter().zip(ATTACKER) {
        assert_eq!(lab.ask(at(address, 7005), "hello").unwrap(), "hello");
        assert_eq!(ask_datagram(&lab.datagrams(at(address, 7005)), b"hello").unwrap(), b"hello");
        assert_eq!(lab.sensor(|| ask(&mut dial(at(attacker, 80)).unwrap(), "hello")).unwrap(), "web hello");
        let lookup = lab.sensor(|| datagrams(at(attacker, 53))).unwrap();
        assert_eq!(ask_datagram(&lookup, b"example").unwrap(), b"names example");
    }
    engine.stop();
}

#[test]
fn a_host_without_tproxy_redirects() {
    for (datapath, told) in [("redirect", 0), ("auto", 1)] {
        let lab = Lab::new();
        let path = path_without(&lab, &["TPROXY"]);
        let engine = lab.engine().rules(RULES).datapath(datapath).through(&["env", &path]).start();
        assert_eq!(queued_while_talking(&lab, 7005), 2);
        assert_eq!(engine.said().matches("no TPROXY (xt_TPROXY, xt_socket): `auto` is `redirect`").count(), told);
        engine.stop();
    }
}
