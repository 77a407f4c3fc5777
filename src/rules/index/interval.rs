//! From a number (a port, an address) to the rules whose ranges hold it.

use std::ops::Range;

use super::lists::{List, Lists};

/// List entries that one table may need; beyond it the rules with the widest ranges are left to the caller.
/// 4 bytes each.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// A range of numbers, both ends included, that one rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval<K> {
    pub(super) first: K,
    pub(super) last: K,
    /// Position of the rule.
    pub(super) position: u32,
}

/// Numbers of a fixed width.
pub(super) trait Number: Copy + Ord {
    /// Width in bits.
    const BITS: u32;

    /// The next number, if there is one.
    fn next(self) -> Option<Self>;

    /// The highest `bits` of the number, from 1 to [`MAX_BUCKET_BITS`].
    fn top(self, bits: u32) -> usize;
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            const BITS: u32 = <$kind>::BITS;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline]
            fn top(self, bits: u32) -> usize {
                // At most MAX_BUCKET_BITS are left: nothing is lost.
                (self >> (<$kind>::BITS - bits)) as usize
            }
        }
    )*};
}

number!(u16, u32, u128);

/// Buckets of one table, as a power of two.
const MAX_BUCKET_BITS: u32 = 16;

/// The number line cut at every end of a range: between two cuts, the same rules hold for all numbers.
///
/// The line is divided into buckets of equal width, about four for each cut, so that a search begins beside its end when the
/// cuts are spread, and is a binary search when they are not.
#[derive(Debug)]
pub(super) struct Intervals<K> {
    /// First number of each section, ascending, and the rules of the section. Numbers below the first are in no range.
    sections: Vec<(K, List)>,
    /// For each bucket the number of sections that begin before it; one more for the end.
    buckets: Vec<u32>,
    bucket_bits: u32,
}

impl<K: Number> Intervals<K> {
    /// Builds the table. Rules with ranges too wide for [`MAX_ENTRIES`] are put into `left_over`.
    pub(super) fn new(mut intervals: Vec<Interval<K>>, lists: &mut Lists, left_over: &mut Vec<u32>) -> Self {
        intervals.retain(|interval| interval.first <= interval.last);
        let ends = intervals.iter().filter_map(|interval| interval.last.next());
        let mut cuts: Vec<K> = intervals.iter().map(|interval| interval.first).chain(ends).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let section = |number: K| cuts.partition_point(|cut| *cut < number);
        let mut spans: Vec<(Range<usize>, u32)> = intervals
            .iter()
            .map(|interval| {
                let end = interval.last.next().map_or(cuts.len(), section);
                (section(interval.first)..end, interval.position)
            })
            .collect();
        leave_widest(&mut spans, left_over);
        spans.sort_by_key(|(_, position)| *position);
        let lists = lists.add_spans(cuts.len(), &spans);
        Self::with_buckets(cuts.into_iter().zip(lists).collect())
    }

    fn with_buckets(sections: Vec<(K, List)>) -> Self {
        let bucket_bits = (sections.len().max(1).ilog2() + 2).min(MAX_BUCKET_BITS).min(K::BITS);
        let mut buckets = vec![0_u32; (1 << bucket_bits) + 1];
        for (cut, _) in &sections {
            if let Some(count) = buckets.get_mut(cut.top(bucket_bits) + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for count in &mut buckets {
            before += *count;
            *count = before;
        }
        Self { sections, buckets, bucket_bits }
    }

    /// The rules whose ranges hold `number`.
    #[inline]
    pub(super) fn find(&self, number: K) -> List {
        let bucket = number.top(self.bucket_bits);
        let count = |bucket: usize| self.buckets.get(bucket).map_or(0, |count| *count as usize);
        let (before, until) = (count(bucket), count(bucket + 1));
        let within = self.sections.get(before..until).unwrap_or_default();
        let above = before + within.partition_point(|(cut, _)| *cut <= number);
        above.checked_sub(1).and_then(|section| self.sections.get(section)).map_or(List::EMPTY, |(_, list)| *list)
    }
}

impl Intervals<u16> {
    /// What [`Intervals::find`] finds for each number from 0 to `last`, without an end of numbers in no range.
    pub(super) fn spread(&self, last: u16) -> Box<[List]> {
        let (mut table, mut current) = (Vec::new(), List::EMPTY);
        for (cut, list) in &self.sections {
            table.resize(usize::from(*cut), current);
            current = *list;
        }
        if current != List::EMPTY {
            table.resize(usize::from(last) + 1, current);
        }
        table.into()
    }
}

/// Takes out the widest spans until the rest fits into [`MAX_ENTRIES`].
fn leave_widest(spans: &mut Vec<(Range<usize>, u32)>, left_over: &mut Vec<u32>) {
    let mut entries: usize = spans.iter().map(|(sections, _)| sections.len()).sum();
    if entries <= MAX_ENTRIES {
        return;
    }
    spans.sort_by_key(|(sections, _)| sections.len());
    while entries > MAX_ENTRIES
        && let Some((sections, position)) = spans.pop()
    {
        entries -= sections.len();
        left_over.push(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(first: u16, last: u16, position: u32) -> Interval<u16> {
        Interval { first, last, position }
    }

    #[test]
    fn a_number_finds_the_ranges_that_hold_it() {
        let mut lists = Lists::new();
        let mut left_over = Vec::new();
        let ranges = vec![interval(80, 80, 4), interval(0, 1023, 2), interval(80, 65_535, 7), interval(9, 8, 9)];
        let table = Intervals::new(ranges, &mut lists, &mut left_over);
        let found = |port| lists.merge([table.find(port)]).collect::<Vec<_>>();
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
        let found: Vec<usize> = lists.merge([table.find(40_000)]).collect();
        assert_eq!(found.len() + left_over.len(), 3_001);
    }
}
