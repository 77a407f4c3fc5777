//! Commands that read the visitor's terminal: they wait for their input, and what comes after them waits with them.

use std::collections::VecDeque;

use super::stream::{ERRORS, Input, Io, TERMINAL};
use super::{Leaving, Run};
use crate::handlers::shell::Act;
use crate::handlers::shell::applet::user;
use crate::handlers::shell::file_system::base_name;
use crate::handlers::shell::lex::Part;
use crate::handlers::shell::parse::{Body, Command, Item, Redirection, RedirectionKind};

/// A program reads from the terminal; it runs when it has all of its input.
#[derive(Debug)]
pub(in crate::handlers::shell) struct Waiting {
    pub(in crate::handlers::shell) input: Vec<u8>,
    /// The command that reads, and what comes after it.
    pub(in crate::handlers::shell) rest: VecDeque<Item>,
    /// Lines that are enough; `None`: all up to the end of the input.
    lines: Option<usize>,
    is_password: bool,
    /// `cat`: each line is shown when it has come.
    mirrors: bool,
}

impl Waiting {
    fn lines_read(&self) -> usize {
        self.input.iter().filter(|&&b| b == b'\n').count()
    }

    pub(in crate::handlers::shell) fn has_enough(&self) -> bool {
        self.lines.is_some_and(|lines| self.lines_read() >= lines)
    }

    /// The lines that have come since the last call, where they are shown at once.
    pub(in crate::handlers::shell) fn mirrored(&mut self) -> Option<Vec<u8>> {
        let end = memchr::memrchr(b'\n', &self.input).filter(|_| self.mirrors)?;
        Some(self.input.drain(..=end).collect())
    }

    pub(in crate::handlers::shell) const fn echoes(&self) -> bool {
        !self.is_password
    }

    pub(in crate::handlers::shell) fn prompt(&self) -> &'static str {
        match (self.is_password, self.lines_read()) {
            (false, _) => "",
            (true, 0) => "New password: ",
            (true, _) => "Retype password: ",
        }
    }
}

impl Run<'_, '_> {
    /// Runs what was typed. A command that reads the terminal is given `input`; without one it waits, with all that follows it.
    pub(in crate::handlers::shell) fn top_level(
        &mut self,
        mut items: VecDeque<Item>,
        mut input: Option<Vec<u8>>,
        is_interactive: bool,
    ) -> Option<Waiting> {
        let mut io = Io { input: TERMINAL, out: TERMINAL, err: ERRORS };
        while let Some(item) = items.pop_front() {
            let wish = if input.is_some() { None } else { reads_terminal(&item) };
            if let Some((lines, is_password)) = wish {
                if is_password {
                    self.print(io.out, b"Changing password for root\n");
                }
                let mirrors = is_plain_cat(&item) && is_interactive;
                items.push_front(item);
                return Some(Waiting { input: Vec::new(), rest: items, lines, is_password, mirrors });
            }
            if let Some(terminal) = self.inputs.first_mut() {
                *terminal = Input::new(input.take().unwrap_or_default());
            }
            self.item(&item, io);
            io = self.replaced.unwrap_or(io);
            match self.leaving.take() {
                Some(Leaving::Exit) if self.state.levels > 0 && is_interactive => {
                    self.state.levels -= 1;
                    break;
                }
                Some(Leaving::Exit) => {
                    self.exit_trap(io);
                    self.state.exited = true;
                    break;
                }
                Some(Leaving::Hang) => {
                    self.acts.push_back(Act::Hang);
                    break;
                }
                Some(Leaving::Abandon) => break,
                _ => {}
            }
        }
        None
    }
}

/// `cat` alone, from the terminal to the terminal.
fn is_plain_cat(item: &Item) -> bool {
    let [Command { body: Body::Simple { words, .. }, redirections, .. }] = item.first.commands.as_slice() else {
        return false;
    };
    let [word] = words.as_slice() else { return false };
    redirections.is_empty() && matches!(word.as_slice(), [Part::Text { bytes, .. }] if base_name(bytes) == b"cat")
}

/// Whether a command, as typed, reads the terminal: how many lines (`None`: all), and whether they are passwords.
fn reads_terminal(item: &Item) -> Option<(Option<usize>, bool)> {
    let Command { body: Body::Simple { words, .. }, redirections, .. } = item.first.commands.first()? else {
        return None;
    };
    let is_input = |redirection: &Redirection| {
        redirection.descriptor == 0 || matches!(redirection.kind, RedirectionKind::From | RedirectionKind::Document)
    };
    if redirections.iter().any(is_input) {
        return None;
    }
    let mut texts = words.iter().map(|word| match word.as_slice() {
        [Part::Text { bytes, .. }] => bytes.as_slice(),
        _ => b"?",
    });
    let written = texts.next()?;
    let mut name = base_name(written);
    if written.starts_with(b"/etc/") || written.starts_with(b"/proc/") {
        return None;
    }
    if name == b"busybox" || name == b"toybox" {
        name = texts.next()?;
    }
    let arguments: Vec<&[u8]> = texts.filter(|text| text.len() < 2 || !text.starts_with(b"-")).collect();
    let reads = match name {
        b"cat" | b"sort" | b"md5sum" | b"wc" | b"base64" => arguments.is_empty() || arguments == [b"-"],
        b"tee" => true,
        b"grep" => arguments.len() == 1,
        b"dd" => !arguments.iter().any(|argument| argument.starts_with(b"if=")),
        b"read" => return Some((Some(1), false)),
        b"passwd" => return arguments.first().is_none_or(|name| user(name).is_some()).then_some((Some(2), true)),
        _ => false,
    };
    reads.then_some((None, false))
}
