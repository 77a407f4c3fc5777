//! Errors and warnings as JSON: what `check --json` prints for editors and CI.

use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::Error;
use crate::config::ConfigError;
use crate::rules::{LoadError, RuleError, Warning};

/// One error or warning. Lines and columns count from 1, columns in characters; `end` is the column behind the mistake.
#[derive(Debug, Serialize)]
pub(super) struct Diagnostic {
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end: Option<usize>,
    severity: &'static str,
    /// What a warning is about, in one word.
    kind: Option<&'static str>,
    message: String,
    expected: Option<String>,
    suggestion: Option<String>,
}

/// What `check --json` prints: whether a run would start, and everything that there is to say.
pub(super) fn document(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let ok = diagnostics.iter().all(|diagnostic| diagnostic.severity != "error");
    json!({ "ok": ok, "diagnostics": diagnostics })
}

/// Every mistake that an error tells of.
pub(super) fn of_error(error: &Error) -> Vec<Diagnostic> {
    match error {
        Error::Rules(LoadError::Rules(errors)) => {
            let omitted = errors.omitted();
            let more = (omitted > 0).then(|| Diagnostic::error(format!("... and {omitted} more errors")));
            errors.errors().iter().map(Diagnostic::from).chain(more).collect()
        }
        Error::Config(ConfigError::InFile(at)) => vec![Diagnostic {
            file: Some(shown(&at.path)),
            line: Some(at.line),
            column: Some(at.column),
            ..Diagnostic::error(at.fault.to_string())
        }],
        other => vec![Diagnostic::error(other.to_string())],
    }
}

impl Diagnostic {
    /// An error without a place.
    const fn error(message: String) -> Self {
        Self {
            file: None,
            line: None,
            column: None,
            end: None,
            severity: "error",
            kind: None,
            message,
            expected: None,
            suggestion: None,
        }
    }
}

impl From<&RuleError> for Diagnostic {
    fn from(error: &RuleError) -> Self {
        Self {
            file: Some(error.file.to_string()),
            line: Some(error.line),
            column: Some(error.column),
            end: Some(error.end),
            expected: error.expected.clone(),
            suggestion: error.suggestion.clone(),
            ..Self::error(error.message.clone())
        }
    }
}

impl From<&Warning> for Diagnostic {
    fn from(warning: &Warning) -> Self {
        Self {
            file: (!warning.file.is_empty()).then(|| warning.file.clone()),
            line: warning.line,
            severity: "warning",
            kind: Some(warning.kind.as_str()),
            ..Self::error(warning.message.clone())
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
