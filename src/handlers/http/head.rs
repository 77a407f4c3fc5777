//! The head of a request: request line and headers.

use std::borrow::Cow;

use super::{Fault, Grammar, MAX_BODY, MAX_STRICT_HEADERS, golang};

/// The version that a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::handlers) enum Version {
    /// A line with a method and a target, answered with a body alone.
    Http09,
    Http10,
    Http11,
}

impl Version {
    pub(in crate::handlers) const fn as_str(self) -> &'static str {
        match self {
            Self::Http09 => "HTTP/0.9",
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// The head of a request, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers) struct Head {
    pub(in crate::handlers) method: String,
    /// The request target, whatever its form.
    pub(in crate::handlers) target: String,
    pub(in crate::handlers) version: Version,
    /// Names and values in the order sent; bytes that are not UTF-8 are replaced.
    pub(in crate::handlers) headers: Vec<(String, String)>,
    /// The whole head as sent, when not all of it is UTF-8.
    pub(in crate::handlers) raw: Option<Vec<u8>>,
}

/// How long the body is (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

impl Framing {
    /// What a Content-Length says.
    pub(super) fn of_length(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Fault::bad_request("Content-Length is not a number"));
        }
        match text.parse::<i64>().map(u64::try_from) {
            Ok(Ok(length)) if length <= MAX_BODY => Ok(Self::Length(length)),
            Ok(_) => Err(Fault::new(413, "the body is too long")),
            Err(_) => Err(Fault::bad_request("Content-Length is no number that fits")),
        }
    }
}

impl Head {
    /// Reads a complete head as RFC 9112 has it, or as Apache does.
    pub(super) fn parse(bytes: &[u8], grammar: Grammar) -> Result<Self, Fault> {
        let readable = understood(bytes, grammar);
        let mut slots = [httparse::EMPTY_HEADER; MAX_STRICT_HEADERS];
        let mut request = httparse::Request::new(&mut slots);
        match request.parse(&readable) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Fault::bad_request("the head ends early")),
            Err(error) => return Err(error.into()),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(Fault::bad_request("the request line is incomplete"));
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = request.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
        let raw = std::str::from_utf8(bytes).is_err().then(|| bytes.to_vec());
        let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        Ok(Self { method: method.to_owned(), target: target.to_owned(), version, headers, raw })
    }

    /// The head that is one line without version (RFC 1945 section 4.1).
    pub(super) fn http_09(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        let (method, target) = text.split_once(' ').unwrap_or((&text, ""));
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, version: Version::Http09, headers: Vec::new(), raw: None }
    }

    /// Finds out early that a head whose end has not come can never become a request.
    pub(super) fn check_beginning(bytes: &[u8], grammar: Grammar) -> Result<(), Fault> {
        let readable = understood(bytes, grammar);
        let mut slots = [httparse::EMPTY_HEADER; MAX_STRICT_HEADERS];
        httparse::Request::new(&mut slots).parse(&readable).map(drop).map_err(Fault::from)
    }

    /// Values of every header of this name.
    pub(in crate::handlers) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A header of this name lists this token, case ignored.
    pub(in crate::handlers) fn lists(&self, name: &str, token: &str) -> bool {
        self.values(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
    }

    /// The connection may carry another request (RFC 9112 section 9.3).
    pub(in crate::handlers) fn keeps_alive(&self) -> bool {
        match self.version {
            Version::Http09 => false,
            Version::Http10 => self.lists("connection", "keep-alive"),
            Version::Http11 => !self.lists("connection", "close"),
        }
    }

    /// HTTP/1.1 asks for exactly one Host (RFC 9112 section 3.2).
    pub(in crate::handlers) fn has_its_host(&self) -> bool {
        self.version < Version::Http11 || self.values("host").count() == 1
    }

    /// The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub(in crate::handlers) fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && self.lists("expect", "100-continue")
    }

    /// The length of the body. Contradictions are refused, as they are in request smuggling (RFC 9112 section 6.3); Apache takes the chunks.
    pub(super) fn framing(&self, grammar: Grammar) -> Result<Framing, Fault> {
        if grammar == Grammar::Go {
            return golang::framing(self);
        }
        let blanks: &[char] = if grammar == Grammar::Nginx { &[' '] } else { &[' ', '\t'] };
        let lengths = self.values("content-length").flat_map(|value| value.split(','));
        let mut lengths = lengths.map(|value| value.trim_matches(blanks));
        let first = lengths.next();
        if lengths.any(|other| Some(other) != first) {
            return Err(Fault::bad_request("contradicting Content-Length"));
        }
        if grammar == Grammar::Nginx && self.values("transfer-encoding").count() > 1 {
            return Err(Fault::bad_request("several Transfer-Encodings"));
        }
        let codings = self.values("transfer-encoding").flat_map(|value| value.split(','));
        if let Some(last) = codings.last() {
            return match first {
                _ if !last.trim().eq_ignore_ascii_case("chunked") => Err(Fault::new(501, "unknown Transfer-Encoding")),
                Some(_) if grammar != Grammar::Apache => {
                    Err(Fault::bad_request("Content-Length besides Transfer-Encoding"))
                }
                _ => Ok(Framing::Chunked),
            };
        }
        first.map_or(Ok(Framing::Length(0)), Framing::of_length)
    }
}

/// A line of a head without its end, which nginx and Go take with and without CR.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A head whose first line the parser takes: a server takes a later minor version for the last that it knows (RFC 9110 section 2.5).
/// Apache does so with any version that has a digit on either side, takes any byte in a target, and joins lines that are folded.
fn understood(head: &[u8], grammar: Grammar) -> Cow<'_, [u8]> {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let (line, fields) = head.split_at(end);
    let is_apache = grammar == Grammar::Apache;
    let is_later = match line.trim_ascii_end() {
        [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => true,
        [.., b' ', b'H', b'T', b'T', b'P', b'/', b'2'..=b'9', b'.', b'0'..=b'9'] => is_apache,
        _ => false,
    };
    let is_folded = is_apache && [&b"\n "[..], b"\n\t"].iter().any(|fold| memchr::memmem::find(fields, fold).is_some());
    if !is_later && !is_folded && (!is_apache || line.is_ascii()) {
        return head.into();
    }
    let mut line = String::from_utf8_lossy(line).into_owned();
    if let Some(at) = line.rfind(" HTTP/").filter(|_| is_later) {
        line.replace_range(at.., " HTTP/1.1\r");
    }
    let mut head = line.into_bytes();
    let mut lines = fields.split_inclusive(|&byte| byte == b'\n').peekable();
    while let Some(field) = lines.next() {
        let is_continued =
            is_folded && lines.peek().is_some_and(|next| next.starts_with(b" ") || next.starts_with(b"\t"));
        head.extend_from_slice(if is_continued && field.len() > 1 { field.trim_ascii_end() } else { field });
    }
    head.into()
}
