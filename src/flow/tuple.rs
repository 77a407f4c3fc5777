//! The compact form of a five-tuple that the table hashes and compares.

use super::hash::Key;
use super::{FlowKey, Transport};
use crate::packet::Address;

/// Client and host side of a packet or flow, whichever way it travels. The host side is what the client dialled, or what that was
/// translated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// Address of the peer outside.
    pub client: Address,
    /// Address at this end.
    pub host: Address,
    /// Port of the peer outside; the identifier of an ICMP echo.
    pub client_port: u16,
    /// Port at this end; 0 for ICMP echo.
    pub host_port: u16,
    /// The protocol.
    pub transport: Transport,
}

impl Tuple {
    pub(super) fn hash(&self, key: Key) -> u64 {
        let [client_high, client] = self.client.words();
        let [host_high, host] = self.host.words();
        let ports = u64::from(self.client_port) << 32 | u64::from(self.host_port) << 8 | self.transport as u64;
        if self.client.is_v4() {
            // Two addresses of 32 bits make one word; the number of words tells the families apart.
            key.hash(&[client << 32 | host & 0xffff_ffff, ports])
        } else {
            key.hash(&[client_high, client, host_high, host, ports])
        }
    }
}

impl From<&FlowKey> for Tuple {
    fn from(key: &FlowKey) -> Self {
        Self {
            client: key.client.into(),
            host: key.dialled.into(),
            client_port: key.client_port,
            host_port: key.dialled_port,
            transport: key.transport,
        }
    }
}

impl From<&Tuple> for FlowKey {
    fn from(tuple: &Tuple) -> Self {
        Self {
            transport: tuple.transport,
            client: tuple.client.into(),
            client_port: tuple.client_port,
            dialled: tuple.host.into(),
            dialled_port: tuple.host_port,
        }
    }
}
