//! What a handler remembers of each source, across its sessions and workers.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::packet::Address;
use crate::recency::Recency;

/// Forgotten sources that one call gives up.
const EXPIRED_PER_CALL: usize = 2;

#[derive(Debug)]
struct Remembered<T> {
    value: T,
    seen: Timestamp,
}

/// What a handler remembers of each source: IPv4 by address, IPv6 by /64, which is what one customer has. Shared by all workers;
/// bounded: the source that has been silent for longest makes room for another, and all are forgotten after a time.
#[derive(Debug)]
pub struct Sources<T> {
    table: Mutex<Recency<IpAddr, Remembered<T>>>,
    max_sources: usize,
    keep: Duration,
}

impl<T: Default> Sources<T> {
    /// Remembers at most `max_sources` (at least one), each for `keep` after its last visit.
    pub fn new(max_sources: usize, keep: Duration) -> Self {
        Self { table: Mutex::new(Recency::default()), max_sources: max_sources.max(1), keep }
    }

    /// Works with what is remembered of a source; a new one starts with the default. Others wait meanwhile: keep `work` short, and do not
    /// call `with` in it.
    pub fn with<R>(&self, source: IpAddr, now: Timestamp, work: impl FnOnce(&mut T) -> R) -> R {
        let key = network(source);
        // What a panic left half done is one source's memory; the table itself is whole.
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..EXPIRED_PER_CALL {
            match table.oldest() {
                Some((at, oldest)) if oldest.seen + self.keep < now => table.remove(at),
                _ => break,
            };
        }
        let known = table.touch(&key);
        if let Some((_, found)) = known.and_then(|at| table.at(at)) {
            if found.seen + self.keep < now {
                found.value = T::default();
            }
            found.seen = now;
            return work(&mut found.value);
        }
        if table.len() >= self.max_sources
            && let Some((at, _)) = table.oldest()
        {
            table.remove(at);
        }
        let mut value = T::default();
        let result = work(&mut value);
        table.insert(key, Remembered { value, seen: now });
        result
    }
}

/// What counts as one source.
fn network(source: IpAddr) -> IpAddr {
    Address::from(source).source().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(sources: &Sources<u32>, source: &str, second: u64) -> u32 {
        sources.with(source.parse().unwrap(), Timestamp::from_micros(second * 1_000_000), |count| {
            *count += 1;
            *count
        })
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        let sources = Sources::new(10, Duration::from_secs(60));
        assert_eq!(count(&sources, "192.0.2.1", 0), 1);
        assert_eq!(count(&sources, "192.0.2.2", 0), 1);
        assert_eq!(count(&sources, "::ffff:192.0.2.1", 0), 2);
        assert_eq!(count(&sources, "2001:db8:0:1::1", 0), 1);
        assert_eq!(count(&sources, "2001:db8:0:1:ffff::2", 0), 2);
        assert_eq!(count(&sources, "2001:db8:0:2::1", 0), 1);
    }

    #[test]
    fn the_one_silent_for_longest_makes_room() {
        let sources = Sources::new(2, Duration::from_secs(60));
        count(&sources, "192.0.2.1", 0);
        count(&sources, "192.0.2.2", 1);
        count(&sources, "192.0.2.1", 2);
        count(&sources, "192.0.2.3", 3);
        assert_eq!(count(&sources, "192.0.2.1", 4), 3);
        assert_eq!(count(&sources, "192.0.2.2", 5), 1);
    }

    #[test]
    fn a_source_is_forgotten_after_a_time() {
        let sources = Sources::new(10, Duration::from_secs(60));
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
            assert_eq!(count(&sources, address, 0), 1);
        }
        assert_eq!(count(&sources, "192.0.2.4", 60), 2);
        assert_eq!(count(&sources, "192.0.2.3", 121), 1);
    }
}
