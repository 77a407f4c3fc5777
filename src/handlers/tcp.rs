//! `tcp`: for ports that no protocol claims. Records what comes, answers with random bytes as Glutton does, or with silence.

use std::time::Duration;

use serde::Deserialize;

use super::builtin::Builtin;
use super::recording::{Direction, Recording};
use super::registry::{Environment, Maker, boxed};
use super::{Context, Handler, Random, Session};
use crate::control::Counter;
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "tcp",
    aliases: &["default"],
    transports: &[Transport::Tcp],
    default_ports: &[],
    about: "records what comes on any TCP port, answers with random bytes or silence",
    prepare,
};

/// `[handlers.tcp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// What the visitor gets.
    answer: Answer,
    /// Silence after which what came is taken as the whole, in milliseconds; up to the same again is added, by the session's seed.
    quiet_ms: u64,
    /// Time that a visitor has for the first byte, in seconds.
    first_byte_secs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { answer: Answer::Random, quiet_ms: 200, first_byte_secs: 45 }
    }
}

/// What a visitor gets for what it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    /// 12 to 511 random bytes.
    Random,
    /// The end of the connection.
    Silence,
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let limit = environment.max_payload;
    Ok(boxed(move |session: &Session| {
        let mut random = Random::new(session.seed);
        let quiet = settings.quiet_ms.saturating_add(random.within(&(0..=settings.quiet_ms)));
        Capture::new(
            limit,
            settings.answer,
            Duration::from_millis(quiet),
            Duration::from_secs(settings.first_byte_secs),
            random,
        )
    }))
}

/// Records until the visitor falls silent, ends its side or reaches the limit; then answers and closes.
#[derive(Debug)]
pub(super) struct Capture {
    recording: Recording,
    answer: Answer,
    quiet: Duration,
    first_byte: Duration,
    random: Random,
}

impl Capture {
    pub(super) fn new(limit: usize, answer: Answer, quiet: Duration, first_byte: Duration, random: Random) -> Self {
        Self { recording: Recording::new(limit), answer, quiet, first_byte, random }
    }

    fn finish(&mut self, cx: &mut Context<'_>) {
        if self.answer == Answer::Random && self.recording.total() > 0 {
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
        if self.recording.is_truncated() {
            cx.count(Counter::PayloadTruncated);
        }
        cx.event(self.recording.event(Direction::Recv));
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::{Step, Transcript};

    #[test]
    fn what_comes_is_recorded_and_answered_with_random_bytes_after_silence() {
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(b"\x16\x03\x01hello"), Step::Wait(1_000)]);
        assert!((12..=511).contains(&outcome.sent().len()));
        assert!(outcome.closed);
        let event = outcome.the_event("payload");
        assert_eq!(event.fields["payload_hex"], "16030168656c6c6f");
        assert_eq!(event.fields["direction"], "recv");
        assert_eq!(event.fields["bytes"], 8);
    }

    #[test]
    fn pieces_with_short_pauses_make_one_payload() {
        let steps = [Step::Recv(b"*1\r\n"), Step::Wait(100), Step::Recv(b"$4\r\nPING\r\n"), Step::Wait(1_000)];
        let outcome = Transcript::tcp("tcp", "").run(&steps);
        assert_eq!(outcome.the_event("payload").fields["bytes"], 14);
    }

    #[test]
    fn a_visitor_that_ends_its_side_is_answered_at_once() {
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(b"x"), Step::Eof]);
        assert!(!outcome.sent().is_empty() && outcome.closed);
    }

    #[test]
    fn silence_answers_nothing() {
        let outcome = Transcript::tcp("tcp", "answer = 'silence'").run(&[Step::Recv(b"x"), Step::Eof]);
        assert!(outcome.sent().is_empty() && outcome.closed);
        outcome.the_event("payload");
    }

    #[test]
    fn a_visitor_that_sends_nothing_still_makes_an_event() {
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Wait(44_000)]);
        assert!(!outcome.closed);
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Wait(46_000)]);
        assert!(outcome.closed && outcome.sent().is_empty());
        outcome.the_event("connect");
    }

    #[test]
    fn the_limit_ends_the_recording_and_the_rest_is_not_kept() {
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(&[0x41; 4_096])]);
        assert!(outcome.closed);
        assert_eq!(outcome.the_event("payload").fields["payload_hex"].as_str().unwrap().len(), 2 * 4_096);
    }
}
