//! For tests: several connections of one source at one handler, on one clock.

use std::time::Duration;

use super::{Context, Handler, Output, Registry, Session};
use crate::clock::Timestamp;
use crate::flow::Transport;

/// The handler, and what time it is.
pub(super) struct Room {
    registry: Registry,
    handler: &'static str,
    port: u16,
    /// How what was sent is shown.
    show: fn(&[u8]) -> String,
    pub(super) now: Timestamp,
}

/// One connection.
pub(super) struct Visitor {
    session: Session,
    handler: Box<dyn Handler>,
    show: fn(&[u8]) -> String,
    pub(super) out: Output,
}

impl Room {
    pub(super) fn new(handler: &'static str, port: u16, show: fn(&[u8]) -> String) -> Self {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        Self { registry: Registry::builtin(), handler, port, show, now }
    }

    pub(super) fn visitor(&self, seed: u64) -> Visitor {
        let session = Session { seed, ..Session::example(Transport::Tcp, self.port) };
        let handler = self.registry.find(self.handler).unwrap().make(&session);
        let mut visitor = Visitor { session, handler, show: self.show, out: Output::default() };
        visitor.call(self.now, |handler, cx| handler.open(cx));
        visitor
    }
}

impl Visitor {
    pub(super) fn call(&mut self, now: Timestamp, call: impl FnOnce(&mut dyn Handler, &mut Context<'_>)) -> String {
        self.out.clear();
        call(&mut *self.handler, &mut Context::new(&self.session, now, &mut self.out));
        (self.show)(self.out.bytes())
    }

    /// What is answered at once.
    pub(super) fn says(&mut self, room: &Room, bytes: impl AsRef<[u8]>) -> String {
        self.call(room.now, |handler, cx| handler.data(cx, bytes.as_ref()))
    }

    /// What comes when the asked deadline comes.
    pub(super) fn hears(&mut self, room: &mut Room) -> String {
        room.now = room.now + Duration::from_millis(100);
        self.call(room.now, |handler, cx| handler.deadline(cx))
    }
}
