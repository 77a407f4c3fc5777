//! `echo`: sends back what comes (RFC 862), over TCP as a stream, over UDP datagram by datagram.
//!
//! A UDP answer is exactly as long as the datagram that it answers; how many of them one source gets in a second is the server's
//! limit for every UDP handler (`udp_answers_per_source`).

use super::builtin::Builtin;
use super::recording::{Direction, Recording};
use super::registry::{Environment, Maker, boxed};
use super::{Context, Handler, Session};
use crate::flow::Transport;
use serde::Deserialize;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "echo",
    aliases: &[],
    transports: &[Transport::Tcp, Transport::Udp],
    default_ports: &[7],
    about: "sends back what comes; UDP never more than it got",
    prepare,
};

/// `[handlers.echo]` has no keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let Settings {} = environment.settings()?;
    let limit = environment.max_payload;
    Ok(boxed(move |_: &Session| Echo { recording: Recording::new(limit) }))
}

#[derive(Debug)]
struct Echo {
    recording: Recording,
}

impl Handler for Echo {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.recording.push(bytes);
        cx.send(bytes);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        cx.event(self.recording.event(Direction::Recv));
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::{Step, Transcript};

    #[test]
    fn a_stream_comes_back_and_is_recorded_at_its_end() {
        let outcome = Transcript::tcp("echo", "").run(&[Step::Recv(b"hello "), Step::Recv(b"world"), Step::Eof]);
        assert_eq!(outcome.sent(), b"hello world");
        assert!(outcome.closed);
        assert_eq!(outcome.the_event("payload").fields["payload_hex"], "68656c6c6f20776f726c64");
    }

    #[test]
    fn every_datagram_has_one_answer_of_the_same_length() {
        let outcome = Transcript::udp("echo", "").run(&[Step::Recv(b"one"), Step::Recv(b""), Step::Recv(b"three")]);
        assert_eq!(outcome.sends, [&b"one"[..], b"", b"three"]);
    }
}
