//! Runs commands: what each prints, writes, waits for. `waiting` reads the terminal, `stream` is where commands read and write, `program`
//! finds what a name means.

mod program;
mod stream;
mod waiting;

use std::time::Duration;

use super::device::{Device, Flavor, Jobs, Remembered};
use super::file_system::{FileSystem, Sample};
use super::lex::Word;
use super::parse::{Body, Command, Item, Joint, List, Pipeline};
use super::{Act, Acts, MAX_LEVELS, MAX_STEPS, State, glob, parse};
use crate::handlers::{Context, Random};
use stream::{Input, Sink};

pub(super) use stream::{Io, TERMINAL};

pub(super) use waiting::Waiting;

/// Why the commands that follow are not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Exit,
    Break,
    Continue,
    /// The steps are used up.
    Hang,
}

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
        let files = FileSystem::new(device, &mut kept.overlay, cx.now(), state.is_root);
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
            sinks: vec![Sink::Terminal],
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
        self.acts.extend(since.into_iter().filter(|act| matches!(act, Act::Print(_))));
        self.state.status = 0;
        if self.leaving == Some(Leaving::Exit) {
            self.leaving = None;
        }
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
                    if run.leaving == Some(Leaving::Exit) {
                        run.leaving = None;
                    }
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
        let kept = (self.state.cwd.clone(), self.state.variables.clone(), self.state.arguments.clone());
        work(self);
        (self.state.cwd, self.state.variables, self.state.arguments) = kept;
        if self.leaving == Some(Leaving::Exit) {
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
        let Some(io) = self.redirect(&command.redirections, io) else {
            self.state.status = 1;
            return;
        };
        match &command.body {
            Body::Simple { assignments, words } => self.simple(assignments, words, io),
            Body::Group(list) => self.list(list, io),
            Body::Subshell(list) => self.apart(|run| run.list(list, io)),
            Body::Loop { until, condition, body } => self.repeat(*until, condition, body, io),
            Body::For { name, words, body } => {
                for value in self.expand_words(words, io) {
                    self.set_variable(name, value);
                    self.list(body, io);
                    if self.leaves_loop() {
                        break;
                    }
                }
            }
            Body::If { branches, otherwise } => self.branch(branches, otherwise, io),
            Body::Case { word, arms } => self.case(word, arms, io),
        }
    }

    fn simple(&mut self, assignments: &[(Vec<u8>, Word)], words: &[Word], io: Io) {
        let words = self.expand_words(words, io);
        let mut before = Vec::new();
        for (name, value) in assignments {
            let value = self.expand_text(value, io);
            before.push((name, self.state.variables.get(name).cloned()));
            self.set_variable(name, value);
        }
        if words.is_empty() {
            self.state.status = 0;
            return;
        }
        self.state.status = self.call(&words, io);
        for (name, value) in before {
            match value {
                Some(value) => drop(self.state.variables.insert(name.clone(), value)),
                None => drop(self.state.variables.remove(name)),
            }
        }
    }

    fn branch(&mut self, branches: &[(List, List)], otherwise: &List, io: Io) {
        for (condition, body) in branches {
            self.list(condition, io);
            if self.leaving.is_some() {
                return;
            }
            if self.state.status == 0 {
                return self.list(body, io);
            }
        }
        self.state.status = 0;
        self.list(otherwise, io);
    }

    fn case(&mut self, word: &Word, arms: &[(Vec<Word>, List)], io: Io) {
        let word = self.expand_text(word, io);
        self.state.status = 0;
        for (patterns, body) in arms {
            let patterns: Vec<Vec<u8>> = patterns.iter().map(|pattern| self.expand_text(pattern, io)).collect();
            if patterns.iter().any(|pattern| glob::matches(pattern, &word)) {
                return self.list(body, io);
            }
        }
    }

    fn repeat(&mut self, until: bool, condition: &List, body: &List, io: Io) {
        let mut status = 0;
        loop {
            self.list(condition, io);
            if self.leaves_loop() || (self.state.status == 0) == until {
                break;
            }
            self.list(body, io);
            status = self.state.status;
            if self.leaves_loop() {
                break;
            }
        }
        self.state.status = status;
    }

    /// The loop ends here; a `continue` is over.
    fn leaves_loop(&mut self) -> bool {
        match self.leaving {
            Some(Leaving::Continue) => {
                self.leaving = None;
                false
            }
            Some(Leaving::Break) => {
                self.leaving = None;
                true
            }
            Some(Leaving::Exit | Leaving::Hang) => true,
            None => false,
        }
    }

    /// Much work counts as many commands, so that a loop around it ends as soon.
    pub(super) fn charge(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    /// Runs a list and takes what it writes to its output: `$(...)`.
    pub(super) fn output_of(&mut self, source: &[u8], io: Io) -> Vec<u8> {
        let Ok(list) = parse::parse(source) else { return Vec::new() };
        if self.depth >= MAX_LEVELS {
            return Vec::new();
        }
        self.depth += 1;
        let out = self.add_sink(Sink::Buffer(Vec::new()));
        self.apart(|run| run.list(&list, Io { out, ..io }));
        self.depth -= 1;
        self.take_buffer(out)
    }

    /// Runs a script's text with these arguments (`$0` first).
    pub(super) fn script(&mut self, text: &[u8], arguments: &[Vec<u8>], io: Io) -> u8 {
        if self.depth >= MAX_LEVELS {
            return 1;
        }
        let Ok(list) = parse::parse(text) else {
            self.complain(io, b"syntax error: unexpected word");
            return 2;
        };
        self.depth += 1;
        self.apart(|run| {
            run.state.arguments = arguments.to_vec();
            run.list(&list, io);
        });
        self.depth -= 1;
        self.state.status
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
        let line = [self.shell_name().as_bytes(), b": ", what, b"\n"].concat();
        self.print(io.err, &line);
    }

    pub(super) fn shell_name(&self) -> &'static str {
        match self.device.flavor() {
            Flavor::Android => "/system/bin/sh",
            Flavor::BusyBox if self.state.levels == 0 && self.depth == 0 && !self.device.is_container() => "-sh",
            Flavor::BusyBox => "sh",
        }
    }

    /// A path as the visitor wrote it, made absolute.
    pub(super) fn path(&self, written: &[u8]) -> Vec<u8> {
        self.files.absolute(&self.state.cwd, written)
    }

    /// The next process number.
    pub(super) fn next_pid(&mut self) -> u32 {
        self.jobs.next_pid(self.device.first_pid())
    }
}
