//! Runs commands: what each prints, writes, waits for.

use std::collections::VecDeque;
use std::time::Duration;

use super::applet;
use super::device::{Device, Flavor, Jobs, Remembered};
use super::file_system::{Fault, FileSystem, Sample, base_name};
use super::lex::Part;
use super::parse::{Body, Command, Item, Joint, List, Pipeline, Redirection, RedirectionKind};
use super::tree::{Content, Kind, Node, Special};
use super::{Act, Acts, MAX_LEVELS, MAX_OUTPUT, MAX_STEPS, State, glob, parse};
use crate::handlers::{Context, Random};

/// Where a command reads and writes: places in [`Run`]'s lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Io {
    pub(super) input: usize,
    pub(super) out: usize,
    pub(super) err: usize,
}

/// Bytes read or written that count as one more command.
const BYTES_OF_A_STEP: usize = 2 * 1_024;

/// The visitor's terminal in both lists.
pub(super) const TERMINAL: usize = 0;

/// Where output goes.
#[derive(Debug)]
enum Sink {
    Terminal,
    Buffer(Vec<u8>),
    File(Vec<u8>),
    Null,
}

/// What input is left.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    at: usize,
    /// A fetched file that only stands for one: no shell can run its text.
    is_stand_in: bool,
}

/// Why the commands that follow are not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Exit,
    Break,
    Continue,
    /// The steps are used up.
    Hang,
}

/// A program reads from the terminal; it runs when it has all of its input.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) input: Vec<u8>,
    /// The command that reads, and what comes after it.
    pub(super) rest: VecDeque<Item>,
    /// Lines that are enough; `None`: all up to the end of the input.
    lines: Option<usize>,
    is_password: bool,
}

impl Waiting {
    fn lines_read(&self) -> usize {
        self.input.iter().filter(|&&b| b == b'\n').count()
    }

    pub(super) fn has_enough(&self) -> bool {
        self.lines.is_some_and(|lines| self.lines_read() >= lines)
    }

    pub(super) const fn echoes(&self) -> bool {
        !self.is_password
    }

    pub(super) fn prompt(&self) -> &'static str {
        match (self.is_password, self.lines_read()) {
            (false, _) => "",
            (true, 0) => "New password: ",
            (true, _) => "Retype password: ",
        }
    }
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

    /// Runs what was typed. A command that reads the terminal is given `input`; without one it waits, with all that follows it.
    pub(super) fn top_level(
        &mut self,
        mut items: VecDeque<Item>,
        mut input: Option<Vec<u8>>,
        is_interactive: bool,
    ) -> Option<Waiting> {
        let io = Io { input: TERMINAL, out: TERMINAL, err: TERMINAL };
        while let Some(item) = items.pop_front() {
            let wish = if input.is_some() { None } else { reads_terminal(&item) };
            if let Some((lines, is_password)) = wish {
                if is_password {
                    self.print(io.out, b"Changing password for root\n");
                }
                items.push_front(item);
                return Some(Waiting { input: Vec::new(), rest: items, lines, is_password });
            }
            if let Some(terminal) = self.inputs.first_mut() {
                *terminal = Input { bytes: input.take().unwrap_or_default(), ..Input::default() };
            }
            self.item(&item, io);
            match self.leaving.take() {
                Some(Leaving::Exit) if self.state.levels > 0 && is_interactive => {
                    self.state.levels -= 1;
                    break;
                }
                Some(Leaving::Exit) => {
                    self.state.exited = true;
                    break;
                }
                Some(Leaving::Hang) => {
                    self.acts.push_back(Act::Hang);
                    break;
                }
                _ => {}
            }
        }
        None
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
            Body::Simple { assignments, words } => {
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
            Body::If { branches, otherwise } => {
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
            Body::Case { word, arms } => {
                let word = self.expand_text(word, io);
                self.state.status = 0;
                for (patterns, body) in arms {
                    let patterns: Vec<Vec<u8>> = patterns.iter().map(|pattern| self.expand_text(pattern, io)).collect();
                    if patterns.iter().any(|pattern| glob::matches(pattern, &word)) {
                        return self.list(body, io);
                    }
                }
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

    fn redirect(&mut self, redirections: &[Redirection], mut io: Io) -> Option<Io> {
        for redirection in redirections {
            let target = self.expand_text(&redirection.target, io);
            match redirection.kind {
                RedirectionKind::Document => io.input = self.add_input(target, false),
                RedirectionKind::From => {
                    let path = self.path(&target);
                    io.input = match self.open(&path) {
                        Ok(input) => input,
                        Err(fault) => {
                            let why = if fault == Fault::NotFound { "no such file" } else { fault.text() };
                            self.complain(io, &[b"can't open ", &target[..], b": ", why.as_bytes()].concat());
                            return None;
                        }
                    };
                }
                RedirectionKind::Duplicate => {
                    let from = match target.as_slice() {
                        b"1" => io.out,
                        b"2" => io.err,
                        b"-" => self.add_sink(Sink::Null),
                        _ => continue,
                    };
                    set(&mut io, redirection.descriptor, from);
                }
                RedirectionKind::To | RedirectionKind::Append | RedirectionKind::Both => {
                    let sink = self.create(&target, redirection.kind == RedirectionKind::Append, io)?;
                    if redirection.kind == RedirectionKind::Both {
                        io.err = sink;
                        io.out = sink;
                    } else {
                        set(&mut io, redirection.descriptor, sink);
                    }
                }
            }
        }
        Some(io)
    }

    /// Opens a file for output, as a redirection does.
    fn create(&mut self, target: &[u8], appends: bool, io: Io) -> Option<usize> {
        let path = self.path(target);
        match self.files.find(&path) {
            Ok((_, Node { kind: Kind::Special(Special::Terminal), .. })) => return Some(TERMINAL),
            Ok((_, Node { kind: Kind::Special(_), .. })) => return Some(self.add_sink(Sink::Null)),
            _ => {}
        }
        let opened = if appends {
            self.files.append(&path, b"")
        } else {
            self.files.write(&path, Content::Kept(Vec::new()), true)
        };
        match opened {
            Ok(()) => Some(self.add_sink(Sink::File(path))),
            Err(fault) => {
                let why = if fault == Fault::NotFound { "nonexistent directory" } else { fault.text() };
                self.complain(io, &[b"can't create ", target, b": ", why.as_bytes()].concat());
                None
            }
        }
    }

    /// Opens a file for input. A device that never ends gives as much as a command may read.
    pub(super) fn open(&mut self, path: &[u8]) -> Result<usize, Fault> {
        let (_, node) = self.files.find(path)?;
        let is_stand_in = matches!(node.kind, Kind::File { content: Content::StandIn { .. }, .. });
        let bytes = match node.kind {
            Kind::Special(Special::Zero) => vec![0; MAX_OUTPUT],
            Kind::Special(Special::Random) => {
                let mut bytes = vec![0; MAX_OUTPUT];
                self.random.fill(&mut bytes);
                bytes
            }
            _ => self.files.content(path)?.into_owned(),
        };
        self.charge(bytes.len() / BYTES_OF_A_STEP);
        Ok(self.add_input(bytes, is_stand_in))
    }

    /// Much work counts as many commands, so that a loop around it ends as soon.
    pub(super) fn charge(&mut self, steps: usize) {
        self.steps = self.steps.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX));
    }

    fn add_sink(&mut self, sink: Sink) -> usize {
        self.sinks.push(sink);
        self.sinks.len() - 1
    }

    fn add_input(&mut self, bytes: Vec<u8>, is_stand_in: bool) -> usize {
        self.inputs.push(Input { bytes, at: 0, is_stand_in });
        self.inputs.len() - 1
    }

    /// What was written into a buffer becomes input.
    fn input_of(&mut self, sink: usize) -> usize {
        let bytes = self.take_buffer(sink);
        self.add_input(bytes, false)
    }

    fn take_buffer(&mut self, sink: usize) -> Vec<u8> {
        match self.sinks.get_mut(sink) {
            Some(Sink::Buffer(bytes)) => std::mem::take(bytes),
            _ => Vec::new(),
        }
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

    /// Writes to a sink.
    pub(super) fn print(&mut self, sink: usize, bytes: &[u8]) {
        self.charge(bytes.len() / BYTES_OF_A_STEP);
        match self.sinks.get_mut(sink) {
            None | Some(Sink::Null) => {}
            Some(Sink::Buffer(buffer)) => {
                let room = MAX_OUTPUT.saturating_sub(buffer.len());
                buffer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            Some(Sink::File(path)) => {
                let path = path.clone();
                // A full disk takes no more; the shell's own echo does not look at that either.
                let _ = self.files.append(&path, bytes);
            }
            Some(Sink::Terminal) => {
                let room = MAX_OUTPUT.saturating_sub(self.printed);
                let bytes = bytes.get(..room).unwrap_or(bytes);
                self.printed += bytes.len();
                match self.acts.back_mut() {
                    Some(Act::Print(last)) => last.extend_from_slice(bytes),
                    _ => self.acts.push_back(Act::Print(bytes.to_vec())),
                }
            }
        }
    }

    /// Writes a line to a sink.
    pub(super) fn print_line(&mut self, sink: usize, line: &str) {
        self.print(sink, line.as_bytes());
        self.print(sink, b"\n");
    }

    /// The file that this sink writes to.
    pub(super) fn sink_file(&self, sink: usize) -> Option<Vec<u8>> {
        match self.sinks.get(sink) {
            Some(Sink::File(path)) => Some(path.clone()),
            _ => None,
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
        let line = [self.shell_name().as_bytes(), b": ", what, b"\n"].concat();
        self.print(io.err, &line);
    }

    pub(super) fn shell_name(&self) -> &'static str {
        match self.device.flavor() {
            Flavor::Android => "/system/bin/sh",
            Flavor::BusyBox if self.state.levels == 0 && self.depth == 0 => "-sh",
            Flavor::BusyBox => "sh",
        }
    }

    /// All input that is left.
    pub(super) fn read_all(&mut self, io: Io) -> Vec<u8> {
        let Some(input) = self.inputs.get_mut(io.input) else { return Vec::new() };
        let rest = input.bytes.get(input.at..).unwrap_or_default().to_vec();
        input.at = input.bytes.len();
        rest
    }

    /// The next line with its end; `None` at the end of the input.
    pub(super) fn read_line(&mut self, io: Io) -> Option<Vec<u8>> {
        let input = self.inputs.get_mut(io.input)?;
        let rest = input.bytes.get(input.at..).filter(|rest| !rest.is_empty())?;
        let len = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
        input.at += len;
        rest.get(..len).map(<[u8]>::to_vec)
    }

    /// The input stands for a fetched file.
    pub(super) fn is_stand_in(&self, io: Io) -> bool {
        self.inputs.get(io.input).is_some_and(|input| input.is_stand_in)
    }

    /// A path as the visitor wrote it, made absolute.
    pub(super) fn path(&self, written: &[u8]) -> Vec<u8> {
        self.files.absolute(&self.state.cwd, written)
    }

    /// Runs a command: builtin, path, or a program found in the usual directories.
    pub(super) fn call(&mut self, words: &[Vec<u8>], io: Io) -> u8 {
        let Some(name) = words.first() else { return 0 };
        if self.steps > MAX_STEPS {
            return 1;
        }
        if name.contains(&b'/') {
            let path = self.path(name);
            return self.execute(&path, words, io);
        }
        if let Some(builtin) = applet::builtin(name) {
            return builtin(self, words, io);
        }
        let directories: &[&str] = match self.device.flavor() {
            Flavor::BusyBox => &["/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/"],
            Flavor::Android => &["/sbin/", "/system/bin/", "/system/xbin/"],
        };
        let found = directories
            .iter()
            .map(|directory| [directory.as_bytes(), name].concat())
            .find(|path| self.files.exists(path));
        match found {
            Some(path) => self.execute(&path, words, io),
            None => self.no_such_command(name, io),
        }
    }

    fn no_such_command(&mut self, name: &[u8], io: Io) -> u8 {
        self.complain(io, &[name, b": not found"].concat());
        127
    }

    fn execute(&mut self, path: &[u8], words: &[Vec<u8>], io: Io) -> u8 {
        let name = words.first().map(Vec::as_slice).unwrap_or_default();
        let (path, node) = match self.files.find(path) {
            Ok((path, node)) => (path, node.clone()),
            Err(Fault::NotFound) => return self.no_such_command(name, io),
            Err(fault) => {
                self.complain(io, &[name, b": ", fault.text().as_bytes()].concat());
                return 126;
            }
        };
        if node.is_directory() || !node.is_executable() {
            self.complain(io, &[name, b": Permission denied"].concat());
            return 126;
        }
        if self.files.is_program(&node) {
            return applet::multi_call(self, base_name(name), words, io);
        }
        self.files.keep_sample(&path, true);
        self.run_file(&path, &node, words, io)
    }

    /// Runs a file that the visitor has brought. A script is run; a program says what a loader waits for: the true one would.
    fn run_file(&mut self, path: &[u8], node: &Node, words: &[Vec<u8>], io: Io) -> u8 {
        let content = match &node.kind {
            Kind::File { content: Content::StandIn { .. }, .. } => None,
            _ => Some(self.files.content(path).map(std::borrow::Cow::into_owned).unwrap_or_default()),
        };
        match content {
            Some(empty) if empty.is_empty() && !self.state.has_dropped => 0,
            Some(text) if !text.is_empty() && is_text(&text) => self.script(&text, words, io),
            program => {
                self.state.has_dropped = true;
                let line = words.join(&b' ');
                self.jobs.start(self.device.first_pid(), &line);
                let said = program.as_deref().and_then(said_by).unwrap_or(b"listening tun0\n");
                self.print(io.out, said);
                0
            }
        }
    }

    /// The next process number.
    pub(super) fn next_pid(&mut self) -> u32 {
        self.jobs.next_pid(self.device.first_pid())
    }
}

fn set(io: &mut Io, descriptor: u8, place: usize) {
    match descriptor {
        1 => io.out = place,
        2 => io.err = place,
        _ => {}
    }
}

/// What a small downloader of Mirai's prints between its start and its end, when its text is in the program.
fn said_by(program: &[u8]) -> Option<&'static [u8]> {
    let holds = |text: &[u8]| memchr::memmem::find(program, text).is_some();
    if holds(b"MIRAI\n") && holds(b"FIN\n") { Some(b"MIRAI\nFIN\n") } else { None }
}

/// A shell would take it as a script: no control bytes but those of text.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"\x7fELF")
        && bytes.iter().take(512).all(|&b| b >= b' ' || matches!(b, b'\n' | b'\r' | b'\t' | 0x0c))
}

/// Whether a command, as typed, reads the terminal: how many lines (`None`: all), and whether they are passwords.
fn reads_terminal(item: &Item) -> Option<(Option<usize>, bool)> {
    let Command { body: Body::Simple { words, .. }, redirections } = item.first.commands.first()? else { return None };
    if redirections
        .iter()
        .any(|redirection| matches!(redirection.kind, RedirectionKind::From | RedirectionKind::Document))
    {
        return None;
    }
    let mut texts = words.iter().map(|word| match word.as_slice() {
        [Part::Text { bytes, .. }] => bytes.as_slice(),
        _ => b"?",
    });
    let mut name = base_name(texts.next()?);
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
        b"passwd" => return Some((Some(2), true)),
        _ => false,
    };
    reads.then_some((None, false))
}
