//! Programs that choose, order and count lines.

use regex::bytes::RegexBuilder;

use super::super::run::{Io, Run};
use super::{has_flag, lossy, number, operands_beside, usage, value_of};

/// Memory that a compiled pattern of `grep` may take, in bytes.
const MAX_PATTERN: usize = 64 * 1_024;

pub(super) fn head(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    ends(run, words, io, true)
}

pub(super) fn tail(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    ends(run, words, io, false)
}

fn ends(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, first: bool) -> u8 {
    let paths = operands_beside(words, b"nc");
    let bytes_wanted = value_of(words, b'c').and_then(number).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let (found, status) = run.inputs(io, words, &paths, "");
    let many = found.len() > 1;
    for (name, bytes) in found {
        if many {
            run.print_line(io.out, &format!("==> {} <==", lossy(&name)));
        }
        let lines = pieces(&bytes);
        let shown = match (bytes_wanted, first) {
            (Some(count), true) => bytes.get(..count.min(bytes.len())).unwrap_or_default().to_vec(),
            (Some(count), false) => bytes.get(bytes.len().saturating_sub(count)..).unwrap_or_default().to_vec(),
            (None, true) => lines.iter().take(count(words)).copied().collect::<Vec<_>>().concat(),
            (None, false) => {
                lines.iter().skip(lines.len().saturating_sub(count(words))).copied().collect::<Vec<_>>().concat()
            }
        };
        run.print(io.out, &shown);
    }
    status
}

pub(super) fn wc(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"");
    let (found, status) = run.inputs(io, words, &paths, "");
    for (name, bytes) in found {
        let lines = bytes.iter().filter(|&&b| b == b'\n').count();
        let count = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        let mut shown = Vec::new();
        for (flag, number) in [(b'l', lines), (b'w', count), (b'c', bytes.len())] {
            if has_flag(words, flag) {
                shown.push(number.to_string());
            }
        }
        let mut line =
            if shown.is_empty() { format!("{lines:>9} {count:>9} {:>9}", bytes.len()) } else { shown.join(" ") };
        if !name.is_empty() {
            line = format!("{line} {}", lossy(&name));
        }
        run.print_line(io.out, &line);
    }
    status
}

pub(super) fn grep(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut rest = operands_beside(words, b"emABC");
    let pattern = match value_of(words, b'e') {
        Some(pattern) => pattern,
        None if rest.is_empty() => return usage(run, "grep", io),
        None => rest.remove(0),
    };
    let text = if has_flag(words, b'F') {
        regex::escape(&lossy(pattern))
    } else {
        basic(&lossy(pattern), has_flag(words, b'E'))
    };
    let built =
        RegexBuilder::new(&text).case_insensitive(has_flag(words, b'i')).size_limit(MAX_PATTERN).unicode(false).build();
    let Ok(regex) = built else {
        return run.fail(io, words, &format!("bad regex '{}'", lossy(pattern)));
    };
    let (found, mut status) = run.inputs(io, words, &rest, "");
    let many = found.len() > 1;
    let mut matched = 0_usize;
    for (name, bytes) in found {
        let mut count = 0_usize;
        for (at, line) in bytes.split(|&b| b == b'\n').enumerate() {
            if (line.is_empty() && bytes.len() <= line.len() + 1) || regex.is_match(line) == has_flag(words, b'v') {
                continue;
            }
            count += 1;
            if has_flag(words, b'q') || has_flag(words, b'c') || has_flag(words, b'l') {
                continue;
            }
            if many && !has_flag(words, b'h') {
                run.print(io.out, &[&name[..], b":"].concat());
            }
            if has_flag(words, b'n') {
                run.print(io.out, format!("{}:", at + 1).as_bytes());
            }
            let shown =
                if has_flag(words, b'o') { regex.find(line).map_or(line, |found| found.as_bytes()) } else { line };
            run.print(io.out, &[shown, b"\n"].concat());
        }
        if has_flag(words, b'c') {
            run.print_line(io.out, &count.to_string());
        } else if has_flag(words, b'l') && count > 0 {
            run.print(io.out, &[&name[..], b"\n"].concat());
        }
        matched += count;
    }
    if matched == 0 && status == 0 {
        status = 1;
    }
    status
}

/// A basic regular expression in the syntax of the library: `\(`, `\|` are special there, `(`, `|`, `+` are not.
fn basic(pattern: &str, is_extended: bool) -> String {
    if is_extended {
        return pattern.to_owned();
    }
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(special @ ('(' | ')' | '|' | '{' | '}' | '+' | '?')) => out.push(special),
                Some(other) => out.extend(['\\', other]),
                None => out.push_str("\\\\"),
            },
            '(' | ')' | '|' | '{' | '}' | '+' | '?' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

pub(super) fn cut(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let delimiter = value_of(words, b'd').and_then(<[u8]>::first).copied().unwrap_or(b'\t');
    let wanted: Vec<usize> = value_of(words, b'f')
        .map(|list| list.split(|&b| b == b',').filter_map(number).filter_map(|n| usize::try_from(n).ok()).collect())
        .unwrap_or_default();
    let paths = operands_beside(words, b"dfcb");
    let (found, status) = run.inputs(io, words, &paths, "");
    for (_, bytes) in found {
        for line in pieces(&bytes) {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let fields: Vec<&[u8]> = line.split(|&b| b == delimiter).collect();
            let chosen: Vec<&[u8]> = wanted.iter().filter_map(|at| fields.get(at.checked_sub(1)?).copied()).collect();
            run.print(io.out, &[&chosen.join(&delimiter)[..], b"\n"].concat());
        }
    }
    status
}

pub(super) fn sort(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"kto");
    let (found, status) = run.inputs(io, words, &paths, "");
    let all: Vec<u8> = found.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let mut lines: Vec<&[u8]> = pieces(&all).into_iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
    if has_flag(words, b'n') {
        lines.sort_by_key(|line| {
            let text = lossy(line);
            let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).take(15).collect();
            digits.parse::<u64>().unwrap_or(0)
        });
    } else {
        lines.sort_unstable();
    }
    if has_flag(words, b'u') {
        lines.dedup();
    }
    if has_flag(words, b'r') {
        lines.reverse();
    }
    for line in lines {
        run.print(io.out, &[line, b"\n"].concat());
    }
    status
}

pub(super) fn uniq(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"fsw");
    let (found, status) = run.inputs(io, words, &paths, "");
    for (_, bytes) in found {
        let mut lines = pieces(&bytes);
        let before: Vec<&[u8]> = lines.clone();
        lines.dedup();
        let mut at = 0;
        for line in lines {
            let count = before.get(at..).unwrap_or_default().iter().take_while(|other| **other == line).count();
            at += count;
            if has_flag(words, b'c') {
                run.print(io.out, format!("{count:>7} ").as_bytes());
            }
            run.print(io.out, line);
        }
    }
    status
}

/// How many lines `head` and `tail` show: `-n 5`, `-5`.
fn count(words: &[Vec<u8>]) -> usize {
    let given = value_of(words, b'n').and_then(number);
    let short = words.iter().skip(1).find_map(|word| word.strip_prefix(b"-").and_then(number));
    given.or(short).map_or(10, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&b| b == b'\n').collect()
}
