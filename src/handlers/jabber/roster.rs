//! The contact list of one account (RFC 6121 sections 2 and 3): what a client puts there, and who hears of whose presence.

use super::element::Element;
use crate::handlers::held::Share;

/// Contacts of one account, and bytes of one of them as it is written.
const MAX_CONTACTS: usize = 32;
const MAX_CONTACT: usize = 512;

/// Somebody whom the account knows.
#[derive(Debug)]
pub(super) struct Contact {
    /// The bare address.
    jid: String,
    name: Option<String>,
    pub(super) groups: Vec<String>,
    /// The account hears of the contact's presence.
    pub(super) to: bool,
    /// The contact hears of the account's.
    pub(super) from: bool,
    /// The account has asked to hear of it.
    pub(super) asks: bool,
    /// The contact has asked.
    pub(super) asked: bool,
    /// The client sees it: not yet, when it has only asked.
    pub(super) is_listed: bool,
    _share: Share,
}

/// Contacts.
#[derive(Debug, Default)]
pub(super) struct Roster {
    contacts: Vec<Contact>,
}

/// Why a contact is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No `item`, or one without an address.
    BadRequest,
    /// The list is full.
    Full,
}

impl Roster {
    /// `<query/>` with all contacts.
    pub(super) fn query(&self) -> String {
        let items: String = self.contacts.iter().filter(|contact| contact.is_listed).map(Contact::item).collect();
        if items.is_empty() { "<query xmlns='jabber:iq:roster'/>".to_owned() } else { query(&items) }
    }

    /// Enters, changes or removes the contact that a `set` names: the item that is pushed. `count` counts its bytes.
    pub(super) fn change(
        &mut self,
        asked: &Element,
        count: impl FnOnce(usize) -> Option<Share>,
    ) -> Result<String, Refusal> {
        let item = asked.child("item").ok_or(Refusal::BadRequest)?;
        let jid = item.attribute("jid").filter(|jid| !jid.is_empty()).ok_or(Refusal::BadRequest)?;
        let jid = jid.to_lowercase();
        if item.attribute("subscription") == Some("remove") {
            self.contacts.retain(|contact| contact.jid != jid);
            let attributes = vec![("subscription".to_owned(), "remove".to_owned()), ("jid".to_owned(), jid)];
            return Ok(Element { name: "item".to_owned(), attributes, ..Element::default() }.written());
        }
        if item.written().len() > MAX_CONTACT {
            return Err(Refusal::Full);
        }
        let contact = self.entry(&jid, count).ok_or(Refusal::Full)?;
        contact.is_listed = true;
        contact.name = item.attribute("name").map(str::to_owned);
        contact.groups = item.children.iter().filter(|it| it.name == "group").map(|group| group.text.clone()).collect();
        Ok(contact.item())
    }

    /// Changes how a contact stands: the item that is pushed, if something has changed that the client sees.
    pub(super) fn settle(
        &mut self,
        jid: &str,
        count: impl FnOnce(usize) -> Option<Share>,
        work: impl FnOnce(&mut Contact),
    ) -> Option<String> {
        let contact = self.entry(jid, count)?;
        let before = contact.item();
        let was_listed = contact.is_listed;
        work(contact);
        let (item, is_listed) = (contact.item(), contact.is_listed);
        (is_listed && (!was_listed || item != before)).then_some(item)
    }

    /// The contact of this address.
    pub(super) fn find(&self, jid: &str) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.jid == jid)
    }

    /// Addresses of the contacts that are so.
    pub(super) fn those(&self, are: impl Fn(&Contact) -> bool) -> Vec<String> {
        self.contacts.iter().filter(|contact| are(contact)).map(|contact| contact.jid.clone()).collect()
    }

    fn entry(&mut self, jid: &str, count: impl FnOnce(usize) -> Option<Share>) -> Option<&mut Contact> {
        let at = match self.contacts.iter().position(|contact| contact.jid == jid) {
            Some(at) => at,
            None if self.contacts.len() >= MAX_CONTACTS || jid.len() > MAX_CONTACT => return None,
            None => {
                self.contacts.push(Contact {
                    jid: jid.to_owned(),
                    name: None,
                    groups: Vec::new(),
                    to: false,
                    from: false,
                    asks: false,
                    asked: false,
                    is_listed: false,
                    _share: count(2 * MAX_CONTACT)?,
                });
                self.contacts.len() - 1
            }
        };
        self.contacts.get_mut(at)
    }
}

impl Contact {
    pub(super) fn subscription(&self) -> &'static str {
        match (self.to, self.from) {
            (true, true) => "both",
            (true, false) => "to",
            (false, true) => "from",
            (false, false) => "none",
        }
    }

    /// `<item/>`, its attributes in ejabberd's order.
    fn item(&self) -> String {
        let mut attributes = Vec::new();
        if self.asks {
            attributes.push(("ask".to_owned(), "subscribe".to_owned()));
        }
        attributes.push(("subscription".to_owned(), self.subscription().to_owned()));
        if let Some(name) = &self.name {
            attributes.push(("name".to_owned(), name.clone()));
        }
        attributes.push(("jid".to_owned(), self.jid.clone()));
        let group = |text: &String| Element { name: "group".to_owned(), text: text.clone(), ..Element::default() };
        let children = self.groups.iter().map(group).collect();
        Element { name: "item".to_owned(), attributes, children, text: String::new() }.written()
    }
}

/// `<query/>` around items.
pub(super) fn query(items: &str) -> String {
    format!("<query xmlns='jabber:iq:roster'>{items}</query>")
}
