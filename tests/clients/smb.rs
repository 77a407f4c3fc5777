//! The `smb` handler before the clients that look for Windows, its shares and its holes.

use std::collections::HashSet;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::genuine::Genuine;
use crate::lab::engine::Engine;
use crate::lab::events::kind;
use crate::lab::{Lab, PATIENCE, SENSOR};
use crate::program::text;

mod account;
mod control;
mod examples;
mod remote;
mod signing;

const RULES: &str = "
version: 1
rules:
  - {name: smb, match: tcp dst port 445 or tcp dst port 139, type: handler, target: smb}
  - {name: msrpc, match: tcp dst port 135, type: handler, target: msrpc}
  - {name: nbns, match: udp dst port 137, type: handler, target: nbns}
";
/// One account, so that clients with the right and with a wrong password can be told apart.
const CONFIG: &str = "
[persona]
windows_name = 'WIN-7K2Q9F0A3BD'
[handlers.smb]
credentials = { list = ['alice:Secret12'] }
";

fn start(lab: &Lab) -> Engine<'_> {
    lab.engine().rules(RULES).config(CONFIG).start()
}

fn sensor() -> String {
    SENSOR[0].to_string()
}

/// What nmap says with these arguments about all three ports.
fn nmap(lab: &Lab, arguments: &[&str]) -> String {
    let address = sensor();
    let mut all = vec!["-n", "-Pn", "-p", "135,139,445", "--host-timeout", "90s"];
    all.extend(arguments);
    all.push(&address);
    lab.client_says("nmap", &all, b"")
}

/// The dialogue of EternalBlue and an upload to DoublePulsar.
fn exploit(lab: &Lab) -> String {
    lab.client_says("/usr/bin/python3", &["-c", include_str!("smb/eternalblue.py"), &sensor()], b"")
}

/// The Python that has impacket, smbprotocol and pysmb, and a program that came with one of them.
fn python(program: &str) -> String {
    let python = std::env::var("GLUTTON_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    match (program, python.rsplit_once('/')) {
        ("", _) => python,
        (program, Some((directory, _))) => format!("{directory}/{program}"),
        (program, None) => program.to_owned(),
    }
}

/// Runs a script with impacket; `connect` takes the dialect, `A` is the sensor.
fn impacket(lab: &Lab, script: &str) -> String {
    let before = format!(
        "from impacket.smbconnection import SMBConnection, SessionError\nfrom impacket.smb import SMB_DIALECT\nA={:?}\n\
         def connect(dialect=None): return SMBConnection(A, A, preferredDialect=dialect)\n",
        sensor()
    );
    lab.client_says("/usr/bin/python3", &["-c", &(before + script)], b"")
}

#[track_caller]
fn holds(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is missing in: {said}");
    }
}

#[test]
fn nmap_names_the_service_and_no_honeypot() {
    let lab = Lab::new();
    let engine = start(&lab);
    let said = nmap(&lab, &["-sV"]);
    holds(
        &said,
        &[
            "445/tcp open  microsoft-ds Microsoft Windows 7 - 10 microsoft-ds (workgroup: WORKGROUP)",
            "139/tcp open  netbios-ssn  Microsoft Windows netbios-ssn",
            "135/tcp open  msrpc        Microsoft Windows RPC",
        ],
    );
    holds(&said, &["Host: WIN-7K2Q9F0A3BD"]);
    for pot in ["honeypot", "honeyd", "ionaea"] {
        assert!(!said.contains(pot), "{said}");
    }
    engine.stop();
}

#[test]
fn nmap_finds_windows_7_without_ms17_010() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let scripts = "smb-vuln-ms17-010,smb-double-pulsar-backdoor,smb-os-discovery,smb-security-mode,smb-protocols,smb2-capabilities,smb2-time,smb2-security-mode,smb-enum-shares,smb-vuln-cve-2017-7494,nbstat";
    let said = nmap(&lab, &["--script", scripts]);
    holds(&said, &["smb-vuln-ms17-010: \n|   VULNERABLE", "State: VULNERABLE"]);
    holds(&said, &["OS: Windows 7 Professional 7601 Service Pack 1 (Windows 7 Professional 6.1)"]);
    holds(&said, &["Computer name: WIN-7K2Q9F0A3BD", "NetBIOS computer name: WIN-7K2Q9F0A3BD", "Workgroup: WORKGROUP"]);
    holds(&said, &["message_signing: disabled", "authentication_level: user"]);
    holds(&said, &["nbstat: NetBIOS name: WIN-7K2Q9F0A3BD, NetBIOS user: <unknown>, NetBIOS MAC: "]);
    holds(&said, &["NT LM 0.12 (SMBv1)", "\\ADMIN$: ", "\\C$: ", "\\IPC$: ", "\\Users: "]);
    // nmap 7.94 began to write dialects as 2:1:0.
    let dialects = ["202", "210"].map(|number| format!("|     {number}\n"));
    let has = |text: &str| said.replace("|_", "| ").replace(':', "").contains(text);
    assert!(dialects.iter().all(|line| has(line)), "{said}");
    assert!(!said.contains("smb-double-pulsar-backdoor"), "not before the exploit: {said}");
    engine.events.await_event("the check", |event| {
        kind(event) == "scan" && event["msg"] == "MS17-010 check: PeekNamedPipe of no pipe"
    });
    engine.stop();
}

#[test]
fn nmblookup_hears_the_machines_names_and_never_more_than_it_has_sent() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let said = lab.client_says("nmblookup", &["-A", &sensor()], b"");
    holds(&said, &["WIN-7K2Q9F0A3BD <20> -", "WORKGROUP       <1e> - <GROUP>", "MAC Address = "]);
    // No TCP connection has proved the address: it has asked until the answer was no longer than its questions.
    let asked = engine.events.await_that("the questions", PATIENCE, |seen| {
        let asked = seen.iter().filter(|event| event["protocol"] == "netbios-ns").count();
        (asked > 0).then_some(asked)
    });
    assert!(asked >= 175 / 50, "{asked} questions");
    engine.stop();
}

#[test]
fn eternalblue_leaves_doublepulsar_for_its_source_and_its_payload_is_stored() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let said = exploit(&lab);
    holds(
        &said,
        &[
            "ping before: mid 65\ntransaction: 0xa0 0x0\necho: 0x2b 0x0\nlast piece: 0x32 0xc000000d\nping after: mid 81\n",
        ],
    );
    assert_eq!(said.matches("exec: mid 82").count(), 3, "{said}");
    let nmap = nmap(&lab, &["--script", "smb-double-pulsar-backdoor"]);
    holds(&nmap, &["smb-double-pulsar-backdoor: \n|   VULNERABLE"]);
    let payload: Vec<u8> = b"MZ".iter().copied().chain((0..40).flat_map(|_| 0..=255_u8)).collect();
    let hash = HEXLOWER.encode(Sha256::digest(&payload).as_slice());
    engine.events.await_event("the payload", |event| {
        kind(event) == "download" && event["name"] == "doublepulsar-payload" && event["payload_hash"] == hash.as_str()
    });
    engine.events.await_event("a body that was sprayed", |event| event["name"] == "smb-message-incomplete");
    engine.stop();
}

#[test]
fn smbclient_lists_shares_over_smb1_and_smb2() {
    let lab = Lab::new();
    let engine = start(&lab);
    let url = format!("//{}", sensor());
    for protocol in ["NT1", "SMB2"] {
        let option = "--option=client min protocol=NT1";
        let said = lab.client_says("smbclient", &["-N", "-L", &url, "-m", protocol, option], b"");
        holds(
            &said,
            &["ADMIN$          Disk      Remote Admin", "IPC$            IPC       Remote IPC", "Users           Disk"],
        );
    }
    let said = text(&lab.client("smbclient", &["-N", &format!("{url}/NOTHERE")], b""));
    holds(&said, &["NT_STATUS_BAD_NETWORK_NAME"]);
    engine.stop();
}

/// Files come and go through smbclient, over SMB1 and SMB2, for who has the password.
fn smbclient(lab: &Lab) {
    let local = dropper(lab);
    let small = lab.file("note.txt", "read me");
    let back = lab.path("back.txt");
    for protocol in ["NT1", "SMB2"] {
        let option = "--option=client min protocol=NT1";
        let share = format!("//{}/C$", sensor());
        let run = |commands: &str| {
            lab.client_says("smbclient", &[&share, "-U", "alice%Secret12", "-m", protocol, option, "-c", commands], b"")
        };
        run(&format!("mkdir new; put {} new\\d.exe; put {} note.txt", local.display(), small.display()));
        let said = run("ls; ls new\\*");
        holds(&said, &["new", "note.txt", "d.exe", "blocks available"]);
        run(&format!("get note.txt {}; del note.txt; mkdir made; cd made", back.display()));
        assert_eq!(std::fs::read_to_string(&back).unwrap(), "read me");
        assert!(!run("ls").contains("note.txt"));
        run("rmdir made; del new\\d.exe; rmdir new");
        let wrong = lab.client("smbclient", &[&share, "-U", "alice%wrong", "-m", protocol, option, "-c", "ls"], b"");
        holds(&text(&wrong), &["NT_STATUS_LOGON_FAILURE"]);
    }
}

fn dropper(lab: &Lab) -> std::path::PathBuf {
    lab.file("dropper.bin", &"MZ this program cannot be run".repeat(3000))
}

#[test]
fn smbclient_keeps_what_it_writes_and_the_password_decides() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    smbclient(&lab);
    let said = lab.client_says("smbclient", &[&format!("//{}/C$", sensor()), "-U", "alice%Secret12", "-c", "ls"], b"");
    holds(&said, &["Program Files (x86)"]);
    let hash = HEXLOWER.encode(Sha256::digest(std::fs::read(dropper(&lab)).unwrap()).as_slice());
    engine.events.await_event("the file", |event| kind(event) == "download" && event["payload_hash"] == hash.as_str());
    let login = engine.events.await_event("a login", |event| kind(event) == "login" && event["success"] == false);
    let response = login["response"].as_str().unwrap();
    assert!(response.starts_with("alice::") && response.split(':').count() == 6, "{response}");
    engine.stop();
}

#[test]
fn smbclient_and_guessers_make_of_samba_what_they_make_of_ours() {
    let lab = Lab::new();
    let _samba = Genuine::samba(&lab);
    smbclient(&lab);
    guess(&lab);
}

#[test]
fn impacket_logs_in_over_every_dialect_and_no_two_challenges_are_the_same() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let said = impacket(
        &lab,
        "c=connect(SMB_DIALECT); c.login('',''); print(c.getServerOS(), [s['shi1_netname'] for s in c.listShares()])\n\
         c=connect(); c.login('',''); print(hex(c.getDialect()), c.getServerName(), c.getServerOSMajor(), c.getServerOSBuild())\n\
         for d in (SMB_DIALECT, None):\n\
         \x20 c=connect(d); c.login('alice','Secret12'); print(len(c.listPath('C$','*')))\n\
         \x20 try: connect(d).login('alice','Secret13')\n\
         \x20 except SessionError as e: print(hex(e.getErrorCode()))\n\
         \x20 c=connect(d); c.login('',''); t=c.connectTree('IPC$')\n\
         \x20 try: c.openFile(t, 'nothere')\n\
         \x20 except SessionError as e: print(hex(e.getErrorCode()))\n",
    );
    holds(&said, &["Windows 7 Professional 7601 Service Pack 1 ['ADMIN$\\x00', 'C$\\x00', 'IPC$\\x00', 'Users\\x00']"]);
    holds(&said, &["0x210 WIN-7K2Q9F0A3BD 6 7601"]);
    assert_eq!(said.matches("0xc000006d\n0xc0000034\n").count(), 2, "{said}");
    let challenges = engine.events.await_that("four logins", PATIENCE, |seen| {
        let logins = seen.iter().filter(|event| kind(event) == "login");
        let challenges: HashSet<_> =
            logins.filter_map(|event| event["response"].as_str()?.split(':').nth(3).map(str::to_owned)).collect();
        (challenges.len() >= 4).then_some(challenges)
    });
    assert_eq!(challenges.len(), 4);
    engine.stop();
}

#[test]
fn guessers_find_the_one_password_and_are_recorded() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    guess(&lab);
    let login = engine.events.await_event("a login", |event| kind(event) == "login");
    assert_eq!((&login["username"], &login["success"]), (&"alice".into(), &false.into()));
    engine.stop();
}

/// medusa, hydra and ncrack tell the right password from a wrong one.
fn guess(lab: &Lab) {
    let address = sensor();
    let url = format!("smb://{address}");
    for (password, is_found) in [("guess1", false), ("Secret12", true)] {
        let guesses: [(&str, &[&str], &str); 3] = [
            ("medusa", &["-h", &address, "-u", "alice", "-p", password, "-M", "smbnt"], "ACCOUNT FOUND"),
            ("hydra", &["-l", "alice", "-p", password, "-t", "1", &url], "login: alice   password: Secret12"),
            ("ncrack", &["--user", "alice", "--pass", password, &url], "'alice' 'Secret12'"),
        ];
        for (program, arguments, found) in guesses {
            let said = text(&lab.client(program, arguments, b""));
            assert_eq!(said.contains(found), is_found, "{program} with {password}: {said}");
        }
    }
}

#[test]
fn a_service_that_is_created_is_recorded_with_its_command() {
    let lab = Lab::new();
    let mut engine = start(&lab);
    let said = impacket(
        &lab,
        "from impacket.dcerpc.v5 import transport, scmr\n\
         t=transport.SMBTransport(A, 445, r'\\svcctl', username='alice', password='Secret12')\n\
         d=t.get_dce_rpc(); d.connect(); d.bind(scmr.MSRPC_UUID_SCMR)\n\
         h=scmr.hROpenSCManagerW(d)['lpScHandle']\n\
         s=scmr.hRCreateServiceW(d, h, 'up\\0', 'up\\0', lpBinaryPathName='%COMSPEC% /c calc.exe\\0')['lpServiceHandle']\n\
         try: scmr.hRStartServiceW(d, s)\n\
         except Exception as e: print(e.get_error_code())\n\
         scmr.hRDeleteService(d, s); scmr.hRCloseServiceHandle(d, s); print('gone')\n",
    );
    assert_eq!(said, "1053\ngone\n");
    let event = engine.events.await_event("the command", |event| kind(event) == "command");
    assert_eq!((&event["command"], &event["service"]), (&"%COMSPEC% /c calc.exe".into(), &"up".into()));
    engine.stop();
}
