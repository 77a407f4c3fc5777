//! A request as the families see it: path, query, host and form, taken apart once.

use std::borrow::Cow;

use serde_json::Value;

use super::{Head, Request};

/// Fields of a form or query that are looked at.
const MAX_FIELDS: usize = 256;

/// One request and what it was dialled on.
pub(super) struct Ask<'a> {
    pub(super) head: &'a Head,
    /// The beginning of the body, up to the server's limit.
    pub(super) body: &'a [u8],
    /// The target's path as sent, without query; without scheme and authority where they were given.
    pub(super) raw_path: &'a str,
    /// The path decoded, `.` and `..` resolved; `None` when it climbs above the root or is not encoded well.
    pub(super) path: Option<String>,
    pub(super) query: &'a str,
    /// The authority of the target, where it has one.
    pub(super) authority: Option<&'a str>,
    /// The authority that the client names, with its port if it has one; empty when it names none.
    pub(super) host: &'a str,
    /// The connection is encrypted.
    pub(super) secure: bool,
    /// The port that was dialled.
    port: u16,
}

impl<'a> Ask<'a> {
    pub(super) fn new(request: &'a Request, secure: bool, port: u16) -> Self {
        let head = &request.head;
        let (authority, origin) = split_authority(&head.target);
        let origin = origin.split('#').next().unwrap_or_default();
        let (raw_path, query) = origin.split_once('?').unwrap_or((origin, ""));
        let raw_path = if raw_path.is_empty() && authority.is_some() { "/" } else { raw_path };
        let host = authority.or_else(|| head.values("host").next().map(str::trim)).unwrap_or_default();
        Self {
            head,
            body: request.body.bytes(),
            raw_path,
            path: resolve(raw_path),
            query,
            authority,
            host,
            secure,
            port,
        }
    }

    /// The resolved path; empty when there is none.
    pub(super) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    /// The path with its escapes undone and nothing else; as it was sent where they cannot be.
    pub(super) fn decoded_path(&self) -> String {
        let bytes = decoded(self.raw_path);
        bytes.map_or_else(|| self.raw_path.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.head.method == method || method == "GET" && self.head.method == "HEAD"
    }

    /// The host without port.
    pub(super) fn host_name(&self) -> &'a str {
        let end = self.host.rfind(':').filter(|&at| !self.host.get(at..).is_some_and(|rest| rest.contains(']')));
        end.and_then(|at| self.host.get(..at)).unwrap_or(self.host)
    }

    /// The port that the client names, or the one that it has dialled.
    pub(super) fn named_port(&self) -> u16 {
        let named = self.host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        named.unwrap_or(self.port)
    }

    /// The value of a query field.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        fields(self.query).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A query field is set to what Go's and Java's parsers take for true.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.field(name).is_some_and(|value| matches!(value.as_str(), "1" | "true" | "True" | "t"))
    }

    /// The fields of a form, sent urlencoded or as a JSON object of texts.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        if let Ok(Value::Object(object)) = serde_json::from_slice(self.body) {
            let text = |value: Value| match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            return object.into_iter().take(MAX_FIELDS).map(|(key, value)| (key, text(value))).collect();
        }
        let text = String::from_utf8_lossy(self.body);
        fields(&text).collect()
    }

    /// `scheme://authority` as the client should come back to it.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }
}

/// `key=value` pairs joined by `&`, decoded.
pub(super) fn fields(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).take(MAX_FIELDS).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_decoded(key), form_decoded(value))
    })
}

fn form_decoded(text: &str) -> String {
    let text: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    decoded(&text).map_or_else(|| text.into_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The authority of a target in absolute form (RFC 9112 section 3.2.2), and what follows it.
fn split_authority(target: &str) -> (Option<&str>, &str) {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else { return (None, target) };
    match rest.find(['/', '?']).and_then(|at| rest.split_at_checked(at)) {
        Some((authority, path)) => (Some(authority), path),
        None => (Some(rest), "/"),
    }
}

/// Undoes percent-encoding; `None` where `%` is not followed by two digits.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// What a path means: decoded, `//`, `.` and `..` resolved (RFC 3986 section 5.2.4).
fn resolve(raw: &str) -> Option<String> {
    let bytes = decoded(raw)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut parts: Vec<&str> = Vec::new();
    let mut directory = false;
    for part in text.strip_prefix('/')?.split('/') {
        directory = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    let slash = if directory && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{slash}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_servers_make_of_them() {
        for (raw, path) in [
            ("/", Some("/")),
            ("/a//b/./c", Some("/a/b/c")),
            ("/vpn/../vpns/cfg/smb.conf", Some("/vpns/cfg/smb.conf")),
            ("/a/%2e%2e/b/", Some("/b/")),
            ("/%61%20b", Some("/a b")),
            ("/../etc", None),
            ("/%zz", None),
            ("nope", None),
        ] {
            assert_eq!(resolve(raw).as_deref(), path, "{raw}");
        }
    }

    #[test]
    fn a_target_may_bring_its_own_authority() {
        assert_eq!(split_authority("http://other:81/x?y"), (Some("other:81"), "/x?y"));
        assert_eq!(split_authority("https://other"), (Some("other"), "/"));
        assert_eq!(split_authority("https://other?x"), (Some("other"), "?x"));
        assert_eq!(split_authority("/x"), (None, "/x"));
        assert_eq!(split_authority("/x?http://y"), (None, "/x?http://y"));
    }

    #[test]
    fn form_fields_are_decoded() {
        let all: Vec<_> = fields("user=a%40b+c&pass=%zz&&flag").collect();
        let expected = [("user", "a@b c"), ("pass", "%zz"), ("flag", "")];
        assert_eq!(all, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
