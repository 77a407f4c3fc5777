//! What every session of a worker uses: limits, counters, time, seeds, and the way to the sinks.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use mio::net::TcpStream;

use super::FlowLookup;
use super::binding::Bindings;
use super::proof::Proofs;
use super::resolver::Resolver;
use super::sys;
use super::timer::Timers;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::control::{Counter, Counters};
use crate::events::{Event, FlowRef, Record};
use crate::handlers::{Output, Registry};
use crate::samples::SampleSender;

/// What every session of a worker uses.
pub(super) struct Core {
    pub(super) limits: config::Server,
    pub(super) counters: Arc<Counters>,
    pub(super) registry: Arc<Registry>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) proofs: Arc<Proofs>,
    pub(super) samples: SampleSender,
    pub(super) flows: Arc<dyn FlowLookup>,
    /// Where sockets that sessions open themselves are registered.
    pub(super) poll: mio::Registry,
    /// The time of this wake-up.
    pub(super) now: Timestamp,
    /// What the handler asked for in the last call.
    pub(super) output: Output,
    pub(super) bindings: Bindings,
    pub(super) timers: Timers,
    /// The `handler` field of relays.
    pub(super) relay_name: Arc<str>,
    clock: Clock,
    sink: Box<dyn Fn(Record) + Send>,
    seeds: RandomState,
    drawn: u64,
}

/// What a [`Core`] is made of.
pub(super) struct Parts {
    pub(super) limits: config::Server,
    pub(super) counters: Arc<Counters>,
    pub(super) registry: Arc<Registry>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) proofs: Arc<Proofs>,
    pub(super) samples: SampleSender,
    pub(super) flows: Arc<dyn FlowLookup>,
    pub(super) clock: Clock,
    pub(super) sink: Box<dyn Fn(Record) + Send>,
}

impl Core {
    pub(super) fn new(parts: Parts, poll: mio::Registry) -> Self {
        let Parts { limits, counters, registry, resolver, proofs, samples, flows, clock, sink } = parts;
        Self {
            limits,
            counters,
            registry,
            resolver,
            proofs,
            samples,
            flows,
            poll,
            now: clock.now(),
            output: Output::default(),
            bindings: Bindings::default(),
            timers: Timers::default(),
            relay_name: Arc::from("proxy"),
            clock,
            sink,
            seeds: RandomState::new(),
            drawn: 0,
        }
    }

    /// Reads the clock.
    pub(super) fn tick(&mut self) {
        self.now = self.clock.now();
    }

    /// A seed that nobody can foretell: a keyed hash of a count, with a key from the operating system.
    pub(super) fn seed(&mut self) -> u64 {
        self.drawn += 1;
        self.seeds.hash_one(self.drawn)
    }

    /// A connection is over, and with it a flow that only its session has seen.
    pub(super) fn release(&self, flow: &FlowRef, stream: &TcpStream) {
        let totals = || sys::totals(stream.as_fd(), flow.key.client.is_ipv4());
        self.flows.release(flow, self.now, &totals, &mut |record| (self.sink)(record));
    }

    /// Records what happened in a session; counts what does not hold all that came.
    pub(super) fn record(&self, flow: &FlowRef, handler: &Arc<str>, event: Event) {
        if event.is_truncated() {
            self.counters.count(Counter::PayloadTruncated);
        }
        (self.sink)(Record::Session {
            at: self.now,
            flow: flow.clone(),
            handler: Arc::clone(handler),
            event: Box::new(event),
        });
    }
}
