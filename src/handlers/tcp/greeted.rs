//! The dialogue with a server that speaks first: its greeting, then an answer to each line until the visitor or the server has had enough.
//!
//! Whoever ignores the greeting and speaks another protocol is told what such a server tells it, and recorded under that protocol's name.

use std::sync::Arc;
use std::time::Duration;

use super::server::{Last, Open, Reply, Server, Talk, Then, Visit, dressed};
use crate::handlers::recognise::{Recognised, recognise};
use crate::handlers::recording::{Direction, Recording};
use crate::handlers::{Context, Handler, Persona, Random};

/// Time until the greeting, in milliseconds: servers look the visitor's name up, or start a process.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 20..=140;
/// Lines that are answered before the connection ends.
const MAX_REPLIES: u32 = 100;
/// Bytes that wait while an answer is held back.
const MAX_AHEAD: usize = 64 * 1024;
/// Silence after the last words that ends the connection: what a visitor goes on to say is recorded.
const QUIET: Duration = Duration::from_millis(300);

/// One visitor of one server.
pub(super) struct Greeted {
    server: &'static Server,
    persona: Arc<Persona>,
    recording: Recording,
    /// What has come and is not answered.
    input: Vec<u8>,
    /// What is said when the deadline comes, and whether it is the last.
    due: Option<(Vec<u8>, bool)>,
    open: Open,
    strikes: u8,
    replies: u32,
    /// A line was one that the server knows.
    understood: bool,
    /// The last words are said.
    listens: bool,
    /// The visitor sends no more.
    ended: bool,
    /// Connections of this server so far.
    number: u32,
}

impl Greeted {
    pub(super) fn new(server: &'static Server, persona: Arc<Persona>, limit: usize, number: u32) -> Self {
        Self {
            server,
            persona,
            recording: Recording::new(limit),
            input: Vec::new(),
            due: None,
            open: Open::default(),
            strikes: 0,
            replies: 0,
            understood: false,
            listens: false,
            ended: false,
            number,
        }
    }

    /// Answers what has come, as far as it is whole and nothing is held back.
    fn answer(&mut self, cx: &mut Context<'_>) {
        match self.server.talk {
            _ if self.listens => {}
            Talk::Packet(judge) => {
                if let Some(farewell) = judge(cx.session(), &self.input) {
                    self.understood = farewell.to_own;
                    cx.send(farewell.words);
                    self.listens = true;
                }
            }
            Talk::Lines { .. } => {
                while self.due.is_none() && !self.listens {
                    let Some(end) = memchr::memchr(b'\n', &self.input) else { break };
                    let line: Vec<u8> = self.input.drain(..=end).collect();
                    let line = line.strip_suffix(b"\n").unwrap_or(&line);
                    self.answer_line(cx, line.strip_suffix(b"\r").unwrap_or(line));
                }
            }
        }
        if self.listens {
            self.listen(cx);
        } else if self.due.is_none() {
            self.wait_for_more(cx);
        }
    }

    /// Everything is said: what still comes is recorded.
    fn listen(&mut self, cx: &mut Context<'_>) {
        self.input.clear();
        if self.ended || self.recording.is_full() {
            cx.close();
        } else {
            cx.deadline_in(QUIET);
        }
    }

    /// The beginning of a line has come, or nothing.
    fn wait_for_more(&mut self, cx: &mut Context<'_>) {
        if self.input.len() > self.server.longest {
            cx.send(self.server.too_long);
            self.listens = true;
            self.listen(cx);
        } else if self.ended {
            cx.close();
        } else {
            cx.deadline_in(Duration::from_secs(self.server.idle_secs));
        }
    }

    /// Answers a line, at once or later.
    fn answer_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        let Some((reply, mut text)) = self.server.reply(line, &mut self.open, &self.persona) else { return };
        self.replies += 1;
        self.understood |= reply.is_known();
        let mut last = self.replies >= MAX_REPLIES;
        match reply.then {
            Then::GoesOn => {}
            Then::Closes => last = true,
            Then::Strikes => last |= self.strike(&mut text),
        }
        self.say(cx, reply, text, last);
    }

    /// Counts a failure against the server's patience; true when that is at its end.
    fn strike(&mut self, text: &mut Vec<u8>) -> bool {
        self.strikes = self.strikes.saturating_add(1);
        let (patience, last) = self.server.patience;
        if self.strikes < patience {
            return false;
        }
        match last {
            Last::Besides(words) => text.extend_from_slice(&dressed(words, &self.persona)),
            Last::Instead(words) => *text = dressed(words, &self.persona),
        }
        true
    }

    fn say(&mut self, cx: &mut Context<'_>, reply: &Reply, text: Vec<u8>, last: bool) {
        if reply.after_ms > 0 {
            let mut random = Random::new(cx.session().seed.wrapping_add(u64::from(self.replies)));
            let pause = reply.after_ms + random.within(&(0..=reply.after_ms / 8));
            self.due = Some((text, last));
            cx.deadline_in(Duration::from_millis(pause));
        } else {
            cx.send(text);
            self.listens = last;
        }
    }
}

impl Handler for Greeted {
    fn open(&mut self, cx: &mut Context<'_>) {
        let mut random = Random::new(cx.session().seed);
        let pause = Duration::from_millis(random.within(&PAUSE_MS));
        let visit = Visit { persona: &self.persona, random, now: cx.now(), number: self.number };
        self.due = Some((self.server.greeting(visit), false));
        cx.deadline_in(pause);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.recording.push(bytes);
        self.input.extend_from_slice(bytes);
        if self.due.is_none() {
            self.answer(cx);
        } else if self.input.len() > MAX_AHEAD {
            cx.reset();
        }
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        self.ended = true;
        if self.due.is_none() {
            cx.close();
        }
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        match self.due.take() {
            Some((text, last)) => {
                cx.send(text);
                self.listens = last;
                self.answer(cx);
            }
            None => {
                if !self.listens {
                    cx.send(dressed(self.server.idle, &self.persona));
                }
                cx.close();
            }
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let event = self.recording.event(Direction::Recv);
        // Commands of one protocol look like those of another: the server's own count first.
        let protocol = match recognise(self.recording.bytes()) {
            _ if self.understood => Some(self.server.name),
            Recognised::As(protocol) | Recognised::NotYet(Some(protocol)) => Some(protocol.name),
            _ => None,
        };
        cx.event(super::named(event, protocol, self.recording.bytes()));
    }
}
