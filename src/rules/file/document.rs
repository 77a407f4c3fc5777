//! What YAML and TOML have in common: a tree of texts, lists and tables that knows where in the file each part stands.

use std::ops::Range;

/// A part of the file.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it stands, in bytes from the start of the file. Lists and tables may give their first byte alone.
    pub(super) span: Range<usize>,
    /// The YAML tag that stood before it, resolved.
    pub(super) tag: Option<String>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing was written after the key.
    Null,
    /// Text, its quotes and escapes resolved.
    Text(String),
    /// A number, truth value or date; it stands in the file as it is meant.
    Plain,
    List(Vec<Node>),
    /// Keys and values in the order of the file; a key may occur twice.
    Table(Vec<(Node, Node)>),
}

impl Value {
    /// What the value is, as an error message calls it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) | Self::Plain => "a plain value",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}
