//! Telnet: scanners, password guessers, the client that people use, and the loaders of bots; BusyBox's own telnetd as the control.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::lab::client;
use crate::lab::engine::Engine;
use crate::lab::events::kind;
use crate::lab::{Lab, PATIENCE, SENSOR, at, within};
use crate::loader::{Loader, Wish, dropper};
use crate::program::text;

const RULES: &str = "
version: 1
rules:
  - {name: telnet, match: tcp dst port 23 or tcp dst port 2323 or tcp dst port 23231, type: handler, target: telnet}
";
const MIRAI_WGET: &str = include_str!("../dialogues/telnet/mirai-wget.txt");
const MIRAI_TFTP: &str = include_str!("../dialogues/telnet/mirai-tftp.txt");
const MIRAI_ECHO: &str = include_str!("../dialogues/telnet/mirai-echo.txt");
const HAJIME: &str = include_str!("../dialogues/telnet/hajime.txt");
const GAFGYT: &str = include_str!("../dialogues/telnet/gafgyt.txt");
const MOZI: &str = include_str!("../dialogues/telnet/mozi.txt");

fn host() -> String {
    SENSOR[0].to_string()
}

/// Every `login` event that says success.
fn accepted(engine: &mut Engine<'_>) -> Value {
    engine.events.await_event("a login that was let in", |event| kind(event) == "login" && event["success"] == true)
}

#[test]
fn nmap_names_busybox_telnetd_on_all_three_ports() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let said =
        lab.client_says("nmap", &["-n", "-Pn", "-sV", "-p", "23,2323,23231", "--host-timeout", "90s", &host()], b"");
    assert_eq!(said.matches("BusyBox telnetd").count(), 3, "{said}");
    assert!(!said.contains("oneypot") && !said.contains("unrecognized"), "{said}");
    engine.stop();
}

#[test]
fn nmaps_telnet_scripts_find_a_login_and_nothing_of_windows_or_encryption() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let (users, passwords) = (lab.file("users", "root\nadmin\n"), lab.file("passwords", "root\nadmin\n1234\n"));
    let args = format!("userdb={},passdb={}", users.display(), passwords.display());
    let scripts = "telnet-brute,telnet-encryption,telnet-ntlm-info";
    let said =
        lab.client_says("nmap", &["-n", "-Pn", "-p", "23", "--script", scripts, "--script-args", &args, &host()], b"");
    assert!(said.contains("- Valid credentials"), "{said}");
    assert!(said.contains("Telnet server does not support encryption"), "{said}");
    assert!(!said.contains("telnet-ntlm-info"), "{said}");
    accepted(&mut engine);
    engine.stop();
}

/// hydra finds the last but one of these passwords and no other.
fn hydra(lab: &Lab) {
    let passwords = lab.file("passwords", "xc3511\nadmin\nvizxv\n888888\n");
    let args = ["-I", "-t", "4", "-l", "root", "-P", passwords.to_str().unwrap(), &host(), "telnet"];
    let said = text(&lab.client("hydra", &args, b""));
    let found: Vec<&str> = said.lines().filter(|line| line.starts_with("[23][telnet] host: ")).collect();
    assert_eq!(found.len(), 1, "{said}");
    assert!(found[0].contains("login: root   password: vizxv"), "{said}");
}

fn medusa(lab: &Lab, password: &str) {
    let said = text(&lab.client("medusa", &["-h", &host(), "-u", "root", "-p", password, "-M", "telnet"], b""));
    assert!(
        said.contains("ACCOUNT FOUND: [telnet]") && said.contains(&format!("Password: {password} [SUCCESS]")),
        "{said}"
    );
}

fn ncrack(lab: &Lab, password: &str) {
    let target = format!("telnet://{}:23", host());
    let said = text(&lab.client("ncrack", &["--user", "root", "--pass", password, "-g", "cl=1,at=1", &target], b""));
    assert!(said.contains("Discovered credentials for telnet"), "{said}");
}

#[test]
fn hydra_finds_a_password() {
    let lab = Lab::new();
    let mut engine =
        lab.engine().rules(RULES).config("[handlers.telnet]\ncredentials = { list = [\"root:vizxv\"] }\n").start();
    hydra(&lab);
    assert_eq!(accepted(&mut engine)["password"], "vizxv");
    engine.stop();
}

#[test]
fn medusa_finds_a_password() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    medusa(&lab, "root");
    accepted(&mut engine);
    engine.stop();
}

#[test]
fn ncrack_finds_a_password() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    ncrack(&lab, "root");
    accepted(&mut engine);
    engine.stop();
}

/// Runs a client that is typed at: each text is waited for, then its line is typed. What the client has printed.
fn converse(lab: &Lab, program: &str, args: &[&str], dialogue: &[(&str, &str)]) -> String {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = lab.attacker_namespace().spawn(&mut command).unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (pieces, printed) = mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Ok(len @ 1..) = output.read(&mut piece) {
            if pieces.send(piece[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    let (mut said, mut from) = (String::new(), 0);
    for (wanted, line) in dialogue {
        while !said[from..].contains(wanted) {
            let piece = printed.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {wanted:?} in {said:?}"));
            said.push_str(&String::from_utf8_lossy(&piece));
        }
        from = said.len();
        writeln!(input, "{line}").unwrap();
    }
    while let Ok(piece) = printed.recv_timeout(PATIENCE) {
        said.push_str(&String::from_utf8_lossy(&piece));
    }
    child.wait().unwrap();
    said
}

#[test]
fn a_person_with_telnet_logs_in_looks_around_and_leaves() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let dialogue = [
        ("login: ", "root"),
        ("Password: ", "secret"),
        ("~ # ", "uname -a; cat /proc/cpuinfo"),
        ("# ", "echo canary > /tmp/note"),
        ("# ", "exit"),
    ];
    let said = converse(&lab, "telnet", &[&host()], &dialogue);
    assert!(said.contains("built-in shell (ash)") && said.contains("Linux ") && said.contains("processor"), "{said}");
    let again = [("login: ", "root"), ("Password: ", "secret"), ("~ # ", "cat /tmp/note"), ("canary", "exit")];
    converse(&lab, "telnet", &[&host()], &again);
    let event = engine.events.await_event("a command", |event| kind(event) == "command");
    assert_eq!((&event["command"], &event["handler"]), (&"uname -a; cat /proc/cpuinfo".into(), &"telnet".into()));
    engine.stop();
}

/// Leads a loader's dialogue over a connection to its end.
fn lead(stream: &mut TcpStream, mut loader: Loader) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut piece = [0; 8 * 1024];
    loop {
        match loader.next() {
            Wish::Done => return,
            Wish::Send(bytes) => stream.write_all(&bytes).unwrap(),
            Wish::Wait(what) => match stream.read(&mut piece) {
                Ok(len @ 1..) => loader.receive(&piece[..len]),
                end => panic!("{end:?}: the loader waits for {what}"),
            },
        }
    }
}

fn loads(dialogue: &str, settings: &str, check: impl FnOnce(&mut Engine<'_>)) {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).config(&format!("[handlers.telnet]\n{settings}\n")).start();
    let mut stream = lab.dial(at(SENSOR[0], 23));
    lead(&mut stream, Loader::new(dialogue, "root", "xc3511", false));
    drop(stream);
    assert_eq!(accepted(&mut engine)["password"], "xc3511");
    check(&mut engine);
    engine.stop();
}

fn download(engine: &mut Engine<'_>) -> Value {
    engine.events.await_event("a download", |event| kind(event) == "download")
}

#[test]
fn mirais_loader_goes_through_by_wget() {
    loads(MIRAI_WGET, "", |engine| {
        assert!(download(engine)["url"].as_str().unwrap().starts_with("http://198.51.100.9:80/bins/mirai."));
    });
}

#[test]
fn mirais_loader_goes_through_by_tftp() {
    loads(MIRAI_TFTP, "without = ['wget']", |engine| {
        assert!(download(engine)["url"].as_str().unwrap().starts_with("tftp://198.51.100.9/mirai."));
    });
}

#[test]
fn mirais_loader_goes_through_by_echo_and_leaves_its_sample() {
    loads(MIRAI_ECHO, "without = ['wget', 'tftp']", |engine| {
        let event = download(engine);
        assert_eq!(event["bytes"], dropper().len());
        assert_eq!(event["payload_hash"].as_str().unwrap().len(), 64);
    });
}

#[test]
fn hajimes_loader_goes_through() {
    loads(HAJIME, "", |engine| assert_eq!(download(engine)["url"], "http://198.51.100.9:41231/.i"));
}

/// `vizxv`, as `openssl passwd -1` writes it.
const PASSWORD: &str = "$1$vizxv$48LmQn/ji4QbqzSGKSvCX/";

/// BusyBox's own telnetd in a file system of its own, with its `login`, where root's password is `vizxv`, or at once its shell.
struct Control(Child);

impl Control {
    fn start(lab: &Lab, program: &str) -> Self {
        const SCRIPT: &str = "set -e; mount --make-rprivate /; mount -t tmpfs root \"$1\"; cd \"$1\"; mkdir bin dev proc tmp root etc
            cp \"$(command -v busybox)\" bin/busybox; head -c 4096 bin/busybox > bin/echo; chmod 755 bin/echo
            for name in sh ash login cp dd cat rm chmod wget tftp hexdump; do ln bin/busybox bin/$name; done; echo \"root:$3:0:0::/root:/bin/sh\" > etc/passwd
            mount -t proc -o ro proc proc; mkdir dev/pts; mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
            mount -o remount,ro dev/pts; mknod dev/null c 1 3; exec chroot . /bin/busybox telnetd -F -p 23 -l \"$2\"";
        let root = lab.path("control");
        std::fs::create_dir(&root).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", SCRIPT, "sh"])
            .arg(&root)
            .args([program, PASSWORD])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let control = Self(lab.sensor_namespace().spawn(&mut command).unwrap());
        let to = at(SENSOR[0], 23);
        let up = within(PATIENCE, || lab.attacker(|| client::dial(to)).ok());
        assert!(up.is_some(), "busybox telnetd does not listen: is busybox-static installed?");
        control
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn the_loaders_go_through_busyboxs_own_telnetd_as_well() {
    let lab = Lab::new();
    let _control = Control::start(&lab, "/bin/sh");
    for dialogue in [MIRAI_WGET, MIRAI_ECHO, HAJIME, GAFGYT, MOZI] {
        let mut stream = lab.dial(at(SENSOR[0], 23));
        lead(&mut stream, Loader::new(dialogue, "", "", true));
    }
}

#[test]
fn nmap_says_of_busyboxs_own_telnetd_what_it_says_of_ours() {
    let lab = Lab::new();
    let _control = Control::start(&lab, "/bin/login");
    let said = lab.client_says("nmap", &["-n", "-Pn", "-sV", "-p", "23", "--host-timeout", "90s", &host()], b"");
    assert!(said.contains("BusyBox telnetd"), "{said}");
}

#[test]
fn guessers_find_the_password_of_busyboxs_own_login_as_they_find_ours() {
    let lab = Lab::new();
    let _control = Control::start(&lab, "/bin/login");
    hydra(&lab);
    medusa(&lab, "vizxv");
    ncrack(&lab, "vizxv");
}

/// Idle sessions at the same time.
const IDLE: usize = 10_000;
/// Bytes of the engine's memory that each may cost, the flow and all else about it included.
const IDLE_BYTES: u64 = 8 * 1024;

/// A connection whose opening has come.
fn idle(to: SocketAddr) -> TcpStream {
    // A SYN that met a full backlog is sent again after a second.
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(10)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut opening = [0; 12];
    stream.read_exact(&mut opening).unwrap();
    assert_eq!(opening, *b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03");
    stream
}

#[test]
fn ten_thousand_idle_sessions_cost_at_most_8_kib_each_and_all_are_counted() {
    let lab = Lab::new();
    let config = format!("[server]\nmax_sessions = {0}\nmax_sessions_per_source = {0}\n", IDLE + 100);
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    let to = at(SENSOR[0], 23);
    drop(lab.attacker(|| idle(to)));
    let before = engine.peak_memory();
    let mut streams: Vec<TcpStream> = lab.attacker(|| (0..IDLE).map(|_| idle(to)).collect());
    let each = engine.peak_memory().saturating_sub(before) / IDLE as u64;
    assert!(each <= IDLE_BYTES, "{each} bytes for each session");
    for stream in &mut streams {
        stream.set_nonblocking(true).unwrap();
        // What came besides the opening is the prompt; nobody was sent away.
        let mut rest = [0; 256];
        let end = std::iter::from_fn(|| Some(stream.read(&mut rest))).find(|read| !matches!(read, Ok(1..)));
        assert_eq!(end.unwrap().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    eprintln!("{each} bytes for each of {IDLE} idle sessions");
    drop(streams);
    for wanted in ["flow_open", "connect"] {
        engine.events.await_that(&format!("{} {wanted} events", IDLE + 1), Duration::from_secs(60), |seen| {
            (seen.iter().filter(|event| kind(event) == wanted).count() == IDLE + 1).then_some(())
        });
    }
    engine.stop();
}
