//! What is wrong with a rule file: position, caret, what was expected, and the word that was probably meant.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use super::filter::FilterError;

/// Errors of one file beyond this number are counted, not shown.
pub const MAX_ERRORS: usize = 100;
/// A line longer than this many bytes is not pictured; position and message are shown without it.
const MAX_PICTURED_LINE: usize = 1_000;
/// Characters of a word or line of the file that a message quotes.
const MAX_QUOTED_CHARS: usize = 60;

/// One mistake in a rule file. `Display` draws the line with a caret under the mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// The file as the operator named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Column behind the last character of the mistake, on the same line.
    pub end: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What would have been right.
    pub expected: Option<String>,
    /// The mend, in one line.
    pub suggestion: Option<String>,
    picture: Option<Picture>,
}

/// The line of the mistake and the bytes in it that the caret marks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Picture {
    line: String,
    marked: Range<usize>,
}

impl RuleError {
    fn fmt_pictured(&self, picture: &Picture, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = AnnotationKind::Primary.span(picture.marked.clone()).label(self.expected_label());
        let snippet = Snippet::source(picture.line.as_str()).path(&*self.file).line_start(self.line).annotation(mark);
        let mut group = Level::ERROR.primary_title(normalize_untrusted_str(&self.message)).element(snippet);
        if let Some(mend) = &self.suggestion {
            group = group.element(Level::HELP.message(normalize_untrusted_str(mend)));
        }
        f.write_str(&Renderer::plain().render(&[group]))
    }

    fn fmt_plain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = normalize_untrusted_str(&self.message);
        write!(f, "error: {}:{}:{}: {message}", self.file, self.line, self.column)?;
        for part in [self.expected_label(), self.suggestion.clone()].into_iter().flatten() {
            write!(f, "; {}", normalize_untrusted_str(&part))?;
        }
        Ok(())
    }

    fn expected_label(&self) -> Option<String> {
        self.expected.as_ref().map(|what| format!("expected {}", normalize_untrusted_str(what)))
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.picture {
            Some(picture) => self.fmt_pictured(picture, f),
            None => self.fmt_plain(f),
        }
    }
}

impl std::error::Error for RuleError {}

/// Everything that is wrong with one rule file, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleErrors {
    errors: Vec<RuleError>,
    omitted: usize,
}

impl RuleErrors {
    /// The errors, at most [`MAX_ERRORS`].
    pub fn errors(&self) -> &[RuleError] {
        &self.errors
    }

    /// How many more there were.
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    /// The mistakes of a filter text that stands in no file; `name` is what stands in for the file.
    pub fn of_filter(name: &str, text: &str, error: &FilterError) -> Self {
        let mut report = Report::new(name, text);
        error.iter().for_each(|error| report.add_filter_error(error.span.clone(), error));
        report.finish().err().unwrap_or(Self { errors: Vec::new(), omitted: 0 })
    }
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.errors.iter().enumerate() {
            if number > 0 {
                f.write_str("\n\n")?;
            }
            error.fmt(f)?;
        }
        if self.omitted > 0 {
            write!(f, "\n\n... and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleErrors {}

/// Why a rule file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the rule file {path}: {source}: name a readable .yml or .toml file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any rule file.
    #[error("the rule file {path} is larger than {limit} bytes; move address lists into files of their own")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is not text.
    #[error("the rule file {path} is not UTF-8 text")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The name of the file does not say what it is.
    #[error("the rule file {path} is neither .yml, .yaml nor .toml; rename it")]
    UnknownExtension {
        /// The file.
        path: PathBuf,
    },
    /// The rules are wrong.
    #[error(transparent)]
    Rules(#[from] RuleErrors),
}

/// Something wrong at `span`, as the readers of the file report it.
#[derive(Debug)]
pub(super) struct Finding {
    span: Range<usize>,
    message: String,
    expected: Option<String>,
    suggestion: Option<String>,
}

impl Finding {
    /// Adds what would have been right.
    pub(super) fn expected(&mut self, what: impl Into<String>) -> &mut Self {
        self.expected = Some(what.into());
        self
    }

    /// Adds the mend.
    pub(super) fn suggest(&mut self, mend: impl Into<String>) -> &mut Self {
        self.suggestion = Some(mend.into());
        self
    }

    /// Suggests the word that was probably meant, if there is one.
    pub(super) fn suggest_word(&mut self, word: Option<&str>) -> &mut Self {
        self.suggestion = word.map(|word| format!("did you mean `{word}`?"));
        self
    }
}

/// The text of a rule file and what has been found wrong with it so far.
#[derive(Debug)]
pub(super) struct Report<'s> {
    file: Arc<str>,
    text: &'s str,
    /// Byte offset of the start of every line.
    lines: Vec<usize>,
    findings: Vec<Finding>,
}

impl<'s> Report<'s> {
    pub(super) fn new(file: &str, text: &'s str) -> Self {
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { file: file.into(), text, lines, findings: Vec::new() }
    }

    pub(super) const fn text(&self) -> &'s str {
        self.text
    }

    /// The text of the file at `span`; empty if it does not lie on character boundaries.
    pub(super) fn slice(&self, span: &Range<usize>) -> &'s str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// Byte offset of a line (from 1) and a column in characters (from 1).
    pub(super) fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.line_start(line);
        let rest = self.text.get(start..).unwrap_or_default();
        let within = rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
        start + within
    }

    /// Adds an error about the bytes at `span`; what was expected and the mend are added to what is returned.
    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) -> &mut Finding {
        let finding = Finding { span, message: message.into(), expected: None, suggestion: None };
        self.findings.push_mut(finding)
    }

    /// Adds a mistake of a filter, which is at `span` of the file.
    pub(super) fn add_filter_error(&mut self, span: Range<usize>, error: &FilterError) {
        let finding = self.add(span, error.message.clone());
        if !error.expected.is_empty() {
            finding.expected(error.expected.join(", "));
        }
        finding.suggest_word(error.suggestion.as_deref());
    }

    /// All errors in the order of the file; `Ok` if there are none.
    pub(super) fn finish(mut self) -> Result<(), RuleErrors> {
        if self.findings.is_empty() {
            return Ok(());
        }
        let mut findings = std::mem::take(&mut self.findings);
        findings.sort_by_key(|finding| finding.span.start);
        let omitted = findings.len().saturating_sub(MAX_ERRORS);
        let errors = findings.into_iter().take(MAX_ERRORS).map(|finding| self.error(finding)).collect();
        Err(RuleErrors { errors, omitted })
    }

    fn error(&self, finding: Finding) -> RuleError {
        let from = self.text.floor_char_boundary(finding.span.start);
        let to = self.text.floor_char_boundary(finding.span.end).max(from);
        let line = self.line(from);
        let start = self.line_start(line);
        let column = self.slice(&(start..from)).chars().count() + 1;
        let marked = self.slice(&(from..to)).lines().next().unwrap_or_default();
        RuleError {
            file: Arc::clone(&self.file),
            line,
            column,
            end: column + marked.chars().count(),
            message: finding.message,
            expected: finding.expected,
            suggestion: finding.suggestion,
            picture: self.picture(start, from..to),
        }
    }

    /// The line that starts at `start`, with the part of `span` that lies in it; `None` for very long lines.
    fn picture(&self, start: usize, span: Range<usize>) -> Option<Picture> {
        let rest = self.text.get(start..)?;
        let length = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        if length > MAX_PICTURED_LINE {
            return None;
        }
        let line = rest.get(..length)?.trim_end().to_owned();
        let from = (span.start - start).min(line.len());
        let to = (span.end - start).clamp(from, line.len());
        Some(Picture { line, marked: from..to })
    }

    fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(self.text.len())
    }
}

/// `text` as a message quotes it: in backquotes, shortened when long.
pub(super) fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(MAX_QUOTED_CHARS).collect();
    if chars.next().is_some() {
        short.push_str("...");
    }
    format!("`{short}`")
}
