//! Events: what happened, as one JSON object a line, on its way to the sinks.
//!
//! Owns [`Event`], the bounded queue to the sink threads and one sink a file. Refuses to block a sender: an event that finds no room is
//! counted and dropped.
//!
//! ```text
//! queue workers, server workers -> EventSender -> bounded queue -> EventWriter: one thread makes lines
//!                                                                   -> bounded queue -> sink thread (file)
//!                                                                   -> bounded queue -> sink thread (stdout)
//! ```
//! Start-up has two steps, because files are opened before privileges are given up and threads are started after:
//! [`open_sinks`], then [`EventWriter::start`].

mod event;
mod json;
mod line;
mod queue;
mod record;
mod sensor_id;
mod sink;
mod writer;

pub use crate::flow::{CloseReason, FlowEvent, FlowRef, FlowTotals};
pub use event::{Event, Level};
pub use line::LineFormat;
pub use queue::{EventSender, channel};
pub use record::Record;
pub use sensor_id::sensor_id;
pub use sink::{Block, Opened, Owner, SINKS, Sink, SinkError, SinkKind, WriteError, open_sinks};
pub use writer::EventWriter;

#[cfg(test)]
mod tests;
