//! Protocols whose first message is binary. Each test looks at its bytes in order, so that a stranger is refused at the first byte that
//! does not fit.

use super::look::{Doubt, Seen, must};

type Outcome = Result<(), Doubt>;

/// A TLS record that holds a ClientHello (RFC 8446 sections 5.1 and 4).
pub(super) fn tls(seen: Seen<'_>) -> Outcome {
    /// The largest plaintext record.
    const MAX_RECORD: u16 = 1 << 14;
    seen.literal(0, &[22, 3])?;
    must(seen.byte(2)? <= 4)?;
    must((4..=MAX_RECORD).contains(&seen.u16(3)?))?;
    seen.literal(5, &[1, 0])
}

/// What stands in front of every connection request of ISO 8073 over TCP: TPKT (RFC 1006) and the TPDU; the place of its options.
fn connection_request(seen: Seen<'_>) -> Result<usize, Doubt> {
    seen.literal(0, &[3, 0])?;
    let length = usize::from(seen.u16(2)?);
    must((11..=1_024).contains(&length))?;
    let indicator = usize::from(seen.byte(4)?);
    must(indicator >= 6 && indicator <= length - 5)?;
    must(seen.byte(5)? & 0xf0 == 0xe0)?;
    Ok(11)
}

/// A connection request as MS-RDPBCGR section 2.2.1.1 has it: a cookie or routing token, a negotiation request, or nothing.
pub(super) fn rdp(seen: Seen<'_>) -> Outcome {
    let options = connection_request(seen)?;
    if seen.byte(4)? == 6 {
        return Ok(());
    }
    must(seen.byte(options)? < 0xc0)
}

/// A connection request with the TSAP parameters (ISO 8073 section 13.3.4) that S7 stations are addressed by.
pub(super) fn s7comm(seen: Seen<'_>) -> Outcome {
    let options = connection_request(seen)?;
    must((0xc0..=0xc2).contains(&seen.byte(options)?))
}

/// SMB1, SMB2 and its transformed forms behind the transport header (MS-SMB2 section 2.1), or the request for a NetBIOS session
/// (RFC 1002 section 4.3.2) before them.
pub(super) fn smb(seen: Seen<'_>) -> Outcome {
    if seen.byte(0)? == 0x81 {
        // Two encoded names of 34 bytes: length 32, the name, an end.
        seen.literal(1, &[0, 0, 68, 32])?;
        let name = seen.from(5);
        return must((b'A'..=b'P').contains(&name.byte(0)?) && (b'A'..=b'P').contains(&name.byte(1)?));
    }
    // Nobody begins with more than 64 KiB.
    seen.literal(0, &[0, 0])?;
    must(seen.u16(2)? >= 32)?;
    // SMB1, SMB2, encrypted, compressed.
    must(seen.byte(4)? >= 0xfc)?;
    seen.literal(5, b"SMB")
}

/// CNXN of an ADB client: the command, and the same inverted at the end of the header (AOSP packages/modules/adb, protocol.txt).
pub(super) fn adb(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"CNXN")?;
    seen.literal(20, &[0xbc, 0xb1, 0xa7, 0xb1])
}

/// CONNECT (MQTT 3.1.1 and 5 section 3.1): remaining length of one to four bytes, then the protocol's name.
pub(super) fn mqtt(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x10])?;
    let mut at = 1;
    while seen.byte(at)? & 0x80 != 0 {
        at += 1;
        must(at <= 4)?;
    }
    seen.literal(at + 1, &[0])?;
    match seen.byte(at + 2)? {
        4 => seen.literal(at + 3, b"MQTT"),
        6 => seen.literal(at + 3, b"MQIsdp"),
        _ => Err(Doubt::Unfit),
    }
}

/// The handshake of BEP 3.
pub(super) fn bittorrent(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"\x13BitTorrent protocol")
}

/// The stream header of Java RMI (JRMP): magic, version 2, one of three protocols.
pub(super) fn java_rmi(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"JRMI\0")?;
    must((1..=2).contains(&seen.byte(5)?))?;
    must((0x4b..=0x4d).contains(&seen.byte(6)?))
}

/// A packet of AJP/1.3 from a web server: FORWARD_REQUEST (2), ping (8), CPING (10).
pub(super) fn ajp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x12, 0x34])?;
    must((1..=8_192).contains(&seen.u16(2)?))?;
    must(matches!(seen.byte(4)?, 2 | 8 | 10))
}

/// A message of CORBA's GIOP 1.x.
pub(super) fn giop(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"GIOP\x01")
}

/// The setup of an X11 connection: byte order, version 11.
pub(super) fn x11(seen: Seen<'_>) -> Outcome {
    match seen.byte(0)? {
        b'l' => seen.literal(1, &[0, 11, 0, 0, 0]),
        b'B' => seen.literal(1, &[0, 0, 11, 0, 0]),
        _ => Err(Doubt::Unfit),
    }
}

/// Option negotiation of a client that does not wait (RFC 854): IAC and WILL or DO; nobody begins by refusing.
pub(super) fn telnet(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[255])?;
    must(matches!(seen.byte(1)?, 251 | 253))?;
    must(seen.byte(2)? < 240)
}

/// StartupMessage, SSLRequest, GSSENCRequest or CancelRequest (PostgreSQL documentation, "Message Formats").
pub(super) fn postgresql(seen: Seen<'_>) -> Outcome {
    const REQUESTS: [u16; 3] = [5_678, 5_679, 5_680];
    seen.literal(0, &[0, 0])?;
    must((8..=10_000).contains(&seen.u16(2)?))?;
    match seen.u16(4)? {
        3 => must(seen.u16(6)? <= 2),
        1_234 => must(REQUESTS.contains(&seen.u16(6)?)),
        _ => Err(Doubt::Unfit),
    }
}

/// AS-REQ or TGS-REQ behind its length (RFC 4120 sections 7.2.2 and 5.4.1).
pub(super) fn kerberos(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 0])?;
    let length = seen.u16(2)?;
    must(matches!(seen.byte(4)?, 0x6a | 0x6c))?;
    must(length > 32)?;
    must(matches!(seen.byte(5)?, 0x81 | 0x82))
}

/// PRELOGIN with its first option VERSION (MS-TDS sections 2.2.3.1 and 2.2.6.5).
pub(super) fn mssql(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[18, 1])?;
    must((9..=4_096).contains(&seen.u16(2)?))?;
    seen.literal(8, &[0])
}

/// CONNECT of Oracle's Net8: length, checksum 0, type 1.
pub(super) fn oracle_tns(seen: Seen<'_>) -> Outcome {
    must((34..=2_048).contains(&seen.u16(0)?))?;
    seen.literal(2, &[0, 0, 1, 0, 0, 0])?;
    must(seen.byte(8)? == 1)
}

/// BindRequest, SearchRequest or ExtendedRequest as the first message (RFC 4511 section 4.1.1), in BER.
pub(super) fn ldap(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x30])?;
    let at = match seen.byte(1)? {
        0x84 => 6,
        0x82 => 4,
        0x81 => 3,
        length if length < 0x80 => 2,
        _ => return Err(Doubt::Unfit),
    };
    seen.literal(at, &[2])?;
    let id_length = usize::from(seen.byte(at + 1)?);
    must((1..=4).contains(&id_length))?;
    must(matches!(seen.byte(at + 2 + id_length)?, 0x60 | 0x63 | 0x77))
}

/// A bind of connection-oriented DCE/RPC (C706 section 12.6.4.3).
pub(super) fn msrpc(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[5])?;
    must(seen.byte(1)? <= 1)?;
    seen.literal(2, &[11])?;
    seen.byte(3)?;
    must(seen.byte(4)? & 0xee == 0)?;
    seen.literal(5, &[0, 0, 0])
}

/// A call of ONC RPC version 2 in one fragment (RFC 5531 sections 11 and 9).
pub(super) fn sunrpc(seen: Seen<'_>) -> Outcome {
    let fragment = seen.byte(0)? == 0x80;
    must(fragment)?;
    seen.literal(1, &[0])?;
    must((40..=8_192).contains(&seen.u16(2)?))?;
    seen.literal(8, &[0, 0, 0, 0, 0, 0, 0, 2])
}

/// A login request of version 0 (RFC 7143 section 11.12).
pub(super) fn iscsi(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x43])?;
    // Transit and continue bits, stages 0, 1 or 3.
    must(seen.byte(1)? & 0x30 == 0 && seen.byte(1)? & 0x0c != 0x08)?;
    seen.literal(2, &[0, 0, 0, 0])
}

/// A request of memcached's binary protocol (docs/protocol-binary.txt): lengths that fit each other, data type 0.
pub(super) fn memcached(seen: Seen<'_>) -> Outcome {
    /// Key and value have limits of 250 bytes and, unless told otherwise, 1 MiB.
    const MAX_BODY: u32 = 1_100_000;
    seen.literal(0, &[0x80])?;
    must(seen.byte(1)? <= 0x48)?;
    let key = seen.u16(2)?;
    must(key <= 250)?;
    let extras = seen.byte(4)?;
    must(extras <= 24)?;
    seen.literal(5, &[0])?;
    must((u32::from(key) + u32::from(extras)..=MAX_BODY).contains(&seen.u32(8)?))
}

/// A request of MongoDB's wire protocol: little-endian length, request id, answer to nothing (0, or -1 as nmap has it), a request's opcode.
pub(super) fn mongodb(seen: Seen<'_>) -> Outcome {
    /// A server takes 48 MB; nobody begins with so much.
    const MAX_FIRST_MESSAGE: u32 = 1 << 20;
    must(u32::from(seen.byte(2)?) << 16 <= MAX_FIRST_MESSAGE)?;
    let length = seen.bytes(0).map(u32::from_le_bytes)?;
    must((21..=MAX_FIRST_MESSAGE).contains(&length))?;
    let answers = seen.byte(8)?;
    must(answers == 0 || answers == 0xff)?;
    seen.literal(9, &[answers; 3])?;
    let opcode = seen.bytes(12).map(u32::from_le_bytes)?;
    must(matches!(opcode, 1_000 | 2_001..=2_007 | 2_010..=2_013))
}

/// A query over TCP (RFC 1035 sections 4.2.2 and 4.1.1): one question, no answers; a status request has no question.
pub(super) fn dns(seen: Seen<'_>) -> Outcome {
    let length = seen.u16(0)?;
    must((12..=512).contains(&length))?;
    // A query, no answer: QR, AA, TC and RCODE are 0, opcode at most 5.
    must(seen.byte(4)? & 0x86 == 0 && (seen.byte(4)? >> 3) <= 5)?;
    must(seen.byte(5)? & 0x8f == 0)?;
    let questions = seen.u16(6)?;
    must(questions == u16::from(length > 12))?;
    seen.literal(8, &[0, 0, 0, 0])
}

/// A request of Modbus/TCP: protocol 0, a length that fits, a function that exists (Modbus application protocol V1.1b3 section 6).
pub(super) fn modbus(seen: Seen<'_>) -> Outcome {
    seen.bytes::<2>(0)?;
    seen.literal(2, &[0, 0, 0])?;
    let length = seen.byte(5)?;
    must((2..=254).contains(&length))?;
    seen.byte(6)?;
    must(match seen.byte(7)? {
        7 | 11 | 12 | 17 => length == 2,
        24 => length == 4,
        1..=6 => length == 6,
        8 => length >= 6,
        15 | 16 => length >= 8,
        22 => length == 8,
        20 | 21 | 23 | 43 | 90 => true,
        _ => false,
    })
}

/// CONNECT or BIND of SOCKS4: port, address, user, end; 4a puts the host's name behind.
pub(super) fn socks4(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[4])?;
    must(matches!(seen.byte(1)?, 1 | 2))?;
    let user = seen.bytes::<6>(2).map(|_| seen.from(8))?;
    let printable = user.0.iter().take_while(|&&byte| byte != 0).all(|&byte| (0x20..0x7f).contains(&byte));
    must(printable)?;
    memchr::memchr(0, user.0).map(|_| ()).ok_or(Doubt::Short)
}

/// The greeting of SOCKS5 (RFC 1928 section 3): methods that IANA has assigned or left to private use.
pub(super) fn socks5(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[5])?;
    let methods = usize::from(seen.byte(1)?);
    must((1..=16).contains(&methods))?;
    for at in 0..methods {
        must(matches!(seen.byte(2 + at)?, 0..=9 | 0x80..=0xfe))?;
    }
    Ok(())
}
