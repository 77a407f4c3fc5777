//! Protocols of cameras, routers, telephones, games, currencies and remote control.

use super::look::{Doubt, Seen, must};

type Outcome = Result<(), Doubt>;

/// C0 and C1 of an RTMP client (Adobe, section 5.2): version 3, time, then zero, or the version that Flash players say.
pub(super) fn rtmp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[3])?;
    seen.bytes::<4>(1)?;
    let [major, minor, ..] = seen.bytes::<4>(5)?;
    must(minor == 0 && (major == 0 || (9..=32).contains(&major)))?;
    // What follows is random: a server of anything else would be spoken to in words or zeros by now.
    must(seen.bytes::<16>(9)? != [0; 16])
}

/// SETUP of H.225 (ITU-T Q.931 section 3.1.14) behind its TPKT.
pub(super) fn h323(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[3, 0])?;
    must(seen.u16(2)? >= 9)?;
    seen.literal(4, &[8, 2])?;
    seen.bytes::<2>(6)?;
    seen.literal(8, &[5])
}

/// A handshake of Minecraft since 1.7: length, packet 0, version, host, port, next state; the ping of older ones.
pub(super) fn minecraft(seen: Seen<'_>) -> Outcome {
    if seen.byte(0)? == 0xfe {
        return seen.literal(1, &[1]);
    }
    let length = usize::from(seen.byte(0)?);
    must((7..0x80).contains(&length))?;
    seen.literal(1, &[0])?;
    let mut at = 2;
    while seen.byte(at)? & 0x80 != 0 {
        at += 1;
        must(at < 7)?;
    }
    let host = usize::from(seen.byte(at + 1)?);
    // Version and host's length stand before the host, port and state behind.
    must(host > 0 && at + 2 + host + 3 == length + 1)?;
    let name = seen.from(at + 2);
    must(name.0.iter().take(host).all(|byte| byte.is_ascii_graphic() || *byte == 0))?;
    must((1..=3).contains(&name.byte(host + 2)?))
}

/// A frame of Valve's RCON with a password (type 3), little-endian.
pub(super) fn rcon(seen: Seen<'_>) -> Outcome {
    must((10..=200).contains(&seen.byte(0)?))?;
    seen.literal(1, &[0; 3])?;
    seen.bytes::<4>(4)?;
    seen.literal(8, &[3, 0, 0, 0])?;
    let word = usize::from(seen.byte(0)?) - 10;
    for at in 0..word {
        must((0x20..0x7f).contains(&seen.byte(12 + at)?))?;
    }
    seen.literal(12 + word, &[0, 0])
}

/// `version` of Bitcoin and its relatives: the network's magic (main, test 3, test 4, signet, Litecoin, Dogecoin), the command.
pub(super) fn bitcoin(seen: Seen<'_>) -> Outcome {
    const NETWORKS: [[u8; 4]; 6] = [
        [0xf9, 0xbe, 0xb4, 0xd9],
        [0x0b, 0x11, 0x09, 0x07],
        [0x1c, 0x16, 0x3f, 0x28],
        [0x0a, 0x03, 0xcf, 0x40],
        [0xfb, 0xc0, 0xb6, 0xdb],
        [0xc0, 0xc0, 0xc0, 0xc0],
    ];
    let begins = |magic: &[u8; 4]| seen.0.iter().zip(magic).all(|(one, other)| one == other);
    must(NETWORKS.iter().any(begins))?;
    seen.bytes::<4>(0)?;
    seen.literal(4, b"version\0")
}

/// A message of Monero's peers (levin): the signature.
pub(super) fn monero(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1, 0x21, 1, 1, 1, 1, 1, 1])
}

/// Login of a Dahua recorder (port 37777), its requests of 32 bytes that say so.
pub(super) fn dahua(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0xa0])?;
    must(matches!(seen.byte(1)?, 0 | 1 | 5))?;
    seen.literal(2, &[0])?;
    must(matches!(seen.byte(3)?, 0x60 | 0x68))
}

/// Login to a recorder or camera of Xiongmai (port 34567): head, version, session and sequence, the message's number, little-endian.
pub(super) fn xiongmai(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0xff])?;
    must(seen.byte(1)? <= 1)?;
    seen.literal(2, &[0; 2])?;
    seen.bytes::<10>(4)?;
    seen.literal(14, &[0xe8, 3])
}

/// A login to the API of a MikroTik router: the length of the first word, the word.
pub(super) fn mikrotik(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"\x06/login")
}

/// The first message of a Radmin viewer, version 2 or 3.
pub(super) fn radmin(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1, 0, 0, 0, 1, 0, 0, 0, 8])
}

/// GetStatus or OpenSession of AFP's session layer (DSI): a request, its number, no offset.
pub(super) fn afp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0])?;
    must(matches!(seen.byte(1)?, 3 | 4))?;
    seen.bytes::<2>(2)?;
    seen.literal(4, &[0; 6])?;
    seen.bytes::<2>(10)?;
    seen.literal(12, &[0; 4])
}

/// Start-Control-Connection-Request of PPTP (RFC 2637 section 2.1).
pub(super) fn pptp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 0x9c, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d])
}

/// The client's hard reset of OpenVPN over TCP without a key of its own: length, opcode, a session, nothing to acknowledge, packet 0.
/// No DNS query is so short.
pub(super) fn openvpn(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 14, 0x38])?;
    seen.bytes::<8>(3)?;
    seen.literal(11, &[0; 5])
}

/// The strings that begin an rlogin session (RFC 1282): nothing, the user here and there, the terminal and its speed.
pub(super) fn rlogin(seen: Seen<'_>) -> Outcome {
    const LONGEST: usize = 32;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    seen.literal(0, &[0])?;
    let here = seen.from(1).run(LONGEST, is_name)?.len() + 1;
    seen.literal(here, &[0])?;
    let there = seen.from(here + 1).run(LONGEST, is_name)?.len() + here + 1;
    seen.literal(there, &[0])?;
    let terminal = seen.from(there + 1);
    let name = terminal.run(LONGEST, is_name)?.len();
    terminal.literal(name, b"/")?;
    must(terminal.byte(name + 1)?.is_ascii_digit())
}

/// A ClientHello in the form of SSL 2 (RFC 5246 appendix E.2): length, version, cipher suites of three bytes, no session, a challenge.
pub(super) fn ssl2(seen: Seen<'_>) -> Outcome {
    must(seen.byte(0)? & 0xc0 == 0x80)?;
    seen.byte(1)?;
    seen.literal(2, &[1])?;
    must(matches!(seen.u16(3)?, 2 | 0x300..=0x303))?;
    let ciphers = seen.u16(5)?;
    must(ciphers > 0 && ciphers.is_multiple_of(3))?;
    must(matches!(seen.u16(7)?, 0 | 16))?;
    must((16..=32).contains(&seen.u16(9)?))
}

/// A request of the Service Location Protocol, version 2 (RFC 2608 section 8): function, length, flags, no extension.
pub(super) fn slp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[2])?;
    must((1..=11).contains(&seen.byte(1)?))?;
    seen.literal(2, &[0])?;
    must((14..=1_400).contains(&seen.u16(3)?))?;
    must(seen.byte(5)? & 0x1f == 0)?;
    seen.literal(6, &[0; 4])
}
