//! Request heads as nginx reads them: line by line, more liberal than RFC 9112 in some places and stricter in others.
//!
//! A request line without version is HTTP/0.9, spaces around its parts are passed over, a header may have any visible bytes in its name
//! and needs no colon. What such a server holds is bounded by its buffers (`client_header_buffer_size`, `large_client_header_buffers`).

use super::head::{Head, Version, without_end};
use super::{Fault, MAX_NGINX_HEADERS};

/// Bytes of the buffer that a head begins in, of each that it goes on in, and how many there are of those.
const FIRST_BUFFER: usize = 1_024;
const LARGE_BUFFER: usize = 8 * 1_024;
const LARGE_BUFFERS: u32 = 4;

/// The lines of a head that is under way: their number and the room that is left for them. A line lies in one buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// Bytes left in the present buffer, for the present line and those behind it.
    room: usize,
    /// Large buffers taken.
    large: u32,
    /// Bytes of the present line so far.
    line: usize,
    /// Lines that are complete.
    complete: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self { room: FIRST_BUFFER, large: 0, line: 0, complete: 0 }
    }
}

impl Lines {
    /// More bytes of the present line have come, perhaps with its end.
    pub(super) fn grow(&mut self, bytes: usize, ended: bool) -> Result<(), Fault> {
        self.line += bytes;
        if self.line > self.room {
            if self.line > LARGE_BUFFER && self.complete == 0 {
                return Err(Fault::new(414, "the request line is too long"));
            }
            if self.line > LARGE_BUFFER || self.large == LARGE_BUFFERS {
                return Err(Fault::new(431, "the head is too long"));
            }
            (self.room, self.large) = (LARGE_BUFFER, self.large + 1);
        }
        if ended {
            self.room -= self.line;
            self.line = 0;
            self.complete += 1;
        }
        Ok(())
    }

    /// The line that has just ended was the request line.
    pub(super) fn is_first(&self) -> bool {
        self.complete == 1
    }

    /// The line that has just ended, a header, may be one.
    pub(super) fn check_count(&self) -> Result<(), Fault> {
        if self.complete - 1 > MAX_NGINX_HEADERS { Err(Fault::new(431, "too many headers")) } else { Ok(()) }
    }
}

/// A byte that a method may have.
pub(super) const fn is_method(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-')
}

/// A complete head, its lines with their ends.
pub(super) fn head(bytes: &[u8]) -> Result<Head, Fault> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let mut head = request_line(lines.next().unwrap_or_default())?;
    head.headers = lines.filter(|line| !without_end(line).is_empty()).map(header).collect::<Result<_, _>>()?;
    head.raw = std::str::from_utf8(bytes).is_err().then(|| bytes.to_vec());
    Ok(head)
}

/// A request line: method, target and version, and nothing else of the head.
pub(super) fn request_line(line: &[u8]) -> Result<Head, Fault> {
    let wrong = || Fault::bad_request("not a method or target");
    let line = without_end(line);
    if line.iter().any(u8::is_ascii_control) {
        return Err(wrong());
    }
    let (method, rest) = memchr::memchr(b' ', line).and_then(|at| line.split_at_checked(at)).ok_or_else(wrong)?;
    let rest = without_spaces(rest);
    let (target, rest) = rest.split_at(memchr::memchr(b' ', rest).unwrap_or(rest.len()));
    let has_end = !rest.is_empty();
    if method.is_empty() || !method.iter().copied().all(is_method) || !is_target(target, has_end) {
        return Err(wrong());
    }
    let version = version(without_spaces(rest))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Head { method: text(method), target: text(target), version, headers: Vec::new(), raw: None })
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| byte != b' ').unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

/// A path, or a URI with a host and perhaps a port; one without a path wants a space behind it.
fn is_target(target: &[u8], has_end: bool) -> bool {
    if target.first() == Some(&b'/') {
        return true;
    }
    let Some(at) = memchr::memmem::find(target, b"://") else { return false };
    let (scheme, rest) = target.split_at(at);
    let rest = rest.get(3..).unwrap_or_default();
    let (host, path) = rest.split_at(rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len()));
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
        && is_authority(host)
        && (has_end || !path.is_empty())
}

/// A name or an address in brackets, and digits behind a colon.
fn is_authority(text: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let is_literal = |byte: &u8| byte.is_ascii_alphanumeric() || b":.-_~!$&'()*+,;=".contains(byte);
    let end = match text.strip_prefix(b"[") {
        Some(rest) => rest.iter().position(|byte| !is_literal(byte)).map(|at| at + 2),
        None => text.iter().position(|byte| !is_name(byte)).or(Some(text.len())),
    };
    let Some((host, port)) = end.and_then(|end| text.split_at_checked(end)) else { return false };
    let is_closed = host.first() != Some(&b'[') || host.ends_with(b"]");
    is_closed && port.strip_prefix(b":").unwrap_or(port).iter().all(u8::is_ascii_digit)
}

/// What follows the target: nothing is HTTP/0.9. Later minor versions are taken for HTTP/1.1, later major ones are refused as such.
fn version(text: &[u8]) -> Result<Version, Fault> {
    let wrong = || Fault::bad_request("not an HTTP/1 version");
    if text.is_empty() {
        return Ok(Version::Http09);
    }
    let number = text.strip_prefix(b"HTTP/").ok_or_else(wrong)?;
    let minor = match number {
        [b'2'..=b'9', ..] | [b'1', b'0'..=b'9', ..] => return Err(Fault::new(505, "not an HTTP/1 version")),
        [b'1', b'.', minor @ ..] => minor,
        _ => return Err(wrong()),
    };
    let end = minor.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(minor.len());
    let (digits, after) = minor.split_at(end);
    let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok());
    match value.filter(|_| without_spaces(after).is_empty()) {
        Some(0) => Ok(Version::Http10),
        Some(1..=999) => Ok(Version::Http11),
        _ => Err(wrong()),
    }
}

/// A header line: name and value, spaces around the value passed over.
pub(super) fn header(line: &[u8]) -> Result<(String, String), Fault> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let end = line.iter().rposition(|&byte| byte != b'\r').map_or(0, |at| at + 1);
    let line = line.get(..end).unwrap_or_default();
    let (name, value) = line.split_at(memchr::memchr(b':', line).unwrap_or(line.len()));
    let value = value.strip_prefix(b":").unwrap_or(value);
    let is_name = !name.is_empty() && name.iter().all(|&byte| byte > b' ' && byte != 0x7f);
    if !is_name || value.iter().any(|byte| matches!(byte, 0 | b'\r')) {
        return Err(Fault::bad_request("not a header"));
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(name), text(value).trim_matches(' ').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lies_in_one_of_five_buffers() {
        let fits = |lines: &[usize]| {
            let mut room = Lines::default();
            lines.iter().try_for_each(|&line| room.grow(line, true)).map_err(|fault| fault.status)
        };
        assert_eq!(fits(&[8_192]), Ok(()));
        assert_eq!(fits(&[8_193]), Err(414));
        assert_eq!(fits(&[100, 8_193]), Err(431));
        assert_eq!(fits(&[100, 8_000, 8_000, 8_000, 8_000]), Ok(()));
        assert_eq!(fits(&[100, 8_000, 8_000, 8_000, 8_000, 193]), Err(431));
    }

    #[test]
    fn versions_are_told_by_their_digits() {
        for (text, expected) in [
            ("", Ok(Version::Http09)),
            ("HTTP/1.0", Ok(Version::Http10)),
            ("HTTP/1.1  ", Ok(Version::Http11)),
            ("HTTP/1.100", Ok(Version::Http11)),
            ("HTTP/1.1000", Err(400)),
            ("HTTP/0.9", Err(400)),
            ("HTTP/1.", Err(400)),
            ("HTTP/1.1x", Err(400)),
            ("HTTP/1337", Err(505)),
            ("HTTP/2.0", Err(505)),
        ] {
            assert_eq!(version(text.as_bytes()).map_err(|fault| fault.status), expected, "{text}");
        }
    }

    #[test]
    fn targets_are_paths_or_uris_with_a_host() {
        for (target, expected) in [
            ("/", true),
            ("http://x/", true),
            ("ftp://x:80/", true),
            ("http://x", true),
            ("http://x?y", true),
            ("http://[::1]:80/", true),
            ("http://[::1/", false),
            ("http://x:abc/", false),
            ("http://u@x/", false),
            ("*", false),
            ("x:80", false),
            ("", false),
        ] {
            assert_eq!(is_target(target.as_bytes(), true), expected, "{target}");
        }
        assert!(!is_target(b"http://x", false));
    }
}
