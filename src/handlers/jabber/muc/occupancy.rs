//! Who enters a room, changes its name there, and leaves.

use super::{Affiliation, Conference, MAX_HISTORY, News, Occupant, Role, tell_all};
use crate::handlers::jabber::User;
use crate::handlers::jabber::element::{Element, escaped};
use crate::handlers::jabber::stanza::{Place, split};
use crate::handlers::jabber::text::Wrong;

pub(super) const JOIN: &str = "http://jabber.org/protocol/muc";
/// What a room without occupants, history and subject counts for.
const ROOM_BYTES: usize = 2_048;
/// Bytes of a name (RFC 7622 section 3.4).
pub(super) const MAX_NICK: usize = 1_023;
const NO_NICK: Wrong = Wrong::new(400, "modify", "jid-malformed").saying("Nickname can't be empty");
const TAKEN: Wrong = Wrong::CONFLICT.saying("That nickname is already in use by another occupant");

pub(super) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let (jid, nick) = split(stanza.attribute("to").unwrap_or_default());
    let (Some(link), Some((name, _))) = (user.link, jid.split_once('@')) else { return };
    match (stanza.attribute("type"), nick.filter(|nick| (1..=MAX_NICK).contains(&nick.len()))) {
        (Some("unavailable" | "error"), _) => leave(&jid, link, user, place),
        (None, None) => place.refuse(stanza, user, NO_NICK),
        (None, Some(nick)) if !name.is_empty() => {
            let is_in = place.room.conference(&jid).is_some_and(|conference| conference.occupant(link).is_some());
            let done = match is_in {
                true => change(stanza, &jid, nick, user, place),
                false => enter(stanza, &jid, nick, user, place),
            };
            if let Err(wrong) = done {
                place.refuse(stanza, user, wrong);
            }
        }
        _ => {}
    }
}

/// Why this account is not let in with this name.
fn refusal(conference: &Conference, bare: &str, nick: &str, asked: Option<&Element>) -> Option<Wrong> {
    let affiliation = conference.affiliation(bare);
    let is_set = |var| conference.config.is(var);
    if affiliation == Affiliation::Outcast {
        return Some(Wrong::FORBIDDEN.saying("You have been banned from this room"));
    }
    if conference.named(nick).is_some() {
        return Some(TAKEN);
    }
    if affiliation >= Affiliation::Admin {
        return None;
    }
    if is_set("muc#roomconfig_membersonly") && affiliation < Affiliation::Member {
        let wrong = Wrong::new(407, "auth", "registration-required");
        return Some(wrong.saying("Membership is required to enter this room"));
    }
    if is_set("muc#roomconfig_passwordprotectedroom") {
        let password = asked.and_then(|x| x.child("password")).map(|password| password.text.as_str());
        return match password {
            None => Some(Wrong::NOT_AUTHORIZED.saying("A password is required to enter this room")),
            Some(password) if password == conference.config.get("muc#roomconfig_roomsecret") => None,
            Some(_) => Some(Wrong::NOT_AUTHORIZED.saying("Incorrect password")),
        };
    }
    None
}

/// What a presence says, but for what was meant for the room.
fn said(stanza: &Element) -> String {
    let shown = stanza.children.iter().filter(|child| child.namespace() != JOIN);
    shown.map(Element::written).collect()
}

fn enter(stanza: &Element, jid: &str, nick: &str, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    let (bare, address) = (user.bare(place.host), user.address(place.host));
    let link = user.link.ok_or(Wrong::NO_ROOM)?;
    let asked = stanza.children.iter().find(|child| child.name == "x" && child.namespace() == JOIN);
    let presence = place.keep(&said(stanza)).ok_or(Wrong::NO_ROOM)?;
    let own_share = place.count(address.len() + nick.len()).ok_or(Wrong::NO_ROOM)?;
    let is_new = place.room.conference(jid).is_none();
    if is_new {
        let share = place.count(ROOM_BYTES + jid.len()).ok_or(Wrong::NO_ROOM)?;
        let owner = place.keep(&bare).ok_or(Wrong::NO_ROOM)?;
        place.room.open(jid, owner, share).ok_or(Wrong::NO_ROOM)?;
    }
    let now = place.uptime;
    let conference = place.room.conference_mut(jid).ok_or(Wrong::NO_ROOM)?;
    if let Some(wrong) = refusal(conference, &bare, nick, asked) {
        return Err(wrong);
    }
    let role = conference.role_of(conference.affiliation(&bare));
    let own = Occupant { link, address, nick: nick.to_owned(), role, presence, _share: own_share };
    let others = conference.occupants.iter().map(|other| (link, conference.presence(other, &own, &News::default())));
    let mut texts: Vec<_> = others.collect();
    let is_open = conference.config.get("muc#roomconfig_whois") == "anyone";
    let codes = [(is_open, "100"), (is_new, "201")].into_iter().filter_map(|(is, code)| is.then_some(code)).collect();
    texts.extend(conference.told(&own, &News { codes, ..News::default() }));
    texts.extend(history(conference, &own.address, asked, now).into_iter().map(|text| (link, text)));
    texts.push((link, subject(conference, &own.address)));
    conference.occupants.push(own);
    tell_all(texts, user, place);
    Ok(())
}

/// What was said before, as much of it as the newcomer wants (section 7.2.15).
fn history(conference: &Conference, to: &str, asked: Option<&Element>, now: u64) -> Vec<String> {
    let wanted = asked.and_then(|x| x.child("history"));
    let number = |name: &str| wanted.and_then(|it| it.attribute(name)).and_then(|text| text.parse::<u64>().ok());
    let count = number("maxstanzas").and_then(|most| usize::try_from(most).ok()).unwrap_or(MAX_HISTORY);
    let (mut room, since) =
        (number("maxchars").unwrap_or(u64::MAX), number("seconds").map(|secs| now.saturating_sub(secs)));
    let (jid, to) = (escaped(&conference.jid), escaped(to));
    let mut texts = Vec::new();
    for past in conference.history.iter().rev().take(count) {
        let id = past.id.as_ref().map(|id| format!(" id='{}'", escaped(id))).unwrap_or_default();
        let text = format!(
            "<message from='{jid}/{}' to='{to}' type='groupchat'{id}>{}<delay xmlns='urn:xmpp:delay' from='{jid}' stamp='{}'/>\
             <x xmlns='jabber:x:delay' stamp='{}'/></message>",
            escaped(&past.nick),
            past.content.text,
            past.utc,
            past.utc.replace(['-', 'Z'], ""),
        );
        if since.is_some_and(|since| past.at < since) || text.len() as u64 > room {
            break;
        }
        room -= text.len() as u64;
        texts.push(text);
    }
    texts.reverse();
    texts
}

/// The subject, which ends what a newcomer hears (section 7.2.16).
pub(super) fn subject(conference: &Conference, to: &str) -> String {
    let (jid, to) = (escaped(&conference.jid), escaped(to));
    match &conference.subject {
        Some((nick, text)) => {
            let (nick, text) = (escaped(nick), &text.text);
            format!("<message from='{jid}/{nick}' to='{to}' type='groupchat'>{text}</message>")
        }
        None => format!("<message from='{jid}' to='{to}' type='groupchat'><subject/></message>"),
    }
}

/// An occupant says something new of itself, or takes another name.
fn change(stanza: &Element, jid: &str, nick: &str, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    let link = user.link.ok_or(Wrong::NO_ROOM)?;
    let presence = place.keep(&said(stanza)).ok_or(Wrong::NO_ROOM)?;
    let Some(conference) = place.room.conference_mut(jid) else { return Ok(()) };
    if conference.named(nick).is_some_and(|other| other.link != link) {
        return Err(TAKEN);
    }
    let Some(at) = conference.occupants.iter().position(|occupant| occupant.link == link) else { return Ok(()) };
    let mut own = conference.occupants.remove(at);
    let mut texts = Vec::new();
    if own.nick != nick {
        let news = News { goes: true, nick: Some(nick.to_owned()), codes: vec!["303"], ..News::default() };
        texts.extend(conference.told(&own, &news));
    }
    (own.nick, own.presence) = (nick.to_owned(), presence);
    texts.extend(conference.told(&own, &News::default()));
    conference.occupants.insert(at, own);
    tell_all(texts, user, place);
    Ok(())
}

/// A session leaves a room; one that was not made to stay goes with its last occupant.
fn leave(jid: &str, link: u64, user: &User, place: &mut Place<'_>) {
    remove(jid, link, News { goes: true, ..News::default() }, user, place);
}

/// Takes an occupant out and tells everybody.
pub(super) fn remove(jid: &str, link: u64, news: News, user: &User, place: &mut Place<'_>) {
    let Some(conference) = place.room.conference_mut(jid) else { return };
    let Some(at) = conference.occupants.iter().position(|occupant| occupant.link == link) else { return };
    let mut own = conference.occupants.remove(at);
    own.role = Role::None;
    let texts = conference.told(&own, &news);
    let is_over = conference.occupants.is_empty() && !conference.config.is("muc#roomconfig_persistentroom");
    if is_over {
        place.room.conferences.retain(|conference| conference.jid != jid);
    }
    tell_all(texts, user, place);
}

/// A session is gone from all rooms.
pub(in crate::handlers::jabber) fn leave_all(user: &User, place: &mut Place<'_>) {
    let Some(link) = user.link else { return };
    let inside = place.room.conferences.iter().filter(|conference| conference.occupant(link).is_some());
    let inside: Vec<String> = inside.map(|conference| conference.jid.clone()).collect();
    inside.iter().for_each(|jid| leave(jid, link, user, place));
}
