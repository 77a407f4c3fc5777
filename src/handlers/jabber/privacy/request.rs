//! Requests about privacy lists and blocking.

use super::{Entry, List, MAX_ENTRIES, MAX_LISTS, Privacy, Whom};
use crate::handlers::held::Share;
use crate::handlers::jabber::element::Element;
use crate::handlers::jabber::stanza::Place;
use crate::handlers::jabber::text::Wrong;
use crate::handlers::jabber::{User, presence};

pub(in crate::handlers::jabber) const NAMESPACE: &str = "jabber:iq:privacy";
pub(in crate::handlers::jabber) const BLOCKING: &str = "urn:xmpp:blocking";
const NO_LIST: Wrong = Wrong::NOT_FOUND.saying("No privacy list with this name found");
/// The list that blocking makes where there is none.
const BLOCKED: &str = "Blocked contacts";

fn named(tag: &str, name: Option<&str>) -> Element {
    let element = Element::new(tag);
    if let Some(name) = name { element.with("name", name) } else { element }
}

/// `get`: the names of the lists, one list, or who is blocked.
pub(in crate::handlers::jabber) fn tell(query: &Element, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let active = user.link.and_then(|link| place.room.seat(link)).and_then(|seat| seat.active.clone());
    let none = Privacy::default();
    let privacy = place.room.known(&user.bare(place.host)).map_or(&none, |account| &account.privacy);
    if query.namespace() == BLOCKING {
        let list = privacy.default.as_ref().and_then(|name| privacy.list(name));
        let blocked = list.into_iter().flat_map(|list| list.entries.iter().filter_map(Entry::blocks));
        let items = blocked.map(|jid| Element::new("item").with("jid", jid));
        return Ok(Element::new("blocklist").with("xmlns", BLOCKING).holding(items).written());
    }
    let answer = Element::new("query").with("xmlns", NAMESPACE);
    Ok(match query.children.as_slice() {
        [] if privacy.lists.is_empty() => answer,
        [] => {
            let lists = privacy.lists.iter().map(|list| named("list", Some(&list.name)));
            let ruling = [named("active", active.as_deref()), named("default", privacy.default.as_deref())];
            answer.holding(ruling).holding(lists)
        }
        [list] if list.name == "list" => {
            let list = list.attribute("name").and_then(|name| privacy.list(name)).ok_or(NO_LIST)?;
            answer.holding([named("list", Some(&list.name)).holding(list.entries.iter().map(Entry::element))])
        }
        _ => return Err(Wrong::BAD_REQUEST),
    }
    .written())
}

/// `set`
pub(in crate::handlers::jabber) fn change(
    query: &Element,
    user: &User,
    place: &mut Place<'_>,
) -> Result<String, Wrong> {
    if query.namespace() == BLOCKING {
        block(query, user, place)?;
        return Ok(String::new());
    }
    let [asked] = query.children.as_slice() else { return Err(Wrong::BAD_REQUEST) };
    let bare = user.bare(place.host);
    let name = asked.attribute("name");
    match asked.name.as_str() {
        "list" => {
            let name = name.ok_or(Wrong::BAD_REQUEST)?.to_owned();
            let entries =
                asked.children.iter().map(Entry::read).collect::<Option<Vec<_>>>().ok_or(Wrong::BAD_REQUEST)?;
            replace(&bare, &name, entries, place)?;
            push_list(&bare, &name, user, place);
        }
        what @ ("active" | "default") => {
            let account = place.room.account(&bare).ok_or(Wrong::NO_ROOM)?;
            if name.is_some_and(|name| account.privacy.list(name).is_none()) {
                return Err(NO_LIST);
            }
            let name = name.map(str::to_owned);
            if what == "default" {
                account.privacy.default = name;
            } else if let Some(seat) = user.link.and_then(|link| place.room.seat(link)) {
                seat.active = name;
            }
        }
        _ => return Err(Wrong::BAD_REQUEST),
    }
    Ok(String::new())
}

/// Puts these entries in place of a list's own; without any the list is gone.
fn replace(bare: &str, name: &str, mut entries: Vec<Entry>, place: &mut Place<'_>) -> Result<(), Wrong> {
    let size: usize = entries.iter().map(|entry| entry.element().written().len() + 128).sum();
    let share: Option<Share> = place.count(size + name.len());
    let account = place.room.account(bare).ok_or(Wrong::NO_ROOM)?;
    account.privacy.lists.retain(|list| list.name != name);
    if entries.is_empty() {
        account.privacy.default.take_if(|default| default == name);
        return Ok(());
    }
    if share.is_none() || entries.len() > MAX_ENTRIES || account.privacy.lists.len() >= MAX_LISTS {
        return Err(Wrong::NO_ROOM);
    }
    entries.sort_by_key(|entry| entry.order);
    account.privacy.lists.insert(0, List { name: name.to_owned(), entries, _share: share });
    Ok(())
}

fn push_list(bare: &str, name: &str, user: &User, place: &mut Place<'_>) {
    let query = Element::new("query").with("xmlns", NAMESPACE).holding([named("list", Some(name))]);
    presence::push(bare, &query.written(), user, place);
}

/// Blocks these, or lets them or everybody be heard again.
fn block(query: &Element, user: &User, place: &mut Place<'_>) -> Result<(), Wrong> {
    let bare = user.bare(place.host);
    let items = query.children.iter().filter(|child| child.name == "item");
    let jids: Vec<String> = items.filter_map(|item| item.attribute("jid")).map(str::to_lowercase).collect();
    let account = place.room.account(&bare).ok_or(Wrong::NO_ROOM)?;
    let name = account.privacy.default.clone().unwrap_or_else(|| BLOCKED.to_owned());
    let mut entries = account.privacy.list(&name).map(|list| list.entries.clone()).unwrap_or_default();
    match query.name.as_str() {
        "block" if jids.is_empty() => return Err(Wrong::BAD_REQUEST.saying("No items found in this query")),
        "block" => {
            let new = jids.iter().filter(|jid| !entries.iter().any(|entry| entry.blocks() == Some(jid.as_str())));
            let new: Vec<String> = new.cloned().collect();
            let last = entries.iter().map(|entry| entry.order).max().unwrap_or(0);
            let blocking =
                |(jid, order): (String, u32)| Entry { whom: Whom::Jid(jid), allows: false, order, about: Vec::new() };
            entries.extend(new.into_iter().zip(last.saturating_add(1)..).map(blocking));
        }
        "unblock" => {
            entries.retain(|it| !it.blocks().is_some_and(|jid| jids.is_empty() || jids.iter().any(|it| it == jid)))
        }
        _ => return Err(Wrong::BAD_REQUEST),
    }
    let stays = !entries.is_empty();
    replace(&bare, &name, entries, place)?;
    if let Some(account) = place.room.account(&bare).filter(|_| stays) {
        account.privacy.default = Some(name.clone());
    }
    push_list(&bare, &name, user, place);
    let shown = Element { attributes: Vec::new(), ..Element::new(&query.name) }.with("xmlns", BLOCKING);
    let items = jids.iter().map(|jid| Element::new("item").with("jid", jid));
    presence::push(&bare, &shown.holding(items).written(), user, place);
    Ok(())
}
