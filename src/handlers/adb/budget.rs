//! Memory for files on their way in, and for all else that a session holds: a bound for each, and one for all sessions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The longest file that is taken; a device's data partition may well be as full.
const MAX_FILE: usize = 8 * 1024 * 1024;
/// All files on their way in.
const MAX_TOGETHER: usize = 64 * 1024 * 1024;

/// Messages that are not whole, and answers that wait, of one session and of all. A service stops once its answers are as long.
pub(super) const MAX_HELD: usize = 4 * 1024 * 1024;
const MAX_HELD_TOGETHER: usize = 128 * 1024 * 1024;

/// What all sessions have taken together.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    files: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
}

impl Budget {
    /// A file that arrives in pieces.
    pub(super) fn file(&self) -> Incoming {
        Incoming { bytes: Vec::new(), taken: Arc::clone(&self.files) }
    }

    /// What one session holds: nothing yet.
    pub(super) fn held(&self) -> Held {
        Held { bytes: 0, together: Arc::clone(&self.held) }
    }
}

/// What one session holds; given back with the session.
#[derive(Debug)]
pub(super) struct Held {
    bytes: usize,
    together: Arc<AtomicUsize>,
}

impl Held {
    /// It holds so much now; false when that is too much.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        self.together.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
        let others = self.together.fetch_add(bytes, Ordering::Relaxed);
        bytes <= MAX_HELD && (bytes == 0 || others + bytes <= MAX_HELD_TOGETHER)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.together.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A file of which the first pieces have come.
#[derive(Debug)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    taken: Arc<AtomicUsize>,
}

impl Incoming {
    /// Takes the next piece; false when there is no room for it.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
        if self.bytes.len() + piece.len() > MAX_FILE {
            return false;
        }
        if self.taken.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > MAX_TOGETHER {
            self.taken.fetch_sub(piece.len(), Ordering::Relaxed);
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
        self.taken.fetch_sub(self.bytes.len(), Ordering::Relaxed);
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
        assert_eq!(budget.files.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_sessions_hold_is_bounded_for_each_and_for_all() {
        let budget = Budget::default();
        let mut sessions: Vec<Held> = (0..MAX_HELD_TOGETHER / MAX_HELD).map(|_| budget.held()).collect();
        assert!(!budget.held().set(MAX_HELD + 1));
        assert!(sessions.iter_mut().all(|session| session.set(MAX_HELD)));
        assert!(!budget.held().set(1) && budget.held().set(0));
        assert!(sessions[0].set(0) && budget.held().set(1));
        drop(sessions);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
