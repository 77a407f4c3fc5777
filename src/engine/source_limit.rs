//! How many flows one source may open (`new_flows_per_source`).
//!
//! Asked for packets that belong to no flow, before any rule for flows is: what a flooding source costs is then a look into the flow table and one into
//! the table of sources, whatever the rules are. Flows that are open already go on.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Decision;
use super::limit::{Allowances, Answer, Applicant, Rate};
use crate::config::Beyond;
use crate::control::{Counter, Counters};
use crate::flow::FlowTable;

/// As many flows at once as this time allows.
const BURST: Duration = Duration::from_secs(2);

/// The allowance of every source.
#[derive(Debug)]
pub(super) struct SourceLimit {
    allowances: Allowances,
    rate: Rate,
    beyond: Decision,
}

impl SourceLimit {
    pub(super) fn new(per_second: NonZeroU32, beyond: Beyond) -> Self {
        let beyond = match beyond {
            Beyond::Drop => Decision::DROP,
            Beyond::Pass => Decision::ACCEPT,
        };
        let rate = Rate::new(Duration::from_secs(1), per_second, BURST);
        Self { allowances: Allowances::new(), rate, beyond }
    }

    /// Counts a packet that would open a flow against its source. What becomes of it when that has no more allowance; `None` when the rules
    /// shall say.
    pub(super) fn refuse(&self, applicant: Applicant<'_>, flows: &FlowTable, counters: &Counters) -> Option<Decision> {
        let key = flows.keyed_hash(&applicant.tuple.client.source().words());
        match self.allowances.ask(key, self.rate, applicant.now) {
            Answer::Granted => None,
            Answer::GrantedAtACost => {
                counters.count(Counter::LimitEvictions);
                None
            }
            Answer::Exceeded => {
                counters.count(Counter::FlowsLimited);
                Some(self.beyond)
            }
        }
    }
}
