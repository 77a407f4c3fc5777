//! Programs that lay lines out: `nl`, `paste`, `fold`, `expand`, `strings`.

use super::super::MAX_OUTPUT;
use super::super::run::{Io, Run};
use super::{has_flag, number, operands_beside, value_of};

fn size(words: &[Vec<u8>], flag: u8, usual: usize) -> usize {
    value_of(words, flag).and_then(number).and_then(|size| usize::try_from(size).ok()).unwrap_or(usual).clamp(1, 4_096)
}

/// The lines of a text, without their ends.
fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&b| b == b'\n').collect()
}

/// Works on all that is read, line by line.
fn each(
    run: &mut Run<'_, '_>,
    words: &[Vec<u8>],
    with_values: &[u8],
    io: Io,
    mut work: impl FnMut(&[u8], &mut Vec<u8>),
) -> u8 {
    let paths = operands_beside(words, with_values);
    let (found, status) = run.inputs(io, words, &paths, "");
    let mut out = Vec::new();
    for (_, bytes) in found {
        run.charge(bytes.len() / 1_024);
        for line in lines_of(&bytes) {
            work(line, &mut out);
            if out.len() > MAX_OUTPUT {
                break;
            }
        }
    }
    run.print(io.out, &out);
    status
}

pub(super) fn nl(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let counts_all = value_of(words, b'b') == Some(b"a");
    let mut number = 0;
    each(run, words, b"bwvis", io, |line, out| {
        if counts_all || !line.is_empty() {
            number += 1;
            out.extend(format!("{number:6}\t").bytes());
        } else {
            out.extend(b"       ");
        }
        out.extend_from_slice(line);
        out.push(b'\n');
    })
}

pub(super) fn fold(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let width = size(words, b'w', 80);
    each(run, words, b"w", io, |line, out| {
        for piece in line.chunks(width) {
            out.extend_from_slice(piece);
            out.push(b'\n');
        }
        if line.is_empty() {
            out.push(b'\n');
        }
    })
}

pub(super) fn expand(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let width = size(words, b't', 8);
    each(run, words, b"t", io, |line, out| {
        let mut column = 0;
        for &byte in line {
            let next = if byte == b'\t' { (column / width + 1) * width } else { column + 1 };
            if byte == b'\t' {
                out.resize(out.len() + next - column, b' ');
            } else {
                out.push(byte);
            }
            column = next;
        }
        out.push(b'\n');
    })
}

/// `strings [-n LENGTH]`: runs of bytes that can be printed.
pub(super) fn strings(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let least = size(words, b'n', 4);
    let paths = operands_beside(words, b"nt");
    let (found, status) = run.inputs(io, words, &paths, "");
    let mut out = Vec::new();
    for (_, bytes) in found {
        run.charge(bytes.len() / 1_024);
        let is_text = |b: &u8| (b' '..=b'~').contains(b) || *b == b'\t';
        for text in bytes.split(|b| !is_text(b)).filter(|text| text.len() >= least) {
            out.extend_from_slice(text);
            out.push(b'\n');
        }
    }
    run.print(io.out, &out);
    status
}

/// `paste [-s] [-d LIST] FILE...`
pub(super) fn paste(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths = operands_beside(words, b"d");
    // `-sd,` is a bundle whose last letter has the value.
    let between = words.iter().skip(1).filter(|word| word.starts_with(b"-")).find_map(|word| {
        let at = word.iter().position(|&b| b == b'd')?;
        word.get(at + 1).copied()
    });
    let between = between.or_else(|| value_of(words, b'd').and_then(|list| list.first().copied())).unwrap_or(b'\t');
    let (found, status) = run.inputs(io, words, &paths, "");
    let files: Vec<Vec<&[u8]>> = found.iter().map(|(_, bytes)| lines_of(bytes)).collect();
    run.charge(files.iter().map(Vec::len).sum::<usize>() / 64);
    let mut out = Vec::new();
    if has_flag(words, b's') {
        for lines in &files {
            out.extend(lines.join(&between));
            out.push(b'\n');
        }
    } else {
        for at in 0..files.iter().map(Vec::len).max().unwrap_or(0) {
            let row: Vec<&[u8]> = files.iter().map(|lines| lines.get(at).copied().unwrap_or_default()).collect();
            out.extend(row.join(&between));
            out.push(b'\n');
            if out.len() > MAX_OUTPUT {
                break;
            }
        }
    }
    run.print(io.out, &out);
    status
}
