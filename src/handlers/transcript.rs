//! The test that every handler passes: a dialogue gives the same answers and events however its bytes are cut.
//!
//! [`Transcript::run`] plays the steps whole, byte by byte, and cut at random places (seeded), compares everything that came out,
//! and hands back one [`Outcome`] to look at. UDP datagrams are never cut.

use std::time::Duration;

use super::{Context, Download, Guise, Handler, Output, Random, Registry, Sample, Session};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::Event;
use crate::flow::Transport;

/// One thing that the visitor does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// Sends bytes (UDP: one datagram).
    Recv(&'a [u8]),
    /// Does nothing for this many milliseconds.
    Wait(u64),
    /// Closes its sending side.
    Eof,
}

/// What came out of a dialogue.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What was sent, send by send; only UDP may rely on the borders.
    pub(super) sends: Vec<Vec<u8>>,
    /// What had been sent after each step, as a length.
    pub(super) sent_after: Vec<usize>,
    /// Every event, those of `closed` included.
    pub(super) events: Vec<Event>,
    /// Files that were to be stored.
    pub(super) samples: Vec<Sample>,
    /// Files that were named.
    pub(super) downloads: Vec<Download>,
    /// Counters raised.
    pub(super) counts: Vec<Counter>,
    /// The handler closed the session.
    pub(super) closed: bool,
    /// The handler gave the session to this one, with these bytes.
    pub(super) handed_over: Option<(String, Vec<u8>)>,
}

impl Outcome {
    /// What was sent, as one stream.
    pub(super) fn sent(&self) -> Vec<u8> {
        self.sends.concat()
    }

    /// The only event of this kind.
    pub(super) fn the_event(&self, kind: &str) -> &Event {
        let events: Vec<&Event> = self.events.iter().filter(|event| event.kind == kind).collect();
        assert_eq!(events.len(), 1, "events of kind {kind}: {:?}", self.events);
        events[0]
    }

    /// What must not depend on the cuts.
    fn essence(&self) -> impl PartialEq + std::fmt::Debug + '_ {
        let events: Vec<_> = self.events.iter().map(|e| (e.kind, &e.msg, e.level, &e.fields)).collect();
        (self.sent(), &self.sent_after, events, &self.samples, self.closed, &self.handed_over)
    }
}

/// A dialogue with one handler.
pub(super) struct Transcript {
    handler: String,
    tables: toml::Table,
    session: Session,
}

impl Transcript {
    /// A dialogue over TCP with this built-in handler, which has these settings (TOML).
    pub(super) fn tcp(handler: &str, settings: &str) -> Self {
        Self::new(Transport::Tcp, handler, settings)
    }

    /// A dialogue over UDP.
    pub(super) fn udp(handler: &str, settings: &str) -> Self {
        Self::new(Transport::Udp, handler, settings)
    }

    fn new(transport: Transport, handler: &str, settings: &str) -> Self {
        let table: toml::Table = settings.parse().unwrap();
        let tables = toml::Table::from_iter([(handler.to_owned(), toml::Value::Table(table))]);
        let registry = configured(&tables);
        let port = registry.find(handler).unwrap().default_ports().first().copied().unwrap_or(4444);
        Self { handler: handler.to_owned(), session: Session::example(transport, port), tables }
    }

    /// The same dialogue on another port.
    pub(super) fn dialling(mut self, port: u16) -> Self {
        self.session.dialled.set_port(port);
        self
    }

    /// Plays the steps in every cut and returns what came out of the whole one.
    pub(super) fn run(&self, steps: &[Step<'_>]) -> Outcome {
        let whole = self.play(steps, |_| usize::MAX);
        if self.session.transport == Transport::Tcp {
            let bytewise = self.play(steps, |_| 1);
            assert!(whole.essence() == bytewise.essence(), "whole: {whole:#?}\nbyte by byte: {bytewise:#?}");
            for seed in 0..20 {
                let mut random = Random::new(seed);
                let cut = self.play(steps, |left| usize::try_from(random.within(&(1..=left as u64))).unwrap());
                assert!(whole.essence() == cut.essence(), "whole: {whole:#?}\ncut with seed {seed}: {cut:#?}");
            }
        }
        whole
    }

    /// Plays each input on a connection of its own, some seconds after the one before: what one leaves the next one finds.
    pub(super) fn connections(&self, inputs: &[&[u8]]) -> Vec<Outcome> {
        const APART: Duration = Duration::from_secs(2);
        let registry = configured(&self.tables);
        let one = |(at, input): (usize, &&[u8])| {
            let mut play = self.begin(&registry, at as u64 * APART.as_secs());
            play.data(input);
            play.wait(APART);
            play.finish()
        };
        inputs.iter().enumerate().map(one).collect()
    }

    /// A connection that begins so many seconds after the first.
    fn begin(&self, registry: &Registry, seconds: u64) -> Play<'_> {
        let mut play = Play {
            session: &self.session,
            handler: registry.find(&self.handler).unwrap().make(&self.session),
            now: Timestamp::from_micros(1_700_000_000_000_000) + Duration::from_secs(seconds),
            deadline: None,
            out: Output::default(),
            outcome: Outcome::default(),
        };
        play.call(|handler, cx| handler.open(cx));
        play
    }

    fn play(&self, steps: &[Step<'_>], mut piece: impl FnMut(usize) -> usize) -> Outcome {
        // Prepared anew, so that no run finds what the one before has left with its source.
        let registry = configured(&self.tables);
        let mut play = self.begin(&registry, 0);
        for step in steps {
            match *step {
                Step::Recv(bytes) if self.session.transport != Transport::Tcp => play.data(bytes),
                Step::Recv(mut bytes) => {
                    while !bytes.is_empty() {
                        let (now, later) = bytes.split_at(piece(bytes.len()).clamp(1, bytes.len()));
                        play.data(now);
                        bytes = later;
                    }
                }
                Step::Wait(millis) => play.wait(Duration::from_millis(millis)),
                Step::Eof => play.call(|handler, cx| handler.eof(cx)),
            }
            let sent = play.outcome.sends.iter().map(Vec::len).sum();
            play.outcome.sent_after.push(sent);
        }
        play.finish()
    }
}

/// These bytes with one to three of them, drawn by the seed, replaced.
pub(super) fn damaged(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut damaged = whole.to_vec();
    for _ in 0..random.within(&(1..=3)) {
        let at = usize::try_from(random.within(&(0..=damaged.len() as u64 - 1))).unwrap();
        damaged[at] = random.bits().to_le_bytes()[0];
    }
    damaged
}

pub(super) fn configured(tables: &toml::Table) -> Registry {
    let mut registry = Registry::builtin();
    registry.configure(tables, 4_096, &Guise::example()).unwrap();
    registry
}

/// One run of a dialogue.
struct Play<'a> {
    session: &'a Session,
    handler: Box<dyn Handler>,
    now: Timestamp,
    deadline: Option<Timestamp>,
    out: Output,
    outcome: Outcome,
}

impl Play<'_> {
    fn is_over(&self) -> bool {
        self.outcome.closed || self.outcome.handed_over.is_some()
    }

    fn data(&mut self, bytes: &[u8]) {
        if let (Some((_, taken)), Transport::Tcp) = (&mut self.outcome.handed_over, self.session.transport) {
            taken.extend_from_slice(bytes);
        }
        self.call(|handler, cx| handler.data(cx, bytes));
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn Handler, &mut Context<'_>)) {
        if self.is_over() {
            return;
        }
        call(&mut *self.handler, &mut Context::new(self.session, self.now, &mut self.out));
        self.take();
    }

    fn take(&mut self) {
        self.outcome.sends.extend(self.out.sends().map(<[u8]>::to_vec));
        self.outcome.events.append(&mut self.out.events);
        self.outcome.samples.append(&mut self.out.samples);
        self.outcome.downloads.append(&mut self.out.downloads);
        self.outcome.counts.append(&mut self.out.counts);
        if let Some(deadline) = self.out.deadline {
            self.deadline = deadline;
        }
        self.outcome.closed |= self.out.close.is_some();
        if let Some(over) = self.out.hand_over.take() {
            self.outcome.handed_over = Some((over.handler.into_owned(), over.bytes));
        }
        self.out.clear();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.deadline.filter(|&due| due <= end && !self.is_over()) {
            self.now = self.now.max(due);
            self.deadline = None;
            self.call(|handler, cx| handler.deadline(cx));
        }
        self.now = end;
    }

    fn finish(mut self) -> Outcome {
        if self.outcome.handed_over.is_none() {
            self.handler.closed(&mut Context::new(self.session, self.now, &mut self.out));
            self.out.clear_sends();
            self.take();
        }
        self.outcome
    }
}
