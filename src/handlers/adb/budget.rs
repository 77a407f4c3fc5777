//! Memory for files on their way in: a bound for each, and one for all sessions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest file that is taken; a device's data partition may well be as full.
const MAX_FILE: usize = 8 * 1024 * 1024;
/// All files on their way in.
const MAX_TOGETHER: usize = 64 * 1024 * 1024;

/// What all sessions have taken together.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// A file that arrives in pieces.
    pub(super) fn file(&self) -> Incoming {
        Incoming { bytes: Vec::new(), budget: self.clone() }
    }
}

/// A file of which the first pieces have come.
#[derive(Debug)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    budget: Budget,
}

impl Incoming {
    /// Takes the next piece; false when there is no room for it.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
        let Budget(taken) = &self.budget;
        if self.bytes.len() + piece.len() > MAX_FILE {
            return false;
        }
        if taken.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > MAX_TOGETHER {
            taken.fetch_sub(piece.len(), Ordering::Relaxed);
            return false;
        }
        self.bytes.extend_from_slice(piece);
        true
    }

    /// What has come.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole file; its room is free again.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.release();
        std::mem::take(&mut self.bytes)
    }

    fn release(&self) {
        self.budget.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_bounded_and_all_together_are_and_room_comes_back() {
        let budget = Budget::default();
        let mut files: Vec<Incoming> = (0..8).map(|_| budget.file()).collect();
        assert!(files.iter_mut().all(|file| file.push(&vec![1; MAX_FILE])));
        assert!(!files[0].push(b"x"), "longer than a file may be");
        assert!(!budget.file().push(b"x"), "more than all together may be");
        assert_eq!(files[0].take().len(), MAX_FILE);
        drop(files);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }
}
