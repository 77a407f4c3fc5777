//! From a command's name to what it does: builtins, the device's programs, and files that the visitor has brought.

use std::borrow::Cow;

use super::{Io, Run, Script};
use crate::handlers::shell::file_system::{Fault, base_name};
use crate::handlers::shell::option::Options;
use crate::handlers::shell::tree::{Content, Kind, Node};
use crate::handlers::shell::{MAX_STEPS, applet};

impl Run<'_, '_> {
    /// Runs a command: builtin, path, or a program found in the usual directories.
    pub(in crate::handlers::shell) fn call(&mut self, words: &[Vec<u8>], io: Io) -> u8 {
        let Some(name) = words.first() else { return 0 };
        if self.steps > MAX_STEPS {
            return 1;
        }
        if let Some(function) = self.state.functions.get(name).cloned() {
            return self.function(&function, words, io);
        }
        self.call_program(words, io)
    }

    /// The same without functions: `command`.
    pub(in crate::handlers::shell) fn call_program(&mut self, words: &[Vec<u8>], io: Io) -> u8 {
        let Some(name) = words.first() else { return 0 };
        if name.contains(&b'/') {
            let path = self.path(name);
            return self.execute(&path, words, io);
        }
        if let Some(builtin) = applet::builtin(name) {
            return builtin(self, words, io);
        }
        let found = self
            .device
            .program_directories()
            .iter()
            .map(|directory| [directory.as_bytes(), b"/", name].concat())
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
            self.files.starts(words);
            return applet::multi_call(self, base_name(name), words, io);
        }
        self.files.keep_sample(&path, true);
        self.run_file(&path, &node, words, io)
    }

    /// Runs a file that the visitor has brought. A script is run; a program says what a loader waits for: the true one would.
    fn run_file(&mut self, path: &[u8], node: &Node, words: &[Vec<u8>], io: Io) -> u8 {
        let content = match &node.kind {
            Kind::File { content: Content::StandIn { .. }, .. } => None,
            _ => Some(self.files.content(path).map(Cow::into_owned).unwrap_or_default()),
        };
        match content {
            Some(empty) if empty.is_empty() && !self.state.has_dropped => 0,
            Some(text) if !text.is_empty() && !is_program(&text) => {
                self.script(&text, words, Script::File, Options::default(), io)
            }
            program => {
                self.state.has_dropped = true;
                let line = words.join(&b' ');
                let newest = self.newest_pid();
                self.jobs.start(newest, &line, None);
                let said = program.as_deref().and_then(said_by).unwrap_or(b"listening tun0\n");
                self.print(io.out, said);
                0
            }
        }
    }
}

/// What a small downloader of Mirai's prints between its start and its end, when its text is in the program.
fn said_by(program: &[u8]) -> Option<&'static [u8]> {
    let holds = |text: &[u8]| memchr::memmem::find(program, text).is_some();
    if holds(b"MIRAI\n") && holds(b"FIN\n") { Some(b"MIRAI\nFIN\n") } else { None }
}

/// The kernel would run it: an ELF file with a whole header of 32 bits (ELF specification 1.2, 1-3). Anything else is a script to the shell.
fn is_program(bytes: &[u8]) -> bool {
    const HEADER: usize = 52;
    bytes.starts_with(b"\x7fELF") && bytes.len() >= HEADER
}
