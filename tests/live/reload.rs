//! New rules for a running engine: nothing is lost, nothing is mixed, nothing is kept, and a bad file changes nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use glutton_nfq::control::{self, Answer};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::client::{ask, ask_datagram, datagrams, dial};
use crate::lab::events::kind;
use crate::lab::service::{DatagramService, Service};
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

/// Between two questions of a client: the reloads shall find a processor now and then.
const PAUSE: Duration = Duration::from_millis(1);

/// A reload is asked for a hundred times a second; with `ALONE` in the environment (as in `make bench`) all of them must be done in time. Beside other tests, on a
/// machine with other work, half of them must.
fn min_reloads_a_second() -> f64 {
    if std::env::var_os("ALONE").is_some() { 98.0 } else { 50.0 }
}

/// Everything to the service on one port; the names of the rules stay.
fn everything_to(port: u16) -> String {
    format!("rules:\n- {{name: all, match: 'dst port 7000', type: rewrite, target: {port}}}\n")
}

/// Replaces the rule file as editors do.
pub(crate) fn replace_rules(lab: &Lab, text: &str) {
    std::fs::rename(lab.file("draft.yml", text), lab.path("rules.yml")).unwrap();
}

/// Asks the engine as `glutton-nfq reload` does.
pub(crate) fn reload(lab: &Lab) -> Answer {
    lab.sensor(|| control::call(0, "reload")).unwrap()
}

/// Resident memory in bytes.
fn resident(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Asks twice on each new connection, until told to stop: both answers come from one service, none is late as after a lost packet.
fn connect_again_and_again(to: SocketAddr, stop: &AtomicBool, answers: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let mut stream = dial(to).unwrap_or_else(|error| panic!("connecting during reloads: {error}"));
        let first = ask(&mut stream, "who").unwrap();
        assert!(["one who", "two who"].contains(&first.as_str()), "{first}");
        assert_eq!(ask(&mut stream, "who").unwrap(), first, "a flow keeps what was decided for it");
        assert!(start.elapsed() < Duration::from_millis(900), "a packet was lost: {:?}", start.elapsed());
        answers.fetch_add(2, Ordering::Relaxed);
        std::thread::sleep(20 * PAUSE);
    }
}

/// One UDP flow for all the time: every datagram is answered, always by the same service.
fn ask_again_and_again(to: SocketAddr, stop: &AtomicBool, answers: &AtomicU64) {
    let socket = datagrams(to).unwrap();
    let first = ask_datagram(&socket, b"who").unwrap();
    while !stop.load(Ordering::Relaxed) {
        let answer = ask_datagram(&socket, b"who").unwrap_or_else(|error| panic!("a datagram was lost: {error}"));
        assert_eq!(answer, first);
        answers.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(PAUSE);
    }
}

/// Ends the clients, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_hundred_reloads_a_second_lose_nothing_mix_nothing_and_keep_nothing() {
    let lab = Lab::new();
    let _tcp =
        [Service::named(lab.sensor_namespace(), 9001, "one"), Service::named(lab.sensor_namespace(), 9002, "two")];
    let _udp = [
        DatagramService::named(lab.sensor_namespace(), 9001, "one"),
        DatagramService::named(lab.sensor_namespace(), 9002, "two"),
    ];
    let engine = lab.engine().rules(&everything_to(9001)).start();
    for address in SENSOR {
        // The first packet of all waits for the address of the neighbour.
        assert_eq!(lab.ask(at(address, 7000), "who").unwrap(), "one who");
    }
    let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let clients = SENSOR.map(|address| {
            let (lab, stop, answers) = (&lab, &stop, &answers);
            let tcp = scope.spawn(move || lab.attacker(|| connect_again_and_again(at(address, 7000), stop, answers)));
            let udp = scope.spawn(move || lab.attacker(|| ask_again_and_again(at(address, 7000), stop, answers)));
            [tcp, udp]
        });
        let _stop = Stop(&stop);
        let (start, mut memory) = (Instant::now(), 0);
        for turn in 0..1_000_u16 {
            replace_rules(&lab, &everything_to(9001 + turn % 2));
            assert_eq!(reload(&lab).code, 0);
            if turn == 200 {
                memory = resident(engine.parent()) + resident(engine.children()[0]);
            }
            std::thread::sleep(
                (start + Duration::from_millis(10) * u32::from(turn)).saturating_duration_since(Instant::now()),
            );
            assert!(clients.iter().flatten().all(|client| !client.is_finished()), "a client has given up");
        }
        let (took, after) = (start.elapsed(), resident(engine.parent()) + resident(engine.children()[0]));
        let rate = 1_000.0 / took.as_secs_f64();
        println!("{rate:.0} reloads a second");
        assert!(rate > min_reloads_a_second(), "1000 reloads took {took:?}");
        // A flow keeps its rule until it is forgotten: a rule without its filter is some hundred bytes.
        assert!(after < memory + (6 << 20), "memory grew from {memory} to {after} bytes in 800 reloads");
    });
    assert!(answers.into_inner() > 1_000, "the clients hardly asked");
    engine.stop();
}

#[test]
fn a_bad_rule_file_is_refused_with_the_reason_and_the_old_rules_go_on() {
    let lab = Lab::new();
    let _one = Service::named(lab.sensor_namespace(), 9001, "one");
    let mut engine = lab.engine().rules(&everything_to(9001)).start();
    replace_rules(&lab, "rules:\n- {match: tcp dst prot 80, type: drop}\n");
    let command = format!("{} reload", env!("CARGO_BIN_EXE_glutton-nfq"));
    let mut words = command.split_whitespace();
    let mut refused = std::process::Command::new(words.next().unwrap());
    let output = lab.sensor_namespace().output(refused.args(words)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean `port`") && said.contains("the old rules go on"), "{said}");
    let event = engine.events.await_event("refused reload", |event| kind(event) == "reload");
    assert_eq!(event["level"], "error");
    assert!(event["error"].as_str().unwrap().contains("prot"), "{event}");
    assert_eq!(lab.ask(at(SENSOR[0], 7000), "hello").unwrap(), "one hello");
    replace_rules(&lab, &everything_to(9001));
    assert!(lab.sensor_command(&command).starts_with("reloaded: 1 rules from "));
    engine.stop();
}

#[test]
fn sighup_brings_rules_that_need_other_ports_and_protocols_diverted_and_an_engine_that_comes_back_has_them() {
    let lab = Lab::new();
    let _two = (
        Service::named(lab.sensor_namespace(), 9002, "two"),
        DatagramService::named(lab.sensor_namespace(), 9002, "two"),
    );
    let list = lab.file("all.txt", "0.0.0.0/0\n::/0\n");
    let mut engine = lab.engine().rules("rules:\n- {match: 'icmp', type: drop}\n").start();
    assert!(lab.ask(at(SENSOR[0], 7000), "hello").is_err(), "nothing listens there, and TCP is not diverted");
    let rules = format!(
        "rules:\n- {{name: all, match: 'src in @{} and dst port 7000', type: rewrite, target: 9002}}\n",
        list.display()
    );
    replace_rules(&lab, &rules);
    kill_process(engine.parent(), Signal::HUP).unwrap();
    engine.events.await_event("reload", |event| kind(event) == "reload" && event["level"] == "info");
    for address in SENSOR {
        assert_eq!(lab.ask(at(address, 7000), "hello").unwrap(), "two hello");
        assert_eq!(ask_datagram(&lab.datagrams(at(address, 7000)), b"hello").unwrap(), b"two hello");
    }
    kill_process(engine.children()[0], Signal::KILL).unwrap();
    engine.events.await_that("second sensor_start", PATIENCE, |seen| {
        (seen.iter().filter(|event| kind(event) == "sensor_start").count() == 2).then_some(())
    });
    assert_eq!(lab.ask(at(SENSOR[0], 7000), "hello").unwrap(), "two hello");
    engine.stop();
}

#[test]
fn new_rules_may_name_any_handler_and_one_that_does_not_exist_is_told_and_recorded() {
    let lab = Lab::new();
    let mut engine =
        lab.engine().rules("rules:\n- {match: 'tcp dst port 7000', type: handler, target: echo}\n").start();
    let rules = "rules:\n- {name: web, match: 'tcp dst port 7001', type: handler, target: log_http}\n\
                 - {name: typo, match: 'tcp dst port 7002', type: handler, target: tellnet}\n";
    replace_rules(&lab, rules);
    let answer = reload(&lab);
    assert_eq!(answer.code, 0, "{}", answer.text);
    assert!(
        answer.text.starts_with("reloaded: 2 rules") && answer.text.contains("did you mean `telnet`?"),
        "{}",
        answer.text
    );
    let said = lab.ask(at(SENSOR[0], 7001), "GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!("HTTP/1.0 200 OK".starts_with(&said[..8]), "{said}");
    let mut stream = lab.dial(at(SENSOR[0], 7002));
    std::io::Write::write_all(&mut stream, b"hello").unwrap();
    drop(stream);
    let event = engine.events.await_event("the recording", |event| event["rule"] == "typo" && kind(event) == "payload");
    assert_eq!(event["handler"], "tcp");
    engine.stop();
}

/// Reloads in quick succession see the host as it was a moment ago: asks for another until port 7 answers like this.
fn reload_until(lab: &Lab, wanted: &str) {
    let seen = within(PATIENCE, || {
        assert_eq!(reload(lab).code, 0);
        lab.ask(at(SENSOR[0], 7), "hello").is_ok_and(|answer| answer == wanted).then_some(())
    });
    assert!(seen.is_some(), "port 7 never said `{wanted}`");
}

#[test]
fn a_reload_leaves_ports_to_the_host_on_which_it_listens_by_now() {
    for rules in ["rules:\n- {match: tcp, type: handler, target: echo}\n", ""] {
        let lab = Lab::new();
        let engine = lab.engine();
        let engine = if rules.is_empty() { engine } else { engine.rules(rules) }.start();
        let own = Service::named(lab.sensor_namespace(), 7, "own");
        assert_eq!(lab.ask(at(SENSOR[0], 7), "hello").unwrap(), "hello", "as it was at the start");
        reload_until(&lab, "own hello");
        drop(own);
        reload_until(&lab, "hello");
        engine.stop();
    }
}

#[test]
fn a_rule_that_is_not_logged_makes_no_events_and_its_limit_leaves_the_rest_to_the_next() {
    let lab = Lab::new();
    let rules = "rules:\n- {name: silent, match: 'tcp dst port 7000', type: handler, target: echo, log: false, limit: 2/h per src}\n\
                 - {name: rest, match: tcp, type: handler, target: echo}\n";
    let mut engine = lab.engine().rules(rules).start();
    for _ in 0..3 {
        assert_eq!(lab.ask(at(SENSOR[0], 7000), "hello").unwrap(), "hello");
    }
    engine.events.await_event("flow of the next rule", |event| event["rule"] == "rest" && kind(event) == "flow_close");
    let silent = engine
        .events
        .await_that("all events", PATIENCE, |seen| Some(seen.iter().filter(|event| event["rule"] == "silent").count()));
    assert_eq!(silent, 0);
    engine.stop();
}
