//! What a family answers: a reply, perhaps with a stream instead of a body, and what the request's event shall tell besides.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::Context;
use crate::clock::Timestamp;

/// An answer before the server's face gives it its head.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Option<Cow<'static, str>>,
    /// Headers that the face does not write itself, in the order sent.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// The whole head, without the empty line: a device in front of the server has answered.
    pub(super) head: Option<String>,
    /// The connection ends after this answer whatever the client asked, and the answer says so.
    pub(super) close: bool,
    /// The same, and the answer does not say so.
    pub(super) cut: bool,
    /// What the family understood, for the `decoded` object of the request's event.
    pub(super) decoded: Map<String, Value>,
    /// The body is a file of this date: validators, conditions and ranges are the face's.
    pub(super) modified: Option<Timestamp>,
    pub(super) measure: Measure,
    /// What comes instead of a body, over time.
    pub(super) stream: Option<(Framing, Box<dyn Stream>)>,
}

/// How the head says where the body ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Measure {
    /// By its length.
    #[default]
    Bytes,
    /// It goes out as one chunk: the length was not known before.
    Chunk,
    /// Not at all: the end of the connection is its end.
    Untold,
}

/// How a stream travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// As a chunked body; the connection lives on afterwards.
    Chunked,
    /// The connection is taken over (101 or a body without end) and closed afterwards.
    Raw,
}

/// When a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// After this time.
    After(Duration),
    /// Never: all was sent.
    Ended,
}

/// A body that comes piece by piece. Each call sends a bounded number of bytes.
pub(super) trait Stream: Send {
    /// Its next piece, possibly empty.
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress;

    /// What the client sends on a connection that was taken over.
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let _ = (cx, bytes, out);
        Progress::After(Duration::ZERO)
    }

    /// The client sends no more.
    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        let _ = (cx, out);
        Progress::Ended
    }

    /// The connection is over: last events.
    fn closed(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }
}

impl Answer {
    /// An answer with this status, type and body.
    pub(super) fn new(status: u16, content_type: impl Into<Cow<'static, str>>, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: Some(content_type.into()), body: body.into(), ..Self::default() }
    }

    /// An answer without type and body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A page.
    pub(super) fn html(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/html; charset=UTF-8", body)
    }

    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    /// A file of this date.
    pub(super) fn file(content_type: &'static str, body: impl Into<Vec<u8>>, modified: Timestamp) -> Self {
        Self { modified: Some(modified), ..Self::new(200, content_type, body) }
    }

    /// An answer whose body comes over time.
    pub(super) fn streamed(status: u16, framing: Framing, stream: impl Stream + 'static) -> Self {
        Self { status, stream: Some((framing, Box::new(stream))), ..Self::default() }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn decoded(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.decoded.insert(key.to_owned(), value.into());
        self
    }
}
