//! Flows: who talks to what, what was decided, how it is translated, when it ends.
//!
//! Owns the flow table, NAT aliases, protocol state and deadlines. Refuses I/O, clocks and randomness: time and seeds are
//! handed in, what happened is handed out.

mod key;

pub use key::{FlowId, FlowKey, Transport};
