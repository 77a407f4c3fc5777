//! A record as one line of JSON.
//!
//! Written by hand into a reused buffer, because a flow record costs a line per connection of every scanner: no intermediate
//! map, the date formatted once a second, numbers and addresses without the machinery of `std::fmt`. Strings and own fields go through `serde_json`, so
//! whatever bytes a visitor sent, the line is one valid JSON object.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::json::{address, hex, member, micros, number, string, value};
use super::{CloseReason, Event, FlowEvent, FlowRef, FlowTotals, Level, Record};
use crate::clock::Timestamp;

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
        let since = Duration::from_micros(at.as_micros());
        let (second, fraction) = (since.as_secs(), since.subsec_micros());
        if second != self.second {
            self.second = second;
            self.date = date(second);
        }
        out.extend_from_slice(b"{\"ts\":");
        seconds(out, second, fraction);
        member(out, "time");
        out.push(b'"');
        out.extend_from_slice(self.date.as_bytes());
        out.push(b'.');
        micros(out, fraction);
        out.extend_from_slice(b"Z\"");
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
    member(out, "flow_id");
    hex(out, flow.id.0);
    string(out, "transport", key.transport.as_str());
    endpoint(out, ["src_ip", "src_port"], key.client, key.client_port);
    endpoint(out, ["dest_ip", "dest_port"], key.dialled, key.dialled_port);
    string(out, "rule", &flow.rule.name);
    string(out, "handler", handler);
}

fn endpoint(out: &mut Vec<u8>, [ip_name, port_name]: [&str; 2], ip: IpAddr, port: u16) {
    member(out, ip_name);
    address(out, ip);
    member(out, port_name);
    number(out, port.into());
}

/// Seconds with six digits after the point.
fn seconds(out: &mut Vec<u8>, whole: u64, fraction: u32) {
    number(out, whole);
    out.push(b'.');
    micros(out, fraction);
}

fn close_fields(out: &mut Vec<u8>, duration: Duration, totals: Option<&FlowTotals>, reason: CloseReason) {
    member(out, "duration");
    seconds(out, duration.as_secs(), duration.subsec_micros());
    if let Some(FlowTotals { packets_in, packets_out, bytes_in, bytes_out }) = totals {
        let counts = [
            ("bytes_in", bytes_in),
            ("bytes_out", bytes_out),
            ("packets_in", packets_in),
            ("packets_out", packets_out),
        ];
        for (name, &count) in counts {
            member(out, name);
            number(out, count);
        }
    }
    string(out, "reason", reason.as_str());
}

/// The event's own fields but those whose name a standard field of this line has taken: no name comes twice, and nobody but
/// the engine says who was where.
fn own_fields(out: &mut Vec<u8>, fields: &Map<String, Value>, taken: impl Fn(&str) -> bool) {
    for (name, own) in fields.iter().filter(|(name, _)| !taken(name)) {
        out.push(b',');
        value(out, name.as_str());
        out.push(b':');
        value(out, own);
    }
}
