//! Runs commands: what each prints, writes, waits for. `waiting` reads the terminal, `stream` is where commands read and write, `program`
//! finds what a name means.

mod compound;
mod function;
mod program;
mod stream;
mod waiting;

use std::collections::BTreeMap;
use std::time::Duration;

use super::device::{Device, Flavor, Jobs, Package, Remembered, Settings};
use super::file_system::{FileSystem, Sample};
use super::lex::Word;
use super::option::{Options, PIPEFAIL};
use super::parse::{Body, Command, Item, Joint, List, Pipeline};
use super::{Act, Acts, MAX_LEVELS, MAX_STEPS, State, Surroundings, parse};
use crate::handlers::{Context, Random};
use stream::{Descriptor, Input, Sink};

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
    ) -> Self {
        kept.jobs.settle(cx.now());
        let present = device.present(cx.session(), state, &kept.jobs, cx.now());
        let files = FileSystem::new(device, &mut kept.overlay, cx.now(), state.is_root).at_present(present);
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

    pub(super) fn list(&mut self, list: &List, mut io: Io) {
        for item in &list.0 {
            self.item(item, io);
            if self.leaving.is_some() {
                return;
            }
            io = self.replaced.unwrap_or(io);
        }
    }

    fn item(&mut self, item: &Item, io: Io) {
        if item.in_background {
            self.in_background(item, io);
        } else {
            self.and_or(item, io);
        }
    }

    /// `a && b || c`: with `set -e` the shell ends where the last of them that is run fails.
    fn and_or(&mut self, item: &Item, io: Io) {
        let all = std::iter::once((None, &item.first)).chain(item.rest.iter().map(|(joint, next)| (Some(joint), next)));
        for (at, (joint, pipeline)) in all.enumerate() {
            let goes_on = match joint {
                None => true,
                Some(Joint::And) => self.state.status == 0,
                Some(Joint::Or) => self.state.status != 0,
            };
            if self.leaving.is_some() {
                return;
            }
            if !goes_on {
                continue;
            }
            let is_tested = at < item.rest.len() || pipeline.negated;
            self.tested += u32::from(is_tested);
            self.pipeline(pipeline, io);
            self.tested -= u32::from(is_tested);
            let has_failed = self.state.status != 0 && !is_tested && self.tested == 0;
            if has_failed && self.leaving.is_none() && self.state.options.has(b'e') {
                self.leaving = Some(Leaving::Exit);
            }
        }
    }

    /// Done beside the visitor's dialogue: nobody waits for it. What takes its time is running until then.
    fn in_background(&mut self, item: &Item, io: Io) {
        let (before, running) = (self.acts.len(), self.jobs.running.len());
        self.apart(|run| run.and_or(item, io));
        let since = self.acts.split_off(before.min(self.acts.len()));
        let time = waits(&since);
        self.acts.extend(since.into_iter().filter(|act| matches!(act, Act::Print(_) | Act::Complain(_))));
        let newest = self.newest_pid();
        let started = self.jobs.running.get(running..).and_then(<[_]>::last).map(|job| job.pid);
        let pid = match started {
            Some(pid) => pid,
            None if time.is_zero() => {
                let pid = self.jobs.next_pid(newest);
                self.jobs.end(pid, self.state.status);
                pid
            }
            None => self.jobs.start(newest, &item.title(), Some(self.cx.now() + time)),
        };
        self.jobs.background = Some(pid);
        self.state.status = 0;
    }

    fn pipeline(&mut self, pipeline: &Pipeline, io: Io) {
        match pipeline.commands.as_slice() {
            [command] => self.command(command, io),
            commands => self.apart(|run| {
                let (mut input, mut failure) = (io.input, 0);
                for (at, command) in commands.iter().enumerate() {
                    let is_last = at + 1 == commands.len();
                    let out = if is_last { io.out } else { run.add_sink(Sink::Buffer(Vec::new())) };
                    run.command(command, Io { input, out, err: io.err });
                    run.end_subshell();
                    if run.state.status != 0 {
                        failure = run.state.status;
                    }
                    if !is_last {
                        input = run.input_of(out);
                    }
                }
                if run.state.options.has(PIPEFAIL) {
                    run.state.status = failure;
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
    pub(super) fn script(
        &mut self,
        text: &[u8],
        arguments: &[Vec<u8>],
        script: Script,
        options: Options,
        io: Io,
    ) -> u8 {
        let name = arguments.first().cloned().unwrap_or_else(|| b"sh".to_vec());
        let before =
            (self.origin.replace(Origin { name, is_file: script == Script::File }), std::mem::take(&mut self.line));
        self.apart(|run| {
            let Surroundings { variables, exported, functions, .. } = &mut run.state.surroundings;
            variables.retain(|name, _| exported.contains(name));
            functions.clear();
            run.state.arguments = arguments.to_vec();
            run.state.options = options;
            run.state.option_at = 0;
            let tested = std::mem::take(&mut run.tested);
            if !options.has(b'n') {
                run.text(text, io);
            }
            run.exit_trap(io);
            run.tested = tested;
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

    /// How long nothing has happened so far.
    pub(super) fn waited(&self) -> Duration {
        waits(&self.acts)
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

/// How long nothing happens in these.
fn waits(acts: &Acts) -> Duration {
    acts.iter().filter_map(|act| if let Act::Wait(time) = act { Some(*time) } else { None }).sum()
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
