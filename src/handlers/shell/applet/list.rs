//! `ls`.

use super::super::calendar;
use super::super::device::Flavor;
use super::super::run::{Io, Run, TERMINAL};
use super::super::tree::{Kind, Node};
use super::{has_flag, lossy, operands};
use crate::clock::Timestamp;

/// Columns of a terminal.
const WIDTH: usize = 80;
/// Directories that one `ls -R` shows.
const MAX_DIRECTORIES: usize = 500;
/// Older files show their year instead of their time, in microseconds.
const HALF_A_YEAR: u64 = 180 * 86_400 * 1_000_000;

pub(super) fn ls(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let dot = b".".to_vec();
    let names: Vec<&Vec<u8>> = operands(words).collect();
    let names = if names.is_empty() { vec![&dot] } else { names };
    let mut status = 0;
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for name in &names {
        let path = run.path(name);
        let found = if has_flag(words, b'l') && !name.ends_with(b"/") {
            run.files.find_link(&path)
        } else {
            run.files.find(&path)
        };
        match found.map(|(_, node)| node.clone()) {
            Ok(node) if node.is_directory() && !has_flag(words, b'd') => directories.push((name.to_vec(), path)),
            Ok(node) => files.push((name.to_vec(), node)),
            Err(fault) => status = run.fail_at(io, words, "", name, fault),
        }
    }
    let is_recursive = has_flag(words, b'R');
    let (had_files, single) = (!files.is_empty(), names.len() == 1 && !is_recursive);
    order(run, words, &mut files);
    show(run, words, io, files, false);
    directories.sort_by(|a, b| b.cmp(a));
    let mut shown = 0;
    while let Some((name, path)) = directories.pop() {
        if shown > 0 || had_files {
            run.print(io.out, b"\n");
        }
        shown += 1;
        run.charge(1);
        if shown > MAX_DIRECTORIES || run.is_spent() {
            break;
        }
        if !single {
            run.print_line(io.out, &format!("{}:", lossy(&name)));
        }
        let mut entries = run.files.list(&path).unwrap_or_default();
        let shows_hidden = has_flag(words, b'a') || has_flag(words, b'A');
        entries.retain(|(name, _)| shows_hidden || !name.starts_with(b"."));
        if has_flag(words, b'a') {
            for name in [&b".."[..], b"."] {
                let at = run.files.absolute(&path, name);
                if let Ok((_, node)) = run.files.find(&at) {
                    entries.insert(0, (name.to_vec(), node.clone()));
                }
            }
        }
        order(run, words, &mut entries);
        if is_recursive {
            let inside = entries.iter().filter(|(name, node)| node.is_directory() && name != b"." && name != b"..");
            let join = |top: &[u8], name: &[u8]| [top.strip_suffix(b"/").unwrap_or(top), b"/", name].concat();
            directories.extend(inside.rev().map(|(inner, _)| (join(&name, inner), join(&path, inner))));
        }
        show(run, words, io, entries, true);
    }
    status
}

/// By name, size (`-S`) or time (`-t`), perhaps the other way round (`-r`).
fn order(run: &Run<'_, '_>, words: &[Vec<u8>], entries: &mut [(Vec<u8>, Node)]) {
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    if has_flag(words, b'S') {
        entries.sort_by_key(|(_, node)| std::cmp::Reverse(run.files.size(node)));
    } else if has_flag(words, b't') {
        entries.sort_by_key(|(_, node)| std::cmp::Reverse(node.changed));
    }
    if has_flag(words, b'r') {
        entries.reverse();
    }
}

/// A name with the sign of its kind: `-F`, `-p`.
fn with_sign(words: &[Vec<u8>], name: Vec<u8>, node: &Node) -> Vec<u8> {
    let sign = match &node.kind {
        Kind::Directory if has_flag(words, b'F') || has_flag(words, b'p') => "/",
        Kind::Link(_) if has_flag(words, b'F') => "@",
        Kind::File { .. } if has_flag(words, b'F') && node.is_executable() => "*",
        _ => "",
    };
    [&name[..], sign.as_bytes()].concat()
}

fn show(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, entries: Vec<(Vec<u8>, Node)>, is_directory: bool) {
    let shows_blocks = has_flag(words, b's') && !has_flag(words, b'l');
    let entries: Vec<(Vec<u8>, Node)> = entries
        .into_iter()
        .map(|(name, node)| {
            let blocks = if shows_blocks { format!("{:6} ", blocks(run, &node)) } else { String::new() };
            ([blocks.as_bytes(), &with_sign(words, name, &node)].concat(), node)
        })
        .collect();
    if has_flag(words, b'l') {
        if is_directory {
            let blocks: u64 = entries.iter().map(|(_, node)| blocks(run, node)).sum();
            run.print_line(io.out, &format!("total {blocks}"));
        }
        for (name, node) in entries {
            let line = long(run, &name, &node);
            run.print(io.out, &line);
        }
    } else if io.out == TERMINAL && run.has_terminal && !has_flag(words, b'1') {
        let names = entries.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        run.print(io.out, &columns(&names));
    } else {
        for (name, _) in entries {
            run.print(io.out, &[&name[..], b"\n"].concat());
        }
    }
}

/// What it takes of the disk, in KiB.
fn blocks(run: &Run<'_, '_>, node: &Node) -> u64 {
    run.files.size(node).div_ceil(4_096) * 4
}

fn long(run: &Run<'_, '_>, name: &[u8], node: &Node) -> Vec<u8> {
    let kind = match node.kind {
        Kind::Directory => 'd',
        Kind::Link(_) => 'l',
        Kind::File { .. } => '-',
        Kind::Special(_) => 'c',
    };
    let bit = |mask: u16, letter: char| if node.mode & mask == 0 { '-' } else { letter };
    let mut mode: String = [kind].into_iter().collect();
    for shift in [6, 3, 0] {
        mode.extend([bit(4 << shift, 'r'), bit(2 << shift, 'w'), bit(1 << shift, 'x')]);
    }
    for (bit, place, under, letter) in [(0o4_000, 3, 0o100, "s"), (0o2_000, 6, 0o010, "s"), (0o1_000, 9, 0o001, "t")] {
        if node.mode & bit != 0 {
            let letter = if node.mode & under == 0 { letter.to_uppercase() } else { letter.to_owned() };
            mode.replace_range(place..=place, &letter);
        }
    }
    let links = if node.is_directory() { 2 } else { 1 };
    let user = run.state.user();
    let owner = if node.changed > run.device.installed() { user } else { "root".to_owned() };
    let size = run.files.size(node);
    let date = date(node.changed, run.cx.now());
    let head = match run.device.flavor() {
        Flavor::BusyBox => format!("{mode} {links:>4} {owner:<8} {owner:<8} {size:>9} {date} "),
        Flavor::Android => {
            format!("{mode} {links} {owner} {owner} {size:>6} {} ", calendar::format(node.changed, "%Y-%m-%d %H:%M"))
        }
    };
    let mut line = [head.as_bytes(), name].concat();
    if let Kind::Link(target) = &node.kind {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(target);
    }
    line.push(b'\n');
    line
}

fn date(changed: Timestamp, now: Timestamp) -> String {
    let is_old = now.saturating_since(changed).as_micros() > u128::from(HALF_A_YEAR);
    calendar::format(changed, if is_old { "%b %e  %Y" } else { "%b %e %H:%M" })
}

/// Names side by side, sorted downwards, as on a terminal.
pub(in super::super) fn columns(names: &[Vec<u8>]) -> Vec<u8> {
    let widest = names.iter().map(Vec::len).max().unwrap_or(0) + 2;
    let per_line = (WIDTH / widest).max(1);
    let lines = names.len().div_ceil(per_line);
    let mut text = Vec::new();
    for line in 0..lines {
        let row: Vec<&Vec<u8>> = names.iter().skip(line).step_by(lines.max(1)).collect();
        for (at, name) in row.iter().enumerate() {
            text.extend_from_slice(name);
            if at + 1 < row.len() {
                text.resize(text.len() + widest - name.len(), b' ');
            }
        }
        text.push(b'\n');
    }
    text
}
