//! Programs that choose, order and count lines.

use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{Named, has_flag, lossy, number, operands_beside, usage, value_of};

pub(super) fn head(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    ends(run, words, io, true)
}

pub(super) fn tail(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    ends(run, words, io, false)
}

/// Which of so many lines or bytes: `-n 5`, `-5`, for `head` `-n -5` (all but the last), for `tail` `-n +5` (from there on).
fn range(text: &[u8], first: bool, all: usize) -> Option<(usize, usize)> {
    let count = |text: &[u8]| number(text).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    Some(match (first, text) {
        (true, [b'-', text @ ..]) => (0, all.saturating_sub(count(text)?)),
        (true, text) => (0, count(text)?.min(all)),
        (false, [b'+', text @ ..]) => (count(text)?.saturating_sub(1).min(all), all),
        (false, text) => (all.saturating_sub(count(text)?), all),
    })
}

fn ends(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, first: bool) -> u8 {
    let paths = operands_beside(words, b"nc");
    let short = words.iter().skip(1).filter_map(|word| word.strip_prefix(b"-")).find(|text| number(text).is_some());
    let lines_wanted = value_of(words, b'n').or(short).unwrap_or(b"10");
    let bytes_wanted = value_of(words, b'c');
    let verb = if first { "" } else { "can't open" };
    let (found, status) = run.inputs(io, words, &paths, verb);
    if !first && found.is_empty() {
        return run.fail(io, words, "no files");
    }
    let many = paths.len() > 1;
    for (at, (name, bytes)) in found.into_iter().enumerate() {
        if many && !has_flag(words, b'q') {
            let gap = if at > 0 { "\n" } else { "" };
            run.print_line(io.out, &format!("{gap}==> {} <==", lossy(&name)));
        }
        let lines = pieces(&bytes);
        let wanted = bytes_wanted.unwrap_or(lines_wanted);
        let all = if bytes_wanted.is_some() { bytes.len() } else { lines.len() };
        let Some((from, to)) = range(wanted, first, all) else {
            return run.fail(io, words, &format!("invalid number '{}'", lossy(wanted)));
        };
        let shown = match bytes_wanted {
            Some(_) => bytes.get(from..to).unwrap_or_default().to_vec(),
            None => lines.get(from..to).unwrap_or_default().concat(),
        };
        run.print(io.out, &shown);
    }
    status
}

pub(super) fn wc(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"");
    let (found, status) = run.inputs(io, words, &paths, "");
    let mut total = [0; 4];
    let many = found.len() > 1;
    let wanted: Vec<usize> = (0..4).filter(|at| has_flag(words, *b"lwcL".get(*at).unwrap_or(&0))).collect();
    let wanted = if wanted.is_empty() { vec![0, 1, 2] } else { wanted };
    let show = |counts: [usize; 4], name: &[u8]| {
        let chosen: Vec<usize> = wanted.iter().filter_map(|at| counts.get(*at).copied()).collect();
        let numbers = match chosen.as_slice() {
            [only] if many => format!("{only:>9}"),
            [only] => only.to_string(),
            many => many.iter().map(|count| format!("{count:>9}")).collect::<Vec<_>>().join(" "),
        };
        if name.is_empty() { numbers } else { format!("{numbers} {}", lossy(name)) }
    };
    for (name, bytes) in found {
        let lines = bytes.iter().filter(|&&b| b == b'\n').count();
        let count = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        let longest = pieces(&bytes).iter().map(|line| line.trim_ascii_end().len()).max().unwrap_or(0);
        let counts = [lines, count, bytes.len(), longest];
        for (sum, count) in total.iter_mut().zip(counts) {
            *sum += count;
        }
        run.print_line(io.out, &show(counts, &name));
    }
    if many {
        run.print_line(io.out, &show(total, b"total"));
    }
    status
}

/// Ranges of one `cut`.
const MAX_PLACES: usize = 256;

/// The places of a list such as `1,3-5,7-`, from 1.
fn places(list: &[u8]) -> Option<Vec<(usize, usize)>> {
    let place = |text: &[u8]| number(text).and_then(|place| usize::try_from(place).ok()).filter(|place| *place > 0);
    let range = |text: &[u8]| match text.iter().position(|&b| b == b'-') {
        None => place(text).map(|at| (at, at)),
        Some(dash) => {
            let (from, to) = text.split_at_checked(dash)?;
            let to = to.get(1..)?;
            Some((if from.is_empty() { 1 } else { place(from)? }, if to.is_empty() { usize::MAX } else { place(to)? }))
        }
    };
    list.split(|&b| b == b',').map(range).collect()
}

pub(super) fn cut(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let delimiter = value_of(words, b'd').and_then(<[u8]>::first).copied().unwrap_or(b'\t');
    let list = [b'f', b'c', b'b'].into_iter().find_map(|flag| Some((flag, value_of(words, flag)?)));
    let Some((kind, list)) = list else {
        return run.fail(io, words, "expected a list of bytes, characters, or fields");
    };
    let Some(wanted) = places(list).filter(|wanted| wanted.len() <= MAX_PLACES) else {
        return run.fail(io, words, &format!("invalid range {0}-{0}", lossy(list)));
    };
    let paths = operands_beside(words, b"dfcb");
    let (found, status) = run.inputs(io, words, &paths, "");
    for (_, bytes) in found {
        for line in pieces(&bytes) {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let is_in = |at: &usize| wanted.iter().any(|(from, to)| (*from..=*to).contains(at));
            let shown = if kind != b'f' {
                line.iter().enumerate().filter(|(at, _)| is_in(&(at + 1))).map(|(_, &byte)| byte).collect()
            } else if !line.contains(&delimiter) {
                if has_flag(words, b's') {
                    continue;
                }
                line.to_vec()
            } else {
                let fields = line.split(|&b| b == delimiter).enumerate();
                fields.filter(|(at, _)| is_in(&(at + 1))).map(|(_, field)| field).collect::<Vec<_>>().join(&delimiter)
            };
            run.print(io.out, &[&shown[..], b"\n"].concat());
        }
    }
    status
}

/// The part of a line that `-k N` and `-t` mean.
fn key(line: &[u8], field: usize, separator: Option<u8>) -> &[u8] {
    let mut rest = line;
    for _ in 1..field {
        let at = match separator {
            Some(separator) => rest.iter().position(|&b| b == separator).map(|at| at + 1),
            None => {
                let text = rest.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(rest.len());
                let end = rest.iter().skip(text).position(u8::is_ascii_whitespace);
                end.map(|end| text + end)
            }
        };
        rest = at.and_then(|at| rest.get(at..)).unwrap_or_default();
    }
    rest
}

/// A number with a sign and a fraction, in thousandths; what is none is 0.
fn value(text: &[u8]) -> i64 {
    let text = lossy(text);
    let text = text.trim_start();
    let end = text.char_indices().find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && *c == '-')));
    let (whole, fraction) = {
        let digits = text.get(..end.map_or(text.len(), |(at, _)| at)).unwrap_or_default();
        digits.split_once('.').unwrap_or((digits, ""))
    };
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let size = whole.trim_start_matches('-').parse::<i64>().unwrap_or(0).saturating_mul(1_000);
    let size = size.saturating_add(thousandths.parse().unwrap_or(0));
    if whole.starts_with('-') { -size } else { size }
}

pub(super) fn sort(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"kto");
    let (found, status) = run.inputs(io, words, &paths, "");
    let all: Vec<u8> = found.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let mut lines: Vec<&[u8]> = pieces(&all).into_iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
    let field = value_of(words, b'k').unwrap_or(b"1");
    let letters =
        field.iter().skip_while(|b| b.is_ascii_digit() || matches!(b, b',' | b'.')).copied().collect::<Vec<_>>();
    let digits = field.get(..field.iter().take_while(|b| b.is_ascii_digit()).count()).unwrap_or_default();
    let field = number(digits).and_then(|field| usize::try_from(field).ok()).unwrap_or(1).min(1_000);
    let separator = value_of(words, b't').and_then(<[u8]>::first).copied();
    let flag = |letter| has_flag(words, letter) || letters.contains(&letter);
    let folded = |text: &[u8]| if flag(b'f') { text.to_ascii_lowercase() } else { text.to_vec() };
    if flag(b'n') || flag(b'g') || flag(b'h') {
        lines.sort_by_cached_key(|line| (value(key(line, field, separator)), line.to_vec()));
    } else {
        lines.sort_by_cached_key(|line| (folded(key(line, field, separator)), line.to_vec()));
    }
    if has_flag(words, b'u') {
        lines.dedup();
    }
    if flag(b'r') {
        lines.reverse();
    }
    if has_flag(words, b'c') {
        let before: Vec<&[u8]> =
            pieces(&all).into_iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
        let wrong = before.iter().zip(&lines).position(|(a, b)| a != b);
        if let Some(at) = wrong {
            run.print_line(io.err, &format!("Check line {}", at + 1));
        }
        return u8::from(wrong.is_some());
    }
    let text: Vec<u8> = lines.into_iter().flat_map(|line| [line, b"\n"].concat()).collect();
    let Some(target) = value_of(words, b'o') else {
        run.print(io.out, &text);
        return status;
    };
    let path = run.path(target);
    match run.files.write(&path, Content::Kept(text), true) {
        Ok(()) => status,
        Err(fault) => run.fail_at(io, words, "can't open", target, fault),
    }
}

pub(super) fn uniq(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"fsw");
    let (found, status) = run.inputs(io, words, &paths, "can't open");
    let count = |flag| value_of(words, flag).and_then(number).and_then(|count| usize::try_from(count).ok());
    let (fields, bytes, most) = (count(b'f').unwrap_or(0).min(1_000), count(b's').unwrap_or(0), count(b'w'));
    let compared = |line: &[u8]| {
        let line = key(line, fields + 1, None);
        let line = line.get(bytes.min(line.len())..).unwrap_or_default();
        let line = line.get(..most.unwrap_or(line.len()).min(line.len())).unwrap_or_default();
        if has_flag(words, b'i') { line.to_ascii_lowercase() } else { line.to_vec() }
    };
    for (_, bytes) in found {
        for same in pieces(&bytes).chunk_by(|a, b| compared(a) == compared(b)) {
            let is_many = same.len() > 1;
            if (has_flag(words, b'd') && !is_many) || (has_flag(words, b'u') && is_many) {
                continue;
            }
            if has_flag(words, b'c') {
                run.print(io.out, format!("{:>7} ", same.len()).as_bytes());
            }
            run.print(io.out, same.first().copied().unwrap_or_default());
        }
    }
    status
}

pub(super) fn rev(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    each_line(run, words, io, |lines| lines.iter().map(|line| line.iter().rev().copied().collect()).collect())
}

pub(super) fn tac(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    each_line(run, words, io, |lines| lines.iter().rev().map(|line| line.to_vec()).collect())
}

/// Prints what becomes of each file's lines.
fn each_line(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, work: impl Fn(&[&[u8]]) -> Vec<Vec<u8>>) -> u8 {
    let paths = operands_beside(words, b"");
    let (found, status): (Vec<Named>, u8) = run.inputs(io, words, &paths, "");
    for (_, bytes) in found {
        let lines: Vec<&[u8]> =
            pieces(&bytes).into_iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
        let text: Vec<u8> = work(&lines).into_iter().flat_map(|line| [&line[..], b"\n"].concat()).collect();
        run.print(io.out, &text);
    }
    status
}

/// `cmp FILE FILE`
pub(super) fn cmp(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"n");
    if paths.len() < 2 {
        return usage(run, "cmp", io);
    }
    let (found, status) = run.inputs(io, words, paths.get(..2).unwrap_or_default(), "can't open");
    let [(first, a), (second, b)] = found.as_slice() else { return status.max(1) };
    let silent = has_flag(words, b's');
    match a.iter().zip(b).position(|(a, b)| a != b) {
        Some(at) => {
            let line = 1 + a.iter().take(at).filter(|&&b| b == b'\n').count();
            if !silent {
                let text = format!("{} {} differ: char {}, line {line}", lossy(first), lossy(second), at + 1);
                run.print_line(io.out, &text);
            }
            1
        }
        None if a.len() == b.len() => 0,
        None => {
            let shorter = if a.len() < b.len() { first } else { second };
            if !silent {
                run.fail(io, words, &format!("EOF on {}", lossy(shorter)));
            }
            1
        }
    }
}

pub(super) fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|&b| b == b'\n').collect()
}
