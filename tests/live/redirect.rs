//! Connections that the kernel redirects: what NAT can do and what it leaves to user space, and what becomes of our chain in its table.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::lab::client::{ask, dial, dial_from, echo};
use crate::lab::events::{dialled, kind, source};
use crate::lab::firewall::{Variant, saved_rules};
use crate::lab::service::Service;
use crate::lab::{ATTACKER, Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: redirected, match: tcp dst port 7005, type: handler, target: echo, datapath: redirect}
  - {name: echo, match: tcp dst portrange 7000-7999, type: handler, target: echo, datapath: redirect}
";

/// An echo from this client port.
fn visit(lab: &Lab, client_port: u16, to: SocketAddr) -> std::net::TcpStream {
    let mut stream = lab.attacker(|| dial_from(client_port, to)).unwrap_or_else(|error| panic!("{to}: {error}"));
    assert_eq!(echo(&mut stream, b"hello").unwrap(), b"hello", "{to}");
    stream
}

/// The port that connections are redirected to.
fn redirect_port(lab: &Lab) -> u16 {
    let saved = lab.sensor_command("iptables-save -t nat");
    let (_, rest) = saved.split_once("--to-destination :").unwrap_or_else(|| panic!("nothing is redirected:\n{saved}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn one_client_port_is_redirected_to_one_port_of_each_address_and_served_in_user_space_on_the_others() {
    const SECOND: [&str; 2] = ["192.0.2.77", "2001:db8:99::77"];
    let lab = Lab::new();
    for (address, length) in SECOND.into_iter().zip([32, 128]) {
        // An address that no interface towards the visitor has, as hosts with routed addresses keep it.
        lab.sensor_namespace().ip(&format!("address add {address}/{length} dev lo")).unwrap();
        let via = SENSOR[usize::from(length == 128)];
        lab.attacker_namespace().ip(&format!("route add {address}/{length} via {via}")).unwrap();
    }
    let mut engine = lab.engine().rules(RULES).start();
    for family in [0, 1] {
        let client = at(ATTACKER[family], 40_000);
        let second: IpAddr = SECOND[family].parse().unwrap();
        let redirected = [at(SENSOR[family], 7005), at(second, 7006)];
        let before = lab.packets_queued();
        let streams = redirected.map(|to| visit(&lab, client.port(), to));
        assert_eq!(lab.packets_queued() - before, 2, "one packet of each connection");
        let others = [7007, 7008].map(|port| at(second, port));
        let more = others.map(|to| visit(&lab, client.port(), to));
        assert!(lab.packets_queued() - before > 10, "all packets of the others");
        drop((streams, more));
        for to in redirected.into_iter().chain(others) {
            engine.events.await_event(&format!("payload from {client} to {to}"), |event| {
                kind(event) == "payload" && source(event) == Some(client) && dialled(event) == Some(to)
            });
        }
    }
    engine.stop();
}

#[test]
fn a_client_port_that_goes_from_port_to_port_is_served_on_each() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    for address in SENSOR {
        for port in 7100..7200 {
            drop(visit(&lab, 40_000, at(address, port)));
        }
    }
    let closed = engine.events.await_that("the end of all flows", 3 * PATIENCE, |seen| {
        let closed: Vec<Value> = seen.iter().filter(|event| kind(event) == "flow_close").cloned().collect();
        (closed.len() >= 200).then_some(closed)
    });
    assert!(closed.iter().all(|event| event["reason"] == "finished"), "{closed:?}");
    engine.stop();
}

#[test]
fn the_port_behind_the_redirection_is_closed_to_visitors() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let port = redirect_port(&lab);
    for address in SENSOR {
        let refused = lab.attacker(|| dial(at(address, port))).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "from outside");
        let dialled = lab.sensor(|| dial(at(address, port)));
        let end = dialled.and_then(|mut stream| std::io::Read::read(&mut stream, &mut [0; 1]));
        assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset), "inside");
    }
    engine.stop();
}

/// As container engines have them: whoever dials 7005 or 9700 is sent elsewhere.
const OPERATORS_NAT: &str = "*nat\n:OPERATOR - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j OPERATOR\n\
     -A OPERATOR -p tcp -m tcp --dport 7005 -j REDIRECT --to-ports 9701\n\
     -A OPERATOR -p tcp -m tcp --dport 9700 -j REDIRECT --to-ports 9701\nCOMMIT\n";

#[test]
fn the_operators_own_nat_goes_on_and_does_not_take_what_the_rules_name() {
    for variant in [Variant::Legacy, Variant::Nft] {
        let lab = Lab::new();
        let _own = Service::named(lab.sensor_namespace(), 9701, "own");
        let rules = lab.file("nat.rules", OPERATORS_NAT);
        let suffix = if variant == Variant::Legacy { "legacy" } else { "nft" };
        for family in ["iptables", "ip6tables"] {
            lab.sensor_command(&format!("{family}-{suffix}-restore --noflush --wait=5 {}", rules.display()));
        }
        let engine = lab.engine().rules(RULES).variant(variant).start();
        for address in SENSOR {
            drop(visit(&lab, 40_000, at(address, 7005)));
            let asked = lab.attacker(|| dial(at(address, 9700)).and_then(|mut stream| ask(&mut stream, "hello")));
            assert_eq!(asked.unwrap(), "own hello", "{variant:?}");
        }
        // This compares with what was there before the start.
        engine.stop();
    }
}

#[test]
fn the_chain_in_nat_goes_with_the_engine_however_it_ends() {
    for variant in [Variant::Legacy, Variant::Nft] {
        let lab = Lab::new();
        let before = saved_rules(&lab, variant);
        for signal in [Signal::TERM, Signal::INT] {
            let engine = lab.engine().rules(RULES).variant(variant).start();
            assert!(saved_rules(&lab, variant).contains("-j GLUTTON-NFQ-NAT"), "{variant:?}");
            engine.stop_with(signal);
        }
        let mut engine = lab.engine().rules(RULES).variant(variant).start();
        for crash in 1..=5 {
            let started =
                |seen: &[Value]| seen.iter().filter(|event| kind(event) == "sensor_start").count() == crash + 2;
            engine.events.await_that("start of the engine", 2 * PATIENCE, |seen| started(seen).then_some(()));
            for pid in engine.children() {
                kill_process(pid, Signal::KILL).unwrap();
            }
        }
        assert!(within(PATIENCE, || engine.ended()).is_some(), "the parent still starts engines");
        assert_eq!(saved_rules(&lab, variant), before, "{variant:?}");
    }
}

#[test]
fn an_engine_that_comes_back_redirects_to_the_same_port() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    drop(visit(&lab, 40_000, at(SENSOR[0], 7005)));
    let port = redirect_port(&lab);
    kill_process(engine.children()[0], Signal::KILL).unwrap();
    engine.events.await_that("second sensor_start", PATIENCE, |seen| {
        (seen.iter().filter(|event| kind(event) == "sensor_start").count() == 2).then_some(())
    });
    drop(visit(&lab, 40_001, at(SENSOR[0], 7005)));
    assert_eq!(redirect_port(&lab), port);
    engine.stop();
}

#[test]
fn what_a_killed_parent_left_in_nat_is_swept_by_the_next_start() {
    let lab = Lab::new();
    let before = saved_rules(&lab, Variant::System);
    let mut killed = lab.engine().rules(RULES).start();
    for pid in killed.children() {
        // Stopped, the parent cannot answer the death of its child.
        kill_process(killed.parent(), Signal::STOP).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }
    killed.end_with(Signal::KILL);
    assert!(saved_rules(&lab, Variant::System).contains("GLUTTON-NFQ-NAT"), "nobody was left to remove it");
    let plain = "rules:\n- {match: tcp, type: handler, target: echo}\n";
    let mut next = lab.engine().rules(plain).start();
    assert!(!saved_rules(&lab, Variant::System).contains("GLUTTON-NFQ-NAT"), "nobody asks for it any more");
    assert_eq!(next.end_with(Signal::TERM).code(), Some(0));
    assert_eq!(saved_rules(&lab, Variant::System), before);
}

#[test]
fn a_reload_that_asks_for_redirect_for_the_first_time_is_told_to_restart_and_served() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules("rules:\n- {match: udp, type: drop}\n").start();
    lab.file("rules.yml", RULES);
    kill_process(engine.parent(), Signal::HUP).unwrap();
    engine.events.await_event("reload", |event| kind(event) == "reload" && event["level"] == "info");
    drop(visit(&lab, 40_000, at(SENSOR[0], 7005)));
    let said = within(PATIENCE, || engine.said().contains("which was not asked for at start").then_some(()));
    assert!(said.is_some(), "{}", engine.said());
    engine.stop();
}

#[test]
fn new_rules_leave_redirected_connections_alone_and_decide_about_the_next() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let mut streams = SENSOR.map(|address| visit(&lab, 40_000, at(address, 7005)));
    let mut reload = |text: &str| {
        let reloads = |seen: &[Value]| seen.iter().filter(|event| kind(event) == "reload").count();
        let before = engine.events.await_that("events", PATIENCE, |seen| Some(reloads(seen)));
        lab.file("rules.yml", text);
        kill_process(engine.parent(), Signal::HUP).unwrap();
        engine.events.await_that("reload", PATIENCE, |seen| (reloads(seen) > before).then_some(()));
    };
    let others = ["{match: udp dst port 1, type: rewrite, target: 4444}", "{match: tcp dst port 1, type: drop}"];
    for (rule, client_port) in others.into_iter().zip(41_000..) {
        reload(&format!("rules:\n- {rule}\n- {{match: tcp, type: handler, target: echo, datapath: userspace}}\n"));
        let before = lab.packets_queued();
        for stream in &mut streams {
            assert_eq!(echo(stream, b"still here").unwrap(), b"still here");
        }
        assert_eq!(lab.packets_queued(), before, "the kernel still carries them");
        drop(visit(&lab, client_port, at(SENSOR[0], 7005)));
        assert!(lab.packets_queued() > before + 3, "new ones are seen whole");
    }
    reload(RULES);
    drop(visit(&lab, 42_000, at(SENSOR[0], 7005)));
    for stream in &mut streams {
        assert_eq!(echo(stream, b"still here").unwrap(), b"still here");
    }
    engine.stop();
}
