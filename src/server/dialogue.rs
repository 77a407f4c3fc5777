//! One TCP connection and the handler that serves it.

use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;

use super::Turn;
use super::admission::Permit;
use super::core::Core;
use super::served::{Call, Served};
use super::wire::{Read, Unsent, Wire, Written};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::handlers::Close;

/// While more than this many bytes wait to be sent, the visitor is not read.
const MAX_UNSENT: usize = 256 * 1024;
/// Reads of one session before the others have their turn.
const READS_PER_TURN: usize = 4;
/// How much later a handler is called that wants to go on while its visitor takes nothing.
const HELD_BACK: Duration = Duration::from_millis(100);
/// Time to send what is queued when the session ends.
const FLUSH_TIME: Duration = Duration::from_secs(30);
/// Time and bytes that the visitor has, after our FIN, to end its side. Closing with unread input would send a reset, which can
/// destroy the answer on its way (RFC 9112 section 9.6 tells the same of HTTP).
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// How far a session has come.
enum Phase {
    /// The handler talks.
    Open(Box<Served>),
    /// The handler is done; what is queued goes out until then.
    Flushing(Timestamp),
    /// Our FIN is sent; so many bytes of input are thrown away until then.
    Lingering(Timestamp, usize),
}

/// One TCP connection and the handler that serves it.
pub(super) struct Dialogue {
    wire: Wire,
    unsent: Unsent,
    phase: Phase,
    /// The visitor sends no more.
    eof: bool,
    opened: Timestamp,
    active: Timestamp,
    received: u64,
    _permit: Permit,
}

impl Dialogue {
    pub(super) fn new(wire: Wire, served: Served, permit: Permit, now: Timestamp) -> Self {
        let phase = Phase::Open(Box::new(served));
        Self {
            wire,
            unsent: Unsent::default(),
            phase,
            eof: false,
            opened: now,
            active: now,
            received: 0,
            _permit: permit,
        }
    }

    /// The stream to the visitor.
    pub(super) fn stream(&self) -> &TcpStream {
        self.wire.stream()
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &Event) {
        self.wire.note(event);
    }

    /// The first call of the handler.
    pub(super) fn open(&mut self, core: &mut Core) -> Turn {
        self.call(core, Call::Open)
    }

    /// Does what can be done now, up to the work budget.
    pub(super) fn turn(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        for _ in 0..READS_PER_TURN {
            let before = self.unsent.len();
            if self.unsent.flush(&mut self.wire) == Written::Gone {
                return self.over(core);
            }
            if self.unsent.len() < before {
                self.active = core.now;
            }
            let turn = match self.phase {
                Phase::Open(_) => self.read(core, buffer),
                Phase::Flushing(_) => self.finish_flushing(core.now),
                Phase::Lingering(..) => self.drain(buffer),
            };
            if turn != Turn::More {
                return turn;
            }
        }
        Turn::More
    }

    /// When [`Dialogue::expire`] has something to do.
    pub(super) fn due(&self, core: &Core) -> Timestamp {
        match &self.phase {
            Phase::Open(served) => {
                let limit = (self.active + core.limits.idle_timeout).min(self.opened + core.limits.max_session);
                served.deadline.map_or(limit, |deadline| deadline.min(limit))
            }
            Phase::Flushing(due) | Phase::Lingering(due, _) => *due,
        }
    }

    /// A deadline has come.
    pub(super) fn expire(&mut self, core: &mut Core) -> Turn {
        let Phase::Open(served) = &mut self.phase else { return self.over(core) };
        let idle = self.active + core.limits.idle_timeout <= core.now;
        if served.deadline.is_some_and(|deadline| deadline <= core.now) {
            let is_full = self.unsent.len() > MAX_UNSENT;
            if !is_full {
                served.deadline = None;
                return self.call(core, Call::Deadline);
            }
            if !idle {
                served.deadline = Some(core.now + HELD_BACK);
                return Turn::More;
            }
        }
        core.counters.count(if idle { Counter::SessionsIdle } else { Counter::SessionsOverlong });
        self.close(core)
    }

    /// Ends the session from our side: nothing more is read, what is queued goes out.
    pub(super) fn close(&mut self, core: &mut Core) -> Turn {
        if matches!(self.phase, Phase::Open(_)) {
            self.take_phase(core, Phase::Flushing(core.now + FLUSH_TIME));
        }
        Turn::More
    }

    fn read(&mut self, core: &mut Core, buffer: &mut [u8]) -> Turn {
        if self.eof || self.unsent.len() > MAX_UNSENT {
            return Turn::Idle;
        }
        match self.wire.read(buffer) {
            Read::Bytes(len) => {
                self.active = core.now;
                self.received += len as u64;
                let turn = self.call(core, Call::Data(buffer.get(..len).unwrap_or_default()));
                if self.received > core.limits.max_session_bytes && matches!(self.phase, Phase::Open(_)) {
                    core.counters.count(Counter::SessionsOverlong);
                    return self.close(core);
                }
                turn
            }
            Read::Blocked => Turn::Idle,
            Read::Eof => {
                self.eof = true;
                self.call(core, Call::Eof)
            }
            Read::Gone => self.over(core),
        }
    }

    /// Calls the handler, sends what it says and closes when it says so.
    fn call(&mut self, core: &mut Core, call: Call<'_>) -> Turn {
        let Phase::Open(served) = &mut self.phase else { return Turn::More };
        let close = served.call(core, call);
        if close == Some(Close::Reset) {
            self.wire.reset_on_close();
            return self.over(core);
        }
        if !core.output.bytes().is_empty() {
            self.active = core.now;
            if self.unsent.send(&mut self.wire, core.output.bytes()) == Written::Gone {
                return self.over(core);
            }
        }
        if close.is_some() { self.close(core) } else { Turn::More }
    }

    fn finish_flushing(&mut self, now: Timestamp) -> Turn {
        if self.unsent.len() > 0 {
            return Turn::Idle;
        }
        if self.eof {
            return Turn::Over;
        }
        self.wire.shutdown_write();
        self.phase = Phase::Lingering(now + LINGER_TIME, LINGER_BYTES);
        Turn::More
    }

    fn drain(&mut self, buffer: &mut [u8]) -> Turn {
        let Phase::Lingering(_, left) = &mut self.phase else { return Turn::More };
        match self.wire.read(buffer) {
            Read::Bytes(len) if len < *left => {
                *left -= len;
                Turn::More
            }
            Read::Blocked => Turn::Idle,
            Read::Bytes(_) | Read::Eof | Read::Gone => Turn::Over,
        }
    }

    /// The end, without further ado.
    fn over(&mut self, core: &mut Core) -> Turn {
        self.take_phase(core, Phase::Flushing(core.now));
        Turn::Over
    }

    /// Changes the phase; a handler that was talking gets its last call.
    fn take_phase(&mut self, core: &mut Core, next: Phase) {
        if let Phase::Open(served) = std::mem::replace(&mut self.phase, next) {
            served.end(core);
        }
    }
}
