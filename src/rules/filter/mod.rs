//! The filter language: pcap-filter text in, a predicate over IP packets out.
//!
//! Owns lexer, syntax tree, parser, compiler and evaluator. Refuses I/O while matching; means what libpcap means on raw IP.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What a filter looks at: the bytes from the IP header on, and how long the packet was on the wire.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Bytes from the first byte of the IP header; may be cut short in captures.
    pub bytes: &'a [u8],
    /// Length of the packet on the wire in bytes, from the IP header on; what `len`, `less` and `greater` see.
    pub wire_len: usize,
}

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {}

/// Conditions that every packet matched by a filter fulfils: what the index and the firewall may rely on. `None` is "any".
/// Never too narrow; may be too wide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// IP protocol numbers (IPv4 `protocol`, IPv6 upper-layer header).
    pub protocols: Option<Vec<u8>>,
    /// Destination ports, sorted, not overlapping.
    pub dst_ports: Option<Vec<RangeInclusive<u16>>>,
    /// Source ports, sorted, not overlapping.
    pub src_ports: Option<Vec<RangeInclusive<u16>>>,
    /// Source prefixes: address and length in bits.
    pub src_nets: Option<Vec<(IpAddr, u8)>>,
    /// Destination prefixes: address and length in bits.
    pub dst_nets: Option<Vec<(IpAddr, u8)>>,
}
