//! Scanners of the whole net, which speak TCP themselves: the kernel of their host knows nothing of their connections.

use glutton_nfq::netns::{ATTACKER_V4, INTERFACE};

use crate::lab::events::{dialled, kind, source};
use crate::lab::frame::link;
use crate::lab::{Lab, SENSOR, at};

/// An address of nobody's, from which masscan and its own TCP speak.
const MASSCAN: &str = "10.77.0.77";

/// The sensor's: these scanners ask nobody for it.
fn hardware_address(lab: &Lab) -> String {
    link(lab.sensor_namespace()).0.map(|byte| format!("{byte:02x}")).join(":")
}

#[test]
fn masscan_reads_banners_of_what_speaks_first_and_of_what_answers() {
    let lab = Lab::new();
    let mut engine = lab.engine().config("[handlers.memcache]\nversion = '1.6.18'\n").start();
    let (sensor, router) = (SENSOR[0].to_string(), hardware_address(&lab));
    let ports = ["-p23,25,80,445,2222,5900,11211", "--banners", "--rate", "100", "--wait", "6"];
    let from = ["--adapter", INTERFACE, "--adapter-ip", MASSCAN, "--adapter-port", "40000", "--router-mac", &router];
    let said = lab.client_says("masscan", &[&[sensor.as_str()], &ports[..], &from[..]].concat(), b"");
    for (port, banner) in [
        (23, "login: "),
        (25, "ESMTP Postfix"),
        (80, "[http.server] nginx/"),
        (445, "version=6.1.7601"),
        (2222, "SSH-2.0-OpenSSH_"),
        (5900, "RFB 003.008"),
        (11211, "version=1.6.18"),
    ] {
        let shown = |line: &str| line.contains(&format!("port {port}/tcp on {sensor}: ")) && line.contains(banner);
        assert!(said.lines().any(shown), "{port}: {said}");
    }
    let request = engine.events.await_event("masscan's request", |event| kind(event) == "request");
    assert_eq!(source(&request), Some(at(MASSCAN.parse().unwrap(), 40_000)));
    engine.stop();
}

#[test]
fn zmap_finds_open_ports_and_datagrams_answered() {
    let lab = Lab::new();
    let mut engine = lab.engine().start();
    let (target, router, from) = (format!("{}/32", SENSOR[0]), hardware_address(&lab), ATTACKER_V4.to_string());
    let zmap = |what: &[&str]| {
        let way = ["-q", "-i", INTERFACE, "-G", &router, "-S", &from, "-o", "-", "-b", "/dev/null"];
        lab.client_says("zmap", &[what, &way[..], &["--cooldown-time=2", &target]].concat(), b"")
    };
    assert_eq!(zmap(&["-p", "8545"]).trim(), SENSOR[0].to_string());
    // "get a" of memcached: the answer to a stranger is no longer than his question.
    let get = "--probe-args=hex:000100000001000067657420610d0a";
    let answered = zmap(&["-M", "udp", get, "-p", "11211", "-f", "saddr,classification"]);
    assert!(answered.ends_with(&format!("{},udp\n", SENSOR[0])), "{answered}");
    engine.events.await_event("the datagram", |event| dialled(event) == Some(at(SENSOR[0], 11_211)));
    engine.stop();
}

#[test]
fn hping_meets_an_open_port_where_anything_listens() {
    let lab = Lab::new();
    let engine = lab.engine().start();
    let sensor = SENSOR[0].to_string();
    let said = lab.client_says("hping3", &["-S", "-p", "80", "-c", "2", "-i", "u100000", &sensor], b"");
    assert_eq!(said.matches("sport=80 flags=SA").count(), 2, "{said}");
    engine.stop();
}
