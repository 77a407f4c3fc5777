//! Address lists: what `src in @FILE` and `dst in @FILE` look addresses up in; ours, not libpcap's.
//!
//! One address or prefix a line, IPv4 and IPv6 mixed, `#` begins a comment. Prefixes become ranges, sorted and merged, so a lookup
//! is one binary search and an entry takes 8 bytes (IPv4) or 32 (IPv6).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

/// Addresses and prefixes in one list.
const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of one line.
const MAX_LINE_LEN: u64 = 512;

/// Where lists are read from: the disk, or what somebody who may read the disk has read before.
pub(in crate::rules) trait ListFiles {
    /// Opens the list of this path, as the filter names it.
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn BufRead + '_>>;
}

/// Lists as they stand on the disk.
pub(in crate::rules) struct Disk;

impl ListFiles for Disk {
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(BufReader::new(open_list(path)?)))
    }
}

/// Opens a list on the disk. Devices and pipes, which need never end, are refused.
pub(in crate::rules) fn open_list(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() { File::open(path) } else { Err(io::Error::other("this is not a file")) }
}

/// A set of addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AddressList {
    /// First and last address of each range; sorted, not overlapping.
    ranges4: Vec<(u32, u32)>,
    ranges6: Vec<(u128, u128)>,
}

impl AddressList {
    /// Reads a list; the message of an error names file and line.
    pub(super) fn read(path: &Path, files: &mut dyn ListFiles) -> Result<Self, String> {
        let named = |what: &dyn std::fmt::Display| format!("list {}: {what}", path.display());
        let mut reader = files.open(path).map_err(|error| named(&error))?;
        let mut list = Self::default();
        let mut line = Vec::new();
        for number in 1usize.. {
            line.clear();
            let read = reader.by_ref().take(MAX_LINE_LEN).read_until(b'\n', &mut line);
            if read.map_err(|error| named(&error))? == 0 {
                break;
            }
            if line.len() as u64 == MAX_LINE_LEN || number > MAX_ENTRIES {
                let what = format!("line {number}: more than {MAX_LINE_LEN} bytes in a line or {MAX_ENTRIES} lines");
                return Err(named(&what));
            }
            list.add(&line).map_err(|entry| named(&format!("line {number}: `{entry}` is no address or prefix")))?;
        }
        list.ranges4 = merged(std::mem::take(&mut list.ranges4), |end| end.checked_add(1));
        list.ranges6 = merged(std::mem::take(&mut list.ranges6), |end| end.checked_add(1));
        Ok(list)
    }

    /// Adds what a line says; the entry is handed back if it cannot be understood.
    fn add(&mut self, line: &[u8]) -> Result<(), String> {
        let line = String::from_utf8_lossy(line);
        let entry = line.split('#').next().unwrap_or("").trim();
        if entry.is_empty() {
            return Ok(());
        }
        let wrong = || entry.escape_debug().to_string();
        let (address, length) = match entry.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (entry, None),
        };
        match (address.parse().map_err(|_| wrong())?, length) {
            (IpAddr::V4(address), length @ (None | Some(0..=32))) => {
                let host = u32::MAX.checked_shr(length.unwrap_or(32)).unwrap_or(0);
                let first = u32::from(address) & !host;
                self.ranges4.push((first, first | host));
            }
            (IpAddr::V6(address), length @ (None | Some(0..=128))) => {
                let host = u128::MAX.checked_shr(length.unwrap_or(128)).unwrap_or(0);
                let first = u128::from(address) & !host;
                self.ranges6.push((first, first | host));
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Whether the source (or destination) address of an IP packet is in the list; `false` if it is not there.
    pub(super) fn holds_end_of(&self, packet: &[u8], is_source: bool) -> bool {
        // RFC 791 section 3.1 and RFC 8200 section 3.
        let field = |source: usize, destination: usize| packet.get(if is_source { source } else { destination }..);
        match packet.first().map(|first| first >> 4) {
            Some(4) => {
                let address = field(12, 16).and_then(|rest| rest.first_chunk());
                address.is_some_and(|address| holds(&self.ranges4, u32::from_be_bytes(*address)))
            }
            Some(6) => {
                let address = field(8, 24).and_then(|rest| rest.first_chunk());
                address.is_some_and(|address| holds(&self.ranges6, u128::from_be_bytes(*address)))
            }
            _ => false,
        }
    }
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, last)| address <= last)
}

fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut out: Vec<(T, T)> = Vec::new();
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if next(*end).is_none_or(|next| first <= next) => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out.shrink_to_fit();
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn list(text: &str) -> Result<AddressList, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        AddressList::read(file.path(), &mut Disk)
    }

    #[test]
    fn prefixes_are_merged_and_found() {
        let list = list("# head\n10.0.0.0/9\n10.128.0.0/9 # upper half\n\n192.0.2.1\n2001:db8::/32\n").unwrap();
        assert_eq!(list.ranges4, vec![(0x0a00_0000, 0x0aff_ffff), (0xc000_0201, 0xc000_0201)]);
        assert!(holds(&list.ranges4, 0x0a80_0000) && !holds(&list.ranges4, 0x0b00_0000));
        assert!(holds(&list.ranges6, 0x2001_0db8 << 96) && !holds(&list.ranges6, 0));
    }

    #[test]
    fn the_whole_space_is_one_range() {
        let list = list("0.0.0.0/0\n255.255.255.255\n::/0\n").unwrap();
        assert_eq!((list.ranges4.len(), list.ranges6.len()), (1, 1));
        assert!(holds(&list.ranges4, 0) && holds(&list.ranges4, u32::MAX));
    }

    #[test]
    fn what_is_no_address_is_an_error_with_its_line() {
        for text in ["10.0.0.1\nexample.com\n", "\n10.0.0.0/33\n", "\n::/129\n", "\n10.0.0.0/x\n"] {
            assert!(list(text).unwrap_err().contains("line 2"), "{text}");
        }
        assert!(list(&"a".repeat(10_000)).is_err());
        assert!(AddressList::read(Path::new("/dev/zero"), &mut Disk).unwrap_err().contains("not a file"));
        assert!(AddressList::read(Path::new("/no/such/list"), &mut Disk).is_err());
    }

    #[test]
    fn a_hundred_thousand_prefixes_are_loaded() {
        let text: String =
            (0..100_000u32).map(|n| format!("10.{}.{}.{}/31\n", n >> 14 & 255, n >> 6 & 255, n << 2 & 255)).collect();
        let list = list(&text).unwrap();
        assert_eq!(list.ranges4.len(), 100_000);
    }
}
