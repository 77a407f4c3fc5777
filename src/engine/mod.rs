//! The engine: one pure call, `decide`, that says what becomes of a packet.
//!
//! Owns the order of things: known flow, rules, new flow, translation. Refuses I/O, clocks, randomness, allocation and panics:
//! the same bytes, state and time give the same decision, live, in `replay`, in tests, benches and fuzzers.

mod capture;
mod decide;
mod kernel;
mod limit;
mod source_limit;

#[cfg(test)]
mod tests;

pub use crate::packet::Checksum;
pub use capture::Capture;
pub use decide::{Engine, Settings};
pub use kernel::{Course, Kernel, MarkField};
pub use limit::LIMITED_ADDRESSES;

/// Where the kernel diverted the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// mangle PREROUTING: from outside, on its way in.
    In,
    /// raw OUTPUT: made by this host, on its way out.
    Out,
}

/// What the kernel says about a packet besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Where it was diverted.
    pub hook: Hook,
    /// State of the transport checksum.
    pub checksum: Checksum,
    /// The packet mark as received.
    pub mark: u32,
    /// Interface index it came in by (`Hook::In`) or leaves by (`Hook::Out`); 0 when unknown.
    pub ifindex: u32,
}

/// What the kernel shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Accept,
    /// Free the packet.
    Drop,
    /// Begin the hook again, with the mark that goes along.
    Repeat,
}

/// The answer of `decide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What the kernel shall do.
    pub verdict: Verdict,
    /// The packet's bytes were changed in place and must be written back.
    pub rewritten: bool,
    /// A mark to set; `None` leaves the received one.
    pub mark: Option<u32>,
}

impl Decision {
    /// Go on, untouched.
    pub const ACCEPT: Self = Self { verdict: Verdict::Accept, rewritten: false, mark: None };
    /// Free the packet.
    pub const DROP: Self = Self { verdict: Verdict::Drop, rewritten: false, mark: None };
    /// Go on with the changed bytes.
    pub const REWRITTEN: Self = Self { verdict: Verdict::Accept, rewritten: true, mark: None };
}
