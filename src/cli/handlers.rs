//! `handlers`: the handlers that rules can name, as a table.

use std::borrow::Cow;
use std::io::{self, Write};
use std::iter::once;

use crate::handlers::Entry;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// Name in rule files.
    pub name: Cow<'a, str>,
    /// `tcp`, `udp` or `tcp, udp`.
    pub transports: Cow<'a, str>,
    /// Ports where visitors expect it; empty = any.
    pub ports: Cow<'a, str>,
    /// What it does, in one line.
    pub summary: Cow<'a, str>,
}

impl<'a> From<&'a Entry> for Row<'a> {
    fn from(entry: &'a Entry) -> Self {
        let names: Vec<&str> = once(&**entry.name()).chain(entry.aliases().iter().copied()).collect();
        let transports: Vec<&str> = entry.transports().iter().map(|transport| transport.as_str()).collect();
        let ports: Vec<String> = entry.default_ports().iter().map(u16::to_string).collect();
        Self {
            name: names.join(", ").into(),
            transports: transports.join(", ").into(),
            ports: ports.join(", ").into(),
            summary: entry.about().into(),
        }
    }
}

/// Prints the table, columns aligned.
///
/// # Errors
/// `out` cannot be written to.
pub fn print<'a>(rows: impl IntoIterator<Item = Row<'a>>, out: &mut dyn Write) -> io::Result<()> {
    let head = Row {
        name: "name".into(),
        transports: "transports".into(),
        ports: "ports".into(),
        summary: "what it does".into(),
    };
    let mut table = vec![head];
    table.extend(
        rows.into_iter().map(|row| if row.ports.is_empty() { Row { ports: "any".into(), ..row } } else { row }),
    );
    let width = |cell: fn(&Row<'a>) -> usize| table.iter().map(cell).max().unwrap_or(0);
    let name = width(|row| row.name.chars().count());
    let transports = width(|row| row.transports.chars().count());
    let ports = width(|row| row.ports.chars().count());
    for row in &table {
        writeln!(out, "{:name$}  {:transports$}  {:ports$}  {}", row.name, row.transports, row.ports, row.summary)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(name: &'a str, transports: &'a str, ports: &'a str, summary: &'a str) -> Row<'a> {
        Row { name: name.into(), transports: transports.into(), ports: ports.into(), summary: summary.into() }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows =
            [row("echo", "tcp, udp", "7", "sends back what comes"), row("log_http", "tcp", "", "records requests")];
        print(rows, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        name      transports  ports  what it does
        echo      tcp, udp    7      sends back what comes
        log_http  tcp         any    records requests
        ");
    }
}
