//! The files that a device has before anybody came.

mod node;

use std::collections::BTreeMap;

use super::applet::{APPLETS, Applet};
use super::device::{Device, Flavor, process_status};
use crate::clock::Timestamp;

pub(super) use node::{Content, Kind, Live, Node, Special};

/// A whole file system by absolute path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
    time: Timestamp,
}

/// `/etc/passwd` of Alpine 3.14.
const ALPINES_USERS: &str = "root:x:0:0:root:/root:/bin/ash
bin:x:1:1:bin:/bin:/sbin/nologin
daemon:x:2:2:daemon:/sbin:/sbin/nologin
adm:x:3:4:adm:/var/adm:/sbin/nologin
lp:x:4:7:lp:/var/spool/lpd:/sbin/nologin
sync:x:5:0:sync:/sbin:/bin/sync
shutdown:x:6:0:shutdown:/sbin:/sbin/shutdown
halt:x:7:0:halt:/sbin:/sbin/halt
mail:x:8:12:mail:/var/mail:/sbin/nologin
news:x:9:13:news:/usr/lib/news:/sbin/nologin
uucp:x:10:14:uucp:/var/spool/uucppublic:/sbin/nologin
operator:x:11:0:operator:/root:/sbin/nologin
man:x:13:15:man:/usr/man:/sbin/nologin
postmaster:x:14:12:postmaster:/var/mail:/sbin/nologin
cron:x:16:16:cron:/var/spool/cron:/sbin/nologin
ftp:x:21:21::/var/lib/ftp:/sbin/nologin
sshd:x:22:22:sshd:/dev/null:/sbin/nologin
at:x:25:25:at:/var/spool/cron/atjobs:/sbin/nologin
squid:x:31:31:Squid:/var/cache/squid:/sbin/nologin
xfs:x:33:33:X Font Server:/etc/X11/fs:/sbin/nologin
games:x:35:35:games:/usr/games:/sbin/nologin
cyrus:x:85:12::/usr/cyrus:/sbin/nologin
vpopmail:x:89:89::/var/vpopmail:/sbin/nologin
ntp:x:123:123:NTP:/var/empty:/sbin/nologin
smmsp:x:209:209:smmsp:/var/spool/mqueue:/sbin/nologin
guest:x:405:100:guest:/dev/null:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
";

impl Tree {
    pub(super) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Every path that begins with this one.
    pub(super) fn below<'t>(&'t self, prefix: &'t [u8]) -> impl Iterator<Item = &'t [u8]> {
        self.nodes.range(prefix.to_vec()..).map(|(path, _)| &path[..]).take_while(move |path| path.starts_with(prefix))
    }

    /// The tree of a device; all else about the device is settled.
    pub(super) fn of(device: &Device) -> Self {
        let mut tree = Self { nodes: BTreeMap::new(), time: device.installed() };
        tree.directory("/");
        match device.flavor() {
            Flavor::BusyBox => tree.add_linux(device),
            Flavor::Android => tree.add_android(device),
        }
        tree.time = device.booted();
        tree.add_kernel(device);
        tree.begin_at_boot();
        tree
    }

    /// What lies in memory is as old as the last start.
    fn begin_at_boot(&mut self) {
        for place in ["/dev", "/proc", "/sys", "/run", "/tmp", "/var"] {
            let is_there = |path: &[u8]| {
                path.strip_prefix(place.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            };
            for (_, node) in self.nodes.iter_mut().filter(|(path, _)| is_there(path)) {
                node.changed = self.time;
            }
        }
    }

    fn add_linux(&mut self, device: &Device) {
        for path in [
            "/bin",
            "/dev",
            "/dev/pts",
            "/etc",
            "/etc/init.d",
            "/home",
            "/lib",
            "/mnt",
            "/opt",
            "/proc",
            "/root",
            "/run",
            "/sbin",
            "/sys",
            "/tmp",
            "/usr",
            "/usr/bin",
            "/usr/lib",
            "/usr/sbin",
            "/usr/share",
            "/var",
            "/var/log",
            "/var/run",
            "/var/spool",
            "/var/spool/cron",
            "/var/spool/cron/crontabs",
            "/var/tmp",
        ] {
            self.directory(path);
        }
        self.program("/bin/busybox");
        self.program("/bin/echo");
        for applet in APPLETS.iter().filter(|applet| !applet.home.is_empty() && device.has(applet.name)) {
            let path = format!("{}/{}", applet.home, applet.name);
            if applet.is_busybox {
                self.link(&path, "/bin/busybox");
            } else {
                self.program(&path);
            }
        }
        self.link("/init", "/bin/busybox");
        let host = device.host();
        self.text("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:99:99:nobody:/home:/bin/false\n");
        self.text("/etc/shadow", 0o600, &device.shadow());
        self.text("/etc/group", 0o644, "root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnobody:x:99:\n");
        self.text("/etc/hostname", 0o644, &format!("{host}\n"));
        self.text("/etc/hosts", 0o644, &format!("127.0.0.1\tlocalhost\n127.0.1.1\t{host}\n"));
        self.text("/etc/resolv.conf", 0o644, "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
        self.text("/etc/issue", 0o644, "");
        self.text("/etc/inittab", 0o644, "::sysinit:/etc/init.d/rcS\n::respawn:/sbin/getty -L ttyS0 115200 vt100\n::ctrlaltdel:/sbin/reboot\n::shutdown:/bin/umount -a -r\n");
        self.text("/etc/profile", 0o644, "export PATH=/sbin:/usr/sbin:/bin:/usr/bin\n");
        self.text(
            "/etc/fstab",
            0o644,
            "/dev/root\t/\tauto\trw\t0\t1\nproc\t/proc\tproc\tdefaults\t0\t0\ntmpfs\t/tmp\ttmpfs\tdefaults\t0\t0\n",
        );
        self.text(
            "/etc/init.d/rcS",
            0o755,
            "#!/bin/sh\nmount -a\nhostname -F /etc/hostname\nsyslogd\nklogd\ntelnetd\n",
        );
        self.text("/var/log/messages", 0o640, "");
        if device.is_container() {
            self.add_container();
        }
        self.text("/var/run/utmp", 0o644, "");
    }

    /// Where an Alpine image differs from a device.
    fn add_container(&mut self) {
        for path in ["/etc/inittab", "/etc/fstab", "/etc/init.d/rcS", "/init", "/var/run/utmp"] {
            self.nodes.remove(path.as_bytes());
        }
        self.directory("/media");
        self.directory("/srv");
        self.directory("/root/.ssh");
        self.text("/.dockerenv", 0o755, "");
        self.text("/etc/passwd", 0o644, ALPINES_USERS);
        self.text("/etc/os-release", 0o644, "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.14.10\nPRETTY_NAME=\"Alpine Linux v3.14\"\nHOME_URL=\"https://alpinelinux.org/\"\nBUG_REPORT_URL=\"https://bugs.alpinelinux.org/\"\n");
        self.text("/etc/crontab", 0o644, "");
    }

    fn add_android(&mut self, device: &Device) {
        for path in [
            "/acct",
            "/cache",
            "/config",
            "/data",
            "/data/app",
            "/data/data",
            "/data/local",
            "/data/local/tmp",
            "/dev",
            "/mnt",
            "/mnt/sdcard",
            "/oem",
            "/proc",
            "/root",
            "/sbin",
            "/storage",
            "/storage/emulated",
            "/storage/emulated/0",
            "/storage/emulated/0/Android",
            "/storage/emulated/0/DCIM",
            "/storage/emulated/0/Download",
            "/sys",
            "/system",
            "/system/app",
            "/system/bin",
            "/system/etc",
            "/system/framework",
            "/system/lib",
            "/system/priv-app",
            "/system/xbin",
            "/vendor",
        ] {
            self.directory(path);
        }
        for (path, mode) in [
            ("/data/local/tmp", 0o771),
            ("/storage/emulated/0", 0o771),
            ("/data", 0o771),
            ("/data/data", 0o771),
            ("/root", 0o700),
        ] {
            if let Some(node) = self.nodes.get_mut(path.as_bytes()) {
                node.mode = mode;
            }
        }
        self.link("/etc", "/system/etc");
        self.link("/bin", "/system/bin");
        self.link("/sdcard", "/storage/emulated/0");
        self.program("/system/bin/toybox");
        self.program("/system/bin/sh");
        self.program("/system/bin/echo");
        self.program("/system/xbin/busybox");
        let is_here = |applet: &&Applet| (!applet.home.is_empty() || !applet.is_busybox) && device.has(applet.name);
        for applet in APPLETS.iter().filter(is_here) {
            let path = format!("/system/bin/{}", applet.name);
            if applet.is_busybox {
                self.link(&path, "/system/bin/toybox");
            } else {
                self.program(&path);
            }
        }
        self.text("/system/etc/hosts", 0o644, "127.0.0.1       localhost\n::1             ip6-localhost\n");
        let properties: String = device.properties().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        self.text("/system/build.prop", 0o644, &properties);
        self.text(
            "/default.prop",
            0o644,
            "ro.adb.secure=0\nro.secure=1\nro.debuggable=0\npersist.sys.usb.config=adb\n",
        );
    }

    /// `/dev`, `/proc` and `/sys`.
    fn add_kernel(&mut self, device: &Device) {
        for (name, special, mode) in [
            ("console", Special::Other, 0o600),
            ("full", Special::Zero, 0o666),
            ("kmsg", Special::Other, 0o644),
            ("mem", Special::Other, 0o640),
            ("null", Special::Null, 0o666),
            ("ptmx", Special::Other, 0o666),
            ("pts/0", Special::Terminal, 0o620),
            ("random", Special::Random, 0o666),
            ("tty", Special::Terminal, 0o666),
            ("ttyS0", Special::Other, 0o660),
            ("urandom", Special::Random, 0o666),
            ("watchdog", Special::Other, 0o660),
            ("zero", Special::Zero, 0o666),
        ] {
            if device.flavor() == Flavor::BusyBox || !name.contains('/') {
                self.add(&format!("/dev/{name}"), Kind::Special(special), mode);
            }
        }
        for (name, text) in device.proc_texts() {
            self.text(&format!("/proc/{name}"), 0o444, &text);
        }
        self.directory("/proc/net");
        self.directory("/sys/class");
        self.directory("/sys/class/net");
        self.directory("/proc/sys");
        self.directory("/proc/sys/kernel");
        for (name, live) in [
            ("uptime", Live::Uptime),
            ("loadavg", Live::Load),
            ("meminfo", Live::Memory),
            ("stat", Live::Stat),
            ("net/dev", Live::Network),
        ] {
            self.add(&format!("/proc/{name}"), Kind::File { content: Content::Live(live), fresh: false }, 0o444);
        }
        self.link("/proc/mounts", "/proc/self/mounts");
        for process in device.processes() {
            self.process(&process.pid.to_string(), &process.command, device);
        }
        self.process("self", "sh", device);
        let shell = if device.flavor() == Flavor::BusyBox { "/bin/busybox" } else { "/system/bin/sh" };
        self.nodes.remove(&b"/proc/self/exe"[..]);
        self.link("/proc/self/exe", shell);
        for (card, address) in [("lo", [0; 6]), (device.card(), device.mac())] {
            self.directory(&format!("/sys/class/net/{card}"));
            let address = address.map(|byte| format!("{byte:02x}")).join(":");
            self.text(&format!("/sys/class/net/{card}/address"), 0o444, &format!("{address}\n"));
            self.text(
                &format!("/sys/class/net/{card}/operstate"),
                0o444,
                if card == "lo" { "unknown\n" } else { "up\n" },
            );
            self.text(&format!("/sys/class/net/{card}/mtu"), 0o444, if card == "lo" { "65536\n" } else { "1500\n" });
        }
        self.text("/proc/self/mounts", 0o444, &device.mounts());
        self.add("/proc/self/status", Kind::File { content: Content::Live(Live::Own), fresh: false }, 0o444);
    }

    fn process(&mut self, pid: &str, command: &str, device: &Device) {
        let at = |name: &str| format!("/proc/{pid}/{name}");
        self.directory(&format!("/proc/{pid}"));
        let is_kernel = command.starts_with('[');
        let name = command.trim_matches(['[', ']']).split(' ').next().unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        let line = if is_kernel { String::new() } else { command.replace(' ', "\0") + "\0" };
        self.text(&at("cmdline"), 0o444, &line);
        self.text(&at("comm"), 0o444, &format!("{name}\n"));
        self.text(&at("maps"), 0o444, "");
        let parent = u32::from(pid != "1");
        self.text(&at("status"), 0o444, &process_status(name, "S (sleeping)", pid, parent));
        if !is_kernel {
            let program = if device.flavor() == Flavor::BusyBox { "/bin/busybox" } else { "/system/bin/toybox" };
            self.link(&at("exe"), program);
        }
    }

    fn add(&mut self, path: &str, kind: Kind, mode: u16) {
        self.nodes.insert(path.as_bytes().to_vec(), Node { kind, mode, changed: self.time });
    }

    fn directory(&mut self, path: &str) {
        let mode = if path.ends_with("/tmp") { 0o1777 } else { 0o755 };
        self.add(path, Kind::Directory, mode);
    }

    fn link(&mut self, path: &str, target: &str) {
        self.add(path, Kind::Link(target.as_bytes().to_vec()), 0o777);
    }

    fn program(&mut self, path: &str) {
        self.add(path, Kind::File { content: Content::Program, fresh: false }, 0o755);
    }

    fn text(&mut self, path: &str, mode: u16, text: &str) {
        self.add(path, Kind::File { content: Content::Kept(text.as_bytes().to_vec()), fresh: false }, mode);
    }
}
