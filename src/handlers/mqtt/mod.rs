//! `mqtt`: mosquitto 2.0 with its defaults, MQTT 3.1, 3.1.1 and 5; a broker that delivers between the clients of one source.
//!
//! `packet` cuts the stream, `property` and `topic` know the fields, `connect` lets in, `client` serves a connection after that,
//! `connection` leads both, `session` and `broker` hold what outlives it, `sys` tells about the server, with the averages of
//! `load`.
//!
//! A connection with subscriptions looks into its mailbox every `connection::LISTEN`, and more rarely the longer it has been quiet (`look`):
//! a client that pings once a minute hears within a second. Others look every `connection::LOOK`, to learn that another connection has
//! taken their session.
//!
//! Memory: an idle connection holds under 1 KiB, a packet on its way up to 256 KiB, a source 4 KiB for `$SYS`; what sessions keep is
//! bounded in `broker`. A call delivers at most 512 KiB and a message; the rest follows when the connection looks again.

mod broker;
mod client;
mod connect;
mod connection;
mod load;
mod packet;
mod property;
mod session;
mod sys;
mod topic;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::builtin::Builtin;
use super::held::Held;
use super::recording::{Direction, Recording, with_payload};
use super::registry::{Environment, Maker, boxed};
use super::release::Release;
use super::{Credentials, Policy, Session, Sources, Tls};
use crate::events::Event;
use crate::flow::Transport;

use broker::Broker;
use connection::Mqtt;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "mqtt",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[1_883],
    about: "mosquitto 2.0: MQTT 3.1, 3.1.1 and 5, delivers between the clients of a source",
    prepare,
};

pub(super) const BUILTIN_TLS: Builtin = Builtin {
    name: "mqtts",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[8_883],
    about: "mqtt within TLS",
    prepare: prepare_tls,
};

/// Sources whose sessions and retained messages are kept.
const MAX_SOURCES: usize = 4_096;
/// How long a source is remembered after its last connection.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `[handlers.mqtt]` and `[handlers.mqtts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// mosquitto's version, as `$SYS/broker/version` says it; else what the persona's distribution ships.
    version: Option<String>,
    /// Which logins are let in.
    credentials: Policy,
    /// Clients without a user name are let in.
    anonymous: bool,
    /// Packets of one connection that are recorded one by one; the others are counted.
    max_records: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: None, credentials: Policy::AcceptAll, anonymous: true, max_records: 1_000 }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    credentials: Credentials,
    server: sys::Server,
    sources: Sources<Arc<Mutex<Broker>>>,
    held: Held,
    max_payload: usize,
}

fn shared(environment: &Environment<'_>) -> Result<Arc<Shared>, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let mut random = environment.persona.random("mqtt");
    let delay = random.within(&(5..=25));
    Ok(Arc::new(Shared {
        credentials: Credentials::new(settings.credentials.clone()),
        server: sys::Server {
            version: settings.version.clone().unwrap_or_else(|| Release::of(&environment.persona).mosquitto.to_owned()),
            started: environment.persona.booted() + Duration::from_secs(delay),
            visit_secs: random.within(&(400..=2_400)),
            most_others: random.within(&(2..=6)),
        },
        settings,
        sources: Sources::new(MAX_SOURCES, KEEP),
        held: Held::default(),
        max_payload: environment.max_payload,
    }))
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let shared = shared(environment)?;
    Ok(boxed(move |session: &Session| Mqtt::new(&shared, session)))
}

fn prepare_tls(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let shared = shared(environment)?;
    let kit = environment.tls_kit();
    Ok(boxed(move |session: &Session| Tls::new(Arc::clone(&kit), Mqtt::new(&shared, session))))
}

/// What one connection has recorded, and may still.
#[derive(Debug)]
struct Log {
    events: Vec<Event>,
    left: u32,
    unrecorded: u64,
    max_payload: usize,
}

impl Log {
    /// Records a packet: what it does, its fields, its payload and how many bytes of that are missing.
    fn record(&mut self, command: &str, decoded: Map<String, Value>, payload: Option<(&[u8], usize)>) {
        /// Characters of a command in `msg`.
        const SHOWN: usize = 120;
        let Some(left) = self.left.checked_sub(1) else {
            self.unrecorded += 1;
            return;
        };
        self.left = left;
        let shown: String = command.chars().take(SHOWN).collect();
        let mut event =
            Event::new("command", format!("MQTT {shown}")).with("command", command).with("decoded", decoded);
        if let Some((payload, missing)) = payload {
            let kept = payload.get(..self.max_payload).unwrap_or(payload);
            let total = payload.len() + missing;
            event = with_payload(event.with("bytes", total), kept, kept.len() < total);
        }
        self.events.push(event);
    }

    /// Records bytes that are no packet, or not a whole one.
    fn record_odd(&mut self, bytes: &[u8], note: &str) {
        let mut recording = Recording::new(self.max_payload);
        recording.push(bytes);
        self.events.push(recording.event(Direction::Recv).with("note", note));
    }
}

#[cfg(test)]
mod tests;
