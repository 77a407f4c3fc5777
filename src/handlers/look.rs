//! When a connection looks for what another one of its source has left for it.
//!
//! Handlers cannot wake each other, so one that may hear something looks again and again: often while something goes on, and more rarely
//! the longer it has been quiet. A look is one short lock, a few microseconds: a thousand quiet connections cost about a hundredth of a core.

use std::time::Duration;

use crate::clock::Timestamp;

/// A quiet connection looks after this part of the time that it has been quiet.
const QUIET_PART: u32 = 64;
/// It looks at least so often.
const RAREST: Duration = Duration::from_secs(10);

/// Since when a connection has been quiet.
#[derive(Debug, Default)]
pub(super) struct Look {
    lively: Timestamp,
}

impl Look {
    /// The visitor said something, or heard something from another one.
    pub(super) fn liven(&mut self, now: Timestamp) {
        self.lively = now;
    }

    /// The time until the next look, at least `least`.
    pub(super) fn after(&self, now: Timestamp, least: Duration) -> Duration {
        (now.saturating_since(self.lively) / QUIET_PART).clamp(least, RAREST)
    }
}
