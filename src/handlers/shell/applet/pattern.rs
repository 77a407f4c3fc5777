//! Regular expressions as `grep`, `sed` and `awk` write them (POSIX.1-2017, Base Definitions 9), in the syntax of the library.

mod referring;

use std::ops::Range;

use regex::bytes::{Captures, Regex, RegexBuilder};

use referring::Referring;

/// Memory that a compiled pattern may take, in bytes.
const MAX_PATTERN: usize = 64 * 1_024;

/// Tries that count as one command of the shell.
const TRIES_OF_A_STEP: usize = 256;

/// What a fitting text has where: the whole, then its groups.
pub(super) type Places = Vec<Option<Range<usize>>>;

/// A pattern of `grep`, `sed` and `expr`: these can refer back to their groups.
#[derive(Debug)]
pub(super) enum Pattern {
    Library(Regex),
    Referring(Referring),
}

impl Pattern {
    /// Compiles a pattern; `None` where it is none, or too big.
    pub(super) fn new(pattern: &str, is_extended: bool, ignores_case: bool) -> Option<Self> {
        Self::of_translated(&translated(pattern, is_extended), ignores_case)
    }

    /// Compiles what [`translated`] has given.
    pub(super) fn of_translated(pattern: &str, ignores_case: bool) -> Option<Self> {
        if refers_back(pattern) {
            Referring::new(pattern, ignores_case).map(Self::Referring)
        } else {
            build(pattern, ignores_case).map(Self::Library)
        }
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        match self {
            Self::Library(regex) => regex.is_match(text),
            Self::Referring(referring) => referring.find(text, 0).is_some(),
        }
    }

    /// Every place that fits, one after the other.
    pub(super) fn places<'t>(&'t self, text: &'t [u8]) -> Box<dyn Iterator<Item = Places> + 't> {
        match self {
            Self::Library(regex) => Box::new(regex.captures_iter(text).map(|found| places_of(&found))),
            Self::Referring(referring) => {
                let mut from = 0;
                Box::new(std::iter::from_fn(move || {
                    let places = referring.find(text, from)?;
                    let whole = places.first().cloned().flatten()?;
                    from = whole.end.max(whole.start + 1);
                    Some(places)
                }))
            }
        }
    }

    /// What the tries so far have cost, in commands of the shell.
    pub(super) const fn cost(&self) -> usize {
        match self {
            Self::Library(_) => 0,
            Self::Referring(referring) => referring.tries() / TRIES_OF_A_STEP,
        }
    }
}

fn places_of(found: &Captures<'_>) -> Places {
    found.iter().map(|group| group.map(|group| group.range())).collect()
}

/// The pattern, in the library's syntax, names one of its groups.
fn refers_back(pattern: &str) -> bool {
    let mut rest = pattern.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'\\' && rest.next().is_some_and(|escaped| matches!(escaped, b'1'..=b'9')) {
            return true;
        }
    }
    false
}

/// Compiles a pattern that cannot refer back, as `awk` has them; `None` where it is none, or too big.
pub(super) fn compile(pattern: &str, is_extended: bool, ignores_case: bool) -> Option<Regex> {
    build(&translated(pattern, is_extended), ignores_case)
}

/// Compiles what is in the library's own syntax.
fn build(pattern: &str, ignores_case: bool) -> Option<Regex> {
    RegexBuilder::new(pattern).case_insensitive(ignores_case).size_limit(MAX_PATTERN).unicode(false).build().ok()
}

/// The pattern in the library's syntax.
pub(super) fn translated(pattern: &str, is_extended: bool) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '[' => set(&mut rest, &mut out),
            '\\' => match rest.next() {
                Some('<' | '>') => out.push_str("\\b"),
                Some(special @ ('(' | ')' | '|' | '{' | '}' | '+' | '?')) if !is_extended => out.push(special),
                Some('/') => out.push('/'),
                Some('"') => out.push('"'),
                Some(other) => out.extend(['\\', other]),
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '|' | '{' | '}' | '+' | '?' if !is_extended => out.extend(['\\', c]),
            '*' if out.is_empty() => out.push_str("\\*"),
            _ => out.push(c),
        }
    }
    out
}

/// What stands in brackets: a backslash means itself there, and so does all that only the library knows.
fn set(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    if rest.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                out.push(']');
                break;
            }
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for c in rest.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '\\' => match rest.next_if(|c| matches!(c, '/' | 't' | 'n' | ']' | '\\')) {
                Some('/') => out.push('/'),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push_str("\\\\"),
            },
            '[' | '&' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_grep() {
        for (pattern, is_extended, text, expected) in [
            ("a\\+b", false, "aab", true),
            ("a+b", false, "aab", false),
            ("a+b", true, "aab", true),
            ("x[0-9]\\{2\\}", false, "x22", true),
            ("[[:digit:]]", false, "a1", true),
            ("[[]", false, "[", true),
            ("[]x]", false, "]", true),
            ("[^/]*\\.sh$", false, "a.sh", true),
            ("*a", false, "*a", true),
            ("\\<root\\>", false, "a root b", true),
        ] {
            let regex = compile(pattern, is_extended, false).unwrap();
            assert_eq!(regex.is_match(text.as_bytes()), expected, "{pattern}");
        }
        assert!(compile("a{1,1000}{1,1000}", true, false).is_none());
    }

    #[test]
    fn a_group_can_be_referred_to() {
        for (pattern, is_extended, text, expected) in [
            ("\\(ab\\)\\1", false, "xababab", Some((1, 5))),
            ("\\(.\\)\\1", false, "abc", None),
            ("(.)(.)\\2\\1", true, "xabba", Some((1, 5))),
            ("^([a-z]+) \\1$", true, "one one", Some((0, 7))),
            ("^([a-z]+) \\1$", true, "one ones", None),
            ("(a|b)*c\\1", true, "abacbacaa", Some((0, 5)).filter(|_| false).or(Some((5, 8)))),
            ("\\([[:digit:]]\\{2\\}\\)-\\1", false, "112-12", Some((1, 6))),
            ("(x*)*\\1y", true, "xxxxy", Some((0, 5))),
            ("(a)\\2", true, "aa", None),
        ] {
            let found =
                Pattern::new(pattern, is_extended, false).and_then(|known| known.places(text.as_bytes()).next());
            let whole = found.and_then(|places| places[0].clone()).map(|range| (range.start, range.end));
            assert_eq!(whole, expected, "{pattern}");
        }
        assert!(Pattern::new("(A)\\1", true, true).unwrap().is_match(b"aA"));
        assert!(Pattern::new("((a{1,99}){1,99})\\1", true, false).is_none());
        let slow = Pattern::new("(a*)*(a*)*(a*)*\\1b", true, false).unwrap();
        assert!(!slow.is_match(&[b'a'; 10_000]));
    }
}
