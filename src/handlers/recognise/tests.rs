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
    // nmap distccd; its SSLv23SessionReq; Hydra's OpenSSL 0.9 with a session.
    ("distcc", b"DIST00000001ARGC00000005"),
    ("ssl2", b"\x80\x9e\x01\x03\x01\x00u\x00\x00\x00 \x00\x00f\x00\x00e"),
    ("ssl2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80"),
    // Plants: nmap enip-info and the clients of libplctag, dnp3-info, iec-identify, omron-info, fox-info, pcworx-info, proconos-info,
    // codesys, atg-info; open62541; pyhart.
    ("ethernet-ip", b"\x63\0\0\0\0\0\0\0\0\0\0\0\xc1\xde\xbe\xd1\0\0\0\0\0\0\0\0"),
    ("ethernet-ip", b"\x65\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"),
    ("ethernet-ip", b"\x04\0\0\0\0\0\0\0\0\0\0\0abcdefgh\0\0\0\0"),
    ("dnp3", b"\x05\x64\x05\xc9\0\0\0\0\x36\x4c"),
    ("dnp3", b"\x05\x64\x0a\xc4\x01\x00\x02\x00"),
    ("iec-104", b"\x68\x04\x43\0\0\0"),
    ("iec-104", b"\x68\x04\x07\0\0\0"),
    ("fins", b"FINS\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("niagara-fox", b"fox a 1 -1 fox hello\n{\nfox.version=s:1.0\n"),
    ("opc-ua", b"HELF\x38\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0"),
    ("melsec", b"\x50\0\0\xff\xff\x03\0\x0c\0\x10\0\x01\x01\0\0"),
    ("codesys", b"\xbb\xbb\x01\0\0\0\x01"),
    ("codesys", b"\xbb\xbb\0\0\0\x01\x01"),
    ("pcworx", b"\x01\x01\0\x1a\0\0\0\0\x78\x80\0\x03\0\x0cIBETH01N0_M\0"),
    ("proconos", b"\xcc\x01\0\x0b\x40\x02\0\0\x47\xee"),
    ("tank-gauge", b"\x01I20100\n"),
    ("tank-gauge", b"\x01I20100\r\n"),
    ("hart-ip", b"\x01\0\0\0\0\x01\0\x0d\x01\0\0\x75\x30"),
    ("hl7", b"\x0bMSH|^~\\&|HIS|HOSP|LAB|LAB|20261125||ADT^A01|1|P|2.3\r\x1c\r"),
    ("dicom", b"\x01\0\0\0\0\xcd\0\x01\0\0ANY-SCP         FINDSCU"),
    // Brokers and databases: kcat and librdkafka (ApiVersions 3 and 0), zkCli and nc, cqlsh (v4, v5), a Python driver's STARTUP, an
    // Elasticsearch node, pika and an AMQP 1.0 client, stomp.py, nats, neo4j's driver, Db2 and nmap drda-info, clickhouse-client.
    ("kafka", b"\0\0\0\x2c\0\x12\0\x03\0\0\0\x01\0\x07rdkafka\0"),
    ("kafka", b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff"),
    ("zookeeper", b"\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x75\x30\0\0\0\0\0\0\0\0\0\0\0\x10"),
    ("zookeeper", b"ruok"),
    ("zookeeper", b"stat\n"),
    ("zookeeper", b"envi\r\n"),
    ("cassandra", b"\x04\0\0\0\x05\0\0\0\0"),
    ("cassandra", b"\x05\0\0\0\x05\0\0\0\0"),
    ("cassandra", b"\x03\0\0\x01\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION"),
    ("elasticsearch", b"ES\0\0\0\x31\0\0\0\0\0\0\0\x01"),
    ("amqp", b"AMQP\0\0\x09\x01"),
    ("amqp", b"AMQP\x03\x01\0\0"),
    ("stomp", b"CONNECT\naccept-version:1.1\n\n\0"),
    ("stomp", b"STOMP\r\naccept-version:1.2\r\n"),
    ("nats", b"CONNECT {\"verbose\":false}\r\nPING\r\n"),
    ("bolt", b"\x60\x60\xb0\x17\0\0\x04\x04"),
    ("drda", b"\x01\xc2\xd0\x41\0\x01\x01\xbc\x10\x41"),
    ("drda", b"\0\x26\xd0\x01\0\x01\0\x20\x10\x41"),
    ("clickhouse", b"\0\x11ClickHouse client\x17\x08"),
    ("jdwp", b"JDWP-Handshake"),
    ("java-object", b"\xac\xed\0\x05sr\0"),
    ("hadoop-ipc", b"hrpc\x09\0\0"),
    ("epmd", b"\0\x01n"),
    ("epmd", b"\0\x07zrabbit"),
    ("zabbix", b"ZBXD\x01\x0a\0\0\0\0\0\0\0agent.ping"),
    ("smpp", b"\0\0\0\x23\0\0\0\x09\0\0\0\0\0\0\0\x01user"),
    ("rsync", b"@RSYNCD: 31.0 sha512 sha256\n"),
    ("git", b"0032git-upload-pack /project.git\0host=a.example\0"),
    // Devices: ffmpeg and librtmp, H.323, a Minecraft server list (with and without a name, and of old), RCON, bitcoind and its
    // relatives, monerod, cameras, routers, nmap Radmin, afp-serverinfo, PPTP, OpenVPN, rlogin, SLP.
    ("rtmp", b"\x03\0\0\0\0\x09\0\x7c\x02\x5f\xc1\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"),
    ("rtmp", b"\x03\x05\xb1\x22\x10\0\0\0\0\x5f\xc1\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"),
    ("h323", b"\x03\0\x01\x02\x08\x02\x04\x1a\x05\x04\x03"),
    ("minecraft", b"\x0f\0\x2f\x09127.0.0.1\x63\xdd\x01\x01\0"),
    ("minecraft", b"\x11\0\xff\xff\xff\xff\x0f\x07a.examp\x63\xdd\x01"),
    ("minecraft", b"\xfe\x01\xfa"),
    ("rcon", b"\x12\0\0\0\x01\0\0\0\x03\0\0\0password\0\0"),
    ("bitcoin", b"\xf9\xbe\xb4\xd9version\0\0\0\0\0\x66\0\0\0"),
    ("bitcoin", b"\xc0\xc0\xc0\xc0version\0\0\0\0\0\x66\0\0\0"),
    ("monero", b"\x01\x21\x01\x01\x01\x01\x01\x01\xe2\0\0\0"),
    ("dahua", b"\xa0\x05\0\x60\0\0\0\0\0\0\0\0"),
    ("xiongmai", b"\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\xe8\x03\x64\0\0\0{ \"EncryptType\""),
    ("mikrotik-api", b"\x06/login\x0b=name=admin\0"),
    ("radmin", b"\x01\0\0\0\x01\0\0\0\x08\x08"),
    ("afp", b"\0\x03\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\x0f\0"),
    ("afp", b"\0\x04\0\x01\0\0\0\0\0\0\0\x06\0\0\0\0\x01\x04"),
    ("pptp", b"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x01"),
    ("openvpn", b"\0\x0e\x38\x90\x83\x4e\x9f\x6d\x8e\x4b\xf4\0\0\0\0\0"),
    ("rlogin", b"\0root\0root\0vt100/9600\0"),
    ("slp", b"\x02\x09\0\0\x36\x20\0\0\0\0\0\x01\0\x02en"),
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
    b"\0\x94\x01\x3c\0\0\0\x64\0\x65\0\0\0\x3d\0\x06IEEEM",
    b"<?xml version=\"1.0\" ?><methodCall><methodName>nmap.probe</methodName></methodCall>\n\0",
    b"{\"a\":1}\n",
    b"XYZZY plugh\r\n",
    b"status\r\n",
    b"statistics\n",
    b"configure terminal\n",
    b"CONNECT\t",
    b"\x03abcd\x00\x01\x00\x00",
    b"\x01HELLO12345\r\n",
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
fn no_message_of_one_protocol_could_be_that_of_another() {
    // The order of the rows is for what nobody has thought of: every message that we know fits its own row alone.
    for (wanted, bytes) in MESSAGES {
        for protocol in PROTOCOLS.iter().filter(|protocol| protocol.name != *wanted) {
            // Rows before these say whose it is: a queue of that name, `get` of three, a path of two, lengths full of zeros.
            let known = matches!(
                (*wanted, protocol.name),
                ("tank-gauge" | "dnp3", "lpd")
                    | ("memcached" | "http", "redis")
                    | ("rtsp", "http")
                    | ("mongodb", "modbus")
            );
            let fits = protocol.verdict(bytes) == Verdict::Yes;
            assert!(known || !fits, "{:?} is {wanted}, and {protocol:?} as well", bytes.escape_ascii().to_string());
        }
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
