//! Chat rooms below `conference.HOST` (XEP-0045), as mod_muc keeps them: who is in them and what that allows, what was said last.
//!
//! `occupancy` lets in and out, `talk` passes messages on, `service` answers questions, `owner` and `admin` change a room.
//!
//! Bounded: [`MAX_CONFERENCES`] rooms of a source with [`MAX_HISTORY`] messages and [`MAX_AFFILIATIONS`] affiliations; their bytes
//! count as what an account keeps. A room has no more occupants than its source has sessions.

mod admin;
mod occupancy;
mod owner;
mod service;
mod talk;

use std::collections::VecDeque;

use super::User;
use super::element::{Element, escaped};
use super::room::{Kept, Room};
use super::stanza::Place;
use super::text::Wrong;
use crate::handlers::held::Share;
use owner::Config;

pub(super) use occupancy::leave_all;

/// Rooms of one source.
const MAX_CONFERENCES: usize = 16;
/// Messages that a newcomer hears (mod_muc's `history_size`).
const MAX_HISTORY: usize = 20;
/// Accounts of which a room remembers what they may.
const MAX_AFFILIATIONS: usize = 64;
const USERS: &str = "http://jabber.org/protocol/muc#user";
const NOT_IN: Wrong = Wrong::NOT_ACCEPTABLE.saying("Only occupants are allowed to send messages to the conference");
const NO_SUCH_ROOM: Wrong = Wrong::NOT_FOUND.saying("Conference room does not exist");

/// What an account may, for as long as the room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Affiliation {
    Outcast,
    None,
    Member,
    Admin,
    Owner,
}

impl Affiliation {
    const ALL: [Self; 5] = [Self::Outcast, Self::None, Self::Member, Self::Admin, Self::Owner];

    const fn name(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// What an occupant may, while it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    None,
    Visitor,
    Participant,
    Moderator,
}

impl Role {
    const ALL: [Self; 4] = [Self::None, Self::Visitor, Self::Participant, Self::Moderator];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

/// Somebody who is in.
#[derive(Debug)]
struct Occupant {
    /// Its session's seat and full address.
    link: u64,
    address: String,
    nick: String,
    role: Role,
    /// What it said of itself.
    presence: Kept,
    _share: Share,
}

impl Occupant {
    fn bare(&self) -> &str {
        self.address.split('/').next().unwrap_or_default()
    }
}

/// A message that was said.
#[derive(Debug)]
struct Past {
    nick: String,
    id: Option<String>,
    /// As XEP-0082 writes it, and in seconds since the server's start.
    utc: String,
    at: u64,
    content: Kept,
    _share: Share,
}

/// One chat room.
#[derive(Debug)]
pub(super) struct Conference {
    /// Its address.
    jid: String,
    config: Config,
    affiliations: Vec<(Kept, Affiliation)>,
    occupants: Vec<Occupant>,
    /// Who set it, and the text.
    subject: Option<(String, Kept)>,
    history: VecDeque<Past>,
    _share: Share,
}

impl Conference {
    /// The part before the `@`.
    fn name(&self) -> &str {
        self.jid.split('@').next().unwrap_or_default()
    }

    fn affiliation(&self, bare: &str) -> Affiliation {
        self.affiliations.iter().find(|(known, _)| known.text == bare).map_or(Affiliation::None, |(_, it)| *it)
    }

    /// Remembers what an account may; false when there is no room for one more.
    fn affiliate(&mut self, bare: Kept, affiliation: Affiliation) -> bool {
        self.affiliations.retain(|(known, _)| known.text != bare.text);
        let fits = affiliation == Affiliation::None || self.affiliations.len() < MAX_AFFILIATIONS;
        if fits && affiliation != Affiliation::None {
            self.affiliations.push((bare, affiliation));
        }
        fits
    }

    /// The role that an affiliation brings with it.
    fn role_of(&self, affiliation: Affiliation) -> Role {
        match affiliation {
            Affiliation::Owner | Affiliation::Admin => Role::Moderator,
            Affiliation::Member => Role::Participant,
            _ if self.config.is("members_by_default") || !self.config.is("muc#roomconfig_moderatedroom") => {
                Role::Participant
            }
            _ => Role::Visitor,
        }
    }

    fn occupant(&self, link: u64) -> Option<&Occupant> {
        self.occupants.iter().find(|occupant| occupant.link == link)
    }

    fn named(&self, nick: &str) -> Option<&Occupant> {
        self.occupants.iter().find(|occupant| occupant.nick == nick)
    }

    /// `<item/>` about an occupant, as one of this role sees it.
    fn item(&self, about: &Occupant, viewer: Role) -> Element {
        let item = Element::new("item");
        let shows = viewer == Role::Moderator || self.config.get("muc#roomconfig_whois") == "anyone";
        let item = if shows { item.with("jid", &about.address) } else { item };
        item.with("affiliation", self.affiliation(about.bare()).name()).with("role", about.role.name())
    }

    /// The presence of an occupant for another, or for itself.
    fn presence(&self, about: &Occupant, viewer: &Occupant, news: &News) -> String {
        let mut item = self.item(about, viewer.role);
        item.children.extend(news.about.iter().cloned());
        if let Some(nick) = &news.nick {
            item = item.with("nick", nick);
        }
        let own = (about.link == viewer.link).then_some("110");
        let codes = own.into_iter().chain(news.codes.iter().copied().filter(|code| own.is_some() || !only_own(code)));
        let x = Element::new("x").with("xmlns", USERS).holding([item]);
        let x = x.holding(codes.map(|code| Element::new("status").with("code", code)));
        let (nick, to) = (escaped(&about.nick), escaped(&viewer.address));
        let (kind, said) = if news.goes { (" type='unavailable'", "") } else { ("", about.presence.text.as_str()) };
        format!("<presence from='{}/{nick}' to='{to}'{kind}>{said}{}</presence>", escaped(&self.jid), x.written())
    }

    /// What each occupant hears about one of them, which hears it last.
    fn told(&self, about: &Occupant, news: &News) -> Vec<(u64, String)> {
        let others = self.occupants.iter().filter(|viewer| viewer.link != about.link);
        others.chain([about]).map(|viewer| (viewer.link, self.presence(about, viewer, news))).collect()
    }
}

/// Codes that are nobody else's business.
fn only_own(code: &str) -> bool {
    matches!(code, "100" | "201")
}

/// What a presence tells besides who is there.
#[derive(Debug, Default)]
struct News {
    goes: bool,
    /// The new name of one who goes by that.
    nick: Option<String>,
    codes: Vec<&'static str>,
    /// Who did it and why.
    about: Vec<Element>,
}

impl Room {
    fn conference(&self, jid: &str) -> Option<&Conference> {
        self.conferences.iter().find(|conference| conference.jid == jid)
    }

    fn conference_mut(&mut self, jid: &str) -> Option<&mut Conference> {
        self.conferences.iter_mut().find(|conference| conference.jid == jid)
    }

    /// Makes a room for its first occupant; an empty one takes leave for it. `None`: there are too many.
    fn open(&mut self, jid: &str, owner: Kept, share: Share) -> Option<()> {
        if self.conferences.len() >= MAX_CONFERENCES {
            let empty = self.conferences.iter().position(|conference| conference.occupants.is_empty())?;
            self.conferences.remove(empty);
        }
        self.conferences.push(Conference {
            jid: jid.to_owned(),
            config: Config::default(),
            affiliations: vec![(owner, Affiliation::Owner)],
            occupants: Vec::new(),
            subject: None,
            history: VecDeque::new(),
            _share: share,
        });
        Some(())
    }
}

/// Does what a stanza to the service, to a room or to an occupant asks for.
pub(super) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    match stanza.name.as_str() {
        "presence" => occupancy::take(stanza, user, place),
        "message" => talk::take(stanza, user, place),
        _ => service::take(stanza, user, place),
    }
}

fn tell_all(texts: Vec<(u64, String)>, user: &User, place: &mut Place<'_>) {
    texts.into_iter().for_each(|(link, text)| place.tell(user, link, &text));
}
