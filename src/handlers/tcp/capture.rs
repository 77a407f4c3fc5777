//! Records until the visitor falls silent, ends its side or reaches the limit; then answers and closes.

use std::time::Duration;

use serde::Deserialize;

use crate::handlers::http::record_addresses_in;
use crate::handlers::recording::{Direction, Recording};
use crate::handlers::{Context, Handler, Random};

/// What a visitor gets for what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::handlers) enum Answer {
    /// 12 to 511 random bytes, unless it speaks a protocol that is known.
    Random,
    /// A server where the port's real one speaks first; elsewhere the end of the connection.
    Banner,
    /// The end of the connection.
    Silence,
}

/// Records until the visitor falls silent, ends its side or reaches the limit; then answers and closes.
#[derive(Debug)]
pub(in crate::handlers) struct Capture {
    recording: Recording,
    answer: Answer,
    quiet: Duration,
    first_byte: Duration,
    random: Random,
    /// What the bytes were recognised as.
    protocol: Option<&'static str>,
}

impl Capture {
    pub(in crate::handlers) fn new(
        limit: usize,
        answer: Answer,
        quiet: Duration,
        first_byte: Duration,
        random: Random,
    ) -> Self {
        Self { recording: Recording::new(limit), answer, quiet, first_byte, random, protocol: None }
    }

    /// Names the protocol in the event. Its client is answered by the end of the connection: random bytes in place of what every server
    /// says would tell it where it is.
    pub(super) fn set_protocol(&mut self, name: &'static str) {
        self.protocol = Some(name);
    }

    /// Keeps bytes that came before.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.recording.push(bytes);
    }

    fn finish(&mut self, cx: &mut Context<'_>) {
        if self.answer == Answer::Random && self.protocol.is_none() && self.recording.total() > 0 {
            let mut bytes = [0; 511];
            let len = usize::try_from(self.random.within(&(12..=511))).unwrap_or(bytes.len());
            if let Some(answer) = bytes.get_mut(..len) {
                self.random.fill(answer);
                cx.send(&answer);
            }
        }
        cx.close();
    }
}

impl Handler for Capture {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.deadline_in(self.first_byte);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.recording.push(bytes);
        if self.recording.is_full() {
            self.finish(cx);
        } else {
            cx.deadline_in(self.quiet);
        }
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        self.finish(cx);
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        self.finish(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let event = self.recording.event(Direction::Recv);
        cx.event(super::named(event, self.protocol, self.recording.bytes()));
        // A job for cron that is written into a Redis, a line that is meant for a shell.
        record_addresses_in(cx, self.recording.bytes());
    }
}
