//! Address lists: what `src in @FILE` and `dst in @FILE` look addresses up in; ours, not libpcap's.
//!
//! One address or prefix a line, IPv4 and IPv6 mixed, `#` begins a comment. Prefixes become ranges, sorted and merged. The upper bits of an
//! address say between which ranges to look, so a lookup is one step and a binary search among few, and an entry takes 8 bytes (IPv4) or
//! 32 (IPv6) and at most 8 more.

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
    ranges4: Ranges<u32>,
    ranges6: Ranges<u128>,
}

/// Ranges of addresses, and where to begin to look among them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ranges<T> {
    /// First and last address of each range; sorted, not overlapping.
    ranges: Vec<(T, T)>,
    /// The lowest address; addresses are counted from here.
    base: T,
    /// Bits of an address above the base that a bucket leaves open.
    shift: u32,
    /// By the upper bits: how many ranges begin in buckets before. One more than there are buckets.
    before: Vec<u32>,
}

/// An address as a number.
trait Number: Ord + Copy + Default {
    /// Bits that `self` needs above `base`.
    fn width_from(self, base: Self) -> u32;
    /// The bucket of `self`; `usize::MAX` if it lies beyond all.
    fn bucket(self, base: Self, shift: u32) -> usize;
    /// The number behind.
    fn next(self) -> Option<Self>;
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            fn width_from(self, base: Self) -> u32 {
                Self::BITS - (self - base).leading_zeros()
            }
            #[inline]
            fn bucket(self, base: Self, shift: u32) -> usize {
                usize::try_from((self - base).checked_shr(shift).unwrap_or(0)).unwrap_or(usize::MAX)
            }
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
        }
    };
}
number!(u32);
number!(u128);

impl AddressList {
    /// Reads a list; the message of an error names file and line.
    pub(super) fn read(path: &Path, files: &mut dyn ListFiles) -> Result<Self, String> {
        let named = |what: &dyn std::fmt::Display| format!("list {}: {what}", path.display());
        let mut reader = files.open(path).map_err(|error| named(&error))?;
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
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
            match entry(&line) {
                Ok(Some(Entry::V4(first, last))) => v4.push((first, last)),
                Ok(Some(Entry::V6(first, last))) => v6.push((first, last)),
                Ok(None) => {}
                Err(entry) => return Err(named(&format!("line {number}: `{entry}` is no address or prefix"))),
            }
        }
        Ok(Self { ranges4: Ranges::new(v4), ranges6: Ranges::new(v6) })
    }

    /// Whether the source (or destination) address of an IP packet is in the list; `false` if it is not there.
    pub(super) fn holds_end_of(&self, packet: &[u8], is_source: bool) -> bool {
        // RFC 791 section 3.1 and RFC 8200 section 3.
        let field = |source: usize, destination: usize| packet.get(if is_source { source } else { destination }..);
        match packet.first().map(|first| first >> 4) {
            Some(4) => {
                let address = field(12, 16).and_then(|rest| rest.first_chunk());
                address.is_some_and(|address| self.ranges4.hold(u32::from_be_bytes(*address)))
            }
            Some(6) => {
                let address = field(8, 24).and_then(|rest| rest.first_chunk());
                address.is_some_and(|address| self.ranges6.hold(u128::from_be_bytes(*address)))
            }
            _ => false,
        }
    }
}

/// First and last address of what a line names.
enum Entry {
    V4(u32, u32),
    V6(u128, u128),
}

/// What a line says; the entry is handed back if it cannot be understood.
fn entry(line: &[u8]) -> Result<Option<Entry>, String> {
    let line = String::from_utf8_lossy(line);
    let entry = line.split('#').next().unwrap_or("").trim();
    if entry.is_empty() {
        return Ok(None);
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
            Ok(Some(Entry::V4(first, first | host)))
        }
        (IpAddr::V6(address), length @ (None | Some(0..=128))) => {
            let host = u128::MAX.checked_shr(length.unwrap_or(128)).unwrap_or(0);
            let first = u128::from(address) & !host;
            Ok(Some(Entry::V6(first, first | host)))
        }
        _ => Err(wrong()),
    }
}

impl<T: Number> Ranges<T> {
    fn new(ranges: Vec<(T, T)>) -> Self {
        let ranges = merged(ranges);
        let (Some(&(base, _)), Some(&(highest, _))) = (ranges.first(), ranges.last()) else { return Self::default() };
        // About as many buckets as ranges.
        let buckets_log2 = ranges.len().ilog2();
        let shift = highest.width_from(base).saturating_sub(buckets_log2);
        let mut before = vec![0; highest.bucket(base, shift) + 2];
        for (first, _) in &ranges {
            if let Some(count) = before.get_mut(first.bucket(base, shift) + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for count in &mut before {
            total += *count;
            *count = total;
        }
        Self { ranges, base, shift, before }
    }

    /// Whether an address lies in one of the ranges.
    #[inline]
    fn hold(&self, address: T) -> bool {
        if address < self.base {
            return false;
        }
        let bucket = address.bucket(self.base, self.shift).min(self.before.len().saturating_sub(2));
        let Some([start, end, ..]) = self.before.get(bucket..) else { return false };
        let Some(here) = self.ranges.get(*start as usize..*end as usize) else { return false };
        let after = *start as usize + here.partition_point(|&(first, _)| first <= address);
        // The last one that begins before may begin in a bucket before, too.
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|&(_, last)| address <= last)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    fn memory(&self) -> usize {
        self.ranges.capacity() * size_of::<(T, T)>() + self.before.capacity() * size_of::<u32>()
    }
}

fn merged<T: Number>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut out: Vec<(T, T)> = Vec::new();
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if end.next().is_none_or(|next| first <= next) => *end = last.max(*end),
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
        assert_eq!(list.ranges4.ranges, vec![(0x0a00_0000, 0x0aff_ffff), (0xc000_0201, 0xc000_0201)]);
        assert!(list.ranges4.hold(0x0a80_0000) && !list.ranges4.hold(0x0b00_0000));
        assert!(list.ranges6.hold(0x2001_0db8 << 96) && !list.ranges6.hold(0));
    }

    #[test]
    fn the_whole_space_is_one_range() {
        let list = list("0.0.0.0/0\n255.255.255.255\n::/0\n").unwrap();
        assert_eq!((list.ranges4.ranges.len(), list.ranges6.ranges.len()), (1, 1));
        assert!(list.ranges4.hold(0) && list.ranges4.hold(u32::MAX) && list.ranges6.hold(u128::MAX));
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

    /// Bytes that the list holds on to.
    fn memory(list: &AddressList) -> usize {
        size_of_val(list) + list.ranges4.memory() + list.ranges6.memory()
    }

    proptest::proptest! {
        #[test]
        fn an_address_is_found_exactly_when_a_range_holds_it(
            ranges in proptest::collection::vec((proptest::num::u32::ANY, 0_u32..33), 0..60),
            spread in 0_u32..33,
            addresses in proptest::collection::vec(proptest::num::u32::ANY, 60),
        ) {
            // Crowded together or far apart.
            let place = |number: u32| number.checked_shr(spread).unwrap_or(7);
            let ranges: Vec<(u32, u32)> = ranges
                .into_iter()
                .map(|(first, bits)| (place(first), place(first).saturating_add(1_u32.checked_shl(bits).unwrap_or(u32::MAX))))
                .collect();
            let wide: Vec<(u128, u128)> = ranges.iter().map(|&(a, b)| (u128::from(a) << 90, u128::from(b) << 90)).collect();
            let (narrow, wide) = (Ranges::new(ranges.clone()), Ranges::new(wide));
            let ends = ranges.iter().flat_map(|&(first, last)| [first, last, first.wrapping_sub(1), last.wrapping_add(1)]);
            for address in addresses.into_iter().map(place).chain(ends) {
                let held = ranges.iter().any(|&(first, last)| (first..=last).contains(&address));
                proptest::prop_assert_eq!(narrow.hold(address), held, "{:x} of {:x?}", address, ranges);
                proptest::prop_assert_eq!(wide.hold(u128::from(address) << 90), held);
            }
        }
    }

    #[test]
    fn a_hundred_thousand_prefixes_take_less_than_16_megabytes() {
        let v4 = |n: u32| format!("10.{}.{}.{}/31\n", n >> 14 & 255, n >> 6 & 255, n << 2 & 255);
        let v6 = |n: u32| format!("2001:db8:{:x}:{:x}::/64\n", n >> 15, n << 1 & 0xffff);
        for (text, entry_len) in [((0..100_000).map(v4).collect::<String>(), 8), ((0..100_000).map(v6).collect(), 32)] {
            let list = list(&text).unwrap();
            assert_eq!(list.ranges4.ranges.len().max(list.ranges6.ranges.len()), 100_000);
            assert!(memory(&list) < 100_000 * (entry_len + 8) + 1024, "{} bytes", memory(&list));
            assert!(memory(&list) < 16 << 20);
        }
    }

    /// A list that goes on for ever.
    struct Endless(&'static [u8]);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            // Whole pieces, so that the next call begins one.
            buffer.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
            Ok(buffer.len() / self.0.len() * self.0.len())
        }
    }

    impl ListFiles for Endless {
        fn open(&mut self, _: &Path) -> io::Result<Box<dyn BufRead + '_>> {
            Ok(Box::new(BufReader::new(self)))
        }
    }

    #[test]
    fn a_list_or_a_line_without_end_is_an_error_and_soon() {
        for (piece, line) in [
            (&b"192.0.2.1\n"[..], "line 1000001"),
            (b"\n", "line 1000001"),
            (b"# no end ", "line 1:"),
            (b"\0", "line 1:"),
        ] {
            let started = std::time::Instant::now();
            let error = AddressList::read(Path::new("endless"), &mut Endless(piece)).unwrap_err();
            assert!(error.contains(line), "{error}");
            assert!(error.len() < 200, "{} bytes of error", error.len());
            assert!(started.elapsed() < std::time::Duration::from_secs(10), "{line} took {:?}", started.elapsed());
        }
    }
}
