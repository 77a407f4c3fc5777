//! One address type for both families, cheap to copy, compare and hash.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address. IPv4 is kept in the mapped form `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2), which never appears on the wire
/// as an IPv6 address, so the value alone tells the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    high: u64,
    low: u64,
}

const MAPPED: u64 = 0xffff_0000_0000;

impl Address {
    /// From the four octets of an IPv4 address.
    pub const fn v4(octets: [u8; 4]) -> Self {
        Self { high: 0, low: MAPPED | u32::from_be_bytes(octets) as u64 }
    }

    /// From the sixteen octets of an IPv6 address; `None` for the mapped form.
    pub fn v6(octets: [u8; 16]) -> Option<Self> {
        let all = u128::from_be_bytes(octets);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
        let address = Self { high: (all >> 64) as u64, low: all as u64 };
        (!address.is_v4()).then_some(address)
    }

    /// Whether this is an IPv4 address.
    pub const fn is_v4(self) -> bool {
        self.high == 0 && self.low >> 32 == 0xffff
    }

    /// The high and low 64 bits, for hashing.
    pub const fn words(self) -> [u64; 2] {
        [self.high, self.low]
    }

    /// What limits by source count as one: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber gets at least.
    pub const fn source(self) -> Self {
        if self.is_v4() { self } else { Self { low: 0, ..self } }
    }

    /// The octets as on the wire: 4 or 16 of them.
    pub(super) fn write(self, slot: &mut [u8]) {
        if self.is_v4() {
            if let Some(four) = slot.first_chunk_mut::<4>() {
                *four = self.v4_bits().to_be_bytes();
            }
        } else if let Some(sixteen) = slot.first_chunk_mut::<16>() {
            *sixteen = self.v6_bits().to_be_bytes();
        }
    }

    /// The 32 bits of an IPv4 address.
    const fn v4_bits(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the mapped form keeps the address in the low 32 bits")]
        let bits = self.low as u32;
        bits
    }

    const fn v6_bits(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => {
                let all = u128::from(v6);
                #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
                let halves = Self { high: (all >> 64) as u64, low: all as u64 };
                halves
            }
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            Self::V4(Ipv4Addr::from(address.v4_bits()))
        } else {
            Self::V6(Ipv6Addr::from(address.v6_bits()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_survive_the_round_trip() {
        for text in ["0.0.0.0", "203.0.113.9", "255.255.255.255", "::", "::1", "2001:db8::7", "::1.2.3.4"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Address::from(address)), address, "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_no_ipv6_address() {
        let mapped: Ipv6Addr = "::ffff:1.2.3.4".parse().unwrap();
        assert_eq!(Address::v6(mapped.octets()), None);
    }
}
