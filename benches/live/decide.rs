//! `decide` alone, in nanoseconds. `benches/decide.rs` measures the same with more statistics.

use anyhow::Result;
use glutton_nfq::engine::Hook;

use super::fixture::{FLOWS, engine, packets};
use super::report::{Figure, Goal, ROUNDS};
use super::timing::{time, time_new};

/// Decisions of one round.
const DECISIONS: u64 = 200_000;

/// Measures a known flow and a new one.
pub(crate) fn measure() -> Result<Vec<Figure>> {
    let engine = engine(1_000)?;
    let (known, strangers) = (packets(0, Hook::In)?, packets(FLOWS, Hook::In)?);
    let nanos = |time: std::time::Duration| time.as_nanos() as f64 / DECISIONS as f64;
    let known = (0..ROUNDS).map(|_| nanos(time(&engine, &known, DECISIONS))).collect();
    let new = (0..ROUNDS).map(|_| Ok(nanos(time_new(&engine, &strangers, DECISIONS)?))).collect::<Result<_>>()?;
    Ok(vec![
        Figure::alone("decide, known flow, 100,000 flows", "ns", Goal::AtMost(150.0), known),
        Figure::alone("decide, new flow, 1,000 rules, 100,000 flows", "ns", Goal::AtMost(400.0), new),
    ])
}
