//! What the table is told about a packet or a new flow, and what it answers.

use std::sync::Arc;

use super::Tuple;
use super::entry::Disposition;
use super::state::Direction;
use crate::clock::Timestamp;
use crate::packet::{Address, Endpoints, Tcp};
use crate::rules::Rule;

/// A flow that a rule has taken.
#[derive(Debug)]
pub struct NewFlow {
    /// Who dialled what.
    pub dialled: Tuple,
    /// The rule.
    pub rule: Arc<Rule>,
    /// What it decided.
    pub disposition: Disposition,
    /// Where translated and redirected packets go; for other dispositions the dialled address and port.
    pub target: (Address, u16),
    /// Where it is translated to instead when the kernel cannot redirect it to `target` because of another flow.
    pub instead: Option<(Address, u16)>,
}

/// Why a flow was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The table is full of flows that are worth more.
    Full,
    /// Every source port of this client towards the target is in use.
    NoAlias,
}

/// What the table knows about a packet of a known flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What was decided.
    pub disposition: Disposition,
    /// How the packet shall leave, if it is translated.
    pub endpoints: Endpoints,
}

/// A packet of a flow, as far as the table cares.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// TCP fields, `None` for other protocols.
    pub tcp: Option<&'a Tcp>,
    /// Length of the IP packet in bytes.
    pub len: usize,
    /// When it was seen.
    pub now: Timestamp,
}

/// What taking a flow in has cost others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Admission {
    /// Another flow was evicted.
    pub evicted: bool,
    /// The source port is translated.
    pub aliased: bool,
    /// The flow should have been redirected, and is translated because of another that is or was.
    pub clashed: bool,
}
