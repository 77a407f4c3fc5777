//! `jabber` and `jabbers` with slixmpp, sendxmpp, poezio, nmap and hydra.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::genuine::{Genuine, both};
use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR};
use crate::program::text;

const RULES: &str = "
version: 1
rules:
  - {name: jabber, match: tcp dst port 5222 or tcp dst port 5269, type: handler, target: jabber}
  - {name: jabbers, match: tcp dst port 5223, type: handler, target: jabbers}
";

/// Connects, prints what happens, sends itself a message once it is in, and leaves.
const SLIXMPP: &str = "
import asyncio, ssl, sys
import slixmpp
address, port, direct = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'direct'
class Bot(slixmpp.ClientXMPP):
    def __init__(self):
        super().__init__('root@chat.example.org', 's3cret')
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        for name in ['connected', 'tls_success', 'failed_auth', 'session_start', 'stream_error', 'message', 'disconnected']:
            self.add_event_handler(name, lambda event, name=name: print(name, flush=True))
        self.add_event_handler('session_start', self.started)
        self.add_event_handler('message', lambda message: self.disconnect())
    async def started(self, event):
        self.send_presence()
        await self.get_roster()
        self.send_message(mto=self.boundjid.bare, mbody='to myself', mtype='chat')
async def main():
    bot = Bot()
    if direct:
        bot.enable_direct_tls, bot.enable_starttls, bot.enable_plaintext = True, False, False
    else:
        bot.enable_direct_tls = False
    bot.connect(address, port)
    await asyncio.wait_for(bot.disconnected, 30)
asyncio.run(main())
";

fn slixmpp(lab: &Lab, port: &str, how: &str) -> String {
    let python = std::env::var("SLIXMPP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    text(&lab.client(&python, &["-c", SLIXMPP, &SENSOR[0].to_string(), port, how], b""))
}

#[test]
fn slixmpp_logs_in_through_starttls_and_hears_its_own_message() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let said = slixmpp(&lab, "5222", "starttls");
    for event in ["connected", "session_start", "message"] {
        assert!(said.lines().any(|line| line == event), "{event}: {said}");
    }
    assert!(!said.contains("stream_error"), "{said}");
    let login =
        engine.events.await_event("the password", |event| kind(event) == "login" && event["password"] == "s3cret");
    assert_eq!(login["username"], "root");
    engine.events.await_event("the message", |event| event["decoded"]["body"] == "to myself");
    engine.events.await_event("the fingerprint", |event| kind(event) == "tls");
    engine.stop();
}

#[test]
fn sendxmpp_delivers_its_message_and_leaves_its_password() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    sendxmpp(&lab);
    let login = engine.events.await_event("the login", |event| kind(event) == "login");
    assert_eq!((&login["username"], &login["password"]), (&"root".into(), &"s3cret".into()));
    let is_message = |event: &Value| event["decoded"]["body"].as_str().is_some_and(|body| body.contains("hello"));
    engine.events.await_event("the message", is_message);
    engine.stop();
}

fn sendxmpp(lab: &Lab) {
    let server = format!("{}:5222", SENSOR[0]);
    let host = "chat.example.org";
    let args = ["-u", "root", "-p", "s3cret", "-j", &server, "-o", host, "root@chat.example.org"];
    lab.client_says("sendxmpp", &args, b"hello\n");
}

/// poezio runs in a terminal, not as root, and trusts no certificate that it has not been given.
#[test]
fn poezio_logs_in_and_says_that_it_is_there() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let shown = lab.client("openssl", &["s_client", "-connect", &format!("{}:5223", SENSOR[0])], b"");
    let certificate = lab.client_says("openssl", &["x509"], &shown.stdout);
    let home = lab.path("poezio");
    std::fs::create_dir(&home).unwrap();
    for directory in [home.parent().unwrap(), &home] {
        std::fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let certificate = lab.file("poezio/ca.pem", &certificate);
    let server = format!("custom_host = {}\ncustom_port = 5222\nca_cert_path = {}", SENSOR[0], certificate.display());
    lab.file("poezio/poezio.cfg", &format!("[Poezio]\njid = anna@example.org\npassword = s3cret\n{server}\n"));
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "timeout", "60", "script", "-qc"]);
    command.arg(format!("poezio -f {}/poezio.cfg", home.display())).arg("/dev/null");
    command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env("HOME", &home).stdin(Stdio::null()).stdout(Stdio::null());
    for directory in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env(directory, &home);
    }
    let mut poezio = lab.attacker_namespace().spawn(&mut command).unwrap();
    engine.events.await_event("the login", |event| kind(event) == "login" && event["password"] == "s3cret");
    engine.events.await_event("its presence", |event| event["msg"] == "XMPP presence");
    // `timeout` hands it on to the terminal and what runs there.
    kill_process(Pid::from_child(&poezio), Signal::TERM).unwrap();
    poezio.wait().unwrap();
    engine.stop();
}

#[test]
fn slixmpp_sendxmpp_and_nmap_make_of_prosody_what_they_make_of_ours() {
    both(RULES, Genuine::prosody, |lab| {
        sendxmpp(lab);
        features(lab, "xmpp-info.server_name=chat.example.org");
        for (port, how) in [("5222", "starttls"), ("5223", "direct")] {
            let said = slixmpp(lab, port, how);
            for event in ["connected", "session_start", "message"] {
                assert!(said.lines().any(|line| line == event), "{event}: {said}");
            }
            assert!(!said.contains("stream_error"), "{said}");
        }
    });
}

#[test]
fn slixmpp_speaks_tls_from_the_first_byte() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let said = slixmpp(&lab, "5223", "direct");
    assert!(said.contains("session_start") && said.contains("message"), "{said}");
    engine.stop();
}

#[test]
fn slixmpp_with_scram_is_let_in_when_the_password_is_on_the_list() {
    let lab = Lab::new();
    let config =
        "[handlers.jabber]\nmechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-1']\ncredentials = { list = ['root:s3cret'] }\n";
    let engine = lab.engine().rules(RULES).config(config).start();
    let said = slixmpp(&lab, "5222", "starttls");
    assert!(said.contains("session_start") && !said.contains("failed_auth"), "{said}");
    engine.stop();
}

#[test]
fn nmap_names_ejabberd_and_its_script_reads_the_features() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let target = SENSOR[0].to_string();
    let scan = ["-n", "-Pn", "-sV", "-p", "5222,5269", "--host-timeout", "90s", &target];
    let said = lab.client_says("nmap", &scan, b"");
    assert!(said.contains("5222/tcp open  jabber  ejabberd (Protocol 1.0)"), "{said}");
    assert!(said.contains("5269/tcp open  jabber  ejabberd"), "{said}");
    features(&lab, "");
    engine.stop();
}

/// What nmap's script reads, asking for this host or, with nothing said, for an address.
fn features(lab: &Lab, asked: &str) {
    let target = SENSOR[0].to_string();
    let scan = ["-n", "-Pn", "--script", "xmpp-info", "--script-args", asked, "-p", "5222", &target];
    let said = lab.client_says("nmap", &scan, b"");
    for line in ["version: 1.0", "auth_mechanisms:", "PLAIN", "capabilities:", "features:", "Respects server name"] {
        assert!(said.contains(line), "{line} in {said}");
    }
}

#[test]
fn hydra_finds_a_password() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let target = format!("xmpp://{}/PLAIN", SENSOR[0]);
    let said = text(&lab.client("hydra", &["-l", "admin", "-p", "secret", "-t", "1", &target], b""));
    assert!(said.contains("1 valid password found"), "{said}");
    engine.events.await_event("the login", |event| kind(event) == "login" && event["password"] == "secret");
    engine.stop();
}
