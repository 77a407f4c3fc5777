//! Randomness that a seed decides: the same session seed gives the same dialogue.

use std::ops::RangeInclusive;

/// SplitMix64 (Steele, Lea, Flood 2014): fills answers, picks delays. Not for secrets: whoever sees its output can go on with it.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of this range, ends included; its start when the range is empty.
    pub const fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        match range.end().saturating_sub(*range.start()).checked_add(1) {
            Some(width) => *range.start() + self.bits() % width,
            None => self.bits(),
        }
    }

    /// Fills a slice.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            for (byte, random) in chunk.iter_mut().zip(self.bits().to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
        let draw = |seed| {
            let mut bytes = [0; 29];
            Random::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut random = Random::new(3);
        let drawn: Vec<u64> = (0..10_000).map(|_| random.within(&(12..=15))).collect();
        assert!((12..=15).all(|n| drawn.contains(&n)));
        assert!(drawn.iter().all(|n| (12..=15).contains(n)));
    }
}
