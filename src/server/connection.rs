//! A TCP connection as the worker sees it, whatever serves it.

use std::collections::VecDeque;

use mio::event::Event;
use mio::net::TcpStream;
use slab::Slab;

use super::Turn;
use super::core::Core;
use super::dialogue::Dialogue;
use super::relay::Relay;
use super::token::{Generations, Place, Source};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::FlowRef;

/// A TCP connection and what serves it.
pub(super) enum Connection {
    Dialogue(Dialogue),
    Relay(Box<Relay>),
}

impl Connection {
    /// What it does first.
    pub(super) fn open(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        match self {
            Self::Dialogue(dialogue) => match dialogue.open(core) {
                Turn::More => dialogue.turn(core, buffer),
                turn => turn,
            },
            Self::Relay(relay) => relay.turn(core, buffer),
        }
    }

    /// Does what can be done now, up to the work budget.
    pub(super) fn turn(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        match self {
            Self::Dialogue(dialogue) => dialogue.turn(core, buffer),
            Self::Relay(relay) => relay.turn(core, buffer),
        }
    }

    /// Its timer has fired; that it fires early is normal.
    pub(super) fn expire(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        if self.due(core) > core.now {
            return Turn::Idle;
        }
        match self {
            Self::Dialogue(dialogue) => match dialogue.expire(core) {
                Turn::More => dialogue.turn(core, buffer),
                turn => turn,
            },
            Self::Relay(relay) => relay.expire(core, buffer),
        }
    }

    /// The server stops.
    pub(super) fn close(&mut self, core: &mut Core) -> Turn {
        match self {
            Self::Dialogue(dialogue) => dialogue.close(core),
            Self::Relay(relay) => relay.close(core),
        }
    }

    /// The stream to the visitor.
    fn stream(&self) -> &TcpStream {
        match self {
            Self::Dialogue(dialogue) => dialogue.stream(),
            Self::Relay(relay) => relay.stream(),
        }
    }

    fn due(&self, core: &Core) -> Timestamp {
        match self {
            Self::Dialogue(dialogue) => dialogue.due(core),
            Self::Relay(relay) => relay.due(core),
        }
    }
}

struct Tenant {
    place: Place,
    flow: FlowRef,
    /// When its timer is set for.
    armed: Option<Timestamp>,
    /// It stands in the queue.
    queued: bool,
    connection: Connection,
}

/// The connections of a worker, and which of them have something to do.
#[derive(Default)]
pub(super) struct Connections {
    tenants: Slab<Tenant>,
    generations: Generations,
    /// Each stands in it once at most.
    ready: VecDeque<Place>,
}

impl Connections {
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Some have something to do.
    pub(super) fn is_busy(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Where the next connection will be; [`Connections::insert`] it before asking again.
    pub(super) fn vacancy(&mut self) -> Place {
        self.generations.place(self.tenants.vacant_key())
    }

    /// Adds a connection at the place of [`Connections::vacancy`] and lets it begin.
    pub(super) fn insert(
        &mut self,
        place: Place,
        connection: Connection,
        flow: FlowRef,
        core: &mut Core,
        buffer: &mut [u8],
    ) {
        self.tenants.insert(Tenant { place, flow, armed: None, queued: false, connection });
        self.act(place, core, |connection, core| connection.open(core, buffer));
    }

    /// Takes note of an event on the visitor's side, or on that of a relay's target.
    pub(super) fn note(&mut self, place: Place, of_target: bool, event: &Event) {
        let Some(tenant) = tenant_of(&mut self.tenants, place) else { return };
        match (&mut tenant.connection, of_target) {
            (Connection::Dialogue(dialogue), _) => dialogue.note(event),
            (Connection::Relay(relay), false) => relay.note_visitor(event),
            (Connection::Relay(relay), true) => relay.note_target(event),
        }
        enqueue(&mut self.ready, tenant);
    }

    /// There is news about addresses: every relay that waits for one looks again.
    pub(super) fn wake_resolving(&mut self) {
        for (_, tenant) in &mut self.tenants {
            if matches!(&tenant.connection, Connection::Relay(relay) if relay.is_resolving()) {
                enqueue(&mut self.ready, tenant);
            }
        }
    }

    /// Gives each that has something to do one turn.
    pub(super) fn turn(&mut self, core: &mut Core, buffer: &mut [u8]) {
        for _ in 0..self.ready.len() {
            let Some(place) = self.ready.pop_front() else { return };
            if let Some(tenant) = tenant_of(&mut self.tenants, place) {
                tenant.queued = false;
                self.act(place, core, |connection, core| connection.turn(core, buffer));
            }
        }
    }

    /// A timer has fired.
    pub(super) fn expire(&mut self, place: Place, core: &mut Core, buffer: &mut [u8]) {
        if let Some(tenant) = tenant_of(&mut self.tenants, place) {
            tenant.armed = None;
            self.act(place, core, |connection, core| connection.expire(core, buffer));
        }
    }

    /// Begins to end all of them.
    pub(super) fn close(&mut self, core: &mut Core) {
        let places: Vec<Place> = self.tenants.iter().map(|(_, tenant)| tenant.place).collect();
        for place in places {
            self.act(place, core, Connection::close);
        }
    }

    /// Lets a connection act, then does what follows: queue it again, set its timer, or end it.
    fn act(&mut self, place: Place, core: &mut Core, act: impl FnOnce(&mut Connection, &mut Core) -> Turn) {
        let Some(tenant) = tenant_of(&mut self.tenants, place) else { return };
        let token = Source::Visitor(place).into();
        match act(&mut tenant.connection, core) {
            Turn::Over => {
                core.timers.disarm(token, &mut tenant.armed);
                let tenant = self.tenants.remove(place.index);
                core.release(&tenant.flow, tenant.connection.stream());
                core.counters.count(Counter::SessionsClosed);
                return;
            }
            Turn::More => enqueue(&mut self.ready, tenant),
            Turn::Idle => {}
        }
        let due = tenant.connection.due(core);
        core.timers.arm(token, &mut tenant.armed, due);
    }
}

/// The tenant of this place, if it is still the one that is meant.
fn tenant_of(tenants: &mut Slab<Tenant>, place: Place) -> Option<&mut Tenant> {
    tenants.get_mut(place.index).filter(|tenant| tenant.place == place)
}

fn enqueue(ready: &mut VecDeque<Place>, tenant: &mut Tenant) {
    if !tenant.queued {
        tenant.queued = true;
        ready.push_back(tenant.place);
    }
}
