//! Programs that read, copy, change and remove files.

use super::super::file_system::{Fault, base_name};
use super::super::run::{Io, Run};
use super::super::tree::{Content, Kind, Node};
use super::{has_flag, lossy, operands, operands_beside, usage, value_of};

/// Directories within directories that `find` and `rm` look into.
const MAX_FOUND: usize = 2_000;

/// The destination of a copy or a move: within it when it is a directory.
fn destination(run: &Run<'_, '_>, target: &[u8], source: &[u8]) -> Vec<u8> {
    let path = run.path(target);
    if run.files.is_directory(&path) { run.files.absolute(&path, base_name(source)) } else { path }
}

pub(super) fn cp(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    transfer(run, words, io, "cp")
}

pub(super) fn mv(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    transfer(run, words, io, "mv")
}

fn transfer(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, name: &str) -> u8 {
    let mut sources: Vec<&Vec<u8>> = operands(words).collect();
    let target = sources.pop();
    let Some(target) = target.filter(|_| !sources.is_empty()) else { return usage(run, name, io) };
    let mut status = 0;
    let many = sources.len() > 1;
    for source in sources {
        let from = run.path(source);
        let mut to = destination(run, target, source);
        let mut target = target.clone();
        let at = run.path(&target);
        if many && !run.files.is_directory(&at) {
            // With several sources the target is taken for a directory.
            to = run.files.absolute(&at, base_name(source));
            target = [&target[..], b"/", base_name(source)].concat();
        }
        let missing = run.files.find_link(&from).err();
        let verb = if name == "mv" { "can't rename" } else { "can't stat" };
        if let Some(fault) = missing {
            status = run.fail_at(io, words, verb, source, fault);
            continue;
        }
        if from == to {
            status = run.fail(io, words, &format!("'{}' and '{}' are the same file", lossy(source), lossy(&target)));
            continue;
        }
        let is_recursive = has_flag(words, b'r') || has_flag(words, b'R') || has_flag(words, b'a');
        let done = match name {
            "mv" => run.files.rename(&from, &to),
            _ if is_recursive => copy_tree(run, &from, &to),
            _ => run.files.copy(&from, &to),
        };
        match done {
            Ok(()) => {}
            Err(Fault::IsDirectory) if name == "cp" => {
                status = run.fail(io, words, &format!("omitting directory '{}'", lossy(source)))
            }
            Err(fault) => {
                let (verb, path) = if name == "mv" { (verb, source) } else { ("can't create", &target) };
                status = run.fail_at(io, words, verb, path, fault);
            }
        }
    }
    status
}

fn copy_tree(run: &mut Run<'_, '_>, from: &[u8], to: &[u8]) -> Result<(), Fault> {
    let mut left = vec![(from.to_vec(), to.to_vec())];
    let mut steps = 0;
    while let Some((from, to)) = left.pop() {
        steps += 1;
        run.charge(steps % 2);
        if steps > MAX_FOUND || to.len() > 2 * super::super::MAX_LINE {
            return Err(Fault::Full);
        }
        if !run.files.is_directory(&from) {
            run.files.copy(&from, &to)?;
            continue;
        }
        if !run.files.is_directory(&to) {
            run.files.make_directory(&to)?;
        }
        for name in run.files.names(&from) {
            left.push((run.files.absolute(&from, &name), run.files.absolute(&to, &name)));
        }
    }
    Ok(())
}

pub(super) fn rm(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (forced, recursive) = (has_flag(words, b'f'), has_flag(words, b'r') || has_flag(words, b'R'));
    if operands(words).next().is_none() && !forced {
        return usage(run, "rm", io);
    }
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        let is_directory = run.files.find_link(&path).is_ok_and(|(_, node)| node.is_directory());
        if is_directory && !recursive {
            status = run.fail(io, words, &format!("'{}' is a directory", lossy(name)));
            continue;
        }
        if path == b"/" {
            for name in run.files.names(&path) {
                // What the kernel shows cannot be removed, and nobody reads of each.
                let _ = run.files.remove(&[b"/", &name[..]].concat());
            }
            status = run.fail(io, words, "can't remove '/': Device or resource busy");
            continue;
        }
        match run.files.remove(&path) {
            Ok(()) => {}
            Err(Fault::NotFound) if forced => {}
            Err(fault) => status = run.fail_at(io, words, "can't remove", name, fault),
        }
    }
    status
}

pub(super) fn mkdir(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if operands(words).next().is_none() {
        return usage(run, "mkdir", io);
    }
    let with_parents = has_flag(words, b'p');
    let mode = value_of(words, b'm').and_then(|text| super::mode::changed_mode(text, 0o755));
    let mut status = 0;
    for name in operands_beside(words, b"m") {
        let path = run.path(name);
        if with_parents {
            let ends: Vec<usize> =
                path.iter().enumerate().skip(1).filter(|(_, b)| **b == b'/').map(|(at, _)| at).collect();
            for end in ends {
                // One that is there already is meant to stay; others fail again below.
                let _ = run.files.make_directory(path.get(..end).unwrap_or_default());
            }
            if run.files.is_directory(&path) {
                continue;
            }
        }
        if let Err(fault) = run.files.make_directory(&path) {
            status = run.fail_at(io, words, "can't create directory", name, fault);
        } else if let Some(mode) = mode {
            // It was made just now, and takes any mode.
            let _ = run.files.set_mode(&path, mode);
        }
    }
    status
}

pub(super) fn rmdir(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if operands(words).next().is_none() {
        return usage(run, "rmdir", io);
    }
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        let done = match run.files.list(&path) {
            Ok(names) if names.is_empty() => run.files.remove(&path),
            Ok(_) => Err(Fault::NotEmpty),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            status = run.fail(io, words, &format!("'{}': {}", lossy(name), fault.text()));
        }
    }
    status
}

pub(super) fn touch(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if operands(words).next().is_none() {
        return usage(run, "touch", io);
    }
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        if run.files.exists(&path) || has_flag(words, b'c') {
            continue;
        }
        if let Err(fault) = run.files.write(&path, Content::Kept(Vec::new()), false) {
            status = run.fail_at(io, words, "", name, fault);
        }
    }
    status
}

pub(super) fn ln(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let names: Vec<&Vec<u8>> = operands(words).collect();
    let [target, name] = names.as_slice() else { return usage(run, "ln", io) };
    let path = destination(run, name, target);
    if has_flag(words, b'f') {
        // Nothing to remove is what -f is for.
        let _ = run.files.remove(&path);
    }
    let is_symbolic = has_flag(words, b's');
    if run.files.find_link(&path).is_ok() {
        return run.fail_at(io, words, "", name, Fault::Exists);
    }
    let from = run.path(target);
    let done = if is_symbolic { run.files.link(target, &path) } else { run.files.copy(&from, &path) };
    match done {
        Ok(()) => 0,
        Err(fault) if !is_symbolic && !run.files.exists(&from) => run.fail_at(io, words, "", target, fault),
        Err(fault) => run.fail_at(io, words, "", name, fault),
    }
}

pub(super) fn readlink(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(name) = operands(words).next() else { return usage(run, "readlink", io) };
    let path = run.path(name);
    let shown = if has_flag(words, b'f') {
        true_path(run, &path).ok()
    } else {
        run.files
            .find_link(&path)
            .ok()
            .and_then(|(_, node)| if let Kind::Link(target) = &node.kind { Some(target.clone()) } else { None })
    };
    match shown {
        Some(path) => {
            run.print(io.out, &[&path[..], b"\n"].concat());
            0
        }
        None => 1,
    }
}

pub(super) fn du(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let names: Vec<Vec<u8>> = operands(words).cloned().collect();
    for name in if names.is_empty() { vec![b".".to_vec()] } else { names } {
        let path = run.path(&name);
        let all = walk(run, &path);
        run.charge(all.len() / 8);
        let total: u64 = all.iter().map(|(_, node)| run.files.size(node).div_ceil(4_096) * 4).sum();
        run.print_line(io.out, &format!("{total}\t{}", lossy(&name)));
    }
    0
}

/// Everything below a path, itself first.
pub(super) fn walk(run: &Run<'_, '_>, top: &[u8]) -> Vec<(Vec<u8>, Node)> {
    let mut found = Vec::new();
    let mut left = match run.files.find_link(top) {
        Ok((path, node)) => vec![(path, node.clone())],
        Err(_) => Vec::new(),
    };
    while let Some((path, node)) = left.pop() {
        if node.is_directory() && found.len() + left.len() < MAX_FOUND {
            let inside = run.files.list(&path).unwrap_or_default();
            left.extend(inside.into_iter().rev().map(|(name, node)| (run.files.absolute(&path, &name), node)));
        }
        found.push((path, node));
    }
    found
}

/// The true path; its last part need not be there.
fn true_path(run: &Run<'_, '_>, path: &[u8]) -> Result<Vec<u8>, Fault> {
    match run.files.find(path) {
        Ok((path, _)) => Ok(path),
        Err(Fault::NotFound) => {
            let above = run.files.find(super::super::file_system::parent(path)).map(|(above, _)| above)?;
            Ok(run.files.absolute(&above, base_name(path)))
        }
        Err(fault) => Err(fault),
    }
}

pub(super) fn realpath(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if operands(words).next().is_none() {
        return usage(run, "realpath", io);
    }
    let mut status = 0;
    for name in operands(words) {
        let path = run.path(name);
        match true_path(run, &path) {
            Ok(path) => run.print(io.out, &[&path[..], b"\n"].concat()),
            Err(fault) => status = run.fail_at(io, words, "", name, fault),
        }
    }
    status
}

/// `stat -c FORMAT FILE...`; without a format the size, kind and mode.
pub(super) fn stat(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let format = value_of(words, b'c').map(lossy);
    let mut status = 0;
    for name in operands_beside(words, b"c") {
        let path = run.path(name);
        let (mode, size, changed) =
            match run.files.find_link(&path).map(|(_, node)| (node.full_mode(), run.files.size(node), node.changed)) {
                Ok(found) => found,
                Err(fault) => {
                    status = run.fail_at(io, words, "can't stat", name, fault);
                    continue;
                }
            };
        let kind = match mode & 0o170_000 {
            0o040_000 => "directory",
            0o120_000 => "symbolic link",
            0o020_000 => "character special file",
            0o010_000 => "fifo",
            _ if size == 0 => "regular empty file",
            _ => "regular file",
        };
        let seconds = changed.as_micros() / 1_000_000;
        let text = match &format {
            Some(format) => format
                .replace("%s", &size.to_string())
                .replace("%a", &format!("{:o}", mode & 0o7_777))
                .replace("%n", &lossy(name))
                .replace("%F", kind)
                .replace("%U", "root")
                .replace("%G", "root")
                .replace("%u", "0")
                .replace("%g", "0")
                .replace("%Y", &seconds.to_string()),
            None => format!(
                "  File: {}\n  Size: {size}\t\tBlocks: {}\tIO Block: 4096   {kind}\nAccess: ({:04o}) Uid: (    0/    root)   Gid: (    0/    root)\nModify: {}",
                lossy(name),
                size.div_ceil(512),
                mode & 0o7_777,
                super::super::calendar::format(changed, "%Y-%m-%d %H:%M:%S.000000000")
            ),
        };
        run.print_line(io.out, &text);
    }
    status
}
