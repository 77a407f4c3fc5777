//! Presence: who is there, and who may know (RFC 6121 sections 3 and 4).

use super::element::{Element, escaped};
use super::privacy::About;
use super::roster::{self, Contact};
use super::stanza::{Place, readdressed, split};
use super::text::Wrong;
use super::{User, muc, pubsub};

/// Does what a presence says.
pub(super) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    match (stanza.attribute("to"), stanza.attribute("type")) {
        (None, None) => come(stanza, user, place),
        (None, Some("unavailable")) => go(stanza, user, place),
        (None, _) => {}
        (Some(to), kind) => {
            let (bare, resource) = split(to);
            let asks = kind.filter(|kind| matches!(*kind, "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed"));
            match asks {
                Some(kind) => ask(stanza, kind, &bare, user, place),
                None if place.is_local(&bare) => {
                    let copy = readdressed(stanza, &user.address(place.host), to).written();
                    let is_meant = |link: &u64| resource.is_none_or(|name| place.link(&bare, name) == Some(*link));
                    let links: Vec<u64> =
                        place.available(&bare).into_iter().map(|(link, _)| link).filter(is_meant).collect();
                    let from = user.address(place.host);
                    let hears = |link: &u64| place.hears(*link, &from, About::PresenceIn);
                    let links: Vec<u64> = links.into_iter().filter(hears).collect();
                    links.into_iter().for_each(|link| place.tell(user, link, &copy));
                }
                None if kind == Some("error") => {}
                None => place.refuse(stanza, user, Wrong::NO_SUCH_SERVER),
            }
        }
    }
}

/// The session is there: those who may know hear of it; when it is new, it hears of the others and gets what was kept for it.
fn come(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let Some(link) = user.link else { return };
    let priority = stanza.child("priority").and_then(|priority| priority.text.trim().parse().ok()).unwrap_or(0);
    let was_there = place.room.seat(link).is_some_and(|seat| seat.presence.is_some());
    place.room.come(&place.shared.held, link, stanza, priority);
    pubsub::ask_interests(stanza, user, place);
    spread(stanza, user, place);
    if was_there {
        return;
    }
    let own = user.bare(place.host);
    let follows = place.room.account(&own).map(|account| account.roster.those(|it| it.to)).unwrap_or_default();
    let asked = place.room.account(&own).map(|account| account.roster.those(|it| it.asked)).unwrap_or_default();
    let others: Vec<String> = std::iter::once(own.clone()).chain(follows).collect();
    others.iter().for_each(|bare| show(bare, &[link], user, place));
    for from in asked {
        let (from, to) = (escaped(&from), escaped(&own));
        place.out.push_str(&format!("<presence from='{from}' to='{to}' type='subscribe'/>"));
    }
    if priority >= 0 {
        let kept = place.room.take_offline(&own);
        place.out.push_str(&kept);
    }
}

fn go(stanza: &Element, user: &User, place: &mut Place<'_>) {
    muc::leave_all(user, place);
    let seat = user.link.and_then(|link| place.room.seat(link));
    if seat.and_then(|seat| seat.presence.take()).is_some() {
        spread(stanza, user, place);
    }
}

/// The session ends.
pub(super) fn leave(user: &User, place: &mut Place<'_>) {
    let attributes = vec![("type".to_owned(), "unavailable".to_owned())];
    go(&Element { name: "presence".to_owned(), attributes, ..Element::default() }, user, place);
    if let Some(link) = user.link {
        place.room.leave(link);
        let (bare, now) = (user.bare(place.host), place.uptime);
        if let Some(account) = place.room.account(&bare) {
            account.left = now;
        }
    }
}

/// Tells a presence to the account's own sessions and to the contacts that may know.
fn spread(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let (own, address) = (user.bare(place.host), user.address(place.host));
    let followers = place.room.account(&own).map(|account| account.roster.those(|it| it.from)).unwrap_or_default();
    for bare in std::iter::once(own.clone()).chain(followers) {
        for (link, _) in place.available(&bare) {
            let lets = || place.may(user, &bare, About::PresenceOut) && place.hears(link, &address, About::PresenceIn);
            if user.link != Some(link) && !lets() {
                continue;
            }
            let to = place.room.seat(link).map(|seat| seat.address()).unwrap_or_default();
            place.tell(user, link, &readdressed(stanza, &address, &to).written());
        }
    }
}

/// Tells these sessions how the others of an account are.
fn show(bare: &str, to: &[u64], user: &User, place: &mut Place<'_>) {
    let seats = place.room.seats(bare).filter(|seat| !to.contains(&seat.link));
    let said = seats.filter_map(|seat| seat.presence.as_ref().map(|it| (it.element.clone(), seat.address())));
    for (element, from) in said.collect::<Vec<_>>() {
        for &link in to {
            let address = place.room.seat(link).map(|seat| seat.address()).unwrap_or_default();
            place.tell(user, link, &readdressed(&element, &from, &address).written());
        }
    }
}

/// A contact is asked, answered or given up: the state of both sides changes, and each sees its list change (RFC 6121 section 3).
fn ask(stanza: &Element, kind: &str, to: &str, user: &User, place: &mut Place<'_>) {
    let own = user.bare(place.host);
    if own == to {
        return;
    }
    let may = kind != "subscribed"
        || place.room.account(&own).and_then(|it| it.roster.find(to)).is_some_and(|contact| contact.asked);
    if !may {
        return;
    }
    settle(&own, to, user, place, |contact| sent(contact, kind));
    if !place.is_local(to) {
        return place.refuse(stanza, user, Wrong::NO_SUCH_SERVER);
    }
    if !place.has_account(to) {
        return;
    }
    let links = |place: &Place<'_>, bare: &str| -> Vec<u64> {
        place.available(bare).into_iter().map(|(link, _)| link).collect()
    };
    settle(to, &own, user, place, |contact| received(contact, kind));
    let copy = readdressed(stanza, &own, to).written();
    let theirs = links(place, to);
    theirs.iter().for_each(|&link| place.tell(user, link, &copy));
    match kind {
        "subscribed" => show(&own, &theirs, user, place),
        "unsubscribed" => vanish(&own, &theirs, user, place),
        "unsubscribe" => {
            let ours = links(place, &own);
            vanish(to, &ours, user, place);
        }
        _ => {}
    }
}

/// What asking does to the asker's side.
fn sent(contact: &mut Contact, kind: &str) {
    match kind {
        "subscribe" => (contact.asks, contact.is_listed) = (!contact.to, true),
        "subscribed" => (contact.from, contact.asked, contact.is_listed) = (true, false, true),
        "unsubscribe" => (contact.to, contact.asks) = (false, false),
        _ => (contact.from, contact.asked) = (false, false),
    }
}

/// What being asked does to the other side.
fn received(contact: &mut Contact, kind: &str) {
    match kind {
        "subscribe" => contact.asked = !contact.from,
        "subscribed" => (contact.to, contact.asks) = (contact.to || contact.asks, false),
        "unsubscribe" => (contact.from, contact.asked) = (false, false),
        _ => (contact.to, contact.asks) = (false, false),
    }
}

/// Changes how a contact stands in an account's list; its sessions see it when it shows.
fn settle(bare: &str, jid: &str, user: &User, place: &mut Place<'_>, work: impl FnOnce(&mut Contact)) {
    let share = place.count(1_024);
    let item = place.room.account(bare).and_then(|account| account.roster.settle(jid, |_| share, work));
    if let Some(item) = item {
        push(bare, &roster::query(&item), user, place);
    }
}

/// Shows what has changed to all sessions of the account (RFC 6121 section 2.1.6).
pub(super) fn push(bare: &str, query: &str, user: &User, place: &mut Place<'_>) {
    let seats: Vec<_> = place.room.seats(bare).map(|seat| (seat.link, seat.address())).collect();
    for (link, address) in seats {
        let (id, from, to) = (place.room.next_push(), escaped(bare), escaped(&address));
        let text = format!("<iq from='{from}' to='{to}' id='push{}{id}' type='set'>{query}</iq>", user.spare);
        place.tell(user, link, &text);
    }
}

/// The sessions of an account are no longer there for these.
fn vanish(bare: &str, to: &[u64], user: &User, place: &mut Place<'_>) {
    let there: Vec<String> =
        place.room.seats(bare).filter(|seat| seat.presence.is_some()).map(|it| it.address()).collect();
    for from in there {
        for &link in to {
            let address = place.room.seat(link).map(|seat| seat.address()).unwrap_or_default();
            let (from, address) = (escaped(&from), escaped(&address));
            place.tell(user, link, &format!("<presence from='{from}' to='{address}' type='unavailable'/>"));
        }
    }
}
