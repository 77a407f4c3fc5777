//! A SYN flood from a million spoofed sources.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

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
/// Packets that may wait for a verdict: far fewer than the queue holds, for one that overflows lets packets pass undecided.
const MOST_WAITING: u64 = 4096;

#[test]
fn a_syn_flood_from_a_million_sources_disturbs_neither_sessions_nor_memory() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).without_events().start();
    let mut streams = SENSOR.map(|address| lab.dial(at(address, 7005)));
    let frames = FrameSender::new(&lab);
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
        flood(&lab, &frames);
        flooding.store(false, Ordering::Relaxed);
        assert!(sessions.join().unwrap() > 10, "the sessions stood still");
    });
    assert!(lab.packets_queued() > u64::from(SOURCES), "the flood did not reach the engine");
    assert!(engine.peak_memory() < MEMORY_LIMIT, "the engine took {} bytes", engine.peak_memory());
    for address in SENSOR {
        let mut stream = lab.attacker(|| client::dial(at(address, 7006))).unwrap();
        assert_eq!(echo(&mut stream, b"new client").unwrap(), b"new client");
    }
    drop(streams);
    engine.stop();
}

/// Every source once. The pace is the engine's own: what is to be shown is a full table, not a full queue.
fn flood(lab: &Lab, frames: &FrameSender) {
    for n in 0..SOURCES {
        // 11.0.0.0/8 is routed towards the attacker and answers to nobody.
        frames.send_syn(Ipv4Addr::from(0x0b00_0000 + n * 13), 1024 + (n % 60_000) as u16, 1 + (n % 4000) as u16);
        if n % BURST == 0 {
            let room = within(PATIENCE, || (lab.packets_waiting() < MOST_WAITING).then_some(()));
            assert!(room.is_some(), "the engine stands still after {n} packets");
        }
    }
}
