//! Hosts as they are: other programs that manage the firewall, IPv6 switched off, a bridge, a path with a narrow part.

use crate::lab::client::ask_datagram;
use crate::lab::firewall::{Variant, saved_rules};
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";
const BINARY: &str = env!("CARGO_BIN_EXE_glutton-nfq");

#[test]
fn rules_that_another_program_flushed_are_installed_again_and_the_operator_is_told_once() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let installed = saved_rules(&lab, Variant::System);
    for flush in ["iptables -t mangle -F", "nft flush ruleset"] {
        lab.sensor_command(flush);
        let back = within(PATIENCE, || {
            // What is looked at from time to time is looked at now.
            lab.sensor_command(&format!("{BINARY} reload"));
            (saved_rules(&lab, Variant::System) == installed).then_some(())
        });
        assert!(back.is_some(), "after {flush}: {}", saved_rules(&lab, Variant::System));
        for address in SENSOR {
            assert_eq!(lab.ask(at(address, 7005), "hello").unwrap(), "hello", "after {flush}");
        }
    }
    let told = "another program has removed or changed the firewall rules of this sensor: they are installed again";
    assert_eq!(engine.said().matches(told).count(), 1, "{}", engine.said());
    engine.stop();
}

#[test]
fn a_firewall_that_would_drop_what_the_sensor_is_sent_is_named_at_start() {
    let lab = Lab::new();
    lab.sensor_command("nft add table inet mine");
    lab.sensor_command("nft add chain inet mine input { type filter hook input priority 0; policy drop; }");
    let engine = lab.engine().rules(RULES).start();
    let told = "the firewall of this host (nft, table inet mine, chain input) drops by default what comes in: let it accept TCP to 5000";
    assert_eq!(engine.said().matches(told).count(), 1, "{}", engine.said());
    engine.stop();
}

#[test]
fn clean_leaves_the_rules_of_a_running_engine_alone() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let installed = saved_rules(&lab, Variant::System);
    let mut clean = std::process::Command::new(BINARY);
    let output = lab.sensor_namespace().output(clean.arg("clean")).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("pid {}", engine.parent().as_raw_nonzero())), "{said}");
    assert_eq!(saved_rules(&lab, Variant::System), installed);
    engine.stop();
}

#[test]
fn a_host_with_ipv6_switched_off_is_served_over_ipv4() {
    let lab = Lab::new();
    lab.sensor_command("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    for datapath in ["auto", "userspace", "redirect"] {
        let rules = format!("{RULES}  - {{name: closed, match: tcp dst port 99, type: reject}}\n");
        let engine = lab.engine().rules(&rules).datapath(datapath).start();
        assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "hello");
        assert_eq!(ask_datagram(&lab.datagrams(at(SENSOR[0], 7005)), b"hello").unwrap(), b"hello");
        engine.stop();
    }
}

#[test]
fn visitors_by_a_bridge_are_served_although_it_takes_away_what_tproxy_has_found() {
    let lab = Lab::new();
    for command in [
        "ip link add br0 type bridge",
        "ip link set br0 up",
        "ip addr flush dev veth0",
        "ip link set veth0 master br0",
        &format!("ip addr add {}/24 dev br0", SENSOR[0]),
    ] {
        lab.sensor_command(command);
    }
    for datapath in ["auto", "tproxy", "userspace", "redirect"] {
        let engine = lab.engine().rules(RULES).datapath(datapath).args(["-i", "br0"]).start();
        assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "hello", "{datapath}");
        engine.stop();
    }
}
