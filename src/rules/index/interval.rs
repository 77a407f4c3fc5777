//! From a number (a port, an address) to the rules whose ranges hold it.

use std::ops::Range;

use super::lists::{Entry, List, Lists};

/// List entries that one table may need; beyond it the rules with the widest ranges are left to the caller.
/// 4 bytes each.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// A range of numbers, both ends included, that one rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval<K> {
    pub(super) first: K,
    pub(super) last: K,
    pub(super) entry: Entry,
}

/// Numbers of a fixed width.
pub(super) trait Number: Copy + Ord {
    /// Width in bits.
    const BITS: u32;

    /// The next number, if there is one.
    fn next(self) -> Option<Self>;

    /// `count` bits of the number, from 1 to 16, behind the highest `skip`.
    fn bits(self, skip: u32, count: u32) -> usize;
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            const BITS: u32 = <$kind>::BITS;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline]
            fn bits(self, skip: u32, count: u32) -> usize {
                // At most 16 bits are left: nothing is lost.
                ((self << skip) >> (<$kind>::BITS - count)) as usize
            }
        }
    )*};
}

number!(u16, u32, u128);

/// Regions of one table, as a power of two: few enough for the innermost cache, though every packet looks at another one.
const REGION_BITS: u32 = 8;
/// Buckets of one region, as a power of two.
const MAX_BUCKET_BITS: u32 = 14;

/// The number line cut at every end of a range: between two cuts, the same rules hold for all numbers.
///
/// The line is divided into regions of equal width. Most have no cut, and their rules stand there and then. The others are divided into
/// buckets, about four for each cut, so that a search begins beside its end.
#[derive(Debug)]
pub(super) struct Intervals<K> {
    /// First number of each section, ascending, and the rules of the section. Numbers below the first are in no range.
    sections: Vec<(K, List)>,
    regions: Vec<Region>,
    /// For each bucket of a region the number of sections that begin before it; one more for the end of the region.
    buckets: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Region {
    /// The same rules hold in all of it.
    Whole(List),
    /// Its buckets, as a power of two, begin at `first`.
    Cut { first: u32, bucket_bits: u32 },
}

impl Region {
    /// The region in which the sections of `span` begin.
    fn new<K: Number>(span: Range<usize>, sections: &[(K, List)], buckets: &mut Vec<u32>) -> Self {
        let within = sections.get(span.clone()).unwrap_or_default();
        if within.is_empty() {
            return Self::Whole(list_before(span.start, sections));
        }
        let bucket_bits = (within.len().ilog2() + 2).min(MAX_BUCKET_BITS).min(K::BITS - REGION_BITS);
        let first = count(buckets.len());
        let starts_before = |bucket| within.partition_point(|(cut, _)| cut.bits(REGION_BITS, bucket_bits) < bucket);
        buckets.extend((0..=1 << bucket_bits).map(|bucket| count(span.start + starts_before(bucket))));
        Self::Cut { first, bucket_bits }
    }
}

/// The rules in front of the section of this number.
#[inline]
fn list_before<K>(section: usize, sections: &[(K, List)]) -> List {
    section.checked_sub(1).and_then(|before| sections.get(before)).map_or(List::EMPTY, |(_, list)| *list)
}

/// There are at most two cuts for each prefix that a rule file of bounded length can hold.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl<K: Number> Intervals<K> {
    /// Builds the table. Rules with ranges too wide for [`MAX_ENTRIES`] are put into `left_over`.
    pub(super) fn new(mut intervals: Vec<Interval<K>>, lists: &mut Lists, left_over: &mut Vec<Entry>) -> Self {
        intervals.retain(|interval| interval.first <= interval.last);
        let ends = intervals.iter().filter_map(|interval| interval.last.next());
        let mut cuts: Vec<K> = intervals.iter().map(|interval| interval.first).chain(ends).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let section = |number: K| cuts.partition_point(|cut| *cut < number);
        let mut spans: Vec<(Range<usize>, Entry)> = intervals
            .iter()
            .map(|interval| {
                let end = interval.last.next().map_or(cuts.len(), section);
                (section(interval.first)..end, interval.entry)
            })
            .collect();
        leave_widest(&mut spans, left_over);
        spans.sort_by_key(|(_, entry)| *entry);
        let lists = lists.add_spans(cuts.len(), &spans);
        Self::with_regions(cuts.into_iter().zip(lists).collect())
    }

    fn with_regions(sections: Vec<(K, List)>) -> Self {
        let (mut buckets, mut begin) = (Vec::new(), 0);
        let region = |number| {
            let end = sections.partition_point(|(cut, _)| cut.bits(0, REGION_BITS) <= number);
            Region::new(std::mem::replace(&mut begin, end)..end, &sections, &mut buckets)
        };
        let regions = (0..1 << REGION_BITS).map(region).collect();
        Self { sections, regions, buckets }
    }

    /// The rules whose ranges hold `number`.
    #[inline]
    pub(super) fn find(&self, number: K) -> List {
        match self.regions.get(number.bits(0, REGION_BITS)) {
            Some(Region::Whole(list)) => *list,
            Some(Region::Cut { first, bucket_bits }) => {
                self.find_from(*first as usize + number.bits(REGION_BITS, *bucket_bits), number)
            }
            None => List::EMPTY,
        }
    }

    fn find_from(&self, bucket: usize, number: K) -> List {
        let count = |bucket: usize| self.buckets.get(bucket).map_or(0, |count| *count as usize);
        let (before, until) = (count(bucket), count(bucket + 1));
        let within = self.sections.get(before..until).unwrap_or_default();
        list_before(before + within.partition_point(|(cut, _)| *cut <= number), &self.sections)
    }
}

impl Intervals<u16> {
    /// What [`Intervals::find`] finds for each number from 0 to `last`. Where numbers in no range are the end, one stands for all of them.
    pub(super) fn spread(&self, last: u16) -> Box<[List]> {
        let (mut table, mut current) = (Vec::new(), List::EMPTY);
        for (cut, list) in &self.sections {
            table.resize(usize::from(*cut), current);
            current = *list;
        }
        let len = if current == List::EMPTY { table.len() + 1 } else { usize::from(last) + 1 };
        table.resize(len, current);
        table.into()
    }
}

/// Takes out the widest spans until the rest fits into [`MAX_ENTRIES`].
fn leave_widest(spans: &mut Vec<(Range<usize>, Entry)>, left_over: &mut Vec<Entry>) {
    let mut entries: usize = spans.iter().map(|(sections, _)| sections.len()).sum();
    if entries <= MAX_ENTRIES {
        return;
    }
    spans.sort_by_key(|(sections, _)| sections.len());
    while entries > MAX_ENTRIES
        && let Some((sections, entry)) = spans.pop()
    {
        entries -= sections.len();
        left_over.push(entry.uncertain());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(first: u16, last: u16, position: u32) -> Interval<u16> {
        Interval { first, last, entry: Entry::new(position, false) }
    }

    #[test]
    fn a_number_finds_the_ranges_that_hold_it() {
        let mut lists = Lists::new();
        let mut left_over = Vec::new();
        let ranges = vec![interval(80, 80, 4), interval(0, 1023, 2), interval(80, 65_535, 7), interval(9, 8, 9)];
        let table = Intervals::new(ranges, &mut lists, &mut left_over);
        let found = |port| positions(&lists, table.find(port));
        assert_eq!([found(0), found(79), found(1023)], [vec![2], vec![2], vec![2, 7]]);
        assert_eq!([found(80), found(1024), found(65_535)], [vec![2, 4, 7], vec![7], vec![7]]);
        assert!(left_over.is_empty());
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let table = Intervals::<u128>::new(Vec::new(), &mut Lists::new(), &mut Vec::new());
        assert_eq!(table.find(5), List::EMPTY);
    }

    #[test]
    fn ranges_that_would_fill_the_memory_are_left_over() {
        let wide = (0..3_000).map(|n| interval(n, 65_535 - n, u32::from(n)));
        let narrow = (0..60_000).map(|n| interval(n, n, 10_000));
        let (mut lists, mut left_over) = (Lists::new(), Vec::new());
        let table = Intervals::new(wide.chain(narrow).collect(), &mut lists, &mut left_over);
        assert!(!left_over.is_empty() && left_over.len() < 3_000);
        assert_eq!(positions(&lists, table.find(40_000)).len() + left_over.len(), 3_001);
    }

    fn positions(lists: &Lists, list: List) -> Vec<usize> {
        lists.merge([list], true).map(|candidate| candidate.position).collect()
    }
}
