//! What occupants say: to all, to one, and to those whom they invite.

use super::occupancy::MAX_NICK;
use super::{MAX_HISTORY, NO_SUCH_ROOM, NOT_IN, Past, Role, USERS, tell_all};
use crate::handlers::jabber::User;
use crate::handlers::jabber::element::{Element, escaped};
use crate::handlers::jabber::stanza::{Place, readdressed, split};
use crate::handlers::jabber::text::Wrong;

/// Bytes of an identifier that is repeated to newcomers.
const MAX_ID: usize = 256;

pub(super) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let kind = stanza.attribute("type").unwrap_or("normal");
    let (jid, nick) = split(stanza.attribute("to").unwrap_or_default());
    if kind == "error" {
        return;
    }
    let mediated = stanza.children.iter().find(|child| child.name == "x" && child.namespace() == USERS);
    let mediated = mediated.and_then(|x| x.child("invite").or_else(|| x.child("decline")));
    let done = if !jid.contains('@') {
        Err(Wrong::FORBIDDEN.saying("Only service administrators are allowed to send service messages"))
    } else if place.room.conference(&jid).is_none() {
        Err(NO_SUCH_ROOM)
    } else {
        match (nick, kind, mediated) {
            (Some(nick), ..) => whisper(stanza, (&jid, nick, kind), user, place),
            (None, "groupchat", _) => say(stanza, &jid, user, place),
            (None, "normal", Some(it)) => mediate(it, &jid, user, place),
            _ => Err(Wrong::NOT_ACCEPTABLE.saying("It is not allowed to send private messages to the conference")),
        }
    };
    if let Err(wrong) = done {
        place.refuse(stanza, user, wrong);
    }
}

/// To everybody in the room.
fn say(stanza: &Element, jid: &str, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    const ONLY_MODERATORS: Wrong =
        Wrong::FORBIDDEN.saying("Only moderators are allowed to change the subject in this room");
    let link = user.link.ok_or(NOT_IN)?;
    let content = place.keep(&stanza.inner());
    // With its sender's name and its identifier.
    let share = place.count(MAX_NICK + MAX_ID);
    let (utc, at) = (place.utc.clone(), place.uptime);
    let conference = place.room.conference_mut(jid).ok_or(NO_SUCH_ROOM)?;
    let own = conference.occupant(link).ok_or(NOT_IN)?;
    let (nick, role) = (own.nick.clone(), own.role);
    if role == Role::Visitor && conference.config.is("muc#roomconfig_moderatedroom") {
        return Err(Wrong::FORBIDDEN.saying("Visitors are not allowed to send messages to all occupants"));
    }
    let has_body = stanza.child("body").is_some();
    if stanza.child("subject").is_some() && !has_body {
        if role < Role::Moderator && !conference.config.is("muc#roomconfig_changesubject") {
            return Err(ONLY_MODERATORS);
        }
        conference.subject = Some((nick.clone(), content.ok_or(Wrong::NO_ROOM)?));
    } else if let (true, Some(content), Some(share)) = (has_body, content, share) {
        if conference.history.len() >= MAX_HISTORY {
            conference.history.pop_front();
        }
        let id = stanza.attribute("id").filter(|id| id.len() <= MAX_ID).map(str::to_owned);
        conference.history.push_back(Past { nick: nick.clone(), id, utc, at, content, _share: share });
    }
    let from = format!("{jid}/{nick}");
    let heard = conference.occupants.iter();
    let texts = heard.map(|it| (it.link, readdressed(stanza, &from, &it.address).written())).collect();
    tell_all(texts, user, place);
    Ok(())
}

/// To one occupant.
fn whisper(
    stanza: &Element,
    (jid, nick, kind): (&str, &str, &str),
    user: &User,
    place: &mut Place<'_>,
) -> Result<(), Wrong> {
    if kind == "groupchat" {
        return Err(Wrong::BAD_REQUEST.saying("It is not allowed to send private messages of type \"groupchat\""));
    }
    let conference = place.room.conference(jid).ok_or(NO_SUCH_ROOM)?;
    let own = user.link.and_then(|link| conference.occupant(link)).ok_or(NOT_IN)?;
    if !conference.config.is("allow_private_messages") {
        return Err(Wrong::FORBIDDEN.saying("It is not allowed to send private messages"));
    }
    let other = conference.named(nick).ok_or(Wrong::NOT_FOUND.saying("Recipient is not in the conference room"))?;
    let text = readdressed(stanza, &format!("{jid}/{}", own.nick), &other.address).written();
    let link = other.link;
    place.tell(user, link, &text);
    Ok(())
}

/// An invitation, or the answer to one (section 7.8.2).
fn mediate(it: &Element, jid: &str, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    let own_bare = user.bare(place.host);
    let (bare, _) = split(it.attribute("to").unwrap_or_default());
    let conference = place.room.conference(jid).ok_or(NO_SUCH_ROOM)?;
    let role = user.link.and_then(|link| conference.occupant(link)).map(|own| own.role);
    let invites = it.name == "invite";
    if invites
        && role < Some(Role::Moderator)
        && !(role.is_some() && conference.config.is("muc#roomconfig_allowinvites"))
    {
        return Err(Wrong::FORBIDDEN.saying("Invitations are not allowed in this conference"));
    }
    let reason = it.child("reason").map(|reason| reason.text.clone()).unwrap_or_default();
    let shown = Element::new("reason").saying(&reason);
    let mediated = Element::new(&it.name).with("from", &own_bare).holding([shown]);
    let x = Element::new("x").with("xmlns", USERS).holding([mediated]).written();
    let more = if invites {
        let because = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let x = Element::new("x").with("xmlns", "jabber:x:conference").with("jid", jid).saying(&reason);
        let body = Element::new("body").saying(&format!("{own_bare} invites you to the room {jid}{because}"));
        x.written() + &body.written()
    } else {
        String::new()
    };
    let text = format!("<message from='{}' to='{}'>{x}{more}</message>", escaped(jid), escaped(&bare));
    let there = place.available(&bare);
    there.iter().for_each(|&(link, _)| place.tell(user, link, &text));
    if there.is_empty() && invites && place.has_account(&bare) {
        place.room.keep_offline(&place.shared.held, &bare, &text);
    }
    Ok(())
}
