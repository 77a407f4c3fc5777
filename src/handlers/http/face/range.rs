//! The parts of a file that a `Range` asks for (RFC 9110 section 14.2), as nginx and Apache read it.

/// What is to be sent of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: the header is passed over.
    Whole,
    /// Nothing that there is.
    Nothing,
    /// These first and last bytes.
    Parts(Vec<(usize, usize)>),
}

/// Parts that Apache gives (MaxRanges).
const MAX_PARTS: usize = 200;
/// A shorter header is no range to nginx.
const SHORTEST: usize = 7;

/// The list behind `bytes=`, in any case.
fn in_bytes(value: &str) -> Option<&str> {
    let (unit, list) = value.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(list)
}

/// Digits, of a number that an `off_t` holds.
fn number(text: &str) -> Option<usize> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<i64>().ok().filter(|_| is_number).and_then(|number| usize::try_from(number).ok())
}

/// nginx passes nothing over that begins like a range: what it cannot read is not there. Parts longer than the whole are the whole.
pub(super) fn as_nginx(value: &str, length: usize) -> Wanted {
    let Some(list) = in_bytes(value).filter(|_| value.len() >= SHORTEST) else { return Wanted::Whole };
    let mut parts = Vec::new();
    let mut total = 0;
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, "x"));
        let bounds = match (first.trim_matches(' '), last.trim_matches(' ')) {
            ("", last) => number(last).map(|last| (length.saturating_sub(last), length)),
            (first, "") => number(first).map(|first| (first, length)),
            (first, last) => number(first).zip(number(last).map(|last| last.saturating_add(1).min(length))),
        };
        let Some((start, end)) = bounds else { return Wanted::Nothing };
        if start < end {
            parts.push((start, end - 1));
            total += end - start;
        } else if start == 0 {
            return Wanted::Whole;
        }
    }
    match parts.len() {
        0 => Wanted::Nothing,
        _ if total > length => Wanted::Whole,
        _ => Wanted::Parts(parts),
    }
}

/// Apache passes over what it cannot read, and joins neighbours that touch.
pub(super) fn as_apache(value: &str, length: usize) -> Wanted {
    let Some(list) = in_bytes(value) else { return Wanted::Whole };
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let mut is_beyond = false;
    for part in list.split(',').take_while(|part| !part.is_empty()) {
        let end = length.saturating_sub(1);
        let bounds = part.split_once('-').and_then(|bounds| match bounds {
            ("", last) => number(last).filter(|&last| last > 0).map(|last| (length.saturating_sub(last), end)),
            (first, "") => number(first).map(|first| (first, usize::MAX)),
            (first, last) => number(first).zip(number(last)).filter(|(first, last)| first <= last),
        });
        let Some((first, last)) = bounds else { return Wanted::Whole };
        if first >= length {
            is_beyond = true;
            continue;
        }
        let last = last.min(end);
        match parts.last_mut() {
            Some(known) if touches(*known, (first, last)) => *known = (known.0.min(first), known.1.max(last)),
            _ => parts.push((first, last)),
        }
    }
    let total: usize = parts.iter().map(|(first, last)| last - first + 1).sum();
    match parts.len() {
        0 if is_beyond => Wanted::Nothing,
        1..=MAX_PARTS if total <= length => Wanted::Parts(parts),
        _ => Wanted::Whole,
    }
}

/// The second goes on where the first ends, or ends where it begins, or lies in it.
fn touches((start, end): (usize, usize), (first, last): (usize, usize)) -> bool {
    (start..=end + 1).contains(&first) || first < start && (start..=end + 1).contains(&(last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_genuine_servers_read_them() {
        use Wanted::{Nothing, Whole};
        let parts = |parts: &[(usize, usize)]| Wanted::Parts(parts.to_vec());
        for (value, nginx, apache) in [
            ("bytes=0-0", parts(&[(0, 0)]), parts(&[(0, 0)])),
            ("bytes=3-", parts(&[(3, 9)]), parts(&[(3, 9)])),
            ("bytes=-2", parts(&[(8, 9)]), parts(&[(8, 9)])),
            ("bytes=-99", parts(&[(0, 9)]), parts(&[(0, 9)])),
            ("Bytes=5-99", parts(&[(5, 9)]), parts(&[(5, 9)])),
            ("bytes=10-", Nothing, Nothing),
            ("bytes=5-2", Nothing, Whole),
            ("bytes=-0", Nothing, Whole),
            ("bytes=-", Nothing, Whole),
            ("bytes=a-b", Nothing, Whole),
            ("bytes=5", Nothing, Whole),
            ("bytes=0-99999999999999999999", Nothing, Whole),
            ("bytes=", Whole, Whole),
            ("lines=0-1", Whole, Whole),
            ("bytes=0-1,3-4", parts(&[(0, 1), (3, 4)]), parts(&[(0, 1), (3, 4)])),
            ("bytes=0-1, 3-4", parts(&[(0, 1), (3, 4)]), Whole),
            ("bytes=0-1,2-3", parts(&[(0, 1), (2, 3)]), parts(&[(0, 3)])),
            ("bytes=4-5,2-3", parts(&[(4, 5), (2, 3)]), parts(&[(2, 5)])),
            ("bytes=0-0,90-91", parts(&[(0, 0)]), parts(&[(0, 0)])),
            ("bytes=90-91,92-", Nothing, Nothing),
            ("bytes=0-9,0-9", Whole, parts(&[(0, 9)])),
            ("bytes=5-6,0-9", Whole, Whole),
        ] {
            assert_eq!((as_nginx(value, 10), as_apache(value, 10)), (nginx, apache), "{value}");
        }
        assert_eq!((as_nginx("bytes=0-0", 0), as_apache("bytes=0-0", 0)), (Whole, Nothing));
    }
}
