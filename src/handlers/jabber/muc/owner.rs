//! What the owner of a room decides (XEP-0045 section 10), in ejabberd's form.

use super::{Conference, NO_SUCH_ROOM, Role, tell_all};
use crate::handlers::jabber::User;
use crate::handlers::jabber::disco;
use crate::handlers::jabber::element::{Element, escaped};
use crate::handlers::jabber::room::Kept;
use crate::handlers::jabber::stanza::Place;
use crate::handlers::jabber::text::Wrong;

pub(super) const NAMESPACE: &str = "http://jabber.org/protocol/muc#owner";
const FORM: &str = "http://jabber.org/protocol/muc#roomconfig";
/// Bytes of one value.
const MAX_VALUE: usize = 512;

/// What a field holds; labels and values of what there is to choose.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Secret,
    Flag,
    OneOf(&'static [(&'static str, &'static str)]),
}

const WHOIS: Kind = Kind::OneOf(&[("moderators only", "moderators"), ("anyone", "anyone")]);
const TO_WHOM: Kind = Kind::OneOf(&[("nobody", "nobody"), ("moderators only", "moderators"), ("anyone", "anyone")]);
const MOST: Kind =
    Kind::OneOf(&[("5", "5"), ("10", "10"), ("20", "20"), ("30", "30"), ("50", "50"), ("100", "100"), ("200", "200")]);

/// Name, kind, label and default.
const FIELDS: [(&str, Kind, &str, &str); 21] = [
    ("muc#roomconfig_roomname", Kind::Text, "Room title", ""),
    ("muc#roomconfig_roomdesc", Kind::Text, "Room description", ""),
    ("muc#roomconfig_persistentroom", Kind::Flag, "Make room persistent", "0"),
    ("muc#roomconfig_publicroom", Kind::Flag, "Make room public searchable", "1"),
    ("public_list", Kind::Flag, "Make participants list public", "1"),
    ("muc#roomconfig_passwordprotectedroom", Kind::Flag, "Make room password protected", "0"),
    ("muc#roomconfig_roomsecret", Kind::Secret, "Password", ""),
    ("muc#roomconfig_maxusers", MOST, "Maximum Number of Occupants", "200"),
    ("muc#roomconfig_whois", WHOIS, "Present real Jabber IDs to", "moderators"),
    ("muc#roomconfig_membersonly", Kind::Flag, "Make room members-only", "0"),
    ("muc#roomconfig_moderatedroom", Kind::Flag, "Make room moderated", "1"),
    ("members_by_default", Kind::Flag, "Default users as participants", "1"),
    ("muc#roomconfig_changesubject", Kind::Flag, "Allow users to change the subject", "1"),
    ("allow_private_messages", Kind::Flag, "Allow users to send private messages", "1"),
    ("allow_private_messages_from_visitors", TO_WHOM, "Allow visitors to send private messages to", "anyone"),
    ("allow_query_users", Kind::Flag, "Allow users to query other users", "1"),
    ("muc#roomconfig_allowinvites", Kind::Flag, "Allow users to send invites", "0"),
    ("muc#roomconfig_allowvisitorstatus", Kind::Flag, "Allow visitors to send status text in presence updates", "1"),
    ("muc#roomconfig_allowvisitornickchange", Kind::Flag, "Allow visitors to change nickname", "1"),
    ("muc#roomconfig_allowvoicerequests", Kind::Flag, "Allow visitors to send voice requests", "1"),
    (
        "muc#roomconfig_voicerequestmininterval",
        Kind::Text,
        "Minimum interval between voice requests (in seconds)",
        "1800",
    ),
];

/// What differs from the defaults.
#[derive(Debug, Default)]
pub(super) struct Config {
    changed: Vec<(&'static str, Kept)>,
}

impl Config {
    pub(super) fn get(&self, var: &str) -> &str {
        let changed = self.changed.iter().find(|(known, _)| *known == var).map(|(_, value)| value.text.as_str());
        let default = || FIELDS.iter().find(|(known, ..)| *known == var).map(|(.., default)| *default);
        changed.or_else(default).unwrap_or_default()
    }

    pub(super) fn is(&self, var: &str) -> bool {
        matches!(self.get(var), "1" | "true")
    }

    fn set(&mut self, var: &'static str, value: Kept) {
        self.changed.retain(|(known, _)| *known != var);
        self.changed.push((var, value));
    }
}

pub(super) fn form(conference: &Conference) -> String {
    let title = format!("Configuration of room {}", conference.jid);
    let mut form = disco::form("form", FORM);
    form.children.insert(0, Element::new("title").saying(&title));
    let form = form.holding(FIELDS.map(|(var, kind, label, _)| {
        let value = Element::new("value").saying(conference.config.get(var));
        let (kind, choice): (_, &[_]) = match kind {
            Kind::Text => ("text-single", &[]),
            Kind::Secret => ("text-private", &[]),
            Kind::Flag => ("boolean", &[]),
            Kind::OneOf(choice) => ("list-single", choice),
        };
        let options = choice.iter().map(|(label, value)| {
            Element::new("option").with("label", label).holding([Element::new("value").saying(value)])
        });
        Element::new("field").with("type", kind).with("label", label).with("var", var).holding([value]).holding(options)
    }));
    format!("<query xmlns='{NAMESPACE}'>{}</query>", form.written())
}

pub(super) fn change(query: &Element, jid: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    if let Some(destroy) = query.child("destroy") {
        destroy_room(destroy, jid, user, place);
        return Ok(String::new());
    }
    let form = query.child("x").filter(|x| x.namespace() == "jabber:x:data").ok_or(Wrong::BAD_REQUEST)?;
    match form.attribute("type") {
        Some("submit") => {}
        Some("cancel") => return Ok(String::new()),
        _ => return Err(Wrong::BAD_REQUEST),
    }
    let mut changes = Vec::new();
    for field in form.children.iter().filter(|child| child.name == "field") {
        let (var, value) = (field.attribute("var").unwrap_or_default(), field.child("value"));
        let value = value.map(|value| value.text.as_str()).unwrap_or_default();
        match FIELDS.iter().find(|(known, ..)| *known == var) {
            Some(&(known, kind, ..)) if fits(kind, value) => {
                changes.push((known, place.keep(value).ok_or(Wrong::NO_ROOM)?));
            }
            Some(_) => return Err(Wrong::BAD_REQUEST),
            None => {}
        }
    }
    let conference = place.room.conference_mut(jid).ok_or(NO_SUCH_ROOM)?;
    changes.into_iter().for_each(|(var, value)| conference.config.set(var, value));
    let (from, heard) = (escaped(jid), conference.occupants.iter());
    let texts = heard.map(|it| {
        let to = escaped(&it.address);
        let x = format!("<x xmlns='{}'><status code='104'/></x>", super::USERS);
        (it.link, format!("<message from='{from}' to='{to}' type='groupchat'>{x}</message>"))
    });
    let texts = texts.collect();
    tell_all(texts, user, place);
    Ok(String::new())
}

fn fits(kind: Kind, value: &str) -> bool {
    match kind {
        Kind::Text | Kind::Secret => value.len() <= MAX_VALUE,
        Kind::Flag => matches!(value, "0" | "1" | "true" | "false"),
        Kind::OneOf(choice) => choice.iter().any(|(_, known)| *known == value),
    }
}

/// Everybody hears that the room is no more, and why.
fn destroy_room(destroy: &Element, jid: &str, user: &User, place: &mut Place<'_>) {
    let shown = Element { attributes: Vec::new(), ..destroy.clone() };
    let shown = match destroy.attribute("jid") {
        Some(other) => shown.with("jid", other),
        None => shown,
    };
    let Some(at) = place.room.conferences.iter().position(|it| it.jid == jid) else { return };
    let conference = place.room.conferences.remove(at);
    let x = |item: Element| Element::new("x").with("xmlns", super::USERS).holding([item, shown.clone()]).written();
    for it in &conference.occupants {
        let item = Element::new("item").with("affiliation", "none").with("role", Role::None.name());
        let (nick, to) = (escaped(&it.nick), escaped(&it.address));
        let text =
            format!("<presence from='{}/{nick}' to='{to}' type='unavailable'>{}</presence>", escaped(jid), x(item));
        place.tell(user, it.link, &text);
    }
}
