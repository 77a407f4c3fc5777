//! What one call to the dialogue brings forth: answers with their borders, and events.

use serde_json::{Map, Value};

use super::super::recording::{put_text, with_payload};
use crate::events::Event;

/// Bytes that one call may answer; what is asked beyond gets memcached's own word for a lack of memory.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Characters of a command in `msg`.
const SHOWN_OF_COMMAND: usize = 120;

/// Answers and events of one call.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// All answers, one after the other.
    pub(super) bytes: Vec<u8>,
    /// Where each command's answer ends: over UDP every one travels alone.
    pub(super) ends: Vec<usize>,
    pub(super) events: Vec<Event>,
    /// Commands that may still be recorded one by one.
    pub(super) records_left: u32,
    /// Commands that were only counted.
    pub(super) unrecorded: u64,
    /// Bytes of a value that an event holds.
    pub(super) max_payload: usize,
    /// The session ends.
    pub(super) close: bool,
}

impl Reply {
    pub(super) fn new(records_left: u32, max_payload: usize) -> Self {
        Self { records_left, max_payload, ..Self::default() }
    }

    /// Adds to the answer.
    pub(super) fn put(&mut self, bytes: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(bytes.as_ref());
    }

    /// Adds a line.
    pub(super) fn line(&mut self, text: impl AsRef<[u8]>) {
        self.put(text);
        self.put(b"\r\n");
    }

    /// Adds a line unless the command asked for silence.
    pub(super) fn line_unless(&mut self, quiet: bool, text: impl AsRef<[u8]>) {
        if !quiet {
            self.line(text);
        }
    }

    /// There is room for this many bytes more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes <= MAX_ANSWER
    }

    /// The answer to one command is whole.
    pub(super) fn end(&mut self) {
        if self.bytes.len() > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(self.bytes.len());
        }
    }

    /// Records one command, its fields and the value that came with it.
    pub(super) fn record(&mut self, command: &[u8], decoded: Map<String, Value>, value: Option<&[u8]>) {
        let Some(left) = self.records_left.checked_sub(1) else {
            self.unrecorded += 1;
            return;
        };
        self.records_left = left;
        let shown: String = String::from_utf8_lossy(command).chars().take(SHOWN_OF_COMMAND).collect();
        let mut event = Event::new("command", format!("memcached {shown}"));
        put_text(&mut event.fields, "command", command);
        event = event.with("decoded", decoded);
        if let Some(value) = value {
            let kept = value.get(..self.max_payload).unwrap_or(value);
            event = with_payload(event.with("bytes", value.len()), kept, kept.len() < value.len());
        }
        self.events.push(event);
    }
}
