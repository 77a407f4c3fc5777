//! Control: the counters of the engine and, later, the socket that shows them.
//!
//! Owns every counter and its name. Refuses to decide anything.

mod counter;
mod metrics;

pub use counter::{COUNTERS, Counter, Counters};
