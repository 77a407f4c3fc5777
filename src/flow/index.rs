//! From a hash to the flows that have it: open addressing, linear probing, one cache line for most lookups.
//!
//! A slot holds 32 bits of the hash beside the flow's number, so a probe reads the flow itself only when the hash agrees. General hash tables keep
//! control bytes and values apart, which is a second cache miss for every packet of a table that has outgrown the caches.

/// Slots for each flow at most three quarters full; a power of two for each shard.
#[derive(Debug)]
pub(super) struct Index {
    /// `hash << 32 | number + 1`; 0 is empty, so that fresh zero pages are an empty index.
    slots: Vec<u64>,
    len: usize,
}

impl Index {
    /// Room for this many flows without growing.
    pub(super) fn with_capacity(flows: usize) -> Self {
        let slots = (flows + flows / 3 + 1).next_power_of_two().max(8);
        Self { slots: vec![0; slots], len: 0 }
    }

    /// The flow with this hash that `is_it` recognises.
    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.probe(hash, is_it).map(|(_, number)| number)
    }

    /// Adds a flow that is not in the index.
    pub(super) fn insert(&mut self, hash: u64, number: u32) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.len += 1;
        self.place((u64::from(hash as u32) << 32) | (u64::from(number) + 1));
    }

    /// Takes a flow out, if it is in.
    pub(super) fn remove(&mut self, hash: u64, number: u32) {
        let Some((mut hole, _)) = self.probe(hash, |other| other == number) else { return };
        self.len -= 1;
        // Slots behind the hole move up unless that would put them before the place where their probe begins.
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask();
            let slot = self.slots.get(at).copied().unwrap_or(0);
            if slot == 0 {
                break;
            }
            let home = (slot >> 32) as usize & self.mask();
            if at.wrapping_sub(home) & self.mask() >= at.wrapping_sub(hole) & self.mask() {
                self.set(hole, slot);
                hole = at;
            }
        }
        self.set(hole, 0);
    }

    /// Flows in the index.
    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Walks from the hash's home to the next empty slot; there always is one.
    fn probe(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        let hash = hash as u32;
        let mut at = hash as usize & self.mask();
        loop {
            let slot = self.slots.get(at).copied().unwrap_or(0);
            if slot == 0 {
                return None;
            }
            let number = (slot as u32).wrapping_sub(1);
            if (slot >> 32) as u32 == hash && is_it(number) {
                return Some((at, number));
            }
            at = (at + 1) & self.mask();
        }
    }

    fn place(&mut self, slot: u64) {
        let mut at = (slot >> 32) as usize & self.mask();
        while self.slots.get(at).is_some_and(|&taken| taken != 0) {
            at = (at + 1) & self.mask();
        }
        self.set(at, slot);
    }

    fn grow(&mut self) {
        let grown = vec![0; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, grown).into_iter().filter(|&slot| slot != 0) {
            self.place(slot);
        }
    }

    fn set(&mut self, at: usize, slot: u64) {
        if let Some(old) = self.slots.get_mut(at) {
            *old = slot;
        }
    }

    const fn mask(&self) -> usize {
        self.slots.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((any::<bool>(), 0..40_u32, 0..6_u64), 1..400)) {
            let mut index = Index::with_capacity(0);
            let mut model = HashMap::new();
            for (insert, number, hash) in steps {
                // Few hashes, so that probes run into each other; the number decides the hash, as a flow's tuple does.
                let hash = (hash ^ u64::from(number)) % 6;
                if insert && !model.contains_key(&number) {
                    index.insert(hash, number);
                    model.insert(number, hash);
                } else if let Some(hash) = model.remove(&number) {
                    index.remove(hash, number);
                }
                prop_assert_eq!(index.len(), model.len());
                for (&number, &hash) in &model {
                    prop_assert_eq!(index.find(hash, |other| other == number), Some(number));
                }
            }
        }
    }
}
