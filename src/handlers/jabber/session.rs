//! One session: streams, TLS within them, the login, and what is recorded of it all.

mod login;
mod secure;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use super::element::Element;
use super::management::Management;
use super::room::Room;
use super::sasl::Pending;
use super::stanza::{self, Place};
use super::text::Wrong;
use super::xml::{Fault, Found, Parser};
use super::{Kind, Shared, User, presence, text};
use crate::events::Event;
use crate::handlers::look::Look;
use crate::handlers::recording::{Direction, Recording, with_text};
use crate::handlers::{Context, Handler, Random, Session, TlsStream};

/// The port of server-to-server streams.
const SERVER_PORT: u16 = 5_269;
/// Where clients alone are heard. On a port of neither, the namespace says who comes.
const CLIENT_PORTS: [u16; 2] = [5_222, 5_223];
/// Time for the login.
const LOGIN_TIME: Duration = Duration::from_secs(120);
/// How long what follows a fault is gathered before the stream ends.
const FAULT_TIME: Duration = Duration::from_millis(40);
/// How often a client looks into its mailbox at least, while something goes on.
const LISTEN: Duration = Duration::from_millis(60);
/// Bytes that one call answers: who asks for more in one breath is refused.
const MAX_ANSWERED: usize = 1024 * 1024;
/// Streams in one session: the first, after TLS, after SASL, and some to spare.
const MAX_STREAMS: u32 = 8;

/// One session.
pub(super) struct Jabber {
    shared: Arc<Shared>,
    random: Random,
    kind: Kind,
    parser: Parser,
    /// TLS that was begun within the stream.
    tls: Option<Box<TlsStream>>,
    /// Nothing of the handshake has come yet.
    awaits_hello: bool,
    /// TLS was there before the stream.
    is_inside_tls: bool,
    said_hello: bool,
    /// The host of the stream, once its header has come.
    host: Option<String>,
    login: Option<Pending>,
    user: Option<User>,
    /// What the source's clients share, once this one is logged in.
    room: Arc<Mutex<Room>>,
    management: Management,
    look: Look,
    tries: u32,
    streams: u32,
    /// Bytes that this call has answered.
    answered: usize,
    records_left: u32,
    unrecorded: u64,
    recorded: bool,
    /// What was no XML, and everything after it.
    faulty: Option<(Fault, Recording)>,
    /// The session is at its end: nothing is read any more.
    over: bool,
}

impl Jabber {
    pub(super) fn new(shared: &Arc<Shared>, session: &Session, is_inside_tls: bool) -> Self {
        let kind = if session.dialled.port() == SERVER_PORT { Kind::Server } else { Kind::Client };
        Self {
            shared: Arc::clone(shared),
            random: Random::new(session.seed),
            kind,
            parser: Parser::default(),
            tls: None,
            awaits_hello: false,
            is_inside_tls,
            said_hello: false,
            host: None,
            login: None,
            user: None,
            room: Arc::default(),
            management: Management::default(),
            look: Look::default(),
            tries: 0,
            streams: 0,
            answered: 0,
            records_left: shared.settings.max_records,
            unrecorded: 0,
            recorded: false,
            faulty: None,
            over: false,
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, text: &str) {
        self.answered += text.len();
        match &mut self.tls {
            Some(tls) => {
                tls.send(text.as_bytes());
                cx.send(tls.take_output());
            }
            None => cx.send(text),
        }
    }

    fn end(&mut self, cx: &mut Context<'_>, text: &str) {
        self.leave(cx);
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
        // ejabberd's listener for servers takes no clients; that for clients looks only at the namespace of streams, and its client is one.
        let is_known = match header.namespace() {
            "jabber:client" => self.kind == Kind::Client,
            "jabber:server" => true,
            _ => false,
        };
        if !CLIENT_PORTS.contains(&cx.session().dialled.port()) && header.namespace() == "jabber:server" {
            self.kind = Kind::Server;
        }
        if !is_stream || !is_known {
            return self.fail(cx, "invalid-namespace", "");
        }
        let Some(host) = self.shared.host(cx, header.attribute("to").unwrap_or_default()) else {
            return self.fail(cx, "host-unknown", "");
        };
        if self.streams > MAX_STREAMS {
            return self.fail(cx, "policy-violation", "");
        }
        let version = header.attribute("version") == Some("1.0");
        let mut answer = text::header(self.kind, &self.draw_id(), &host, version);
        if version {
            let offers_tls = self.tls.is_none() && !self.is_inside_tls;
            let shared = Arc::clone(&self.shared);
            let mechanisms = self.user.is_none().then_some(shared.mechanisms.as_slice());
            answer.push_str(&text::features(self.kind, offers_tls, mechanisms, shared.registers));
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
                self.awaits_hello = true;
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
            _ => {
                let is_bound = self.user.as_ref().is_some_and(|user| user.link.is_some());
                let answer = self.management.answer(stanza, is_bound).filter(|_| self.user.is_some());
                self.send(cx, &answer.unwrap_or_default());
            }
        }
        false
    }

    /// A new stream begins on the same connection.
    fn restart(&mut self) {
        self.parser = Parser::default();
        self.host = None;
        self.login = None;
    }

    fn reply(&mut self, cx: &mut Context<'_>, stanza: &Element) {
        let (Some(user), Some(host)) = (&self.user, &self.host) else { return };
        let is_own = |from: &str| from.eq_ignore_ascii_case(&user.bare(host)) || from == user.address(host);
        if stanza.attribute("from").is_some_and(|from| !is_own(from)) {
            return self.fail(cx, "invalid-from", "");
        }
        self.management.count();
        let is_too_much = self.answered > MAX_ANSWERED;
        let text = self.with_place(cx, |user, place| {
            match is_too_much {
                // Without what was asked, which would be an answer as long.
                true => place.refuse(&Element { children: Vec::new(), ..stanza.clone() }, user, Wrong::NO_ROOM),
                false => stanza::take(stanza, user, place),
            }
            std::mem::take(&mut place.out)
        });
        self.send_stanzas(cx, text.unwrap_or_default());
    }

    fn send_stanzas(&mut self, cx: &mut Context<'_>, text: String) {
        if !text.is_empty() {
            self.send(cx, &(text + &self.management.request()));
        }
    }

    /// Works in the room of the client's source.
    fn with_place<R>(&mut self, cx: &Context<'_>, work: impl FnOnce(&mut User, &mut Place<'_>) -> R) -> Option<R> {
        let (user, host) = (self.user.as_mut()?, self.host.as_deref()?);
        let seconds = i64::try_from(cx.now().as_micros() / 1_000_000).unwrap_or(0);
        let utc = jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
        let uptime = cx.now().saturating_since(self.shared.persona.booted()).as_secs();
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place = Place { shared: &self.shared, host, room: &mut room, uptime, utc, out: String::new() };
        Some(work(user, &mut place))
    }

    /// Sends what other sessions have left for this one, and asks to be called when something may have come.
    fn listen(&mut self, cx: &mut Context<'_>) {
        let Some(link) = self.user.as_ref().and_then(|user| user.link) else { return };
        if self.over || self.faulty.is_some() {
            return;
        }
        let heard = self.room.lock().unwrap_or_else(PoisonError::into_inner).take(link);
        let Some(heard) = heard else { return self.fail(cx, "conflict", "Replaced by new connection") };
        if !heard.is_empty() {
            self.look.liven(cx.now());
        }
        self.send_stanzas(cx, heard);
        cx.deadline_in(self.look.after(cx.now(), LISTEN));
    }

    /// The client is no longer there for the others.
    fn leave(&mut self, cx: &Context<'_>) {
        self.with_place(cx, |user, place| presence::leave(user, place));
        self.user = None;
    }

    /// A server wants to prove its name (XEP-0220). Asking the server of that name would dial out: the proof fails.
    fn dialback(&mut self, cx: &mut Context<'_>, stanza: &Element) {
        let text = text::answer(stanza, "invalid", stanza.attribute("from").unwrap_or_default(), None, "");
        self.send(cx, &text);
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
        self.look.liven(cx.now());
        self.answered = 0;
        match self.tls {
            Some(_) => self.encrypted(cx, bytes),
            None => self.read(cx, bytes),
        }
        self.listen(cx);
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
            None if self.user.is_some() => self.listen(cx),
            None => self.fail(cx, "connection-timeout", ""),
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.leave(cx);
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
