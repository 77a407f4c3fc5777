//! What kind of computer the visitor believes to be on: drawn from the persona, the same for all its visitors.

mod proc;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::calendar;
use super::elf::Architecture;
use super::file_system::{FileSystem, Overlay};
use super::tree::Tree;
use crate::clock::Timestamp;
use crate::handlers::{Persona, Random, Sources};

/// Sources whose files are remembered.
const MAX_SOURCES: usize = 4_096;
/// How long.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Programs that one source can have running.
const MAX_RUNNING: usize = 16;

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
}

/// The programs that a source has started.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// Process number and command line of those that are still running.
    pub(super) running: Vec<(u32, Vec<u8>)>,
    processes_started: u32,
}

impl Jobs {
    /// Notes a program that keeps running; the oldest is forgotten.
    pub(super) fn start(&mut self, first_pid: u32, command: &[u8]) -> u32 {
        let pid = self.next_pid(first_pid);
        if self.running.len() >= MAX_RUNNING {
            self.running.remove(0);
        }
        self.running.push((pid, command.get(..200).unwrap_or(command).to_vec()));
        pid
    }

    /// A process number that was not used before.
    pub(super) fn next_pid(&mut self, first_pid: u32) -> u32 {
        self.processes_started = (self.processes_started + 1) % 20_000;
        first_pid + self.processes_started
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
    program: Vec<u8>,
    tree: OnceLock<Tree>,
    room: Arc<AtomicUsize>,
    /// Each behind a lock of its own: a long line of one source keeps no other waiting.
    sources: Sources<Arc<Mutex<Remembered>>>,
}

impl Device {
    /// The device of this persona. `without` names programs that it has not (a device without `wget` makes loaders try `tftp`, one
    /// with neither makes them upload by `echo`).
    pub(in crate::handlers) fn new(flavor: Flavor, persona: &Persona, without: &[String]) -> Arc<Self> {
        let mut random = persona.random(match flavor {
            Flavor::BusyBox => "device",
            Flavor::Android => "android device",
        });
        let architecture = match flavor {
            Flavor::BusyBox => {
                pick(&mut random, &[Architecture::Arm, Architecture::Mips, Architecture::Mipsel, Architecture::X86])
            }
            Flavor::Android => pick(&mut random, &[Architecture::Aarch64, Architecture::Arm]),
        };
        let (version, year) = pick(
            &mut random,
            &[
                ("1.22.1", 2014),
                ("1.24.1", 2016),
                ("1.26.2", 2017),
                ("1.30.1", 2019),
                ("1.31.1", 2020),
                ("1.33.1", 2021),
            ],
        );
        let (month, day) = (random.within(&(1..=12)), random.within(&(1..=28)));
        let (hour, minute, second) = (random.within(&(8..=19)), random.within(&(0..=59)), random.within(&(0..=59)));
        let zone = pick(&mut random, &["CST", "UTC", "CEST"]);
        let busybox = (version, format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {zone}"));
        let release = match (flavor, architecture) {
            (Flavor::Android, Architecture::Arm) => pick(&mut random, &["3.10.49", "3.4.67"]),
            (Flavor::Android, _) => pick(&mut random, &["3.18.71", "4.4.78"]),
            (_, Architecture::X86) => pick(&mut random, &["4.9.76", "4.14.119"]),
            _ => pick(&mut random, &["3.10.14", "3.18.20", "4.4.120", "4.9.37"]),
        };
        let build = format!(
            "#{} {} {} {} {hour:02}:{minute:02}:{second:02} {zone} {year}",
            random.within(&(1..=40)),
            pick(&mut random, &["SMP PREEMPT", "SMP"]),
            calendar::MONTHS.get(usize::try_from(month - 1).unwrap_or(0)).unwrap_or(&"Jan"),
            day
        );
        let memory_kib = pick(&mut random, &[60_412, 124_816, 253_004, 510_260])
            + if flavor == Flavor::Android { 1_500_000 } else { 0 };
        let salt: String =
            (0..8).filter_map(|_| char::from_digit(u32::try_from(random.within(&(0..=35))).unwrap_or(0), 36)).collect();
        let digest: String = (0..22)
            .filter_map(|_| char::from_digit(u32::try_from(random.within(&(0..=35))).unwrap_or(0), 36))
            .collect();
        let host = persona.host_name().to_owned();
        let first_pid = u32::try_from(random.within(&(1_100..=4_800))).unwrap_or(2_000);
        let processes = processes(flavor, &mut random);
        Arc::new(Self {
            flavor,
            architecture,
            booted: persona.booted(),
            installed: persona.installed(),
            mac: persona.mac(),
            busybox,
            kernel: (release, build),
            memory_kib,
            first_pid,
            shadow: format!(
                "root:$1${salt}${digest}:17520:0:99999:7:::\ndaemon:*:17520:0:99999:7:::\nnobody:*:17520:0:99999:7:::\n"
            ),
            processes,
            properties: if flavor == Flavor::Android {
                super::android::properties(architecture, release, &mut random)
            } else {
                Vec::new()
            },
            without: without.iter().cloned().collect(),
            program: architecture.echo(),
            tree: OnceLock::new(),
            room: Arc::default(),
            sources: Sources::new(MAX_SOURCES, KEEP),
            host,
        })
    }

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
        let kept = self.sources.with(source, now, |kept| Arc::clone(kept));
        // What a panic left half done is one source's memory.
        work(&mut kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| Tree::of(self))
    }

    pub(super) fn room(&self) -> &Arc<AtomicUsize> {
        &self.room
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

    pub(super) fn up_since(&self, now: Timestamp) -> Duration {
        now.saturating_since(self.booted)
    }

    pub(super) const fn first_pid(&self) -> u32 {
        self.first_pid
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

/// One of these.
pub(super) fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let last = (from.len() as u64).saturating_sub(1);
    let drawn = usize::try_from(random.within(&(0..=last))).unwrap_or(0);

    #[expect(
        clippy::indexing_slicing,
        reason = "within 0 and the last index; callers hand in constant tables that are not empty"
    )]
    from[drawn]
}

fn processes(flavor: Flavor, random: &mut Random) -> Vec<Process> {
    let names: &[(&str, u32)] = match flavor {
        Flavor::BusyBox => &[
            ("init", 1_352),
            ("[kthreadd]", 0),
            ("[ksoftirqd/0]", 0),
            ("[kworker/0:0H]", 0),
            ("[rcu_sched]", 0),
            ("[khelper]", 0),
            ("[kdevtmpfs]", 0),
            ("[kswapd0]", 0),
            ("[mtdblock0]", 0),
            ("[ubi_bgt0d]", 0),
            ("syslogd", 1_348),
            ("klogd", 1_340),
            ("/sbin/udhcpc -i eth0 -b", 1_344),
            ("/usr/sbin/crond", 1_348),
            ("/usr/sbin/httpd -h /var/www", 1_396),
            ("/sbin/getty -L ttyS0 115200 vt100", 1_352),
            ("telnetd", 1_340),
        ],
        Flavor::Android => &[
            ("/init", 1_752),
            ("[kthreadd]", 0),
            ("[ksoftirqd/0]", 0),
            ("[kworker/0:0H]", 0),
            ("/sbin/ueventd", 1_312),
            ("/system/bin/servicemanager", 3_312),
            ("/system/bin/vold", 14_216),
            ("/system/bin/netd", 21_040),
            ("/system/bin/surfaceflinger", 88_420),
            ("zygote", 1_524_160),
            ("system_server", 1_689_848),
            ("com.android.systemui", 1_610_200),
            ("com.android.phone", 1_548_112),
            ("/sbin/adbd --root_seclabel=u:r:su:s0", 15_020),
        ],
    };
    let mut pid = 0;
    names
        .iter()
        .map(|&(command, size_kib)| {
            let step = if pid < 30 { 1..=4 } else { 3..=60 };
            pid += if pid == 0 { 1 } else { u32::try_from(random.within(&step)).unwrap_or(1) };
            if size_kib > 0 && pid > 1 && pid < 300 {
                pid += 300;
            }
            Process { pid, size_kib, command: command.to_owned() }
        })
        .collect()
}
