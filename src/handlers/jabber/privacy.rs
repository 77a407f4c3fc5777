//! Whom an account does not want to hear or be heard by: privacy lists (XEP-0016), and blocking as mod_blocking makes it of them (XEP-0191).

mod request;

use super::element::Element;
use super::roster::Roster;
use super::stanza::split;
use crate::handlers::held::Share;

pub(super) use request::{BLOCKING, NAMESPACE, change, tell};

/// Lists of one account, and entries of one list.
const MAX_LISTS: usize = 8;
const MAX_ENTRIES: usize = 64;

/// A kind of stanza that an entry may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Message,
    Iq,
    PresenceIn,
    PresenceOut,
}

impl About {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Message, "message"),
        (Self::Iq, "iq"),
        (Self::PresenceIn, "presence-in"),
        (Self::PresenceOut, "presence-out"),
    ];
}

/// Whom an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whom {
    All,
    Jid(String),
    Group(String),
    Subscription(String),
}

/// One line of a list.
#[derive(Debug, Clone)]
struct Entry {
    whom: Whom,
    allows: bool,
    order: u32,
    /// Empty: all stanzas.
    about: Vec<About>,
}

impl Entry {
    /// Reads `<item/>`; `None`: it is none.
    fn read(item: &Element) -> Option<Self> {
        let value = item.attribute("value").map(str::to_owned);
        let whom = match (item.attribute("type"), value) {
            (None, _) => Whom::All,
            (Some("jid"), Some(value)) => Whom::Jid(value.to_lowercase()),
            (Some("group"), Some(value)) => Whom::Group(value),
            (Some("subscription"), Some(value)) => Whom::Subscription(value),
            _ => return None,
        };
        let allows = match item.attribute("action")? {
            "allow" => true,
            "deny" => false,
            _ => return None,
        };
        let named =
            |child: &Element| About::ALL.into_iter().find(|(_, name)| *name == child.name).map(|(about, _)| about);
        let about = item.children.iter().map(named).collect::<Option<Vec<_>>>()?;
        Some(Self { whom, allows, order: item.attribute("order")?.parse().ok()?, about })
    }

    fn element(&self) -> Element {
        let item = Element::new("item");
        let item = match &self.whom {
            Whom::All => item,
            Whom::Jid(value) => item.with("type", "jid").with("value", value),
            Whom::Group(value) => item.with("type", "group").with("value", value),
            Whom::Subscription(value) => item.with("type", "subscription").with("value", value),
        };
        let item =
            item.with("action", if self.allows { "allow" } else { "deny" }).with("order", &self.order.to_string());
        let named = About::ALL.into_iter().filter(|(about, _)| self.about.contains(about));
        item.holding(named.map(|(_, name)| Element::new(name)))
    }

    fn concerns(&self, jid: &str, roster: &Roster, about: About) -> bool {
        let (bare, resource) = split(jid);
        let domain = bare.rsplit('@').next().unwrap_or_default();
        let of_domain = || resource.map(|resource| format!("{domain}/{resource}"));
        let meant = match &self.whom {
            Whom::All => true,
            Whom::Jid(value) => {
                *value == bare || *value == domain || *value == jid || of_domain().as_ref() == Some(value)
            }
            Whom::Group(name) => roster.find(&bare).is_some_and(|contact| contact.groups.contains(name)),
            Whom::Subscription(wanted) => roster.find(&bare).map_or("none", |contact| contact.subscription()) == wanted,
        };
        meant && (self.about.is_empty() || self.about.contains(&about))
    }

    /// It shuts somebody out altogether.
    fn blocks(&self) -> Option<&str> {
        match &self.whom {
            Whom::Jid(value) if !self.allows && self.about.is_empty() => Some(value),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct List {
    name: String,
    /// By their order.
    entries: Vec<Entry>,
    _share: Option<Share>,
}

/// The lists of one account.
#[derive(Debug, Default)]
pub(super) struct Privacy {
    lists: Vec<List>,
    default: Option<String>,
}

impl Privacy {
    fn list(&self, name: &str) -> Option<&List> {
        self.lists.iter().find(|list| list.name == name)
    }

    /// Whether a stanza may pass between the account and `jid`: the session's list says so, else the account's.
    pub(super) fn allows(&self, active: Option<&str>, jid: &str, roster: &Roster, about: About) -> bool {
        let list = active.or(self.default.as_deref()).and_then(|name| self.list(name));
        let entry = list.and_then(|list| list.entries.iter().find(|entry| entry.concerns(jid, roster, about)));
        entry.is_none_or(|entry| entry.allows)
    }
}
