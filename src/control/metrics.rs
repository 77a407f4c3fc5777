//! The counters as text: for Prometheus, and as one line for the log.

use std::fmt::{self, Write};

use super::{Counter, Counters};

/// What every metric name begins with.
const PREFIX: &str = "glutton_nfq_";

impl Counters {
    /// Every counter in the Prometheus text exposition format, version 0.0.4.
    pub fn to_prometheus(&self) -> String {
        let mut text = String::with_capacity(8 << 10);
        for (name, help, value) in self.snapshot() {
            let help = help.replace('\\', r"\\").replace('\n', r"\n");
            push(&mut text, format_args!("# HELP {PREFIX}{name} {help}\n"));
            push(&mut text, format_args!("# TYPE {PREFIX}{name} counter\n{PREFIX}{name} {value}\n"));
        }
        text
    }

    /// What was done and what was lost, in one line: said at exit.
    pub fn summary(&self) -> String {
        let value = |counter| self.value(counter);
        let dropped_by_kernel = value(Counter::KernelQueueDropped) + value(Counter::KernelUserDropped);
        let unwritten = value(Counter::SinkErrors) + value(Counter::SinkOverflows);
        format!(
            "{} packets ({} rewritten, {} dropped, {dropped_by_kernel} lost in the kernel), {} flows ({} evicted, {} refused), \
             {} sessions, {} events ({} lost, {unwritten} unwritten)",
            value(Counter::PacketsReceived),
            value(Counter::PacketsRewritten),
            value(Counter::VerdictDrop),
            value(Counter::FlowsOpened),
            value(Counter::FlowsEvicted),
            value(Counter::FlowsRefused),
            value(Counter::SessionsOpened),
            value(Counter::EventsWritten),
            value(Counter::EventsLost),
        )
    }
}

fn push(text: &mut String, piece: fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = text.write_fmt(piece);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::COUNTERS;

    #[test]
    fn every_counter_has_help_type_and_value() {
        let counters = Counters::default();
        counters.add(Counter::PacketsReceived, 7);
        let text = counters.to_prometheus();
        assert!(text.starts_with(
            "# HELP glutton_nfq_packets_received packets that the kernel handed over\n\
             # TYPE glutton_nfq_packets_received counter\n\
             glutton_nfq_packets_received 7\n"
        ));
        assert_eq!(text.lines().count(), 3 * COUNTERS.len());
    }

    #[test]
    fn counter_names_are_valid_and_used_once() {
        for (row, (_, name, help)) in COUNTERS.iter().enumerate() {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!help.is_empty() && COUNTERS[..row].iter().all(|(_, other, _)| other != name), "{name}");
        }
    }

    #[test]
    fn summary_is_one_line_with_the_losses() {
        let counters = Counters::default();
        counters.add(Counter::FlowsOpened, 3);
        counters.add(Counter::EventsLost, 2);
        let summary = counters.summary();
        assert!(summary.contains("3 flows") && summary.contains("2 lost, 0 unwritten") && !summary.contains('\n'));
    }
}
