//! `tar`, `gzip`, `gunzip`, `zcat`: files and directories go in and come out, within the bounds of the file system.

use super::super::MAX_OUTPUT;
use super::super::file_system::parent;
use super::super::run::{Io, Run};
use super::super::tree::{Content, Kind};
use super::{file, has_flag, lossy, operands, usage};
use crate::handlers::gzip;

/// Bytes of a block of `tar` (POSIX.1-2017, pax, ustar interchange format).
const BLOCK: usize = 512;
/// Bytes that one archive may hold here.
const MAX_ARCHIVE: usize = 4 * MAX_OUTPUT;

/// `gzip`, `gunzip`, `zcat`.
pub(super) fn gzip(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let name = words.first().map(|word| lossy(super::super::file_system::base_name(word))).unwrap_or_default();
    let unpacks = name != "gzip" || has_flag(words, b'd');
    let to_output = name == "zcat" || has_flag(words, b'c');
    let convert =
        |bytes: &[u8]| if unpacks { gzip::gunzip(bytes, MAX_ARCHIVE) } else { gzip::packed(bytes, gzip::USUAL).ok() };
    let names: Vec<Vec<u8>> = operands(words).filter(|name| *name != b"-").cloned().collect();
    if names.is_empty() {
        let bytes = run.read_all(io);
        run.charge(bytes.len() / 512);
        let Some(done) = convert(&bytes) else { return run.fail(io, words, "invalid magic") };
        run.print(io.out, &done);
        return 0;
    }
    let mut status = 0;
    for name in names {
        status |= one_file(run, words, &name, (unpacks, to_output), convert, io);
    }
    status
}

fn one_file(
    run: &mut Run<'_, '_>,
    words: &[Vec<u8>],
    name: &[u8],
    (unpacks, to_output): (bool, bool),
    convert: impl Fn(&[u8]) -> Option<Vec<u8>>,
    io: Io,
) -> u8 {
    let path = run.path(name);
    let bytes = match run.files.content(&path).map(std::borrow::Cow::into_owned) {
        Ok(bytes) => bytes,
        Err(fault) => return run.fail(io, words, &format!("{}: {}", lossy(name), fault.text())),
    };
    let target = match (unpacks, name.strip_suffix(b".gz"), name.strip_suffix(b".tgz")) {
        (false, ..) => [name, b".gz"].concat(),
        (true, Some(start), _) => start.to_vec(),
        (true, None, Some(start)) => [start, b".tar"].concat(),
        (true, None, None) if to_output => name.to_vec(),
        (true, None, None) => {
            return run.fail(io, words, &format!("{}: unknown suffix - ignored", lossy(name)));
        }
    };
    let place = run.path(&target);
    if !to_output && !has_flag(words, b'f') && run.files.find_link(&place).is_ok() {
        return run.fail(io, words, &format!("can't open '{}': File exists", lossy(&target)));
    }
    run.charge(1 + bytes.len() / 512);
    let Some(done) = convert(&bytes) else { return run.fail(io, words, "invalid magic") };
    if to_output {
        run.print(io.out, &done);
        return 0;
    }
    if let Err(fault) = run.files.write(&place, Content::Kept(done), true).and_then(|()| run.files.remove(&path)) {
        return run.fail_at(io, words, "can't open", &target, fault);
    }
    0
}

/// What `tar` is asked for.
#[derive(Default)]
struct Wish {
    letters: Vec<u8>,
    archive: Option<Vec<u8>>,
    directory: Option<Vec<u8>>,
    names: Vec<Vec<u8>>,
}

fn wish(words: &[Vec<u8>]) -> Wish {
    let mut wish = Wish::default();
    let mut rest = words.iter().skip(1);
    let mut is_first = true;
    while let Some(word) = rest.next() {
        let letters = match word.as_slice() {
            [b'-', b'-', ..] => continue,
            [b'-', letters @ ..] if !letters.is_empty() => letters,
            letters if is_first => letters,
            name => {
                wish.names.push(name.to_vec());
                continue;
            }
        };
        is_first = false;
        let has_dash = word.starts_with(b"-");
        for (at, letter) in letters.iter().enumerate() {
            wish.letters.push(*letter);
            let attached = letters.get(at + 1..).filter(|value| has_dash && !value.is_empty());
            let place = match letter {
                b'f' => &mut wish.archive,
                b'C' => &mut wish.directory,
                _ => continue,
            };
            *place = attached.map(<[u8]>::to_vec).or_else(|| rest.next().cloned());
            if attached.is_some() {
                break;
            }
        }
    }
    wish
}

pub(super) fn tar(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let wish = wish(words);
    let is_packed = wish.letters.iter().any(|letter| b"zja".contains(letter));
    let archive = wish.archive.clone().filter(|name| name != b"-");
    if wish.letters.contains(&b'c') {
        return create(run, words, &wish, is_packed, archive, io);
    }
    if !wish.letters.iter().any(|letter| b"xt".contains(letter)) {
        return usage(run, "tar", io);
    }
    let bytes = match &archive {
        None => run.read_all(io),
        Some(name) => {
            let path = run.path(name);
            match run.files.content(&path).map(std::borrow::Cow::into_owned) {
                Ok(bytes) => bytes,
                Err(fault) => return run.fail_at(io, words, "can't open", name, fault),
            }
        }
    };
    let is_gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let bytes = match (is_packed || is_gzip, is_gzip) {
        (false, _) => bytes,
        (true, true) => gzip::gunzip(&bytes, MAX_ARCHIVE).unwrap_or_default(),
        (true, false) => {
            run.fail(io, words, "invalid magic");
            return run.fail(io, words, "short read");
        }
    };
    run.charge(bytes.len() / BLOCK);
    take_out(run, words, &wish, &bytes, io)
}

/// One entry of an archive.
struct Entry<'b> {
    name: Vec<u8>,
    mode: u16,
    changed: u64,
    kind: u8,
    link: &'b [u8],
    content: &'b [u8],
}

/// A text field up to its NUL, and a number in octal digits.
fn field(block: &[u8], from: usize, to: usize) -> &[u8] {
    let field = block.get(from..to).unwrap_or_default();
    field.get(..memchr::memchr(0, field).unwrap_or(field.len())).unwrap_or_default()
}

fn octal(block: &[u8], from: usize, to: usize) -> Option<u64> {
    u64::from_str_radix(lossy(field(block, from, to)).trim(), 8).ok()
}

/// The entry at the beginning, and how many bytes it takes; `None` where none is.
fn entry(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let block = bytes.get(..BLOCK)?;
    let length = usize::try_from(octal(block, 124, 136)?).ok()?;
    let (name, prefix) = (field(block, 0, 100), field(block, 345, 500));
    let is_ustar = block.get(257..262) == Some(b"ustar");
    let name = if is_ustar && !prefix.is_empty() { [prefix, b"/", name].concat() } else { name.to_vec() };
    let end = BLOCK.checked_add(length)?;
    let entry = Entry {
        name,
        mode: u16::try_from(octal(block, 100, 108)? & 0o7777).ok()?,
        changed: octal(block, 136, 148).unwrap_or(0),
        kind: block.get(156).copied()?,
        link: field(block, 157, 257),
        content: bytes.get(BLOCK..end)?,
    };
    (!entry.name.is_empty()).then_some((entry, end.div_ceil(BLOCK) * BLOCK))
}

/// `tar x` and `tar t`.
fn take_out(run: &mut Run<'_, '_>, words: &[Vec<u8>], wish: &Wish, bytes: &[u8], io: Io) -> u8 {
    let extracts = wish.letters.contains(&b'x');
    let to_output = wish.letters.contains(&b'O');
    let is_long = wish.letters.contains(&b'v');
    let top = wish.directory.as_ref().map_or_else(|| run.state.cwd.clone(), |directory| run.path(directory));
    let (mut rest, mut status) = (bytes, 0);
    if entry(bytes).is_none() {
        let is_empty = !bytes.is_empty() && bytes.iter().all(|&b| b == 0);
        return if is_empty {
            0
        } else {
            run.fail(io, words, if bytes.len() < BLOCK { "short read" } else { "invalid tar magic" })
        };
    }
    while let Some((entry, length)) = entry(rest) {
        rest = rest.get(length..).unwrap_or_default();
        run.charge(1);
        if run.is_spent() {
            return 1;
        }
        let is_wanted = |wanted: &Vec<u8>| {
            entry.name.strip_prefix(&wanted[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        if !wish.names.is_empty() && !wish.names.iter().any(is_wanted) {
            continue;
        }
        let name = lossy(&entry.name);
        if !extracts && is_long {
            let line = long_line(&entry, &name);
            run.print_line(io.out, &line);
        } else if !extracts || is_long {
            run.print_line(if to_output { io.err } else { io.out }, &name);
        }
        if !extracts {
            continue;
        }
        if to_output {
            run.print(io.out, entry.content);
            continue;
        }
        let path = run.files.absolute(&top, name.trim_start_matches('/').as_bytes());
        if let Err(fault) = place(run, &path, &entry) {
            status = run.fail_at(io, words, "can't open", &entry.name, fault);
        }
    }
    status
}

fn long_line(entry: &Entry<'_>, name: &str) -> String {
    let kind = match entry.kind {
        b'5' => 'd',
        b'2' => 'l',
        _ => '-',
    };
    let bits = (0..9).rev().map(|bit| match (entry.mode >> bit & 1, bit % 3) {
        (0, _) => '-',
        (_, 2) => 'r',
        (_, 1) => 'w',
        _ => 'x',
    });
    let time = crate::clock::Timestamp::from_micros(entry.changed.saturating_mul(1_000_000));
    let time = super::super::calendar::format(time, "%Y-%m-%d %H:%M:%S");
    let link = if kind == 'l' { format!(" -> {}", lossy(entry.link)) } else { String::new() };
    format!("{kind}{} root/root {:>9} {time} {name}{link}", bits.collect::<String>(), entry.content.len())
}

/// Makes what an entry says, with the directories above it.
fn place(run: &mut Run<'_, '_>, path: &[u8], entry: &Entry<'_>) -> Result<(), super::super::file_system::Fault> {
    make_above(run, path)?;
    match entry.kind {
        b'5' if run.files.is_directory(path) => Ok(()),
        b'5' => run.files.make_directory(path),
        b'2' => run.files.link(entry.link, path),
        _ => run.files.write(path, Content::Kept(entry.content.to_vec()), true),
    }?;
    if entry.kind == b'2' { Ok(()) } else { run.files.set_mode(path, entry.mode) }
}

fn make_above(run: &mut Run<'_, '_>, path: &[u8]) -> Result<(), super::super::file_system::Fault> {
    let missing: Vec<&[u8]> = std::iter::successors(Some(parent(path)), |above| Some(parent(above)))
        .take_while(|above| *above != b"/" && !run.files.exists(above))
        .take(32)
        .collect();
    missing.into_iter().rev().try_for_each(|above| run.files.make_directory(above))
}

/// `tar c`
fn create(run: &mut Run<'_, '_>, words: &[Vec<u8>], wish: &Wish, packs: bool, archive: Option<Vec<u8>>, io: Io) -> u8 {
    if wish.names.is_empty() {
        return run.fail(io, words, "empty archive");
    }
    let top = wish.directory.as_ref().map_or_else(|| run.state.cwd.clone(), |directory| run.path(directory));
    let (mut out, mut status) = (Vec::new(), 0);
    if wish.names.iter().any(|name| name.starts_with(b"/")) {
        run.fail(io, words, "removing leading '/' from member names");
    }
    for name in &wish.names {
        let path = run.files.absolute(&top, name);
        if let Err(fault) = run.files.find_link(&path).map(drop) {
            status = run.fail(io, words, &format!("{}: {}", lossy(name), fault.text()));
            continue;
        }
        for (found, node) in file::walk(run, &path) {
            let rest = found.strip_prefix(&path[..]).unwrap_or_default();
            let mut shown = [name.strip_suffix(b"/").unwrap_or(name), rest].concat();
            if node.is_directory() {
                shown.push(b'/');
            }
            run.charge(1);
            if out.len() > MAX_ARCHIVE || run.is_spent() {
                return 1;
            }
            if wish.letters.contains(&b'v') {
                run.print_line(if archive.is_some() { io.out } else { io.err }, &lossy(&shown));
            }
            let stored = lossy(&shown);
            let (kind, link) = match &node.kind {
                Kind::Directory => (b'5', Vec::new()),
                Kind::Link(target) => (b'2', target.clone()),
                _ => (b'0', Vec::new()),
            };
            let content = if kind == b'0' {
                run.files.content(&found).map(std::borrow::Cow::into_owned).unwrap_or_default()
            } else {
                Vec::new()
            };
            let changed = node.changed.as_micros() / 1_000_000;
            let name = stored.trim_start_matches('/').as_bytes().to_vec();
            append(&mut out, &Entry { name, mode: node.mode, changed, kind, link: &link, content: &content });
        }
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    let out = if packs { gzip::packed(&out, gzip::USUAL).unwrap_or_default() } else { out };
    let Some(name) = archive else {
        run.print(io.out, &out);
        return status;
    };
    let path = run.path(&name);
    match run.files.write(&path, Content::Kept(out), true) {
        Ok(()) => status,
        Err(fault) => run.fail_at(io, words, "can't open", &name, fault),
    }
}

/// Writes an entry in the ustar format.
fn append(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let mut block = vec![0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8], most: usize| {
        for (place, byte) in block.iter_mut().skip(at).zip(bytes.iter().take(most)) {
            *place = *byte;
        }
    };
    put(0, &entry.name, 99);
    put(100, format!("{:07o}", entry.mode).as_bytes(), 7);
    put(108, b"0000000", 7);
    put(116, b"0000000", 7);
    put(124, format!("{:011o}", entry.content.len()).as_bytes(), 11);
    put(136, format!("{:011o}", entry.changed).as_bytes(), 11);
    put(148, b"        ", 8);
    put(156, &[entry.kind], 1);
    put(157, entry.link, 99);
    put(257, b"ustar  ", 7);
    put(265, b"root", 4);
    put(297, b"root", 4);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    out.extend(block);
    out.extend_from_slice(entry.content);
    out.resize(out.len().div_ceil(BLOCK) * BLOCK, 0);
}
