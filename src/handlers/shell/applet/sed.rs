//! `sed`: what becomes of lines. `script` reads what is to be done.

mod script;

use super::super::MAX_OUTPUT;
use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::pattern::Pattern;
use super::usage;
use script::{Action, Address, Arguments, Command, Piece, Reader, arguments};

/// Commands, once for each line, that count as one command of the shell.
const COMMANDS_OF_A_STEP: usize = 64;
/// Commands that one call may run, with all its branches.
const MAX_COMMANDS_RUN: usize = 100_000;
/// Bytes of the line that is worked on, and of the hold space.
const MAX_SPACE: usize = MAX_OUTPUT;

pub(super) fn sed(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Arguments { pieces, files, is_silent, is_extended, in_place } = arguments(words);
    if pieces.is_empty() {
        return usage(run, "sed", io);
    }
    let mut texts = Vec::new();
    for piece in pieces {
        texts.push(match piece {
            Piece::Text(text) => text,
            Piece::File(name) => {
                let path = run.path(&name);
                match run.files.content(&path).map(std::borrow::Cow::into_owned) {
                    Ok(text) => text,
                    Err(fault) => return run.fail_at(io, words, "can't open", &name, fault),
                }
            }
        });
    }
    let script = texts.join(&b'\n');
    let mut commands = match (Reader { text: &script, at: 0, is_extended }).commands() {
        Ok(commands) => commands,
        Err(why) => return run.fail(io, words, &why),
    };
    let paths: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let (found, status) = run.inputs(io, words, &paths, "");
    let all = match in_place {
        Some(_) => found,
        None => vec![(Vec::new(), found.into_iter().flat_map(|(_, bytes)| bytes).collect())],
    };
    for (name, bytes) in all {
        let mut editor = Editor::new(&bytes, is_silent);
        editor.edit(run, &mut commands);
        let tried: usize = commands.iter().map(Command::cost).sum();
        run.charge(editor.commands_run / COMMANDS_OF_A_STEP + bytes.len() / 4_096 + tried);
        if run.is_spent() {
            return 1;
        }
        let text = editor.out;
        let Some(suffix) = in_place.as_ref().filter(|_| !name.is_empty()) else {
            run.print(io.out, &text);
            continue;
        };
        let path = run.path(&name);
        let kept = if suffix.is_empty() {
            Ok(())
        } else {
            run.files.write(&[&path[..], suffix].concat(), Content::Kept(bytes), true)
        };
        if let Err(fault) = kept.and_then(|()| run.files.write(&path, Content::Kept(text), true)) {
            return run.fail_at(io, words, "", &name, fault);
        }
    }
    status
}

/// How a command leaves the others of its line.
enum Then {
    /// On with the next.
    Next,
    /// So many commands are skipped.
    Skip(usize),
    /// To this command.
    Go(usize),
    /// On with the next line; what there is, is printed unless `-n` says otherwise.
    EndOfScript,
    /// On with the next line, without printing.
    Delete,
    /// Again from the beginning, with what is left of the present lines.
    Restart,
    Quit,
}

/// One text on its way.
struct Editor<'b> {
    lines: Vec<&'b [u8]>,
    ends_with_line: bool,
    /// The present line's place.
    at: usize,
    is_silent: bool,
    space: Vec<u8>,
    hold: Vec<u8>,
    appended: Vec<u8>,
    has_changed: bool,
    out: Vec<u8>,
    commands_run: usize,
}

impl<'b> Editor<'b> {
    fn new(bytes: &'b [u8], is_silent: bool) -> Self {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let lines = if bytes.is_empty() { Vec::new() } else { body.split(|&b| b == b'\n').collect() };
        Self {
            lines,
            ends_with_line: bytes.ends_with(b"\n"),
            at: 0,
            is_silent,
            space: Vec::new(),
            hold: Vec::new(),
            appended: Vec::new(),
            has_changed: false,
            out: Vec::new(),
            commands_run: 0,
        }
    }

    fn is_last(&self) -> bool {
        self.at + 1 >= self.lines.len()
    }

    fn edit(&mut self, run: &mut Run<'_, '_>, commands: &mut [Command]) {
        let mut keeps_space = false;
        while self.at < self.lines.len() {
            if !keeps_space {
                self.space = self.lines.get(self.at).copied().unwrap_or_default().to_vec();
                self.has_changed = false;
            }
            let then = self.cycle(run, commands);
            keeps_space = matches!(then, Then::Restart);
            if !self.is_silent && !matches!(then, Then::Delete | Then::Restart) {
                push(&mut self.out, &self.space);
            }
            self.out.append(&mut self.appended);
            self.at += usize::from(!keeps_space);
            let is_spent = self.commands_run > MAX_COMMANDS_RUN || self.out.len() > MAX_OUTPUT;
            if matches!(then, Then::Quit) || is_spent {
                return;
            }
        }
        if !self.ends_with_line {
            self.out.pop();
        }
    }

    /// The whole script over one line.
    fn cycle(&mut self, run: &mut Run<'_, '_>, commands: &mut [Command]) -> Then {
        let mut next = 0;
        while next < commands.len() {
            self.commands_run += 1;
            if self.commands_run > MAX_COMMANDS_RUN || self.space.len() > MAX_SPACE || self.out.len() > MAX_OUTPUT {
                self.commands_run = MAX_COMMANDS_RUN + 1;
                return Then::Quit;
            }
            let then = self.command(run, commands, next);
            next = match then {
                Then::Next => next + 1,
                Then::Skip(count) => next + 1 + count,
                Then::Go(place) => place,
                then => return then,
            };
        }
        Then::EndOfScript
    }

    fn command(&mut self, run: &mut Run<'_, '_>, commands: &mut [Command], at: usize) -> Then {
        let Some(command) = commands.get_mut(at) else { return Then::EndOfScript };
        let is_meant = self.is_meant(command);
        let Some(command) = commands.get(at) else { return Then::EndOfScript };
        match &command.action {
            Action::Group(inside) if !is_meant => return Then::Skip(*inside),
            _ if !is_meant => return Then::Next,
            Action::Delete => return Then::Delete,
            Action::DeleteFirst => return self.delete_first(),
            Action::Quit => return Then::Quit,
            Action::Change(text) => {
                // A range is changed as a whole, at its end.
                if command.to.is_none() || !command.open || command.negated {
                    push(&mut self.out, text);
                }
                return Then::Delete;
            }
            Action::Next | Action::Join if self.is_last() => {
                return if matches!(command.action, Action::Join) { Then::Quit } else { Then::EndOfScript };
            }
            Action::Branch { after_change: true, .. } if !self.has_changed => return Then::Next,
            Action::Branch { label, .. } => {
                self.has_changed = false;
                let is_place = |command: &Command| matches!(&command.action, Action::Label(name) if name == label);
                return commands.iter().position(is_place).map_or(Then::EndOfScript, Then::Go);
            }
            action => self.act(run, action),
        }
        Then::Next
    }

    /// `D`: without several lines as `d`, else again with those after the first.
    fn delete_first(&mut self) -> Then {
        match memchr::memchr(b'\n', &self.space) {
            Some(end) => {
                self.space.drain(..=end);
                Then::Restart
            }
            None => Then::Delete,
        }
    }

    /// What a command does that is followed by the next one.
    fn act(&mut self, run: &mut Run<'_, '_>, action: &Action) {
        match action {
            Action::Substitute { pattern, text, place, everywhere, prints, file } => {
                let Some(changed) = substituted(pattern, &self.space, text, *place, *everywhere) else { return };
                self.space = changed;
                self.has_changed = true;
                if *prints {
                    push(&mut self.out, &self.space);
                }
                if let Some(file) = file {
                    self.write(run, file);
                }
            }
            Action::Transliterate(pairs) => {
                for byte in &mut self.space {
                    *byte = pairs.iter().find(|(from, _)| from == byte).map_or(*byte, |(_, to)| *to);
                }
            }
            Action::Print => push(&mut self.out, &self.space),
            Action::PrintFirst => {
                let end = memchr::memchr(b'\n', &self.space).unwrap_or(self.space.len());
                push(&mut self.out, self.space.get(..end).unwrap_or_default());
            }
            Action::Number => push(&mut self.out, (self.at + 1).to_string().as_bytes()),
            Action::Append(text) => push(&mut self.appended, text),
            Action::Insert(text) => push(&mut self.out, text),
            Action::Next => {
                if !self.is_silent {
                    push(&mut self.out, &self.space);
                }
                self.out.append(&mut self.appended);
                self.at += 1;
                self.space = self.lines.get(self.at).copied().unwrap_or_default().to_vec();
            }
            Action::Join => {
                self.at += 1;
                self.space.push(b'\n');
                self.space.extend_from_slice(self.lines.get(self.at).copied().unwrap_or_default());
            }
            Action::Hold => self.hold = self.space.clone(),
            Action::HoldMore => joined(&mut self.hold, &self.space),
            Action::Get => self.space = self.hold.clone(),
            Action::GetMore => joined(&mut self.space, &self.hold),
            Action::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            Action::Write(file) => self.write(run, file),
            Action::Read(file) => {
                let path = run.path(file);
                // What cannot be read is nothing.
                let text = run.files.content(&path).map(std::borrow::Cow::into_owned).unwrap_or_default();
                run.charge(1 + text.len() / 4_096);
                self.appended.extend(text);
            }
            _ => {}
        }
    }

    /// `w FILE`
    fn write(&self, run: &mut Run<'_, '_>, file: &[u8]) {
        let path = run.path(file);
        run.charge(1);
        // A full disk takes no more.
        let _ = run.files.append(&path, &[&self.space[..], b"\n"].concat());
    }

    fn is_meant(&self, command: &mut Command) -> bool {
        let number = self.at + 1;
        let fits = |address: &Address| match address {
            Address::Line(line) => number == *line,
            Address::Last => self.is_last(),
            Address::Further(_) => false,
            Address::Fitting(pattern) => pattern.is_match(&self.space),
        };
        let is_in = match (&command.from, &command.to) {
            (None, _) => true,
            (Some(from), None) => fits(from),
            (Some(_), Some(Address::Further(_))) if command.open => {
                command.left -= 1;
                command.open = command.left > 0;
                true
            }
            (Some(_), Some(to)) if command.open => {
                command.open = !fits(to) && !matches!(to, Address::Line(line) if *line <= number);
                true
            }
            (Some(from), Some(to)) => {
                let begins = fits(from);
                command.left = if let Address::Further(count) = to { *count } else { 1 };
                let is_over = command.left == 0 || matches!(to, Address::Line(line) if *line <= number);
                command.open = begins && !is_over;
                begins
            }
        };
        is_in != command.negated
    }
}

/// Puts a text after another, on a line of its own, while there is room.
fn joined(to: &mut Vec<u8>, more: &[u8]) {
    if to.len() + more.len() < MAX_SPACE {
        to.push(b'\n');
        to.extend_from_slice(more);
    }
}

fn push(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

fn substituted(pattern: &Pattern, line: &[u8], text: &[u8], place: usize, everywhere: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut from = 0;
    let mut changed = false;
    for (count, found) in pattern.places(line).enumerate() {
        let group = |at: usize| found.get(at).cloned().flatten();
        let Some(whole) = group(0) else { continue };
        if (count + 1 < place || changed) && !everywhere || out.len() > MAX_OUTPUT {
            continue;
        }
        out.extend_from_slice(line.get(from..whole.start).unwrap_or_default());
        from = whole.end;
        changed = true;
        let mut rest = text.iter().copied();
        while let Some(byte) = rest.next() {
            match byte {
                b'&' => out.extend_from_slice(line.get(whole.clone()).unwrap_or_default()),
                b'\\' => match rest.next() {
                    Some(digit @ b'0'..=b'9') => {
                        let group = group(usize::from(digit - b'0'));
                        out.extend_from_slice(group.and_then(|group| line.get(group)).unwrap_or_default());
                    }
                    Some(b'n') => out.push(b'\n'),
                    Some(b't') => out.push(b'\t'),
                    other => out.extend(other),
                },
                _ => out.push(byte),
            }
        }
    }
    out.extend_from_slice(line.get(from..).unwrap_or_default());
    changed.then_some(out)
}
