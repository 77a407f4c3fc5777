//! The body of a request: so many bytes, or chunks (RFC 9112 section 7.1).

use super::head::Framing;
use super::{Fault, MAX_BODY, MAX_CHUNK_LINE};

/// Where in a body the next byte belongs.
#[derive(Debug)]
pub(super) enum Body {
    /// This many bytes of the body, or of the present chunk, are still to come.
    Data { left: u64, chunked: bool },
    /// The line that says how long the next chunk is.
    ChunkSize(Vec<u8>),
    /// The line end after a chunk.
    ChunkEnd(Vec<u8>),
    /// Trailer lines: the present one, and the bytes of those before.
    Trailer(Vec<u8>, usize),
    /// Nothing is missing.
    Complete,
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Complete,
            Framing::Length(left) => Self::Data { left, chunked: false },
            Framing::Chunked => Self::ChunkSize(Vec::new()),
        }
    }
}

/// Moves bytes up to and with the next line end from `input` to `line`; true when the line is whole.
fn take_line(line: &mut Vec<u8>, input: &mut &[u8], limit: usize) -> Result<bool, Fault> {
    let end = memchr::memchr(b'\n', input);
    let wanted = end.map_or(input.len(), |at| at + 1);
    let allowed = limit.saturating_sub(line.len());
    let (taken, rest) = input.split_at(wanted.min(allowed));
    line.extend_from_slice(taken);
    *input = rest;
    if wanted > allowed { Err(Fault::bad_request("a line of the chunked body is too long")) } else { Ok(end.is_some()) }
}

impl Body {
    /// Takes what belongs to the body from the front of `input` and shows its content to `sink`; stops at the end of the body.
    pub(super) fn take(&mut self, input: &mut &[u8], total: u64, mut sink: impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut total = total;
        while !input.is_empty() {
            match self {
                Self::Complete => return Ok(()),
                Self::Data { left, chunked } => {
                    let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                    let (data, rest) = input.split_at(len);
                    sink(data);
                    *input = rest;
                    *left -= len as u64;
                    total += len as u64;
                    if *left == 0 {
                        *self = if *chunked { Self::ChunkEnd(Vec::new()) } else { Self::Complete };
                    }
                }
                Self::ChunkSize(line) => {
                    let is_whole = take_line(line, input, MAX_CHUNK_LINE)?;
                    if !line.first().is_some_and(u8::is_ascii_hexdigit) {
                        return Err(Fault::bad_request("a chunk size is no number"));
                    }
                    if is_whole {
                        *self = match chunk_size(line)? {
                            0 => Self::Trailer(Vec::new(), 0),
                            size if size > MAX_BODY.saturating_sub(total) => {
                                return Err(Fault::new(413, "the body is too long"));
                            }
                            left => Self::Data { left, chunked: true },
                        };
                    }
                }
                Self::ChunkEnd(line) => {
                    let is_whole = take_line(line, input, 2)?;
                    if !matches!(line.as_slice(), b"\r" | b"\r\n" | b"\n") {
                        return Err(Fault::bad_request("no line end after a chunk"));
                    }
                    if is_whole {
                        *self = Self::ChunkSize(Vec::new());
                    }
                }
                Self::Trailer(line, before) => {
                    if take_line(line, input, MAX_CHUNK_LINE.saturating_sub(*before))? {
                        if line.iter().position(|&byte| byte == b'\r').is_some_and(|at| at + 2 != line.len()) {
                            return Err(Fault::bad_request("a line end is broken"));
                        }
                        let length = *before + line.len();
                        *self = if is_empty_line(line) { Self::Complete } else { Self::Trailer(Vec::new(), length) };
                    }
                }
            }
        }
        Ok(())
    }

    /// What was taken of a line that turned out to be broken.
    pub(super) fn line(&self) -> &[u8] {
        match self {
            Self::ChunkSize(line) | Self::ChunkEnd(line) | Self::Trailer(line, _) => line,
            Self::Data { .. } | Self::Complete => &[],
        }
    }
}

fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// Digits, and an extension behind `;` or a blank that nobody looks at.
fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let line = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line);
    let digits = line.split(|byte| b"; \t".contains(byte)).next().unwrap_or_default();
    let text = std::str::from_utf8(digits).ok().filter(|_| !line.contains(&b'\r'));
    let size = text.and_then(|text| i64::from_str_radix(text, 16).ok()).and_then(|size| u64::try_from(size).ok());
    size.ok_or(Fault::bad_request("a chunk size is no number"))
}
