//! What `/proc` says of the device.

use super::{Device, Flavor};
use crate::clock::Timestamp;
use crate::handlers::Random;
use crate::handlers::shell::elf::Architecture;
use crate::handlers::shell::tree::Live;

/// What the loopback has received, and sent: packets and bytes.
const LOOPBACK: (u64, u64) = (24, 2_088);

/// `/proc/PID/status`, shortened.
pub(in crate::handlers::shell) fn process_status(name: &str, state: &str, pid: &str, parent: u32) -> String {
    format!(
        "Name:\t{name}\nState:\t{state}\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t{parent}\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
    )
}

impl Device {
    /// Where the file system is mounted that has this path.
    pub(in crate::handlers::shell) fn mounted_at(&self, path: &[u8]) -> String {
        let mounts = self.mounts();
        let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let holds = |place: &&str| {
            path.strip_prefix(place.trim_end_matches('/').as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        places.filter(holds).max_by_key(|place| place.len()).unwrap_or("/").to_owned()
    }

    /// `/proc/mounts`. Everything that it calls writable is.
    pub(in crate::handlers::shell) fn mounts(&self) -> String {
        let kernel = "proc /proc proc ro,relatime 0 0\nsysfs /sys sysfs ro,relatime 0 0\n";
        if self.flavor == Flavor::Android {
            return format!(
                "rootfs / rootfs ro,seclabel 0 0\ntmpfs /dev tmpfs ro,seclabel,nosuid,relatime,mode=755 0 0\n{kernel}\
                 /dev/block/mmcblk0p24 /system ext4 ro,seclabel,relatime,data=ordered 0 0\n\
                 /dev/block/mmcblk0p26 /data/local/tmp ext4 rw,seclabel,nosuid,nodev,relatime,data=ordered 0 0\n\
                 /dev/fuse /storage/emulated/0 fuse rw,nosuid,nodev,noexec,relatime,user_id=1023,group_id=1023 0 0\n"
            );
        }
        if self.is_container {
            let layers = "lowerdir=/var/lib/docker/overlay2/l/5QK6:/var/lib/docker/overlay2/l/XTBD,upperdir=/var/lib/docker/overlay2/7b0c/diff,workdir=/var/lib/docker/overlay2/7b0c/work";
            return format!(
                "overlay / overlay rw,relatime,{layers} 0 0\n{kernel}tmpfs /dev tmpfs rw,nosuid,size=65536k,mode=755 0 0\n"
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

    /// The files of `/proc` that do not change.
    pub(in crate::handlers::shell) fn proc_texts(&self) -> Vec<(&'static str, String)> {
        let (release, build) = (self.kernel_release(), self.kernel_build());
        vec![
            ("cpuinfo", self.cpu_info()),
            ("version", format!("Linux version {release} (build@build) (gcc version 4.9.4 (GCC)) {build}\n")),
            ("cmdline", "console=ttyS0,115200 root=/dev/root rw rootwait\n".to_owned()),
            ("filesystems", "nodev\tsysfs\nnodev\trootfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\n\text4\n\tsquashfs\n".to_owned()),
            ("modules", String::new()),
            ("partitions", self.partitions()),
            ("devices", "Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n 90 mtd\n128 ptm\n136 pts\n\nBlock devices:\n  8 sd\n 31 mtdblock\n179 mmc\n".to_owned()),
            ("net/arp", "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned()),
            ("sys/kernel/ostype", "Linux\n".to_owned()),
            ("sys/kernel/pid_max", "32768\n".to_owned()),
            ("sys/kernel/version", format!("{build}\n")),
            ("sys/kernel/hostname", format!("{}\n", self.host())),
            ("sys/kernel/osrelease", format!("{release}\n")),
        ]
    }

    /// Size of the file system at `/` in KiB.
    pub(in crate::handlers::shell) const fn root_kib(&self) -> u64 {
        self.memory_kib * 4
    }

    /// `/proc/partitions`: the last one holds what `df` says of `/`.
    fn partitions(&self) -> String {
        let root = self.root_kib();
        let rows = match (self.flavor, self.architecture) {
            (Flavor::Android, _) => vec![
                (179, 0, root * 2 + 16_384, "mmcblk0"),
                (179, 24, root, "mmcblk0p24"),
                (179, 26, root, "mmcblk0p26"),
            ],
            (_, Architecture::X86) => vec![(8, 0, root + 16_384, "sda"), (8, 1, root, "sda1")],
            _ => vec![(31, 0, 256, "mtdblock0"), (31, 1, 3_072, "mtdblock1"), (31, 2, root, "mtdblock2")],
        };
        let row = |(major, minor, size, name)| format!("{major:4}  {minor:7} {size:10} {name}\n");
        "major minor  #blocks  name\n\n".to_owned() + &rows.into_iter().map(row).collect::<String>()
    }

    /// What the network card has received and sent: packets and bytes each.
    pub(in crate::handlers::shell) fn traffic(&self, now: Timestamp) -> [(u64, u64); 2] {
        let seconds = self.up_since(now).as_secs();
        let (received, sent) = (seconds * 3 / 7 + 4_211, seconds / 5 + 1_903);
        [(received, received * 191), (sent, sent * 117)]
    }

    /// `/proc/net/dev`.
    fn net_dev(&self, now: Timestamp) -> String {
        let mut text = "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n".to_owned();
        for (name, [(received, bytes), (sent, sent_bytes)]) in [("lo", [LOOPBACK; 2]), (self.card(), self.traffic(now))]
        {
            text += &format!(
                "{name:>6}: {bytes:7} {received:7}    0    0    0     0          0         0 {sent_bytes:8} {sent:7}    0    0    0     0       0          0\n"
            );
        }
        text
    }

    fn cpu_info(&self) -> String {
        match self.architecture {
            Architecture::Arm => "processor\t: 0\nmodel name\t: ARMv7 Processor rev 5 (v7l)\nBogoMIPS\t: 38.40\nFeatures\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae\nCPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x0\nCPU part\t: 0xc07\nCPU revision\t: 5\n\nHardware\t: Generic DT based system\nRevision\t: 0000\nSerial\t\t: 0000000000000000\n".to_owned(),
            Architecture::Aarch64 => "processor\t: 0\nBogoMIPS\t: 38.40\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\nHardware\t: Qualcomm Technologies, Inc\n".to_owned(),
            Architecture::Mips | Architecture::Mipsel => "system type\t\t: MediaTek MT7621\nmachine\t\t\t: Wireless Router\nprocessor\t\t: 0\ncpu model\t\t: MIPS 1004Kc V2.15\nBogoMIPS\t\t: 583.68\nwait instruction\t: yes\nmicrosecond timers\t: yes\ntlb_entries\t\t: 32\nextra interrupt vector\t: yes\nhardware watchpoint\t: yes, count: 4, address/irw mask: [0x0ffc, 0x0ffc, 0x0ffb, 0x0ffb]\nisa\t\t\t: mips1 mips2 mips32r1 mips32r2\nASEs implemented\t: mips16 dsp mt\nshadow register sets\t: 1\nkscratch registers\t: 0\ncore\t\t\t: 0\nVPE\t\t\t: 0\nVCED exceptions\t\t: not available\nVCEI exceptions\t\t: not available\n\n".to_owned(),
            Architecture::X86 => "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 55\nmodel name\t: Intel(R) Celeron(R) CPU  J1900  @ 1.99GHz\nstepping\t: 9\nmicrocode\t: 0x90a\ncpu MHz\t\t: 1993.600\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nfpu\t\t: yes\ncpuid level\t: 11\nwp\t\t: yes\nflags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss ht syscall nx rdtscp lm constant_tsc ssse3 cx16 sse4_1 sse4_2 movbe popcnt rdrand\nbogomips\t: 3988.27\naddress sizes\t: 36 bits physical, 48 bits virtual\n\n".to_owned(),
        }
    }

    /// A file of `/proc` that changes, read by the process of this number.
    pub(in crate::handlers::shell) fn live(&self, live: Live, now: Timestamp, own: u32) -> Vec<u8> {
        let newest = own.max(self.newest_pid(now));
        let up = self.up_since(now);
        let (seconds, hundredths) = (up.as_secs(), up.subsec_millis() / 10);
        let text = match live {
            Live::Uptime => format!("{seconds}.{hundredths:02} {}.{:02}\n", seconds * 93 / 100, (hundredths * 7) % 100),
            Live::Load => {
                let [one, five, fifteen] = self.load(now).map(|load| format!("{}.{:02}", load / 100, load % 100));
                format!("{one} {five} {fifteen} 1/{} {newest}\n", self.processes.len() + 31)
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
                    newest
                )
            }
            Live::Network => self.net_dev(now),
            Live::Own => process_status("cat", "R (running)", &newest.to_string(), 1),
        };
        text.into_bytes()
    }

    /// The number of the last process that others have begun: it grows with time. In a container nobody else begins any.
    pub(in crate::handlers::shell) fn newest_pid(&self, now: Timestamp) -> u32 {
        if self.is_container {
            return 0;
        }
        let growth = self.up_since(now).as_secs() % 8_000;
        self.first_pid + 9_200 + u32::try_from(growth).unwrap_or(0)
    }

    /// Load averages over one, five and fifteen minutes, in hundredths; they wander with time.
    pub(in crate::handlers::shell) fn load(&self, now: Timestamp) -> [u64; 3] {
        let minute = self.up_since(now).as_secs() / 20;
        let at = |step: u64| Random::new(minute / step).within(&(0..=28));
        [at(1), at(8) + 2, 5 + at(30) / 4]
    }

    /// Free memory in KiB; it wanders with time.
    pub(in crate::handlers::shell) fn free_kib(&self, now: Timestamp) -> u64 {
        let drawn = Random::new(self.up_since(now).as_secs() / 7).within(&(0..=999));
        self.memory_kib / 3 + drawn * 4
    }
}
