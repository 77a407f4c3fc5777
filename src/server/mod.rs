//! The handler server: connections that flows were rewritten to meet their handler or proxy here.
//!
//! Owns listeners, sessions, timers and the relay, on mio event loops. Refuses to know how packets got here: who is served comes
//! from a [`FlowLookup`], what is said from [`crate::handlers`]; what happened goes to an [`EventSink`].
//!
//! ```text
//! bind (as root) -> BoundServer::spawn -> worker threads, each with its own SO_REUSEPORT sockets
//!   worker:   poll -> ready sources, each with a work budget -> timers
//!   listener: accept -> flow lookup -> admission -> dialogue (a handler's session) or relay (a proxied one)
//!   UDP port: recvmmsg -> session of (peer, local address) -> flow lookup for its first datagram -> handler
//! ```
//! Everything a visitor can fill has a bound: sessions in all and by source, bytes waiting to be sent, time without traffic, time
//! altogether, bytes received, UDP sessions and UDP answers by source. What hits one is counted.

mod admission;
mod answer_limit;
mod bind;
mod binding;
mod connection;
mod core;
mod datagram;
mod dialogue;
mod docker;
mod handle;
mod holder;
mod proof;
mod relay;
mod resolver;
mod served;
mod sys;
mod timer;
mod token;
mod wire;
mod worker;

use std::net::SocketAddr;

use crate::clock::Timestamp;
use crate::events::{EventSender, FlowRef, Record};
use crate::flow::{FlowTable, FlowTotals, Transport, Tuple};

pub use bind::{BindError, BoundServer, bind};
pub use handle::{ServerHandle, Services};

/// Where an accepted connection came from.
pub trait FlowLookup: Send + Sync {
    /// The flow whose translated form is `peer` (as accept or recvmsg says) to `local` (our end); `None` when nobody was
    /// rewritten to that.
    fn lookup(&self, transport: Transport, peer: SocketAddr, local: SocketAddr) -> Option<FlowRef>;

    /// The flow of `peer` to `dialled` that the kernel has redirected here; `None` when there is none.
    fn redirected(&self, peer: SocketAddr, dialled: SocketAddr) -> Option<FlowRef> {
        self.lookup(Transport::Tcp, peer, dialled)
    }

    /// The connection of this flow is over; what there is to say about it goes to `record`. `totals` asks the kernel what it counted.
    fn release(
        &self,
        flow: &FlowRef,
        now: Timestamp,
        totals: &dyn Fn() -> Option<FlowTotals>,
        record: &mut dyn FnMut(Record),
    ) {
        let _ = (flow, now, totals, record);
    }
}

impl FlowLookup for FlowTable {
    fn lookup(&self, transport: Transport, peer: SocketAddr, local: SocketAddr) -> Option<FlowRef> {
        self.translated(&tuple(transport, peer, local))
    }

    fn redirected(&self, peer: SocketAddr, dialled: SocketAddr) -> Option<FlowRef> {
        Self::redirected(self, &tuple(Transport::Tcp, peer, dialled))
    }

    fn release(
        &self,
        flow: &FlowRef,
        now: Timestamp,
        totals: &dyn Fn() -> Option<FlowTotals>,
        record: &mut dyn FnMut(Record),
    ) {
        Self::release(self, flow, now, totals, &mut |event| record(Record::Flow(event)));
    }
}

fn tuple(transport: Transport, client: SocketAddr, host: SocketAddr) -> Tuple {
    let [client_port, host_port] = [client.port(), host.port()];
    Tuple { client: client.ip().into(), host: host.ip().into(), client_port, host_port, transport }
}

/// Where records go; a clone for every worker. Must not block.
pub trait EventSink: Clone + Send + 'static {
    /// Takes a record, or drops and counts it.
    fn send(&self, record: Record);
}

impl EventSink for EventSender {
    fn send(&self, record: Record) {
        Self::send(self, record);
    }
}

impl<F: Fn(Record) + Clone + Send + 'static> EventSink for F {
    fn send(&self, record: Record) {
        self(record);
    }
}

/// What is left to do after a turn of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing until the next event or timer.
    Idle,
    /// The work budget is used up, not the work.
    More,
    /// The session has ended.
    Over,
}
