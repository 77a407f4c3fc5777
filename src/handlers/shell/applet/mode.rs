//! Programs that change who may do what with a file.

use super::super::run::{Io, Run};
use super::super::tree::Kind;
use super::{lossy, operands, usage};

/// The mode that `777`, `+x`, `u+rwx,o-w` make of a mode.
pub(super) fn changed_mode(text: &[u8], mode: u16) -> Option<u16> {
    let text = std::str::from_utf8(text).ok()?;
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    text.split(',').try_fold(mode, |mode, clause| {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let places = who.chars().try_fold(0_u16, |mask, c| {
            Some(
                mask | match c {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    'a' => 0o7777,
                    _ => return None,
                },
            )
        })?;
        let places = if who.is_empty() { 0o7777 } else { places };
        let bits = rest.chars().skip(1).try_fold(0_u16, |bits, c| {
            Some(
                bits | match c {
                    'r' => 0o444,
                    'w' => 0o222,
                    'x' | 'X' => 0o111,
                    's' => 0o6000,
                    't' => 0o1000,
                    _ => return None,
                },
            )
        })? & places;
        Some(match rest.chars().next()? {
            '+' => mode | bits,
            '-' => mode & !bits,
            _ => mode & !places | bits,
        })
    })
}

pub(super) fn chmod(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    // A mode such as -x looks like an option.
    let is_option = |word: &Vec<u8>| matches!(word.as_slice(), b"-R" | b"-c" | b"-v" | b"-f" | b"-Rf" | b"-fR");
    let mut rest = words.iter().skip(1).filter(|word| !is_option(word));
    let Some(wanted) = rest.next() else { return usage(run, "chmod", io) };
    let names: Vec<&Vec<u8>> = rest.collect();
    if names.is_empty() {
        return usage(run, "chmod", io);
    }
    let mut status = 0;
    let is_recursive = words.iter().any(|word| matches!(word.as_slice(), b"-R" | b"-Rf" | b"-fR"));
    let mut all: Vec<Vec<u8>> = Vec::new();
    for name in names {
        let path = run.path(name);
        if is_recursive && run.files.is_directory(&path) {
            let inside =
                super::file::walk(run, &path).into_iter().filter(|(_, node)| !matches!(node.kind, Kind::Link(_)));
            all.extend(inside.map(|(path, _)| path));
        } else {
            all.push(name.clone());
        }
    }
    run.charge(all.len() / 8);
    for name in &all {
        let path = run.path(name);
        let changed = run.files.find(&path).map(|(path, node)| (path, changed_mode(wanted, node.mode)));
        let done = match changed {
            Ok((_, None)) => return run.fail(io, words, &format!("invalid mode '{}'", lossy(wanted))),
            Ok((path, Some(mode))) => {
                run.files.keep_sample(&path, false);
                run.files.set_mode(&path, mode)
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            status = run.fail_at(io, words, "", name, fault);
        }
    }
    status
}

/// `chown` and `chgrp`: everything belongs to root, and stays so.
pub(super) fn chown(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let names: Vec<&Vec<u8>> = operands(words).collect();
    let Some((owner, files)) = names.split_first().filter(|(_, files)| !files.is_empty()) else {
        let name = lossy(super::super::file_system::base_name(words.first().map(Vec::as_slice).unwrap_or_default()));
        return usage(run, &name, io);
    };
    let is_known = |name: &[u8]| name.iter().all(u8::is_ascii_digit) || super::system::user(name).is_some();
    if let Some(unknown) = owner.split(|b| matches!(b, b':' | b'.')).find(|name| !name.is_empty() && !is_known(name)) {
        let kind = if words.first().is_some_and(|name| name.ends_with(b"chgrp")) { "group" } else { "user" };
        return run.fail(io, words, &format!("unknown {kind} {}", lossy(unknown)));
    }
    let mut status = 0;
    for name in files {
        let path = run.path(name);
        if let Err(fault) = run.files.find(&path).map(drop) {
            status = run.fail_at(io, words, "", name, fault);
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::changed_mode;

    #[test]
    fn modes_are_read_as_chmod_reads_them() {
        for (text, before, after) in [
            (&b"777"[..], 0o644, Some(0o777)),
            (b"0755", 0, Some(0o755)),
            (b"+x", 0o644, Some(0o755)),
            (b"u+x", 0o644, Some(0o744)),
            (b"a-w,u+w", 0o666, Some(0o644)),
            (b"go=", 0o777, Some(0o700)),
            (b"9", 0, None),
            (b"z+x", 0, None),
        ] {
            assert_eq!(changed_mode(text, before), after, "{text:?}");
        }
    }
}
