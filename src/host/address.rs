//! The addresses of this host, from `/proc/net/fib_trie` and `/proc/net/if_inet6`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4: a leaf of the trie, `|-- ADDRESS`, is followed by what its prefixes are; `host LOCAL` is an address of ours.
pub(super) fn v4(fib_trie: &str) -> Vec<IpAddr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut addresses = Vec::new();
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line.ends_with("host LOCAL") {
            addresses.extend(leaf.map(IpAddr::V4));
        }
    }
    // The same stands in the tables `main` and `local`.
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// IPv6: 32 hexadecimal digits at the beginning of each line.
pub(super) fn v6(if_inet6: &str) -> Vec<IpAddr> {
    let digits = |line: &str| line.get(..32).and_then(|digits| u128::from_str_radix(digits, 16).ok());
    if_inet6.lines().filter_map(digits).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))).collect()
}

/// The first address of each family that is neither loopback nor link-local.
pub(super) fn reachable(addresses: &[IpAddr]) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
    let v4 = addresses.iter().find_map(|address| match address {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_link_local() => Some(*address),
        _ => None,
    });
    let v6 = addresses.iter().find_map(|address| match address {
        IpAddr::V6(address) if !address.is_loopback() && !address.is_unicast_link_local() => Some(*address),
        _ => None,
    });
    (v4, v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_host_are_found_and_networks_are_not() {
        let trie = "Main:\n  +-- 10.0.0.0/24 2 0 2\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.5\n        \
                    /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\nLocal:\n     |-- 10.0.0.5\n        /32 host LOCAL\n";
        assert_eq!(v4(trie), ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        let table =
            "20010db8000000000000000000000001 02 40 00 80 eth0\n00000000000000000000000000000001 01 80 10 80 lo\nx\n";
        assert_eq!(v6(table), ["2001:db8::1", "::1"].map(|text| text.parse::<IpAddr>().unwrap()));
        let own =
            ["127.0.0.1", "169.254.1.1", "::1", "fe80::1", "10.0.0.5"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(reachable(&own), (Some(Ipv4Addr::new(10, 0, 0, 5)), None));
        assert!(v4("garbage\n/32 host LOCAL").is_empty() && v6("é").is_empty());
    }
}
