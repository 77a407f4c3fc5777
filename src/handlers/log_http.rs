//! `log_http`: Freki's HTTP logger. Answers every request `200` with the body `OK\n` and records it whole.
//!
//! What is no request is answered with the status that says so, recorded until the visitor falls silent, and the connection ends.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::builtin::Builtin;
use super::http::{
    Fault, Found, Grammar, Head, Reader, Request, Version, http_date, record_addresses, record_fault, request_event,
};
use super::recording::{Direction, Recording};
use super::registry::{Environment, Maker, boxed};
use super::{Context, Handler, Session};
use crate::clock::Timestamp;
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "log_http",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[80, 8080],
    about: "records HTTP requests, answers each with 200 and OK",
    prepare,
};

/// After this many requests the connection ends.
const MAX_REQUESTS: u32 = 1_000;
/// Silence after which what followed a faulty request is taken as the whole.
const QUIET: Duration = Duration::from_millis(250);

/// `[handlers.log_http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Silence after which a connection is closed, in seconds.
    silence_secs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { silence_secs: 30 }
    }
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let limit = environment.max_payload;
    Ok(boxed(move |_: &Session| LogHttp {
        reader: Reader::new(Grammar::Strict, limit),
        silence: Duration::from_secs(settings.silence_secs),
        limit,
        requests: 0,
        faulty: None,
    }))
}

struct LogHttp {
    reader: Reader,
    silence: Duration,
    limit: usize,
    requests: u32,
    /// Set once something was no request: why, and what it was.
    faulty: Option<(Fault, Recording)>,
}

impl LogHttp {
    /// True when the connection may carry another request.
    fn answer(&mut self, cx: &mut Context<'_>, request: &Request) -> bool {
        self.requests += 1;
        let head = &request.head;
        let status = if head.has_its_host() { 200 } else { 400 };
        let keep = status == 200 && head.keeps_alive() && self.requests < MAX_REQUESTS;
        self.record(cx, request, ("status", status.into()));
        cx.send(response(cx.now(), status, Some(head), keep));
        if !keep {
            cx.close();
        }
        keep
    }

    /// The request's event with a word on how it ended, and what is named in it.
    fn record(&self, cx: &mut Context<'_>, request: &Request, (word, value): (&str, Value)) {
        cx.event(request_event(request, self.limit).with(word, value));
        record_addresses(cx, request);
    }

    fn refuse(&mut self, cx: &mut Context<'_>, fault: Fault, rest: &[u8]) {
        let mut recording = Recording::new(self.limit);
        recording.push(self.reader.remains());
        recording.push(rest);
        if let Some(request) = self.reader.take_request() {
            self.record(cx, &request, ("status", fault.status.into()));
        }
        self.faulty = Some((fault, recording));
        cx.send(response(cx.now(), fault.status, None, false));
        cx.deadline_in(QUIET);
    }
}

impl Handler for LogHttp {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.deadline_in(self.silence);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if let Some((_, recording)) = &mut self.faulty {
            recording.push(bytes);
            cx.deadline_in(QUIET);
            return;
        }
        cx.deadline_in(self.silence);
        let mut input = bytes;
        while let Some(found) = self.reader.next(&mut input) {
            match found {
                Found::Head if self.reader.head().is_some_and(Head::expects_continue) => {
                    cx.send(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                Found::Head => {}
                Found::Fault(fault) => return self.refuse(cx, fault, input),
                Found::Request(request) => {
                    if !self.answer(cx, &request) {
                        return;
                    }
                }
            }
        }
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        cx.close();
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        if let Some((fault, recording)) = self.faulty.take() {
            record_fault(cx, fault.reason, &recording, Some(fault.status));
        } else if let Some(request) = self.reader.take_request() {
            self.record(cx, &request, ("incomplete", true.into()));
        } else if !self.reader.remains().is_empty() {
            let mut recording = Recording::new(self.limit);
            recording.push(self.reader.remains());
            record_fault(cx, "the request ends early", &recording, None);
        } else if self.requests == 0 {
            cx.event(Recording::new(0).event(Direction::Recv));
        }
    }
}

/// The whole answer, in the header order of Go's net/http, which Freki answers with.
fn response(now: Timestamp, status: u16, head: Option<&Head>, keep: bool) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        413 => "Request Entity Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "Bad Request",
    };
    let body = if status == 200 { "OK\n".to_owned() } else { format!("{status} {reason}") };
    let version = head.map_or(Version::Http11, |head| head.version);
    let connection = match (version, keep) {
        (Version::Http10, true) => "Connection: keep-alive\r\n",
        (Version::Http11, false) => "Connection: close\r\n",
        _ => "",
    };
    let shown = if head.is_some_and(|head| head.method == "HEAD") { "" } else { &body };
    format!(
        "{} {status} {reason}\r\nDate: {}\r\nContent-Length: {}\r\nContent-Type: text/plain; charset=utf-8\r\n{connection}\r\n{shown}",
        version.as_str(),
        http_date(now),
        body.len(),
    )
    .into_bytes()
}

#[cfg(test)]
#[path = "log_http/tests.rs"]
mod tests;
