//! `decide` alone, in nanoseconds. `benches/decide.rs` measures the same with more statistics.

use std::time::Instant;

use anyhow::Result;
use glutton_nfq::engine::Engine;

use super::fixture::{FLOWS, decide, engine, fill, syn};
use super::report::{Figure, Goal, ROUNDS};

/// Packets between two looks at the clock. Small enough that they stay in the cache, as a batch of the queue does.
const BLOCK: u32 = 64;
/// Blocks of one round.
const BLOCKS: u32 = 1_000;
/// A step that takes consecutive packets to flows far apart in the table.
const STEP: u64 = 61_803;

/// Measures a known flow and a new one.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let engine = engine()?;
    let known = |round: u32| {
        let number = move |n: u32| (u64::from(round * BLOCKS * BLOCK + n) * STEP % u64::from(FLOWS)) as u32;
        nanos(&engine, number)
    };
    let known = (0..ROUNDS as u32).map(known).collect::<Result<_>>()?;
    let new = |_| {
        fill(&engine)?;
        nanos(&engine, |n| FLOWS + n)
    };
    let new = (0..ROUNDS as u32).map(new).collect::<Result<_>>()?;
    Ok(vec![
        Figure::alone("decide, known flow, 100,000 flows", "ns", Goal::AtMost(150.0), known),
        Figure::alone("decide, new flow, 1,000 rules, 100,000 flows", "ns", Goal::AtMost(400.0), new),
    ])
}

/// Nanoseconds a packet; packet number `n` is the first of client `client(n)`.
fn nanos(engine: &Engine, client: impl Fn(u32) -> u32) -> Result<f64> {
    let mut blocks = Vec::new();
    for block in 0..BLOCKS {
        let numbers = block * BLOCK..(block + 1) * BLOCK;
        let mut packets = numbers.map(|n| syn(client(n))).collect::<Result<Vec<_>>>()?;
        let begin = Instant::now();
        for packet in &mut packets {
            std::hint::black_box(decide(engine, packet));
        }
        blocks.push(begin.elapsed().as_nanos() as f64 / f64::from(BLOCK));
    }
    Ok(super::report::median(&blocks))
}
