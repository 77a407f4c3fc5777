use proptest::prelude::*;

use super::*;

/// What the rows say altogether, as a name.
fn name(bytes: &[u8]) -> &'static str {
    match recognise(bytes) {
        Recognised::As(protocol) => protocol.name,
        Recognised::Nothing => "nothing",
        Recognised::NotYet(_) => "not yet",
    }
}

/// First messages as clients of today send them, and what they are. Probes are those of nmap's nmap-service-probes.
const MESSAGES: &[(&str, &[u8])] = &[
    // OpenSSL 3 s_client, the first bytes of its record of 305; nmap SSLSessionReq; Go's TLS 1.3.
    ("tls", b"\x16\x03\x01\x01\x31\x01\x00\x01\x2d\x03\x03\xf6\x9a\x0c"),
    ("tls", b"\x16\x03\0\0S\x01\0\0O\x03\0?G\xd7\xf7"),
    ("tls", b"\x16\x03\x01\x00\xf7\x01\x00\x00\xf3\x03\x03"),
    ("ssh", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"),
    ("ssh", b"SSH-2.0-Go\r\n"),
    ("ssh", b"SSH-1.5-Nmap-SSH1-Hostkey\r\n"),
    // nmap TerminalServer and TerminalServerCookie; xfreerdp; mstsc behind a routing token; a masscan-like scanner.
    ("rdp", b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0"),
    ("rdp", b"\x03\0\0*%\xe0\0\0\0\0\0Cookie: mstshash=nmap\r\n\x01\0\x08\0\x03\0\0\0"),
    ("rdp", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00"),
    ("rdp", b"\x03\0\0\x2f\x2a\xe0\0\0\0\0\0Cookie: msts=3640205228.15629.0000\r\n\x01\0\x08\0\x03\0\0\0"),
    ("rdp", b"\x03\x00\x00\x2b\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=hello\r\n\x01\x00\x08\x00\x03\x00\x00\x00"),
    // nmap s7-info.
    ("s7comm", b"\x03\x00\x00\x16\x11\xe0\x00\x00\x00\x14\x00\xc1\x02\x01\x00\xc2\x02\x01\x02\xc0\x01\x0a"),
    // nmap SMBProgNeg; smbclient -m SMB3 (SMB2 negotiate); WannaCry's negotiate; a NetBIOS session request.
    ("smb", b"\0\0\0\xa4\xff\x53\x4d\x42\x72\0\0\0\0\x08\x01\x40"),
    ("smb", b"\x00\x00\x00\xd4\xfe\x53\x4d\x42\x40\x00\x01\x00"),
    ("smb", b"\x00\x00\x00\x54\xff\x53\x4d\x42\x72\x00\x00\x00\x00\x18\x01\x28"),
    ("smb", b"\x81\x00\x00\x44\x20CKFDENECFDEFFCFGEFFCCACACACACACA\x00\x20"),
    // nmap adbConnect; adb 29.0.6.
    ("adb", b"CNXN\0\0\0\x01\0\x10\0\0\x07\0\0\0\x32\x02\0\0\xbc\xb1\xa7\xb1host::\0"),
    ("adb", b"CNXN\x01\0\0\x01\0\0\x10\0\xea\0\0\0\x4f\x55\0\0\xbc\xb1\xa7\xb1host::features="),
    ("adb-server", b"000chost:version"),
    ("adb-server", b"0012host:transport-any"),
    // nmap mqtt; mosquitto_sub 2.0 (3.1.1), paho (5), an old client (3.1); a client id so long that the length takes two bytes.
    ("mqtt", b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04nmap"),
    ("mqtt", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"),
    ("mqtt", b"\x10\x2d\x00\x04MQTT\x05\x02\x00\x3c\x05"),
    ("mqtt", b"\x10\x1d\x00\x06MQIsdp\x03\x02\x00\x3c"),
    ("mqtt", b"\x10\x90\x01\x00\x04MQTT\x04\x02"),
    ("bittorrent", b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05"),
    ("rfb", b"RFB 003.008\n"),
    ("java-rmi", b"\x4a\x52\x4d\x49\0\x02\x4b"),
    ("weblogic-t3", b"t3 12.1.2\nAS:2048\nHL:19\n\n"),
    ("ajp", b"\x12\x34\x00\x01\x0a"),
    ("giop", b"GIOP\x01\x00\x01\x00$\x00\x00\x00"),
    ("pjl", b"\x1b%-12345X@PJL INFO ID\x0d\x0a"),
    ("pjl", b"@PJL INFO STATUS\r\n"),
    ("x11", b"\x6C\0\x0B\0\0\0\0\0\0\0\0\0"),
    // inetutils-telnet to another port than 23 is silent; tn3270 and Mirai's scanners are not.
    ("telnet", b"\xff\xfb\x18\xff\xfa\x18\x00IBM-3279-4-E\xff\xf0"),
    ("telnet", b"\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1f"),
    // psql with and without encryption, and its cancel request.
    ("postgresql", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
    ("postgresql", b"\x00\x00\x00\x08\x04\xd2\x16\x30"),
    ("postgresql", b"\x00\x00\x00\x54\x00\x03\x00\x00user\x00postgres\x00"),
    ("kerberos", b"\0\0\0\x71\x6a\x81\x6e\x30\x81\x6b\xa1\x03\x02\x01\x05"),
    ("mssql", b"\x12\x01\x00\x34\x00\x00\x00\x00\x00\x00\x15\x00\x06\x01\x00\x1b"),
    ("oracle-tns", b"\0Z\0\0\x01\0\0\0\x016\x01,\0\0\x08\0\x7F\xFF"),
    ("ldap", b"\x30\x84\x00\x00\x00\x2d\x02\x01\x07\x63\x84\x00\x00\x00\x24\x04\x00"),
    ("ldap", b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x02\x04\0\x80\0"),
    ("msrpc", b"\x05\x00\x0b\x03\x10\x00\x00\x00\x48\x00\x00\x00\x01\x00\x00\x00"),
    ("sunrpc", b"\x80\0\0\x28\x72\xFE\x1D\x13\0\0\0\0\0\0\0\x02\0\x01\x86\xA0"),
    ("iscsi", b"\x43\x87\x00\x00\x00\x00\x00\xb6\x00\x02\x3d\x00\x00\x00\x00\x00"),
    // Text: nmap Memcache, telnet by hand, libmemcached. Binary: memcstat --binary (version, stat), SASL, a set.
    ("memcached", b"stats\r\n"),
    ("memcached", b"version\n"),
    ("memcached", b"get a\r\n"),
    ("memcached", b"set key 0 3600 5\r\nvalue\r\n"),
    ("memcached", b"cas key 0 0 5 12 noreply\r\n"),
    ("memcached", b"\x80\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
    ("memcached", b"\x80\x10\0\0\0\0\0\0\0\0\0\0\x15\xf0\xd1\x62\0\0\0\0\0\0\0\0"),
    ("memcached", b"\x80\x01\x00\x03\x08\x00\x00\x00\x00\x00\x00\x10"),
    // nmap mongodb; pymongo 4 and mongosh say hello in OP_QUERY, MongoDB's own tools in OP_MSG.
    ("mongodb", b"\x41\0\0\0\x3a\x30\0\0\xff\xff\xff\xff\xd4\x07\0\0\0\0\0\0test.$cmd\0"),
    ("mongodb", b"\x3d\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00\x00\x00admin.$cmd\x00"),
    ("mongodb", b"\x8c\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00"),
    ("mongodb", b"\x1f\x00\x00\x00\x00\x06\x01\x03\x00\x00\x00\x00\xdd\x07\x00\x00"),
    // nmap DNSVersionBindReqTCP and DNSStatusRequestTCP; dig +tcp with EDNS.
    ("dns", b"\0\x1E\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03"),
    ("dns", b"\0\x0C\0\0\x10\0\0\0\0\0\0\0\0\0"),
    ("dns", b"\x00\x34\x8a\x10\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01\x07example\x03com\x00"),
    // nmap modbus-discover.
    ("modbus", b"\x00\x00\x00\x00\x00\x02\x01\x11"),
    ("modbus", b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a"),
    ("socks4", b"\x04\x01\x00\x16\x7f\x00\x00\x01root\x00"),
    ("socks4", b"\x04\x01\x00\x50\x00\x00\x00\x01\x00example.com\x00"),
    // nmap Socks5; curl --socks5.
    ("socks5", b"\x05\x04\x00\x01\x02\x80\x05\x01\x00\x03\x0agoogle.com\x00\x50GET / HTTP/1.0\r\n\r\n"),
    ("socks5", b"\x05\x02\x00\x01"),
    ("lpd", b"\x01default\n"),
    ("lpd", b"\x02lp\n"),
    // nmap SIPOptions, sipvicious, sipsak.
    ("sip", b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm;branch=foo\r\n"),
    ("sip", b"REGISTER sip:192.0.2.1 SIP/2.0\r\n"),
    ("sip", b"INVITE sip:100@192.0.2.1;transport=tcp SIP/2.0\r\n"),
    // nmap RTSPRequest; ffplay, a camera scanner.
    ("rtsp", b"OPTIONS / RTSP/1.0\r\n\r\n"),
    ("rtsp", b"OPTIONS rtsp://192.0.2.1:554/ RTSP/1.0\r\nCSeq: 1\r\n"),
    ("rtsp", b"DESCRIBE rtsp://192.0.2.1/live RTSP/1.0\r\n"),
    ("http", b"GET / HTTP/1.0\r\n\r\n"),
    ("http", b"OPTIONS / HTTP/1.0\r\n\r\n"),
    ("http", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("http", b"GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.0\r\n\r\n"),
    ("http", b"CONNECT example.com:443 HTTP/1.1\r\n"),
    ("http", b"GET http://example.com/ HTTP/1.1\r\n"),
    ("http", b"PROPFIND / HTTP/1.1\r\n"),
    ("http", b"M-SEARCH * HTTP/1.1\r\n"),
    ("http", b"NOTIFY /event HTTP/1.1\r\n"),
    ("http", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("http", b"GET /\r\n"),
    // nmap xmpp-info, slixmpp, sendxmpp.
    ("xmpp", b"<?xml version='1.0' ?>\r\n<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'"),
    ("xmpp", b"<stream:stream to='a.example' xmlns:stream='http://etherx.jabber.org/streams'"),
    ("smtp", b"EHLO\r\n"),
    ("smtp", b"helo example.com\r\n"),
    // nmap redis-server; redis-cli 7; by hand.
    ("redis", b"*1\r\n$4\r\ninfo\r\n"),
    ("redis", b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n"),
    ("redis", b"INFO\r\n"),
    ("redis", b"PING\n"),
    ("redis", b"config set dir /root/.ssh\r\n"),
    ("redis", b"SET x \"\\n* * * * * sh\\n\"\r\n"),
    ("redis", b"set x y\r\n"),
    ("redis", b"GET x\r\n"),
    ("irc", b"NICK bot\r\nUSER bot 0 * :bot\r\n"),
    // A Monero miner, an Ethereum node over TCP, a batch.
    ("json-rpc", b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{}}\n"),
    ("json-rpc", b"{\"id\": 1, \"method\": \"mining.subscribe\", \"params\": []}\n"),
    ("json-rpc", b"[ {\"params\":[{}],\"method\":\"eth_accounts\"}]"),
];

/// First messages that are none of these.
const STRANGERS: &[&[u8]] = &[
    b"\r\n\r\n",
    b"HELP\r\n",
    b"HELP\n\n\0",
    b"root\r\n",
    b"\x16\x03\x01hello",
    b"\x16\x03\x01who are you",
    b"< NTP/1.2 >\n",
    b"\x0d\x0d666",
    b"TNMP\x04\0\0\0TNME\0\0\x04\0",
    b"DmdT\0\0\0\x17\0\0\0\x01\0\0\0\0\x11\x11\0\xff\x01\xff\x13",
    b"DIST00000001ARGC00000005",
    b"\0\x94\x01\x3c\0\0\0\x64\0\x65\0\0\0\x3d\0\x06IEEEM",
    b"<?xml version=\"1.0\" ?><methodCall><methodName>nmap.probe</methodName></methodCall>\n\0",
    b"{\"a\":1}\n",
    b"\x80\x9e\x01\x03\x01\x00u\x00\x00\x00 \x00\x00f",
    b"XYZZY plugh\r\n",
    &[0; 64],
    &[0xff; 64],
];

#[test]
fn what_real_clients_send_first_is_recognised() {
    for (wanted, bytes) in MESSAGES {
        assert_eq!(name(bytes), *wanted, "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn what_belongs_to_no_protocol_is_told_at_once() {
    for bytes in STRANGERS {
        assert_eq!(name(bytes), "nothing", "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn every_protocol_has_a_message_and_a_handler_that_a_rule_could_name() {
    for protocol in PROTOCOLS {
        assert!(MESSAGES.iter().any(|(wanted, _)| *wanted == protocol.name), "{protocol:?}");
        assert!(!protocol.handler.is_empty() && protocol.handler == protocol.handler.to_lowercase(), "{protocol:?}");
    }
}

#[test]
fn the_beginning_of_a_message_never_says_what_the_whole_contradicts() {
    for (wanted, bytes) in MESSAGES {
        for length in 0..bytes.len() {
            let early = name(&bytes[..length]);
            assert!(
                early == "not yet" || early == *wanted,
                "{early} after {length} of {:?}",
                bytes.escape_ascii().to_string()
            );
        }
    }
}

#[test]
fn a_message_that_could_go_on_as_another_one_is_known_if_nothing_follows() {
    // A SOCKS5 client without a password; or 261 bytes for MongoDB.
    let Recognised::NotYet(Some(protocol)) = recognise(b"\x05\x01\x00") else { panic!() };
    assert_eq!(protocol.name, "socks5");
    assert!(matches!(recognise(b"CNXN"), Recognised::NotYet(None)));
}

/// Bytes that come near to protocols: a message, changed at places, cut, and with other bytes behind it.
fn near_messages() -> impl Strategy<Value = Vec<u8>> {
    let message = (0..MESSAGES.len()).prop_map(|at| MESSAGES[at].1.to_vec());
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (message, changes, any::<prop::sample::Index>(), proptest::collection::vec(any::<u8>(), 0..2 * LOOK)).prop_map(
        |(mut bytes, changes, cut, rest)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            bytes.extend(rest);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_row_takes_back_what_it_has_said(bytes in near_messages(), cut in any::<prop::sample::Index>()) {
        let beginning = &bytes[..cut.index(bytes.len() + 1)];
        for protocol in PROTOCOLS {
            let early = protocol.verdict(beginning);
            prop_assert!(early == Verdict::NeedMore || early == protocol.verdict(&bytes), "{protocol:?}");
        }
        prop_assert!(name(beginning) == "not yet" || name(beginning) == name(&bytes));
    }

    #[test]
    fn after_the_named_number_of_bytes_every_row_has_decided(mut bytes in near_messages(), fill in any::<u8>()) {
        bytes.resize(bytes.len().max(LOOK), fill);
        for protocol in PROTOCOLS {
            prop_assert_ne!(protocol.verdict(&bytes), Verdict::NeedMore, "{:?}", protocol);
        }
    }
}
