//! Tools that run commands on the machine, from whose operators as much as possible is learnt.

use super::{holds, python, sensor, start};
use crate::lab::Lab;
use crate::lab::events::kind;
use crate::program::text;

#[test]
fn smbexec_opens_its_shell_and_every_command_is_recorded() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let login = format!("alice:Secret12@{}", sensor());
    let said = text(&lab.client(&python("smbexec.py"), &[&login], b"whoami\nnet user eve Pass1234 /add\nexit\n"));
    holds(&said, &["C:\\Windows\\system32>", "nt authority\\system"]);
    engine.events.await_event("the command", |event| {
        let command = event["command"].as_str().unwrap_or_default();
        kind(event) == "command" && command.contains("echo net user eve Pass1234 /add ^> ")
    });
    engine.stop();
}

#[test]
fn psexec_leaves_its_program_and_its_command() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let login = format!("alice:Secret12@{}", sensor());
    let said = text(&lab.client(&python("psexec.py"), &[&login, "cmd.exe /c whoami"], b""));
    holds(&said, &["Found writable share ADMIN$", "finished with ErrorCode: 0, ReturnCode: 0"]);
    engine.events.await_event("the program", |event| {
        kind(event) == "download" && event["name"].as_str().is_some_and(|name| name.ends_with(".exe"))
    });
    let command = engine.events.await_event("the command", |event| {
        kind(event) == "command" && event["msg"].as_str().is_some_and(|text| text.starts_with("run by RemCom"))
    });
    assert_eq!(command["command"], "cmd.exe /c whoami");
    engine.stop();
}

#[test]
fn atexec_and_reg_work_over_sealed_calls_and_are_recorded() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let login = format!("alice:Secret12@{}", sensor());
    let said = text(&lab.client(&python("atexec.py"), &[&login, "whoami"], b""));
    holds(&said, &["nt authority\\system"]);
    engine.events.await_event("the command", |event| {
        let command = event["command"].as_str().unwrap_or_default();
        kind(event) == "command" && command.starts_with("cmd.exe /C whoami > %windir%\\Temp\\")
    });
    let key = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion";
    let said = text(&lab.client(&python("reg.py"), &[&login, "query", "-keyName", key, "-v", "ProductName"], b""));
    holds(&said, &["Starting service RemoteRegistry", "ProductName\tREG_SZ\t Windows 7 Professional"]);
    engine.stop();
}
