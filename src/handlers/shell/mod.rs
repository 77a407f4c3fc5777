//! The shell that telnet and ADB visitors meet: a command language, a few hundred files, some seventy programs, all without I/O.
//!
//! A [`Device`] is what the visitor believes to be on: drawn once from the persona, shared by all sessions; it remembers what each
//! source did to its files. A [`Shell`] is one login: [`Shell::line`] takes a line and says what happens as [`Act`]s (bytes, pauses),
//! so that `sleep 5` and a download take their time. A [`Terminal`] is a shell with a line discipline: echo, editing, `^C`, and
//! the acts played at their time; it is what an interactive session wants.
//!
//! Bounds: a line of [`MAX_LINE`] bytes, [`MAX_STEPS`] commands and [`MAX_OUTPUT`] bytes of output for each, files as in
//! `file_system`, variables of [`MAX_VARIABLES`] bytes. A loop without end does not end for the visitor either; for us it is over
//! after the steps are used up.

mod android;
mod apk;
mod applet;
mod arithmetic;
mod calendar;
mod complete;
mod container;
mod device;
mod elf;
mod escape;
mod expand;
mod file_system;
mod glob;
mod lex;
mod option;
mod parse;
mod prompt;
mod run;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::device::Remembered;
use self::file_system::FileSystem;
use self::lex::Fault;
use self::parse::Item;
use self::run::{Run, Waiting};
use self::state::{State, Surroundings};
use super::recording::with_text;
use super::{Context, Random};
use crate::clock::Timestamp;
use crate::events::Event;

pub(super) use self::applet::named_addresses;
pub(super) use self::container::{Container, Ground, User};
pub(super) use self::device::{Device, Flavor};
pub(super) use self::file_system::Change;
pub(super) use self::terminal::{Editor, Key, Terminal};

/// Bytes of one line; what is longer loses its end, as in a terminal.
pub(super) const MAX_LINE: usize = 8 * 1_024;
/// Bytes of a command that goes over several lines.
const MAX_UNFINISHED: usize = 32 * 1_024;
/// Lines of such a command.
const MAX_UNFINISHED_LINES: u32 = 256;
/// Commands that one line may run.
const MAX_STEPS: u32 = 2_000;
/// Bytes that one line may print, and that one pipe or file made by it may hold on the way.
const MAX_OUTPUT: usize = 256 * 1_024;
/// Bytes that a program may read from the terminal.
const MAX_INPUT: usize = 256 * 1_024;
/// Names and values of variables.
const MAX_VARIABLES: usize = 16 * 1_024;
/// The name of the setting that has the host's new name.
const HOST_NAME: &str = "host name";
/// Aliases are kept under names that no variable can have.
const ALIAS: &[u8] = b"alias ";
/// Functions with their names.
const MAX_FUNCTIONS: usize = 64 * 1_024;
/// Earlier lines that a session can have back, and their bytes.
const MAX_HISTORY: usize = 64;
const MAX_HISTORY_BYTES: usize = 16 * 1_024;
/// Shells within shells.
const MAX_LEVELS: u32 = 16;

/// One thing that a visitor sees of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// These bytes are printed; a line ends with `\n`, the terminal makes `\r\n` of it.
    Print(Vec<u8>),
    /// The same on standard error, for a visitor who has the two apart.
    Complain(Vec<u8>),
    /// Nothing happens for this long.
    Wait(Duration),
    /// Nothing happens any more, until the visitor interrupts.
    Hang,
}

/// What a command does, in order.
pub(super) type Acts = VecDeque<Act>;

/// One login on a device.
#[derive(Debug)]
pub(super) struct Shell {
    device: Arc<Device>,
    state: State,
    random: Random,
    is_interactive: bool,
    /// What it prints is seen on a terminal.
    has_terminal: bool,
    /// Lines of a command whose end has not come.
    unfinished: Vec<u8>,
    unfinished_lines: u32,
    /// The container that it runs in, with files of its own.
    container: Option<Box<Container>>,
    /// A program reads from the terminal.
    waiting: Option<Box<Waiting>>,
}

impl Shell {
    /// A login on this device, in the home of its user: `root` on BusyBox, `shell` on Android. `seed` varies times and numbers.
    pub(super) fn new(device: Arc<Device>, seed: u64) -> Self {
        let flavor = device.flavor();
        let cwd = if flavor == Flavor::Android { b"/".to_vec() } else { b"/root".to_vec() };
        let surroundings = Surroundings { cwd, mask: 0o022, ..Surroundings::default() };
        let state = State { surroundings, is_root: flavor == Flavor::BusyBox, ..State::default() };
        Self {
            device,
            state,
            random: Random::new(seed),
            is_interactive: true,
            has_terminal: true,
            unfinished: Vec::new(),
            unfinished_lines: 0,
            container: None,
            waiting: None,
        }
    }

    /// A shell for single commands (`adb shell COMMAND`): no prompts, and programs that read the terminal find what
    /// [`Shell::feed`] gave them, else nothing.
    pub(super) fn for_commands(device: Arc<Device>, seed: u64) -> Self {
        Self { is_interactive: false, ..Self::new(device, seed) }
    }

    /// What an interactive shell prints first.
    pub(super) fn greeting(&self) -> String {
        match self.device.flavor() {
            Flavor::BusyBox if self.container.is_some() => String::new(),
            Flavor::BusyBox => {
                format!(
                    "\n\n{} built-in shell (ash)\nEnter 'help' for a list of built-in commands.\n\n",
                    self.device.busybox_banner()
                )
            }
            Flavor::Android => String::new(),
        }
    }

    /// What is typed is shown; not so while a password is read.
    pub(super) fn echoes(&self) -> bool {
        self.waiting.as_ref().is_none_or(|waiting| waiting.echoes())
    }

    /// What was typed before, the newest last.
    pub(super) fn history(&self) -> &VecDeque<Vec<u8>> {
        &self.state.history
    }

    /// The shell has ended; its status is what the last command gave.
    pub(super) fn has_exited(&self) -> bool {
        self.state.exited
    }

    /// `$?`
    pub(super) fn status(&self) -> u8 {
        self.state.status
    }

    /// A program reads from the terminal: what comes goes to it, until [`Shell::end_of_input`].
    pub(super) fn is_reading(&self) -> bool {
        self.waiting.is_some()
    }

    /// One line, without its end: a command, the rest of one, or input for the program that reads. Recorded as a `command` event.
    pub(super) fn line(&mut self, cx: &mut Context<'_>, line: &[u8]) -> Acts {
        let line = line.get(..MAX_LINE).unwrap_or(line);
        if self.waiting.is_some() {
            cx.event(command_event(line).with("input", true));
            return self.feed(cx, &[line, b"\n"].concat());
        }
        if !line.trim_ascii().is_empty() {
            cx.event(command_event(line));
        }
        if self.is_interactive {
            self.state.remember(line);
        }
        if !self.unfinished.is_empty() {
            self.unfinished.push(b'\n');
        }
        self.unfinished.extend_from_slice(line);
        self.unfinished_lines += 1;
        let too_long = self.unfinished.len() > MAX_UNFINISHED || self.unfinished_lines > MAX_UNFINISHED_LINES;
        let parsed = parse::parse_typed(&self.unfinished, |name| self.state.alias(name).map(<[u8]>::to_vec));
        if parsed == Err(Fault::Incomplete) && !too_long && self.is_interactive {
            return Acts::new();
        }
        self.unfinished = Vec::new();
        self.unfinished_lines = 0;
        match parsed {
            Ok(list) => self.run(cx, list.0.into(), None),
            Err(fault) => {
                self.state.status = 2;
                let what = fault.text();
                let name = match self.device.flavor() {
                    Flavor::Android => "/system/bin/sh",
                    Flavor::BusyBox if self.state.levels == 0 => "-sh",
                    Flavor::BusyBox => "sh",
                };
                Acts::from([Act::Complain(format!("{name}: {what}\n").into_bytes())])
            }
        }
    }

    /// Bytes for the program that reads from the terminal.
    pub(super) fn feed(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Acts {
        let Some(waiting) = &mut self.waiting else { return Acts::new() };
        let room = MAX_INPUT.saturating_sub(waiting.input.len());
        waiting.input.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if waiting.has_enough() {
            return self.end_of_input(cx);
        }
        match waiting.mirrored() {
            Some(lines) => Acts::from([Act::Print(lines)]),
            None => Acts::new(),
        }
    }

    /// `^D`, or the end of the visitor's stream: the program that reads has all it gets; without one, the shell ends.
    pub(super) fn end_of_input(&mut self, cx: &mut Context<'_>) -> Acts {
        if let Some(waiting) = self.waiting.take() {
            let Waiting { input, rest, .. } = *waiting;
            return self.run(cx, rest, Some(input));
        }
        self.unfinished = Vec::new();
        if self.state.levels > 0 {
            self.state.levels -= 1;
        } else {
            self.state.exited = true;
        }
        Acts::new()
    }

    /// `^C`: what is unfinished or reads is given up; what was to be done then (`trap`) is done.
    pub(super) fn interrupt(&mut self, cx: &mut Context<'_>) -> Acts {
        const INTERRUPT: u8 = 2;
        self.unfinished = Vec::new();
        self.unfinished_lines = 0;
        self.waiting = None;
        self.state.status = 128 + INTERRUPT;
        let trap = self.state.traps.get(&INTERRUPT).and_then(|command| parse::parse(command).ok());
        trap.map_or_else(Acts::new, |list| self.run(cx, list.0.into(), None))
    }

    /// `^Z`: the last line's program stops; it would have run until then, or without end.
    pub(super) fn stop(&mut self, cx: &mut Context<'_>, until: Option<Timestamp>) -> Acts {
        const STOPPED: u8 = 20;
        self.state.status = 128 + STOPPED;
        let line = self.state.history.back().cloned().unwrap_or_default();
        let newest = self.device.newest_pid(cx.now()).max(self.state.pid);
        let kept = self.kept(cx);
        let jobs = &mut kept.lock().unwrap_or_else(PoisonError::into_inner).jobs;
        jobs.start(newest, &line, until);
        Acts::from([Act::Print(jobs.stop_last())])
    }

    /// The session is over: what the visitor has left in files is kept as samples.
    pub(super) fn closed(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        let take = |files: &mut FileSystem<'_>| {
            files.keep_all_samples();
            files.take_samples()
        };
        let samples = match &self.container {
            Some(container) => container.files(&self.device, now, take),
            None => self.device.remembered(cx.session().client.ip(), now, |kept| {
                take(&mut FileSystem::new(&self.device, &mut kept.overlay, now, true))
            }),
        };
        hand_in(cx, samples);
    }

    /// What was changed where this shell runs: in its container, or by its source.
    fn kept(&self, cx: &Context<'_>) -> Arc<Mutex<Remembered>> {
        match &self.container {
            Some(container) => container.kept(),
            None => self.device.kept(cx.session().client.ip(), cx.now()),
        }
    }

    fn run(&mut self, cx: &mut Context<'_>, items: VecDeque<Item>, input: Option<Vec<u8>>) -> Acts {
        let device = Arc::clone(&self.device);
        let kept = self.kept(cx);
        let container = self.container.clone();
        let (acts, waiting, samples) = {
            let kept = &mut *kept.lock().unwrap_or_else(PoisonError::into_inner);
            let mut ground = container.as_deref().map(Container::lock_ground);
            let below = ground.as_mut().zip(container.as_ref()).map(|(ground, container)| container.below(ground));
            if self.state.pid == 0 {
                self.state.pid = kept.jobs.next_pid(device.newest_pid(cx.now()));
                self.state.since = cx.now();
            }
            let mut run = Run::new(cx, &device, &mut self.state, &mut self.random, kept, below);
            run.has_terminal = self.has_terminal;
            let waiting = run.top_level(items, input, self.is_interactive);
            let (acts, samples) = run.finish();
            (acts, waiting, samples)
        };
        self.waiting = waiting.map(Box::new);
        hand_in(cx, samples);
        acts
    }
}

/// The `command` event of a line: the text, and where it is no text its bytes as well.
fn command_event(line: &[u8]) -> Event {
    with_text(Event::new("command", format!("command: {}", shown(line))), "command", line)
}

/// The beginning of a line, for a person.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(..200).unwrap_or(line)).into_owned()
}

fn hand_in(cx: &mut Context<'_>, samples: Vec<file_system::Sample>) {
    for sample in samples {
        cx.sample(&String::from_utf8_lossy(&sample.path), sample.bytes);
    }
}
