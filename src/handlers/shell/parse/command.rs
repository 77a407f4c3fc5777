//! What a text means: lists of pipelines of commands.

use std::sync::Arc;

use crate::handlers::shell::lex::{Part, Word};

/// Commands one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::handlers::shell) struct List(pub(in crate::handlers::shell) Vec<Item>);

/// `a && b || c`, perhaps with `&`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers::shell) struct Item {
    pub(in crate::handlers::shell) first: Pipeline,
    pub(in crate::handlers::shell) rest: Vec<(Joint, Pipeline)>,
    pub(in crate::handlers::shell) in_background: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers::shell) enum Joint {
    And,
    Or,
}

impl Item {
    /// The words of its first command as they were written, for lists of what runs.
    pub(in crate::handlers::shell) fn title(&self) -> Vec<u8> {
        match self.first.commands.first().map(|command| &command.body) {
            Some(Body::Simple { words, .. }) => {
                let text = |word: &Word| word.iter().flat_map(Part::bytes).copied().collect::<Vec<u8>>();
                words.iter().map(text).collect::<Vec<_>>().join(&b' ')
            }
            _ => b"sh".to_vec(),
        }
    }
}

impl Command {
    /// `exec` with redirections alone: they stay.
    pub(in crate::handlers::shell) fn is_bare_exec(&self) -> bool {
        matches!(&self.body, Body::Simple { words, .. } if matches!(words.as_slice(), [word] if super::plain(word) == Some(b"exec")))
    }
}

/// `a | b`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers::shell) struct Pipeline {
    pub(in crate::handlers::shell) negated: bool,
    pub(in crate::handlers::shell) commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers::shell) struct Command {
    pub(in crate::handlers::shell) body: Body,
    pub(in crate::handlers::shell) redirections: Vec<Redirection>,
    /// Where it begins, from 1.
    pub(in crate::handlers::shell) line: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers::shell) enum Body {
    Simple {
        assignments: Vec<(Vec<u8>, Word)>,
        words: Vec<Word>,
    },
    Group(List),
    Subshell(List),
    Loop {
        until: bool,
        condition: List,
        body: List,
    },
    /// `words` is `None` for a loop over the arguments.
    For {
        name: Vec<u8>,
        words: Option<Vec<Word>>,
        body: List,
    },
    If {
        branches: Vec<(List, List)>,
        otherwise: List,
    },
    Case {
        word: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    /// `name() body`; `cost` is about what the body takes in memory, in bytes.
    Function {
        name: Vec<u8>,
        body: Arc<Command>,
        cost: usize,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers::shell) struct Redirection {
    pub(in crate::handlers::shell) descriptor: u8,
    pub(in crate::handlers::shell) kind: RedirectionKind,
    pub(in crate::handlers::shell) target: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers::shell) enum RedirectionKind {
    /// `<`
    From,
    /// `<>`
    ReadWrite,
    /// `<<`: the target is the document itself.
    Document,
    /// `>`
    To,
    /// `>|`: also where `set -C` forbids it.
    Over,
    /// `>>`
    Append,
    /// `>&`, `<&`
    Duplicate,
    /// `&>`: output and errors.
    Both,
}
