//! All candidate lists of an index in one block of memory, and the walk over several of them in the order of the rules.

/// Ends every list; no rule has this position.
const END: u32 = u32::MAX;

/// The candidate lists: positions of rules, ascending, each list closed by [`END`].
#[derive(Debug)]
pub(super) struct Lists {
    entries: Vec<u32>,
}

/// Where a list starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct List(u32);

impl List {
    /// The list without entries.
    pub(super) const EMPTY: Self = Self(0);
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { entries: vec![END] }
    }

    /// Adds the lists of many keys at once. `spans` says for each rule, in ascending order of positions, which keys have it:
    /// the half-open range of their numbers below `keys`.
    pub(super) fn add_spans(&mut self, keys: usize, spans: &[(std::ops::Range<usize>, u32)]) -> Vec<List> {
        let mut lengths = vec![0_u32; keys];
        for (span, _) in spans {
            lengths.get_mut(span.clone()).unwrap_or_default().iter_mut().for_each(|length| *length += 1);
        }
        let mut lists = Vec::with_capacity(keys);
        for length in lengths {
            lists.push(self.reserve(length));
        }
        let mut ends: Vec<List> = lists.clone();
        for (span, position) in spans {
            for (list, end) in lists.iter().zip(&mut ends).skip(span.start).take(span.len()) {
                self.append(*list, end, *position);
            }
        }
        lists
    }

    /// Entries of all lists, their ends included.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds one list; `positions` must ascend.
    pub(super) fn add(&mut self, positions: &[u32]) -> List {
        let list = self.reserve(u32::try_from(positions.len()).unwrap_or(0));
        let mut end = list;
        for position in positions {
            self.append(list, &mut end, *position);
        }
        list
    }

    /// Room for a list of up to `length` entries, filled with ends.
    fn reserve(&mut self, length: u32) -> List {
        if length == 0 {
            return List::EMPTY;
        }
        let start = self.entries.len();
        self.entries.resize(start + length as usize + 1, END);
        List(u32::try_from(start).unwrap_or(0))
    }

    /// Puts a position at the end of a list, unless it is there already.
    fn append(&mut self, list: List, end: &mut List, position: u32) {
        let is_last = end.0 > list.0 && self.entry(end.0 - 1) == position;
        if let (false, Some(entry)) = (is_last, self.entries.get_mut(end.0 as usize)) {
            *entry = position;
            end.0 += 1;
        }
    }

    #[inline]
    fn entry(&self, at: u32) -> u32 {
        self.entries.get(at as usize).copied().unwrap_or(END)
    }

    /// The positions in any of `lists`, each once, ascending.
    #[inline]
    pub(super) fn merge<const N: usize>(&self, lists: [List; N]) -> Merge<'_, N> {
        Merge { lists: self, next: lists, heads: lists.map(|list| self.entry(list.0)) }
    }
}

/// Positions in the order of the rules.
#[derive(Debug)]
pub(in crate::rules) struct Merge<'i, const N: usize> {
    lists: &'i Lists,
    next: [List; N],
    heads: [u32; N],
}

impl<const N: usize> Iterator for Merge<'_, N> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let first = self.heads.iter().copied().fold(END, u32::min);
        if first == END {
            return None;
        }
        for (head, next) in self.heads.iter_mut().zip(&mut self.next) {
            if *head == first {
                next.0 += 1;
                *head = self.lists.entry(next.0);
            }
        }
        Some(first as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_merge_in_order_and_without_repetition() {
        let mut lists = Lists::new();
        let (a, b) = (lists.add(&[1, 4, 4, 9]), lists.add(&[0, 4, 7]));
        assert_eq!(lists.merge([a, List::EMPTY, b]).collect::<Vec<_>>(), [0, 1, 4, 7, 9]);
        assert_eq!(lists.merge([List::EMPTY; 2]).next(), None);
    }

    #[test]
    fn spans_become_one_list_for_each_key() {
        let mut lists = Lists::new();
        let keys = lists.add_spans(4, &[(0..2, 3), (1..2, 3), (1..3, 8)]);
        let entries = |key: usize| lists.merge([keys[key]]).collect::<Vec<_>>();
        assert_eq!([entries(0), entries(1), entries(2), entries(3)], [vec![3], vec![3, 8], vec![8], vec![]]);
        assert_eq!(keys[3], List::EMPTY);
    }
}
