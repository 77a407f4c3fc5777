//! The dialogue: requests in, answers out, one after the other, each recorded.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;

use super::super::recording::{Direction, Recording};
use super::super::{Context, Handler};
use super::answer::{Answer, Framing, Progress};
use super::ask::Ask;
use super::docker::Docker;
use super::face::{Face, Meta};
use super::login::refuse_credentials;
use super::patience::{Awaits, Patience};
use super::record::{record_addresses, record_fault, record_sample, request_event, with_answer};
use super::site::{NO_FAMILY, Site};
use super::streaming::Streaming;
use super::{Fault, Found, Head, Reader, Request, Version};
use crate::clock::Timestamp;
use crate::events::Event;

/// What a client waits for that has asked before it sends a body (RFC 9110 section 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Silence after which what followed a faulty request is taken as the whole.
const QUIET: Duration = Duration::from_millis(250);
/// Time in which a body comes that comes with its head: an answer that needs none waits so long for it.
const TOGETHER: Duration = Duration::from_millis(100);
/// Bytes that a client may send ahead while an answer is under way.
const MAX_AHEAD: usize = 32 * 1024;

/// One connection.
pub(super) struct Connection {
    site: Arc<Site>,
    reader: Reader,
    requests: u32,
    phase: Phase,
    body: Awaited,
    patience: Patience,
    /// The port that was dialled.
    port: u16,
    /// It came in the clear to a port that speaks TLS.
    clear: bool,
}

/// The body whose head has come.
#[derive(Clone, Copy)]
enum Awaited {
    Nothing,
    /// The answer depends on it.
    Needed,
    /// The answer goes out without it if it takes long.
    Unneeded,
    /// It was answered by this family, with this status, before it has come; the connection may carry another request.
    Answered(&'static str, u16, bool),
}

enum Phase {
    /// Requests come.
    Requests,
    /// Something was no request: why, and what it was.
    Faulty(Fault, Recording),
    /// An answer is under way.
    Streaming(Box<Streaming>),
}

impl Connection {
    pub(super) fn new(site: Arc<Site>, port: u16) -> Self {
        let reader = Reader::new(site.face().grammar(), site.kept_of_body);
        let patience = Patience::new(site.silence);
        Self { reader, site, requests: 0, phase: Phase::Requests, body: Awaited::Nothing, patience, port, clear: false }
    }

    /// A connection that came without TLS to a port that speaks it.
    pub(super) fn in_the_clear(site: Arc<Site>, port: u16) -> Self {
        Self { clear: true, ..Self::new(site, port) }
    }

    fn ask<'a>(&self, request: &'a Request) -> Ask<'a> {
        Ask::new(request, self.site.secure, self.port)
    }

    /// The answer that needs no body, and its family.
    fn early(&self, request: &Request, now: Timestamp) -> Option<(&'static str, Answer)> {
        let ask = self.ask(request);
        if self.clear { Some((NO_FAMILY, self.site.face().unencrypted(&ask))) } else { self.site.early(&ask, now) }
    }

    /// Takes what has come, and waits for what is to come.
    fn take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.read(cx, bytes);
        // The deadline of an answer that goes out without a body stands, and so does that of a body after which nothing follows.
        let stands = matches!(self.body, Awaited::Unneeded | Awaited::Answered(_, _, false));
        if matches!(self.phase, Phase::Requests) && !stands {
            self.wait(cx);
        }
    }

    /// What is waited for, and how much of it has come.
    fn awaits(&self) -> (Awaits, u64) {
        let remains = self.reader.remains();
        match self.reader.request() {
            Some(_) if matches!(self.body, Awaited::Answered(..)) => (Awaits::Leftover, 0),
            Some(request) => (Awaits::Body, request.body.total()),
            None if !remains.is_empty() => (Awaits::Head, remains.len() as u64),
            None if self.requests > 0 => (Awaits::Next, 0),
            None => (Awaits::First, 0),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) {
        let (awaits, heard) = self.awaits();
        cx.deadline_in(self.patience.left(self.site.face(), awaits, heard, cx.now()));
    }

    /// What was waited for does not come.
    fn give_up(&self, cx: &mut Context<'_>) {
        let face = self.site.face();
        let request = self.reader.request();
        let is_begun = request.is_some() || self.reader.remains().contains(&b'\n');
        let ask = request.map(|request| self.ask(request));
        let answer = face.timed_out(ask.as_ref(), self.site.host_name(), self.port);
        if let Some(answer) = answer.filter(|_| is_begun && !self.site.mute) {
            let head = request.map(|request| &request.head);
            cx.send(face.write(&answer, &Meta { now: cx.now(), head, keep: false, left: 0 }));
        }
        cx.close();
    }

    fn read(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(found) = self.reader.next(&mut input) {
            match found {
                Found::Head => self.await_body(cx),
                Found::Fault(fault) => return self.refuse(cx, fault, input),
                Found::Request(request) => {
                    if !self.answer(cx, &request, input) {
                        return;
                    }
                }
            }
        }
    }

    fn await_body(&mut self, cx: &mut Context<'_>) {
        let Some(request) = self.reader.request().filter(|_| !self.site.mute) else { return };
        self.body = Awaited::Needed;
        if self.early(request, cx.now()).is_some() {
            self.body = Awaited::Unneeded;
            cx.deadline_in(TOGETHER);
        } else if request.head.expects_continue() {
            cx.send(CONTINUE);
        }
    }

    /// Answers a request whose body takes long and is not needed.
    fn answer_early(&mut self, cx: &mut Context<'_>) {
        let Some(request) = self.reader.request() else { return };
        let Some((family, answer)) = self.early(request, cx.now()) else { return };
        self.requests += 1;
        let face = self.site.face();
        let left = face.max_requests().saturating_sub(self.requests);
        let keep = face.keeps_alive(&request.head) && !answer.close && left > 0;
        cx.send(face.write(&answer, &Meta { now: cx.now(), head: Some(&request.head), keep, left }));
        self.body = Awaited::Answered(family, answer.status, keep);
        if keep { self.wait(cx) } else { cx.deadline_in(QUIET) }
    }

    /// The request's event, once its body is whole or will never be, and what comes with it or is named in it.
    fn record(&self, cx: &mut Context<'_>, request: &Request, family: &str, complete: impl FnOnce(Event) -> Event) {
        cx.event(complete(request_event(request, self.site.shown_of_body)));
        record_sample(cx, request, self.site.shown_of_body);
        // The shell of a container names them when it comes to them.
        if family != Docker::NAME {
            record_addresses(cx, request);
        }
    }

    /// Answers a request; true when the next one may be read at once. `rest` is what came behind it.
    fn answer(&mut self, cx: &mut Context<'_>, request: &Request, rest: &[u8]) -> bool {
        let site = Arc::clone(&self.site);
        let ask = self.ask(request);
        self.patience.restart();
        let body = std::mem::replace(&mut self.body, Awaited::Nothing);
        if let Awaited::Answered(family, status, keep) = body {
            refuse_credentials(cx, &ask);
            self.record(cx, request, family, |event| with_answer(event, family, status, Map::new()));
            if !keep {
                cx.close();
            }
            return keep;
        }
        if site.mute {
            self.record(cx, request, NO_FAMILY, |event| event);
            cx.close();
            return false;
        }
        self.requests += 1;
        let (family, face, mut answer) = if self.clear {
            refuse_credentials(cx, &ask);
            (NO_FAMILY, site.face(), site.face().unencrypted(&ask))
        } else {
            site.answer(cx, &ask)
        };
        let decoded = std::mem::take(&mut answer.decoded);
        self.record(cx, request, family, |event| with_answer(event, family, answer.status, decoded));
        if matches!(body, Awaited::Nothing) && face.invites_nothing(&request.head, answer.status) {
            cx.send(CONTINUE);
        }
        let left = face.max_requests().saturating_sub(self.requests);
        let keep = face.keeps_alive(&request.head) && !answer.close && left > 0;
        self.send(cx, face, &request.head, answer, Meta { now: cx.now(), head: Some(&request.head), keep, left }, rest)
    }

    fn send(
        &mut self,
        cx: &mut Context<'_>,
        face: &Face,
        head: &Head,
        mut answer: Answer,
        mut meta: Meta<'_>,
        rest: &[u8],
    ) -> bool {
        // HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
        if let Some((framing, _)) = &mut answer.stream
            && head.version < Version::Http11
        {
            *framing = Framing::Raw;
            meta.keep = false;
        }
        cx.send(face.write(&answer, &meta));
        let Some((framing, stream)) = answer.stream.filter(|_| head.method != "HEAD") else {
            if !meta.keep || answer.cut {
                cx.close();
            }
            return meta.keep && !answer.cut;
        };
        let streaming = Streaming { stream, framing, keep: meta.keep, ahead: Vec::new() };
        self.phase = Phase::Streaming(Box::new(streaming));
        cx.deadline_in(Duration::from_millis(1));
        if !rest.is_empty() {
            self.data(cx, rest);
        }
        false
    }

    /// A piece of the answer under way was made; goes on with requests when it was the last.
    fn progressed(&mut self, cx: &mut Context<'_>, piece: &[u8], progress: Progress) {
        let Phase::Streaming(streaming) = &mut self.phase else { return };
        if streaming.send(cx, piece, progress) {
            return;
        }
        streaming.stream.closed(cx);
        let (keep, ahead) =
            (streaming.keep && streaming.framing == Framing::Chunked, std::mem::take(&mut streaming.ahead));
        self.phase = Phase::Requests;
        if !keep {
            return cx.close();
        }
        self.take(cx, &ahead);
    }

    fn refuse(&mut self, cx: &mut Context<'_>, fault: Fault, rest: &[u8]) {
        let remains = self.reader.remains().to_vec();
        let mut recording = Recording::new(self.site.shown_of_body);
        recording.push(&remains);
        recording.push(rest);
        let site = Arc::clone(&self.site);
        let face = site.face();
        let request = self.reader.take_request();
        let in_body = request.as_ref().and_then(|request| {
            let early = self.early(request, cx.now()).map(|(_, answer)| answer);
            Some((&request.head, early.or_else(|| face.broken_body(&fault, &self.ask(request)))?))
        });
        let (head, answer) = match in_body {
            Some((head, answer)) => (Some(head), answer),
            None => (None, face.fault(&fault, &remains, site.host_name(), self.port)),
        };
        let answered = std::mem::replace(&mut self.body, Awaited::Nothing);
        let status = if let Awaited::Answered(_, status, _) = answered { status } else { answer.status };
        if let Some(request) = &request {
            self.record(cx, request, NO_FAMILY, |event| event.with("status", status));
        }
        self.phase = Phase::Faulty(Fault { status, ..fault }, recording);
        if matches!(answered, Awaited::Answered(..)) {
            return cx.close();
        }
        if !site.mute {
            cx.send(face.write(&answer, &Meta { now: cx.now(), head, keep: false, left: 0 }));
        }
        cx.deadline_in(QUIET);
    }
}

impl Handler for Connection {
    fn open(&mut self, cx: &mut Context<'_>) {
        self.wait(cx);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Requests => self.take(cx, bytes),
            Phase::Faulty(_, recording) => {
                recording.push(bytes);
                cx.deadline_in(QUIET);
            }
            Phase::Streaming(streaming) if streaming.framing == Framing::Raw => {
                let mut piece = Vec::new();
                let progress = streaming.stream.data(cx, bytes, &mut piece);
                self.progressed(cx, &piece, progress);
            }
            Phase::Streaming(streaming) => {
                streaming.ahead.extend_from_slice(bytes);
                if streaming.ahead.len() > MAX_AHEAD {
                    cx.reset();
                }
            }
        }
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        match &mut self.phase {
            Phase::Streaming(streaming) if streaming.framing == Framing::Raw => {
                let mut piece = Vec::new();
                let progress = streaming.stream.eof(cx, &mut piece);
                self.progressed(cx, &piece, progress);
            }
            // A client that has asked and half-closed still gets its answer.
            Phase::Streaming(streaming) => streaming.keep = false,
            Phase::Requests | Phase::Faulty(..) => cx.close(),
        }
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        if let (Phase::Requests, Awaited::Unneeded) = (&self.phase, self.body) {
            return self.answer_early(cx);
        }
        match &mut self.phase {
            Phase::Requests => self.give_up(cx),
            Phase::Faulty(..) => cx.close(),
            Phase::Streaming(streaming) => {
                let mut piece = Vec::new();
                let progress = streaming.stream.next(cx, &mut piece);
                self.progressed(cx, &piece, progress);
            }
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let limit = self.site.shown_of_body;
        match std::mem::replace(&mut self.phase, Phase::Requests) {
            Phase::Faulty(fault, recording) => {
                return record_fault(cx, fault.reason, &recording, Some(fault.status));
            }
            Phase::Streaming(mut streaming) => {
                streaming.stream.closed(cx);
                if !streaming.ahead.is_empty() {
                    let mut recording = Recording::new(limit);
                    recording.push(&streaming.ahead);
                    cx.event(recording.event(Direction::Recv));
                }
            }
            Phase::Requests => {}
        }
        if let Some(request) = self.reader.take_request() {
            let answered = self.body;
            self.record(cx, &request, NO_FAMILY, |event| {
                match answered {
                    Awaited::Answered(family, status, _) => with_answer(event, family, status, Map::new()),
                    _ => event,
                }
                .with("incomplete", true)
            });
        } else if !self.reader.remains().is_empty() {
            let mut recording = Recording::new(limit);
            recording.push(self.reader.remains());
            record_fault(cx, "the request ends early", &recording, None);
        } else if self.requests == 0 {
            cx.event(Recording::new(0).event(Direction::Recv));
        }
    }
}
