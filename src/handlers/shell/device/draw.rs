//! What differs from one device to the next, drawn in an order that must stay: a sensor keeps its device over updates.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use super::{Device, Flavor, KEEP, MAX_SOURCES, Process};
use crate::handlers::shell::applet::OF_CONTAINERS;
use crate::handlers::shell::elf::Architecture;
use crate::handlers::shell::{android, calendar};
use crate::handlers::{Persona, Random, Sources};

impl Device {
    /// The device of this persona. `without` names programs that it has not (a device without `wget` makes loaders try `tftp`, one
    /// with neither makes them upload by `echo`).
    pub(in crate::handlers) fn new(flavor: Flavor, persona: &Persona, without: &[String]) -> Arc<Self> {
        let mut random = persona.random(match flavor {
            Flavor::BusyBox => "device",
            Flavor::Android => "android device",
        });
        let random = &mut random;
        let architecture = draw_architecture(flavor, random);
        let (busybox, built) = draw_busybox(random);
        let kernel = draw_kernel(flavor, architecture, &built, random);
        let memory_kib =
            pick(random, &[60_412, 124_816, 253_004, 510_260]) + if flavor == Flavor::Android { 1_500_000 } else { 0 };
        let shadow = draw_shadow(random);
        let first_pid = u32::try_from(random.within(&(1_100..=4_800))).unwrap_or(2_000);
        let processes = draw_processes(flavor, random);
        let properties = match flavor {
            Flavor::Android => android::properties(architecture, kernel.0, random),
            Flavor::BusyBox => Vec::new(),
        };
        Arc::new(Self {
            flavor,
            architecture,
            host: persona.host_name().to_owned(),
            booted: persona.booted(),
            installed: persona.installed(),
            mac: persona.mac(),
            busybox,
            kernel,
            memory_kib,
            first_pid,
            shadow,
            processes,
            properties,
            without: without.iter().cloned().chain(missing(flavor).map(str::to_owned)).collect(),
            is_container: false,
            program: architecture.echo(),
            tree: OnceLock::new(),
            room: Arc::default(),
            sources: Sources::new(MAX_SOURCES, KEEP),
        })
    }

    /// What the containers of this persona's engine have in common: its kernel (release and build), its memory in KiB, and files of
    /// which each container changes its own.
    pub(in crate::handlers) fn of_containers(
        persona: &Persona,
        (release, build): (&'static str, &str),
        memory_kib: u64,
    ) -> Arc<Self> {
        let architecture = Architecture::X86;
        Arc::new(Self {
            flavor: Flavor::BusyBox,
            architecture,
            host: "localhost".to_owned(),
            booted: persona.booted(),
            installed: persona.installed(),
            mac: persona.mac(),
            busybox: ("1.33.1", "2022-11-10 12:00:58 UTC".to_owned()),
            kernel: (release, build.to_owned()),
            memory_kib,
            first_pid: 6,
            shadow: "root:!::0:::::\nbin:!::0:::::\ndaemon:!::0:::::\nnobody:!::0:::::\n".to_owned(),
            processes: Vec::new(),
            properties: Vec::new(),
            without: BTreeSet::new(),
            is_container: true,
            program: architecture.echo(),
            tree: OnceLock::new(),
            room: Arc::default(),
            sources: Sources::new(1, KEEP),
        })
    }
}

/// Programs that devices of this family have not: a phone's user build has no `su`, and nobody logs in to it.
fn missing(flavor: Flavor) -> impl Iterator<Item = &'static str> {
    const OF_ROUTERS: [&str; 17] = [
        "chpasswd", "crond", "crontab", "getty", "halt", "httpd", "init", "klogd", "login", "passwd", "poweroff", "su",
        "syslogd", "telnetd", "udhcpc", "w", "who",
    ];
    let on_phones: &[&str] = if flavor == Flavor::Android { &OF_ROUTERS } else { &[] };
    OF_CONTAINERS.into_iter().chain(on_phones.iter().copied())
}

/// When the device's software was built.
struct Built {
    year: i32,
    month: u64,
    day: u64,
    /// Time of the day.
    time: String,
    zone: &'static str,
}

fn draw_architecture(flavor: Flavor, random: &mut Random) -> Architecture {
    match flavor {
        Flavor::BusyBox => {
            pick(random, &[Architecture::Arm, Architecture::Mips, Architecture::Mipsel, Architecture::X86])
        }
        Flavor::Android => pick(random, &[Architecture::Aarch64, Architecture::Arm]),
    }
}

/// Version and build date of BusyBox.
fn draw_busybox(random: &mut Random) -> ((&'static str, String), Built) {
    const VERSIONS: [(&str, i32); 6] =
        [("1.22.1", 2014), ("1.24.1", 2016), ("1.26.2", 2017), ("1.30.1", 2019), ("1.31.1", 2020), ("1.33.1", 2021)];
    let (version, year) = pick(random, &VERSIONS);
    let (month, day) = (random.within(&(1..=12)), random.within(&(1..=28)));
    let (hour, minute, second) = (random.within(&(8..=19)), random.within(&(0..=59)), random.within(&(0..=59)));
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    let zone = pick(random, &["CST", "UTC", "CEST"]);
    let date = format!("{year}-{month:02}-{day:02} {time} {zone}");
    ((version, date), Built { year, month, day, time, zone })
}

/// Release and build of the kernel.
fn draw_kernel(
    flavor: Flavor,
    architecture: Architecture,
    built: &Built,
    random: &mut Random,
) -> (&'static str, String) {
    let release = match (flavor, architecture) {
        (Flavor::Android, Architecture::Arm) => pick(random, &["3.10.49", "3.4.67"]),
        (Flavor::Android, _) => pick(random, &["3.18.71", "4.4.78"]),
        (_, Architecture::X86) => pick(random, &["4.9.76", "4.14.119"]),
        _ => pick(random, &["3.10.14", "3.18.20", "4.4.120", "4.9.37"]),
    };
    let number = random.within(&(1..=40));
    let kind = pick(random, &["SMP PREEMPT", "SMP"]);
    let Built { year, month, day, time, zone } = built;
    let month = calendar::MONTHS.get(usize::try_from(month - 1).unwrap_or(0)).unwrap_or(&"Jan");
    (release, format!("#{number} {kind} {month} {day} {time} {zone} {year}"))
}

/// `/etc/shadow`.
fn draw_shadow(random: &mut Random) -> String {
    let mut letters = |count: u32| -> String {
        let letter = |_| char::from_digit(u32::try_from(random.within(&(0..=35))).unwrap_or(0), 36);
        (0..count).filter_map(letter).collect()
    };
    let (salt, digest) = (letters(8), letters(22));
    format!("root:$1${salt}${digest}:17520:0:99999:7:::\ndaemon:*:17520:0:99999:7:::\nnobody:*:17520:0:99999:7:::\n")
}

fn draw_processes(flavor: Flavor, random: &mut Random) -> Vec<Process> {
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

/// One of these.
pub(in crate::handlers::shell) fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let last = (from.len() as u64).saturating_sub(1);
    let drawn = usize::try_from(random.within(&(0..=last))).unwrap_or(0);

    #[expect(
        clippy::indexing_slicing,
        reason = "within 0 and the last index; callers hand in constant tables that are not empty"
    )]
    from[drawn]
}
