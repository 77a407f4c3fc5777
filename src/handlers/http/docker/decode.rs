//! The JSON of requests, and what Go's decoder says of a body that is none or has the wrong types.

use serde_json::{Deserializer, Value};

use super::super::answer::Answer;
use super::super::ask::Ask;
use super::super::go_json;
use super::error;

/// What a field of a structure takes, as Go names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Flag,
    Texts,
    /// A list of texts or one text.
    Words,
}

/// A structure of the engine: its name, that of its fields, and the fields that are looked at.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) short: &'static str,
    pub(super) fields: &'static [(&'static str, Type)],
    /// The status of a body that is no such structure: the engine has two ways to read one.
    pub(super) status: u16,
}

/// The value that a body begins with; whatever comes behind it is not looked at.
pub(super) fn json(ask: &Ask<'_>, shape: &Shape) -> Result<Value, Box<Answer>> {
    let refusal = |status, message: &str| Box::new(error(status, message));
    let kind = ask.head.values("content-type").next().unwrap_or_default();
    if !ask.body.is_empty() && kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(refusal(400, &format!("Content-Type specified ({kind}) must be 'application/json'")));
    }
    let wrong = |message: String| Err(refusal(shape.status, &message));
    if ask.body.trim_ascii().is_empty() {
        let words = if shape.status == 500 { "EOF" } else { "got EOF while reading request body" };
        return wrong(words.to_owned());
    }
    match Deserializer::from_slice(ask.body).into_iter::<Value>().next() {
        Some(Ok(value)) => match mismatch(&value, shape) {
            Some(message) => wrong(message),
            None => Ok(value),
        },
        _ => wrong(syntax(ask.body)),
    }
}

/// What is wrong with a text that is no JSON (encoding/json, scanner).
pub(super) fn syntax(text: &[u8]) -> String {
    let text = text.trim_ascii();
    let literals: [(&[u8], &str); 3] = [(b"true", "true"), (b"false", "false"), (b"null", "null")];
    let Some(&first) = text.first() else { return "unexpected end of JSON input".to_owned() };
    if let Some((literal, name)) = literals.iter().find(|(literal, _)| literal.first() == Some(&first)) {
        let differs = literal.iter().zip(text).find(|(wanted, given)| wanted != given);
        return differs.map_or_else(
            || "unexpected EOF".to_owned(),
            |(wanted, given)| {
                format!(
                    "invalid character '{}' in literal {name} (expecting '{}')",
                    char::from(*given),
                    char::from(*wanted)
                )
            },
        );
    }
    if !b"{[\"-0123456789".contains(&first) {
        return format!("invalid character '{}' looking for beginning of value", char::from(first));
    }
    match serde_json::from_slice::<Value>(text) {
        Err(fault) if !fault.is_eof() => {
            let at = text.split(|&byte| byte == b'\n').nth(fault.line().saturating_sub(1));
            let byte = at.and_then(|line| line.get(fault.column().saturating_sub(1))).copied().unwrap_or(b' ');
            let place = if fault.to_string().starts_with("key must be a string") {
                "looking for beginning of object key string"
            } else {
                "looking for beginning of value"
            };
            format!("invalid character '{}' {place}", char::from(byte))
        }
        _ => "unexpected EOF".to_owned(),
    }
}

fn mismatch(value: &Value, shape: &Shape) -> Option<String> {
    let Value::Object(given) = value else {
        let found = || go_json::mismatch(value, &format!("value of type {}", shape.name));
        return (!value.is_null()).then(found);
    };
    shape.fields.iter().find_map(|(field, wanted)| {
        let value = given.get(*field).filter(|value| !value.is_null())?;
        let wrong = match (wanted, value) {
            (Type::Text, Value::String(_)) | (Type::Flag, Value::Bool(_)) | (Type::Words, Value::String(_)) => None,
            (Type::Texts | Type::Words, Value::Array(list)) => list.iter().find(|word| !word.is_string()),
            (_, value) => Some(value),
        };
        let expected = match (wanted, value) {
            (Type::Texts, value) if !value.is_array() => "[]string",
            (Type::Flag, _) => "bool",
            _ => "string",
        };
        let into = || format!("struct field {}.{field} of type {expected}", shape.short);
        wrong.map(|wrong| go_json::mismatch(wrong, &into()))
    })
}

/// A number in a query, as Go reads it.
pub(super) fn number(text: Option<&str>) -> Result<i64, String> {
    let text = text.unwrap_or_default();
    text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
}
