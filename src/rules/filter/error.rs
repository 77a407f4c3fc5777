//! What is wrong with a filter text, where, and what would mend it.

use std::fmt;
use std::ops::Range;

use crate::near::distance;

/// One or more mistakes in a filter text: this one, and [`others`](Self::others) further on in the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// Byte offsets in the filter text that the message is about; empty at the end of the text.
    pub span: Range<usize>,
    /// What is wrong, naming what was found; one line without a full stop.
    pub message: String,
    /// What would have been understood at this place; empty if the place is not the trouble.
    pub expected: Vec<String>,
    /// A word or expression to write instead.
    pub suggestion: Option<String>,
    /// The mistakes that follow in the same text, in order; theirs are empty.
    pub others: Vec<FilterError>,
}

impl FilterError {
    /// A mistake at `span`.
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), expected: Vec::new(), suggestion: None, others: Vec::new() }
    }

    pub(super) fn expecting(mut self, expected: &[&str]) -> Self {
        self.expected = expected.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub(super) fn suggesting(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }

    /// This mistake and the ones after it.
    pub fn iter(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.others.iter())
    }

    /// Folds a list of mistakes into one value, the first in the text leading.
    pub(super) fn gather(mut errors: Vec<Self>) -> Option<Self> {
        errors.sort_by_key(|error| error.span.start);
        let mut rest = errors.into_iter();
        let mut first = rest.next()?;
        first.others = rest.collect();
        Some(first)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.expected.is_empty() {
            write!(f, ", expected {}", self.expected.join(" or "))?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; write `{suggestion}`?")?;
        }
        Ok(())
    }
}

impl std::error::Error for FilterError {}

/// The word of `known` nearest to `word`: at most two edits away, and fewer than half its letters.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if word.len() > 32 {
        return None;
    }
    let letters: Vec<char> = word.chars().collect();
    known
        .map(|candidate| (distance(&letters, candidate), candidate))
        .filter(|&(edits, candidate)| edits <= 2 && edits * 2 < candidate.len().max(word.len()))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_keyword_finds_its_neighbour() {
        let words = ["port", "proto", "host", "portrange"];
        assert_eq!(nearest("prot", words.into_iter()).as_deref(), Some("port"));
        assert_eq!(nearest("hots", words.into_iter()).as_deref(), Some("host"));
        assert_eq!(nearest("zzz", words.into_iter()), None);
    }
}
