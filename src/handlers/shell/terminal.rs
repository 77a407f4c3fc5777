//! A shell on a terminal: echo, line editing, `^C` and `^D`, output played at its time.

mod editor;

use std::time::Duration;

use super::{Act, Acts, Shell};
use crate::clock::Timestamp;
use crate::handlers::Context;
use editor::Manner;

pub(in crate::handlers) use editor::{Editor, Key};

/// Bytes that are typed ahead while a command runs; what is more is lost, as in a terminal's queue.
const MAX_AHEAD: usize = 32 * 1_024;
/// Bytes of output at one instant; the rest follows after a moment, as on a line that is slower than the program: thousands of lines
/// that arrive together do not make one call print all that they ask for.
const MAX_AT_ONCE: usize = 256 * 1_024;
const MOMENT: Duration = Duration::from_millis(20);
/// `^Z`
const STOP: u8 = 0x1a;
/// The completion of a name looks at hundreds: it counts as so many bytes.
const COMPLETION: usize = MAX_AT_ONCE / 16;

/// A shell with its terminal. Output ends lines with `\r\n`.
///
/// After each call ask [`Terminal::due`] when to call [`Terminal::wake`], and [`Terminal::has_ended`] whether it is over.
#[derive(Debug)]
pub(in crate::handlers) struct Terminal {
    shell: Shell,
    editor: Editor,
    acts: Acts,
    due: Option<Timestamp>,
    /// It is the keys that wait until then, not a program.
    is_paced: bool,
    hangs: bool,
    /// It is a program that keeps the visitor waiting, not a line that is slower than it.
    runs: bool,
    ahead: Vec<u8>,
    ended: bool,
    /// The present instant, and the bytes printed at it.
    printed: (Timestamp, usize),
}

impl Terminal {
    /// A terminal for this shell, which echoes what is typed.
    pub(in crate::handlers) fn new(shell: Shell) -> Self {
        Self {
            shell,
            editor: Editor::default(),
            acts: Acts::new(),
            due: None,
            is_paced: false,
            hangs: false,
            runs: false,
            ahead: Vec::new(),
            ended: false,
            printed: (Timestamp::default(), 0),
        }
    }

    /// Prints greeting and prompt.
    pub(in crate::handlers) fn start(&mut self, out: &mut Vec<u8>) {
        print(self.shell.greeting().as_bytes(), out);
        out.extend_from_slice(self.shell.prompt().as_bytes());
    }

    /// When [`Terminal::wake`] is to be called.
    pub(in crate::handlers) fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// The shell has ended and all its output was given.
    pub(in crate::handlers) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The status of the last command.
    pub(in crate::handlers) fn status(&self) -> u8 {
        self.shell.status()
    }

    /// What the visitor types.
    pub(in crate::handlers) fn input(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            if self.ended {
                return;
            }
            if !self.is_busy() {
                self.byte(cx, byte, out);
            } else if byte == 0x03 {
                out.extend_from_slice(b"^C\r\n");
                self.give_up(cx, out);
            } else if byte == STOP && self.runs && !self.shell.is_reading() {
                self.stop(cx, out);
            } else if self.ahead.len() < MAX_AHEAD {
                self.ahead.push(byte);
                match byte {
                    _ if !self.runs || !self.shell.echoes() => {}
                    b'\r' | b'\n' => out.extend_from_slice(b"\r\n"),
                    b'\t' | b' '.. => out.push(byte),
                    _ => {}
                }
            }
        }
    }

    /// Goes on at the time that [`Terminal::due`] told.
    pub(in crate::handlers) fn wake(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        if self.due.is_some_and(|due| due <= cx.now()) {
            self.due = None;
            if !std::mem::take(&mut self.is_paced) {
                self.play(cx, out);
            }
        }
        if !self.is_busy() {
            let ahead = std::mem::take(&mut self.ahead);
            self.input(cx, &ahead, out);
        }
    }

    /// The visitor sends no more: what reads the terminal has its input whole, a last line without an end is run.
    pub(in crate::handlers) fn end_of_input(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let line = self.editor.take();
        if !line.is_empty() {
            self.run(cx, &line, out);
        }
        if self.shell.is_reading() {
            self.acts.extend(self.shell.end_of_input(cx));
            self.play(cx, out);
        }
    }

    /// The session is over.
    pub(in crate::handlers) fn closed(&mut self, cx: &mut Context<'_>) {
        let line = self.editor.take();
        if !line.is_empty() {
            cx.event(super::command_event(&line).with("incomplete", true));
        }
        self.shell.closed(cx);
    }

    fn is_busy(&self) -> bool {
        self.due.is_some() || self.hangs
    }

    /// One byte: the shell's own editing has it, or the terminal's where a program reads.
    fn byte(&mut self, cx: &mut Context<'_>, byte: u8, out: &mut Vec<u8>) {
        let manner = if self.shell.is_reading() {
            Manner::Terminal { echoes: self.shell.echoes() }
        } else {
            Manner::Shell { history: self.shell.history() }
        };
        let before = out.len();
        let key = self.editor.byte(byte, manner, out);
        if self.editor.is_stale() {
            self.editor.redraw(&self.shell.prompt(), out);
        }
        match key {
            Key::Nothing => self.pace(cx.now(), out.len() - before),
            Key::Complete { again } => {
                let (start, names) = self.shell.completions(cx, self.editor.before_cursor());
                self.editor.complete(start, &names, again, &self.shell.prompt(), out);
                self.pace(cx.now(), COMPLETION);
            }
            Key::Line(line) => self.run(cx, &line, out),
            Key::Interrupt => self.give_up(cx, out),
            Key::EndOfInput => {
                self.acts.extend(self.shell.end_of_input(cx));
                self.play(cx, out);
            }
        }
    }

    /// A key can show a whole line anew: who presses thousands at one instant waits a moment for the rest.
    fn pace(&mut self, now: Timestamp, bytes: usize) {
        if self.is_enough(now, bytes) {
            self.due = Some(now + MOMENT);
            self.is_paced = true;
        }
    }

    fn run(&mut self, cx: &mut Context<'_>, line: &[u8], out: &mut Vec<u8>) {
        self.acts.extend(self.shell.line(cx, line));
        self.play(cx, out);
    }

    /// `^C`: what runs or is typed is given up.
    fn give_up(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        self.forget_program();
        self.acts = self.shell.interrupt(cx);
        self.play(cx, out);
    }

    /// `^Z`: what runs stops, and is a job from now on.
    fn stop(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let until = self.due;
        self.forget_program();
        out.extend_from_slice(b"^Z");
        self.acts = self.shell.stop(cx, until);
        self.play(cx, out);
    }

    fn forget_program(&mut self) {
        self.acts = Acts::new();
        (self.due, self.is_paced, self.hangs, self.runs) = (None, false, false, false);
    }

    /// With these bytes more, this instant has seen its share.
    fn is_enough(&mut self, now: Timestamp, bytes: usize) -> bool {
        let (at, before) = self.printed;
        self.printed = (now, if at == now { before + bytes } else { bytes });
        self.printed.1 > MAX_AT_ONCE
    }

    fn play(&mut self, cx: &Context<'_>, out: &mut Vec<u8>) {
        self.runs = false;
        while let Some(act) = self.acts.pop_front() {
            match act {
                Act::Print(bytes) | Act::Complain(bytes) => {
                    print(&bytes, out);
                    if self.is_enough(cx.now(), bytes.len()) {
                        self.due = Some(cx.now() + MOMENT);
                        return;
                    }
                }
                Act::Wait(time) => {
                    self.due = Some(cx.now() + time);
                    self.runs = true;
                    return;
                }
                Act::Hang => {
                    (self.hangs, self.runs) = (true, true);
                    return;
                }
            }
        }
        self.acts = Acts::new();
        if self.shell.has_exited() {
            self.ended = true;
        } else {
            out.extend_from_slice(self.shell.prompt().as_bytes());
        }
    }
}

/// What a terminal makes of output: `\n` becomes `\r\n` (termios ONLCR).
fn print(bytes: &[u8], out: &mut Vec<u8>) {
    for piece in bytes.split_inclusive(|&b| b == b'\n') {
        match piece.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(piece),
        }
    }
}
