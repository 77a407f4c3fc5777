//! The dialogue: requests in, answers out, one after the other, each recorded.

use std::sync::Arc;
use std::time::Duration;

use super::super::recording::{Direction, Recording};
use super::super::{Context, Handler};
use super::answer::{Answer, Framing, Progress, Stream};
use super::ask::Ask;
use super::face::{Face, Meta};
use super::record::{fault_event, record_sample, request_event, with_answer};
use super::site::Site;
use super::{Fault, Found, Head, Reader, Request};

/// Silence after which what followed a faulty request is taken as the whole.
const QUIET: Duration = Duration::from_millis(250);
/// Bytes that a client may send ahead while an answer is under way.
const MAX_AHEAD: usize = 32 * 1024;

/// One connection.
pub(super) struct Connection {
    site: Arc<Site>,
    reader: Reader,
    requests: u32,
    phase: Phase,
}

enum Phase {
    /// Requests come.
    Requests,
    /// Something was no request: why, and what it was.
    Faulty(Fault, Recording),
    /// An answer is under way.
    Streaming(Box<Streaming>),
}

struct Streaming {
    stream: Box<dyn Stream>,
    framing: Framing,
    /// The connection may carry another request afterwards.
    keep: bool,
    /// What the client sent ahead.
    ahead: Vec<u8>,
}

impl Streaming {
    /// Sends a piece; true when there are more to come.
    fn send(&self, cx: &mut Context<'_>, piece: &[u8], progress: Progress) -> bool {
        match self.framing {
            Framing::Raw => cx.send(piece),
            Framing::Chunked if !piece.is_empty() => {
                cx.send(format!("{:x}\r\n", piece.len()));
                cx.send(piece);
                cx.send("\r\n");
            }
            Framing::Chunked => {}
        }
        match progress {
            // A delay of zero keeps the deadline that stands.
            Progress::After(Duration::ZERO) => true,
            Progress::After(delay) => {
                cx.deadline_in(delay);
                true
            }
            Progress::Ended => {
                if self.framing == Framing::Chunked {
                    cx.send("0\r\n\r\n");
                }
                false
            }
        }
    }
}

impl Connection {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { reader: Reader::new(site.kept_of_body), site, requests: 0, phase: Phase::Requests }
    }

    fn take(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(found) = self.reader.next(&mut input) {
            match found {
                Found::ContinueWanted if self.site.mute => {}
                Found::ContinueWanted => cx.send(b"HTTP/1.1 100 Continue\r\n\r\n"),
                Found::Fault(fault) => return self.refuse(cx, fault, input),
                Found::Request(request) => {
                    if !self.answer(cx, &request, input) {
                        return;
                    }
                }
            }
        }
    }

    /// Answers a request; true when the next one may be read at once. `rest` is what came behind it.
    fn answer(&mut self, cx: &mut Context<'_>, request: &Request, rest: &[u8]) -> bool {
        self.requests += 1;
        let site = Arc::clone(&self.site);
        let ask = Ask::new(request, site.secure);
        if site.mute {
            cx.event(request_event(request, site.shown_of_body));
            record_sample(cx, request, site.shown_of_body);
            cx.close();
            return false;
        }
        let (family, face, mut answer) = site.answer(cx, &ask);
        let event = request_event(request, site.shown_of_body);
        cx.event(with_answer(event, family, answer.status, std::mem::take(&mut answer.decoded)));
        record_sample(cx, request, site.shown_of_body);
        let left = face.max_requests().saturating_sub(self.requests);
        let keep = request.head.keeps_alive() && !answer.close && left > 0;
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
            && head.minor == 0
        {
            *framing = Framing::Raw;
            meta.keep = false;
        }
        cx.send(face.write(&answer, &meta));
        let Some((framing, stream)) = answer.stream.filter(|_| head.method != "HEAD") else {
            if !meta.keep {
                cx.close();
            }
            return meta.keep;
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
        cx.deadline_in(self.site.silence);
        self.take(cx, &ahead);
    }

    fn refuse(&mut self, cx: &mut Context<'_>, fault: Fault, rest: &[u8]) {
        let remains = self.reader.remains().to_vec();
        let mut recording = Recording::new(self.site.shown_of_body);
        recording.push(&remains);
        recording.push(rest);
        if let Some(request) = self.reader.take_request() {
            cx.event(request_event(&request, self.site.shown_of_body).with("status", fault.status));
            record_sample(cx, &request, self.site.shown_of_body);
        }
        let port = if self.site.secure { 443 } else { 80 };
        let face = self.site.face();
        let answer = face.fault(&fault, &remains, self.site.host_name(), port);
        let fault = Fault { status: answer.status, ..fault };
        self.phase = Phase::Faulty(fault, recording);
        if !self.site.mute {
            cx.send(face.write(&answer, &Meta { now: cx.now(), head: None, keep: false, left: 0 }));
        }
        cx.deadline_in(QUIET);
    }
}

impl Handler for Connection {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.deadline_in(self.site.silence);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Requests => {
                cx.deadline_in(self.site.silence);
                self.take(cx, bytes);
            }
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
        let Phase::Streaming(streaming) = &mut self.phase else { return cx.close() };
        let mut piece = Vec::new();
        let progress = streaming.stream.next(cx, &mut piece);
        self.progressed(cx, &piece, progress);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let limit = self.site.shown_of_body;
        match std::mem::replace(&mut self.phase, Phase::Requests) {
            Phase::Faulty(fault, recording) => {
                let event = fault_event(fault.reason, recording.bytes(), recording.is_truncated());
                return cx.event(event.with("status", fault.status));
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
            cx.event(request_event(&request, limit).with("incomplete", true));
            record_sample(cx, &request, limit);
        } else if !self.reader.remains().is_empty() {
            let remains = self.reader.remains();
            let kept = remains.get(..limit).unwrap_or(remains);
            cx.event(fault_event("the request ends early", kept, kept.len() < remains.len()));
        } else if self.requests == 0 {
            cx.event(Recording::new(0).event(Direction::Recv));
        }
    }
}
