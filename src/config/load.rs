//! From text to a [`Config`].

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::did_you_mean;
use super::given::Given;
use super::setting::SETTINGS;
use super::{Config, ConfigError, Fault, Setting};

/// Tables whose content belongs to others.
const FREE_SECTIONS: [&str; 2] = ["handlers", "persona"];
/// Longest piece of the file that an error repeats, in characters.
const MAX_SHOWN: usize = 60;

impl Config {
    /// Reads a file; keys that it does not name keep their defaults.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has an unknown key, a wrong value or values that contradict each other: the first of
    /// them in the order of the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        Self::parse(&text, path)
    }

    /// Like [`Config::load`], from text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let not_toml = |error: &toml::de::Error| {
            let problem = error.message().lines().collect::<Vec<_>>().join(", ");
            Fault::new("", "", problem, "").at(path, text, error.span().unwrap_or_default())
        };
        let table = DeTable::parse(text).map_err(|error| not_toml(&error))?;
        let mut reader = Reader { text, config: Self::default(), faults: Vec::new(), places: HashMap::new() };
        reader.table("", table.as_ref());
        if let Some((span, fault)) = reader.faults.into_iter().min_by_key(|(span, _)| span.start) {
            return Err(fault.at(path, text, span));
        }
        let mut config = reader.config;
        let mut tables = text.parse::<toml::Table>().map_err(|error| not_toml(&error))?;
        let mut free = |name| match tables.remove(name) {
            Some(toml::Value::Table(table)) => table,
            _ => toml::Table::new(),
        };
        (config.handlers, config.persona) = (free("handlers"), free("persona"));
        config.validate().map_err(|fault| match reader.places.get(&fault.key) {
            Some(span) => fault.at(path, text, span.clone()),
            None => fault.into(),
        })?;
        Ok(config)
    }

    /// Sets one key to a value written as in the file: how flags override it.
    ///
    /// # Errors
    /// The key's own check refuses the value.
    pub fn set(&mut self, name: &str, value: &toml::Value) -> Result<(), Fault> {
        let text = value.to_string();
        let wrong = |problem, mend| Fault::new(name, &text, problem, mend);
        let setting = SETTINGS.iter().find(|setting| setting.name() == name);
        let setting = setting.ok_or_else(|| Fault::unknown(name, "key", String::new()))?;
        let parsed = DeValue::parse(&text).map_err(|error| wrong(error.message().to_owned(), String::new()))?;
        (setting.take)(self, Given(&parsed)).map_err(|refusal| wrong(refusal.problem, refusal.mend))
    }
}

struct Reader<'a> {
    text: &'a str,
    config: Config,
    faults: Vec<(Range<usize>, Fault)>,
    /// Where each value stands, for faults that show only when all are known.
    places: HashMap<String, Range<usize>>,
}

impl Reader<'_> {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = join(section, key.as_ref());
            if let Some(setting) = SETTINGS.iter().find(|s| s.section == section && s.key == key.as_ref()) {
                self.value(setting, &name, value);
            } else if !is_section(&name) {
                let mend = mend_unknown(section, key.as_ref());
                self.faults.push((key.span(), Fault::unknown(&name, what(value), mend)));
            } else if let Some(inner) = value.as_ref().as_table() {
                if FREE_SECTIONS.contains(&name.as_str()) {
                    self.free_section(&name, inner);
                } else {
                    self.table(&name, inner);
                }
            } else {
                self.must_be_table(&name, value);
            }
        }
    }

    fn value(&mut self, setting: &Setting, name: &str, value: &Spanned<DeValue<'_>>) {
        self.places.insert(name.to_owned(), value.span());
        if let Err(refusal) = (setting.take)(&mut self.config, Given(value)) {
            let shown = shown(self.text, &refusal.span);
            self.faults.push((refusal.span, Fault::new(name, shown, refusal.problem, refusal.mend)));
        }
    }

    /// `[handlers]` holds one table a handler; what stands in them, and in `[persona]`, is checked by their readers.
    fn free_section(&mut self, section: &str, table: &DeTable<'_>) {
        if section != "handlers" {
            return;
        }
        for (key, value) in table.iter().filter(|(_, value)| !value.as_ref().is_table()) {
            self.must_be_table(&join(section, key.as_ref()), value);
        }
    }

    fn must_be_table(&mut self, name: &str, value: &Spanned<DeValue<'_>>) {
        let shown = shown(self.text, &value.span());
        let fault =
            Fault::new(name, shown, "a value where a table belongs", format!("write [{name}] and its keys below"));
        self.faults.push((value.span(), fault));
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// Whether tables have this name, or one below it.
fn is_section(name: &str) -> bool {
    let below = |section: &str| section.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    FREE_SECTIONS.contains(&name) || SETTINGS.iter().any(|setting| below(setting.section))
}

fn what(value: &Spanned<DeValue<'_>>) -> &'static str {
    if value.get_ref().is_table() { "table" } else { "key" }
}

/// The mend for an unknown name: the table it belongs to when it stands in the wrong one, else the nearest name of this table.
fn mend_unknown(section: &str, key: &str) -> String {
    if let Some(elsewhere) = SETTINGS.iter().find(|setting| setting.key == key) {
        return format!("it belongs into [{}]", elsewhere.section);
    }
    let keys = SETTINGS.iter().filter(|setting| setting.section == section).map(|setting| setting.key);
    let tables = SETTINGS.iter().filter_map(|setting| {
        let rest = if section.is_empty() {
            setting.section
        } else {
            setting.section.strip_prefix(section)?.strip_prefix('.')?
        };
        rest.split('.').next()
    });
    let free = FREE_SECTIONS.into_iter().filter(|_| section.is_empty());
    let mut known: Vec<&str> = keys.chain(tables).chain(free).collect();
    known.dedup();
    did_you_mean(key, known)
}

/// A piece of the file in one short line.
fn shown(text: &str, span: &Range<usize>) -> String {
    let piece = text.get(span.clone()).unwrap_or_default();
    let short: String = piece.lines().next().unwrap_or_default().chars().take(MAX_SHOWN).collect();
    if short.len() < piece.len() { format!("{short}...") } else { short }
}
