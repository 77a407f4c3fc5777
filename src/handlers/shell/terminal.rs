//! A shell on a terminal: echo, line editing, `^C` and `^D`, output played at its time.

use std::time::Duration;

use super::{Act, Acts, MAX_LINE, Shell};
use crate::clock::Timestamp;
use crate::handlers::Context;

/// Bytes that are typed ahead while a command runs; what is more is lost, as in a terminal's queue.
const MAX_AHEAD: usize = 32 * 1_024;
/// Bytes of output at one instant; the rest follows after a moment, as on a line that is slower than the program: thousands of lines
/// that arrive together do not make one call print all that they ask for.
const MAX_AT_ONCE: usize = 256 * 1_024;
const MOMENT: Duration = Duration::from_millis(20);

/// What a byte from the visitor completes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::handlers) enum Key {
    Nothing,
    /// A line, without its end.
    Line(Vec<u8>),
    /// `^C`
    Interrupt,
    /// `^D` at the beginning of a line.
    EndOfInput,
}

/// Where a sequence of a function key stands (ECMA-48 5.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After ESC.
    Started,
    /// After `ESC [`, up to a final byte.
    Sequence,
    /// After `ESC O`: one byte.
    Single,
}

/// One line being typed.
#[derive(Debug, Default)]
pub(in crate::handlers) struct Editor {
    line: Vec<u8>,
    /// A line feed or NUL that follows belongs to the carriage return before (RFC 854, "The NVT printer and keyboard").
    after_return: bool,
    escape: Escape,
}

impl Editor {
    /// Takes one byte; with `echoes` it is shown.
    pub(in crate::handlers) fn byte(&mut self, byte: u8, echoes: bool, out: &mut Vec<u8>) -> Key {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        if after_return && matches!(byte, b'\n' | 0) {
            return Key::Nothing;
        }
        if self.escape != Escape::None {
            self.escape = match (self.escape, byte) {
                (Escape::Started, b'[') => Escape::Sequence,
                (Escape::Started, b'O') => Escape::Single,
                (Escape::Sequence, ..=0x3f) => Escape::Sequence,
                _ => Escape::None,
            };
            return Key::Nothing;
        }
        match byte {
            b'\r' | b'\n' => {
                out.extend_from_slice(b"\r\n");
                return Key::Line(std::mem::take(&mut self.line));
            }
            0x03 => {
                out.extend_from_slice(b"^C\r\n");
                self.line = Vec::new();
                return Key::Interrupt;
            }
            0x04 if self.line.is_empty() => return Key::EndOfInput,
            0x08 | 0x7f => self.erase_one(echoes, out),
            0x15 => self.erase_all(echoes, out),
            0x1b => self.escape = Escape::Started,
            0..=0x1f if byte != b'\t' => {}
            _ if self.line.len() < MAX_LINE => {
                self.line.push(byte);
                if echoes {
                    out.push(byte);
                }
            }
            _ => {}
        }
        Key::Nothing
    }

    /// Takes back the last character (telnet's EC, RFC 854).
    pub(in crate::handlers) fn erase_one(&mut self, echoes: bool, out: &mut Vec<u8>) {
        if self.line.pop().is_some() && echoes {
            out.extend_from_slice(b"\x08 \x08");
        }
    }

    /// Takes back the line (telnet's EL, RFC 854).
    pub(in crate::handlers) fn erase_all(&mut self, echoes: bool, out: &mut Vec<u8>) {
        while !self.line.is_empty() {
            self.erase_one(echoes, out);
        }
        self.line = Vec::new();
    }
}

/// A shell with its terminal. Output ends lines with `\r\n`.
///
/// After each call ask [`Terminal::due`] when to call [`Terminal::wake`], and [`Terminal::has_ended`] whether it is over.
#[derive(Debug)]
pub(in crate::handlers) struct Terminal {
    shell: Shell,
    editor: Editor,
    acts: Acts,
    due: Option<Timestamp>,
    hangs: bool,
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
            hangs: false,
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
                self.interrupt(out);
            } else if self.ahead.len() < MAX_AHEAD {
                self.ahead.push(byte);
            }
        }
    }

    /// Goes on at the time that [`Terminal::due`] told.
    pub(in crate::handlers) fn wake(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        if self.due.is_some_and(|due| due <= cx.now()) {
            self.due = None;
            self.play(cx, out);
        }
        if !self.is_busy() {
            let ahead = std::mem::take(&mut self.ahead);
            self.input(cx, &ahead, out);
        }
    }

    /// `^C`, typed or as telnet's IP.
    pub(in crate::handlers) fn interrupt(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"^C\r\n");
        self.give_up(out);
    }

    /// Takes back the last character.
    pub(in crate::handlers) fn erase_one(&mut self, out: &mut Vec<u8>) {
        let echoes = self.echoes();
        self.editor.erase_one(echoes, out);
    }

    /// Takes back the line.
    pub(in crate::handlers) fn erase_all(&mut self, out: &mut Vec<u8>) {
        let echoes = self.echoes();
        self.editor.erase_all(echoes, out);
    }

    /// The visitor sends no more: what reads the terminal has its input whole, a last line without an end is run.
    pub(in crate::handlers) fn end_of_input(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        if !self.editor.line.is_empty() {
            let line = std::mem::take(&mut self.editor.line);
            self.run(cx, &line, out);
        }
        if self.shell.is_reading() {
            self.acts.extend(self.shell.end_of_input(cx));
            self.play(cx, out);
        }
    }

    /// The session is over.
    pub(in crate::handlers) fn closed(&mut self, cx: &mut Context<'_>) {
        if !self.editor.line.is_empty() {
            let line = std::mem::take(&mut self.editor.line);
            cx.event(super::command_event(&line).with("incomplete", true));
        }
        self.shell.closed(cx);
    }

    fn is_busy(&self) -> bool {
        self.due.is_some() || self.hangs
    }

    fn echoes(&self) -> bool {
        self.shell.echoes()
    }

    fn byte(&mut self, cx: &mut Context<'_>, byte: u8, out: &mut Vec<u8>) {
        let echoes = self.echoes();
        match self.editor.byte(byte, echoes, out) {
            Key::Nothing => {}
            Key::Line(line) => self.run(cx, &line, out),
            Key::Interrupt => self.give_up(out),
            Key::EndOfInput => {
                self.acts.extend(self.shell.end_of_input(cx));
                self.play(cx, out);
            }
        }
    }

    fn run(&mut self, cx: &mut Context<'_>, line: &[u8], out: &mut Vec<u8>) {
        self.acts.extend(self.shell.line(cx, line));
        self.play(cx, out);
    }

    fn give_up(&mut self, out: &mut Vec<u8>) {
        self.acts = Acts::new();
        self.due = None;
        self.hangs = false;
        self.shell.interrupt();
        self.ended |= self.shell.has_exited();
        out.extend_from_slice(self.shell.prompt().as_bytes());
    }

    /// With these bytes more, this instant has seen its share.
    fn is_enough(&mut self, now: Timestamp, bytes: usize) -> bool {
        let (at, before) = self.printed;
        self.printed = (now, if at == now { before + bytes } else { bytes });
        self.printed.1 > MAX_AT_ONCE
    }

    fn play(&mut self, cx: &Context<'_>, out: &mut Vec<u8>) {
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
                    return;
                }
                Act::Hang => {
                    self.hangs = true;
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
