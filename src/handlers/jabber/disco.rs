//! What the server and its accounts say that they can do (XEP-0030), and its digest in the stream features (XEP-0115).

use data_encoding::BASE64;
use ring::digest;

use super::element::{Element, escaped};

/// `http://www.process-one.net/en/ejabberd/`
pub(super) const NODE: &str = "http://www.process-one.net/en/ejabberd/";
pub(super) const INFO: &str = "http://jabber.org/protocol/disco#info";
pub(super) const ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// The server's own and those of its accounts' nodes, in the order of their bytes, as the digest wants them.
const FEATURES: [&str; 33] = [
    "http://jabber.org/protocol/commands",
    INFO,
    ITEMS,
    "http://jabber.org/protocol/pubsub",
    "http://jabber.org/protocol/pubsub#access-open",
    "http://jabber.org/protocol/pubsub#access-presence",
    "http://jabber.org/protocol/pubsub#auto-create",
    "http://jabber.org/protocol/pubsub#create-nodes",
    "http://jabber.org/protocol/pubsub#delete-items",
    "http://jabber.org/protocol/pubsub#delete-nodes",
    "http://jabber.org/protocol/pubsub#filtered-notifications",
    "http://jabber.org/protocol/pubsub#instant-nodes",
    "http://jabber.org/protocol/pubsub#item-ids",
    "http://jabber.org/protocol/pubsub#last-published",
    "http://jabber.org/protocol/pubsub#persistent-items",
    "http://jabber.org/protocol/pubsub#publish",
    "http://jabber.org/protocol/pubsub#purge-nodes",
    "http://jabber.org/protocol/pubsub#retract-items",
    "http://jabber.org/protocol/pubsub#retrieve-affiliations",
    "http://jabber.org/protocol/pubsub#retrieve-items",
    "http://jabber.org/protocol/pubsub#retrieve-subscriptions",
    "http://jabber.org/protocol/pubsub#subscribe",
    "iq",
    "jabber:iq:last",
    "jabber:iq:privacy",
    "jabber:iq:private",
    "jabber:iq:version",
    "msgoffline",
    "presence",
    "urn:xmpp:blocking",
    "urn:xmpp:carbons:2",
    "urn:xmpp:ping",
    "urn:xmpp:time",
];
const VCARD: &str = "vcard-temp";
const PEP: (&str, &str, &str) = ("pubsub", "pep", "");

/// Features of nodes and of the service that has them.
pub(super) fn of_nodes() -> impl Iterator<Item = &'static str> {
    FEATURES.into_iter().filter(|name| name.starts_with("http://jabber.org/protocol/pubsub"))
}

/// `<query/>`: identities by category, kind and name, features, and what else is to be said.
pub(super) fn info(
    node: Option<&str>,
    identities: &[(&str, &str, &str)],
    features: impl IntoIterator<Item = &'static str>,
    more: &str,
) -> String {
    let node = node.map(|node| format!(" node='{}'", escaped(node))).unwrap_or_default();
    let identities = identities.iter().map(|(category, kind, name)| {
        let identity = Element::new("identity").with("category", category).with("type", kind);
        if name.is_empty() { identity } else { identity.with("name", name) }.written()
    });
    let features = features.into_iter().map(|name| format!("<feature var='{name}'/>"));
    let said: String = identities.chain(features).collect();
    format!("<query xmlns='{INFO}'{node}>{said}{more}</query>")
}

/// A form (XEP-0004) with its type in it.
pub(super) fn form(kind: &str, name: &str) -> Element {
    let value = Element::new("value").saying(name);
    let field = Element::new("field").with("var", "FORM_TYPE").with("type", "hidden").holding([value]);
    Element::new("x").with("xmlns", "jabber:x:data").with("type", kind).holding([field])
}

/// `<query/>` of the server; `node` as it was asked for.
pub(super) fn server(node: Option<&str>) -> String {
    info(node, &[PEP, ("server", "im", "ejabberd")], FEATURES.into_iter().chain([VCARD]), "")
}

/// `<query/>` of an account.
pub(super) fn account() -> String {
    info(None, &[PEP, ("account", "registered", "")], of_nodes(), "")
}

/// Services of the server besides itself.
pub(super) fn services(host: &str) -> [String; 2] {
    ["conference", "pubsub"].map(|name| format!("{name}.{host}"))
}

/// `<query/>` with these addresses and names.
pub(super) fn items(items: impl Iterator<Item = (String, String)>) -> String {
    let item = |(jid, name): (String, String)| {
        let item = Element::new("item").with("jid", &jid);
        if name.is_empty() { item } else { item.with("name", &name) }
    };
    listed(None, items.map(item))
}

/// `<query/>` with these items.
pub(super) fn listed(node: Option<&str>, items: impl IntoIterator<Item = Element>) -> String {
    let query = Element::new("query").with("xmlns", ITEMS);
    if let Some(node) = node { query.with("node", node) } else { query }.holding(items).written()
}

/// The digest of what [`server`] says (XEP-0115 section 5.1).
pub(super) fn version() -> String {
    let said = format!("pubsub/pep//<server/im//ejabberd<{}<{VCARD}<", FEATURES.join("<"));
    BASE64.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, said.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_are_in_the_order_of_the_digest() {
        assert!(FEATURES.is_sorted());
        assert_eq!(version().len(), 28);
    }
}
