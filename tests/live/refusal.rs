//! Starts that cannot succeed: one line that names the cause and the mend, exit code 1 or 2, nothing left behind.

use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::lab::engine::Refusal;
use crate::lab::{Lab, PATIENCE, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

/// One line of error, at the end, that contains every one of `words` (lower case), and one of these exit codes. Warnings may come before.
fn assert_refused(refusal: &Refusal, codes: RangeInclusive<i32>, words: &[&str]) {
    let text = refusal.text.trim_end();
    assert!(refusal.status.code().is_some_and(|code| codes.contains(&code)), "{}: {text}", refusal.status);
    let errors: Vec<&str> = text.lines().filter(|line| !line.contains(" WARN ")).collect();
    assert_eq!(errors.len(), 1, "more or less than one line: {text}");
    for word in words {
        assert!(errors[0].to_lowercase().contains(word), "`{word}` is not in: {text}");
    }
}

/// A copy that an unprivileged user can reach, wherever the build directory is.
fn public_binary(lab: &Lab) -> PathBuf {
    let copy = lab.path("glutton-nfq");
    std::fs::copy(env!("CARGO_BIN_EXE_glutton-nfq"), &copy).unwrap();
    for path in [copy.parent().unwrap(), &copy] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

#[test]
fn without_root_it_says_that_it_needs_root() {
    let lab = Lab::new();
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let refusal = lab.engine().rules(RULES).binary(public_binary(&lab)).through(&nobody).refusal();
    assert_refused(&refusal, 1..=1, &["root"]);
}

#[test]
fn without_cap_net_admin_it_names_the_capability() {
    let lab = Lab::new();
    let without = ["setpriv", "--inh-caps", "-net_admin", "--bounding-set", "-net_admin"];
    assert_refused(&lab.engine().rules(RULES).through(&without).refusal(), 1..=1, &["net_admin"]);
}

#[test]
fn without_iptables_it_says_what_to_install() {
    /// In a mount namespace of its own, with nothing where iptables can be.
    const WITHOUT: &str = "for d in /usr/sbin /sbin; do mount -t tmpfs none $d; done; PATH=/nowhere exec \"$@\"";
    let lab = Lab::new();
    let refusal = lab.engine().rules(RULES).through(&["unshare", "--mount", "sh", "-c", WITHOUT, "sh"]).refusal();
    assert_refused(&refusal, 1..=1, &["iptables", "install"]);
}

#[test]
fn an_unknown_interface_is_named() {
    let lab = Lab::new();
    assert_refused(&lab.engine().rules(RULES).args(["-i", "nosuch0"]).refusal(), 1..=2, &["nosuch0"]);
}

#[test]
fn without_a_default_route_it_asks_for_an_interface() {
    let lab = Lab::new();
    lab.sensor_namespace().ip("route del default").unwrap();
    lab.sensor_namespace().ip("-6 route del default").unwrap();
    assert_refused(&lab.engine().rules(RULES).refusal(), 1..=2, &["default route", "-i"]);
}

#[test]
fn a_captured_network_that_nothing_can_stand_in_for_is_named() {
    let lab = Lab::new();
    lab.sensor_namespace().ip("-6 address flush scope global").unwrap();
    let config = "[engine]\ncapture = [\"203.0.113.0/24\", \"2001:db8:77::/48\"]\n";
    assert_refused(
        &lab.engine().rules(RULES).config(config).refusal(),
        1..=1,
        &["2001:db8:77::/48", "ipv6", "capture"],
    );
}

#[test]
fn a_queue_that_another_engine_has_bound_is_named_and_that_engine_goes_on() {
    let lab = Lab::new();
    let first = lab.engine().rules(RULES).start();
    let other_ports = "[server]\ntcp_port = 5002\nudp_port = 5003\n";
    let second = lab.engine().rules(RULES).config(other_ports).without_events();
    // The first one's rules must still be there: the second one's refusal compares them.
    assert_refused(&second.refusal(), 1..=1, &["queue 0"]);
    assert_eq!(lab.ask(at(SENSOR[0], 7005), "still here").unwrap(), "still here");
    first.stop();
}

#[test]
fn a_taken_handler_port_is_named_with_its_key() {
    let lab = Lab::new();
    let _taken = lab.sensor(|| TcpListener::bind("0.0.0.0:5000")).unwrap();
    assert_refused(&lab.engine().rules(RULES).refusal(), 1..=1, &["5000", "tcp_port"]);
}

#[test]
fn bad_rules_are_shown_where_they_are_wrong() {
    let lab = Lab::new();
    let refusal = lab.engine().rules("version: 1\nrules:\n  - {match: tcp dst prot 22, type: drop}\n").refusal();
    assert_eq!(refusal.status.code(), Some(2), "{}", refusal.text);
    // A rule error shows its line and a caret under it: more than one line, by design.
    assert!(refusal.text.contains("rules.yml") && refusal.text.contains("prot"), "{}", refusal.text);
}

#[test]
fn unknown_keys_in_the_configuration_are_named() {
    let lab = Lab::new();
    let refusal = lab.engine().rules(RULES).config("[server]\ntcp_prot = 5000\n").refusal();
    assert_eq!(refusal.status.code(), Some(2), "{}", refusal.text);
    assert!(refusal.text.contains("tcp_prot"), "{}", refusal.text);
}

#[test]
fn unreadable_files_are_named() {
    let lab = Lab::new();
    let missing = lab.path("missing.yml");
    assert_refused(&lab.engine().args(["-r", missing.to_str().unwrap()]).refusal(), 2..=2, &["missing.yml"]);
    let directory = lab.path("rules.d");
    std::fs::create_dir(&directory).unwrap();
    assert_refused(&lab.engine().args(["-r", directory.to_str().unwrap()]).refusal(), 2..=2, &["rules.d"]);
    assert_refused(
        &lab.engine().rules(RULES).args(["-c", missing.to_str().unwrap()]).refusal(),
        2..=2,
        &["missing.yml"],
    );
}

#[test]
fn after_every_refusal_the_sensor_starts_as_if_nothing_had_been() {
    let lab = Lab::new();
    assert_refused(&lab.engine().rules(RULES).args(["-i", "nosuch0"]).refusal(), 1..=2, &["nosuch0"]);
    let taken = lab.sensor(|| TcpListener::bind("0.0.0.0:5000")).unwrap();
    lab.engine().rules(RULES).refusal();
    drop(taken);
    let mut engine = lab.engine().rules(RULES).start();
    assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "hello");
    engine.events.await_that("flow_open", PATIENCE, |seen| (seen.len() > 1).then_some(()));
    engine.stop();
}
