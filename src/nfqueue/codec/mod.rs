//! nfnetlink_queue messages: bytes to meaning and back. Pure, checked, no panic on any input.
//!
//! Every message is `nlmsghdr` (16 bytes, host byte order), `nfgenmsg` (4 bytes, the queue number big-endian), then attributes: length
//! and type (2 bytes each, host byte order), value (integers big-endian), zero padding to 4. The length of an attribute never counts its padding.
//! Names and numbers: `linux/netlink.h`, `linux/netfilter/nfnetlink.h`, `linux/netfilter/nfnetlink_queue.h`.

mod config;
mod packet;
mod verdict;

use std::ops::Range;

pub use config::{Bind, COPY_RANGE};
pub use packet::{PacketMessage, SkbInfo};
pub use verdict::{Scope, VerdictMessage};

/// `struct nlmsghdr`: length (4), type (2), flags (2), sequence (4), port (4).
const NLMSG_HEADER: usize = 16;
/// `struct nfgenmsg`: family (1), version (1), queue number (2, big-endian).
const NFGEN_HEADER: usize = 4;
/// `struct nlattr`: length (2), type (2).
const ATTRIBUTE_HEADER: usize = 4;
/// Where attributes begin.
const ATTRIBUTES: usize = NLMSG_HEADER + NFGEN_HEADER;

/// `NLM_F_REQUEST`.
const NLM_F_REQUEST: u16 = 0x01;
/// `NLM_F_ACK`.
const NLM_F_ACK: u16 = 0x04;
/// `NLMSG_ERROR`: an acknowledgement (code 0) or a refusal (negated errno).
const NLMSG_ERROR: u16 = 0x02;
/// `NLA_TYPE_MASK`: the attribute type without its flag bits.
const NLA_TYPE_MASK: u16 = 0x3fff;

/// `NFNL_SUBSYS_QUEUE << 8`, the high byte of every message type here.
const SUBSYSTEM_QUEUE: u16 = 3 << 8;
/// `NFQNL_MSG_PACKET`.
const MSG_PACKET: u16 = SUBSYSTEM_QUEUE;
/// `NFQNL_MSG_VERDICT`.
const MSG_VERDICT: u16 = SUBSYSTEM_QUEUE | 1;
/// `NFQNL_MSG_CONFIG`.
const MSG_CONFIG: u16 = SUBSYSTEM_QUEUE | 2;
/// `NFQNL_MSG_VERDICT_BATCH`.
const MSG_VERDICT_BATCH: u16 = SUBSYSTEM_QUEUE | 3;

/// `NFQA_PACKET_HDR`: `struct nfqnl_msg_packet_hdr`.
const NFQA_PACKET_HDR: u16 = 1;
/// `NFQA_VERDICT_HDR`: `struct nfqnl_msg_verdict_hdr`.
const NFQA_VERDICT_HDR: u16 = 2;
/// `NFQA_MARK`.
const NFQA_MARK: u16 = 3;
/// `NFQA_IFINDEX_INDEV`.
const NFQA_IFINDEX_INDEV: u16 = 5;
/// `NFQA_IFINDEX_OUTDEV`.
const NFQA_IFINDEX_OUTDEV: u16 = 6;
/// `NFQA_PAYLOAD`.
const NFQA_PAYLOAD: u16 = 10;
/// `NFQA_CAP_LEN`.
const NFQA_CAP_LEN: u16 = 13;
/// `NFQA_SKB_INFO`.
const NFQA_SKB_INFO: u16 = 14;

/// A message is shorter than it says or needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{layer}: needs {needed} bytes, has {had}")]
pub struct ParseError {
    /// The structure that did not fit.
    pub layer: &'static str,
    /// Bytes that it needs, or that its length field claims.
    pub needed: usize,
    /// Bytes that are there.
    pub had: usize,
}

/// What the kernel sends on the socket of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A packet that waits for its verdict.
    Packet(PacketMessage),
    /// A request was carried out (`NLMSG_ERROR` with code 0).
    Acknowledged,
    /// A request was refused, with this errno.
    Refused(i32),
    /// A message type that a queue's socket does not expect.
    Unknown(u16),
}

impl Message {
    /// Reads the first message of a datagram. The kernel sends one a datagram.
    ///
    /// # Errors
    /// When a length field points past the end, or a packet comes without `NFQA_PACKET_HDR`.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let header = Header::parse(datagram)?;
        let message = part(datagram, 0..header.length, "nlmsghdr")?;
        match header.kind {
            MSG_PACKET => PacketMessage::parse(message).map(Self::Packet),
            NLMSG_ERROR => {
                let code = i32::from_ne_bytes(array(message, NLMSG_HEADER, "nlmsgerr")?);
                Ok(if code == 0 { Self::Acknowledged } else { Self::Refused(code.saturating_neg()) })
            }
            other => Ok(Self::Unknown(other)),
        }
    }

    /// The kernel's report that a request failed, as it comes under `NETLINK_CAP_ACK`: the code and the header of the request. For tests
    /// and fakes.
    pub fn emit_refusal(errno: i32) -> Vec<u8> {
        let length = NLMSG_HEADER + 4 + NLMSG_HEADER;
        let mut out = Header::emit(NLMSG_ERROR, 0, length, 0, 0).to_vec();
        out.truncate(NLMSG_HEADER);
        out.extend_from_slice(&errno.saturating_neg().to_ne_bytes());
        out.resize(length, 0);
        out
    }
}

/// The part of `struct nlmsghdr` that says something here.
struct Header {
    /// Length of the message with this header, without padding.
    length: usize,
    /// Subsystem and message type.
    kind: u16,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let length = u32::from_ne_bytes(array(bytes, 0, "nlmsghdr")?) as usize;
        let kind = u16::from_ne_bytes(array(bytes, 4, "nlmsghdr")?);
        if length < NLMSG_HEADER {
            return Err(ParseError { layer: "nlmsghdr", needed: NLMSG_HEADER, had: length });
        }
        Ok(Self { length, kind })
    }

    /// `nlmsghdr` and `nfgenmsg` (`AF_UNSPEC`, `NFNETLINK_V0`) of a request to the kernel.
    fn emit(kind: u16, flags: u16, length: usize, sequence: u32, queue: u16) -> [u8; ATTRIBUTES] {
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes();
        let ([l0, l1, l2, l3], [k0, k1]) = (length, kind.to_ne_bytes());
        let ([f0, f1], [s0, s1, s2, s3]) = (flags.to_ne_bytes(), sequence.to_ne_bytes());
        let [q0, q1] = queue.to_be_bytes();
        [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, 0, 0, 0, 0, 0, 0, q0, q1]
    }
}

/// Type and value range of the attributes of a message, in order. Ends after the first one that does not fit.
struct Attributes<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes of a message with `nfgenmsg`.
    fn of(message: &'a [u8]) -> Self {
        Self { message, at: ATTRIBUTES }
    }

    fn read(&self) -> Result<(u16, Range<usize>), ParseError> {
        let length = usize::from(u16::from_ne_bytes(array(self.message, self.at, "nlattr")?));
        let kind = u16::from_ne_bytes(array(self.message, self.at.saturating_add(2), "nlattr")?) & NLA_TYPE_MASK;
        let had = self.message.len().saturating_sub(self.at);
        if length < ATTRIBUTE_HEADER || length > had {
            return Err(ParseError { layer: "nlattr", needed: length.max(ATTRIBUTE_HEADER), had });
        }
        Ok((kind, self.at + ATTRIBUTE_HEADER..self.at + length))
    }
}

impl Iterator for Attributes<'_> {
    type Item = Result<(u16, Range<usize>), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let read = self.read();
        self.at = read.as_ref().map_or(self.message.len(), |(_, value)| padded(value.end));
        Some(read)
    }
}

/// `NLMSG_ALIGN` and `NLA_ALIGN`: the next multiple of 4.
pub(super) const fn padded(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// Appends an attribute header for a value of `length` bytes.
fn push_attribute_header(out: &mut Vec<u8>, kind: u16, length: usize) {
    let length = u16::try_from(ATTRIBUTE_HEADER + length).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
}

/// Appends a big-endian 32-bit attribute.
fn push_u32(out: &mut Vec<u8>, kind: u16, value: u32) {
    push_attribute_header(out, kind, 4);
    out.extend_from_slice(&value.to_be_bytes());
}

fn part<'a>(bytes: &'a [u8], range: Range<usize>, layer: &'static str) -> Result<&'a [u8], ParseError> {
    let needed = range.end;
    bytes.get(range).ok_or(ParseError { layer, needed, had: bytes.len() })
}

fn array<const N: usize>(bytes: &[u8], at: usize, layer: &'static str) -> Result<[u8; N], ParseError> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or(ParseError { layer, needed: at.saturating_add(N), had: bytes.len() })
}

fn be_u32(bytes: &[u8], at: usize, layer: &'static str) -> Result<u32, ParseError> {
    array(bytes, at, layer).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
