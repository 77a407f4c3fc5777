//! ICMP and ICMPv6 errors about a translated flow: the packet that they quote is translated as well (RFC 5508 section 4).

use super::checksum::Update;
use super::parse::{Bounds, Ip};
use super::rewrite::{write_addresses, write_ports};
use super::{Address, Endpoints, Packet, Payload, Sum, Transport, read_u16, write_u16};

/// The packet quoted in an ICMP error, as far as it tells the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// TCP or UDP.
    pub transport: Transport,
    /// Source and destination as quoted.
    pub endpoints: Endpoints,
    /// Offset of the quoted transport header from the start of the outer packet.
    transport_at: usize,
    /// Offset of the quoted IP header.
    ip_at: usize,
}

impl Quoted {
    /// Reads what an ICMP error quotes; `None` when it is no TCP or UDP packet with ports, or no error at all.
    pub fn parse(bytes: &[u8], packet: &Packet) -> Option<Self> {
        let Payload::IcmpError { quoted } = packet.payload else { return None };
        let inner = bytes.get(quoted..packet.len)?;
        let ip = Ip::parse(inner, Bounds::Quoted).ok()?;
        let transport = match ip.protocol {
            6 => Transport::Tcp,
            17 => Transport::Udp,
            _ => return None,
        };
        if ip.src.is_v4() != packet.src.is_v4() || ip.fragment {
            return None;
        }
        let (src_port, dst_port) = (read_u16(inner, ip.transport)?, read_u16(inner, ip.transport + 2)?);
        let endpoints = Endpoints { src: ip.src, src_port, dst: ip.dst, dst_port };
        Some(Self { transport, endpoints, transport_at: quoted + ip.transport, ip_at: quoted })
    }
}

/// Gives the quoted packet new endpoints and the ICMP error new addresses; all checksums hold afterwards, the quoted transport's as far
/// as it was quoted.
pub fn rewrite_quoted(
    bytes: &mut [u8],
    packet: &Packet,
    quoted: &Quoted,
    new: &Endpoints,
    outer_src: Address,
    outer_dst: Address,
) {
    let old = quoted.endpoints;
    let addresses = || Update::new().address(old.src, new.src).address(old.dst, new.dst);
    let ports = write_ports(bytes, quoted.transport_at, new);
    if let Some(inner) = bytes.get_mut(quoted.ip_at..packet.len) {
        write_addresses(inner, new.src, new.dst, addresses());
    }
    // RFC 792 quotes 8 bytes of transport header at least: a UDP checksum is inside, a TCP checksum only in longer quotes.
    let field = quoted.transport_at + if quoted.transport == Transport::Tcp { 16 } else { 6 };
    let inside = field + 2 <= packet.len;
    if let Some(checksum) =
        read_u16(bytes, field).filter(|&sum| inside && (sum != 0 || quoted.transport == Transport::Tcp))
    {
        write_u16(bytes, field, ports.join(addresses()).apply(checksum));
    }
    if (packet.src, packet.dst) != (outer_src, outer_dst) {
        let update = Update::new().address(packet.src, outer_src).address(packet.dst, outer_dst);
        write_addresses(bytes, outer_src, outer_dst, update);
    }
    write_icmp_checksum(bytes, packet, outer_src, outer_dst);
}

/// Errors are small and rare: their checksum is computed anew. ICMPv6 has a pseudo-header (RFC 4443 section 2.3), ICMP has none (RFC 792).
fn write_icmp_checksum(bytes: &mut [u8], packet: &Packet, src: Address, dst: Address) {
    let field = packet.transport + 2;
    write_u16(bytes, field, 0);
    let message = bytes.get(packet.transport..packet.len).unwrap_or_default();
    let sum = Sum::default().add_bytes(message);
    let whole = if src.is_v4() { sum } else { sum.add_pseudo_header(src, dst, packet.protocol, message.len()) };
    write_u16(bytes, field, whole.finish());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::transport_checksum_is_valid;
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    fn error_about(v6: bool, quote: usize, body: &[u8]) -> Vec<u8> {
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        if v6 {
            PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64).tcp(23, 40_000, 1, 2).write(&mut inner, body).unwrap();
            inner.truncate(quote.max(48));
            PacketBuilder::ipv6([0x30; 16], [0x20; 16], 64).icmpv6_raw(1, 4, [0; 4]).write(&mut outer, &inner).unwrap();
        } else {
            PacketBuilder::ipv4([10, 0, 0, 1], [192, 0, 2, 7], 64).udp(53, 40_000).write(&mut inner, body).unwrap();
            inner.truncate(quote.max(28));
            PacketBuilder::ipv4([192, 0, 2, 254], [10, 0, 0, 1], 64)
                .icmpv4_raw(3, 3, [0; 4])
                .write(&mut outer, &inner)
                .unwrap();
        }
        outer
    }

    proptest! {
        #[test]
        fn errors_are_translated_inside_and_stay_sound(
            v6 in any::<bool>(), quote in 28..120_usize, ports in any::<(u16, u16)>(), body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = error_about(v6, quote, &body);
            let packet = Packet::parse(&bytes).unwrap();
            let quoted = Quoted::parse(&bytes, &packet).unwrap();
            let new = Endpoints { src_port: ports.0, dst_port: ports.1, ..quoted.endpoints };
            rewrite_quoted(&mut bytes, &packet, &quoted, &new, packet.src, packet.dst);
            prop_assert_eq!(Quoted::parse(&bytes, &packet).unwrap().endpoints, new);
            let message = &bytes[packet.transport..packet.len];
            prop_assert!(transport_checksum_is_valid(packet.src, packet.dst, packet.protocol, message));
        }

        #[test]
        fn garbage_behind_an_error_is_no_flow_and_no_panic(mut garbage in prop::collection::vec(any::<u8>(), 0..64)) {
            garbage.splice(0..0, error_about(false, 28, b"")[..28].iter().copied());
            let total = u16::try_from(garbage.len()).unwrap();
            garbage[2..4].copy_from_slice(&total.to_be_bytes());
            let packet = Packet::parse(&garbage).unwrap();
            let _ = Quoted::parse(&garbage, &packet);
        }
    }
}
