//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

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
    let near = known.iter().map(|candidate| (distance(name, candidate), candidate)).min();
    match near {
        Some((distance, candidate)) if distance <= name.chars().count().div_ceil(3) => {
            format!("did you mean `{candidate}`?")
        }
        Some(_) => format!("there are {}", known.join(", ")),
        None => "there is none at all".to_owned(),
    }
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_changes() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("queus", "queues", 1),
            ("ü", "u", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn far_names_get_the_whole_list() {
        assert_eq!(did_you_mean("queus", ["fail", "queues"]), "did you mean `queues`?");
        assert_eq!(did_you_mean("colour", ["fail", "queues"]), "there are fail, queues");
    }
}
