//! Servers that speak first in packets: what MariaDB and VNC servers say, and how they turn a visitor away.

use super::server::Visit;
use crate::handlers::Session;
use crate::handlers::release::Release;

/// Last words, and whether a client of this server's own protocol gets them.
pub(super) struct Farewell {
    pub(super) words: Vec<u8>,
    pub(super) to_own: bool,
}

fn foreign(words: Vec<u8>) -> Farewell {
    Farewell { words, to_own: false }
}

/// The handshake of MariaDB, protocol 10 ("Connection Phase" of its protocol documentation): version, thread, scramble, capabilities.
pub(super) fn mysql_greeting(visit: Visit<'_>) -> Vec<u8> {
    /// Of the 20 bytes of the scramble, so many stand before the capabilities.
    const FIRST: usize = 8;
    let Visit { persona, mut random, now, number } = visit;
    let scramble: Vec<u8> = (0..20).map(|_| u8::try_from(random.within(&(0x23..=0x7e))).unwrap_or(b'a')).collect();
    let (first, second) = scramble.split_at(FIRST);
    // A server that has been up for so long has had visitors before.
    let earlier = u32::try_from(now.saturating_since(persona.booted()).as_secs() / 97).unwrap_or(0);
    let mut packet = vec![10];
    packet.extend_from_slice(b"5.5.5-");
    packet.extend_from_slice(Release::of(persona).mariadb.as_bytes());
    packet.push(0);
    packet.extend_from_slice(&earlier.wrapping_add(number).to_le_bytes());
    packet.extend_from_slice(first);
    // Capabilities without TLS, utf8mb4, autocommit; the scramble's length, MariaDB's own capabilities.
    packet.extend_from_slice(&[0, 0xfe, 0xf7, 0x2d, 2, 0, 0xff, 0x81, 21, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0]);
    packet.extend_from_slice(second);
    packet.extend_from_slice(b"\0mysql_native_password\0");
    framed(0, &packet)
}

/// What MariaDB makes of the first packet: out of order, no handshake, or nobody whom it knows.
pub(super) fn mysql_verdict(session: &Session, bytes: &[u8]) -> Option<Farewell> {
    /// Capabilities, longest packet, character set, filler.
    const FIXED: usize = 32;
    let client = session.client.ip().to_canonical();
    let (&[a, b, c, sequence], rest) = bytes.split_first_chunk()?;
    if bytes.starts_with(b"\r\n\r\n") {
        return Some(foreign(error(1, 1_130, "HY000", &format!("Proxy header is not accepted from {client}"))));
    }
    if sequence != 1 {
        return Some(foreign(error(1, 1_156, "08S01", "Got packets out of order")));
    }
    let packet = rest.get(..usize::try_from(u32::from_le_bytes([a, b, c, 0])).ok()?)?;
    let mut names =
        packet.get(FIXED..).filter(|rest| !rest.is_empty()).unwrap_or_default().splitn(2, |&byte| byte == 0);
    let (Some(user), Some(behind)) = (names.next(), names.next()) else {
        return Some(foreign(error(2, 1_043, "08S01", "Bad handshake")));
    };
    let used = if behind.first().is_some_and(|&length| length > 0) { "YES" } else { "NO" };
    let user = String::from_utf8_lossy(user);
    let text = format!("Access denied for user '{user}'@'{client}' (using password: {used})");
    Some(Farewell { words: error(2, 1_045, "28000", &text), to_own: true })
}

fn error(sequence: u8, code: u16, state: &str, text: &str) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    let mut packet = vec![0xff, low, high];
    packet.extend_from_slice(format!("#{state}{text}").as_bytes());
    framed(sequence, &packet)
}

fn framed(sequence: u8, packet: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(packet.len()).unwrap_or(0).to_le_bytes();
    [&[a, b, c, sequence], packet].concat()
}

/// What a VNC server says to the client's version (RFC 6143 section 7.1) while it lets nobody try a password; nothing to what is none.
pub(super) fn vnc_verdict(_: &Session, bytes: &[u8]) -> Option<Farewell> {
    const REASON: &[u8] = b"Too many security failures";
    let version = bytes.get(..12)?;
    if !version.starts_with(b"RFB 003.00") {
        return Some(foreign(Vec::new()));
    }
    // 3.3 is told the security type as a 32-bit number, later versions an empty list.
    let none: &[u8] = if version.ends_with(b"3\n") { &[0; 4] } else { &[0] };
    Some(Farewell { words: [none, &26_u32.to_be_bytes(), REASON].concat(), to_own: true })
}
