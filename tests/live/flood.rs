//! A SYN flood from a million spoofed sources.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::lab::client::{self, echo};
use crate::lab::frame::FrameSender;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};

const RULES: &str = "
version: 1
rules:
  - {name: echo, match: tcp, type: handler, target: echo}
";
const SOURCES: u32 = 1_000_000;
const MEMORY_LIMIT: u64 = 400_000_000;
/// Packets sent before the sender looks whether the engine keeps up.
const BURST: u32 = 256;
/// How long the flood at full speed lasts.
const FULL_SPEED: Duration = Duration::from_secs(8);
/// Packets that may wait for a verdict: fewer than the queue holds, so that every source gets its flow.
const MOST_WAITING: u64 = 4096;

#[test]
fn a_syn_flood_from_a_million_sources_disturbs_neither_sessions_nor_memory() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).without_events().start();
    let exchanges = exchanges_during(&lab, |frames| every_source_once(&lab, frames));
    assert!(exchanges > 10, "the sessions stood still");
    assert!(lab.packets_queued() > u64::from(SOURCES), "the flood did not reach the engine");
    assert!(engine.peak_memory() < MEMORY_LIMIT, "the engine took {} bytes", engine.peak_memory());
    assert_serves_a_new_client(&lab);
    engine.stop();
}

#[test]
fn a_syn_flood_faster_than_the_engine_does_not_crowd_out_sessions() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).without_events().start();
    let exchanges = exchanges_during(&lab, |frames| {
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

/// Exchanges that established sessions over both families manage during a flood; none may fail.
fn exchanges_during(lab: &Lab, flood: impl FnOnce(&FrameSender)) -> u64 {
    let mut streams = SENSOR.map(|address| lab.dial(at(address, 7005)));
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

/// The pace is the engine's own: what is to be shown is a full table, not a full queue.
fn every_source_once(lab: &Lab, frames: &FrameSender) {
    for n in 0..SOURCES {
        frames.send_syn(spoofed(n), 1024 + (n % 60_000) as u16, 1 + (n % 4000) as u16);
        if n % BURST == 0 {
            let room = within(PATIENCE, || (lab.packets_waiting() < MOST_WAITING).then_some(()));
            assert!(room.is_some(), "the engine stands still after {n} packets");
        }
    }
}
