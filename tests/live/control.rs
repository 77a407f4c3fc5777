//! The laboratory itself, without the engine: when one of these fails, the others prove nothing.

use std::net::Ipv4Addr;

use crate::lab::client::{self, abort, dial_from};
use crate::lab::firewall::{Variant, install_operators_rules, invalid_dropped, saved_routes, saved_rules};
use crate::lab::frame::FrameSender;
use crate::lab::service::{DatagramService, Service};
use crate::lab::{Lab, SENSOR, at, pattern};

#[test]
fn without_an_engine_the_services_of_the_sensor_answer_over_both_families() {
    let lab = Lab::new();
    let _named = Service::named(lab.sensor_namespace(), 9001, "service");
    let _datagrams = DatagramService::named(lab.sensor_namespace(), 9001, "service");
    for address in SENSOR {
        assert_eq!(lab.ask(at(address, 9001), "hello").unwrap(), "service hello");
        assert_eq!(client::ask_datagram(&lab.datagrams(at(address, 9001)), b"hello").unwrap(), b"service hello");
        assert!(lab.ask(at(address, 9002), "hello").is_err(), "nothing listens there");
    }
}

#[test]
fn without_an_engine_bulk_transfer_is_right_both_ways() {
    let lab = Lab::new();
    let _bulk = Service::bulk(lab.sensor_namespace(), 9001);
    for address in SENSOR {
        let mut stream = lab.dial(at(address, 9001));
        pattern::upload(&mut stream, 10_000_001).unwrap();
        pattern::download(&mut stream, 10_000_003).unwrap();
    }
}

#[test]
fn one_source_port_can_reach_many_ports_at_the_same_time() {
    let lab = Lab::new();
    let _services: Vec<_> = (0..50).map(|n| Service::echo(lab.sensor_namespace(), 9000 + n)).collect();
    let streams: Vec<_> =
        lab.attacker(|| (0..50).map(|n| dial_from(40_000, at(SENSOR[0], 9000 + n)).unwrap()).collect());
    for mut stream in streams {
        assert_eq!(stream.local_addr().unwrap().port(), 40_000);
        assert_eq!(client::echo(&mut stream, b"hello").unwrap(), b"hello");
        abort(stream);
    }
}

#[test]
fn frames_with_spoofed_sources_reach_the_sensor() {
    let lab = Lab::new();
    lab.sensor_command("iptables -t mangle -A PREROUTING -p tcp --dport 9001 -j NFQUEUE --queue-num 7 --queue-bypass");
    let frames = FrameSender::new(&lab);
    for n in 1..=1000_u16 {
        frames.send_syn(Ipv4Addr::from(0x0b00_0000 + u32::from(n)), n, 9001);
    }
    let rules = lab.sensor_command("iptables-save -c -t mangle");
    assert!(rules.contains("[1000:40000] -A PREROUTING"), "{rules}");
    assert_eq!(lab.packets_queued(), 0, "nothing is bound to the queue");
}

#[test]
fn both_iptables_variants_take_and_show_the_operators_rules() {
    for variant in [Variant::Legacy, Variant::Nft] {
        let lab = Lab::new();
        assert_eq!(saved_rules(&lab, variant), saved_routes(&lab), "no rules");
        install_operators_rules(&lab, variant);
        let saved = saved_rules(&lab, variant);
        assert_eq!(saved.matches("--ctstate INVALID -j DROP").count(), 4, "{variant:?}: {saved}");
        assert_eq!(saved.matches(":OPERATOR -").count(), 2, "{variant:?}: {saved}");
    }
    let lab = Lab::new();
    install_operators_rules(&lab, Variant::System);
    assert_eq!(invalid_dropped(&lab), 0);
}
