//! What `stats` counts.

/// Counters of `stats`, by memcached's names.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) cmd_get: u64,
    pub(super) cmd_set: u64,
    pub(super) cmd_flush: u64,
    pub(super) cmd_touch: u64,
    pub(super) cmd_meta: u64,
    pub(super) get_hits: u64,
    pub(super) get_misses: u64,
    pub(super) get_expired: u64,
    pub(super) get_flushed: u64,
    pub(super) delete_misses: u64,
    pub(super) delete_hits: u64,
    pub(super) incr_misses: u64,
    pub(super) incr_hits: u64,
    pub(super) decr_misses: u64,
    pub(super) decr_hits: u64,
    pub(super) cas_misses: u64,
    pub(super) cas_hits: u64,
    pub(super) cas_badval: u64,
    pub(super) touch_hits: u64,
    pub(super) touch_misses: u64,
    pub(super) store_too_large: u64,
    pub(super) store_no_memory: u64,
    pub(super) total_items: u64,
    pub(super) evictions: u64,
    pub(super) bytes_read: u64,
    pub(super) bytes_written: u64,
    pub(super) connections: u64,
    pub(super) open_connections: u64,
}
