//! Runs commands: what each prints, writes, waits for. `waiting` reads the terminal, `stream` is where commands read and write, `program`
//! finds what a name means.

mod compound;
mod function;
mod list;
mod program;
mod script;
mod stream;
mod time;
mod waiting;

use std::collections::BTreeMap;

use super::device::{Device, Flavor, Jobs, Package, Remembered, Settings};
use super::file_system::{Below, FileSystem, Sample};
use super::lex::Word;
use super::parse::{Body, Command};
use super::{Acts, MAX_STEPS, State};
use crate::handlers::{Context, Random};
use stream::{Descriptor, Input, Sink};

pub(super) use stream::{Io, TERMINAL};

pub(super) use function::Function;
pub(super) use waiting::Waiting;

/// Why the commands that follow are not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Exit,
    /// Out of this many loops.
    Break(u32),
    /// On with the next round of the loop so many levels up.
    Continue(u32),
    /// Out of a function or a file that was read in.
    Return,
    /// What was typed is given up: an error of the shell itself.
    Abandon,
    /// The steps are used up.
    Hang,
}

/// What a shell of its own runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// A text, as of `sh -c`.
    Text,
    /// A file: its lines are counted.
    File,
}

/// Where the commands come from that do not come from the terminal: it stands before the shell's errors.
#[derive(Debug, Clone)]
struct Origin {
    name: Vec<u8>,
    is_file: bool,
}

/// A variable and what it was; `None`: it was not.
type Before = (Vec<u8>, Option<Vec<u8>>);

/// One line's run.
#[derive(Debug)]
pub(super) struct Run<'r, 'c> {
    pub(super) cx: &'r mut Context<'c>,
    pub(super) device: &'r Device,
    pub(super) state: &'r mut State,
    pub(super) random: &'r mut Random,
    pub(super) files: FileSystem<'r>,
    pub(super) jobs: &'r mut Jobs,
    /// What this source has installed, and set.
    pub(super) packages: &'r mut Vec<Package>,
    pub(super) settings: &'r mut Settings,
    pub(super) leaving: Option<Leaving>,
    /// What the visitor is shown is seen on a terminal.
    pub(super) has_terminal: bool,
    acts: Acts,
    printed: usize,
    steps: u32,
    depth: u32,
    /// Expansions around the present one.
    nesting: u32,
    /// Loops around the present command.
    loops: u32,
    origin: Option<Origin>,
    /// The present command's line in its file.
    line: u32,
    /// A command was substituted in the present simple command: its status stands where nothing else is run.
    substituted: bool,
    /// Conditions around the present command: its failure is no reason to leave.
    tested: u32,
    /// Where `exec` has had the shell read and write since.
    replaced: Option<Io>,
    /// Descriptors from 3.
    descriptors: BTreeMap<u8, Descriptor>,
    /// For each function that runs, what its local variables were before.
    locals: Vec<Vec<Before>>,
    sinks: Vec<Sink>,
    inputs: Vec<Input>,
}

impl<'r, 'c> Run<'r, 'c> {
    pub(super) fn new(
        cx: &'r mut Context<'c>,
        device: &'r Device,
        state: &'r mut State,
        random: &'r mut Random,
        kept: &'r mut Remembered,
        below: Option<Below<'r>>,
    ) -> Self {
        kept.jobs.settle(cx.now());
        let present = device.present(cx.session(), state, &kept.jobs, cx.now());
        let files = FileSystem::new(device, &mut kept.overlay, cx.now(), state.is_root).at_present(present);
        let mut files = files.over(below);
        files.set_root(state.root());
        Self {
            cx,
            device,
            state,
            random,
            files,
            jobs: &mut kept.jobs,
            packages: &mut kept.packages,
            settings: &mut kept.settings,
            leaving: None,
            has_terminal: true,
            acts: Acts::new(),
            printed: 0,
            steps: 0,
            depth: 0,
            nesting: 0,
            loops: 0,
            origin: None,
            line: 0,
            substituted: false,
            tested: 0,
            replaced: None,
            descriptors: BTreeMap::new(),
            locals: Vec::new(),
            sinks: vec![Sink::Terminal, Sink::Errors],
            inputs: vec![Input::default()],
        }
    }

    /// What happened, and the visitor's files that were used or lost.
    pub(super) fn finish(mut self) -> (Acts, Vec<Sample>) {
        (self.acts, self.files.take_samples())
    }

    /// Runs something whose changes of directory and variables do not last: a subshell.
    pub(super) fn apart(&mut self, work: impl FnOnce(&mut Self)) {
        let kept = self.state.surroundings.clone();
        let (loops, replaced) = (std::mem::take(&mut self.loops), self.replaced.take());
        let descriptors = self.descriptors.clone();
        // What is ignored stays so.
        self.state.traps.retain(|_, command| command.is_empty());
        work(self);
        self.state.surroundings = kept;
        (self.loops, self.replaced, self.descriptors) = (loops, replaced, descriptors);
        self.end_subshell();
    }

    /// What leaves a subshell goes no further.
    fn end_subshell(&mut self) {
        if self.leaving != Some(Leaving::Hang) {
            self.leaving = None;
        }
    }

    fn command(&mut self, command: &Command, io: Io) {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            self.leaving = Some(Leaving::Hang);
        }
        if self.leaving.is_some() {
            return;
        }
        if self.origin.as_ref().is_some_and(|origin| origin.is_file) {
            self.line = command.line;
        }
        let descriptors = if command.redirections.is_empty() { None } else { Some(self.descriptors.clone()) };
        let Some(io) = self.redirect(&command.redirections, io) else {
            self.state.status = 1;
            return;
        };
        self.body(&command.body, io);
        if command.is_bare_exec() {
            self.replaced = if command.redirections.is_empty() { self.replaced } else { Some(io) };
        } else if let Some(descriptors) = descriptors {
            self.descriptors = descriptors;
        }
    }

    fn body(&mut self, body: &Body, io: Io) {
        match body {
            Body::Simple { assignments, words } => self.simple(assignments, words, io),
            Body::Group(list) => self.list(list, io),
            Body::Subshell(list) => self.apart(|run| {
                run.list(list, io);
                run.exit_trap(io);
            }),
            Body::Loop { until, condition, body } => self.repeat(*until, condition, body, io),
            Body::For { name, words, body } => self.each(name, words.as_deref(), body, io),
            Body::If { branches, otherwise } => self.branch(branches, otherwise, io),
            Body::Case { word, arms } => self.case(word, arms, io),
            Body::Function { name, body, cost } => self.define(name, body, *cost),
        }
    }

    fn simple(&mut self, assignments: &[(Vec<u8>, Word)], words: &[Word], io: Io) {
        self.substituted = false;
        let words = self.expand_words(words, io);
        let (mut before, mut traced) = (Vec::new(), Vec::new());
        for (name, value) in assignments {
            let value = self.expand_text(value, io);
            if self.state.fixed.contains(name) {
                return self.give_up(io, &format!("{}: is read only", String::from_utf8_lossy(name)));
            }
            traced.push([name, &b"="[..], &shown(&value)].concat());
            before.push((name.clone(), self.state.variables.get(name).cloned()));
            self.set_variable(name, value);
        }
        if self.leaving.is_some() {
            return;
        }
        if self.state.options.has(b'x') {
            traced.extend(words.iter().map(|word| shown(word)));
            self.print(io.err, &[b"+ ", &traced.join(&b' ')[..], b"\n"].concat());
        }
        if words.is_empty() {
            if !self.substituted {
                self.state.status = 0;
            }
            return;
        }
        let new: Vec<Vec<u8>> = assignments.iter().map(|(name, _)| name.clone()).collect();
        let new: Vec<Vec<u8>> = new.into_iter().filter(|name| self.state.exported.insert(name.clone())).collect();
        self.state.status = self.call(&words, io);
        for name in new {
            self.state.exported.remove(&name);
        }
        self.restore(before);
    }

    /// Gives variables back what they had.
    fn restore(&mut self, before: Vec<Before>) {
        for (name, value) in before.into_iter().rev() {
            match value {
                Some(value) => drop(self.state.variables.insert(name, value)),
                None => drop(self.state.variables.remove(&name)),
            }
        }
    }

    /// Much work counts as many commands, so that a loop around it ends as soon.
    pub(super) fn charge(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// The steps are used up: whoever works in rounds ends.
    pub(super) const fn is_spent(&self) -> bool {
        self.steps > MAX_STEPS
    }

    /// An error of the shell itself: it is told, and nothing else of what was typed is done.
    pub(super) fn give_up(&mut self, io: Io, why: &str) {
        self.complain(io, why.as_bytes());
        self.abandon();
    }

    fn abandon(&mut self) {
        self.state.status = 2;
        if self.leaving.is_none() {
            self.leaving = Some(Leaving::Abandon);
        }
    }

    /// The same of a builtin.
    pub(super) fn give_up_in(&mut self, io: Io, builtin: &[u8], why: &[u8]) {
        self.complain_of(io, builtin, why);
        self.abandon();
    }

    /// The shell's own error line.
    pub(super) fn complain(&mut self, io: Io, what: &[u8]) {
        let line = match &self.origin {
            Some(Origin { is_file: true, .. }) => format!("line {}: ", self.line),
            _ => String::new(),
        };
        let line = [&self.shell_name(), &b": "[..], line.as_bytes(), what, b"\n"].concat();
        self.print(io.err, &line);
    }

    /// The error line of a builtin.
    pub(super) fn complain_of(&mut self, io: Io, builtin: &[u8], what: &[u8]) {
        let line = if self.origin.is_some() { format!("line {}: ", self.line) } else { String::new() };
        let line = [&self.shell_name(), &b": "[..], builtin, b": ", line.as_bytes(), what, b"\n"].concat();
        self.print(io.err, &line);
    }

    pub(super) fn shell_name(&self) -> Vec<u8> {
        match (&self.origin, self.device.flavor()) {
            (Some(origin), _) => origin.name.clone(),
            (None, Flavor::Android) => b"/system/bin/sh".to_vec(),
            (None, Flavor::BusyBox) if self.state.levels == 0 && !self.device.is_container() => b"-sh".to_vec(),
            (None, Flavor::BusyBox) => b"sh".to_vec(),
        }
    }

    /// Commands come from the terminal.
    pub(super) const fn is_interactive(&self) -> bool {
        self.origin.is_none()
    }

    /// They come from a file.
    pub(super) fn is_from_file(&self) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.is_file)
    }

    /// The process that has started this shell.
    pub(super) fn parent(&self) -> u32 {
        if self.origin.is_some() { self.state.pid } else { self.device.parent_of_shells() }
    }

    /// A number that nobody foresees.
    pub(super) fn chance(&self) -> u64 {
        Random::new(u64::from(self.steps) << 32 | u64::from(self.state.pid) ^ self.cx.now().as_micros()).bits()
    }

    /// A path as the visitor wrote it, made absolute.
    pub(super) fn path(&self, written: &[u8]) -> Vec<u8> {
        self.files.absolute(&self.state.cwd, written)
    }

    /// The last process number that others than the visitor have.
    pub(super) fn newest_pid(&self) -> u32 {
        self.device.newest_pid(self.cx.now()).max(self.state.pid)
    }

    /// The next process number.
    pub(super) fn next_pid(&mut self) -> u32 {
        self.jobs.next_pid(self.newest_pid())
    }
}

/// A word as `set -x` shows it: in quotes where a shell would take it for something else.
fn shown(word: &[u8]) -> Vec<u8> {
    let is_special = |byte: &u8| *byte < b'+' || matches!(byte, b';'..=b'?' | b'`' | b'[' | b'\\') || *byte > b'z';
    if !word.iter().any(is_special) {
        return word.to_vec();
    }
    let mut out = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => out.extend(b"'\"'\"'"),
            byte => out.push(*byte),
        }
    }
    out.push(b'\'');
    out
}
