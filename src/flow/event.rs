//! What the table tells about its flows.

use std::sync::Arc;

use super::{FlowId, FlowKey};
use crate::clock::Timestamp;
use crate::rules::{Action, Rule};

/// Something that happened to a flow.
#[derive(Debug, Clone)]
pub enum FlowEvent {
    /// A rule took a new flow.
    Opened {
        /// When the first packet was seen.
        at: Timestamp,
        /// Which flow.
        flow: FlowRef,
    },
    /// A flow ended.
    Closed {
        /// When it ended.
        at: Timestamp,
        /// Which flow.
        flow: FlowRef,
        /// When it began.
        opened: Timestamp,
        /// What was counted; `None` when the kernel carried the flow to the host and nobody counted.
        totals: Option<FlowTotals>,
        /// Why it ended.
        reason: CloseReason,
    },
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
    /// Left to the kernel after its first packet: its end is not seen here.
    Carried,
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
            Self::Carried => "carried",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Totals of a flow at its end, both directions as the visitor sees them (in = from the visitor). Of a connection that the kernel carried to the sensor they
/// are those of its socket: segments until the session ended, with computed headers.
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

impl FlowRef {
    /// The `handler` field where no session says its own: the handler that the rule binds to, else what the rule does
    /// (`proxy`, `drop`, ...).
    pub fn handler(&self) -> &str {
        match &self.rule.action {
            Action::Handler(name) => name,
            action => action.kind(),
        }
    }
}
