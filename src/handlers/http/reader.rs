//! From bytes in any pieces to requests.

use sha2::{Digest, Sha256};

use super::super::Recording;
use super::body::Body;
use super::head::without_end;
use super::{Head, MAX_HEAD, Version, golang, nginx};

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
    /// A head is complete, and its body is still to come: [`Reader::request`] has what there is.
    Head,
    /// A request is complete.
    Request(Box<Request>),
    /// What comes is no request; the reader takes no more, [`Reader::remains`] has what it took last.
    Fault(Fault),
}

/// What a server takes for a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers) enum Grammar {
    /// What RFC 9112 has, judged when the head is complete.
    Strict,
    /// The same as Apache has it: lines end in CR and LF, and the first may be HTTP/0.9.
    Apache,
    /// What Go's net/http takes, line by line.
    Go,
    /// What nginx takes, judged line by line.
    Nginx,
}

/// A head that is under way, from its first byte on.
#[derive(Debug, Default)]
struct Draft {
    bytes: Vec<u8>,
    /// Where the present line begins.
    line: usize,
    lines: nginx::Lines,
}

#[derive(Debug)]
enum State {
    Head(Draft),
    Body(Box<Request>, Body),
    /// Bytes taken of what is no request, and the request whose body they were meant for.
    Faulty(Vec<u8>, Option<Box<Request>>),
}

/// Reads requests one after the other.
#[derive(Debug)]
pub(in crate::handlers) struct Reader {
    state: State,
    grammar: Grammar,
    kept_of_body: usize,
}

impl Reader {
    /// A reader that keeps this many bytes of every body.
    pub(in crate::handlers) fn new(grammar: Grammar, kept_of_body: usize) -> Self {
        Self { state: State::Head(Draft::default()), grammar, kept_of_body }
    }

    /// Takes bytes from the front of `input` until something is found; `None` when all are taken.
    pub(in crate::handlers) fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        let found = match &mut self.state {
            State::Head(draft) => draft.read(input, self.grammar),
            State::Body(request, body) => {
                read_body(request, body, input).map(|complete| complete.then_some(Step::Complete))
            }
            State::Faulty(..) => return None,
        };
        match found {
            Ok(None) => None,
            Ok(Some(Step::Head(head, body))) => {
                let request = Request { head, body: Recording::new(self.kept_of_body), hash: Sha256::new() };
                let is_complete = matches!(body, Body::Complete);
                self.state = State::Body(Box::new(request), body);
                if is_complete { self.take_request().map(Found::Request) } else { Some(Found::Head) }
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
    pub(in crate::handlers) fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Body(request, _) | State::Faulty(_, Some(request)) => Some(request),
            State::Head(_) | State::Faulty(_, None) => None,
        }
    }

    /// The head of [`Reader::request`].
    pub(in crate::handlers) fn head(&self) -> Option<&Head> {
        self.request().map(|request| &request.head)
    }

    /// Takes [`Reader::request`] out.
    pub(in crate::handlers) fn take_request(&mut self) -> Option<Box<Request>> {
        if let State::Faulty(_, request) = &mut self.state {
            return request.take();
        }
        match std::mem::replace(&mut self.state, State::Head(Draft::default())) {
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
            State::Head(Draft { bytes, .. }) | State::Faulty(bytes, _) => bytes,
            State::Body(_, body) => body.line(),
        }
    }
}

enum Step {
    /// The head is complete, this is its body.
    Head(Head, Body),
    /// The body is complete.
    Complete,
}

impl Draft {
    /// Takes line after line, so that the same bytes are judged at the same places however they are cut, each once or twice.
    fn read(&mut self, input: &mut &[u8], grammar: Grammar) -> Result<Option<Step>, Fault> {
        while !input.is_empty() {
            if self.bytes.is_empty() && grammar == Grammar::Nginx {
                let start = input.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(input.len());
                *input = input.get(start..).unwrap_or_default();
            }
            let end = memchr::memchr(b'\n', input);
            let wanted = end.map_or(input.len(), |at| at + 1);
            let (piece, rest) = input.split_at(wanted.min(MAX_HEAD.saturating_sub(self.bytes.len())));
            self.bytes.extend_from_slice(piece);
            *input = rest;
            let ended = piece.ends_with(b"\n");
            let head = match grammar {
                Grammar::Apache if ended && !piece.ends_with(b"\r\n") && !self.bytes.ends_with(b"\r\n") => {
                    return Err(Fault::bad_request("a line end is missing"));
                }
                Grammar::Apache if ended && self.line == 0 && is_http_09(&self.bytes) => {
                    Some(Head::http_09(&self.bytes))
                }
                Grammar::Strict | Grammar::Apache => self.strictly(ended, grammar)?,
                Grammar::Go => self.as_go(ended)?,
                Grammar::Nginx => self.as_nginx(piece.len(), ended)?,
            };
            if let Some(head) = head {
                let body = Body::from(head.framing(grammar)?);
                *self = Self::default();
                return Ok(Some(Step::Head(head, body)));
            }
        }
        Ok(None)
    }

    fn check_length(&self) -> Result<(), Fault> {
        if self.bytes.len() >= MAX_HEAD { Err(Fault::new(431, "the head is too long")) } else { Ok(()) }
    }

    /// A piece of a line was added, perhaps its last: the head, when it is complete.
    fn strictly(&mut self, ended: bool, grammar: Grammar) -> Result<Option<Head>, Fault> {
        self.check_length()?;
        let is_wrong = |&byte: &u8| !is_token(byte) && !matches!(byte, b'\r' | b'\n');
        if self.bytes.first().is_some_and(is_wrong) {
            return Err(Fault::bad_request("not a method or target"));
        }
        if !ended {
            return Ok(None);
        }
        let bytes = &mut self.bytes;
        let is_first = std::mem::replace(&mut self.line, bytes.len()) == 0;
        if matches!(bytes.as_slice(), b"\r\n" | b"\n") {
            // An empty line before a request is let pass (RFC 9112 section 2.2).
            *self = Self::default();
        } else if bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n") {
            return Head::parse(bytes, grammar).map(Some);
        } else if is_first {
            Head::check_beginning(bytes, grammar)?;
        }
        Ok(None)
    }

    /// The same, as Go has it.
    fn as_go(&mut self, ended: bool) -> Result<Option<Head>, Fault> {
        self.check_length()?;
        if !ended {
            return Ok(None);
        }
        let line = self.bytes.get(self.line..).unwrap_or_default();
        if self.line == 0 {
            golang::request_line(line)?;
        } else if without_end(line).is_empty() {
            return golang::head(&self.bytes).map(Some);
        }
        self.line = self.bytes.len();
        Ok(None)
    }

    /// The same, with what nginx says at each line; its buffers are smaller than [`MAX_HEAD`].
    fn as_nginx(&mut self, length: usize, ended: bool) -> Result<Option<Head>, Fault> {
        self.lines.grow(length, ended)?;
        if self.bytes.first().is_some_and(|&byte| !nginx::is_method(byte)) {
            return Err(Fault::bad_request("not a method or target"));
        }
        if !ended {
            return Ok(None);
        }
        let line = self.bytes.get(self.line..).unwrap_or_default();
        if self.lines.is_first() {
            let head = nginx::request_line(line)?;
            if head.version == Version::Http09 {
                return Ok(Some(head));
            }
        } else if without_end(line).is_empty() {
            return nginx::head(&self.bytes).map(Some);
        } else {
            self.lines.check_count()?;
            nginx::header(line)?;
        }
        self.line = self.bytes.len();
        Ok(None)
    }
}

/// `GET`, a path, and nothing else.
fn is_http_09(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.trim_ascii_end().split(|&byte| byte == b' ').take(3).collect();
    matches!(words.as_slice(), [b"GET", [b'/', target @ ..]] if target.iter().all(u8::is_ascii_graphic))
}

/// True when the body is complete.
fn read_body(request: &mut Request, body: &mut Body, input: &mut &[u8]) -> Result<bool, Fault> {
    let total = request.body.total();
    body.take(input, total, |bytes| request.push_body(bytes))?;
    Ok(matches!(body, Body::Complete))
}

/// `tchar` of RFC 9110 section 5.6.2: what a method consists of.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}
