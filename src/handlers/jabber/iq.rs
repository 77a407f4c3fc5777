//! Questions and requests (RFC 6120 section 8.2.3): to the server, to an account, or to another session.

use super::element::{Element, escaped};
use super::presence;
use super::privacy::About;
use super::roster::Refusal;
use super::stanza::{Place, readdressed, split};
use super::text::{Wrong, answer};
use super::{User, disco, privacy, pubsub, register, roster};
use crate::handlers::release::Release;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The client's own account.
    Own,
    Server,
    /// Somebody else's account.
    Other,
}

/// What comes of a request: the content of a result, or what is wrong.
type Reply = Result<String, Wrong>;

fn done() -> Reply {
    Ok(String::new())
}

/// Answers or passes on.
pub(super) fn take(stanza: &Element, user: &mut User, place: &mut Place<'_>) {
    let kind = stanza.attribute("type").unwrap_or_default();
    if user.link.is_none() {
        return bind(stanza, user, place);
    }
    let own_bare = user.bare(place.host);
    let to = stanza.attribute("to").unwrap_or_default();
    let (bare, resource) = split(to);
    if let Some(link) = resource.and_then(|resource| place.link(&bare, resource)) {
        if !place.hears(link, &user.address(place.host), About::Iq) {
            if matches!(kind, "get" | "set") {
                place.refuse(stanza, user, Wrong::UNAVAILABLE);
            }
            return;
        }
        // Another session answers it itself, and so does this one.
        let text = readdressed(stanza, &user.address(place.host), to).written();
        return place.tell(user, link, &text);
    }
    if matches!(kind, "result" | "error") {
        if bare == place.host {
            pubsub::learn_interests(stanza, user, place);
        }
        return;
    }
    let asked = match bare.as_str() {
        bare if to.is_empty() || bare == own_bare && resource.is_none() => Asked::Own,
        bare if bare == place.host => Asked::Server,
        bare if place.is_local(bare) => Asked::Other,
        _ => return place.refuse(stanza, user, Wrong::NO_SUCH_SERVER),
    };
    let reply = match (kind, stanza.children.as_slice()) {
        ("get", [query]) => get(query, asked, &bare, user, place),
        ("set", [query]) if asked == Asked::Own => set(query, user, place),
        ("set", [query]) => set_elsewhere(query, asked, place),
        _ => Err(Wrong::BAD_REQUEST),
    };
    place.reply(stanza, user, reply);
}

/// The first request of a session: a resource (RFC 6120 section 7). Others are not heard before.
fn bind(stanza: &Element, user: &mut User, place: &mut Place<'_>) {
    let bind = stanza.child("bind").filter(|bind| bind.namespace() == "urn:ietf:params:xml:ns:xmpp-bind");
    let Some(bind) = bind.filter(|_| stanza.attribute("type") == Some("set")) else { return };
    let wanted = bind.child("resource").map(|resource| resource.text.as_str()).unwrap_or_default();
    if !user.bind(wanted, place) {
        return place.refuse(stanza, user, Wrong::NO_ROOM);
    }
    let address = escaped(&user.address(place.host));
    let content = format!("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{address}</jid></bind>");
    place.out.push_str(&answer(stanza, "result", "", None, &content));
}

fn get(query: &Element, asked: Asked, bare: &str, user: &User, place: &mut Place<'_>) -> Reply {
    let own = user.bare(place.host);
    Ok(match (query.namespace(), asked) {
        ("urn:xmpp:ping", Asked::Own | Asked::Server) => String::new(),
        ("jabber:iq:roster", Asked::Own) => {
            place.room.account(&own).map(|account| account.roster.query()).unwrap_or_default()
        }
        ("vcard-temp", Asked::Server) => VCARD.to_owned(),
        ("vcard-temp", _) if asked == Asked::Own || place.has_account(bare) => {
            let whose = if asked == Asked::Own { own.as_str() } else { bare };
            place.room.stored(whose, query).unwrap_or_else(|| "<vCard xmlns='vcard-temp'/>".to_owned())
        }
        ("jabber:iq:private", Asked::Own) => private(query, &own, place),
        (privacy::NAMESPACE | privacy::BLOCKING, Asked::Own) => return privacy::tell(query, user, place),
        (pubsub::NAMESPACE | pubsub::OWNER, Asked::Own) => return pubsub::answer("get", query, &own, user, place),
        (pubsub::NAMESPACE, Asked::Other) => return pubsub::answer("get", query, bare, user, place),
        (register::NAMESPACE, Asked::Server) if place.shared.registers => register::form(Some(&user.name)),
        ("http://jabber.org/protocol/disco#info", Asked::Own) => disco::account(),
        ("http://jabber.org/protocol/disco#info", Asked::Server) => {
            let (node, known) = (query.attribute("node"), format!("{}#{}", disco::NODE, disco::version()));
            if node.is_some_and(|node| !node.is_empty() && node != known) {
                return Err(Wrong::NOT_FOUND);
            }
            disco::server(node)
        }
        ("http://jabber.org/protocol/disco#items", Asked::Own) => {
            let sessions = place.room.seats(&own);
            let sessions = sessions.map(|it| Element::new("item").with("jid", &it.address()).with("name", &user.name));
            disco::listed(None, pubsub::listed(&own, place).chain(sessions))
        }
        ("http://jabber.org/protocol/disco#items", Asked::Server) if query.attribute("node").is_none() => {
            disco::items(disco::services(place.host).into_iter().map(|jid| (jid, String::new())))
        }
        // There are no commands for visitors.
        ("http://jabber.org/protocol/disco#items", Asked::Server) => disco::listed(query.attribute("node"), []),
        ("jabber:iq:version", Asked::Own | Asked::Server) => format!(
            "<query xmlns='jabber:iq:version'><name>ejabberd</name><version>{}</version><os>unix/linux {}</os></query>",
            escaped(&place.shared.settings.version),
            Release::of(&place.shared.persona).kernel
        ),
        // The user is here.
        ("jabber:iq:last", Asked::Own) => "<query xmlns='jabber:iq:last' seconds='0'/>".to_owned(),
        ("jabber:iq:last", Asked::Server) => format!("<query xmlns='jabber:iq:last' seconds='{}'/>", place.uptime),
        ("jabber:iq:last", Asked::Other) => return last_of(bare, &own, place),
        ("urn:xmpp:time", Asked::Own | Asked::Server) => {
            format!("<time xmlns='urn:xmpp:time'><tzo>00:00</tzo><utc>{}</utc></time>", place.utc)
        }
        _ => return Err(Wrong::UNAVAILABLE),
    })
}

/// How long an account has been away, for those who may hear of its presence (XEP-0012 section 4).
fn last_of(bare: &str, asker: &str, place: &Place<'_>) -> Reply {
    let account = place.room.known(bare).filter(|it| it.roster.find(asker).is_some_and(|contact| contact.from));
    let left = account.ok_or(Wrong::FORBIDDEN)?.left;
    let seconds = if place.available(bare).is_empty() { place.uptime.saturating_sub(left) } else { 0 };
    Ok(format!("<query xmlns='jabber:iq:last' seconds='{seconds}'/>"))
}

fn set(query: &Element, user: &User, place: &mut Place<'_>) -> Reply {
    let own = user.bare(place.host);
    match query.namespace() {
        "urn:ietf:params:xml:ns:xmpp-session" => done(),
        "jabber:iq:roster" => {
            let share = place.count(1_024);
            let Some(account) = place.room.account(&own) else { return Err(Wrong::NO_ROOM) };
            match account.roster.change(query, |_| share) {
                Ok(item) => presence::push(&own, &roster::query(&item), user, place),
                Err(Refusal::BadRequest) => return Err(Wrong::BAD_REQUEST),
                Err(Refusal::Full) => return Err(Wrong::NO_ROOM),
            }
            done()
        }
        "vcard-temp" => store(std::slice::from_ref(query), &own, place),
        "jabber:iq:private" if query.children.is_empty() => Err(Wrong::BAD_REQUEST),
        "jabber:iq:private" => store(&query.children, &own, place),
        privacy::NAMESPACE | privacy::BLOCKING => privacy::change(query, user, place),
        pubsub::NAMESPACE | pubsub::OWNER => pubsub::answer("set", query, &own, user, place),
        "urn:xmpp:carbons:2" => {
            if let Some(seat) = user.link.and_then(|link| place.room.seat(link)) {
                seat.carbons = query.name == "enable";
            }
            done()
        }
        _ => Err(Wrong::UNAVAILABLE),
    }
}

fn set_elsewhere(query: &Element, asked: Asked, place: &Place<'_>) -> Reply {
    match (query.namespace(), asked) {
        ("urn:ietf:params:xml:ns:xmpp-session", Asked::Server) => done(),
        // A new password: whatever it is, it will be let in.
        (register::NAMESPACE, Asked::Server) if place.shared.registers && query.child("password").is_some() => done(),
        (register::NAMESPACE, Asked::Server) if place.shared.registers => Err(Wrong::NOT_ALLOWED),
        ("vcard-temp", Asked::Server) => Err(Wrong::NOT_ALLOWED),
        _ => Err(Wrong::UNAVAILABLE),
    }
}

fn store(elements: &[Element], own: &str, place: &mut Place<'_>) -> Reply {
    let fits = elements.iter().all(|element| place.room.store(&place.shared.held, own, element));
    if fits { done() } else { Err(Wrong::NO_ROOM) }
}

/// What an account has stored, or the empty elements that were asked for (XEP-0049).
fn private(query: &Element, own: &str, place: &Place<'_>) -> String {
    let stored = |child: &Element| place.room.stored(own, child).unwrap_or_else(|| child.written());
    format!("<query xmlns='jabber:iq:private'>{}</query>", query.children.iter().map(stored).collect::<String>())
}

const VCARD: &str = "<vCard xmlns='vcard-temp'><FN>ejabberd</FN><URL>http://www.process-one.net/en/ejabberd/</URL>\
    <DESC>Erlang Jabber Server\nCopyright (c) 2002-2014 ProcessOne</DESC><BDAY>2002-11-16</BDAY></vCard>";
