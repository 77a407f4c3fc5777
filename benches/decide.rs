//! `decide` alone: a packet of a known flow, and a new flow, with 1,000 rules loaded and 100,000 flows in the table.
//!
//! `cargo bench --bench decide`. The live figures come from `make bench`.

#[path = "fixture/mod.rs"]
mod fixture;
#[path = "fixture/timing.rs"]
mod timing;

use std::time::Duration;

use anyhow::Result;
use criterion::Criterion;
use fixture::{FLOWS, engine, packets};
use glutton_nfq::engine::Hook;
use timing::{time, time_new};

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let engine = engine(1_000)?;
    let (known, strangers) = (packets(0, Hook::In)?, packets(FLOWS, Hook::In)?);
    criterion.bench_function("known flow, 100,000 flows", |b| b.iter_custom(|rounds| time(&engine, &known, rounds)));
    criterion.bench_function("new flow, 100,000 flows, 1,000 rules", |b| {
        // Building the packets that fill the table cannot fail here: it has not above.
        b.iter_custom(|rounds| time_new(&engine, &strangers, rounds).unwrap_or(Duration::ZERO));
    });
    criterion.final_summary();
    Ok(())
}
