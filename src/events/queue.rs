//! The bounded queue between those who see something and the thread that writes it down.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{FlowEvent, Record};
use crate::control::{Counter, Counters};

/// The end of the queue that every worker holds. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct EventSender {
    queue: Sender<Record>,
    counters: Arc<Counters>,
}

impl EventSender {
    /// Hands over a record. Never blocks and never allocates: a record that finds no room is dropped and counted
    /// ([`Counter::EventsLost`]), and the writer says how many once there is room again. Flows of a rule with `log: false` are passed
    /// over, and what happens in their sessions.
    pub fn send(&self, record: Record) {
        if matches!(record, Record::Flow(FlowEvent::Closed { .. })) {
            self.counters.count(Counter::FlowsClosed);
        }
        if record.flow().is_some_and(|flow| !flow.rule.log) {
            return;
        }
        if self.queue.try_send(record).is_err() {
            self.counters.count(Counter::EventsLost);
        }
    }
}

/// A queue for at most `capacity` records (at least 1), its memory taken at once. The receiving end goes to
/// [`EventWriter::start`](super::EventWriter::start), or to a test that looks at the records.
pub fn channel(capacity: usize, counters: Arc<Counters>) -> (EventSender, Receiver<Record>) {
    let (queue, records) = bounded(capacity.max(1));
    (EventSender { queue, counters }, records)
}
