//! Link layers, and the IP packets in them.

use super::CapturedPacket;

/// A link layer, by its LINKTYPE number: <https://www.tcpdump.org/linktypes.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// IP from the first byte on.
    Raw,
    Ethernet,
    /// Linux "cooked", version 1: 16 bytes.
    Cooked,
    /// Linux "cooked", version 2: 20 bytes.
    Cooked2,
    /// Four bytes of address family, in either byte order.
    Loopback,
}

const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_IP6: u16 = 0x86dd;
/// IEEE 802.1Q, 802.1ad, and what was used before it.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const MAX_VLAN_TAGS: usize = 4;

/// AF_INET, and AF_INET6 on Linux, NetBSD and OpenBSD, FreeBSD, and macOS.
const FAMILIES: [u32; 5] = [2, 10, 24, 28, 30];

impl Link {
    pub(super) const fn new(link_type: u16) -> Option<Self> {
        Some(match link_type {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            // The numbers of DLT_RAW on BSDs, then LINKTYPE_RAW, _IPV4 and _IPV6.
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            _ => return None,
        })
    }

    /// The IP packet in a frame.
    pub(super) fn packet(self, frame: &[u8], wire_len: usize) -> Option<CapturedPacket<'_>> {
        let wire_len = wire_len.max(frame.len());
        let header = match self {
            Self::Raw => {
                return Some(CapturedPacket { bytes: frame, wire_len, padded: frame, frame_len: wire_len });
            }
            Self::Loopback => {
                let family: [u8; 4] = *frame.first_chunk()?;
                let known = |family| FAMILIES.contains(&family);
                if !known(u32::from_le_bytes(family)) && !known(u32::from_be_bytes(family)) {
                    return None;
                }
                4
            }
            Self::Ethernet => behind_tags(frame, 12, 14)?,
            Self::Cooked => behind_tags(frame, 14, 16)?,
            Self::Cooked2 => behind_tags(frame, 0, 20)?,
        };
        let bytes = frame.get(header..)?;
        Some(without_padding(bytes, wire_len - header, wire_len))
    }
}

/// Where IP begins: after the header, whose protocol field is at `protocol`, and after VLAN tags.
fn behind_tags(frame: &[u8], protocol: usize, header: usize) -> Option<usize> {
    let number = |at: usize| frame.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field));
    let (mut protocol, mut header) = (number(protocol)?, header);
    for _ in 0..MAX_VLAN_TAGS {
        if !VLAN_TAGS.contains(&protocol) {
            break;
        }
        // A tag is two bytes of control information and the next protocol.
        protocol = number(header + 2)?;
        header += 4;
    }
    matches!(protocol, ETHERTYPE_IP | ETHERTYPE_IP6).then_some(header)
}

/// Cuts what the IP header does not count; a length of 0 is that of a super-packet and says nothing.
fn without_padding(padded: &[u8], wire_len: usize, frame_len: usize) -> CapturedPacket<'_> {
    let number = |at: usize| padded.get(at..)?.first_chunk().map(|field| usize::from(u16::from_be_bytes(*field)));
    let claimed = match padded.first().map(|first| first >> 4) {
        Some(4) => number(2).filter(|&length| length >= 20),
        Some(6) => number(4).filter(|&length| length > 0).map(|length| length + 40),
        _ => None,
    };
    let claimed = claimed.unwrap_or(wire_len);
    let bytes = padded.get(..claimed).unwrap_or(padded);
    CapturedPacket { bytes, wire_len: wire_len.min(claimed), padded, frame_len }
}
