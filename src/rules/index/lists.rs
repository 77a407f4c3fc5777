//! All candidate lists of an index in one block of memory, and the walk over several of them in the order of the rules.

/// A rule under a key: twice its position, and one more if the key is not all that its filter asks for.
///
/// Entries of one rule stand beside each other, the certain one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u32);

impl Entry {
    /// Ends every list; no rule has this position.
    const END: Self = Self(u32::MAX);

    /// The rule at a position, far below 2^30: so many would not fit into memory.
    pub(super) const fn new(position: u32, is_certain: bool) -> Self {
        Self(position << 1 | !is_certain as u32)
    }

    /// The same rule, its filter to be asked.
    pub(super) const fn uncertain(self) -> Self {
        Self(self.0 | 1)
    }

    #[inline]
    const fn is_of_rule_of(self, other: Self) -> bool {
        self.0 >> 1 == other.0 >> 1
    }
}

/// A rule that a packet meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) struct Candidate {
    /// Its position.
    pub(in crate::rules) position: usize,
    /// It matches: its filter need not be asked.
    pub(in crate::rules) is_certain: bool,
}

/// The candidate lists: entries, ascending, each list closed by [`Entry::END`].
#[derive(Debug)]
pub(super) struct Lists {
    entries: Vec<Entry>,
}

/// Where a list starts; or, since most lists are of one rule, this entry itself, marked by [`List::SINGLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct List(u32);

impl List {
    /// The list without entries.
    pub(super) const EMPTY: Self = Self(0);
    const SINGLE: u32 = 1 << 31;

    const fn single(entry: Entry) -> Self {
        Self(entry.0 | Self::SINGLE)
    }
}

impl Lists {
    pub(super) fn new() -> Self {
        Self { entries: vec![Entry::END] }
    }

    /// Adds the lists of many keys at once. `spans` says for each entry, in ascending order, which keys have it: the half-open range of
    /// their numbers below `keys`.
    pub(super) fn add_spans(&mut self, keys: usize, spans: &[(std::ops::Range<usize>, Entry)]) -> Vec<List> {
        let mut lengths = vec![0_u32; keys];
        for (span, _) in spans {
            lengths.get_mut(span.clone()).unwrap_or_default().iter_mut().for_each(|length| *length += 1);
        }
        let mut lists: Vec<List> = lengths.into_iter().map(|length| self.reserve(length)).collect();
        let mut ends: Vec<u32> = lists.iter().map(|list| list.0).collect();
        for (span, entry) in spans {
            for (list, end) in lists.iter_mut().zip(&mut ends).skip(span.start).take(span.len()) {
                self.append(list, end, *entry);
            }
        }
        lists
    }

    /// Entries of all lists, their ends included.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds one list; `entries` must ascend.
    pub(super) fn add(&mut self, entries: &[Entry]) -> List {
        let mut list = self.reserve(u32::try_from(entries.len()).unwrap_or(0));
        let mut end = list.0;
        for entry in entries {
            self.append(&mut list, &mut end, *entry);
        }
        list
    }

    /// Room for a list of up to `length` entries, filled with ends; a single entry needs none.
    fn reserve(&mut self, length: u32) -> List {
        if length <= 1 {
            return List::EMPTY;
        }
        let start = self.entries.len();
        self.entries.resize(start + length as usize + 1, Entry::END);
        List(u32::try_from(start).unwrap_or(0))
    }

    /// Puts an entry at the end of a list, unless its rule is there already.
    fn append(&mut self, list: &mut List, end: &mut u32, entry: Entry) {
        if *list == List::EMPTY {
            *list = List::single(entry);
            return;
        }
        let is_there = *end > list.0 && self.entry(*end - 1).is_of_rule_of(entry);
        if let (false, Some(slot)) = (is_there, self.entries.get_mut(*end as usize)) {
            *slot = entry;
            *end += 1;
        }
    }

    #[inline]
    fn entry(&self, at: u32) -> Entry {
        self.entries.get(at as usize).copied().unwrap_or(Entry::END)
    }

    /// The rules in any of `lists`, each once, in their order; none is certain unless `trusts_keys`.
    #[inline]
    pub(super) fn merge<const N: usize>(&self, lists: [List; N], trusts_keys: bool) -> Merge<'_, N> {
        // What follows a single entry is the end that stands at 0.
        let starts = lists.map(|list| if list.0 & List::SINGLE == 0 { list.0 } else { 0 });
        let mut heads = starts.map(|start| self.entry(start));
        for (head, list) in heads.iter_mut().zip(lists) {
            if list.0 & List::SINGLE != 0 {
                *head = Entry(list.0 & !List::SINGLE);
            }
        }
        Merge { lists: self, at: starts, heads, taken: None, trusts_keys }
    }
}

/// Rules in their order.
#[derive(Debug)]
pub(in crate::rules) struct Merge<'i, const N: usize> {
    lists: &'i Lists,
    /// Where the head of each list stands, or the end that stands behind it.
    at: [u32; N],
    heads: [Entry; N],
    /// What was found last, not passed yet: who asks for the first alone does not pay for the way to the second.
    taken: Option<Entry>,
    trusts_keys: bool,
}

impl<const N: usize> Merge<'_, N> {
    fn pass(&mut self, taken: Entry) {
        for (head, at) in self.heads.iter_mut().zip(&mut self.at) {
            if head.is_of_rule_of(taken) {
                *at += u32::from(*at != 0);
                *head = self.lists.entry(*at);
            }
        }
    }
}

impl<const N: usize> Iterator for Merge<'_, N> {
    type Item = Candidate;

    #[inline]
    fn next(&mut self) -> Option<Candidate> {
        if let Some(taken) = self.taken {
            self.pass(taken);
        }
        let first = self.heads.iter().copied().fold(Entry::END, Entry::min);
        if first == Entry::END {
            return None;
        }
        self.taken = Some(first);
        Some(Candidate { position: (first.0 >> 1) as usize, is_certain: self.trusts_keys && first.0 & 1 == 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_merge_in_order_and_without_repetition() {
        let mut lists = Lists::new();
        let (a, b) = (lists.add(&[1, 4, 4, 9].map(entry)), lists.add(&[0, 4, 7].map(entry)));
        let single = lists.add(&[entry(8)]);
        assert_eq!(positions(lists.merge([a, List::EMPTY, b, single], true)), [0, 1, 4, 7, 8, 9]);
        assert_eq!(lists.merge([List::EMPTY; 2], true).next(), None);
    }

    #[test]
    fn spans_become_one_list_for_each_key() {
        let mut lists = Lists::new();
        let keys = lists.add_spans(4, &[(0..2, entry(3)), (1..2, entry(3)), (1..3, entry(8))]);
        let entries = |key: usize| positions(lists.merge([keys[key]], true));
        assert_eq!([entries(0), entries(1), entries(2), entries(3)], [vec![3], vec![3, 8], vec![8], vec![]]);
        assert_eq!(keys[3], List::EMPTY);
    }

    #[test]
    fn a_rule_that_any_of_its_keys_makes_certain_is_certain() {
        let mut lists = Lists::new();
        let (certain, uncertain) = (Entry::new(5, true), Entry::new(5, false));
        let (both, other) = (lists.add(&[certain, uncertain, entry(7)]), lists.add(&[uncertain]));
        let candidate = |position, is_certain| Candidate { position, is_certain };
        let found = |trusts_keys| lists.merge([other, both], trusts_keys).collect::<Vec<_>>();
        assert_eq!(found(true), [candidate(5, true), candidate(7, false)]);
        assert_eq!(found(false), [candidate(5, false), candidate(7, false)]);
    }

    fn entry(position: u32) -> Entry {
        Entry::new(position, false)
    }

    fn positions<const N: usize>(merge: Merge<'_, N>) -> Vec<usize> {
        merge.map(|candidate| candidate.position).collect()
    }
}
