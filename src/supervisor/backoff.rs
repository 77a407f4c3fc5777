//! How long to wait after a crash, and when to give up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Policy;

/// The crashes that still count.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    times: VecDeque<Instant>,
}

impl Crashes {
    /// Notes a crash; the pause before the next start, or `None` when there were too many.
    pub(super) fn record(&mut self, policy: &Policy, now: Instant) -> Option<Duration> {
        self.times.retain(|time| now.saturating_duration_since(*time) < policy.crash_window);
        self.times.push_back(now);
        if self.times.len() >= policy.crashes_max {
            return None;
        }
        let doublings = u32::try_from(self.times.len() - 1).unwrap_or(u32::MAX);
        let pause = policy.backoff.saturating_mul(2_u32.saturating_pow(doublings));
        Some(pause.min(policy.backoff_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_pause_doubles_and_the_fifth_crash_in_a_minute_is_the_last() {
        let policy = Policy { backoff: SECOND, backoff_max: 4 * SECOND, ..Policy::default() };
        let (mut crashes, start) = (Crashes::default(), Instant::now());
        let pauses: Vec<_> = (0..5).map(|n| crashes.record(&policy, start + n * SECOND)).collect();
        assert_eq!(pauses, [Some(SECOND), Some(2 * SECOND), Some(4 * SECOND), Some(4 * SECOND), None]);
    }

    #[test]
    fn a_crash_every_twenty_seconds_is_restarted_for_ever() {
        let (policy, mut crashes, start) = (Policy::default(), Crashes::default(), Instant::now());
        assert!((0..100).all(|n| crashes.record(&policy, start + n * 20 * SECOND).is_some()));
    }
}
