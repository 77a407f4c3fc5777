//! How many UDP answers one source gets: a forged source address shall not make this sensor flood somebody.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

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
    /// Time that one answer costs, in microseconds; `None` = no answers at all.
    interval: Option<u64>,
    hash: RandomState,
}

impl AnswerLimit {
    /// So many answers a second, twice as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        let second = Duration::from_secs(1).as_micros();
        let interval =
            u64::try_from(second).unwrap_or(0).checked_div(u64::from(per_second)).map(|micros| micros.max(1));
        Self { emptied: vec![0; usize::try_from(BUCKETS).unwrap_or(0)].into(), interval, hash: RandomState::new() }
    }

    /// One more answer to this address may be sent, and is counted.
    pub(super) fn allows(&mut self, client: IpAddr, now: Timestamp) -> bool {
        let bucket = usize::try_from(self.hash.hash_one(source_of(client)) % BUCKETS).unwrap_or(0);
        let (Some(interval), Some(emptied)) = (self.interval, self.emptied.get_mut(bucket)) else { return false };
        let now = now.as_micros();
        let burst = 2_000_000;
        let after = (*emptied).max(now).saturating_add(interval);
        let allowed = after <= now.saturating_add(burst);
        if allowed {
            *emptied = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gets_a_burst_and_then_its_rate() {
        let mut limit = AnswerLimit::new(10);
        let source = IpAddr::from([192, 0, 2, 1]);
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let allowed = |limit: &mut AnswerLimit, now| (0..1_000).filter(|_| limit.allows(source, now)).count();
        assert_eq!(allowed(&mut limit, start), 20);
        assert_eq!(allowed(&mut limit, start + Duration::from_secs(1)), 10);
        assert_eq!(allowed(&mut limit, start + Duration::from_secs(60)), 20);
    }

    #[test]
    fn zero_means_no_answers() {
        assert!(!AnswerLimit::new(0).allows(IpAddr::from([192, 0, 2, 1]), Timestamp::default()));
    }
}
