//! Programs that show bytes: `od`, `hexdump`, `xxd`.

use data_encoding::HEXLOWER;

use super::super::MAX_OUTPUT;
use super::super::escape::unescape;
use super::super::run::{Io, Run};
use super::{has_flag, lossy, number, operands_beside, printf, value_of};

/// Bytes of a row.
const ROW: usize = 16;

/// How one row is shown.
type Row = fn(&[u8]) -> String;

pub(super) fn od(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let kind = value_of(words, b't').unwrap_or_default();
    let row: Row = match kind {
        [b'x', b'1', ..] => |row| row.iter().map(|byte| format!(" {byte:02x}")).collect(),
        [b'c', ..] => letters,
        [b'x', ..] => |row| of_size(row, 4, |value| format!(" {value:08x}")),
        _ if has_flag(words, b'c') => letters,
        _ if has_flag(words, b'x') => |row| of_size(row, 2, |value| format!(" {value:04x}")),
        _ if has_flag(words, b'b') => |row| row.iter().map(|byte| format!(" {byte:03o}")).collect(),
        _ => |row| of_size(row, 2, |value| format!(" {value:06o}")),
    };
    let has_address = value_of(words, b'A') != Some(b"n");
    let address = |at: usize| if has_address { format!("{at:07o}") } else { String::new() };
    let skip = passed(words, b'j');
    dump(run, words, io, b"AtNj", |bytes| {
        let mut text =
            rows(bytes, has_flag(words, b'v'), |at, bytes| format!("{}{}\n", address(skip + at), row(bytes)));
        if has_address {
            text.push_str(&format!("{:07o}\n", skip + bytes.len()));
        }
        text
    })
}

/// Characters, escapes, octal numbers, four columns each.
fn letters(row: &[u8]) -> String {
    row.iter().map(|byte| format!("{:>4}", letter(*byte))).collect()
}

fn letter(byte: u8) -> String {
    match byte {
        0 => "\\0".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        b'\r' => "\\r".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("{byte:03o}"),
    }
}

/// Little-endian numbers of so many bytes; the last may miss some.
fn of_size(row: &[u8], size: usize, show: fn(u32) -> String) -> String {
    row.chunks(size)
        .map(|piece| show(piece.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))))
        .collect()
}

pub(super) fn hexdump(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if let Some(format) = value_of(words, b'e') {
        return formatted(run, words, io, &lossy(format));
    }
    let is_canonical = has_flag(words, b'C');
    let kind: Row = match (has_flag(words, b'c'), has_flag(words, b'b')) {
        (true, _) => letters,
        (_, true) => |row| row.iter().map(|byte| format!(" {byte:03o}")).collect(),
        _ => |row| of_size(row, 2, |value| format!(" {value:04x}")),
    };
    let width = if has_flag(words, b'c') || has_flag(words, b'b') { ROW * 4 } else { ROW / 2 * 5 };
    let skip = passed(words, b's');
    dump(run, words, io, b"ensf", |bytes| {
        let text = rows(bytes, has_flag(words, b'v'), |at, row| {
            let at = skip + at;

            if is_canonical { canonical(at, row) } else { format!("{at:07x}{:<width$}\n", kind(row)) }
        });
        match (bytes.len(), is_canonical) {
            (0, _) => text,
            (length, true) => format!("{text}{:08x}\n", skip + length),
            (length, false) => format!("{text}{:07x}\n", skip + length),
        }
    })
}

/// `hexdump -e 'COUNT/1 "FORMAT"'`, byte by byte: with `%c` loaders read a program's header.
fn formatted(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, format: &str) -> u8 {
    let text = format.split('"').nth(1).unwrap_or_default();
    let (before, rest) = text.split_once('%').unwrap_or((text, ""));
    let at = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (options, rest) = rest.split_at_checked(at).unwrap_or((rest, ""));
    let (kind, after) = (rest.chars().next().unwrap_or('c'), rest.get(1..).unwrap_or_default());
    let (bytes, status) = bytes_of(run, words, io, b"ensf");
    let mut out = Vec::new();
    for byte in bytes {
        out.extend(unescape(before.as_bytes()).0);
        match kind {
            'x' => out.extend(printf::padded(&format!("{byte:x}"), options).bytes()),
            'X' => out.extend(printf::padded(&format!("{byte:X}"), options).bytes()),
            'o' => out.extend(printf::padded(&format!("{byte:o}"), options).bytes()),
            'd' | 'u' | 'i' => out.extend(printf::padded(&byte.to_string(), options).bytes()),
            _ => out.push(byte),
        }
        out.extend(unescape(after.as_bytes()).0);
    }
    run.print(io.out, &out);
    status
}

fn canonical(at: usize, row: &[u8]) -> String {
    let half = |row: &[u8]| row.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
    let (first, second) = row.split_at(row.len().min(ROW / 2));
    format!("{at:08x}  {:<25}{:<25}|{}|\n", half(first), half(second), printable(row))
}

fn printable(row: &[u8]) -> String {
    row.iter().map(|&byte| if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '.' }).collect()
}

pub(super) fn xxd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_plain = has_flag(words, b'p');
    if has_flag(words, b'r') {
        return from_hex(run, words, io, is_plain);
    }
    dump(run, words, io, b"lscg", |bytes| {
        if is_plain {
            return bytes.chunks(30).map(|row| format!("{}\n", HEXLOWER.encode(row))).collect();
        }
        rows(bytes, true, |at, row| {
            let pairs: Vec<String> = row.chunks(2).map(|pair| HEXLOWER.encode(pair)).collect();
            format!("{at:08x}: {:<39}  {}\n", pairs.join(" "), printable(row))
        })
    })
}

/// `xxd -r`: bytes of what hexadecimal digits say.
fn from_hex(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, is_plain: bool) -> u8 {
    let paths = operands_beside(words, b"lscg");
    let (found, status) = run.inputs(io, words, &paths, "");
    for (_, text) in found {
        let mut digits = Vec::new();
        for line in text.split(|&b| b == b'\n') {
            let line = if is_plain { line } else { line.splitn(2, |&b| b == b':').nth(1).unwrap_or_default() };
            let mut blanks = 0;
            for &byte in line.trim_ascii_start() {
                blanks = if byte == b' ' { blanks + 1 } else { 0 };
                if !is_plain && blanks > 1 {
                    break;
                }
                digits.extend(char::from(byte).to_digit(16));
            }
        }
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .filter_map(|pair| u8::try_from(pair.iter().fold(0, |value, digit| value << 4 | digit)).ok())
            .collect();
        run.print(io.out, &bytes);
    }
    status
}

/// Row by row; what is the same as the row before is shown once, as a star, unless all are wanted.
fn rows(bytes: &[u8], all: bool, show: impl Fn(usize, &[u8]) -> String) -> String {
    let mut text = String::new();
    let (mut last, mut has_star) = (None, all);
    for (at, row) in bytes.chunks(ROW).enumerate() {
        if !all && last == Some(row) && row.len() == ROW {
            text.push_str(if has_star { "" } else { "*\n" });
            has_star = true;
            continue;
        }
        (last, has_star) = (Some(row), false);
        text.push_str(&show(at * ROW, row));
    }
    text
}

/// Bytes that `od -j` and `hexdump -s` pass over.
fn passed(words: &[Vec<u8>], flag: u8) -> usize {
    value_of(words, flag).and_then(number).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

/// Shows all that is read.
fn dump(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, with_values: &[u8], show: impl Fn(&[u8]) -> String) -> u8 {
    let (bytes, status) = bytes_of(run, words, io, with_values);
    run.print(io.out, show(&bytes).as_bytes());
    status
}

/// What is to be shown; `-n`, `-N` and `-l` say how much of it. Each byte becomes some five: a part of what one line may print is enough.
fn bytes_of(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, with_values: &[u8]) -> (Vec<u8>, u8) {
    let paths = operands_beside(words, with_values);
    let limit = [b'n', b'N', b'l'].into_iter().filter(|flag| with_values.contains(flag));
    let limit = limit.filter_map(|flag| number(value_of(words, flag)?)).next();
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX).min(MAX_OUTPUT / 4);
    let (found, status) = run.inputs(io, words, &paths, "");
    let skip = [b'j', b's'].into_iter().find(|flag| with_values.contains(flag)).map_or(0, |flag| passed(words, flag));
    let all: Vec<u8> = found.into_iter().flat_map(|(_, bytes)| bytes).skip(skip).take(limit).collect();
    run.charge(all.len() / 512);
    (all, status)
}
