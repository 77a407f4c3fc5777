//! Clients that insist on signed messages, as recent ones do by default.

use super::{CONFIG, RULES, holds, python, sensor, start};
use crate::lab::Lab;
use crate::lab::engine::Engine;
use crate::lab::events::kind;
use crate::program::text;

/// Everybody is let in, whatever the password.
const ANYBODY: &str = "[handlers.smb]\ncredentials = 'accept-all'\n";

fn open_to_all(lab: &Lab) -> Engine<'_> {
    lab.engine().rules(RULES).config(ANYBODY).start()
}

#[test]
fn smbclient_that_requires_signatures_is_served_with_a_known_password_and_as_nobody() {
    let lab = Lab::new();
    let engine = start(&lab);
    let (local, back) = (lab.file("note.txt", "read me"), lab.path("back.txt"));
    let share = format!("//{}/C$", sensor());
    let commands = format!("put {} n.txt; get n.txt {}; del n.txt; ls *.sys", local.display(), back.display());
    for protection in ["--client-protection=sign", "--option=client signing=required"] {
        let said = lab.client_says(
            "smbclient",
            &[&share, "-U", "alice%Secret12", "-m", "SMB3", protection, "-c", &commands],
            b"",
        );
        holds(&said, &["pagefile.sys"]);
        assert_eq!(std::fs::read_to_string(&back).unwrap(), "read me");
        let wrong = lab.client("smbclient", &[&share, "-U", "alice%wrong", protection, "-c", "ls"], b"");
        holds(&text(&wrong), &["NT_STATUS_LOGON_FAILURE"]);
    }
    let list = format!("//{}", sensor());
    let said = lab.client_says("smbclient", &["-U%", "-L", &list, "--client-protection=sign"], b"");
    holds(&said, &["ADMIN$          Disk      Remote Admin", "Users           Disk"]);
    engine.stop();
}

#[test]
fn a_login_that_must_be_signed_is_refused_where_any_password_goes_and_let_in_unsigned() {
    let lab = Lab::new();
    let mut engine = open_to_all(&lab);
    let share = format!("//{}/C$", sensor());
    let run = |more: &[&str]| {
        let all = [&[share.as_str(), "-U", "alice%whatever", "-c", "ls *.sys"], more].concat();
        text(&lab.client("smbclient", &all, b""))
    };
    holds(&run(&["--client-protection=sign"]), &["NT_STATUS_LOGON_FAILURE"]);
    let refused = engine.events.await_event("the login", |event| kind(event) == "login");
    assert_eq!((&refused["username"], &refused["success"]), (&"alice".into(), &false.into()));
    engine.events.await_event("why", |event| event["decoded"]["signing"] == "required, password not known");
    holds(&run(&[]), &["pagefile.sys"]);
    engine.events.await_event("the login", |event| kind(event) == "login" && event["success"] == true);
    engine.stop();
}

#[test]
fn smbprotocol_and_pysmb_work_with_files() {
    let lab = Lab::new();
    let engine = start(&lab);
    let script = format!(
        "import io, smbclient\nfrom smb.SMBConnection import SMBConnection\nH={:?}\n\
         smbclient.register_session(H, username='alice', password='Secret12')\n\
         name=r'\\\\%s\\C$\\x.txt' % H\n\
         with smbclient.open_file(name, mode='w') as f: f.write('hi')\n\
         with smbclient.open_file(name) as f: print(f.read())\n\
         print(smbclient.stat(name).st_size, 'pagefile.sys' in smbclient.listdir(r'\\\\%s\\C$' % H)); smbclient.remove(name)\n\
         c=SMBConnection('alice','Secret12','me','WIN-7K2Q9F0A3BD',use_ntlm_v2=True,is_direct_tcp=True,sign_options=2)\n\
         print(c.connect(H,445), [share.name for share in c.listShares()], c.storeFile('C$','/y.txt',io.BytesIO(b'hello')))\n",
        sensor()
    );
    let said = lab.client_says(&python(""), &["-c", &script], b"");
    assert_eq!(said, "hi\n2 True\nTrue ['ADMIN$', 'C$', 'IPC$', 'Users'] 5\n");
    engine.stop();
}

#[test]
fn smb2_is_signed_on_request_and_says_so_to_scanners() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).config(CONFIG).start();
    let said = super::nmap(&lab, &["--script", "smb2-security-mode,smb2-capabilities,smb2-time,smb-protocols"]);
    holds(&said, &["Message signing enabled but not required", "Distributed File System", "start_date: 20"]);
    engine.stop();
}
