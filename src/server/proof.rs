//! Which addresses have shown that they receive what is sent to them: the source of a datagram may be forged.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::clock::Timestamp;

/// Addresses that are remembered at most; one that hashes to the place of another takes it.
const PLACES: u64 = 65_536;
/// How long a proof counts.
const AGE: Duration = Duration::from_secs(600);

/// Whoever completes a TCP handshake has proved its address. Shared by all workers, without locks: a place holds the upper half of a
/// keyed hash of the address and the second of the proof.
#[derive(Debug)]
pub(super) struct Proofs {
    places: Box<[AtomicU64]>,
    hash: RandomState,
}

impl Proofs {
    pub(super) fn new() -> Arc<Self> {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { places, hash: RandomState::new() })
    }

    /// This address has just completed a handshake.
    pub(super) fn note(&self, client: IpAddr, now: Timestamp) {
        let (place, tag) = self.find(client);
        if let Some(place) = place {
            place.store(tag << 32 | seconds(now), Relaxed);
        }
    }

    /// This address has completed one not long ago.
    pub(super) fn has(&self, client: IpAddr, now: Timestamp) -> bool {
        let (place, tag) = self.find(client);
        let known = place.map_or(0, |place| place.load(Relaxed));
        let age = seconds(now).wrapping_sub(known) & u64::from(u32::MAX);
        known != 0 && known >> 32 == tag && age <= AGE.as_secs()
    }

    fn find(&self, client: IpAddr) -> (Option<&AtomicU64>, u64) {
        let hash = self.hash.hash_one(client.to_canonical());
        let at = usize::try_from(hash % PLACES).unwrap_or(0);
        (self.places.get(at), hash >> 32)
    }
}

fn seconds(now: Timestamp) -> u64 {
    (now.as_micros() / 1_000_000) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_counts_for_its_address_alone_and_not_for_ever() {
        let proofs = Proofs::new();
        let [one, other] = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        assert!(!proofs.has(one, now));
        proofs.note(one, now);
        assert!(proofs.has(one, now + Duration::from_secs(599)) && !proofs.has(other, now));
        assert!(proofs.has("::ffff:192.0.2.1".parse().unwrap(), now));
        assert!(!proofs.has(one, now + Duration::from_secs(602)));
    }
}
