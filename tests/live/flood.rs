//! A SYN flood from a million spoofed sources.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::dark::{self, DARK};
use crate::lab::client::{self, echo};
use crate::lab::firewall::{Variant, install_operators_rules};
use crate::lab::frame::FrameSender;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp, type: handler, target: echo}
";
const SOURCES: u32 = 1_000_000;
/// Those of the flood into a captured network.
const DARK_SOURCES: u32 = 200_000;
const MEMORY_LIMIT: u64 = 400_000_000;
/// Packets sent before the sender looks whether the engine keeps up.
const BURST: u32 = 256;
/// How long the flood at full speed lasts.
const FULL_SPEED: Duration = Duration::from_secs(8);
/// Packets that may wait for a verdict: fewer than the queue holds, so that every source gets its flow.
const MOST_WAITING: u64 = 4096;
/// Packets that were sent and are in no queue yet: fewer than the kernel lets wait for a CPU (net.core.netdev_max_backlog, 1,000), so that none is lost
/// before the engine could see it.
const MOST_ON_THE_WAY: u64 = 512;

#[test]
fn a_syn_flood_from_a_million_sources_disturbs_neither_sessions_nor_memory() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).without_events().start();
    let exchanges = exchanges_during(&lab, SENSOR, |frames| {
        paced(&lab, SOURCES, |n| frames.send_syn(spoofed(n), 1024 + (n % 60_000) as u16, 1 + (n % 4000) as u16));
    });
    assert!(exchanges > 10, "the sessions stood still");
    let (queued, refused) = (lab.packets_queued(), dropped_by_conntrack(&lab));
    assert!(
        queued + refused > u64::from(SOURCES),
        "only {queued} packets reached the engine, conntrack dropped {refused}"
    );
    assert!(engine.peak_memory() < MEMORY_LIMIT, "the engine took {} bytes", engine.peak_memory());
    assert_serves_a_new_client(&lab);
    engine.stop();
}

#[test]
fn a_syn_flood_faster_than_the_engine_does_not_crowd_out_sessions() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).without_events().start();
    let exchanges = exchanges_during(&lab, SENSOR, |frames| {
        let begin = Instant::now();
        for n in 0.. {
            frames.send_syn(spoofed(n), 1024 + (n % 60_000) as u16, 1 + (n % 4000) as u16);
            if begin.elapsed() > FULL_SPEED {
                return;
            }
        }
    });
    assert!(exchanges > 100, "only {exchanges} exchanges in {FULL_SPEED:?}");
    assert_serves_a_new_client(&lab);
    engine.stop();
}

#[test]
fn a_syn_flood_into_an_untracked_dark_net_leaves_the_connection_table_empty() {
    let lab = Lab::new();
    dark::route_dark_nets(&lab);
    // A strict firewall makes the kernel track connections.
    install_operators_rules(&lab, Variant::System);
    let config = dark::config("auto") + "conntrack = false\n";
    let engine = lab.engine().rules(RULES).config(&config).without_events().start();
    let tracked = || {
        let count = lab.sensor_command("sysctl -n net.netfilter.nf_conntrack_count");
        count.trim().parse::<u64>().unwrap()
    };
    let mut most = 0;
    let exchanges = exchanges_during(&lab, DARK.map(|host| host.parse().unwrap()), |frames| {
        paced(&lab, DARK_SOURCES, |n| {
            let host = Ipv4Addr::from(u32::from(Ipv4Addr::new(203, 0, 113, 0)) + n % 256);
            frames.send_syn_to((host, 1 + (n % 4000) as u16), spoofed(n), 1024 + (n % 60_000) as u16);
            if n % 10_000 == 0 {
                most = most.max(tracked());
            }
        });
    });
    assert!(exchanges > 10, "the sessions stood still");
    assert!(lab.packets_queued() > u64::from(DARK_SOURCES), "the flood did not reach the engine");
    assert_eq!(most.max(tracked()), 0, "connections were tracked");
    assert_serves_a_new_client(&lab);
    assert!(tracked() >= 2, "those to the sensor's own addresses are tracked");
    engine.stop();
}

/// Exchanges that established sessions with both addresses manage during a flood; none may fail.
fn exchanges_during(lab: &Lab, addresses: [IpAddr; 2], flood: impl FnOnce(&FrameSender)) -> u64 {
    let mut streams = addresses.map(|address| lab.dial(at(address, 7005)));
    let frames = FrameSender::new(lab);
    let flooding = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let sessions = scope.spawn(|| {
            let mut exchanges = 0_u64;
            while flooding.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    let heard = echo(stream, b"undisturbed");
                    let heard = heard
                        .unwrap_or_else(|error| panic!("exchange {exchanges} with {:?}: {error}", stream.peer_addr()));
                    assert_eq!(heard, b"undisturbed", "exchange {exchanges}");
                }
                exchanges += 1;
            }
            exchanges
        });
        flood(&frames);
        flooding.store(false, Ordering::Relaxed);
        sessions.join().unwrap()
    })
}

fn assert_serves_a_new_client(lab: &Lab) {
    for address in SENSOR {
        let mut stream = lab.attacker(|| client::dial(at(address, 7006))).unwrap();
        assert_eq!(echo(&mut stream, b"new client").unwrap(), b"new client");
    }
}

/// 11.0.0.0/8 is routed towards the attacker and answers to nobody.
fn spoofed(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0b00_0000 + n.wrapping_mul(13) % (1 << 24))
}

/// Packets that found the kernel's connection table full of what it would not give up: they never get to our rules. Some ten in a million.
fn dropped_by_conntrack(lab: &Lab) -> u64 {
    let said = lab.sensor_command("conntrack -S");
    let fields = said.split_whitespace().filter_map(|word| word.strip_prefix("drop="));
    fields.map(|count| count.parse::<u64>().unwrap()).sum()
}

/// Sends once for every source. The pace is the engine's own: what is to be shown is a full table, not a full queue.
fn paced(lab: &Lab, sources: u32, mut send: impl FnMut(u32)) {
    let before = lab.packets_queued();
    for n in 0..sources {
        send(n);
        if n % BURST == 0 {
            let on_the_way = || u64::from(n).saturating_sub(lab.packets_queued() - before);
            let has_room = || lab.packets_waiting() < MOST_WAITING && on_the_way() < MOST_ON_THE_WAY;
            let room = within(PATIENCE, || has_room().then_some(()));
            assert!(room.is_some(), "the engine stands still after {n} packets");
        }
    }
}
