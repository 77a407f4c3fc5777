//! `decide` alone: a packet of a known flow, and a new flow, with 1,000 rules loaded and 100,000 flows in the table.
//!
//! `cargo bench --bench decide`. The live figures come from `make bench`.

#[path = "fixture/mod.rs"]
mod fixture;

use anyhow::Result;
use criterion::{BatchSize, Criterion};
use fixture::{FLOWS, decide, engine, fill, syn};

/// New flows that the table takes before it is emptied of them.
const NEW_FLOWS: usize = 50_000;

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let engine = engine()?;
    let packets: Vec<Vec<u8>> = (0..FLOWS).map(syn).collect::<Result<_>>()?;
    let mut at = 0;
    criterion.bench_function("known flow, 100,000 flows", |b| {
        b.iter_batched_ref(
            || {
                // A large odd step: consecutive packets are of flows far apart in the table.
                at = (at + 61_803) % packets.len();
                packets.get(at).cloned().unwrap_or_default()
            },
            |bytes| decide(&engine, bytes),
            BatchSize::SmallInput,
        );
    });

    let mut next = FLOWS;
    criterion.bench_function("new flow, 100,000 flows, 1,000 rules", |b| {
        b.iter_batched_ref(
            || {
                next += 1;
                if engine.flows().len() > FLOWS as usize + NEW_FLOWS {
                    // Fails only where building packets fails, and that was tried above.
                    let _ = fill(&engine);
                }
                syn(next).unwrap_or_default()
            },
            |bytes| decide(&engine, bytes),
            BatchSize::SmallInput,
        );
    });
    criterion.final_summary();
    Ok(())
}
