//! What the server and its accounts say that they can do (XEP-0030), and its digest in the stream features (XEP-0115).

use data_encoding::BASE64;
use ring::digest;

/// `http://www.process-one.net/en/ejabberd/`
pub(super) const NODE: &str = "http://www.process-one.net/en/ejabberd/";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// In the order of their bytes, as the digest wants them.
const FEATURES: [&str; 13] = [
    "http://jabber.org/protocol/commands",
    INFO,
    ITEMS,
    "iq",
    "jabber:iq:last",
    "jabber:iq:private",
    "jabber:iq:version",
    "msgoffline",
    "presence",
    "urn:xmpp:carbons:2",
    "urn:xmpp:ping",
    "urn:xmpp:time",
    "vcard-temp",
];

/// `<query/>` of the server; `node` as it was asked for.
pub(super) fn server(node: Option<&str>) -> String {
    let node = node.map(|node| format!(" node='{}'", super::xml::escaped(node))).unwrap_or_default();
    let features: String = FEATURES.iter().map(|name| format!("<feature var='{name}'/>")).collect();
    format!("<query xmlns='{INFO}'{node}><identity category='server' type='im' name='ejabberd'/>{features}</query>")
}

/// `<query/>` of an account.
pub(super) fn account() -> String {
    format!("<query xmlns='{INFO}'><identity category='account' type='registered'/></query>")
}

/// `<query/>` with these addresses and names.
pub(super) fn items(items: impl Iterator<Item = (String, String)>) -> String {
    let escaped = super::xml::escaped;
    let items: String =
        items.map(|(jid, name)| format!("<item jid='{}' name='{}'/>", escaped(&jid), escaped(&name))).collect();
    if items.is_empty() {
        format!("<query xmlns='{ITEMS}'/>")
    } else {
        format!("<query xmlns='{ITEMS}'>{items}</query>")
    }
}

/// The digest of what [`server`] says (XEP-0115 section 5.1).
pub(super) fn version() -> String {
    let said = format!("server/im//ejabberd<{}<", FEATURES.join("<"));
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
