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
            if let Act::Print(bytes) = act {
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
