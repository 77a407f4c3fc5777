//! Programs that make files: `mktemp`, `truncate`, `mkfifo`.

use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{has_flag, lossy, number, operands, operands_beside, usage, value_of};

/// Bytes to which `truncate` makes a file longer.
const MAX_LENGTH: usize = 1 << 20;

/// `mktemp [-dtqu] [-p DIR] [TEMPLATE]`
pub(super) fn mktemp(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let given = operands_beside(words, b"p").first().map(|name| lossy(name));
    let directory = value_of(words, b'p').map_or_else(|| "/tmp".to_owned(), lossy);
    let is_in_directory = given.is_none() || has_flag(words, b't') || value_of(words, b'p').is_some();
    let template = given.unwrap_or_else(|| "tmp.XXXXXX".to_owned());
    let template = if is_in_directory { format!("{directory}/{template}") } else { template };
    let Some(start) = template.strip_suffix("XXXXXX") else {
        return run.fail(io, words, "(null): Invalid argument");
    };
    const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrsABCDEFGHKMNPQ2";
    let letter = |run: &mut Run<'_, '_>| {
        let at = usize::try_from(run.random.within(&(0..=31))).unwrap_or(0);
        LETTERS.get(at).copied().map_or('a', char::from)
    };
    let end: String = (0..6).map(|_| letter(run)).collect();
    let name = format!("{start}{end}");
    let path = run.path(name.as_bytes());
    let made = match (has_flag(words, b'u'), has_flag(words, b'd')) {
        (true, _) => Ok(()),
        (_, true) => run.files.make_directory(&path),
        _ => run.files.write(&path, Content::Kept(Vec::new()), true),
    };
    if let Err(fault) = made {
        return run.fail(io, words, &format!("{name}: {}", fault.text()));
    }
    let mode = if has_flag(words, b'd') { 0o700 } else { 0o600 };
    // With `-u` nothing is there.
    let _ = run.files.set_mode(&path, mode);
    run.print_line(io.out, &name);
    0
}

/// `truncate [-c] -s SIZE FILE...`
pub(super) fn truncate(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let size = value_of(words, b's').and_then(|size| match size.split_last() {
        Some((b'k' | b'K', digits)) => number(digits).map(|size| size << 10),
        Some((b'M', digits)) => number(digits).map(|size| size << 20),
        _ => number(size),
    });
    let Some(size) = size else { return usage(run, "truncate", io) };
    let size = usize::try_from(size).unwrap_or(MAX_LENGTH).min(MAX_LENGTH);
    let mut status = 0;
    for name in operands_beside(words, b"s") {
        let path = run.path(name);
        let mut bytes = run.files.content(&path).map(std::borrow::Cow::into_owned).unwrap_or_default();
        run.charge(1 + size / 4_096);
        bytes.resize(size, 0);
        if let Err(fault) = run.files.write(&path, Content::Kept(bytes), true) {
            status = run.fail_at(io, words, "", name, fault);
        }
    }
    status
}

/// `mkfifo`: a name that nobody reads from.
pub(super) fn mkfifo(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        if run.files.find_link(&path).is_ok() {
            status = run.fail(io, words, &format!("{}: File exists", lossy(name)));
        } else if let Err(fault) = run.files.write(&path, Content::Kept(Vec::new()), true) {
            status = run.fail_at(io, words, "", name, fault);
        }
    }
    status
}
