//! Programs that print and filter text.

use data_encoding::BASE64;

use super::super::MAX_OUTPUT;
use super::super::escape::unescape;
use super::super::file_system::{base_name, parent};
use super::super::run::{Io, Leaving, Run, TERMINAL};
use super::super::tree::Content;
use super::{has_flag, lossy, number, operands, operands_beside, usage, value_of};

/// `echo -n -e -E`: options in any combination, as long as each word of them holds no other letter.
pub(in super::super) fn echo(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (mut newline, mut escapes) = (true, false);
    let mut rest = words.get(1..).unwrap_or_default();
    while let Some((option, after)) = rest.split_first() {
        let letters = match option.split_first() {
            Some((b'-', letters)) if !letters.is_empty() && letters.iter().all(|b| b"neE".contains(b)) => letters,
            _ => break,
        };
        for letter in letters {
            match letter {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        rest = after;
    }
    let mut text = rest.join(&b' ');
    if escapes {
        let (bytes, stopped) = unescape(&text);
        text = bytes;
        newline &= !stopped;
    }
    if newline {
        text.push(b'\n');
    }
    run.print(io.out, &text);
    0
}

/// The bytes that a set of `tr` means: ranges, classes and escapes.
fn set(text: &[u8]) -> Vec<u8> {
    let (text, _) = unescape(text);
    let mut out = Vec::new();
    let mut rest = &text[..];
    while let Some((&first, after)) = rest.split_first() {
        if let Some((is_in, after)) = class(rest) {
            out.extend((0..=255_u8).filter(is_in));
            rest = after;
            continue;
        }
        rest = match after {
            [b'-', last, after @ ..] => {
                out.extend(first..=*last);
                after
            }
            _ => {
                out.push(first);
                after
            }
        };
    }
    out
}

/// What is in a class of bytes.
type Class = fn(&u8) -> bool;

/// `[:digit:]` and the like at the beginning of a set, and what follows.
fn class(text: &[u8]) -> Option<(Class, &[u8])> {
    let rest = text.strip_prefix(b"[:")?;
    let end = rest.windows(2).position(|pair| pair == b":]")?;
    let (name, after) = rest.split_at_checked(end)?;
    let is_in: Class = match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"digit" => u8::is_ascii_digit,
        b"lower" => u8::is_ascii_lowercase,
        b"upper" => u8::is_ascii_uppercase,
        b"space" => u8::is_ascii_whitespace,
        b"punct" => u8::is_ascii_punctuation,
        b"xdigit" => u8::is_ascii_hexdigit,
        b"cntrl" => u8::is_ascii_control,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"print" => |byte| (b' '..=b'~').contains(byte),
        _ => return None,
    };
    Some((is_in, after.get(2..)?))
}

pub(super) fn tr(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let sets: Vec<Vec<u8>> = operands(words).map(|word| set(word)).collect();
    let Some(from) = sets.first() else { return usage(run, "tr", io) };
    let (deletes, squeezes) = (has_flag(words, b'd'), has_flag(words, b's'));
    let from = match has_flag(words, b'c') || has_flag(words, b'C') {
        true => (0..=255_u8).filter(|byte| !from.contains(byte)).collect(),
        false => from.clone(),
    };
    let bytes = run.read_all(io);
    let to = sets.get(1).map(Vec::as_slice).unwrap_or_default();
    let last = sets.last().unwrap_or(&from);
    let places: Vec<Option<usize>> = (0..=255_u8).map(|byte| from.iter().position(|&b| b == byte)).collect();
    let squeezed: Vec<bool> = (0..=255_u8).map(|byte| squeezes && last.contains(&byte)).collect();
    let mut changed = Vec::with_capacity(bytes.len());
    for byte in bytes {
        let new = match places.get(usize::from(byte)).copied().flatten() {
            Some(_) if deletes => continue,
            Some(at) => to.get(at).or(to.last()).copied().unwrap_or(byte),
            None => byte,
        };
        if changed.last() != Some(&new) || !squeezed.get(usize::from(new)).copied().unwrap_or(false) {
            changed.push(new);
        }
    }
    run.print(io.out, &changed);
    0
}

pub(super) fn tee(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let bytes = run.read_all(io);
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        let done = if has_flag(words, b'a') {
            run.files.append(&path, &bytes)
        } else {
            run.files.write(&path, Content::Kept(bytes.clone()), true)
        };
        if let Err(fault) = done {
            status = run.fail_at(io, words, "", name, fault);
        }
    }
    run.print(io.out, &bytes);
    status
}

pub(super) fn base64(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"w");
    let (found, status) = run.inputs(io, words, &paths, "");
    for (_, bytes) in found {
        if has_flag(words, b'd') {
            let is_letter = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
            let text: Vec<u8> = bytes.into_iter().filter(is_letter).collect();
            let Ok(decoded) = BASE64.decode(&text) else { return run.fail(io, words, "truncated input") };
            run.print(io.out, &decoded);
        } else {
            let width =
                value_of(words, b'w').and_then(number).and_then(|width| usize::try_from(width).ok()).unwrap_or(76);
            if width == 0 {
                run.print(io.out, BASE64.encode(&bytes).as_bytes());
                continue;
            }
            for line in BASE64.encode(&bytes).as_bytes().chunks(width) {
                run.print(io.out, &[line, b"\n"].concat());
            }
        }
    }
    status
}

/// Lines without end: as many as one command may print.
pub(super) fn yes(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let text = if words.len() > 1 { words.get(1..).unwrap_or_default().join(&b' ') } else { b"y".to_vec() };
    let line = [&text[..], b"\n"].concat();
    let count = MAX_OUTPUT / 4 / line.len();
    run.print(io.out, &line.repeat(count.max(1)));
    if io.out == TERMINAL {
        run.leaving = Some(Leaving::Hang);
    }
    0
}

pub(super) fn basename(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(name) = words.get(1) else { return usage(run, "basename", io) };
    let name = if name.is_empty() { &name[..] } else { base_name(name) };
    let name = words.get(2).and_then(|suffix| name.strip_suffix(&suffix[..])).unwrap_or(name);
    run.print(io.out, &[name, b"\n"].concat());
    0
}

pub(super) fn dirname(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(name) = words.get(1) else { return usage(run, "dirname", io) };
    let above = if name.contains(&b'/') { parent(name) } else { b"." };
    run.print(io.out, &[above, b"\n"].concat());
    0
}

pub(super) fn seq(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_number = |word: &Vec<u8>| word.get(1).is_some_and(u8::is_ascii_digit) || !word.starts_with(b"-");
    let separator = value_of(words, b's').map_or_else(|| "\n".to_owned(), lossy);
    let mut numbers = Vec::new();
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        match word.as_slice() {
            b"-s" => drop(rest.next()),
            _ if is_number(word) => match lossy(word).parse::<i64>() {
                Ok(number) => numbers.push(number),
                Err(_) => return run.fail(io, words, &format!("invalid number '{}'", lossy(word))),
            },
            _ => {}
        }
    }
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, *step, *last),
        _ => return usage(run, "seq", io),
    };
    let width = if has_flag(words, b'w') { first.to_string().len().max(last.to_string().len()) } else { 0 };
    let mut text = String::new();
    let mut at = first;
    while step != 0 && text.len() < MAX_OUTPUT && if step > 0 { at <= last } else { at >= last } {
        if at != first {
            text.push_str(&separator);
        }
        text.push_str(&format!("{at:0width$}"));
        at = at.saturating_add(step);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    run.print(io.out, text.as_bytes());
    0
}

/// Runs a program with the words of the input: all at once, `-n` at a time, or with `-I` a line at a time in the place of a sign.
pub(super) fn xargs(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (mut sign, mut most, mut shows) = (None, None, false);
    let mut rest = words.iter().skip(1).peekable();
    while let Some(option) = rest.next_if(|word| word.starts_with(b"-")) {
        let mut value =
            || option.get(2..).filter(|value| !value.is_empty()).map(<[u8]>::to_vec).or_else(|| rest.next().cloned());
        match option.get(1) {
            Some(b'I') => sign = value(),
            Some(b'i') => sign = Some(b"{}".to_vec()),
            Some(b'n' | b'L') => most = value().and_then(|value| number(&value)),
            Some(b's' | b'P' | b'd' | b'E') => drop(value()),
            Some(b't') => shows = true,
            _ => {}
        }
    }
    let mut call: Vec<Vec<u8>> = rest.cloned().collect();
    if call.is_empty() {
        call.push(b"echo".to_vec());
    }
    let bytes = run.read_all(io);
    let mut status = 0;
    if let Some(sign) = sign {
        for line in bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
            let filled: Vec<Vec<u8>> = call.iter().map(|word| replaced(word, &sign, line)).collect();
            status = run.call_program(&filled, io).min(123).max(status);
            if run.leaving.is_some() {
                break;
            }
        }
        return status;
    }
    let zeros = has_flag(words, b'0');
    let given: Vec<Vec<u8>> = if zeros {
        bytes.split(|b| *b == 0).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
    } else {
        bare_words(&bytes)
    };
    if given.is_empty() {
        return if has_flag(words, b'r') { 0 } else { run.call_program(&call, io) };
    }
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX).max(1);
    for some in given.chunks(most) {
        let whole = [&call[..], some].concat();
        if shows {
            run.print(io.err, &[&whole.join(&b' ')[..], b"\n"].concat());
        }
        let name = whole.first().map(Vec::as_slice).unwrap_or_default();
        if !name.contains(&b'/') && super::builtin(name).is_none() && super::system::where_is(run, name).is_none() {
            run.fail(io, words, &format!("{}: No such file or directory", lossy(name)));
            return 127;
        }
        status = run.call_program(&whole, io).max(status);
        run.charge(1);
        if run.leaving.is_some() || run.is_spent() {
            break;
        }
    }
    status
}

/// The words of the input of `xargs`, without their quotes and backslashes.
fn bare_words(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        match (quote, byte) {
            (Some(mark), byte) if byte == mark => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (None, b'\\') => word.get_or_insert_default().extend(rest.next()),
            (None, byte) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (_, byte) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

fn replaced(word: &[u8], sign: &[u8], line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some(at) = memchr::memmem::find(rest, sign).filter(|_| !sign.is_empty()) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(line);
        rest = rest.get(at + sign.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
