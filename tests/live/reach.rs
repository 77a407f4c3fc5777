//! What a visitor reaches through every kind of rule, over IPv4 and IPv6, TCP and UDP, and what is recorded of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::lab::client::{self, TIMEOUT};
use crate::lab::engine::Engine;
use crate::lab::events::{dialled, kind, payload, source};
use crate::lab::service::{DatagramService, Service};
use crate::lab::{Lab, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: tcp-echo, match: tcp dst port 7005, type: handler, target: echo}
  - {name: web, match: tcp dst port 8080, type: log_http}
  - {name: logged, match: tcp dst port 9090, type: log_tcp}
  - {name: proxied, match: tcp dst port 9100, type: proxy, target: 'tcp://127.0.0.1:9101'}
  - {name: dead-proxy, match: tcp dst port 9110, type: proxy, target: 'tcp://127.0.0.1:1'}
  - {name: rewritten, match: dst port 9200, type: rewrite, target: '9201'}
  - {name: dropped, match: dst port 9300, type: drop}
  - {name: rejected, match: dst port 9400, type: reject}
  - {name: passed, match: dst port 9500, type: pass}
  - {name: udp-echo, match: udp dst port 7005, type: handler, target: echo}
  - {name: any-udp, match: udp, type: handler, target: udp}
  - {name: any-tcp, match: tcp, type: handler, target: tcp}
";

/// The sensor's real servers; they run before the engine starts, as an operator's do.
fn services(lab: &Lab) -> (Vec<Service>, Vec<DatagramService>) {
    let sensor = lab.sensor_namespace();
    let streams = [(9101, "behind-proxy"), (9201, "behind-rewrite"), (9500, "behind-pass"), (9600, "unnamed")];
    let datagrams = [(9201, "behind-rewrite"), (9500, "behind-pass")];
    (
        streams.map(|(port, name)| Service::named(sensor, port, name)).into(),
        datagrams.map(|(port, name)| DatagramService::named(sensor, port, name)).into(),
    )
}

/// The event of this kind about the visit of `client` to `to`, which this rule must have taken.
fn recorded(engine: &mut Engine<'_>, wanted: &str, client: SocketAddr, to: SocketAddr, rule: &str) -> Value {
    let event = engine.events.await_event(&format!("{wanted} from {client} to {to}"), |event| {
        kind(event) == wanted && source(event) == Some(client) && dialled(event) == Some(to)
    });
    assert_eq!(event["rule"], rule, "{event}");
    event
}

crate::on_each_datapath! {
    a_visitor_of_a_handler_port_is_served_and_recorded,
    a_browser_is_answered_and_its_request_recorded,
    what_comes_on_any_other_port_is_recorded,
    a_proxied_a_rewritten_and_a_passed_port_reach_the_servers_behind,
    a_proxy_whose_target_refuses_resets_the_visitor_and_tells_the_operator,
    a_dropped_port_is_silent_and_a_rejected_one_refuses,
    datagrams_are_echoed_rewritten_passed_and_recorded,
    programs_of_the_host_itself_are_served_by_lo,
}

fn a_visitor_of_a_handler_port_is_served_and_recorded(datapath: &str) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        let to = at(address, 7005);
        let mut stream = lab.dial(to);
        let client = stream.local_addr().unwrap();
        assert_eq!(client::echo(&mut stream, b"hello echo").unwrap(), b"hello echo");
        drop(stream);
        recorded(&mut engine, "flow_open", client, to, "tcp-echo");
        let event = recorded(&mut engine, "payload", client, to, "tcp-echo");
        assert_eq!(payload(&event), b"hello echo");
        assert_eq!(event["handler"], "echo");
        assert_eq!(event["transport"], "tcp");
        let closed = recorded(&mut engine, "flow_close", client, to, "tcp-echo");
        assert_eq!(closed["reason"], "finished");
        let [packets_in, packets_out] = ["packets_in", "packets_out"].map(|field| closed[field].as_u64().unwrap());
        assert!(packets_in > 2 && packets_out > 1, "{closed}");
        if datapath != "userspace" {
            // Headers of IP and TCP and the timestamps that Linux sends, and what was said.
            let headers = if to.is_ipv4() { 52 } else { 72 };
            assert_eq!(closed["bytes_in"], packets_in * headers + 10, "{closed}");
            assert_eq!(closed["bytes_out"], packets_out * headers + 10, "{closed}");
        }
    }
    engine.stop();
}

fn a_browser_is_answered_and_its_request_recorded(datapath: &str) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        let to = at(address, 8080);
        let mut stream = lab.dial(to);
        let client = stream.local_addr().unwrap();
        stream.write_all(b"GET /admin?x=1 HTTP/1.1\r\nHost: sensor\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let event = recorded(&mut engine, "request", client, to, "web");
        assert!(event.to_string().contains("/admin?x=1"), "{event}");
    }
    engine.stop();
}

fn what_comes_on_any_other_port_is_recorded(datapath: &str) {
    let lab = Lab::new();
    let config = format!("[engine]\ndatapath = \"{datapath}\"\n[handlers.tcp]\nanswer = \"random\"\n");
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    for (address, port, rule) in
        [(SENSOR[0], 31_337, "any-tcp"), (SENSOR[1], 2, "any-tcp"), (SENSOR[0], 9090, "logged")]
    {
        let to = at(address, port);
        let mut stream = lab.dial(to);
        let client = stream.local_addr().unwrap();
        stream.write_all(b"\x16\x03\x01who are you").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(!answer.is_empty(), rule == "any-tcp", "the tcp handler answers, the logger does not");
        assert_eq!(payload(&recorded(&mut engine, "payload", client, to, rule)), b"\x16\x03\x01who are you");
    }
    engine.stop();
}

fn a_proxied_a_rewritten_and_a_passed_port_reach_the_servers_behind(datapath: &str) {
    let lab = Lab::new();
    let _services = services(&lab);
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        for (port, rule, server) in [(9100, "proxied", "behind-proxy"), (9200, "rewritten", "behind-rewrite")] {
            let to = at(address, port);
            let mut stream = lab.dial(to);
            assert_eq!(client::ask(&mut stream, "hello").unwrap(), format!("{server} hello"));
            recorded(&mut engine, "flow_open", stream.local_addr().unwrap(), to, rule);
        }
        assert_eq!(lab.ask(at(address, 9500), "hello").unwrap(), "behind-pass hello");
        assert_eq!(lab.ask(at(address, 9600), "hello").unwrap(), "unnamed hello", "a listening port is exempt");
    }
    engine.stop();
}

fn a_proxy_whose_target_refuses_resets_the_visitor_and_tells_the_operator(datapath: &str) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        let to = at(address, 9110);
        // The reset may come as soon as the connection stands, so that connecting itself reports it.
        let answer = lab.attacker(|| client::dial(to)).and_then(|mut stream| stream.read(&mut [0; 16]));
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::ConnectionReset);
        engine.events.await_event("an event of the dead proxy", |event| {
            dialled(event) == Some(to) && event["handler"] == "proxy" && kind(event) != "payload"
        });
    }
    engine.stop();
}

fn a_dropped_port_is_silent_and_a_rejected_one_refuses(datapath: &str) {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        let silence = lab.attacker(|| client::dial_briefly(at(address, 9300))).unwrap_err();
        assert_eq!(silence.kind(), ErrorKind::TimedOut);
        let refusal = lab.attacker(|| client::dial(at(address, 9400))).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::ConnectionRefused);

        let silent = lab.datagrams(at(address, 9300));
        silent.set_read_timeout(Some(TIMEOUT)).unwrap();
        assert_eq!(client::ask_datagram(&silent, b"hello").unwrap_err().kind(), ErrorKind::WouldBlock);
        let rejecting = lab.datagrams(at(address, 9400));
        assert_eq!(client::ask_datagram(&rejecting, b"hello").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    engine.stop();
}

fn datagrams_are_echoed_rewritten_passed_and_recorded(datapath: &str) {
    let lab = Lab::new();
    let _services = services(&lab);
    let mut engine = lab.engine().rules(RULES).datapath(datapath).start();
    for address in SENSOR {
        for (port, answer) in [(7005, "hello"), (9200, "behind-rewrite hello"), (9500, "behind-pass hello")] {
            // A connected socket hears the dialled address and port alone: an answer proves its source.
            let socket = lab.datagrams(at(address, port));
            assert_eq!(client::ask_datagram(&socket, b"hello").unwrap(), answer.as_bytes(), "UDP port {port}");
        }
        let to = at(address, 30_000);
        let socket = lab.datagrams(to);
        socket.send(b"\0\x01probe").unwrap();
        let event = recorded(&mut engine, "payload", socket.local_addr().unwrap(), to, "any-udp");
        assert_eq!(payload(&event), b"\0\x01probe");
        assert_eq!(event["transport"], "udp");
    }
    engine.stop();
}

fn programs_of_the_host_itself_are_served_by_lo(datapath: &str) {
    let lab = Lab::new();
    lab.sensor_command("ip link set lo up");
    let mut engine = lab.engine().rules(RULES).datapath(datapath).args(["-i", "lo"]).start();
    let to = SocketAddr::from(([127, 0, 0, 1], 7005));
    for _ in 0..3 {
        let mut stream = lab.sensor(|| TcpStream::connect_timeout(&to, TIMEOUT)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        assert_eq!(client::echo(&mut stream, b"from here").unwrap(), b"from here");
        let client = stream.local_addr().unwrap();
        drop(stream);
        recorded(&mut engine, "payload", client, to, "tcp-echo");
    }
    engine.stop();
}
