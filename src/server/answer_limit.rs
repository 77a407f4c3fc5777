//! How many UDP answers, and bytes of them, one source gets: a forged source address shall not make this sensor flood somebody.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::admission::source_of;
use crate::clock::Timestamp;
use crate::config;

/// Sources that hash to the same bucket share its rate. So memory is fixed, and a flood from many forged sources makes answers
/// rarer, never more frequent.
const BUCKETS: u64 = 65_536;

/// A rate for every source: the generic cell rate algorithm (ITU-T I.371), one time a bucket. All workers share it, without locks.
#[derive(Debug)]
pub(super) struct AnswerLimit {
    /// When each bucket would be empty again, in microseconds.
    emptied: Box<[AtomicU64]>,
    per_second: u64,
    hash: RandomState,
}

impl AnswerLimit {
    /// So many units a second, twice as many at once; 0: none at all.
    pub(super) fn new(per_second: u32) -> Self {
        let emptied = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        Self { emptied, per_second: per_second.into(), hash: RandomState::new() }
    }

    /// So many more units may go to this address, and are counted.
    pub(super) fn allows(&self, client: IpAddr, units: u64, now: Timestamp) -> bool {
        /// Two seconds in microseconds.
        const BURST: u64 = 2_000_000;
        let bucket = usize::try_from(self.hash.hash_one(source_of(client)) % BUCKETS).unwrap_or(0);
        let cost = units.saturating_mul(1_000_000).checked_div(self.per_second);
        let (Some(cost), Some(emptied)) = (cost, self.emptied.get(bucket)) else { return false };
        let now = now.as_micros();
        let after = |emptied: u64| {
            let after = emptied.max(now).saturating_add(cost.max(1));
            (after <= now.saturating_add(BURST)).then_some(after)
        };
        emptied.fetch_update(Relaxed, Relaxed, after).is_ok()
    }
}

/// What all workers together send to one source.
#[derive(Debug)]
pub(super) struct AnswerLimits {
    pub(super) datagrams: AnswerLimit,
    pub(super) bytes: AnswerLimit,
}

impl AnswerLimits {
    /// As the configuration has it.
    pub(super) fn new(limits: &config::Server) -> Arc<Self> {
        Arc::new(Self {
            datagrams: AnswerLimit::new(limits.udp_answers_per_source),
            bytes: AnswerLimit::new(limits.udp_answer_bytes_per_source),
        })
    }
}

/// What one call of a handler has to say: sent whole or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

impl Answer {
    /// These datagrams together.
    pub(super) fn of<'a>(datagrams: impl Iterator<Item = &'a [u8]>) -> Self {
        datagrams.fold(Self { datagrams: 0, bytes: 0 }, |sum, datagram| Self {
            datagrams: sum.datagrams + 1,
            bytes: sum.bytes + datagram.len() as u64,
        })
    }
}

/// Datagrams and bytes that came in one session and have not been answered yet: what may go to an address that nothing has proved.
#[derive(Debug, Default)]
pub(super) struct Credit {
    datagrams: u64,
    bytes: u64,
}

impl Credit {
    /// A datagram of this many bytes came.
    pub(super) fn earn(&mut self, bytes: u64) {
        self.datagrams += 1;
        self.bytes += bytes;
    }

    /// Takes this answer when it is covered; what it leaves over helps the next one.
    pub(super) fn spend(&mut self, answer: &Answer) -> bool {
        let left = self.datagrams.checked_sub(answer.datagrams).zip(self.bytes.checked_sub(answer.bytes));
        if let Some((datagrams, bytes)) = left {
            *self = Self { datagrams, bytes };
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_source_gets_a_burst_and_then_its_rate() {
        let limit = AnswerLimit::new(10);
        let source = IpAddr::from([192, 0, 2, 1]);
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let allowed = |limit: &AnswerLimit, now| (0..1_000).filter(|_| limit.allows(source, 1, now)).count();
        assert_eq!(allowed(&limit, start), 20);
        assert_eq!(allowed(&limit, start + Duration::from_secs(1)), 10);
        assert_eq!(allowed(&limit, start + Duration::from_secs(60)), 20);
    }

    #[test]
    fn zero_means_no_answers() {
        assert!(!AnswerLimit::new(0).allows(IpAddr::from([192, 0, 2, 1]), 1, Timestamp::default()));
    }

    proptest! {
        #[test]
        fn no_more_datagrams_and_bytes_go_out_than_came_in(
            turns in prop::collection::vec((prop::option::of(0..1_500_u64), 1..4_u64, 0..3_000_u64), 0..200),
        ) {
            let (mut credit, mut came, mut went) = (Credit::default(), (0, 0), (0, 0));
            for (datagram, datagrams, bytes) in turns {
                if let Some(bytes) = datagram {
                    credit.earn(bytes);
                    came = (came.0 + 1, came.1 + bytes);
                }
                let is_covered = went.0 + datagrams <= came.0 && went.1 + bytes <= came.1;
                prop_assert_eq!(credit.spend(&Answer { datagrams, bytes }), is_covered);
                if is_covered {
                    went = (went.0 + datagrams, went.1 + bytes);
                }
            }
        }
    }

    #[test]
    fn units_may_be_bytes() {
        let limit = AnswerLimit::new(64 * 1024);
        let source = IpAddr::from([192, 0, 2, 1]);
        let sent = (0..1_000).filter(|_| limit.allows(source, 1_000, Timestamp::default())).count();
        assert_eq!(sent, 131);
        assert!(!limit.allows(source, 1 << 40, Timestamp::from_micros(1 << 40)));
    }
}
