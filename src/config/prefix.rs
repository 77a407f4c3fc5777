//! An address prefix, as `capture` names networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network: all addresses whose first `len` bits are those of `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Its first address.
    address: IpAddr,
    /// Bits that count, 0 to 32 or 128.
    len: u8,
}

impl Prefix {
    /// Whether the address lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                (net.to_bits() ^ address.to_bits()).checked_shr(32 - u32::from(self.len)).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                (net.to_bits() ^ address.to_bits()).checked_shr(128 - u32::from(self.len)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// An address of this network: its second, where it has one, for the first may mean the network itself.
    pub fn sample(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(first) => IpAddr::V4((first.to_bits() | u32::from(self.len < 32)).into()),
            IpAddr::V6(first) => IpAddr::V6((first.to_bits() | u128::from(self.len < 128)).into()),
        }
    }

    /// Whether it is a network of IPv4.
    pub const fn is_v4(&self) -> bool {
        self.address.is_ipv4()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    /// `ADDRESS/LENGTH`, or an address alone. Bits behind the prefix must be 0: a mistyped length shows.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, len) = text.split_once('/').map_or((text, None), |(address, len)| (address, Some(len)));
        let address: IpAddr = address.parse().map_err(|_| "not a network")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let len = len.map_or(Ok(most), str::parse).ok().filter(|len| *len <= most).ok_or("not a prefix length")?;
        let behind = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) & !(u128::MAX << (32 - u32::from(len))),
            IpAddr::V6(address) if len == 0 => address.to_bits(),
            IpAddr::V6(address) => address.to_bits() & !(u128::MAX << (128 - u32::from(len))),
        };
        if behind == 0 { Ok(Self { address, len }) } else { Err("bits behind the prefix are set") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_contains_its_addresses_and_no_others() {
        for (prefix, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::/48", "2001:db8:0:ffff::1", "2001:db8:1::"),
            ("10.0.0.0/8", "10.255.0.1", "::a00:1"),
        ] {
            let prefix: Prefix = prefix.parse().unwrap();
            assert!(prefix.contains(inside.parse().unwrap()), "{prefix} {inside}");
            assert!(!prefix.contains(outside.parse().unwrap()), "{prefix} {outside}");
            assert!(prefix.contains(prefix.sample()));
        }
        for all in ["0.0.0.0/0", "::/0"] {
            let all: Prefix = all.parse().unwrap();
            assert!(all.contains(if all.is_v4() { "255.1.2.3" } else { "ffff::" }.parse().unwrap()));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.1/8", "::1/64", "host/24", "10.0.0.0/", "10.0.0.0/-1", "10.0/16"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
