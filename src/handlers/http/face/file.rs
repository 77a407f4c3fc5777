//! Files as nginx's and Apache's static handlers serve them: validators, conditions and ranges (RFC 9110 sections 8.8, 13 and 14).

use jiff::fmt::rfc2822::DateTimeParser;

use super::super::Version;
use super::super::answer::{Answer, Measure};
use super::super::ask::Ask;
use super::range::{Wanted, as_apache, as_nginx};
use super::{Face, http_date};
use crate::clock::Timestamp;
use crate::handlers::Random;

/// Judges the request's conditions on a file, cuts the ranges that it asks for, and names what it is validated by.
pub(super) fn served(face: &Face, ask: &Ask<'_>, file: Answer, modified: Timestamp, now: Timestamp) -> Answer {
    let tag = entity_tag(face, file.body.len(), modified);
    let is_nginx = matches!(face, Face::Nginx { .. });
    let validated = |answer: Answer| answer.header("Last-Modified", http_date(modified)).header("ETag", tag.as_str());
    let ranged = |answer: Answer| validated(answer).header("Accept-Ranges", "bytes");
    match condition(face, ask, &tag, modified, now) {
        Some(412) if is_nginx => return face.page(412, ask).cut_off(),
        Some(412) => return ranged(Answer { status: 412, content_type: file.content_type, ..Answer::default() }),
        Some(status) if is_nginx => return validated(Answer::empty(status)),
        Some(status) => return ranged(Answer::empty(status)),
        None => {}
    }
    let length = file.body.len();
    let range = ask.head.values("range").next().filter(|_| is_current(ask, &tag, modified));
    let wanted = match range {
        Some(range) if is_nginx => as_nginx(range, length),
        Some(range) => as_apache(range, length),
        None => Wanted::Whole,
    };
    match wanted {
        Wanted::Whole => ranged(file),
        Wanted::Nothing if is_nginx => face.page(416, ask).header("Content-Range", format!("bytes */{length}")),
        Wanted::Nothing => {
            let measure = if ask.head.version == Version::Http11 { Measure::Chunk } else { Measure::Bytes };
            Answer { measure, ..face.page(416, ask) }
        }
        Wanted::Parts(parts) => {
            let part = parted(file, &parts, is_nginx, (modified, now));
            if is_nginx { validated_before(part, validated) } else { validated_before(part, ranged) }
        }
    }
}

/// The answer with its validators before its own headers.
fn validated_before(mut answer: Answer, validated: impl Fn(Answer) -> Answer) -> Answer {
    let own = std::mem::take(&mut answer.headers);
    let mut answer = validated(answer);
    answer.headers.extend(own);
    answer
}

/// One part of a file, or several, each with a head of its own (RFC 9110 section 14.6).
fn parted(file: Answer, parts: &[(usize, usize)], is_nginx: bool, times: (Timestamp, Timestamp)) -> Answer {
    let length = file.body.len();
    let cut = |(first, last): (usize, usize)| file.body.get(first..=last).unwrap_or_default();
    if let [(first, last)] = *parts {
        let part = Answer {
            status: 206,
            body: cut((first, last)).to_vec(),
            content_type: file.content_type,
            ..Answer::default()
        };
        return part.header("Content-Range", format!("bytes {first}-{last}/{length}"));
    }
    let (boundary, [kind_name, range_name]) = if is_nginx {
        (nginx_boundary(times), ["Content-Type", "Content-Range"])
    } else {
        (format!("{:x}", Random::new(times.0.as_micros()).bits()), ["Content-type", "Content-range"])
    };
    let kind = file.content_type.as_deref().unwrap_or_default();
    let mut body = Vec::new();
    for &(first, last) in parts {
        let head =
            format!("\r\n--{boundary}\r\n{kind_name}: {kind}\r\n{range_name}: bytes {first}-{last}/{length}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(cut((first, last)));
    }
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Answer { status: 206, ..Answer::new(206, format!("multipart/byteranges; boundary={boundary}"), body) }
}

/// nginx numbers its boundaries together with its temporary files; it has needed one a second.
fn nginx_boundary((modified, now): (Timestamp, Timestamp)) -> String {
    format!("{:020}", now.saturating_since(modified).as_secs())
}

/// nginx: seconds and length; Apache: length and microseconds (its FileETag without inode).
fn entity_tag(face: &Face, length: usize, modified: Timestamp) -> String {
    let micros = modified.as_micros();
    match face {
        Face::Nginx { .. } => format!("\"{:x}-{length:x}\"", micros / 1_000_000),
        _ => format!("\"{length:x}-{micros:x}\""),
    }
}

/// The status that the conditions give, if not that of the file.
fn condition(face: &Face, ask: &Ask<'_>, tag: &str, modified: Timestamp, now: Timestamp) -> Option<u16> {
    let lists = |name: &str, accepts_weak: bool| {
        let mut values = ask.head.values(name).flat_map(|value| value.split(',')).map(str::trim).peekable();
        values.peek().is_some().then(|| {
            let is_tag =
                |value: &str| value == "*" || value == tag || accepts_weak && value.strip_prefix("W/") == Some(tag);
            values.any(is_tag)
        })
    };
    let (seconds, now) = (modified.as_micros() / 1_000_000, now.as_micros() / 1_000_000);
    let date = |name: &str| ask.head.values(name).next().and_then(seconds_of);
    if lists("if-match", false).or_else(|| date("if-unmodified-since").map(|date| seconds <= date)) == Some(false) {
        return Some(412);
    }
    let since = || {
        date("if-modified-since").map(|date| match face {
            // nginx wants the very date that it gave.
            Face::Nginx { .. } => date == seconds,
            // One that is still to come says nothing (RFC 9110 section 13.1.3).
            _ => (seconds..=now).contains(&date),
        })
    };
    (lists("if-none-match", true).or_else(since) == Some(true)).then_some(304)
}

/// The range is of the file that the client knows.
fn is_current(ask: &Ask<'_>, tag: &str, modified: Timestamp) -> bool {
    let known = ask.head.values("if-range").next();
    ask.is("GET") && known.is_none_or(|known| known == tag || known == http_date(modified))
}

fn seconds_of(date: &str) -> Option<u64> {
    let time = DateTimeParser::new().parse_timestamp(date.trim()).ok()?;
    u64::try_from(time.as_second()).ok()
}
