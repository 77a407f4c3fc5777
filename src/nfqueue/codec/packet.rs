//! `NFQNL_MSG_PACKET`: a packet that waits for its verdict.

use std::ops::Range;

use super::{
    ATTRIBUTES, Attributes, Header, MSG_PACKET, NFQA_CAP_LEN, NFQA_IFINDEX_INDEV, NFQA_IFINDEX_OUTDEV, NFQA_MARK,
    NFQA_PACKET_HDR, NFQA_PAYLOAD, NFQA_SKB_INFO, ParseError, array, be_u32, push_attribute_header, push_u32,
};

/// `NFQA_SKB_INFO`: what the kernel knows about the packet's checksum and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkbInfo(pub u32);

impl SkbInfo {
    /// `NFQA_SKB_CSUMNOTREADY`.
    pub const CHECKSUM_NOT_READY: u32 = 1 << 0;
    /// `NFQA_SKB_GSO`.
    pub const GSO: u32 = 1 << 1;

    /// The transport checksum field holds the pseudo-header sum only.
    pub const fn checksum_not_ready(self) -> bool {
        self.0 & Self::CHECKSUM_NOT_READY != 0
    }

    /// The packet is a super-packet, larger than the device's MTU.
    pub const fn is_gso(self) -> bool {
        self.0 & Self::GSO != 0
    }
}

/// A packet that waits for its verdict, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PacketMessage {
    /// Ascends within a queue (wrapping); names the packet in its verdict.
    pub id: u32,
    /// Netfilter hook, `enum nf_inet_hooks`.
    pub hook: u8,
    /// EtherType of the network protocol, host byte order.
    pub hw_protocol: u16,
    /// Packet mark; 0 when none is set.
    pub mark: u32,
    /// Index of the interface it came in by; 0 when there is none.
    pub ifindex_in: u32,
    /// Index of the interface it leaves by; 0 when there is none.
    pub ifindex_out: u32,
    /// State of checksum and size.
    pub skb_info: SkbInfo,
    /// Full length in bytes of a packet that was cut at the copy range; `None` when the payload is whole.
    pub cap_len: Option<u32>,
    /// Where the packet, from its IP header on, lies in the message. Empty when the kernel sent none.
    pub payload: Range<usize>,
}

impl PacketMessage {
    /// Reads a message whose type and length the caller has checked.
    pub(super) fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let mut packet = Self::default();
        let mut identified = false;
        for attribute in Attributes::of(message) {
            let (kind, value) = attribute?;
            // Values are read where they begin: an attribute that is too short for its type reads into the next one at worst, never
            // past the message.
            let at = value.start;
            match kind {
                NFQA_PACKET_HDR => {
                    packet.id = be_u32(message, at, "nfqnl_msg_packet_hdr")?;
                    packet.hw_protocol = u16::from_be_bytes(array(message, at + 4, "nfqnl_msg_packet_hdr")?);
                    [packet.hook] = array(message, at + 6, "nfqnl_msg_packet_hdr")?;
                    identified = true;
                }
                NFQA_MARK => packet.mark = be_u32(message, at, "NFQA_MARK")?,
                NFQA_IFINDEX_INDEV => packet.ifindex_in = be_u32(message, at, "NFQA_IFINDEX_INDEV")?,
                NFQA_IFINDEX_OUTDEV => packet.ifindex_out = be_u32(message, at, "NFQA_IFINDEX_OUTDEV")?,
                NFQA_SKB_INFO => packet.skb_info = SkbInfo(be_u32(message, at, "NFQA_SKB_INFO")?),
                NFQA_CAP_LEN => packet.cap_len = Some(be_u32(message, at, "NFQA_CAP_LEN")?),
                NFQA_PAYLOAD => packet.payload = value,
                _ => {}
            }
        }
        if identified { Ok(packet) } else { Err(ParseError { layer: "NFQA_PACKET_HDR", needed: 7, had: 0 }) }
    }

    /// Appends the message as the kernel would send it for `payload`; its own payload range is ignored. For tests and fakes.
    pub fn emit(&self, queue: u16, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; ATTRIBUTES]);
        push_attribute_header(out, NFQA_PACKET_HDR, 7);
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&self.hw_protocol.to_be_bytes());
        out.extend_from_slice(&[self.hook, 0]);
        let optional = [
            (NFQA_IFINDEX_INDEV, self.ifindex_in),
            (NFQA_IFINDEX_OUTDEV, self.ifindex_out),
            (NFQA_MARK, self.mark),
            (NFQA_CAP_LEN, self.cap_len.unwrap_or(0)),
            (NFQA_SKB_INFO, self.skb_info.0),
        ];
        for (kind, value) in optional.into_iter().filter(|&(_, value)| value != 0) {
            push_u32(out, kind, value);
        }
        if !payload.is_empty() {
            push_attribute_header(out, NFQA_PAYLOAD, payload.len());
            out.extend_from_slice(payload);
        }
        let header = Header::emit(MSG_PACKET, 0, out.len() - start, 0, queue);
        if let Some(head) = out.get_mut(start..start + ATTRIBUTES) {
            head.copy_from_slice(&header);
        }
    }
}
