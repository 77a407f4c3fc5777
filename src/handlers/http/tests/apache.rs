//! What passes for Apache against what a genuine one answered: `tests/dialogues/apache.txt`.

use super::escaped::unescaped;
use super::*;
use crate::handlers::Persona;

const RECORDED: &str = include_str!("../../../../tests/dialogues/apache.txt");
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// The answers on one connection as the record has them.
fn essence(sent: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = sent;
    while let Some((head, after)) = rest.split_once("\r\n\r\n").filter(|_| rest.starts_with("HTTP/1.1 ")) {
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = line.split(' ').nth(1).unwrap();
        let names: Vec<&str> = fields.lines().filter_map(|field| field.split(':').next()).collect();
        let length = fields.lines().find_map(|field| field.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
        let (body, after) = match length {
            Some(length) => after.split_at(length),
            None if names.contains(&"Transfer-Encoding") => {
                let end = after.find("\r\n0\r\n\r\n").unwrap() + 7;
                after.split_at(end)
            }
            None => (after, ""),
        };
        let of_file = |name: &&str| status == "200" && ["Last-Modified", "ETag", "Accept-Ranges"].contains(name);
        let mut shown: Vec<String> = vec![format!("  {status}")];
        shown.extend(names.iter().filter(|name| !of_file(name)).map(|&name| name.to_owned()));
        if length.is_some() && status >= "400" {
            let persona = Persona::example();
            let signature = format!("Server at {} Port", persona.host_name());
            shown.push(body.replace(&signature, "Server at HOST Port").len().to_string());
        }
        all.push(shown.join(" "));
        rest = after;
    }
    all.extend((!rest.is_empty()).then(|| "  page".to_owned()));
    all
}

#[test]
fn odd_requests_are_answered_as_apache_answers_them() {
    let lines: Vec<&str> = RECORDED.lines().filter(|line| !line.starts_with('#')).collect();
    let entries: Vec<_> = lines.chunk_by(|_, next| next.starts_with("  ")).collect();
    assert!(entries.len() > 200, "{}", entries.len());
    let inputs: Vec<Vec<u8>> = entries.iter().map(|entry| [&unescaped(entry[0])[..], LAST].concat()).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let outcomes = Transcript::tcp("http", "server = 'Apache/2.4.71 (Debian)'").connections(&inputs);
    for (entry, outcome) in entries.iter().zip(&outcomes) {
        // Compressed pages are no text; their length counts.
        let sent: String =
            outcome.sent().iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect();
        assert_eq!(essence(&sent), entry[1..], "{}", entry[0]);
    }
}
