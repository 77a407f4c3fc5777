//! Poll tokens that say what they are about, and whether it still is the same.

use mio::Token;

const _: () = assert!(usize::BITS >= 64, "tokens hold an index and a generation in 64 bits");

const INDEX_BITS: u32 = 32;
const GENERATION_BITS: u32 = 28;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

/// A place in a slab, and which of its tenants is meant: an event for one that is gone never reaches its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: usize,
    generation: u32,
}

/// What an event or a timer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Another thread has news.
    Wake,
    /// The TCP listener of this number.
    Listener(usize),
    /// The UDP socket of this number.
    Port(usize),
    /// A connection: the visitor's side, or its timer.
    Visitor(Place),
    /// A relay's connection to its target.
    Target(Place),
    /// The timer of a UDP session.
    Datagrams(Place),
}

/// Numbers the tenants of slabs.
#[derive(Debug, Default)]
pub(super) struct Generations(u32);

impl Generations {
    /// A place for a new tenant.
    pub(super) fn place(&mut self, index: usize) -> Place {
        self.0 = self.0.wrapping_add(1) & GENERATION_MASK;
        Place { index, generation: self.0 }
    }
}

impl From<Source> for Token {
    fn from(source: Source) -> Self {
        let (kind, index, generation) = match source {
            Source::Wake => (0, 0, 0),
            Source::Listener(index) => (1, index, 0),
            Source::Port(index) => (2, index, 0),
            Source::Visitor(place) => (3, place.index, place.generation),
            Source::Target(place) => (4, place.index, place.generation),
            Source::Datagrams(place) => (5, place.index, place.generation),
        };
        Self(kind << (INDEX_BITS + GENERATION_BITS) | (generation as usize) << INDEX_BITS | (index & u32::MAX as usize))
    }
}

impl From<Token> for Source {
    fn from(Token(bits): Token) -> Self {
        let index = bits & u32::MAX as usize;
        let generation = u32::try_from(bits >> INDEX_BITS & GENERATION_MASK as usize).unwrap_or(0);
        let place = Place { index, generation };
        match bits >> (INDEX_BITS + GENERATION_BITS) {
            1 => Self::Listener(index),
            2 => Self::Port(index),
            3 => Self::Visitor(place),
            4 => Self::Target(place),
            5 => Self::Datagrams(place),
            _ => Self::Wake,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_what_they_were_made_from() {
        let place = Place { index: 0xffff_fff0, generation: GENERATION_MASK };
        for source in [
            Source::Wake,
            Source::Listener(3),
            Source::Port(9),
            Source::Visitor(place),
            Source::Target(place),
            Source::Datagrams(place),
        ] {
            assert_eq!(Source::from(Token::from(source)), source);
        }
    }
}
