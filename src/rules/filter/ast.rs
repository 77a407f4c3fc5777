//! The syntax tree: primitives with all names resolved, joined by `and`, `or` and `not`.

use std::ops::Range;
use std::sync::Arc;

use super::list::AddressList;
use super::word::Protocol;

/// A filter expression. Its depth is bounded by the parser.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Primitive(Primitive, Range<usize>),
    Not(Box<Expr>),
    /// Joined from left to right: `and` and `or` bind equally.
    Chain(Box<Expr>, Vec<(Join, Expr)>),
}

impl Expr {
    /// Whether some primitive is of a kind.
    pub(super) fn any(&self, is_of_kind: &dyn Fn(&Primitive) -> bool) -> bool {
        match self {
            Self::Primitive(primitive, _) => is_of_kind(primitive),
            Self::Not(inner) => inner.any(is_of_kind),
            Self::Chain(first, rest) => first.any(is_of_kind) || rest.iter().any(|(_, next)| next.any(is_of_kind)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    And,
    Or,
}

/// Which end of the packet an address or port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

/// The network protocol that a primitive is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// Not said.
    Any,
    Ip,
    Ip6,
    Arp,
    Rarp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Primitive {
    /// `tcp`, `ip`, `arp`, ...
    Protocol(Protocol),
    /// `host`, `net` with an IPv4 address; `mask` need not be contiguous.
    Net4 {
        network: Network,
        direction: Direction,
        address: u32,
        mask: u32,
    },
    /// `host`, `net` with an IPv6 address, in words of host byte order.
    Net6 {
        direction: Direction,
        address: [u32; 4],
        mask: [u32; 4],
    },
    /// `port` and `portrange`; `low` may be above `high`.
    Ports {
        transport: Option<u8>,
        direction: Direction,
        low: u16,
        high: u16,
        is_range: bool,
    },
    /// `proto`.
    Number {
        network: Network,
        number: u32,
    },
    /// `protochain`.
    Chain {
        network: Network,
        number: u32,
    },
    Broadcast4,
    Multicast4,
    Multicast6,
    /// Length on the wire at most this.
    AtMost(u32),
    /// Length on the wire at least this.
    AtLeast(u32),
    /// `byte INDEX OP VALUE`.
    Byte {
        index: u32,
        op: ByteOp,
        value: u32,
    },
    /// `payload contains` and `payload matches`.
    Payload(Pattern),
    /// `src in @FILE` and `dst in @FILE`.
    Listed {
        is_source: bool,
        list: Arc<AddressList>,
    },
    /// `LEFT OP RIGHT`, or its negation.
    Relation {
        relation: Relation,
        negated: bool,
        left: Arithmetic,
        right: Arithmetic,
    },
}

impl Primitive {
    /// Whether it is about a protocol that only a link layer could carry beside IP, such as ARP.
    pub(super) const fn is_beside_ip(&self) -> bool {
        match self {
            Self::Protocol(protocol) => {
                protocol.number().is_none() && !matches!(protocol, Protocol::Ip | Protocol::Ip6)
            }
            Self::Net4 { network, .. } => matches!(network, Network::Arp | Network::Rarp),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOp {
    Equal,
    Less,
    Greater,
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Greater,
    GreaterEqual,
}

/// What is looked for behind the transport header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    Bytes(Vec<u8>),
    Regex { text: String, ignore_case: bool },
}

/// An arithmetic expression in the order of its evaluation (postfix), so that no depth of nesting can exhaust the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arithmetic {
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Constant(u32),
    /// Length of the packet on the wire.
    Length,
    /// Replaces an offset by the bytes there, relative to the header of a protocol.
    Load(Protocol, Size),
    Negate,
    /// Replaces two values by one.
    Binary(Operator),
}

/// Bytes of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Size {
    Byte,
    Half,
    Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}
