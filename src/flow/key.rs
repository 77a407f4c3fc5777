//! Who talks to what: the identity of a flow.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::packet::Transport;

/// A number that no other flow of this sensor has had, also across restarts. Printed as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Identity of a flow: protocol, client address and port, dialled address and port, all as on the wire before any rewriting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The protocol that carries the flow.
    pub transport: Transport,
    /// Address of the peer outside.
    pub client: IpAddr,
    /// Port of the peer outside, host byte order.
    pub client_port: u16,
    /// Address that the peer dialled.
    pub dialled: IpAddr,
    /// Port that the peer dialled, host byte order.
    pub dialled_port: u16,
}

impl FlowKey {
    /// The peer outside.
    pub const fn client(&self) -> SocketAddr {
        SocketAddr::new(self.client, self.client_port)
    }

    /// What the peer dialled.
    pub const fn dialled(&self) -> SocketAddr {
        SocketAddr::new(self.dialled, self.dialled_port)
    }
}
