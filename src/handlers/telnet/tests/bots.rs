//! Bots, each led through its dialogue: what it brings, names and does is in the record.

use super::*;

#[path = "../../../../tests/dialogues/loader.rs"]
mod loader;

use loader::{Loader, Wish};

/// Leads a loader's dialogue to its end; what the visitor did, to be played again in any cut.
fn lead(dialogue: &str, settings: &str) -> Outcome {
    let mut registry = Registry::builtin();
    let table: toml::Table = format!("[telnet]\n{settings}").parse().unwrap();
    registry.configure(&table, 4_096, &Guise::example()).unwrap();
    let session = Session::example(Transport::Tcp, 23);
    let mut handler = registry.find("telnet").unwrap().make(&session);
    let mut out = Output::default();
    let mut now = Timestamp::from_micros(1_700_000_000_000_000);
    let mut loader = Loader::new(dialogue, "root", "xc3511", false);
    let mut steps: Vec<(Vec<u8>, u64)> = Vec::new();
    handler.open(&mut Context::new(&session, now, &mut out));
    let mut deadline = None;
    loop {
        deadline = out.deadline.unwrap_or(deadline);
        loader.receive(out.bytes());
        out.clear();
        match loader.next() {
            Wish::Send(bytes) => {
                handler.data(&mut Context::new(&session, now, &mut out), &bytes);
                steps.push((bytes, 0));
            }
            Wish::Wait(what) => {
                let due: Timestamp = deadline.take().unwrap_or_else(|| panic!("waits for {what}"));
                let wait = due.saturating_since(now);
                assert!(wait < Duration::from_secs(30), "waits for {what}");
                steps.push((Vec::new(), u64::try_from(wait.as_millis()).unwrap() + 1));
                now = now + wait + Duration::from_millis(1);
                handler.deadline(&mut Context::new(&session, now, &mut out));
            }
            Wish::Done => break,
        }
    }
    let steps: Vec<Do<'_>> =
        steps.iter().map(|(bytes, wait)| if bytes.is_empty() { Do::Wait(*wait) } else { Do::Recv(bytes) }).collect();
    visit(settings, &steps)
}

#[test]
fn mirai_goes_through_with_wget() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/mirai-wget.txt"), "");
    assert_eq!(outcome.the_event("login").fields["password"], "xc3511");
    let urls = urls(&outcome);
    assert!(urls.len() == 1 && urls[0].starts_with("http://198.51.100.9:80/bins/mirai."), "{urls:?}");
    let commands = commands(&outcome);
    for part in ["enable", "/proc/mounts", "\\x6b\\x61\\x6d\\x69", "-O - > dvrHelper", "./dvrHelper telnet."] {
        assert!(commands.iter().any(|command| command.contains(part)), "{part} is missing in {commands:#?}");
    }
}

#[test]
fn mirai_goes_through_with_tftp() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/mirai-tftp.txt"), "without = ['wget']");
    assert!(urls(&outcome)[0].starts_with("tftp://198.51.100.9/mirai."));
}

#[test]
fn mirai_goes_through_with_echo_and_the_sample_is_whole() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/mirai-echo.txt"), "without = ['wget', 'tftp']");
    let samples: Vec<_> = outcome.samples.iter().filter(|sample| sample.name.ends_with("upnp")).collect();
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].bytes, loader::dropper());
}

#[test]
fn hajime_goes_through() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/hajime.txt"), "");
    assert_eq!(urls(&outcome), ["http://198.51.100.9:41231/.i"]);
    assert!(commands(&outcome).last().unwrap().ends_with("./.i; exit"));
}

#[test]
fn gafgyt_goes_through() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/gafgyt.txt"), "");
    assert_eq!(urls(&outcome), ["http://198.51.100.9/bins.sh", "tftp://198.51.100.9/t.sh"]);
}

#[test]
fn mozi_goes_through() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/mozi.txt"), "");
    let urls = urls(&outcome);
    assert!(urls.len() == 1 && urls[0].starts_with("http://198.51.100.9:8080/Mozi."), "{urls:?}");
}

#[test]
fn tsunami_goes_through_and_every_fetchers_address_is_named() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/tsunami.txt"), "");
    let expected = [
        "http://198.51.100.9/bins.sh",
        "http://198.51.100.9/curl.sh",
        "tftp://198.51.100.9/tftp1.sh",
        "tftp://198.51.100.9/tftp2.sh",
        "ftp://anonymous:anonymous@198.51.100.9:21/ftp1.sh",
    ];
    assert_eq!(urls(&outcome), expected);
}

#[test]
fn okiru_writes_its_program_in_five_ways_and_each_is_a_sample() {
    let outcome =
        lead(include_str!("../../../../tests/dialogues/telnet/okiru.txt"), "without = ['wget', 'tftp', 'curl']");
    let whole = outcome.samples.iter().filter(|sample| sample.bytes == b"\x7fELF\x01\x01\x01\0\xff");
    assert_eq!(whole.count(), 5, "{:?}", outcome.samples);
}

#[test]
fn outlaw_leaves_its_key_and_its_miner() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/outlaw.txt"), "");
    assert_eq!(urls(&outcome), ["http://198.51.100.9/miner.tgz"]);
    assert!(commands(&outcome).iter().any(|command| command.contains("mdrfckr")), "the key is in the record");
    let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
    for wrong in ["syntax error", "Unexpected token", "bad regex", "invalid option"] {
        assert!(!sent.contains(wrong), "{wrong} in {sent}");
    }
}

#[test]
fn brickerbot_finds_its_work_done() {
    let outcome = lead(include_str!("../../../../tests/dialogues/telnet/brickerbot.txt"), "");
    assert!(commands(&outcome).iter().any(|command| command.starts_with("sysctl -w")));
    let lines = ["rm -rf /* 2>/dev/null", "ls", "cat /etc/passwd", "reboot"];
    let (text, outcome) = shell_at(&lines, 5_000);
    assert_eq!(text, "-sh: ls: not found\n-sh: cat: not found\n-sh: reboot: not found\n");
    assert_eq!(commands(&outcome).len(), 4);
}
