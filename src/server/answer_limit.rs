//! How many UDP answers, and bytes of them, one source gets: a forged source address shall not make this sensor flood somebody.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use super::admission::source_of;
use crate::clock::Timestamp;

/// Sources that hash to the same bucket share its rate. So memory is fixed, and a flood from many forged sources makes answers
/// rarer, never more frequent.
const BUCKETS: u64 = 65_536;

/// A rate for every source: the generic cell rate algorithm (ITU-T I.371), one time a bucket.
#[derive(Debug)]
pub(super) struct AnswerLimit {
    /// When each bucket would be empty again, in microseconds.
    emptied: Box<[u64]>,
    per_second: u64,
    hash: RandomState,
}

impl AnswerLimit {
    /// So many units a second, twice as many at once; 0: none at all.
    pub(super) fn new(per_second: u32) -> Self {
        let emptied = vec![0; usize::try_from(BUCKETS).unwrap_or(0)].into();
        Self { emptied, per_second: per_second.into(), hash: RandomState::new() }
    }

    /// So many more units may go to this address, and are counted.
    pub(super) fn allows(&mut self, client: IpAddr, units: u64, now: Timestamp) -> bool {
        /// Two seconds in microseconds.
        const BURST: u64 = 2_000_000;
        let bucket = usize::try_from(self.hash.hash_one(source_of(client)) % BUCKETS).unwrap_or(0);
        let cost = units.saturating_mul(1_000_000).checked_div(self.per_second);
        let (Some(cost), Some(emptied)) = (cost, self.emptied.get_mut(bucket)) else { return false };
        let now = now.as_micros();
        let after = (*emptied).max(now).saturating_add(cost.max(1));
        let allowed = after <= now.saturating_add(BURST);
        if allowed {
            *emptied = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_gets_a_burst_and_then_its_rate() {
        let mut limit = AnswerLimit::new(10);
        let source = IpAddr::from([192, 0, 2, 1]);
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let allowed = |limit: &mut AnswerLimit, now| (0..1_000).filter(|_| limit.allows(source, 1, now)).count();
        assert_eq!(allowed(&mut limit, start), 20);
        assert_eq!(allowed(&mut limit, start + Duration::from_secs(1)), 10);
        assert_eq!(allowed(&mut limit, start + Duration::from_secs(60)), 20);
    }

    #[test]
    fn zero_means_no_answers() {
        assert!(!AnswerLimit::new(0).allows(IpAddr::from([192, 0, 2, 1]), 1, Timestamp::default()));
    }

    #[test]
    fn units_may_be_bytes() {
        let mut limit = AnswerLimit::new(64 * 1024);
        let source = IpAddr::from([192, 0, 2, 1]);
        let sent = (0..1_000).filter(|_| limit.allows(source, 1_000, Timestamp::default())).count();
        assert_eq!(sent, 131);
        assert!(!limit.allows(source, 1 << 40, Timestamp::from_micros(1 << 40)));
    }
}
