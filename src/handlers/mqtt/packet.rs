//! MQTT control packets on the wire (MQTT 3.1.1 and 5.0, section 2): cutting the stream, and reading and writing the fields of a
//! packet. Integers are big-endian; a string has its length in two bytes before it.

/// Bytes of a packet that are kept. Of a longer PUBLISH the beginning is kept and the rest passed over.
const MAX_PACKET: usize = 256 * 1024;
/// Bytes of a CONNECT packet (mosquitto's own limit).
const MAX_CONNECT: u32 = 100_000;
/// Bytes of a remaining length (section 2.2.3 of 3.1.1).
const MAX_LENGTH_BYTES: u32 = 4;

pub(super) const CONNECT: u8 = 1;
pub(super) const CONNACK: u8 = 2;
pub(super) const PUBLISH: u8 = 3;
pub(super) const PUBACK: u8 = 4;
pub(super) const PUBREC: u8 = 5;
pub(super) const PUBREL: u8 = 6;
pub(super) const PUBCOMP: u8 = 7;
pub(super) const SUBSCRIBE: u8 = 8;
pub(super) const SUBACK: u8 = 9;
pub(super) const UNSUBSCRIBE: u8 = 10;
pub(super) const UNSUBACK: u8 = 11;
pub(super) const PINGREQ: u8 = 12;
pub(super) const PINGRESP: u8 = 13;
pub(super) const DISCONNECT: u8 = 14;
pub(super) const AUTH: u8 = 15;

/// Why a packet cannot be what it says it is; the reason codes of MQTT 5 (section 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes do not follow the specification.
    Malformed = 0x81,
    /// They do, but may not come now or like this.
    Protocol = 0x82,
    /// They do not, and mosquitto hangs up without saying so.
    Unspoken = 0,
}

/// One control packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    /// Packet type, the upper half of the first byte.
    pub(super) kind: u8,
    /// Flags, the lower half.
    pub(super) flags: u8,
    /// Everything after the fixed header, up to the limit.
    pub(super) body: Vec<u8>,
    /// Bytes that the body had.
    pub(super) total: usize,
}

/// What the stream gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    Packet(Packet),
    /// The first byte of the session is no CONNECT.
    Stranger,
    /// No length, or one that is not taken.
    Unframed,
}

/// Cuts the stream into packets.
#[derive(Debug, Default)]
pub(super) struct Framer {
    first: Option<u8>,
    length: u32,
    length_bytes: u32,
    has_length: bool,
    body: Vec<u8>,
    passed: usize,
}

impl Framer {
    /// The next packet, if `input` brings it to its end. Until the visitor `is_known`, only CONNECT is taken.
    pub(super) fn next(&mut self, input: &mut &[u8], is_known: bool) -> Option<Framed> {
        while !self.has_length {
            let (&byte, rest) = input.split_first()?;
            let Some(first) = self.first else {
                if !is_known && byte >> 4 != CONNECT {
                    return Some(Framed::Stranger);
                }
                self.first = Some(byte);
                *input = rest;
                continue;
            };
            *input = rest;
            self.length |= u32::from(byte & 0x7f) << (7 * self.length_bytes);
            self.length_bytes += 1;
            if byte & 0x80 == 0 {
                self.has_length = true;
                if first >> 4 != PUBLISH && self.length > if is_known { 65_536 } else { MAX_CONNECT } {
                    return Some(Framed::Unframed);
                }
            } else if self.length_bytes == MAX_LENGTH_BYTES {
                return Some(Framed::Unframed);
            }
        }
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        let missing = (length - self.passed).min(input.len());
        let (now, later) = input.split_at_checked(missing)?;
        let room = MAX_PACKET.saturating_sub(self.body.len());
        self.body.extend_from_slice(now.get(..room).unwrap_or(now));
        self.passed += missing;
        *input = later;
        if self.passed < length {
            return None;
        }
        let done = std::mem::take(self);
        let first = done.first.unwrap_or(0);
        Some(Framed::Packet(Packet { kind: first >> 4, flags: first & 0x0f, body: done.body, total: done.passed }))
    }

    /// What has come of a packet that is not whole; the length is written anew.
    pub(super) fn remains(&self) -> Vec<u8> {
        let mut out: Vec<u8> = self.first.into_iter().collect();
        if self.has_length {
            put_length(&mut out, usize::try_from(self.length).unwrap_or(usize::MAX));
        } else {
            let part = |n: u32| u8::try_from((self.length >> (7 * n)) & 0x7f).unwrap_or(0) | 0x80;
            out.extend((0..self.length_bytes).map(part));
        }
        out.extend_from_slice(&self.body);
        out
    }
}

impl Packet {
    /// The packet as it came, as far as it was kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![self.kind << 4 | self.flags];
        put_length(&mut out, self.total);
        out.extend_from_slice(&self.body);
        out
    }
}

/// Reads fields from a packet's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (chunk, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Malformed)?;
        self.0 = rest;
        Ok(*chunk)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// A variable byte integer (MQTT 5 section 1.5.5).
    pub(super) fn varint(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for n in 0..MAX_LENGTH_BYTES {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }

    /// Binary data with its length before it.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// A string: UTF-8 without control characters and code points that are no characters, as mosquitto takes it.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| Fault::Malformed)?;
        let is_no_character = |c: char| matches!(u32::from(c), 0xfdd0..=0xfdef) || u32::from(c) & 0xfffe == 0xfffe;
        if text.chars().any(|c| c.is_control() || is_no_character(c)) { Err(Fault::Malformed) } else { Ok(text) }
    }
}

/// Appends a remaining length or variable byte integer.
pub(super) fn put_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let part = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        out.push(if length > 0 { part | 0x80 } else { part });
        if length == 0 {
            return;
        }
    }
}

/// Whether a packet with this body goes beyond what a client takes, as mosquitto counts it: without the first byte.
pub(super) fn is_oversize(body: usize, most: usize) -> bool {
    let mut length = Vec::with_capacity(4);
    put_length(&mut length, body);
    body + length.len() > most
}

/// Appends data with its length before it; what is longer than a length can say is cut.
pub(super) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let kept = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    out.extend_from_slice(&u16::try_from(kept.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(kept);
}

/// A whole packet.
pub(super) fn packet(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 5);
    out.push(kind << 4 | flags);
    put_length(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_publish_keeps_its_beginning_and_its_true_length() {
        let long = packet(PUBLISH, 0, &vec![b'x'; 300_000]);
        let mut framer = Framer::default();
        let mut found = None;
        for mut piece in long.chunks(1_000) {
            found = framer.next(&mut piece, true);
            assert!(framer.body.len() <= MAX_PACKET);
        }
        let Some(Framed::Packet(packet)) = found else { panic!("{found:?}") };
        assert_eq!((packet.body.len(), packet.total), (MAX_PACKET, 300_000));
    }

    #[test]
    fn lengths_of_five_bytes_and_other_protocols_are_refused_at_once() {
        assert_eq!(Framer::default().next(&mut b"\x30\xff\xff\xff\xff".as_slice(), true), Some(Framed::Unframed));
        assert_eq!(Framer::default().next(&mut b"GET /".as_slice(), false), Some(Framed::Stranger));
        assert_eq!(Framer::default().next(&mut b"\x10\xff\xff\xff\x7f".as_slice(), false), Some(Framed::Unframed));
    }

    #[test]
    fn what_remains_of_a_packet_is_what_came() {
        for came in [b"\x30".as_slice(), b"\x30\x80", b"\x30\x80\x01", b"\x30\x05ab"] {
            let mut framer = Framer::default();
            assert_eq!(framer.next(&mut { came }, true), None);
            assert_eq!(framer.remains(), came);
        }
    }
}
