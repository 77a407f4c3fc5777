//! What kind of computer the visitor believes to be on: drawn from the persona, the same for all its visitors.

mod draw;
mod network;
mod package;
mod present;
mod proc;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::elf::Architecture;
use super::file_system::{FileSystem, Overlay};
use super::tree::Tree;
use crate::clock::Timestamp;
use crate::handlers::{Random, Sources};

pub(super) use draw::pick;
pub(super) use network::Network;
pub(super) use package::{Package, Settings};
pub(super) use present::Present;
pub(super) use proc::process_status;

/// Sources whose files are remembered.
const MAX_SOURCES: usize = 4_096;
/// How long.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Programs that one source can have running.
const MAX_RUNNING: usize = 16;

/// Process numbers begin again after this one (`kernel.pid_max`, proc(5)).
const LAST_PID: u32 = 32_767;

/// Which family of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers) enum Flavor {
    /// A small Linux device: a router, a camera, a recorder. Visitors are root.
    BusyBox,
    /// An Android phone or television box. Visitors are `shell`.
    Android,
}

/// A running program.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) size_kib: u32,
    /// The command line; kernel threads stand in brackets.
    pub(super) command: String,
}

/// What is remembered of a source.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) overlay: Overlay,
    pub(super) jobs: Jobs,
    /// Android's packages and settings.
    pub(super) packages: Vec<Package>,
    pub(super) settings: Settings,
}

/// A program that is still running.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) pid: u32,
    /// The command line.
    pub(super) command: Vec<u8>,
    /// When it ends; `None`: not by itself.
    pub(super) until: Option<Timestamp>,
    /// `^Z`: it does not go on.
    pub(super) is_stopped: bool,
}

/// The programs that a source has started.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) running: Vec<Job>,
    /// Process numbers and statuses of those in the background that have ended.
    pub(super) ended: VecDeque<(u32, u8)>,
    /// `$!`
    pub(super) background: Option<u32>,
    /// The last number that was given out.
    last_pid: u32,
}

impl Jobs {
    /// Notes a program that keeps running; the oldest is forgotten. `newest` is the last number given out by others.
    pub(super) fn start(&mut self, newest: u32, command: &[u8], until: Option<Timestamp>) -> u32 {
        let pid = self.next_pid(newest);
        if self.running.len() >= MAX_RUNNING {
            self.running.remove(0);
        }
        self.running.push(Job {
            pid,
            command: command.get(..200).unwrap_or(command).to_vec(),
            until,
            is_stopped: false,
        });
        pid
    }

    /// The newest program stops; what the shell says of it.
    pub(super) fn stop_last(&mut self) -> Vec<u8> {
        let Some(job) = self.running.last_mut() else { return Vec::new() };
        job.is_stopped = true;
        let mut line = self.lines().pop().unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// What `jobs` says of each, the oldest first.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let last = self.running.len();
        let line = |(at, job): (usize, &Job)| {
            let sign = match last - at {
                1 => '+',
                2 => '-',
                _ => ' ',
            };
            let state = if job.is_stopped { " Stopped" } else { " Running" };
            [format!("[{}]{sign} {state:<28}", at + 1).as_bytes(), &job.command].concat()
        };
        self.running.iter().enumerate().map(line).collect()
    }

    /// Notes a program in the background that has ended.
    pub(super) fn end(&mut self, pid: u32, status: u8) {
        if self.ended.len() >= MAX_RUNNING {
            self.ended.pop_front();
        }
        self.ended.push_back((pid, status));
    }

    /// What has come to its end by this time runs no longer.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let (over, running): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|job| !job.is_stopped && job.until.is_some_and(|until| until <= now));
        self.running = running;
        for job in over {
            self.end(job.pid, 0);
        }
    }

    /// The number of a process that begins now: none that was used before.
    pub(super) fn next_pid(&mut self, newest: u32) -> u32 {
        self.last_pid = self.following(newest);
        self.last_pid
    }

    /// The number that the next process will have.
    pub(super) const fn following(&self, newest: u32) -> u32 {
        if self.last_pid > newest && self.last_pid < LAST_PID { self.last_pid + 1 } else { newest + 1 }
    }
}

/// A device as its visitors see it, and what each of them has done to it.
#[derive(Debug)]
pub(in crate::handlers) struct Device {
    flavor: Flavor,
    architecture: Architecture,
    host: String,
    booted: Timestamp,
    installed: Timestamp,
    mac: [u8; 6],
    /// Version and build date of BusyBox.
    busybox: (&'static str, String),
    kernel: (&'static str, String),
    memory_kib: u64,
    first_pid: u32,
    shadow: String,
    processes: Vec<Process>,
    properties: Vec<(String, String)>,
    without: BTreeSet<String>,
    is_container: bool,
    program: Vec<u8>,
    tree: OnceLock<Tree>,
    room: Arc<AtomicUsize>,
    /// Each behind a lock of its own: a long line of one source keeps no other waiting.
    sources: Sources<Arc<Mutex<Remembered>>>,
}

impl Device {
    /// The family.
    pub(in crate::handlers) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// What `hostname` says; on Android the name of the product's board.
    pub(in crate::handlers) fn host(&self) -> &str {
        if self.flavor == Flavor::Android {
            self.property("ro.product.device").unwrap_or("localhost")
        } else {
            &self.host
        }
    }

    /// What runs on it runs in containers: each has a name and files of its own.
    pub(super) const fn is_container(&self) -> bool {
        self.is_container
    }

    /// An Android property, for instance `ro.product.model`.
    pub(in crate::handlers) fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every Android property, in the order of `getprop`.
    pub(in crate::handlers) fn properties(&self) -> &[(String, String)] {
        &self.properties
    }

    /// The files as this source sees them, as root (ADB's `sync:` service) or as the device's ordinary user.
    pub(in crate::handlers) fn files<R>(
        &self,
        source: IpAddr,
        now: Timestamp,
        work: impl FnOnce(&mut FileSystem<'_>) -> R,
    ) -> R {
        self.remembered(source, now, |kept| {
            work(&mut FileSystem::new(self, &mut kept.overlay, now, self.flavor == Flavor::BusyBox))
        })
    }

    pub(super) fn remembered<R>(&self, source: IpAddr, now: Timestamp, work: impl FnOnce(&mut Remembered) -> R) -> R {
        let kept = self.kept(source, now);
        // What a panic left half done is one source's memory.
        work(&mut kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What this source has changed.
    pub(super) fn kept(&self, source: IpAddr, now: Timestamp) -> Arc<Mutex<Remembered>> {
        self.sources.with(source, now, |kept| Arc::clone(kept))
    }

    pub(super) fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::of(self))
    }

    pub(super) fn room(&self) -> &Arc<AtomicUsize> {
        &self.room
    }

    /// Where programs are looked for (`$PATH` of a fresh login).
    pub(super) const fn program_directories(&self) -> &'static [&'static str] {
        match self.flavor {
            Flavor::BusyBox => &["/sbin", "/usr/sbin", "/bin", "/usr/bin"],
            Flavor::Android => &["/sbin", "/system/bin", "/system/xbin"],
        }
    }

    /// The program is installed.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.without.contains(name)
    }

    /// The whole file `/bin/echo`, which is `/bin/busybox` as well.
    pub(super) fn program(&self) -> &[u8] {
        &self.program
    }

    /// `BusyBox v1.31.1 (2020-03-04 10:11:12 CST)`.
    pub(super) fn busybox_banner(&self) -> String {
        format!("BusyBox v{} ({})", self.busybox.0, self.busybox.1)
    }

    pub(super) fn kernel_release(&self) -> &str {
        self.kernel.0
    }

    pub(super) fn kernel_build(&self) -> &str {
        &self.kernel.1
    }

    /// What `uname -m` says.
    pub(super) const fn machine(&self) -> &'static str {
        match self.architecture {
            Architecture::Arm => "armv7l",
            Architecture::Aarch64 => "aarch64",
            Architecture::Mips | Architecture::Mipsel => "mips",
            Architecture::X86 => "x86_64",
        }
    }

    pub(super) const fn memory_kib(&self) -> u64 {
        self.memory_kib
    }

    pub(super) const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    pub(super) const fn installed(&self) -> Timestamp {
        self.installed
    }

    pub(super) const fn booted(&self) -> Timestamp {
        self.booted
    }

    /// The network card's name.
    pub(super) fn card(&self) -> &'static str {
        if self.flavor == Flavor::Android { "wlan0" } else { "eth0" }
    }

    pub(super) fn up_since(&self, now: Timestamp) -> Duration {
        now.saturating_since(self.booted)
    }

    pub(super) fn processes(&self) -> &[Process] {
        &self.processes
    }

    pub(super) fn shadow(&self) -> String {
        self.shadow.clone()
    }

    /// Kernel file systems take no files; neither does an Android phone's system partition.
    pub(super) fn is_read_only(&self, path: &[u8]) -> bool {
        let under = |top: &[u8]| path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
        under(b"/proc")
            || under(b"/sys")
            || (self.flavor == Flavor::Android && (under(b"/system") || super::file_system::parent(path) == b"/"))
    }

    /// Users that are not root may write here.
    pub(super) fn lets_anyone_write(&self, path: &[u8]) -> bool {
        let places: &[&[u8]] = match self.flavor {
            Flavor::BusyBox => &[b"/tmp/", b"/var/tmp/", b"/dev/null", b"/dev/tty"],
            Flavor::Android => &[b"/data/local/tmp/", b"/storage/emulated/0/", b"/dev/null", b"/dev/tty"],
        };
        places.iter().any(|place| path.starts_with(place))
    }

    /// What stands for a fetched program: one for this processor, of this length, different for every address.
    pub(super) fn stand_in(&self, len: u32, seed: u64) -> Vec<u8> {
        let mut bytes = self.program.clone();
        let start = bytes.len();
        bytes.resize((len as usize).max(start), 0);
        if let Some(rest) = bytes.get_mut(start..) {
            Random::new(seed).fill(rest);
        }
        bytes
    }
}
