//! How many sessions there may be, in all and from one source.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::packet::Address;

const SHARDS: usize = 16;

/// Whom limits by source count as one.
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    Address::from(address).source().into()
}

/// Why a session is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `max_sessions` is reached.
    Total,
    /// `max_sessions_per_source` is reached.
    Source,
}

/// Counts the sessions of all workers.
#[derive(Debug)]
pub(super) struct Admission {
    open: AtomicUsize,
    max: usize,
    max_per_source: usize,
    sources: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    shard_of: RandomState,
}

/// One admitted session; dropping it makes room.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    pub(super) fn new(max: usize, max_per_source: usize) -> Arc<Self> {
        let sources = std::array::from_fn(|_| Mutex::default());
        Arc::new(Self { open: AtomicUsize::new(0), max, max_per_source, sources, shard_of: RandomState::new() })
    }

    /// Room for one more session from this address.
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Permit, Refusal> {
        let source = source_of(client);
        let admitted = self.in_shard(source, |sources| {
            let open = sources.get(&source).copied().unwrap_or(0);
            let admitted = open < self.max_per_source;
            if admitted {
                sources.insert(source, open + 1);
            }
            admitted
        });
        if !admitted {
            return Err(Refusal::Source);
        }
        let permit = Permit { admission: Arc::clone(self), source };
        // The permit exists by now: on refusal its drop takes both counts back.
        if self.open.fetch_add(1, Relaxed) < self.max { Ok(permit) } else { Err(Refusal::Total) }
    }

    fn in_shard<T>(&self, source: IpAddr, act: impl FnOnce(&mut HashMap<IpAddr, usize>) -> T) -> T {
        let shard = usize::try_from(self.shard_of.hash_one(source) % SHARDS as u64).unwrap_or(0);
        let mut unsharded = HashMap::new();
        match self.sources.get(shard) {
            Some(sources) => act(&mut sources.lock().unwrap_or_else(PoisonError::into_inner)),
            None => act(&mut unsharded),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Relaxed);
        self.admission.in_shard(self.source, |sources| match sources.get_mut(&self.source) {
            Some(open) if *open > 1 => *open -= 1,
            _ => drop(sources.remove(&self.source)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_hold_and_ended_sessions_make_room() {
        let admission = Admission::new(3, 2);
        let address = |last| IpAddr::from([192, 0, 2, last]);
        let first = admission.admit(address(1)).unwrap();
        let _second = admission.admit(address(1)).unwrap();
        assert_eq!(admission.admit(address(1)).unwrap_err(), Refusal::Source);
        let _third = admission.admit(address(2)).unwrap();
        assert_eq!(admission.admit(address(3)).unwrap_err(), Refusal::Total);
        drop(first);
        let _fourth = admission.admit(address(3)).unwrap();
        assert_eq!(admission.open.load(Relaxed), 3);
    }

    #[test]
    fn nothing_is_remembered_of_sources_that_have_left() {
        let admission = Admission::new(1_000, 2);
        for last in 0..=255 {
            drop(admission.admit(IpAddr::from([192, 0, 2, last])));
        }
        assert!(admission.sources.iter().all(|sources| sources.lock().unwrap().is_empty()));
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let admission = Admission::new(1_000, 1);
        let _permit = admission.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(admission.admit("2001:db8::ffff:2".parse().unwrap()).is_err());
        assert!(admission.admit("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }
}
