//! The stream of one session, cut into commands and values. The first byte decides the protocol for good: 0x80 is binary.

use serde_json::{Map, Value};

use super::reply::Reply;
use super::store::{Cache, Mode};
use super::{binary, meta, stats, text};
use crate::handlers::Session;
use crate::handlers::held::Share;

/// Bytes of a command line; longer ones end the session, as memcached ends it.
const MAX_LINE: usize = 2_048;
/// Bytes of a `get` or `gets` line, which may name many keys.
const MAX_GET_LINE: usize = 64 * 1024;

/// What a command may touch.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) cache: &'a mut Cache,
    pub(super) server: &'a stats::Server,
    pub(super) session: &'a Session,
    /// Unix time in seconds: memcached's clock ticks once a second.
    pub(super) now: u64,
    pub(super) reply: &'a mut Reply,
}

impl Visit<'_> {
    pub(super) fn record(&mut self, command: &[u8], decoded: Map<String, Value>, value: Option<&[u8]>) {
        self.reply.record(command, decoded, value);
    }
}

/// What comes next on the stream.
#[derive(Debug)]
pub(super) enum Next {
    Command,
    /// The value of a set: so many bytes, its line end included.
    Value(Set, usize, Share),
    /// The body of a binary request.
    Body(binary::Header, Option<Share>),
    /// Bytes that are passed over, and the answer that is given then.
    Swallow(usize, Vec<u8>),
    /// Nothing is answered any more: the visitor watches the log.
    Watch,
    Close,
}

/// A set whose value is on its way.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) line: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) key: Vec<u8>,
    pub(super) flags: u32,
    pub(super) expires: Option<u64>,
    pub(super) cas: u64,
    /// The command was `cas`.
    pub(super) needs_cas: bool,
    pub(super) quiet: bool,
    pub(super) decoded: Map<String, Value>,
    /// The key as it was written and the flags of an `ms`.
    pub(super) meta: Option<(Vec<u8>, meta::Flags)>,
}

/// The state of one session.
#[derive(Debug)]
pub(super) struct Dialogue {
    is_binary: Option<bool>,
    next: Next,
    /// The beginning of a line, header, value or body.
    part: Vec<u8>,
}

impl Default for Dialogue {
    fn default() -> Self {
        Self { is_binary: None, next: Next::Command, part: Vec::new() }
    }
}

impl Dialogue {
    /// Takes all of `input`.
    pub(super) fn take(&mut self, mut input: &[u8], visit: &mut Visit<'_>) {
        while !input.is_empty() && !visit.reply.close {
            let answered = visit.reply.bytes.len();
            self.step(&mut input, visit);
            visit.cache.counts.bytes_written += (visit.reply.bytes.len() - answered) as u64;
        }
        // An idle session holds no large buffer.
        if self.part.is_empty() && self.part.capacity() > MAX_LINE {
            self.part = Vec::new();
        }
    }

    fn step(&mut self, input: &mut &[u8], visit: &mut Visit<'_>) {
        let wanted = match &self.next {
            Next::Command => {
                let binary = *self.is_binary.get_or_insert(input.first() == Some(&binary::REQUEST));
                return if binary { self.header(input, visit) } else { self.line(input, visit) };
            }
            Next::Watch => return self.watched(input, visit),
            Next::Close => {
                visit.reply.close = true;
                return;
            }
            Next::Swallow(left, _) => *left,
            Next::Value(_, wanted, _) => *wanted,
            Next::Body(header, _) => header.body_len(),
        };
        if matches!(self.next, Next::Swallow(..)) {
            return self.swallow(input, wanted, visit);
        }
        if self.fill(input, wanted, visit) {
            let part = std::mem::take(&mut self.part);
            match std::mem::replace(&mut self.next, Next::Command) {
                Next::Value(set, _, promise) => {
                    drop(promise);
                    text::stored(set, part, visit);
                }
                Next::Body(header, promise) => {
                    drop(promise);
                    let next = binary::request(&header, &part, visit);
                    self.go_on(next, visit);
                }
                _ => {}
            }
        }
    }

    fn swallow(&mut self, input: &mut &[u8], left: usize, visit: &mut Visit<'_>) {
        let passed = left.min(input.len());
        *input = input.get(passed..).unwrap_or_default();
        visit.cache.counts.bytes_read += passed as u64;
        let Next::Swallow(left, answer) = &mut self.next else { return };
        *left -= passed;
        if *left == 0 {
            visit.reply.put(std::mem::take(answer));
            visit.reply.end();
            self.next = Next::Command;
        }
    }

    /// Moves input until `part` has this many bytes; true when it has.
    fn fill(&mut self, input: &mut &[u8], wanted: usize, visit: &mut Visit<'_>) -> bool {
        let missing = wanted.saturating_sub(self.part.len()).min(input.len());
        let (now, later) = input.split_at_checked(missing).unwrap_or((*input, &[]));
        self.part.extend_from_slice(now);
        visit.cache.counts.bytes_read += now.len() as u64;
        *input = later;
        self.part.len() >= wanted
    }

    /// Moves input up to and with the line's end into `part`; true when the line is whole. Too long a line ends the session.
    fn fill_line(&mut self, input: &mut &[u8], visit: &mut Visit<'_>) -> bool {
        let end = memchr::memchr(b'\n', input);
        let (now, later) = input.split_at_checked(end.map_or(input.len(), |end| end + 1)).unwrap_or((*input, &[]));
        let room = (MAX_GET_LINE + 1).saturating_sub(self.part.len());
        self.part.extend_from_slice(now.get(..room).unwrap_or(now));
        visit.cache.counts.bytes_read += now.len() as u64;
        *input = later;
        let is_get = self.part.starts_with(b"get ") || self.part.starts_with(b"gets ");
        let most = if is_get { MAX_GET_LINE } else { MAX_LINE };
        if self.part.len() > most {
            self.part.truncate(most);
            visit.reply.close = true;
            return false;
        }
        end.is_some()
    }

    fn line(&mut self, input: &mut &[u8], visit: &mut Visit<'_>) {
        if !self.fill_line(input, visit) {
            return;
        }
        let mut part = std::mem::take(&mut self.part);
        part.pop();
        if part.last() == Some(&b'\r') {
            part.pop();
        }
        let next = text::command(&part, visit);
        self.go_on(next, visit);
        // The buffer serves the next line, too.
        part.clear();
        self.part = part;
    }

    fn header(&mut self, input: &mut &[u8], visit: &mut Visit<'_>) {
        if self.fill(input, binary::HEADER_LEN, visit) {
            let part = std::mem::take(&mut self.part);
            let next = match binary::Header::parse(&part) {
                Some(header) => header.announce(visit),
                None => {
                    self.part = part;
                    Next::Close
                }
            };
            self.go_on(next, visit);
        }
    }

    fn go_on(&mut self, next: Next, visit: &mut Visit<'_>) {
        self.next = match next {
            Next::Close => {
                visit.reply.close = true;
                Next::Close
            }
            // What has no body is whole already.
            Next::Body(header, promise) if header.body_len() == 0 => {
                drop(promise);
                let next = binary::request(&header, &[], visit);
                return self.go_on(next, visit);
            }
            other => other,
        };
    }

    fn watched(&mut self, input: &mut &[u8], visit: &mut Visit<'_>) {
        if self.fill_line(input, visit) {
            let mut line = std::mem::take(&mut self.part);
            line.truncate(line.trim_ascii_end().len());
            visit.record(&line, Map::new(), None);
        }
    }

    /// The session ends: what was begun comes back to be recorded.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let part = std::mem::take(&mut self.part);
        match std::mem::replace(&mut self.next, Next::Close) {
            Next::Value(set, ..) => [set.line.as_slice(), b"\r\n", &part].concat(),
            Next::Body(header, _) => [header.bytes().as_slice(), &part].concat(),
            _ => part,
        }
    }
}
