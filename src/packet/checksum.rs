//! The Internet checksum (RFC 1071), its incremental update (RFC 1624) and the pseudo-headers (RFC 9293 section 3.1, RFC 8200 section 8.1).

use super::Address;

/// Whether the transport checksum in the packet holds (`NFQA_SKB_INFO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Complete: an incremental update (RFC 1624) keeps it right.
    Ready,
    /// Only the pseudo-header sum is there (`NFQA_SKB_CSUMNOTREADY`): a changed packet needs a full sum.
    NotReady,
}

/// A running one's-complement sum of 16-bit words.
///
/// Words are added in the machine's own byte order, which RFC 1071 section 2 (B) allows; [`Sum::finish`] turns the result round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

/// Bytes that one turn of the wide loop takes: four independent accumulators keep the vector units busy.
const STRIDE: usize = 64;

impl Sum {
    /// Adds bytes; an odd last byte is padded with zero, so only the last piece of a message may have an odd length.
    #[must_use]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let mut lanes = [0_u64; STRIDE / 4];
        let mut strides = bytes.chunks_exact(STRIDE);
        for stride in &mut strides {
            for (lane, word) in lanes.iter_mut().zip(stride.chunks_exact(4)) {
                *lane += u64::from(word.first_chunk::<4>().map_or(0, |b| u32::from_ne_bytes(*b)));
            }
        }
        let mut total = lanes.iter().fold(self.0, |total, &lane| carry_add(total, lane));
        let mut pairs = strides.remainder().chunks_exact(2);
        for pair in &mut pairs {
            total += u64::from(pair.first_chunk::<2>().map_or(0, |b| u16::from_ne_bytes(*b)));
        }
        if let [last] = pairs.remainder() {
            total += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        Self(u64::from(fold(total)))
    }

    /// Adds one 16-bit word given in host byte order.
    #[must_use]
    pub fn add_word(self, word: u16) -> Self {
        Self(carry_add(self.0, u64::from(word.to_be())))
    }

    /// Adds the pseudo-header of a transport segment: addresses, protocol number and length of the segment in bytes.
    #[must_use]
    pub fn add_pseudo_header(self, src: Address, dst: Address, protocol: u8, len: usize) -> Self {
        let with_addresses = self.add_address(src).add_address(dst);
        // The upper half of the length is zero here: no packet of the queue exceeds 65535 bytes.
        with_addresses.add_word(u16::from(protocol)).add_word(u16::try_from(len).unwrap_or(u16::MAX))
    }

    /// Adds an address as on the wire.
    #[must_use]
    pub fn add_address(self, address: Address) -> Self {
        let mut octets = [0; 16];
        address.write(&mut octets);
        // Twelve zero octets after an IPv4 address add nothing.
        octets.chunks_exact(4).fold(self, |sum, word| {
            Self(sum.0 + u64::from(word.first_chunk::<4>().map_or(0, |b| u32::from_ne_bytes(*b))))
        })
    }

    /// The checksum for the header: folded, complemented, in host byte order.
    pub fn finish(self) -> u16 {
        !u16::from_be(fold(self.0))
    }
}

/// Adds with end-around carry, so that lanes of any size stay right.
const fn carry_add(a: u64, b: u64) -> u64 {
    let (sum, overflow) = a.overflowing_add(b);
    sum + overflow as u64
}

/// Folds to 16 bits with end-around carry.
const fn fold(sum: u64) -> u16 {
    let a = (sum >> 32) + (sum & 0xffff_ffff);
    let b = (a >> 16) + (a & 0xffff);
    let c = (b >> 16) + (b & 0xffff);
    #[expect(clippy::cast_possible_truncation, reason = "the last carry is added, 16 bits are left")]
    let folded = ((c >> 16) + (c & 0xffff)) as u16;
    folded
}

/// What a header checksum becomes when words under it change: `HC' = ~(~HC + ~m + m')`, RFC 1624 equation 3.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update(u64);

impl Update {
    /// Nothing changed yet.
    pub(super) const fn new() -> Self {
        Self(0)
    }

    /// A 16-bit word, in host byte order, changed.
    pub(super) fn word(self, old: u16, new: u16) -> Self {
        Self(self.0 + u64::from(!old.to_be()) + u64::from(new.to_be()))
    }

    /// An address changed.
    pub(super) fn address(self, old: Address, new: Address) -> Self {
        let added = Sum(self.0).add_address(new).0;
        // Subtracting a folded sum is adding its complement.
        Self(added + u64::from(!fold(Sum::default().add_address(old).0)))
    }

    /// Both changes together.
    pub(super) const fn join(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The new checksum, both in host byte order.
    pub(super) fn apply(self, checksum: u16) -> u16 {
        !u16::from_be(fold(self.0 + u64::from(!checksum.to_be())))
    }
}

/// Whether the checksum of a whole TCP, UDP, ICMP or ICMPv6 segment holds. For tests, tools and the offline replay.
pub fn transport_checksum_is_valid(src: Address, dst: Address, protocol: u8, segment: &[u8]) -> bool {
    const ICMP: u8 = 1;
    let sum = Sum::default().add_bytes(segment);
    let whole = if protocol == ICMP { sum } else { sum.add_pseudo_header(src, dst, protocol, segment.len()) };
    whole.finish() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071_adds_up() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add_bytes(&bytes).finish(), !0xddf2);
    }

    #[test]
    fn sixty_four_kib_of_ones_do_not_overflow() {
        let bytes = vec![0xff; 65_535];
        assert_eq!(Sum::default().add_bytes(&bytes).finish(), plain(&bytes));
    }

    proptest! {
        #[test]
        fn the_wide_loop_equals_the_plain_one(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Sum::default().add_bytes(&bytes).finish(), plain(&bytes));
        }

        #[test]
        fn an_incremental_update_equals_the_full_sum(
            mut bytes in prop::collection::vec(any::<u8>(), 40..80),
            new in any::<u16>(),
            old_address in any::<[u8; 4]>(), new_address in any::<[u8; 4]>(),
        ) {
            bytes[4..8].copy_from_slice(&old_address);
            bytes[8..10].copy_from_slice(&[0, 1]);
            let before = Sum::default().add_bytes(&bytes).finish();
            let old = u16::from_be_bytes([bytes[2], bytes[3]]);
            bytes[2..4].copy_from_slice(&new.to_be_bytes());
            bytes[4..8].copy_from_slice(&new_address);
            let update = Update::new().word(old, new).address(Address::v4(old_address), Address::v4(new_address));
            prop_assert_eq!(update.apply(before), Sum::default().add_bytes(&bytes).finish());
        }
    }
}
