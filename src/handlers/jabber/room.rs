//! What the clients of one source share: accounts with what they keep on the server, and the sessions that hear each other. A
//! session's stanzas land in the mailboxes of those they are for; each connection empties its own.
//!
//! Bounded: [`MAX_ACCOUNTS`] accounts, [`MAX_SEATS`] sessions; what is kept of a source counts against [`MAX_SOURCE`] bytes, that of all
//! against [`MAX_TOTAL`].

use std::collections::VecDeque;

use super::element::Element;
use super::muc::Conference;
use super::privacy::Privacy;
use super::pubsub::Node;
use super::roster::Roster;
use crate::handlers::held::{Held, Share};

const MAX_ACCOUNTS: usize = 32;
const MAX_SEATS: usize = 24;
/// Stanzas that wait for one session, and messages for an account that is away.
const MAX_MAILBOX: usize = 128;
const MAX_OFFLINE: usize = 50;
/// Elements that an account stores.
const MAX_STORED: usize = 16;
const MAX_SOURCE: usize = 256 * 1024;
const MAX_TOTAL: usize = 64 * 1024 * 1024;
/// What a kept text costs besides.
const OVERHEAD: usize = 96;

/// A text whose bytes count while it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) text: String,
    _share: Share,
}

/// An account, known by its bare address.
#[derive(Debug)]
pub(super) struct Account {
    bare: String,
    pub(super) roster: Roster,
    pub(super) privacy: Privacy,
    /// When its last session ended, in seconds since the server's start.
    pub(super) left: u64,
    /// By name and namespace.
    stored: Vec<(String, Kept)>,
    offline: Vec<Kept>,
}

/// What an available session said of itself.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) element: Element,
    pub(super) priority: i8,
    _share: Option<Share>,
}

/// A session with a resource.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) link: u64,
    pub(super) bare: String,
    pub(super) resource: String,
    /// `None`: it is away.
    pub(super) presence: Option<Presence>,
    /// What it wants to hear of, a name a line, once it has told (XEP-0163 section 4.3).
    pub(super) interests: Option<Kept>,
    /// The list that rules for this session only (XEP-0016 section 2.4).
    pub(super) active: Option<String>,
    /// It wants copies of what its account's other sessions say and hear (XEP-0280).
    pub(super) carbons: bool,
    mailbox: VecDeque<Kept>,
}

impl Seat {
    /// The full address.
    pub(super) fn address(&self) -> String {
        format!("{}/{}", self.bare, self.resource)
    }
}

/// All that one source does.
#[derive(Debug, Default)]
pub(super) struct Room {
    accounts: Vec<Account>,
    seats: Vec<Seat>,
    pub(super) conferences: Vec<Conference>,
    pub(super) nodes: Vec<Node>,
    last_link: u64,
    pushes: u64,
    held: Held,
}

impl Room {
    /// Counts bytes for this source and for all.
    pub(super) fn count(&self, total: &Held, bytes: usize) -> Option<Share> {
        Share::take([(&self.held, MAX_SOURCE), (total, MAX_TOTAL)], bytes)
    }

    pub(super) fn keep(&self, total: &Held, text: &str) -> Option<Kept> {
        let share = self.count(total, text.len() + OVERHEAD)?;
        Some(Kept { text: text.to_owned(), _share: share })
    }

    /// A client takes its seat; one with the same address loses it. `None`: there are too many.
    pub(super) fn sit(&mut self, bare: &str, resource: &str) -> Option<u64> {
        self.seats.retain(|seat| seat.bare != bare || seat.resource != resource);
        if self.seats.len() >= MAX_SEATS {
            return None;
        }
        self.account(bare);
        self.last_link += 1;
        self.seats.push(Seat {
            link: self.last_link,
            bare: bare.to_owned(),
            resource: resource.to_owned(),
            presence: None,
            interests: None,
            active: None,
            carbons: false,
            mailbox: VecDeque::new(),
        });
        Some(self.last_link)
    }

    pub(super) fn leave(&mut self, link: u64) {
        self.seats.retain(|seat| seat.link != link);
    }

    pub(super) fn seat(&mut self, link: u64) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.link == link)
    }

    pub(super) fn seat_of(&self, link: u64) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.link == link)
    }

    /// The sessions of an account.
    pub(super) fn seats<'a>(&'a self, bare: &'a str) -> impl Iterator<Item = &'a Seat> {
        self.seats.iter().filter(move |seat| seat.bare == bare)
    }

    /// The account of this address; a new one takes the place of the one longest unused.
    pub(super) fn account(&mut self, bare: &str) -> Option<&mut Account> {
        let known = self.accounts.iter().position(|account| account.bare == bare);
        let account = match known {
            Some(at) => self.accounts.remove(at),
            None => {
                if self.accounts.len() >= MAX_ACCOUNTS {
                    let is_free = |account: &Account| !self.seats.iter().any(|seat| seat.bare == account.bare);
                    let at = self.accounts.iter().position(is_free)?;
                    self.accounts.remove(at);
                }
                Account {
                    bare: bare.to_owned(),
                    roster: Roster::default(),
                    privacy: Privacy::default(),
                    left: 0,
                    stored: Vec::new(),
                    offline: Vec::new(),
                }
            }
        };
        self.accounts.push(account);
        self.accounts.last_mut()
    }

    /// The account of this address, if it is known.
    pub(super) fn known(&self, bare: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.bare == bare)
    }

    pub(super) fn has_account(&self, bare: &str) -> bool {
        self.known(bare).is_some()
    }

    /// Puts a stanza into a session's mailbox, while there is room.
    pub(super) fn post(&mut self, total: &Held, link: u64, text: &str) {
        let Some(kept) = self.keep(total, text) else { return };
        if let Some(seat) = self.seat(link).filter(|seat| seat.mailbox.len() < MAX_MAILBOX) {
            seat.mailbox.push_back(kept);
        }
    }

    /// Empties a session's mailbox; `None` once another session has taken its address.
    pub(super) fn take(&mut self, link: u64) -> Option<String> {
        self.seat(link).map(|seat| seat.mailbox.drain(..).map(|kept| kept.text).collect())
    }

    /// A session is available, and says how.
    pub(super) fn come(&mut self, total: &Held, link: u64, element: &Element, priority: i8) {
        let share = self.count(total, element.written().len() + OVERHEAD);
        let Some(seat) = self.seat(link) else { return };
        let element = match &share {
            Some(_) => element.clone(),
            // There is no room for more than that it is there.
            None => Element { name: "presence".to_owned(), ..Element::default() },
        };
        seat.presence = Some(Presence { element, priority, _share: share });
    }

    /// A number for the next push.
    pub(super) fn next_push(&mut self) -> u64 {
        self.pushes += 1;
        self.pushes
    }

    /// Keeps a message for an account that is away; false when it has too many.
    pub(super) fn keep_offline(&mut self, total: &Held, bare: &str, text: &str) -> bool {
        let Some(kept) = self.keep(total, text) else { return false };
        match self.account(bare).filter(|account| account.offline.len() < MAX_OFFLINE) {
            Some(account) => {
                account.offline.push(kept);
                true
            }
            None => false,
        }
    }

    /// What was kept for an account while it was away.
    pub(super) fn take_offline(&mut self, bare: &str) -> String {
        let kept = self.account(bare).map(|account| std::mem::take(&mut account.offline)).unwrap_or_default();
        kept.into_iter().map(|kept| kept.text).collect()
    }

    /// Stores an element of an account, in place of that of the same name and namespace; false when there is no room.
    pub(super) fn store(&mut self, total: &Held, bare: &str, element: &Element) -> bool {
        let Some(kept) = self.keep(total, &element.written()) else { return false };
        let Some(account) = self.account(bare) else { return false };
        let key = key(element);
        account.stored.retain(|(known, _)| *known != key);
        if account.stored.len() >= MAX_STORED {
            return false;
        }
        account.stored.push((key, kept));
        true
    }

    /// The element of this name and namespace that an account has stored.
    pub(super) fn stored(&self, bare: &str, element: &Element) -> Option<String> {
        let account = self.known(bare)?;
        let wanted = key(element);
        account.stored.iter().find(|(key, _)| *key == wanted).map(|(_, kept)| kept.text.clone())
    }
}

fn key(element: &Element) -> String {
    format!("{} {}", element.name, element.namespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_keeps_no_more_than_its_bound_and_gives_it_back() {
        let (mut room, total) = (Room::default(), Held::default());
        for n in 0..200 {
            let bare = format!("u{n}@x");
            let element = Element { name: format!("e{n}"), text: "x".repeat(60_000), ..Element::default() };
            room.store(&total, &bare, &element);
            room.keep_offline(&total, &bare, &"y".repeat(10_000));
            room.sit(&bare, "r");
        }
        assert!(total.bytes() <= MAX_SOURCE && room.accounts.len() <= MAX_ACCOUNTS && room.seats.len() <= MAX_SEATS);
        drop(room);
        assert_eq!(total.bytes(), 0);
    }

    #[test]
    fn a_session_with_the_same_address_takes_the_seat() {
        let (mut room, total) = (Room::default(), Held::default());
        let first = room.sit("u@x", "r").unwrap();
        let second = room.sit("u@x", "r").unwrap();
        room.post(&total, second, "<a/>");
        assert_eq!((room.take(first), room.take(second)), (None, Some("<a/>".to_owned())));
    }
}
