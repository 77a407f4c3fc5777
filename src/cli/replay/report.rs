//! The outcome of a replay, as a table and as JSON.

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::flow::CloseReason;
use crate::replay::{Account, Report};

/// What is shown.
pub(super) struct Shown<'r> {
    pub(super) hosts: &'r [IpAddr],
    pub(super) guessed: bool,
    pub(super) report: &'r Report,
}

impl Shown<'_> {
    /// Rules that took nothing are counted, not shown.
    pub(super) fn print_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        let mut table: Vec<[String; 8]> =
            vec![["rule", "type", "packets", "bytes", "flows", "accepted", "rewritten", "dropped"].map(str::to_owned)];
        let mut idle = 0;
        for (rule, account) in report.rules() {
            if *account == Account::default() {
                idle += 1;
                continue;
            }
            let number = format!("#{}", rule.position + 1);
            let name = if rule.name == number { number } else { format!("{number} {}", rule.name) };
            table.push(row(name, rule.action.kind(), account));
        }
        for (name, account) in [("handler ports", &report.own_ports), ("no rule", &report.unmatched)] {
            if *account != Account::default() {
                table.push(row(name.to_owned(), "", account));
            }
        }
        table.push(row("total".to_owned(), "", &report.total()));
        print_aligned(&table, out)?;
        self.print_notes(idle, out)
    }

    fn print_notes(&self, idle: usize, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        writeln!(out)?;
        writeln!(out, "{}", self.hosts_in_words())?;
        let closed: Vec<String> = report
            .closed
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| format!("{count} {}", ending(reason)))
            .collect();
        if !closed.is_empty() {
            writeln!(out, "flows ended: {}", closed.join(", "))?;
        }
        let counts = [
            (idle as u64, "rules took nothing"),
            (report.not_ip, "frames without IP, which no rule sees"),
            (report.cut_short, "packets that the capture does not have whole"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(out, "{count} {what}")?;
        }
        report.counters.iter().try_for_each(|(name, meaning, count)| writeln!(out, "{count} {name}: {meaning}"))
    }

    fn hosts_in_words(&self) -> String {
        let names: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        match (names.as_slice(), self.guessed) {
            ([], _) => "host: unknown, nobody was dialled; every packet is inbound (--host names it)".to_owned(),
            (names, true) => format!("host: {}, dialled most (--host names another)", names.join(", ")),
            (names, false) => format!("host: {}", names.join(", ")),
        }
    }

    /// Every rule is in it, also those that took nothing.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        let rules: Vec<Value> = report
            .rules()
            .map(|(rule, account)| {
                let mut entry = Map::new();
                entry.insert("number".to_owned(), json!(rule.position + 1));
                entry.insert("name".to_owned(), json!(rule.name));
                entry.insert("type".to_owned(), json!(rule.action.kind()));
                entry.extend(account_json(account));
                Value::Object(entry)
            })
            .collect();
        let closed: Map<String, Value> =
            report.closed.iter().map(|(reason, count)| (ending(reason).to_owned(), json!(count))).collect();
        let counters: Map<String, Value> =
            report.counters.iter().map(|(name, _, count)| ((*name).to_owned(), json!(count))).collect();
        let whole = json!({
            "hosts": self.hosts,
            "hosts_guessed": self.guessed,
            "rules": rules,
            "handler_ports": account_json(&report.own_ports),
            "no_rule": account_json(&report.unmatched),
            "total": account_json(&report.total()),
            "flows_ended": closed,
            "not_ip": report.not_ip,
            "cut_short": report.cut_short,
            "counters": counters,
        });
        writeln!(out, "{whole:#}")
    }
}

/// How a flow ended; the end of the capture is the engine's shutdown.
const fn ending(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Shutdown => "open",
        reason => reason.as_str(),
    }
}

fn row(name: String, kind: &str, account: &Account) -> [String; 8] {
    let Account { packets, bytes, flows, accepted, rewritten, dropped } = *account;
    let [packets, bytes, flows, accepted, rewritten, dropped] =
        [packets, bytes, flows, accepted, rewritten, dropped].map(|number| number.to_string());
    [name, kind.to_owned(), packets, bytes, flows, accepted, rewritten, dropped]
}

/// Words to the left, numbers to the right.
fn print_aligned(table: &[[String; 8]], out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; 8];
    for row in table {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in table {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let cell = if column < 2 { format!("{cell:width$}  ") } else { format!("{cell:>width$}  ") };
            line.push_str(&cell);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn account_json(account: &Account) -> Map<String, Value> {
    let Account { packets, bytes, flows, accepted, rewritten, dropped } = *account;
    let verdicts = json!({ "accept": accepted, "rewrite": rewritten, "drop": dropped });
    [("packets", json!(packets)), ("bytes", json!(bytes)), ("flows", json!(flows)), ("verdicts", verdicts)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
