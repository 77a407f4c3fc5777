//! `mqtt` and `mqtts` with mosquitto's clients and nmap.

use std::thread;

use crate::genuine::{Genuine, answers, both, both_with};
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
    both_with((RULES, "[handlers.mqtt]\nversion = '2.0.11'\n"), Genuine::mosquitto, |lab| {
        let address = SENSOR[0].to_string();
        lab.client_says("mosquitto_pub", &["-h", &address, "-q", "1", "-r", "-t", "home/door", "-m", "open"], b"");
        let output = lab.client("mosquitto_sub", &["-h", &address, "-t", "#", "-W", "2", "-v"], b"");
        assert_eq!(output.status.code(), Some(27), "{}", text(&output));
        assert!(text(&output).starts_with("home/door open\n"), "{}", text(&output));
        let output = lab.client("mosquitto_sub", &["-h", &address, "-t", "$SYS/#", "-W", "2", "-v"], b"");
        assert!(text(&output).starts_with("$SYS/broker/version mosquitto version 2.0.11\n"), "{}", text(&output));
    });
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
    let target = SENSOR[0].to_string();
    let scan = ["-n", "-Pn", "-sV", "--script", "mqtt-subscribe", "-p", "1883", "--host-timeout", "90s", &target];
    both(RULES, Genuine::mosquitto, |lab| {
        let said = lab.client_says("nmap", &scan, b"");
        assert!(said.contains("mosquitto version 2.0."), "{said}");
        assert!(said.contains("| mqtt-subscribe:") && said.contains("$SYS/broker/uptime:"), "{said}");
    });
}

#[test]
fn properties_of_mqtt_5_travel_with_a_message() {
    let address = SENSOR[0].to_string();
    both(RULES, Genuine::mosquitto, |lab| {
        let host = ["-h", address.as_str(), "-V", "mqttv5", "-q", "1", "-t", "orders"];
        let publish =
            ["-r", "-m", "open", "-D", "publish", "user-property", "k", "v", "-D", "publish", "content-type", "text"];
        let more = ["-D", "publish", "response-topic", "back", "-D", "publish", "message-expiry-interval", "60"];
        lab.client_says("mosquitto_pub", &[&host[..], &publish, &more].concat(), b"");
        let read = ["-C", "1", "-W", "20", "-F", "%t %p %q %r %C %R %P"];
        assert_eq!(
            lab.client_says("mosquitto_sub", &[&host[..], &read].concat(), b""),
            "orders open 1 1 text back k:v\n"
        );
        // A client that wants nothing of its own, and a will.
        let alone = [
            "-D",
            "subscribe",
            "subscription-identifier",
            "7",
            "--will-topic",
            "gone",
            "--will-payload",
            "x",
            "-W",
            "1",
            "-C",
            "1",
        ];
        lab.client_says("mosquitto_sub", &[&host[..], &alone].concat(), b"");
    });
}

/// Publishes to itself in every quality, with a will, and prints what it hears.
const PAHO: &str = "
import sys, paho.mqtt.client as mqtt, paho.mqtt.properties as p
for version in (mqtt.MQTTv31, mqtt.MQTTv311, mqtt.MQTTv5):
    heard = []
    client = mqtt.Client(client_id=f'paho{version}', protocol=version)
    client.will_set('gone', 'x', 1)
    client.username_pw_set('admin', 'secret')
    client.on_connect = lambda client, *rest: client.subscribe([('a/+', 2), ('b', 0)])
    def subscribed(client, *rest):
        [client.publish(f'a/{qos}', bytes([qos]) * 1000, qos) for qos in range(3)]
    client.on_subscribe = subscribed
    def message(client, userdata, message):
        heard.append((message.topic, message.qos, len(message.payload)))
        if len(heard) == 3: client.disconnect()
    client.on_message = message
    client.connect(sys.argv[1], 1883, 20)
    client.loop_forever()
    print(version, sorted(heard))
";

#[test]
fn paho_hears_itself_in_every_version_and_quality() {
    let python = std::env::var("GLUTTON_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    both(RULES, Genuine::mosquitto, |lab| {
        let said = lab.client_says(&python, &["-c", PAHO, &SENSOR[0].to_string()], b"");
        let heard = "[('a/0', 0, 1000), ('a/1', 1, 1000), ('a/2', 2, 1000)]";
        assert_eq!(said, format!("3 {heard}\n4 {heard}\n5 {heard}\n"));
    });
}

#[test]
fn odd_packets_are_answered_in_mosquittos_own_bytes() {
    let inputs: Vec<(&str, Vec<u8>)> = include_str!("../dialogues/mosquitto.txt")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, hex)| (name, data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()))
        .collect();
    // A subscription at the end: its answer is the last.
    let ended = inputs.iter().map(|(name, input)| {
        let is_5 = name.ends_with('5') || name.starts_with("v5-");
        let end: &[u8] = if is_5 { b"\x82\x09ww\0\0\x03end\0" } else { b"\x82\x08ww\0\x03end\0" };
        [input, end].concat()
    });
    let over = |heard: &[u8]| heard.ends_with(b"\x90\x03ww\0") || heard.ends_with(b"\x90\x04ww\0\0");
    let [genuine, ours] = answers((RULES, ""), (Genuine::mosquitto, 1_883), &ended.collect::<Vec<_>>(), over);
    for (((name, _), genuine), ours) in inputs.iter().zip(&genuine).zip(&ours) {
        assert_eq!(ours.escape_ascii().to_string(), genuine.escape_ascii().to_string(), "{name}");
    }
}
