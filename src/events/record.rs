//! What travels on the queue to the writer.

use std::sync::Arc;

use super::Event;
use crate::clock::Timestamp;
use crate::flow::{FlowEvent, FlowRef};

/// What travels on the bounded queue: what happened to flows is plain data, so a queue worker can send it without allocating.
#[derive(Debug, Clone)]
pub enum Record {
    /// A flow began or ended.
    Flow(FlowEvent),
    /// Something happened in a session of this flow.
    Session {
        /// When: the wake-up of the server thread that saw it.
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

impl Record {
    /// The flow that it is about; `None` for the sensor itself.
    pub const fn flow(&self) -> Option<&FlowRef> {
        match self {
            Self::Flow(FlowEvent::Opened { flow, .. } | FlowEvent::Closed { flow, .. })
            | Self::Session { flow, .. } => Some(flow),
            Self::Sensor { .. } => None,
        }
    }
}
