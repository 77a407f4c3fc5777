//! `shell:` and `exec:`: a login on a terminal, one command, or commands from the client's standard input.
//!
//! With `shell,v2` both directions are packets of an id, a little-endian length and data: 0 to 2 are the standard streams, 3 is the exit
//! status, 4 the end of input, 5 the window's size (AOSP packages/modules/adb, shell_protocol.h).

use std::sync::Arc;

use super::budget::MAX_HELD;
use super::service::Service;
use crate::clock::Timestamp;
use crate::handlers::Context;
use crate::handlers::shell::{Act, Acts, Device, Shell, Terminal};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const EXIT: u8 = 3;
const CLOSE_STDIN: u8 = 4;
/// Bytes of an id and a length.
const HEADER: usize = 5;
/// Input that waits while a command runs; what is more is lost.
const MAX_AHEAD: usize = 64 * 1024;

/// How output goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `shell,v2`.
    Packets,
    /// As it is; from a terminal lines end with CR LF.
    Bare { terminal: bool },
}

impl Framing {
    fn emit(self, id: u8, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Packets => packet(id, bytes, out),
            Self::Bare { terminal: false } => out.extend_from_slice(bytes),
            Self::Bare { terminal: true } => {
                for &byte in bytes {
                    if byte == b'\n' {
                        out.push(b'\r');
                    }
                    out.push(byte);
                }
            }
        }
    }

    /// The end of the command.
    fn exit(self, status: u8, out: &mut Vec<u8>) {
        if self == Self::Packets {
            packet(EXIT, &[status], out);
        }
    }
}

fn packet(id: u8, data: &[u8], out: &mut Vec<u8>) {
    out.push(id);
    out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(data);
}

/// Takes input apart: packets, or all of it as standard input.
#[derive(Debug)]
struct Input {
    framed: bool,
    header: Vec<u8>,
    id: u8,
    left: usize,
}

impl Input {
    const fn new(framed: bool) -> Self {
        Self { framed, header: Vec::new(), id: 0, left: 0 }
    }

    /// Gives pieces of standard input to `data`; true when its end has come.
    fn take(&mut self, mut bytes: &[u8], mut data: impl FnMut(&[u8])) -> bool {
        if !self.framed {
            data(bytes);
            return false;
        }
        let mut ended = false;
        while !bytes.is_empty() {
            if self.left == 0 {
                let (taken, rest) = bytes.split_at((HEADER - self.header.len()).min(bytes.len()));
                self.header.extend_from_slice(taken);
                bytes = rest;
                let Some((&id, length)) = self.header.split_first() else { break };
                let Some(length) = length.first_chunk() else { break };
                self.id = id;
                self.left = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                self.header.clear();
                ended |= id == CLOSE_STDIN;
            }
            let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
            self.left -= piece.len();
            bytes = rest;
            if self.id == STDIN && !piece.is_empty() {
                data(piece);
            }
        }
        ended
    }
}

/// One command, or, where none is named, the lines of the client's standard input; without a terminal's echo and prompts.
pub(super) struct Commands {
    shell: Shell,
    framing: Framing,
    input: Input,
    /// The commands come from the input.
    is_script: bool,
    ahead: Vec<u8>,
    input_ended: bool,
    acts: Acts,
    due: Option<Timestamp>,
    hangs: bool,
    over: bool,
}

impl Commands {
    pub(super) fn new(
        cx: &mut Context<'_>,
        device: &Arc<Device>,
        framing: Framing,
        command: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut commands = Self {
            shell: Shell::for_commands(Arc::clone(device), cx.session().seed),
            framing,
            input: Input::new(framing == Framing::Packets),
            is_script: command.is_none(),
            ahead: Vec::new(),
            input_ended: false,
            acts: Acts::new(),
            due: None,
            hangs: false,
            over: false,
        };
        if let Some(command) = command {
            commands.acts = commands.shell.line(cx, command);
            commands.go_on(cx, out);
        }
        commands
    }

    /// Plays what is to be seen, gives input to whoever reads, until nothing more can be done now.
    fn go_on(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        while !self.over && !self.hangs && self.due.is_none() && out.len() < MAX_HELD {
            if let Some(act) = self.acts.pop_front() {
                match act {
                    Act::Print(bytes) => self.framing.emit(STDOUT, &bytes, out),
                    Act::Complain(bytes) => self.framing.emit(STDERR, &bytes, out),
                    Act::Wait(time) => self.due = Some(cx.now() + time),
                    Act::Hang => self.hangs = true,
                }
            } else if self.shell.is_reading() && !self.ahead.is_empty() {
                let ahead = std::mem::take(&mut self.ahead);
                self.acts = self.shell.feed(cx, &ahead);
            } else if self.shell.is_reading() {
                if !self.input_ended {
                    return;
                }
                self.acts = self.shell.end_of_input(cx);
            } else if !self.is_script || self.shell.has_exited() {
                self.end(out);
            } else if !self.next_line(cx) {
                if self.input_ended {
                    self.end(out);
                }
                return;
            }
        }
    }

    /// Runs the next line of the input, if it is whole or the last.
    fn next_line(&mut self, cx: &mut Context<'_>) -> bool {
        let end = memchr::memchr(b'\n', &self.ahead);
        let length = match end {
            Some(at) => at + 1,
            None if self.input_ended && !self.ahead.is_empty() => self.ahead.len(),
            None => return false,
        };
        let line: Vec<u8> = self.ahead.drain(..length).collect();
        self.acts = self.shell.line(cx, line.strip_suffix(b"\n").unwrap_or(&line));
        true
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.framing.exit(self.shell.status(), out);
        self.over = true;
    }
}

impl Service for Commands {
    fn receive(&mut self, cx: &mut Context<'_>, _: &Device, bytes: &[u8], out: &mut Vec<u8>) {
        let ahead = &mut self.ahead;
        let ended = self.input.take(bytes, |piece| {
            let room = MAX_AHEAD.saturating_sub(ahead.len());
            ahead.extend_from_slice(piece.get(..room).unwrap_or(piece));
        });
        self.input_ended |= ended;
        self.go_on(cx, out);
    }

    fn due(&self) -> Option<Timestamp> {
        self.due
    }

    fn tick(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        self.due = None;
        self.go_on(cx, out);
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.shell.closed(cx);
    }
}

/// A login on a terminal.
pub(super) struct Login {
    terminal: Terminal,
    framing: Framing,
    input: Input,
    over: bool,
}

impl Login {
    pub(super) fn new(cx: &mut Context<'_>, device: &Arc<Device>, framed: bool, out: &mut Vec<u8>) -> Self {
        let terminal = Terminal::new(Shell::new(Arc::clone(device), cx.session().seed));
        // The terminal ends its lines itself.
        let framing = if framed { Framing::Packets } else { Framing::Bare { terminal: false } };
        let mut login = Self { terminal, framing, input: Input::new(framed), over: false };
        let mut shown = Vec::new();
        login.terminal.start(&mut shown);
        login.show(&shown, out);
        login
    }

    fn show(&mut self, shown: &[u8], out: &mut Vec<u8>) {
        self.framing.emit(STDOUT, shown, out);
        if self.terminal.has_ended() && !self.over {
            self.framing.exit(self.terminal.status(), out);
            self.over = true;
        }
    }
}

impl Service for Login {
    fn receive(&mut self, cx: &mut Context<'_>, _: &Device, bytes: &[u8], out: &mut Vec<u8>) {
        let mut shown = Vec::new();
        let terminal = &mut self.terminal;
        let ended = self.input.take(bytes, |piece| {
            for line in piece.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
                if shown.len() < MAX_HELD {
                    terminal.input(cx, line, &mut shown);
                }
            }
        });
        if ended {
            terminal.end_of_input(cx, &mut shown);
        }
        self.show(&shown, out);
    }

    fn due(&self) -> Option<Timestamp> {
        self.terminal.due()
    }

    fn tick(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let mut shown = Vec::new();
        self.terminal.wake(cx, &mut shown);
        self.show(&shown, out);
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.terminal.closed(cx);
    }
}
