//! UDP sessions: datagrams of one peer to one local address, and the handler that serves them.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use mio::Token;

use super::FlowLookup;
use super::answer_limit::{Answer, AnswerLimits, Credit};
use super::binding::Service;
use super::core::Core;
use super::served::{Call, Served};
use super::sys::{self, Batch, Ends};
use super::token::{Generations, Place, Source};
use crate::clock::Timestamp;
use crate::config;
use crate::control::Counter;
use crate::events::FlowRef;
use crate::flow::Transport;
use crate::pace::Pace;
use crate::recency::Recency;

/// Batches of one socket before other sources have their turn.
const BATCHES_PER_TURN: usize = 4;
/// How long datagrams gather in a flood; sessions of the same worker wait as long.
const GATHER: Duration = Duration::from_micros(500);
/// Idle sessions that one wake-up ends.
const EXPIRED_PER_TURN: usize = 256;
/// After this time without a datagram the flow is looked up again: the engine may have given the same ends to a new one.
const FLOW_AGE: Duration = Duration::from_secs(1);

/// A session's ends, and the socket that it came by.
type Key = (usize, Ends);

struct DatagramSession {
    served: Served,
    place: Place,
    /// When the handler's timer is set for.
    armed: Option<Timestamp>,
    active: Timestamp,
    credit: Credit,
}

/// The UDP sockets of a worker and their sessions.
pub(super) struct Datagrams {
    sockets: Vec<(UdpSocket, u16)>,
    sessions: Recency<Key, DatagramSession>,
    /// Sessions at the same time; the one silent for longest makes room for another.
    max_sessions: usize,
    generations: Generations,
    answers: Arc<AnswerLimits>,
    flows: Arc<dyn FlowLookup>,
    pace: Pace,
}

impl Datagrams {
    /// The sockets with their ports, and this worker's share of the sessions: flows are spread over the workers by a hash.
    pub(super) fn new(
        sockets: Vec<(UdpSocket, u16)>,
        limits: &config::Server,
        answers: Arc<AnswerLimits>,
        flows: Arc<dyn FlowLookup>,
    ) -> Self {
        Self {
            sockets,
            sessions: Recency::default(),
            max_sessions: (limits.max_sessions / limits.workers.max(1)).max(1),
            generations: Generations::default(),
            answers,
            flows,
            pace: Pace::new(GATHER),
        }
    }

    /// In a flood of datagrams: how long more of them should gather before the next look.
    pub(super) fn gather(&mut self, now: Timestamp) -> Option<Duration> {
        self.pace.assess(now);
        self.pace.pause()
    }

    /// Serves what has come to a socket, up to the work budget; true when there may be more.
    pub(super) fn turn(&mut self, index: usize, batch: &mut Batch, core: &mut Core) -> bool {
        for _ in 0..BATCHES_PER_TURN {
            let Some((socket, _)) = self.sockets.get(index) else { break };
            if batch.receive(socket.as_fd()).is_err() {
                return false;
            }
            core.counters.add(Counter::DatagramsReceived, batch.len() as u64);
            self.pace.note(batch.len() as u64, 0);
            for (ends, bytes) in batch.datagrams() {
                self.serve((index, ends), bytes, core);
            }
            if !batch.is_full() {
                return false;
            }
        }
        true
    }

    /// A handler's deadline has come.
    pub(super) fn deadline(&mut self, place: Place, core: &mut Core) {
        let Some((_, session)) = self.sessions.at(place.index).filter(|(_, session)| session.place == place) else {
            return;
        };
        session.armed = None;
        if session.served.deadline.is_some_and(|deadline| deadline <= core.now) {
            session.served.deadline = None;
            self.call(place.index, Call::Deadline, core);
        } else {
            self.rearm(place.index, core);
        }
    }

    /// Ends sessions that have been silent for too long, some at a time.
    pub(super) fn expire(&mut self, core: &mut Core) {
        for _ in 0..EXPIRED_PER_TURN {
            match self.sessions.oldest() {
                Some((at, oldest)) if oldest.active + core.limits.udp_idle_timeout <= core.now => {
                    self.end(at, core);
                }
                _ => return,
            }
        }
    }

    /// Time until [`Datagrams::expire`] has something to do.
    pub(super) fn wait(&self, core: &Core) -> Option<Duration> {
        self.sessions
            .oldest()
            .map(|(_, oldest)| (oldest.active + core.limits.udp_idle_timeout).saturating_since(core.now))
    }

    /// Ends every session.
    pub(super) fn close(&mut self, core: &mut Core) {
        while let Some((at, _)) = self.sessions.oldest() {
            self.end(at, core);
        }
    }

    fn serve(&mut self, key: Key, bytes: &[u8], core: &mut Core) {
        let known = self.sessions.touch(&key).and_then(|at| self.keep(at, key, core));
        let Some(at) = known.or_else(|| self.open(key, core)) else {
            core.counters.count(Counter::DatagramsWithoutFlow);
            return;
        };
        if let Some((_, session)) = self.sessions.at(at) {
            session.active = core.now;
            session.credit.earn(bytes.len() as u64);
            core.counters.add(Counter::DatagramBytesReceived, bytes.len() as u64);
            self.call(at, Call::Data(bytes), core);
        }
    }

    /// The session, if it still belongs to the flow of its ends; one that does not is ended.
    fn keep(&mut self, at: usize, key: Key, core: &mut Core) -> Option<usize> {
        let (_, session) = self.sessions.at(at)?;
        let id = session.served.flow.id;
        let stale = session.active + FLOW_AGE < core.now;
        if stale && self.look_up(key).is_none_or(|flow| flow.id != id) {
            self.end(at, core);
            return None;
        }
        Some(at)
    }

    fn look_up(&self, (index, ends): Key) -> Option<FlowRef> {
        let &(_, port) = self.sockets.get(index)?;
        self.flows.lookup(Transport::Udp, ends.peer, SocketAddr::new(ends.local, port))
    }

    fn open(&mut self, key: Key, core: &mut Core) -> Option<usize> {
        let flow = self.look_up(key)?;
        let binding = core.bindings.of(&flow.rule, Transport::Udp, &core.registry);
        let Service::Handler(entry) = &binding.service else { return None };
        if self.sessions.len() >= self.max_sessions
            && let Some((oldest, _)) = self.sessions.oldest()
        {
            core.counters.count(Counter::DatagramSessionsEvicted);
            self.end(oldest, core);
        }
        let served = Served::new(core, flow, &binding.rule_name, entry);
        let place = self.generations.place(self.sessions.vacancy());
        let session = DatagramSession { served, place, armed: None, active: core.now, credit: Credit::default() };
        let at = self.sessions.insert(key, session);
        self.call(at, Call::Open, core);
        self.sessions.at(at).map(|_| at)
    }

    /// Calls the handler, sends what it says and ends the session when it says so.
    fn call(&mut self, at: usize, call: Call<'_>, core: &mut Core) {
        let Some((&(index, ends), session)) = self.sessions.at(at) else { return };
        let close = session.served.call(core, call);
        let answer = Answer::of(core.output.sends());
        if answer.datagrams > 0 {
            let is_allowed = self.allows(at, &answer, core);
            let socket = self.sockets.get(index).filter(|_| is_allowed);
            for datagram in core.output.sends() {
                match socket.map(|(socket, _)| sys::send(socket.as_fd(), &ends, datagram)) {
                    Some(Ok(())) => {
                        core.counters.count(Counter::DatagramsAnswered);
                        core.counters.add(Counter::DatagramBytesSent, datagram.len() as u64);
                    }
                    Some(Err(_)) | None => core.counters.count(Counter::DatagramsUnanswered),
                }
            }
        }
        if close.is_some() { self.end(at, core) } else { self.rearm(at, core) }
    }

    /// An answer goes whole or not at all: half of one would not look like a loss. An address that may be forged gets no more than came
    /// in its name: this sensor is of no use for a flood.
    fn allows(&mut self, at: usize, answer: &Answer, core: &Core) -> bool {
        let Some((_, session)) = self.sessions.at(at) else { return false };
        let client = session.served.flow.key.client;
        // What the rate allows beyond is not held against the next answer.
        let is_covered = session.credit.spend(answer);
        let is_proved = || core.proofs.has(client, core.now);
        (is_covered || is_proved() && self.answers.bytes.allows(client, answer.bytes, core.now))
            && self.answers.datagrams.allows(client, answer.datagrams, core.now)
    }

    fn rearm(&mut self, at: usize, core: &mut Core) {
        if let Some((_, session)) = self.sessions.at(at)
            && let Some(due) = session.served.deadline
        {
            core.timers.arm(Token::from(Source::Datagrams(session.place)), &mut session.armed, due);
        }
    }

    fn end(&mut self, at: usize, core: &mut Core) {
        if let Some(mut session) = self.sessions.remove(at) {
            core.timers.disarm(Token::from(Source::Datagrams(session.place)), &mut session.armed);
            session.served.end(core);
        }
    }
}
