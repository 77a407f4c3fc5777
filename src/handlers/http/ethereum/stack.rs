//! What stands before geth's calls: compression, whose page may ask (CORS, open to all here), and the types and lengths that it takes.

use super::super::answer::Answer;
use super::super::ask::Ask;
use super::{Ethereum, decoded};
use crate::handlers::Context;
use crate::handlers::gzip::{USUAL, packed};

/// Bytes of a request that geth takes (rpc, maxRequestContentLength).
const MAX_BODY: u64 = 5 << 20;
/// Seconds that a browser remembers what it may do.
const MAX_AGE: &str = "600";
/// What Go's compressor makes of nothing: it ends with a stored block (compress/gzip).
const NOTHING: [u8; 23] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

impl Ethereum {
    /// The answer with the headers of all layers.
    pub(super) fn through_the_stack(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        if ask.path.as_deref() != Some("/") {
            return Answer::empty(404);
        }
        let answer = match preflight(ask) {
            Some(answer) => answer,
            None => shared(ask, self.checked(cx, ask)),
        };
        compressed(ask, answer)
    }

    fn checked(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let is_json = || {
            ask.head.values("content-type").any(|kind| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                matches!(kind, "application/json" | "application/json-rpc" | "application/jsonrequest")
            })
        };
        let length =
            ask.head.values("content-length").next().and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        match ask.head.method.as_str() {
            "PUT" | "DELETE" => refusal(405, "method not allowed"),
            "GET" if length == 0 && ask.query.is_empty() => Answer::empty(200),
            _ if length > MAX_BODY => refusal(413, &format!("content length too large ({length}>{MAX_BODY})")),
            "OPTIONS" => self.rpc(cx, ask.body),
            _ if is_json() => self.rpc(cx, ask.body),
            // Every attempt is answered as it deserves, but none is lost for a wrong type: geth says no, the event says what.
            _ => {
                let calls = serde_json::from_slice(ask.body).map(|request| decoded(&request)).unwrap_or_default();
                refusal(415, "invalid content type, only application/json is supported").decoded("calls", calls)
            }
        }
    }
}

/// What Go's `http.Error` writes.
fn refusal(status: u16, text: &str) -> Answer {
    Answer::new(status, "text/plain; charset=utf-8", format!("{text}\n")).header("X-Content-Type-Options", "nosniff")
}

fn origin<'a>(ask: &'a Ask<'_>) -> Option<&'a str> {
    ask.head.values("origin").next().filter(|origin| !origin.is_empty())
}

/// A browser asks whether it may ask (Fetch, CORS-preflight request).
fn preflight(ask: &Ask<'_>) -> Option<Answer> {
    let method = ask.head.values("access-control-request-method").next().filter(|method| !method.is_empty())?;
    if ask.head.method != "OPTIONS" {
        return None;
    }
    let method = method.to_ascii_uppercase();
    let vary = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"];
    let answer = vary.into_iter().fold(Answer::empty(204), |answer, name| answer.header("Vary", name));
    if origin(ask).is_none() || !matches!(method.as_str(), "POST" | "GET" | "OPTIONS") {
        return Some(answer);
    }
    let answer = answer.header("Access-Control-Allow-Origin", "*").header("Access-Control-Allow-Methods", method);
    let names: Vec<String> = ask
        .head
        .values("access-control-request-headers")
        .flat_map(|names| names.split([',', ' ']))
        .filter(|name| !name.is_empty())
        .take(32)
        .map(canonical)
        .collect();
    let answer =
        if names.is_empty() { answer } else { answer.header("Access-Control-Allow-Headers", names.join(", ")) };
    Some(answer.header("Access-Control-Max-Age", MAX_AGE))
}

/// `content-type` as `Content-Type`.
fn canonical(name: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

/// An answer that pages of every origin may read.
fn shared(ask: &Ask<'_>, answer: Answer) -> Answer {
    match ask.head.method.as_str() {
        "OPTIONS" => answer,
        "GET" | "POST" if origin(ask).is_some() => {
            answer.header("Vary", "Origin").header("Access-Control-Allow-Origin", "*")
        }
        _ => answer.header("Vary", "Origin"),
    }
}

/// geth compresses whatever it says to those who take it.
fn compressed(ask: &Ask<'_>, answer: Answer) -> Answer {
    if !ask.head.values("accept-encoding").next().is_some_and(|accepted| accepted.contains("gzip")) {
        return answer;
    }
    let body = if answer.body.is_empty() { NOTHING.to_vec() } else { packed(&answer.body, USUAL).unwrap_or_default() };
    let mut body = if answer.status == 204 { Vec::new() } else { body };
    // Go does not say which system it runs on (RFC 1952 section 2.3.1).
    body.iter_mut().skip(9).take(1).for_each(|system| *system = 0xff);
    Answer { body, ..answer }.header("Content-Encoding", "gzip")
}
