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
                    if take_line(line, input, MAX_CHUNK_LINE)? {
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
                    if take_line(line, input, 2)? {
                        if !is_empty_line(line) {
                            return Err(Fault::bad_request("no line end after a chunk"));
                        }
                        *self = Self::ChunkSize(Vec::new());
                    }
                }
                Self::Trailer(line, before) => {
                    if take_line(line, input, MAX_CHUNK_LINE.saturating_sub(*before))? {
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

fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|digit| digit.is_ascii_hexdigit()));
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(Fault::bad_request("a chunk size is no number"))
}
