//! One flow as the table keeps it.

use std::sync::Arc;

use super::state::{State, Worth};
use super::{CloseReason, FlowEvent, FlowRef, FlowTotals};
use super::{FlowId, Tuple};
use crate::clock::Timestamp;
use crate::packet::{Address, Endpoints};
use crate::rules::Rule;

/// No flow: the end of a list.
pub(super) const NIL: u32 = u32::MAX;

/// What was decided for every packet of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// To the host, untouched.
    Pass,
    /// Away.
    Drop,
    /// Between the dialled address and a server of this host.
    Translate,
    /// To the host, carried by the kernel: no later packet is seen here.
    Leave,
    /// To a transparent listener of this host, carried by the kernel: no later packet is seen here, the listener says when it is over.
    Carry,
    /// As [`Self::Carry`], to a listener that the kernel's NAT redirects to.
    Redirect,
}

impl Disposition {
    /// A server of this host answers: our own packets of the flow are found by what they look like.
    pub(super) const fn is_served_here(self) -> bool {
        matches!(self, Self::Translate | Self::Carry | Self::Redirect)
    }

    /// The kernel carries it to a session of ours, which says when it is over.
    pub(super) const fn is_held(self) -> bool {
        matches!(self, Self::Carry | Self::Redirect)
    }

    /// The kernel carries it.
    pub(super) const fn is_carried(self) -> bool {
        matches!(self, Self::Leave) || self.is_held()
    }
}

/// What stands in for the client's port and the dialled address behind the translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// Address that the packet is delivered to.
    pub host: Address,
    /// Port that the packet is delivered to.
    pub host_port: u16,
    /// Source port that our server sees: the client's own, or an alias where another flow of this client holds that.
    pub alias: u16,
}

/// Neighbours in one of the two lists that a flow is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links {
    pub(super) prev: u32,
    pub(super) next: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { prev: NIL, next: NIL };
}

/// A flow on three cache lines: what finds and translates a packet, what a packet changes, what only the beginning and the end need.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Flow {
    pub(super) dialled: Tuple,
    pub(super) translation: Translation,
    pub(super) disposition: Disposition,

    pub(super) state: State,
    pub(super) last_seen: Timestamp,
    pub(super) totals: FlowTotals,
    /// The totals are those of our socket at the other end of what the kernel carried.
    pub(super) counted_elsewhere: bool,
    /// Its end has been reported, which happens once; what follows are stragglers, or a session that went on after a reset that was ignored.
    pub(super) reported: bool,

    /// Slot of the timer wheel that it waits in.
    pub(super) slot: u16,
    pub(super) timer: Links,
    pub(super) class: Links,
    pub(super) rule: Arc<Rule>,
    pub(super) id: FlowId,
    pub(super) opened: Timestamp,
}

impl Flow {
    /// The tuple by which our own packets of this flow are found.
    pub(super) const fn translated(&self) -> Tuple {
        Tuple {
            client: self.dialled.client,
            host: self.translation.host,
            client_port: self.translation.alias,
            host_port: self.translation.host_port,
            transport: self.dialled.transport,
        }
    }

    /// Source and destination of a packet from the client as our server sees it.
    pub(super) const fn delivered(&self) -> Endpoints {
        Endpoints {
            src: self.dialled.client,
            src_port: self.translation.alias,
            dst: self.translation.host,
            dst_port: self.translation.host_port,
        }
    }

    /// Source and destination of a packet to the client as the client sees it.
    pub(super) const fn answered(&self) -> Endpoints {
        Endpoints {
            src: self.dialled.host,
            src_port: self.dialled.host_port,
            dst: self.dialled.client,
            dst_port: self.dialled.client_port,
        }
    }

    /// A flow that is only passed or dropped can be forgotten at any time: its next packet is decided again.
    pub(super) fn worth(&self) -> Worth {
        if self.disposition.is_served_here() { self.state.worth() } else { Worth::Unproven }
    }

    pub(super) fn reference(&self) -> FlowRef {
        FlowRef { id: self.id, key: (&self.dialled).into(), rule: Arc::clone(&self.rule) }
    }

    /// Why it ends after silence.
    pub(super) fn reason(&self) -> CloseReason {
        if self.disposition == Disposition::Leave { CloseReason::Carried } else { self.state.reason() }
    }

    /// Reports its end, unless that has been done.
    pub(super) fn report_end(&mut self, at: Timestamp, reason: CloseReason, record: &mut impl FnMut(FlowEvent)) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        // Of what the kernel carries, only the first packets were counted here: that is no total.
        let totals = (!self.disposition.is_carried() || self.counted_elsewhere).then_some(self.totals);
        record(FlowEvent::Closed { at, flow: self.reference(), opened: self.opened, totals, reason });
    }
}
