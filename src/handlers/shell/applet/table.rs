//! Every program of a device: where it is found, how it is used, what it does.

use super::super::run::{Io, Run};
use super::{
    awk, builtin, busybox, condition, container, dump, fetch, file, find, grep, lines, list, mode, network, phone,
    printf, process, sed, system, text, toybox,
};

/// Runs a program: `words` with its name first; the result is its exit status.
pub(in super::super) type Program = fn(&mut Run<'_, '_>, &[Vec<u8>], Io) -> u8;

/// One program.
pub(in super::super) struct Applet {
    pub(in super::super) name: &'static str,
    /// The directory where it is found; empty: only through the shell or `busybox NAME`.
    pub(in super::super) home: &'static str,
    /// Part of BusyBox; else a program of its own.
    pub(in super::super) is_busybox: bool,
    /// What follows `Usage: NAME`.
    pub(in super::super) usage: &'static str,
    pub(super) run: Program,
}

const fn row(name: &'static str, home: &'static str, usage: &'static str, run: Program) -> Applet {
    Applet { name, home, is_busybox: true, usage, run }
}

const BIN: &str = "/bin";
const SBIN: &str = "/sbin";
const USR_BIN: &str = "/usr/bin";
const USR_SBIN: &str = "/usr/sbin";

/// Every program, in the order of `busybox --list`.
pub(in super::super) const APPLETS: &[Applet] = &[
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
pub(in super::super) const OF_CONTAINERS: [&str; 6] = ["apk", "apt", "apt-get", "bash", "chroot", "nsenter"];

impl Applet {
    /// A program of its own, no part of BusyBox.
    const fn apart(self) -> Self {
        Self { is_busybox: false, ..self }
    }
}
