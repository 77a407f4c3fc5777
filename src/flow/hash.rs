//! SipHash-1-3 with a secret key over a few words: attackers pick the keys of the flow table, so they must not pick its buckets.
//!
//! The construction is that of Aumasson and Bernstein (2012) with one compression and three finalisation rounds, over whole words: a
//! tuple of IPv4 costs three compressions. A test holds it against the standard library's.

/// The secret of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(pub(super) u64, pub(super) u64);

impl Key {
    /// Hashes words in order; their number is part of the hash.
    pub(super) fn hash(self, words: &[u64]) -> u64 {
        let mut state = State {
            v0: self.0 ^ 0x736f_6d65_7073_6575,
            v1: self.1 ^ 0x646f_7261_6e64_6f6d,
            v2: self.0 ^ 0x6c79_6765_6e65_7261,
            v3: self.1 ^ 0x7465_6462_7974_6573,
        };
        for &word in words {
            state.compress(word);
        }
        state.compress(((words.len() as u64) * 8) << 56);
        state.v2 ^= 0xff;
        state.round();
        state.round();
        state.round();
        state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    #[inline]
    const fn compress(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    #[inline]
    const fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{DefaultHasher, Hasher};

    proptest! {
        #[test]
        fn it_is_the_hash_of_the_standard_library(words in prop::collection::vec(any::<u64>(), 0..6)) {
            let mut reference = DefaultHasher::new();
            for word in &words {
                reference.write(&word.to_le_bytes());
            }
            prop_assert_eq!(Key(0, 0).hash(&words), reference.finish());
        }
    }
}
