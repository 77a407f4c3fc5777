//! Which addresses may be fetched from: public ones that are not ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Prefix;

/// What is this sensor itself, however it is reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    /// Addresses of the host, and the one that the visitor dialled.
    pub(super) addresses: Vec<IpAddr>,
    /// Networks that it answers for (`engine.capture`).
    pub(super) networks: Vec<Prefix>,
}

impl Own {
    fn contains(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.to_canonical() == address)
            || self.networks.iter().any(|network| network.contains(address))
    }
}

/// Whether a file may be fetched from this address. One that carries an IPv4 address leads to that, and is judged by both.
pub(super) fn may_fetch_from(address: IpAddr, own: &Own) -> bool {
    let address = address.to_canonical();
    match address {
        IpAddr::V4(address) => is_public_v4(address) && !own.contains(address.into()),
        IpAddr::V6(v6) => {
            let inner = carried_v4(v6);
            (is_public_v6(v6) || is_nat64(v6))
                && !own.contains(address)
                && inner.is_none_or(|inner| is_public_v4(inner) && !own.contains(inner.into()))
        }
    }
}

/// Behind the well-known prefix of NAT64 (RFC 6052 section 2.1).
const fn is_nat64(address: Ipv6Addr) -> bool {
    matches!(address.segments(), [0x64, 0xff9b, 0, 0, 0, 0, _, _])
}

/// The IPv4 address to which a translator or a tunnel takes what goes to this one: NAT64, 6to4 (RFC 3056 section 2).
fn carried_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, .., g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if is_nat64(address) { Some(v4(g, h)) } else { (a == 0x2002).then(|| v4(b, c)) }
}

/// Not in the IANA IPv4 Special-Purpose Address Registry (RFC 6890), and no multicast.
const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18)
        || a >= 224;
    !special
}

/// Global unicast (RFC 4291 section 2.4) and none of the special parts of it: protocol assignments with Teredo, ORCHID and benchmarking,
/// documentation (RFC 3849, RFC 9637).
const fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    a & 0xe000 == 0x2000 && !matches!((a, b), (0x2001, 0..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(address: &str) -> bool {
        let own = Own {
            addresses: vec!["8.8.8.8".parse().unwrap(), "2600::7".parse().unwrap()],
            networks: vec!["9.9.0.0/16".parse().unwrap()],
        };
        may_fetch_from(address.parse().unwrap(), &own)
    }

    #[test]
    fn public_addresses_may_be_fetched_from() {
        for address in
            ["1.1.1.1", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "2a00::1", "64:ff9b::101:101"]
        {
            assert!(may(address), "{address}");
        }
    }

    #[test]
    fn private_special_and_own_addresses_may_not_however_they_are_written() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "3fff::1",
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "2600::7",
            "9.9.255.1",
            "64:ff9b::808:808",
            "64:ff9b::909:101",
            "64:ff9b::c0a8:101",
            "2002:808:808::1",
            "2002:909:101::",
            "5f00::1",
            "100::1",
        ] {
            assert!(!may(address), "{address}");
        }
    }
}
