//! `udp`: for ports that no protocol claims. Records datagrams under the name of their protocol and never answers.

use serde::Deserialize;

use super::builtin::Builtin;
use super::recognise::datagram;
use super::recording::{Direction, Recording};
use super::registry::{Environment, Maker, boxed};
use super::{Context, Handler, Session};
use crate::control::Counter;
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "udp",
    aliases: &[],
    transports: &[Transport::Udp],
    default_ports: &[],
    about: "names and records the first datagrams of a flow on any UDP port, never answers",
    prepare,
};

/// `[handlers.udp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Datagrams of one flow that are recorded, one event each; the others are counted.
    max_records: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_records: 16 }
    }
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let limit = environment.max_payload;
    Ok(boxed(move |_: &Session| Recorder::new(settings.max_records, limit)))
}

/// Records datagrams of a flow, so many.
#[derive(Debug)]
pub(super) struct Recorder {
    records_left: u32,
    limit: usize,
}

impl Recorder {
    /// Records so many, of each so many bytes.
    pub(super) const fn new(max_records: u32, limit: usize) -> Self {
        Self { records_left: max_records, limit }
    }

    /// One event for a datagram, under the name of its protocol.
    pub(super) fn record(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some(left) = self.records_left.checked_sub(1) else {
            cx.count(Counter::DatagramsUnrecorded);
            return;
        };
        self.records_left = left;
        let mut recording = Recording::new(self.limit);
        recording.push(bytes);
        let event = recording.event(Direction::Recv);
        cx.event(match datagram(bytes, cx.session().dialled.port()) {
            Some(name) => event.with("protocol", name),
            None => event,
        });
    }
}

impl Handler for Recorder {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.record(cx, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::{Step, Transcript};
    use super::*;

    #[test]
    fn datagrams_are_recorded_and_never_answered() {
        let outcome = Transcript::udp("udp", "").run(&[Step::Recv(b"one"), Step::Recv(b"two")]);
        assert!(outcome.sent().is_empty() && !outcome.closed);
        let payloads: Vec<_> = outcome.events.iter().map(|event| event.fields["payload_hex"].clone()).collect();
        assert_eq!(payloads, ["6f6e65", "74776f"]);
        assert!(!outcome.events[0].fields.contains_key("protocol"));
    }

    #[test]
    fn a_probe_that_is_recognised_is_named() {
        let probe = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x04\x4a\x69\x7d\x22\x02\x01\0\x02\x01\0\x30\x0b\x30\x09\x06\x05\x2b\x06\x01\x02\x01\x05\0";
        let outcome = Transcript::udp("udp", "").run(&[Step::Recv(probe)]);
        assert_eq!(outcome.the_event("payload").fields["protocol"], "snmp");
    }

    #[test]
    fn datagrams_beyond_the_cap_are_counted_not_recorded() {
        let outcome = Transcript::udp("udp", "max_records = 2").run(&[Step::Recv(b"x"); 5]);
        assert_eq!(outcome.events.len(), 2);
        assert_eq!(outcome.counts, [Counter::DatagramsUnrecorded; 3]);
    }
}
