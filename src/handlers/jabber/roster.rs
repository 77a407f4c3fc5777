//! The contact list of one session (RFC 6121 section 2): what a client puts there comes back to it, and as a push first.

use super::xml::Element;

/// Contacts of one session, and bytes of one of them as it is written.
const MAX_CONTACTS: usize = 32;
const MAX_CONTACT: usize = 512;

/// Contacts, as the elements that tell of them.
#[derive(Debug, Default)]
pub(super) struct Roster {
    items: Vec<Element>,
    pushes: u64,
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
        query(&self.items)
    }

    /// Enters, changes or removes the contact that a `set` names: the query that is pushed.
    pub(super) fn change(&mut self, asked: &Element) -> Result<String, Refusal> {
        let item = asked.child("item").ok_or(Refusal::BadRequest)?;
        let jid = item.attribute("jid").filter(|jid| !jid.is_empty()).ok_or(Refusal::BadRequest)?;
        let at = self.items.iter().position(|known| known.attribute("jid") == Some(jid));
        if item.attribute("subscription") == Some("remove") {
            if let Some(at) = at {
                self.items.remove(at);
            }
            return Ok(query(&[contact(item, jid, "remove")]));
        }
        let new = contact(item, jid, "none");
        if written(&new).len() > MAX_CONTACT || (at.is_none() && self.items.len() >= MAX_CONTACTS) {
            return Err(Refusal::Full);
        }
        let pushed = query(std::slice::from_ref(&new));
        match at.and_then(|at| self.items.get_mut(at)) {
            Some(known) => *known = new,
            None => self.items.push(new),
        }
        Ok(pushed)
    }

    /// The number of the next push.
    pub(super) fn next_push(&mut self) -> u64 {
        self.pushes += 1;
        self.pushes
    }
}

fn contact(item: &Element, jid: &str, subscription: &str) -> Element {
    let mut attributes = vec![("subscription".to_owned(), subscription.to_owned())];
    let is_kept = subscription != "remove";
    if let Some(name) = item.attribute("name").filter(|_| is_kept) {
        attributes.push(("name".to_owned(), name.to_owned()));
    }
    attributes.push(("jid".to_owned(), jid.to_owned()));
    let groups = item.children.iter().filter(|child| is_kept && child.name == "group");
    let children =
        groups.map(|group| Element { name: "group".to_owned(), text: group.text.clone(), ..Element::default() });
    Element { name: "item".to_owned(), attributes, children: children.collect(), text: String::new() }
}

fn written(element: &Element) -> String {
    let mut out = String::new();
    element.write(&mut out);
    out
}

fn query(items: &[Element]) -> String {
    match items {
        [] => "<query xmlns='jabber:iq:roster'/>".to_owned(),
        items => {
            let items: String = items.iter().map(written).collect();
            format!("<query xmlns='jabber:iq:roster'>{items}</query>")
        }
    }
}
