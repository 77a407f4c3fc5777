//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::near::nearest;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {cause}: give -c a readable TOML file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Something in the file is wrong: place, key, value and mend in one line, then a picture of the place.
    #[error(transparent)]
    InFile(Box<InFile>),
    /// A value that comes from a flag, or from no single place.
    #[error(transparent)]
    Value(#[from] Fault),
}

/// A fault and where it stands.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}:{column}: {fault}\n{picture}", path.display())]
pub struct InFile {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub fault: Fault,
    /// The line with a caret under the place.
    pub picture: String,
}

/// One thing that is wrong: the key, its value, the reason and the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Full name of the key, such as `engine.queues`; empty when the text is no TOML.
    pub key: String,
    /// The value as it was given; empty where the key itself is wrong.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub mend: String,
}

impl Fault {
    pub(super) fn new(
        key: impl Into<String>,
        value: impl fmt::Display,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), value: value.to_string(), problem: problem.into(), mend: mend.into() }
    }

    /// A name that means nothing here.
    pub(super) fn unknown(key: &str, what: &str, mend: String) -> Self {
        Self::new(key, "", format!("no such {what}"), mend)
    }

    /// The same fault, shown where it stands in a file.
    pub(super) fn at(self, path: &Path, text: &str, span: Range<usize>) -> ConfigError {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let picture = picture(path, text, span, &self.mend);
        ConfigError::InFile(Box::new(InFile { path: path.to_owned(), line, column, fault: self, picture }))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, problem, mend } = self;
        match (key.is_empty(), value.is_empty()) {
            (true, _) => write!(f, "{problem}"),
            (false, true) => write!(f, "{key}: {problem}"),
            (false, false) => write!(f, "{key} = {value}: {problem}"),
        }?;
        if mend.is_empty() { Ok(()) } else { write!(f, ": {mend}") }
    }
}

impl std::error::Error for Fault {}

fn picture(path: &Path, text: &str, span: Range<usize>, label: &str) -> String {
    let label = (!label.is_empty()).then_some(label);
    let mark = AnnotationKind::Primary.span(span).label(label);
    let snippet = Snippet::source(text).path(path.to_string_lossy()).annotation(mark);
    Renderer::plain().render(&[Group::with_level(Level::ERROR).element(snippet)])
}

/// The mend for an unknown name: the nearest of those that exist, else all of them.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    }
}
