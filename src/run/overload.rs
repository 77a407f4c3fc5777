//! What an operator is told when a limit is hit: one line when that begins, with cause and mend, and one when it is over, with how much it was.
//!
//! The counters say everything else. So a flood costs two lines, however long it lasts and however many packets it has.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::control::{Counter, Counters};

/// A burst is over when nothing more was hit for so long. So each cause has at most two lines in this time.
const QUIET: Duration = Duration::from_secs(30);

/// A limit, and what hitting it means.
struct Cause {
    counters: &'static [Counter],
    name: &'static str,
    /// What happens, and what has happened by the end.
    happens: &'static str,
    happened: &'static str,
    mend: &'static str,
}

const CAUSES: [Cause; 9] = [
    Cause {
        counters: &[Counter::KernelQueueDropped],
        name: "full queue",
        happens: "packets are dropped",
        happened: "packets were dropped",
        mend: "raise engine.queues if CPUs are idle, or engine.queue_len for short bursts",
    },
    Cause {
        counters: &[Counter::QueuesFoundFull],
        name: "full queue that fails open",
        happens: "packets pass undecided",
        happened: "times a queue was found full",
        mend: "raise engine.queues if CPUs are idle, or engine.queue_len for short bursts",
    },
    Cause {
        counters: &[Counter::KernelUserDropped],
        name: "full receive buffer",
        happens: "packets are dropped",
        happened: "packets were dropped",
        mend: "raise engine.queues if CPUs are idle, or engine.receive_buffer_bytes for short bursts",
    },
    Cause {
        counters: &[Counter::KernelUserPassed],
        name: "full receive buffer that fails open",
        happens: "packets pass undecided",
        happened: "packets passed undecided",
        mend: "raise engine.queues if CPUs are idle, or engine.receive_buffer_bytes for short bursts",
    },
    Cause {
        counters: &[Counter::FlowsEvicted, Counter::FlowsRefused],
        name: "full flow table",
        happens: "half-open flows end early, and new ones are refused",
        happened: "flows ended early or were refused",
        mend: "raise engine.max_flows, or limit sources with engine.new_flows_per_source",
    },
    Cause {
        counters: &[Counter::FlowsLimited],
        name: "new flows of a source",
        happens: "first packets are not decided",
        happened: "first packets were not decided",
        mend: "raise engine.new_flows_per_source if these visitors are wanted",
    },
    Cause {
        counters: &[Counter::SessionsRefusedTotal],
        name: "sessions",
        happens: "connections are closed",
        happened: "connections were closed",
        mend: "raise server.max_sessions, or lower server.idle_timeout_secs",
    },
    Cause {
        counters: &[Counter::SessionsRefusedSource],
        name: "sessions of a source",
        happens: "connections are closed",
        happened: "connections were closed",
        mend: "raise server.max_sessions_per_source if these visitors are wanted",
    },
    Cause {
        counters: &[Counter::EventsLost],
        name: "full event queue",
        happens: "events are lost",
        happened: "events were lost",
        mend: "raise events.queue_len, or give rules that make many events `log: false`",
    },
];

/// Watches the counters of limits.
#[derive(Debug, Default)]
pub(super) struct Overload {
    bursts: [Burst; CAUSES.len()],
}

/// One cause as last seen.
#[derive(Debug, Default)]
struct Burst {
    hits: u64,
    under_way: Option<UnderWay>,
}

#[derive(Debug, Clone, Copy)]
struct UnderWay {
    began: Timestamp,
    last: Timestamp,
    hits_before: u64,
}

impl Overload {
    /// Looks at the counters and says what has begun or is over. To be called a few times a second.
    pub(super) fn look(&mut self, counters: &Counters, now: Timestamp, mut say: impl FnMut(String)) {
        for (burst, cause) in self.bursts.iter_mut().zip(&CAUSES) {
            if burst.takes_note(cause.hits(counters), now) {
                say(cause.beginning());
            }
            if burst.under_way.is_some_and(|burst| now.saturating_since(burst.last) >= QUIET) {
                burst.under_way.take().into_iter().for_each(|under_way| say(cause.end(&under_way, burst.hits)));
            }
        }
    }

    /// Looks for the last time: whatever is under way is over.
    pub(super) fn finish(&mut self, counters: &Counters, now: Timestamp, mut say: impl FnMut(String)) {
        self.look(counters, now, &mut say);
        for (burst, cause) in self.bursts.iter_mut().zip(&CAUSES) {
            burst.under_way.take().into_iter().for_each(|under_way| say(cause.end(&under_way, burst.hits)));
        }
    }
}

impl Burst {
    /// Takes note of how often the limit was hit so far; true when that begins a burst.
    fn takes_note(&mut self, hits: u64, now: Timestamp) -> bool {
        if hits <= self.hits {
            return false;
        }
        let hits_before = std::mem::replace(&mut self.hits, hits);
        match &mut self.under_way {
            Some(under_way) => {
                under_way.last = now;
                false
            }
            None => {
                self.under_way = Some(UnderWay { began: now, last: now, hits_before });
                true
            }
        }
    }
}

impl Cause {
    fn hits(&self, counters: &Counters) -> u64 {
        self.counters.iter().map(|&counter| counters.value(counter)).sum()
    }

    fn beginning(&self) -> String {
        let Self { name, happens, mend, .. } = self;
        format!("{name}: {happens}; {mend}")
    }

    fn end(&self, under_way: &UnderWay, hits: u64) -> String {
        let Self { name, happened, .. } = self;
        let count = hits - under_way.hits_before;
        let seconds = under_way.last.saturating_since(under_way.began).as_secs() + 1;
        format!("{name}: over, {count} {happened} within {seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTINGS;
    use crate::control::COUNTERS;

    /// Hits a limit at these seconds, looks four times a second until `end`, and returns what is said and when.
    fn said(hits: &[(u64, u64)], end: u64) -> Vec<(u64, String)> {
        let (counters, mut overload, mut said) = (Counters::default(), Overload::default(), Vec::new());
        for quarter in 0..end * 4 {
            let second = quarter / 4;
            for (_, count) in hits.iter().filter(|(at, _)| at * 4 == quarter) {
                counters.add(Counter::EventsLost, *count);
            }
            let now = Timestamp::from_micros(1_700_000_000_000_000 + quarter * 250_000);
            overload.look(&counters, now, |line| said.push((second, line)));
        }
        let now = Timestamp::from_micros(1_700_000_000_000_000 + end * 1_000_000);
        overload.finish(&counters, now, |line| said.push((end, line)));
        said
    }

    #[test]
    fn a_burst_has_one_line_at_its_beginning_and_one_with_the_count_when_it_is_over() {
        let hour: Vec<_> = (10..3_610).map(|second| (second, 1_000)).collect();
        let said = said(&hour, 5_000);
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0].0, 10);
        assert!(said[0].1.starts_with("full event queue: events are lost; raise events.queue_len"), "{said:?}");
        assert_eq!(said[1], (3_639, "full event queue: over, 3600000 events were lost within 3600 s".to_owned()));
    }

    #[test]
    fn hits_now_and_then_are_one_burst_and_later_ones_another() {
        assert_eq!(said(&[(0, 1), (20, 1), (45, 1)], 300).len(), 2);
        let lines = said(&[(0, 5), (100, 7)], 300);
        assert_eq!(lines.iter().map(|(second, _)| *second).collect::<Vec<_>>(), [0, 30, 100, 130]);
        assert!(lines[1].1.contains(" 5 events") && lines[3].1.contains(" 7 events"), "{lines:?}");
        let trickle: Vec<_> = (0..60).map(|minute| (minute * 60, 1)).collect();
        assert_eq!(said(&trickle, 3_600).len(), 120, "two lines a minute at most, whatever comes");
    }

    #[test]
    fn a_burst_under_way_at_the_end_of_the_run_is_told() {
        let lines = said(&[(10, 3)], 12);
        assert_eq!(lines, [lines[0].clone(), (12, "full event queue: over, 3 events were lost within 1 s".to_owned())]);
        assert!(said(&[], 100).is_empty());
    }

    #[test]
    fn every_cause_has_a_mend_that_exists() {
        for cause in &CAUSES {
            let keys: Vec<_> = cause.mend.split([' ', ',']).filter(|word| word.contains('.')).collect();
            assert!(!keys.is_empty(), "{}", cause.name);
            for key in keys {
                assert!(SETTINGS.iter().any(|setting| setting.name() == key), "no setting {key}");
            }
            assert!(cause.counters.iter().all(|counter| COUNTERS.iter().any(|(known, ..)| known == counter)));
        }
    }
}
