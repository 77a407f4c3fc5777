//! Stanzas of a client that is logged in (RFC 6120 section 8, RFC 6121): what ejabberd answers to them.

use super::roster::Refusal;
use super::text::{answer, stanza_error};
use super::xml::{Element, escaped};
use super::{Shared, User};

/// Who speaks to which server.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) shared: &'a Shared,
    pub(super) host: &'a str,
    /// Seconds since the server was started.
    pub(super) uptime: u64,
    /// Universal time, as XEP-0082 writes it.
    pub(super) utc: String,
}

/// Answers one stanza.
pub(super) fn reply(stanza: &Element, user: &mut User, place: &Place<'_>) -> String {
    match stanza.name.as_str() {
        "iq" => iq(stanza, user, place),
        "message" => message(stanza, user, place),
        "presence" => presence(stanza, user, place),
        _ => String::new(),
    }
}

fn iq(stanza: &Element, user: &mut User, place: &Place<'_>) -> String {
    let kind = stanza.attribute("type").unwrap_or_default();
    let (own, host) = (user.address(place.host), place.host);
    let refused = |code: u16, kind: &str, condition: &str| {
        answer(stanza, "error", &own, Some(host), &stanza_error(stanza, code, kind, condition))
    };
    if stanza.attribute("to").is_some_and(|to| to == own) {
        // To this very resource, which answers it itself.
        return forwarded(stanza, &own, &own);
    }
    if !matches!(kind, "get" | "set") {
        // A result or an error that nobody waits for.
        return if matches!(kind, "result" | "error") { String::new() } else { refused(400, "modify", "bad-request") };
    }
    let [query] = stanza.children.as_slice() else { return refused(400, "modify", "bad-request") };
    let (bare, to) = (user.bare(host), stanza.attribute("to").unwrap_or_default());
    let to_self = to.is_empty() || to.eq_ignore_ascii_case(&bare);
    let to_server = to.is_empty() || to.eq_ignore_ascii_case(host);
    if !to_self && !to_server {
        let is_local = to.split('/').next().and_then(|bare| bare.rsplit('@').next()) == Some(host);
        return if is_local {
            refused(503, "cancel", "service-unavailable")
        } else {
            refused(404, "cancel", "remote-server-not-found")
        };
    }
    let version = escaped(&place.shared.settings.version);
    let content = match (kind, query.namespace()) {
        ("set", "urn:ietf:params:xml:ns:xmpp-bind") => {
            let wanted = query.child("resource").map(|resource| resource.text.as_str()).unwrap_or_default();
            user.bind(wanted);
            let address = escaped(&user.address(host));
            let content = format!("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{address}</jid></bind>");
            return answer(stanza, "result", "", None, &content);
        }
        ("set", "urn:ietf:params:xml:ns:xmpp-session") | (_, "urn:xmpp:ping") => String::new(),
        ("get", "jabber:iq:roster") => user.roster.query(),
        ("set", "jabber:iq:roster") => match user.roster.change(query) {
            Ok(pushed) => {
                let push = format!("push{}{}", user.spare, user.roster.next_push());
                let (bare, address) = (escaped(&bare), escaped(&own));
                let push = format!("<iq from='{bare}' to='{address}' id='{push}' type='set'>{pushed}</iq>");
                return push + &answer(stanza, "result", &own, Some(&bare), "");
            }
            Err(Refusal::BadRequest) => return refused(400, "modify", "bad-request"),
            Err(Refusal::Full) => return refused(500, "wait", "resource-constraint"),
        },
        ("set", "vcard-temp" | "jabber:iq:private") => String::new(),
        ("get", "vcard-temp") if to_self => "<vCard xmlns='vcard-temp'/>".to_owned(),
        ("get", "jabber:iq:private") => {
            let mut out = String::new();
            query.write(&mut out);
            out
        }
        ("get", "http://jabber.org/protocol/disco#info") if !to.eq_ignore_ascii_case(host) => ACCOUNT.to_owned(),
        ("get", "http://jabber.org/protocol/disco#info") => INFO.to_owned(),
        ("get", "http://jabber.org/protocol/disco#items") if !to.eq_ignore_ascii_case(host) => format!(
            "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='{}' name='{}'/></query>",
            escaped(&own),
            escaped(&user.name)
        ),
        ("get", "http://jabber.org/protocol/disco#items") => {
            "<query xmlns='http://jabber.org/protocol/disco#items'/>".to_owned()
        }
        ("get", "jabber:iq:version") if to_server => format!(
            "<query xmlns='jabber:iq:version'><name>ejabberd</name><version>{version}</version><os>unix/linux 3.16.0</os></query>"
        ),
        // The user is here.
        ("get", "jabber:iq:last") if !to.eq_ignore_ascii_case(host) => {
            "<query xmlns='jabber:iq:last' seconds='0'/>".to_owned()
        }
        ("get", "jabber:iq:last") => format!("<query xmlns='jabber:iq:last' seconds='{}'/>", place.uptime),
        ("get", "urn:xmpp:time") => {
            format!("<time xmlns='urn:xmpp:time'><tzo>00:00</tzo><utc>{}</utc></time>", place.utc)
        }
        _ => return refused(503, "cancel", "service-unavailable"),
    };
    answer(stanza, "result", &own, Some(if to.is_empty() { &bare } else { host }), &content)
}

const ACCOUNT: &str = "<query xmlns='http://jabber.org/protocol/disco#info'>\
    <identity category='account' type='registered'/></query>";
const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'>\
    <identity category='server' type='im' name='ejabberd'/>\
    <feature var='http://jabber.org/protocol/commands'/>\
    <feature var='http://jabber.org/protocol/disco#info'/>\
    <feature var='http://jabber.org/protocol/disco#items'/>\
    <feature var='iq'/><feature var='jabber:iq:last'/><feature var='jabber:iq:version'/>\
    <feature var='msgoffline'/><feature var='presence'/><feature var='urn:xmpp:ping'/><feature var='urn:xmpp:time'/>\
    <feature var='vcard-temp'/></query>";

fn message(stanza: &Element, user: &User, place: &Place<'_>) -> String {
    let own = user.address(place.host);
    if stanza.attribute("type") == Some("error") {
        return String::new();
    }
    let to_self = user.bare(place.host);
    let to = stanza.attribute("to").unwrap_or(&to_self);
    let bare = to.split('/').next().unwrap_or_default();
    if bare.eq_ignore_ascii_case(&user.bare(place.host)) {
        return forwarded(stanza, &own, to);
    }
    if bare.rsplit('@').next() == Some(place.host) {
        let error = stanza_error(stanza, 503, "cancel", "service-unavailable");
        return answer(stanza, "error", &own, None, &error);
    }
    answer(stanza, "error", &own, None, &stanza_error(stanza, 404, "cancel", "remote-server-not-found"))
}

fn presence(stanza: &Element, user: &User, place: &Place<'_>) -> String {
    let own = user.address(place.host);
    match (stanza.attribute("to"), stanza.attribute("type")) {
        // One's own presence comes back to every resource that is available.
        (None, None) => forwarded(stanza, &own, &own),
        _ => String::new(),
    }
}

fn forwarded(stanza: &Element, from: &str, to: &str) -> String {
    let mut copy = stanza.clone();
    copy.attributes.retain(|(name, _)| !matches!(name.as_str(), "from" | "to"));
    copy.attributes.insert(0, ("to".to_owned(), to.to_owned()));
    copy.attributes.insert(0, ("from".to_owned(), from.to_owned()));
    let mut out = String::new();
    copy.write(&mut out);
    out
}
