//! From bytes to proven headers.

use thiserror::Error;

use super::{Address, read_u16, read_u32};

/// TCP flags (RFC 9293 section 3.1), as bits of [`Tcp::flags`].
pub mod tcp_flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number is significant.
    pub const ACK: u8 = 0x10;
}

/// IP protocol numbers (IANA) that the parser knows.
mod protocol {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AH: u8 = 51;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const DESTINATION_OPTIONS: u8 = 60;
}

/// Extension headers that are followed before a packet counts as malformed: each of RFC 8200's kinds may come once, destination options
/// twice; more is an attack on the parser.
const MAX_EXTENSION_HEADERS: usize = 8;

/// Why bytes are no packet that could be worked on: layer, what it needed, what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{layer}: {reason}: needed {needed} bytes, had {had}")]
pub struct Malformed {
    /// The header that is at fault.
    pub layer: &'static str,
    /// Which rule it breaks.
    pub reason: MalformedReason,
    /// Bytes that the field or header asks for.
    pub needed: usize,
    /// Bytes that are there.
    pub had: usize,
}

/// The rule that a malformed packet breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MalformedReason {
    /// The bytes end before the header does.
    #[error("header cut short")]
    Truncated,
    /// A length field contradicts the header or the packet.
    #[error("length field out of range")]
    Length,
    /// The version is neither 4 nor 6.
    #[error("unknown IP version")]
    Version,
    /// An address that must not be on the wire.
    #[error("IPv4-mapped address on the wire")]
    Address,
    /// More extension headers than are followed.
    #[error("too many extension headers")]
    Extensions,
}

/// Header fields of a TCP segment that decisions need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags, see [`tcp_flag`].
    pub flags: u8,
}

/// What the IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// A TCP segment, or the first fragment of one.
    Tcp(Tcp),
    /// A UDP datagram, or the first fragment of one.
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// An ICMP or ICMPv6 echo message.
    Echo {
        /// Request (type 8, 128) or reply (0, 129).
        request: bool,
        /// Identifier.
        id: u16,
    },
    /// An ICMP or ICMPv6 error that quotes a packet.
    IcmpError {
        /// Offset of the quoted IP header.
        quoted: usize,
    },
    /// A fragment that is not the first: no ports.
    LaterFragment,
    /// Anything else.
    Other,
}

/// The proven headers of an IP packet: every offset below lies inside the bytes that were parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// Upper-layer protocol number, behind IPv6 extension headers.
    pub protocol: u8,
    /// Whether this is a fragment, first or later.
    pub fragment: bool,
    /// Offset of the upper-layer header.
    pub transport: usize,
    /// Length of the packet as its IP header tells it; bytes behind it are link-layer padding.
    pub len: usize,
    /// What it carries.
    pub payload: Payload,
}

impl Packet {
    /// Proves the headers of the packet that begins at the first byte.
    ///
    /// # Errors
    /// [`Malformed`] when a header or length field contradicts the bytes that are there.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        Ip::parse(bytes, Bounds::Whole)?.with_payload(bytes)
    }
}

/// Whether the IP length must fit into the bytes: it must for a packet, it need not for one quoted in an ICMP error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    Whole,
    Quoted,
}

/// The network layer alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ip {
    pub(super) src: Address,
    pub(super) dst: Address,
    pub(super) protocol: u8,
    pub(super) fragment: bool,
    later_fragment: bool,
    pub(super) transport: usize,
    len: usize,
}

impl Ip {
    pub(super) fn parse(bytes: &[u8], bounds: Bounds) -> Result<Self, Malformed> {
        match bytes.first().map(|first| first >> 4) {
            Some(4) => Self::parse_v4(bytes, bounds),
            Some(6) => Self::parse_v6(bytes, bounds),
            Some(_) => Err(malformed("IP", MalformedReason::Version, 1, bytes.len())),
            None => Err(malformed("IP", MalformedReason::Truncated, 1, 0)),
        }
    }

    /// RFC 791 section 3.1.
    fn parse_v4(bytes: &[u8], bounds: Bounds) -> Result<Self, Malformed> {
        let had = bytes.len();
        let Some(header) = bytes.first_chunk::<20>() else {
            return Err(malformed("IPv4", MalformedReason::Truncated, 20, had));
        };
        let [v_ihl, _, l0, l1, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *header;
        let header_len = usize::from(v_ihl & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([l0, l1]));
        let len = if bounds == Bounds::Quoted { had } else { total };
        if header_len < 20 || len < header_len || len > had {
            return Err(malformed("IPv4", MalformedReason::Length, header_len.max(total), had));
        }
        let fragment_field = u16::from_be_bytes([f0, f1]);
        Ok(Self {
            src: Address::v4([s0, s1, s2, s3]),
            dst: Address::v4([d0, d1, d2, d3]),
            protocol,
            fragment: fragment_field & 0x3fff != 0,
            later_fragment: fragment_field & 0x1fff != 0,
            transport: header_len,
            len,
        })
    }

    /// RFC 8200 sections 3 and 4.
    fn parse_v6(bytes: &[u8], bounds: Bounds) -> Result<Self, Malformed> {
        let had = bytes.len();
        let (Some(fixed), Some(src), Some(dst)) = (
            bytes.first_chunk::<8>(),
            bytes.get(8..24).and_then(|b| b.first_chunk::<16>()),
            bytes.get(24..40).and_then(|b| b.first_chunk::<16>()),
        ) else {
            return Err(malformed("IPv6", MalformedReason::Truncated, 40, had));
        };
        let [_, _, _, _, l0, l1, next_header, _] = *fixed;
        let total = 40 + usize::from(u16::from_be_bytes([l0, l1]));
        let len = if bounds == Bounds::Quoted { had } else { total };
        if len > had {
            return Err(malformed("IPv6", MalformedReason::Length, total, had));
        }
        let (Some(src), Some(dst)) = (Address::v6(*src), Address::v6(*dst)) else {
            return Err(malformed("IPv6", MalformedReason::Address, 40, had));
        };
        let upper = Extensions::walk(bytes.get(..len).unwrap_or_default(), next_header)?;
        Ok(Self {
            src,
            dst,
            protocol: upper.protocol,
            fragment: upper.fragment,
            later_fragment: upper.later_fragment,
            transport: upper.at,
            len,
        })
    }

    fn with_payload(self, bytes: &[u8]) -> Result<Packet, Malformed> {
        let segment = bytes.get(self.transport..self.len).unwrap_or_default();
        let payload = if self.later_fragment {
            Payload::LaterFragment
        } else {
            match (self.protocol, self.src.is_v4()) {
                (protocol::TCP, _) => parse_tcp(segment)?,
                (protocol::UDP, _) => parse_udp(segment, self.fragment)?,
                (protocol::ICMP, true) => parse_icmp(segment, self.transport, &ICMP_TYPES)?,
                (protocol::ICMPV6, false) => parse_icmp(segment, self.transport, &ICMPV6_TYPES)?,
                _ => Payload::Other,
            }
        };
        let Self { src, dst, protocol, fragment, transport, len, .. } = self;
        Ok(Packet { src, dst, protocol, fragment, transport, len, payload })
    }
}

/// Where the extension headers of an IPv6 packet end.
struct Extensions {
    at: usize,
    protocol: u8,
    fragment: bool,
    later_fragment: bool,
}

impl Extensions {
    fn walk(bytes: &[u8], first: u8) -> Result<Self, Malformed> {
        let mut upper = Self { at: 40, protocol: first, fragment: false, later_fragment: false };
        for _ in 0..MAX_EXTENSION_HEADERS {
            let unit = match upper.protocol {
                protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS => 8,
                // RFC 4302 section 2.2 counts an authentication header in 4-byte words.
                protocol::AH => 4,
                protocol::FRAGMENT => 0,
                _ => return Ok(upper),
            };
            let Some(&[next, length]) = bytes.get(upper.at..).and_then(|rest| rest.first_chunk::<2>()) else {
                return Err(malformed("IPv6 extension", MalformedReason::Truncated, upper.at + 8, bytes.len()));
            };
            if upper.protocol == protocol::FRAGMENT {
                let field = read_u16(bytes, upper.at + 2).unwrap_or(0);
                upper.fragment = true;
                upper.later_fragment |= field & 0xfff8 != 0;
            }
            let header_len = match unit {
                4 => (usize::from(length) + 2) * 4,
                8 => (usize::from(length) + 1) * 8,
                _ => 8,
            };
            upper.at += header_len;
            upper.protocol = next;
            if upper.at > bytes.len() {
                return Err(malformed("IPv6 extension", MalformedReason::Length, upper.at, bytes.len()));
            }
            if upper.later_fragment {
                return Ok(upper);
            }
        }
        Err(malformed("IPv6 extension", MalformedReason::Extensions, upper.at, bytes.len()))
    }
}

/// RFC 9293 section 3.1.
fn parse_tcp(segment: &[u8]) -> Result<Payload, Malformed> {
    let Some(header) = segment.first_chunk::<20>() else {
        return Err(malformed("TCP", MalformedReason::Truncated, 20, segment.len()));
    };
    let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, ..] = *header;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 || header_len > segment.len() {
        return Err(malformed("TCP", MalformedReason::Length, header_len, segment.len()));
    }
    Ok(Payload::Tcp(Tcp {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags,
    }))
}

/// RFC 768. The length of a first fragment covers fragments that are elsewhere.
fn parse_udp(segment: &[u8], fragment: bool) -> Result<Payload, Malformed> {
    let Some(&[s0, s1, d0, d1, l0, l1, _, _]) = segment.first_chunk::<8>() else {
        return Err(malformed("UDP", MalformedReason::Truncated, 8, segment.len()));
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if length < 8 || (length > segment.len() && !fragment) {
        return Err(malformed("UDP", MalformedReason::Length, length, segment.len()));
    }
    Ok(Payload::Udp { src_port: u16::from_be_bytes([s0, s1]), dst_port: u16::from_be_bytes([d0, d1]) })
}

/// The message types of one ICMP family that flows care for.
struct IcmpTypes {
    layer: &'static str,
    echo_request: u8,
    echo_reply: u8,
    errors: &'static [u8],
}

/// RFC 792: destination unreachable, source quench, time exceeded, parameter problem.
const ICMP_TYPES: IcmpTypes = IcmpTypes { layer: "ICMP", echo_request: 8, echo_reply: 0, errors: &[3, 4, 11, 12] };
/// RFC 4443: destination unreachable, packet too big, time exceeded, parameter problem.
const ICMPV6_TYPES: IcmpTypes =
    IcmpTypes { layer: "ICMPv6", echo_request: 128, echo_reply: 129, errors: &[1, 2, 3, 4] };

fn parse_icmp(segment: &[u8], at: usize, types: &IcmpTypes) -> Result<Payload, Malformed> {
    let (Some(&kind), Some(rest)) = (segment.first(), read_u32(segment, 4)) else {
        return Err(malformed(types.layer, MalformedReason::Truncated, 8, segment.len()));
    };
    if kind == types.echo_request || kind == types.echo_reply {
        let id = (rest >> 16) as u16;
        return Ok(Payload::Echo { request: kind == types.echo_request, id });
    }
    Ok(if types.errors.contains(&kind) { Payload::IcmpError { quoted: at + 8 } } else { Payload::Other })
}

const fn malformed(layer: &'static str, reason: MalformedReason, needed: usize, had: usize) -> Malformed {
    Malformed { layer, reason, needed, had }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn tcp_v4() -> Vec<u8> {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4([192, 0, 2, 1], [198, 51, 100, 2], 64)
            .tcp(40_000, 23, 7, 1_024)
            .syn()
            .options(&[etherparse::TcpOptionElement::MaximumSegmentSize(1460)])
            .unwrap()
            .write(&mut bytes, b"hello")
            .unwrap();
        bytes
    }

    #[test]
    fn a_syn_shows_its_ports_and_flags() {
        let bytes = tcp_v4();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(IpAddr::from(packet.src), IpAddr::from([192, 0, 2, 1]));
        let Payload::Tcp(tcp) = packet.payload else { panic!("{packet:?}") };
        assert_eq!((tcp.src_port, tcp.dst_port, tcp.seq, tcp.flags), (40_000, 23, 7, tcp_flag::SYN));
    }

    #[test]
    fn link_layer_padding_is_left_alone() {
        let mut bytes = tcp_v4();
        let len = bytes.len();
        bytes.extend([0; 6]);
        assert_eq!(Packet::parse(&bytes).unwrap().len, len);
    }

    #[test]
    fn every_truncation_is_malformed_and_says_what_it_needed() {
        let bytes = tcp_v4();
        for cut in 0..bytes.len() {
            let error = Packet::parse(&bytes[..cut]).unwrap_err();
            assert!(error.needed > error.had, "{cut}: {error}");
        }
    }

    #[test]
    fn tcp_options_past_the_end_are_malformed() {
        let mut bytes = tcp_v4();
        bytes[20 + 12] = 0xf0;
        assert_eq!(Packet::parse(&bytes).unwrap_err().layer, "TCP");
    }

    fn v6_with_extensions(headers: &[(u8, usize)], upper: u8, body: &[u8]) -> Vec<u8> {
        let mut rest = Vec::new();
        for (i, (_, units)) in headers.iter().enumerate() {
            let next = headers.get(i + 1).map_or(upper, |h| h.0);
            rest.extend([next, u8::try_from(*units).unwrap()]);
            rest.resize(rest.len() + 6 + units * 8, 0);
        }
        rest.extend(body);
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend([headers.first().map_or(upper, |h| h.0), 64]);
        bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn udp_is_found_behind_ipv6_extension_headers() {
        let udp = [0x13, 0x88, 0, 53, 0, 8, 0, 0];
        let bytes = v6_with_extensions(&[(0, 0), (43, 1), (60, 2)], 17, &udp);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, Payload::Udp { src_port: 5000, dst_port: 53 });
        assert_eq!(packet.transport, 40 + 8 + 16 + 24);
    }

    #[test]
    fn a_chain_of_extension_headers_without_end_is_malformed() {
        let bytes = v6_with_extensions(&[(60, 0); 9], 17, &[0; 8]);
        assert_eq!(Packet::parse(&bytes).unwrap_err().reason, MalformedReason::Extensions);
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let mut bytes = tcp_v4();
        bytes[6..8].copy_from_slice(&[0x20, 0x01]);
        assert_eq!(Packet::parse(&bytes).unwrap().payload, Payload::LaterFragment);
        let mut fragment = v6_with_extensions(&[(44, 0)], 17, &[0; 8]);
        fragment[42..44].copy_from_slice(&[0, 8]);
        assert_eq!(Packet::parse(&fragment).unwrap().payload, Payload::LaterFragment);
    }

    proptest! {
        #[test]
        fn offsets_of_whatever_parses_lie_inside(bytes in prop::collection::vec(any::<u8>(), 0..120), version in 0..3_u8) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = match version { 0 => 0x45, 1 => 0x60, _ => *first };
            }
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.transport <= packet.len && packet.len <= bytes.len());
                if let Payload::IcmpError { quoted } = packet.payload {
                    prop_assert!(quoted <= packet.len);
                }
            }
        }

        #[test]
        fn it_agrees_with_etherparse_on_what_both_accept(
            src in any::<[u8; 4]>(), dst in any::<[u8; 4]>(), ports in any::<(u16, u16)>(), body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = Vec::new();
            PacketBuilder::ipv4(src, dst, 9).udp(ports.0, ports.1).write(&mut bytes, &body).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            prop_assert_eq!(packet.payload, Payload::Udp { src_port: ports.0, dst_port: ports.1 });
            prop_assert_eq!(IpAddr::from(packet.dst), IpAddr::from(dst));
        }
    }
}
