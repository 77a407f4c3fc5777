//! Messages: to the sessions of an account, or kept until one comes (RFC 6121 section 8.5).

use super::User;
use super::element::{Element, escaped};
use super::privacy::About;
use super::stanza::{Place, readdressed, split};
use super::text::Wrong;

/// Sends a message where it belongs.
pub(super) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let own = user.address(place.host);
    let own_bare = user.bare(place.host);
    let kind = stanza.attribute("type").unwrap_or("normal");
    let to = stanza.attribute("to").unwrap_or(&own_bare);
    let (bare, resource) = split(to);
    if !place.is_local(&bare) {
        if kind != "error" {
            place.refuse(stanza, user, Wrong::NO_SUCH_SERVER);
        }
        return;
    }
    if !bare.contains('@') {
        // The server itself has nothing to say.
        return;
    }
    let copy = readdressed(stanza, &own, to);
    let exact = resource.and_then(|resource| place.link(&bare, resource));
    let heard = match exact {
        Some(link) => vec![link],
        None if matches!(kind, "normal" | "chat" | "headline") => most_wanted(&place.available(&bare)),
        None => Vec::new(),
    };
    let hears = |link: &u64| place.hears(*link, &own, About::Message);
    let (heard, deaf): (Vec<u64>, Vec<u64>) = heard.into_iter().partition(hears);
    if heard.is_empty() && !deaf.is_empty() {
        return place.refuse(stanza, user, Wrong::UNAVAILABLE);
    }
    let text = copy.written();
    heard.iter().for_each(|&link| place.tell(user, link, &text));
    if kind == "chat" {
        copies(&copy, &own_bare, &bare, &heard, user, place);
    }
    if heard.is_empty() {
        keep(stanza, copy, &bare, kind, user, place);
    }
}

/// The sessions of the highest priority; none that wants no messages.
fn most_wanted(available: &[(u64, i8)]) -> Vec<u64> {
    let highest = available.iter().map(|&(_, priority)| priority).max().unwrap_or(-1);
    available.iter().filter(|&&(_, priority)| priority == highest && priority >= 0).map(|&(link, _)| link).collect()
}

/// Nobody is there: what has something to say waits for the account, as mod_offline keeps it.
fn keep(stanza: &Element, mut copy: Element, bare: &str, kind: &str, user: &User, place: &mut Place<'_>) {
    match kind {
        "normal" | "chat" if place.has_account(bare) && wants(bare, user, place) => {
            if stanza.child("body").is_none() {
                return;
            }
            let (host, utc) = (place.host.to_owned(), place.utc.clone());
            copy.children.push(stamp("delay", "urn:xmpp:delay", Some(host), utc.clone(), "Offline Storage"));
            // XEP-0091, which ejabberd has not given up.
            copy.children.push(stamp("x", "jabber:x:delay", None, utc.replace(['-', 'Z'], ""), ""));
            if !place.room.keep_offline(&place.shared.held, bare, &copy.written()) {
                place.refuse(stanza, user, Wrong::NO_ROOM);
            }
        }
        "headline" | "error" => {}
        _ => place.refuse(stanza, user, Wrong::UNAVAILABLE),
    }
}

/// The account would hear this client if it were there.
fn wants(bare: &str, user: &User, place: &Place<'_>) -> bool {
    let from = user.address(place.host);
    place.room.known(bare).is_none_or(|it| it.privacy.allows(None, &from, &it.roster, About::Message))
}

fn stamp(name: &str, namespace: &str, from: Option<String>, stamp: String, text: &str) -> Element {
    let mut attributes = vec![("xmlns".to_owned(), namespace.to_owned())];
    attributes.extend(from.map(|from| ("from".to_owned(), from)));
    attributes.push(("stamp".to_owned(), stamp));
    Element { name: name.to_owned(), attributes, children: Vec::new(), text: text.to_owned() }
}

/// Copies for the other sessions of both accounts that want them (XEP-0280).
fn copies(message: &Element, sender: &str, receiver: &str, heard: &[u64], user: &User, place: &mut Place<'_>) {
    for (bare, name) in [(receiver, "received"), (sender, "sent")] {
        let wants = |link: u64| !heard.contains(&link) && user.link != Some(link);
        let seats = place.room.seats(bare).filter(|seat| seat.carbons && wants(seat.link));
        let seats: Vec<_> = seats.map(|seat| (seat.link, seat.address())).collect();
        for (link, address) in seats {
            let mut copy = message.clone();
            copy.attributes.insert(0, ("xmlns".to_owned(), "jabber:client".to_owned()));
            let (bare, address, copy) = (escaped(bare), escaped(&address), copy.written());
            let text = format!(
                "<message from='{bare}' to='{address}' type='chat'><{name} xmlns='urn:xmpp:carbons:2'>\
                 <forwarded xmlns='urn:xmpp:forward:0'>{copy}</forwarded></{name}></message>"
            );
            place.tell(user, link, &text);
        }
        if sender == receiver {
            return;
        }
    }
}
