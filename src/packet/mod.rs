//! Packets: checked headers, checksums, rewriting in place.
//!
//! Owns the bytes of IPv4, IPv6, TCP, UDP, ICMP and ICMPv6. Refuses state, I/O and allocation. [`Packet::parse`] proves every length
//! once; what it returns can be trusted by whoever rewrites. All numbers are in host byte order, all offsets count from the first
//! byte of the (outer) IP header.

mod address;
mod checksum;
mod error_message;
mod parse;
mod rewrite;
mod transport;

pub use address::Address;
pub use checksum::{Checksum, Sum, transport_checksum_is_valid};
pub use error_message::{Quoted, rewrite_quoted};
pub use parse::{Malformed, MalformedReason, Packet, Payload, Tcp, tcp_flag};
pub use rewrite::{Endpoints, rewrite};
pub use transport::Transport;

/// Reads a big-endian 16-bit number, `None` past the end.
fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|b| u16::from_be_bytes(*b))
}

/// Reads a big-endian 32-bit number, `None` past the end.
fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

/// Writes a big-endian 16-bit number; past the end nothing happens (callers have parsed the packet).
fn write_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(slot) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        *slot = value.to_be_bytes();
    }
}
