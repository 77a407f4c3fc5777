//! One stored value, its size and its lifetime.

/// Lifetimes longer than thirty days are points in time (protocol.txt, "Expiration times").
const LONGEST_RELATIVE: i64 = 60 * 60 * 24 * 30;

/// One stored value.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    pub(super) value: Vec<u8>,
    /// Opaque to the server.
    pub(super) flags: u32,
    /// Changes with every store.
    pub(super) cas: u64,
    /// Unix time in seconds; `None` lives for ever.
    pub(super) expires: Option<u64>,
    /// Unix time of the last use that counts.
    pub(super) accessed: u64,
    /// Read since it was stored.
    pub(super) fetched: bool,
    /// Read twice.
    pub(super) active: bool,
    /// Made by a meta get, and its maker has not stored a value yet.
    pub(super) awaited: bool,
    /// A newer value is wanted, though this one is still given.
    pub(super) stale: bool,
    /// The key came in base64, and is shown so.
    pub(super) binary_key: bool,
}

impl Item {
    /// Bytes that memcached needs for it: header, CAS, key and its end, flags when there are any, value and line end.
    pub(super) fn size(&self, key: &[u8]) -> usize {
        size_of_item(key.len(), self.flags, self.value.len())
    }

    /// Somebody reads it: the second time tells memcached that it is in use.
    pub(super) fn read(&mut self, now: u64) {
        if self.fetched && !std::mem::replace(&mut self.active, true) {
            self.accessed = now;
        }
        self.fetched = true;
    }

    /// It went with everything else of this second or before.
    pub(super) fn is_flushed(&self, oldest: Option<u64>, now: u64) -> bool {
        oldest.is_some_and(|oldest| oldest <= now && self.accessed <= oldest)
    }

    /// Seconds left: -1 without end.
    pub(super) fn seconds_left(&self, now: u64) -> i64 {
        self.expires.map_or(-1, |end| i64::try_from(end.saturating_sub(now)).unwrap_or(i64::MAX))
    }
}

/// Bytes that memcached needs for an item with a key and a value so long.
pub(super) fn size_of_item(key: usize, flags: u32, value: usize) -> usize {
    let flags = if flags == 0 { 0 } else { 4 };
    48 + 8 + key + 1 + flags + value + 2
}

/// The end of a lifetime: `None` without end; a time that is over for negative ones.
pub(super) fn expiry(exptime: i64, now: u64) -> Option<u64> {
    match exptime {
        0 => None,
        ..0 => Some(0),
        1..=LONGEST_RELATIVE => Some(now.saturating_add(exptime.unsigned_abs())),
        _ => Some(exptime.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_relative_up_to_thirty_days_and_points_in_time_beyond() {
        assert_eq!(expiry(0, 1_000), None);
        assert_eq!(expiry(-1, 1_000), Some(0));
        assert_eq!(expiry(10, 1_000), Some(1_010));
        assert_eq!(expiry(2_592_001, 1_000), Some(2_592_001));
    }
}
