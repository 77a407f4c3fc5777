//! The dialogue before the shell, as BusyBox's `login` leads it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Shared;
use crate::clock::Timestamp;
use crate::handlers::shell::{Editor, Key};
use crate::handlers::{Context, Random};

/// Failed logins after which `login` ends.
const MAX_TRIES: u8 = 3;
/// Empty names after which it ends.
const MAX_EMPTY: u8 = 10;
/// How long the program takes to start, in milliseconds. Its prompt comes after the opening, never with it: ncrack looks for it there.
const START_MS: RangeInclusive<u64> = 20..=60;
/// How long a wrong password is thought about, in milliseconds.
const FAILURE_MS: RangeInclusive<u64> = 2_000..=3_000;
/// How long a right one takes, in milliseconds.
const SUCCESS_MS: RangeInclusive<u64> = 40..=160;
/// Bytes that are typed ahead during a pause.
const MAX_AHEAD: usize = 32 * 1_024;

/// How a login went on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    Asking,
    /// The visitor is in; this was typed ahead.
    In(Vec<u8>),
    /// `login` has ended.
    Over,
}

/// What a pause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Starting,
    Accepted,
    Refused,
}

/// A login in progress.
#[derive(Debug, Default)]
pub(super) struct Login {
    editor: Editor,
    /// The name, when the password is asked for.
    name: Option<Vec<u8>>,
    /// Nothing is said until then.
    pause: Option<(Pause, Timestamp)>,
    ahead: Vec<u8>,
    tries: u8,
    empty: u8,
}

impl Login {
    /// The program starts.
    pub(super) fn start(&mut self, cx: &Context<'_>, random: &mut Random) {
        self.pause_for(cx, random, Pause::Starting, &START_MS);
    }

    fn pause_for(&mut self, cx: &Context<'_>, random: &mut Random, pause: Pause, millis: &RangeInclusive<u64>) {
        self.pause = Some((pause, cx.now() + Duration::from_millis(random.within(millis))));
    }

    /// When [`Login::wake`] is to be called.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.pause.map(|(_, due)| due)
    }

    /// Takes one byte of text.
    pub(super) fn byte(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        random: &mut Random,
        byte: u8,
        out: &mut Vec<u8>,
    ) -> Step {
        if self.pause.is_some() {
            if self.ahead.len() < MAX_AHEAD {
                self.ahead.push(byte);
            }
            return Step::Asking;
        }
        match self.editor.cooked(byte, self.name.is_none(), out) {
            Key::Nothing | Key::Complete { .. } => Step::Asking,
            Key::Interrupt | Key::EndOfInput => Step::Over,
            Key::Line(line) => self.line(cx, shared, random, line, out),
        }
    }

    fn line(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        random: &mut Random,
        line: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some(name) = self.name.take() else {
            if line.is_empty() {
                self.empty += 1;
                out.extend_from_slice(shared.prompt.as_bytes());
                return if self.empty >= MAX_EMPTY { Step::Over } else { Step::Asking };
            }
            self.name = Some(line);
            out.extend_from_slice(b"Password: ");
            return Step::Asking;
        };
        let accepted = shared.credentials.judge(cx, &name, &line);
        if accepted {
            self.pause_for(cx, random, Pause::Accepted, &SUCCESS_MS);
        } else {
            self.pause_for(cx, random, Pause::Refused, &FAILURE_MS);
        }
        Step::Asking
    }

    /// Goes on when a pause is over.
    pub(super) fn wake(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        random: &mut Random,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some((pause, _)) = self.pause.take_if(|(_, due)| *due <= cx.now()) else { return Step::Asking };
        let ahead = std::mem::take(&mut self.ahead);
        match pause {
            Pause::Starting => {}
            Pause::Accepted => return Step::In(ahead),
            Pause::Refused => {
                out.extend_from_slice(b"Login incorrect\r\n");
                self.tries += 1;
                if self.tries >= MAX_TRIES {
                    return Step::Over;
                }
            }
        }
        out.extend_from_slice(shared.prompt.as_bytes());
        for byte in ahead {
            match self.byte(cx, shared, random, byte, out) {
                Step::Asking => {}
                end => return end,
            }
        }
        Step::Asking
    }

    /// A name whose password never came.
    pub(super) fn unanswered_name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }
}
