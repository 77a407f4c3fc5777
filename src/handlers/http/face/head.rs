//! The heads of answers: every software has an order of its own.

use std::fmt::Write;

use jiff::fmt::rfc2822::DateTimePrinter;

use super::super::Version;
use super::super::answer::{Answer, Framing, Measure};
use super::Meta;
use crate::clock::Timestamp;

/// How the head says where the body ends.
#[derive(Clone, Copy)]
pub(super) enum Length {
    Bytes(usize),
    Chunked,
    /// 1xx and 204 have no body; a taken-over connection has no end.
    Nothing,
}

impl Length {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer.stream {
            Some((Framing::Chunked, _)) => Self::Chunked,
            Some((Framing::Raw, _)) => Self::Nothing,
            None if matches!(answer.status, 101 | 204 | 304) => Self::Nothing,
            None => match answer.measure {
                Measure::Bytes => Self::Bytes(answer.body.len()),
                Measure::Chunk => Self::Chunked,
                Measure::Untold => Self::Nothing,
            },
        }
    }

    fn write(self, text: &mut String) {
        match self {
            Self::Bytes(bytes) => line(text, "Content-Length", bytes),
            Self::Chunked => line(text, "Transfer-Encoding", "chunked"),
            Self::Nothing => {}
        }
    }
}

/// A body as one chunk, and the end (RFC 9112 section 7.1).
pub(super) fn one_chunk(body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n0\r\n\r\n");
}

pub(super) fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{name}: {value}\r\n");
}

fn content_type(text: &mut String, answer: &Answer) {
    if let Some(kind) = &answer.content_type {
        line(text, "Content-Type", kind);
    }
}

pub(super) fn nginx_head(text: &mut String, server: &str, answer: &Answer, meta: &Meta<'_>, length: Length) {
    line(text, "Server", server);
    line(text, "Date", http_date(meta.now));
    content_type(text, answer);
    if let Length::Bytes(_) = length {
        length.write(text);
    }
    let is_early = |name: &str| matches!(name, "Last-Modified" | "Location");
    for (name, value) in answer.headers.iter().filter(|(name, _)| is_early(name)) {
        line(text, name, value);
    }
    if let (Length::Chunked, false) = (length, meta.head.is_some_and(|head| head.method == "HEAD")) {
        length.write(text);
    }
    line(text, "Connection", if meta.keep { "keep-alive" } else { "close" });
    for (name, value) in answer.headers.iter().filter(|(name, _)| !is_early(name)) {
        line(text, name, value);
    }
}

pub(super) fn apache_head(text: &mut String, server: &str, answer: &Answer, meta: &Meta<'_>, length: Length) {
    line(text, "Date", http_date(meta.now));
    line(text, "Server", server);
    let is_packed = answer.headers.iter().any(|(name, _)| *name == "Content-Encoding");
    let is_late = |name: &str| name == "Content-Range" || name == "Vary" && !is_packed;
    for (name, value) in answer.headers.iter().filter(|(name, _)| !is_late(name)) {
        line(text, name, value);
    }
    // The page of a refused HEAD is never made.
    if answer.status < 400 || meta.head.is_none_or(|head| head.method != "HEAD") {
        length.write(text);
    }
    for (name, value) in answer.headers.iter().filter(|(name, _)| is_late(name)) {
        line(text, name, value);
    }
    if !meta.keep {
        line(text, "Connection", "close");
    } else if meta.head.is_some_and(|head| head.lists("connection", "keep-alive")) {
        line(text, "Keep-Alive", format_args!("timeout=5, max={}", meta.left));
        line(text, "Connection", "Keep-Alive");
    }
    content_type(text, answer);
}

pub(super) fn esx_head(text: &mut String, answer: &Answer, meta: &Meta<'_>, length: Length) {
    line(text, "Date", http_date(meta.now));
    let is_early = |name: &str| name == "Location";
    for (name, value) in answer.headers.iter().filter(|(name, _)| is_early(name)) {
        line(text, name, value);
    }
    line(text, "Connection", if meta.keep { "Keep-Alive" } else { "close" });
    content_type(text, answer);
    for (name, value) in answer.headers.iter().filter(|(name, _)| !is_early(name)) {
        line(text, name, value);
    }
    length.write(text);
}

pub(super) fn jetty_head(
    text: &mut String,
    server: &str,
    answer: &Answer,
    meta: &Meta<'_>,
    asked: Version,
    length: Length,
) {
    if meta.head.is_none() {
        line(text, "Connection", "close");
        return line(text, "Server", server);
    }
    let date = http_date(meta.now);
    if answer.status < 400 {
        line(text, "Cache-Control", "no-cache");
        for _ in 0..2 {
            line(text, "Expires", &date);
            line(text, "Date", &date);
            line(text, "Pragma", "no-cache");
        }
    } else {
        line(text, "Cache-Control", "must-revalidate,no-cache,no-store");
        line(text, "Date", &date);
        line(text, "Pragma", "no-cache");
    }
    content_type(text, answer);
    for (name, value) in &answer.headers {
        line(text, name, value);
    }
    length.write(text);
    match (asked, meta.keep) {
        (Version::Http10, true) => line(text, "Connection", "keep-alive"),
        (_, false) => line(text, "Connection", "close"),
        _ => {}
    }
    line(text, "Server", server);
}

/// The time as `Date` and `Last-Modified` have it (RFC 9110 section 5.6.7); the epoch for a time that no calendar has.
pub(in crate::handlers) fn http_date(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_micros() / 1_000_000).unwrap_or(0);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
}
