//! Which message numbers a visitor may use (MS-SMB2 3.3.1.1): each once, as many as it was granted credits for.

/// Numbers that are granted and not used, at most.
const MAX: u64 = 512;
const WORD: u64 = 64;

/// The numbers from `low` to before `high`, without those that were used.
#[derive(Debug)]
pub(super) struct Window {
    low: u64,
    high: u64,
    /// A bit for each number, by its rest when divided by `MAX`.
    used: [u64; (MAX / WORD) as usize],
}

impl Default for Window {
    /// The first message has the number 0.
    fn default() -> Self {
        Self { low: 0, high: 1, used: [0; (MAX / WORD) as usize] }
    }
}

impl Window {
    fn word(&mut self, number: u64) -> Option<(&mut u64, u64)> {
        let at = usize::try_from(number % MAX / WORD).ok()?;
        self.used.get_mut(at).map(|word| (word, 1 << (number % WORD)))
    }

    /// Uses so many numbers from this one on; false when the visitor may not.
    pub(super) fn take(&mut self, first: u64, count: u64) -> bool {
        let Some(end) = first.checked_add(count).filter(|end| first >= self.low && *end <= self.high) else {
            return false;
        };
        for number in first..end {
            match self.word(number) {
                Some((word, bit)) if *word & bit == 0 => *word |= bit,
                _ => return false,
            }
        }
        while self.low < self.high {
            let low = self.low;
            match self.word(low) {
                Some((word, bit)) if *word & bit != 0 => *word &= !bit,
                _ => break,
            }
            self.low += 1;
        }
        true
    }

    /// Grants what is asked for, at least one number, as far as there is room.
    pub(super) fn grant(&mut self, asked: u16) -> u16 {
        let room = MAX - (self.high - self.low);
        let count = asked.max(1).min(u16::try_from(room).unwrap_or(u16::MAX));
        self.high += u64::from(count);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_once_and_in_any_order_within_what_was_granted() {
        let mut window = Window::default();
        assert!(window.take(0, 1) && !window.take(0, 1) && !window.take(1, 1));
        assert_eq!(window.grant(10), 10);
        assert!(
            window.take(5, 2) && !window.take(6, 1) && window.take(1, 1) && !window.take(10, 2) && window.take(10, 1)
        );
        assert!(!window.take(u64::MAX, 2));
    }

    #[test]
    fn there_is_always_a_credit_but_never_more_than_there_is_room_for() {
        let mut window = Window::default();
        assert!(window.take(0, 1));
        assert_eq!((window.grant(0), window.grant(u16::MAX), window.grant(1)), (1, 511, 0));
        for number in 1..=512 {
            assert!(window.take(number, 1));
        }
        assert_eq!(window.grant(3), 3);
        assert!(window.take(513, 3));
    }
}
