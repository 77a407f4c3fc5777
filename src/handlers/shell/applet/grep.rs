//! `grep`, `egrep`, `fgrep`.

use super::super::file_system::{Fault, base_name};
use super::super::run::{Io, Run};
use super::pattern::{self, Pattern};
use super::{has_flag, lossy, number, operands_beside, usage, value_of};

/// What is wanted of the lines.
struct Wish {
    pattern: Pattern,
    inverted: bool,
    counts: bool,
    lists: bool,
    /// Those are listed that have nothing.
    lists_others: bool,
    quiet: bool,
    only: bool,
    numbered: bool,
    most: u64,
    before: usize,
    after: usize,
}

pub(super) fn grep(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut rest = operands_beside(words, b"efmABC");
    let patterns = patterns(run, words, &mut rest);
    if patterns.is_empty() {
        return usage(run, "grep", io);
    }
    let name = base_name(words.first().map(Vec::as_slice).unwrap_or_default());
    let Some(pattern) = compile(&patterns, words, name) else {
        return run.fail(io, words, &format!("bad regex '{}'", patterns.join("\n"))) + 1;
    };
    let lines = |flag| value_of(words, flag).and_then(number).map_or(0, |count| usize::try_from(count).unwrap_or(0));
    let wish = Wish {
        pattern,
        inverted: has_flag(words, b'v'),
        counts: has_flag(words, b'c'),
        lists: has_flag(words, b'l') || has_flag(words, b'L'),
        lists_others: has_flag(words, b'L'),
        quiet: has_flag(words, b'q'),
        only: has_flag(words, b'o'),
        numbered: has_flag(words, b'n'),
        most: value_of(words, b'm').and_then(number).unwrap_or(u64::MAX),
        before: lines(b'B').max(lines(b'C')),
        after: lines(b'A').max(lines(b'C')),
    };
    let is_recursive = has_flag(words, b'r');
    let names = files(run, &rest, is_recursive);
    let with_names = (names.len() > 1 || is_recursive || has_flag(words, b'H')) && !has_flag(words, b'h');
    let (mut matched, mut failed) = (0, false);
    for name in &names {
        let bytes = match content(run, name.as_deref(), io) {
            Ok(bytes) => bytes,
            Err(fault) => {
                failed = true;
                if !has_flag(words, b's') && fault != Fault::IsDirectory {
                    run.fail_at(io, words, "", name.as_deref().unwrap_or_default(), fault);
                }
                continue;
            }
        };
        let shown = name.as_deref().unwrap_or(b"(standard input)");
        matched += search(run, io, &bytes, &wish, shown, with_names);
    }
    run.charge(wish.pattern.cost());
    match (matched, failed) {
        (1.., _) if wish.quiet => 0,
        (_, true) => 2,
        (0, false) => 1,
        _ => 0,
    }
}

/// Those of every `-e`, the lines of `-f`, or the first operand.
fn patterns(run: &mut Run<'_, '_>, words: &[Vec<u8>], rest: &mut Vec<&[u8]>) -> Vec<String> {
    let mut found = Vec::new();
    let mut words_left = words.iter().skip(1);
    while let Some(word) = words_left.next() {
        match word.strip_prefix(b"-e") {
            Some([]) => found.extend(words_left.next().map(|pattern| lossy(pattern))),
            Some(pattern) => found.push(lossy(pattern)),
            None => {}
        }
    }
    if let Some(file) = value_of(words, b'f') {
        let path = run.path(file);
        let text = run.files.content(&path).map(|text| lossy(&text)).unwrap_or_default();
        found.extend(text.lines().map(str::to_owned));
    }
    if found.is_empty() && !rest.is_empty() {
        found.extend(lossy(rest.remove(0)).lines().map(str::to_owned));
        if found.is_empty() {
            found.push(String::new());
        }
    }
    found
}

fn compile(patterns: &[String], words: &[Vec<u8>], name: &[u8]) -> Option<Pattern> {
    let is_fixed = name == b"fgrep" || has_flag(words, b'F');
    let is_extended = name == b"egrep" || has_flag(words, b'E');
    let mut all = Vec::new();
    for text in patterns {
        let one = if is_fixed { regex::escape(text) } else { pattern::translated(text, is_extended) };
        all.push(match (has_flag(words, b'x'), has_flag(words, b'w')) {
            (true, _) => format!("^(?:{one})$"),
            (_, true) => format!("\\b(?:{one})\\b"),
            _ => one,
        });
    }
    Pattern::of_translated(&all.join("|"), has_flag(words, b'i'))
}

/// Files that are searched; `None` is the input.
fn files(run: &mut Run<'_, '_>, rest: &[&[u8]], is_recursive: bool) -> Vec<Option<Vec<u8>>> {
    if rest.is_empty() && !is_recursive {
        return vec![None];
    }
    let tops = if rest.is_empty() { &[&b"."[..]][..] } else { rest };
    let mut names = Vec::new();
    for top in tops {
        let path = run.path(top);
        if !is_recursive || !run.files.is_directory(&path) {
            names.push((*top != b"-").then(|| top.to_vec()));
            continue;
        }
        let all = super::file::walk(run, &path);
        run.charge(all.len() / 8);
        let inside = all.into_iter().filter(|(_, node)| !node.is_directory());
        names.extend(inside.map(|(found, _)| Some([top, found.strip_prefix(&path[..]).unwrap_or(&found)].concat())));
    }
    names
}

fn content(run: &mut Run<'_, '_>, name: Option<&[u8]>, io: Io) -> Result<Vec<u8>, Fault> {
    let input = match name {
        None => io.input,
        Some(name) => {
            let path = run.path(name);
            run.open(&path)?
        }
    };
    Ok(run.read_all(Io { input, ..io }))
}

/// Prints what one file has; how many lines matched.
fn search(run: &mut Run<'_, '_>, io: Io, bytes: &[u8], wish: &Wish, name: &[u8], with_names: bool) -> u64 {
    let lines: Vec<&[u8]> = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&b| b == b'\n').collect();
    let lines = if bytes.is_empty() { Vec::new() } else { lines };
    let mut matched = 0;
    let mut shown_to = 0;
    let mut last = None;
    for (at, line) in lines.iter().enumerate() {
        if matched >= wish.most || (matched > 0 && (wish.quiet || wish.lists)) {
            break;
        }
        if wish.pattern.is_match(line) == wish.inverted {
            continue;
        }
        matched += 1;
        if wish.counts || wish.quiet || wish.lists {
            continue;
        }
        let from = at.saturating_sub(wish.before).max(shown_to);
        if last.is_some_and(|last| from > last) && wish.before + wish.after > 0 {
            run.print(io.out, b"--\n");
        }
        let to = (at + 1 + wish.after).min(lines.len());
        for (place, line) in lines.iter().enumerate().take(to).skip(from) {
            let is_context = wish.pattern.is_match(line) == wish.inverted;
            print(run, io, wish, (place, line), with_names.then_some(name), if is_context { b"-" } else { b":" });
        }
        shown_to = to;
        last = Some(to);
    }
    if wish.counts {
        let prefix = if with_names { [name, b":"].concat() } else { Vec::new() };
        run.print(io.out, &[&prefix[..], format!("{matched}\n").as_bytes()].concat());
    } else if wish.lists && (matched > 0) != wish.lists_others {
        run.print(io.out, &[name, b"\n"].concat());
    }
    if wish.lists_others { u64::from(matched == 0) } else { matched }
}

fn print(run: &mut Run<'_, '_>, io: Io, wish: &Wish, (at, line): (usize, &[u8]), name: Option<&[u8]>, sign: &[u8]) {
    let number = if wish.numbered { (at + 1).to_string() } else { String::new() };
    let mut head = name.map_or_else(Vec::new, |name| [name, sign].concat());
    if wish.numbered {
        head.extend([number.as_bytes(), sign].concat());
    }
    if !wish.only || wish.inverted {
        return run.print(io.out, &[&head[..], line, b"\n"].concat());
    }
    for found in wish.pattern.places(line).filter_map(|places| line.get(places.first()?.clone()?)) {
        if !found.is_empty() {
            run.print(io.out, &[&head[..], found, b"\n"].concat());
        }
    }
}
