//! Dialogues as mosquitto 2.0.11 answers them.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::super::transcript::{Outcome, Step, Transcript, damaged};
use super::super::visitors::Room;
use super::packet::{packet, put_binary, put_length};
use std::time::Duration;

/// A string as MQTT writes it.
fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_binary(&mut out, text.as_bytes());
    out
}

/// CONNECT with these fields; `rest` follows the client id.
fn connect(name: &str, level: u8, flags: u8, keep_alive: u16, properties: &[u8], id: &str, rest: &[u8]) -> Vec<u8> {
    let mut body = text(name);
    body.extend([level, flags]);
    body.extend(keep_alive.to_be_bytes());
    if level == 5 {
        put_length(&mut body, properties.len());
        body.extend(properties);
    }
    body.extend(text(id));
    body.extend(rest);
    packet(1, 0, &body)
}

fn connect4() -> Vec<u8> {
    connect("MQTT", 4, 2, 60, b"", "c1", b"")
}

fn connect5() -> Vec<u8> {
    connect("MQTT", 5, 2, 60, b"", "c1", b"")
}

const CONNACK4: &str = "20020000";
const CONNACK5: &str = "200900000622000a210014";

fn run(inputs: &[Vec<u8>]) -> Outcome {
    let steps: Vec<Step<'_>> = inputs.iter().map(|input| Step::Recv(input)).collect();
    Transcript::tcp("mqtt", "").run(&steps)
}

/// What is sent for these, as hexadecimal text; `!` at the end when the connection is closed.
fn answers(inputs: &[Vec<u8>]) -> String {
    let outcome = run(inputs);
    format!("{}{}", HEXLOWER.encode(&outcome.sent()), if outcome.closed { "!" } else { "" })
}

#[test]
fn connects_are_answered_as_mosquitto_does() {
    let will = [text("a/#"), text("x")].concat();
    let script: Vec<(Vec<u8>, &str)> = vec![
        (connect4(), CONNACK4),
        (connect("MQIsdp", 3, 2, 60, b"", "c1", b""), CONNACK4),
        (connect5(), CONNACK5),
        (connect("MQTT", 4, 2, 60, b"", "", b""), CONNACK4),
        (connect("MQTT", 4, 0, 60, b"", "", b""), "20020002!"),
        (connect("MQIsdp", 3, 2, 60, b"", "", b""), "20020002!"),
        (connect("MXTT", 4, 2, 60, b"", "c1", b""), "!"),
        (connect("MQTT", 6, 2, 60, b"", "c1", b""), "20020001!"),
        (connect("MQTT", 3, 2, 60, b"", "c1", b""), "20020001!"),
        (connect("MQIsdp", 4, 2, 60, b"", "c1", b""), "20020001!"),
        (connect("MQTT", 4, 3, 60, b"", "c1", b""), "!"),
        (connect("MQTT", 4, 0x42, 60, b"", "c1", &text("p")), "!"),
        (connect("MQTT", 5, 0x42, 60, b"", "c1", &text("p")), CONNACK5),
        (connect("MQTT", 4, 0xc2, 60, b"", "c1", &[text("u"), text("p")].concat()), CONNACK4),
        (connect("MQTT", 4, 6, 60, b"", "c1", &will), "!"),
        (connect("MQTT", 4, 0x0a, 60, b"", "c1", b""), "!"),
        (connect("MQTT", 4, 2, 60, b"", "c1", b"zz"), "!"),
        (connect("MQTT", 5, 2, 60, b"\x7f\0", "c1", b""), "!"),
        (connect("MQTT", 5, 2, 60, b"\x15\0\x05PLAIN", "c1", b""), "2003008c00!"),
        (connect("MQTT", 5, 2, 60, b"\x21\0\0", "c1", b""), "!"),
        (connect("MQTT", 5, 2, 0, b"", "c1", b""), "200c00000922000a13ffff210014"),
        (packet(1, 0, b"\0\x04MQTT\x04"), "!"),
    ];
    for (input, wanted) in script {
        assert_eq!(answers(std::slice::from_ref(&input)), wanted, "{}", input.escape_ascii());
    }
    let assigned = run(&[connect("MQTT", 5, 0, 60, b"", "", b"")]).sent();
    assert!(assigned.starts_with(b"\x20\x35\0\0\x32\x22\0\x0a\x12\0\x29auto-") && assigned.len() == 55);
}

#[test]
fn packets_are_answered_as_mosquitto_does() {
    let four: &[(&str, &str)] = &[
        ("c000", "d000"),
        ("c00178", "d000"),
        ("e000", "!"),
        ("82060007000161 00", "9003000700"),
        ("80060007000161 00", "!"),
        ("82020007", "!"),
        ("820a00070005612f232f62 00", "!"),
        ("82070007000261 2b00", "!"),
        ("82060007000161 03", "!"),
        ("82060000000161 00", "!"),
        ("82050007000000", "!"),
        ("820e0007000161 00 000162 01 000163 02", "90050007000102"),
        ("a2050007000161", "b0020007"),
        ("a2020007", "!"),
        ("a0050007000161", "!"),
        ("3004000174 78", ""),
        ("3206000174000978", "40020009"),
        ("3406000174000978 62020009", "5002000970020009"),
        ("62020055", "70020055"),
        ("60020001", "!"),
        ("3606000174000978", "!"),
        ("3006000374 2f23 78", "!"),
        ("3003000078", "!"),
        ("3206000174000078", "!"),
        ("320b00062453 59532f780001 78", "40020001"),
        ("3804000174 78", ""),
        ("30050002fffe78", "!"),
        ("300100", "!"),
        ("40020001", ""),
        ("70020001", ""),
        ("50020001", "62020001"),
        ("20020000", "!"),
        ("9003000100", ""),
        ("0000", "!"),
        ("f000", "!"),
        ("30ffffffffff", "!"),
        ("30ffffff7f", ""),
    ];
    let five: &[(&str, &str)] = &[
        ("c000", "d000"),
        ("e0020400", "!"),
        ("820700070000016101", "900400070001"),
        ("820b0007000005612f232f6201", "e00181!"),
        ("8210000700000a2473686172652f672f6101", "900400070001"),
        ("82090007020b05 00016101", "900400070001"),
        ("a206000700000161", "b00400070011"),
        ("820700070000016101 a206000800000161", "900400070001b00400080000"),
        ("32070001740009 0078", "4003000910"),
        ("34070001740009 0078 62020009", "5002000970020009"),
        ("820700070000017401 32070001740009 0078", "90040007000132070001740001007840020009"),
        ("3607000174 00090078", "e00181!"),
        ("30070003742f230078", "e00182!"),
        ("300400000078", "e00182!"),
        ("320c00062453 59532f7800010078", "4003000187"),
        ("300100", "e00181!"),
        ("f000", "!"),
        ("0000", "e00182!"),
        ("62020055", "70020055"),
    ];
    for (hello, connack, script) in [(connect4(), CONNACK4, four), (connect5(), CONNACK5, five)] {
        for (input, wanted) in script {
            let bytes = HEXLOWER_PERMISSIVE.decode(input.replace(' ', "").as_bytes()).unwrap();
            assert_eq!(answers(&[hello.clone(), bytes]), format!("{connack}{wanted}"), "{input}");
        }
    }
    assert_eq!(answers(&[connect4(), connect4()]), "20020000!");
}

#[test]
fn what_is_no_mqtt_is_recorded_and_reset() {
    let steps = [Step::Recv(b"GET / HTTP/1.0\r\n\r\n"), Step::Wait(50)];
    let outcome = Transcript::tcp("mqtt", "").run(&steps);
    assert!(outcome.closed && outcome.sent().is_empty());
    assert_eq!(outcome.the_event("payload").fields["bytes"], 18);
    run(&[]).the_event("connect");
}

#[test]
fn logins_topics_and_payloads_are_recorded() {
    let rest = [text("home/state"), text("gone"), text("admin"), text("s3cret")].concat();
    let hello = connect("MQTT", 4, 0xe6, 60, b"", "dev\u{e9}", &rest);
    let outcome = run(&[
        hello,
        packet(8, 2, &[b"\0\x07".as_slice(), &text("#"), b"\0"].concat()),
        packet(3, 0, &[text("a/b"), b"\xff\x00x".to_vec()].concat()),
    ]);
    let login = outcome.the_event("login");
    assert_eq!((&login.fields["username"], &login.fields["password"]), (&"admin".into(), &"s3cret".into()));
    let commands: Vec<_> = outcome.events.iter().filter(|event| event.kind == "command").collect();
    assert_eq!(commands[0].fields["command"], "CONNECT devé");
    assert_eq!(commands[0].fields["decoded"]["will"]["topic"], "home/state");
    assert_eq!(commands[1].fields["command"], "SUBSCRIBE #");
    assert_eq!(commands[2].fields["decoded"]["topic"], "a/b");
    assert_eq!(commands[2].fields["payload_hex"], "ff0078");
}

#[test]
fn a_refused_login_gets_the_code_of_its_version() {
    let settings = "credentials = { list = ['root:right'] }\nanonymous = false";
    for (level, wanted) in [(4, "20020005"), (5, "2003008700")] {
        let hello = connect("MQTT", level, 0xc2, 60, b"", "c", &[text("root"), text("wrong")].concat());
        let outcome = Transcript::tcp("mqtt", settings).run(&[Step::Recv(&hello)]);
        assert_eq!(HEXLOWER.encode(&outcome.sent()), wanted);
        assert!(outcome.closed);
    }
    assert!(Transcript::tcp("mqtt", settings).run(&[Step::Recv(&connect4())]).closed);
}

#[test]
fn a_silent_client_is_lost_after_one_and_a_half_intervals() {
    let hello = connect("MQTT", 5, 2, 10, b"", "c", b"");
    let ping = Step::Recv(b"\xc0\0");
    let steps = [Step::Recv(&hello), Step::Wait(14_000), ping, Step::Wait(14_900), Step::Wait(200)];
    let outcome = Transcript::tcp("mqtt", "").run(&steps);
    let sent = HEXLOWER.encode(&outcome.sent());
    assert!(outcome.closed && sent.ends_with("d000"), "{sent}");
}

#[test]
fn own_topics_are_retained_and_move() {
    let subscribe = packet(8, 2, &[b"\0\x07".as_slice(), &text("$SYS/#"), b"\0"].concat());
    let outcome =
        Transcript::tcp("mqtt", "").run(&[Step::Recv(&connect4()), Step::Recv(&subscribe), Step::Wait(11_000)]);
    let version = super::super::release::Release::of(&super::super::Persona::example()).mosquitto;
    let sent = outcome.sent();
    let (first, second) = sent.split_at(outcome.sent_after[1]);
    let holds = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted);
    assert!(holds(first, format!("$SYS/broker/versionmosquitto version {version}").as_bytes()));
    assert!(holds(first, b"$SYS/broker/uptime") && holds(second, b"$SYS/broker/uptime"));
    assert!(!holds(second, b"$SYS/broker/version"), "what has not changed is not sent again");
    assert_eq!(first[9], 0x31, "retained");
}

/// Several connections of one source, of which everything is shown as hexadecimal digits.
fn room() -> Room {
    Room::new("mqtt", 1_883, |bytes| HEXLOWER.encode(bytes))
}

fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    packet(8, 2, &[b"\0\x01".as_slice(), &text(filter), &[qos]].concat())
}

#[test]
fn what_one_client_publishes_reaches_another_within_a_deadline() {
    let mut room = room();
    let (mut reader, mut writer) = (room.visitor(1), room.visitor(2));
    reader.says(&room, connect("MQTT", 4, 2, 60, b"", "reader", b""));
    reader.says(&room, subscribe("a/+", 1));
    let wait = reader.out.deadline.unwrap().unwrap();
    assert!(wait.saturating_since(room.now) <= Duration::from_millis(100));
    writer.says(&room, connect("MQTT", 4, 2, 60, b"", "writer", b""));
    assert_eq!(writer.says(&room, b"\x32\x08\0\x03a/b\0\x09x"), "40020009");
    assert_eq!(reader.hears(&mut room), "32080003612f62000178");
    assert_eq!(reader.hears(&mut room), "", "once is enough");
    assert_eq!(reader.says(&room, b"\x40\x02\0\x01"), "");
    // QoS 2 is passed on when it is released.
    assert_eq!(writer.says(&room, b"\x34\x08\0\x03a/b\0\x0ay"), "5002000a");
    assert_eq!(reader.hears(&mut room), "");
    assert_eq!(writer.says(&room, b"\x62\x02\0\x0a"), "7002000a");
    assert_eq!(reader.hears(&mut room), "32080003612f62000279");
}

#[test]
fn retained_messages_greet_later_subscribers_and_an_empty_one_takes_them_away() {
    let room = room();
    let (mut reader, mut writer) = (room.visitor(1), room.visitor(2));
    writer.says(&room, connect("MQTT", 4, 2, 60, b"", "writer", b""));
    writer.says(&room, b"\x31\x05\0\x01tON");
    reader.says(&room, connect("MQTT", 4, 2, 60, b"", "reader", b""));
    assert_eq!(reader.says(&room, subscribe("#", 0)), "90030001003105000174".to_owned() + "4f4e");
    writer.says(&room, b"\x31\x03\0\x01t");
    assert_eq!(reader.says(&room, subscribe("+", 0)), "90030001003003000174", "the empty message itself");
}

#[test]
fn a_will_is_published_when_its_client_is_lost_and_not_after_a_goodbye() {
    let mut room = room();
    let mut reader = room.visitor(1);
    reader.says(&room, connect("MQTT", 4, 2, 60, b"", "reader", b""));
    reader.says(&room, subscribe("w", 0));
    let hello = connect("MQTT", 4, 6, 60, b"", "dying", &[text("w"), text("!")].concat());
    let mut dying = room.visitor(2);
    dying.says(&room, &hello);
    dying.call(room.now, |handler, cx| handler.closed(cx));
    assert_eq!(reader.hears(&mut room), "300400017721");
    let mut polite = room.visitor(3);
    polite.says(&room, &hello);
    polite.says(&room, b"\xe0\0");
    polite.call(room.now, |handler, cx| handler.closed(cx));
    assert_eq!(reader.hears(&mut room), "");
}

#[test]
fn a_session_that_is_kept_waits_with_its_messages_and_the_second_connection_takes_over() {
    let mut room = room();
    let keeping = connect("MQTT", 4, 0, 60, b"", "keeper", b"");
    let mut first = room.visitor(1);
    assert_eq!(first.says(&room, &keeping), "20020000");
    first.says(&room, subscribe("t", 1));
    first.call(room.now, |handler, cx| handler.closed(cx));
    let mut writer = room.visitor(2);
    writer.says(&room, connect("MQTT", 4, 2, 60, b"", "writer", b""));
    writer.says(&room, b"\x32\x06\0\x01t\0\x09x");
    let mut second = room.visitor(3);
    assert_eq!(second.says(&room, &keeping), "20020100".to_owned() + "3206000174000178");
    let mut third = room.visitor(4);
    // The message was not acknowledged: it comes again, marked as a duplicate.
    let again = "200901000622000a210014".to_owned() + "3a0700017400010078";
    assert_eq!(third.says(&room, connect("MQTT", 5, 0, 60, b"", "keeper", b"")), again);
    second.hears(&mut room);
    assert!(second.out.close.is_some(), "its session belongs to another");
}

#[test]
fn quality_two_goes_both_ways_in_version_five() {
    let mut room = room();
    let (mut reader, mut writer) = (room.visitor(1), room.visitor(2));
    reader.says(&room, connect("MQTT", 5, 2, 60, b"", "reader", b""));
    assert_eq!(reader.says(&room, b"\x82\x07\0\x01\0\0\x01#\x02"), "900400010002");
    writer.says(&room, connect("MQTT", 5, 2, 60, b"", "writer", b""));
    assert_eq!(writer.says(&room, b"\x34\x07\0\x01t\0\x09\0x"), "50020009");
    assert_eq!(writer.says(&room, b"\x62\x02\0\x09"), "70020009");
    assert_eq!(reader.hears(&mut room), "340700017400010078");
    assert_eq!(reader.says(&room, b"\x50\x02\0\x01"), "62020001");
    assert_eq!(reader.says(&room, b"\x70\x02\0\x01"), "");
}

#[test]
fn damaged_packets_are_taken_the_same_in_every_cut() {
    let publish = b"\x32\x0c\0\x03a/b\0\x09hello".to_vec();
    for hello in [connect4(), connect5()] {
        let whole =
            [hello, subscribe("a/#", 2), publish.clone(), b"\xc0\0".to_vec(), b"\xa2\x05\0\x07\0\x01a".to_vec()]
                .concat();
        for seed in 0..40 {
            let damaged = damaged(&whole, seed);
            let outcome = Transcript::tcp("mqtt", "").run(&[Step::Recv(&damaged), Step::Wait(100)]);
            assert!(outcome.sent().len() < 16 * damaged.len(), "{}", damaged.escape_ascii());
            assert!(!outcome.events.is_empty());
        }
    }
}

#[test]
fn a_client_that_stays_silent_for_a_day_costs_few_looks_and_few_bytes() {
    for filter in ["#", "$SYS/#"] {
        let mut room = room();
        let mut reader = room.visitor(1);
        reader.says(&room, connect("MQTT", 4, 2, 0, b"", "reader", b""));
        let mut sent = reader.says(&room, subscribe(filter, 0)).len() / 2;
        let end = room.now + Duration::from_secs(24 * 3_600);
        let mut looks = 0;
        while let Some(due) = reader.out.deadline.flatten().filter(|&due| due < end) {
            room.now = due;
            sent += reader.call(due, |handler, cx| handler.deadline(cx)).len() / 2;
            looks += 1;
        }
        assert!((1_000..10_000).contains(&looks), "{looks} looks");
        assert!(sent < 1 << 20, "{sent} bytes");
    }
}

#[test]
fn what_was_not_settled_goes_on_in_the_sessions_next_connection() {
    let room = room();
    let stays = |id: &str| connect("MQTT", 4, 0, 60, b"", id, b"");
    let publish = |topic: &str| packet(3, 4, &[text(topic).as_slice(), b"\0\x09", b"x"].concat());
    let mut first = room.visitor(1);
    first.says(&room, stays("s"));
    first.says(&room, packet(8, 2, &[b"\0\x01".as_slice(), &text("q/#"), b"\x02"].concat()));
    let mut sender = room.visitor(2);
    sender.says(&room, connect4());
    for topic in ["q/1", "q/2"] {
        sender.says(&room, publish(topic));
        sender.says(&room, packet(6, 2, b"\0\x09"));
    }
    let heard = first.says(&room, packet(12, 0, b""));
    assert!(heard.contains(&HEXLOWER.encode(b"q/1\0\x01x")), "{heard}");
    // The first is received, the second not even that; one of its own is not released yet.
    first.says(&room, packet(5, 0, b"\0\x01"));
    first.says(&room, publish("q/own"));
    // Another connection takes the session over.
    let mut second = room.visitor(3);
    let again = HEXLOWER.encode(&packet(3, 0x0c, &[text("q/2").as_slice(), b"\0\x02", b"x"].concat()));
    assert_eq!(second.says(&room, stays("s")), format!("2002010062020001{again}"));
    let released = second.says(&room, packet(6, 2, b"\0\x09"));
    assert!(released.contains(&HEXLOWER.encode(b"q/own")) && released.ends_with("70020009"), "{released}");
}

#[test]
fn a_bridge_hears_what_is_retained_and_nothing_of_its_own() {
    let mut room = room();
    let (mut bridge, mut other) = (room.visitor(1), room.visitor(2));
    bridge.says(&room, connect("MQTT", 0x84, 2, 60, b"", "bridge", b""));
    bridge.says(&room, packet(8, 2, &[b"\0\x01".as_slice(), &text("b/#"), b"\x01"].concat()));
    let publish = packet(3, 1, &[text("b/x").as_slice(), b"y"].concat());
    assert_eq!(bridge.says(&room, &publish), "");
    other.says(&room, connect4());
    other.says(&room, &publish);
    assert_eq!(bridge.hears(&mut room), HEXLOWER.encode(&publish));
}

#[test]
fn one_breath_full_of_subscriptions_is_answered_with_half_a_megabyte() {
    let mut room = room();
    let mut visitor = room.visitor(1);
    visitor.says(&room, connect4());
    visitor.says(&room, packet(3, 1, &[text("r").as_slice(), &[b'x'; 200_000]].concat()));
    let said = visitor.says(&room, subscribe("r", 0).repeat(100));
    // Each byte is two digits.
    assert!(said.len() < 2 * 800_000, "{}", said.len());
    assert!(visitor.hears(&mut room).len() > 200_000, "the rest follows");
}
