//! Dark nets: networks that are routed to the sensor and are not its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use glutton_nfq::netns::Namespace;
use rustix::process::{Signal, kill_process};

use crate::death::kill_parent_and_engine;
use crate::lab::client::{ask_datagram, dial, echo};
use crate::lab::events::{dialled, kind, source};
use crate::lab::firewall::{Variant, install_operators_rules, invalid_dropped, saved_routes, saved_rules};
use crate::lab::service::Service;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};
use crate::reload::{reload, replace_rules};

const RULES: &str = "
version: 1
rules:
  - {name: rejected, match: tcp dst port 9400, type: reject}
  - {name: echo, match: tcp or udp, type: handler, target: echo}
";

/// An address of each captured network.
pub(crate) const DARK: [&str; 2] = ["203.0.113.9", "2001:db8:77::9"];

/// The two networks, with this datapath; further keys of `[engine]` may follow.
pub(crate) fn config(datapath: &str) -> String {
    format!("[engine]\ndatapath = \"{datapath}\"\ncapture = [\"203.0.113.0/24\", \"2001:db8:77::/48\"]\n")
}

/// Whether the kernel tracks connections to captured networks, as lines of [`config`].
const TRACKING: [&str; 2] = ["conntrack = true\n", "conntrack = false\n"];

/// Routes two networks to the sensor, one of each family.
pub(crate) fn route_dark_nets(lab: &Lab) {
    let attacker = lab.attacker_namespace();
    attacker.ip(&format!("route add 203.0.113.0/24 via {}", SENSOR[0])).unwrap();
    attacker.ip(&format!("-6 route add 2001:db8:77::/48 via {}", SENSOR[1])).unwrap();
}

fn dark(port: u16) -> [SocketAddr; 2] {
    DARK.map(|host| at(host.parse().unwrap(), port))
}

/// Every captured network answers.
fn assert_answers(lab: &Lab) {
    for to in dark(7005) {
        assert_eq!(echo(&mut lab.dial(to), b"anybody there?").unwrap(), b"anybody there?");
    }
}

crate::on_each_datapath! {
    addresses_of_a_captured_network_are_answered_as_if_they_were_the_sensors,
    a_host_that_checks_paths_and_states_strictly_answers_for_captured_networks,
    a_way_for_small_packets_only_is_found_out,
    an_untracked_dark_net_leaves_no_entry_in_the_connection_table,
    when_the_engine_is_killed_it_takes_rules_and_routes_along_and_comes_back,
}

fn addresses_of_a_captured_network_are_answered_as_if_they_were_the_sensors(datapath: &str) {
    let lab = Lab::new();
    route_dark_nets(&lab);
    // The sensor's own service on this port keeps it; the dark net has no such service.
    let own = Service::named(lab.sensor_namespace(), 7005, "own");
    let mut engine = lab.engine().rules(RULES).config(&config(datapath)).start();
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
        let refused = lab.attacker(|| dial(at(to.ip(), 9400))).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    assert_eq!(lab.ask(at(SENSOR[0], 7005), "hello").unwrap(), "own hello");
    drop(own);
    engine.stop();
}

fn a_host_that_checks_paths_and_states_strictly_answers_for_captured_networks(datapath: &str) {
    let lab = Lab::new();
    route_dark_nets(&lab);
    install_operators_rules(&lab, Variant::System);
    // Whoever is not where it would be answered to is dropped, also when looked up with the packet's mark; sockets take over that mark.
    for setting in
        ["conf.all.rp_filter", "conf.veth0.rp_filter", "conf.all.src_valid_mark", "tcp_fwmark_accept", "fwmark_reflect"]
    {
        lab.sensor_command(&format!("sysctl -q -w net.ipv4.{setting}=1"));
    }
    lab.sensor_command("sysctl -q -w net.ipv6.fwmark_reflect=1");
    for tracking in TRACKING {
        let engine = lab.engine().rules(RULES).config(&(config(datapath) + tracking)).start();
        for to in dark(7005) {
            let mut stream = lab.dial(to);
            for _ in 0..20 {
                assert_eq!(echo(&mut stream, &[0x55; 4000]).unwrap(), [0x55; 4000]);
            }
        }
        engine.stop();
    }
    assert_eq!(invalid_dropped(&lab), 0, "packets of served connections were INVALID");
}

#[test]
fn conntrack_shows_the_dialled_address_of_a_captured_network() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let engine = lab.engine().rules(RULES).config(&config("tproxy")).start();
    for (to, family) in dark(7005).into_iter().zip(["ipv4", "ipv6"]) {
        let mut stream = lab.dial(to);
        assert_eq!(echo(&mut stream, b"hello").unwrap(), b"hello");
        let table = lab.sensor_command(&format!("conntrack -L -f {family} -p tcp"));
        let wanted = format!("dst={} sport={} dport=7005 ", to.ip(), stream.local_addr().unwrap().port());
        let entry = table.lines().find(|line| line.contains(&wanted));
        assert!(entry.is_some_and(|entry| entry.contains("[ASSURED]")), "no entry with {wanted} in\n{table}");
    }
    engine.stop();
}

fn a_way_for_small_packets_only_is_found_out(datapath: &str) {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let far = far_away(&lab);
    for tracking in TRACKING {
        let engine = lab.engine().rules(RULES).config(&(config(datapath) + tracking)).start();
        for to in dark(7005) {
            let mut stream = far.run(|| dial(to)).unwrap().unwrap();
            assert_echoes_in_large_packets(&mut stream);
        }
        engine.stop();
        forget_paths(&lab);
    }
}

/// Sends little at a time and reads nothing until all is sent, so that answers come as large as may be.
fn assert_echoes_in_large_packets(stream: &mut TcpStream) {
    let sent = [0x66; 100_000];
    let mut asking = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || sent.chunks(1000).for_each(|chunk| asking.write_all(chunk).unwrap()));
        let mut heard = vec![0; sent.len()];
        stream.read_exact(&mut heard).unwrap_or_else(|error| panic!("from {:?}: {error}", stream.peer_addr()));
        assert_eq!(heard, sent);
    });
}

/// Makes the sensor forget what it has learnt of path MTUs.
fn forget_paths(lab: &Lab) {
    for family in ["-4", "-6"] {
        lab.sensor_command(&format!("ip {family} route flush cache"));
    }
}

/// A namespace behind the attacker's. Towards it, packets of more than 1300 bytes do not fit, and only the attacker's router knows: the client
/// asks for more, and sends less.
fn far_away(lab: &Lab) -> Namespace {
    let (far, attacker) = (Namespace::create("far").unwrap(), lab.attacker_namespace());
    attacker.ip(&format!("link add far mtu 1300 type veth peer name veth0 mtu 1500 netns {}", far.name())).unwrap();
    for (namespace, name, last) in [(attacker, "far", 1), (&far, "veth0", 2)] {
        namespace.ip(&format!("link set {name} up")).unwrap();
        namespace.ip(&format!("addr add 10.78.0.{last}/24 dev {name}")).unwrap();
        namespace.ip(&format!("-6 addr add fd00:78::{last}/64 dev {name} nodad")).unwrap();
    }
    far.ip("route add default via 10.78.0.1 mtu lock 1280 advmss 1440").unwrap();
    far.ip("-6 route add default via fd00:78::1 mtu lock 1280 advmss 1420").unwrap();
    for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
        let mut command = std::process::Command::new("sysctl");
        assert!(attacker.output(command.args(["-q", "-w", setting])).unwrap().status.success());
    }
    far
}

fn when_the_engine_is_killed_it_takes_rules_and_routes_along_and_comes_back(datapath: &str) {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let before = saved_rules(&lab, Variant::System);
    let mut engine = lab.engine().rules(RULES).config(&config(datapath)).start();
    // An engine that is killed as soon as it is ready has perhaps not written that it is.
    engine.events.await_event("first sensor_start", |event| kind(event) == "sensor_start");
    for pid in engine.children() {
        kill_process(pid, Signal::KILL).unwrap();
    }
    let gone = within(Duration::from_secs(2), || (saved_rules(&lab, Variant::System) == before).then_some(()));
    assert!(gone.is_some(), "left behind:\n{}", saved_rules(&lab, Variant::System));
    engine.events.await_that("second sensor_start", PATIENCE, |seen| {
        (seen.iter().filter(|event| kind(event) == "sensor_start").count() == 2).then_some(())
    });
    assert_answers(&lab);
    engine.stop();
}

#[test]
fn the_queue_sees_one_packet_of_a_connection_to_a_captured_network() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    for tracking in TRACKING {
        let engine = lab.engine().rules(RULES).config(&(config("auto") + tracking)).start();
        for to in dark(7005) {
            let before = lab.packets_queued();
            let mut stream = lab.dial(to);
            for _ in 0..50 {
                assert_eq!(echo(&mut stream, &[0x33; 3000]).unwrap(), [0x33; 3000]);
            }
            assert_eq!(lab.packets_queued() - before, 1, "{to}, {tracking}");
        }
        engine.stop();
    }
}

#[test]
fn a_reload_brings_the_routes_that_new_rules_need_and_keeps_those_of_old_connections() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let routes_before = saved_routes(&lab);
    let engine = lab.engine().rules(RULES).config(&config("userspace")).start();
    assert_eq!(saved_routes(&lab), routes_before, "nothing is carried yet");
    replace_rules(&lab, &RULES.replace("target: echo}", "target: echo, datapath: tproxy}"));
    assert_eq!(reload(&lab).code, 0);
    let before = lab.packets_queued();
    let mut streams = dark(7005).map(|to| lab.dial(to));
    let mut talk = || streams.iter_mut().for_each(|stream| assert_eq!(echo(stream, b"still?").unwrap(), b"still?"));
    talk();
    assert_eq!(lab.packets_queued() - before, 2, "one for each connection");
    replace_rules(&lab, RULES);
    assert_eq!(reload(&lab).code, 0);
    talk();
    assert_answers(&lab);
    engine.stop();
}

#[test]
fn routes_that_were_left_behind_are_swept_by_the_next_start_and_by_clean() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let before = saved_rules(&lab, Variant::System);
    let routes_before = saved_routes(&lab);
    kill_parent_and_engine(lab.engine().config(&config("auto")));
    assert!(saved_routes(&lab).contains("table 4770"), "nobody was left to remove the routes");
    // Whatever is configured then: no captured network, or another table.
    let plain = lab.engine().rules(RULES).start();
    assert_eq!(saved_routes(&lab), routes_before);
    drop(plain);
    lab.sensor_command(&format!("{} clean", env!("CARGO_BIN_EXE_glutton-nfq")));
    assert_eq!(saved_rules(&lab, Variant::System), before);
    let elsewhere = config("auto") + "capture_table = 300\ncapture_priority = 7\n";
    kill_parent_and_engine(lab.engine().config(&elsewhere));
    let left = saved_routes(&lab);
    assert!(left.contains("7:\tfrom all fwmark") && left.contains("lookup 300 "), "{left}");
    let again = lab.engine().rules(RULES).config(&config("auto")).start();
    assert!(!saved_routes(&lab).contains("lookup 300 "));
    assert_answers(&lab);
    drop(again);
    let said = lab.sensor_command(&format!("{} clean", env!("CARGO_BIN_EXE_glutton-nfq")));
    assert!(said.contains("4 routes"), "{said}");
    assert_eq!(saved_rules(&lab, Variant::System), before);
}

#[test]
fn a_table_or_a_rule_of_somebody_elses_that_is_in_the_way_is_named_and_left_alone() {
    let lab = Lab::new();
    lab.sensor_command("ip route add 192.0.2.0/24 via 10.77.0.1 table 4770");
    let refusal = lab.engine().rules(RULES).config(&config("auto")).refusal();
    assert_eq!(refusal.status.code(), Some(1));
    assert!(refusal.text.contains("table 4770") && refusal.text.contains("`engine.capture_table`"), "{}", refusal.text);
    lab.sensor_command("ip rule add priority 40 lookup main");
    let elsewhere = config("auto") + "capture_table = 4771\n";
    let refusal = lab.engine().rules(RULES).config(&elsewhere).refusal();
    assert!(
        refusal.text.contains("203.0.113.0/24") && refusal.text.contains("`engine.capture_priority`"),
        "{}",
        refusal.text
    );
    route_dark_nets(&lab);
    let engine = lab.engine().rules(RULES).config(&(elsewhere + "capture_priority = 39\n")).start();
    assert_answers(&lab);
    lab.sensor_command("ip rule add priority 38 lookup main");
    let told = "a routing rule before priority 39 takes them";
    let warned = within(PATIENCE, || {
        // What is looked at from time to time is looked at now.
        lab.sensor_command(&format!("{} reload", env!("CARGO_BIN_EXE_glutton-nfq")));
        engine.said().contains(told).then_some(())
    });
    assert!(warned.is_some(), "one that comes later is told when rules are looked after: {}", engine.said());
    lab.sensor_command("ip rule del priority 38 lookup main");
    engine.stop();
}

#[test]
fn a_host_without_policy_routing_is_told_once_and_serves_captured_networks_in_user_space() {
    let lab = Lab::new();
    route_dark_nets(&lab);
    let directory = lab.path("poor");
    std::fs::create_dir(&directory).unwrap();
    let file = lab.file("poor/ip", "#!/bin/sh\necho 'RTNETLINK answers: Operation not supported' >&2\nexit 2\n");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:{}", directory.display(), std::env::var("PATH").unwrap());
    let engine = lab.engine().rules(RULES).config(&config("auto")).through(&["env", &path]).start();
    assert_eq!(echo(&mut lab.dial(at(SENSOR[0], 7005)), b"own").unwrap(), b"own");
    assert_eq!(lab.packets_queued(), 1, "the sensor's own addresses need no routes");
    let before = lab.packets_queued();
    assert_answers(&lab);
    assert!(lab.packets_queued() - before > 10, "both connections are carried in user space");
    let warnings = || engine.said().matches("no policy routing").count();
    assert_eq!(within(Duration::from_secs(1), || (warnings() > 0).then(warnings)), Some(1), "{}", engine.said());
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

fn an_untracked_dark_net_leaves_no_entry_in_the_connection_table(datapath: &str) {
    let lab = Lab::new();
    route_dark_nets(&lab);
    // A strict firewall makes the kernel track connections; one of the sensor's own shows that it does.
    install_operators_rules(&lab, Variant::System);
    let engine = lab.engine().rules(RULES).config(&(config(datapath) + "conntrack = false\n")).start();
    let mut streams = Vec::new();
    for host in ["203.0.113.9", "2001:db8:77::9"] {
        for port in 7000..7020 {
            let mut stream = lab.dial(at(host.parse().unwrap(), port));
            assert_eq!(echo(&mut stream, &[0x42; 5000]).unwrap(), [0x42; 5000]);
            streams.push(stream);
        }
        assert_eq!(ask_datagram(&lab.datagrams(at(host.parse().unwrap(), 7005)), b"hello").unwrap(), b"hello");
        let refused = lab.attacker(|| dial(at(host.parse().unwrap(), 9400))).unwrap_err();
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
