//! Programs that print and filter text.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use super::super::MAX_OUTPUT;
use super::super::file_system::{base_name, parent};
use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{has_flag, lossy, number, operands, operands_beside, usage};

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

/// Backslash escapes of `echo -e` and `printf`: octal with or without a leading zero, hexadecimal, the usual letters; `\c` ends all.
fn unescape(text: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&letter, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = after;
        match letter {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'c' => return (out, true),
            b'e' => out.push(0x1b),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'0' => rest = digits(rest, 8, 3, &mut out, 0),
            b'1'..=b'7' => rest = digits(rest, 8, 2, &mut out, u32::from(letter - b'0')),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest = digits(rest, 16, 2, &mut out, 0),
            other => out.extend([b'\\', other]),
        }
    }
    (out, false)
}

/// Reads at most this many digits of this base on top of `value`.
fn digits<'t>(mut rest: &'t [u8], base: u32, most: usize, out: &mut Vec<u8>, mut value: u32) -> &'t [u8] {
    for _ in 0..most {
        let Some((&byte, after)) = rest.split_first() else { break };
        let Some(digit) = char::from(byte).to_digit(base) else { break };
        value = value * base + digit;
        rest = after;
    }
    out.push(u8::try_from(value & 0xff).unwrap_or(0));
    rest
}

/// `printf FORMAT ARGUMENT...` with `%s %d %c %x %%`; the format is used again while arguments are left.
pub(in super::super) fn printf(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(format) = words.get(1) else { return usage(run, "printf", io) };
    let (format, _) = unescape(format);
    let mut arguments = words.iter().skip(2).peekable();
    let mut out = Vec::new();
    loop {
        let before = arguments.len();
        let mut rest = &format[..];
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            let width =
                rest.iter().position(|b| !b.is_ascii_digit() && !matches!(b, b'-' | b'.')).unwrap_or(rest.len());
            let kind = rest.get(width).copied();
            rest = rest.get(width + 1..).unwrap_or_default();
            match kind {
                Some(b'%') => out.push(b'%'),
                Some(b'b') => out.extend(unescape(arguments.next().map(Vec::as_slice).unwrap_or_default()).0),
                Some(b'c') => out.extend(arguments.next().and_then(|word| word.first())),
                Some(b'd' | b'i' | b'u') => out.extend(
                    lossy(arguments.next().map(Vec::as_slice).unwrap_or_default())
                        .trim()
                        .parse::<i64>()
                        .unwrap_or(0)
                        .to_string()
                        .bytes(),
                ),
                Some(b'x') => {
                    out.extend(format!("{:x}", arguments.next().and_then(|word| number(word)).unwrap_or(0)).bytes())
                }
                Some(_) => out.extend(arguments.next().into_iter().flatten()),
                None => out.push(b'%'),
            }
        }
        if arguments.peek().is_none() || arguments.len() == before || out.len() > MAX_OUTPUT {
            break;
        }
    }
    run.print(io.out, &out);
    0
}

/// The bytes that a set of `tr` means: ranges and escapes.
fn set(text: &[u8]) -> Vec<u8> {
    let (text, _) = unescape(text);
    let mut out = Vec::new();
    let mut rest = &text[..];
    while let Some((&first, after)) = rest.split_first() {
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

pub(super) fn tr(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let sets: Vec<Vec<u8>> = operands(words).map(|word| set(word)).collect();
    let Some(from) = sets.first() else { return usage(run, "tr", io) };
    let bytes = run.read_all(io);
    let to = sets.get(1).map(Vec::as_slice).unwrap_or_default();
    let changed: Vec<u8> = bytes
        .into_iter()
        .filter_map(|byte| match from.iter().position(|&b| b == byte) {
            Some(_) if has_flag(words, b'd') => None,
            Some(at) => to.get(at).or(to.last()).copied().or(Some(byte)),
            None => Some(byte),
        })
        .collect();
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
            let text: Vec<u8> = bytes.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
            let Ok(decoded) = BASE64.decode(&text) else { return run.fail(io, words, "truncated input") };
            run.print(io.out, &decoded);
        } else {
            for line in BASE64.encode(&bytes).as_bytes().chunks(76) {
                run.print(io.out, &[line, b"\n"].concat());
            }
        }
    }
    status
}

pub(super) fn sha256sum(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"");
    let (found, status) = run.inputs(io, words, &paths, "can't open");
    for (name, bytes) in found {
        let name = if name.is_empty() { "-".to_owned() } else { lossy(&name) };
        run.print_line(io.out, &format!("{}  {name}", HEXLOWER.encode(&Sha256::digest(&bytes))));
    }
    status
}

pub(super) fn basename(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(name) = words.get(1) else { return usage(run, "basename", io) };
    let name = base_name(name);
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
    let numbers: Vec<u64> = operands(words).filter_map(|word| number(word)).collect();
    let (first, step, last) = match numbers.as_slice() {
        [last] => (1, 1, *last),
        [first, last] => (*first, 1, *last),
        [first, step, last] => (*first, (*step).max(1), *last),
        _ => return usage(run, "seq", io),
    };
    let mut text = String::new();
    let mut at = first;
    while at <= last && text.len() < MAX_OUTPUT {
        text.push_str(&format!("{at}\n"));
        at = at.saturating_add(step);
    }
    run.print(io.out, text.as_bytes());
    0
}

/// One sum, product or comparison of two numbers.
pub(super) fn expr(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let parsed = |word: Option<&Vec<u8>>| lossy(word.map(Vec::as_slice).unwrap_or_default()).trim().parse::<i64>();
    let (Ok(a), Ok(b)) = (parsed(words.get(1)), parsed(words.get(3))) else {
        let line = words.get(1).cloned().unwrap_or_default();
        run.print(io.out, &[&line[..], b"\n"].concat());
        return 0;
    };
    let result = match words.get(2).map(Vec::as_slice) {
        Some(b"+") => a.wrapping_add(b),
        Some(b"-") => a.wrapping_sub(b),
        Some(b"*") => a.wrapping_mul(b),
        Some(b"/") => a.checked_div(b).unwrap_or(0),
        Some(b"%") => a.checked_rem(b).unwrap_or(0),
        Some(b"=") => i64::from(a == b),
        Some(b"<") => i64::from(a < b),
        Some(b">") => i64::from(a > b),
        _ => return run.fail(io, words, "syntax error"),
    };
    run.print_line(io.out, &result.to_string());
    u8::from(result == 0)
}

/// Runs a program with the words of the input, all at once.
pub(super) fn xargs(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let bytes = run.read_all(io);
    let mut call: Vec<Vec<u8>> = words.iter().skip(1).skip_while(|word| word.starts_with(b"-")).cloned().collect();
    if call.is_empty() {
        call.push(b"echo".to_vec());
    }
    call.extend(bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec));
    run.call(&call, io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_busybox_reads_them() {
        for (text, bytes) in [
            (&br"\x6b\x61\x6d\x69/dev"[..], &b"kami/dev"[..]),
            (br"\101\0102\61", b"AB1"),
            (br"\x7fELF\0\377", b"\x7fELF\0\xff"),
            (br"\\n\q\", br"\n\q\"),
            (br"\xzz", br"\xzz"),
            (br"\x4", b"\x04"),
        ] {
            assert_eq!(unescape(text), (bytes.to_vec(), false), "{}", text.escape_ascii());
        }
        assert_eq!(unescape(br"ab\cde"), (b"ab".to_vec(), true));
    }
}
