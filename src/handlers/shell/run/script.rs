//! Texts that are run by the shell itself, or by one of its own: `$(...)`, `eval`, `sh -c`, scripts.

use super::stream::Sink;
use super::{Io, Origin, Run, Script};
use crate::handlers::shell::option::Options;
use crate::handlers::shell::{MAX_LEVELS, Surroundings, parse};

/// Expansions within expansions.
const MAX_NESTING: u32 = 32;

impl Run<'_, '_> {
    /// Runs a list and takes what it writes to its output: `$(...)`.
    pub(in crate::handlers::shell) fn output_of(&mut self, source: &[u8], io: Io) -> Vec<u8> {
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
    pub(in crate::handlers::shell) fn nested<R: Default>(&mut self, io: Io, work: impl FnOnce(&mut Self) -> R) -> R {
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
    pub(super) fn deeper(&mut self, io: Io, work: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_LEVELS {
            self.give_up(io, "can't fork: Resource temporarily unavailable");
            return;
        }
        self.depth += 1;
        work(self);
        self.depth -= 1;
    }

    /// Runs a shell of its own over this text: `sh -c`, or a file; `$0` is first among the arguments. It knows what was exported.
    pub(in crate::handlers::shell) fn script(
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
    pub(in crate::handlers::shell) fn text(&mut self, text: &[u8], io: Io) {
        match parse::parse(text) {
            Ok(list) => self.deeper(io, |run| {
                run.state.status = 0;
                run.list(&list, io);
            }),
            Err(fault) => self.give_up(io, &fault.text()),
        }
    }
}
