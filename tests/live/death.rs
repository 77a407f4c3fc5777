//! The end of the engine, wanted or not: the host stays reachable, and the firewall is as it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::lab::client::{ask, dial};
use crate::lab::engine::EngineBuilder;
use crate::lab::events::kind;
use crate::lab::firewall::{Variant, install_operators_rules, saved_routes, saved_rules};
use crate::lab::service::Service;
use crate::lab::{ATTACKER, Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: passed, match: tcp dst port 9500, type: pass}
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";
/// The own service on this port is exempt: no rule names it.
const EXEMPT: u16 = 9600;
/// The own service on this port is queued and passed.
const PASSED: u16 = 9500;

/// Asks a service again and again, from outside, until it is told to stop.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Watch {
    fn over(lab: &Lab, to: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = lab.attacker_namespace().spawn_thread(move || {
            let mut slowest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                let answer = dial(to).and_then(|mut stream| ask(&mut stream, "alive?"));
                assert_eq!(answer.unwrap_or_else(|error| panic!("the host's own service: {error}")), "own alive?");
                slowest = slowest.max(start.elapsed());
                std::thread::sleep(Duration::from_millis(10));
            }
            slowest
        });
        Self { stop, thread: thread.unwrap() }
    }

    /// The service must have answered every time, and never later than a lost packet explains.
    fn assert_answered(self) {
        self.stop.store(true, Ordering::Relaxed);
        let slowest = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(slowest < Duration::from_millis(900), "one answer took {slowest:?}");
    }
}

fn own_services(lab: &Lab) -> [Service; 2] {
    [EXEMPT, PASSED].map(|port| Service::named(lab.sensor_namespace(), port, "own"))
}

#[test]
fn when_the_engine_is_killed_the_host_answers_and_the_engine_is_back_or_its_rules_are_gone() {
    let lab = Lab::new();
    let _own = own_services(&lab);
    let mut engine = lab.engine().rules(RULES).start();
    // Events are written a little after they happen: the kill must not come in between.
    engine.events.await_event("first sensor_start", |event| kind(event) == "sensor_start");
    let watches = SENSOR.map(|address| Watch::over(&lab, at(address, EXEMPT)));
    let killed = engine.children();
    assert!(!killed.is_empty(), "the parent has a child");
    for pid in &killed {
        kill_process(*pid, Signal::KILL).unwrap();
    }
    let mended = within(Duration::from_secs(1), || {
        let back = engine.children().iter().any(|pid| !killed.contains(pid));
        let gone = !saved_rules(&lab, Variant::System).contains("GLUTTON-NFQ");
        (back || gone).then_some(())
    });
    assert!(mended.is_some(), "one second later there is neither an engine nor a firewall without its rules");
    engine.events.await_that("second sensor_start", PATIENCE, |seen| {
        (seen.iter().filter(|event| kind(event) == "sensor_start").count() == 2).then_some(())
    });
    for address in SENSOR {
        assert_eq!(lab.ask(at(address, 7005), "back").unwrap(), "back");
    }
    watches.into_iter().for_each(Watch::assert_answered);
    engine.stop();
}

#[test]
fn after_five_crashes_in_a_minute_the_parent_gives_up_and_removes_the_rules() {
    let lab = Lab::new();
    let _own = own_services(&lab);
    let before = saved_rules(&lab, Variant::System);
    let mut engine = lab.engine().rules(RULES).start();
    for crash in 1..=5 {
        let started = |seen: &[Value]| seen.iter().filter(|event| kind(event) == "sensor_start").count() == crash;
        engine.events.await_that("start of the engine", 2 * PATIENCE, |seen| started(seen).then_some(()));
        for pid in engine.children() {
            kill_process(pid, Signal::KILL).unwrap();
        }
    }
    let gave_up = within(PATIENCE, || engine.ended());
    assert_eq!(gave_up.expect("the parent still starts engines").code(), Some(1));
    assert_eq!(saved_rules(&lab, Variant::System), before);
    assert_eq!(lab.ask(at(SENSOR[0], PASSED), "hello").unwrap(), "own hello");
}

#[test]
fn when_only_the_parent_is_killed_the_host_answers_and_the_next_start_sweeps() {
    let lab = Lab::new();
    let _own = own_services(&lab);
    let before = saved_rules(&lab, Variant::System);
    let watches = SENSOR.map(|address| Watch::over(&lab, at(address, EXEMPT)));
    let mut orphaned = lab.engine().rules(RULES).start();
    let children = orphaned.children();
    orphaned.end_with(Signal::KILL);
    let ended =
        within(PATIENCE, || children.iter().all(|pid| rustix::process::test_kill_process(*pid).is_err()).then_some(()));
    assert!(ended.is_some(), "the engine outlives its parent");
    watches.into_iter().for_each(Watch::assert_answered);
    serves_and_cleans(&lab, &before);
}

#[test]
fn when_parent_and_engine_are_killed_traffic_passes_and_the_next_start_sweeps() {
    let lab = Lab::new();
    let _own = own_services(&lab);
    let before = saved_rules(&lab, Variant::System);
    kill_parent_and_engine(lab.engine());
    assert!(saved_rules(&lab, Variant::System).contains("GLUTTON-NFQ"), "nobody was left to remove the rules");
    for port in [EXEMPT, PASSED] {
        assert_eq!(
            lab.ask(at(SENSOR[0], port), "hello").unwrap(),
            "own hello",
            "the rules of a dead engine stop port {port}"
        );
    }
    let _out_there = Service::named(lab.attacker_namespace(), 80, "web");
    assert_eq!(
        lab.sensor(|| dial(at(ATTACKER[0], 80)).and_then(|mut stream| ask(&mut stream, "hello"))).unwrap(),
        "web hello"
    );
    serves_and_cleans(&lab, &before);
}

/// Starts an engine and ends both its processes, so that nobody is left to clean up.
pub(crate) fn kill_parent_and_engine(engine: EngineBuilder<'_>) {
    let mut engine = engine.rules(RULES).start();
    for pid in engine.children() {
        // Stopped, the parent cannot answer the death of its child.
        kill_process(engine.parent(), Signal::STOP).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }
    engine.end_with(Signal::KILL);
}

/// A new engine serves, and its end leaves the firewall as it was before the first.
fn serves_and_cleans(lab: &Lab, before: &str) {
    serves(lab);
    assert_eq!(saved_rules(lab, Variant::System), before);
}

/// A new engine serves, and ends when it is told.
fn serves(lab: &Lab) {
    let mut engine = lab.engine().rules(RULES).start();
    assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "hello");
    let installed = saved_rules(lab, Variant::System);
    // Once in each table of each family.
    assert_eq!(installed.matches("-j GLUTTON-NFQ-IN").count(), 2, "{installed}");
    assert_eq!(engine.end_with(Signal::TERM).code(), Some(0));
}

#[test]
fn sigterm_and_sigint_leave_the_firewall_as_it_was_in_both_iptables_variants() {
    for variant in [Variant::Legacy, Variant::Nft] {
        for operators_rules in [true, false] {
            let lab = Lab::new();
            if operators_rules {
                install_operators_rules(&lab, variant);
            }
            for signal in [Signal::TERM, Signal::INT] {
                let engine = lab.engine().rules(RULES).variant(variant).start();
                assert!(saved_rules(&lab, variant).contains("GLUTTON-NFQ-IN"), "{variant:?}: no rules of ours");
                assert_eq!(lab.ask(at(SENSOR[1], 7005), "hello").unwrap(), "hello", "{variant:?}");
                // This compares with what was there before the start.
                engine.stop_with(signal);
            }
        }
    }
}

#[test]
fn clean_removes_what_a_killed_engine_left() {
    let lab = Lab::new();
    let before = saved_rules(&lab, Variant::System);
    kill_parent_and_engine(lab.engine());
    lab.sensor_command(&format!("{} clean", env!("CARGO_BIN_EXE_glutton-nfq")));
    assert_eq!(saved_rules(&lab, Variant::System), before);
}

/// The commands of a block of the README, one each.
fn readme_commands(after: &str) -> Vec<String> {
    const README: &str = include_str!("../../README.md");
    let (_, rest) = README.split_once(after).unwrap();
    let block = rest.split("```").nth(1).unwrap();
    let commands = block.lines().flat_map(|line| line.split(';'));
    commands.map(|command| command.trim().to_owned()).filter(|command| !command.is_empty()).collect()
}

#[test]
fn the_commands_of_the_readme_remove_everything_by_hand() {
    let networks = "capture = [\"203.0.113.0/24\", \"2001:db8:77::/48\"]";
    let captured = readme_commands("Where `capture` names networks");
    let [carried, redirected] = ["With TPROXY, as", "With the datapath `redirect`"].map(readme_commands);
    for (config, first) in [
        (networks.to_owned(), [&captured[..2], &carried].concat()),
        (format!("conntrack = false\n{networks}"), [&captured[..], &carried].concat()),
        ("datapath = \"redirect\"".to_owned(), redirected),
    ] {
        let lab = Lab::new();
        let routes_before = saved_routes(&lab);
        kill_parent_and_engine(lab.engine().config(&format!("[engine]\n{config}\n")));
        let has_routes = saved_routes(&lab) != routes_before;
        assert_eq!(has_routes, config.contains("capture"), "nobody was left to remove the routes");
        let commands = [first, readme_commands("By hand, should it")].concat();
        for (family, ip, network) in
            [("iptables", "ip -4", "203.0.113.0/24"), ("ip6tables", "ip -6", "2001:db8:77::/48")]
        {
            for command in &commands {
                let command = command.replace("iptables", family).replace("ip -4", ip).replace("IFACE", "veth0");
                lab.sensor_command(&command.replace("NETWORK", network));
            }
        }
        let left = saved_rules(&lab, Variant::System);
        // The note that the table is new, and nothing else.
        let left: Vec<&str> = left.lines().filter(|line| line.contains("GLUTTON-NFQ")).collect();
        assert!(left.iter().all(|line| line.starts_with(":GLUTTON-NFQ-NEW")), "{left:?}");
        assert_eq!(saved_routes(&lab), routes_before);
        serves(&lab);
    }
}
