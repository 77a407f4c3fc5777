//! The way of a file from a handler to the disk.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::fetch::Fetcher;
use super::thread::Keeper;
use super::*;
use crate::clock::Clock;
use crate::config::{Downloads, Samples};
use crate::control::{Counter, Counters};
use crate::events::{self, Event};
use crate::flow::{FlowId, FlowKey, Transport};
use crate::handlers::{Download, Persona, Sample};
use crate::rules::RuleSet;

fn origin() -> Origin {
    let rules = RuleSet::from_yaml("rules: [{name: all, type: handler, target: tcp}]", "test.yml").unwrap();
    let key = FlowKey {
        transport: Transport::Tcp,
        client: [203, 0, 113, 7].into(),
        client_port: 40_000,
        dialled: [198, 51, 100, 1].into(),
        dialled_port: 23,
    };
    let flow = FlowRef { id: FlowId(1), key, rule: Arc::clone(&rules.rules()[0]) };
    Origin { at: Timestamp::from_micros(1_700_000_000_000_000), flow, handler: Arc::from("telnet") }
}

fn fetching(limits: &Samples, counters: &Arc<Counters>) -> Fetching {
    let (events, _) = events::channel(64, Arc::clone(counters));
    let (persona, clock) = (Persona::example(), Clock::start());
    Fetching { limits: limits.clone(), captured: Vec::new(), persona, events, counters: Arc::clone(counters), clock }
}

/// A downloader with a store of its own.
struct Bench {
    dir: tempfile::TempDir,
    counters: Arc<Counters>,
    fetcher: Fetcher,
}

impl Bench {
    fn new(limits: Samples) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let counters = Arc::new(Counters::default());
        let store = Store::open(&dir.path().join("samples"), &limits, None).unwrap();
        let keeper = Keeper::new(Some(store), Arc::clone(&counters));
        let fetcher = Fetcher::new(fetching(&limits, &counters), keeper);
        Self { dir, counters, fetcher }
    }

    /// Everything on 127.0.0.1 counts as public, and nothing else.
    fn on_loopback(limits: Samples) -> Self {
        let Self { dir, counters, fetcher } = Self::new(limits);
        Self { dir, counters, fetcher: fetcher.judging_by(|address, _| address == IpAddr::V4(Ipv4Addr::LOCALHOST)) }
    }

    fn fetch(&mut self, url: &str) -> Event {
        self.fetcher.serve(&origin(), &Download { url: url.to_owned(), tool: "wget".to_owned() })
    }
}

/// Serves each connection with the next of these answers, and remembers the requests.
fn serve(answers: Vec<Vec<u8>>) -> (SocketAddr, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            requests.push(String::from_utf8(request).unwrap());
            let _ = stream.write_all(&answer);
        }
        requests
    });
    (address, thread)
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body]
        .concat()
}

#[test]
fn a_file_that_a_visitor_brings_is_stored_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (limits, counters) = (Samples::default(), Arc::new(Counters::default()));
    let store = Store::open(&dir.path().join("s"), &limits, None).unwrap();
    let (sender, receivers) = channel(&limits, Arc::clone(&counters));
    let fetching = fetching(&limits, &counters);
    let collector = Collector::start(receivers, Some(store), fetching, Arc::clone(&counters), || Ok(())).unwrap();
    for name in ["/tmp/a", "/tmp/b"] {
        sender.store(origin(), Sample::new(name, b"\x7fELF".to_vec()));
    }
    assert!(collector.finish(Duration::from_secs(10)));
    assert_eq!((counters.value(Counter::SamplesStored), counters.value(Counter::SamplesKnown)), (1, 1));
    let about = std::fs::read_dir(dir.path().join("s")).unwrap().flatten().map(|entry| entry.path());
    let about = about.into_iter().find(|path| path.extension().is_some()).unwrap();
    let about: Value = serde_json::from_slice(&std::fs::read(about).unwrap()).unwrap();
    assert_eq!((&about["name"], &about["src_ip"]), (&"/tmp/a".into(), &"203.0.113.7".into()));
    assert_eq!((&about["time"], &about["handler"]), (&"2023-11-14T22:13:20Z".into(), &"telnet".into()));
}

#[test]
fn files_that_find_no_room_in_the_queue_are_counted() {
    let limits = Samples { queue_bytes: 100, ..Samples::default() };
    let counters = Arc::new(Counters::default());
    let (sender, receivers) = channel(&limits, Arc::clone(&counters));
    for _ in 0..5 {
        sender.store(origin(), Sample::new("x", vec![0; 30]));
    }
    assert_eq!((receivers.files.len(), counters.value(Counter::SamplesLost)), (3, 2));
    sender.fetch(origin(), Download { url: "http://x/".to_owned(), tool: "wget".to_owned() });
    assert_eq!(receivers.downloads.len(), 0, "only recorded by default");
}

#[test]
fn a_named_file_is_fetched_as_the_tool_would_and_stored() {
    let (address, server) = serve(vec![
        answer("302 Found\r\nLocation: /real", b""),
        answer("200 OK\r\nContent-Type: text/x-sh", b"#!/bin/sh\n"),
    ]);
    let mut bench = Bench::on_loopback(Samples::default());
    let event = bench.fetch(&format!("{address}/bins.sh"));
    assert_eq!((&event.fields["outcome"], &event.fields["bytes"]), (&"stored".into(), &10.into()), "{event:?}");
    let hash = event.fields["payload_hash"].as_str().unwrap();
    assert_eq!(std::fs::read(bench.dir.path().join("samples").join(hash)).unwrap(), b"#!/bin/sh\n");
    let requests = server.join().unwrap();
    assert!(
        requests[0].starts_with("GET /bins.sh HTTP/1.1\r\n") && requests[1].starts_with("GET /real "),
        "{requests:?}"
    );
    let agent = requests[0].to_ascii_lowercase();
    assert!(agent.contains("user-agent: wget/1.2") && !agent.contains("ureq"), "{agent}");
    assert!(!agent.contains("accept-encoding"), "{agent}");
    let again = bench.fetch(&format!("{address}/bins.sh"));
    assert_eq!(again.fields["outcome"], "refused");
    assert_eq!(bench.counters.value(Counter::DownloadsRepeated), 1);
}

#[test]
fn private_and_own_addresses_are_never_asked_however_they_are_named() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            ASKED.fetch_add(1, SeqCst);
        }
    });
    let mut bench = Bench::new(Samples::default());
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0", "198.51.100.1"];
    for host in hosts {
        let event = bench.fetch(&format!("http://{host}:{port}/x"));
        assert_ne!(event.fields["outcome"], "stored", "{host}");
    }
    assert_eq!(ASKED.load(SeqCst), 0);
    assert!(bench.counters.value(Counter::DownloadsRefusedTarget) >= 4);
}

#[test]
fn every_limit_of_a_download_holds_and_is_counted() {
    let limits = Samples {
        max_file_bytes: 1_024,
        fetch_redirects: 2,
        fetch_timeout: Duration::from_millis(300),
        fetches_per_minute: 10,
        downloads: Downloads::Fetch,
        ..Samples::default()
    };
    let mut bench = Bench::on_loopback(limits);
    let (address, _server) = serve(vec![
        answer("200 OK", &[0; 1_025]),
        answer("404 Not Found", b"no"),
        answer("302 Found\r\nLocation: /2", b""),
        answer("302 Found\r\nLocation: /3", b""),
        answer("302 Found\r\nLocation: /4", b""),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_vec(),
        Vec::new(),
    ]);
    let url = |path: &str| format!("http://{address}/{path}");
    for (path, counter) in [
        ("long", Counter::SamplesTooLong),
        ("missing", Counter::DownloadsFailed),
        ("circle", Counter::DownloadsFailed),
        ("cut", Counter::DownloadsFailed),
    ] {
        let before = bench.counters.value(counter);
        let event = bench.fetch(&url(path));
        assert_eq!(bench.counters.value(counter), before + 1, "{path}: {event:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let event = bench.fetch(&format!("http://{}/slow", silent.local_addr().unwrap()));
    assert_eq!(event.fields["outcome"], "failed", "{event:?}");
    bench.fetch(&url("sixth"));
    assert_eq!(bench.counters.value(Counter::DownloadsRefusedRate), 1);
    for other in ["ftp://x/y", "tftp://x/y", "file:///etc/passwd", "gopher://x"] {
        assert_eq!(bench.fetch(other).fields["outcome"], "refused");
    }
    assert_eq!(bench.counters.value(Counter::DownloadsRefusedTarget), 4);
}

#[test]
fn a_redirect_leads_nowhere_that_the_url_itself_could_not() {
    let elsewhere = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let to = [
        (format!("http://127.0.0.2:{port}/"), "127.0.0.2 is not a public address"),
        ("http://169.254.169.254/latest/".to_owned(), "169.254.169.254 is not a public address"),
        ("http://127.0.0.1:25/".to_owned(), "port 25 is that of another service"),
        ("http://root:root@127.0.0.1/".to_owned(), "the URL has credentials: the sensor logs in nowhere"),
    ];
    let answers = to.iter().map(|(to, _)| answer(&format!("302 Found\r\nLocation: {to}"), b"")).collect();
    let (address, server) = serve(answers);
    let mut bench = Bench::on_loopback(Samples { downloads: Downloads::Fetch, ..Samples::default() });
    for (number, (to, reason)) in to.iter().enumerate() {
        let event = bench.fetch(&format!("http://{address}/{number}"));
        assert_eq!((&event.fields["outcome"], &event.fields["reason"]), (&"refused".into(), &(*reason).into()), "{to}");
        assert_eq!(bench.fetch(to).fields["reason"], *reason);
    }
    server.join().unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "nobody called");
}

#[test]
fn an_answer_that_trickles_for_ever_ends_with_the_time_of_the_download() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut bench = Bench::on_loopback(Samples { fetch_timeout: Duration::from_millis(300), ..Samples::default() });
    let event = bench.fetch(&format!("http://{address}/"));
    assert_eq!(event.fields["outcome"], "failed", "{event:?}");
}

#[test]
fn what_is_packed_is_stored_packed() {
    // A gzip member that says it holds four gigabytes.
    let bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\xff\xff\xff\xff\xff\xff\xff\xff";
    let (address, _server) = serve(vec![answer("200 OK\r\nContent-Encoding: gzip", bomb)]);
    let mut bench = Bench::on_loopback(Samples::default());
    assert_eq!(bench.fetch(&format!("http://{address}/x.gz")).fields["bytes"], bomb.len());
}

#[test]
fn one_source_leaves_downloads_for_others() {
    let mut bench = Bench::on_loopback(Samples { fetches_per_minute: 4, ..Samples::default() });
    let outcome = |bench: &mut Bench, number: u8, client: u8| {
        let mut origin = origin();
        origin.flow.key.client = [203, 0, 113, client].into();
        let download = Download { url: format!("http://127.0.0.1:1/{number}"), tool: "wget".to_owned() };
        bench.fetcher.serve(&origin, &download).fields["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!([1, 2, 3].map(|number| outcome(&mut bench, number, 7)), ["failed", "failed", "refused"]);
    assert_eq!([4, 5, 6].map(|number| outcome(&mut bench, number, 8)), ["failed", "failed", "refused"]);
    assert_eq!(outcome(&mut bench, 7, 9), "refused", "the minute is used up");
    assert_eq!(bench.counters.value(Counter::DownloadsRefusedRate), 3);
}
