//! Where commands read and write: the terminal, files, pipes.

use super::Run;
use crate::handlers::shell::file_system::Fault;
use crate::handlers::shell::parse::{Redirection, RedirectionKind};
use crate::handlers::shell::tree::{Content, Kind, Node, Special};
use crate::handlers::shell::{Act, MAX_OUTPUT};

/// Where a command reads and writes: places in [`Run`]'s lists.
#[derive(Debug, Clone, Copy)]
pub(in crate::handlers::shell) struct Io {
    pub(in crate::handlers::shell) input: usize,
    pub(in crate::handlers::shell) out: usize,
    pub(in crate::handlers::shell) err: usize,
}

/// The visitor's terminal in both lists.
pub(in crate::handlers::shell) const TERMINAL: usize = 0;
/// Standard error as the shell is given it: the same terminal, or a stream of its own.
pub(super) const ERRORS: usize = 1;

/// A descriptor from 3: where it is read from, and where written to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Descriptor {
    input: Option<usize>,
    out: Option<usize>,
}

/// Where output goes.
#[derive(Debug)]
pub(super) enum Sink {
    Terminal,
    Errors,
    Buffer(Vec<u8>),
    File(Vec<u8>),
    Null,
}

/// What input is left.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    at: usize,
    /// A fetched file that only stands for one: no shell can run its text.
    is_stand_in: bool,
}

impl Input {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// Descriptors from here are no standard ones.
const FIRST_OTHER: u8 = 3;

/// Bytes read or written that count as one more command.
const BYTES_OF_A_STEP: usize = 2 * 1_024;

impl Run<'_, '_> {
    pub(super) fn redirect(&mut self, redirections: &[Redirection], mut io: Io) -> Option<Io> {
        for redirection in redirections {
            let target = self.expand_text(&redirection.target, io);
            match redirection.kind {
                RedirectionKind::Document => {
                    let input = self.add_input(target, false);
                    self.set_input(&mut io, redirection.descriptor, input);
                }
                RedirectionKind::From => {
                    let path = self.path(&target);
                    let input = match self.open(&path) {
                        Ok(input) => input,
                        Err(fault) => {
                            let why = if fault == Fault::NotFound { "no such file" } else { fault.text() };
                            self.complain(io, &[b"can't open ", &target[..], b": ", why.as_bytes()].concat());
                            return None;
                        }
                    };
                    self.set_input(&mut io, redirection.descriptor, input);
                }
                RedirectionKind::ReadWrite => {
                    let sink = self.create(&target, RedirectionKind::Append, io)?;
                    let path = self.path(&target);
                    let input = self.open(&path).ok()?;
                    self.set_input(&mut io, redirection.descriptor, input);
                    self.set_output(&mut io, redirection.descriptor, sink);
                }
                RedirectionKind::Duplicate => self.duplicate(&mut io, redirection.descriptor, &target)?,
                RedirectionKind::To | RedirectionKind::Over | RedirectionKind::Append | RedirectionKind::Both => {
                    let sink = self.create(&target, redirection.kind, io)?;
                    if redirection.kind == RedirectionKind::Both {
                        io.err = sink;
                        io.out = sink;
                    } else {
                        self.set_output(&mut io, redirection.descriptor, sink);
                    }
                }
            }
        }
        Some(io)
    }

    /// `2>&1`, `<&3`, `>&-`
    fn duplicate(&mut self, io: &mut Io, descriptor: u8, target: &[u8]) -> Option<()> {
        let from = match target {
            b"-" if descriptor >= FIRST_OTHER => {
                self.descriptors.remove(&descriptor);
                return Some(());
            }
            b"-" => {
                let (input, out) = (self.add_input(Vec::new(), false), self.add_sink(Sink::Null));
                Descriptor { input: Some(input), out: Some(out) }
            }
            b"0" => Descriptor { input: Some(io.input), out: None },
            b"1" => Descriptor { input: None, out: Some(io.out) },
            b"2" => Descriptor { input: None, out: Some(io.err) },
            [digit @ b'3'..=b'9'] => match self.descriptors.get(&(digit - b'0')) {
                Some(from) => *from,
                None => {
                    self.complain(*io, &[&[*digit][..], b": Bad file descriptor"].concat());
                    return None;
                }
            },
            _ => return Some(()),
        };
        if descriptor >= FIRST_OTHER {
            self.descriptors.insert(descriptor, from);
            return Some(());
        }
        match (descriptor, from) {
            (0, Descriptor { input: Some(input), .. }) => io.input = input,
            (1 | 2, Descriptor { out: Some(out), .. }) => self.set_output(io, descriptor, out),
            _ => {}
        }
        Some(())
    }

    fn set_input(&mut self, io: &mut Io, descriptor: u8, input: usize) {
        if descriptor >= FIRST_OTHER {
            self.descriptors.entry(descriptor).or_default().input = Some(input);
        } else if descriptor == 0 {
            io.input = input;
        }
    }

    fn set_output(&mut self, io: &mut Io, descriptor: u8, sink: usize) {
        match descriptor {
            1 => io.out = sink,
            2 => io.err = sink,
            0 => {}
            other => self.descriptors.entry(other).or_default().out = Some(sink),
        }
    }

    /// Opens a file for output, as a redirection does.
    fn create(&mut self, target: &[u8], kind: RedirectionKind, io: Io) -> Option<usize> {
        let appends = kind == RedirectionKind::Append;
        let path = self.path(target);
        match self.files.find(&path) {
            Ok((_, Node { kind: Kind::Special(Special::Terminal), .. })) => return Some(TERMINAL),
            Ok((_, Node { kind: Kind::Special(_), .. })) => return Some(self.add_sink(Sink::Null)),
            _ => {}
        }
        if !appends && kind != RedirectionKind::Over && self.state.options.has(b'C') && self.files.find(&path).is_ok() {
            self.complain(io, &[b"can't create ", target, b": File exists"].concat());
            return None;
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
    pub(in crate::handlers::shell) fn open(&mut self, path: &[u8]) -> Result<usize, Fault> {
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

    pub(super) fn add_sink(&mut self, sink: Sink) -> usize {
        self.sinks.push(sink);
        self.sinks.len() - 1
    }

    fn add_input(&mut self, bytes: Vec<u8>, is_stand_in: bool) -> usize {
        self.inputs.push(Input { bytes, at: 0, is_stand_in });
        self.inputs.len() - 1
    }

    /// What was written into a buffer becomes input.
    pub(super) fn input_of(&mut self, sink: usize) -> usize {
        let bytes = self.take_buffer(sink);
        self.add_input(bytes, false)
    }

    pub(super) fn take_buffer(&mut self, sink: usize) -> Vec<u8> {
        match self.sinks.get_mut(sink) {
            Some(Sink::Buffer(bytes)) => std::mem::take(bytes),
            _ => Vec::new(),
        }
    }

    /// Writes to a sink.
    pub(in crate::handlers::shell) fn print(&mut self, sink: usize, bytes: &[u8]) {
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
                let shown = self.shown(bytes);
                match self.acts.back_mut() {
                    Some(Act::Print(last)) => last.extend_from_slice(shown),
                    _ => self.acts.push_back(Act::Print(shown.to_vec())),
                }
            }
            Some(Sink::Errors) => {
                let shown = self.shown(bytes);
                match self.acts.back_mut() {
                    Some(Act::Complain(last)) => last.extend_from_slice(shown),
                    _ => self.acts.push_back(Act::Complain(shown.to_vec())),
                }
            }
        }
    }

    /// As much of it as one line may still print.
    fn shown<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let room = MAX_OUTPUT.saturating_sub(self.printed);
        let shown = bytes.get(..room).unwrap_or(bytes);
        self.printed += shown.len();
        shown
    }

    /// Writes a line to a sink.
    pub(in crate::handlers::shell) fn print_line(&mut self, sink: usize, line: &str) {
        self.print(sink, line.as_bytes());
        self.print(sink, b"\n");
    }

    /// The file that this sink writes to.
    pub(in crate::handlers::shell) fn sink_file(&self, sink: usize) -> Option<Vec<u8>> {
        match self.sinks.get(sink) {
            Some(Sink::File(path)) => Some(path.clone()),
            _ => None,
        }
    }

    /// All input that is left.
    pub(in crate::handlers::shell) fn read_all(&mut self, io: Io) -> Vec<u8> {
        let Some(input) = self.inputs.get_mut(io.input) else { return Vec::new() };
        let rest = input.bytes.get(input.at..).unwrap_or_default().to_vec();
        input.at = input.bytes.len();
        rest
    }

    /// The next line with its end; `None` at the end of the input.
    pub(in crate::handlers::shell) fn read_line(&mut self, io: Io) -> Option<Vec<u8>> {
        let input = self.inputs.get_mut(io.input)?;
        let rest = input.bytes.get(input.at..).filter(|rest| !rest.is_empty())?;
        let len = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
        input.at += len;
        rest.get(..len).map(<[u8]>::to_vec)
    }

    /// The next byte of the input.
    pub(in crate::handlers::shell) fn read_byte(&mut self, io: Io) -> Option<u8> {
        let input = self.inputs.get_mut(io.input)?;
        let byte = input.bytes.get(input.at).copied()?;
        input.at += 1;
        Some(byte)
    }

    /// The input stands for a fetched file.
    pub(in crate::handlers::shell) fn is_stand_in(&self, io: Io) -> bool {
        self.inputs.get(io.input).is_some_and(|input| input.is_stand_in)
    }
}
