//! Control: the counters of the engine, and the socket by which an operator talks to a running one.
//!
//! Owns every counter and its name, and the form of questions and answers. Refuses to decide anything.

mod counter;
mod metrics;
mod socket;

pub use counter::{COUNTERS, Counter, Counters};
pub use socket::{Answer, CallError, Caller, ControlSocket, Running, call, running};
