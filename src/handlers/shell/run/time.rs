//! The time that commands take.

use std::time::Duration;

use super::{Leaving, Run};
use crate::handlers::shell::{Act, MAX_STEPS};

impl Run<'_, '_> {
    /// Nothing happens for a time.
    pub(in crate::handlers::shell) fn wait(&mut self, time: Duration) {
        if !time.is_zero() {
            self.acts.push_back(Act::Wait(time));
        }
    }

    /// What would happen after this time does not; false where nothing would. A program that runs without end is cut off as well.
    pub(in crate::handlers::shell) fn cut_off(&mut self, limit: Duration) -> bool {
        let mut passed = Duration::ZERO;
        let over = self.acts.iter().position(|act| {
            passed += if let Act::Wait(time) = act { *time } else { Duration::ZERO };
            passed > limit
        });
        let hangs = self.leaving == Some(Leaving::Hang);
        match over {
            Some(at) => {
                let left = waits(self.acts.iter().take(at));
                self.acts.truncate(at);
                self.wait(limit.saturating_sub(left));
            }
            None if hangs => self.wait(limit.saturating_sub(self.waited())),
            None => return false,
        }
        if hangs && self.steps <= MAX_STEPS {
            self.leaving = None;
        }
        true
    }

    /// How long nothing has happened so far.
    pub(in crate::handlers::shell) fn waited(&self) -> Duration {
        waits(self.acts.iter())
    }

    /// Nothing happens for a time between these milliseconds.
    pub(in crate::handlers::shell) fn wait_about(&mut self, from_ms: u64, to_ms: u64) {
        let time = self.random.within(&(from_ms..=to_ms));
        self.wait(Duration::from_millis(time));
    }
}

/// How long nothing happens in these.
pub(super) fn waits<'a>(acts: impl Iterator<Item = &'a Act>) -> Duration {
    acts.filter_map(|act| if let Act::Wait(time) = act { Some(*time) } else { None }).sum()
}
