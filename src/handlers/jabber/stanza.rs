//! Stanzas of a client that is logged in (RFC 6120 section 8, RFC 6121): where they go.

use super::room::Room;
use super::text::{answer, stanza_error};
use super::xml::Element;
use super::{Shared, User, iq, message, presence};
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
    pub(super) fn refuse(&mut self, stanza: &Element, user: &User, code: u16, kind: &str, condition: &str) {
        let error = stanza_error(stanza, code, kind, condition);
        let text = answer(stanza, "error", &user.address(self.host), Some(self.host), &error);
        self.out.push_str(&text);
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
    match stanza.name.as_str() {
        "iq" => iq::take(stanza, user, place),
        // Before it has a resource a client is not heard.
        "message" if user.link.is_some() => message::take(stanza, user, place),
        "presence" if user.link.is_some() => presence::take(stanza, user, place),
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
