//! UDP sessions, and what may be answered to whom.

use super::*;

#[test]
fn udp_answers_come_from_the_address_that_was_dialled() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.listen = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    });
    for last in 1..=3 {
        let dialled = SocketAddr::from(([127, 0, 0, last], sensor.udp_port));
        let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        for payload in [&b"one"[..], b"", b"three"] {
            client.send_to(payload, dialled).unwrap();
            let mut answer = [0; 16];
            let (len, from) = client.recv_from(&mut answer).unwrap();
            assert_eq!((&answer[..len], from), (payload, dialled));
        }
        assert!(sensor.flows.asked.lock().unwrap().contains(&dialled));
    }
    assert_eq!(sensor.counters.value(Counter::DatagramsReceived), 9);
    sensor.stop();
}

#[test]
fn ipv6_visitors_are_served_as_well() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.listen = vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    });
    let to = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect(to(sensor.tcp.port())).unwrap();
    stream.write_all(b"six").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    let client = UdpSocket::bind(to(0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send_to(b"six", to(sensor.udp_port)).unwrap();
    assert_eq!(client.recv_from(&mut answer).unwrap(), (3, to(sensor.udp_port)));
    drop(stream);
    sensor.stop();
}

#[test]
fn a_udp_session_that_was_silent_asks_again_whose_it_is() {
    let sensor = Sensor::handler("echo");
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let echo = || {
        client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
        assert_eq!(client.recv(&mut [0; 4]).unwrap(), 1);
    };
    echo();
    sensor.flows.id.store(7, Relaxed);
    echo();
    assert!(sensor.records.is_empty(), "the session was cut although it talked");
    thread::sleep(Duration::from_millis(1_050));
    echo();
    assert_eq!(sensor.event().1.fields["bytes"], 2);
    sensor.stop();
}

#[test]
fn udp_answers_to_one_source_are_limited() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| config.udp_answers_per_source = 10);
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..100 {
        client.send(b"x").unwrap();
    }
    sensor.wait_for(Counter::DatagramsReceived, 100);
    sensor.wait_for(Counter::DatagramsUnanswered, 70);
    assert!(sensor.counters.value(Counter::DatagramsUnanswered) <= 80);
    sensor.stop();
}

/// Answers with two datagrams, thrice as long together as what came.
struct Talkative;

impl Handler for Talkative {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        cx.send(bytes);
        cx.send([bytes, bytes].concat());
    }
}

fn talkative(change: impl FnOnce(&mut config::Server)) -> Sensor {
    let mut registry = Registry::builtin();
    registry.register("talkative", &[Transport::Udp, Transport::Tcp], |_: &Session| Talkative);
    Sensor::start_with(registry, Some(Action::Handler("talkative".into())), change)
}

#[test]
fn an_address_that_may_be_forged_never_gets_more_than_came_in_its_name() {
    let sensor = talkative(|_| {});
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..30 {
        client.send(b"0123456789").unwrap();
    }
    sensor.wait_for(Counter::DatagramsReceived, 30);
    // An answer of 30 bytes for every third datagram, and each goes whole or not at all.
    sensor.wait_for(Counter::DatagramsUnanswered, 40);
    sensor.wait_for(Counter::DatagramsAnswered, 20);
    sensor.wait_for(Counter::DatagramBytesSent, 300);
    assert_eq!(sensor.counters.value(Counter::DatagramsAnswered), 20);
    assert_eq!(sensor.counters.value(Counter::DatagramBytesReceived), 300);
    assert_eq!(sensor.counters.value(Counter::DatagramBytesSent), 300);
    sensor.stop();
}

#[test]
fn an_address_that_has_connected_over_tcp_gets_whole_answers_up_to_its_rate() {
    let sensor = talkative(|config| config.udp_answer_bytes_per_source = 1_000);
    let mut stream = sensor.connect();
    stream.write_all(b"x").unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 3);
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..30 {
        client.send(&[7; 100]).unwrap();
    }
    sensor.wait_for(Counter::DatagramsReceived, 30);
    // Two answers were wanted for each: all are decided when each was sent or refused.
    let decided =
        || sensor.counters.value(Counter::DatagramsAnswered) + sensor.counters.value(Counter::DatagramsUnanswered);
    let begin = Instant::now();
    while decided() < 60 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{} answers are decided", decided());
        thread::yield_now();
    }
    // As much as came, and two seconds' worth, or a little more if the test takes its time.
    let sent = sensor.counters.value(Counter::DatagramBytesSent);
    assert!((4_800..=6_000).contains(&sent), "{sent}");
    drop(stream);
    sensor.stop();
}

#[test]
fn datagrams_are_recorded_up_to_the_cap_and_sessions_expire() {
    let sensor = Sensor::start(Some(Action::Handler("udp".into())), |config| {
        config.udp_idle_timeout = Duration::from_millis(50);
    });
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.connect((LOOPBACK, sensor.udp_port)).unwrap();
    for _ in 0..20 {
        client.send(b"datagram").unwrap();
    }
    sensor.wait_for(Counter::DatagramsUnrecorded, 4);
    for _ in 0..16 {
        assert_eq!(sensor.event().1.fields["payload_hex"], "646174616772616d");
    }
    sensor.stop();
}

#[test]
fn a_datagram_without_flow_is_dropped_and_counted() {
    let sensor = Sensor::start(None, |_| {});
    let client = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
    sensor.wait_for(Counter::DatagramsWithoutFlow, 1);
    sensor.stop();
}

#[test]
fn udp_sessions_beyond_the_limit_push_out_the_oldest() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| config.max_sessions = 8);
    let clients: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind((LOOPBACK, 0)).unwrap()).collect();
    for client in &clients {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
        assert_eq!(client.recv(&mut [0; 4]).unwrap(), 1);
    }
    assert_eq!(sensor.counters.value(Counter::DatagramSessionsEvicted), 12);
    sensor.stop();
}
