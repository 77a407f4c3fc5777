//! The handler server: connections that flows were rewritten to meet their handler or proxy here.
//!
//! Owns listeners, sessions, timers and the relay, on mio event loops. Refuses to know how packets got here: who is served comes
//! from a [`FlowLookup`].

use std::net::SocketAddr;

use crate::events::FlowRef;
use crate::flow::Transport;

/// Where an accepted connection came from.
pub trait FlowLookup: Send + Sync {
    /// The flow whose translated form is `peer` (as accept or recvmsg says) to `local` (our end); `None` when nobody was
    /// rewritten to that.
    fn lookup(&self, transport: Transport, peer: SocketAddr, local: SocketAddr) -> Option<FlowRef>;
}

impl FlowLookup for crate::flow::FlowTable {
    fn lookup(&self, transport: Transport, peer: SocketAddr, local: SocketAddr) -> Option<FlowRef> {
        self.translated(&crate::flow::Tuple {
            client: peer.ip().into(),
            host: local.ip().into(),
            client_port: peer.port(),
            host_port: local.port(),
            transport,
        })
    }
}
