//! Bytes through a rewritten port: every one arrives, whatever the kernel makes of the segments.

use crate::lab::client::{ask_datagram, echo};
use crate::lab::service::{DatagramService, Service};
use crate::lab::{Lab, SENSOR, at, pattern, succeeded};

const RULES: &str = "
version: 1
rules:
  - {name: rewritten, match: dst port 9200, type: rewrite, target: '9201'}
";

const HUNDRED_MEGABYTES: u64 = 100_000_000;

/// Sets offloads of both ends of the cable, for example `tso off gso off`.
fn set_offloads(lab: &Lab, features: &str) {
    let line = format!("ethtool -K veth0 {features}");
    for namespace in [lab.attacker_namespace(), lab.sensor_namespace()] {
        let mut words = line.split_whitespace();
        let mut command = std::process::Command::new(words.next().unwrap());
        succeeded(&line, namespace.output(command.args(words)).unwrap());
    }
}

/// Both ways over one connection, both families.
fn transfer(lab: &Lab, length: u64) {
    let _behind = Service::bulk(lab.sensor_namespace(), 9201);
    let engine = lab.engine().rules(RULES).start();
    for address in SENSOR {
        let mut stream = lab.dial(at(address, 9200));
        pattern::upload(&mut stream, length).unwrap_or_else(|error| panic!("to {address}: {error}"));
        pattern::download(&mut stream, length).unwrap_or_else(|error| panic!("from {address}: {error}"));
    }
    engine.stop();
}

#[test]
fn a_hundred_megabytes_each_way_arrive_bit_for_bit_in_super_packets() {
    transfer(&Lab::new(), HUNDRED_MEGABYTES);
}

#[test]
fn a_hundred_megabytes_each_way_arrive_bit_for_bit_in_plain_segments() {
    let lab = Lab::new();
    set_offloads(&lab, "tso off gso off gro off");
    transfer(&lab, HUNDRED_MEGABYTES);
}

#[test]
fn bytes_arrive_when_the_kernel_has_the_checksums_ready() {
    let lab = Lab::new();
    set_offloads(&lab, "tx off rx off");
    transfer(&lab, HUNDRED_MEGABYTES / 10);
}

#[test]
fn payloads_of_every_length_modulo_four_arrive() {
    let lab = Lab::new();
    let _stream = Service::echo(lab.sensor_namespace(), 9201);
    let _datagrams = DatagramService::named(lab.sensor_namespace(), 9201, "");
    let engine = lab.engine().rules(RULES).start();
    let bytes: Vec<u8> = (0..2000_u32).map(|n| (n * 7) as u8).collect();
    for address in SENSOR {
        let mut stream = lab.dial(at(address, 9200));
        let socket = lab.datagrams(at(address, 9200));
        for length in (0..=9).chain(500..508).chain(1440..1448) {
            let sent = &bytes[..length];
            assert_eq!(echo(&mut stream, sent).unwrap(), sent, "TCP, {length} bytes");
            let answer = ask_datagram(&socket, sent).unwrap_or_else(|error| panic!("UDP, {length} bytes: {error}"));
            assert_eq!(&answer[1..], sent, "UDP, {length} bytes");
        }
    }
    engine.stop();
}

#[test]
fn segments_of_every_length_modulo_four_carry_a_bulk_transfer() {
    for mtu in [1500, 1499, 1498, 1497] {
        let lab = Lab::new();
        for namespace in [lab.attacker_namespace(), lab.sensor_namespace()] {
            namespace.ip(&format!("link set veth0 mtu {mtu}")).unwrap();
        }
        transfer(&lab, 1_000_003);
    }
}
