//! Nodes to which something is published, and those who hear of it (XEP-0060): the nodes of `pubsub.HOST`, and those of accounts, whose
//! contacts hear of them without asking (XEP-0163). mod_pubsub with its plugins `flat` and `pep`.
//!
//! Bounded: [`MAX_NODES`] nodes of a source with [`MAX_ITEMS`] items and [`MAX_SUBSCRIBERS`] subscribers; their bytes count as what an
//! account keeps.

mod request;

use std::collections::VecDeque;

use super::User;
use super::element::{Element, escaped};
use super::room::Kept;
use super::stanza::{Place, split};
use crate::handlers::held::Share;

pub(super) use request::{NAMESPACE, OWNER, answer, listed, take};

const MAX_NODES: usize = 32;
const MAX_ITEMS: usize = 10;
const MAX_SUBSCRIBERS: usize = 24;
/// Names of nodes that a session may want to hear of, and bytes of one.
const MAX_INTERESTS: usize = 64;
const MAX_NAME: usize = 512;

/// A node and what was published to it.
#[derive(Debug)]
pub(super) struct Node {
    /// The service or the account that has it.
    service: String,
    name: String,
    /// Bare address.
    owner: String,
    /// By name, the latest last.
    items: VecDeque<(Kept, Kept)>,
    subscribers: Vec<Subscriber>,
    _share: Share,
}

#[derive(Debug)]
struct Subscriber {
    jid: String,
    id: String,
    _share: Share,
}

impl Node {
    /// It is an account's: its contacts hear of it.
    fn is_personal(&self) -> bool {
        self.service.contains('@')
    }

    /// The message in which subscribers hear of these items.
    fn event(&self, to: &str, items: &str) -> String {
        let (from, to, name) = (escaped(&self.service), escaped(to), escaped(&self.name));
        format!(
            "<message from='{from}' to='{to}' type='headline'><event xmlns='{NAMESPACE}#event'>\
             <items node='{name}'>{items}</items></event></message>"
        )
    }
}

/// An item as it is shown.
fn shown(id: &str, payload: &str) -> String {
    format!("<item id='{}'>{payload}</item>", escaped(id))
}

/// Sessions that hear of a node's items, with the address that each is written to.
fn hearers(node: &Node, place: &Place<'_>) -> Vec<(u64, String)> {
    let mut hearers = Vec::new();
    for Subscriber { jid, .. } in &node.subscribers {
        let (bare, resource) = split(jid);
        let wanted = |link: &u64| resource.is_none_or(|resource| place.link(&bare, resource) == Some(*link));
        let there = place.available(&bare).into_iter().map(|(link, _)| link).filter(wanted);
        hearers.extend(there.map(|link| (link, jid.clone())));
    }
    if node.is_personal() {
        let followers = place.room.known(&node.service).map(|it| it.roster.those(|it| it.from)).unwrap_or_default();
        for bare in std::iter::once(&node.service).chain(&followers) {
            let seats = place.room.seats(bare).filter(|seat| seat.presence.is_some());
            let wants = seats
                .filter(|seat| seat.interests.as_ref().is_some_and(|it| it.text.lines().any(|it| it == node.name)));
            hearers.extend(wants.map(|seat| (seat.link, seat.address())));
        }
    }
    hearers
}

/// Tells those who want to know of these items of a node.
fn notify(node: &Node, items: &str, place: &Place<'_>) -> Vec<(u64, String)> {
    hearers(node, place).into_iter().map(|(link, to)| (link, node.event(&to, items))).collect()
}

/// Asks a session for what stands behind the digest in its presence (XEP-0115 section 5.4), as mod_caps does.
pub(super) fn ask_interests(presence: &Element, user: &User, place: &mut Place<'_>) {
    let caps = presence.children.iter().find(|it| it.namespace() == "http://jabber.org/protocol/caps");
    let Some((node, version)) = caps.and_then(|it| Some((it.attribute("node")?, it.attribute("ver")?))) else { return };
    let is_known = user.link.and_then(|link| place.room.seat(link)).is_none_or(|seat| seat.interests.is_some());
    if is_known || node.len() + version.len() > MAX_NAME {
        return;
    }
    let (from, to) = (escaped(place.host), escaped(&user.address(place.host)));
    let node = escaped(&format!("{node}#{version}"));
    place.out.push_str(&format!(
        "<iq from='{from}' to='{to}' type='get' id='{}'><query xmlns='{}' node='{node}'/></iq>",
        user.spare,
        super::disco::INFO
    ));
}

/// The answer has come: what was published last of what it wants to hear of.
pub(super) fn learn_interests(stanza: &Element, user: &User, place: &mut Place<'_>) {
    let Some(query) = stanza.children.first().filter(|_| stanza.attribute("id") == Some(user.spare.as_str())) else {
        return;
    };
    let features = query.children.iter().filter_map(|child| child.attribute("var")?.strip_suffix("+notify"));
    let wanted: Vec<&str> = features.filter(|name| name.len() <= MAX_NAME).take(MAX_INTERESTS).collect();
    let kept = place.keep(&wanted.join("\n"));
    let (Some(kept), Some(link)) = (kept, user.link) else { return };
    let (own, to) = (user.bare(place.host), user.address(place.host));
    let follows = place.room.known(&own).map(|account| account.roster.those(|it| it.to)).unwrap_or_default();
    let nodes = place.room.nodes.iter().filter(|node| node.service == own || follows.contains(&node.service));
    let texts = nodes.filter(|node| wanted.contains(&node.name.as_str())).filter_map(|node| {
        let (id, payload) = node.items.back()?;
        Some(node.event(&to, &shown(&id.text, &payload.text)))
    });
    let texts: String = texts.collect();
    place.out.push_str(&texts);
    if let Some(seat) = place.room.seat(link) {
        seat.interests = Some(kept);
    }
}
