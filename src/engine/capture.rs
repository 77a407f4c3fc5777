//! Networks that are not this host's and are answered as if they were: dark nets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Prefix;
use crate::packet::Address;

/// Which networks, and the addresses of this host that packets to them are delivered to.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// The networks.
    pub networks: Vec<Prefix>,
    /// The kernel keeps no entries for them: their packets are not tracked, in or out.
    pub untracked: bool,
    /// The kernel delivers packets to them to a transparent listener of this host, if told to.
    pub carried: bool,
    /// An address of this host; `None`: IPv4 networks are not captured. A sensor does not start with one that it cannot answer for.
    pub v4: Option<Ipv4Addr>,
    /// An address of this host; `None`: IPv6 networks are not captured.
    pub v6: Option<Ipv6Addr>,
}

impl Capture {
    pub(super) fn is_captured(&self, address: Address) -> bool {
        self.networks.iter().any(|network| network.contains(address.into()))
    }

    /// Whether an answer from this address must pass its hook once more, so that it is not tracked either.
    pub(super) fn is_untracked(&self, source: Address) -> bool {
        self.untracked && self.is_captured(source)
    }

    /// The address of this host that stands in for a captured one; `None` for addresses that are not captured.
    pub(super) fn stand_in(&self, host: Address) -> Option<Address> {
        let own = if host.is_v4() { self.v4.map(IpAddr::V4) } else { self.v6.map(IpAddr::V6) };
        own.map(Address::from).filter(|_| self.is_captured(host))
    }
}
