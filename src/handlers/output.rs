//! What a handler asks for during one call.

use std::borrow::Cow;

use super::{Download, Sample};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::Event;

/// How a handler ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Send what is queued, then FIN.
    Graceful,
    /// TCP reset; queued bytes are lost.
    Reset,
}

/// The rest of the session belongs to another handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Name of the handler that takes over.
    pub handler: Cow<'static, str>,
    /// What the visitor has sent so far: the first `data` of the new handler.
    pub bytes: Vec<u8>,
}

/// What a handler asks for: collected during one call, carried out by the server afterwards. One `Output` serves many calls, so
/// that sending needs no allocation.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Events to record; flow, addresses, rule and handler are filled in by the server.
    pub events: Vec<Event>,
    /// Files that arrived inline, to be stored.
    pub samples: Vec<Sample>,
    /// Files that the visitor named, to be fetched or not.
    pub downloads: Vec<Download>,
    /// Counters to raise by one.
    pub counts: Vec<Counter>,
    /// New deadline: `Some(Some(t))` sets, `Some(None)` clears, `None` leaves the old one.
    pub deadline: Option<Option<Timestamp>>,
    /// End of the session.
    pub close: Option<Close>,
    /// Another handler takes over; stronger than `close`.
    pub hand_over: Option<HandOver>,
}

impl Output {
    /// Queues bytes for the visitor (UDP: one datagram).
    pub fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Everything queued, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was queued, send by send: the datagrams of a UDP session.
    pub fn sends(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends.iter().copied()).filter_map(|(start, end)| self.bytes.get(start..end))
    }

    /// Forgets what was sent, keeps the room for the next call.
    pub fn clear_sends(&mut self) {
        /// A longer buffer is given back: one large answer shall not be paid for ever after.
        const KEPT: usize = 256 * 1024;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.ends.clear();
        self.ends.shrink_to(KEPT);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.clear_sends();
        self.events.clear();
        self.samples.clear();
        self.downloads.clear();
        self.counts.clear();
        self.deadline = None;
        self.close = None;
        self.hand_over = None;
    }
}
