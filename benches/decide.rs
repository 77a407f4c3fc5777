//! `decide` alone: a packet of a known flow, and a new flow, with 1,000 rules loaded and 100,000 flows in the table.
//!
//! `cargo bench --bench decide`. The live figures come from `make bench`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use glutton_nfq::clock::Timestamp;
use glutton_nfq::config::Timeouts;
use glutton_nfq::control::Counters;
use glutton_nfq::engine::{Checksum, Decision, Engine, Hook, Meta, Settings};
use glutton_nfq::flow::{FlowTable, Seed};
use glutton_nfq::rules::RuleSet;

const FLOWS: u32 = 100_000;
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
    Arc::new(RuleSet::from_yaml(&text, "bench.yml").expect("the rules of the bench are sound"))
}

fn engine(max_flows: usize) -> Engine {
    let flows = FlowTable::new(max_flows, Timeouts::default(), Seed([1, 2, 3]), NOW);
    let settings = Settings { tcp_port: 5_000, udp_port: 5_001, closed_tcp_port: 5_002, closed_udp_port: 5_003 };
    Engine::new(rules(), Arc::new(flows), Arc::new(Counters::default()), settings)
}

/// The first packet of client number `n`.
fn syn(n: u32) -> Vec<u8> {
    let [_, a, b, c] = n.to_be_bytes();
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([11, a, b, c], [10, 0, 0, 1], 64)
        .tcp(40_000, 23, 1, 1_024)
        .syn()
        .write(&mut bytes, &[])
        .expect("a vector takes every byte");
    bytes
}

fn decide(engine: &Engine, bytes: &mut [u8]) -> Decision {
    engine.decide(bytes, &META, NOW, &mut |record| {
        black_box(&record);
    })
}

fn bench(c: &mut Criterion) {
    let full = engine(1_000_000);
    let mut packets: Vec<Vec<u8>> = (0..FLOWS).map(syn).collect();
    for packet in &mut packets {
        decide(&full, packet);
    }
    let originals: Vec<Vec<u8>> = (0..FLOWS).map(syn).collect();
    let mut at = 0;
    c.bench_function("known flow, 100,000 flows", |b| {
        b.iter_batched_ref(
            || {
                // A large odd step: consecutive packets are of flows far apart in the table.
                at = (at + 61_803) % originals.len();
                originals.get(at).cloned().unwrap_or_default()
            },
            |bytes| decide(&full, bytes),
            BatchSize::SmallInput,
        );
    });

    let mut next = FLOWS;
    c.bench_function("new flow, 100,000 flows, 1,000 rules", |b| {
        b.iter_batched_ref(
            || {
                next += 1;
                // The table is emptied of what the bench has put in, so that it stays at 100,000 flows.
                if full.flows().len() > FLOWS as usize + 50_000 {
                    full.flows().close_all(NOW, &mut |_| {});
                    for n in 0..FLOWS {
                        decide(&full, &mut syn(n));
                    }
                }
                syn(next)
            },
            |bytes| decide(&full, bytes),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
