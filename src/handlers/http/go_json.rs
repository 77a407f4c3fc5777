//! JSON as Go's encoding/json writes it, and what it says of a value that is of another kind than its place.

use serde_json::Value;

use super::answer::Answer;

/// A value as an answer: the encoder ends it with a line's end.
pub(super) fn answer(status: u16, value: &Value) -> Answer {
    Answer::new(status, "application/json", format!("{value}\n"))
}

/// A value that cannot go into this (`UnmarshalTypeError`): `value of type string`, `struct field ExecConfig.Tty of type bool`.
pub(super) fn mismatch(value: &Value, into: &str) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("json: cannot unmarshal {kind} into Go {into}")
}
