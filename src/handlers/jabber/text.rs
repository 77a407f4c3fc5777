//! What the server says on a stream, in ejabberd's words.

use super::element::{Element, escaped};
use super::management::NAMESPACES;
use super::{Kind, disco, pubsub};

/// The streams' namespace (RFC 6120 section 4.8.1).
pub(super) const STREAMS: &str = "http://etherx.jabber.org/streams";
pub(super) const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
pub(super) const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// The response header. `version` is said to those who said theirs.
pub(super) fn header(kind: Kind, id: &str, from: &str, version: bool) -> String {
    let version = if version { " version='1.0'" } else { "" };
    match kind {
        Kind::Client => format!(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}' id='{id}' from='{}'{version}>",
            escaped(from)
        ),
        Kind::Server => format!(
            "<?xml version='1.0'?><stream:stream xmlns:stream='{STREAMS}' xmlns='jabber:server' xmlns:db='jabber:server:dialback' id='{id}'{version}>"
        ),
    }
}

/// A stream error (RFC 6120 section 4.9) and the end of the stream.
pub(super) fn stream_error(condition: &str, text: &str) -> String {
    let text = match text {
        "" => String::new(),
        text => format!("<text xml:lang='en' xmlns='{STREAM_ERRORS}'>{text}</text>"),
    };
    format!("<stream:error><{condition} xmlns='{STREAM_ERRORS}'/>{text}</stream:error></stream:stream>")
}

/// What may be negotiated next.
pub(super) fn features(kind: Kind, offers_tls: bool, mechanisms: Option<&[String]>, registers: bool) -> String {
    let tls = if offers_tls { format!("<starttls xmlns='{TLS}'/>") } else { String::new() };
    let inner = match (kind, mechanisms) {
        (Kind::Server, _) => "<dialback xmlns='urn:xmpp:features:dialback'/>".to_owned(),
        (Kind::Client, Some(mechanisms)) => {
            let list: String = mechanisms.iter().map(|name| format!("<mechanism>{name}</mechanism>")).collect();
            let register = if registers { "<register xmlns='http://jabber.org/features/iq-register'/>" } else { "" };
            format!("<mechanisms xmlns='{SASL}'>{list}</mechanisms>{}{register}", capabilities())
        }
        (Kind::Client, None) => {
            let management: String = NAMESPACES.iter().map(|name| format!("<sm xmlns='{name}'/>")).collect();
            format!(
                "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>\
                 {management}{}",
                capabilities()
            )
        }
    };
    format!("<stream:features>{tls}{inner}</stream:features>")
}

/// What the server can do, as a digest (XEP-0115).
fn capabilities() -> String {
    let (node, version) = (disco::NODE, disco::version());
    format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='{version}'/>")
}

/// A SASL failure (RFC 6120 section 6.5).
pub(super) fn sasl_failure(condition: &str) -> String {
    format!("<failure xmlns='{SASL}'><{condition}/></failure>")
}

/// The answer to a stanza: its name, the addresses exchanged, this type and content.
pub(super) fn answer(stanza: &Element, kind: &str, own: &str, from: Option<&str>, content: &str) -> String {
    let mut out = format!("<{}", stanza.name);
    let from = stanza.attribute("to").or(from);
    let attributes = [("from", from), ("to", Some(own).filter(|own| !own.is_empty())), ("id", stanza.attribute("id"))];
    for (name, value) in attributes {
        if let Some(value) = value {
            out.push_str(&format!(" {name}='{}'", escaped(value)));
        }
    }
    out.push_str(&format!(" type='{kind}'"));
    if content.is_empty() { out + "/>" } else { format!("{out}>{content}</{}>", stanza.name) }
}

/// What is wrong with a stanza (RFC 6120 section 8.3), with ejabberd's older numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrong {
    code: u16,
    kind: &'static str,
    condition: &'static str,
    text: &'static str,
    /// A condition of XEP-0060 besides.
    besides: &'static str,
}

impl Wrong {
    pub(super) const BAD_REQUEST: Self = Self::new(400, "modify", "bad-request");
    pub(super) const NOT_AUTHORIZED: Self = Self::new(401, "auth", "not-authorized");
    pub(super) const FORBIDDEN: Self = Self::new(403, "auth", "forbidden");
    pub(super) const NOT_FOUND: Self = Self::new(404, "cancel", "item-not-found");
    pub(super) const NO_SUCH_SERVER: Self = Self::new(404, "cancel", "remote-server-not-found");
    pub(super) const NOT_ALLOWED: Self = Self::new(405, "cancel", "not-allowed");
    pub(super) const NOT_ACCEPTABLE: Self = Self::new(406, "modify", "not-acceptable");
    pub(super) const CONFLICT: Self = Self::new(409, "cancel", "conflict");
    pub(super) const NO_ROOM: Self = Self::new(500, "wait", "resource-constraint");
    pub(super) const UNAVAILABLE: Self = Self::new(503, "cancel", "service-unavailable");

    pub(super) const fn new(code: u16, kind: &'static str, condition: &'static str) -> Self {
        Self { code, kind, condition, text: "", besides: "" }
    }

    /// With words for a person.
    pub(super) const fn saying(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    /// With a condition of XEP-0060.
    pub(super) const fn besides(self, besides: &'static str) -> Self {
        Self { besides, ..self }
    }

    /// `<error/>`
    pub(super) fn element(self) -> String {
        let Self { code, kind, condition, text, besides } = self;
        let text = match text {
            "" => String::new(),
            text => format!("<text xmlns='{STANZA_ERRORS}'>{}</text>", escaped(text)),
        };
        let besides = match besides {
            "" => String::new(),
            name => format!("<{name} xmlns='{}#errors'/>", pubsub::NAMESPACE),
        };
        format!("<error code='{code}' type='{kind}'><{condition} xmlns='{STANZA_ERRORS}'/>{text}{besides}</error>")
    }

    /// The content of an error answer: what was asked, and what is wrong with it.
    pub(super) fn of(self, stanza: &Element) -> String {
        /// Bytes of a stanza that its error repeats: an answer shall not be much longer than the question.
        const MAX_REPEATED: usize = 4_096;
        let asked = stanza.inner();
        if asked.len() > MAX_REPEATED { self.element() } else { asked + &self.element() }
    }
}
