//! The filter language: pcap-filter text in, a predicate over IP packets out.
//!
//! Owns lexer, syntax tree, parser, compiler and evaluator. Refuses I/O while matching; means what libpcap means on raw IP.
//!
//! A text goes through `lexer`, `parser` (with `qualifier` and `name`: all names are resolved here), `code` (basic blocks),
//! `optimize` and `program`. The optimizer is part of the meaning: it decides which loads happen, and a load beyond the end of a
//! packet rejects it; so ours does what libpcap's does. `tests/filter_agreement.rs` holds the whole against tcpdump.
//!
//! Beyond libpcap there are `payload contains "TEXT"` and `payload matches /REGEX/` (`/REGEX/i` in either case), see `payload`,
//! `src in @FILE`, `dst in @FILE`, see `list`, and what the kernel says about a packet besides its bytes: `from iface NAME`, where
//! NAME becomes an index when the filter is compiled, and `mark VALUE`, `mark VALUE/MASK`. The packets of a capture came by no
//! interface and have mark 0.
//!
//! Known differences from libpcap 1.10, all deliberate:
//! - `ether`, `link` and their aliases, `pppoed`, `pppoes` and `geneve` are refused, though libpcap compiles them on raw IP: there
//!   is no link layer, and filters do not look into tunnels.
//! - `protochain` gives up after 256 headers, where libpcap may loop for ever.
//! - A filter of more than 4096 blocks is run as it was generated, as with `tcpdump -O`.

mod alternative;
mod ast;
mod code;
mod constraint;
mod error;
mod explain;
mod implication;
mod lexer;
mod list;
mod name;
mod optimize;
mod parser;
mod payload;
mod program;
mod qualifier;
mod word;

use std::net::IpAddr;
use std::ops::RangeInclusive;

pub(super) use alternative::Alternatives;
pub use error::FilterError;
pub use explain::Mismatch;
pub(super) use list::{Disk, ListFiles, open_list};

use ast::{Expr, Primitive};
use program::Program;

/// Bytes of filter text.
pub const MAX_TEXT_LEN: usize = 64 * 1024;

/// What a filter looks at: the bytes from the IP header on, how long the packet was on the wire, and what the kernel says about it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Bytes from the first byte of the IP header; may be cut short in captures.
    pub bytes: &'a [u8],
    /// Length of the packet on the wire in bytes, from the IP header on; what `len`, `less` and `greater` see.
    pub wire_len: usize,
    /// The mark that the packet came with; what `mark` sees.
    pub mark: u32,
    /// Index of the interface that the packet came in by; what `from iface` sees. 0 is none.
    pub ifindex: u32,
}

impl<'a> Input<'a> {
    /// A packet about which the kernel says nothing, as one of a capture: without mark and interface.
    pub const fn new(bytes: &'a [u8], wire_len: usize) -> Self {
        Self { bytes, wire_len, mark: 0, ifindex: 0 }
    }

    /// The same packet with this mark, come in by the interface of this index.
    #[must_use]
    pub const fn with_meta(self, mark: u32, ifindex: u32) -> Self {
        Self { mark, ifindex, ..self }
    }
}

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {
    text: String,
    /// `None` for an empty text.
    expr: Option<Expr>,
    program: Program,
}

impl Filter {
    /// Matches every packet: what an empty text means.
    pub fn everything() -> Self {
        Self { text: String::new(), expr: None, program: Program::accept_all() }
    }

    /// Compiles pcap-filter text; text of white space alone matches every packet.
    ///
    /// Names are resolved here and nowhere else: services, protocols and networks in the files under `/etc`, hosts by the
    /// system's resolver (which may take its time). Lists (`@FILE`) are read here, too; their paths are taken as they are.
    ///
    /// # Errors
    /// All mistakes of the text at once, the first leading. As in libpcap, a filter that no packet can match is a mistake.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_with(text, &mut Disk)
    }

    /// As [`Filter::parse`], with lists from `files` instead of the disk.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub(in crate::rules) fn parse_with(text: &str, files: &mut dyn ListFiles) -> Result<Self, FilterError> {
        if text.len() > MAX_TEXT_LEN {
            let message = format!("the filter has {} bytes, {MAX_TEXT_LEN} are the most", text.len());
            return Err(FilterError::new(0..text.len(), message));
        }
        if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            return Ok(Self::everything());
        }
        let expr = parser::parse(text, files)?;
        let mut graph = code::generate(&expr)?;
        let whole = 0..text.len();
        optimize::optimize(&mut graph).map_err(|why| FilterError::new(whole.clone(), why.to_string()))?;
        if graph[graph.root].end == code::End::Return(false) {
            let message = if expr.any(&Primitive::is_beside_ip) {
                "no packet can match this filter: all are IP, NFQUEUE shows no link layer"
            } else {
                "no packet can match this filter"
            };
            return Err(FilterError::new(whole, message));
        }
        Ok(Self { text: text.to_owned(), program: Program::new(graph), expr: Some(expr) })
    }

    /// Whether the packet matches. Allocates nothing; time is bounded by the size of the filter.
    #[inline]
    pub fn matches(&self, input: &Input<'_>) -> bool {
        self.program.run(input)
    }

    /// Conditions that every matching packet fulfils.
    pub fn constraints(&self) -> Constraints {
        self.expr.as_ref().map(constraint::constraints).unwrap_or_default()
    }

    /// The same for each way to match: every matching packet fulfils one of these conditions at least. `port 80` has two, one for
    /// each end; as one condition it has none.
    pub fn alternatives(&self) -> Vec<Constraints> {
        self.alternatives_told().conditions
    }

    /// The same, and whether it is all that the filter asks for.
    pub(super) fn alternatives_told(&self) -> Alternatives {
        self.expr.as_ref().map_or_else(Alternatives::everything, alternative::alternatives)
    }

    /// Whether this filter matches every packet that `narrow` matches, as far as their structure shows; `false` means that it is
    /// not known. Packets that are cut short are left aside.
    pub fn takes_all_of(&self, narrow: &Self) -> bool {
        match (&self.expr, &narrow.expr) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wide), Some(narrow)) => implication::implies(narrow, wide),
        }
    }

    /// Whether it looks behind the transport header: such a filter says nothing before the first packet with data.
    pub fn looks_at_payload(&self) -> bool {
        self.program.looks_at_payload()
    }

    /// Whether the text names this very destination port (host byte order), not under a `not`. A range names none: who writes
    /// `portrange 1-1024` need not have thought of the operator's SSH.
    pub fn names_dst_port(&self, port: u16) -> bool {
        self.expr.as_ref().is_some_and(|expr| constraint::names_dst_port(expr, port))
    }

    /// The text that was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Conditions that every packet matched by a filter fulfils: what the index and the firewall may rely on. `None` is "any".
/// Never too narrow; may be too wide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// IP protocol numbers (IPv4 `protocol`, IPv6 upper-layer header), sorted.
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

#[cfg(test)]
mod tests;
