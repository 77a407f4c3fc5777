//! Any bytes: parsing proves what it says, and a rewritten packet is the packet that was asked for, with checksums as good as before.
//!
//! Input: one byte of flags, four of new ports, the packet.

#![no_main]

use glutton_nfq::packet::{
    Address, Checksum, Endpoints, Packet, Payload, Quoted, rewrite, rewrite_quoted, transport_checksum_is_valid,
};
use libfuzzer_sys::fuzz_target;

const NOT_READY: u8 = 1;
const NEW_ADDRESSES: u8 = 2;

fuzz_target!(|input: &[u8]| {
    let Some((&[flags, a, b, c, d], bytes)) = input.split_first_chunk() else { return };
    let Ok(packet) = Packet::parse(bytes) else { return };
    assert!(packet.transport <= packet.len && packet.len <= bytes.len(), "{packet:?} of {} bytes", bytes.len());
    let (src, dst) = if flags & NEW_ADDRESSES == 0 { (packet.src, packet.dst) } else { others(packet.src.is_v4()) };
    let new = Endpoints { src, src_port: u16::from_be_bytes([a, b]), dst, dst_port: u16::from_be_bytes([c, d]) };
    match packet.payload {
        Payload::Tcp(_) | Payload::Udp { .. } => {
            let ready = if flags & NOT_READY == 0 { Checksum::Ready } else { Checksum::NotReady };
            translate(bytes, &packet, &new, ready);
        }
        Payload::IcmpError { .. } => translate_quoted(bytes, &packet, &new),
        _ => {}
    }
});

/// Two addresses of this family that stand in for those of a translation.
fn others(v4: bool) -> (Address, Address) {
    if v4 {
        return (Address::v4([192, 0, 2, 1]), Address::v4([198, 51, 100, 2]));
    }
    let v6 =
        |last| Address::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]).expect("not a mapped address");
    (v6(1), v6(2))
}

fn translate(bytes: &[u8], packet: &Packet, new: &Endpoints, checksum: Checksum) {
    let mut changed = bytes.to_vec();
    rewrite(&mut changed, packet, new, checksum);
    let reparsed = Packet::parse(&changed).expect("a rewritten packet parses");
    assert_eq!(endpoints(&reparsed), *new);
    assert_eq!((reparsed.transport, reparsed.len, reparsed.fragment), (packet.transport, packet.len, packet.fragment));
    assert_eq!(changed[packet.len..], bytes[packet.len..], "padding was touched");
    if packet.fragment {
        return;
    }
    let none_sent = matches!(packet.payload, Payload::Udp { .. }) && bytes[packet.transport + 6..][..2] == [0, 0];
    let was_valid = is_valid(bytes, packet) && !none_sent;
    if was_valid || checksum == Checksum::NotReady {
        assert!(is_valid(&changed, &reparsed), "the checksum was right and is not any more");
    }
}

fn translate_quoted(bytes: &[u8], packet: &Packet, new: &Endpoints) {
    let Some(quoted) = Quoted::parse(bytes, packet) else { return };
    let mut changed = bytes.to_vec();
    rewrite_quoted(&mut changed, packet, &quoted, new, packet.src, packet.dst);
    let reparsed = Packet::parse(&changed).expect("a rewritten error parses");
    let requoted = Quoted::parse(&changed, &reparsed).expect("and still quotes a packet");
    assert_eq!(requoted.endpoints, *new);
    if is_valid(bytes, packet) {
        assert!(is_valid(&changed, &reparsed), "the checksum of the error was right and is not any more");
    }
}

fn is_valid(bytes: &[u8], packet: &Packet) -> bool {
    transport_checksum_is_valid(packet.src, packet.dst, packet.protocol, &bytes[packet.transport..packet.len])
}

fn endpoints(packet: &Packet) -> Endpoints {
    let (src_port, dst_port) = match packet.payload {
        Payload::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
        Payload::Udp { src_port, dst_port } => (src_port, dst_port),
        _ => (0, 0),
    };
    Endpoints { src: packet.src, src_port, dst: packet.dst, dst_port }
}
