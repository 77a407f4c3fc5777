//! Flows: who talks to what, what was decided, how it is translated, when it ends.
//!
//! Owns the flow table, NAT aliases, protocol state and deadlines. Refuses I/O, clocks and randomness: time and seeds are
//! handed in, what happened is handed out as records.
//!
//! A flow is found by two tuples: what the client dialled, and what that was translated to. Both lead to the same entry, which is also in a
//! timer wheel (when does it end) and in a class of worth (who goes first when the table is full).

mod entry;
mod event;
mod hash;
mod index;
mod key;
mod lists;
mod passage;
mod shard;
mod state;
mod table;
mod tuple;

#[cfg(test)]
mod simulation;

pub use crate::packet::Transport;
pub use entry::{Disposition, Translation};
pub use event::{CloseReason, FlowEvent, FlowRef, FlowTotals};
pub use key::{FlowId, FlowKey};
pub use passage::{Admission, Known, NewFlow, Passage, Refusal};
pub use state::{Direction, State};
pub use table::{FlowTable, Inbound, Seed};
pub use tuple::Tuple;
