//! The word that was probably meant: what error messages suggest for a misspelled one.

/// Words beyond this length (in characters) are not compared; no key, type or handler name is that long.
const MAX_WORD_CHARS: usize = 40;

/// The candidate nearest to `word`, if it is near enough to be a slip of the keyboard: at most one edit for every three
/// characters, and at least one. Letter case is ignored; of equally near candidates the first wins.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MAX_WORD_CHARS + 1).flat_map(char::to_lowercase).collect();
    if word.is_empty() || word.len() > MAX_WORD_CHARS {
        return None;
    }
    let limit = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `word` into `candidate` (optimal string alignment).
pub(crate) fn distance(word: &[char], candidate: &str) -> usize {
    let width = word.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    let mut previous = None;
    for (row, theirs) in candidate.chars().enumerate() {
        let mut current = Vec::with_capacity(width);
        current.push(row + 1);
        for (column, ours) in word.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let substituted = at(&last, column) + usize::from(*ours != theirs);
            let mut best = substituted.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped =
                column.checked_sub(1).filter(|left| word.get(*left) == Some(&theirs) && previous == Some(*ours));
            if let Some(left) = swapped {
                best = best.min(at(&before_last, left) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(theirs);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    const TYPES: [&str; 5] = ["pass", "drop", "handler", "rewrite", "proxy"];

    #[test]
    fn a_slip_of_the_keyboard_finds_the_word() {
        for (typed, meant) in
            [("hanlder", "handler"), ("Drop", "drop"), ("rewite", "rewrite"), ("prxoy", "proxy"), ("pas", "pass")]
        {
            assert_eq!(nearest(typed, TYPES), Some(meant), "{typed}");
        }
    }

    #[test]
    fn another_word_finds_nothing() {
        for typed in ["", "accept", "x", &"drop".repeat(100_000)] {
            assert_eq!(nearest(typed, TYPES), None);
        }
    }

    #[test]
    fn edits_are_counted() {
        let edits = |word: &str, candidate| distance(&word.chars().collect::<Vec<_>>(), candidate);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
        assert_eq!(edits("prot", "port"), 1);
    }
}
