//! Who dialled what: the handler and the events know it even when a scanner uses one source port for everything.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;

use glutton_nfq::netns::ATTACKER_V4;
use serde_json::Value;

use crate::lab::client::{abort, datagrams, dial_from, echo};
use crate::lab::engine::Engine;
use crate::lab::events::{dialled, kind, payload, source};
use crate::lab::frame::{FrameSender, Numbers};
use crate::lab::{ATTACKER, Lab, PATIENCE, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

/// What a client says to the port that it dials, so that a mixed-up record shows.
fn text(client: SocketAddr, to: SocketAddr) -> String {
    format!("from {client} to {to}")
}

/// Waits until `count` events of this kind are there.
fn events_of_kind(engine: &mut Engine<'_>, wanted: &str, count: usize) -> Vec<Value> {
    engine.events.await_that(&format!("{count} {wanted} events"), 3 * PATIENCE, |seen| {
        let events: Vec<Value> = seen.iter().filter(|event| kind(event) == wanted).cloned().collect();
        (events.len() >= count).then_some(events)
    })
}

/// Every payload says itself who sent it to whom: the fields of its event must say the same.
fn assert_named_truly(events: &[Value]) {
    for event in events {
        let said = String::from_utf8(payload(event)).unwrap();
        assert_eq!(said, text(source(event).unwrap(), dialled(event).unwrap()), "{event}");
    }
}

crate::on_each_datapath! {
    one_client_port_connected_to_a_thousand_ports_at_the_same_time_is_a_thousand_sessions,
    twenty_thousand_connections_in_a_row_with_reused_source_ports_are_told_apart,
    a_client_that_resets_and_dials_again_at_once_from_the_same_port_is_served_each_time,
    a_client_whose_last_packet_comes_after_its_reset_is_served_again,
    one_udp_port_that_asks_a_hundred_ports_is_answered_from_each,
    a_local_client_that_dials_the_handler_port_itself_is_closed,
}

fn a_client_that_resets_and_dials_again_at_once_from_the_same_port_is_served_each_time(datapath: &str) {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    lab.attacker(|| {
        for (address, n) in SENSOR.into_iter().flat_map(|address| (0..100).map(move |n| (address, n))) {
            let mut stream = dial_from(40_000, at(address, 7005)).unwrap();
            assert_eq!(echo(&mut stream, b"hello").unwrap_or_default(), b"hello", "{datapath}, {address}, time {n}");
            abort(stream);
        }
    });
    engine.stop();
}

fn one_client_port_connected_to_a_thousand_ports_at_the_same_time_is_a_thousand_sessions(datapath: &str) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for (family, address) in SENSOR.into_iter().enumerate() {
        let client = at(ATTACKER[family], 40_000);
        let ports = 10_000..11_000;
        let mut streams: Vec<_> = lab.attacker(|| {
            let dial =
                |port| dial_from(40_000, at(address, port)).unwrap_or_else(|error| panic!("port {port}: {error}"));
            ports.clone().map(dial).collect()
        });
        for (stream, port) in streams.iter_mut().zip(ports.clone()) {
            let said = text(client, at(address, port));
            assert_eq!(echo(stream, said.as_bytes()).unwrap(), said.as_bytes());
        }
        drop(streams);
        let opened = events_of_kind(&mut engine, "flow_open", 1000 * (family + 1));
        let mut named: Vec<u16> = opened
            .iter()
            .filter(|event| source(event) == Some(client))
            .map(|event| dialled(event).unwrap().port())
            .collect();
        named.sort_unstable();
        assert_eq!(named, ports.collect::<Vec<_>>(), "every dialled port is named once");
        assert_named_truly(&events_of_kind(&mut engine, "payload", 1000 * (family + 1)));
    }
    engine.stop();
}

fn twenty_thousand_connections_in_a_row_with_reused_source_ports_are_told_apart(datapath: &str) {
    const CONNECTIONS: usize = 20_000;
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    let dialled_by_source = lab.attacker(|| {
        let mut dialled_by_source: HashMap<(u16, u16), usize> = HashMap::new();
        for n in 0..CONNECTIONS {
            // Odd ones are reset: their five-tuple comes again 64 connections later. Even ones end with FIN, on a new destination port each time.
            let source = 40_000 + (n % 64) as u16;
            let port = if n % 2 == 1 { 7005 } else { 10_000 + (n / 64) as u16 };
            let to = at(SENSOR[0], port);
            let mut stream =
                dial_from(source, to).unwrap_or_else(|error| panic!("connection {n}, {source} to {to}: {error}"));
            let said = text(at(ATTACKER[0], source), to);
            let heard = echo(&mut stream, said.as_bytes());
            let heard = heard.unwrap_or_else(|error| panic!("connection {n}, {source} to {to}: {error}"));
            assert_eq!(heard, said.as_bytes(), "connection {n}");
            if n % 2 == 1 {
                abort(stream);
            }
            *dialled_by_source.entry((source, port)).or_default() += 1;
        }
        dialled_by_source
    });
    let payloads = events_of_kind(&mut engine, "payload", CONNECTIONS);
    assert_named_truly(&payloads);
    let mut recorded: HashMap<(u16, u16), usize> = HashMap::new();
    for event in &payloads {
        *recorded.entry((source(event).unwrap().port(), dialled(event).unwrap().port())).or_default() += 1;
    }
    assert_eq!(recorded, dialled_by_source);
    assert_eq!(events_of_kind(&mut engine, "flow_open", CONNECTIONS).len(), CONNECTIONS);
    engine.stop();
}

/// The kernel then takes the next SYN for one of the connection that it still has an entry of.
fn a_client_whose_last_packet_comes_after_its_reset_is_served_again(datapath: &str) {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    let frames = FrameSender::new(&lab);
    lab.attacker(|| {
        for n in 0..10 {
            let mut stream = dial_from(40_000, at(SENSOR[0], 7005)).unwrap();
            assert_eq!(echo(&mut stream, b"hello").unwrap_or_default(), b"hello", "{datapath}, time {n}");
            let numbers = Numbers::of(&stream);
            abort(stream);
            frames.send_ack((ATTACKER_V4, 40_000), 7005, numbers);
            // When another has been answered, the straggler has been dealt with, and reset as by any host.
            let mut other = dial_from(41_000 + n, at(SENSOR[0], 7005)).unwrap();
            echo(&mut other, b"hello").unwrap();
        }
    });
    engine.stop();
}

fn one_udp_port_that_asks_a_hundred_ports_is_answered_from_each(datapath: &str) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for (family, address) in SENSOR.into_iter().enumerate() {
        let socket = lab.attacker(|| datagrams(at(address, 20_000))).unwrap();
        let client = socket.local_addr().unwrap();
        for port in 20_000..20_100 {
            // Connected anew, the socket keeps its port and hears this dialled port alone.
            socket.connect(at(address, port)).unwrap();
            let said = text(at(ATTACKER[family], client.port()), at(address, port));
            let answer = crate::lab::client::ask_datagram(&socket, said.as_bytes());
            assert_eq!(answer.unwrap_or_else(|error| panic!("UDP port {port}: {error}")), said.as_bytes());
        }
    }
    let opened = events_of_kind(&mut engine, "flow_open", 200);
    assert_eq!(opened.len(), 200);
    engine.stop();
}

fn a_local_client_that_dials_the_handler_port_itself_is_closed(datapath: &str) {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    // The reset may come as soon as the connection stands, so that connecting itself reports it.
    let dialled = lab.sensor(|| crate::lab::client::dial(at([127, 0, 0, 1].into(), 5000)));
    let end = dialled.and_then(|mut stream| std::io::Read::read(&mut stream, &mut [0; 1]));
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    engine.stop();
}
