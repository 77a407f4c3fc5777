//! Every program of a device: where it is found, how it is used, what it does.

use super::super::run::{Io, Run};
use super::{
    archive, awk, builtin, busybox, cat, column, condition, container, dd, disk, dump, expr, fetch, file, find,
    firewall, grep, job, launch, lines, list, make, mode, network, package, phone, printf, process, sed, service, sum,
    system, text, toybox,
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
    /// The letters of its options as getopt(3) takes them; `None`: it looks itself.
    pub(super) options: Option<&'static str>,
    pub(super) run: Program,
}

const fn row(name: &'static str, home: &'static str, usage: &'static str, run: Program) -> Applet {
    Applet { name, home, is_busybox: true, usage, options: None, run }
}

const BIN: &str = "/bin";
const SBIN: &str = "/sbin";
const USR_BIN: &str = "/usr/bin";
const USR_SBIN: &str = "/usr/sbin";

/// Every program, in the order of `busybox --list`.
pub(in super::super) const APPLETS: &[Applet] = &[
    row("[", USR_BIN, "EXPRESSION ]", condition::test),
    row("arch", BIN, "", system::arch),
    row("arp", SBIN, "[-vn] [-H HWTYPE] [-i IF] -a [HOSTNAME]", network::arp).takes("A:p:H:t:i:adnDsv"),
    row("ash", BIN, "[-/+OPTIONS] [-/+o OPT]... [-c 'SCRIPT' [ARG0 [ARGS]] / FILE [ARGS] / -s [ARGS]]", launch::shell),
    row("awk", USR_BIN, "[OPTIONS] [AWK_PROGRAM] [FILE]...", awk::awk),
    row("base64", BIN, "[-d] [FILE]", text::base64).takes("dw:"),
    row("basename", USR_BIN, "FILE [SUFFIX]", text::basename).takes("as:"),
    row("busybox", "", "", busybox),
    row("cat", BIN, "[FILE]...", cat::cat).takes("nbvteAu"),
    row("chgrp", BIN, "[-Rh]... GROUP FILE...", mode::chown),
    row("chmod", BIN, "[-Rcvf] MODE[,MODE]... FILE...", mode::chmod),
    row("chown", BIN, "[-Rh]... USER[:[GRP]] FILE...", mode::chown),
    row("chpasswd", USR_SBIN, "[--md5|--encrypted|--crypt-method|--root]", system::chpasswd),
    row("clear", USR_BIN, "", system::clear),
    row("cmp", USR_BIN, "[-ls] [-n NUM] FILE1 [FILE2]", lines::cmp),
    row("cp", BIN, "[-arPLHpfilsTu] SOURCE... DEST", file::cp),
    row("crond", USR_SBIN, "-fbS -l N -L LOGFILE -c DIR", system::nothing),
    row("crontab", USR_BIN, "[-c DIR] [-u USER] [-ler]|[FILE]", system::crontab),
    row("cut", USR_BIN, "[OPTIONS] [FILE]...", lines::cut).takes("b:c:d:O:f:F:Dsn"),
    row("date", BIN, "[OPTIONS] [+FMT] [TIME]", system::date),
    row("dd", BIN, "[if=FILE] [of=FILE] [bs=N] [count=N] [skip=N] [seek=N]", dd::dd),
    row("df", BIN, "[-Pkmhai] [-B SIZE] [FILESYSTEM]...", disk::df).takes("PkmhaiB:tT"),
    row("dirname", USR_BIN, "FILENAME", text::dirname),
    row("dmesg", BIN, "[-c] [-n LEVEL] [-s SIZE]", system::dmesg).takes("cs:n:r"),
    row("du", USR_BIN, "[-aHLdclsxhmk] [FILE]...", file::du),
    row("echo", "", "[-neE] [ARG]...", text::echo),
    row("egrep", BIN, "[-HhnlLoqvsriwF] [-m N] [-A/B/C N] PATTERN/-e PATTERN.../-f FILE [FILE]...", grep::grep),
    row("env", USR_BIN, "[-iu] [-] [name=value]... [PROG ARGS]", launch::env),
    row("expand", USR_BIN, "[-i] [-t N] [FILE]...", column::expand),
    row("expr", USR_BIN, "EXPRESSION", expr::expr),
    row("false", BIN, "", builtin::fail),
    row("fgrep", BIN, "[-HhnlLoqvsriw] [-m N] [-A/B/C N] PATTERN/-e PATTERN.../-f FILE [FILE]...", grep::grep),
    row("find", USR_BIN, "[-HL] [PATH]... [OPTIONS] [ACTIONS]", find::find),
    row("fold", USR_BIN, "[-bs] [-w WIDTH] [FILE]...", column::fold),
    row("free", USR_BIN, "[-b/k/m/g]", system::free).takes("bkmgh"),
    row("ftpget", USR_BIN, "[OPTIONS] HOST [LOCAL_FILE] REMOTE_FILE", fetch::ftpget),
    row("getty", SBIN, "[OPTIONS] BAUD_RATE[,BAUD_RATE]... TTY [TERMTYPE]", system::nothing),
    row("grep", BIN, "[-HhnlLoqvsriwFE] [-m N] [-A/B/C N] PATTERN/-e PATTERN.../-f FILE [FILE]...", grep::grep),
    row("gunzip", BIN, "[-cfkt] [FILE]...", archive::gzip).takes("cfkdt"),
    row("gzip", BIN, "[-cfkdt123456789] [FILE]...", archive::gzip).takes("cfkdt123456789n"),
    row("halt", SBIN, "[-d DELAY] [-n] [-f] [-w]", process::shut_down),
    row("head", USR_BIN, "[OPTIONS] [FILE]...", lines::head),
    row("hexdump", USR_BIN, "[-bcdoxCv] [-e FMT] [-f FMT_FILE] [-n LEN] [-s OFS] [FILE]...", dump::hexdump),
    row("hostname", BIN, "[OPTIONS] [HOSTNAME | -F FILE]", system::hostname).takes("dfisF:"),
    row(
        "httpd",
        USR_SBIN,
        "[-ifv[v]] [-c CONFFILE] [-p [IP:]PORT] [-u USER[:GRP]] [-r REALM] [-h HOME]\nor httpd -d/-e/-m STRING",
        system::nothing,
    ),
    row("id", USR_BIN, "[OPTIONS] [USER]", system::id).takes("rgunG"),
    row("ifconfig", SBIN, "[-a] interface [address]", network::ifconfig),
    row("init", SBIN, "", system::nothing),
    row("insmod", SBIN, "FILE [SYMBOL=VALUE]...", system::insmod),
    row("ip", SBIN, "[OPTIONS] {address | route | link | tunnel | rule} {COMMAND}", network::ip),
    row("iptables", SBIN, "-[ACD] chain rule-specification [options]", firewall::iptables).apart(),
    row("kill", BIN, "[-l] [-SIG] PID...", job::kill),
    row("killall", USR_BIN, "[-l] [-q] [-SIG] PROCESS_NAME...", process::killall),
    row("klogd", SBIN, "[-c N] [-n]", system::nothing),
    row("less", USR_BIN, "[-EFMmNSh~] [FILE]...", cat::cat),
    row("ln", BIN, "[OPTIONS] TARGET... LINK|DIR", file::ln).takes("sfnbtvTS:"),
    row("logger", USR_BIN, "[OPTIONS] [MESSAGE]", system::nothing),
    row("login", BIN, "[-p] [-h HOST] [[-f] USER]", system::nothing),
    row("ls", BIN, "[-1AaCxdLHRFplinsehrSXvctu] [-w WIDTH] [FILE]...", list::ls).takes("1AaCxdLHRFplinsehrSXvctuw:kTQ"),
    row("lsmod", SBIN, "", system::lsmod),
    row("md5sum", USR_BIN, "[-c[sw]] [FILE]...", sum::md5sum).takes("scw"),
    row("mkdir", BIN, "[OPTIONS] DIRECTORY...", file::mkdir).takes("m:pvZ:"),
    row("mkfifo", USR_BIN, "[-m MODE] NAME", make::mkfifo),
    row("mknod", BIN, "[-m MODE] NAME TYPE [MAJOR MINOR]", system::nothing),
    row("mktemp", BIN, "[-dt] [-p DIR] [TEMPLATE]", make::mktemp).takes("dqtp:u"),
    row("more", BIN, "[FILE]...", cat::cat),
    row("mount", BIN, "[OPTIONS] [-o OPTS] DEVICE NODE", disk::mount),
    row("mv", BIN, "[-fin] SOURCE DEST", file::mv).takes("finT"),
    row("nc", USR_BIN, "[-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]", fetch::nc),
    row("netstat", BIN, "[-ral] [-tuwx] [-enWp]", network::netstat).takes("laentuwxrWp"),
    row("nice", BIN, "[-n ADJUST] [PROG ARGS]", launch::nice),
    row("nl", USR_BIN, "[OPTIONS] [FILE]...", column::nl),
    row("nohup", USR_BIN, "PROG ARGS", launch::nohup),
    row("nproc", USR_BIN, "", system::nproc).takes(""),
    row("nslookup", USR_BIN, "[HOST] [SERVER]", network::nslookup),
    row(
        "od",
        USR_BIN,
        "[-abcdfhilovxs] [-t TYPE] [-A RADIX] [-N SIZE] [-j SKIP] [-S MINSTR] [-w WIDTH] [FILE]...",
        dump::od,
    ),
    row("passwd", USR_BIN, "[OPTIONS] [USER]", process::passwd),
    row("paste", USR_BIN, "[-d LIST] [-s] [FILE]...", column::paste),
    row("pgrep", USR_BIN, "[-flanovx] [-s SID|-P PPID|PATTERN]", process::pgrep),
    row("pidof", BIN, "[OPTIONS] [NAME]...", process::pidof).takes("so:"),
    row("ping", BIN, "[OPTIONS] HOST", network::ping).takes("c:s:t:w:W:I:np:i:q46A"),
    row("pkill", USR_BIN, "[-l|-SIGNAL] [-fnovx] [-s SID|-P PPID|PATTERN]", process::killall),
    row("poweroff", SBIN, "[-d DELAY] [-n] [-f]", process::shut_down),
    row("printenv", BIN, "[VARIABLE]...", system::printenv),
    row("printf", USR_BIN, "FORMAT [ARG]...", printf::printf),
    row("ps", BIN, "", process::ps),
    row("pwd", BIN, "", builtin::pwd),
    row("readlink", USR_BIN, "[-fnv] FILE", file::readlink).takes("fnvsqe"),
    row("realpath", USR_BIN, "FILE...", file::realpath),
    row("reboot", SBIN, "[-d DELAY] [-n] [-f]", process::shut_down),
    row("rev", USR_BIN, "[FILE]...", lines::rev),
    row("rm", BIN, "[-irf] FILE...", file::rm).takes("fiRr"),
    row("rmdir", BIN, "[OPTIONS] DIRECTORY...", file::rmdir).takes("p"),
    row("route", SBIN, "[{add|del|delete}]", network::route).takes("A:ne"),
    row("sed", BIN, "[-i[SFX]] [-nrE] [-f FILE]... [-e CMD]... [FILE]...", sed::sed),
    row("seq", USR_BIN, "[-w] [-s SEP] [FIRST [INC]] LAST", text::seq),
    row("setsid", USR_BIN, "[-c] PROG ARGS", launch::nohup),
    row("sh", BIN, "[-/+OPTIONS] [-/+o OPT]... [-c 'SCRIPT' [ARG0 [ARGS]] / FILE [ARGS] / -s [ARGS]]", launch::shell),
    row("sha1sum", USR_BIN, "[-c[sw]] [FILE]...", sum::sha1sum).takes("scw"),
    row("sha256sum", USR_BIN, "[-c[sw]] [FILE]...", sum::sha256sum).takes("scw"),
    row("sha512sum", USR_BIN, "[-c[sw]] [FILE]...", sum::sha512sum).takes("scw"),
    row("sleep", BIN, "[N]...", process::sleep),
    row("sort", USR_BIN, "[-nrugMcszbdfiokt] [FILE]...", lines::sort),
    row("stat", BIN, "[-ltf] [-c FMT] FILE...", file::stat).takes("ltfc:"),
    row("strings", USR_BIN, "[-fo] [-t o/d/x] [-n LEN] [FILE]...", column::strings),
    row("stty", BIN, "[-a|g] [-F DEVICE] [SETTING]...", system::stty),
    row("su", BIN, "[OPTIONS] [-] [USER]", launch::su),
    row("sync", BIN, "", system::nothing),
    row("sysctl", SBIN, "-p [-enq] [FILE...] / [-enqaw] [KEY[=VALUE]]...", system::sysctl),
    row("syslogd", SBIN, "[OPTIONS]", system::nothing),
    row("tac", USR_BIN, "[FILE]...", lines::tac),
    row("tail", USR_BIN, "[OPTIONS] [FILE]...", lines::tail),
    row("tar", BIN, "c|x|t [-ZzJjahmvokO] [-f TARFILE] [-C DIR] [FILE]...", archive::tar),
    row("tee", USR_BIN, "[-ai] [FILE]...", text::tee).takes("ai"),
    row("telnetd", USR_SBIN, "[OPTIONS]", system::nothing),
    row("test", USR_BIN, "EXPRESSION", condition::test),
    row("tftp", USR_BIN, "[OPTIONS] HOST [PORT]", fetch::tftp),
    row("time", USR_BIN, "[-v] PROG ARGS", launch::time),
    row("timeout", USR_BIN, "[-s SIG] SECS PROG ARGS", launch::timeout),
    row("top", USR_BIN, "[-b] [-nCOUNT] [-dSECONDS]", process::top),
    row("touch", BIN, "[-c] [-d DATE] [-t DATE] [-r FILE] FILE...", file::touch).takes("cd:t:r:hamf"),
    row("tr", USR_BIN, "[-cds] STRING1 [STRING2]", text::tr).takes("Ccds"),
    row("true", BIN, "", builtin::succeed),
    row("truncate", USR_BIN, "[-c] -s SIZE FILE...", make::truncate),
    row("tty", USR_BIN, "", system::tty),
    row("udhcpc", SBIN, "[-fbqvRB] [-t N] [-T SEC] [-A SEC/-n] [-i IFACE] [-s PROG] [-p PIDFILE]", system::nothing),
    row("umount", BIN, "[OPTIONS] FILESYSTEM|DIRECTORY", disk::umount),
    row("uname", BIN, "[-amnrspvio]", system::uname).takes("snrvmpioa"),
    row("uniq", USR_BIN, "[-cdu] [-f,s,w N] [INPUT [OUTPUT]]", lines::uniq).takes("cduf:s:w:iz"),
    row("unlink", USR_BIN, "FILE", file::rm),
    row("uptime", USR_BIN, "", system::uptime),
    row("usleep", BIN, "N", process::usleep),
    row("w", USR_BIN, "", system::w),
    row("wc", USR_BIN, "[-cmlwL] [FILE]...", lines::wc).takes("clLwm"),
    row(
        "wget",
        USR_BIN,
        "[-c|--continue] [--spider] [-q|--quiet] [-O|--output-document FILE]\n\t[-o|--output-file FILE] [--header STR] [-Y|--proxy on/off]\n\t[--no-check-certificate] [-P DIR] [-S] [-U|--user-agent STR] [-T SEC] URL...",
        fetch::wget,
    ),
    row("which", USR_BIN, "[COMMAND]...", system::which).takes("a"),
    row("who", USR_BIN, "[-a]", system::who),
    row("whoami", USR_BIN, "", system::whoami),
    row("xargs", USR_BIN, "[OPTIONS] [PROG ARGS]", text::xargs),
    row("apk", SBIN, "", container::package_manager).apart(),
    row("apt", USR_BIN, "", container::package_manager).apart(),
    row("apt-get", USR_BIN, "", container::package_manager).apart(),
    row("bash", BIN, "", launch::shell).apart(),
    row("chroot", USR_SBIN, "NEWROOT [PROG ARGS]", container::chroot).apart(),
    row("nsenter", USR_BIN, "[OPTIONS] [PROG ARGS]", container::nsenter).apart(),
    row("xxd", USR_BIN, "[-pri] [-g N] [-c N] [-l LEN] [-s OFS] [-o OFS] [FILE]", dump::xxd),
    row("zcat", BIN, "[FILE]...", archive::gzip),
    row("yes", USR_BIN, "[STRING]", text::yes),
    row("curl", USR_BIN, "[options...] <url>", fetch::curl).apart(),
    row("getprop", "", "", phone::getprop).apart(),
    row("setprop", "", "", phone::setprop).apart(),
    row("pm", "", "", package::pm).apart(),
    row("am", "", "", package::am).apart(),
    row("cmd", "", "", service::cmd).apart(),
    row("content", "", "", phone::content).apart(),
    row("bugreportz", "", "", phone::bug_report).apart(),
    row("input", "", "", system::nothing).apart(),
    row("logcat", "", "", phone::logcat).apart(),
    row("monkey", "", "", phone::monkey).apart(),
    row("svc", "", "", system::nothing).apart(),
    row("settings", "", "", phone::settings).apart(),
    row("dumpsys", "", "", service::dumpsys).apart(),
    row("wm", "", "", service::wm).apart(),
    row("service", "", "", service::service).apart(),
    row("getenforce", "", "", service::getenforce).apart(),
    row("setenforce", "", "", service::setenforce).apart(),
    row("app_process", "", "", service::app_process).apart(),
    row("toybox", "", "", toybox).apart(),
];

/// Programs of containers that small devices have not.
pub(in super::super) const OF_CONTAINERS: [&str; 6] = ["apk", "apt", "apt-get", "bash", "chroot", "nsenter"];

impl Applet {
    /// It has these options, and complains about others.
    const fn takes(self, options: &'static str) -> Self {
        Self { options: Some(options), ..self }
    }

    /// A program of its own, no part of BusyBox.
    const fn apart(self) -> Self {
        Self { is_busybox: false, ..self }
    }
}
