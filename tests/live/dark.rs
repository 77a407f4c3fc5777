//! Dark nets: networks that are routed to the sensor and are not its own.

use crate::lab::client::{ask_datagram, echo};
use crate::lab::events::{dialled, kind, source};
use crate::lab::service::Service;
use crate::lab::{Lab, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: rejected, match: tcp dst port 9400, type: reject}
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

/// Routes two networks to the sensor, one of each family.
fn route_dark_nets(lab: &Lab) {
    let attacker = lab.attacker_namespace();
    attacker.ip(&format!("route add 203.0.113.0/24 via {}", SENSOR[0])).unwrap();
    attacker.ip(&format!("-6 route add 2001:db8:77::/48 via {}", SENSOR[1])).unwrap();
}

#[test]
fn addresses_of_a_captured_network_are_answered_as_if_they_were_the_sensors() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    // The sensor's own service on this port keeps it; the dark net has no such service.
    let own = Service::named(lab.sensor_namespace(), 7005, "own");
    let config = "[engine]\ncapture = [\"203.0.113.0/24\", \"2001:db8:77::/48\"]\n";
    let mut engine = lab.engine().rules(RULES).config(config).start();
    for host in ["203.0.113.9", "203.0.113.200", "2001:db8:77::9"] {
        let to = at(host.parse().unwrap(), 7005);
        let mut stream = lab.dial(to);
        let client = stream.local_addr().unwrap();
        assert_eq!(echo(&mut stream, b"anybody there?").unwrap(), b"anybody there?");
        drop(stream);
        for wanted in ["flow_open", "payload", "flow_close"] {
            engine.events.await_event(&format!("{wanted} of {to}"), |event| {
                kind(event) == wanted && source(event) == Some(client) && dialled(event) == Some(to)
            });
        }
        assert_eq!(ask_datagram(&lab.datagrams(to), b"hello").unwrap(), b"hello");
        let refused = lab.attacker(|| crate::lab::client::dial(at(to.ip(), 9400))).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "own hello");
    drop(own);
    engine.stop();
}

#[test]
fn what_the_sensor_only_forwards_is_left_alone() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let engine = lab.engine().rules(RULES).start();
    for host in ["203.0.113.9", "2001:db8:77::9"] {
        let _ = lab.attacker(|| crate::lab::client::dial_briefly(at(host.parse().unwrap(), 7005)));
    }
    assert_eq!(lab.packets_queued(), 0);
    engine.stop();
}

#[test]
fn an_untracked_dark_net_leaves_no_entry_in_the_connection_table() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    // A strict firewall makes the kernel track connections; one of the sensor's own shows that it does.
    crate::lab::firewall::install_operators_rules(&lab, crate::lab::firewall::Variant::System);
    let config = "[engine]\ncapture = [\"203.0.113.0/24\", \"2001:db8:77::/48\"]\nconntrack = false\n";
    let engine = lab.engine().rules(RULES).config(config).start();
    let mut streams = Vec::new();
    for host in ["203.0.113.9", "2001:db8:77::9"] {
        for port in 7000..7020 {
            let mut stream = lab.dial(at(host.parse().unwrap(), port));
            assert_eq!(echo(&mut stream, &[0x42; 5000]).unwrap(), [0x42; 5000]);
            streams.push(stream);
        }
        assert_eq!(ask_datagram(&lab.datagrams(at(host.parse().unwrap(), 7005)), b"hello").unwrap(), b"hello");
        let refused = lab.attacker(|| crate::lab::client::dial(at(host.parse().unwrap(), 9400))).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    let mut own = lab.dial(at(SENSOR[0], 7005));
    assert_eq!(echo(&mut own, b"tracked").unwrap(), b"tracked");
    let table = ["ipv4", "ipv6"].map(|family| lab.sensor_command(&format!("conntrack -L -f {family}"))).concat();
    let entries: Vec<_> = table.lines().filter(|line| line.contains("port=")).collect();
    assert!(entries.iter().any(|line| line.contains("dport=7005")), "the sensor's own address is tracked:\n{table}");
    let captured = |line: &&&str| {
        line.contains("203.0.113.")
            || line.contains("2001:db8:77:")
            || line.contains("dport=5000")
            || line.contains("dport=5001")
    };
    assert_eq!(entries.iter().filter(captured).count(), 0, "{table}");
    drop(streams);
    engine.stop();
}
