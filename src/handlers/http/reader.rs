//! From bytes in any pieces to requests.

use sha2::{Digest, Sha256};

use super::super::Recording;
use super::body::Body;
use super::{Head, MAX_HEAD};

/// Why something is no request, and the status code that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers) struct Fault {
    pub(in crate::handlers) status: u16,
    pub(in crate::handlers) reason: &'static str,
}

impl Fault {
    pub(super) const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    pub(super) const fn bad_request(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}

impl From<httparse::Error> for Fault {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::new(431, "too many headers"),
            httparse::Error::Version => Self::bad_request("not an HTTP/1 version"),
            httparse::Error::Token => Self::bad_request("not a method or target"),
            httparse::Error::HeaderName | httparse::Error::HeaderValue => Self::bad_request("not a header"),
            httparse::Error::NewLine | httparse::Error::Status => Self::bad_request("a line end is missing"),
        }
    }
}

/// A request: its head and what is kept of its body.
#[derive(Debug, Clone)]
pub(in crate::handlers) struct Request {
    pub(in crate::handlers) head: Head,
    /// The beginning of the body.
    pub(in crate::handlers) body: Recording,
    hash: Sha256,
}

impl Request {
    /// SHA-256 of the whole body.
    pub(in crate::handlers) fn body_hash(&self) -> impl AsRef<[u8]> {
        self.hash.clone().finalize()
    }

    fn push_body(&mut self, bytes: &[u8]) {
        self.body.push(bytes);
        self.hash.update(bytes);
    }
}

/// What the reader has found.
#[derive(Debug)]
pub(in crate::handlers) enum Found {
    /// A head is complete, and its sender waits for `100 Continue` before it sends the body.
    ContinueWanted,
    /// A request is complete.
    Request(Box<Request>),
    /// What comes is no request; the reader takes no more, [`Reader::remains`] has what it took last.
    Fault(Fault),
}

#[derive(Debug)]
enum State {
    /// Lines of the head, from its first byte on.
    Head(Vec<u8>),
    Body(Box<Request>, Body),
    /// Bytes taken of what is no request, and the request whose body they were meant for.
    Faulty(Vec<u8>, Option<Box<Request>>),
}

/// Reads requests one after the other.
#[derive(Debug)]
pub(in crate::handlers) struct Reader {
    state: State,
    kept_of_body: usize,
}

impl Reader {
    /// A reader that keeps this many bytes of every body.
    pub(in crate::handlers) fn new(kept_of_body: usize) -> Self {
        Self { state: State::Head(Vec::new()), kept_of_body }
    }

    /// Takes bytes from the front of `input` until something is found; `None` when all are taken.
    pub(in crate::handlers) fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        let found = match &mut self.state {
            State::Head(head) => read_head(head, input, self.kept_of_body),
            State::Body(request, body) => {
                read_body(request, body, input).map(|complete| complete.then_some(Step::Complete))
            }
            State::Faulty(..) => return None,
        };
        match found {
            Ok(None) => None,
            Ok(Some(Step::Body(request, body))) => {
                let wanted = request.head.expects_continue() && !matches!(body, Body::Complete);
                self.state = State::Body(request, body);
                if wanted { Some(Found::ContinueWanted) } else { self.next(input) }
            }
            Ok(Some(Step::Complete)) => self.take_request().map(Found::Request),
            Err(fault) => {
                let remains = self.remains().to_vec();
                self.state = State::Faulty(remains, self.take_request());
                Some(Found::Fault(fault))
            }
        }
    }

    /// The request whose end has not come (or never will, after a fault), if its head has.
    pub(in crate::handlers) fn take_request(&mut self) -> Option<Box<Request>> {
        if let State::Faulty(_, request) = &mut self.state {
            return request.take();
        }
        match std::mem::replace(&mut self.state, State::Head(Vec::new())) {
            State::Body(request, _) => Some(request),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Bytes taken that belong to no complete head or body: an unfinished head, or what was found faulty.
    pub(in crate::handlers) fn remains(&self) -> &[u8] {
        match &self.state {
            State::Head(bytes) | State::Faulty(bytes, _) => bytes,
            State::Body(_, body) => body.line(),
        }
    }
}

enum Step {
    /// The head is complete, this is its body.
    Body(Box<Request>, Body),
    /// The body is complete.
    Complete,
}

/// Takes line after line, so that the same bytes are judged at the same places however they are cut, each once or twice.
fn read_head(head: &mut Vec<u8>, input: &mut &[u8], kept_of_body: usize) -> Result<Option<Step>, Fault> {
    while !input.is_empty() {
        let end = memchr::memchr(b'\n', input);
        let wanted = end.map_or(input.len(), |at| at + 1);
        let (line, rest) = input.split_at(wanted.min(MAX_HEAD.saturating_sub(head.len())));
        let is_first = !head.contains(&b'\n');
        head.extend_from_slice(line);
        *input = rest;
        if head.len() >= MAX_HEAD {
            return Err(Fault::new(431, "the head is too long"));
        }
        if head.first().is_some_and(|&byte| !is_token(byte) && !matches!(byte, b'\r' | b'\n')) {
            return Err(Fault::bad_request("not a method or target"));
        }
        if end.is_none() {
            return Ok(None);
        }
        if matches!(head.as_slice(), b"\r\n" | b"\n") {
            // An empty line before a request is let pass (RFC 9112 section 2.2).
            head.clear();
        } else if head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n") {
            let parsed = Head::parse(head)?;
            let body = Body::from(parsed.framing()?);
            let request = Request { head: parsed, body: Recording::new(kept_of_body), hash: Sha256::new() };
            head.clear();
            return Ok(Some(Step::Body(Box::new(request), body)));
        } else if is_first {
            Head::check_beginning(head)?;
        }
    }
    Ok(None)
}

/// True when the body is complete.
fn read_body(request: &mut Request, body: &mut Body, input: &mut &[u8]) -> Result<bool, Fault> {
    let total = request.body.total();
    body.take(input, total, |bytes| request.push_body(bytes))?;
    Ok(matches!(body, Body::Complete))
}

/// `tchar` of RFC 9110 section 5.6.2: what a method consists of.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}
