//! The engine's event file, read while it grows.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::{PATIENCE, within};

/// Everything that the file has said so far.
pub(crate) struct Events {
    path: PathBuf,
    offset: u64,
    /// An event of which only the first bytes have been written.
    unfinished: Vec<u8>,
    seen: Vec<Value>,
}

impl Events {
    /// Reads `path` from its beginning; it need not exist yet.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, offset: 0, unfinished: Vec::new(), seen: Vec::new() }
    }

    /// Waits until `find` finds what it wants among all events; `what` names it when it does not come.
    pub(crate) fn await_that<T>(&mut self, what: &str, limit: Duration, find: impl Fn(&[Value]) -> Option<T>) -> T {
        let mut looked_at = None;
        let found = within(limit, || {
            self.read_on();
            // Nothing new cannot change the answer; the first look may find everything there already.
            let is_new = looked_at.replace(self.seen.len()) != Some(self.seen.len());
            is_new.then(|| find(&self.seen)).flatten()
        });
        let found = found.or_else(|| find(&self.seen));
        found.unwrap_or_else(|| {
            panic!("no {what} within {limit:?}; the last of {} events: {}", self.seen.len(), self.tail())
        })
    }

    /// Waits for one event.
    pub(crate) fn await_event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.await_that(what, PATIENCE, |seen| seen.iter().find(|event| wanted(event)).cloned())
    }

    fn tail(&self) -> String {
        let last = self.seen.iter().rev().take(5).rev();
        last.map(|event| format!("\n  {event}")).collect()
    }

    fn read_on(&mut self) {
        let Ok(mut file) = File::open(&self.path) else { return };
        file.seek(SeekFrom::Start(self.offset)).unwrap();
        self.offset += file.read_to_end(&mut self.unfinished).unwrap() as u64;
        let Some(end) = self.unfinished.iter().rposition(|&byte| byte == b'\n') else { return };
        let rest = self.unfinished.split_off(end + 1);
        let lines = std::mem::replace(&mut self.unfinished, rest);
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let event = serde_json::from_slice(line);
            self.seen.push(event.unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(line))));
        }
    }
}

/// The `event` field.
pub(crate) fn kind(event: &Value) -> &str {
    event["event"].as_str().unwrap_or_default()
}

/// Who dialled, as the event says.
pub(crate) fn source(event: &Value) -> Option<SocketAddr> {
    endpoint(event, "src_ip", "src_port")
}

/// What was dialled, as the event says.
pub(crate) fn dialled(event: &Value) -> Option<SocketAddr> {
    endpoint(event, "dest_ip", "dest_port")
}

/// The bytes of a payload event.
pub(crate) fn payload(event: &Value) -> Vec<u8> {
    let hex = event["payload_hex"].as_str().unwrap_or_default();
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap()
}

fn endpoint(event: &Value, address: &str, port: &str) -> Option<SocketAddr> {
    let address: IpAddr = event[address].as_str()?.parse().ok()?;
    Some(SocketAddr::new(address, event[port].as_u64()?.try_into().ok()?))
}
