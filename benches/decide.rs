//! `decide` alone: a packet of a known flow, and a new flow, with 1,000 rules loaded and 100,000 flows in the table.
//!
//! `cargo bench --bench decide`. The live figures come from `make bench`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use glutton_nfq::clock::Timestamp;
use glutton_nfq::config::Timeouts;
use glutton_nfq::control::Counters;
use glutton_nfq::engine::{Checksum, Decision, Engine, Hook, Meta, Settings};
use glutton_nfq::flow::{FlowTable, Seed};
use glutton_nfq::rules::RuleSet;

const FLOWS: u32 = 100_000;
/// An IPv4 and a TCP header.
const LEN: usize = 40;
const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const META: Meta = Meta { hook: Hook::In, checksum: Checksum::Ready, mark: 0, ifindex: 2 };

/// 999 rules that do not match, over ports, hosts, nets and ranges, and one that takes the rest.
fn rules() -> Arc<RuleSet> {
    let mut text = String::from("rules:\n");
    for i in 0..999_u32 {
        let (high, low) = (i / 250, i % 250);
        let filter = match i % 4 {
            0 => format!("tcp dst port {}", 10_000 + i),
            1 => format!("src host 203.0.{high}.{low}"),
            2 => format!("udp and dst portrange {}-{}", 30_000 + i * 2, 30_001 + i * 2),
            _ => format!("tcp and src net 100.{}.{low}.0/24", 64 + high),
        };
        text.push_str(&format!("  - {{ match: \"{filter}\", type: drop }}\n"));
    }
    text.push_str("  - { match: \"tcp or udp\", type: handler, target: tcp }\n");
    RuleSet::from_yaml(&text, "bench.yml").map(Arc::new).unwrap_or_else(|errors| stop(&errors))
}

fn engine(max_flows: usize) -> Engine {
    let flows = FlowTable::new(max_flows, Timeouts::default(), Seed([1, 2, 3]), NOW);
    let settings = Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 5_002, closed_udp_port: 5_003 };
    Engine::new(rules(), Arc::new(flows), Arc::new(Counters::default()), settings)
}

/// The first packet of client number `n`.
fn syn(n: u32) -> [u8; LEN] {
    let [_, a, b, c] = n.to_be_bytes();
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([11, a, b, c], [10, 0, 0, 1], 64)
        .tcp(40_000, 23, 1, 1_024)
        .syn()
        .write(&mut bytes, &[])
        .unwrap_or_else(|error| stop(&error));
    bytes.first_chunk().copied().unwrap_or([0; LEN])
}

/// A bench that cannot be set up measures nothing.
fn stop(why: &dyn std::fmt::Display) -> ! {
    log::error!("{why}");
    std::process::exit(1)
}

fn decide(engine: &Engine, bytes: &mut [u8]) -> Decision {
    engine.decide(bytes, &META, NOW, &mut |record| {
        black_box(&record);
    })
}

/// An order in which neighbours are far apart: a step that is prime to the number of flows.
fn scattered(n: u32) -> u32 {
    (u64::from(n) * 61_803 % u64::from(FLOWS)) as u32
}

/// Time for `rounds` decisions. Packets lie one behind the other, as in the slots that a queue's batch is received into; the flows that they belong
/// to are scattered over the table, as those of many visitors are.
fn time(engine: &Engine, packets: &[[u8; LEN]], rounds: u64) -> Duration {
    let begin = Instant::now();
    for packet in packets.iter().cycle().take(usize::try_from(rounds).unwrap_or(usize::MAX)) {
        let mut slot = *packet;
        black_box(decide(engine, black_box(&mut slot)));
    }
    begin.elapsed()
}

fn bench(c: &mut Criterion) {
    let known = engine(1_000_000);
    let packets: Vec<_> = (0..FLOWS).map(|n| syn(scattered(n))).collect();
    time(&known, &packets, u64::from(FLOWS));
    c.bench_function("known flow, 100,000 flows", |b| b.iter_custom(|rounds| time(&known, &packets, rounds)));

    // Measured between 100,000 and 150,000 flows, again and again.
    let growing = engine(1_000_000);
    let strangers: Vec<_> = (0..FLOWS / 2).map(|n| syn(FLOWS + scattered(n))).collect();
    c.bench_function("new flow, 100,000 flows, 1,000 rules", |b| {
        b.iter_custom(|rounds| {
            let (mut left, mut total) = (rounds, Duration::ZERO);
            while left > 0 {
                growing.flows().close_all(NOW, &mut |_| {});
                time(&growing, &packets, u64::from(FLOWS));
                let now = left.min(u64::from(FLOWS / 2));
                total += time(&growing, &strangers, now);
                left -= now;
            }
            total
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
