//! The host around the engine: connection tracking, a strict firewall, and the host's own connections.

use std::net::SocketAddr;
use std::time::Duration;

use crate::lab::client::{ask, ask_datagram, datagrams, dial, echo};
use crate::lab::firewall::{Variant, install_operators_rules, invalid_dropped};
use crate::lab::service::{DatagramService, Service};
use crate::lab::{ATTACKER, Lab, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: rewritten, match: tcp dst port 9200, type: rewrite, target: '9201'}
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

crate::on_each_datapath! {
    conntrack_shows_the_dialled_port_and_assured,
    a_firewall_that_drops_invalid_packets_changes_nothing,
    the_hosts_own_connections_and_lookups_never_enter_the_queue,
}

fn conntrack_shows_the_dialled_port_and_assured(datapath: &str) {
    let lab = Lab::new();
    let _behind = Service::echo(lab.sensor_namespace(), 9201);
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    for (address, family) in SENSOR.into_iter().zip(["ipv4", "ipv6"]) {
        for port in [7005, 9200] {
            let mut stream = lab.dial(at(address, port));
            assert_eq!(echo(&mut stream, b"hello").unwrap(), b"hello");
            let source = stream.local_addr().unwrap().port();
            let table = lab.sensor_command(&format!("conntrack -L -f {family} -p tcp"));
            let entry = table.lines().find(|line| line.contains(&format!(" sport={source} dport={port} ")));
            let entry = entry.unwrap_or_else(|| panic!("no entry for {source} -> {port} in\n{table}"));
            assert!(entry.contains("ESTABLISHED") && entry.contains("[ASSURED]"), "{entry}");
            assert!(!table.contains("dport=5000") && !table.contains("dport=9201"), "a rewritten port shows:\n{table}");
        }
    }
    engine.stop();
}

fn a_firewall_that_drops_invalid_packets_changes_nothing(datapath: &str) {
    let lab = Lab::new();
    let _behind = Service::echo(lab.sensor_namespace(), 9201);
    install_operators_rules(&lab, Variant::System);
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        for port in [7005, 9200] {
            let mut stream = lab.dial(at(address, port));
            for _ in 0..20 {
                assert_eq!(echo(&mut stream, &[0x55; 4000]).unwrap(), [0x55; 4000]);
            }
        }
        assert_eq!(ask_datagram(&lab.datagrams(at(address, 7005)), b"hello").unwrap(), b"hello");
    }
    assert_eq!(invalid_dropped(&lab), 0, "packets of served connections were INVALID");
    engine.stop();
}

fn the_hosts_own_connections_and_lookups_never_enter_the_queue(datapath: &str) {
    let lab = Lab::new();
    // Out there: a web server and a name server, on ports that the rules would take if visitors dialled them here.
    let _web = Service::named(lab.attacker_namespace(), 80, "web");
    let _names = DatagramService::named(lab.attacker_namespace(), 53, "names");
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "hello");
    let queued = await_quiet(&lab);
    assert!(queued > 0, "the visitor's packets were counted");
    for address in ATTACKER {
        for _ in 0..10 {
            assert_eq!(lab.sensor(|| ask_out(at(address, 80))), "web hello");
            let lookup = lab.sensor(|| datagrams(at(address, 53))).unwrap();
            assert_eq!(ask_datagram(&lookup, b"example").unwrap(), b"names example");
        }
    }
    assert_eq!(lab.packets_queued(), queued, "the host's own packets were queued");
    engine.stop();
}

fn ask_out(to: SocketAddr) -> String {
    ask(&mut dial(to).unwrap(), "hello").unwrap()
}

/// The number of queued packets once it no longer grows: the last packets of a closed connection come a little later.
fn await_quiet(lab: &Lab) -> u64 {
    let mut last = lab.packets_queued();
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = lab.packets_queued();
        if now == last {
            return now;
        }
        last = now;
    }
}
