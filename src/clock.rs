//! Time as the pure rooms see it: a number that is handed in.
//!
//! Only the shells (queue workers, server workers, `run`) own a [`Clock`]; everything else takes a [`Timestamp`]. So a
//! replayed capture, a test on a virtual clock and a live queue run the same code.

use std::ops::Add;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch, UTC. Never goes backwards within one process, whatever happens to the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A time from microseconds since the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// The wall clock at start, carried on by the monotonic clock: events get real times, deadlines never jump.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall_at_start: u64,
    start: Instant,
}

impl Clock {
    /// Reads the wall clock once; [`Clock::now`] counts on from there.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall_at_start: u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX), start: Instant::now() }
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.wall_at_start) + self.start.elapsed()
    }
}
