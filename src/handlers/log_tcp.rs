//! `log_tcp`: Freki's TCP logger. Records what comes and answers nothing. Freki reads once; this one reads to the limit, until the
//! visitor has been silent for five seconds.

use std::time::Duration;

use serde::Deserialize;

use super::builtin::Builtin;
use super::registry::{Environment, Maker, boxed};
use super::tcp::{Answer, Capture};
use super::{Random, Session};
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "log_tcp",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[],
    about: "records what comes on any TCP port, answers nothing, closes after 5 s of silence",
    prepare,
};

/// `[handlers.log_tcp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Silence after which the connection is closed, in seconds; Freki's read deadline.
    silence_secs: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { silence_secs: 5 }
    }
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let limit = environment.max_payload;
    let silence = Duration::from_secs(settings.silence_secs);
    Ok(boxed(move |session: &Session| {
        Capture::new(limit, Answer::Silence, silence, silence, Random::new(session.seed))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::transcript::{Step, Transcript};

    #[test]
    fn what_comes_is_recorded_until_five_seconds_of_silence() {
        let steps = [Step::Recv(b"one"), Step::Wait(4_900), Step::Recv(b"two"), Step::Wait(4_900)];
        let outcome = Transcript::tcp("log_tcp", "").run(&steps);
        assert!(!outcome.closed);
        let steps = [Step::Recv(b"one"), Step::Wait(4_900), Step::Recv(b"two"), Step::Wait(5_000)];
        let outcome = Transcript::tcp("log_tcp", "").run(&steps);
        assert!(outcome.closed && outcome.sent().is_empty());
        assert_eq!(outcome.the_event("payload").fields["payload_hex"], "6f6e6574776f");
    }
}
