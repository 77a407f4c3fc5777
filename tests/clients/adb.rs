//! ADB: the client of the Android SDK, and nmap.

use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR};
use crate::program::text;

const RULES: &str = "
version: 1
rules:
  - {name: adb, match: tcp dst port 5555, type: handler, target: adb}
";

/// An ADB server of the lab's own: it runs in the attacker's namespace and ends with the value.
struct Client<'a> {
    lab: &'a Lab,
    home: String,
    device: String,
}

impl<'a> Client<'a> {
    fn new(lab: &'a Lab) -> Self {
        let home = lab.path("adb-home");
        std::fs::create_dir_all(&home).unwrap();
        Self { lab, home: home.to_str().unwrap().to_owned(), device: format!("{}:5555", SENSOR[0]) }
    }

    /// What `adb ARGS` printed, whatever it returned.
    fn run(&self, args: &[&str], input: &[u8]) -> String {
        let home = [format!("HOME={}", self.home), format!("TMPDIR={}", self.home)];
        let words: Vec<&str> = home.iter().map(String::as_str).chain(["adb"]).chain(args.iter().copied()).collect();
        text(&self.lab.client("env", &words, input))
    }

    /// The same with the sensor as device.
    fn on_device(&self, args: &[&str], input: &[u8]) -> String {
        self.run(&[&["-s", &self.device], args].concat(), input)
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.run(&["kill-server"], b"");
        }
    }
}

#[test]
fn adb_connects_runs_commands_and_its_session_is_recorded() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let client = Client::new(&lab);
    let said = client.run(&["connect", &client.device], b"");
    assert!(said.contains(&format!("connected to {}", client.device)), "{said}");
    let devices = client.run(&["devices", "-l"], b"");
    let line = devices.lines().find(|line| line.starts_with(&client.device)).expect(&devices);
    assert!(line.contains(" device ") && line.contains("product:") && line.contains("model:"), "{line}");

    assert!(client.on_device(&["shell", "id"], b"").starts_with("uid=2000(shell) gid=2000(shell)"));
    let release = client.on_device(&["shell", "getprop ro.build.version.release"], b"");
    assert!(release.starts_with(|first: char| first.is_ascii_digit()), "{release}");
    assert_eq!(client.on_device(&["exec-out", "echo raw"], b""), "raw\n");
    let piped = client.on_device(&["shell"], b"echo one\necho two\nexit\n").replace('\r', "");
    assert!(piped.contains("one\n") && piped.contains("two\n"), "{piped}");
    assert!(client.on_device(&["root"], b"").contains("adbd cannot run as root in production builds"));

    let command = engine.events.await_event("a command", |event| kind(event) == "command" && event["command"] == "id");
    assert_eq!((&command["handler"], &command["dest_port"]), (&"adb".into(), &5555.into()));
    drop(client);
    engine.stop();
}

#[test]
fn adb_pushes_pulls_lists_and_installs_and_what_it_sent_is_kept() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let client = Client::new(&lab);
    client.run(&["connect", &client.device], b"");
    let bot: Vec<u8> = b"\x7fELF".iter().copied().chain((0..200_000_u32).map(|at| at.to_le_bytes()[1])).collect();
    let local = lab.path("bot");
    std::fs::write(&local, &bot).unwrap();
    let local = local.to_str().unwrap();

    let pushed = client.on_device(&["push", local, "/data/local/tmp/bot"], b"");
    assert!(pushed.contains("1 file pushed"), "{pushed}");
    let sample = engine.events.await_event("the pushed file", |event| kind(event) == "download");
    assert_eq!((&sample["name"], &sample["bytes"]), (&"/data/local/tmp/bot".into(), &bot.len().into()));
    assert!(client.on_device(&["shell", "ls -l /data/local/tmp"], b"").contains("bot"));

    let back = lab.path("back");
    let pulled = client.on_device(&["pull", "/data/local/tmp/bot", back.to_str().unwrap()], b"");
    assert!(pulled.contains("1 file pulled"), "{pulled}");
    assert!(std::fs::read(&back).unwrap() == bot);
    let missing = client.on_device(&["pull", "/nowhere", "x"], b"");
    assert!(missing.contains("remote object '/nowhere' does not exist"), "{missing}");
    let refused = client.on_device(&["push", local, "/system/bot"], b"");
    assert!(refused.contains("remote couldn't create file: Read-only file system"), "{refused}");

    let package = lab.path("a.apk");
    std::fs::write(&package, b"PK\x03\x04 a package").unwrap();
    let installed = client.on_device(&["install", package.to_str().unwrap()], b"");
    assert!(installed.contains("Success"), "{installed}");
    engine.events.await_event("the package", |event| kind(event) == "download" && event["bytes"] == 14);
    drop(client);
    engine.stop();
}

#[test]
fn nmap_names_the_device() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let address = SENSOR[0].to_string();
    let found = lab.client_says("nmap", &["-n", "-Pn", "-sV", "-p", "5555", "--host-timeout", "50s", &address], b"");
    assert!(found.contains("5555/tcp open  adb") && found.contains("Android Debug Bridge device (name: "), "{found}");
    engine.stop();
}
