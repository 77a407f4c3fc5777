//! TOML text to a [`Node`] tree.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Node, Value};
use crate::rules::error::Report;

/// Up to this size all syntax errors are collected; of larger texts the first one, since garbage can hold an error a byte.
const MAX_RECOVERED_BYTES: usize = 1 << 20;

/// Reads the document. `None` when it is no TOML. Keys given twice are errors of the syntax here.
pub(super) fn parse(report: &mut Report<'_>) -> Option<Node> {
    let text = report.text();
    let error = match DeTable::parse(text) {
        Ok(table) => return Some(table_node(table.span(), table.into_inner())),
        Err(error) => error,
    };
    let errors = if text.len() <= MAX_RECOVERED_BYTES { DeTable::parse_recoverable(text).1 } else { vec![error] };
    for error in errors {
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        report.add(error.span().unwrap_or(0..0), format!("this is not TOML: {message}"));
    }
    None
}

fn table_node(span: Range<usize>, table: DeTable<'_>) -> Node {
    let mut entries: Vec<(Node, Node)> = table
        .into_iter()
        .map(|(key, value)| {
            let span = key.span();
            (Node { span, tag: None, value: Value::Text(key.into_inner().into_owned()) }, value_node(value))
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    Node { span, tag: None, value: Value::Table(entries) }
}

fn value_node(value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Value::Plain,
        DeValue::Array(items) => Value::List(items.into_iter().map(value_node).collect()),
        DeValue::Table(table) => return table_node(span, table),
    };
    Node { span, tag: None, value }
}
