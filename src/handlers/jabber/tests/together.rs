//! Several clients of one source.

use super::{HELLO, plain};
use crate::handlers::visitors::{Room, Visitor};

pub(super) fn room() -> Room {
    Room::new("jabber", 5_222, |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A client that is logged in and bound, but has not said that it is there.
pub(super) fn client(room: &Room, seed: u64, name: &str, resource: &str) -> Visitor {
    let mut visitor = room.visitor(seed);
    let bind = format!(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"
    );
    for text in [HELLO, &plain(name, "p"), HELLO, &bind] {
        visitor.says(room, text);
    }
    visitor
}

#[test]
fn a_message_reaches_the_other_client_or_waits_for_it() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    b.says(&room, "<presence/>");
    assert_eq!(a.says(&room, "<message to='b@example.org' type='chat' id='1'><body>x</body></message>"), "");
    assert_eq!(
        b.hears(&mut room),
        "<message from='a@example.org/r' to='b@example.org' type='chat' id='1'><body>x</body></message>"
    );
    b.call(room.now, |handler, cx| handler.closed(cx));
    assert_eq!(a.says(&room, "<message to='b@example.org' type='chat' id='2'><body>later</body></message>"), "");
    let mut b = client(&room, 3, "b", "r");
    let said = b.says(&room, "<presence/>");
    assert!(said.contains("<body>later</body><delay xmlns='urn:xmpp:delay' from='example.org' stamp='2023-11-14T22:13:20Z'>Offline Storage</delay><x xmlns='jabber:x:delay' stamp='20231114T22:13:20'/></message>"), "{said}");
    assert!(!b.says(&room, "<presence/>").contains("later"), "once");
}

#[test]
fn a_request_to_another_client_is_answered_by_that_client() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    let query = "<query xmlns='jabber:iq:version'/></iq>";
    assert_eq!(a.says(&room, format!("<iq to='b@example.org/r' type='get' id='v'>{query}")), "");
    assert_eq!(
        b.hears(&mut room),
        format!("<iq from='a@example.org/r' to='b@example.org/r' type='get' id='v'>{query}")
    );
    b.says(&room, format!("<iq to='a@example.org/r' type='result' id='v'>{query}"));
    assert!(a.hears(&mut room).contains("type='result' id='v'"));
    let nobody = a.says(&room, format!("<iq to='b@example.org/gone' type='get' id='v'>{query}"));
    assert!(nobody.contains("service-unavailable"), "{nobody}");
}

#[test]
fn contacts_that_ask_and_agree_hear_of_each_others_presence() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    a.says(&room, "<presence/>");
    b.says(&room, "<presence><status>here</status></presence>");
    let said = a.says(&room, "<presence to='b@example.org' type='subscribe'/>");
    assert!(said.contains("<item ask='subscribe' subscription='none' jid='b@example.org'/>"), "{said}");
    assert_eq!(b.hears(&mut room), "<presence from='a@example.org' to='b@example.org' type='subscribe'/>");
    let said = b.says(&room, "<presence to='a@example.org' type='subscribed'/>");
    assert!(said.contains("<item subscription='from' jid='a@example.org'/>"), "{said}");
    let heard = a.hears(&mut room);
    let order = ["<item subscription='to' jid='b@example.org'/>", "type='subscribed'/>", "<status>here</status>"]
        .map(|part| heard.find(part).unwrap_or_else(|| panic!("{part} in {heard}")));
    assert!(order.is_sorted(), "{heard}");
    let last = "<iq type='get' id='l' to='b@example.org'><query xmlns='jabber:iq:last'/></iq>";
    assert!(a.says(&room, last).contains("<query xmlns='jabber:iq:last' seconds='0'/>"), "it is there");
    b.says(&room, "</stream:stream>");
    assert_eq!(a.hears(&mut room), "<presence from='b@example.org/r' to='a@example.org/r' type='unavailable'/>");
    room.now = room.now + std::time::Duration::from_secs(40);
    let said = a.call(room.now, |handler, cx| handler.data(cx, last.as_bytes()));
    assert!(said.contains(" seconds='40'/>"), "{said}");
}

#[test]
fn what_an_account_keeps_is_there_in_its_next_session() {
    let room = room();
    let mut first = client(&room, 1, "u", "r");
    for set in [
        "<query xmlns='jabber:iq:roster'><item jid='f@x.org' name='F'><group>G</group></item></query>",
        "<vCard xmlns='vcard-temp'><FN>Foo</FN></vCard>",
        "<query xmlns='jabber:iq:private'><x xmlns='foo:bar'><y/></x></query>",
    ] {
        let said = first.says(&room, format!("<iq type='set' id='1'>{set}</iq>"));
        assert!(said.ends_with("id='1' type='result'/>"), "{said}");
    }
    first.call(room.now, |handler, cx| handler.closed(cx));
    let mut second = client(&room, 2, "u", "other");
    for (get, wanted) in [
        (
            "<query xmlns='jabber:iq:roster'/>",
            "<item subscription='none' name='F' jid='f@x.org'><group>G</group></item>",
        ),
        ("<vCard xmlns='vcard-temp'/>", "<vCard xmlns='vcard-temp'><FN>Foo</FN></vCard>"),
        ("<query xmlns='jabber:iq:private'><x xmlns='foo:bar'/></query>", "<x xmlns='foo:bar'><y/></x></query>"),
        ("<query xmlns='jabber:iq:private'><z xmlns='new'/></query>", "<z xmlns='new'/></query>"),
    ] {
        let said = second.says(&room, format!("<iq type='get' id='2'>{get}</iq>"));
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    let mut other = client(&room, 3, "v", "r");
    assert!(!other.says(&room, "<iq type='get' id='3'><query xmlns='jabber:iq:roster'/></iq>").contains("f@x.org"));
}

#[test]
fn a_second_session_with_the_same_resource_replaces_the_first() {
    let mut room = room();
    let mut first = client(&room, 1, "u", "r");
    let mut second = client(&room, 2, "u", "r");
    let said = first.hears(&mut room);
    assert!(said.starts_with("<stream:error><conflict ") && said.contains("Replaced by new connection"), "{said}");
    assert!(first.out.close.is_some() && second.hears(&mut room).is_empty());
}

#[test]
fn other_sessions_of_an_account_get_copies_when_they_want_them() {
    let mut room = room();
    let (mut one, mut two) = (client(&room, 1, "u", "one"), client(&room, 2, "u", "two"));
    two.says(&room, "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    two.says(&room, "<presence><priority>-1</priority></presence>");
    let mut peer = client(&room, 3, "p", "r");
    peer.says(&room, "<presence/>");
    one.says(&room, "<message to='p@example.org' type='chat'><body>x</body></message>");
    let copy = two.hears(&mut room);
    assert!(copy.contains("<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='u@example.org/one'"), "{copy}");
    peer.says(&room, "<message to='u@example.org/one' type='chat'><body>y</body></message>");
    assert!(two.hears(&mut room).contains("<received xmlns='urn:xmpp:carbons:2'>"));
}

#[test]
fn stanzas_are_counted_for_those_who_ask() {
    let room = room();
    let mut visitor = client(&room, 1, "u", "r");
    let enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
    assert_eq!(visitor.says(&room, enable), "<enabled xmlns='urn:xmpp:sm:3'/>");
    let said = visitor.says(&room, "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(said.ends_with("id='p' type='result'/><r xmlns='urn:xmpp:sm:3'/>"), "{said}");
    assert_eq!(visitor.says(&room, "<a xmlns='urn:xmpp:sm:3' h='1'/>"), "");
    assert_eq!(visitor.says(&room, "<r xmlns='urn:xmpp:sm:3'/>"), "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert!(visitor.says(&room, enable).contains("<unexpected-request "));
    let mut unbound = room.visitor(2);
    [HELLO, &plain("u", "p"), HELLO].iter().for_each(|text| drop(unbound.says(&room, text)));
    assert!(unbound.says(&room, enable).contains("<unexpected-request "));
    let resume = "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>";
    assert!(unbound.says(&room, resume).contains("<item-not-found "));
    assert_eq!(unbound.says(&room, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"), "", "not bound");
}

#[test]
fn a_quiet_client_costs_few_looks() {
    let mut room = room();
    let mut visitor = client(&room, 1, "u", "r");
    let end = room.now + std::time::Duration::from_secs(3_600);
    let mut looks = 0;
    while let Some(due) = visitor.out.deadline.flatten().filter(|&due| due < end) {
        room.now = due;
        visitor.call(due, |handler, cx| handler.deadline(cx));
        looks += 1;
    }
    assert!((300..2_000).contains(&looks), "{looks} looks");
}
