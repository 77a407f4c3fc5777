//! Packets a second of a whole replay on one core: reading pcap, deciding with 1,000 rules, writing pcap; 64-byte packets, one thread, its
//! processor time.
//!
//! `cargo bench --bench replay`, or with a file name behind `--` to keep the capture for `glutton-nfq replay`.

#[path = "fixture/rules.rs"]
mod rules;

use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use etherparse::PacketBuilder;
use glutton_nfq::capture::{Capture, Writer};
use glutton_nfq::config::Timeouts;
use glutton_nfq::engine::{Kernel, Settings};
use glutton_nfq::replay::{Options, Replay};
use glutton_nfq::rules::RuleSet;

const PACKETS: u32 = 2_000_000;
/// IP bytes of a packet.
const LEN: usize = 64;
const RUNS: usize = 3;

fn rules() -> io::Result<Arc<RuleSet>> {
    let text = rules::rules(1_000, "{ match: \"tcp or udp\", type: handler, target: tcp }");
    Ok(Arc::new(RuleSet::from_yaml(&text, "bench.yml").map_err(io::Error::other)?))
}

/// Time that this thread has had a processor for: others on the machine do not count, though they take its caches.
fn processor_time() -> io::Result<Duration> {
    // On-CPU nanoseconds come first, Documentation/scheduler/sched-stats.rst of Linux.
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("no processor time in /proc/thread-self/schedstat"))
}

/// A SYN, then segments, from `flows` clients in turn; a million packets a second.
fn capture(flows: u32) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new(Vec::new())?;
    for n in 0..PACKETS {
        let [_, a, b, c] = (n % flows).to_be_bytes();
        let segment = PacketBuilder::ipv4([11, a, b, c], [10, 0, 0, 1], 64).tcp(40_000, 23, 1, 1_024);
        let segment = if n < flows { segment.syn() } else { segment.ack(1) };
        let mut bytes = Vec::new();
        segment.write(&mut bytes, &[0; LEN - 40]).map_err(io::Error::other)?;
        writer.write(Duration::new(1_700_000_000, 0) + Duration::from_micros(n.into()), &bytes, bytes.len())?;
    }
    writer.finish()
}

/// Replays the capture; packets a second.
fn run(file: &[u8], rules: &Arc<RuleSet>) -> io::Result<f64> {
    let settings =
        Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 1, closed_udp_port: 1, kernel: Kernel::NONE };
    let start = processor_time()?;
    let mut replay = Replay::new(Options {
        rules: Arc::clone(rules),
        settings,
        timeouts: Timeouts::default(),
        max_flows: 1_000_000,
        hosts: [].into_iter().collect(),
    });
    let mut capture = Capture::new(file).map_err(io::Error::other)?;
    let mut writer = Writer::new(BufWriter::with_capacity(1 << 18, io::sink()))?;
    while let Some(record) = capture.next_record().map_err(io::Error::other)? {
        if let (Some(bytes), Some(packet)) = (replay.record(&record), record.packet) {
            writer.write(record.time, bytes, packet.wire_len)?;
        }
    }
    writer.finish()?;
    black_box(replay.finish());
    Ok(f64::from(PACKETS) / (processor_time()? - start).as_secs_f64())
}

fn main() -> io::Result<()> {
    let rules = rules()?;
    let keep = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut out = io::stdout();
    for (name, flows) in [("1,000 flows", 1_000), ("500,000 flows", 500_000), ("every packet a new flow", PACKETS)] {
        let file = capture(flows)?;
        if let Some(keep) = &keep {
            std::fs::write(format!("{keep}-{flows}.pcap"), &file)?;
        }
        let mut best = 0.0_f64;
        for _ in 0..RUNS {
            best = best.max(run(&file, &rules)?);
        }
        writeln!(out, "replay, {LEN}-byte packets, 1,000 rules, {name}: {best:.0} packets/s (goal 1,000,000)")?;
    }
    Ok(())
}
