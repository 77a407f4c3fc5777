//! Proxied connections.

use super::*;

/// A server that hands its one connection to the test.
fn backend() -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, accepted) = unbounded();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        sender.send(stream).unwrap();
    });
    (address, accepted)
}

#[test]
fn a_proxied_connection_is_relayed_with_its_half_close_and_recorded() {
    let (address, accepted) = backend();
    let sensor = Sensor::proxy(address, |_| {});
    let mut visitor = sensor.connect();
    visitor.write_all(b"question").unwrap();
    visitor.shutdown(Shutdown::Write).unwrap();
    let mut target = accepted.recv_timeout(PATIENCE).unwrap();
    let mut question = String::new();
    target.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    // The visitor's side has ended; the answer still gets through.
    target.write_all(b"answer").unwrap();
    drop(target);
    let mut answer = String::new();
    visitor.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
    for (direction, payload) in [("recv", "7175657374696f6e"), ("send", "616e73776572")] {
        let (handler, event) = sensor.event();
        assert_eq!((handler.as_str(), event.kind), ("proxy", "payload"));
        assert_eq!((&event.fields["direction"], &event.fields["payload_hex"]), (&direction.into(), &payload.into()));
    }
    sensor.stop();
}

#[test]
fn a_relay_carries_megabytes_both_ways_past_a_slow_reader() {
    let (address, accepted) = backend();
    let sensor = Sensor::proxy(address, |_| {});
    let visitor = sensor.connect();
    let target = accepted.recv_timeout(PATIENCE).unwrap();
    let data = pattern(8 << 20);
    let mut ends = Vec::new();
    for stream in [visitor, target] {
        let (mut reader, mut writer, data) = (stream.try_clone().unwrap(), stream, data.clone());
        ends.push(thread::spawn(move || {
            let sending = thread::spawn(move || {
                writer.write_all(&data).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let received = read_in_pieces(&mut reader, 3_000);
            sending.join().unwrap();
            received
        }));
    }
    for end in ends {
        assert!(end.join().unwrap() == data);
    }
    assert_eq!(sensor.event().1.fields["bytes"], 8 << 20);
    sensor.stop();
}

#[test]
fn a_target_that_refuses_gives_a_reset_and_an_event() {
    let nobody = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
    let sensor = Sensor::proxy(nobody, |_| {});
    assert!(is_reset(&sensor.connect().read(&mut [0; 4])));
    let (handler, event) = sensor.event();
    assert_eq!((handler.as_str(), event.kind), ("proxy", "proxy_error"));
    assert!(
        event.msg.contains(&format!("cannot reach tcp://{nobody}: ")) && event.msg.contains("refused"),
        "{}",
        event.msg
    );
    assert_eq!(sensor.counters.value(Counter::ProxyFailures), 1);
    sensor.stop();
}

#[test]
fn a_reset_of_the_target_resets_the_visitor() {
    let (address, accepted) = backend();
    let sensor = Sensor::proxy(address, |_| {});
    let mut visitor = sensor.connect();
    let target = accepted.recv_timeout(PATIENCE).unwrap();
    socket2::SockRef::from(&target).set_linger(Some(Duration::ZERO)).unwrap();
    drop(target);
    assert!(is_reset(&visitor.read(&mut [0; 4])));
    sensor.stop();
}

#[test]
fn a_proxy_that_points_at_the_server_itself_is_refused() {
    for host in ["127.0.0.1", "localhost"] {
        let target = ProxyTarget::Tcp { host: host.into(), port: 0 };
        let sensor = Sensor::start(Some(Action::Proxy(target)), |_| {});
        assert!(is_reset(&sensor.connect().read(&mut [0; 4])), "{host}");
        let (_, event) = sensor.event();
        assert_eq!(event.kind, "proxy_error");
        assert_eq!(sensor.counters.value(Counter::SessionsOpened), 1, "it went round");
        sensor.stop();
    }
}

#[test]
fn a_target_named_by_name_is_resolved_off_the_loop() {
    let (address, accepted) = backend();
    let target = ProxyTarget::Tcp { host: "localhost".into(), port: address.port() };
    let sensor = Sensor::start(Some(Action::Proxy(target)), |_| {});
    let mut visitor = sensor.connect();
    visitor.write_all(b"hi").unwrap();
    let mut target = accepted.recv_timeout(PATIENCE).unwrap();
    let mut question = [0; 2];
    target.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"hi");
    drop((visitor, target));
    sensor.stop();
}

#[test]
fn a_target_that_does_not_answer_in_time_is_given_up() {
    // A listener whose queue is full lets connections hang.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::new(LOOPBACK, 0).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let _fill: Vec<_> = (0..3)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            socket
        })
        .collect();
    let sensor = Sensor::proxy(address, |config| config.connect_timeout = Duration::from_millis(300));
    let mut visitor = sensor.connect();
    visitor.write_all(b"first words").unwrap();
    assert!(is_reset(&visitor.read(&mut [0; 4])));
    assert!(sensor.event().1.msg.contains("does not answer in time"));
    assert_eq!(sensor.event().1.fields["payload_hex"], "666972737420776f726473");
    sensor.stop();
}
