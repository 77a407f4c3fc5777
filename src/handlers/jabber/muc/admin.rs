//! Who may what in a room (XEP-0045 sections 8 and 9): lists, and changes of roles and affiliations.

use super::{Affiliation, Conference, NO_SUCH_ROOM, News, Role, occupancy, tell_all};
use crate::handlers::jabber::User;
use crate::handlers::jabber::element::Element;
use crate::handlers::jabber::stanza::{Place, split};
use crate::handlers::jabber::text::Wrong;

pub(super) const NAMESPACE: &str = "http://jabber.org/protocol/muc#admin";
const NO_ADMIN: Wrong = Wrong::FORBIDDEN.saying("Administrator privileges required");
const NO_MODERATOR: Wrong = Wrong::FORBIDDEN.saying("Moderator privileges required");

/// Those of an affiliation or a role.
pub(super) fn list(query: &Element, conference: &Conference, user: &User) -> Result<String, Wrong> {
    let own = user.link.and_then(|link| conference.occupant(link)).ok_or(NO_ADMIN)?;
    let item = query.child("item").ok_or(Wrong::BAD_REQUEST)?;
    let items: Vec<Element> = match (item.attribute("affiliation"), item.attribute("role")) {
        (Some(_), _) if conference.affiliation(own.bare()) < Affiliation::Admin => return Err(NO_ADMIN),
        (Some(name), _) => {
            let wanted = Affiliation::named(name).ok_or(Wrong::BAD_REQUEST)?;
            let those = conference.affiliations.iter().filter(|(_, it)| *it == wanted);
            those
                .map(|(bare, it)| Element::new("item").with("affiliation", it.name()).with("jid", &bare.text))
                .collect()
        }
        (None, Some(_)) if own.role < Role::Moderator => return Err(NO_MODERATOR),
        (None, Some(name)) => {
            let wanted = Role::named(name).ok_or(Wrong::BAD_REQUEST)?;
            let those = conference.occupants.iter().filter(|it| it.role == wanted);
            those.map(|it| conference.item(it, Role::Moderator).with("nick", &it.nick)).collect()
        }
        (None, None) => return Err(Wrong::BAD_REQUEST),
    };
    Ok(Element::new("query").with("xmlns", NAMESPACE).holding(items).written())
}

/// Does what each item says.
pub(super) fn change(query: &Element, jid: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let items: Vec<&Element> = query.children.iter().filter(|child| child.name == "item").collect();
    if items.is_empty() {
        return Err(Wrong::BAD_REQUEST);
    }
    for item in items {
        match (item.attribute("affiliation"), item.attribute("role")) {
            (Some(name), _) => {
                let affiliation = Affiliation::named(name).ok_or(Wrong::BAD_REQUEST)?;
                affiliate(item, affiliation, jid, user, place)?;
            }
            (None, Some(name)) => give_role(item, Role::named(name).ok_or(Wrong::BAD_REQUEST)?, jid, user, place)?,
            (None, None) => return Err(Wrong::BAD_REQUEST),
        }
    }
    Ok(String::new())
}

/// Who did it and why, for those who hear of it.
fn why(item: &Element, actor: &str) -> Vec<Element> {
    let reason = item.child("reason").cloned();
    reason.into_iter().chain([Element::new("actor").with("nick", actor)]).collect()
}

fn give_role(item: &Element, role: Role, jid: &str, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    let conference = place.room.conference_mut(jid).ok_or(NO_SUCH_ROOM)?;
    let own = user.link.and_then(|link| conference.occupant(link)).ok_or(NO_MODERATOR)?;
    let power = conference.affiliation(own.bare());
    if own.role < Role::Moderator || role == Role::Moderator && power < Affiliation::Admin {
        return Err(if own.role < Role::Moderator { NO_MODERATOR } else { Wrong::NOT_ALLOWED });
    }
    let actor = own.nick.clone();
    let nick = item.attribute("nick").ok_or(Wrong::BAD_REQUEST)?;
    let other = conference.named(nick).ok_or(Wrong::NOT_FOUND.saying("Nickname does not exist in the room"))?;
    if conference.affiliation(other.bare()) > power {
        return Err(Wrong::NOT_ALLOWED);
    }
    let link = other.link;
    if role == Role::None {
        let news = News { goes: true, codes: vec!["307"], about: why(item, &actor), ..News::default() };
        occupancy::remove(jid, link, news, user, place);
    } else {
        set_role(conference, link, role);
        show(jid, link, News { about: why(item, &actor), ..News::default() }, user, place);
    }
    Ok(())
}

fn set_role(conference: &mut Conference, link: u64, role: Role) {
    if let Some(it) = conference.occupants.iter_mut().find(|it| it.link == link) {
        it.role = role;
    }
}

/// Tells everybody how one of them stands now.
fn show(jid: &str, link: u64, news: News, user: &User, place: &mut Place<'_>) {
    let conference = place.room.conference(jid);
    let texts = conference.and_then(|it| Some(it.told(it.occupant(link)?, &news)));
    tell_all(texts.unwrap_or_default(), user, place);
}

fn affiliate(item: &Element, new: Affiliation, jid: &str, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    let conference = place.room.conference(jid).ok_or(NO_SUCH_ROOM)?;
    let own = user.link.and_then(|link| conference.occupant(link)).ok_or(NO_ADMIN)?;
    let (power, actor) = (conference.affiliation(own.bare()), own.nick.clone());
    if power < Affiliation::Admin {
        return Err(NO_ADMIN);
    }
    let by_nick = item.attribute("nick").and_then(|nick| conference.named(nick)).map(|it| it.bare().to_owned());
    let bare = item.attribute("jid").map(|jid| split(jid).0).or(by_nick).ok_or(Wrong::BAD_REQUEST)?;
    let old = conference.affiliation(&bare);
    let is_last = old == Affiliation::Owner
        && conference.affiliations.iter().filter(|(_, it)| *it == Affiliation::Owner).count() == 1;
    if power < Affiliation::Owner && old.max(new) >= Affiliation::Admin || is_last && new < Affiliation::Owner {
        return Err(Wrong::NOT_ALLOWED);
    }
    let kept = place.keep(&bare).ok_or(Wrong::NO_ROOM)?;
    let conference = place.room.conference_mut(jid).ok_or(NO_SUCH_ROOM)?;
    if !conference.affiliate(kept, new) {
        return Err(Wrong::NO_ROOM);
    }
    let (role, is_closed) = (conference.role_of(new), conference.config.is("muc#roomconfig_membersonly"));
    let links: Vec<u64> = conference.occupants.iter().filter(|it| it.bare() == bare).map(|it| it.link).collect();
    for link in links {
        let code = match new {
            Affiliation::Outcast => Some("301"),
            Affiliation::None if is_closed => Some("321"),
            _ => None,
        };
        let about = why(item, &actor);
        match code {
            Some(code) => {
                let news = News { goes: true, codes: vec![code], about, ..News::default() };
                occupancy::remove(jid, link, news, user, place);
            }
            None => {
                if let Some(conference) = place.room.conference_mut(jid) {
                    set_role(conference, link, role);
                }
                show(jid, link, News { about, ..News::default() }, user, place);
            }
        }
    }
    Ok(())
}
