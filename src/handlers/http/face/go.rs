//! Go's net/http: what the library says before a program is asked, and the heads that it writes.

use super::super::answer::{Answer, Framing};
use super::super::ask::Ask;
use super::super::reader::is_token;
use super::head::{Length, http_date, line};
use super::judge::is_host;
use super::{Meta, Version};

const TEXT: &str = "text/plain; charset=utf-8";
/// Bytes that a program may write before the head has to go out without a length (net/http, bufferBeforeChunkingSize).
const BUFFER: usize = 2_048;

/// Answers what the library answers itself.
pub(super) fn judge(ask: &Ask<'_>) -> Option<Answer> {
    let head = ask.head;
    let wrong = if !is_target(ask) {
        "400 Bad Request"
    } else if !head.has_its_host() {
        // Of two hosts it says nothing.
        if ask.host.is_empty() { "400 Bad Request: missing required Host header" } else { "400 Bad Request" }
    } else if !is_host(ask.host) {
        "400 Bad Request: malformed Host header"
    } else if !head.headers.iter().all(|(name, _)| name.bytes().all(is_token)) {
        "400 Bad Request: invalid header name"
    } else if head.headers.iter().any(|(_, value)| value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control())) {
        "400 Bad Request: invalid header value"
    } else if ask.raw_path == "*" && head.method == "OPTIONS" {
        return Some(Answer::empty(200).header("Content-Length", "0"));
    } else if head.values("expect").any(|value| !value.eq_ignore_ascii_case("100-continue")) {
        return Some(Answer { status: 417, close: true, ..Answer::default() });
    } else {
        return None;
    };
    Some(refusal(400, wrong))
}

fn refusal(status: u16, text: &str) -> Answer {
    Answer::new(status, TEXT, text).closing()
}

/// A path, a whole URL or an asterisk, whose escapes can be read.
fn is_target(ask: &Ask<'_>) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let path = ask.raw_path.as_bytes();
    let escapes = path.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let are_read = escapes.into_iter().all(|(at, _)| is_hex(path.get(at + 1)) && is_hex(path.get(at + 2)));
    are_read && (ask.raw_path.starts_with('/') || ask.raw_path == "*" || ask.head.method == "CONNECT")
}

/// The answer to what is no request.
pub(super) fn fault(status: u16) -> Answer {
    match status {
        505 => refusal(505, "505 HTTP Version Not Supported: unsupported protocol version"),
        501 => refusal(501, "Unsupported transfer encoding"),
        431 => refusal(431, "431 Request Header Fields Too Large"),
        _ => refusal(400, "400 Bad Request"),
    }
}

/// The library has written it, which asks no program.
fn is_of_library(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 431 | 501 | 505)
        && answer.headers.is_empty()
        && answer.content_type.as_deref() == Some(TEXT)
}

/// The library repeats its words in the status line.
pub(super) fn status_line(answer: &Answer, asked: Version, reason: &str) -> String {
    let status = answer.status;
    if is_of_library(answer) && status != 501 {
        return format!("HTTP/1.1 {}\r\n", String::from_utf8_lossy(&answer.body));
    }
    format!("{} {status} {reason}\r\n", asked.as_str())
}

/// How the body of this answer travels: in chunks if the library cannot wait for its end.
pub(super) fn length(answer: &Answer, meta: &Meta<'_>) -> Length {
    let says_length = answer.headers.iter().any(|(name, _)| *name == "Content-Length");
    let is_silent = answer.body.is_empty() && meta.head.is_some_and(|head| head.method == "HEAD");
    match Length::of(answer) {
        Length::Bytes(_) if says_length || is_silent => Length::Nothing,
        Length::Bytes(bytes) if bytes > BUFFER && meta.head.is_some_and(|head| head.version == Version::Http11) => {
            Length::Chunked
        }
        other => other,
    }
}

/// Headers of the program sorted, those of the library after them.
pub(super) fn head(text: &mut String, answer: &Answer, meta: &Meta<'_>, asked: Version, length: Length) {
    let kind = answer.content_type.as_ref().map(|kind| ("Content-Type", kind.as_ref()));
    let mut headers: Vec<(&str, &str)> =
        answer.headers.iter().map(|(name, value)| (*name, value.as_str())).chain(kind).collect();
    if matches!(answer.stream, Some((Framing::Raw, _))) && asked == Version::Http11 {
        // Written by hand after the connection was taken over: neither sorted nor dated.
        headers.iter().rev().for_each(|(name, value)| line(text, name, value));
        return;
    }
    if is_of_library(answer) {
        headers.iter().for_each(|(name, value)| line(text, name, value));
        return line(text, "Connection", "close");
    }
    if answer.status == 417 {
        line(text, "Connection", "close");
        line(text, "Date", http_date(meta.now));
        return line(text, "Content-Length", 0);
    }
    // The type of what the program does not name is found by the library.
    let is_found = |kind: &str| kind == TEXT && !answer.body.is_empty() || kind == "application/octet-stream";
    let found = kind.filter(|(_, kind)| answer.status == 200 && is_found(kind));
    headers.retain(|header| Some(*header) != found);
    headers.sort_by_key(|(name, _)| *name);
    headers.iter().for_each(|(name, value)| line(text, name, value));
    line(text, "Date", http_date(meta.now));
    if let Length::Bytes(bytes) = length {
        line(text, "Content-Length", bytes);
    }
    if let Some((name, value)) = found {
        line(text, name, value);
    }
    match (asked, meta.keep) {
        (Version::Http10, true) => line(text, "Connection", "keep-alive"),
        (Version::Http11, false) if !matches!(length, Length::Nothing) => line(text, "Connection", "close"),
        _ => {}
    }
    if matches!(length, Length::Chunked) {
        line(text, "Transfer-Encoding", "chunked");
    }
}
