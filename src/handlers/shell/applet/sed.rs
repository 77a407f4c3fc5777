//! `sed`: `s`, `y`, `p`, `d`, `q`, `n`, `=`, `a`, `i`, `c`, groups, and addresses by number, `$` and pattern.

mod script;

use regex::bytes::Regex;

use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{has_flag, usage};
use script::{Action, Address, Command, Reader, arguments};

/// Lines, once for each command, that count as one command of the shell.
const LINES_OF_A_STEP: usize = 64;
pub(super) fn sed(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (script, names) = arguments(words);
    let Some(script) = script else { return usage(run, "sed", io) };
    let is_extended = has_flag(words, b'r') || has_flag(words, b'E');
    let mut commands = match (Reader { text: &script, at: 0, is_extended }).commands() {
        Ok(commands) => commands,
        Err(why) => return run.fail(io, words, &why),
    };
    let silent = has_flag(words, b'n');
    let paths: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let (found, status) = run.inputs(io, words, &paths, "");
    let in_place = has_flag(words, b'i');
    let all =
        if in_place { found } else { vec![(Vec::new(), found.into_iter().flat_map(|(_, bytes)| bytes).collect())] };
    for (name, bytes) in all {
        let lines = memchr::memchr_iter(b'\n', &bytes).count();
        run.charge(lines * commands.len() / LINES_OF_A_STEP + bytes.len() / 4_096);
        if run.is_spent() {
            return 1;
        }
        let text = edited(&bytes, &mut commands, silent);
        if !in_place || name.is_empty() {
            run.print(io.out, &text);
            continue;
        }
        let path = run.path(&name);
        if let Err(fault) = run.files.write(&path, Content::Kept(text), true) {
            return run.fail_at(io, words, "", &name, fault);
        }
    }
    status
}

/// What becomes of a text.
fn edited(bytes: &[u8], commands: &mut [Command], silent: bool) -> Vec<u8> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines: Vec<&[u8]> = if bytes.is_empty() { Vec::new() } else { body.split(|&b| b == b'\n').collect() };
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let mut line = lines.get(at).copied().unwrap_or_default().to_vec();
        let mut appended = Vec::new();
        let (mut is_deleted, mut is_over) = (false, false);
        let mut next = 0;
        while let Some(command) = commands.get_mut(next) {
            next += 1;
            if !is_meant(command, &line, at, lines.len()) {
                if let Action::Group(inside) = command.action {
                    next += inside;
                }
                continue;
            }
            match &command.action {
                Action::Substitute { regex, text, place, everywhere, prints } => {
                    if let Some(changed) = substituted(regex, &line, text, *place, *everywhere) {
                        line = changed;
                        if *prints {
                            push(&mut out, &line);
                        }
                    }
                }
                Action::Transliterate(pairs) => {
                    for byte in &mut line {
                        *byte = pairs.iter().find(|(from, _)| from == byte).map_or(*byte, |(_, to)| *to);
                    }
                }
                Action::Print => push(&mut out, &line),
                Action::Number => push(&mut out, (at + 1).to_string().as_bytes()),
                Action::Append(text) => push(&mut appended, text),
                Action::Insert(text) => push(&mut out, text),
                Action::Change(text) => {
                    push(&mut out, text);
                    is_deleted = true;
                }
                Action::Delete => is_deleted = true,
                Action::Quit => is_over = true,
                Action::Next if at + 1 < lines.len() => {
                    if !silent {
                        push(&mut out, &line);
                    }
                    at += 1;
                    line = lines.get(at).copied().unwrap_or_default().to_vec();
                }
                Action::Next | Action::Group(_) => {}
            }
            if is_deleted || is_over || out.len() > super::super::MAX_OUTPUT {
                break;
            }
        }
        if !silent && !is_deleted {
            push(&mut out, &line);
        }
        out.extend(appended);
        at += 1;
        if is_over || out.len() > super::super::MAX_OUTPUT {
            break;
        }
    }
    if !bytes.ends_with(b"\n") && at >= lines.len() {
        out.pop();
    }
    out
}

fn push(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

fn is_meant(command: &mut Command, line: &[u8], at: usize, all: usize) -> bool {
    let fits = |address: &Address| match address {
        Address::Line(number) => at + 1 == *number,
        Address::Last => at + 1 == all,
        Address::Fitting(regex) => regex.is_match(line),
    };
    let is_in = match (&command.from, &command.to) {
        (None, _) => true,
        (Some(from), None) => fits(from),
        (Some(_), Some(to)) if command.open => {
            command.open = !fits(to) && !matches!(to, Address::Line(number) if *number <= at + 1);
            true
        }
        (Some(from), Some(to)) => {
            let begins = fits(from);
            command.open = begins && !matches!(to, Address::Line(number) if *number <= at + 1);
            begins
        }
    };
    is_in != command.negated
}

fn substituted(regex: &Regex, line: &[u8], text: &[u8], place: usize, everywhere: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut from = 0;
    let mut changed = false;
    for (count, found) in regex.captures_iter(line).enumerate() {
        let Some(whole) = found.get(0) else { continue };
        if count + 1 < place || (changed && !everywhere) || out.len() > super::super::MAX_OUTPUT {
            continue;
        }
        out.extend_from_slice(line.get(from..whole.start()).unwrap_or_default());
        from = whole.end();
        changed = true;
        let mut rest = text.iter().copied();
        while let Some(byte) = rest.next() {
            match byte {
                b'&' => out.extend_from_slice(whole.as_bytes()),
                b'\\' => match rest.next() {
                    Some(digit @ b'0'..=b'9') => {
                        let group = found.get(usize::from(digit - b'0'));
                        out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
                    }
                    Some(b'n') => out.push(b'\n'),
                    Some(b't') => out.push(b'\t'),
                    other => out.extend(other),
                },
                _ => out.push(byte),
            }
        }
    }
    out.extend_from_slice(line.get(from..).unwrap_or_default());
    changed.then_some(out)
}
