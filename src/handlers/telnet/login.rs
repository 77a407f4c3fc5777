//! The dialogue before the shell, as BusyBox's `login` leads it.

use std::time::Duration;

use super::Shared;
use crate::clock::Timestamp;
use crate::handlers::shell::{Editor, Key};
use crate::handlers::{Context, Random};

/// Failed logins after which `login` ends.
const MAX_TRIES: u8 = 3;
/// Empty names after which it ends.
const MAX_EMPTY: u8 = 10;
/// How long a wrong password is thought about, in milliseconds.
const FAILURE_MS: std::ops::RangeInclusive<u64> = 2_000..=3_000;
/// How long a right one takes, in milliseconds.
const SUCCESS_MS: std::ops::RangeInclusive<u64> = 40..=160;
/// Bytes that are typed ahead while a password is thought about.
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

/// A login in progress.
#[derive(Debug, Default)]
pub(super) struct Login {
    editor: Editor,
    /// The name, when the password is asked for.
    name: Option<Vec<u8>>,
    /// The judgement and when it is told.
    verdict: Option<(bool, Timestamp)>,
    ahead: Vec<u8>,
    tries: u8,
    empty: u8,
}

impl Login {
    /// When the judgement is told.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.verdict.map(|(_, due)| due)
    }

    /// Takes one byte of text.
    pub(super) fn byte(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        random: &mut Random,
        byte: u8,
        echo: bool,
        out: &mut Vec<u8>,
    ) -> Step {
        if self.verdict.is_some() {
            if self.ahead.len() < MAX_AHEAD {
                self.ahead.push(byte);
            }
            return Step::Asking;
        }
        match self.editor.byte(byte, echo && self.name.is_none(), out) {
            Key::Nothing => Step::Asking,
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
        let millis = random.within(if accepted { &SUCCESS_MS } else { &FAILURE_MS });
        self.verdict = Some((accepted, cx.now() + Duration::from_millis(millis)));
        Step::Asking
    }

    /// Tells the judgement when its time has come.
    pub(super) fn wake(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        random: &mut Random,
        echo: bool,
        out: &mut Vec<u8>,
    ) -> Step {
        let Some((accepted, _)) = self.verdict.take_if(|(_, due)| *due <= cx.now()) else { return Step::Asking };
        let ahead = std::mem::take(&mut self.ahead);
        if accepted {
            return Step::In(ahead);
        }
        out.extend_from_slice(b"Login incorrect\r\n");
        self.tries += 1;
        if self.tries >= MAX_TRIES {
            return Step::Over;
        }
        out.extend_from_slice(shared.prompt.as_bytes());
        for byte in ahead {
            match self.byte(cx, shared, random, byte, echo, out) {
                Step::Asking => {}
                end => return end,
            }
        }
        Step::Asking
    }

    /// Takes back the last character, or the line.
    pub(super) fn erase(&mut self, all: bool, echo: bool, out: &mut Vec<u8>) {
        let echo = echo && self.name.is_none();
        if all {
            self.editor.erase_all(echo, out);
        } else {
            self.editor.erase_one(echo, out);
        }
    }

    /// A name whose password never came.
    pub(super) fn unanswered_name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }
}
