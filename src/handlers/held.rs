//! Memory that visitors can make a handler keep: counted for each source and for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are kept, of one source or of all.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<AtomicUsize>);

impl Held {
    fn take(&self, bytes: usize, most: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|&held| held <= most);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that count for a source and for all while this lives.
#[derive(Debug)]
pub(super) struct Share {
    counted: [Held; 2],
    bytes: usize,
}

impl Share {
    /// Counts so many bytes for the source and for all, each with its bound. `None`: that would be too much.
    pub(super) fn take([source, all]: [(&Held, usize); 2], bytes: usize) -> Option<Self> {
        if !source.0.take(bytes, source.1) {
            return None;
        }
        if !all.0.take(bytes, all.1) {
            source.0.give_back(bytes);
            return None;
        }
        Some(Self { counted: [source.0.clone(), all.0.clone()], bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.counted.iter().for_each(|held| held.give_back(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_bound_is_passed_and_what_is_dropped_is_given_back() {
        let (source, all) = (Held::default(), Held::default());
        let take = |bytes| Share::take([(&source, 10), (&all, 12)], bytes);
        let first = take(8).unwrap();
        assert!(take(3).is_none());
        let other = Share::take([(&Held::default(), 10), (&all, 12)], 5);
        assert!(other.is_none() && (source.bytes(), all.bytes()) == (8, 8));
        drop(first);
        assert_eq!((source.bytes(), all.bytes()), (0, 0));
        assert!(take(10).is_some());
    }
}
