//! Functions of the shell: what visitors define lasts for their login, within [`MAX_FUNCTIONS`].

use std::sync::Arc;

use super::{Io, Leaving, Run};
use crate::handlers::shell::MAX_FUNCTIONS;
use crate::handlers::shell::parse::Command;

/// A function as it was defined.
#[derive(Debug, Clone)]
pub(in crate::handlers::shell) struct Function {
    pub(in crate::handlers::shell) body: Arc<Command>,
    /// About what it takes in memory, in bytes.
    cost: usize,
}

impl Run<'_, '_> {
    /// Defines a function, unless there is no room for it.
    pub(super) fn define(&mut self, name: &[u8], body: &Arc<Command>, cost: usize) {
        let others: usize = self
            .state
            .functions
            .iter()
            .filter(|(known, _)| *known != name)
            .map(|(name, function)| name.len() + function.cost)
            .sum();
        self.state.status = 0;
        if others + name.len() + cost <= MAX_FUNCTIONS {
            self.state.functions.insert(name.to_vec(), Function { body: Arc::clone(body), cost });
        }
    }

    /// Runs a function with these arguments, its name first.
    pub(super) fn function(&mut self, function: &Function, words: &[Vec<u8>], io: Io) -> u8 {
        let own_name = self.state.arguments.first().cloned().unwrap_or_else(|| self.shell_name());
        let arguments = [&[own_name], words.get(1..).unwrap_or_default()].concat();
        let before = std::mem::replace(&mut self.state.arguments, arguments);
        let loops = std::mem::take(&mut self.loops);
        self.locals.push(Vec::new());
        self.deeper(io, |run| run.command(&function.body, io));
        let locals = self.locals.pop().unwrap_or_default();
        self.restore(locals);
        self.loops = loops;
        self.state.arguments = before;
        if self.leaving == Some(Leaving::Return) {
            self.leaving = None;
        }
        self.state.status
    }

    /// Has a variable restored when the function that runs is over; false outside of functions.
    pub(in crate::handlers::shell) fn make_local(&mut self, name: &[u8]) -> bool {
        let value = self.state.variables.get(name).cloned();
        match self.locals.last_mut() {
            Some(locals) => locals.push((name.to_vec(), value)),
            None => return false,
        }
        true
    }

    /// `break N` and `continue N` mean loops that are there.
    pub(in crate::handlers::shell) fn levels(&self, wanted: u32) -> Option<u32> {
        (self.loops > 0).then(|| wanted.clamp(1, self.loops))
    }

    /// `return` means something here.
    pub(in crate::handlers::shell) fn can_return(&self) -> bool {
        !self.locals.is_empty() || self.origin.as_ref().is_some_and(|origin| origin.is_file)
    }
}
