//! Which protocol a datagram is of. It is there as a whole: what is short is not that protocol.

use super::look::{Doubt, Seen, must};
use super::{Protocol, Verdict, binary, device, industry, text};

type Outcome = Result<(), Doubt>;

/// The protocol of a datagram to this port, if one is recognised.
pub(in crate::handlers) fn datagram(bytes: &[u8], port: u16) -> Option<&'static str> {
    let told = DATAGRAMS.iter().find(|protocol| protocol.verdict(bytes) == Verdict::Yes).map(|protocol| protocol.name);
    told.or_else(|| {
        let at_home = AT_HOME.iter().find(|(home, protocol)| *home == port && protocol.verdict(bytes) == Verdict::Yes);
        at_home.map(|(_, protocol)| protocol.name)
    })
}

const fn row(name: &'static str, test: fn(Seen<'_>) -> Outcome) -> Protocol {
    Protocol::new(name, name, test)
}

/// Of two that the same bytes fit, the first is meant.
const DATAGRAMS: &[Protocol] = &[
    row("sip", text::sip),
    row("ssdp", ssdp),
    row("ws-discovery", ws_discovery),
    row("stun", stun),
    row("dtls", dtls),
    row("ike", ike),
    row("ipmi", |seen| seen.literal(0, &[6, 0, 0xff, 7])),
    row("asf", |seen| seen.literal(0, &[6, 0, 0xff, 6])),
    row("bacnet", bacnet),
    row("source-query", |seen| seen.literal(0, b"\xff\xff\xff\xffTSource Engine Query\0")),
    row("quake3", |seen| seen.literal(0, b"\xff\xff\xff\xffget")),
    row("bittorrent-tracker", |seen| seen.literal(0, &[0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0])),
    row("bittorrent-dht", |seen| seen.word(&["d1:ad2:id20:", "d1:rd2:id20:"]).map(|_| ())),
    row("snmp", snmp),
    row("ldap", binary::ldap),
    row("kerberos", kerberos),
    row("sunrpc", sunrpc),
    row("radius", radius),
    row("l2tp", l2tp),
    row("memcached", memcached),
    row("netbios-ns", netbios_ns),
    row("dns", dns),
    row("ntp", ntp),
    row("tftp", tftp),
    row("xdmcp", xdmcp),
    row("openvpn", openvpn),
    row("wireguard", wireguard),
    row("quic", quic),
    row("slp", device::slp),
    row("ethernet-ip", industry::ethernet_ip),
    row("dnp3", industry::dnp3),
    row("hart-ip", industry::hart_ip),
    row("msrpc", binary::msrpc),
    row("dhcp", |seen| must(matches!(seen.bytes::<4>(0)?, [1, 1, 6, 0]) && seen.0.len() >= 236)),
    row("wdbrpc", |seen| seen.literal(12, &[0x55; 4])),
    row("teamspeak", |seen| seen.literal(0, b"TS3INIT1")),
    row("amanda", |seen| seen.literal(0, b"Amanda ")),
    row("apple-remote-desktop", |seen| seen.literal(0, &[0, 0x14, 0, 1, 3])),
];

/// Protocols whose messages say too little of themselves: only on their port.
const AT_HOME: &[(u16, Protocol)] = &[
    (520, row("rip", |seen| must(matches!(seen.bytes::<4>(0)?, [1, 1 | 2, 0, 0])))),
    (1_434, row("mssql-browser", |seen| must(matches!(seen.byte(0)?, 2..=4)))),
    (2_123, row("gtp", gtp)),
    (2_152, row("gtp", gtp)),
    (5_351, row("nat-pmp", |seen| must(matches!(seen.bytes::<2>(0)?, [0, 0..=2] | [2, 0..=2])))),
    (5_632, row("pcanywhere", |seen| seen.word(&["NQ", "ST"]).map(|_| ()))),
    (5_683, row("coap", coap)),
    (10_001, row("ubiquiti-discovery", |seen| must(matches!(seen.bytes::<4>(0)?, [1 | 2, _, 0, 0])))),
    (64_738, row("mumble", |seen| must(seen.u32(0)? == 0 && seen.0.len() == 12))),
];

/// Every byte of the datagram belongs to the length that stands in it.
fn whole(seen: Seen<'_>, length: u16) -> Outcome {
    must(usize::from(length) == seen.0.len())
}

/// A search of UPnP (Device Architecture 2.0, section 1.3.2), or an announcement.
fn ssdp(seen: Seen<'_>) -> Outcome {
    seen.word_in_any_case(&["M-SEARCH ", "NOTIFY * HTTP"]).map(|_| ())
}

/// A probe in XML (WS-Discovery 1.1), of which devices take parts.
fn ws_discovery(seen: Seen<'_>) -> Outcome {
    seen.literal(0, b"<")?;
    must(
        [&b"ws/2005/04/discovery"[..], b"<:/>", b"Probe"]
            .iter()
            .any(|word| memchr::memmem::find(seen.0, word).is_some()),
    )
}

/// A binding request (RFC 8489 section 5), with the cookie or, as before it, without attributes.
fn stun(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 1])?;
    let length = seen.u16(2)?;
    must(usize::from(length) + 20 == seen.0.len())?;
    must(length == 0 || seen.u32(4)? == 0x2112_a442)
}

/// A record with a ClientHello (RFC 6347 section 4.1).
fn dtls(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[22, 0xfe])?;
    must(matches!(seen.byte(2)?, 0xfd | 0xff))?;
    must(seen.byte(13)? == 1)
}

/// The first message to a responder (RFC 7296 section 3.1, RFC 2408 section 3.1), on port 4500 behind four zeros.
fn ike(seen: Seen<'_>) -> Outcome {
    let message = if seen.u32(0)? == 0 { seen.from(4) } else { seen };
    must(message.bytes::<8>(0)? != [0; 8])?;
    message.literal(8, &[0; 8])?;
    must(matches!(message.byte(17)?, 0x10 | 0x20) && matches!(message.byte(18)?, 1..=5 | 34))?;
    must(message.u32(24)? as usize == message.0.len())
}

/// An original message (ASHRAE 135, annex J).
fn bacnet(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0x81])?;
    must(seen.byte(1)? <= 0x0b)?;
    whole(seen, seen.u16(2)?)
}

/// The contents of a BER element at the beginning with this tag, whose length must fit.
fn ber(seen: Seen<'_>, tag: u8) -> Result<Seen<'_>, Doubt> {
    must(seen.byte(0)? == tag)?;
    let (start, length) = match seen.byte(1)? {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(seen.byte(2)?)),
        0x82 => (4, usize::from(seen.u16(2)?)),
        _ => return Err(Doubt::Unfit),
    };
    must(start + length <= seen.0.len())?;
    Ok(seen.from(start))
}

/// A message of version 1, 2c or 3 (RFC 1157 section 4, RFC 3412 section 6).
fn snmp(seen: Seen<'_>) -> Outcome {
    let message = ber(seen, 0x30)?;
    message.literal(0, &[2, 1])?;
    let version = message.byte(2)?;
    must(matches!((version, message.byte(3)?), (0 | 1, 4) | (3, 0x30)))
}

/// AS-REQ or TGS-REQ (RFC 4120 section 5.4.1).
fn kerberos(seen: Seen<'_>) -> Outcome {
    let request = ber(seen, 0x6a).or_else(|_| ber(seen, 0x6c))?;
    ber(request, 0x30)?.literal(0, &[0xa1, 3, 2, 1, 5])
}

/// A call of ONC RPC 2 (RFC 5531 section 9).
fn sunrpc(seen: Seen<'_>) -> Outcome {
    seen.u32(0)?;
    seen.literal(4, &[0, 0, 0, 0, 0, 0, 0, 2])?;
    must((100_000..=0x3fff_ffff).contains(&seen.u32(12)?))
}

/// Access, accounting or status request (RFC 2865 section 3).
fn radius(seen: Seen<'_>) -> Outcome {
    must(matches!(seen.byte(0)?, 1 | 4 | 12))?;
    seen.bytes::<20>(0)?;
    whole(seen, seen.u16(2)?)
}

/// A control message (RFC 2661 section 3.1).
fn l2tp(seen: Seen<'_>) -> Outcome {
    must(seen.byte(0)? & 0xc8 == 0xc8 && seen.byte(1)? & 0x0f == 2)?;
    whole(seen, seen.u16(2)?)
}

/// A command behind memcached's frame: request, sequence 0, one datagram (protocol.txt, "UDP protocol").
fn memcached(seen: Seen<'_>) -> Outcome {
    seen.literal(2, &[0, 0, 0, 1, 0, 0])?;
    let command = seen.from(8);
    text::memcached(command).or_else(|_| binary::memcached(command))
}

/// The head of a query with one question, and its name's end (RFC 1035 sections 4.1.1 and 4.1.2).
fn question(seen: Seen<'_>) -> Result<usize, Doubt> {
    seen.u16(0)?;
    let flags = seen.u16(2)?;
    must(flags & 0x8000 == 0 && flags & 0x0f == 0 && seen.u16(4)? >= 1 && seen.u16(6)? == 0)?;
    let mut at = 12;
    loop {
        match seen.byte(at)? {
            0 => return Ok(at + 1),
            label @ 1..=63 => at += usize::from(label) + 1,
            _ => return Err(Doubt::Unfit),
        }
    }
}

/// A query for a NetBIOS name or a node's status (RFC 1002 section 4.2.12): the name encoded in 32 letters.
fn netbios_ns(seen: Seen<'_>) -> Outcome {
    let end = question(seen)?;
    must(seen.byte(12)? == 32)?;
    must(seen.from(13).0.iter().take(32).all(|byte| (b'A'..=b'P').contains(byte)))?;
    must(matches!(seen.u16(end)?, 0x20 | 0x21))
}

/// A query, or the question for a server's status that has none.
fn dns(seen: Seen<'_>) -> Outcome {
    if seen.0.len() == 12 {
        return must(seen.u16(2)? == 0x1000 && seen.bytes::<8>(4)? == [0; 8]);
    }
    let end = question(seen)?;
    must(matches!(seen.u16(end + 2)? & 0x7fff, 1 | 3 | 4 | 255))
}

/// A client or peer (RFC 5905 section 7.3), a control message (RFC 9327), or a private one as for the list of clients.
fn ntp(seen: Seen<'_>) -> Outcome {
    let first = seen.byte(0)?;
    must((1..=4).contains(&(first >> 3 & 7)))?;
    let length = seen.0.len();
    must(match first & 7 {
        1 | 3 => length >= 48,
        6 => (12..=500).contains(&length) && seen.byte(1)? & 0xe0 == 0,
        7 => length >= 8 && first & 0xc0 == 0 && matches!(seen.byte(2)?, 0..=3),
        _ => false,
    })
}

/// A request to read or write (RFC 1350 section 5): a file's name and a mode.
fn tftp(seen: Seen<'_>) -> Outcome {
    must(matches!(seen.u16(0)?, 1 | 2))?;
    let mut words = seen.from(2).0.split(|&byte| byte == 0);
    let (name, mode) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    must(!name.is_empty() && [&b"netascii"[..], b"octet", b"mail"].iter().any(|one| mode.eq_ignore_ascii_case(one)))
}

/// A query for a display manager (XDMCP 1.1): version 1, opcode, the length of the rest.
fn xdmcp(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[0, 1, 0])?;
    must(matches!(seen.byte(3)?, 1..=3 | 7 | 13))?;
    must(usize::from(seen.u16(4)?) + 6 == seen.0.len())
}

/// The client's hard reset without a key of its own, or with one.
fn openvpn(seen: Seen<'_>) -> Outcome {
    must(seen.byte(0)? == 0x38)?;
    must(matches!(seen.0.len(), 13 | 14 | 42 | 54 | 86))
}

/// The initiation of a handshake (WireGuard, section 5.4.2).
fn wireguard(seen: Seen<'_>) -> Outcome {
    seen.literal(0, &[1, 0, 0, 0])?;
    must(seen.0.len() == 148)
}

/// An initial packet (RFC 9000 section 17.2, RFC 9369), or one of a version that servers shall refuse.
fn quic(seen: Seen<'_>) -> Outcome {
    must(seen.byte(0)? & 0xc0 == 0xc0)?;
    let version = seen.u32(1)?;
    must(matches!(version, 1 | 0x6b33_43cf) || version & 0x0f0f_0f0f == 0x0a0a_0a0a || version >> 8 == 0xff_0000)?;
    must(seen.byte(5)? <= 20)
}

/// An echo request of GTP 1 or 2 (3GPP TS 29.281 section 5.1, TS 29.274 section 5.1): the length of what follows the first eight or four bytes.
fn gtp(seen: Seen<'_>) -> Outcome {
    must(matches!(seen.byte(0)? >> 5, 1 | 2) && seen.byte(1)? == 1)?;
    must((4..=8).contains(&seen.0.len().saturating_sub(usize::from(seen.u16(2)?))))
}

/// A request of CoAP (RFC 7252 section 3): version 1, confirmable or not, a method.
fn coap(seen: Seen<'_>) -> Outcome {
    let first = seen.byte(0)?;
    must(first & 0xe0 == 0x40 && first & 0x0f <= 8)?;
    must(matches!(seen.byte(1)?, 1..=7))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nmap's probes, dig, ntpdate, memcached's clients and DHT peers send.
    #[rustfmt::skip]
    const PROBES: &[(u16, &str, &[u8])] = &[
        (3283, "apple-remote-desktop", b"\0\x14\0\x01\x03"),
        (623, "asf", b"\x06\0\xff\x06\0\0\x11\xbe\x80\0\0\0"),
        (5683, "coap", b"@\x01\x01\xce\xbb.well-known\x04core"),
        (69, "dns", b"\0\0\x10\0\0\0\0\0\0\0\0\0"),
        (443, "dtls", b"\x16\xfe\xff\0\0\0\0\0\0\0\0\x006\x01\0\0*\0\0\0\0\0\0\0*\xfe\xfd\0\0\0\0|w@\x1e\x8a\xc8\"\xa0\xa0\x18\xff\x93\x08\xca\xac\nd/\xc9\"d\xbc\x08\xa8\x16\x89\x19?\0\0\0\x02\0/\x01\0"),
        (623, "ipmi", b"\x06\0\xff\x07\0\0\0\0\0\0\0\0\0\x09 \x18\xc8\x81\x008\x8e\x04\xb5"),
        (1701, "l2tp", b"\xc8\x02\0<\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\x01\x80\x08\0\0\0\x02\x01\0\x80\x0e\0\0\0\x07nxp-scan\x80\n\0\0\0\x03\0\0\0\x03\x80\x08\0\0\0\x09\0\0"),
        (389, "ldap", b"0\x84\0\0\0-\x02\x01\x07c\x84\0\0\0$\x04\0\n\x01\0\n\x01\0\x02\x01\0\x02\x01d\x01\x01\0\x87\x0bobjectClass0\x84\0\0\0\0"),
        (5351, "nat-pmp", b"\0\0"),
        (137, "netbios-ns", b"\x80\xf0\0\x10\0\x01\0\0\0\0\0\0 CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0!\0\x01"),
        (1604, "ntp", b"\x1e\0\x010\x02\xfd\xa8\xe3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (1194, "openvpn", b"8d\xc1x\x01\xb8\x9b\xcb\x8f\0\0\0\0\0"),
        (5632, "pcanywhere", b"ST"),
        (27960, "quake3", b"\xff\xff\xff\xffgetstatus"),
        (1812, "radius", b"\x01\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (520, "rip", b"\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10"),
        (427, "slp", b"\x02\x01\0\x006 \0\0\0\0\0\x01\0\x02en\0\0\0\x15service:service-agent\0\x07default\0\0\0\0"),
        (161, "snmp", b"0\x1f\x02\x01\0\x04\x06public\xa1\x12\x02\x01\0\x02\x01\0\x02\x01\x000\x070\x05\x06\x01\0\x05\0"),
        (27015, "source-query", b"\xff\xff\xff\xffTSource Engine Query\0"),
        (1900, "ssdp", b"M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMan: \"ssdp:discover\"\r\nMX: 5\r\nST: ssdp:all\r\n\r\n"),
        (3478, "stun", b"\0\x01\0\0!\x12\xa4B\0\0\0\0\0\0\0\0\0\0\0\0"),
        (65024, "sunrpc", b">\xec\xe3\xca\0\0\0\0\0\0\0\x02\0\xbcaN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (69, "tftp", b"\0\x01r7tftp.txt\0octet\0"),
        (10001, "ubiquiti-discovery", b"\x01\0\0\0"),
        (177, "xdmcp", b"\0\x01\0\x02\0\x01\0"),
        (11_211, "memcached", b"\x12\x34\0\0\0\x01\0\0stats\r\n"),
        (11_211, "memcached", b"\x77\x01\0\0\0\x01\0\0\x80\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (5_353, "dns", b"\0\0\0\0\0\x01\0\0\0\0\0\0\x09_services\x07_dns-sd\x04_udp\x05local\0\0\x0c\0\x01"),
        (53, "dns", b"\x9a\x1f\x01\x20\0\x01\0\0\0\0\0\x01\x07version\x04bind\0\0\x10\0\x03\0\0\x29\x04\xd0\0\0\0\0\0\0"),
        (123, "ntp", b"\x17\0\x03\x2a\0\0\0\0"),
        (123, "ntp", b"\x16\x02\0\x01\0\0\0\0\0\0\0\0"),
        (2_123, "gtp", b"\x32\x01\0\x04\0\0\x42\0\x13\x37\0\0"),
        (10_080, "amanda", b"Amanda 2.6 REQ HANDLE 000-00000000 SEQ 0\nSERVICE noop\n"),
        (6_881, "bittorrent-dht", b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"),
        (37_810, "unknown", b"help\r\n\r\n"),
        (9_999, "unknown", b"\x02"),
        (53, "unknown", b"\0\0\x10\0\0\0\0\0\0\0\0"),
    ];

    #[test]
    fn probes_of_scanners_and_clients_are_named() {
        for (port, name, bytes) in PROBES {
            assert_eq!(datagram(bytes, *port).unwrap_or("unknown"), *name, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_datagram_that_is_cut_short_is_never_taken_for_another_protocol() {
        for (port, name, bytes) in PROBES {
            for length in 0..bytes.len() {
                let told = datagram(&bytes[..length], *port);
                assert!(told.is_none_or(|told| told == *name), "{length} of {name} is {told:?}");
            }
        }
    }
}
