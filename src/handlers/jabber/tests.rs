//! Dialogues with a server in ejabberd's words.

mod services;
mod together;

use data_encoding::BASE64;

use super::super::transcript::{Outcome, Step, Transcript};

const HELLO: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='example.org' version='1.0'>";
const STREAM_ERROR: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'";
const SASL: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";

fn run(settings: &str, says: &[&str]) -> Outcome {
    let mut steps: Vec<Step<'_>> = says.iter().map(|text| Step::Recv(text.as_bytes())).collect();
    steps.push(Step::Wait(100));
    Transcript::tcp("jabber", settings).run(&steps)
}

/// What is answered to each of these.
fn answers(settings: &str, says: &[&str]) -> Vec<String> {
    let outcome = run(settings, says);
    let sent = String::from_utf8(outcome.sent()).unwrap();
    let ends = outcome.sent_after.iter().copied();
    let starts = std::iter::once(0).chain(outcome.sent_after.iter().copied());
    starts.zip(ends).map(|(start, end)| sent[start..end].to_owned()).collect()
}

fn plain(user: &str, password: &str) -> String {
    let message = BASE64.encode(format!("\0{user}\0{password}").as_bytes());
    format!("<auth {SASL} mechanism='PLAIN'>{message}</auth>")
}

#[test]
fn a_stream_is_answered_with_header_and_features() {
    let answer = answers("", &[HELLO]).concat();
    let header = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='";
    let rest = answer.strip_prefix(header).unwrap();
    let (id, rest) = rest.split_once('\'').unwrap();
    assert!((8..=10).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    assert_eq!(
        rest,
        format!(
            " from='example.org' version='1.0'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms {SASL}><mechanism>PLAIN</mechanism></mechanisms><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://www.process-one.net/en/ejabberd/' ver='/e8O1xJLvTEoYzK4ri19Zvc6X2c='/><register xmlns='http://jabber.org/features/iq-register'/></stream:features>"
        )
    );
}

#[test]
fn stream_errors_end_the_stream() {
    let wrong_stream = "<stream:stream xmlns='jabber:client' xmlns:stream='wrong' to='example.org' version='1.0'>";
    for (says, condition) in [
        (vec!["GET / HTTP/1.0\r\n\r\n"], "xml-not-well-formed"),
        (vec!["\0\x01"], "xml-not-well-formed"),
        (vec![wrong_stream], "invalid-namespace"),
        (vec!["<foo/>"], "invalid-namespace"),
        (vec![HELLO, "<a></b>"], "xml-not-well-formed"),
        (vec![HELLO, "<!DOCTYPE lolz [<!ENTITY lol 'lol'>]>"], "xml-not-well-formed"),
        (
            vec![
                "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='.' version='1.0'>",
            ],
            "host-unknown",
        ),
    ] {
        let outcome = run("", &says);
        let sent = String::from_utf8(outcome.sent()).unwrap();
        assert!(sent.starts_with("<?xml version='1.0'?><stream:stream xmlns='jabber:client' "), "{sent}");
        let end = format!("<stream:error><{condition} {STREAM_ERROR}/></stream:error></stream:stream>");
        assert!(sent.ends_with(&end) && outcome.closed, "{says:?}: {sent}");
        assert_eq!(sent.matches("<stream:stream").count(), 1, "{sent}");
    }
    let recorded = run("", &["GET / HTTP/1.0\r\n\r\n"]);
    assert_eq!(recorded.the_event("payload").fields["bytes"], 18);
}

#[test]
fn the_first_foreign_name_of_a_source_is_served_and_another_is_not() {
    let says = |to: &str| HELLO.replace("example.org", to);
    let (first, second) = (says("chat.victim.example"), says("random.example"));
    let outcome = Transcript::tcp("jabber", "").run(&[Step::Recv(first.as_bytes())]);
    assert!(!outcome.closed);
    let outcome = Transcript::tcp("jabber", "adopt_host = false").run(&[Step::Recv(first.as_bytes())]);
    assert!(outcome.closed);
    let own = says("198.51.100.1");
    let outcome = Transcript::tcp("jabber", "adopt_host = false").run(&[Step::Recv(own.as_bytes())]);
    assert!(!outcome.closed, "the address that was dialled");
    // Within one registry: the second name of the source is unknown.
    use super::super::{Context, Output, Registry, Session};
    let registry = Registry::builtin();
    let session = Session::example(crate::flow::Transport::Tcp, 5_222);
    let mut closed = Vec::new();
    for text in [&first, &second, &first] {
        let mut out = Output::default();
        let mut handler = registry.find("jabber").unwrap().make(&session);
        handler.data(&mut Context::new(&session, Default::default(), &mut out), text.as_bytes());
        closed.push(out.close.is_some());
    }
    assert_eq!(closed, [false, true, false]);
}

#[test]
fn a_plain_login_is_recorded_and_the_session_is_bound() {
    let auth = plain("Root", "s3cret");
    let outcome = run("", &[HELLO, &auth]);
    let login = outcome.the_event("login");
    assert_eq!((&login.fields["username"], &login.fields["password"]), (&"Root".into(), &"s3cret".into()));
    let said = answers(
        "",
        &[
            HELLO,
            &auth,
            HELLO,
            "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>",
            "<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>",
            "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
            "<presence/>",
            "<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>",
            "<iq type='get' id='x'><query xmlns='unknown:ns'/></iq>",
            "<message to='root@example.org' id='m'><body>hi &amp; bye</body></message>",
            "<message to='a@other.org' id='m2'><body>hi</body></message>",
            "<iq type='get' id='d' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
            "</stream:stream>",
        ],
    );
    assert_eq!(said[1], format!("<success {SASL}/>"));
    assert!(said[2].contains("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/><sm xmlns='urn:xmpp:sm:2'/><sm xmlns='urn:xmpp:sm:3'/><c "), "{}", said[2]);
    assert_eq!(
        said[3],
        "<iq id='b' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>root@example.org/r</jid></bind></iq>"
    );
    assert_eq!(said[4], "<iq from='root@example.org' to='root@example.org/r' id='s' type='result'/>");
    assert_eq!(
        said[5],
        "<iq from='root@example.org' to='root@example.org/r' id='r' type='result'><query xmlns='jabber:iq:roster'/></iq>"
    );
    assert_eq!(said[6], "<presence from='root@example.org/r' to='root@example.org/r'/>");
    assert_eq!(said[7], "<iq from='example.org' to='root@example.org/r' id='p' type='result'/>");
    assert!(
        said[8].contains("<query xmlns='unknown:ns'/><error code='503' type='cancel'><service-unavailable "),
        "{}",
        said[8]
    );
    assert_eq!(
        said[9],
        "<message from='root@example.org/r' to='root@example.org' id='m'><body>hi &amp; bye</body></message>"
    );
    assert!(said[10].contains("<remote-server-not-found "), "{}", said[10]);
    assert!(said[11].contains("<identity category='server' type='im' name='ejabberd'/>"), "{}", said[11]);
    assert_eq!(said[12], "</stream:stream>");
}

#[test]
fn failed_logins_say_why() {
    let settings = "credentials = { list = ['root:right'] }";
    let wrong = plain("root", "wrong");
    let auth = |mechanism: &str, text: &str| format!("<auth {SASL} mechanism='{mechanism}'>{text}</auth>");
    let (bogus, encoding, empty) = (auth("BOGUS", ""), auth("PLAIN", "!!"), auth("PLAIN", "="));
    let abort = format!("<abort {SASL}/>");
    let said = answers(settings, &[HELLO, &wrong, &bogus, &encoding, &empty, &abort]);
    for (said, condition) in said[1..].iter().zip([
        "not-authorized",
        "invalid-mechanism",
        "incorrect-encoding",
        "malformed-request",
        "aborted",
    ]) {
        assert_eq!(*said, format!("<failure {SASL}><{condition}/></failure>"));
    }
    let tries: Vec<&str> = std::iter::once(HELLO).chain(std::iter::repeat_n(wrong.as_str(), 12)).collect();
    assert!(run(settings, &tries).closed);
}

#[test]
fn a_client_may_begin_without_a_message() {
    let auth = format!("<auth {SASL} mechanism='PLAIN'/>");
    let response = format!("<response {SASL}>{}</response>", BASE64.encode(b"\0u\0p"));
    let said = answers("", &[HELLO, &auth, &response]);
    assert_eq!(said[1], format!("<challenge {SASL}></challenge>"));
    assert_eq!(said[2], format!("<success {SASL}/>"));
}

#[test]
fn a_scram_challenge_is_fresh_and_its_response_is_recorded() {
    let settings = "credentials = { list = ['user:right'] }";
    let first = format!("<auth {SASL} mechanism='SCRAM-SHA-1'>{}</auth>", BASE64.encode(b"n,,n=user,r=abc"));
    let said = answers(settings, &[HELLO, &first]);
    let challenge = said[1].strip_prefix(&format!("<challenge {SASL}>")).unwrap().strip_suffix("</challenge>").unwrap();
    let challenge = String::from_utf8(BASE64.decode(challenge.as_bytes()).unwrap()).unwrap();
    assert!(challenge.starts_with("r=abc") && challenge.ends_with(",i=4096"), "{challenge}");
    let nonce = challenge.split(',').next().unwrap();
    let last = BASE64.encode(format!("c=biws,{nonce},p=AAAA").as_bytes());
    let response = format!("<response {SASL}>{last}</response>");
    let outcome = run(settings, &[HELLO, &first, &response]);
    let login = outcome.the_event("login");
    assert_eq!(login.fields["username"], "user");
    assert!(login.fields["response"].as_str().unwrap().starts_with("$scram$SHA-1$4096$"));
    assert_eq!(login.fields["success"], false);
    assert!(String::from_utf8(outcome.sent()).unwrap().ends_with("<not-authorized/></failure>"));
}

#[test]
fn scram_is_offered_only_when_the_passwords_are_known() {
    let scram = format!("<auth {SASL} mechanism='SCRAM-SHA-1'>{}</auth>", BASE64.encode(b"n,,n=user,r=abc"));
    for (credentials, is_offered) in [
        ("'accept-all'", false),
        ("'reject-all'", false),
        ("{ after = 2 }", false),
        ("{ list = ['a:b', 'root:*'] }", false),
        ("{ list = ['a:b'] }", true),
    ] {
        let said = answers(&format!("credentials = {credentials}"), &[HELLO, &scram]);
        assert!(said[0].contains("<mechanism>PLAIN</mechanism>"), "{credentials}: {}", said[0]);
        assert_eq!(said[0].contains("SCRAM-SHA-1"), is_offered, "{credentials}: {}", said[0]);
        assert_eq!(said[1].contains("<challenge "), is_offered, "{credentials}: {}", said[1]);
    }
}

#[test]
fn mechanisms_of_which_none_can_succeed_are_refused_with_the_mend() {
    use super::super::{Guise, Registry};
    for (settings, mend) in
        [("mechanisms = ['SCRAM-SHA-1']", "list"), ("mechanisms = ['DIGEST-MD5']", "PLAIN, SCRAM-SHA-1, SCRAM-SHA-256")]
    {
        let tables = toml::Table::from_iter([("jabber".to_owned(), settings.parse::<toml::Table>().unwrap().into())]);
        let error = Registry::builtin().configure(&tables, 4_096, &Guise::example()).unwrap_err().to_string();
        assert!(error.contains("mechanisms: ") && error.contains(mend), "{error}");
    }
}

#[test]
fn the_older_login_works_too() {
    let hello = HELLO.replace(" version='1.0'>", ">");
    let set = "<iq type='set' id='2'><query xmlns='jabber:iq:auth'><username>u</username><password>p</password><resource>r</resource></query></iq>";
    let said = answers("", &[&hello, "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>", set, "<presence/>"]);
    assert!(!said[0].contains("version='1.0'>") && !said[0].contains("features"), "{}", said[0]);
    assert!(said[1].contains("<username/><password/><digest/><resource/>"));
    assert_eq!(said[2], "<iq from='example.org' id='2' type='result'/>");
    assert_eq!(said[3], "<presence from='u@example.org/r' to='u@example.org/r'/>");
}

#[test]
fn starttls_proceeds_and_what_is_no_tls_then_is_a_fault() {
    let start = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let said = answers("", &[HELLO, start]);
    assert_eq!(said[1], "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    assert!(run("", &[HELLO, start, HELLO]).closed);
}

#[test]
fn a_line_end_after_starttls_is_no_part_of_the_handshake() {
    let start = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n";
    assert!(!run("", &[HELLO, start, "\n"]).closed);
}

#[test]
fn a_contact_comes_back_as_a_push_and_in_the_roster() {
    let change = |item: &str| format!("<iq type='set' id='2'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
    let get = "<iq type='get' id='3'><query xmlns='jabber:iq:roster'/></iq>";
    let (add, remove) =
        (change("<item name='F' jid='f@x.org'/>"), change("<item jid='f@x.org' subscription='remove'/>"));
    let bind =
        "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>";
    let said = answers("", &[HELLO, &plain("u", "p"), HELLO, bind, &add, get, &remove, get, &change("<item/>")]);
    let item = "<item subscription='none' name='F' jid='f@x.org'/>";
    assert!(said[4].starts_with("<iq from='u@example.org' to='u@example.org/r' id='push"), "{}", said[4]);
    assert!(said[4].contains(item) && said[4].ends_with("id='2' type='result'/>"), "{}", said[4]);
    assert!(said[5].contains(item), "{}", said[5]);
    assert!(said[6].contains("subscription='remove'"), "{}", said[6]);
    assert!(said[7].contains("<query xmlns='jabber:iq:roster'/>"), "{}", said[7]);
    assert!(said[8].contains("bad-request"), "{}", said[8]);
}

#[test]
fn a_stanza_in_another_users_name_ends_the_stream() {
    let forged = "<iq type='get' id='1' from='other@example.org'><ping xmlns='urn:xmpp:ping'/></iq>";
    let outcome = run("", &[HELLO, &plain("u", "p"), HELLO, forged]);
    assert!(outcome.closed && String::from_utf8(outcome.sent()).unwrap().contains("<invalid-from "));
}

const SERVERS_HELLO: &str = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' xmlns:db='jabber:server:dialback' to='example.org' from='evil.org' version='1.0'>";

/// What is answered to these on this port.
fn answered_on(port: u16, says: &[&str]) -> String {
    let steps: Vec<Step<'_>> = says.iter().map(|text| Step::Recv(text.as_bytes())).collect();
    String::from_utf8(Transcript::tcp("jabber", "").dialling(port).run(&steps).sent()).unwrap()
}

#[test]
fn servers_are_heard_and_their_proof_fails() {
    let proof = "<db:result from='evil.org' to='example.org'>key</db:result>";
    for port in [5_269, 9_999] {
        let said = answered_on(port, &[SERVERS_HELLO, proof]);
        assert!(said.starts_with("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server' xmlns:db='jabber:server:dialback' id='"), "{said}");
        assert!(said.ends_with("<db:result from='example.org' to='evil.org' type='invalid'/>"), "{said}");
    }
}

#[test]
fn a_server_at_the_port_of_clients_is_taken_for_one_and_a_client_at_that_of_servers_is_not() {
    let said = answered_on(5_222, &[SERVERS_HELLO]);
    assert!(said.contains("xmlns='jabber:client'") && said.contains("<mechanism>PLAIN</mechanism>"), "{said}");
    assert!(answered_on(5_269, &[HELLO]).contains("<invalid-namespace "));
}

#[test]
fn silence_ends_and_nothing_said_is_still_an_event() {
    let outcome = Transcript::tcp("jabber", "").run(&[Step::Wait(121_000)]);
    assert!(outcome.closed);
    outcome.the_event("connect");
    let outcome = Transcript::tcp("jabber", "").run(&[Step::Recv(b"<stream:str"), Step::Eof]);
    assert!(outcome.closed);
}

#[test]
fn damaged_streams_are_taken_the_same_in_every_cut() {
    use super::super::Random;
    let whole = [
        HELLO,
        &plain("u", "p"),
        HELLO,
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq><message to='a@b'><body>x&lt;</body></message>",
    ]
    .concat();
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut damaged = whole.clone().into_bytes();
        for _ in 0..random.within(&(1..=3)) {
            let at = usize::try_from(random.within(&(0..=damaged.len() as u64 - 1))).unwrap();
            damaged[at] = b"<>/'\"&=! \0\xffa:"[usize::try_from(random.within(&(0..=12))).unwrap()];
        }
        let outcome = Transcript::tcp("jabber", "").run(&[Step::Recv(&damaged), Step::Wait(100)]);
        assert!(outcome.sent().len() < 4 * damaged.len() + 2_000);
        assert!(!outcome.events.is_empty());
    }
}
