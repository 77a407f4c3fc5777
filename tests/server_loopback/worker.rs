//! Threads: several at once, their start and their end.

use super::*;

#[test]
fn a_thousand_connections_at_the_same_time_are_all_served() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| config.workers = 2);
    let mut streams: Vec<TcpStream> = (0..1_000).map(|_| sensor.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&(number as u64).to_be_bytes()).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut echoed = [0; 8];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(u64::from_be_bytes(echoed), number as u64);
    }
    assert_eq!(sensor.counters.value(Counter::SessionsOpened), 1_000);
    drop(streams);
    sensor.wait_for(Counter::SessionsClosed, 1_000);
    sensor.stop();
}

#[test]
fn limits_are_those_of_all_workers_together_however_many_there_are() {
    for workers in [1, 4] {
        let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
            config.workers = workers;
            config.max_sessions = 24;
            config.udp_answers_per_source = 10;
        });
        let mut streams: Vec<TcpStream> = (0..40).map(|_| sensor.connect()).collect();
        sensor.wait_for(Counter::SessionsRefusedTotal, 16);
        assert_eq!(sensor.counters.value(Counter::SessionsOpened), 24, "{workers}");
        let echoes = |stream: &mut TcpStream| stream.write_all(b"x").and_then(|()| stream.read(&mut [0; 4])).ok();
        assert_eq!(streams.iter_mut().filter_map(echoes).sum::<usize>(), 24, "{workers}");
        drop(streams);
        sensor.wait_for(Counter::SessionsClosed, 24);
        // One source on many ports meets all workers, on one port one of them: it gets two seconds' worth at once either way.
        for ports in [1, 50] {
            let before = sensor.counters.value(Counter::DatagramsReceived);
            let clients: Vec<UdpSocket> = (0..ports).map(|_| UdpSocket::bind((LOOPBACK, 0)).unwrap()).collect();
            for client in clients.iter().cycle().take(50) {
                client.send_to(b"x", (LOOPBACK, sensor.udp_port)).unwrap();
            }
            sensor.wait_for(Counter::DatagramsReceived, before + 50);
        }
        let decided =
            || sensor.counters.value(Counter::DatagramsAnswered) + sensor.counters.value(Counter::DatagramsUnanswered);
        let begin = Instant::now();
        while decided() < 100 {
            assert!(begin.elapsed() < PATIENCE, "{} answers are decided", decided());
            thread::yield_now();
        }
        let answered = sensor.counters.value(Counter::DatagramsAnswered);
        assert!((20..=30).contains(&answered), "{answered} answers of {workers} workers");
        sensor.stop();
    }
}

#[test]
fn clients_of_one_source_meet_on_whichever_worker_serves_them() {
    let sensor = Sensor::start(Some(Action::Handler("memcache".into())), |config| config.workers = 4);
    let ask = |question: &[u8], answer: &str| {
        let mut stream = sensor.connect();
        stream.write_all(question).unwrap();
        let mut said = vec![0; answer.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(String::from_utf8_lossy(&said), answer);
    };
    for number in 0..16 {
        ask(format!("set key{number} 0 0 1\r\n{}\r\n", number % 10).as_bytes(), "STORED\r\n");
    }
    for number in 0..16 {
        let answer = format!("VALUE key{number} 0 1\r\n{}\r\nEND\r\n", number % 10);
        ask(format!("get key{number}\r\n").as_bytes(), &answer);
    }
    sensor.stop();
}

#[test]
fn at_shutdown_handlers_have_their_last_word_and_visitors_a_proper_end() {
    let mut sensor = Sensor::handler("echo");
    let mut stream = sensor.connect();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    let handle = sensor.handle.take().unwrap();
    assert!(!handle.has_failed());
    let ended = thread::spawn(move || handle.shutdown(Duration::from_secs(5)));
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    drop(stream);
    assert!(ended.join().unwrap());
    assert_eq!(sensor.event().1.fields["payload_hex"], "78");
    assert!(TcpStream::connect(sensor.tcp).is_err());
}

#[test]
fn a_thread_that_cannot_give_up_its_rights_does_not_start() {
    let config = config::Server { listen: vec![LOOPBACK], tcp_port: 0, udp_port: 0, ..config::Server::default() };
    let services = Services {
        registry: Arc::new(Registry::builtin()),
        flows: Arc::new(EverybodyOf::default()),
        counters: Arc::default(),
        clock: Clock::start(),
        samples: SampleSender::none(),
        targets: Vec::new(),
    };
    let calls = AtomicU64::new(0);
    let denied = move || match calls.fetch_add(1, Relaxed) {
        0 => Ok(()),
        _ => Err(io::Error::from(ErrorKind::PermissionDenied)),
    };
    let error = bind(&config).unwrap().spawn(services, |_: Record| {}, denied).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}
