//! Handlers: the dialogues that visitors meet, as state machines without I/O.
//!
//! Owns the [`Handler`] trait, the registry and one protocol a file. Refuses sockets, clocks, files and threads: bytes, times and
//! seeds come in; bytes, deadlines and events go out. A handler never learns how its bytes were cut into segments or which
//! datapath brought them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::events::Event;
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
    pub rule: String,
    /// Randomness for this session: differs for every one, same value gives the same dialogue.
    pub seed: u64,
}

/// How a handler ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Send what is queued, then FIN.
    Graceful,
    /// TCP reset; queued bytes are lost.
    Reset,
}

/// What a handler asks for: collected during one call, carried out by the server afterwards.
#[derive(Debug, Default)]
pub struct Output {
    /// Bytes for the visitor. With UDP one element is one datagram; with TCP elements are concatenated.
    pub sends: Vec<Vec<u8>>,
    /// Events to record; session fields are filled in by the server.
    pub events: Vec<Event>,
    /// New deadline: `Some(Some(t))` sets, `Some(None)` clears, `None` leaves the old one.
    pub deadline: Option<Option<Timestamp>>,
    /// End of the session.
    pub close: Option<Close>,
}

/// The handler's side of one call: what it may see and where it says what it wants.
#[derive(Debug)]
pub struct Context<'a> {
    session: &'a Session,
    now: Timestamp,
    out: &'a mut Output,
}

impl<'a> Context<'a> {
    /// A context for one call.
    pub fn new(session: &'a Session, now: Timestamp, out: &'a mut Output) -> Self {
        Self { session, now, out }
    }

    /// The session that is served.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// The time of this call.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Queues bytes for the visitor (UDP: one datagram).
    pub fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        self.out.sends.push(bytes.into());
    }

    /// Records an event; flow, addresses, rule and handler name are filled in.
    pub fn event(&mut self, event: Event) {
        self.out.events.push(event);
    }

    /// Asks for a [`Handler::deadline`] call after this time; replaces an earlier wish.
    pub fn deadline_in(&mut self, after: Duration) {
        self.out.deadline = Some(Some(self.now + after));
    }

    /// Takes back the deadline.
    pub fn clear_deadline(&mut self) {
        self.out.deadline = Some(None);
    }

    /// Sends what is queued, then closes.
    pub fn close(&mut self) {
        self.out.close = Some(Close::Graceful);
    }

    /// Closes with a TCP reset.
    pub fn reset(&mut self) {
        self.out.close = Some(Close::Reset);
    }
}

/// One protocol's dialogue with one visitor.
///
/// The server calls `open` once, then `data` for whatever arrives (TCP: cut anywhere; UDP: one datagram), `deadline` when the
/// asked time has come, `eof` when the visitor has closed its sending side, and `closed` last, however the session ended.
pub trait Handler: Send {
    /// The connection stands; a banner may be sent.
    fn open(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Bytes from the visitor. All of them are taken: what cannot be used yet is kept by the handler, within its own bound.
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]);

    /// The visitor sends no more.
    fn eof(&mut self, cx: &mut Context<'_>) {
        cx.close();
    }

    /// The deadline that was asked for has come.
    fn deadline(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// The session is over (closed, reset, idle, evicted): last events.
    fn closed(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }
}
