//! Interfaces that are not there when the engine starts.

use crate::lab::client::{ask_datagram, echo};
use crate::lab::events::{dialled, kind};
use crate::lab::{Lab, at};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

/// Adds a cable with these addresses at the sensor's end, the neighbouring ones at the attacker's.
fn add_cable(lab: &Lab, name: &str, network: u8) {
    let (attacker, sensor) = (lab.attacker_namespace(), lab.sensor_namespace());
    attacker.ip(&format!("link add {name} type veth peer name {name} netns {}", sensor.name())).unwrap();
    for namespace in [attacker, sensor] {
        namespace.ip(&format!("link set {name} up")).unwrap();
    }
    for (namespace, host) in [(attacker, 1), (sensor, 2)] {
        namespace.ip(&format!("addr add 10.{network}.0.{host}/24 dev {name}")).unwrap();
        namespace.ip(&format!("-6 addr add fd00:{network}::{host}/64 dev {name} nodad")).unwrap();
    }
}

#[test]
fn an_interface_that_appears_after_the_start_is_served() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).args(["-i", "late+"]).start();
    // The second one comes when the first has gone.
    for (name, network) in [("late0", 78), ("late1", 79)] {
        add_cable(&lab, name, network);
        for address in [format!("10.{network}.0.2"), format!("fd00:{network}::2")] {
            let to = at(address.parse().unwrap(), 7005);
            assert_eq!(echo(&mut lab.dial(to), b"is it served?").unwrap(), b"is it served?");
            assert_eq!(ask_datagram(&lab.datagrams(to), b"hello").unwrap(), b"hello");
            engine.events.await_event(&format!("flow to {to}"), |event| {
                kind(event) == "flow_open" && dialled(event) == Some(to)
            });
        }
        lab.sensor_namespace().ip(&format!("link del {name}")).unwrap();
    }
    engine.stop();
}

#[test]
fn a_name_that_is_not_there_is_refused_with_the_way_to_name_one_that_will_come() {
    let lab = Lab::new();
    let refusal = lab.engine().rules(RULES).args(["-i", "wg0"]).refusal();
    assert_eq!(refusal.status.code(), Some(1), "{}", refusal.text);
    assert!(refusal.text.contains("`wg0` does not exist") && refusal.text.contains("`-i wg0+`"), "{}", refusal.text);
}
