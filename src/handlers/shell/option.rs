//! Options of the shell itself (POSIX.1-2017, set).

/// Letters and names, in the order of `set -o`. Those that no letter sets have a digit.
pub(super) const NAMES: [(u8, &str); 15] = [
    (b'e', "errexit"),
    (b'f', "noglob"),
    (b'I', "ignoreeof"),
    (b'i', "interactive"),
    (b'm', "monitor"),
    (b'n', "noexec"),
    (b's', "stdin"),
    (b'x', "xtrace"),
    (b'v', "verbose"),
    (b'C', "noclobber"),
    (b'a', "allexport"),
    (b'b', "notify"),
    (b'u', "nounset"),
    (b'0', "vi"),
    (b'1', "pipefail"),
];

/// `-o pipefail`, which has no letter.
pub(super) const PIPEFAIL: u8 = b'1';

/// Which options are set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options(u32);

impl Options {
    fn bit(letter: u8) -> Option<u32> {
        NAMES.iter().position(|(known, _)| *known == letter).map(|at| 1 << at)
    }

    pub(super) fn has(self, letter: u8) -> bool {
        Self::bit(letter).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Sets or clears an option; false where there is none of this letter.
    pub(super) fn set(&mut self, letter: u8, on: bool) -> bool {
        let Some(bit) = Self::bit(letter) else { return false };
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
        true
    }

    /// Sets the options of a word: `-ex`, `+x`. False where one of them is none.
    pub(super) fn set_word(&mut self, word: &[u8]) -> bool {
        let Some((sign, letters)) = word.split_first() else { return false };
        letters.iter().all(|letter| letter.is_ascii_alphabetic() && self.set(*letter, *sign == b'-'))
    }

    /// The letter of this name.
    pub(super) fn named(name: &[u8]) -> Option<u8> {
        NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(letter, _)| *letter)
    }

    /// The letters of all that are set, as in `$-`.
    pub(super) fn letters(self) -> String {
        let letters = NAMES.iter().rev().map(|(letter, _)| *letter).filter(|letter| letter.is_ascii_alphabetic());
        letters.filter(|letter| self.has(*letter)).map(char::from).collect()
    }
}
