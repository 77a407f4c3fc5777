//! Configuration: `glutton-nfq.toml` and flags become one validated [`Config`]. The only home of defaults.
//!
//! Every key is a row of [`SETTINGS`]: its name, its meaning, how it is read, checked and shown. The loader, `check --show-config` and the
//! table in the README walk that one list.

mod choice;
mod error;
mod given;
mod load;
mod prefix;
mod setting;
mod show;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use choice::{Beyond, Spread};
pub use error::{ConfigError, Fault, InFile};
pub use prefix::Prefix;
pub use setting::{SETTINGS, Setting};
pub use show::settings_markdown;

/// Everything that the engine can be told, validated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `[engine]`
    pub engine: Engine,
    /// `[server]`
    pub server: Server,
    /// `[events]`
    pub events: Events,
    /// `[samples]`
    pub samples: Samples,
    /// `[handlers.NAME]`, each read and checked by its handler.
    pub handlers: toml::Table,
    /// `[persona]`
    pub persona: toml::Table,
}

impl Config {
    /// Checks every value as if it came from a file, and that none contradicts another. What [`Config::load`] gives has passed;
    /// a program that fills in a `Config` itself asks here.
    ///
    /// # Errors
    /// The first wrong value or contradiction, with the key to change.
    pub fn validate(&self) -> Result<(), Fault> {
        let mut copy = self.clone();
        for setting in SETTINGS {
            copy.set(&setting.name(), &(setting.show)(self))?;
        }
        let Server { tcp_port, udp_port, .. } = self.server;
        if tcp_port == udp_port {
            return Err(Fault::new(
                "server.udp_port",
                udp_port,
                "server.tcp_port has the same",
                "give each its own port",
            ));
        }
        if !self.engine.conntrack && self.engine.capture.is_empty() {
            let problem = "without connection tracking this host's own connections cannot be told from a visitor's";
            return Err(Fault::new(
                "engine.conntrack",
                false,
                problem,
                "name the networks that it is meant for in `capture`",
            ));
        }
        let (queues, queue_num) = (self.engine.queues.max(1), self.engine.queue_num);
        if queue_num.checked_add(2 * queues).is_none() {
            let problem = format!("{} queues (two a worker) from {queue_num} on go past queue 65535", 2 * queues);
            return Err(Fault::new("engine.queue_num", queue_num, problem, "give a lower number"));
        }
        Ok(())
    }
}

/// What becomes of packets when user space cannot keep up (`fail`).
///
/// A packet of a translated flow that passes undecided meets a closed port, and the host's reset ends the session: under a flood, every
/// session. So packets are dropped by default and TCP sends them again. The host's own services do not need the open policy: exempt
/// ports are never queued, and `--queue-bypass` lets everything pass when no engine is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fail {
    /// Packets pass to the host undecided.
    Open,
    /// Packets are dropped.
    #[default]
    Closed,
}

/// Who carries the packets of a flow after the first one (`datapath`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Datapath {
    /// As `tproxy`, or as `redirect` where the kernel lacks TPROXY, unless something needs every packet: a rule with `per: packet`.
    #[default]
    Auto,
    /// Every packet is seen and rewritten here.
    Userspace,
    /// The first packet is seen here; then the kernel carries TCP flows to a transparent listener.
    Tproxy,
    /// As `tproxy`, by the kernel's NAT to a listener of its own. Of the flows from one client port to one address, NAT carries one at a time: the
    /// others stay here.
    Redirect,
}

impl Datapath {
    /// The names in configuration and rules.
    pub const NAMES: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("userspace", Self::Userspace), ("tproxy", Self::Tproxy), ("redirect", Self::Redirect)];
}

/// Whether a mask has two bits or more, side by side, and no others.
pub const fn is_mark_mask(mask: u32) -> bool {
    let value = if mask == 0 { 0 } else { mask >> mask.trailing_zeros() };
    value >= 3 && value & value.wrapping_add(1) == 0
}

/// `[engine]`: queue, flows and firewall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Interfaces whose traffic is diverted; empty = the one of the default route.
    pub interfaces: Vec<String>,
    /// Pairs of queues, one worker thread each: one queue for flows that were answered, one for first packets. 0 = see [`Engine::workers`].
    pub queues: u16,
    /// Number of the first queue.
    pub queue_num: u16,
    /// How packets are spread over the workers.
    pub spread: Spread,
    /// Whether each worker is kept on a CPU of its own.
    pub pin: bool,
    /// Packets that the kernel holds per queue.
    pub queue_len: u32,
    /// Bytes of kernel memory for packets on their way from one queue to its worker; counted by buffer, not by payload.
    pub receive_buffer: usize,
    /// Networks that are not this host's and whose addresses are answered as if they were.
    pub capture: Vec<Prefix>,
    /// Routing table that delivers what the kernel carries to those networks.
    pub capture_table: u32,
    /// Priority of the routing rule that names this table.
    pub capture_priority: u32,
    /// Whether the kernel keeps an entry for each connection to those networks.
    pub conntrack: bool,
    /// Who carries the packets of a flow.
    pub datapath: Datapath,
    /// Bits of packet and connection marks that are ours: at least two, side by side.
    pub mark_mask: u32,
    /// What happens to packets when a queue is full.
    pub fail: Fail,
    /// Upper bound of the flow table.
    pub max_flows: usize,
    /// Flows a second that one source may open; twice as many at once. 0 = no limit.
    pub new_flows_per_source: u32,
    /// What becomes of packets that would open more.
    pub new_flows_beyond: Beyond,
    /// Ports that are never diverted unless a rule names them, besides those found on the host.
    pub exempt_ports: Vec<u16>,
    /// Timeouts by protocol state.
    pub timeouts: Timeouts,
    /// Directory for what outlives a run (`sensor-id`).
    pub state_dir: PathBuf,
}

/// Workers that are started unless the configuration says how many: each may hold twice `receive_buffer` of kernel memory.
const AUTOMATIC_QUEUES: u16 = 16;

impl Engine {
    /// How many workers a host with so many CPUs gets: `queues`, or one for each CPU, as far as there are queue numbers and at most 16.
    pub fn workers(&self, cpus: usize) -> u16 {
        let numbers = (u16::MAX - self.queue_num) / 2;
        let most = AUTOMATIC_QUEUES.min(numbers).max(1);
        if self.queues > 0 { self.queues } else { u16::try_from(cpus).unwrap_or(most).clamp(1, most) }
    }
}

/// How long a flow may be silent, by protocol state (`timeout_*_secs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before the handshake is complete.
    pub tcp_handshake: Duration,
    /// TCP after the handshake.
    pub tcp_established: Duration,
    /// TCP after the first FIN.
    pub tcp_closing: Duration,
    /// TCP after FIN both ways or a reset; at least the kernel's TIME_WAIT of 60 s.
    pub tcp_closed: Duration,
    /// UDP before the first answer.
    pub udp_new: Duration,
    /// UDP after the first answer.
    pub udp_answered: Duration,
    /// ICMP echo.
    pub icmp: Duration,
}

/// `[server]`: the handler server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Addresses to listen on.
    pub listen: Vec<IpAddr>,
    /// TCP port that flows are rewritten to.
    pub tcp_port: u16,
    /// UDP port that flows are rewritten to.
    pub udp_port: u16,
    /// Worker threads; 0 = as many as there are CPUs, within reason.
    pub workers: usize,
    /// Sessions at the same time.
    pub max_sessions: usize,
    /// Sessions at the same time from one address.
    pub max_sessions_per_source: usize,
    /// A session without traffic is closed after this time.
    pub idle_timeout: Duration,
    /// A session is closed after this time, whatever it does.
    pub max_session: Duration,
    /// Bytes from the visitor after which a session is closed (handlers) or no longer recorded (proxy).
    pub max_session_bytes: u64,
    /// Bytes of one session that a payload event holds.
    pub max_tcp_payload: usize,
    /// Time to reach a proxy target.
    pub connect_timeout: Duration,
    /// A UDP session without datagrams ends after this time.
    pub udp_idle_timeout: Duration,
    /// Datagrams a second that one source gets as answers; twice as many at once.
    pub udp_answers_per_source: u32,
    /// Bytes a second that one source gets in UDP answers beyond what it sent, once a TCP connection has proved its address; twice as
    /// many at once.
    pub udp_answer_bytes_per_source: u32,
    /// User that the engine runs as after set-up.
    pub user: String,
}

/// Workers of the server that are started unless the configuration says how many: the queues' workers need the CPUs as well.
const AUTOMATIC_SERVER_WORKERS: usize = 4;

impl Server {
    /// How many workers a host with so many CPUs gets: `workers`, or one for each CPU, at most 4.
    pub fn workers(&self, cpus: usize) -> usize {
        if self.workers > 0 { self.workers } else { cpus.clamp(1, AUTOMATIC_SERVER_WORKERS) }
    }
}

/// `[events]`: where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// JSON lines on standard output.
    pub stdout: bool,
    /// JSON lines in this file (`-l`).
    pub file: Option<PathBuf>,
    /// Records that wait for the sinks at most.
    pub queue_len: usize,
    /// Name of this sensor in every event; empty = drawn once and kept.
    pub sensor_id: String,
}

/// What becomes of files that visitors name by URL (`downloads`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Downloads {
    /// Nothing: URLs are no events of their own.
    Off,
    /// The URL is recorded.
    #[default]
    Record,
    /// The file is fetched and stored, too.
    Fetch,
}

impl Downloads {
    /// The names in the configuration.
    pub const NAMES: [(&'static str, Self); 3] = [("off", Self::Off), ("record", Self::Record), ("fetch", Self::Fetch)];
}

/// `[samples]`: files that visitors bring or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// Directory of the store; `None` = `samples` in the state directory.
    pub dir: Option<PathBuf>,
    /// Bytes of the store.
    pub max_bytes: u64,
    /// Bytes of one file.
    pub max_file_bytes: usize,
    /// Bytes of files that wait to be stored.
    pub queue_bytes: usize,
    /// What becomes of URLs.
    pub downloads: Downloads,
    /// Time that a download has, redirects included.
    pub fetch_timeout: Duration,
    /// Redirects that a download follows.
    pub fetch_redirects: u32,
    /// Downloads in a minute.
    pub fetches_per_minute: usize,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            dir: None,
            max_bytes: 1 << 30,
            max_file_bytes: 16 << 20,
            queue_bytes: 64 << 20,
            downloads: Downloads::Record,
            fetch_timeout: Duration::from_secs(60),
            fetch_redirects: 3,
            fetches_per_minute: 20,
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            queues: 0,
            queue_num: 0,
            spread: Spread::Hosts,
            pin: false,
            queue_len: 65_536,
            receive_buffer: 64 << 20,
            capture: Vec::new(),
            capture_table: 4_770,
            capture_priority: 4_770,
            conntrack: true,
            datapath: Datapath::Auto,
            mark_mask: 0x3000_0000,
            fail: Fail::Closed,
            max_flows: 1_000_000,
            new_flows_per_source: 0,
            new_flows_beyond: Beyond::Drop,
            exempt_ports: Vec::new(),
            timeouts: Timeouts::default(),
            state_dir: PathBuf::from("/var/lib/glutton-nfq"),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_handshake: Duration::from_secs(30),
            tcp_established: Duration::from_secs(7_200),
            tcp_closing: Duration::from_secs(120),
            tcp_closed: Duration::from_secs(65),
            udp_new: Duration::from_secs(30),
            udp_answered: Duration::from_secs(180),
            icmp: Duration::from_secs(30),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)],
            tcp_port: 5000,
            udp_port: 5001,
            workers: 0,
            max_sessions: 8_192,
            max_sessions_per_source: 2_048,
            idle_timeout: Duration::from_secs(900),
            max_session: Duration::from_secs(86_400),
            max_session_bytes: 1 << 30,
            max_tcp_payload: 4_096,
            connect_timeout: Duration::from_secs(5),
            udp_idle_timeout: Duration::from_secs(180),
            udp_answers_per_source: 500,
            udp_answer_bytes_per_source: 65_536,
            user: "nobody".to_owned(),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { stdout: true, file: None, queue_len: 65_536, sensor_id: String::new() }
    }
}

#[cfg(test)]
mod tests;
