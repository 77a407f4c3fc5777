//! When to let packets gather instead of asking for them at once.
//!
//! A flood of small packets arrives one by one, faster than they are worth a system call each: a worker that asks again as soon as it is
//! idle gets batches of two or three. A short pause fills the batches and saves a fifth of the CPU time per packet. Packets that carry
//! bulk data are left alone, and so is a queue with little to do: there the pause would only be latency.

use std::time::Duration;

use super::tally::Tally;
use crate::clock::Timestamp;

/// Packets a second from which on they may gather.
const FLOOD_RATE: u128 = 30_000;
/// Mean packet length in bytes up to which they may gather.
const FLOOD_LENGTH: u64 = 512;
/// The pause. The kernel's timer slack adds as much again.
const PAUSE: Duration = Duration::from_micros(50);

/// Packets since the last assessment, and what followed from the one before.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since: Timestamp,
    packets: u64,
    bytes: u64,
    is_flood: bool,
}

impl Pace {
    /// Takes a batch into account.
    pub(super) const fn note(&mut self, tally: &Tally) {
        self.packets += tally.received;
        self.bytes += tally.bytes;
    }

    /// Judges the packets since the last call. Called with every housekeeping.
    pub(super) fn assess(&mut self, now: Timestamp) {
        let elapsed = now.saturating_since(self.since).as_micros();
        let is_fast = u128::from(self.packets) * 1_000_000 > FLOOD_RATE * elapsed;
        self.is_flood = is_fast && self.bytes <= FLOOD_LENGTH * self.packets;
        *self = Self { since: now, packets: 0, bytes: 0, is_flood: self.is_flood };
    }

    /// How long to pause after the queue was emptied.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.is_flood.then_some(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pause after 100 ms with this traffic.
    fn pause_after(received: u64, bytes: u64) -> Option<Duration> {
        let mut pace = Pace::default();
        pace.assess(Timestamp::from_micros(1_000_000));
        pace.note(&Tally { received, bytes, ..Tally::default() });
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
        let mut pace = Pace::default();
        pace.note(&Tally { received: 10_000, ..Tally::default() });
        pace.assess(Timestamp::from_micros(1));
        assert!(pace.pause().is_some());
        pace.assess(Timestamp::from_micros(100_001));
        assert_eq!(pace.pause(), None);
    }
}
