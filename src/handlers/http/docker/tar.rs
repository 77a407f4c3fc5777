//! Archives as `docker cp`, `save` and `build` carry them (POSIX.1-1988 ustar; pax headers are passed over).

use crate::clock::Timestamp;

const BLOCK: usize = 512;
/// Entries that are looked at.
const MAX_ENTRIES: usize = 1_024;
const DIRECTORY: u8 = b'5';
const FILE: u8 = b'0';
const LINK: u8 = b'2';

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Without `./` before and `/` behind.
    pub(super) name: String,
    pub(super) mode: u32,
    pub(super) is_directory: bool,
    pub(super) bytes: &'a [u8],
}

/// Files and directories of an archive, as far as it goes.
pub(super) fn entries(mut archive: &[u8]) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    for _ in 0..MAX_ENTRIES {
        let Some((header, rest)) = archive.split_at_checked(BLOCK) else { break };
        let text = |at: usize, len: usize| {
            let field = header.get(at..at + len).unwrap_or_default();
            String::from_utf8_lossy(field.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
        };
        let number = |at, len| u64::from_str_radix(text(at, len).trim(), 8).unwrap_or(0);
        let size = usize::try_from(number(124, 12)).unwrap_or(usize::MAX);
        let kind = header.get(156).copied().unwrap_or(0);
        let name = text(0, 100);
        if name.is_empty() {
            break;
        }
        let bytes = rest.get(..size).unwrap_or(rest);
        if matches!(kind, FILE | 0 | DIRECTORY) {
            let above = if text(257, 5) == "ustar" { text(345, 155) } else { String::new() };
            let name = if above.is_empty() { name } else { format!("{above}/{name}") };
            let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
            let mode = u32::try_from(number(100, 8) & 0o7777).unwrap_or(0o644);
            found.push(Entry { name, mode, is_directory: kind == DIRECTORY, bytes });
        }
        archive = rest.get(size.saturating_add(BLOCK - 1) / BLOCK * BLOCK..).unwrap_or_default();
    }
    found
}

/// Adds a file, or a directory where there are no bytes to speak of.
pub(super) fn push(archive: &mut Vec<u8>, name: &str, mode: u32, changed: Timestamp, bytes: Option<&[u8]>) {
    let shown = if bytes.is_none() { format!("{name}/") } else { name.to_owned() };
    let kind = if bytes.is_none() { DIRECTORY } else { FILE };
    entry(archive, (&shown, kind, ""), mode, changed, bytes.unwrap_or_default());
}

/// Adds a symbolic link.
pub(super) fn push_link(archive: &mut Vec<u8>, name: &str, target: &str, changed: Timestamp) {
    entry(archive, (name, LINK, target), 0o777, changed, b"");
}

fn entry(archive: &mut Vec<u8>, (name, kind, target): (&str, u8, &str), mode: u32, changed: Timestamp, content: &[u8]) {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        for (to, from) in header.iter_mut().skip(at).zip(text) {
            *to = *from;
        }
    };
    put(0, name.as_bytes().get(..100).unwrap_or(name.as_bytes()));
    put(100, format!("{:07o}\0", mode & 0o7777).as_bytes());
    put(108, b"0000000\x000000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, format!("{:011o}\0", changed.as_micros() / 1_000_000).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target.as_bytes().get(..100).unwrap_or(target.as_bytes()));
    put(257, b"ustar\x0000root");
    put(297, b"root");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *to = from;
    }
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().div_ceil(BLOCK) * BLOCK, 0);
}

/// Ends an archive.
pub(super) fn finish(mut archive: Vec<u8>) -> Vec<u8> {
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_reads_as_it_was_written() {
        let mut archive = Vec::new();
        push(&mut archive, "etc", 0o755, Timestamp::default(), None);
        push(&mut archive, "etc/x", 0o600, Timestamp::default(), Some(b"hello"));
        let archive = finish(archive);
        assert_eq!(archive.len() % BLOCK, 0);
        let expected = [
            Entry { name: "etc".to_owned(), mode: 0o755, is_directory: true, bytes: &b""[..] },
            Entry { name: "etc/x".to_owned(), mode: 0o600, is_directory: false, bytes: b"hello" },
        ];
        assert_eq!(entries(&archive), expected);
        for cut in 0..archive.len() {
            entries(&archive[..cut]);
        }
    }
}
