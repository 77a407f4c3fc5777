//! `mqtt` and `mqtts` with mosquitto's clients and nmap.

use std::thread;

use crate::lab::events::kind;
use crate::lab::{Lab, SENSOR};
use crate::program::text;

const RULES: &str = "
version: 1
rules:
  - {name: mqtt, match: tcp dst port 1883, type: handler, target: mqtt}
  - {name: mqtts, match: tcp dst port 8883, type: handler, target: mqtts}
";

#[test]
fn mosquittos_clients_hear_each_other_in_every_version_and_quality() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    for (address, version, qos) in [
        (SENSOR[0], "mqttv31", "0"),
        (SENSOR[0], "mqttv311", "1"),
        (SENSOR[0], "mqttv5", "2"),
        (SENSOR[1], "mqttv311", "1"),
    ] {
        let address = address.to_string();
        let topic = format!("{address}/{version}/{qos}");
        let filter = format!("{address}/{version}/+");
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let args = ["-h", &address, "-V", version, "-q", qos, "-t", &filter, "-C", "1", "-W", "20", "-v"];
                lab.client("mosquitto_sub", &args, b"")
            });
            // The reader says nothing when it is ready: the event does.
            engine.events.await_event("the subscription", |event| event["command"] == format!("SUBSCRIBE {filter}"));
            let args =
                ["-h", &address, "-V", version, "-q", qos, "-t", &topic, "-m", "open", "-u", "admin", "-P", "pw"];
            lab.client_says("mosquitto_pub", &args, b"");
            let output = reader.join().unwrap();
            assert_eq!(text(&output), format!("{topic} open\n"), "{version} {qos}");
        });
        let event = engine.events.await_event("the login", |event| kind(event) == "login");
        assert_eq!((&event["username"], &event["password"]), (&"admin".into(), &"pw".into()));
    }
    engine.stop();
}

#[test]
fn a_subscriber_of_everything_ends_by_its_own_time_and_retained_topics_greet_it() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let address = SENSOR[0].to_string();
    lab.client_says("mosquitto_pub", &["-h", &address, "-q", "1", "-r", "-t", "home/door", "-m", "open"], b"");
    let output = lab.client("mosquitto_sub", &["-h", &address, "-t", "#", "-W", "2", "-v"], b"");
    assert_eq!(output.status.code(), Some(27), "{}", text(&output));
    assert!(text(&output).starts_with("home/door open\n"), "{}", text(&output));
    let output = lab.client("mosquitto_sub", &["-h", &address, "-t", "$SYS/#", "-W", "2", "-v"], b"");
    assert!(text(&output).starts_with("$SYS/broker/version mosquitto version 2.0.11\n"), "{}", text(&output));
    engine.stop();
}

#[test]
fn mosquittos_clients_speak_through_tls() {
    let lab = Lab::new();
    let mut engine = lab.engine().rules(RULES).start();
    let certificate = lab.client(
        "sh",
        &["-c", &format!("openssl s_client -connect {}:8883 </dev/null 2>/dev/null | openssl x509", SENSOR[0])],
        b"",
    );
    let file = lab.file("ca.pem", &String::from_utf8(certificate.stdout).unwrap());
    let address = SENSOR[0].to_string();
    let args = [
        "-h",
        &address,
        "-p",
        "8883",
        "--cafile",
        file.to_str().unwrap(),
        "--insecure",
        "-q",
        "1",
        "-t",
        "a",
        "-m",
        "b",
    ];
    lab.client_says("mosquitto_pub", &args, b"");
    let event = engine.events.await_event("the message", |event| event["command"] == "PUBLISH a");
    assert_eq!(event["handler"], "mqtts");
    assert!(event["tls"].is_object(), "{event}");
    engine.stop();
}

#[test]
fn nmap_names_mosquitto_and_its_script_reads_the_topics() {
    let lab = Lab::new();
    let engine = lab.engine().rules(RULES).start();
    let target = SENSOR[0].to_string();
    let scan = ["-n", "-Pn", "-sV", "--script", "mqtt-subscribe", "-p", "1883", "--host-timeout", "90s", &target];
    let said = lab.client_says("nmap", &scan, b"");
    assert!(said.contains("mosquitto version 2.0.11"), "{said}");
    assert!(said.contains("| mqtt-subscribe:") && said.contains("$SYS/broker/uptime:"), "{said}");
    engine.stop();
}
