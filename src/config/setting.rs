//! The list of all keys.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::given::{Given, Taken};
use super::{Beyond, Config, Datapath, Downloads, Fail, Prefix, Spread};

/// One key of the configuration.
pub struct Setting {
    /// Its table, such as `engine` or `events.file`.
    pub section: &'static str,
    /// Its name in the table, with the unit where it has one.
    pub key: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// The present value.
    pub(super) show: fn(&Config) -> Value,
    /// Takes a value from a file, within its range.
    pub(super) take: for<'a> fn(&mut Config, Given<'a>) -> Taken<()>,
}

impl Setting {
    /// Table and key: `engine.queues`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

macro_rules! settings {
    ($([$section:literal] { $($key:literal => $($field:ident).+ = $take:ident($($range:expr)?), $meaning:literal;)* })*) => {
        /// Every key there is, table by table. `[handlers.NAME]` and `[persona]` are read by those whom they configure.
        pub const SETTINGS: &[Setting] = &[$($(Setting {
            section: $section,
            key: $key,
            meaning: $meaning,
            show: |config| config.$($field).+.to_value(),
            take: |config, given| {
                config.$($field).+ = given.$take($($range)?)?;
                Ok(())
            },
        },)*)*];
    };
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

settings! {
    ["engine"] {
        "interfaces" => engine.interfaces = interfaces(),
            "Interfaces whose traffic is diverted; empty: the one of the default route (`-i`)";
        "queues" => engine.queues = integer(0..=64),
            "Worker threads, each with one queue for answered flows and one for first packets; 0: one for each CPU, at most 16 (`--queues`)";
        "queue_num" => engine.queue_num = integer(0..=u16::MAX), "Number of the first queue; two for each worker (`--queue-num`)";
        "spread" => engine.spread = spread(),
            "How packets are spread over the workers: `hosts`, by both addresses, so that a flow keeps its worker; `cpu`, by the CPU that received the packet, for network cards with a receive queue for each CPU";
        "pin" => engine.pin = boolean(), "Whether worker N is kept on the N-th CPU that the process may use";
        "queue_len" => engine.queue_len = integer(16..=1 << 20), "Packets that the kernel holds per queue";
        "receive_buffer_bytes" => engine.receive_buffer = integer(1 << 20..=1 << 30),
            "Kernel memory for packets on their way from one queue to its worker; counted by buffer, not by payload";
        "capture" => engine.capture = prefixes(),
            "Networks routed to this host whose addresses are answered as if they were its own, such as `203.0.113.0/24`";
        "capture_table" => engine.capture_table = integer(256..=u32::MAX),
            "Number of the routing table by which the kernel delivers what it carries to captured networks; nobody else may use it";
        "capture_priority" => engine.capture_priority = integer(1..=32_765),
            "Priority of the routing rule for that table; rules with lower ones come first (`ip rule`)";
        "conntrack" => engine.conntrack = boolean(),
            "Whether the kernel tracks connections to captured networks; `false` keeps its table empty under a flood";
        "datapath" => engine.datapath = datapath(),
            "Who carries the packets of TCP flows: `userspace`, the engine sees them all; `tproxy`, the kernel after the first; `redirect`, the same by NAT, for one flow at a time from each client port to each address; `auto`, as `tproxy` (`redirect` where the kernel lacks TPROXY) unless a rule has `per: packet`";
        "mark_mask" => engine.mark_mask = mark_mask(),
            "Bits of packet and connection marks that tell the kernel what to carry: two or more, side by side, that nobody else uses";
        "fail" => engine.fail = fail(),
            "What becomes of packets when a queue is full: `open` lets them pass to the host, `closed` drops them";
        "max_flows" => engine.max_flows = integer(1_024..=1 << 24), "Upper bound of the flow table";
        "new_flows_per_source" => engine.new_flows_per_source = integer(0..=1_000_000),
            "Flows that one source (an IPv4 address, an IPv6 /64) may open in a second, twice as many at once; asked before the rules; 0: no limit";
        "new_flows_beyond" => engine.new_flows_beyond = beyond(),
            "What becomes of packets that would open more: `drop`, or `pass` to the host";
        "exempt_ports" => engine.exempt_ports = ports(),
            "Ports that are never diverted unless a rule names them, besides those on which this host listens";
        "timeout_tcp_handshake_secs" => engine.timeouts.tcp_handshake = seconds(1..=HOUR),
            "A TCP flow may be silent for this long before its handshake is complete";
        "timeout_tcp_established_secs" => engine.timeouts.tcp_established = seconds(1..=7 * DAY), "A TCP flow may be silent for this long after the handshake";
        "timeout_tcp_closing_secs" => engine.timeouts.tcp_closing = seconds(1..=DAY), "A TCP flow may be silent for this long after the first FIN";
        "timeout_tcp_closed_secs" => engine.timeouts.tcp_closed = seconds(60..=DAY),
            "A TCP flow is remembered for this long after FIN both ways or a reset; the kernel's TIME_WAIT is 60 s";
        "timeout_udp_new_secs" => engine.timeouts.udp_new = seconds(1..=HOUR),
            "A UDP flow may be silent for this long before the first answer";
        "timeout_udp_answered_secs" => engine.timeouts.udp_answered = seconds(1..=DAY), "A UDP flow may be silent for this long after the first answer";
        "timeout_icmp_secs" => engine.timeouts.icmp = seconds(1..=HOUR), "An ICMP echo flow may be silent for this long";
        "state_dir" => engine.state_dir = path(), "Directory for what outlives a run: sensor id, first start, TLS key and certificate, samples";
    }
    ["server"] {
        "listen" => server.listen = addresses(), "Addresses of the handler server";
        "tcp_port" => server.tcp_port = port(), "TCP port of the handler server";
        "udp_port" => server.udp_port = port(), "UDP port of the handler server";
        "workers" => server.workers = integer(0..=64), "Worker threads of the handler server; 0: one for each CPU, at most 4";
        "max_sessions" => server.max_sessions = integer(1..=1_000_000), "Sessions at the same time";
        "max_sessions_per_source" => server.max_sessions_per_source = integer(1..=1_000_000),
            "Sessions at the same time from one address";
        "idle_timeout_secs" => server.idle_timeout = seconds(1..=7 * DAY), "A session without traffic is closed after this time";
        "udp_idle_timeout_secs" => server.udp_idle_timeout = seconds(1..=HOUR), "A UDP session without datagrams ends after this time";
        "udp_answers_per_source" => server.udp_answers_per_source = integer(0..=1_000_000),
            "UDP answers that one source gets in a second, twice as many at once; 0: none";
        "udp_answer_bytes_per_source" => server.udp_answer_bytes_per_source = integer(0..=1 << 30),
            "Bytes of UDP answers a second beyond what a source sent, twice as many at once, once a TCP connection has proved its address; 0: never more than it sent";
        "max_session_secs" => server.max_session = seconds(1..=30 * DAY),
            "A session is closed after this time, whatever it does";
        "max_session_bytes" => server.max_session_bytes = integer(1_024..=1 << 50),
            "Bytes from the visitor after which a handler's session is closed and a proxied one no longer recorded";
        "max_tcp_payload" => server.max_tcp_payload = integer(1..=1 << 20), "Bytes of one session that a payload event holds";
        "connect_timeout_secs" => server.connect_timeout = seconds(1..=300), "Time to reach a proxy target";
        "user" => server.user = name(), "User that the engine runs as after set-up";
    }
    ["samples"] {
        "dir" => samples.dir = path_or_none(), "Directory of files that visitors bring or name; empty: `samples` in the state directory";
        "max_bytes" => samples.max_bytes = integer(1 << 16..=1 << 50), "Bytes that the directory holds; then nothing new is stored";
        "max_file_bytes" => samples.max_file_bytes = integer(1_024..=1 << 30), "Bytes of one file; longer ones are not stored";
        "queue_bytes" => samples.queue_bytes = integer(1 << 16..=1 << 32), "Bytes of files that wait to be stored";
        "downloads" => samples.downloads = downloads(),
            "What becomes of URLs that visitors name: `off`, `record` (an event), `fetch` (from public addresses, into the store)";
        "fetch_timeout_secs" => samples.fetch_timeout = seconds(1..=HOUR), "Time that a download has, redirects included";
        "fetch_redirects" => samples.fetch_redirects = integer(0..=10), "Redirects that a download follows";
        "fetches_per_minute" => samples.fetches_per_minute = integer(0..=600), "Downloads in a minute, half of them for one source; more are refused";
    }
    ["events"] {
        "sensor_id" => events.sensor_id = name_or_empty(),
            "Name of this sensor in every event; empty: drawn once and kept in the state directory";
        "queue_len" => events.queue_len = integer(64..=1 << 20), "Events that wait for the sinks at most; more are counted and lost";
    }
    ["events.stdout"] {
        "enabled" => events.stdout = boolean(), "JSON lines on standard output";
    }
    ["events.file"] {
        "path" => events.file = path_or_none(), "JSON lines in this file, reopened on SIGHUP; empty: none (`-l`)";
    }
}

/// How a value is written in TOML.
trait ToValue {
    fn to_value(&self) -> Value;
}

macro_rules! integers_to_value {
    ($($type:ty),*) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Value {
                // The ranges above keep every value far below the greatest TOML integer.
                Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        })*
    };
}

integers_to_value!(u16, u32, u64, usize);

impl ToValue for Duration {
    fn to_value(&self) -> Value {
        self.as_secs().to_value()
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl ToValue for IpAddr {
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl ToValue for Prefix {
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl ToValue for PathBuf {
    fn to_value(&self) -> Value {
        Value::String(self.to_string_lossy().into_owned())
    }
}

impl ToValue for Option<PathBuf> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or_else(|| Value::String(String::new()), PathBuf::to_value)
    }
}

impl<T: ToValue> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(T::to_value).collect())
    }
}

impl ToValue for Fail {
    fn to_value(&self) -> Value {
        let text = match self {
            Self::Open => "open",
            Self::Closed => "closed",
        };
        Value::String(text.to_owned())
    }
}

macro_rules! choices_to_value {
    ($($type:ty),*) => {
        $(impl ToValue for $type {
            fn to_value(&self) -> Value {
                // Every choice has a name.
                let name = Self::NAMES.iter().find(|(_, choice)| choice == self).map_or("", |(name, _)| name);
                Value::String(name.to_owned())
            }
        })*
    };
}

choices_to_value!(Beyond, Datapath, Downloads, Spread);
