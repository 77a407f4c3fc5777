//! Networks that are not this host's and are answered as if they were: dark nets.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::Prefix;
use crate::packet::Address;

/// Which networks, and the addresses of this host that packets to them are delivered to.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// The networks.
    pub networks: Vec<Prefix>,
    /// An address of this host.
    pub v4: Option<Ipv4Addr>,
    /// An address of this host.
    pub v6: Option<Ipv6Addr>,
}

impl Capture {
    /// The address of this host that stands in for a captured one; `None` for addresses that are not captured.
    pub(super) fn stand_in(&self, host: Address) -> Option<Address> {
        let is_captured = self.networks.iter().any(|network| network.contains(host.into()));
        let own = if host.is_v4() {
            self.v4.map(|own| Address::from(std::net::IpAddr::V4(own)))
        } else {
            self.v6.map(|own| Address::from(std::net::IpAddr::V6(own)))
        };
        own.filter(|_| is_captured)
    }
}
