//! Lists, `&&` and `||`, pipelines, and what runs in the background (POSIX.1-2017, Shell Command Language 2.9.2, 2.9.3).

use super::stream::Sink;
use super::time::waits;
use super::{Io, Leaving, Run};
use crate::handlers::shell::Act;
use crate::handlers::shell::option::PIPEFAIL;
use crate::handlers::shell::parse::{Item, Joint, List, Pipeline};

impl Run<'_, '_> {
    pub(in crate::handlers::shell) fn list(&mut self, list: &List, mut io: Io) {
        for item in &list.0 {
            self.item(item, io);
            if self.leaving.is_some() {
                return;
            }
            io = self.replaced.unwrap_or(io);
        }
    }

    pub(super) fn item(&mut self, item: &Item, io: Io) {
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
        let time = waits(since.iter());
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
}
