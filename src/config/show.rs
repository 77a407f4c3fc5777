//! The configuration as text: what `check --show-config` prints, and the table of the README.

use std::fmt::Write;

use super::{Config, SETTINGS};

impl Config {
    /// All effective values as TOML that loads again, with the meaning above each key.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for setting in SETTINGS {
            if setting.section != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                section = setting.section;
                push(&mut text, format_args!("{gap}[{section}]\n"));
            }
            let value = (setting.show)(self);
            push(&mut text, format_args!("# {}\n{} = {value}\n", setting.meaning, setting.key));
        }
        for (name, table) in [("handlers", &self.handlers), ("persona", &self.persona)] {
            if !table.is_empty() {
                let whole = toml::Table::from_iter([(name.to_owned(), toml::Value::Table(table.clone()))]);
                push(&mut text, format_args!("\n{whole}"));
            }
        }
        text
    }
}

/// Every key with its default and its meaning, as a Markdown table.
pub fn settings_markdown() -> String {
    let defaults = Config::default();
    let mut text = String::from("| key | default | meaning |\n|---|---|---|\n");
    for setting in SETTINGS {
        let default = (setting.show)(&defaults);
        push(&mut text, format_args!("| `{}` | `{default}` | {} |\n", setting.name(), setting.meaning));
    }
    text
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = text.write_fmt(piece);
}
