//! When to let packets gather instead of asking for them at once.
//!
//! A flood of small packets arrives one by one, faster than they are worth a system call and a wake-up each: a thread that asks again as soon as it
//! is idle gets batches of two or three. A short pause fills the batches. Packets that carry bulk data are left alone, and so is a socket
//! with little to do: there the pause would only be latency. Where senders wait for answers, the pause is short.

use std::time::Duration;

use crate::clock::Timestamp;

/// Packets a second from which on they may gather.
const FLOOD_RATE: u128 = 30_000;
/// Mean packet length in bytes up to which they may gather.
const FLOOD_LENGTH: u64 = 512;

/// In a flood that nobody waits for an answer to, fewer than one packet in so many belongs to somebody who does.
const FLOOD_SHARE: u64 = 4;
/// How long packets gather when their senders wait for answers.
const INTERACTIVE: Duration = Duration::from_micros(50);

/// Packets since the last assessment, and what followed from the one before.
#[derive(Debug)]
pub(crate) struct Pace {
    one_sided: Duration,
    since: Timestamp,
    packets: u64,
    bytes: u64,
    answered: u64,
    pause: Option<Duration>,
}

impl Pace {
    /// How often a rate is judged; [`Self::assess`] should be called as often.
    pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

    /// Nothing came yet. In a flood that nobody waits for an answer to, packets gather for `one_sided`; the kernel's timer slack adds 50 us.
    pub(crate) const fn new(one_sided: Duration) -> Self {
        Self { one_sided, since: Timestamp::from_micros(0), packets: 0, bytes: 0, answered: 0, pause: None }
    }

    /// Takes a batch into account: how many packets, how many bytes.
    pub(crate) const fn note(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }

    /// Takes packets into account whose senders wait for an answer: every pause is their latency.
    pub(crate) const fn note_answered(&mut self, packets: u64, bytes: u64) {
        self.answered += packets;
        self.bytes += bytes;
    }

    /// Judges the packets since the last judgement, if that was long enough ago.
    pub(crate) fn assess(&mut self, now: Timestamp) {
        let elapsed = now.saturating_since(self.since);
        if elapsed < Self::INTERVAL {
            return;
        }
        let packets = self.packets + self.answered;
        let is_fast = u128::from(packets) * 1_000_000 > FLOOD_RATE * elapsed.as_micros();
        let is_small = self.bytes <= FLOOD_LENGTH * packets;
        let pause = if self.answered * FLOOD_SHARE < self.packets { self.one_sided } else { INTERACTIVE };
        self.pause = (is_fast && is_small).then_some(pause);
        *self = Self { since: now, packets: 0, bytes: 0, answered: 0, ..*self };
    }

    /// How long to pause after everything that waited was taken.
    pub(crate) const fn pause(&self) -> Option<Duration> {
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_micros(500);

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
    fn visitors_who_wait_for_answers_wait_less() {
        let mut pace = Pace::new(PAUSE);
        pace.note(10_000, 0);
        pace.note_answered(5_000, 0);
        pace.assess(Timestamp::from_micros(100_000));
        assert_eq!(pace.pause(), Some(INTERACTIVE));
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
