//! The table of the demonstration: what the attacker did and got, beside what the sensor recorded of it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::visit::{Sweep, Visit};

/// Longest text shown of what was said or answered, in characters.
const TEXT: usize = 28;

/// One line a visit, one for the sweep.
pub(super) fn table(visits: &[Visit], sweep: &Sweep, events: &[Value], bold: bool) -> String {
    let heading = ["the attacker dialled", "and said", "and got", "the sensor recorded"].map(str::to_owned);
    let mut rows = vec![heading];
    for visit in visits {
        let recorded = recorded(events, visit.client, visit.to);
        rows.push([format!("{} {}", visit.means, visit.to), text(visit.said.as_bytes()), answer(&visit.got), recorded]);
    }
    rows.push([
        format!("TCP, {} ports at once", sweep.dialled),
        "from one source port".to_owned(),
        format!("{} connected, {} served", sweep.connected, sweep.served),
        format!("{} dialled ports by name", ports_named(events, sweep.client)),
    ]);
    columns(&rows, bold)
}

/// Every event, one a line.
pub(super) fn list(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        let _ = writeln!(text, "{event}");
        text
    })
}

/// `rule: kinds of events` for one visit.
fn recorded(events: &[Value], client: Option<SocketAddr>, to: SocketAddr) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    let mut rule = None;
    for event in events.iter().filter(|event| client.is_some_and(|client| is_from(event, client)) && is_to(event, to)) {
        rule = rule.or_else(|| event.get("rule").and_then(Value::as_str));
        if let Some(kind) = event.get("event").and_then(Value::as_str).filter(|kind| !kinds.contains(kind)) {
            kinds.push(kind);
        }
    }
    rule.map_or_else(|| "nothing".to_owned(), |rule| format!("rule {rule}: {}", kinds.join(", ")))
}

/// How many different dialled ports the events name for the sweep's source.
fn ports_named(events: &[Value], client: Option<SocketAddr>) -> usize {
    let from_sweep = events.iter().filter(|event| client.is_some_and(|client| is_from(event, client)));
    from_sweep.filter_map(|event| event.get("dest_port").and_then(Value::as_u64)).collect::<BTreeSet<_>>().len()
}

fn is_from(event: &Value, client: SocketAddr) -> bool {
    endpoint(event, "src_ip", "src_port").is_some_and(|(address, port)| {
        // A UDP socket that was never bound to an address reports none: its port tells it apart.
        port == client.port() && (client.ip().is_unspecified() || address == client.ip())
    })
}

fn is_to(event: &Value, to: SocketAddr) -> bool {
    endpoint(event, "dest_ip", "dest_port") == Some((to.ip(), to.port()))
}

fn endpoint(event: &Value, address: &str, port: &str) -> Option<(IpAddr, u16)> {
    let address = event.get(address)?.as_str()?.parse().ok()?;
    Some((address, event.get(port)?.as_u64()?.try_into().ok()?))
}

fn answer(got: &io::Result<Vec<u8>>) -> String {
    match got {
        Ok(bytes) if bytes.is_empty() => "an orderly end".to_owned(),
        Ok(bytes) => text(bytes),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "silence".to_owned(),
            io::ErrorKind::ConnectionRefused => "a refusal".to_owned(),
            io::ErrorKind::ConnectionReset => "a reset".to_owned(),
            _ => error.to_string(),
        },
    }
}

/// Printable bytes up to the end of the first line in quotes, others as their number and their first in hexadecimal.
fn text(bytes: &[u8]) -> String {
    let line = bytes.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(line) if !line.is_empty() && !line.contains(char::is_control) => {
            let shown: String = line.chars().take(TEXT).collect();
            let more = if shown.len() < bytes.len() { " ..." } else { "" };
            format!("\"{shown}\"{more}")
        }
        _ => {
            let first = bytes.iter().take(4).fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, " {byte:02x}");
                hex
            });
            format!("{} bytes:{first} ...", bytes.len())
        }
    }
}

/// Rows in columns that are as wide as their longest cell; the first row is the heading.
fn columns(rows: &[[String; 4]], bold: bool) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::from("\n");
    for (n, row) in rows.iter().enumerate() {
        let line = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        let _ = match (n, bold) {
            (0, true) => writeln!(text, "\x1b[1m{line}\x1b[0m"),
            (0, false) => writeln!(text, "{line}\n{}", "-".repeat(line.len())),
            _ => writeln!(text, "{line}"),
        };
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::demo::visit::Means;

    #[test]
    fn bytes_are_shown_as_text_or_in_hexadecimal() {
        assert_eq!(text(b"hello"), "\"hello\"");
        assert_eq!(text(b"HTTP/1.1 200 OK\r\nServer: x"), "\"HTTP/1.1 200 OK\" ...");
        assert_eq!(text(b"\x16\x03\x01\0\0"), "5 bytes: 16 03 01 00 ...");
    }

    #[test]
    fn the_table_joins_visits_and_events_by_who_dialled_what() {
        let to: SocketAddr = "10.77.0.2:7005".parse().unwrap();
        let client = "10.77.0.1:40000".parse().ok();
        let visit = Visit { means: Means::Stream, to, client, said: "hello", got: Ok(b"hello".to_vec()) };
        let event = |kind: &str, port: u16| json!({"event": kind, "rule": "echo", "src_ip": "10.77.0.1", "src_port": 40000, "dest_ip": "10.77.0.2", "dest_port": port});
        let events = [event("flow_open", 7005), event("payload", 7005), event("payload", 7006)];
        let sweep = Sweep { client, dialled: 2, connected: 2, served: 1 };
        let text = table(&[visit], &sweep, &events, false);
        assert!(text.contains("\"hello\""), "{text}");
        assert!(text.contains("rule echo: flow_open, payload\n"), "{text}");
        assert!(text.contains("2 connected, 1 served"), "{text}");
        assert!(text.contains("2 dialled ports by name"), "{text}");
    }
}
