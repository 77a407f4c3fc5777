//! The same answers in XML, as JAXB writes them.

use serde_json::Value;

use super::super::answer::Answer;
use super::super::face::escaped;

/// Levels of elements that are written.
const MAX_DEPTH: u32 = 16;

/// An answer of JSON, if it has one, as XML.
pub(super) fn of(answer: Answer) -> Answer {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>");
    match fields.iter().next() {
        Some((name, value)) if fields.len() == 1 => element(name, value, 0, &mut text),
        // What has no element of its own in JSON.
        _ => element("NewApplication", &Value::Object(fields), 0, &mut text),
    }
    Answer { body: text.into_bytes(), content_type: Some("application/xml".into()), ..answer }
}

fn element(name: &str, value: &Value, depth: u32, text: &mut String) {
    if let Value::Array(list) = value {
        return list.iter().for_each(|one| element(name, one, depth, text));
    }
    if depth > MAX_DEPTH {
        return;
    }
    let before = text.len();
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| element(name, value, depth + 1, text)),
        Value::String(content) => text.push_str(&escaped(content)),
        Value::Null => {
            text.truncate(before);
            return text.push_str(&format!("<{name}/>"));
        }
        other => text.push_str(&other.to_string()),
    }
    text.push_str(&format!("</{name}>"));
}
