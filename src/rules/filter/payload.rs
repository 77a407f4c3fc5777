//! Tests of what is behind the transport header; ours, not libpcap's.
//!
//! The payload is what follows the header of TCP, UDP or ICMP in a whole packet or first fragment. Where there is none (other
//! protocols, later fragments, packets cut short) neither test holds. Regular expressions are those of the `regex` crate, on bytes
//! (`.` is any byte but a line feed, `\\xff` is one byte), and take time linear in the payload.

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use super::ast::Pattern;
use crate::packet::{Packet, Payload};

/// Bytes that a compiled regular expression may take; also those of its cache.
const MAX_REGEX_SIZE: usize = 1 << 20;
/// Groups within each other.
const MAX_REGEX_DEPTH: u32 = 64;

/// RFC 768, RFC 792 and RFC 4443: headers of fixed length.
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;

/// A pattern ready to be looked for.
#[derive(Debug)]
pub(super) enum Matcher {
    Bytes(Box<Finder<'static>>),
    Regex(Regex),
}

impl Matcher {
    pub(super) fn new(pattern: &Pattern) -> Result<Self, String> {
        match pattern {
            Pattern::Bytes(bytes) => Ok(Self::Bytes(Box::new(Finder::new(bytes).into_owned()))),
            Pattern::Regex { text, ignore_case } => RegexBuilder::new(&text.replace("\\/", "/"))
                .case_insensitive(*ignore_case)
                .unicode(false)
                .size_limit(MAX_REGEX_SIZE)
                .dfa_size_limit(MAX_REGEX_SIZE)
                .nest_limit(MAX_REGEX_DEPTH)
                .build()
                .map(Self::Regex)
                .map_err(|error| format!("regular expression: {}", last_line(&error.to_string()))),
        }
    }

    pub(super) fn is_in(&self, payload: &[u8]) -> bool {
        match self {
            Self::Bytes(finder) => finder.find(payload).is_some(),
            Self::Regex(regex) => regex.is_match(payload),
        }
    }
}

/// The crate draws the place in several lines and says what is wrong in the last.
fn last_line(message: &str) -> &str {
    let line = message.lines().last().unwrap_or(message);
    line.strip_prefix("error: ").unwrap_or(line)
}

/// The bytes behind the transport header.
pub(super) fn payload(bytes: &[u8]) -> Option<&[u8]> {
    let packet = Packet::parse(bytes).ok()?;
    let header = match packet.payload {
        Payload::Tcp(_) => usize::from(*bytes.get(packet.transport + 12)? >> 4) * 4,
        Payload::Udp { .. } => UDP_HEADER,
        Payload::Echo { .. } | Payload::IcmpError { .. } => ICMP_HEADER,
        Payload::LaterFragment | Payload::Other => return None,
    };
    bytes.get(packet.transport + header..packet.len)
}
