//! How fast a generator sends, and for how long.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Packets of one system call.
pub(crate) const BURST: usize = 16;

/// How fast.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Packets a second, in bursts of [`BURST`].
    PerSecond(u32),
    /// As fast as the sender can.
    Full,
}

impl Pace {
    /// Calls `burst`, which says how many packets it sent, at this pace for this time; returns packets a second.
    pub(crate) fn keep(self, time: Duration, mut burst: impl FnMut() -> Result<usize>) -> Result<f64> {
        let (begin, mut sent) = (Instant::now(), 0);
        loop {
            let elapsed = begin.elapsed();
            if elapsed >= time {
                return Ok(sent as f64 / elapsed.as_secs_f64());
            }
            if let Self::PerSecond(rate) = self {
                let due = Duration::from_secs_f64(sent as f64 / f64::from(rate));
                thread::sleep(due.saturating_sub(elapsed));
            }
            sent += burst()?;
        }
    }
}
