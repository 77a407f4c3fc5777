//! An event as the rooms above make it: a kind, a line for a person, fields of its own.

use serde_json::{Map, Value};

/// Severity, printed in lower case (T-Pot's collectors read it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Ordinary.
    #[default]
    Info,
    /// Worth a look by the operator.
    Warn,
    /// Something of ours failed.
    Error,
}

impl Level {
    /// The text in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Something that happened in a session or in the sensor.
///
/// Handlers make it with [`Event::new`] and fields of their own; the server fills in flow, addresses, rule and handler.
#[derive(Debug, Clone)]
pub struct Event {
    /// The `event` field: `payload`, `login`, `command`, `request`, ...
    pub kind: &'static str,
    /// The `msg` field: one line for a person.
    pub msg: String,
    /// The `level` field.
    pub level: Level,
    /// Further top-level fields, in order. One that has the name of a standard field of its line is not written.
    pub fields: Map<String, Value>,
}

impl Event {
    /// An event of this kind with one line for a person.
    pub fn new(kind: &'static str, msg: impl Into<String>) -> Self {
        Self { kind, msg: msg.into(), level: Level::Info, fields: Map::new() }
    }

    /// Adds a top-level field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Whether its field `truncated` says that it holds less than what came.
    pub fn is_truncated(&self) -> bool {
        self.fields.get("truncated") == Some(&Value::Bool(true))
    }

    /// Sets the severity.
    #[must_use]
    pub const fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}
