//! Files as nginx's and Apache's static handlers serve them: validators, conditions and a range (RFC 9110 sections 8.8, 13 and 14).

use jiff::fmt::rfc2822::DateTimeParser;

use super::super::answer::Answer;
use super::super::ask::Ask;
use super::{Face, http_date};
use crate::clock::Timestamp;

/// Judges the request's conditions on a file, cuts the range that it asks for, and names what it is validated by.
pub(super) fn served(face: &Face, ask: &Ask<'_>, file: Answer, modified: Timestamp) -> Answer {
    let tag = entity_tag(face, file.body.len(), modified);
    let condition = condition(face, ask, &tag, modified);
    let length = file.body.len();
    let (status, range) = match condition {
        Some(status) => (status, None),
        None => match ask.head.values("range").next().filter(|_| is_current(ask, &tag, modified)) {
            Some(wanted) => range(wanted, length).unwrap_or((200, None)),
            None => (200, None),
        },
    };
    let is_nginx = matches!(face, Face::Nginx { .. });
    if status == 416 || status == 412 && is_nginx {
        let page = face.page(status, ask);
        return if status == 416 && is_nginx {
            page.header("Content-Range", format!("bytes */{length}"))
        } else {
            page
        };
    }
    let validated = |answer: Answer| answer.header("Last-Modified", http_date(modified)).header("ETag", tag.as_str());
    match (status, range) {
        (304, _) if is_nginx => validated(Answer::empty(304)),
        (304, _) => validated(Answer::empty(304)).header("Accept-Ranges", "bytes"),
        (412, _) => {
            let page = face.page(412, ask);
            Answer { content_type: file.content_type, ..validated(page).header("Accept-Ranges", "bytes") }
        }
        (_, Some((first, last))) => {
            let body = file.body.get(first..=last).unwrap_or_default().to_vec();
            let part = validated(Answer { status: 206, body, content_type: file.content_type, ..Answer::default() });
            let part = if is_nginx { part } else { part.header("Accept-Ranges", "bytes") };
            part.header("Content-Range", format!("bytes {first}-{last}/{length}"))
        }
        _ => validated(file).header("Accept-Ranges", "bytes"),
    }
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
fn condition(face: &Face, ask: &Ask<'_>, tag: &str, modified: Timestamp) -> Option<u16> {
    let lists = |name: &str, accepts_weak: bool| {
        let mut values = ask.head.values(name).flat_map(|value| value.split(',')).map(str::trim).peekable();
        values.peek().is_some().then(|| {
            let is_tag =
                |value: &str| value == "*" || value == tag || accepts_weak && value.strip_prefix("W/") == Some(tag);
            values.any(is_tag)
        })
    };
    let seconds = modified.as_micros() / 1_000_000;
    let date = |name: &str| ask.head.values(name).next().and_then(seconds_of);
    if lists("if-match", false).or_else(|| date("if-unmodified-since").map(|date| seconds <= date)) == Some(false) {
        return Some(412);
    }
    let since = || {
        date("if-modified-since").map(|date| match face {
            // nginx wants the very date that it gave.
            Face::Nginx { .. } => date == seconds,
            _ => seconds <= date,
        })
    };
    (lists("if-none-match", true).or_else(since) == Some(true)).then_some(304)
}

/// The range is of the file that the client knows.
fn is_current(ask: &Ask<'_>, tag: &str, modified: Timestamp) -> bool {
    let known = ask.head.values("if-range").next();
    ask.head.method == "GET" && known.is_none_or(|known| known == tag || known == http_date(modified))
}

fn seconds_of(date: &str) -> Option<u64> {
    let time = DateTimeParser::new().parse_timestamp(date.trim()).ok()?;
    u64::try_from(time.as_second()).ok()
}

/// A status and the first and last byte of one range; `None` for what servers pass over. Several ranges are passed over, too.
fn range(wanted: &str, length: usize) -> Option<(u16, Option<(usize, usize)>)> {
    let (first, last) = wanted.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (first, last) = match (first.trim(), last.trim()) {
        ("", last) => (length.saturating_sub(number(last)?), length.checked_sub(1)?),
        (first, "") => (number(first)?, length.checked_sub(1)?),
        (first, last) => (number(first)?, number(last)?.min(length.checked_sub(1)?)),
    };
    if first >= length {
        return Some((416, None));
    }
    (first <= last).then_some((206, Some((first, last))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_cut_as_it_was_asked_for() {
        for (wanted, expected) in [
            ("bytes=0-0", Some((206, Some((0, 0))))),
            ("bytes=3-", Some((206, Some((3, 9))))),
            ("bytes=-2", Some((206, Some((8, 9))))),
            ("bytes=-99", Some((206, Some((0, 9))))),
            ("bytes=5-99", Some((206, Some((5, 9))))),
            ("bytes=10-", Some((416, None))),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=99999999999999999999-", None),
        ] {
            assert_eq!(range(wanted, 10), expected, "{wanted}");
        }
        assert_eq!(range("bytes=0-0", 0), None);
    }
}
