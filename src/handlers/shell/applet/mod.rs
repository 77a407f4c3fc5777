//! The programs of a device: one table, one function each.

mod awk;
mod builtin;
mod condition;
mod container;
mod dump;
mod fetch;
mod file;
mod find;
mod grep;
mod lines;
mod list;
mod mode;
mod network;
mod pattern;
mod phone;
mod printf;
mod process;
mod sed;
mod setting;
mod system;
mod text;

use super::device::Flavor;
use super::file_system::Fault;
use super::run::{Io, Run};

pub(super) use self::builtin::builtin;

/// Runs a program: `words` with its name first; the result is its exit status.
pub(super) type Program = fn(&mut Run<'_, '_>, &[Vec<u8>], Io) -> u8;

/// One program.
pub(super) struct Applet {
    pub(super) name: &'static str,
    /// The directory where it is found; empty: only through the shell or `busybox NAME`.
    pub(super) home: &'static str,
    /// Part of BusyBox; else a program of its own.
    pub(super) is_busybox: bool,
    /// What follows `Usage: NAME`.
    pub(super) usage: &'static str,
    run: Program,
}

const fn row(name: &'static str, home: &'static str, usage: &'static str, run: Program) -> Applet {
    Applet { name, home, is_busybox: true, usage, run }
}

const BIN: &str = "/bin";
const SBIN: &str = "/sbin";
const USR_BIN: &str = "/usr/bin";
const USR_SBIN: &str = "/usr/sbin";

/// Every program, in the order of `busybox --list`.
pub(super) const APPLETS: &[Applet] = &[
    row("[", USR_BIN, "EXPRESSION ]", condition::test),
    row("arch", BIN, "", system::arch),
    row("arp", SBIN, "[-vn] [-H HWTYPE] [-i IF] -a [HOSTNAME]", network::arp),
    row("ash", BIN, "[-/+OPTIONS] [-/+o OPT]... [-c 'SCRIPT' [ARG0 [ARGS]] / FILE [ARGS] / -s [ARGS]]", builtin::shell),
    row("awk", USR_BIN, "[OPTIONS] [AWK_PROGRAM] [FILE]...", awk::awk),
    row("base64", BIN, "[-d] [FILE]", text::base64),
    row("basename", USR_BIN, "FILE [SUFFIX]", text::basename),
    row("busybox", "", "", busybox),
    row("cat", BIN, "[FILE]...", file::cat),
    row("chgrp", BIN, "[-Rh]... GROUP FILE...", mode::chown),
    row("chmod", BIN, "[-Rcvf] MODE[,MODE]... FILE...", mode::chmod),
    row("chown", BIN, "[-Rh]... USER[:[GRP]] FILE...", mode::chown),
    row("chpasswd", USR_SBIN, "[--md5|--encrypted|--crypt-method|--root]", system::chpasswd),
    row("clear", USR_BIN, "", system::clear),
    row("cmp", USR_BIN, "[-ls] [-n NUM] FILE1 [FILE2]", lines::cmp),
    row("cp", BIN, "[-arPLHpfilsTu] SOURCE... DEST", file::cp),
    row("crond", USR_SBIN, "-fbS -l N -L LOGFILE -c DIR", system::nothing),
    row("crontab", USR_BIN, "[-c DIR] [-u USER] [-ler]|[FILE]", system::crontab),
    row("cut", USR_BIN, "[OPTIONS] [FILE]...", lines::cut),
    row("date", BIN, "[OPTIONS] [+FMT] [TIME]", system::date),
    row("dd", BIN, "[if=FILE] [of=FILE] [bs=N] [count=N] [skip=N] [seek=N]", file::dd),
    row("df", BIN, "[-Pkmhai] [-B SIZE] [FILESYSTEM]...", system::df),
    row("dirname", USR_BIN, "FILENAME", text::dirname),
    row("dmesg", BIN, "[-c] [-n LEVEL] [-s SIZE]", system::dmesg),
    row("du", USR_BIN, "[-aHLdclsxhmk] [FILE]...", file::du),
    row("echo", "", "[-neE] [ARG]...", text::echo),
    row("egrep", BIN, "[-HhnlLoqvsriwF] [-m N] [-A/B/C N] PATTERN/-e PATTERN.../-f FILE [FILE]...", grep::grep),
    row("env", USR_BIN, "[-iu] [-] [name=value]... [PROG ARGS]", builtin::env),
    row("expr", USR_BIN, "EXPRESSION", text::expr),
    row("false", BIN, "", builtin::fail),
    row("fgrep", BIN, "[-HhnlLoqvsriw] [-m N] [-A/B/C N] PATTERN/-e PATTERN.../-f FILE [FILE]...", grep::grep),
    row("find", USR_BIN, "[-HL] [PATH]... [OPTIONS] [ACTIONS]", find::find),
    row("free", USR_BIN, "[-b/k/m/g]", system::free),
    row("ftpget", USR_BIN, "[OPTIONS] HOST [LOCAL_FILE] REMOTE_FILE", fetch::ftpget),
    row("getty", SBIN, "[OPTIONS] BAUD_RATE[,BAUD_RATE]... TTY [TERMTYPE]", system::nothing),
    row("grep", BIN, "[-HhnlLoqvsriwFE] [-m N] [-A/B/C N] PATTERN/-e PATTERN.../-f FILE [FILE]...", grep::grep),
    row("halt", SBIN, "[-d DELAY] [-n] [-f] [-w]", process::shut_down),
    row("head", USR_BIN, "[OPTIONS] [FILE]...", lines::head),
    row("hexdump", USR_BIN, "[-bcdoxCv] [-e FMT] [-f FMT_FILE] [-n LEN] [-s OFS] [FILE]...", dump::hexdump),
    row("hostname", BIN, "[OPTIONS] [HOSTNAME | -F FILE]", system::hostname),
    row(
        "httpd",
        USR_SBIN,
        "[-ifv[v]] [-c CONFFILE] [-p [IP:]PORT] [-u USER[:GRP]] [-r REALM] [-h HOME]\nor httpd -d/-e/-m STRING",
        system::nothing,
    ),
    row("id", USR_BIN, "[OPTIONS] [USER]", system::id),
    row("ifconfig", SBIN, "[-a] interface [address]", network::ifconfig),
    row("init", SBIN, "", system::nothing),
    row("insmod", SBIN, "FILE [SYMBOL=VALUE]...", system::insmod),
    row("ip", SBIN, "[OPTIONS] {address | route | link | tunnel | rule} {COMMAND}", network::ip),
    row("iptables", SBIN, "-[ACD] chain rule-specification [options]", system::nothing).apart(),
    row("kill", BIN, "[-l] [-SIG] PID...", process::kill),
    row("killall", USR_BIN, "[-l] [-q] [-SIG] PROCESS_NAME...", process::killall),
    row("klogd", SBIN, "[-c N] [-n]", system::nothing),
    row("less", USR_BIN, "[-EFMmNSh~] [FILE]...", file::cat),
    row("ln", BIN, "[OPTIONS] TARGET... LINK|DIR", file::ln),
    row("logger", USR_BIN, "[OPTIONS] [MESSAGE]", system::nothing),
    row("login", BIN, "[-p] [-h HOST] [[-f] USER]", system::nothing),
    row("ls", BIN, "[-1AaCxdLHRFplinsehrSXvctu] [-w WIDTH] [FILE]...", list::ls),
    row("lsmod", SBIN, "", system::lsmod),
    row("md5sum", USR_BIN, "[-c[sw]] [FILE]...", text::md5sum),
    row("mkdir", BIN, "[OPTIONS] DIRECTORY...", file::mkdir),
    row("mknod", BIN, "[-m MODE] NAME TYPE [MAJOR MINOR]", system::nothing),
    row("more", BIN, "[FILE]...", file::cat),
    row("mount", BIN, "[OPTIONS] [-o OPTS] DEVICE NODE", system::mount),
    row("mv", BIN, "[-fin] SOURCE DEST", file::mv),
    row("nc", USR_BIN, "[-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]", fetch::nc),
    row("netstat", BIN, "[-ral] [-tuwx] [-enWp]", network::netstat),
    row("nice", BIN, "[-n ADJUST] [PROG ARGS]", builtin::nice),
    row("nohup", USR_BIN, "PROG ARGS", builtin::nohup),
    row("nproc", USR_BIN, "", system::nproc),
    row("nslookup", USR_BIN, "[HOST] [SERVER]", network::nslookup),
    row(
        "od",
        USR_BIN,
        "[-abcdfhilovxs] [-t TYPE] [-A RADIX] [-N SIZE] [-j SKIP] [-S MINSTR] [-w WIDTH] [FILE]...",
        dump::od,
    ),
    row("passwd", USR_BIN, "[OPTIONS] [USER]", process::passwd),
    row("pgrep", USR_BIN, "[-flanovx] [-s SID|-P PPID|PATTERN]", process::pgrep),
    row("pidof", BIN, "[OPTIONS] [NAME]...", process::pidof),
    row("ping", BIN, "[OPTIONS] HOST", network::ping),
    row("pkill", USR_BIN, "[-l|-SIGNAL] [-fnovx] [-s SID|-P PPID|PATTERN]", process::killall),
    row("poweroff", SBIN, "[-d DELAY] [-n] [-f]", process::shut_down),
    row("printenv", BIN, "[VARIABLE]...", system::printenv),
    row("printf", USR_BIN, "FORMAT [ARG]...", printf::printf),
    row("ps", BIN, "", process::ps),
    row("pwd", BIN, "", builtin::pwd),
    row("readlink", USR_BIN, "[-fnv] FILE", file::readlink),
    row("realpath", USR_BIN, "FILE...", file::realpath),
    row("reboot", SBIN, "[-d DELAY] [-n] [-f]", process::shut_down),
    row("rev", USR_BIN, "[FILE]...", lines::rev),
    row("rm", BIN, "[-irf] FILE...", file::rm),
    row("rmdir", BIN, "[OPTIONS] DIRECTORY...", file::rmdir),
    row("route", SBIN, "[{add|del|delete}]", network::route),
    row("sed", BIN, "[-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...", sed::sed),
    row("seq", USR_BIN, "[-w] [-s SEP] [FIRST [INC]] LAST", text::seq),
    row("setsid", USR_BIN, "[-c] PROG ARGS", builtin::nohup),
    row("sh", BIN, "[-/+OPTIONS] [-/+o OPT]... [-c 'SCRIPT' [ARG0 [ARGS]] / FILE [ARGS] / -s [ARGS]]", builtin::shell),
    row("sha256sum", USR_BIN, "[-c[sw]] [FILE]...", text::sha256sum),
    row("sha512sum", USR_BIN, "[-c[sw]] [FILE]...", text::sha512sum),
    row("sleep", BIN, "[N]...", process::sleep),
    row("sort", USR_BIN, "[-nrugMcszbdfiokt] [FILE]...", lines::sort),
    row("stat", BIN, "[-ltf] [-c FMT] FILE...", file::stat),
    row("su", BIN, "[OPTIONS] [-] [USER]", builtin::su),
    row("sync", BIN, "", system::nothing),
    row("syslogd", SBIN, "[OPTIONS]", system::nothing),
    row("tac", USR_BIN, "[FILE]...", lines::tac),
    row("tail", USR_BIN, "[OPTIONS] [FILE]...", lines::tail),
    row("tee", USR_BIN, "[-ai] [FILE]...", text::tee),
    row("telnetd", USR_SBIN, "[OPTIONS]", system::nothing),
    row("test", USR_BIN, "EXPRESSION", condition::test),
    row("tftp", USR_BIN, "[OPTIONS] HOST [PORT]", fetch::tftp),
    row("time", USR_BIN, "[-v] PROG ARGS", builtin::nohup),
    row("timeout", USR_BIN, "[-s SIG] SECS PROG ARGS", builtin::timeout),
    row("top", USR_BIN, "[-b] [-nCOUNT] [-dSECONDS]", process::top),
    row("touch", BIN, "[-c] [-d DATE] [-t DATE] [-r FILE] FILE...", file::touch),
    row("tr", USR_BIN, "[-cds] STRING1 [STRING2]", text::tr),
    row("true", BIN, "", builtin::succeed),
    row("tty", USR_BIN, "", system::tty),
    row("udhcpc", SBIN, "[-fbqvRB] [-t N] [-T SEC] [-A SEC/-n] [-i IFACE] [-s PROG] [-p PIDFILE]", system::nothing),
    row("umount", BIN, "[OPTIONS] FILESYSTEM|DIRECTORY", system::nothing),
    row("uname", BIN, "[-amnrspvio]", system::uname),
    row("uniq", USR_BIN, "[-cdu] [-f,s,w N] [INPUT [OUTPUT]]", lines::uniq),
    row("unlink", USR_BIN, "FILE", file::rm),
    row("uptime", USR_BIN, "", system::uptime),
    row("usleep", BIN, "N", process::usleep),
    row("w", USR_BIN, "", system::w),
    row("wc", USR_BIN, "[-cmlwL] [FILE]...", lines::wc),
    row(
        "wget",
        USR_BIN,
        "[-c|--continue] [--spider] [-q|--quiet] [-O|--output-document FILE]\n\t[-o|--output-file FILE] [--header STR] [-Y|--proxy on/off]\n\t[--no-check-certificate] [-P DIR] [-S] [-U|--user-agent STR] [-T SEC] URL...",
        fetch::wget,
    ),
    row("which", USR_BIN, "[COMMAND]...", system::which),
    row("who", USR_BIN, "[-a]", system::who),
    row("whoami", USR_BIN, "", system::whoami),
    row("xargs", USR_BIN, "[OPTIONS] [PROG ARGS]", text::xargs),
    row("apk", SBIN, "", container::package_manager).apart(),
    row("apt", USR_BIN, "", container::package_manager).apart(),
    row("apt-get", USR_BIN, "", container::package_manager).apart(),
    row("bash", BIN, "", builtin::shell).apart(),
    row("chroot", USR_SBIN, "NEWROOT [PROG ARGS]", container::chroot).apart(),
    row("nsenter", USR_BIN, "[OPTIONS] [PROG ARGS]", container::nsenter).apart(),
    row("xxd", USR_BIN, "[-pri] [-g N] [-c N] [-l LEN] [-s OFS] [-o OFS] [FILE]", dump::xxd),
    row("yes", USR_BIN, "[STRING]", text::yes),
    row("curl", USR_BIN, "[options...] <url>", fetch::curl).apart(),
    row("getprop", "", "", phone::getprop).apart(),
    row("setprop", "", "", phone::setprop).apart(),
    row("pm", "", "", phone::pm).apart(),
    row("am", "", "", phone::am).apart(),
    row("cmd", "", "", phone::cmd).apart(),
    row("input", "", "", system::nothing).apart(),
    row("logcat", "", "", phone::logcat).apart(),
    row("monkey", "", "", phone::monkey).apart(),
    row("svc", "", "", system::nothing).apart(),
    row("settings", "", "", phone::settings).apart(),
    row("dumpsys", "", "", phone::dumpsys).apart(),
    row("wm", "", "", phone::wm).apart(),
    row("toybox", "", "", toybox).apart(),
];

/// Programs of containers that small devices have not.
pub(super) const OF_CONTAINERS: [&str; 6] = ["apk", "apt", "apt-get", "bash", "chroot", "nsenter"];

impl Applet {
    /// A program of its own, no part of BusyBox.
    const fn apart(self) -> Self {
        Self { is_busybox: false, ..self }
    }
}

/// The program of this name.
fn find(name: &[u8]) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name.as_bytes() == name)
}

/// The device's program, started under this name.
pub(super) fn multi_call(run: &mut Run<'_, '_>, name: &[u8], words: &[Vec<u8>], io: Io) -> u8 {
    if name.starts_with(b"busybox") {
        return busybox(run, words, io);
    }
    match find(name) {
        Some(applet) => start(run, applet, words, io),
        None => no_such_applet(run, name, io),
    }
}

fn start(run: &mut Run<'_, '_>, applet: &Applet, words: &[Vec<u8>], io: Io) -> u8 {
    if applet.is_busybox && words.get(1).is_some_and(|word| word == b"--help") {
        return usage(run, applet.name, io);
    }
    (applet.run)(run, words, io)
}

fn no_such_applet(run: &mut Run<'_, '_>, name: &[u8], io: Io) -> u8 {
    let line = match run.device.flavor() {
        Flavor::BusyBox => [name, b": applet not found\n"].concat(),
        Flavor::Android => [b"toybox: Unknown command ", name, b"\n"].concat(),
    };
    run.print(io.err, &line);
    127
}

/// The usage text, which BusyBox prints when it is called wrongly.
fn usage(run: &mut Run<'_, '_>, name: &str, io: Io) -> u8 {
    let usage = find(name.as_bytes()).map_or("", |applet| applet.usage);
    let text = format!("{} multi-call binary.\n\nUsage: {name} {usage}\n\n", run.device.busybox_banner());
    run.print(io.err, text.as_bytes());
    1
}

/// `busybox NAME ARGUMENTS`.
fn busybox(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some((name, _)) = words.get(1..).and_then(<[_]>::split_first) else {
        overview(run, io);
        return 0;
    };
    match name.as_slice() {
        b"--help" => {
            overview(run, io);
            return 0;
        }
        b"--list" => {
            for applet in installed(run) {
                run.print_line(io.out, applet);
            }
            return 0;
        }
        b"--install" => return 0,
        _ => {}
    }
    match find(name) {
        Some(applet) if applet.is_busybox && run.device.has(applet.name) => {
            start(run, applet, words.get(1..).unwrap_or_default(), io)
        }
        _ => {
            run.print(io.err, &[name, &b": applet not found\n"[..]].concat());
            127
        }
    }
}

fn installed(run: &Run<'_, '_>) -> Vec<&'static str> {
    APPLETS.iter().filter(|applet| applet.is_busybox && run.device.has(applet.name)).map(|applet| applet.name).collect()
}

fn overview(run: &mut Run<'_, '_>, io: Io) {
    let mut text = format!(
        "{} multi-call binary.\nBusyBox is copyrighted by many authors between 1998-2015.\nLicensed under GPLv2. See source distribution for detailed\ncopyright notices.\n\n\
         Usage: busybox [function [arguments]...]\n   or: busybox --list[-full]\n   or: busybox --install [-s] [DIR]\n   or: function [arguments]...\n\n\
         \tBusyBox is a multi-call binary that combines many common Unix\n\tutilities into a single executable.  Most people will create a\n\tlink to busybox for each function they wish to use and BusyBox\n\twill act like whatever it was invoked as.\n\n\
         Currently defined functions:\n",
        run.device.busybox_banner()
    );
    let mut line = "\t".to_owned();
    let names = installed(run);
    for (at, name) in names.iter().enumerate() {
        let separator = if at + 1 < names.len() { ", " } else { "" };
        if line.len() + name.len() + 2 > 72 {
            text.push_str(line.trim_end());
            text.push('\n');
            line = "\t".to_owned();
        }
        line.push_str(name);
        line.push_str(separator);
    }
    run.print(io.out, format!("{text}{line}\n\n").as_bytes());
}

/// `toybox NAME ARGUMENTS`.
fn toybox(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1) {
        None => {
            let names = installed(run).join(" ");
            run.print_line(io.out, &names);
            0
        }
        Some(name) => multi_call(run, name, words.get(1..).unwrap_or_default(), io),
    }
}

/// Arguments that are no options.
fn operands(words: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    words.iter().skip(1).filter(|word| word.len() < 2 || !word.starts_with(b"-"))
}

/// One of the options has this letter.
fn has_flag(words: &[Vec<u8>], flag: u8) -> bool {
    words
        .iter()
        .skip(1)
        .any(|word| word.len() > 1 && word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&flag))
}

/// The value of an option, written `-n 5` or `-n5`.
fn value_of(words: &[Vec<u8>], flag: u8) -> Option<&[u8]> {
    let option = [b'-', flag];
    let at = words.iter().skip(1).position(|word| word.starts_with(&option))? + 1;
    match words.get(at)?.get(2..) {
        Some([]) | None => words.get(at + 1).map(Vec::as_slice),
        Some(value) => Some(value),
    }
}

/// Arguments that are neither options nor the values of these options.
fn operands_beside<'w>(words: &'w [Vec<u8>], with_values: &[u8]) -> Vec<&'w [u8]> {
    let mut found = Vec::new();
    let mut skip = false;
    for word in words.iter().skip(1) {
        match word.as_slice() {
            _ if skip => skip = false,
            [b'-', flag] if with_values.contains(flag) => skip = true,
            [b'-', _, ..] => {}
            word => found.push(word),
        }
    }
    found
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file's name as the visitor wrote it, empty for the input, and its content.
type Named = (Vec<u8>, Vec<u8>);

impl Run<'_, '_> {
    /// `NAME: TEXT` on the error output; the status 1.
    fn fail(&mut self, io: Io, words: &[Vec<u8>], text: &str) -> u8 {
        let name = lossy(super::file_system::base_name(words.first().map(Vec::as_slice).unwrap_or_default()));
        self.print_line(io.err, &format!("{name}: {text}"));
        1
    }

    /// An error about a file: BusyBox says what it could not do, the others only why.
    fn fail_at(&mut self, io: Io, words: &[Vec<u8>], verb: &str, path: &[u8], fault: Fault) -> u8 {
        let path = lossy(path);
        let text = match (self.device.flavor(), verb) {
            (Flavor::BusyBox, verb) if !verb.is_empty() => format!("{verb} '{path}': {}", fault.text()),
            _ => format!("{path}: {}", fault.text()),
        };
        self.fail(io, words, &text)
    }

    /// The named files one after the other, or the input when none is named; what cannot be read is complained about.
    fn inputs(&mut self, io: Io, words: &[Vec<u8>], paths: &[&[u8]], verb: &str) -> (Vec<Named>, u8) {
        if paths.is_empty() || paths == [b"-"] {
            return (vec![(Vec::new(), self.read_all(io))], 0);
        }
        let mut status = 0;
        let mut found = Vec::new();
        let mut total = 0;
        for path in paths {
            let absolute = self.path(path);
            match self.open(&absolute) {
                Ok(input) => {
                    let bytes = self.read_all(Io { input, ..io });
                    total += bytes.len();
                    found.push((path.to_vec(), bytes));
                }
                Err(Fault::IsDirectory) => status = self.fail(io, words, "read error: Is a directory"),
                Err(fault) => status = self.fail_at(io, words, verb, path, fault),
            }
            if total > super::MAX_OUTPUT {
                break;
            }
        }
        (found, status)
    }
}
