//! `jabber`: an XMPP server in ejabberd's words: streams, STARTTLS, SASL, binding, and the stanzas of one client; server-to-server
//! streams as far as dialback.
//!
//! `session` leads the dialogue, `xml` cuts the stream, `text` holds what the server says, `sasl` and `scram` log in; `stanza` leads to
//! `iq`, `message` and `presence` for a client that is logged in, `room` holds what the clients of a source share; `muc` are its chat
//! rooms, `pubsub` its nodes, `privacy` whom an account blocks. What the server says that it can do is in `disco`, and nothing else is.
//!
//! Which mechanisms are offered follows from the credential policy. A server must know a password to sign its half of SCRAM, and
//! clients prefer SCRAM: with passwords that are not known they would all fail, and none would be recorded. So SCRAM is offered with a list of
//! passwords only. Else PLAIN is all there is, as at an ejabberd that leaves the passwords to LDAP or PAM: every client gives its password.
//!
//! Memory: an idle session holds under 1 KiB, within TLS what rustls needs for a connection besides; a stanza on its way up to 64 KiB
//! and its elements as much again; what a source keeps is bounded in `room`. An answer repeats at most the stanza and a few hundred
//! bytes, or what was stored; one call answers 1 MiB and what the last stanza asked for.

mod disco;
mod element;
mod iq;
mod management;
mod message;
mod muc;
mod presence;
mod privacy;
mod pubsub;
mod register;
mod room;
mod roster;
mod sasl;
mod scram;
mod session;
mod stanza;
mod text;
mod xml;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde::de::Error;

use super::builtin::Builtin;
use super::held::Held;
use super::registry::{Environment, Maker, boxed};
use super::{Context, Credentials, Persona, Policy, Session, Sources, Tls, TlsKit};
use crate::flow::Transport;

use room::Room;
use session::Jabber;
use stanza::Place;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "jabber",
    aliases: &["xmpp"],
    transports: &[Transport::Tcp],
    default_ports: &[5_222, 5_269],
    about: "XMPP as ejabberd speaks it: STARTTLS, SASL, binding, stanzas, chat rooms, nodes; server streams",
    prepare,
};

pub(super) const BUILTIN_TLS: Builtin = Builtin {
    name: "jabbers",
    aliases: &["xmpps"],
    transports: &[Transport::Tcp],
    default_ports: &[5_223],
    about: "jabber within TLS",
    prepare: prepare_tls,
};
/// Sources whose name for this server and whose accounts are remembered, and how long.
const MAX_SOURCES: usize = 4_096;
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `[handlers.jabber]` and `[handlers.jabbers]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// What `jabber:iq:version` says.
    version: String,
    /// Which logins are let in.
    credentials: Policy,
    /// SASL mechanisms that are offered; those of SCRAM with a list of passwords only.
    mechanisms: Vec<String>,
    /// Host names that are served, besides the persona's own and the address that was dialled.
    hosts: Vec<String>,
    /// The first other name that a source asks for is served, too; all further ones are unknown hosts.
    adopt_host: bool,
    /// Stanzas of one session that are recorded one by one; the others are counted.
    max_records: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: "14.07".to_owned(),
            credentials: Policy::AcceptAll,
            mechanisms: ["PLAIN", "SCRAM-SHA-1"].map(str::to_owned).to_vec(),
            hosts: Vec::new(),
            adopt_host: true,
            max_records: 1_000,
        }
    }
}

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// Accounts are made on demand: where every password is let in.
    registers: bool,
    /// What is offered of the mechanisms.
    mechanisms: Vec<String>,
    credentials: Credentials,
    persona: Arc<Persona>,
    kit: Arc<TlsKit>,
    adopted: Sources<Option<String>>,
    rooms: Sources<Arc<Mutex<Room>>>,
    held: Held,
    max_payload: usize,
}

impl Shared {
    fn new(environment: &Environment<'_>) -> Result<Arc<Self>, toml::de::Error> {
        let settings: Settings = environment.settings()?;
        let credentials = Credentials::new(settings.credentials.clone());
        Ok(Arc::new(Self {
            mechanisms: offered(&settings.mechanisms, &credentials).map_err(toml::de::Error::custom)?,
            credentials,
            registers: matches!(settings.credentials, Policy::AcceptAll),
            settings,
            persona: Arc::clone(&environment.persona),
            kit: environment.tls_kit(),
            adopted: Sources::new(MAX_SOURCES, KEEP),
            rooms: Sources::new(MAX_SOURCES, KEEP),
            held: Held::default(),
            max_payload: environment.max_payload,
        }))
    }

    /// The host name that a stream to `to` comes from; `None`: it is not served here.
    fn host(&self, cx: &Context<'_>, to: &str) -> Option<String> {
        let (persona, wanted) = (&self.persona, to.to_lowercase());
        if wanted.is_empty() {
            return Some(persona.fqdn());
        }
        let dialled = cx.session().dialled.ip().to_canonical().to_string();
        let own = [persona.fqdn().as_str(), persona.host_name(), persona.domain(), "localhost", dialled.as_str()]
            .contains(&wanted.as_str());
        if own || self.settings.hosts.iter().any(|host| host.eq_ignore_ascii_case(&wanted)) {
            return Some(wanted);
        }
        let is_plausible = wanted.len() <= 253
            && wanted.starts_with(|c: char| c.is_alphanumeric())
            && wanted.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if !self.settings.adopt_host || !is_plausible {
            return None;
        }
        self.adopted.with(cx.session().client.ip(), cx.now(), |adopted| {
            let name = adopted.get_or_insert_with(|| wanted.clone());
            (*name == wanted).then_some(wanted)
        })
    }
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let shared = Shared::new(environment)?;
    Ok(boxed(move |session: &Session| Jabber::new(&shared, session, false)))
}

fn prepare_tls(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let shared = Shared::new(environment)?;
    let kit = environment.tls_kit();
    Ok(boxed(move |session: &Session| Tls::new(Arc::clone(&kit), Jabber::new(&shared, session, true))))
}

/// The mechanisms that can succeed; the error says what to change.
fn offered(mechanisms: &[String], credentials: &Credentials) -> Result<Vec<String>, String> {
    const KNOWN: [&str; 3] = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"];
    if let Some(unknown) = mechanisms.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!("mechanisms: {unknown:?} is not served, only {}", KNOWN.join(", ")));
    }
    let can_succeed = |name: &&String| *name == "PLAIN" || credentials.knows_passwords();
    let offered: Vec<String> = mechanisms.iter().filter(can_succeed).cloned().collect();
    if offered.is_empty() {
        return Err("mechanisms: SCRAM needs credentials = { list = [...] } without *, else add \"PLAIN\"".to_owned());
    }
    Ok(offered)
}

/// Which side opened the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Client,
    Server,
}

/// A client that is logged in.
#[derive(Debug)]
struct User {
    name: String,
    resource: Option<String>,
    /// A resource for those who ask for none.
    spare: String,
    /// Its seat in the room, once it has a resource.
    link: Option<u64>,
}

impl User {
    fn bare(&self, host: &str) -> String {
        format!("{}@{host}", self.name)
    }

    fn address(&self, host: &str) -> String {
        let resource = self.resource.as_ref().map(|resource| format!("/{resource}"));
        format!("{}@{host}{}", self.name, resource.unwrap_or_default())
    }

    /// Takes a seat with this resource; false when there is none left.
    fn bind(&mut self, wanted: &str, place: &mut Place<'_>) -> bool {
        /// Bytes of a resource (RFC 7622 section 3.4).
        const MAX_RESOURCE: usize = 1_023;
        let fits = (1..=MAX_RESOURCE).contains(&wanted.len());
        let resource = if fits { wanted.to_owned() } else { self.spare.clone() };
        let bare = self.bare(place.host);
        if let Some(link) = place.link(&bare, &resource) {
            // The session of before is replaced: the others see it go.
            let resource = Some(resource.clone());
            let before = Self { name: self.name.clone(), resource, spare: String::new(), link: Some(link) };
            presence::leave(&before, place);
        }
        self.link = place.room.sit(&bare, &resource);
        self.resource = self.link.map(|_| resource);
        self.link.is_some()
    }
}

#[cfg(test)]
mod tests;
