//! The beginning of what one side sent, kept for an event.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::events::Event;

/// Which way bytes went, seen from the sensor: the `direction` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the visitor.
    Recv,
    /// To the visitor.
    Send,
}

impl Direction {
    /// The text in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recv => "recv",
            Self::Send => "send",
        }
    }
}

/// The beginning of what one side sent, up to a limit, and how much it was altogether.
#[derive(Debug, Clone)]
pub struct Recording {
    bytes: Vec<u8>,
    limit: usize,
    total: u64,
}

impl Recording {
    /// An empty recording that keeps at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, total: 0 }
    }

    /// Takes what comes next: keeps what still has room, counts all.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len() as u64);
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// What is kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that came, kept or not.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The limit is reached.
    pub const fn is_full(&self) -> bool {
        self.bytes.len() >= self.limit
    }

    /// More came than is kept.
    pub const fn is_truncated(&self) -> bool {
        self.total > self.bytes.len() as u64
    }

    /// The `payload` event: what is kept as hexadecimal text and its SHA-256, and how many bytes came. Where nothing came it is a
    /// `connect` event without payload.
    pub fn event(&self, direction: Direction) -> Event {
        if self.total == 0 {
            return Event::new("connect", "the visitor sent nothing").with("bytes", 0);
        }
        let msg = match direction {
            Direction::Recv => format!("{} bytes from the visitor", self.total),
            Direction::Send => format!("{} bytes to the visitor", self.total),
        };
        let event = Event::new("payload", msg).with("direction", direction.as_str()).with("bytes", self.total);
        with_payload(event, &self.bytes, self.is_truncated())
    }
}

/// Adds the payload fields: `payload_hex`, `payload_hash` (SHA-256 of the bytes in `payload_hex`) and, when more came, `truncated`.
pub(super) fn with_payload(event: Event, bytes: &[u8], truncated: bool) -> Event {
    let event = event
        .with("payload_hex", HEXLOWER.encode(bytes))
        .with("payload_hash", HEXLOWER.encode(Sha256::digest(bytes).as_slice()));
    if truncated { event.with("truncated", true) } else { event }
}

/// Adds a field of text that a visitor sent. What is no UTF-8 shows replacement characters there, and every byte in a field `NAME_hex`.
pub(super) fn with_text(mut event: Event, name: &str, bytes: &[u8]) -> Event {
    put_text(&mut event.fields, name, bytes);
    event
}

/// The same for an object within an event.
pub(super) fn put_text(fields: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    fields.insert(name.to_owned(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        fields.insert(format!("{name}_hex"), HEXLOWER.encode(bytes).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_counted_but_not_kept() {
        let mut recording = Recording::new(4);
        recording.push(b"abc");
        recording.push(b"def");
        assert_eq!((recording.bytes(), recording.total()), (&b"abcd"[..], 6));
        let event = recording.event(Direction::Recv);
        assert_eq!(event.fields["payload_hex"], "61626364");
        assert_eq!(event.fields["bytes"], 6);
        assert_eq!(event.fields["truncated"], true);
    }

    #[test]
    fn the_hash_is_that_of_the_bytes_shown() {
        let mut recording = Recording::new(64);
        recording.push(b"abc");
        let event = recording.event(Direction::Send);
        assert_eq!(event.fields["payload_hash"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!event.fields.contains_key("truncated"));
    }

    #[test]
    fn nothing_sent_still_makes_an_event() {
        assert_eq!(Recording::new(64).event(Direction::Recv).kind, "connect");
    }
}
