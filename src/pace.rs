//! When to let packets gather instead of asking for them at once.
//!
//! A flood of small packets arrives one by one, faster than they are worth a system call and a wake-up each: a thread that asks again as soon as it
//! is idle gets batches of two or three. A short pause fills the batches. Packets that carry bulk data are left alone, and so is a socket with
//! little to do: there the pause would only be latency.

use std::time::Duration;

use crate::clock::Timestamp;

/// Packets a second from which on they may gather.
const FLOOD_RATE: u128 = 30_000;
/// Mean packet length in bytes up to which they may gather.
const FLOOD_LENGTH: u64 = 512;

/// Packets since the last assessment, and what followed from the one before.
#[derive(Debug)]
pub(crate) struct Pace {
    pause: Duration,
    since: Timestamp,
    packets: u64,
    bytes: u64,
    is_flood: bool,
}

impl Pace {
    /// How often [`Self::assess`] should be called.
    pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

    /// Nothing came yet; in a flood, packets gather for `pause`, and the kernel's timer slack adds 50 us.
    pub(crate) const fn new(pause: Duration) -> Self {
        Self { pause, since: Timestamp::from_micros(0), packets: 0, bytes: 0, is_flood: false }
    }

    /// Takes a batch into account: how many packets, how many bytes.
    pub(crate) const fn note(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }

    /// Judges the packets since the last judgement, if that was long enough ago.
    pub(crate) fn assess(&mut self, now: Timestamp) {
        let elapsed = now.saturating_since(self.since);
        if elapsed < Self::INTERVAL {
            return;
        }
        let is_fast = u128::from(self.packets) * 1_000_000 > FLOOD_RATE * elapsed.as_micros();
        self.is_flood = is_fast && self.bytes <= FLOOD_LENGTH * self.packets;
        *self = Self { since: now, packets: 0, bytes: 0, ..*self };
    }

    /// How long to pause after everything that waited was taken.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.is_flood.then_some(self.pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_micros(50);

    /// The pause after 100 ms with this traffic.
    fn pause_after(received: u64, bytes: u64) -> Option<Duration> {
        let mut pace = Pace::new(PAUSE);
        pace.assess(Timestamp::from_micros(1_000_000));
        pace.note(received, bytes);
        pace.assess(Timestamp::from_micros(1_100_000));
        pace.pause()
    }

    #[test]
    fn flood_of_small_packets_gathers() {
        assert_eq!(pause_after(10_000, 10_000 * 50), Some(PAUSE));
    }

    #[test]
    fn bulk_transfer_and_quiet_queue_do_not_wait() {
        assert_eq!(pause_after(10_000, 10_000 * 30_000), None);
        assert_eq!(pause_after(100, 100 * 50), None);
        assert_eq!(pause_after(0, 0), None);
    }

    #[test]
    fn flood_that_ended_is_forgotten() {
        let mut pace = Pace::new(PAUSE);
        pace.note(10_000, 0);
        pace.assess(Timestamp::from_micros(100_000));
        assert!(pace.pause().is_some());
        pace.assess(Timestamp::from_micros(200_001));
        assert_eq!(pace.pause(), None);
    }
}
