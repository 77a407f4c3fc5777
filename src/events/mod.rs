//! Events: what happened, as one JSON object a line, on its way to the sinks.
//!
//! Owns [`Event`], the bounded queue to the sink threads and one sink a file. Refuses to block a sender: an event that finds no room is
//! counted and dropped.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::flow::{FlowId, FlowKey};
use crate::rules::Rule;

/// Severity, printed in lower case (T-Pot's collectors read it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Ordinary.
    #[default]
    Info,
    /// Worth a look by the operator.
    Warn,
    /// Something of ours failed.
    Error,
}

/// Something that happened in a session or in the sensor.
///
/// Handlers make it with [`Event::new`] and fields of their own; the server fills in flow, addresses, rule and handler.
#[derive(Debug, Clone)]
pub struct Event {
    /// The `event` field: `payload`, `login`, `command`, `request`, ...
    pub kind: &'static str,
    /// The `msg` field: one line for a person.
    pub msg: String,
    /// The `level` field.
    pub level: Level,
    /// Further top-level fields, in order.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl Event {
    /// An event of this kind with one line for a person.
    pub fn new(kind: &'static str, msg: impl Into<String>) -> Self {
        Self { kind, msg: msg.into(), level: Level::Info, fields: serde_json::Map::new() }
    }

    /// Adds a top-level field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// Why a flow ended: the `reason` field of `flow_close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// FIN both ways.
    Finished,
    /// RST seen.
    Reset,
    /// Nothing came for the timeout of its state.
    Timeout,
    /// The table was full and this flow was the least worth keeping.
    Evicted,
    /// The same five-tuple began anew.
    Replaced,
    /// The engine stopped.
    Shutdown,
}

impl CloseReason {
    /// The text in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Evicted => "evicted",
            Self::Replaced => "replaced",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Totals of a flow at its end, both directions as the visitor sees them (in = from the visitor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowTotals {
    /// Packets from the visitor.
    pub packets_in: u64,
    /// Packets to the visitor.
    pub packets_out: u64,
    /// IP bytes from the visitor.
    pub bytes_in: u64,
    /// IP bytes to the visitor.
    pub bytes_out: u64,
}

/// The flow that a record is about. Cloning costs one reference count, no allocation.
#[derive(Debug, Clone)]
pub struct FlowRef {
    /// Number of the flow.
    pub id: FlowId,
    /// Who dialled what.
    pub key: FlowKey,
    /// The rule that took it.
    pub rule: Arc<Rule>,
}

/// What travels on the bounded queue: flow records are plain data, so a queue worker can send them without allocating.
#[derive(Debug, Clone)]
pub enum Record {
    /// A rule took a new flow.
    FlowOpen {
        /// When the first packet was seen.
        at: Timestamp,
        /// Which flow.
        flow: FlowRef,
    },
    /// A flow ended.
    FlowClose {
        /// When it ended.
        at: Timestamp,
        /// Which flow.
        flow: FlowRef,
        /// When it began.
        opened: Timestamp,
        /// What was counted.
        totals: FlowTotals,
        /// Why it ended.
        reason: CloseReason,
    },
    /// Something happened in a session of this flow.
    Session {
        /// When.
        at: Timestamp,
        /// Which flow.
        flow: FlowRef,
        /// Name of the handler (`proxy` for relays).
        handler: Arc<str>,
        /// What.
        event: Box<Event>,
    },
    /// Something happened in the sensor itself.
    Sensor {
        /// When.
        at: Timestamp,
        /// What.
        event: Box<Event>,
    },
}
