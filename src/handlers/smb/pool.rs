//! Memory that visitors can make the sensor hold: a budget for all sessions of the handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of one budget, all sessions together.
const BUDGET: usize = 96 * 1024 * 1024;

/// The budget.
#[derive(Debug)]
pub(super) struct Pool {
    left: AtomicUsize,
}

impl Pool {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(BUDGET) })
    }

    fn take(&self, count: usize) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count)).is_ok()
    }
}

/// Bytes that count against the budget while they live.
#[derive(Debug)]
pub(super) struct Held {
    pool: Arc<Pool>,
    bytes: Vec<u8>,
    counted: usize,
}

impl Held {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), bytes: Vec::new(), counted: 0 }
    }

    /// Counts bytes that are held elsewhere; `None` when the budget has no more.
    pub(super) fn elsewhere(pool: &Arc<Pool>, count: usize) -> Option<Self> {
        let counted = if pool.take(count) { count } else { return None };
        Some(Self { pool: Arc::clone(pool), bytes: Vec::new(), counted })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes at an offset, with zeros before it where nothing is; false when that passes `limit` or the budget.
    pub(super) fn write_at(&mut self, offset: u64, bytes: &[u8], limit: usize) -> bool {
        let Some(start) = usize::try_from(offset).ok().filter(|start| *start <= limit) else { return false };
        let end = start + bytes.len();
        if end > limit || !self.resize(end.max(self.bytes.len())) {
            return false;
        }
        match self.bytes.get_mut(start..end) {
            Some(room) => room.copy_from_slice(bytes),
            None => return false,
        }
        true
    }

    /// Cuts or fills up with zeros; false when the budget has no more.
    pub(super) fn resize(&mut self, len: usize) -> bool {
        // Vec doubles its room, so twice the length is what it may take.
        let more = (2 * len).saturating_sub(self.counted);
        if !self.pool.take(more) {
            return false;
        }
        self.counted += more;
        self.bytes.resize(len, 0);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.left.fetch_add(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back_and_the_budget_is_never_passed() {
        let pool = Pool::new();
        let mut held = Held::new(&pool);
        assert!(held.write_at(4, b"abc", 100));
        assert_eq!(held.bytes(), b"\0\0\0\0abc");
        assert!(!held.write_at(99, b"abc", 100) && !held.write_at(u64::MAX, b"abc", 100));
        assert!(!held.resize(BUDGET));
        drop(held);
        assert_eq!(pool.left.load(Ordering::Relaxed), BUDGET);
    }
}
