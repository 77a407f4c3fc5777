//! The engine's answers against those that a genuine one gave: `tests/dialogues/dockerd.txt`.

use serde_json::Value;

use super::*;

const RECORDED: &str = include_str!("../../../../tests/dialogues/dockerd.txt");

/// A request with what was answered to it.
struct Entry {
    request: String,
    answer: [&'static str; 3],
}

fn entries() -> Vec<Entry> {
    let lines: Vec<&str> = RECORDED.lines().filter(|line| !line.starts_with('#')).collect();
    let entry = |lines: &[&'static str]| {
        let line = |at: usize| lines[at].strip_prefix("  ").unwrap();
        Entry { request: lines[0].replace("\\r\\n", "\r\n"), answer: [line(1), line(2), line(3)] }
    };
    lines.chunks_exact(4).map(entry).collect()
}

/// The keys of an object, sorted, or of the first in a list; anything else as it is.
fn keys(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
            names.sort_unstable();
            format!("{{{}}}", names.join(" "))
        }
        Value::Array(list) => format!("[{}]", list.first().map(keys).unwrap_or_default()),
        other => other.to_string(),
    }
}

/// Long ids and times are named, not told.
fn without_ids(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        shown.push_str(match end {
            64 => "ID64",
            12 => "ID12",
            _ => &rest[..end],
        });
        rest = &rest[end..];
    }
    shown + rest
}

/// An answer as the record has it.
fn essence(sent: &str) -> [String; 3] {
    let Some((head, body)) = sent.split_once("\r\n\r\n") else {
        return [sent.to_owned(), String::new(), String::new()];
    };
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let kind = headers.iter().find(|(name, _)| *name == "Content-Type").map(|(_, kind)| format!(" | {kind}"));
    let is_archive = matches!(kind.as_deref(), Some(" | application/x-tar" | " | application/octet-stream"));
    let body = match names.contains(&"Transfer-Encoding") {
        // Programs in it are no text.
        true if is_archive => body.to_owned(),
        true => dechunked(body),
        false => body.to_owned(),
    };
    let parsed =
        serde_json::from_str::<Value>(&body).ok().filter(|_| status.contains(" 200") || status.contains(" 201"));
    let body = match parsed {
        Some(value) => keys(&value),
        None if is_archive && !body.is_empty() => "<tar>".to_owned(),
        None => without_ids(&body.replace('\r', "\\r").replace('\n', "\\n")),
    };
    [status, names.join(" ") + &kind.unwrap_or_default(), body]
}

#[test]
fn odd_requests_are_answered_in_the_genuine_engines_words() {
    let entries = entries();
    assert!(entries.len() > 400, "{}", entries.len());
    let inputs: Vec<&[u8]> = entries.iter().map(|entry| entry.request.as_bytes()).collect();
    let outcomes = Transcript::tcp("docker", "").connections(&inputs);
    for (entry, outcome) in entries.iter().zip(&outcomes) {
        let given = essence(&text(outcome));
        assert_eq!(given, entry.answer, "{}", entry.request.escape_debug());
    }
}
