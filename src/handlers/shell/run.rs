//! Runs commands: what each prints, writes, waits for. `waiting` reads the terminal, `stream` is where commands read and write, `program`
//! finds what a name means.

mod compound;
mod function;
mod program;
mod stream;
mod waiting;

use std::time::Duration;

use super::device::{Device, Flavor, Jobs, Remembered};
use super::file_system::{FileSystem, Sample};
use super::lex::Word;
use super::parse::{Body, Command, Item, Joint, List, Pipeline};
use super::{Act, Acts, MAX_LEVELS, MAX_STEPS, State, Surroundings, parse};
use crate::handlers::{Context, Random};
use stream::{Input, Sink};

pub(super) use stream::{Io, TERMINAL};

pub(super) use function::Function;
pub(super) use waiting::Waiting;

/// Expansions within expansions.
const MAX_NESTING: u32 = 32;

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

/// Where the commands come from that do not come from the terminal: it stands before the shell's errors.
#[derive(Debug, Clone)]
struct Origin {
    name: Vec<u8>,
    /// A file: its lines are counted.
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
    pub(super) leaving: Option<Leaving>,
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
    ) -> Self {
        let present = device.present(cx.session(), state, &kept.jobs, cx.now());
        let files = FileSystem::new(device, &mut kept.overlay, cx.now(), state.is_root).at_present(present);
        Self {
            cx,
            device,
            state,
            random,
            files,
            jobs: &mut kept.jobs,
            leaving: None,
            acts: Acts::new(),
            printed: 0,
            steps: 0,
            depth: 0,
            nesting: 0,
            loops: 0,
            origin: None,
            line: 0,
            substituted: false,
            locals: Vec::new(),
            sinks: vec![Sink::Terminal, Sink::Errors],
            inputs: vec![Input::default()],
        }
    }

    /// What happened, and the visitor's files that were used or lost.
    pub(super) fn finish(mut self) -> (Acts, Vec<Sample>) {
        (self.acts, self.files.take_samples())
    }

    pub(super) fn list(&mut self, list: &List, io: Io) {
        for item in &list.0 {
            self.item(item, io);
            if self.leaving.is_some() {
                return;
            }
        }
    }

    fn item(&mut self, item: &Item, io: Io) {
        let before = self.acts.len();
        self.pipeline(&item.first, io);
        for (joint, pipeline) in &item.rest {
            let goes_on = match joint {
                Joint::And => self.state.status == 0,
                Joint::Or => self.state.status != 0,
            };
            if self.leaving.is_some() {
                return;
            }
            if goes_on {
                self.pipeline(pipeline, io);
            }
        }
        if item.in_background {
            self.in_background(before);
        }
    }

    /// What was done since this act is done beside the visitor's dialogue: nobody waits for it.
    fn in_background(&mut self, before: usize) {
        let since = self.acts.split_off(before.min(self.acts.len()));
        self.acts.extend(since.into_iter().filter(|act| matches!(act, Act::Print(_) | Act::Complain(_))));
        self.state.status = 0;
        self.end_subshell();
    }

    fn pipeline(&mut self, pipeline: &Pipeline, io: Io) {
        match pipeline.commands.as_slice() {
            [command] => self.command(command, io),
            commands => self.apart(|run| {
                let mut input = io.input;
                for (at, command) in commands.iter().enumerate() {
                    let is_last = at + 1 == commands.len();
                    let out = if is_last { io.out } else { run.add_sink(Sink::Buffer(Vec::new())) };
                    run.command(command, Io { input, out, err: io.err });
                    run.end_subshell();
                    if !is_last {
                        input = run.input_of(out);
                    }
                }
            }),
        }
        if pipeline.negated {
            self.state.status = u8::from(self.state.status == 0);
        }
    }

    /// Runs something whose changes of directory and variables do not last: a subshell.
    pub(super) fn apart(&mut self, work: impl FnOnce(&mut Self)) {
        let kept = self.state.surroundings.clone();
        let loops = std::mem::take(&mut self.loops);
        work(self);
        self.state.surroundings = kept;
        self.loops = loops;
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
        let Some(io) = self.redirect(&command.redirections, io) else {
            self.state.status = 1;
            return;
        };
        match &command.body {
            Body::Simple { assignments, words } => self.simple(assignments, words, io),
            Body::Group(list) => self.list(list, io),
            Body::Subshell(list) => self.apart(|run| run.list(list, io)),
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
        let mut before = Vec::new();
        for (name, value) in assignments {
            let value = self.expand_text(value, io);
            before.push((name.clone(), self.state.variables.get(name).cloned()));
            self.set_variable(name, value);
        }
        if self.leaving.is_some() {
            return;
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

    /// Runs a list and takes what it writes to its output: `$(...)`.
    pub(super) fn output_of(&mut self, source: &[u8], io: Io) -> Vec<u8> {
        let list = match parse::parse(source) {
            Ok(list) => list,
            Err(fault) => {
                self.give_up(io, &fault.text());
                return Vec::new();
            }
        };
        let out = self.add_sink(Sink::Buffer(Vec::new()));
        self.deeper(io, |run| run.apart(|run| run.list(&list, Io { out, ..io })));
        self.substituted = true;
        self.take_buffer(out)
    }

    /// Expands something that may hold more of its kind: `${a:-${b:-...}}`.
    pub(super) fn nested<R: Default>(&mut self, io: Io, work: impl FnOnce(&mut Self) -> R) -> R {
        if self.nesting >= MAX_NESTING {
            self.give_up(io, "bad substitution");
            return R::default();
        }
        self.nesting += 1;
        let result = work(self);
        self.nesting -= 1;
        result
    }

    /// Runs something that may run itself again: a substitution, a script, a function. Too deep, the device has no room for one more.
    fn deeper(&mut self, io: Io, work: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_LEVELS {
            self.give_up(io, "can't fork: Resource temporarily unavailable");
            return;
        }
        self.depth += 1;
        work(self);
        self.depth -= 1;
    }

    /// Runs a shell of its own over this text: `sh -c`, or a file; `$0` is first among the arguments. It knows what was exported.
    pub(super) fn script(&mut self, text: &[u8], arguments: &[Vec<u8>], is_file: bool, io: Io) -> u8 {
        let name = arguments.first().cloned().unwrap_or_else(|| b"sh".to_vec());
        let before = (self.origin.replace(Origin { name, is_file }), std::mem::take(&mut self.line));
        self.apart(|run| {
            let Surroundings { variables, exported, functions, .. } = &mut run.state.surroundings;
            variables.retain(|name, _| exported.contains(name));
            functions.clear();
            run.state.arguments = arguments.to_vec();
            run.text(text, io);
        });
        (self.origin, self.line) = before;
        self.state.status
    }

    /// Runs a text in this shell: `eval`, `.`
    pub(super) fn text(&mut self, text: &[u8], io: Io) {
        match parse::parse(text) {
            Ok(list) => self.deeper(io, |run| {
                run.state.status = 0;
                run.list(&list, io);
            }),
            Err(fault) => self.give_up(io, &fault.text()),
        }
    }

    /// An error of the shell itself: it is told, and nothing else of what was typed is done.
    pub(super) fn give_up(&mut self, io: Io, why: &str) {
        self.complain(io, why.as_bytes());
        self.state.status = 2;
        if self.leaving.is_none() {
            self.leaving = Some(Leaving::Abandon);
        }
    }

    /// Nothing happens for a time.
    pub(super) fn wait(&mut self, time: Duration) {
        if !time.is_zero() {
            self.acts.push_back(Act::Wait(time));
        }
    }

    /// Nothing happens for a time between these milliseconds.
    pub(super) fn wait_about(&mut self, from_ms: u64, to_ms: u64) {
        let time = self.random.within(&(from_ms..=to_ms));
        self.wait(Duration::from_millis(time));
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
