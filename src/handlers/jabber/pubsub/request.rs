//! What nodes are asked for, and how they change.

use std::collections::VecDeque;

use super::{MAX_ITEMS, MAX_NAME, MAX_NODES, MAX_SUBSCRIBERS, Node, Subscriber, notify, shown};
use crate::handlers::jabber::User;
use crate::handlers::jabber::disco::{self, INFO, ITEMS};
use crate::handlers::jabber::element::{Element, escaped};
use crate::handlers::jabber::stanza::{Place, split};
use crate::handlers::jabber::text::Wrong;

pub(in crate::handlers::jabber) const NAMESPACE: &str = "http://jabber.org/protocol/pubsub";
pub(in crate::handlers::jabber) const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const NO_NODE: Wrong = Wrong::NOT_FOUND.saying("Node not found");
const NOT_OFFERED: Wrong = Wrong::new(501, "cancel", "feature-not-implemented");
const VCARD: &str = "<vCard xmlns='vcard-temp'><FN>ejabberd/mod_pubsub</FN><URL>http://www.process-one.net/en/ejabberd/</URL>\
    <DESC>ejabberd Publish-Subscribe module\nCopyright (c) 2004-2014 ProcessOne</DESC></vCard>";

/// Does what a stanza to the service asks for.
pub(in crate::handlers::jabber) fn take(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let kind = stanza.attribute("type").unwrap_or_default();
    if stanza.name != "iq" || matches!(kind, "result" | "error") {
        return;
    }
    let service = split(stanza.attribute("to").unwrap_or_default()).0;
    let reply = match stanza.children.as_slice() {
        [query] => answer(kind, query, &service, user, place),
        _ => Err(Wrong::BAD_REQUEST),
    };
    place.reply(stanza, user, reply);
}

/// Answers a request to a service, or to an account as one.
pub(in crate::handlers::jabber) fn answer(
    kind: &str,
    query: &Element,
    service: &str,
    user: &User,
    place: &mut Place<'_>,
) -> Result<String, Wrong> {
    let inner = query.children.first();
    match (kind, query.namespace(), inner.map(|inner| inner.name.as_str())) {
        ("get", INFO, _) => describe(query.attribute("node"), service, place),
        ("get", ITEMS, _) => list(query.attribute("node"), service, place),
        ("get", "vcard-temp", _) => Ok(VCARD.to_owned()),
        ("get", NAMESPACE | OWNER, Some("items" | "subscriptions" | "affiliations")) => {
            read(inner.unwrap_or(query), service, user, place)
        }
        ("set", NAMESPACE, Some("create")) => create(inner.unwrap_or(query), service, user, place),
        ("set", NAMESPACE, Some("publish")) => publish(inner.unwrap_or(query), service, user, place),
        ("set", NAMESPACE, Some("retract")) => retract(inner.unwrap_or(query), service, user, place),
        ("set", NAMESPACE, Some("subscribe")) => subscribe(inner.unwrap_or(query), service, user, place),
        ("set", NAMESPACE, Some("unsubscribe")) => unsubscribe(inner.unwrap_or(query), service, user, place),
        ("set", OWNER, Some(what @ ("delete" | "purge"))) => clear(what, inner.unwrap_or(query), service, user, place),
        (_, NAMESPACE | OWNER, Some(_)) => Err(NOT_OFFERED),
        (_, NAMESPACE | OWNER, None) => Err(Wrong::BAD_REQUEST),
        _ => Err(Wrong::UNAVAILABLE),
    }
}

fn position(of: &Element, service: &str, place: &Place<'_>) -> Result<usize, Wrong> {
    let name = of.attribute("node").ok_or(Wrong::BAD_REQUEST.besides("nodeid-required"))?;
    place.room.nodes.iter().position(|node| node.service == service && node.name == name).ok_or(NO_NODE)
}

/// The place of a node that is the user's own.
fn own_position(of: &Element, service: &str, user: &User, place: &Place<'_>) -> Result<usize, Wrong> {
    let at = position(of, service, place)?;
    let is_own = place.room.nodes.get(at).is_some_and(|node| node.owner == user.bare(place.host));
    if is_own { Ok(at) } else { Err(Wrong::FORBIDDEN) }
}

fn describe(node: Option<&str>, service: &str, place: &Place<'_>) -> Result<String, Wrong> {
    let Some(name) = node else {
        let identity = ("pubsub", "service", "Publish-Subscribe");
        return Ok(disco::info(
            None,
            &[identity],
            [INFO, ITEMS, "vcard-temp"].into_iter().chain(disco::of_nodes()),
            "",
        ));
    };
    let known = place.room.nodes.iter().any(|node| node.service == service && node.name == name);
    let said = || disco::info(Some(name), &[("pubsub", "leaf", "")], [NAMESPACE], "");
    if known { Ok(said()) } else { Err(NO_NODE) }
}

/// The nodes of a service or an account, each as an item.
pub(in crate::handlers::jabber) fn listed(service: &str, place: &Place<'_>) -> impl Iterator<Item = Element> {
    let nodes = place.room.nodes.iter().filter(move |node| node.service == service);
    nodes.map(|node| Element::new("item").with("jid", &node.service).with("node", &node.name))
}

/// The nodes of a service, or the items of a node.
fn list(node: Option<&str>, service: &str, place: &Place<'_>) -> Result<String, Wrong> {
    let mut nodes = place.room.nodes.iter().filter(|node| node.service == service);
    let item = || Element::new("item").with("jid", service);
    match node {
        None => Ok(disco::listed(None, listed(service, place))),
        Some(name) => {
            let node = nodes.find(|node| node.name == name).ok_or(NO_NODE)?;
            Ok(disco::listed(Some(name), node.items.iter().map(|(id, _)| item().with("name", &id.text))))
        }
    }
}

fn inside(content: &str) -> String {
    format!("<pubsub xmlns='{NAMESPACE}'>{content}</pubsub>")
}

/// Whether somebody may see what is on a node: of an account's, its contacts.
fn may_see(node: &Node, bare: &str, place: &Place<'_>) -> bool {
    let is_contact = || place.room.known(&node.service).and_then(|it| it.roster.find(bare)).is_some_and(|it| it.from);
    !node.is_personal() || node.owner == bare || is_contact()
}

fn read(of: &Element, service: &str, user: &User, place: &Place<'_>) -> Result<String, Wrong> {
    let own = user.bare(place.host);
    let nodes = || place.room.nodes.iter().filter(|node| node.service == service);
    let content = match of.name.as_str() {
        "items" => {
            let node = place.room.nodes.get(position(of, service, place)?).ok_or(NO_NODE)?;
            if !may_see(node, &own, place) {
                return Err(Wrong::NOT_AUTHORIZED.besides("presence-subscription-required"));
            }
            let asked: Vec<&str> = of.children.iter().filter_map(|item| item.attribute("id")).collect();
            let most = of.attribute("max_items").and_then(|most| most.parse().ok()).unwrap_or(MAX_ITEMS);
            let items = node.items.iter().filter(|(id, _)| asked.is_empty() || asked.contains(&id.text.as_str()));
            let items = items.rev().take(most).map(|(id, payload)| shown(&id.text, &payload.text)).collect::<String>();
            format!("<items node='{}'>{items}</items>", escaped(&node.name))
        }
        "subscriptions" => {
            let all = nodes().flat_map(|node| node.subscribers.iter().map(move |it| (node, it)));
            let own = all.filter(|(_, it)| split(&it.jid).0 == own);
            let items = own.map(|(node, it)| subscription(node, it));
            Element::new("subscriptions").holding(items).written()
        }
        _ => {
            let own = nodes().filter(|node| node.owner == own);
            let item = |node: &Node| Element::new("affiliation").with("node", &node.name).with("affiliation", "owner");
            Element::new("affiliations").holding(own.map(item)).written()
        }
    };
    Ok(inside(&content))
}

fn subscription(node: &Node, it: &Subscriber) -> Element {
    let about = Element::new("subscription").with("node", &node.name).with("jid", &it.jid);
    about.with("subid", &it.id).with("subscription", "subscribed")
}

fn drawn(place: &mut Place<'_>) -> String {
    let number = place.room.next_push() + place.uptime;
    format!("{:013X}", place.shared.persona.random(&format!("node {number}")).within(&(1 << 48..=1 << 52)))
}

/// Makes a node; an account's own need not be made before something is published.
fn open(name: &str, service: &str, user: &User, place: &mut Place<'_>) -> Result<usize, Wrong> {
    let owner = user.bare(place.host);
    if place.room.nodes.len() >= MAX_NODES || name.len() > MAX_NAME {
        return Err(Wrong::NO_ROOM);
    }
    let share = place.count(512 + name.len() + service.len() + owner.len()).ok_or(Wrong::NO_ROOM)?;
    let (service, name) = (service.to_owned(), name.to_owned());
    let node = Node { service, name, owner, items: VecDeque::new(), subscribers: Vec::new(), _share: share };
    place.room.nodes.push(node);
    Ok(place.room.nodes.len() - 1)
}

fn create(of: &Element, service: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    if position(of, service, place).is_ok() {
        return Err(Wrong::CONFLICT.saying("Node already exists"));
    }
    let name = of.attribute("node").map_or_else(|| drawn(place), str::to_owned);
    open(&name, service, user, place)?;
    Ok(inside(&Element::new("create").with("node", &name).written()))
}

fn publish(of: &Element, service: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let at = match (own_position(of, service, user, place), of.attribute("node")) {
        (Ok(at), _) => at,
        (Err(_), Some(name)) if position(of, service, place).is_err() && service == user.bare(place.host) => {
            open(name, service, user, place)?
        }
        (Err(wrong), _) => return Err(wrong),
    };
    let item = of.child("item").ok_or(Wrong::BAD_REQUEST.besides("item-required"))?;
    let id = item.attribute("id").map_or_else(|| drawn(place), str::to_owned);
    let (kept, payload) = place.keep(&id).zip(place.keep(&item.inner())).ok_or(Wrong::NO_ROOM)?;
    let Some(node) = place.room.nodes.get_mut(at) else { return Err(NO_NODE) };
    let told = shown(&id, &payload.text);
    node.items.retain(|(known, _)| known.text != id);
    while node.items.len() >= if node.is_personal() { 1 } else { MAX_ITEMS } {
        node.items.pop_front();
    }
    node.items.push_back((kept, payload));
    tell(at, &told, user, place);
    let item = Element::new("item").with("id", &id);
    let publish = Element::new("publish").with("node", of.attribute("node").unwrap_or_default());
    Ok(inside(&publish.holding([item]).written()))
}

fn tell(at: usize, items: &str, user: &User, place: &mut Place<'_>) {
    let texts = place.room.nodes.get(at).map(|node| notify(node, items, place)).unwrap_or_default();
    texts.into_iter().for_each(|(link, text)| place.tell(user, link, &text));
}

fn retract(of: &Element, service: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let at = own_position(of, service, user, place)?;
    let id =
        of.child("item").and_then(|item| item.attribute("id")).ok_or(Wrong::BAD_REQUEST.besides("item-required"))?;
    let Some(node) = place.room.nodes.get_mut(at) else { return Err(NO_NODE) };
    let before = node.items.len();
    node.items.retain(|(known, _)| known.text != id);
    if node.items.len() == before {
        return Err(Wrong::NOT_FOUND);
    }
    tell(at, &format!("<retract id='{}'/>", escaped(id)), user, place);
    Ok(String::new())
}

fn subscribe(of: &Element, service: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let at = position(of, service, place)?;
    let (own, jid) = (user.bare(place.host), of.attribute("jid").unwrap_or_default());
    if split(jid).0 != own {
        return Err(Wrong::BAD_REQUEST.besides("invalid-jid"));
    }
    if !place.room.nodes.get(at).is_some_and(|node| may_see(node, &own, place)) {
        return Err(Wrong::NOT_AUTHORIZED.besides("presence-subscription-required"));
    }
    let (id, share) = (drawn(place), place.count(128 + jid.len()).ok_or(Wrong::NO_ROOM)?);
    let Some(node) = place.room.nodes.get_mut(at) else { return Err(NO_NODE) };
    node.subscribers.retain(|it| it.jid != jid);
    if node.subscribers.len() >= MAX_SUBSCRIBERS {
        return Err(Wrong::NO_ROOM);
    }
    let subscriber = Subscriber { jid: jid.to_owned(), id, _share: share };
    let said = inside(&subscription(node, &subscriber).written());
    node.subscribers.push(subscriber);
    Ok(said)
}

fn unsubscribe(of: &Element, service: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let (at, own) = (position(of, service, place)?, user.bare(place.host));
    let Some(node) = place.room.nodes.get_mut(at) else { return Err(NO_NODE) };
    let before = node.subscribers.len();
    node.subscribers.retain(|it| Some(it.jid.as_str()) != of.attribute("jid") || split(&it.jid).0 != own);
    let gone = node.subscribers.len() < before;
    let wrong = Wrong::new(400, "wait", "unexpected-request").besides("not-subscribed");
    if gone { Ok(String::new()) } else { Err(wrong) }
}

/// Deletes a node, or all that is on it.
fn clear(what: &str, of: &Element, service: &str, user: &User, place: &mut Place<'_>) -> Result<String, Wrong> {
    let at = own_position(of, service, user, place)?;
    match (what, place.room.nodes.get_mut(at)) {
        ("purge", Some(node)) => node.items.clear(),
        _ => drop(place.room.nodes.remove(at)),
    }
    Ok(String::new())
}
