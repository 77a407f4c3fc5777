use proptest::prelude::*;

use super::super::Persona;
use super::super::transcript::{Outcome, Step, Transcript};
use super::*;

/// A client that has connected, and whose first stream is open to this service.
fn opened(service: &str) -> Vec<u8> {
    [connect(), open(1, service)].concat()
}

fn connect() -> Vec<u8> {
    Message::new(Command::CNXN, 0x0100_0001, 1 << 20, b"host::features=shell_v2,cmd,stat_v2").emit()
}

fn open(id: u32, service: &str) -> Vec<u8> {
    Message::new(Command::OPEN, id, 0, &[service.as_bytes(), b"\0"].concat()).emit()
}

fn write(local: u32, remote: u32, data: &[u8]) -> Vec<u8> {
    Message::new(Command::WRTE, local, remote, data).emit()
}

fn okay(local: u32, remote: u32) -> Vec<u8> {
    Message::new(Command::OKAY, local, remote, b"").emit()
}

/// The messages of the device.
fn answers(outcome: &Outcome) -> Vec<Message> {
    let sent = outcome.sent();
    let mut input = &sent[..];
    let mut reader = Reader::default();
    let mut found = Vec::new();
    while let Some(message) = reader.next(&mut input).unwrap() {
        found.push(message);
    }
    assert!(reader.remains().is_empty());
    found
}

fn run(steps: &[Step<'_>]) -> (Outcome, Vec<Message>) {
    let outcome = Transcript::tcp("adb", "").run(steps);
    let answers = answers(&outcome);
    (outcome, answers)
}

/// Everything that the device has written to this stream of the client's.
fn written(answers: &[Message], remote: u32) -> Vec<u8> {
    let writes = answers.iter().filter(|answer| answer.command == Command::WRTE && answer.arg1 == remote);
    writes.flat_map(|answer| answer.data.clone()).collect()
}

/// A request of the file service.
fn sync(id: &[u8; 4], path: &str) -> Vec<u8> {
    [&id[..], &u32::try_from(path.len()).unwrap().to_le_bytes(), path.as_bytes()].concat()
}

fn number(id: &[u8; 4], number: u32) -> Vec<u8> {
    [*id, number.to_le_bytes()].concat()
}

#[test]
fn the_banner_is_what_nmap_looks_for() {
    let probe = b"CNXN\0\0\0\x01\0\x10\0\0\x07\0\0\0\x32\x02\0\0\xbc\xb1\xa7\xb1host::\0";
    let (outcome, answers) = run(&[Step::Recv(probe)]);
    let [answer] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((answer.arg0, answer.arg1), (0x0100_0000, 0x1000));
    let banner = String::from_utf8(answer.data.clone()).unwrap();
    assert!(banner.starts_with("device::ro.product.name="), "{banner}");
    assert!(banner.contains(";ro.product.model=") && banner.contains(";ro.product.device="), "{banner}");
    assert_eq!(outcome.the_event("request").fields["service"], "host::");
}

#[test]
fn a_command_is_run_and_its_stream_closed_after_the_output_was_taken() {
    let (outcome, answers) = run(&[Step::Recv(&opened("shell:id")), Step::Recv(&okay(1, 1)), Step::Wait(60_000)]);
    assert_eq!(outcome.the_event("command").fields["command"], "id");
    let output = String::from_utf8(written(&answers, 1)).unwrap();
    assert!(output.starts_with("uid=2000(shell)") && output.ends_with("\r\n"), "{output}");
    let commands: Vec<Command> = answers.iter().map(|answer| answer.command).collect();
    assert_eq!(commands, [Command::CNXN, Command::OKAY, Command::WRTE, Command::CLSE]);
    assert!(answers[1..].iter().all(|answer| (answer.arg0, answer.arg1) == (1, 1)));
}

#[test]
fn a_stream_waits_until_the_client_has_taken_what_was_written() {
    let (_, answers) = run(&[Step::Recv(&opened("shell:getprop")), Step::Wait(60_000)]);
    assert_eq!(answers.last().unwrap().command, Command::WRTE, "no CLSE before the OKAY");
}

#[test]
fn the_second_shell_protocol_carries_output_and_status_in_packets() {
    let service = "shell,v2,TERM=xterm-256color,raw:echo hello; false";
    let (_, answers) = run(&[Step::Recv(&opened(service)), Step::Recv(&okay(1, 1)), Step::Wait(60_000)]);
    assert_eq!(written(&answers, 1), b"\x01\x06\0\0\0hello\n\x03\x01\0\0\0\x01");
}

#[test]
fn errors_come_in_packets_of_their_own() {
    let said = |command: &str| {
        let service = format!("shell,v2,raw:{command}");
        let (_, answers) = run(&[Step::Recv(&opened(&service)), Step::Recv(&okay(1, 1)), Step::Wait(60_000)]);
        written(&answers, 1)
    };
    assert_eq!(said("ls /nope"), b"\x02\x25\0\0\0ls: /nope: No such file or directory\n\x03\x01\0\0\0\x01");
    assert_eq!(said("ls /nope 2>/dev/null"), b"\x03\x01\0\0\0\x01");
    assert_eq!(said("ls /nope 2>&1")[..5], *b"\x01\x25\0\0\0");
}

#[test]
fn packages_of_several_files_are_taken_one_by_one() {
    let steps = [opened("exec:cmd package install-write -S 4 77 base.apk -"), write(1, 1, b"PK\x03\x04"), okay(1, 1)];
    let (outcome, answers) = run(&steps.iter().map(|bytes| Step::Recv(bytes)).collect::<Vec<_>>());
    assert_eq!(outcome.samples.len(), 1);
    assert_eq!(written(&answers, 1), b"Success: streamed 4 bytes\n");
}

#[test]
fn a_login_prompts_runs_lines_and_ends_with_exit() {
    let steps = [
        Step::Recv(&opened("shell:")),
        Step::Recv(&okay(1, 1)),
        Step::Recv(&write(1, 1, b"uname\n")),
        Step::Recv(&okay(1, 1)),
        Step::Wait(10_000),
        Step::Recv(&okay(1, 1)),
        Step::Recv(&write(1, 1, b"exit\n")),
        Step::Recv(&okay(1, 1)),
        Step::Wait(10_000),
        Step::Recv(&okay(1, 1)),
    ];
    let (outcome, answers) = run(&steps);
    let shown = String::from_utf8(written(&answers, 1)).unwrap();
    assert!(shown.contains("$ uname\r\nLinux\r\n"), "{shown}");
    assert_eq!(answers.last().unwrap().command, Command::CLSE);
    let commands: Vec<_> = outcome.events.iter().filter(|event| event.kind == "command").collect();
    assert_eq!(commands.len(), 2);
}

#[test]
fn lines_from_standard_input_are_run_without_prompts() {
    let input = b"\x00\x0b\0\0\0echo one\nid\x04\0\0\0\0";
    let steps = [
        Step::Recv(&opened("shell,v2,raw:")),
        Step::Recv(&write(1, 1, input)),
        Step::Wait(10_000),
        Step::Recv(&okay(1, 1)),
        Step::Wait(10_000),
        Step::Recv(&okay(1, 1)),
    ];
    let (_, answers) = run(&steps);
    let shown = written(&answers, 1);
    assert!(shown.starts_with(b"\x01\x04\0\0\0one\n\x01"), "{:?}", shown.escape_ascii().to_string());
    assert!(shown.ends_with(b"\x03\x01\0\0\0\0"));
}

#[test]
fn a_pushed_file_is_kept_as_a_sample_and_stands_on_the_device() {
    let file = vec![0x7f; 100_000];
    let mut upload = sync(b"SEND", "/data/local/tmp/bot,33261");
    for piece in file.chunks(64 * 1024) {
        upload.extend(number(b"DATA", u32::try_from(piece.len()).unwrap()));
        upload.extend(piece);
    }
    upload.extend(number(b"DONE", 1_600_000_000));
    upload.extend(sync(b"STAT", "/data/local/tmp/bot"));
    let mut steps = vec![opened("sync:")];
    steps.extend(upload.chunks(30_000).map(|piece| write(1, 1, piece)));
    steps.push(okay(1, 1));
    let steps: Vec<Step<'_>> = steps.iter().map(|bytes| Step::Recv(bytes)).collect();
    let (outcome, answers) = run(&steps);
    assert_eq!(outcome.samples.len(), 1);
    assert_eq!(outcome.the_event("download").fields["bytes"], 100_000);
    let said = written(&answers, 1);
    let (okay, stat) = said.split_at(8);
    assert_eq!(okay, b"OKAY\0\0\0\0");
    assert_eq!(&stat[..4], b"STAT");
    assert_eq!(u32::from_le_bytes(*stat[4..].first_chunk().unwrap()), 0o100_755);
    assert_eq!(u32::from_le_bytes(*stat[8..].first_chunk().unwrap()), 100_000);
}

#[test]
fn what_was_pushed_for_nobody_else_can_be_pulled_again() {
    let file = b"/data/local/tmp/own";
    let device = Device::new(Flavor::Android, &Persona::example(), &[]);
    device.files([192, 0, 2, 1].into(), crate::clock::Timestamp::default(), |files| {
        files.store(file, b"mine", 0o770).unwrap();
        assert_eq!(files.read(file).unwrap().as_ref(), b"mine");
    });
}

#[test]
fn directories_that_a_push_needs_are_made() {
    let mut upload = sync(b"SEND", "/data/local/tmp/new/sub/a,33188");
    upload.extend(number(b"DATA", 1));
    upload.extend(b"A");
    upload.extend(number(b"DONE", 1_600_000_000));
    let steps = [opened("sync:"), write(1, 1, &upload), okay(1, 1)];
    let steps: Vec<Step<'_>> = steps.iter().map(|bytes| Step::Recv(bytes)).collect();
    assert_eq!(written(&run(&steps).1, 1), b"OKAY\0\0\0\0");
}

#[test]
fn a_reverse_forward_is_taken_recorded_listed_and_taken_back() {
    let requests =
        ["forward:tcp:7001;tcp:80", "list-forward", "killforward:tcp:7001", "killforward:tcp:7001", "list-forward"];
    let mut steps = vec![connect()];
    for (at, request) in (1..).zip(requests) {
        steps.extend([open(at, &format!("reverse:{request}")), okay(at, at)]);
    }
    let (outcome, answers) = run(&steps.iter().map(|bytes| Step::Recv(bytes)).collect::<Vec<_>>());
    let said: Vec<String> = (1..=5).map(|id| String::from_utf8(written(&answers, id)).unwrap()).collect();
    assert_eq!(said, ["OKAY", "0018host-12 tcp:7001 tcp:80\n", "OKAY", "FAIL0012listener not found", "0000"]);
    let is_told =
        |event: &Event| event.fields.get("service").is_some_and(|name| name == "reverse:forward:tcp:7001;tcp:80");
    assert!(outcome.events.iter().any(is_told));
}

#[test]
fn a_backup_waits_for_the_owner_who_never_comes() {
    let (_, answers) = run(&[Step::Recv(&opened("backup:-all")), Step::Wait(59_000)]);
    assert_eq!(answers.last().unwrap().command, Command::OKAY);
    let (_, answers) = run(&[Step::Recv(&opened("backup:-all")), Step::Wait(61_000)]);
    assert_eq!((answers.last().unwrap().command, written(&answers, 1)), (Command::CLSE, Vec::new()));
}

#[test]
fn what_a_phone_lets_nobody_do_is_said_by_all_that_tell_of_it() {
    let said = |service: &str| {
        let (_, answers) = run(&[Step::Recv(&opened(service)), Step::Recv(&okay(1, 1))]);
        String::from_utf8(written(&answers, 1)).unwrap()
    };
    assert_eq!(said("root:"), "adbd cannot run as root in production builds\n");
    assert_eq!(
        said("exec:getprop ro.debuggable; getprop ro.secure; which su; su -c id"),
        "0\n1\n/system/bin/sh: su: not found\n"
    );
    assert!(said("exec:cat /default.prop").contains("ro.secure=1\nro.debuggable=0\n"));
}

#[test]
fn a_push_that_breaks_off_is_kept_as_far_as_it_came() {
    let upload = [sync(b"SEND", "/sdcard/x,33188"), number(b"DATA", 100), vec![b'x'; 40]].concat();
    let (outcome, _) = run(&[Step::Recv(&opened("sync:")), Step::Recv(&write(1, 1, &upload)), Step::Eof]);
    assert_eq!(outcome.the_event("download").fields["bytes"], 40);
}

#[test]
fn a_file_can_be_pulled_and_a_missing_one_cannot() {
    let requests = [sync(b"RECV", "/system/build.prop"), sync(b"RECV", "/nowhere"), sync(b"STAT", "/nowhere")].concat();
    let steps = [opened("sync:"), write(1, 1, &requests), okay(1, 1)];
    let (outcome, answers) = run(&steps.iter().map(|bytes| Step::Recv(bytes)).collect::<Vec<_>>());
    let said = written(&answers, 1);
    assert!(said.starts_with(b"DATA"), "{:?}", said.escape_ascii().to_string());
    assert!(
        said.ends_with(
            &[sync(b"FAIL", "open failed: No such file or directory"), b"STAT".to_vec(), vec![0; 12]].concat()
        )
    );
    assert_eq!(outcome.events.iter().filter(|event| event.fields.contains_key("operation")).count(), 3);
}

#[test]
fn a_directory_is_listed_with_its_files() {
    let steps = [opened("sync:"), write(1, 1, &sync(b"LIST", "/data/local")), okay(1, 1)];
    let (_, answers) = run(&steps.iter().map(|bytes| Step::Recv(bytes)).collect::<Vec<_>>());
    let said = written(&answers, 1);
    assert!(said.starts_with(b"DENT") && said.ends_with(&[b"DONE".to_vec(), vec![0; 16]].concat()));
    assert!(memchr::memmem::find(&said, b"\x03\0\0\0tmp").is_some());
    let (mode, name) = (0o040_755_u32.to_le_bytes(), b"\x01\0\0\0.");
    assert_eq!((&said[4..8], &said[16..21]), (&mode[..], &name[..]), "a directory's own entry is one");
}

#[test]
fn a_streamed_package_is_kept_and_told_to_be_installed() {
    let steps =
        [opened("exec:cmd package 'install' -S 10"), write(1, 1, b"PK\x03\x04"), write(1, 1, b"123456"), okay(1, 1)];
    let (outcome, answers) = run(&steps.iter().map(|bytes| Step::Recv(bytes)).collect::<Vec<_>>());
    assert_eq!(outcome.samples.len(), 1);
    assert_eq!(written(&answers, 1), b"Success\n");
    assert_eq!(answers.last().unwrap().command, Command::CLSE);
}

#[test]
fn a_restart_of_the_daemon_ends_the_connection() {
    let (outcome, answers) = run(&[Step::Recv(&opened("tcpip:5555")), Step::Recv(&okay(1, 1))]);
    assert_eq!(written(&answers, 1), b"restarting in TCP mode port: 5555\n");
    assert!(outcome.closed);
}

#[test]
fn an_unknown_service_is_refused_and_recorded() {
    let (outcome, answers) = run(&[Step::Recv(&opened("localabstract:chrome_devtools_remote"))]);
    let refusal = answers.last().unwrap();
    assert_eq!((refusal.command, refusal.arg0, refusal.arg1), (Command::CLSE, 0, 1));
    let services: Vec<_> = outcome.events.iter().map(|event| event.fields["service"].clone()).collect();
    assert!(services.contains(&"localabstract:chrome_devtools_remote".into()));
}

#[test]
fn two_streams_have_numbers_of_their_own() {
    let bytes = [opened("shell:id"), open(77, "shell:id")].concat();
    let (_, answers) = run(&[Step::Recv(&bytes), Step::Wait(10_000)]);
    let okays: Vec<_> = answers.iter().filter(|answer| answer.command == Command::OKAY).collect();
    assert_eq!(okays.iter().map(|okay| (okay.arg0, okay.arg1)).collect::<Vec<_>>(), [(1, 1), (2, 77)]);
}

#[test]
fn a_client_that_closes_a_stream_hears_it_closed() {
    let close = Message::new(Command::CLSE, 1, 1, b"").emit();
    let (_, answers) = run(&[Step::Recv(&opened("sync:")), Step::Recv(&close)]);
    assert_eq!(answers.last().unwrap().command, Command::CLSE);
}

#[test]
fn what_is_no_message_is_recorded_whole_and_ends_the_connection() {
    let request = b"GET / HTTP/1.1\r\nHost: 198.51.100.1:5555\r\n\r\n";
    let (outcome, answers) = run(&[Step::Recv(request), Step::Wait(1_000)]);
    assert!(outcome.closed && answers.is_empty());
    assert_eq!(outcome.the_event("payload").fields["payload_hex"], data_encoding::HEXLOWER.encode(request));
}

#[test]
fn messages_before_cnxn_are_ignored_and_recorded() {
    let (outcome, answers) = run(&[Step::Recv(&open(1, "shell:id"))]);
    assert!(answers.is_empty());
    outcome.the_event("payload");
}

#[test]
fn a_client_that_asks_for_much_and_takes_nothing_is_cut_off() {
    let push =
        [sync(b"SEND", "/sdcard/big,33188"), number(b"DATA", 60_000), vec![1; 60_000], number(b"DONE", 0)].concat();
    let pull = sync(b"RECV", "/sdcard/big").repeat(1_000);
    let steps = [opened("sync:"), write(1, 1, &push), write(1, 1, &pull)];
    let steps: Vec<Step<'_>> = steps.iter().map(|bytes| Step::Recv(bytes)).collect();
    assert!(run(&steps).0.closed);
    let lines = b"getprop\n".repeat(8_000);
    let (shell, lines) = (opened("shell:"), write(1, 1, &lines));
    // A terminal takes its time.
    assert!(run(&[Step::Recv(&shell), Step::Recv(&lines), Step::Wait(2_000)]).0.closed);
}

#[test]
fn every_session_leaves_an_event() {
    let (outcome, _) = run(&[Step::Eof]);
    outcome.the_event("connect");
    let (outcome, _) = run(&[Step::Recv(b"CNXN\0\0"), Step::Eof]);
    outcome.the_event("payload");
}

#[test]
fn every_release_says_of_itself_what_nmap_understands() {
    let [six, seven, eight] = [23, 25, 27].map(Release::of);
    assert_eq!((six.max_data, six.features), (4_096, "\0"), "nmap: `;` and NUL at the end");
    assert!(!seven.features.contains("stat_v2") && eight.features.contains("stat_v2"));
    assert!(
        [seven, eight]
            .iter()
            .all(|release| release.features.starts_with("features=") && !release.features.contains('\0'))
    );
}

#[test]
fn an_idle_session_holds_little() {
    assert!(size_of::<Adb>() <= 512, "{}", size_of::<Adb>());
}

/// A client that knows the transport and little else: services, requests of the file service, packets of the shell, in any order.
fn dialogue() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let service = prop::sample::select(vec![
        "shell:",
        "shell:ls",
        "shell,v2,raw:cat",
        "shell,v2:",
        "sync:",
        "exec:cmd package install -S 9",
        "x",
    ]);
    let ids = || (0_u32..4, 0_u32..4);
    let data = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        (prop::sample::select(vec![*b"SEND", *b"DATA", *b"DONE", *b"STAT", *b"LIST", *b"RECV", *b"QUIT"]), 0_u32..80)
            .prop_map(|(id, length)| [&number(&id, length)[..], &[b'/'; 40]].concat()),
        prop::sample::select(vec![
            "ls\r\n",
            "echo a > /sdcard/a; cat /sdcard/a\n",
            "\0\x03\0\0\0id\n",
            "\x04\0\0\0\0",
            "exit\n"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let message = prop_oneof![
        service.prop_map(|name| open(1, name)),
        (ids(), data).prop_map(|((local, remote), data)| write(local, remote, &data)),
        ids().prop_map(|(local, remote)| okay(local, remote)),
        ids().prop_map(|(local, remote)| Message::new(Command::CLSE, local, remote, b"").emit()),
        Just(connect()),
        proptest::collection::vec(any::<u8>(), 1..40),
    ];
    proptest::collection::vec(message, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_a_client_sends_the_answer_is_bounded_and_does_not_depend_on_the_cuts(messages in dialogue()) {
        let mut bytes = vec![connect()];
        bytes.extend(messages);
        let steps: Vec<Step<'_>> = bytes.iter().map(|bytes| Step::Recv(bytes)).chain([Step::Wait(5_000)]).collect();
        let outcome = Transcript::tcp("adb", "").run(&steps);
        prop_assert!(outcome.sent().len() < 1 << 20);
        prop_assert!(!outcome.events.is_empty());
    }
}
