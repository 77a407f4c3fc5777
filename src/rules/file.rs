//! The rule file: YAML as Freki and Glutton write it, or TOML with the same keys, to a [`RuleSet`].
//!
//! All that is wrong with a file is reported at once. Sizes, nesting and repetition are bounded before they cost anything.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::{LoadError, Report, RuleErrors};
use super::filter::{Disk, ListFiles};
use super::set::RuleSet;

mod document;
mod portion;
mod position;
mod schema;
mod sources;
mod target;
mod toml;
mod yaml;

pub(super) use schema::FileRule;
pub use schema::{MAX_NAME_CHARS, MAX_RULES};
pub use sources::{MAX_LIST_BYTES, Sources};

/// Size of a rule file in bytes.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// The rules that run when no file is named.
const DEFAULT_RULES: &str = include_str!("../../rules/rules.yml");
/// What errors and warnings call them.
const DEFAULT_RULES_NAME: &str = "the default rules";

impl RuleSet {
    /// Reads rules in YAML. `file` is the name that errors and warnings show.
    ///
    /// # Errors
    /// Everything that is wrong with the text, with its position.
    pub fn from_yaml(text: &str, file: &str) -> Result<Self, RuleErrors> {
        read(text, file, yaml::parse, &mut Disk)
    }

    /// Reads rules in TOML. `file` is the name that errors and warnings show.
    ///
    /// # Errors
    /// Everything that is wrong with the text, with its position.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, RuleErrors> {
        read(text, file, toml::parse, &mut Disk)
    }

    /// Reads a rule file; its extension says what it is: `.yml`, `.yaml` or `.toml`.
    ///
    /// # Errors
    /// The file cannot be read, is larger than [`MAX_FILE_BYTES`], is no text, or its rules are wrong.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        // A file that is not there needs no other name.
        std::fs::metadata(path).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
        let parse = format_of(path)?;
        Ok(read(&read_text(path)?, &path.to_string_lossy(), parse, &mut Disk)?)
    }

    /// The rules that run when no file is named: `rules/rules.yml`.
    ///
    /// # Errors
    /// None, while the tests of this crate pass.
    pub fn embedded_default() -> Result<Self, RuleErrors> {
        let mut rules = Self::from_yaml(DEFAULT_RULES, DEFAULT_RULES_NAME)?;
        rules.mark_embedded();
        Ok(rules)
    }
}

type Parse = fn(&mut Report<'_>) -> Option<document::Node>;

/// What the name of the file says that it is.
fn format_of(path: &Path) -> Result<Parse, LoadError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yml" | "yaml") => Ok(yaml::parse),
        Some("toml") => Ok(toml::parse),
        _ => Err(LoadError::UnknownExtension { path: path.to_owned() }),
    }
}

fn read(text: &str, file: &str, parse: Parse, lists: &mut dyn ListFiles) -> Result<RuleSet, RuleErrors> {
    let mut report = Report::new(file, text);
    let document = parse(&mut report);
    let rules = document.map(|document| schema::read(&mut report, &document, lists)).unwrap_or_default();
    report.finish()?;
    Ok(RuleSet::from_file(file, rules))
}

fn read_text(path: &Path) -> Result<String, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file of the largest size from one that is larger, whatever its kind.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(LoadError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    String::from_utf8(bytes).map_err(|_| LoadError::NotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
