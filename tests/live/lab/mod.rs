//! The laboratory of the live tests: an attacker and a sensor in network namespaces of their own, the built binary in the sensor, plain
//! clients and host services around it.
//!
//! Every [`Lab`] is a network of its own (queues, rules and ports do not meet), so tests run side by side. All of it needs root: without,
//! [`Lab::new`] fails the test with one line that says so. What a lab made is gone when it is dropped, also after a panic.

pub(crate) mod client;
pub(crate) mod engine;
pub(crate) mod events;
pub(crate) mod firewall;
pub(crate) mod frame;
pub(crate) mod pattern;
pub(crate) mod service;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use glutton_nfq::netns::{self, Namespace, Pair};
use rustix::process::{Resource, Rlimit};
use tempfile::TempDir;

use engine::EngineBuilder;

/// The sensor's addresses, one per family: most tests walk over both.
pub(crate) const SENSOR: [IpAddr; 2] = [IpAddr::V4(netns::SENSOR_V4), IpAddr::V6(netns::SENSOR_V6)];
/// The attacker's addresses, in the order of [`SENSOR`].
pub(crate) const ATTACKER: [IpAddr; 2] = [IpAddr::V4(netns::ATTACKER_V4), IpAddr::V6(netns::ATTACKER_V6)];
/// Makes each of these functions, which take a datapath, three tests: what a visitor notices must not depend on who carries the packets.
#[macro_export]
macro_rules! on_each_datapath {
    ($($test:ident,)*) => {
        mod userspace {
            $(#[test]
            fn $test() {
                super::$test("userspace");
            })*
        }
        mod tproxy {
            $(#[test]
            fn $test() {
                super::$test("tproxy");
            })*
        }
        mod redirect {
            $(#[test]
            fn $test() {
                super::$test("redirect");
            })*
        }
    };
}

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Attacker, sensor, and a directory for files.
pub(crate) struct Lab {
    pair: Pair,
    directory: TempDir,
}

impl Lab {
    /// Makes the two namespaces.
    pub(crate) fn new() -> Self {
        // The clients of a thousand sessions live in this process; the engine gets a shell's usual limit of its own (`EngineBuilder`).
        let most = rustix::process::getrlimit(Resource::Nofile).maximum;
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
        let pair = Pair::create().unwrap_or_else(|error| panic!("{error}"));
        Self { pair, directory: tempfile::tempdir().unwrap() }
    }

    /// An engine that is not started yet.
    pub(crate) fn engine(&self) -> EngineBuilder<'_> {
        EngineBuilder::new(self)
    }

    /// Runs `work` in the attacker's namespace.
    pub(crate) fn attacker<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pair.attacker.run(work).unwrap()
    }

    /// Runs `work` in the sensor's namespace.
    pub(crate) fn sensor<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pair.sensor.run(work).unwrap()
    }

    /// The attacker's namespace.
    pub(crate) fn attacker_namespace(&self) -> &Namespace {
        &self.pair.attacker
    }

    /// The sensor's namespace.
    pub(crate) fn sensor_namespace(&self) -> &Namespace {
        &self.pair.sensor
    }

    /// A path in the lab's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the lab's own directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs a command line (split at blanks) in the sensor; it must succeed. Returns what it printed.
    pub(crate) fn sensor_command(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        succeeded(line, self.pair.sensor.output(&mut command).unwrap())
    }

    /// Packets that ever entered the queues of the sensor.
    pub(crate) fn packets_queued(&self) -> u64 {
        // The last id that each queue has given.
        self.queue_column(7)
    }

    /// Packets that wait for a verdict.
    pub(crate) fn packets_waiting(&self) -> u64 {
        self.queue_column(2)
    }

    /// Packets that ever entered this queue.
    pub(crate) fn packets_queued_in(&self, queue: u64) -> u64 {
        self.queue_table().iter().find(|row| row[0] == queue).map_or(0, |row| row[7])
    }

    /// Sum of a column over all queues of the sensor.
    fn queue_column(&self, column: usize) -> u64 {
        self.queue_table().iter().map(|row| row[column]).sum()
    }

    /// `/proc/net/netfilter/nfnetlink_queue` of the sensor, a row for each queue.
    fn queue_table(&self) -> Vec<Vec<u64>> {
        let table = self.sensor(|| std::fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue").unwrap());
        let row = |line: &str| line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        table.lines().map(row).collect()
    }
}

/// Text of a command that must have succeeded.
pub(crate) fn succeeded(line: &str, output: Output) -> String {
    assert!(output.status.success(), "`{line}` failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Calls `probe` until it gives something, at most `limit` long.
pub(crate) fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `address:port`.
pub(crate) fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}
