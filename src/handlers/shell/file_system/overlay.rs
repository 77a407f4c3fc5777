//! What one source has changed, and the room that it takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Fault, Node, Tree};

/// Entries that one source can change, removals included.
pub(super) const MAX_FILES: usize = 512;
/// Bytes that one source can keep, entries included.
const MAX_BYTES: usize = 2 << 20;
/// Bytes that all sources of one device can keep together.
const MAX_BYTES_OF_ALL: usize = 128 << 20;
/// What an entry costs beside its content and its path.
pub(super) const ENTRY: usize = 160;

/// What one source has changed.
#[derive(Debug, Default)]
pub(in crate::handlers) struct Overlay {
    /// `None`: removed.
    pub(super) nodes: BTreeMap<Vec<u8>, Option<Node>>,
    bytes: usize,
    room: Option<Arc<AtomicUsize>>,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers) enum Change {
    Modified,
    Added,
    Removed,
}

impl Overlay {
    /// Every path that differs from the tree, and how.
    pub(in crate::handlers::shell) fn changes(&self, tree: &Tree) -> Vec<(String, Change)> {
        let change = |(path, node): (&Vec<u8>, &Option<Node>)| {
            let change = match (node, tree.get(path)) {
                (None, _) => Change::Removed,
                (Some(_), Some(_)) => Change::Modified,
                (Some(_), None) => Change::Added,
            };
            (String::from_utf8_lossy(path).into_owned(), change)
        };
        self.nodes.iter().map(change).collect()
    }

    /// The same changes once more, as far as there is room for them.
    pub(in crate::handlers::shell) fn copied(&self, room: &Arc<AtomicUsize>) -> Self {
        let mut copy = Self::default();
        if copy.grow(room, self.bytes).is_ok() {
            copy.nodes = self.nodes.clone();
        }
        copy
    }

    pub(super) fn grow(&mut self, room: &Arc<AtomicUsize>, by: usize) -> Result<(), Fault> {
        if self.bytes.saturating_add(by) > MAX_BYTES {
            return Err(Fault::Full);
        }
        let shared = self.room.get_or_insert_with(|| Arc::clone(room));
        if shared.fetch_add(by, Ordering::Relaxed).saturating_add(by) > MAX_BYTES_OF_ALL {
            shared.fetch_sub(by, Ordering::Relaxed);
            return Err(Fault::Full);
        }
        self.bytes += by;
        Ok(())
    }

    pub(super) fn shrink(&mut self, by: usize) {
        let by = by.min(self.bytes);
        self.bytes -= by;
        if let Some(room) = &self.room {
            room.fetch_sub(by, Ordering::Relaxed);
        }
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
