//! A record as one line of JSON.
//!
//! Written by hand into a reused buffer, because a flow record costs a line per connection of every scanner: no intermediate
//! map, the date formatted once a second. Strings and own fields go through `serde_json`, so whatever bytes a visitor sent, the line
//! is one valid JSON object.

use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{CloseReason, Event, FlowEvent, FlowRef, FlowTotals, Level, Record};
use crate::clock::Timestamp;

const MICROS_PER_SEC: u64 = 1_000_000;

/// The standard fields that every line has, in the order of writing.
const SENSOR_FIELDS: &[&str] = &["ts", "time", "level", "sensorID", "event", "msg"];
/// The standard fields that follow in the lines of a flow, in the order of writing.
const FLOW_FIELDS: &[&str] = &["flow_id", "transport", "src_ip", "src_port", "dest_ip", "dest_port", "rule", "handler"];

/// Turns records into lines.
#[derive(Debug)]
pub struct LineFormat {
    sensor_id: String,
    second: u64,
    date: String,
}

impl LineFormat {
    /// A format whose lines carry this sensor id.
    pub fn new(sensor_id: impl Into<String>) -> Self {
        Self { sensor_id: sensor_id.into(), second: 0, date: date(0) }
    }

    /// Appends the record as one JSON object and a newline. Times are those of the record: `ts` in seconds since 1970, to the microsecond.
    pub fn append(&mut self, record: &Record, out: &mut Vec<u8>) {
        match record {
            Record::Flow(FlowEvent::Opened { at, flow }) => {
                self.head(out, *at, Level::Info, "flow_open", "flow opened");
                flow_fields(out, flow, flow.handler());
            }
            Record::Flow(FlowEvent::Closed { at, flow, opened, totals, reason }) => {
                self.head(out, *at, Level::Info, "flow_close", closed_message(*reason));
                flow_fields(out, flow, flow.handler());
                close_fields(out, at.saturating_since(*opened), totals.as_ref(), *reason);
            }
            Record::Session { at, flow, handler, event } => {
                self.event_head(out, *at, event);
                flow_fields(out, flow, handler);
                own_fields(out, &event.fields, |name| SENSOR_FIELDS.contains(&name) || FLOW_FIELDS.contains(&name));
            }
            Record::Sensor { at, event } => {
                self.event_head(out, *at, event);
                own_fields(out, &event.fields, |name| SENSOR_FIELDS.contains(&name));
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn event_head(&mut self, out: &mut Vec<u8>, at: Timestamp, event: &Event) {
        self.head(out, at, event.level, event.kind, &event.msg);
    }

    /// The opening brace and the standard fields of every line.
    fn head(&mut self, out: &mut Vec<u8>, at: Timestamp, level: Level, kind: &str, msg: &str) {
        let (second, micros) = (at.as_micros() / MICROS_PER_SEC, at.as_micros() % MICROS_PER_SEC);
        if second != self.second {
            self.second = second;
            self.date = date(second);
        }
        text(out, format_args!("{{\"ts\":{second}.{micros:06},\"time\":\"{}.{micros:06}Z\"", self.date));
        string(out, "level", level.as_str());
        string(out, "sensorID", &self.sensor_id);
        string(out, "event", kind);
        string(out, "msg", msg);
    }
}

/// Date and time of day of a second since the epoch, UTC, as RFC 3339 writes it without fraction and zone. Times after the year
/// 9999 show its end.
fn date(second: u64) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    let mut date = format!("{time:.0}");
    date.truncate("0000-00-00T00:00:00".len());
    date
}

const fn closed_message(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Finished => "flow closed: finished",
        CloseReason::Reset => "flow closed: reset",
        CloseReason::Timeout => "flow closed: silent for too long",
        CloseReason::Evicted => "flow closed: evicted from a full table",
        CloseReason::Replaced => "flow closed: replaced by a new one",
        CloseReason::Carried => "flow left to the kernel",
        CloseReason::Shutdown => "flow closed: the engine stopped",
    }
}

fn flow_fields(out: &mut Vec<u8>, flow: &FlowRef, handler: &str) {
    let key = &flow.key;
    text(out, format_args!(",\"flow_id\":\"{}\",\"transport\":\"{}\"", flow.id, key.transport));
    text(out, format_args!(",\"src_ip\":\"{}\",\"src_port\":{}", key.client, key.client_port));
    text(out, format_args!(",\"dest_ip\":\"{}\",\"dest_port\":{}", key.dialled, key.dialled_port));
    string(out, "rule", &flow.rule.name);
    string(out, "handler", handler);
}

fn close_fields(out: &mut Vec<u8>, duration: Duration, totals: Option<&FlowTotals>, reason: CloseReason) {
    text(out, format_args!(",\"duration\":{}.{:06}", duration.as_secs(), duration.subsec_micros()));
    if let Some(FlowTotals { packets_in, packets_out, bytes_in, bytes_out }) = totals {
        text(out, format_args!(",\"bytes_in\":{bytes_in},\"bytes_out\":{bytes_out}"));
        text(out, format_args!(",\"packets_in\":{packets_in},\"packets_out\":{packets_out}"));
    }
    string(out, "reason", reason.as_str());
}

/// The event's own fields but those whose name a standard field of this line has taken: no name comes twice, and nobody but
/// the engine says who was where.
fn own_fields(out: &mut Vec<u8>, fields: &Map<String, Value>, taken: impl Fn(&str) -> bool) {
    for (name, value) in fields.iter().filter(|(name, _)| !taken(name)) {
        out.push(b',');
        json(out, name.as_str());
        out.push(b':');
        json(out, value);
    }
}

/// A field whose name needs no escaping.
fn string(out: &mut Vec<u8>, name: &str, value: &str) {
    text(out, format_args!(",\"{name}\":"));
    json(out, value);
}

/// A JSON value. What cannot be one becomes null: the line stays valid whatever happens.
fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Text that is JSON already.
fn text(out: &mut Vec<u8>, json: impl Display) {
    // A Vec takes everything, and none of the Display impls used here fails.
    let _ = write!(out, "{json}");
}
