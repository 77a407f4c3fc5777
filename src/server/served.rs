//! A handler at work on one session: calls it, carries out what it asks for, survives its panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::core::Core;
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::{Event, FlowRef, Level};
use crate::handlers::{Close, Context, Entry, HandOver, Handler, Session};
use crate::samples::Origin;

/// A session that is handed over more often than this goes in circles.
const MAX_HAND_OVERS: u8 = 4;

/// What the server tells a handler.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call<'a> {
    Open,
    Data(&'a [u8]),
    Eof,
    Deadline,
    Closed,
}

/// A handler at work on one session.
pub(super) struct Served {
    pub(super) flow: FlowRef,
    /// When the handler wants to be called.
    pub(super) deadline: Option<Timestamp>,
    session: Session,
    name: Arc<str>,
    handler: Box<dyn Handler>,
    eof: bool,
    hand_overs: u8,
}

impl Served {
    /// A new session of this handler.
    pub(super) fn new(core: &mut Core, flow: FlowRef, rule: &Arc<str>, entry: &Entry) -> Self {
        let key = &flow.key;
        let session = Session {
            flow_id: flow.id,
            transport: key.transport,
            client: key.client(),
            dialled: key.dialled(),
            rule: Arc::clone(rule),
            seed: core.seed(),
        };
        let handler = entry.make(&session);
        Self { flow, deadline: None, session, name: Arc::clone(entry.name()), handler, eof: false, hand_overs: 0 }
    }

    /// One call. What the handler wants sent is in `core.output` afterwards.
    pub(super) fn call(&mut self, core: &mut Core, call: Call<'_>) -> Option<Close> {
        core.output.clear();
        self.eof |= matches!(call, Call::Eof);
        self.run(core, call);
        while let Some(over) = core.output.hand_over.take() {
            core.output.close = None;
            self.hand_over(core, &over);
        }
        core.output.close.take()
    }

    /// The last call.
    pub(super) fn end(mut self, core: &mut Core) {
        core.output.clear();
        self.run(core, Call::Closed);
        core.output.clear();
    }

    /// Calls the handler and takes everything but sends, close and hand-over out of the output.
    fn run(&mut self, core: &mut Core, call: Call<'_>) {
        let handler = &mut *self.handler;
        let mut cx = Context::new(&self.session, core.now, &mut core.output);
        // A handler that panicked is never called again, so nobody meets what it left half done.
        let outcome = catch_unwind(AssertUnwindSafe(|| match call {
            Call::Open => handler.open(&mut cx),
            Call::Data(bytes) => handler.data(&mut cx, bytes),
            Call::Eof => handler.eof(&mut cx),
            Call::Deadline => handler.deadline(&mut cx),
            Call::Closed => handler.closed(&mut cx),
        }));
        if outcome.is_err() {
            core.counters.count(Counter::HandlerPanics);
            self.fail(core, "the handler panicked");
        }
        for counter in core.output.counts.drain(..) {
            core.counters.count(counter);
        }
        let mut events = std::mem::take(&mut core.output.events);
        for event in events.drain(..) {
            // Without downloads a URL is part of the command that named it and no event of its own.
            let is_download = event.kind == "download" && event.fields.contains_key("url");
            if core.samples.records_downloads() || !is_download {
                core.record(&self.flow, &self.name, event);
            }
        }
        core.output.events = events;
        self.collect(core);
        if let Some(deadline) = core.output.deadline.take() {
            self.deadline = deadline;
        }
    }

    /// Sends files that the visitor brought or named on their way.
    fn collect(&self, core: &mut Core) {
        let origin = || Origin { at: core.now, flow: self.flow.clone(), handler: Arc::clone(&self.name) };
        for sample in core.output.samples.drain(..) {
            core.samples.store(origin(), sample);
        }
        for download in core.output.downloads.drain(..) {
            core.samples.fetch(origin(), download);
        }
    }

    fn hand_over(&mut self, core: &mut Core, over: &HandOver) {
        self.hand_overs += 1;
        let entry = core.registry.find(&over.handler).filter(|entry| entry.serves(self.session.transport)).cloned();
        let Some(entry) = entry else {
            return self.fail(core, &format!("handed over to {}, which does not exist", over.handler));
        };
        if self.hand_overs > MAX_HAND_OVERS {
            return self.fail(core, "handed over too often");
        }
        self.handler = entry.make(&self.session);
        self.name = Arc::clone(entry.name());
        self.deadline = None;
        let mut calls = vec![Call::Open];
        if !over.bytes.is_empty() {
            calls.push(Call::Data(&over.bytes));
        }
        if self.eof {
            calls.push(Call::Eof);
        }
        for call in calls {
            if core.output.close.is_none() && core.output.hand_over.is_none() {
                self.run(core, call);
            }
        }
    }

    /// Ends the session because of a mistake of ours: from here on a handler that does nothing holds the place.
    fn fail(&mut self, core: &mut Core, reason: &str) {
        let mut event = Event::new("handler_error", format!("{}: {reason}", self.name));
        event.level = Level::Error;
        core.record(&self.flow, &self.name, event);
        self.handler = Box::new(Failed);
        core.output.hand_over = None;
        core.output.close = Some(Close::Reset);
    }
}

/// Stands where a handler failed.
struct Failed;

impl Handler for Failed {
    fn data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
}
