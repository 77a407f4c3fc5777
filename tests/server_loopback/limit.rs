//! What a session may take: time, bytes, company, descriptors.

use super::*;

#[test]
fn an_idle_session_is_closed_and_counted() {
    let sensor =
        Sensor::start(Some(Action::Handler("echo".into())), |config| config.idle_timeout = Duration::from_millis(150));
    let mut stream = sensor.connect();
    let mut buffer = [0; 16];
    let mut begin = Instant::now();
    for _ in 0..4 {
        // Traffic keeps it: together these take longer than the timeout.
        thread::sleep(Duration::from_millis(60));
        stream.write_all(b"x").unwrap();
        assert_eq!(stream.read(&mut buffer).unwrap(), 1);
        begin = Instant::now();
    }
    assert_eq!(stream.read(&mut buffer).unwrap(), 0);
    assert!(begin.elapsed() >= Duration::from_millis(140));
    assert_eq!(sensor.counters.value(Counter::SessionsIdle), 1);
    sensor.stop();
}

#[test]
fn a_session_ends_at_its_longest_time_and_its_most_bytes() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.max_session = Duration::from_millis(200);
        config.max_session_bytes = 1_000;
    });
    assert_eq!(sensor.connect().read(&mut [0; 16]).unwrap(), 0);
    sensor.wait_for(Counter::SessionsOverlong, 1);
    let mut stream = sensor.connect();
    stream.write_all(&[0; 1_001]).unwrap();
    let mut echoed = Vec::new();
    stream.read_to_end(&mut echoed).unwrap();
    assert_eq!((echoed.len(), sensor.counters.value(Counter::SessionsOverlong)), (1_001, 2));
    drop(stream);
    sensor.stop();
}

#[test]
fn sessions_beyond_the_limits_are_reset_and_counted() {
    let sensor = Sensor::start(Some(Action::Handler("echo".into())), |config| {
        config.max_sessions = 3;
        config.max_sessions_per_source = 2;
    });
    let from = |last: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&sensor.tcp.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let echoes = |stream: &mut TcpStream| {
        stream.write_all(b"x")?;
        stream.read(&mut [0; 4])
    };
    let mut held = [from(1), from(1), from(2)];
    for stream in &mut held {
        assert_eq!(echoes(stream).unwrap(), 1);
    }
    assert!(echoes(&mut from(1)).is_err());
    sensor.wait_for(Counter::SessionsRefusedSource, 1);
    assert!(echoes(&mut from(3)).is_err());
    sensor.wait_for(Counter::SessionsRefusedTotal, 1);
    drop(held);
    sensor.wait_for(Counter::SessionsClosed, 3);
    assert_eq!(echoes(&mut from(3)).unwrap(), 1);
    sensor.stop();
}

#[test]
fn a_connection_without_flow_is_reset_and_counted() {
    let sensor = Sensor::start(None, |_| {});
    assert!(is_reset(&sensor.connect().read(&mut [0; 4])));
    assert_eq!(sensor.counters.value(Counter::SessionsWithoutFlow), 1);
    assert_eq!(sensor.counters.value(Counter::SessionsOpened), 0);
    sensor.stop();
}

/// The limit of open files is the process's, so this test runs itself once more as a process of its own, which is told what to do
/// through its standard input.
#[test]
fn a_server_out_of_descriptors_counts_rests_and_recovers() {
    const NAME: &str = "limit::a_server_out_of_descriptors_counts_rests_and_recovers";
    const AS_CHILD: &str = "GLUTTON_NFQ_TEST_CHILD";
    if std::env::var_os(AS_CHILD).is_some() {
        return serve_with_few_descriptors();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(AS_CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = said.find_map(|line| line.split_once("port ")?.1.parse::<u16>().ok()).unwrap();
    let connect = || TcpStream::connect((LOOPBACK, port)).unwrap();
    let held: Vec<TcpStream> = (0..100).map(|_| connect()).collect();
    let errors = said.find_map(|line| line.strip_prefix("errors ")?.parse::<u64>().ok()).unwrap();
    assert!((3..30).contains(&errors), "{errors} failed accepts: it spins");
    drop(held);
    let mut late = connect();
    late.write_all(b"late").unwrap();
    late.read_exact(&mut [0; 4]).unwrap();
    drop((late, child.stdin.take()));
    assert!(child.wait().unwrap().success());
}

fn serve_with_few_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let sensor = Sensor::handler("echo");
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + 20), maximum }).unwrap();
    println!("port {}", sensor.tcp.port());
    sensor.wait_for(Counter::AcceptErrors, 3);
    thread::sleep(Duration::from_millis(300));
    println!("errors {}", sensor.counters.value(Counter::AcceptErrors));
    io::stdin().read_line(&mut String::new()).unwrap();
    sensor.stop();
}
