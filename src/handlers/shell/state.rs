//! What a shell carries from line to line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, DerefMut};

use super::container;
use super::option::Options;
use super::run::Function;
use super::{ALIAS, MAX_HISTORY, MAX_HISTORY_BYTES};
use crate::clock::Timestamp;

/// What a subshell has for itself.
#[derive(Debug, Default, Clone)]
pub(super) struct Surroundings {
    pub(super) cwd: Vec<u8>,
    /// What differs from the environment of a fresh login.
    pub(super) variables: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Variables that programs are given.
    pub(super) exported: BTreeSet<Vec<u8>>,
    pub(super) functions: BTreeMap<Vec<u8>, Function>,
    /// `$0`, `$1`, ...; empty: those of a login shell.
    pub(super) arguments: Vec<Vec<u8>>,
    /// Bits that new files do not get.
    pub(super) mask: u16,
    /// `set -e` and its kin.
    pub(super) options: Options,
    /// Commands by signal; 0 is the end of the shell.
    pub(super) traps: BTreeMap<u8, Vec<u8>>,
    /// Variables of a fresh login that were taken away.
    pub(super) gone: BTreeSet<Vec<u8>>,
    /// Variables that keep their values.
    pub(super) fixed: BTreeSet<Vec<u8>>,
    /// Where `getopts` is: the argument, and the letter in it; a letter of 0: nowhere.
    pub(super) option_index: usize,
    pub(super) option_at: usize,
}

/// What a shell carries from line to line.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) surroundings: Surroundings,
    /// `$?`
    pub(super) status: u8,
    /// Shells within this one (`sh`).
    pub(super) levels: u32,
    /// `$$`, once a command has run.
    pub(super) pid: u32,
    /// When that was: the login, for `who`.
    pub(super) since: Timestamp,
    pub(super) is_root: bool,
    /// What it is in a container.
    pub(super) process: Option<Box<container::Process>>,
    /// What is taken for `/` in shells from this level on, the last first in force.
    pub(super) roots: Vec<(u32, Vec<u8>)>,
    /// A program of the visitor's has run: it may have filled empty files beside it, as Mirai's dropper does.
    pub(super) has_dropped: bool,
    pub(super) exited: bool,
    /// What was typed at the prompt, the newest last.
    pub(super) history: VecDeque<Vec<u8>>,
}

impl State {
    /// What was given another name, and that name's text.
    pub(super) fn aliases(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.variables.iter().filter_map(|(name, text)| Some((name.strip_prefix(ALIAS)?, text.as_slice())))
    }

    pub(super) fn alias(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables.get(&[ALIAS, name].concat()).map(Vec::as_slice)
    }

    /// Notes a line that was typed: BusyBox forgets empty ones and repetitions.
    pub(super) fn remember(&mut self, line: &[u8]) {
        if line.is_empty() || self.history.back().is_some_and(|last| last == line) {
            return;
        }
        self.history.push_back(line.to_vec());
        let mut bytes: usize = self.history.iter().map(Vec::len).sum();
        while self.history.len() > MAX_HISTORY || bytes > MAX_HISTORY_BYTES {
            bytes -= self.history.pop_front().map_or(bytes, |oldest| oldest.len());
        }
    }

    /// What is taken for `/` at this level; empty: what it is.
    pub(super) fn root(&self) -> &[u8] {
        let level = self.levels;
        self.roots.iter().rev().find(|(from, _)| *from <= level).map_or(&b""[..], |(_, root)| root)
    }

    /// The name of its user.
    pub(super) fn user(&self) -> String {
        match &self.process {
            Some(process) => process.user.name.clone().unwrap_or_else(|| process.user.uid.to_string()),
            None => if self.is_root { "root" } else { "shell" }.to_owned(),
        }
    }
}

impl Deref for State {
    type Target = Surroundings;

    fn deref(&self) -> &Surroundings {
        &self.surroundings
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Surroundings {
        &mut self.surroundings
    }
}
