//! What kind of computer the visitor believes to be on: drawn from the persona, the same for all its visitors.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::calendar;
use super::elf::Architecture;
use super::file_system::{FileSystem, Overlay};
use super::tree::{Live, Tree};
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

    /// `/proc/mounts`. Everything that it calls writable is.
    pub(super) fn mounts(&self) -> String {
        let kernel = "proc /proc proc ro,relatime 0 0\nsysfs /sys sysfs ro,relatime 0 0\n";
        if self.flavor == Flavor::Android {
            return format!(
                "rootfs / rootfs ro,seclabel 0 0\ntmpfs /dev tmpfs ro,seclabel,nosuid,relatime,mode=755 0 0\n{kernel}\
                 /dev/block/mmcblk0p24 /system ext4 ro,seclabel,relatime,data=ordered 0 0\n\
                 /dev/block/mmcblk0p26 /data/local/tmp ext4 rw,seclabel,nosuid,nodev,relatime,data=ordered 0 0\n\
                 /dev/fuse /storage/emulated/0 fuse rw,nosuid,nodev,noexec,relatime,user_id=1023,group_id=1023 0 0\n"
            );
        }
        let root = match self.architecture {
            Architecture::X86 => "/dev/root / ext4 rw,relatime,data=ordered 0 0",
            Architecture::Arm => "ubi0:rootfs / ubifs rw,relatime 0 0",
            _ => "/dev/root / jffs2 rw,relatime 0 0",
        };
        format!(
            "{root}\n{kernel}tmpfs /dev tmpfs rw,relatime,size=512k,mode=755 0 0\n\
             tmpfs /tmp tmpfs rw,nosuid,nodev,relatime 0 0\ntmpfs /var tmpfs rw,relatime 0 0\n"
        )
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

    /// The files of `/proc` that do not change.
    pub(super) fn proc_texts(&self) -> Vec<(&'static str, String)> {
        let (release, build) = (self.kernel_release(), self.kernel_build());
        vec![
            ("cpuinfo", self.cpu_info()),
            ("version", format!("Linux version {release} (build@build) (gcc version 4.9.4 (GCC)) {build}\n")),
            ("cmdline", "console=ttyS0,115200 root=/dev/root rw rootwait\n".to_owned()),
            ("filesystems", "nodev\tsysfs\nnodev\trootfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\n\text4\n\tsquashfs\n".to_owned()),
            ("modules", String::new()),
            ("partitions", "major minor  #blocks  name\n\n  31        0        256 mtdblock0\n  31        1       3072 mtdblock1\n  31        2      12800 mtdblock2\n".to_owned()),
            ("devices", "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n 90 mtd\n128 ptm\n136 pts\n\nBlock devices:\n 31 mtdblock\n".to_owned()),
            ("net/arp", "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned()),
            ("sys/kernel/hostname", format!("{}\n", self.host())),
            ("sys/kernel/osrelease", format!("{release}\n")),
        ]
    }

    fn cpu_info(&self) -> String {
        match self.architecture {
            Architecture::Arm => "processor\t: 0\nmodel name\t: ARMv7 Processor rev 5 (v7l)\nBogoMIPS\t: 38.40\nFeatures\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae\nCPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x0\nCPU part\t: 0xc07\nCPU revision\t: 5\n\nHardware\t: Generic DT based system\nRevision\t: 0000\nSerial\t\t: 0000000000000000\n".to_owned(),
            Architecture::Aarch64 => "processor\t: 0\nBogoMIPS\t: 38.40\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\nHardware\t: Qualcomm Technologies, Inc\n".to_owned(),
            Architecture::Mips | Architecture::Mipsel => "system type\t\t: MediaTek MT7621\nmachine\t\t\t: Wireless Router\nprocessor\t\t: 0\ncpu model\t\t: MIPS 1004Kc V2.15\nBogoMIPS\t\t: 583.68\nwait instruction\t: yes\nmicrosecond timers\t: yes\ntlb_entries\t\t: 32\nextra interrupt vector\t: yes\nhardware watchpoint\t: yes, count: 4, address/irw mask: [0x0ffc, 0x0ffc, 0x0ffb, 0x0ffb]\nisa\t\t\t: mips1 mips2 mips32r1 mips32r2\nASEs implemented\t: mips16 dsp mt\nshadow register sets\t: 1\nkscratch registers\t: 0\ncore\t\t\t: 0\nVPE\t\t\t: 0\nVCED exceptions\t\t: not available\nVCEI exceptions\t\t: not available\n\n".to_owned(),
            Architecture::X86 => "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 55\nmodel name\t: Intel(R) Celeron(R) CPU  J1900  @ 1.99GHz\nstepping\t: 9\nmicrocode\t: 0x90a\ncpu MHz\t\t: 1993.600\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nfpu\t\t: yes\ncpuid level\t: 11\nwp\t\t: yes\nflags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss ht syscall nx rdtscp lm constant_tsc ssse3 cx16 sse4_1 sse4_2 movbe popcnt rdrand\nbogomips\t: 3988.27\naddress sizes\t: 36 bits physical, 48 bits virtual\n\n".to_owned(),
        }
    }

    /// A file of `/proc` that changes.
    pub(super) fn live(&self, live: Live, now: Timestamp) -> Vec<u8> {
        let up = self.up_since(now);
        let (seconds, hundredths) = (up.as_secs(), up.subsec_millis() / 10);
        let text = match live {
            Live::Uptime => format!("{seconds}.{hundredths:02} {}.{:02}\n", seconds * 93 / 100, (hundredths * 7) % 100),
            Live::Load => {
                let [one, five, fifteen] = self.load(now).map(|load| format!("{}.{:02}", load / 100, load % 100));
                format!("{one} {five} {fifteen} 1/{} {}\n", self.processes.len() + 31, self.first_pid + 77)
            }
            Live::Memory => {
                let (total, free) = (self.memory_kib, self.free_kib(now));
                format!(
                    "MemTotal:       {total:>8} kB\nMemFree:        {free:>8} kB\nBuffers:        {:>8} kB\nCached:         {:>8} kB\nSwapCached:            0 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n",
                    total / 40,
                    total / 5
                )
            }
            Live::Stat => {
                let idle = seconds * 93;
                format!(
                    "cpu  {} 0 {} {idle} 12 0 9 0 0 0\ncpu0 {} 0 {} {idle} 12 0 9 0 0 0\nctxt {}\nbtime {}\nprocesses {}\n",
                    seconds * 3,
                    seconds * 4,
                    seconds * 3,
                    seconds * 4,
                    seconds * 210,
                    self.booted.as_micros() / 1_000_000,
                    self.first_pid + 99
                )
            }
        };
        text.into_bytes()
    }

    /// Load averages over one, five and fifteen minutes, in hundredths; they wander with time.
    pub(super) fn load(&self, now: Timestamp) -> [u64; 3] {
        let minute = self.up_since(now).as_secs() / 20;
        let at = |step: u64| Random::new(minute / step).within(&(0..=28));
        [at(1), at(8) + 2, 5 + at(30) / 4]
    }

    /// Free memory in KiB; it wanders with time.
    pub(super) fn free_kib(&self, now: Timestamp) -> u64 {
        let drawn = Random::new(self.up_since(now).as_secs() / 7).within(&(0..=999));
        self.memory_kib / 3 + drawn * 4
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
