//! Whether to look again before sleeping.
//!
//! A thread that sleeps must be woken: an interrupt to another processor, two switches and, on a virtual machine, an exit of the guest.
//! That costs more than a packet does. Under load there is something new within microseconds, or other threads have work on the same
//! processor and bring something: then giving the processor away and looking again takes whole batches for the price of a wake-up.
//! A thread that looked in vain does so less and less, so that a quiet sensor, or packets that come evenly, cost what they did.

use std::thread;
use std::time::{Duration, Instant};

/// Times that a thread looks before it sleeps: some 10 us when nobody else wants the processor.
const LOOKS: u32 = 8;
/// Credit that finding something gives, and what looking in vain takes (1) is paid from.
const FOUND: u32 = 2;
const MOST_CREDIT: u32 = 16;
/// Without credit, one wait in so many is tried nevertheless.
const TRIAL: u32 = 16;
/// Giving the processor away for so long is worse than being woken: something else on this machine computes.
const TOO_LONG: Duration = Duration::from_millis(5);

/// What looking again has brought so far.
#[derive(Debug, Default)]
pub(crate) struct Linger {
    /// Looks since something was found, or since the last sleep.
    looks: u32,
    credit: u32,
    /// Times that nothing was left to do.
    lulls: u32,
}

impl Linger {
    /// To be called when nothing is left to do; `found` says whether there was anything since the last call. True: the processor was given
    /// away for a moment, look again. False: sleep.
    pub(crate) fn looks_again(&mut self, found: bool) -> bool {
        if !self.is_worth_it(found) {
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
        let mut linger = Linger { looks: 0, credit: MOST_CREDIT, lulls: 1 };
        for _ in 0..=MOST_CREDIT {
            looks(&mut linger, true);
        }
        assert_eq!(linger.credit, 0);
        assert_eq!(looks(&mut linger, true), 0);
    }
}
