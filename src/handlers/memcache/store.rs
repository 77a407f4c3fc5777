//! What one source has stored: items with their lifetimes and numbers, and the counters that `stats` shows. Bounded twice: a
//! source holds [`MAX_SOURCE`] bytes, all sources together [`MAX_TOTAL`].

use std::sync::Arc;

use super::counts::Counts;
use super::item::{Item, size_of_item};
use crate::handlers::held::{Held, Share};
use crate::recency::Recency;

/// Bytes that one source may hold, items and values on their way together; the item longest unused goes first.
const MAX_SOURCE: usize = 4 * 1024 * 1024;
/// Items of one source.
const MAX_ITEMS: usize = 4_096;
/// Bytes of all sources: memcached's own default limit (`-m 64`).
const MAX_TOTAL: usize = 64 * 1024 * 1024;
/// Largest item, with its header (memcached's default, `-I 1m`).
const MAX_ITEM: usize = 1024 * 1024;

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
}

/// What became of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Done; the item's new number.
    Stored(u64),
    NotStored,
    /// The number did not fit.
    Exists,
    NotFound,
}

/// Why a value finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Larger than any item may be.
    TooLarge,
    /// The source's or the common limit is reached.
    Memory,
}

/// What became of an increment or decrement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// The new value and the item's new number.
    Value(u64, u64),
    NotFound,
    NotNumeric,
    Exists,
}

/// The cache as one source sees it.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Each with its part of the limits.
    items: Recency<Arc<[u8]>, (Item, Share)>,
    bytes: usize,
    /// Items, and values on their way.
    held: Held,
    /// The same of all sources.
    total: Held,
    last_cas: u64,
    /// What was last used in this second or before is gone, once the second has come (`oldest_live`).
    pub(super) oldest: Option<u64>,
    pub(super) counts: Counts,
    pub(super) verbosity: u64,
    pub(super) crawler_is_off: bool,
    /// Items with a higher number are counted by their sizes.
    pub(super) sizes_since: Option<u64>,
}

impl Cache {
    /// Binds the cache to the common limit: before anything else, on every visit.
    pub(super) fn within(&mut self, total: &Held) -> &mut Self {
        self.total = total.clone();
        self
    }

    /// Bytes of the items.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Living items, in no order.
    pub(super) fn living(&self, now: u64) -> impl Iterator<Item = (&[u8], &Item)> {
        let oldest = self.oldest;
        let items = self.items.iter().map(|(key, (item, _))| (&**key, item));
        items.filter(move |(_, item)| item.expires.is_none_or(|end| end > now) && !item.is_flushed(oldest, now))
    }

    /// Living items in the order of their keys.
    pub(super) fn items(&self, now: u64) -> Vec<(&[u8], &Item)> {
        let mut items: Vec<_> = self.living(now).collect();
        items.sort_unstable_by(|one, other| one.0.cmp(other.0));
        items
    }

    /// The living item of this key; one that is over goes now.
    pub(super) fn find(&mut self, key: &[u8], now: u64) -> Option<&mut Item> {
        let at = self.items.touch(key)?;
        let (_, (item, _)) = self.items.at(at)?;
        let (is_flushed, is_over) = (item.is_flushed(self.oldest, now), item.expires.is_some_and(|end| end <= now));
        if is_flushed || is_over {
            *(if is_flushed { &mut self.counts.get_flushed } else { &mut self.counts.get_expired }) += 1;
            self.remove_at(at);
            return None;
        }
        self.items.at(at).map(|(_, (item, _))| item)
    }

    /// Reads for a `get`: counts the hit or miss.
    pub(super) fn read(&mut self, key: &[u8], now: u64) -> Option<Item> {
        self.counts.cmd_get += 1;
        let found = self.find(key, now).map(|item| {
            let before = item.clone();
            item.read(now);
            before
        });
        *(if found.is_some() { &mut self.counts.get_hits } else { &mut self.counts.get_misses }) += 1;
        found
    }

    /// Reads and gives a new lifetime.
    pub(super) fn read_and_touch(&mut self, key: &[u8], expires: Option<u64>, now: u64) -> Option<Item> {
        let found = self.read(key, now);
        self.touch(key, expires, now);
        found
    }

    /// Gives a new lifetime; false when there is no such item.
    pub(super) fn touch(&mut self, key: &[u8], expires: Option<u64>, now: u64) -> bool {
        self.counts.cmd_touch += 1;
        let found = self.find(key, now).map(|item| item.expires = expires).is_some();
        *(if found { &mut self.counts.touch_hits } else { &mut self.counts.touch_misses }) += 1;
        found
    }

    /// Room for a value that is announced, held until it is given up.
    pub(super) fn promise(&mut self, key: &[u8], flags: u32, value: usize) -> Result<Share, NoRoom> {
        let size = size_of_item(key.len(), flags, value);
        if size > MAX_ITEM {
            self.counts.store_too_large += 1;
            self.remove(key);
            return Err(NoRoom::TooLarge);
        }
        self.make_room(size)
    }

    /// Stores. A `cas` other than zero must be the item's number.
    pub(super) fn store(&mut self, mode: Mode, key: &[u8], new: Item, cas: u64, now: u64) -> Outcome {
        self.counts.cmd_set += 1;
        let old = self.find(key, now).map(|item| (item.cas, item.clone()));
        if cas != 0 {
            match &old {
                None => {
                    self.counts.cas_misses += 1;
                    return Outcome::NotFound;
                }
                Some((number, _)) if *number != cas => {
                    self.counts.cas_badval += 1;
                    return Outcome::Exists;
                }
                Some(_) => self.counts.cas_hits += 1,
            }
        }
        let item = match (mode, old) {
            (Mode::Set, _) | (Mode::Add, None) | (Mode::Replace, Some(_)) => new,
            (Mode::Append, Some((_, mut old))) => {
                (old.stale, old.awaited) = (false, false);
                old.value.extend_from_slice(&new.value);
                old
            }
            (Mode::Prepend, Some((_, mut old))) => {
                (old.stale, old.awaited) = (false, false);
                old.value.splice(..0, new.value);
                old
            }
            (Mode::Add, Some(_)) | (Mode::Replace | Mode::Append | Mode::Prepend, None) => return Outcome::NotStored,
        };
        self.put(key, item, now).map_or(Outcome::NotStored, Outcome::Stored)
    }

    /// Adds or subtracts. Sums wrap at 64 bits, differences stop at zero; a shorter text is padded with blanks as memcached does.
    pub(super) fn count(&mut self, key: &[u8], delta: u64, up: bool, cas: u64, now: u64) -> Counted {
        let counts = |cache: &mut Self, hit: bool| {
            let counts = &mut cache.counts;
            *(match (up, hit) {
                (true, true) => &mut counts.incr_hits,
                (true, false) => &mut counts.incr_misses,
                (false, true) => &mut counts.decr_hits,
                (false, false) => &mut counts.decr_misses,
            }) += 1;
        };
        let Some(mut item) = self.find(key, now).cloned() else {
            counts(self, false);
            return Counted::NotFound;
        };
        if cas != 0 && item.cas != cas {
            return Counted::Exists;
        }
        let text = std::str::from_utf8(&item.value).ok().filter(|text| text.len() <= 20);
        let Some(old) = text.and_then(|text| text.trim_end().parse::<u64>().ok()) else { return Counted::NotNumeric };
        let value = if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
        counts(self, true);
        let width = item.value.len();
        item.value = format!("{value:<width$}").into_bytes();
        match self.put(key, item, now) {
            Some(cas) => Counted::Value(value, cas),
            None => Counted::NotFound,
        }
    }

    /// Deletes; false when there is no such item.
    pub(super) fn delete(&mut self, key: &[u8], now: u64) -> bool {
        let found = self.find(key, now).is_some();
        *(if found { &mut self.counts.delete_hits } else { &mut self.counts.delete_misses }) += 1;
        self.remove(key);
        found
    }

    /// Marks an item as stale, with a new number and perhaps a new lifetime.
    pub(super) fn outdate(&mut self, key: &[u8], expires: Option<Option<u64>>, now: u64) {
        self.last_cas += 1;
        let cas = self.last_cas;
        if let Some(item) = self.find(key, now) {
            (item.stale, item.awaited, item.cas) = (true, false, cas);
            item.expires = expires.unwrap_or(item.expires);
        }
    }

    /// Counts what is stored from now on by its size: memcached draws a number for that.
    pub(super) fn watch_sizes(&mut self) {
        if self.sizes_since.is_none() {
            self.last_cas += 1;
            self.sizes_since = Some(self.last_cas);
        }
    }

    /// Forgets everything, now or at a time to come. A time is reached a second early, and for all of that second nothing is kept.
    pub(super) fn flush(&mut self, at: Option<u64>, now: u64) {
        self.counts.cmd_flush += 1;
        let oldest = at.filter(|&at| at > 0).unwrap_or(now).saturating_sub(1);
        self.oldest = Some(oldest);
        if oldest <= now {
            // memcached remembers the number up to which everything is gone.
            self.last_cas += 1;
            self.items = Recency::default();
            self.bytes = 0;
        }
    }

    /// Puts an item in its place and numbers it.
    fn put(&mut self, key: &[u8], mut item: Item, now: u64) -> Option<u64> {
        self.remove(key);
        let size = item.size(key);
        if size > MAX_ITEM {
            return None;
        }
        let share = self.make_room(size).ok()?;
        self.bytes += size;
        self.last_cas += 1;
        self.counts.total_items += 1;
        (item.cas, item.accessed) = (self.last_cas, now);
        self.items.insert(key.into(), (item, share));
        Some(self.last_cas)
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(at) = self.items.touch(key) {
            self.remove_at(at);
        }
    }

    fn remove_at(&mut self, at: usize) {
        let size = self.items.at(at).map(|(key, (item, _))| item.size(key));
        self.items.remove(at);
        self.bytes -= size.unwrap_or(0).min(self.bytes);
    }

    /// Takes these bytes from the limits; items that were unused longest make room.
    fn make_room(&mut self, size: usize) -> Result<Share, NoRoom> {
        loop {
            let share = (self.items.len() < MAX_ITEMS)
                .then(|| Share::take([(&self.held, MAX_SOURCE), (&self.total, MAX_TOTAL)], size));
            if let Some(share) = share.flatten() {
                return Ok(share);
            }
            let Some((oldest, _)) = self.items.oldest() else {
                self.counts.store_no_memory += 1;
                return Err(NoRoom::Memory);
            };
            self.counts.evictions += 1;
            self.remove_at(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(value: &[u8]) -> Item {
        Item { value: value.to_vec(), ..Item::default() }
    }

    #[test]
    fn the_item_longest_unused_makes_room_and_every_byte_is_given_back() {
        let total = Held::default();
        let mut cache = Cache::default();
        cache.within(&total);
        for n in 0_u32..5 {
            let stored = cache.store(Mode::Set, &n.to_be_bytes(), item(&vec![b'x'; 1_000_000]), 0, 10);
            assert!(matches!(stored, Outcome::Stored(_)));
            cache.find(&0_u32.to_be_bytes(), 10).unwrap();
        }
        assert!(cache.bytes() <= MAX_SOURCE);
        assert!(cache.find(&0_u32.to_be_bytes(), 10).is_some() && cache.find(&1_u32.to_be_bytes(), 10).is_none());
        assert_eq!(total.bytes(), cache.bytes());
        drop(cache);
        assert_eq!(total.bytes(), 0);
    }

    #[test]
    fn all_sources_together_stay_below_the_common_limit() {
        let total = Held::default();
        let mut caches: Vec<Cache> = (0..20).map(|_| Cache::default()).collect();
        for cache in &mut caches {
            for n in 0_u32..4 {
                cache.within(&total).store(Mode::Set, &n.to_be_bytes(), item(&vec![b'x'; 1_000_000]), 0, 10);
            }
        }
        assert!(total.bytes() <= MAX_TOTAL);
        assert!(caches[19].counts.store_no_memory > 0);
    }

    #[test]
    fn a_value_that_was_only_announced_holds_room_until_it_comes_or_never_will() {
        let total = Held::default();
        let mut cache = Cache::default();
        let promise = cache.within(&total).promise(b"k", 0, 1_000).unwrap();
        assert_eq!(total.bytes(), 1_060);
        drop(promise);
        assert_eq!(total.bytes(), 0);
        assert_eq!(cache.promise(b"k", 0, 2_000_000).unwrap_err(), NoRoom::TooLarge);
    }
}
