//! `NFQNL_MSG_VERDICT` and `NFQNL_MSG_VERDICT_BATCH`: what becomes of packets.

use std::ops::Range;

use super::{
    ATTRIBUTE_HEADER, ATTRIBUTES, Attributes, Header, MSG_VERDICT, MSG_VERDICT_BATCH, NFQA_MARK, NFQA_PAYLOAD,
    NFQA_VERDICT_HDR, NLM_F_REQUEST, ParseError, be_u32, padded, part, push_attribute_header, push_u32,
};
use crate::engine::Verdict;

/// `NF_DROP` (`linux/netfilter.h`).
const NF_DROP: u32 = 0;
/// `NF_ACCEPT` (`linux/netfilter.h`).
const NF_ACCEPT: u32 = 1;
/// `NF_REPEAT` (`linux/netfilter.h`).
const NF_REPEAT: u32 = 4;
/// `NFQA_VERDICT_HDR` with its header: verdict (4), id (4), both big-endian.
const VERDICT_ATTRIBUTE: usize = ATTRIBUTE_HEADER + 8;
/// `NFQA_MARK` with its header.
const MARK_ATTRIBUTE: usize = ATTRIBUTE_HEADER + 4;

/// Which packets a verdict decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The one with this id.
    One,
    /// Every queued one up to and with this id.
    UpTo,
}

/// One verdict message, without the bytes of a rewritten packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerdictMessage {
    /// Which packets.
    pub scope: Scope,
    /// The packet, or the last of them.
    pub id: u32,
    /// What becomes of them.
    pub verdict: Verdict,
    /// The mark to set. The kernel has no mask for it: it replaces all 32 bits.
    pub mark: Option<u32>,
    /// Length in bytes of the packet that replaces the queued one; `Scope::One` only. At most [`super::COPY_RANGE`], because an attribute's
    /// length has 16 bits.
    pub payload_len: Option<usize>,
}

impl VerdictMessage {
    /// The longest head that [`Self::emit`] appends.
    pub const MAX_HEAD: usize = ATTRIBUTES + VERDICT_ATTRIBUTE + MARK_ATTRIBUTE + ATTRIBUTE_HEADER;

    /// Appends everything up to the payload. The sender puts the payload and its padding behind. The padding counts in the message's
    /// length and never in the attribute's: a packet that is longer than its IP header says is dropped without a trace.
    pub fn emit(&self, queue: u16, out: &mut Vec<u8>) {
        let kind = match self.scope {
            Scope::One => MSG_VERDICT,
            Scope::UpTo => MSG_VERDICT_BATCH,
        };
        let verdict = match self.verdict {
            Verdict::Accept => NF_ACCEPT,
            Verdict::Drop => NF_DROP,
            Verdict::Repeat => NF_REPEAT,
        };
        let mark = self.mark.map_or(0, |_| MARK_ATTRIBUTE);
        let payload = self.payload_len.map_or(0, |length| ATTRIBUTE_HEADER + padded(length));
        let length = ATTRIBUTES + VERDICT_ATTRIBUTE + mark + payload;
        // The id as the sequence number lets an error report say which packet it is about.
        out.extend_from_slice(&Header::emit(kind, NLM_F_REQUEST, length, self.id, queue));
        push_attribute_header(out, NFQA_VERDICT_HDR, 8);
        out.extend_from_slice(&verdict.to_be_bytes());
        out.extend_from_slice(&self.id.to_be_bytes());
        if let Some(mark) = self.mark {
            push_u32(out, NFQA_MARK, mark);
        }
        if let Some(length) = self.payload_len {
            push_attribute_header(out, NFQA_PAYLOAD, length);
        }
    }

    /// Reads the first message of a datagram, the range of its payload and the offset of the next message. For tests and fakes: the
    /// kernel is who reads verdicts.
    ///
    /// # Errors
    /// When a length field points past the end, or there is no `NFQA_VERDICT_HDR`.
    pub fn parse(datagram: &[u8]) -> Result<(Self, Range<usize>, usize), ParseError> {
        let header = Header::parse(datagram)?;
        let message = part(datagram, 0..header.length, "nlmsghdr")?;
        let scope = if header.kind == MSG_VERDICT_BATCH { Scope::UpTo } else { Scope::One };
        let (mut head, mut mark, mut payload) = (None, None, None);
        for attribute in Attributes::of(message) {
            let (kind, value) = attribute?;
            match kind {
                NFQA_VERDICT_HDR => {
                    let verdict = be_u32(message, value.start, "nfqnl_msg_verdict_hdr")?;
                    head = Some((verdict, be_u32(message, value.start + 4, "nfqnl_msg_verdict_hdr")?));
                }
                NFQA_MARK => mark = Some(be_u32(message, value.start, "NFQA_MARK")?),
                NFQA_PAYLOAD => payload = Some(value),
                _ => {}
            }
        }
        let (verdict, id) = head.ok_or(ParseError { layer: "NFQA_VERDICT_HDR", needed: 8, had: 0 })?;
        let verdict = match verdict {
            NF_ACCEPT => Verdict::Accept,
            NF_REPEAT => Verdict::Repeat,
            _ => Verdict::Drop,
        };
        let payload_len = payload.as_ref().map(Range::len);
        Ok((Self { scope, id, verdict, mark, payload_len }, payload.unwrap_or_default(), padded(header.length)))
    }
}
