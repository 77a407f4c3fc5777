//! Questions to the service, to a room, and to an occupant, who answers them itself.

use super::{Affiliation, Conference, NO_SUCH_ROOM, NOT_IN, admin, owner};
use crate::handlers::jabber::User;
use crate::handlers::jabber::disco::{self, INFO, ITEMS};
use crate::handlers::jabber::element::Element;
use crate::handlers::jabber::stanza::{Place, readdressed, split};
use crate::handlers::jabber::text::Wrong;

const UNIQUE: &str = "http://jabber.org/protocol/muc#unique";
const VCARD: &str = "<vCard xmlns='vcard-temp'><FN>ejabberd/mod_muc</FN><URL>http://www.process-one.net/en/ejabberd/</URL>\
    <DESC>ejabberd MUC module\nCopyright (c) 2003-2014 ProcessOne</DESC></vCard>";

pub(super) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let (jid, nick) = split(stanza.attribute("to").unwrap_or_default());
    if let Some(nick) = nick.filter(|_| jid.contains('@')) {
        return pass_on(stanza, (&jid, nick), user, place);
    }
    let kind = stanza.attribute("type").unwrap_or_default();
    let reply = match (kind, stanza.children.as_slice()) {
        ("result" | "error", _) => return,
        ("get" | "set", [query]) if !jid.contains('@') => about_service(kind, query, &jid, place),
        ("get" | "set", [query]) => about_room(kind, query, &jid, user, place),
        _ => Err(Wrong::BAD_REQUEST),
    };
    place.reply(stanza, user, reply);
}

/// One occupant asks another, whose answer comes back the same way.
fn pass_on(stanza: &Element, (jid, nick): (&str, &str), user: &User, place: &mut Place<'_>) {
    let conference = place.room.conference(jid);
    let own = conference.and_then(|it| it.occupant(user.link?));
    let found = match (conference, own) {
        (None, _) => Err(NO_SUCH_ROOM),
        (_, None) => Err(NOT_IN.saying("Only occupants are allowed to send queries to the conference")),
        (Some(conference), Some(own)) => match conference.named(nick) {
            Some(other) => {
                Ok((other.link, readdressed(stanza, &format!("{jid}/{}", own.nick), &other.address).written()))
            }
            None => Err(Wrong::NOT_FOUND.saying("Recipient is not in the conference room")),
        },
    };
    match found {
        Ok((link, text)) => place.tell(user, link, &text),
        Err(wrong) if matches!(stanza.attribute("type"), Some("get" | "set")) => place.refuse(stanza, user, wrong),
        Err(_) => {}
    }
}

fn about_service(kind: &str, query: &Element, jid: &str, place: &mut Place<'_>) -> Result<String, Wrong> {
    match (kind, query.namespace()) {
        ("get", INFO) => {
            let identity = ("conference", "text", "Chatrooms");
            Ok(disco::info(None, &[identity], [INFO, ITEMS, super::occupancy::JOIN, UNIQUE, "vcard-temp"], ""))
        }
        ("get", ITEMS) => {
            let public = place
                .room
                .conferences
                .iter()
                .filter(|it| it.jid.ends_with(&format!("@{jid}")) && it.config.is("muc#roomconfig_publicroom"));
            Ok(disco::items(public.map(|it| (it.jid.clone(), format!("{} ({})", title(it), it.occupants.len())))))
        }
        ("get", "vcard-temp") => Ok(VCARD.to_owned()),
        ("get", UNIQUE) => {
            let drawn = place.room.next_push() + place.uptime;
            let name = place.shared.persona.random(&format!("room {drawn}")).within(&(0..=u64::MAX));
            Ok(format!("<unique xmlns='{UNIQUE}'>{name:016x}</unique>"))
        }
        _ => Err(Wrong::UNAVAILABLE),
    }
}

fn title(conference: &Conference) -> &str {
    match conference.config.get("muc#roomconfig_roomname") {
        "" => conference.name(),
        title => title,
    }
}

fn about_room(kind: &str, query: &Element, jid: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let conference = place.room.conference(jid).ok_or(NO_SUCH_ROOM)?;
    let affiliation = conference.affiliation(&user.bare(place.host));
    match (kind, query.namespace()) {
        ("get", INFO) => Ok(describe(conference)),
        ("get", ITEMS) => {
            let is_in = user.link.is_some_and(|link| conference.occupant(link).is_some());
            if !is_in && !conference.config.is("public_list") && affiliation < Affiliation::Admin {
                return Err(Wrong::FORBIDDEN);
            }
            let items = conference.occupants.iter().map(|it| (format!("{jid}/{}", it.nick), it.nick.clone()));
            Ok(disco::items(items))
        }
        (_, owner::NAMESPACE) if affiliation < Affiliation::Owner => {
            Err(Wrong::FORBIDDEN.saying("Owner privileges required"))
        }
        ("get", owner::NAMESPACE) => Ok(owner::form(conference)),
        (_, owner::NAMESPACE) => owner::change(query, jid, user, place),
        ("get", admin::NAMESPACE) => admin::list(query, conference, user),
        (_, admin::NAMESPACE) => admin::change(query, jid, user, place),
        _ => Err(Wrong::UNAVAILABLE),
    }
}

/// What a room is like (section 6.4).
fn describe(conference: &Conference) -> String {
    let config = &conference.config;
    let either = |var: &str, yes, no| if config.is(var) { yes } else { no };
    let is_open = config.get("muc#roomconfig_whois") == "anyone";
    let features = [
        super::occupancy::JOIN,
        either("muc#roomconfig_publicroom", "muc_public", "muc_hidden"),
        either("muc#roomconfig_persistentroom", "muc_persistent", "muc_temporary"),
        either("muc#roomconfig_membersonly", "muc_membersonly", "muc_open"),
        if is_open { "muc_nonanonymous" } else { "muc_semianonymous" },
        either("muc#roomconfig_moderatedroom", "muc_moderated", "muc_unmoderated"),
        either("muc#roomconfig_passwordprotectedroom", "muc_passwordprotected", "muc_unsecured"),
    ];
    let field = |var: &str, label: &str, value: &str| {
        let value = Element::new("value").saying(value);
        Element::new("field").with("var", var).with("label", label).holding([value])
    };
    let (description, count) = (config.get("muc#roomconfig_roomdesc"), conference.occupants.len().to_string());
    let form = disco::form("result", "http://jabber.org/protocol/muc#roominfo").holding([
        field("muc#roominfo_description", "Room description", description),
        field("muc#roominfo_occupants", "Number of occupants", &count),
    ]);
    disco::info(None, &[("conference", "text", title(conference))], features, &form.written())
}
