//! Regular expressions as `grep`, `sed` and `awk` write them (POSIX.1-2017, Base Definitions 9), in the syntax of the library.

use regex::bytes::{Regex, RegexBuilder};

/// Memory that a compiled pattern may take, in bytes.
const MAX_PATTERN: usize = 64 * 1_024;

/// Compiles a pattern; `None` where it is none, or too big.
pub(super) fn compile(pattern: &str, is_extended: bool, ignores_case: bool) -> Option<Regex> {
    build(&translated(pattern, is_extended), ignores_case)
}

/// Compiles what is in the library's own syntax.
pub(super) fn build(pattern: &str, ignores_case: bool) -> Option<Regex> {
    RegexBuilder::new(pattern).case_insensitive(ignores_case).size_limit(MAX_PATTERN).unicode(false).build().ok()
}

fn translated(pattern: &str, is_extended: bool) -> String {
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
}
