//! Dialogues with the server and each of its families, whole, byte by byte and cut at random.

mod apache;
mod docker;
mod dockerd;
#[path = "../../../../tests/dialogues/escaped.rs"]
mod escaped;
mod ethereum;
mod hadoop;
mod images;
mod port;
mod server;
mod software;
mod web;

use super::super::transcript::{Outcome, Step, Transcript};

const APACHE: &str = "server = 'Apache/2.4.57 (Debian)'";
const NGINX: &str = "server = 'nginx/1.22.1'";

fn ask(handler: &str, settings: &str, bytes: impl AsRef<[u8]>) -> Outcome {
    Transcript::tcp(handler, settings).run(&[Step::Recv(bytes.as_ref()), Step::Wait(20_000)])
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.sent()).into_owned()
}

/// Status, head and body of every answer; each body must be as long as its head says.
fn answers(outcome: &Outcome) -> Vec<(u16, String, String)> {
    let text = text(outcome);
    let mut rest = text.as_str();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = match length {
            Some(length) => length.parse().unwrap(),
            None if head.contains("Transfer-Encoding: chunked") => {
                let end = after.find("\r\n0\r\n\r\n").map_or_else(|| after.find("0\r\n\r\n").unwrap() + 5, |at| at + 7);
                all.push((status, head.to_owned(), dechunked(&after[..end])));
                rest = &after[end..];
                continue;
            }
            None => 0,
        };
        all.push((status, head.to_owned(), after[..length].to_owned()));
        rest = &after[length..];
    }
    all
}

/// A body that travelled in chunks.
fn dechunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        text = rest.get(size + 2..).unwrap_or_default();
    }
    body
}

fn get(handler: &str, path: &str) -> (u16, String, String) {
    let outcome = ask(handler, "", format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    answers(&outcome).remove(0)
}

fn post(path: &str, kind: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Plays the requests on one connection, so many milliseconds apart; each must be answered with this status, and a body that holds this.
fn answered(handler: &str, apart: u64, script: &[(String, u16, &str)]) -> Outcome {
    let steps = script.iter().flat_map(|(request, _, _)| [Step::Recv(request.as_bytes()), Step::Wait(apart)]);
    let outcome = Transcript::tcp(handler, "").run(&steps.collect::<Vec<Step<'_>>>());
    let all = answers(&outcome);
    assert_eq!(all.len(), script.len());
    for ((request, status, wanted), (given, _, body)) in script.iter().zip(all) {
        assert!(given == *status && body.contains(wanted), "{request}: {given} {body}");
    }
    outcome
}
