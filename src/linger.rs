//! Whether to look again before sleeping.
//!
//! A thread that sleeps must be woken: an interrupt to another processor, two switches and, on a virtual machine, an exit of the guest.
//! That costs more than a packet does. Under load there is something new within microseconds, or other threads have work on the same
//! processor and bring something: then giving the processor away and looking again takes whole batches for the price of a wake-up.
//! A thread that looked in vain does so less and less.
//!
//! The price is latency: whoever has the processor then keeps it for a slice, some milliseconds. So only a rush of new flows is met like this, never
//! a session that talks beside a flood, nor a bulk transfer.

use std::thread;
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::pace::Pace;

/// New flows a second from which on it is a rush.
const RUSH_RATE: u128 = 5_000;

/// Times that a thread looks before it sleeps: some 10 us when nobody else wants the processor.
const LOOKS: u32 = 8;
/// Credit for a look that found something. Looking in vain before a sleep costs 1, and without credit a thread sleeps at once.
const FOUND: u32 = 2;
const MOST_CREDIT: u32 = 16;
/// Without credit, one sleep in so many is put off nevertheless: so a thread learns that there is load.
const TRIAL: u32 = 16;
/// Giving the processor away for so long is worse than being woken: something else on this machine computes. It costs what a find earns.
const TOO_LONG: Duration = Duration::from_millis(5);

/// What looking again has brought so far.
#[derive(Debug, Default)]
pub(crate) struct Linger {
    /// Looks since something was found, or since the last sleep.
    looks: u32,
    credit: u32,
    /// Times that nothing was left to do.
    lulls: u32,
    since: Timestamp,
    new_flows: u64,
    is_rush: bool,
}

impl Linger {
    /// Takes new flows into account, and judges their rate when it is time to.
    pub(crate) fn note(&mut self, new_flows: u64, now: Timestamp) {
        self.new_flows += new_flows;
        let elapsed = now.saturating_since(self.since);
        if elapsed >= Pace::INTERVAL {
            self.is_rush = u128::from(self.new_flows) * 1_000_000 >= RUSH_RATE * elapsed.as_micros();
            (self.since, self.new_flows) = (now, 0);
        }
    }

    /// To be called when nothing is left to do; `found` says whether there was anything since the last call. True: the processor was given
    /// away for a moment, look again. False: sleep.
    pub(crate) fn looks_again(&mut self, found: bool) -> bool {
        if !self.is_rush || !self.is_worth_it(found) {
            return false;
        }
        let before = Instant::now();
        thread::yield_now();
        if before.elapsed() > TOO_LONG {
            self.credit = self.credit.saturating_sub(FOUND);
        }
        true
    }

    fn is_worth_it(&mut self, found: bool) -> bool {
        if found {
            if self.looks > 0 {
                self.credit = MOST_CREDIT.min(self.credit + FOUND);
            }
            self.looks = 0;
        }
        if self.looks == 0 {
            self.lulls += 1;
            if self.credit == 0 && !self.lulls.is_multiple_of(TRIAL) {
                return false;
            }
        }
        if self.looks == LOOKS {
            self.looks = 0;
            self.credit = self.credit.saturating_sub(1);
            return false;
        }
        self.looks += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks until it would sleep.
    fn looks(linger: &mut Linger, found: bool) -> u32 {
        let mut looks = u32::from(linger.is_worth_it(found));
        while looks > 0 && linger.is_worth_it(false) {
            looks += 1;
        }
        looks
    }

    #[test]
    fn packets_that_come_one_by_one_cost_one_look_in_two() {
        let mut linger = Linger::default();
        let total: u32 = (0..1_600).map(|_| looks(&mut linger, true)).sum();
        assert_eq!(total, 100 * LOOKS);
    }

    #[test]
    fn only_a_rush_of_new_flows_is_worth_the_latency() {
        let mut linger = Linger::default();
        let mut rushes = |flows: u64, at_millis: u64| {
            linger.note(flows, Timestamp::from_micros(at_millis * 1_000));
            linger.is_rush
        };
        assert!(!rushes(100, 1_000) && rushes(600, 1_100));
        assert!(rushes(1_000, 1_150), "not judged before its time");
        assert!(rushes(0, 1_200) && !rushes(10, 1_300));
    }

    #[test]
    fn under_load_it_looks_before_every_sleep() {
        let mut linger = Linger::default();
        // Every third look finds something.
        for call in 0..100 {
            linger.is_worth_it(call % 3 == 0);
        }
        assert_eq!(looks(&mut linger, true), LOOKS);
    }

    #[test]
    fn when_the_load_ends_it_sleeps_again_soon() {
        let mut linger = Linger { credit: MOST_CREDIT, lulls: 1, ..Linger::default() };
        for _ in 0..=MOST_CREDIT {
            looks(&mut linger, true);
        }
        assert_eq!(linger.credit, 0);
        assert_eq!(looks(&mut linger, true), 0);
    }
}
