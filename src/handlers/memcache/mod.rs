//! `memcache`: memcached 1.6 as Debian ships it, text and binary protocol, TCP and UDP.
//!
//! `dialogue` cuts the stream into commands; `text` (with `administration`), `meta` and `binary` (with `operation`) answer them from
//! `store`, which keeps each `item` that one source has stored across its connections; `stats` tells about the server; `udp` is the
//! frame of datagrams.
//!
//! Memory: an idle session holds under 1 KiB; a value on its way counts against the limits of `store` (4 MiB a source, 64 MiB all
//! together). A call answers at most 4 MiB, and with a line what goes beyond.

mod administration;
mod binary;
mod counts;
mod dialogue;
mod item;
mod meta;
mod operation;
mod reply;
mod stats;
mod store;
mod text;
mod udp;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::builtin::Builtin;
use super::held::Held;
use super::recording::{Direction, Recording};
use super::registry::{Environment, Maker};
use super::release::Release;
use super::{Context, Handler, Session, Sources};
use crate::clock::Timestamp;
use crate::control::Counter;
use crate::flow::Transport;

use dialogue::{Dialogue, Visit};
use reply::Reply;
use store::Cache;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "memcache",
    aliases: &["memcached"],
    transports: &[Transport::Tcp, Transport::Udp],
    default_ports: &[11_211],
    about: "memcached 1.6: text and binary protocol, values kept per source, UDP without amplification",
    prepare,
};

/// Sources whose values are kept; the one longest unseen goes first.
const MAX_SOURCES: usize = 4_096;
/// How long a source is remembered after its last visit.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `[handlers.memcache]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// What `version` and `stats` say; else what the persona's distribution ships.
    version: Option<String>,
    /// Commands of one session (UDP: datagrams of one flow) that are recorded one by one; the others are counted.
    max_records: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { version: None, max_records: 1_000 }
    }
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    server: stats::Server,
    sources: Sources<Arc<Mutex<Cache>>>,
    held: Held,
    max_payload: usize,
}

impl Shared {
    fn visit<R>(&self, session: &Session, now: Timestamp, work: impl FnOnce(&mut Cache, u64) -> R) -> R {
        let seconds = now.as_micros() / 1_000_000;
        // Other sources do not wait for what is done with this one's values.
        let cache = self.sources.with(session.client.ip(), now, |cache| Arc::clone(cache));
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        work(cache.within(&self.held), seconds)
    }
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let persona = &environment.persona;
    let mut random = persona.random("memcache");
    let boot = persona.booted().as_micros() / 1_000_000;
    let server = stats::Server {
        version: settings.version.clone().unwrap_or_else(|| Release::of(persona).memcached.to_owned()),
        pid: random.within(&(410..=990)),
        started: boot + random.within(&(4..=19)),
    };
    let shared = Arc::new(Shared {
        settings,
        server,
        sources: Sources::new(MAX_SOURCES, KEEP),
        held: Held::default(),
        max_payload: environment.max_payload,
    });
    Ok(Arc::new(move |session: &Session| {
        let shared = Arc::clone(&shared);
        let records_left = shared.settings.max_records;
        match session.transport {
            Transport::Udp => Box::new(Datagrams { shared, records_left, unrecorded: 0 }),
            _ => Box::new(Stream { shared, dialogue: Dialogue::default(), records_left, unrecorded: 0, heard: false }),
        }
    }))
}

/// A TCP session.
#[derive(Debug)]
struct Stream {
    shared: Arc<Shared>,
    dialogue: Dialogue,
    records_left: u32,
    unrecorded: u64,
    heard: bool,
}

impl Handler for Stream {
    fn open(&mut self, cx: &mut Context<'_>) {
        self.shared.visit(cx.session(), cx.now(), |cache, _| {
            cache.counts.connections += 1;
            cache.counts.open_connections += 1;
        });
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut reply = Reply::new(self.records_left, self.shared.max_payload);
        let (dialogue, shared) = (&mut self.dialogue, &self.shared);
        shared.visit(cx.session(), cx.now(), |cache, now| {
            dialogue.take(
                bytes,
                &mut Visit { cache, server: &shared.server, session: cx.session(), now, reply: &mut reply },
            );
        });
        self.heard = true;
        self.records_left = reply.records_left;
        self.unrecorded += reply.unrecorded;
        if !reply.bytes.is_empty() {
            cx.send(&reply.bytes);
        }
        for event in reply.events {
            cx.event(event);
        }
        if reply.close {
            cx.close();
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let dialogue = &mut self.dialogue;
        let rest = self.shared.visit(cx.session(), cx.now(), |cache, _| {
            cache.counts.open_connections = cache.counts.open_connections.saturating_sub(1);
            dialogue.end()
        });
        if !rest.is_empty() || !self.heard {
            let mut recording = Recording::new(self.shared.max_payload);
            recording.push(&rest);
            let event = recording.event(Direction::Recv);
            cx.event(if self.heard { event.with("incomplete", true) } else { event });
        }
        unrecorded_event(cx, self.unrecorded);
    }
}

/// A UDP flow: every datagram stands for itself.
#[derive(Debug)]
struct Datagrams {
    shared: Arc<Shared>,
    records_left: u32,
    unrecorded: u64,
}

impl Handler for Datagrams {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some((id, request)) = udp::request(bytes) else {
            return self.record_odd(cx, bytes);
        };
        let shared = &self.shared;
        let mut reply = Reply::new(self.records_left, shared.max_payload);
        let rest = shared.visit(cx.session(), cx.now(), |cache, now| {
            let mut dialogue = Dialogue::default();
            dialogue.take(
                request,
                &mut Visit { cache, server: &shared.server, session: cx.session(), now, reply: &mut reply },
            );
            dialogue.end()
        });
        udp::datagrams(id, &reply).iter().for_each(|datagram| cx.send(datagram));
        self.records_left = reply.records_left;
        self.unrecorded += reply.unrecorded;
        let request_id = u16::from_be_bytes(id);
        if reply.events.is_empty() && !rest.is_empty() {
            self.record_odd(cx, bytes);
        }
        for event in reply.events {
            cx.event(event.with("request_id", request_id));
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        unrecorded_event(cx, self.unrecorded);
    }
}

impl Datagrams {
    /// No request of memcached's: kept as it came.
    fn record_odd(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some(left) = self.records_left.checked_sub(1) else {
            self.unrecorded += 1;
            cx.count(Counter::DatagramsUnrecorded);
            return;
        };
        self.records_left = left;
        let mut recording = Recording::new(self.shared.max_payload);
        recording.push(bytes);
        cx.event(recording.event(Direction::Recv));
    }
}

fn unrecorded_event(cx: &mut Context<'_>, unrecorded: u64) {
    if unrecorded > 0 {
        let msg = format!("{unrecorded} further commands were not recorded one by one");
        cx.event(crate::events::Event::new("command", msg).with("unrecorded", unrecorded));
    }
}

#[cfg(test)]
mod tests;
