//! Network namespaces: a small network of its own, for `demo` and for the live tests.
//!
//! Owns named namespaces, the cable (a veth pair) between two of them, and threads and processes that live inside. Refuses to touch the
//! network of the host: nothing here creates, changes or routes anything in the namespace that the caller lives in.
//!
//! ```text
//!   namespace gnfq-PID-N-attacker            namespace gnfq-PID-N-sensor
//!   veth0  10.77.0.1/24, fd00:77::1/64 <---> veth0  10.77.0.2/24, fd00:77::2/64, default route to the attacker
//! ```
//! Names carry the process id of their maker. Whatever a killed process leaves behind is removed by the next one ([`sweep`]).

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal};
use rustix::thread::LinkNameSpaceType;

/// Name of the interface at both ends of the cable.
pub const INTERFACE: &str = "veth0";
/// The attacker's IPv4 address.
pub const ATTACKER_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The sensor's IPv4 address.
pub const SENSOR_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The attacker's IPv6 address.
pub const ATTACKER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 1);
/// The sensor's IPv6 address.
pub const SENSOR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, 2);

const PREFIX: &str = "gnfq-";
/// Where `ip netns` keeps its names (iproute2, `NETNS_RUN_DIR`).
const RUN_DIR: &str = "/run/netns";

/// Why there is no such network, with the mend in the text.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The caller is not root.
    #[error("network namespaces need root: run this with sudo")]
    NotRoot,
    /// iproute2 is missing.
    #[error("the command `ip` is missing: install iproute2 (apt-get install iproute2)")]
    NoIp,
    /// Kernel or container refuse.
    #[error("network namespaces are not permitted here ({0}): run on the host itself or in a privileged container")]
    Forbidden(String),
    /// An `ip` command failed.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// What was run.
        command: String,
        /// What it said, on one line.
        reason: String,
    },
    /// A thread could not be started or moved.
    #[error("cannot enter the network namespace {name}: {source}")]
    Enter {
        /// Name of the namespace.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A named network namespace, removed on drop together with the processes that are left in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    entrance: File,
}

impl Namespace {
    /// Makes a namespace named `gnfq-PID-NUMBER-ROLE`, with loopback up.
    pub fn create(role: &str) -> Result<Self, NetnsError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err(NetnsError::NotRoot);
        }
        let name = format!("{PREFIX}{}-{}-{role}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        add_name(&name)?;
        let path = Path::new(RUN_DIR).join(&name);
        let entrance = File::open(&path).map_err(|source| NetnsError::Enter { name: name.clone(), source })?;
        let namespace = Self { name, entrance };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name that `ip netns` shows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip -n NAME WORDS`; `words` are split at blanks.
    pub fn ip(&self, words: &str) -> Result<(), NetnsError> {
        ip(&format!("-n {} {words}", self.name))
    }

    /// Runs `work` on a fresh thread inside and waits for it. Sockets made there stay inside, wherever they are used later; a panic is
    /// passed on.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let entered = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(&self.entrance)?;
                Ok(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        entered.map_err(|source| NetnsError::Enter { name: self.name.clone(), source })
    }

    /// Starts a thread that lives inside (a thread inherits the namespace of the one that starts it).
    pub fn spawn_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, NetnsError> {
        let thread = std::thread::Builder::new().name(self.name.clone());
        let started = self.run(|| thread.spawn(work))?;
        started.map_err(|source| NetnsError::Enter { name: self.name.clone(), source })
    }

    /// Starts a process inside (as a thread does, a child inherits it).
    pub fn spawn(&self, command: &mut Command) -> Result<Child, NetnsError> {
        self.run(|| command.spawn())?.map_err(|source| failed_to_start(command, &source))
    }

    /// Runs a process inside to its end.
    pub fn output(&self, command: &mut Command) -> Result<Output, NetnsError> {
        self.run(|| command.output())?.map_err(|source| failed_to_start(command, &source))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Two namespaces with a cable between them, addressed as the module's picture says and ready for use.
#[derive(Debug)]
pub struct Pair {
    /// Where clients run.
    pub attacker: Namespace,
    /// Where the engine runs.
    pub sensor: Namespace,
}

impl Pair {
    /// Makes both namespaces and the cable, after removing what dead processes left.
    pub fn create() -> Result<Self, NetnsError> {
        sweep();
        let pair = Self { attacker: Namespace::create("attacker")?, sensor: Namespace::create("sensor")? };
        let Self { attacker, sensor } = &pair;
        attacker.ip(&format!("link add {INTERFACE} type veth peer name {INTERFACE} netns {}", sensor.name))?;
        // Both ends are up before they have addresses: an IPv6 address given to a link without carrier does not answer for a second.
        for namespace in [attacker, sensor] {
            namespace.ip(&format!("link set {INTERFACE} up"))?;
        }
        for (namespace, v4, v6) in [(attacker, ATTACKER_V4, ATTACKER_V6), (sensor, SENSOR_V4, SENSOR_V6)] {
            namespace.ip(&format!("addr add {v4}/24 dev {INTERFACE}"))?;
            // Without duplicate address detection the address serves at once.
            namespace.ip(&format!("-6 addr add {v6}/64 dev {INTERFACE} nodad"))?;
        }
        sensor.ip(&format!("route add default via {ATTACKER_V4}"))?;
        sensor.ip(&format!("-6 route add default via {ATTACKER_V6}"))?;
        Ok(pair)
    }
}

/// Removes namespaces of this module whose maker is dead, and the processes in them.
pub fn sweep() {
    let Ok(entries) = std::fs::read_dir(RUN_DIR) else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if maker(&name).is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()) {
            remove(&name);
        }
    }
}

/// The process id in a name of ours.
fn maker(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn add_name(name: &str) -> Result<(), NetnsError> {
    // The first `ip netns add` on a machine prepares RUN_DIR; two of them at once can fail.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    ip(&format!("netns add {name}")).map_err(|error| match error {
        NetnsError::Command { reason, .. } => NetnsError::Forbidden(reason),
        other => other,
    })
}

/// Ends the processes inside and removes the name. Failure leaves a name that the next [`sweep`] finds.
fn remove(name: &str) {
    if let Ok(pids) = Command::new("ip").args(["netns", "pids", name]).output() {
        let pids = String::from_utf8_lossy(&pids.stdout);
        for pid in pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            // A process that is gone already needs no ending.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
    let _ = ip(&format!("netns del {name}"));
}

fn enter(entrance: &File) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(entrance.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(io::Error::from)
}

fn ip(words: &str) -> Result<(), NetnsError> {
    let mut command = Command::new("ip");
    command.args(words.split_whitespace());
    let output = command.output().map_err(|source| failed_to_start(&command, &source))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    Err(NetnsError::Command { command: format!("ip {words}"), reason })
}

fn failed_to_start(command: &Command, source: &io::Error) -> NetnsError {
    let program = command.get_program();
    if program == "ip" && source.kind() == io::ErrorKind::NotFound {
        return NetnsError::NoIp;
    }
    NetnsError::Command { command: program.to_string_lossy().into_owned(), reason: source.to_string() }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{IpAddr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_maker_is_read_from_names_of_ours_only() {
        assert_eq!(maker("gnfq-4711-0-sensor"), Some(4711));
        assert_eq!(maker("gnfq-x-0-sensor"), None);
        assert_eq!(maker("someone-4711-0-sensor"), None);
    }

    #[test]
    fn both_families_cross_the_cable_and_nothing_stays_behind() {
        let pair = Pair::create().unwrap();
        for address in [IpAddr::from(SENSOR_V4), IpAddr::from(SENSOR_V6)] {
            let listener = pair.sensor.run(|| TcpListener::bind((address, 7000))).unwrap().unwrap();
            let server = pair.sensor.spawn_thread(move || listener.accept().unwrap().0.write_all(b"hello").unwrap());
            let mut heard = Vec::new();
            let mut client = pair.attacker.run(|| TcpStream::connect((address, 7000))).unwrap().unwrap();
            client.read_to_end(&mut heard).unwrap();
            assert_eq!(heard, b"hello");
            server.unwrap().join().unwrap();
        }
        let mut lingering = pair.sensor.spawn(Command::new("sleep").arg("60")).unwrap();
        let names = [pair.attacker.name().to_owned(), pair.sensor.name().to_owned()];
        drop(pair);
        assert!(!lingering.wait().unwrap().success(), "a process inside ends with its namespace");
        for name in names {
            assert!(!Path::new(RUN_DIR).join(name).exists());
        }
    }

    #[test]
    fn a_panic_inside_reaches_the_caller() {
        let namespace = Namespace::create("panic").unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| namespace.run(|| panic!("inside"))));
        assert!(caught.is_err());
    }
}
