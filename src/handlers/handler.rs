//! The trait that every protocol implements, and its side of a call.

use std::borrow::Cow;
use std::time::Duration;

use super::{Close, Download, HandOver, Output, Sample, Session};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::events::Event;

/// One protocol's dialogue with one visitor.
///
/// The server calls `open` once, then `data` for whatever arrives (TCP: cut anywhere; UDP: one datagram), `deadline` when the
/// asked time has come, `eof` when the visitor has closed its sending side, and `closed` last, however the session ended. After a
/// call that closes or hands over, only `closed` follows, or nothing.
///
/// A handler that wraps another (TLS around a protocol) gives the inner one a [`Context`] on an [`Output`] of its own.
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

    /// The session is over (closed, reset, idle, evicted): last events. Nothing can be sent any more. Not called after a hand-over.
    fn closed(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }
}

impl Handler for Box<dyn Handler> {
    fn open(&mut self, cx: &mut Context<'_>) {
        (**self).open(cx);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        (**self).data(cx, bytes);
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        (**self).eof(cx);
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        (**self).deadline(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        (**self).closed(cx);
    }
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
    pub fn session(&self) -> &'a Session {
        self.session
    }

    /// The time of this call.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Queues bytes for the visitor (UDP: one datagram).
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.out.send(bytes.as_ref());
    }

    /// Records an event; flow, addresses, rule and handler name are filled in.
    pub fn event(&mut self, event: Event) {
        self.out.events.push(event);
    }

    /// A file that arrived inline, within the handler's own bound: stored outside under its SHA-256. Records the `download` event with
    /// `name`, `bytes` and `payload_hash`.
    pub fn sample(&mut self, name: &str, bytes: Vec<u8>) {
        let sample = Sample::new(name, bytes);
        self.event(sample.event());
        self.out.samples.push(sample);
    }

    /// A file that the visitor named by URL and wanted fetched with this tool (`wget`, `curl`, `tftp`): fetched outside, if at all.
    /// Records the `download` event with `url` and `tool`.
    pub fn download(&mut self, url: &str, tool: &str) {
        let download = Download { url: url.to_owned(), tool: tool.to_owned() };
        self.event(download.event());
        self.out.downloads.push(download);
    }

    /// Passes on what an inner handler asked for on an [`Output`] of its own: events, samples, downloads, counters, deadline. What it sent,
    /// its close and its hand-over are left to the wrapper.
    pub fn pass_on(&mut self, inner: &mut Output) {
        self.out.events.append(&mut inner.events);
        self.out.samples.append(&mut inner.samples);
        self.out.downloads.append(&mut inner.downloads);
        self.out.counts.append(&mut inner.counts);
        if let Some(deadline) = inner.deadline.take() {
            self.out.deadline = Some(deadline);
        }
    }

    /// Raises a counter by one.
    pub fn count(&mut self, counter: Counter) {
        self.out.counts.push(counter);
    }

    /// Asks for a [`Handler::deadline`] call after this time; replaces an earlier wish. A deadline that has come is over.
    pub fn deadline_in(&mut self, after: Duration) {
        self.out.deadline = Some(Some(self.now + after));
    }

    /// Takes back the deadline.
    pub fn clear_deadline(&mut self) {
        self.out.deadline = Some(None);
    }

    /// Sends what is queued, then closes; over UDP the session ends.
    pub fn close(&mut self) {
        self.out.close = Some(Close::Graceful);
    }

    /// Closes with a TCP reset; what is queued is lost. A UDP session ends as with [`Context::close`].
    pub fn reset(&mut self) {
        self.out.close = Some(Close::Reset);
    }

    /// Gives the rest of the session to the handler of this name, which starts with `open` and then gets `bytes` as its first data.
    /// What was queued to be sent goes out before. A name that is not registered ends the session with an error event.
    pub fn hand_over(&mut self, handler: impl Into<Cow<'static, str>>, bytes: Vec<u8>) {
        self.out.hand_over = Some(HandOver { handler: handler.into(), bytes });
    }
}
