//! A square of bits: for every row, a set of numbers.

pub(super) struct BitMatrix {
    words_in_row: usize,
    words: Vec<u64>,
}

impl BitMatrix {
    /// All sets empty; `columns` is one more than the largest number.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        let words_in_row = columns.div_ceil(64);
        Self { words_in_row, words: vec![0; rows * words_in_row] }
    }

    /// Makes every set hold everything.
    pub(super) fn fill(&mut self) {
        self.words.fill(u64::MAX);
    }

    pub(super) fn clear_row(&mut self, row: usize) {
        let start = row * self.words_in_row;
        self.words.iter_mut().skip(start).take(self.words_in_row).for_each(|word| *word = 0);
    }

    pub(super) fn insert(&mut self, row: usize, number: usize) {
        if let Some(word) = self.words.get_mut(row * self.words_in_row + number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    pub(super) fn contains(&self, row: usize, number: usize) -> bool {
        let word = self.words.get(row * self.words_in_row + number / 64);
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Removes from the set `row` what is not in the set `other`.
    pub(super) fn intersect(&mut self, row: usize, other: usize) {
        let (row, other) = (row * self.words_in_row, other * self.words_in_row);
        for offset in 0..self.words_in_row {
            let theirs = self.words.get(other + offset).copied().unwrap_or(0);
            if let Some(ours) = self.words.get_mut(row + offset) {
                *ours &= theirs;
            }
        }
    }

    /// The numbers in a set, ascending.
    pub(super) fn row(&self, row: usize) -> Vec<usize> {
        let words = self.words.iter().skip(row * self.words_in_row).take(self.words_in_row);
        let mut numbers = Vec::new();
        for (index, &word) in words.enumerate() {
            let mut word = word;
            while word != 0 {
                numbers.push(index * 64 + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_apart() {
        let mut sets = BitMatrix::new(3, 100);
        sets.insert(0, 99);
        sets.insert(0, 3);
        sets.insert(1, 3);
        assert_eq!(sets.row(0), vec![3, 99]);
        sets.intersect(0, 1);
        assert_eq!(sets.row(0), vec![3]);
        assert!(sets.contains(1, 3) && !sets.contains(2, 3));
        sets.fill();
        sets.clear_row(1);
        assert!(sets.row(1).is_empty() && sets.contains(2, 64));
    }
}
