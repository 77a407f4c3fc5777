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

/// Numbers that have neighbours.
pub(super) trait Number: Copy + Ord {
    /// The next number, if there is one.
    fn next(self) -> Option<Self>;
}

impl Number for u16 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// The number line cut at every end of a range: between two cuts, the same rules hold for all numbers.
#[derive(Debug)]
pub(super) struct Intervals<K> {
    /// First number of each section, ascending. Numbers below the first are in no range.
    cuts: Vec<K>,
    /// The rules of each section.
    lists: Vec<List>,
}

impl<K: Number> Intervals<K> {
    /// Builds the table. Rules with ranges too wide for [`MAX_ENTRIES`] are put into `left_over`.
    pub(super) fn new(mut intervals: Vec<Interval<K>>, lists: &mut Lists, left_over: &mut Vec<u32>) -> Self {
        intervals.retain(|interval| interval.first <= interval.last);
        let ends = intervals.iter().filter_map(|interval| interval.last.next());
        let mut cuts: Vec<K> = intervals.iter().map(|interval| interval.first).chain(ends).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut spans: Vec<(Range<usize>, u32)> = intervals
            .iter()
            .map(|interval| {
                let sections = cuts.partition_point(|cut| *cut < interval.first)
                    ..cuts.partition_point(|cut| *cut <= interval.last);
                (sections, interval.position)
            })
            .collect();
        leave_widest(&mut spans, left_over);
        spans.sort_by_key(|(_, position)| *position);
        let lists = lists.add_spans(cuts.len(), &spans);
        Self { cuts, lists }
    }

    /// The rules whose ranges hold `number`.
    #[inline]
    pub(super) fn find(&self, number: K) -> List {
        let above = self.cuts.partition_point(|cut| *cut <= number);
        above.checked_sub(1).and_then(|section| self.lists.get(section)).copied().unwrap_or_default()
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
