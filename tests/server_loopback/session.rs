//! What a visitor and a handler say to each other: back-pressure, half-closed ends, events.

use glutton_nfq::handlers::Guise;

use super::*;

/// The `tcp` handler that answers with random bytes.
fn answering() -> Sensor {
    let tables = "[tcp]\nanswer = 'random'".parse().unwrap();
    let mut registry = Registry::builtin();
    registry.configure(&tables, 4_096, &Guise::example()).unwrap();
    Sensor::start_with(registry, Some(Action::Handler("tcp".to_owned())), |_| {})
}

#[test]
fn a_megabyte_is_echoed_bit_for_bit_to_a_slow_reader() {
    let sensor = Sensor::handler("echo");
    let sent = pattern(1 << 20);
    let mut stream = sensor.connect();
    let mut writer = stream.try_clone().unwrap();
    let expected = sent.clone();
    let sending = thread::spawn(move || {
        for piece in sent.chunks(7_919) {
            writer.write_all(piece).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // Small reads: the sender runs ahead until back-pressure stops it.
    let received = read_in_pieces(&mut stream, 1_000);
    sending.join().unwrap();
    assert!(received == expected);
    let (handler, event) = sensor.event();
    assert_eq!((handler.as_str(), event.kind), ("echo", "payload"));
    assert_eq!(event.fields["bytes"], 1 << 20);
    assert_eq!(event.fields["truncated"], true);
    assert_eq!(sensor.counters.value(Counter::PayloadTruncated), 1);
    sensor.stop();
}

#[test]
fn what_an_event_leaves_out_is_counted_whatever_the_handler() {
    let stranger = [0xff; 10_000];
    for handler in ["tcp", "mqtt", "jabber", "log_http", "telnet"] {
        let sensor = Sensor::handler(handler);
        let mut stream = sensor.connect();
        stream.write_all(&stranger).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        sensor.wait_for(Counter::SessionsClosed, 1);
        let cut = sensor
            .records
            .try_iter()
            .filter(|record| matches!(record, Record::Session { event, .. } if event.is_truncated()));
        assert_eq!((cut.count(), sensor.counters.value(Counter::PayloadTruncated)), (1, 1), "{handler}");
        sensor.stop();
    }
}

#[test]
fn a_visitor_that_never_reads_is_not_read_either() {
    let sensor = Sensor::handler("echo");
    let mut stream = sensor.connect();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let piece = vec![0; 64 * 1024];
    let mut taken = 0;
    // Socket buffers on both sides take a few megabytes; without back-pressure this would go on for ever.
    while stream.write(&piece).map(|len| taken += len).is_ok() {
        assert!(taken < 256 << 20, "the server takes without bound");
    }
    drop(stream);
    sensor.event();
    sensor.stop();
}

#[test]
fn a_visitor_that_ends_its_side_still_gets_the_answer() {
    let sensor = answering();
    let mut stream = sensor.connect();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!((12..=511).contains(&answer.len()));
    let (handler, event) = sensor.event();
    assert_eq!((handler.as_str(), &event.fields["payload_hex"]), ("tcp", &"68656c6c6f".into()));
    sensor.stop();
}

#[test]
fn the_answer_survives_what_the_visitor_still_sends() {
    let sensor = answering();
    let mut stream = sensor.connect();
    // The limit ends the recording with most of this unread: closing then would send a reset.
    stream.write_all(&[0x41; 200_000]).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!((12..=511).contains(&answer.len()));
    drop(stream);
    sensor.stop();
}

#[test]
fn a_visitor_that_says_nothing_and_leaves_still_makes_an_event() {
    let sensor = Sensor::handler("tcp");
    drop(sensor.connect());
    assert_eq!(sensor.event().1.kind, "connect");
    sensor.stop();
}

#[test]
fn an_unknown_handler_is_replaced_by_the_recorder() {
    let sensor = Sensor::handler("no-such-handler");
    let mut stream = sensor.connect();
    stream.write_all(b"x").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(sensor.event().0, "tcp");
    sensor.stop();
}

#[test]
fn urgent_data_neither_stalls_a_session_nor_loses_bytes() {
    let sensor = Sensor::handler("echo");
    let mut stream = sensor.connect();
    stream.write_all(b"ab").unwrap();
    socket2::SockRef::from(&stream).send_out_of_band(b"U").unwrap();
    stream.write_all(b"cd").unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"abUcd");
    drop(stream);
    sensor.stop();
}

#[test]
fn http_is_logged_over_a_kept_and_pipelined_connection() {
    let sensor = Sensor::handler("log_http");
    let mut stream = sensor.connect();
    stream.write_all(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").unwrap();
    for path in ["/1", "/2"] {
        assert_eq!(sensor.event().1.fields["path"], path);
    }
    stream.write_all(b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3);
    assert_eq!(answers.matches("\r\n\r\nOK\n").count(), 3);
    assert_eq!(sensor.event().1.fields["path"], "/3");
    sensor.stop();
}
