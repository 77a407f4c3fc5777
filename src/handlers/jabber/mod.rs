//! `jabber`: an XMPP server in ejabberd's words: streams, STARTTLS, SASL, binding, and the stanzas of one client; server-to-server
//! streams as far as dialback.
//!
//! `xml` cuts the stream, `text` holds what the server says, `sasl` and `scram` log in, `stanza` answers a client that is logged in.
//!
//! Memory: an idle session holds under 1 KiB, within TLS what rustls needs for a connection besides; a stanza on its way up to 64 KiB
//! and its elements as much again. An answer repeats at most the stanza and a few hundred bytes.

mod sasl;
mod scram;
mod stanza;
mod text;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::builtin::Builtin;
use super::recording::{Direction, Recording, with_text};
use super::registry::{Environment, Maker, boxed};
use super::{Context, Credentials, Handler, Persona, Policy, Random, Session, Sources, Tls, TlsKit, TlsStream};
use crate::events::Event;
use crate::flow::Transport;

use sasl::Outcome;
use scram::Exchange;
use stanza::Place;
use xml::{Element, Fault, Found, Parser};

pub(super) const BUILTIN: Builtin = Builtin {
    name: "jabber",
    aliases: &["xmpp"],
    transports: &[Transport::Tcp],
    default_ports: &[5_222, 5_269],
    about: "XMPP as ejabberd speaks it: STARTTLS, SASL, binding, stanzas; server streams",
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

/// The port of server-to-server streams.
const SERVER_PORT: u16 = 5_269;
/// Time for the login.
const LOGIN_TIME: Duration = Duration::from_secs(120);
/// How long what follows a fault is gathered before the stream ends.
const FAULT_TIME: Duration = Duration::from_millis(40);
/// Logins that one session may try.
const MAX_TRIES: u32 = 10;
/// Streams in one session: the first, after TLS, after SASL, and some to spare.
const MAX_STREAMS: u32 = 8;
/// Sources whose name for this server is remembered, and how long.
const MAX_SOURCES: usize = 16_384;
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `[handlers.jabber]` and `[handlers.jabbers]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// What `jabber:iq:version` says.
    version: String,
    /// Which logins are let in. SCRAM logins succeed only with passwords of a list: a server must know them to sign its answer.
    credentials: Policy,
    /// SASL mechanisms that are offered.
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
            mechanisms: ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"].map(str::to_owned).to_vec(),
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
    credentials: Credentials,
    persona: Arc<Persona>,
    kit: Arc<TlsKit>,
    adopted: Sources<Option<String>>,
    max_payload: usize,
}

impl Shared {
    fn new(environment: &Environment<'_>) -> Result<Arc<Self>, toml::de::Error> {
        let settings: Settings = environment.settings()?;
        Ok(Arc::new(Self {
            credentials: Credentials::new(settings.credentials.clone()),
            settings,
            persona: Arc::clone(&environment.persona),
            kit: environment.tls_kit(),
            adopted: Sources::new(MAX_SOURCES, KEEP),
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
}

impl User {
    fn bare(&self, host: &str) -> String {
        format!("{}@{host}", self.name)
    }

    fn address(&self, host: &str) -> String {
        let resource = self.resource.as_ref().map(|resource| format!("/{resource}"));
        format!("{}@{host}{}", self.name, resource.unwrap_or_default())
    }

    fn bind(&mut self, wanted: &str) {
        /// Bytes of a resource (RFC 7622 section 3.4).
        const MAX_RESOURCE: usize = 1_023;
        let fits = (1..=MAX_RESOURCE).contains(&wanted.len());
        self.resource = Some(if fits { wanted.to_owned() } else { self.spare.clone() });
    }
}

/// One session.
struct Jabber {
    shared: Arc<Shared>,
    random: Random,
    kind: Kind,
    parser: Parser,
    /// TLS that was begun within the stream.
    tls: Option<Box<TlsStream>>,
    /// TLS was there before the stream.
    is_inside_tls: bool,
    said_hello: bool,
    /// The host of the stream, once its header has come.
    host: Option<String>,
    exchange: Option<Exchange>,
    user: Option<User>,
    tries: u32,
    streams: u32,
    records_left: u32,
    unrecorded: u64,
    recorded: bool,
    /// What was no XML, and everything after it.
    faulty: Option<(Fault, Recording)>,
    /// The session is at its end: nothing is read any more.
    over: bool,
}

impl Jabber {
    fn new(shared: &Arc<Shared>, session: &Session, is_inside_tls: bool) -> Self {
        let kind = if session.dialled.port() == SERVER_PORT { Kind::Server } else { Kind::Client };
        Self {
            shared: Arc::clone(shared),
            random: Random::new(session.seed),
            kind,
            parser: Parser::default(),
            tls: None,
            is_inside_tls,
            said_hello: false,
            host: None,
            exchange: None,
            user: None,
            tries: 0,
            streams: 0,
            records_left: shared.settings.max_records,
            unrecorded: 0,
            recorded: false,
            faulty: None,
            over: false,
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, text: &str) {
        match &mut self.tls {
            Some(tls) => {
                tls.send(text.as_bytes());
                cx.send(tls.take_output());
            }
            None => cx.send(text),
        }
    }

    fn end(&mut self, cx: &mut Context<'_>, text: &str) {
        self.send(cx, text);
        self.over = true;
        if let Some(tls) = &mut self.tls {
            tls.close();
            cx.send(tls.take_output());
        }
        cx.close();
    }

    /// Ends the stream with an error; one that has not begun is begun for it.
    fn fail(&mut self, cx: &mut Context<'_>, condition: &str, text: &str) {
        let header = match self.host {
            Some(_) => String::new(),
            None => text::header(self.kind, &self.draw_id(), &self.shared.persona.fqdn(), true),
        };
        self.end(cx, &format!("{header}{}", text::stream_error(condition, text)));
    }

    /// A stream id: up to ten digits.
    fn draw_id(&mut self) -> String {
        self.random.within(&(10_000_000..=4_294_967_295)).to_string()
    }

    fn record(&mut self, cx: &mut Context<'_>, what: &str, raw: &[u8], fields: &[(&str, Option<&str>)]) {
        self.recorded = true;
        let Some(left) = self.records_left.checked_sub(1) else {
            self.unrecorded += 1;
            return;
        };
        self.records_left = left;
        let mut decoded = Map::new();
        for (name, value) in fields {
            if let Some(value) = value {
                decoded.insert((*name).to_owned(), Value::from(*value));
            }
        }
        let event = Event::new("command", format!("XMPP {what}"));
        let kept = raw.get(..self.shared.max_payload).unwrap_or(raw);
        let event = with_text(event, "command", kept).with("decoded", decoded);
        cx.event(if kept.len() < raw.len() { event.with("truncated", true) } else { event });
    }

    /// Reads what came in the clear or out of TLS.
    fn read(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut input = bytes;
        if let Some((_, recording)) = &mut self.faulty {
            recording.push(bytes);
            return;
        }
        while !self.over
            && self.faulty.is_none()
            && let Some(found) = self.parser.next(&mut input)
        {
            match found {
                Found::Header(header, raw) => self.header(cx, &header, &raw),
                Found::Stanza(stanza, raw) => {
                    let starts_tls = self.stanza(cx, &stanza, &raw);
                    if starts_tls {
                        // What followed in the clear belongs to the handshake, if to anything.
                        return self.encrypted(cx, input);
                    }
                }
                Found::End => self.end(cx, "</stream:stream>"),
                Found::Fault(fault) => self.fault(cx, fault, input),
            }
        }
    }

    fn fault(&mut self, cx: &mut Context<'_>, fault: Fault, rest: &[u8]) {
        let mut recording = Recording::new(self.shared.max_payload);
        recording.push(self.parser.remains());
        recording.push(rest);
        self.faulty = Some((fault, recording));
        cx.deadline_in(FAULT_TIME);
    }

    fn record_fault(&mut self, cx: &mut Context<'_>) -> Option<Fault> {
        let (fault, recording) = self.faulty.take()?;
        cx.event(recording.event(Direction::Recv).with("note", "no XML of a stream"));
        self.recorded = true;
        Some(fault)
    }

    fn header(&mut self, cx: &mut Context<'_>, header: &Element, raw: &[u8]) {
        let fields = ["to", "from", "version", "xmlns", "xml:lang"].map(|name| (name, header.attribute(name)));
        self.record(cx, "stream", raw, &fields);
        self.streams += 1;
        let prefix = header.name.strip_suffix(":stream").unwrap_or_default();
        let is_stream = header.attribute(&format!("xmlns:{prefix}")) == Some(text::STREAMS);
        self.kind = match header.namespace() {
            "jabber:server" => Kind::Server,
            _ => self.kind,
        };
        if !is_stream || !matches!(header.namespace(), "jabber:client" | "jabber:server") {
            return self.fail(cx, "invalid-namespace", "");
        }
        let Some(host) = self.shared.host(cx, header.attribute("to").unwrap_or_default()) else {
            return self.fail(cx, "host-unknown", "");
        };
        if self.streams > MAX_STREAMS {
            return self.fail(cx, "policy-violation", "");
        }
        let version = header.attribute("version").is_some();
        let mut answer = text::header(self.kind, &self.draw_id(), &host, version);
        if version {
            let offers_tls = self.tls.is_none() && !self.is_inside_tls;
            let shared = Arc::clone(&self.shared);
            let mechanisms = self.user.is_none().then_some(shared.settings.mechanisms.as_slice());
            answer.push_str(&text::features(self.kind, offers_tls, mechanisms));
        }
        self.host = Some(host);
        self.send(cx, &answer);
    }

    /// Answers one stanza; true when TLS begins.
    fn stanza(&mut self, cx: &mut Context<'_>, stanza: &Element, raw: &[u8]) -> bool {
        let query = stanza.children.first();
        let fields = [
            ("name", Some(stanza.name.as_str())),
            ("type", stanza.attribute("type")),
            ("to", stanza.attribute("to")),
            ("mechanism", stanza.attribute("mechanism")),
            ("query", query.map(Element::namespace).filter(|namespace| !namespace.is_empty())),
            ("body", stanza.child("body").map(|body| body.text.as_str())),
        ];
        self.record(cx, &stanza.name, raw, &fields);
        match (stanza.name.as_str(), stanza.namespace()) {
            ("starttls", text::TLS) => {
                if self.tls.is_some() || self.is_inside_tls {
                    self.end(cx, &format!("<failure xmlns='{}'/></stream:stream>", text::TLS));
                    return false;
                }
                self.send(cx, &format!("<proceed xmlns='{}'/>", text::TLS));
                self.tls = Some(Box::new(TlsStream::new(&self.shared.kit)));
                self.restart();
                return true;
            }
            ("auth" | "response" | "abort", text::SASL) if self.user.is_none() && self.kind == Kind::Client => {
                self.login(cx, stanza);
            }
            ("db:result" | "db:verify", _) if self.kind == Kind::Server => self.dialback(cx, stanza),
            _ if self.kind == Kind::Server => {}
            ("iq" | "message" | "presence", _) if self.user.is_some() => self.reply(cx, stanza),
            ("iq", _) => self.early(cx, stanza),
            _ => {}
        }
        false
    }

    /// A new stream begins on the same connection.
    fn restart(&mut self) {
        self.parser = Parser::default();
        self.host = None;
        self.exchange = None;
    }

    fn login(&mut self, cx: &mut Context<'_>, message: &Element) {
        let shared = Arc::clone(&self.shared);
        let outcome = match (message.name.as_str(), self.exchange.take()) {
            ("auth", _) => sasl::begin(&shared, cx, &mut self.random, message),
            ("response", Some(exchange)) => sasl::finish(&shared, cx, &exchange, message),
            ("response", None) => Outcome::Failure("not-authorized"),
            _ => Outcome::Failure("aborted"),
        };
        match outcome {
            Outcome::Challenge(text, exchange) => {
                self.exchange = Some(exchange);
                self.send(cx, &text);
            }
            Outcome::Success(text, name) => {
                self.send(cx, &text);
                self.enter(cx, name);
                self.restart();
            }
            Outcome::Failure(condition) => {
                self.send(cx, &text::sasl_failure(condition));
                self.tries += 1;
                if self.tries >= MAX_TRIES {
                    self.fail(cx, "policy-violation", "");
                }
            }
        }
    }

    fn enter(&mut self, cx: &mut Context<'_>, name: String) {
        cx.clear_deadline();
        let spare =
            self.random.within(&(1_000_000_000..=9_999_999_999)).to_string() + &cx.now().as_micros().to_string();
        self.user = Some(User { name: name.to_lowercase(), resource: None, spare });
    }

    /// An `iq` before the login: the older way to log in, or nothing that is answered well.
    fn early(&mut self, cx: &mut Context<'_>, stanza: &Element) {
        let Some(query) = stanza.child("query").filter(|query| query.namespace() == "jabber:iq:auth") else {
            let error = text::stanza_error(stanza, 503, "cancel", "service-unavailable");
            let text = text::answer(stanza, "error", "", self.host.as_deref(), &error);
            return self.send(cx, &text);
        };
        let shared = Arc::clone(&self.shared);
        let host = self.host.clone();
        let text = if stanza.attribute("type") == Some("get") {
            let fields = "<query xmlns='jabber:iq:auth'><username/><password/><digest/><resource/></query>";
            text::answer(stanza, "result", "", host.as_deref(), fields)
        } else if let Some((name, resource)) = sasl::legacy(&shared, cx, query) {
            self.enter(cx, name);
            if let Some(user) = &mut self.user {
                user.bind(&resource);
            }
            text::answer(stanza, "result", "", host.as_deref(), "")
        } else {
            self.tries += 1;
            let error = text::stanza_error(stanza, 401, "auth", "not-authorized");
            text::answer(stanza, "error", "", host.as_deref(), &error)
        };
        self.send(cx, &text);
        if self.tries >= MAX_TRIES && self.user.is_none() {
            self.fail(cx, "policy-violation", "");
        }
    }

    fn reply(&mut self, cx: &mut Context<'_>, stanza: &Element) {
        let shared = Arc::clone(&self.shared);
        let (Some(user), Some(host)) = (&mut self.user, &self.host) else { return };
        let seconds = i64::try_from(cx.now().as_micros() / 1_000_000).unwrap_or(0);
        let utc = jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
        let uptime = cx.now().saturating_since(shared.persona.booted()).as_secs();
        let text = stanza::reply(stanza, user, &Place { shared: &shared, host, uptime, utc });
        if !text.is_empty() {
            self.send(cx, &text);
        }
    }

    /// A server wants to prove its name (XEP-0220). Asking the server of that name would dial out: the proof fails.
    fn dialback(&mut self, cx: &mut Context<'_>, stanza: &Element) {
        let text = text::answer(stanza, "invalid", stanza.attribute("from").unwrap_or_default(), None, "");
        self.send(cx, &text);
    }

    /// Bytes of the TLS connection.
    fn encrypted(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return };
        let received = tls.receive(bytes);
        cx.send(tls.take_output());
        if !self.said_hello
            && let Some(hello) = tls.fingerprint()
        {
            self.said_hello = true;
            let name = hello.server_name.as_deref().unwrap_or("no name");
            let msg = format!("TLS hello for {name}, {}", hello.ja4());
            cx.event(Event::new("tls", msg).with("tls", hello.to_value()));
        }
        let has_ended = tls.has_ended();
        match received {
            Ok(plain) => {
                self.read(cx, &plain);
                if has_ended && !self.over {
                    self.end(cx, "</stream:stream>");
                }
            }
            Err(fault) => {
                self.read(cx, &fault.plain);
                cx.event(Event::new("tls_fault", format!("TLS: {}", fault.reason)).with("reason", fault.reason));
                self.over = true;
                cx.close();
            }
        }
    }
}

impl Handler for Jabber {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.deadline_in(LOGIN_TIME);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if self.over {
            return;
        }
        match self.tls {
            Some(_) => self.encrypted(cx, bytes),
            None => self.read(cx, bytes),
        }
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        if !self.over {
            let farewell = if self.host.is_some() { "</stream:stream>" } else { "" };
            self.end(cx, farewell);
        }
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        match self.record_fault(cx) {
            Some(Fault::NotWellFormed) => self.fail(cx, "xml-not-well-formed", ""),
            Some(Fault::TooBig) => self.fail(cx, "policy-violation", "XML stanza is too big"),
            None => self.fail(cx, "connection-timeout", ""),
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        let was_faulty = self.record_fault(cx).is_some();
        let rest = self.parser.remains();
        if !self.over && !was_faulty && !rest.is_empty() || !self.recorded {
            let mut recording = Recording::new(self.shared.max_payload);
            recording.push(rest);
            cx.event(recording.event(Direction::Recv));
        }
        if self.unrecorded > 0 {
            let msg = format!("{} further stanzas were not recorded one by one", self.unrecorded);
            cx.event(Event::new("command", msg).with("unrecorded", self.unrecorded));
        }
    }
}

#[cfg(test)]
mod tests;
