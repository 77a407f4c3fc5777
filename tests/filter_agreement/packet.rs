//! Packets of all kinds, most of them cut short somewhere, and a capture to put them in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::random::Random;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) wire_len: usize,
}

/// What a reader of packets knows of a well-formed one.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) protocol: u8,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) src_port: Option<u16>,
    pub(crate) dst_port: Option<u16>,
}

const PORTS: &[u16] = &[22, 23, 53, 80, 443, 1000, 2222, 6000, 8080, 65535, 0];
const PROTOCOLS: &[u8] = &[6, 6, 6, 17, 17, 132, 1, 2, 9, 50, 51, 58, 103, 112, 0, 43, 44, 59, 60, 41, 255];

pub(crate) fn generate(random: &mut Random, count: usize) -> Vec<Packet> {
    let mut packets = Vec::new();
    // Every length of one packet of either version.
    for whole in [ipv4(random, 6), ipv6(random, 6)] {
        packets.extend((0..whole.len()).map(|cut| Packet { bytes: whole[..cut].to_vec(), wire_len: whole.len() }));
    }
    while packets.len() < count {
        packets.push(any(random));
    }
    packets
}

fn any(random: &mut Random) -> Packet {
    let protocol = random.pick(PROTOCOLS);
    let mut bytes = match random.below(10) {
        0..=4 => ipv4(random, protocol),
        5..=8 => ipv6(random, protocol),
        _ => (0..random.below(90)).map(|_| random.byte()).collect(),
    };
    if random.once_in(8) && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = random.byte();
    }
    let wire_len = bytes.len();
    if random.once_in(3) {
        bytes.truncate(random.below(wire_len + 1));
    }
    Packet { wire_len: if random.once_in(10) { wire_len + random.below(1500) } else { wire_len }, bytes }
}

fn address4(random: &mut Random) -> [u8; 4] {
    random.pick(&[
        [10, 0, 0, 1],
        [10, 0, 0, 2],
        [10, 1, 2, 3],
        [192, 168, 1, 1],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
        [0, 0, 0, 0],
        [172, 16, 5, 9],
    ])
}

fn address6(random: &mut Random) -> [u8; 16] {
    let text = random.pick(&["::1", "fe80::1", "2001:db8::1", "2001:db8:0:1::2", "ff02::1", "::", "::ffff:10.0.0.1"]);
    text.parse::<Ipv6Addr>().unwrap().octets()
}

fn transport(random: &mut Random, protocol: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..8 + random.below(40)).map(|_| random.byte()).collect();
    bytes[0..2].copy_from_slice(&random.pick(PORTS).to_be_bytes());
    bytes[2..4].copy_from_slice(&random.pick(PORTS).to_be_bytes());
    match protocol {
        6 => {
            bytes.resize(20 + random.below(20), 0);
            bytes[12] = 0x50;
            bytes[13] = random.pick(&[2, 0x12, 0x10, 0x18, 4, 1, 0x29, 0]);
        }
        1 => bytes[0] = random.pick(&[0, 3, 5, 8, 11, 13]),
        58 => bytes[0] = random.pick(&[1, 2, 3, 128, 129, 133, 135]),
        _ => {}
    }
    if protocol == 1 && matches!(bytes[0], 3 | 11) {
        let quoted = random.pick(&[6, 17]);
        bytes.truncate(8);
        bytes.extend(ipv4(random, quoted));
    }
    bytes
}

fn ipv4(random: &mut Random, protocol: u8) -> Vec<u8> {
    let options = if random.once_in(4) { random.below(11) } else { 0 };
    let payload = transport(random, protocol);
    let fragment: u16 = random.pick(&[0, 0, 0, 0x4000, 0x2000, 0x2001, 0x0001, 0x1fff]);
    let length = 20 + 4 * options + payload.len();
    let mut bytes = vec![0x40 | (5 + options as u8), random.pick(&[0, 0x10, 0xb8])];
    bytes.extend((length as u16).to_be_bytes());
    bytes.extend([random.byte(), random.byte()]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([random.pick(&[1, 64, 128, 255]), protocol, 0, 0]);
    bytes.extend(address4(random));
    bytes.extend(address4(random));
    bytes.extend((0..4 * options).map(|_| random.byte()));
    bytes.extend(payload);
    bytes
}

fn ipv6(random: &mut Random, protocol: u8) -> Vec<u8> {
    let mut next = protocol;
    let mut payload = transport(random, protocol);
    for _ in 0..if random.once_in(3) { 1 + random.below(3) } else { 0 } {
        let extension = random.pick(&[0u8, 43, 44, 60, 51]);
        let length: u8 = if extension == 44 { 0 } else { random.pick(&[0, 0, 1, 2]) };
        let octets = if extension == 51 { 4 * (usize::from(length) + 2) } else { 8 * (usize::from(length) + 1) };
        let mut header = vec![0; octets];
        header[0] = next;
        header[1] = length;
        header.extend(payload);
        payload = header;
        next = extension;
    }
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend([next, 64]);
    bytes.extend(address6(random));
    bytes.extend(address6(random));
    bytes.extend(payload);
    bytes
}

impl Packet {
    /// `None` for packets that a careful reader would not take for IP.
    pub(crate) fn facts(&self) -> Option<Facts> {
        let bytes = &self.bytes;
        match bytes.first()? >> 4 {
            4 => {
                let header = usize::from(bytes[0] & 0xf) * 4;
                if header < 20 || bytes.len() < header {
                    return None;
                }
                let address =
                    |at: usize| IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap()));
                let first = bytes[6] & 0x1f == 0 && bytes[7] == 0;
                let ports = ports(bytes[9], if first { &bytes[header..] } else { &[] });
                Some(Facts {
                    protocol: bytes[9],
                    src: address(12),
                    dst: address(16),
                    src_port: ports.0,
                    dst_port: ports.1,
                })
            }
            6 if bytes.len() >= 40 => {
                let (protocol, at) = upper_layer(bytes)?;
                let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
                let ports = at.map_or((None, None), |at| ports(protocol, &bytes[at..]));
                Some(Facts { protocol, src: address(8), dst: address(24), src_port: ports.0, dst_port: ports.1 })
            }
            _ => None,
        }
    }
}

fn ports(protocol: u8, transport: &[u8]) -> (Option<u16>, Option<u16>) {
    if !matches!(protocol, 6 | 17 | 132) || transport.len() < 4 {
        return (None, None);
    }
    let port = |at: usize| Some(u16::from_be_bytes([transport[at], transport[at + 1]]));
    (port(0), port(2))
}

/// The protocol behind the extension headers, and where it begins unless this is a later fragment.
fn upper_layer(bytes: &[u8]) -> Option<(u8, Option<usize>)> {
    let (mut next, mut at) = (bytes[6], 40);
    for _ in 0..16 {
        let length = match next {
            0 | 43 | 60 => 8 * (usize::from(*bytes.get(at + 1)?) + 1),
            51 => 4 * (usize::from(*bytes.get(at + 1)?) + 2),
            44 => 8,
            _ => break,
        };
        let later = next == 44 && (*bytes.get(at + 2)? != 0 || *bytes.get(at + 3)? & 0xf8 != 0);
        next = *bytes.get(at)?;
        if later {
            return Some((next, None));
        }
        at += length;
    }
    Some((next, Some(at).filter(|&at| at <= bytes.len())))
}

pub(crate) fn is_inside(net: (IpAddr, u8), address: IpAddr) -> bool {
    match (net.0, address) {
        (IpAddr::V4(net4), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(net.1)).unwrap_or(0);
            (u32::from(net4) ^ u32::from(address)) & mask == 0
        }
        (IpAddr::V6(net6), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(net.1)).unwrap_or(0);
            (u128::from(net6) ^ u128::from(address)) & mask == 0
        }
        _ => false,
    }
}

/// LINKTYPE_RAW.
const LINKTYPE_RAW: u32 = 101;

pub(crate) fn write_capture(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xa1b2_c3d4u32.to_ne_bytes());
    out.extend(2u16.to_ne_bytes());
    out.extend(4u16.to_ne_bytes());
    for field in [0, 0, 262_144, LINKTYPE_RAW] {
        out.extend(u32::to_ne_bytes(field));
    }
    for packet in packets {
        for field in [0, 0, packet.bytes.len() as u32, packet.wire_len as u32] {
            out.extend(field.to_ne_bytes());
        }
        out.extend(&packet.bytes);
    }
    out
}

pub(crate) fn read_capture(capture: &[u8]) -> Vec<Packet> {
    let mut rest = capture.get(24..).unwrap_or(&[]);
    let mut packets = Vec::new();
    while rest.len() >= 16 {
        let field = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (length, wire_len) = (field(8), field(12));
        packets.push(Packet { bytes: rest[16..16 + length].to_vec(), wire_len });
        rest = &rest[16 + length..];
    }
    packets
}
