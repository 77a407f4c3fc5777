//! Programs about the device and who is on it.

use super::super::HOST_NAME;
use super::super::calendar;
use super::super::device::Flavor;
use super::super::run::{Io, Run, TERMINAL};
use super::{builtin, has_flag, lossy, operands, usage};

/// Does its work without a word.
pub(super) fn nothing(_: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    0
}

pub(super) fn clear(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.print(io.out, b"\x1b[H\x1b[J");
    0
}

pub(super) fn arch(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let machine = run.device.machine();
    run.print_line(io.out, machine);
    0
}

pub(super) fn uname(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if operands(words).next().is_some() {
        return usage(run, "uname", io);
    }
    let device = run.device;
    let host = run.host();
    let all = has_flag(words, b'a');
    let fields = [
        (b's', "Linux"),
        (b'n', if device.flavor() == Flavor::Android { "localhost" } else { &host }),
        (b'r', device.kernel_release()),
        (b'v', device.kernel_build()),
        (b'm', device.machine()),
        (b'o', if device.flavor() == Flavor::Android { "Android" } else { "GNU/Linux" }),
    ];
    let plain = words.len() < 2;
    let shown: Vec<&str> = fields
        .iter()
        .filter(|(flag, _)| all || has_flag(words, *flag) || (plain && *flag == b's'))
        .map(|(_, text)| *text)
        .collect();
    run.print_line(io.out, &shown.join(" "));
    0
}

/// What the host is called; a new name stays for its source.
pub(super) fn hostname(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let host = run.host();
    let shown = match words.get(1).map(Vec::as_slice) {
        None | Some(b"-f" | b"-s") => host,
        // As `/etc/hosts` has it.
        Some(b"-i") => "127.0.1.1".to_owned(),
        Some(b"-d") => String::new(),
        Some(_) if !run.state.is_root || run.device.is_container() => {
            return run.fail(io, words, "sethostname: Operation not permitted");
        }
        Some(b"-F") => {
            let path = words.get(2).map(|name| run.path(name)).unwrap_or_default();
            let text = run.files.content(&path).map(|text| lossy(text.trim_ascii())).unwrap_or_default();
            run.settings.set(HOST_NAME.to_owned(), text);
            return 0;
        }
        Some(name) => {
            run.settings.set(HOST_NAME.to_owned(), lossy(name));
            return 0;
        }
    };
    run.print_line(io.out, &shown);
    0
}

/// `stty [-a | size | SETTING...]`; settings are taken, and stay as they are.
pub(super) fn stty(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if io.input != TERMINAL {
        return run.fail(io, words, "standard input: Inappropriate ioctl for device");
    }
    match words.get(1).map(Vec::as_slice) {
        None => run.print_line(io.out, "speed 38400 baud; line = 0;\n-brkint -imaxbel"),
        Some(b"size") => run.print_line(io.out, "24 80"),
        Some(b"speed") => run.print_line(io.out, "38400"),
        Some(b"-g") => run.print_line(io.out, "500:5:bf:8a3b:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0"),
        Some(b"-a") => run.print_line(io.out, "speed 38400 baud; rows 24; columns 80; line = 0;\nintr = ^C; quit = ^\\; erase = ^?; kill = ^U; eof = ^D; eol = <undef>;\neol2 = <undef>; swtch = <undef>; start = ^Q; stop = ^S; susp = ^Z; rprnt = ^R;\nwerase = ^W; lnext = ^V; flush = ^O; min = 1; time = 0;\n-parenb -parodd -cmspar cs8 -hupcl -cstopb cread -clocal -crtscts\n-ignbrk -brkint -ignpar -parmrk -inpck -istrip -inlcr -igncr icrnl ixon -ixoff\n-iuclc -ixany -imaxbel -iutf8\nopost -olcuc -ocrnl onlcr -onocr -onlret -ofill -ofdel nl0 cr0 tab3 bs0 vt0 ff0\nisig icanon iexten echo echoe echok -echonl -noflsh -xcase -tostop -echoprt\nechoctl echoke -flusho -extproc"),
        Some(_) => {}
    }
    0
}

/// The number of a user or a group that a small device has.
pub(in super::super) fn user(name: &[u8]) -> Option<u32> {
    match name {
        b"root" => Some(0),
        b"daemon" => Some(1),
        b"nobody" => Some(99),
        _ => None,
    }
}

pub(super) fn id(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_android = run.device.flavor() == Flavor::Android;
    let name = operands(words).next().cloned();
    if let Some(process) = run.state.process.as_ref().filter(|_| name.is_none()) {
        let text = super::container::identity(&process.user, words, !process.is_debian);
        run.print_line(io.out, &text);
        return 0;
    }
    let number = match &name {
        Some(name) => user(name).or_else(|| (is_android && name == b"shell").then_some(2_000)),
        None => Some(if run.state.is_root { 0 } else { 2_000 }),
    };
    let Some(number) = number else {
        return run.fail(io, words, &format!("unknown user {}", lossy(&name.unwrap_or_default())));
    };
    let shown = name.map_or_else(|| if run.state.is_root { "root" } else { "shell" }.to_owned(), |name| lossy(&name));
    let wants_number = has_flag(words, b'u') || has_flag(words, b'g') || has_flag(words, b'G');
    let text = match (wants_number, has_flag(words, b'n'), is_android) {
        (true, true, _) => shown,
        (true, false, _) => number.to_string(),
        (false, _, true) if number == 2_000 => "uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input),1007(log),1011(adb),1015(sdcard_rw),1028(sdcard_r),3001(net_bt_admin),3002(net_bt),3003(inet),3006(net_bw_stats) context=u:r:shell:s0".to_owned(),
        (false, ..) => format!("uid={number}({shown}) gid={number}({shown})"),
    };
    run.print_line(io.out, &text);
    0
}

/// `NAME:PASSWORD` a line.
pub(super) fn chpasswd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let bytes = run.read_all(io);
    for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
        let Some(at) = line.iter().position(|&b| b == b':') else { return run.fail(io, words, "missing new password") };
        let name = line.get(..at).unwrap_or_default();
        if user(name).is_none() {
            return run.fail(io, words, &format!("unknown user {}", lossy(name)));
        }
        run.print_line(io.out, &format!("chpasswd: password for '{}' changed", lossy(name)));
    }
    0
}

/// `printenv NAME...`
pub(super) fn printenv(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut names = operands(words).peekable();
    if names.peek().is_none() {
        return super::launch::env(run, words, io);
    }
    let mut status = 0;
    for name in names {
        match run.variable(name) {
            Some(value) => run.print_line(io.out, &lossy(&value)),
            None => status = 1,
        }
    }
    status
}

pub(super) fn whoami(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if let Some(user) = run.state.process.as_ref().map(|process| &process.user).filter(|user| user.name.is_none()) {
        let text = format!("unknown uid {}", user.uid);
        return run.fail(io, words, &text);
    }
    let user = run.state.user();
    run.print_line(io.out, &user);
    0
}

pub(super) fn tty(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if has_flag(words, b's') {
        return 0;
    }
    run.print_line(io.out, "/dev/pts/0");
    0
}

pub(super) fn nproc(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.print_line(io.out, "1");
    0
}

/// `date [-u] [-d TIME | -r FILE | -s TIME] [+FORMAT]`; the clock itself stays as it is.
pub(super) fn date(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let wanted = words.iter().skip(1).find_map(|word| word.strip_prefix(b"+"));
    let usual = match (has_flag(words, b'R'), has_flag(words, b'I')) {
        (true, _) => "%a, %d %b %Y %H:%M:%S +0000",
        (_, true) => "%Y-%m-%d",
        _ => "%a %b %e %H:%M:%S UTC %Y",
    };
    let format = wanted.map_or_else(|| usual.to_owned(), lossy);
    let mut time = run.cx.now();
    if let Some(text) = super::value_of(words, b'd').or_else(|| super::value_of(words, b's')) {
        let text = lossy(text);
        match calendar::read(&text, time) {
            Some(read) => time = read,
            None => return run.fail(io, words, &format!("invalid date '{text}'")),
        }
    } else if let Some(name) = super::value_of(words, b'r') {
        let path = run.path(name);
        match run.files.find(&path).map(|(_, node)| node.changed) {
            Ok(changed) => time = changed,
            Err(fault) => return run.fail_at(io, words, "can't stat", name, fault),
        }
    }
    let text = calendar::format(time, &format);
    run.print_line(io.out, &text);
    0
}

pub(super) fn free(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let shift = if has_flag(words, b'm') { 10 } else { 0 };
    let (total, free) = (run.device.memory_kib(), run.device.free_kib(run.cx.now()));
    let (buffers, cached) = (total / 40, total / 5);
    let used = total - free;
    let row = |numbers: [u64; 6]| numbers.map(|n| format!("{:>12}", n >> shift)).concat();
    run.print_line(io.out, "             total       used       free     shared    buffers     cached");
    let row = row([total, used, free, 0, buffers, cached]);
    run.print_line(io.out, &format!("Mem: {}", row.get(1..).unwrap_or(&row)));
    run.print_line(
        io.out,
        &format!(
            "-/+ buffers/cache:{:>11}{:>11}",
            (used - buffers - cached.min(used - buffers)) >> shift,
            (free + buffers + cached) >> shift
        ),
    );
    run.print_line(io.out, "Swap:           0          0          0");
    0
}

fn uptime_text(run: &Run<'_, '_>) -> String {
    let now = run.cx.now();
    let minutes = run.device.up_since(now).as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    let clock = if hours > 0 { format!("{hours:>2}:{minutes:02}") } else { format!("{minutes} min") };
    let load = run.device.load(now).map(|load| format!("{}.{:02}", load / 100, load % 100)).join(", ");
    format!(" {} up {days}{clock},  load average: {load}", calendar::format(now, "%H:%M:%S"))
}

pub(super) fn uptime(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let text = uptime_text(run);
    run.print_line(io.out, &text);
    0
}

pub(super) fn who(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let client = run.cx.session().client.ip().to_canonical();
    let time = calendar::format(run.state.since, "%b %e %H:%M:%S");
    run.print_line(io.out, "USER\t\tTTY\t\tIDLE\tTIME\t\t HOST");
    run.print_line(io.out, &format!("root\t\tpts/0\t\t00:00\t{time}  {client}"));
    0
}

pub(super) fn w(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    uptime(run, words, io);
    who(run, words, io)
}

pub(super) fn dmesg(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let device = run.device;
    let mut lines = vec![
        format!(
            "[    0.000000] Linux version {} (build@build) (gcc version 4.9.4 (GCC)) {}",
            device.kernel_release(),
            device.kernel_build()
        ),
        "[    0.000000] Kernel command line: console=ttyS0,115200 root=/dev/root rw rootwait".to_owned(),
        format!("[    0.000000] Memory: {}K/{}K available", device.memory_kib() - 4_096, device.memory_kib()),
        "[    0.021844] NET: Registered protocol family 16".to_owned(),
        "[    0.412006] TCP: Hash tables configured (established 1024 bind 1024)".to_owned(),
        "[    2.118530] eth0: link up, 100Mbps, full-duplex".to_owned(),
    ];
    if device.flavor() == Flavor::Android {
        lines = vec!["klogctl: Permission denied".to_owned()];
    }
    run.print_line(io.out, &lines.join("\n"));
    0
}

pub(super) fn lsmod(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.print_line(io.out, "Module                  Size  Used by    Not tainted");
    0
}

pub(super) fn insmod(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match operands(words).next() {
        None => usage(run, "insmod", io),
        Some(name) => {
            let path = run.path(name);
            let why = if run.files.exists(&path) { "invalid module format" } else { "No such file or directory" };
            run.fail(io, words, &format!("can't insert '{}': {why}", lossy(name)))
        }
    }
}

/// Where the tables of `crond` lie.
const TABLES: &[u8] = b"/var/spool/cron/crontabs/";

/// `crontab -l`, `crontab -r`, `crontab FILE`, and with the table on the input.
pub(super) fn crontab(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let user = super::value_of(words, b'u').map_or_else(|| b"root".to_vec(), <[u8]>::to_vec);
    let path = run.files.absolute(TABLES, super::super::file_system::base_name(&user));
    if has_flag(words, b'l') {
        return match run.files.content(&path).map(std::borrow::Cow::into_owned) {
            Ok(table) => {
                run.print(io.out, &table);
                0
            }
            Err(fault) => run.fail_at(io, words, "can't open", &user, fault),
        };
    }
    if has_flag(words, b'r') {
        // What is not there is gone as well.
        let _ = run.files.remove(&path);
        return 0;
    }
    if has_flag(words, b'e') {
        return 0;
    }
    let names = super::operands_beside(words, b"uc");
    let (found, status) = run.inputs(io, words, &names, "can't open");
    let table: Vec<u8> = found.into_iter().flat_map(|(_, bytes)| bytes).collect();
    match run.files.write(&path, super::super::tree::Content::Kept(table), true) {
        Ok(()) => status,
        Err(fault) => run.fail_at(io, words, "can't open", &user, fault),
    }
}

/// `sysctl -w NAME=VALUE`, `sysctl NAME`: as `/proc/sys` has it.
pub(super) fn sysctl(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for word in operands(words).cloned().collect::<Vec<_>>() {
        let (name, value) = word.split_at(word.iter().position(|&b| b == b'=').unwrap_or(word.len()));
        let key = lossy(name).replace('.', "/");
        let found = run.files.content(format!("/proc/sys/{key}").as_bytes()).map(|text| lossy(&text));
        match found {
            Ok(text) => {
                let shown = if value.is_empty() {
                    text.trim_end().to_owned()
                } else {
                    lossy(value.get(1..).unwrap_or_default())
                };
                run.print_line(io.out, &format!("{} = {shown}", lossy(name)));
            }
            Err(_) => status = run.fail(io, words, &format!("error: '{key}' is an unknown key")),
        }
    }
    status
}

/// Where a program is found.
pub(super) fn where_is(run: &Run<'_, '_>, name: &[u8]) -> Option<Vec<u8>> {
    let path = run.variable(b"PATH").unwrap_or_default();
    path.split(|&b| b == b':').map(|directory| [directory, b"/", name].concat()).find(|path| run.files.exists(path))
}

pub(super) fn which(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        match where_is(run, name) {
            Some(path) => run.print(io.out, &[&path[..], b"\n"].concat()),
            None => status = builtin::fail(run, words, io),
        }
    }
    status
}
