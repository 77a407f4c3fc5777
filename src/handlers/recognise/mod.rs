//! Which protocol a visitor speaks, told by its first bytes: pure, incremental, bounded.
//!
//! Every protocol is one row of [`PROTOCOLS`], with a test that says yes, no, or that more bytes are needed. What a row has said stays true
//! whatever follows, and rows are asked in order: so the answer never depends on how the bytes were cut. It falls within [`LOOK`] bytes.
//!
//! Only protocols in which the client speaks first can be told; a client of SMTP, FTP or MySQL waits for the server's greeting. Datagrams have a
//! table of their own.

mod binary;
mod datagram;
mod device;
mod industry;
mod look;
mod middleware;
#[cfg(test)]
mod tests;
mod text;

pub(super) use datagram::datagram;
use look::{Doubt, Seen};

/// No row looks further: by then the answer is there.
pub(super) const LOOK: usize = 512;

/// What a row says about the first bytes of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is this protocol, whatever follows.
    Yes,
    /// It is not, whatever follows.
    No,
    /// The bytes so far fit; more are needed.
    NeedMore,
}

/// A protocol that can be told by its first bytes.
pub(super) struct Protocol {
    /// The name in events.
    pub(super) name: &'static str,
    /// The handler that speaks it, where it has been written.
    pub(super) handler: &'static str,
    test: fn(Seen<'_>) -> Result<(), Doubt>,
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Protocol {
    const fn new(name: &'static str, handler: &'static str, test: fn(Seen<'_>) -> Result<(), Doubt>) -> Self {
        Self { name, handler, test }
    }

    /// What the first bytes say about this protocol.
    pub(super) fn verdict(&self, bytes: &[u8]) -> Verdict {
        let seen = bytes.get(..LOOK);
        match (self.test)(Seen(seen.unwrap_or(bytes))) {
            Ok(()) => Verdict::Yes,
            Err(Doubt::Short) if seen.is_none() => Verdict::NeedMore,
            Err(_) => Verdict::No,
        }
    }
}

/// Every protocol. Of two that the same bytes fit, the first is meant: those with the stricter test come first.
pub(super) const PROTOCOLS: &[Protocol] = &[
    Protocol::new("tls", "https", binary::tls),
    Protocol::new("ssl2", "ssl2", device::ssl2),
    Protocol::new("ssh", "ssh", text::ssh),
    Protocol::new("rdp", "rdp", binary::rdp),
    Protocol::new("s7comm", "s7comm", binary::s7comm),
    Protocol::new("h323", "h323", device::h323),
    Protocol::new("smb", "smb", binary::smb),
    Protocol::new("adb", "adb", binary::adb),
    Protocol::new("adb-server", "adb-server", text::adb_server),
    Protocol::new("git", "git", middleware::git),
    Protocol::new("rsync", "rsync", middleware::rsync),
    Protocol::new("mqtt", "mqtt", binary::mqtt),
    Protocol::new("bittorrent", "bittorrent", binary::bittorrent),
    Protocol::new("rfb", "rfb", text::rfb),
    Protocol::new("java-rmi", "java-rmi", binary::java_rmi),
    Protocol::new("weblogic-t3", "weblogic-t3", text::weblogic_t3),
    Protocol::new("ajp", "ajp", binary::ajp),
    Protocol::new("giop", "giop", binary::giop),
    Protocol::new("pjl", "pjl", text::pjl),
    Protocol::new("x11", "x11", binary::x11),
    Protocol::new("telnet", "telnet", binary::telnet),
    Protocol::new("postgresql", "postgresql", binary::postgresql),
    Protocol::new("kerberos", "kerberos", binary::kerberos),
    Protocol::new("mssql", "mssql", binary::mssql),
    Protocol::new("oracle-tns", "oracle-tns", binary::oracle_tns),
    Protocol::new("ldap", "ldap", binary::ldap),
    Protocol::new("msrpc", "msrpc", binary::msrpc),
    Protocol::new("sunrpc", "sunrpc", binary::sunrpc),
    Protocol::new("iscsi", "iscsi", binary::iscsi),
    Protocol::new("pptp", "pptp", device::pptp),
    Protocol::new("openvpn", "openvpn", device::openvpn),
    Protocol::new("drda", "drda", middleware::drda),
    Protocol::new("epmd", "epmd", middleware::epmd),
    Protocol::new("kafka", "kafka", middleware::kafka),
    Protocol::new("smpp", "smpp", middleware::smpp),
    Protocol::new("afp", "afp", device::afp),
    Protocol::new("clickhouse", "clickhouse", middleware::clickhouse),
    Protocol::new("rlogin", "rlogin", device::rlogin),
    Protocol::new("dnp3", "dnp3", industry::dnp3),
    Protocol::new("iec-104", "iec-104", industry::iec_104),
    Protocol::new("fins", "fins", industry::fins),
    Protocol::new("niagara-fox", "niagara-fox", industry::niagara_fox),
    Protocol::new("opc-ua", "opc-ua", industry::opc_ua),
    Protocol::new("melsec", "melsec", industry::melsec),
    Protocol::new("codesys", "codesys", industry::codesys),
    Protocol::new("pcworx", "pcworx", industry::pcworx),
    Protocol::new("proconos", "proconos", industry::proconos),
    Protocol::new("hart-ip", "hart-ip", industry::hart_ip),
    Protocol::new("hl7", "hl7", industry::hl7),
    Protocol::new("dicom", "dicom", industry::dicom),
    Protocol::new("bolt", "bolt", middleware::bolt),
    Protocol::new("jdwp", "jdwp", middleware::jdwp),
    Protocol::new("java-object", "java-object", middleware::java_object),
    Protocol::new("hadoop-ipc", "hadoop-ipc", middleware::hadoop_ipc),
    Protocol::new("distcc", "distcc", middleware::distcc),
    Protocol::new("zabbix", "zabbix", middleware::zabbix),
    Protocol::new("elasticsearch", "elasticsearch", middleware::elasticsearch),
    Protocol::new("amqp", "amqp", middleware::amqp),
    Protocol::new("bitcoin", "bitcoin", device::bitcoin),
    Protocol::new("monero", "monero", device::monero),
    Protocol::new("radmin", "radmin", device::radmin),
    Protocol::new("dahua", "dahua", device::dahua),
    Protocol::new("xiongmai", "xiongmai", device::xiongmai),
    Protocol::new("mikrotik-api", "mikrotik-api", device::mikrotik),
    Protocol::new("slp", "slp", device::slp),
    Protocol::new("dns", "dns", binary::dns),
    Protocol::new("memcached", "memcache", binary::memcached),
    Protocol::new("mongodb", "mongodb", binary::mongodb),
    Protocol::new("ethernet-ip", "ethernet-ip", industry::ethernet_ip),
    Protocol::new("rcon", "rcon", device::rcon),
    Protocol::new("minecraft", "minecraft", device::minecraft),
    Protocol::new("cassandra", "cassandra", middleware::cassandra),
    Protocol::new("zookeeper", "zookeeper", middleware::zookeeper),
    Protocol::new("modbus", "modbus", binary::modbus),
    Protocol::new("socks4", "socks", binary::socks4),
    Protocol::new("socks5", "socks", binary::socks5),
    Protocol::new("rtmp", "rtmp", device::rtmp),
    Protocol::new("tank-gauge", "tank-gauge", industry::tank_gauge),
    Protocol::new("lpd", "lpd", text::lpd),
    Protocol::new("stomp", "stomp", middleware::stomp),
    Protocol::new("nats", "nats", middleware::nats),
    Protocol::new("sip", "sip", text::sip),
    Protocol::new("rtsp", "rtsp", text::rtsp),
    Protocol::new("http", "http", text::http),
    Protocol::new("xmpp", "jabber", text::xmpp),
    Protocol::new("smtp", "smtp", text::smtp),
    Protocol::new("memcached", "memcache", text::memcached),
    Protocol::new("redis", "redis", text::redis),
    Protocol::new("redis", "redis", text::redis_inline),
    Protocol::new("irc", "irc", text::irc),
    Protocol::new("json-rpc", "json-rpc", text::json_rpc),
];

/// What the first bytes of a visitor say altogether.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recognised {
    /// This protocol.
    As(&'static Protocol),
    /// None that is known.
    Nothing,
    /// Not told yet: fewer than [`LOOK`] bytes have come. If nothing follows, it is this one.
    NotYet(Option<&'static Protocol>),
}

/// Asks every row, in order, as long as the ones before have said no.
pub(super) fn recognise(bytes: &[u8]) -> Recognised {
    let mut waits = false;
    for protocol in PROTOCOLS {
        match protocol.verdict(bytes) {
            Verdict::Yes if waits => return Recognised::NotYet(Some(protocol)),
            Verdict::Yes => return Recognised::As(protocol),
            Verdict::NeedMore => waits = true,
            Verdict::No => {}
        }
    }
    if waits { Recognised::NotYet(None) } else { Recognised::Nothing }
}
