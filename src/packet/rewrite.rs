//! Network address and port translation of one packet, in place.

use super::checksum::Update;
use super::{Address, Checksum, Packet, Payload, Sum, read_u16, write_u16};

/// Source and destination of a TCP or UDP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// Source address.
    pub src: Address,
    /// Source port.
    pub src_port: u16,
    /// Destination address, of the same family.
    pub dst: Address,
    /// Destination port.
    pub dst_port: u16,
}

impl Endpoints {
    /// Those of the answer.
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self { src: self.dst, src_port: self.dst_port, dst: self.src, dst_port: self.src_port }
    }
}

/// Offset of the checksum field in the transport header: RFC 9293 section 3.1, RFC 768.
fn checksum_offset(payload: &Payload) -> Option<usize> {
    match payload {
        Payload::Tcp(_) => Some(16),
        Payload::Udp { .. } => Some(6),
        _ => None,
    }
}

/// Gives a parsed TCP or UDP packet new endpoints and keeps its checksums right; leaves any other packet alone.
///
/// With [`Checksum::Ready`] the transport checksum is updated (RFC 1624); with [`Checksum::NotReady`] it is computed anew over the whole segment,
/// because the field holds no more than a pseudo-header sum. A UDP checksum of 0 over IPv4 stays 0 (none was sent), a computed 0
/// becomes ffff (RFC 768).
pub fn rewrite(bytes: &mut [u8], packet: &Packet, new: &Endpoints, checksum: Checksum) {
    let Some(field) = checksum_offset(&packet.payload).map(|offset| packet.transport + offset) else { return };
    let is_udp = matches!(packet.payload, Payload::Udp { .. });
    let addresses = Update::new().address(packet.src, new.src).address(packet.dst, new.dst);
    let ports = write_ports(bytes, packet.transport, new);
    if (packet.src, packet.dst) != (new.src, new.dst) {
        write_addresses(bytes, new.src, new.dst, addresses);
    }
    let old = read_u16(bytes, field).unwrap_or(0);
    // A fragment has no whole segment to sum; the kernel never leaves the sum of a fragment to the device.
    if checksum == Checksum::NotReady && !packet.fragment {
        write_u16(bytes, field, 0);
        let segment = bytes.get(packet.transport..packet.len).unwrap_or_default();
        let sum = Sum::default().add_bytes(segment).add_pseudo_header(new.src, new.dst, packet.protocol, segment.len());
        write_u16(bytes, field, never_zero(sum.finish(), is_udp));
    } else if !(is_udp && old == 0) {
        let update = Update::new().address(packet.src, new.src).address(packet.dst, new.dst);
        write_u16(bytes, field, never_zero(ports.join(update).apply(old), is_udp));
    }
}

/// RFC 768: a computed sum of zero is sent as all ones, zero means "none".
const fn never_zero(checksum: u16, is_udp: bool) -> u16 {
    if is_udp && checksum == 0 { 0xffff } else { checksum }
}

/// Writes both ports at the start of the transport header and says how that changes a checksum over them.
pub(super) fn write_ports(bytes: &mut [u8], transport: usize, new: &Endpoints) -> Update {
    let old = (read_u16(bytes, transport).unwrap_or(0), read_u16(bytes, transport + 2).unwrap_or(0));
    write_u16(bytes, transport, new.src_port);
    write_u16(bytes, transport + 2, new.dst_port);
    Update::new().word(old.0, new.src_port).word(old.1, new.dst_port)
}

/// Writes both addresses into the IP header at the start of `bytes`; IPv4's header checksum (RFC 791) takes the update.
pub(super) fn write_addresses(bytes: &mut [u8], src: Address, dst: Address, update: Update) {
    let (at, width) = if src.is_v4() { (12, 4) } else { (8, 16) };
    if let Some(slot) = bytes.get_mut(at..at + width) {
        src.write(slot);
    }
    if let Some(slot) = bytes.get_mut(at + width..at + 2 * width) {
        dst.write(slot);
    }
    if src.is_v4() {
        let old = read_u16(bytes, 10).unwrap_or(0);
        write_u16(bytes, 10, update.apply(old));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::transport_checksum_is_valid;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn packet(v6: bool, tcp: bool, ports: (u16, u16), body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ip = if v6 {
            PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64)
        } else {
            PacketBuilder::ipv4([192, 0, 2, 1], [198, 51, 100, 2], 64)
        };
        if tcp {
            ip.tcp(ports.0, ports.1, 1, 2).write(&mut bytes, body).unwrap();
        } else {
            ip.udp(ports.0, ports.1).write(&mut bytes, body).unwrap();
        }
        bytes
    }

    fn endpoints(v6: bool, src_port: u16, dst_port: u16) -> Endpoints {
        let (src, dst) = if v6 { ("2001:db8::9", "2001:db8::a") } else { ("203.0.113.9", "10.9.8.7") };
        let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
        Endpoints { src: address(src), src_port, dst: address(dst), dst_port }
    }

    fn assert_sound(bytes: &[u8], new: &Endpoints) {
        let packet = Packet::parse(bytes).unwrap();
        assert_eq!((packet.src, packet.dst), (new.src, new.dst));
        assert!(transport_checksum_is_valid(
            packet.src,
            packet.dst,
            packet.protocol,
            &bytes[packet.transport..packet.len]
        ));
        if packet.src.is_v4() {
            assert_eq!(Sum::default().add_bytes(&bytes[..20]).finish(), 0, "IPv4 header checksum");
        }
    }

    proptest! {
        #[test]
        fn both_checksum_ways_give_a_sound_packet(
            v6 in any::<bool>(), tcp in any::<bool>(), old in any::<(u16, u16)>(), new in any::<(u16, u16)>(),
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let endpoints = endpoints(v6, new.0, new.1);
            let mut ready = packet(v6, tcp, old, &body);
            let parsed = Packet::parse(&ready).unwrap();
            let mut not_ready = ready.clone();
            let field = parsed.transport + if tcp { 16 } else { 6 };
            not_ready[field..field + 2].copy_from_slice(&[0xde, 0xad]);
            rewrite(&mut ready, &parsed, &endpoints, Checksum::Ready);
            rewrite(&mut not_ready, &parsed, &endpoints, Checksum::NotReady);
            assert_sound(&ready, &endpoints);
            assert_sound(&not_ready, &endpoints);
        }

        #[test]
        fn there_and_back_again_is_the_same_packet(
            v6 in any::<bool>(), tcp in any::<bool>(), old in any::<(u16, u16)>(), new in any::<(u16, u16)>(),
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let original = packet(v6, tcp, old, &body);
            let mut bytes = original.clone();
            let before = Packet::parse(&bytes).unwrap();
            rewrite(&mut bytes, &before, &endpoints(v6, new.0, new.1), Checksum::Ready);
            let back = Endpoints { src: before.src, src_port: old.0, dst: before.dst, dst_port: old.1 };
            let between = Packet::parse(&bytes).unwrap();
            rewrite(&mut bytes, &between, &back, Checksum::Ready);
            // 0000 and ffff are the same number in one's complement; everything else must be equal to the letter.
            let field = before.transport + if tcp { 16 } else { 6 };
            assert_sound(&bytes, &back);
            bytes[field..field + 2].copy_from_slice(&original[field..field + 2]);
            prop_assert_eq!(bytes, original);
        }
    }

    #[test]
    fn a_datagram_without_checksum_stays_without() {
        let mut bytes = packet(false, false, (1, 2), b"abc");
        bytes[26..28].copy_from_slice(&[0, 0]);
        let parsed = Packet::parse(&bytes).unwrap();
        rewrite(&mut bytes, &parsed, &endpoints(false, 3, 4), Checksum::Ready);
        assert_eq!(bytes[26..28], [0, 0]);
    }

    #[test]
    fn a_computed_zero_is_sent_as_all_ones() {
        // Ports are chosen such that the sum comes out as zero.
        for dst_port in 0..=u16::MAX {
            let mut bytes = packet(false, false, (1, 2), b"ab");
            let parsed = Packet::parse(&bytes).unwrap();
            rewrite(&mut bytes, &parsed, &endpoints(false, 3, dst_port), Checksum::NotReady);
            assert_ne!(bytes[26..28], [0, 0]);
        }
    }
}
