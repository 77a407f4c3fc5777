//! Chat rooms, nodes, privacy and registration, as ejabberd 23.01 answers them, but for what 14.07 did not know.

use super::together::{client, room};
use super::{HELLO, answers, plain};

const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
const LOBBY: &str = "lobby@conference.example.org";

fn get(to: &str, query: &str) -> String {
    format!("<iq type='get' id='g' to='{to}'>{query}</iq>")
}

fn set(to: &str, query: &str) -> String {
    format!("<iq type='set' id='s' to='{to}'>{query}</iq>")
}

fn join(nick: &str) -> String {
    format!("<presence to='{LOBBY}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
}

/// What is within `item` and the codes after it.
fn users(item: &str, codes: &[&str]) -> String {
    let codes: String = codes.iter().map(|code| format!("<status code='{code}'/>")).collect();
    format!("<x xmlns='http://jabber.org/protocol/muc#user'><item {item}/>{codes}</x></presence>")
}

#[test]
fn what_the_server_announces_it_serves() {
    let room = room();
    let mut a = client(&room, 1, "a", "r");
    let items = a.says(&room, get("example.org", "<query xmlns='http://jabber.org/protocol/disco#items'/>"));
    let services: Vec<&str> = items.split("<item jid='").skip(1).filter_map(|item| item.split('\'').next()).collect();
    assert_eq!(services, ["conference.example.org", "pubsub.example.org"]);
    for to in services.into_iter().chain(["example.org"]) {
        let said = a.says(&room, get(to, INFO));
        assert!(said.contains("type='result'"), "{said}");
        for (feature, query) in [
            ("vcard-temp", "<vCard xmlns='vcard-temp'/>"),
            ("jabber:iq:version", "<query xmlns='jabber:iq:version'/>"),
            ("jabber:iq:last", "<query xmlns='jabber:iq:last'/>"),
            ("urn:xmpp:ping", "<ping xmlns='urn:xmpp:ping'/>"),
            ("urn:xmpp:time", "<time xmlns='urn:xmpp:time'/>"),
            ("jabber:iq:privacy", "<query xmlns='jabber:iq:privacy'/>"),
            ("urn:xmpp:blocking", "<blocklist xmlns='urn:xmpp:blocking'/>"),
            ("http://jabber.org/protocol/muc#unique", "<unique xmlns='http://jabber.org/protocol/muc#unique'/>"),
        ] {
            // Lists are kept by the account.
            let to = if feature.contains("privacy") || feature.contains("blocking") { "a@example.org" } else { to };
            if said.contains(&format!("'{feature}'")) {
                let answer = a.says(&room, get(to, query));
                assert!(answer.contains("type='result'"), "{to} {feature}: {answer}");
            }
        }
    }
}

#[test]
fn a_room_is_made_filled_and_emptied() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    assert!(a.says(&room, get(LOBBY, INFO)).contains("Conference room does not exist"));
    let own = "affiliation='owner' role='moderator'";
    let said = a.says(&room, join("ann"));
    let presence = format!("<presence from='{LOBBY}/ann' to='a@example.org/r'>");
    let subject = format!("<message from='{LOBBY}' to='a@example.org/r' type='groupchat'><subject/></message>");
    assert_eq!(said, format!("{presence}{}{subject}", users(&format!("jid='a@example.org/r' {own}"), &["110", "201"])));
    assert!(b.says(&room, join("ann")).contains("That nickname is already in use by another occupant"));
    a.says(&room, format!("<message to='{LOBBY}' type='groupchat' id='1'><body>early</body></message>"));
    let said = b.says(&room, join("bob"));
    let order = [
        format!("<presence from='{LOBBY}/ann' to='b@example.org/r'>{}", users(own, &[])),
        users("affiliation='none' role='participant'", &["110"]),
        format!("<message from='{LOBBY}/ann' to='b@example.org/r' type='groupchat' id='1'><body>early</body><delay "),
        format!("<message from='{LOBBY}' to='b@example.org/r' type='groupchat'><subject/></message>"),
    ]
    .map(|part| said.find(&part).unwrap_or_else(|| panic!("{part} in {said}")));
    assert!(order.is_sorted(), "{said}");
    let heard = a.hears(&mut room);
    assert!(heard.contains("<item jid='b@example.org/r' affiliation='none' role='participant'/></x>"), "{heard}");
    b.says(&room, format!("<message to='{LOBBY}/ann' type='chat' id='2'><body>psst</body></message>"));
    let whispered = "<message from='lobby@conference.example.org/bob' to='a@example.org/r' type='chat' id='2'><body>psst</body></message>";
    assert_eq!(a.hears(&mut room), whispered);
    let items = b.says(&room, get("conference.example.org", "<query xmlns='http://jabber.org/protocol/disco#items'/>"));
    assert!(items.contains("<item jid='lobby@conference.example.org' name='lobby (2)'/>"), "{items}");
    b.says(&room, "</stream:stream>");
    assert!(a.hears(&mut room).contains("type='unavailable'"), "who loses the connection leaves");
    a.says(&room, format!("<presence to='{LOBBY}' type='unavailable'/>"));
    assert!(a.says(&room, get(LOBBY, INFO)).contains("item-not-found"), "the room was temporary");
}

#[test]
fn an_owner_configures_and_moderates_a_room() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    a.says(&room, join("ann"));
    let owner = |inner: &str| format!("<query xmlns='http://jabber.org/protocol/muc#owner'>{inner}</query>");
    let form = a.says(&room, get(LOBBY, &owner("")));
    assert!(form.contains("<title>Configuration of room lobby@conference.example.org</title>"), "{form}");
    assert!(form.contains("var='muc#roomconfig_persistentroom'><value>0</value></field>"), "{form}");
    let field = |var: &str, value: &str| format!("<field var='muc#roomconfig_{var}'><value>{value}</value></field>");
    let fields =
        [field("passwordprotectedroom", "1"), field("roomsecret", "hush"), field("persistentroom", "1")].concat();
    let said = a.says(&room, set(LOBBY, &owner(&format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>"))));
    assert!(said.contains("<status code='104'/>") && said.contains("type='result'"), "{said}");
    assert!(b.says(&room, get(LOBBY, &owner(""))).contains("Owner privileges required"));
    assert!(b.says(&room, join("bob")).contains("A password is required to enter this room"));
    let with_password = join("bob").replace("/muc'/>", "/muc'><password>hush</password></x>");
    assert!(b.says(&room, &with_password).contains("<status code='110'/>"));
    let admin = |item: &str| format!("<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>");
    let list = a.says(&room, get(LOBBY, &admin("<item role='participant'/>")));
    assert!(list.contains("role='participant' nick='bob'/>"), "{list}");
    a.says(&room, set(LOBBY, &admin("<item nick='bob' role='none'><reason>go</reason></item>")));
    assert!(
        b.hears(&mut room)
            .contains("<reason>go</reason><actor nick='ann'/></item><status code='110'/><status code='307'/>")
    );
    let said = b.says(&room, format!("<message to='{LOBBY}' type='groupchat'><body>x</body></message>"));
    assert!(said.contains("Only occupants are allowed to send messages to the conference"), "{said}");
    a.says(&room, set(LOBBY, &admin("<item jid='b@example.org' affiliation='outcast'/>")));
    assert!(b.says(&room, &with_password).contains("You have been banned from this room"));
    assert!(
        a.says(&room, set(LOBBY, &admin("<item jid='a@example.org' affiliation='none'/>"))).contains("not-allowed")
    );
    a.says(&room, format!("<presence to='{LOBBY}/ann' type='unavailable'/>"));
    assert!(a.says(&room, get(LOBBY, INFO)).contains("muc_passwordprotected"), "it was made to stay");
    a.says(&room, join("ann"));
    let said = a.says(&room, set(LOBBY, &owner("<destroy><reason>over</reason></destroy>")));
    assert!(said.contains("<destroy><reason>over</reason></destroy>"), "{said}");
    assert!(a.says(&room, get(LOBBY, INFO)).contains("item-not-found"));
}

#[test]
fn what_is_published_reaches_subscribers_and_is_kept() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    b.says(&room, "<presence/>");
    let pubsub = |inner: &str| format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{inner}</pubsub>");
    let to = "pubsub.example.org";
    assert!(a.says(&room, set(to, &pubsub("<create node='news'/>"))).contains(&pubsub("<create node='news'/>")));
    assert!(b.says(&room, set(to, &pubsub("<create node='news'/>"))).contains("Node already exists"));
    let said = b.says(&room, set(to, &pubsub("<subscribe node='news' jid='b@example.org'/>")));
    assert!(said.contains("subscription='subscribed'/>"), "{said}");
    let item = "<item id='1'><e xmlns='x'>t</e></item>";
    let said = a.says(&room, set(to, &pubsub(&format!("<publish node='news'>{item}</publish>"))));
    assert!(said.contains("<publish node='news'><item id='1'/></publish>"), "{said}");
    let event = format!(
        "<message from='{to}' to='b@example.org' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='news'>{item}</items></event></message>"
    );
    assert_eq!(b.hears(&mut room), event);
    assert!(b.says(&room, set(to, &pubsub(&format!("<publish node='news'>{item}</publish>")))).contains("<forbidden "));
    assert!(b.says(&room, get(to, &pubsub("<items node='news'/>"))).contains(item));
    a.says(&room, set(to, &pubsub("<retract node='news'><item id='1'/></retract>")));
    assert!(b.hears(&mut room).contains("<retract id='1'/>"));
    let delete = "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='news'/></pubsub>";
    assert!(
        b.says(&room, set(to, delete)).contains("<forbidden ")
            && a.says(&room, set(to, delete)).contains("type='result'")
    );
    assert!(b.says(&room, get(to, &pubsub("<items node='news'/>"))).contains("Node not found"));
}

#[test]
fn a_session_that_says_what_it_wants_hears_of_its_accounts_nodes() {
    let room = room();
    let mut a = client(&room, 1, "a", "r");
    let asked = a.says(&room, "<presence><c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/></presence>");
    assert!(asked.contains("<query xmlns='http://jabber.org/protocol/disco#info' node='n#v'/>"), "{asked}");
    let id = asked.split("id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    a.says(&room, format!("<iq type='result' id='{id}' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'><feature var='tune+notify'/></query></iq>"));
    let publish = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='tune'><item id='i'><t/></item></publish></pubsub>";
    let said = a.says(&room, format!("<iq type='set' id='p'>{publish}</iq>"));
    assert!(said.contains("<items node='tune'><item id='i'><t/></item></items></event></message>"), "{said}");
    let read = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='tune'/></pubsub>";
    let mut b = client(&room, 2, "b", "r");
    assert!(b.says(&room, get("a@example.org", read)).contains("presence-subscription-required"));
}

#[test]
fn whoever_is_blocked_is_not_heard() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    let block = "<iq type='set' id='1'><block xmlns='urn:xmpp:blocking'><item jid='b@example.org'/></block></iq>";
    let said = a.says(&room, block);
    let pushed = "type='set'><block xmlns='urn:xmpp:blocking'><item jid='b@example.org'/></block></iq>";
    assert!(said.contains(pushed) && said.contains("<list name='Blocked contacts'/>"), "{said}");
    let message = "<message to='a@example.org/r' type='chat' id='2'><body>x</body></message>";
    assert!(b.says(&room, message).contains("<service-unavailable "));
    let said = a.says(&room, "<message to='b@example.org' type='chat' id='3'><body>x</body></message>");
    assert!(said.contains("Your active privacy list has denied the routing of this stanza."), "{said}");
    let list = "<iq type='get' id='4'><blocklist xmlns='urn:xmpp:blocking'/></iq>";
    assert!(
        a.says(&room, list).contains("<blocklist xmlns='urn:xmpp:blocking'><item jid='b@example.org'/></blocklist>")
    );
    a.says(&room, "<iq type='set' id='5'><unblock xmlns='urn:xmpp:blocking'/></iq>");
    assert_eq!(b.says(&room, message), "");
    assert!(a.hears(&mut room).contains("<body>x</body>"));
}

#[test]
fn privacy_lists_are_kept_and_the_active_one_rules() {
    let mut room = room();
    let (mut a, mut b) = (client(&room, 1, "a", "r"), client(&room, 2, "b", "r"));
    let query = |inner: &str| format!("<query xmlns='jabber:iq:privacy'>{inner}</query></iq>");
    let item = "<item type='jid' value='b@example.org' action='deny' order='1'><message/></item>";
    a.says(&room, format!("<iq type='set' id='1'>{}", query(&format!("<list name='l'>{item}</list>"))));
    let said = a.says(&room, format!("<iq type='get' id='2'>{}", query("<list name='l'/>")));
    assert!(said.contains(&format!("<list name='l'>{item}</list>")), "{said}");
    let message = "<message to='a@example.org/r' type='chat' id='3'><body>x</body></message>";
    assert_eq!(b.says(&room, message), "", "a list that nobody has chosen does nothing");
    a.hears(&mut room);
    a.says(&room, format!("<iq type='set' id='4'>{}", query("<active name='l'/>")));
    let names = a.says(&room, format!("<iq type='get' id='5'>{}", query("")));
    assert!(names.contains("<active name='l'/><default/><list name='l'/>"), "{names}");
    assert!(b.says(&room, message).contains("<service-unavailable "));
    assert_eq!(b.says(&room, "<iq to='a@example.org/r' type='get' id='6'><ping xmlns='urn:xmpp:ping'/></iq>"), "");
    let none = a.says(&room, format!("<iq type='set' id='7'>{}", query("<default name='none'/>")));
    assert!(none.contains("No privacy list with this name found"), "{none}");
}

#[test]
fn accounts_are_made_where_every_password_is_let_in() {
    let get = "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>";
    let set = "<iq type='set' id='2'><query xmlns='jabber:iq:register'><username>bot</username><password>pw</password></query></iq>";
    let said = answers("", &[HELLO, get, set, set, &plain("bot", "pw")]);
    assert!(said[0].contains("<register xmlns='http://jabber.org/features/iq-register'/>"));
    assert!(said[1].contains("<username/><password/></query>"), "{}", said[1]);
    assert_eq!(said[2], "<iq from='example.org' id='2' type='result'/>");
    assert!(said[3].contains("<conflict ") && !said[3].contains("pw"), "{}", said[3]);
    assert!(said[4].contains("<success "), "{}", said[4]);
    let outcome = super::run("", &[HELLO, set]);
    let made = outcome.the_event("login");
    assert_eq!((&made.fields["username"], &made.fields["password"]), (&"bot".into(), &"pw".into()));
}

#[test]
fn registration_is_not_offered_to_a_list_of_passwords_and_is_recorded_but_not_repeated() {
    let settings = "credentials = { list = ['u:p'] }";
    let set = "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>x</username><password>secret</password></query></iq>";
    let said = answers(settings, &[HELLO, set]);
    assert!(!said[0].contains("iq-register"), "{}", said[0]);
    assert!(said[1].contains("<service-unavailable ") && !said[1].contains("secret"), "{}", said[1]);
    let events = super::run(settings, &[HELLO, set]).events;
    assert!(events.iter().any(|event| event.fields["command"].as_str().is_some_and(|it| it.contains("secret"))));
}

#[test]
fn what_a_source_makes_the_server_keep_is_bounded() {
    let room = room();
    let mut a = client(&room, 1, "a", "r");
    let long = "x".repeat(400);
    let mut answers = String::new();
    for n in 0..300 {
        let publish =
            format!("<publish node='{n}{long}'><item id='{long}'><e>{}</e></item></publish>", long.repeat(20));
        for stanza in [
            join(&format!("{n}{long}")).replace("lobby", &format!("room{n}")),
            format!(
                "<message to='room{n}@conference.example.org' type='groupchat'><body>{}</body></message>",
                long.repeat(20)
            ),
            format!("<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub></iq>"),
            format!(
                "<iq type='set' id='l'><query xmlns='jabber:iq:privacy'><list name='{n}{long}'><item action='deny' order='1'/></list></query></iq>"
            ),
        ] {
            answers = a.says(&room, stanza);
        }
    }
    assert!(answers.contains("resource-constraint"), "{answers}");
}

#[test]
fn one_breath_full_of_questions_is_answered_with_a_megabyte() {
    let room = room();
    let mut a = client(&room, 1, "a", "r");
    let card = format!("<vCard xmlns='vcard-temp'><NOTE>{}</NOTE></vCard>", "x".repeat(50_000));
    a.says(&room, format!("<iq type='set' id='1'>{card}</iq>"));
    let said = a.says(&room, "<iq type='get' id='2'><vCard xmlns='vcard-temp'/></iq>".repeat(1_000));
    assert!((1_000_000..2_000_000).contains(&said.len()), "{}", said.len());
    assert!(said.ends_with("<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"));
}
