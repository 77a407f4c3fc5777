//! What a handler may know about the connection it serves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::flow::{FlowId, Transport};

/// What a handler may know about the connection it serves.
#[derive(Debug, Clone)]
pub struct Session {
    /// The flow that carries it.
    pub flow_id: FlowId,
    /// TCP: a byte stream. UDP: every `data` call is one datagram, every `send` call makes one.
    pub transport: Transport,
    /// The visitor's true address and port.
    pub client: SocketAddr,
    /// The address and port that the visitor dialled.
    pub dialled: SocketAddr,
    /// Name of the rule that bound it.
    pub rule: Arc<str>,
    /// Randomness for this session: differs for every one and cannot be foretold; the same value gives the same dialogue.
    pub seed: u64,
}

impl Session {
    /// A session for trying out a handler: from 192.0.2.1:40000 to this port of 198.51.100.1 (RFC 5737), seed 1.
    pub fn example(transport: Transport, dialled_port: u16) -> Self {
        Self {
            flow_id: FlowId(1),
            transport,
            client: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000),
            dialled: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), dialled_port),
            rule: Arc::from("example"),
            seed: 1,
        }
    }
}
