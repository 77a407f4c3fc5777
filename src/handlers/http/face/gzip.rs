//! Compression as Debian configures it. nginx has `gzip on` and nothing else: HTML of more than a few bytes, for HTTP/1.1, in chunks.
//! Apache has mod_deflate for what is found, and says that the answer varies.

use super::super::Version;
use super::super::answer::{Answer, Measure};
use super::super::ask::Ask;
use crate::handlers::gzip::{USUAL, packed};

/// Bytes that are not worth it (`gzip_min_length`).
const TOO_SHORT: usize = 20;
/// nginx's level; Apache's is zlib's own.
pub(super) const FASTEST: u32 = 1;

/// The client takes this answer compressed, and nginx gives it so.
pub(super) fn is_wanted(ask: &Ask<'_>, answer: &Answer) -> bool {
    ask.head.version == Version::Http11
        && matches!(answer.status, 200 | 403 | 404)
        && answer.body.len() >= TOO_SHORT
        && is_html(answer)
        && ask.head.values("via").next().is_none()
        && is_accepted(ask)
}

fn is_html(answer: &Answer) -> bool {
    answer.stream.is_none()
        && answer.content_type.as_ref().is_some_and(|kind| kind.split(';').next() == Some("text/html"))
}

fn is_accepted(ask: &Ask<'_>) -> bool {
    ask.head.values("accept-encoding").next().is_some_and(accepts)
}

/// An answer of Apache's, compressed if that is wanted.
pub(super) fn as_apache(ask: &Ask<'_>, answer: Answer) -> Answer {
    if answer.status != 200 || answer.body.is_empty() || !is_html(&answer) {
        return answer;
    }
    let answer = answer.header("Vary", "Accept-Encoding");
    let packed = if is_accepted(ask) { packed(&answer.body, USUAL).ok() } else { None };
    match packed {
        Some(body) => Answer { body, ..answer }.header("Content-Encoding", "gzip"),
        None => answer,
    }
}

/// The header lists gzip, at a quality that is a number and not zero.
fn accepts(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let mut found = value.match_indices("gzip").map(|(at, name)| value.split_at(at + name.len()));
    let is_word = |before: &str| {
        before.len() == 4 || before.get(..before.len() - 4).is_some_and(|text| text.ends_with([',', ' ']))
    };
    let Some((_, after)) = found.find(|(before, _)| is_word(before)) else { return false };
    let after = after.trim_start_matches(' ');
    match after.strip_prefix(';') {
        Some(parameter) => parameter.trim_start_matches(' ').strip_prefix("q=").is_some_and(is_some_quality),
        None => after.is_empty() || after.starts_with(','),
    }
}

/// More than zero and at most one, with up to three digits behind the dot (RFC 9110 section 12.4.2).
fn is_some_quality(text: &str) -> bool {
    let text = text.split([',', ' ']).next().unwrap_or_default();
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let is_number = digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_zero = digits.bytes().all(|byte| byte == b'0');
    is_number && matches!((whole, is_zero), ("1", true) | ("0", false))
}

/// The answer with this body, compressed: no part of it can be asked for any more, and its tag is weak.
pub(super) fn with_body(answer: Answer, body: Vec<u8>) -> Answer {
    let kept = answer.headers.into_iter().filter(|(name, _)| *name != "Accept-Ranges");
    let weak = kept.map(|(name, value)| if name == "ETag" { (name, format!("W/{value}")) } else { (name, value) });
    Answer { headers: weak.collect(), body, measure: Measure::Chunk, ..answer }.header("Content-Encoding", "gzip")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_where_it_is_named_with_a_quality() {
        for value in ["gzip", "gzip, deflate", "deflate, gzip;q=1.0, *;q=0.5", "GZIP", "gzip; q=0.001", "br,gzip ,x"] {
            assert!(accepts(value), "{value}");
        }
        for value in ["", "*", "x-gzip", "gzipx", "gzip;q=0", "gzip ;q=0.0", "gzip;q=2", "gzip;foo", "gzip;q=0.0001"] {
            assert!(!accepts(value), "{value}");
        }
    }
}
