//! The fields of a packet by which the index looks up rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::flow::Transport;
use crate::rules::filter::Constraints;

/// What a packet shows of itself without following header chains. `None` where it is cut short or has no such field:
/// no rule that asks for the field can match then, except by protocol, where `None` means that any number may be found.
///
/// Ports are read where libpcap reads them: by the IPv4 header length as it stands, unless the packet is a later fragment, and
/// directly behind the fixed IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::rules) struct Fields {
    pub(super) protocol: Option<u8>,
    pub(super) source: Option<IpAddr>,
    pub(super) destination: Option<IpAddr>,
    pub(super) source_port: Option<u16>,
    pub(super) destination_port: Option<u16>,
}

/// Mask of the fragment offset in the IPv4 flags field (RFC 791 section 3.1).
const FRAGMENT_OFFSET: u16 = 0x1fff;
/// Length of the fixed IPv6 header in bytes (RFC 8200 section 3).
const IPV6_HEADER_LEN: usize = 40;
const AUTHENTICATION_HEADER: u8 = 51;

impl Fields {
    /// Reads the fields of the packet that starts with the IP header `bytes`.
    pub(in crate::rules) fn read(bytes: &[u8]) -> Self {
        match bytes.first().map(|byte| byte >> 4) {
            Some(4) => Self::read_ipv4(bytes),
            Some(6) => Self::read_ipv6(bytes),
            _ => Self::default(),
        }
    }

    /// TCP or UDP behind the first header, with both ports: whatever a filter about protocols, addresses and ports loads is there, so
    /// that it holds where its conditions do.
    #[inline]
    pub(super) const fn are_plain(&self) -> bool {
        const TCP: u8 = Transport::Tcp as u8;
        const UDP: u8 = Transport::Udp as u8;
        matches!(self.protocol, Some(TCP | UDP)) && self.destination.is_some() && self.destination_port.is_some()
    }

    /// Fields of a packet that fulfils the constraints; what they leave open is `None`.
    pub(in crate::rules) fn example(constraints: &Constraints) -> Self {
        let port = |ranges: &Option<Vec<RangeInclusive<u16>>>| Some(*ranges.as_ref()?.first()?.start());
        let address = |nets: &Option<Vec<(IpAddr, u8)>>| Some(nets.as_ref()?.first()?.0);
        Self {
            protocol: constraints.protocols.as_ref().and_then(|protocols| protocols.first().copied()),
            source: address(&constraints.src_nets),
            destination: address(&constraints.dst_nets),
            source_port: port(&constraints.src_ports),
            destination_port: port(&constraints.dst_ports),
        }
    }

    fn read_ipv4(bytes: &[u8]) -> Self {
        let header_len = bytes.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
        let is_first_fragment = u16_at(bytes, 6).is_some_and(|flags| flags & FRAGMENT_OFFSET == 0);
        let ports = bytes.get(header_len..).filter(|_| is_first_fragment).unwrap_or_default();
        Self {
            protocol: bytes.get(9).copied().filter(|protocol| *protocol != AUTHENTICATION_HEADER),
            source: ipv4_at(bytes, 12),
            destination: ipv4_at(bytes, 16),
            source_port: u16_at(ports, 0),
            destination_port: u16_at(ports, 2),
        }
    }

    fn read_ipv6(bytes: &[u8]) -> Self {
        let ports = bytes.get(IPV6_HEADER_LEN..).unwrap_or_default();
        Self {
            protocol: bytes.get(6).copied().filter(|next| !is_extension(*next)),
            source: ipv6_at(bytes, 8),
            destination: ipv6_at(bytes, 24),
            source_port: u16_at(ports, 0),
            destination_port: u16_at(ports, 2),
        }
    }
}

/// Headers behind which another header follows (RFC 8200 section 4.1, IANA IPv6 Extension Header Types).
const fn is_extension(next_header: u8) -> bool {
    matches!(next_header, 0 | 43 | 44 | AUTHENTICATION_HEADER | 60 | 135 | 139 | 140)
}

fn ipv4_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    array_at(bytes, at).map(|octets: [u8; 4]| IpAddr::V4(Ipv4Addr::from(octets)))
}

/// The address, zeros for what is cut off: a filter for a network loads only the words that it compares.
fn ipv6_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let there = bytes.get(at..)?;
    let octets = there.first_chunk::<16>().copied().or_else(|| {
        let mut octets = [0; 16];
        octets.get_mut(..there.len())?.copy_from_slice(there);
        Some(octets)
    })?;
    Some(IpAddr::V6(Ipv6Addr::from(octets)))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_cut_anywhere_shows_what_is_left_of_it() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend([0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        let whole = Fields::read(&packet);
        assert_eq!((whole.protocol, whole.source_port, whole.destination_port), (Some(17), Some(12_345), Some(53)));
        assert_eq!(whole.destination, Some(IpAddr::from([192, 0, 2, 2])));
        for length in 0..packet.len() {
            let cut = Fields::read(&packet[..length]);
            assert_eq!(cut.protocol.is_some(), length >= 10);
            assert_eq!(cut.source.is_some(), length >= 16);
            assert_eq!(cut.destination.is_some(), length >= 20);
            assert_eq!(cut.destination_port.is_some(), length >= 24);
        }
    }

    #[test]
    fn a_later_fragment_shows_no_ports() {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0x20, 1, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend([0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        let fields = Fields::read(&packet);
        assert_eq!((fields.protocol, fields.destination_port), (Some(17), None));
    }

    #[test]
    fn an_extension_header_leaves_the_protocol_open() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, 0, 64];
        packet.extend([0; 40]);
        assert_eq!(Fields::read(&packet).protocol, None);
        packet[6] = 6;
        assert_eq!(Fields::read(&packet).protocol, Some(6));
    }
}
