//! Filters of visitors: each tells what came since it was asked last.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::chain::{Block, hash};

/// Filters of all visitors that are remembered; the oldest goes.
const MAX_FILTERS: usize = 128;
/// Blocks that one answer tells of.
const MAX_BLOCKS: u64 = 128;

/// The filters of a node.
#[derive(Default)]
pub(super) struct Filters(Mutex<VecDeque<Filter>>);

struct Filter {
    id: String,
    /// It tells the hashes of new blocks; others find nothing.
    of_blocks: bool,
    /// The newest block that was told.
    seen: u64,
}

impl Filters {
    fn with<R>(&self, work: impl FnOnce(&mut VecDeque<Filter>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new filter; its id.
    pub(super) fn add(&self, seed: u64, head: u64, of_blocks: bool) -> Value {
        self.with(|all| {
            let id = hash(seed ^ all.len() as u64, head, "filter").chars().take(34).collect::<String>();
            all.retain(|known| known.id != id);
            if all.len() >= MAX_FILTERS {
                all.pop_front();
            }
            all.push_back(Filter { id: id.clone(), of_blocks, seen: head });
            id.into()
        })
    }

    /// What came since it was asked last; `None`: there is no such filter.
    pub(super) fn changes(&self, id: &str, head: u64) -> Option<Value> {
        self.with(|all| {
            let filter = all.iter_mut().find(|known| known.id == id)?;
            let first = (filter.seen + 1).max(head.saturating_sub(MAX_BLOCKS));
            filter.seen = head;
            let hashes = (first..=head).filter(|_| filter.of_blocks).map(|number| Block::at(number).hash());
            Some(json!(hashes.collect::<Vec<String>>()))
        })
    }

    /// Forgets it; false when there was none.
    pub(super) fn remove(&self, id: &str) -> bool {
        self.with(|all| {
            let before = all.len();
            all.retain(|known| known.id != id);
            all.len() < before
        })
    }
}
