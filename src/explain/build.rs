//! Whole packets from their parts, checksums right.

use std::net::{IpAddr, SocketAddr};

use crate::packet::{Address, Sum, Transport};

/// TCP flags besides those that decisions need, RFC 9293 section 3.1.
pub(super) const PSH: u8 = 0x08;
pub(super) const URG: u8 = 0x20;

/// Source and destination, of one family; for ICMP the ports are 0.
pub(super) struct Ends {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// What a packet shall be.
pub(super) struct Shape<'d> {
    pub(super) transport: Transport,
    pub(super) ends: Ends,
    /// TCP flags, or the type of an echo message.
    pub(super) bits: u8,
    pub(super) data: &'d [u8],
    /// Length of the IP packet: headers, data, and zeros behind it.
    pub(super) len: usize,
}

/// Bytes of both headers.
pub(super) fn header_len(transport: Transport, ends: &Ends) -> usize {
    ip_header_len(ends) + transport_header_len(transport)
}

fn ip_header_len(ends: &Ends) -> usize {
    if ends.source.is_ipv4() { 20 } else { 40 }
}

const fn transport_header_len(transport: Transport) -> usize {
    match transport {
        Transport::Tcp => 20,
        Transport::Udp | Transport::Icmp | Transport::Icmpv6 => 8,
    }
}

/// The bytes of the packet; what is not given is zeros.
pub(super) fn packet(shape: &Shape<'_>) -> Vec<u8> {
    let Shape { transport, ref ends, bits, data, len } = *shape;
    let (source, destination) = (Address::from(ends.source.ip()), Address::from(ends.destination.ip()));
    let segment_len = len - ip_header_len(ends);
    let mut segment = transport_header(transport, ends, bits, segment_len);
    segment.extend(data);
    segment.resize(segment_len, 0);
    let sum = Sum::default().add_bytes(&segment);
    // RFC 792: ICMP has no pseudo-header.
    let sum = match transport {
        Transport::Icmp => sum,
        _ => sum.add_pseudo_header(source, destination, transport as u8, segment_len),
    };
    let field = match transport {
        Transport::Tcp => 16,
        Transport::Udp => 6,
        Transport::Icmp | Transport::Icmpv6 => 2,
    };
    put(&mut segment, field, sum.finish());
    let mut packet = ip_header(transport, ends, segment_len);
    packet.extend(segment);
    packet
}

/// RFC 9293 section 3.1, RFC 768, RFC 792 and RFC 4443; the checksum is 0.
fn transport_header(transport: Transport, ends: &Ends, bits: u8, segment_len: usize) -> Vec<u8> {
    let mut header = vec![0; transport_header_len(transport)];
    match transport {
        Transport::Tcp => {
            put(&mut header, 0, ends.source.port());
            put(&mut header, 2, ends.destination.port());
            put(&mut header, 12, 5 << 12 | u16::from(bits));
            put(&mut header, 14, 64_240);
        }
        Transport::Udp => {
            put(&mut header, 0, ends.source.port());
            put(&mut header, 2, ends.destination.port());
            put(&mut header, 4, u16::try_from(segment_len).unwrap_or(0));
        }
        Transport::Icmp | Transport::Icmpv6 => {
            put(&mut header, 0, u16::from(bits) << 8);
            put(&mut header, 4, 1);
        }
    }
    header
}

/// RFC 791 section 3.1 and RFC 8200 section 3.
fn ip_header(transport: Transport, ends: &Ends, segment_len: usize) -> Vec<u8> {
    let number = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let mut header = vec![0; ip_header_len(ends)];
    match (ends.source.ip(), ends.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            put(&mut header, 0, 0x4500);
            put(&mut header, 2, number(20 + segment_len));
            put(&mut header, 8, 64 << 8 | u16::from(transport as u8));
            put_bytes(&mut header, 12, &source.octets());
            put_bytes(&mut header, 16, &destination.octets());
            let sum = Sum::default().add_bytes(&header).finish();
            put(&mut header, 10, sum);
        }
        (source, destination) => {
            put(&mut header, 0, 0x6000);
            put(&mut header, 4, number(segment_len));
            put(&mut header, 6, u16::from(transport as u8) << 8 | 64);
            for (at, address) in [(8, source), (24, destination)] {
                if let IpAddr::V6(address) = address {
                    put_bytes(&mut header, at, &address.octets());
                }
            }
        }
    }
    header
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    put_bytes(bytes, at, &value.to_be_bytes());
}

fn put_bytes(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(slot) = bytes.get_mut(at..at + value.len()) {
        slot.copy_from_slice(value);
    }
}
