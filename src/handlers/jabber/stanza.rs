//! Stanzas of a client that is logged in (RFC 6120 section 8, RFC 6121): where they go.

use super::disco::services;
use super::element::Element;
use super::privacy::About;
use super::room::{Kept, Room};
use super::text::{Wrong, answer};
use super::{Shared, User, iq, message, muc, presence, pubsub};
use crate::handlers::held::Share;

/// Who speaks to which server, and what came of it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) shared: &'a Shared,
    pub(super) host: &'a str,
    pub(super) room: &'a mut Room,
    /// Seconds since the server was started.
    pub(super) uptime: u64,
    /// Universal time, as XEP-0082 writes it.
    pub(super) utc: String,
    /// What this client is sent.
    pub(super) out: String,
}

impl Place<'_> {
    /// Sends a stanza to a session: this one at once, another by its mailbox.
    pub(super) fn tell(&mut self, user: &User, link: u64, text: &str) {
        if user.link == Some(link) {
            self.out.push_str(text);
        } else {
            self.room.post(&self.shared.held, link, text);
        }
    }

    /// Refuses what this client sent.
    pub(super) fn refuse(&mut self, stanza: &Element, user: &User, wrong: Wrong) {
        let own = user.bare(self.host);
        let text = answer(stanza, "error", &user.address(self.host), Some(&own), &wrong.of(stanza));
        self.out.push_str(&text);
    }

    /// Answers a request.
    pub(super) fn reply(&mut self, stanza: &Element, user: &User, reply: Result<String, Wrong>) {
        match reply {
            Ok(content) => {
                let (own, bare) = (user.address(self.host), user.bare(self.host));
                self.out.push_str(&answer(stanza, "result", &own, Some(&bare), &content));
            }
            Err(wrong) => self.refuse(stanza, user, wrong),
        }
    }

    /// Keeps a text of this source's, while there is room.
    pub(super) fn keep(&self, text: &str) -> Option<Kept> {
        self.room.keep(&self.shared.held, text)
    }

    /// The client's own list lets it send this to an address.
    pub(super) fn may(&self, user: &User, to: &str, about: About) -> bool {
        user.link.is_none_or(|link| self.hears(link, to, about))
    }

    /// A session's list lets it have to do with this address.
    pub(super) fn hears(&self, link: u64, other: &str, about: About) -> bool {
        let seat = self.room.seat_of(link);
        let account = seat.and_then(|seat| Some((seat, self.room.known(&seat.bare)?)));
        account.is_none_or(|(seat, account)| {
            split(other).0 == seat.bare || account.privacy.allows(seat.active.as_deref(), other, &account.roster, about)
        })
    }

    pub(super) fn count(&self, bytes: usize) -> Option<Share> {
        self.room.count(&self.shared.held, bytes)
    }

    /// The address is of this server.
    pub(super) fn is_local(&self, bare: &str) -> bool {
        bare.rsplit('@').next() == Some(self.host)
    }

    /// There is such an account: whoever could log in has one.
    pub(super) fn has_account(&self, bare: &str) -> bool {
        let name = bare.strip_suffix(self.host).and_then(|name| name.strip_suffix('@'));
        self.room.has_account(bare) || name.is_some_and(|name| self.shared.credentials.knows(name.as_bytes()))
    }

    /// Sessions of an account that are available, with their priorities.
    pub(super) fn available(&self, bare: &str) -> Vec<(u64, i8)> {
        let seats = self.room.seats(bare);
        seats.filter_map(|seat| seat.presence.as_ref().map(|presence| (seat.link, presence.priority))).collect()
    }

    /// The session of this full address.
    pub(super) fn link(&self, bare: &str, resource: &str) -> Option<u64> {
        self.room.seats(bare).find(|seat| seat.resource == resource).map(|seat| seat.link)
    }
}

/// Does what one stanza asks for.
pub(super) fn take(stanza: &Element, user: &mut User, place: &mut Place<'_>) {
    const DENIED: Wrong =
        Wrong::NOT_ACCEPTABLE.saying("Your active privacy list has denied the routing of this stanza.");
    let to = stanza.attribute("to").unwrap_or_default();
    let is_denied = |about| !to.is_empty() && !place.may(user, to, about);
    match (stanza.name.as_str(), user.link) {
        ("iq", None) => return iq::take(stanza, user, place),
        // Before it has a resource a client is not heard.
        (_, None) => return,
        ("message", _) if is_denied(About::Message) => return place.refuse(stanza, user, DENIED),
        ("iq", _) if is_denied(About::Iq) => return place.refuse(stanza, user, DENIED),
        ("presence", _) if is_denied(About::PresenceOut) => return,
        _ => {}
    }
    let domain = split(to).0.rsplit('@').next().unwrap_or_default().to_owned();
    let [conference, pubsub] = services(place.host);
    match stanza.name.as_str() {
        _ if domain == conference => muc::take(stanza, user, place),
        _ if domain == pubsub => pubsub::take(stanza, user, place),
        "iq" => iq::take(stanza, user, place),
        "message" => message::take(stanza, user, place),
        "presence" => presence::take(stanza, user, place),
        _ => {}
    }
}

/// Bare address in lower case, and resource.
pub(super) fn split(address: &str) -> (String, Option<&str>) {
    let (bare, resource) = address.split_once('/').map_or((address, None), |(bare, resource)| (bare, Some(resource)));
    (bare.to_lowercase(), resource)
}

/// The stanza with other addresses.
pub(super) fn readdressed(stanza: &Element, from: &str, to: &str) -> Element {
    let mut copy = stanza.clone();
    copy.attributes.retain(|(name, _)| !matches!(name.as_str(), "from" | "to"));
    copy.attributes.insert(0, ("to".to_owned(), to.to_owned()));
    copy.attributes.insert(0, ("from".to_owned(), from.to_owned()));
    copy
}
