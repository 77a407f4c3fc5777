//! What is recorded of a request.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Map, Value};

use super::super::Context;
use super::super::recording::{Recording, with_payload, with_text};
use super::{Head, Request, injected};
use crate::events::Event;

/// Characters of the request target in `msg`.
const SHOWN_OF_TARGET: usize = 120;

/// The `request` event. `payload_hash` is that of the whole body; `payload_hex` its beginning, up to `limit` bytes.
pub(in crate::handlers) fn request_event(request: &Request, limit: usize) -> Event {
    let Head { method, target, version, headers, raw } = &request.head;
    let shown: String = target.chars().take(SHOWN_OF_TARGET).collect();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut event = Event::new("request", format!("{method} {shown}"))
        .with("method", method.as_str())
        .with("path", path)
        .with("query", query)
        .with("version", version.as_str())
        .with("headers", lines);
    if let Some(raw) = raw {
        event = event.with("head_hex", HEXLOWER.encode(raw));
    }
    let total = request.body.total();
    if total == 0 {
        return event;
    }
    let kept = request.body.bytes();
    let shown = kept.get(..limit).unwrap_or(kept);
    let event = event
        .with("bytes", total)
        .with("payload_hex", HEXLOWER.encode(shown))
        .with("payload_hash", HEXLOWER.encode(request.body_hash().as_ref()));
    if (shown.len() as u64) < total { event.with("truncated", true) } else { event }
}

/// Adds which family answered, how, and what it understood.
pub(super) fn with_answer(event: Event, family: &str, status: u16, decoded: Map<String, Value>) -> Event {
    let event = event.with("family", family).with("status", status);
    if decoded.is_empty() { event } else { event.with("decoded", decoded) }
}

/// What came is no request: the `request_malformed` event with the status that it got, and what is named in it.
pub(in crate::handlers) fn record_fault(
    cx: &mut Context<'_>,
    reason: &str,
    recording: &Recording,
    status: Option<u16>,
) {
    let event = Event::new("request_malformed", format!("no HTTP request: {reason}")).with("direction", "recv");
    let event = with_payload(event, recording.bytes(), recording.is_truncated());
    cx.event(match status {
        Some(status) => event.with("status", status),
        None => event,
    });
    download(cx, injected::addresses_in(recording.bytes()));
}

/// A body worth keeping as a file: longer than the event shows, or sent as an upload.
pub(super) fn record_sample(cx: &mut Context<'_>, request: &Request, limit: usize) {
    let body = &request.body;
    let head = &request.head;
    let is_upload = head.method == "PUT"
        || head.values("content-type").any(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("multipart/form-data") || value.contains("octet-stream") || value.contains("x-tar")
        });
    if body.total() > 0 && (is_upload || body.total() > limit as u64) {
        cx.sample(&head.target, body.bytes().to_vec());
    }
}

/// The addresses that it would have something fetched from.
pub(in crate::handlers) fn record_addresses(cx: &mut Context<'_>, request: &Request) {
    download(cx, injected::addresses(request));
}

fn download(cx: &mut Context<'_>, addresses: Vec<(&'static str, String)>) {
    for (tool, address) in addresses {
        cx.download(&address, tool);
    }
}

/// The credentials of `Authorization: Basic` (RFC 7617).
pub(super) fn basic_credentials(head: &Head) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = head.values("authorization").next()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = BASE64.decode(token.trim().as_bytes()).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    let (name, password) = pair.split_at_checked(colon)?;
    Some((name.to_vec(), password.get(1..).unwrap_or_default().to_vec()))
}

/// Something that the visitor had done: the `command` event.
pub(super) fn command_event(command: &str) -> Event {
    let shown: String = command.chars().take(SHOWN_OF_TARGET).collect();
    with_text(Event::new("command", shown), "command", command.as_bytes())
}
