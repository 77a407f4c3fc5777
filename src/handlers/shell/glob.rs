//! Patterns of file names and `case` (POSIX.1-2017, Shell Command Language 2.13).

/// Steps that one comparison may take.
const MAX_STEPS: u32 = 20_000;
/// A pattern with more stars fits nothing: each is a level of recursion.
const MAX_STARS: usize = 16;

/// The text fits the pattern of `*`, `?`, `[...]` and `\`.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    pattern.iter().filter(|&&b| b == b'*').count() <= MAX_STARS && fits(pattern, text, &mut 0)
}

/// The pattern has something to expand.
pub(super) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

fn fits(mut pattern: &[u8], mut text: &[u8], steps: &mut u32) -> bool {
    loop {
        *steps += 1;
        if *steps > MAX_STEPS {
            return false;
        }
        match (pattern, text) {
            ([], _) => return text.is_empty(),
            ([b'*', rest @ ..], _) => {
                return (0..=text.len()).any(|skip| fits(rest, text.get(skip..).unwrap_or_default(), steps));
            }
            ([b'[', set @ ..], [byte, after @ ..]) if set.iter().skip(1).any(|&b| b == b']') => {
                let Some((is_in, rest)) = set_holds(set, *byte) else { return false };
                if !is_in {
                    return false;
                }
                (pattern, text) = (rest, after);
            }
            ([b'?', rest @ ..], [_, after @ ..]) => (pattern, text) = (rest, after),
            ([b'\\', literal, rest @ ..], [byte, after @ ..]) if literal == byte => (pattern, text) = (rest, after),
            ([literal, rest @ ..], [byte, after @ ..]) if literal == byte && *literal != b'\\' => {
                (pattern, text) = (rest, after)
            }
            _ => return false,
        }
    }
}

/// Whether a set that begins after its `[` holds the byte, and what follows its `]`.
fn set_holds(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let end = end_of(set)?;
    let (members, rest) = (set.get(..end)?, set.get(end + 1..)?);
    let mut is_in = false;
    let mut left = members;
    while let Some((&first, after)) = left.split_first() {
        if let Some((is_fitting, rest)) = class_holds(left, byte) {
            is_in |= is_fitting;
            left = rest;
            continue;
        }
        left = match after {
            [b'-', last, rest @ ..] => {
                is_in |= (first..=*last).contains(&byte);
                rest
            }
            _ => {
                is_in |= first == byte;
                after
            }
        };
    }
    Some((is_in != negated, rest))
}

/// Where the `]` of a set stands: the first byte and classes may hold another.
fn end_of(set: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = set.get(at..)?;
        at += match rest.strip_prefix(b"[:").and_then(|class| memchr::memmem::find(class, b":]")) {
            Some(length) => length + 4,
            None if at > 0 && rest.first() == Some(&b']') => return Some(at),
            None => 1,
        };
    }
}

/// Whether the class that begins here, `[:digit:]`, holds the byte, and what follows it.
fn class_holds(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let rest = set.strip_prefix(b"[:")?;
    let (name, rest) = rest.split_at_checked(memchr::memmem::find(rest, b":]")?)?;
    let is_in = match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"cntrl" => byte.is_ascii_control(),
        b"print" => (b' '..=b'~').contains(&byte),
        b"graph" => byte.is_ascii_graphic(),
        _ => false,
    };
    Some((is_in, rest.get(2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_marks_and_sets_match_as_in_a_shell() {
        for (pattern, text, expected) in [
            (&b"*"[..], &b"anything"[..], true),
            (b"*.sh", b"bins.sh", true),
            (b"*.sh", b"bins.s", false),
            (b"mi?ai.*", b"mirai.arm", true),
            (b"[a-c]x", b"bx", true),
            (b"[!a-c]x", b"bx", false),
            (b"[", b"[", true),
            (b"[[:upper:]]x", b"Ax", true),
            (b"[![:digit:]a]", b"a", false),
            (b"[]a]", b"]", true),
            (b"a\\*", b"a*", true),
            (b"a\\*", b"ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        assert!(!matches(&[&b"*a".repeat(16)[..], b"b"].concat(), &[b'a'; 4_000]));
        assert!(!matches(&[b'*'; 8_000], b"text"));
    }
}
