//! YAML text to a [`Node`] tree.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options, Spanned, Tagged};

use super::document::{Node, Value};
use crate::rules::error::{Report, quoted};

/// Nested lists and tables; a rule file needs three.
const MAX_DEPTH: usize = 16;
/// Parts of a document, those that aliases repeat included; a rule has eleven at most.
const MAX_NODES: usize = 2_000_000;
/// Aliases and anchors; more than any hand writes.
const MAX_ALIASES: usize = 10_000;
/// Parts of a document that aliases repeat; what grows by doubling ends here.
const MAX_REPEATED: usize = 100_000;
/// Tags that YAML itself defines (`!!str`); they change nothing here.
const STANDARD_TAGS: &str = "tag:yaml.org,2002:";

/// Reads the document. `None` when it is no YAML; tags are reported, and the rest is read all the same.
pub(super) fn parse(report: &mut Report<'_>) -> Option<Node> {
    // A tag that the parser refuses would hide all errors after it: the second pass collects them.
    let parsed = match parse_with(report.text(), true) {
        Err(Error::UnsupportedTag { .. }) => parse_with(report.text(), false),
        parsed => parsed,
    };
    match parsed {
        Ok(node) => {
            report_tags(report, &node);
            Some(node)
        }
        Err(error) => {
            report_syntax(report, &error);
            None
        }
    }
}

fn parse_with(text: &str, reject_unsupported_tags: bool) -> Result<Node, Error> {
    let options: Options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_recorded_anchor_events: MAX_REPEATED,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_merge_keys: MAX_ALIASES,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
        // The reader of the rules refuses duplicates itself, all of them at once.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: reject_unsupported_tags,
        emit_comments: false,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

fn report_syntax(report: &mut Report<'_>, error: &Error) {
    let span = error.location().map_or(0..0, |location| span(&location, report));
    let (message, mend) = match error {
        Error::Budget { .. } => {
            (error.to_string(), Some("a rule file is a flat list; remove nesting and repeated aliases"))
        }
        Error::MultipleDocuments { .. } => {
            ("a second YAML document".to_owned(), Some("a rule file is one document; remove the `---`"))
        }
        _ => (
            error.to_string(),
            Some("put filter texts that hold `: `, ` #` or start with a special character in quotes"),
        ),
    };
    // The position is shown by the report, better than by these words at the end of the parser's message.
    let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
    let finding = report.add(span, format!("this is not YAML: {message}"));
    if let Some(mend) = mend {
        finding.suggest(mend);
    }
}

/// Where a location lies in the text. What the parser could not read has line and column alone.
fn span(location: &Location, report: &Report<'_>) -> Range<usize> {
    bytes(location).unwrap_or_else(|| {
        let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let at = report.offset(number(location.line()), number(location.column()));
        at..at.saturating_add(1)
    })
}

fn bytes(location: &Location) -> Option<Range<usize>> {
    let at = usize::try_from(location.span().byte_offset()?).ok()?;
    let len = usize::try_from(location.span().byte_len()?).ok()?;
    Some(at..at.checked_add(len)?)
}

/// Reports all tags that are not YAML's own. A bare `!` is one, too: `match: ! tcp` would mean `tcp`.
fn report_tags(report: &mut Report<'_>, node: &Node) {
    if let Some(tag) = node.tag.as_ref().filter(|tag| !tag.starts_with(STANDARD_TAGS)) {
        report_tag(report, tag, &node.span);
    }
    match &node.value {
        Value::Null | Value::Text(_) | Value::Plain => {}
        Value::List(items) => items.iter().for_each(|item| report_tags(report, item)),
        Value::Table(entries) => {
            for (key, value) in entries {
                report_tags(report, key);
                report_tags(report, value);
            }
        }
    }
}

fn report_tag(report: &mut Report<'_>, tag: &str, span: &Range<usize>) {
    // The span is that of the value; the tag stands before it.
    let before = report.slice(&(0..span.start));
    let start = before.rfind('!').unwrap_or(span.start);
    let written = report.slice(&(start..span.end)).trim().replace('\'', "''");
    report
        .add(start..span.end, format!("{} is a YAML tag, not part of the text", quoted(tag)))
        .expected("text in quotes, or `not`")
        .suggest(format!("write '{}'", written.lines().next().unwrap_or_default()));
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Tagged(value, tag), defined, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { span: bytes(&defined).unwrap_or(0..0), tag, value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a list or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Plain)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Table(entries))
    }
}
