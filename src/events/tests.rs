//! The room as a whole: records in, lines out.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::control::{Counter, Counters};
use crate::flow::{FlowId, FlowKey, Transport};
use crate::rules::{Action, Rule};

const DEADLINE: Duration = Duration::from_secs(10);

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(1_763_808_061_000_000 + micros)
}

fn flow(name: &str, action: Action) -> FlowRef {
    let rule = Rule { position: 2, name: name.to_owned(), ..Rule::new(action) };
    let key = FlowKey {
        transport: Transport::Tcp,
        client: IpAddr::from([192, 0, 2, 7]),
        client_port: 40_001,
        dialled: IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        dialled_port: 23,
    };
    FlowRef { id: FlowId(0xabc), key, rule: Arc::new(rule) }
}

fn telnet() -> FlowRef {
    flow("telnet", Action::Handler("telnet".to_owned()))
}

fn line(record: &Record) -> String {
    let mut out = Vec::new();
    LineFormat::new("sensor-1").append(record, &mut out);
    String::from_utf8(out).unwrap()
}

fn session(event: Event) -> Record {
    Record::Session { at: at(5), flow: telnet(), handler: "telnet".into(), event: Box::new(event) }
}

fn sensor(n: u64) -> Record {
    Record::Sensor { at: at(0), event: Box::new(Event::new("test", "").with("n", n)) }
}

#[test]
fn opened_flow_has_the_standard_fields_in_order() {
    assert_eq!(
        line(&Record::Flow(FlowEvent::Opened { at: at(42), flow: telnet() })),
        concat!(
            r#"{"ts":1763808061.000042,"time":"2025-11-22T10:41:01.000042Z","level":"info","sensorID":"sensor-1","#,
            r#""event":"flow_open","msg":"flow opened","flow_id":"0000000000000abc","transport":"tcp","#,
            r#""src_ip":"192.0.2.7","src_port":40001,"dest_ip":"2001:db8::1","dest_port":23,"#,
            r#""rule":"telnet","handler":"telnet"}"#,
            "\n"
        )
    );
}

#[test]
fn closed_flow_adds_its_totals() {
    let totals = FlowTotals { packets_in: 4, packets_out: 3, bytes_in: 400, bytes_out: 300 };
    let record = Record::Flow(FlowEvent::Closed {
        at: at(2_000_001),
        flow: flow("#3", Action::Drop),
        opened: at(0),
        totals: Some(totals),
        reason: CloseReason::Timeout,
    });
    let line = line(&record);
    let tail = concat!(
        r##""rule":"#3","handler":"drop","duration":2.000001,"bytes_in":400,"bytes_out":300,"##,
        r#""packets_in":4,"packets_out":3,"reason":"timeout"}"#,
        "\n"
    );
    assert!(line.ends_with(tail), "{line}");
    assert!(line.contains(r#""event":"flow_close","msg":"flow closed: silent for too long""#), "{line}");
}

#[test]
fn session_event_adds_its_own_fields_in_their_order() {
    let event = Event::new("login", "login with admin / \u{1b}[31m\"\n")
        .at_level(Level::Warn)
        .with("username", "admin")
        .with("decoded", json!({"z": [1, null], "a": "\u{0}"}));
    let line = line(&session(event));
    assert!(line.contains(
        r#""level":"warn","sensorID":"sensor-1","event":"login","msg":"login with admin / \u001b[31m\"\n","#
    ));
    assert!(
        line.ends_with(
            "\"handler\":\"telnet\",\"username\":\"admin\",\"decoded\":{\"z\":[1,null],\"a\":\"\\u0000\"}}\n"
        )
    );
    assert_eq!(line.matches('\n').count(), 1);
}

#[test]
fn own_field_never_replaces_a_standard_one() {
    let event =
        Event::new("x", "y").with("src_ip", "10.0.0.1").with("ts", 0).with("sensorID", "forged").with("kept", 1);
    let text = line(&session(event));
    for name in ["src_ip", "ts", "sensorID"] {
        assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{text}");
    }
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((value["src_ip"].as_str(), value["sensorID"].as_str()), (Some("192.0.2.7"), Some("sensor-1")));
    assert_eq!(value["kept"], 1);
}

#[test]
fn sensor_event_may_name_an_address_because_no_flow_does() {
    let event = Event::new("stray", "a connection that no flow explains").with("src_ip", "192.0.2.9");
    let value: Value = serde_json::from_str(&line(&Record::Sensor { at: at(0), event: Box::new(event) })).unwrap();
    assert_eq!(value["src_ip"], "192.0.2.9");
    assert_eq!(value.get("flow_id"), None);
}

#[test]
fn times_are_right_across_seconds_and_at_the_ends() {
    let mut format = LineFormat::new("");
    let mut time = |micros| {
        let mut out = Vec::new();
        let record = Record::Sensor { at: Timestamp::from_micros(micros), event: Box::new(Event::new("", "")) };
        format.append(&record, &mut out);
        serde_json::from_slice::<Value>(&out).unwrap()["time"].as_str().unwrap().to_owned()
    };
    assert_eq!(time(0), "1970-01-01T00:00:00.000000Z");
    assert_eq!(time(1_709_210_096_999_999), "2024-02-29T12:34:56.999999Z");
    assert_eq!(time(1_709_210_097_000_000), "2024-02-29T12:34:57.000000Z");
    assert_eq!(time(1_709_210_096_000_001), "2024-02-29T12:34:56.000001Z");
    assert!(time(u64::MAX).starts_with("9999-12-3"));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<Vec<u8>>().prop_map(|bytes| Value::from(String::from_utf8_lossy(&bytes).into_owned())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("src_ip".to_owned()), Just("ts".to_owned()), Just("username".to_owned())]
}

proptest! {
    #[test]
    fn any_event_is_one_valid_line_and_loses_nothing(
        msg in any::<String>(),
        rule in any::<String>(),
        handler in any::<String>(),
        sensor_id in any::<String>(),
        micros in any::<u64>(),
        fields in prop::collection::btree_map(any_name(), any_value(), 0..6),
    ) {
        let fields: Map<String, Value> = fields.into_iter().collect();
        let event = Event { fields: fields.clone(), ..Event::new("payload", msg.clone()) };
        let flow = flow(&rule, Action::Pass);
        let at = Timestamp::from_micros(micros);
        let record = Record::Session { at, flow, handler: handler.as_str().into(), event: Box::new(event) };
        let mut out = Vec::new();
        LineFormat::new(sensor_id.clone()).append(&record, &mut out);

        prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
        prop_assert_eq!(out.last(), Some(&b'\n'));
        let line: Map<String, Value> = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(line["msg"].as_str(), Some(msg.as_str()));
        prop_assert_eq!(line["rule"].as_str(), Some(rule.as_str()));
        prop_assert_eq!(line["handler"].as_str(), Some(handler.as_str()));
        prop_assert_eq!(line["sensorID"].as_str(), Some(sensor_id.as_str()));
        prop_assert_eq!(line["src_ip"].as_str(), Some("192.0.2.7"));
        for (name, value) in fields.iter().filter(|(name, _)| *name != "src_ip" && *name != "ts") {
            // Through the same reader, which rounds the last digit of some floating-point numbers.
            let expected: Value = serde_json::from_str(&value.to_string()).unwrap();
            prop_assert_eq!(&line[name], &expected);
        }
    }
}

/// What a sink was given, for a test to look at; optionally stopped until the test lets it go on.
struct Memory {
    lines: Arc<Mutex<Vec<Value>>>,
    gate: Option<Receiver<()>>,
}

impl Sink for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn write(&mut self, block: &Block) -> Result<(), WriteError> {
        if let Some(gate) = &self.gate {
            // Closed: open for good.
            let _ = gate.recv();
        }
        self.lines.lock().unwrap().extend(block.iter().map(|line| serde_json::from_slice::<Value>(line).unwrap()));
        Ok(())
    }
}

fn memory(gate: Option<Receiver<()>>) -> (Box<dyn Sink>, Arc<Mutex<Vec<Value>>>) {
    let lines = Arc::default();
    (Box::new(Memory { lines: Arc::clone(&lines), gate }), lines)
}

struct Room {
    sender: EventSender,
    records: Receiver<Record>,
    counters: Arc<Counters>,
}

fn room(capacity: usize) -> Room {
    let counters = Arc::<Counters>::default();
    let (sender, records) = channel(capacity, Arc::clone(&counters));
    Room { sender, records, counters }
}

impl Room {
    fn start(&self, sinks: Vec<Box<dyn Sink>>) -> EventWriter {
        let counters = Arc::clone(&self.counters);
        EventWriter::start(self.records.clone(), sinks, "s".to_owned(), counters, Clock::start()).unwrap()
    }
}

#[test]
fn finish_writes_everything_to_every_sink_in_order() {
    let room = room(10_000);
    let ((first, first_lines), (second, second_lines)) = (memory(None), memory(None));
    let writer = room.start(vec![first, second]);
    (0..5_000).for_each(|n| room.sender.send(sensor(n)));
    assert!(writer.finish(DEADLINE));
    for lines in [first_lines, second_lines] {
        let numbers: Vec<u64> = lines.lock().unwrap().iter().map(|line| line["n"].as_u64().unwrap()).collect();
        assert!(numbers.into_iter().eq(0..5_000));
    }
    assert_eq!(room.counters.value(Counter::EventsWritten), 5_000);
    assert_eq!(room.counters.value(Counter::EventsLost), 0);
}

#[test]
fn overflow_is_counted_and_said_once_when_there_is_room_again() {
    let room = room(4);
    (0..10).for_each(|n| room.sender.send(sensor(n)));
    assert_eq!(room.counters.value(Counter::EventsLost), 6);

    let (sink, lines) = memory(None);
    let writer = room.start(vec![sink]);
    assert!(writer.finish(DEADLINE));
    let lines = lines.lock().unwrap();
    let kinds: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["test", "test", "test", "test", "events_lost"]);
    assert_eq!((lines[4]["count"].as_u64(), lines[4]["level"].as_str()), (Some(6), Some("warn")));
}

#[test]
fn stopped_sink_holds_up_neither_senders_nor_other_sinks() {
    let room = room(65_536);
    let (gate, closed): (Sender<()>, _) = bounded(0);
    let ((stopped, stopped_lines), (running, running_lines)) = (memory(Some(closed)), memory(None));
    let writer = room.start(vec![stopped, running]);
    // More than may wait for one sink, in lines of a quarter of a megabyte.
    let blob = "x".repeat(1 << 18);
    for n in 0..100 {
        let event = Event::new("blob", "").with("n", n).with("blob", blob.clone());
        room.sender.send(Record::Sensor { at: at(0), event: Box::new(event) });
    }
    while room.counters.value(Counter::EventsWritten) < 100 {
        std::thread::yield_now();
    }
    let overflows = room.counters.value(Counter::SinkOverflows);
    assert!((30..100).contains(&overflows), "{overflows}");
    drop(gate);
    assert!(writer.finish(DEADLINE));
    assert_eq!(stopped_lines.lock().unwrap().len() as u64, 100 - overflows);
    assert_eq!(running_lines.lock().unwrap().len(), 100);
}

#[test]
fn finish_does_not_wait_longer_than_its_deadline() {
    let room = room(16);
    let (_gate, closed) = bounded(0);
    let (sink, _) = memory(Some(closed));
    let writer = room.start(vec![sink]);
    room.sender.send(sensor(1));
    assert!(!writer.finish(Duration::from_millis(50)));
}

#[test]
fn records_after_the_end_are_counted_as_lost() {
    let Room { sender, records, counters } = room(16);
    let writer =
        EventWriter::start(records, Vec::new(), "s".to_owned(), Arc::clone(&counters), Clock::start()).unwrap();
    assert!(writer.finish(DEADLINE));
    sender.send(sensor(1));
    assert_eq!(counters.value(Counter::EventsLost), 1);
}

#[test]
fn writer_ends_when_the_last_sender_has_gone() {
    let Room { sender, records, counters } = room(16);
    let (sink, lines) = memory(None);
    let writer = EventWriter::start(records, vec![sink], "s".to_owned(), counters, Clock::start()).unwrap();
    sender.send(sensor(1));
    drop(sender);
    assert!(writer.finish(DEADLINE));
    assert_eq!(lines.lock().unwrap().len(), 1);
}

/// Waits until the file exists, which the sink's thread does on its own time.
fn await_file(path: &Path) {
    let start = std::time::Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < DEADLINE, "{} does not appear", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn sighup_makes_an_idle_file_sink_leave_the_moved_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("e.jsonl"), dir.path().join("e.jsonl.1"));
    let events = config::Events { stdout: false, file: Some(path.clone()), ..config::Events::default() };
    let room = room(64);
    let writer = room.start(open_sinks(&events, None).unwrap());
    let hangup = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let signal = signal_hook::consts::SIGHUP;
    let registered = signal_hook::flag::register(signal, Arc::clone(&hangup)).unwrap();

    fs::rename(&path, &moved).unwrap();
    signal_hook::low_level::raise(signal).unwrap();
    assert!(hangup.load(std::sync::atomic::Ordering::SeqCst));
    writer.reopen();
    await_file(&path);
    signal_hook::low_level::unregister(registered);

    room.sender.send(sensor(7));
    assert!(writer.finish(DEADLINE));
    assert_eq!(fs::read_to_string(&moved).unwrap(), "");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["n"], 7);
}

#[test]
fn full_disk_is_counted_and_ends_nothing() {
    let events = config::Events { stdout: false, file: Some("/dev/full".into()), ..config::Events::default() };
    let room = room(64);
    let (sink, lines) = memory(None);
    let mut sinks = open_sinks(&events, None).unwrap();
    sinks.push(sink);
    let writer = room.start(sinks);
    (0..3).for_each(|n| room.sender.send(sensor(n)));
    assert!(writer.finish(DEADLINE));
    assert_eq!(room.counters.value(Counter::SinkErrors), 3);
    assert_eq!(lines.lock().unwrap().len(), 3);
}
