//! Dialogues as memcached 1.6.18 answers them.

use super::super::Session;
use super::super::transcript::{Outcome, Step, Transcript, damaged};

/// What Debian 12 ships.
const VERSION: &str = "version = '1.6.18'";

fn tcp(input: &[u8]) -> Outcome {
    Transcript::tcp("memcache", VERSION).run(&[Step::Recv(input)])
}

/// What is sent for this.
fn answer(input: &[u8]) -> String {
    String::from_utf8(tcp(input).sent()).unwrap()
}

#[track_caller]
fn answers(dialogue: &[(&[u8], &str)]) {
    let steps: Vec<Step<'_>> = dialogue.iter().map(|(input, _)| Step::Recv(input)).collect();
    let outcome = Transcript::tcp("memcache", "").run(&steps);
    let sent = String::from_utf8(outcome.sent()).unwrap();
    let mut start = 0;
    for ((input, wanted), end) in dialogue.iter().zip(outcome.sent_after) {
        assert_eq!(&sent[start..end], *wanted, "{}", input.escape_ascii());
        start = end;
    }
}

#[test]
fn values_are_stored_read_and_deleted() {
    answers(&[
        (
            b"set a 0 0 3\r\nabc\r\nget a\r\ngets a b\r\n",
            "STORED\r\nVALUE a 0 3\r\nabc\r\nEND\r\nVALUE a 0 3 1\r\nabc\r\nEND\r\n",
        ),
        (b"add a 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        (b"replace nope 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        (b"append nope 0 0 1\r\nx\r\n", "NOT_STORED\r\n"),
        (
            b"append a 0 0 1\r\nx\r\nprepend a 9 0 1\r\ny\r\nget a\r\n",
            "STORED\r\nSTORED\r\nVALUE a 0 5\r\nyabcx\r\nEND\r\n",
        ),
        (b"cas a 0 0 1 999\r\nx\r\n", "EXISTS\r\n"),
        (b"cas a 7 0 1 3\r\nx\r\nget a\r\n", "STORED\r\nVALUE a 7 1\r\nx\r\nEND\r\n"),
        (b"cas nope 0 0 1 999\r\nx\r\n", "NOT_FOUND\r\n"),
        (b"delete a\r\ndelete a\r\n", "DELETED\r\nNOT_FOUND\r\n"),
        (b"delete a 0\r\ndelete a noreply\r\n", "NOT_FOUND\r\n"),
        (b"set a 0 0 1 noreply\r\nq\r\nget a\n", "VALUE a 0 1\r\nq\r\nEND\r\n"),
    ]);
}

#[test]
fn faults_are_answered_in_memcacheds_words() {
    answers(&[
        (b"foo\r\n\r\nGET a\r\nget\r\nset a 0 0\r\nverbosity\r\nlru\r\n", &"ERROR\r\n".repeat(7)),
        (b"set a 0 0 3\r\nabcd\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
        (b"set a x 0 3\r\n", "CLIENT_ERROR bad command line format\r\n"),
        (b"set a 0 0 -1\r\n", "CLIENT_ERROR bad command line format\r\n"),
        (b"delete a 1\r\n", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
        (b"touch n x\r\n", "CLIENT_ERROR invalid exptime argument\r\n"),
        (b"flush_all x\r\nflush_all noreply\r\nflush_all 10\r\n", "CLIENT_ERROR invalid exptime argument\r\nOK\r\n"),
        (
            b"shutdown\r\nverbosity 1\r\nstats reset\r\nstats foo\r\n",
            "ERROR: shutdown not enabled\r\nOK\r\nRESET\r\nERROR\r\n",
        ),
    ]);
    let long = [b"get a ".as_slice(), &[b'k'; 251], b"\r\n"].concat();
    assert_eq!(
        answer(&[b"set a 0 0 1\r\nx\r\n".as_slice(), &long].concat()),
        "STORED\r\nCLIENT_ERROR bad command line format\r\n"
    );
    let large = [b"set a 0 0 1048577\r\n".as_slice(), &[b'x'; 1_048_577], b"\r\nmn\r\n"].concat();
    let outcome = Transcript::tcp("memcache", VERSION).run(&[Step::Recv(b"version\r\n")]);
    assert_eq!(outcome.sent(), b"VERSION 1.6.18\r\n");
    assert_eq!(sent_whole(&large[..1_000_000]), "", "the value is waited for before it is refused");
    assert_eq!(sent_whole(&large), "SERVER_ERROR object too large for cache\r\nMN\r\n");
}

/// What is sent when the input comes in pieces of 64 KiB: byte by byte would take long.
fn sent_whole(input: &[u8]) -> String {
    use super::super::{Context, Output, Registry, Session};
    let session = Session::example(crate::flow::Transport::Tcp, 11_211);
    let registry = Registry::builtin();
    let mut handler = registry.find("memcache").unwrap().make(&session);
    let mut out = Output::default();
    let now = crate::clock::Timestamp::from_micros(1_700_000_000_000_000);
    for piece in input.chunks(65_536) {
        handler.data(&mut Context::new(&session, now, &mut out), piece);
    }
    String::from_utf8(out.bytes().to_vec()).unwrap()
}

#[test]
fn numbers_count_up_and_down_and_keep_their_width() {
    answers(&[
        (
            b"set n 0 0 2\r\n10\r\nincr n 5\r\ndecr n 100\r\nget n\r\n",
            "STORED\r\n15\r\n0\r\nVALUE n 0 2\r\n0 \r\nEND\r\n",
        ),
        (
            b"incr n x\r\nincr nope 1\r\nincr n\r\n",
            "CLIENT_ERROR invalid numeric delta argument\r\nNOT_FOUND\r\nERROR\r\n",
        ),
        (b"set m 0 0 20\r\n18446744073709551615\r\nincr m 1\r\n", "STORED\r\n0\r\n"),
        (b"set t 0 0 2\r\n99\r\nincr t 1\r\nget t\r\n", "STORED\r\n100\r\nVALUE t 0 3\r\n100\r\nEND\r\n"),
        (
            b"set a 0 0 3\r\nabc\r\nincr a 1\r\n",
            "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
        ),
    ]);
}

#[test]
fn lifetimes_end() {
    let steps = [
        Step::Recv(b"set a 0 10 1\r\nx\r\nset b 0 -1 1\r\nx\r\nget b\r\ntouch a 20\r\ngat 5 a\r\n"),
        Step::Wait(4_900),
        Step::Recv(b"get a\r\n"),
        Step::Wait(1_000),
        Step::Recv(b"get a\r\nset c 0 0 1\r\nx\r\nflush_all 2\r\nget c\r\n"),
        Step::Wait(2_000),
        Step::Recv(b"get c\r\n"),
    ];
    let outcome = Transcript::tcp("memcache", "").run(&steps);
    let sent = String::from_utf8(outcome.sent()).unwrap();
    assert_eq!(
        sent,
        "STORED\r\nSTORED\r\nEND\r\nTOUCHED\r\nVALUE a 0 1\r\nx\r\nEND\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\nSTORED\r\nOK\r\nVALUE c 0 1\r\nx\r\nEND\r\nEND\r\n"
    );
}

#[test]
fn a_flush_to_come_takes_what_is_stored_until_then_with_it() {
    let steps = [
        Step::Recv(b"flush_all 1\r\nset a 0 0 1\r\nx\r\nget a\r\n"),
        Step::Wait(1_000),
        Step::Recv(b"set b 0 0 1\r\nx\r\nget b\r\nflush_all 3\r\n"),
        Step::Wait(1_000),
        Step::Recv(b"set c 0 0 1\r\nx\r\nget c\r\n"),
        Step::Wait(1_000),
        Step::Recv(b"set d 0 0 1\r\nx\r\nget b c d\r\n"),
        Step::Wait(1_000),
        Step::Recv(b"set d 0 0 1\r\nx\r\nget b c d\r\n"),
    ];
    let outcome = Transcript::tcp("memcache", "").run(&steps);
    let value = |key: &str| format!("STORED\r\nVALUE {key} 0 1\r\nx\r\nEND\r\n");
    let wanted = ["OK\r\nSTORED\r\nEND\r\n", &value("b"), "OK\r\n", &value("c"), "STORED\r\nEND\r\n", &value("d")];
    assert_eq!(String::from_utf8(outcome.sent()).unwrap(), wanted.concat());
}

#[test]
fn the_second_read_counts_as_a_use_and_the_largest_items_are_of_class_39() {
    let steps = [Step::Recv(b"set a 0 0 1\r\nx\r\n"), Step::Wait(2_000), Step::Recv(b"get a\r\nmg a l\r\nmg a l\r\n")];
    let outcome = Transcript::tcp("memcache", "").run(&steps);
    assert_eq!(outcome.sent(), b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nHD l2\r\nHD l0\r\n");
    let large = [b"set a 0 0 500000\r\n".as_slice(), &[b'x'; 500_000], b"\r\nme a\r\n"].concat();
    assert!(answer(&large).contains(" cls=39 "));
}

#[test]
fn meta_commands_answer_what_their_flags_ask_for() {
    answers(&[
        (b"mn\r\nmg n\r\nmg n v q\r\n", "MN\r\nEN\r\n"),
        (
            b"ms k 3\r\nabc\r\nmg k v\r\nmg k s v t c f k O123 q\r\n",
            "HD\r\nVA 3\r\nabc\r\nVA 3 s3 t-1 c1 f0 kk O123\r\nabc\r\n",
        ),
        (
            b"md k\r\nmd k\r\nma cnt\r\nma cnt N0 J5 v\r\nma cnt v D3\r\n",
            "HD\r\nNF\r\nNF\r\nVA 1\r\n5\r\nVA 1\r\n8\r\n",
        ),
        (b"me cnt\r\nme nope\r\n", "ME cnt exp=-1 la=0 cas=3 fetch=no cls=1 size=63\r\nEN\r\n"),
        (
            b"ms k 3 T10 F5 I c\r\nabc\r\nmg k t f s c h l v\r\nmg k h l v\r\n",
            "HD c4\r\nVA 3 t10 f5 s3 c4 h0 l0\r\nabc\r\nVA 3 h1 l0\r\nabc\r\n",
        ),
        (b"ms k S3\r\nabc\r\n", "CLIENT_ERROR bad command line format\r\nERROR\r\n"),
        (
            b"mg k b v\r\nmg k Z\r\nmg\r\nms\r\n",
            "CLIENT_ERROR error decoding key\r\nCLIENT_ERROR invalid flag\r\nERROR\r\nERROR\r\n",
        ),
    ]);
}

#[test]
fn the_version_is_that_of_the_personas_distribution_and_the_settings_are_those_of_the_version() {
    use super::super::Persona;
    use super::super::release::Release;
    let said = |settings: &str, asked: &[u8]| {
        let outcome = Transcript::tcp("memcache", settings).run(&[Step::Recv(asked)]);
        String::from_utf8(outcome.sent()).unwrap()
    };
    let version = Release::of(&Persona::example()).memcached;
    assert_eq!(said("", b"version\r\n"), format!("VERSION {version}\r\n"));
    for (version, has_flags) in [("1.6.14", false), ("1.6.18", false), ("1.6.24", true)] {
        let settings = said(&format!("version = '{version}'"), b"stats settings\r\n");
        assert_eq!(settings.ends_with("STAT client_flags_size 4\r\nEND\r\n"), has_flags, "{version}: {settings}");
    }
}

#[test]
fn one_breath_full_of_stats_is_answered_with_four_megabytes() {
    use super::super::{Context, Output, Registry};
    let session = Session::example(crate::flow::Transport::Tcp, 11_211);
    let mut handler = Registry::builtin().find("memcache").unwrap().make(&session);
    for (asked, refusal) in [
        (b"stats\r\n".to_vec(), b"SERVER_ERROR out of memory writing stats\r\n".as_slice()),
        (request(0x10, b"", b"", b"", 0), b"Out of memory"),
    ] {
        let mut out = Output::default();
        handler.data(&mut Context::new(&session, Default::default(), &mut out), &asked.repeat(9_000));
        assert!(out.bytes().len() < 5 << 20 && out.bytes().ends_with(refusal), "{}", out.bytes().len());
        handler = Registry::builtin().find("memcache").unwrap().make(&session);
    }
}

#[test]
fn stats_come_in_memcacheds_order_and_move() {
    let steps =
        [Step::Recv(b"set a 0 0 1\r\nx\r\nget a\r\nget b\r\nstats\r\n"), Step::Wait(3_000), Step::Recv(b"stats\r\n")];
    let outcome = Transcript::tcp("memcache", "").run(&steps);
    let sent = String::from_utf8(outcome.sent()).unwrap();
    let (first, second) = sent.split_at(outcome.sent_after[0]);
    let names: Vec<&str> = second.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(names[..6], ["pid", "uptime", "time", "version", "libevent", "pointer_size"]);
    assert_eq!(names.len(), 92, "as many as memcached 1.6.18 has");
    let value = |text: &str, name: &str| -> String {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} "))).unwrap();
        line.to_owned()
    };
    assert_eq!(value(first, "time"), "1700000000");
    assert_eq!(value(second, "time"), "1700000003");
    let uptime = |text| value(text, "uptime").parse::<u64>().unwrap();
    assert_eq!(uptime(second), uptime(first) + 3);
    assert_eq!((value(first, "get_hits"), value(first, "get_misses")), ("1".into(), "1".into()));
    assert_eq!((value(first, "curr_items"), value(first, "bytes")), ("1".into(), "61".into()));
}

#[test]
fn the_visitors_own_connection_is_listed_and_items_grow_old() {
    let session = Session::example(crate::flow::Transport::Tcp, 11_211);
    let conns = answer(b"stats conns\r\n");
    for line in [
        format!("STAT 27:addr tcp:{}", session.client),
        format!("STAT 27:listen_addr tcp:{}", session.dialled),
        "STAT 27:state conn_parse_cmd".to_owned(),
    ] {
        assert!(conns.lines().any(|known| known == line), "{line} in {conns}");
    }
    let steps = [Step::Recv(b"set a 0 0 1\r\nx\r\n"), Step::Wait(3_000), Step::Recv(b"stats items\r\n")];
    let sent = String::from_utf8(Transcript::tcp("memcache", "").run(&steps).sent()).unwrap();
    for line in ["number_hot 0", "number_cold 1", "age 3", "moves_to_cold 1"] {
        assert!(sent.contains(&format!("STAT items:1:{line}\r\n")), "{line} in {sent}");
    }
}

#[test]
fn a_browser_and_a_line_without_end_are_hung_up_on() {
    assert!(tcp(b"GET / HTTP/1.0\r\n\r\n").closed);
    assert!(!tcp(&[b'x'; 1_500]).closed);
    let outcome = tcp(&[b'x'; 3_000]);
    assert!(outcome.closed && outcome.sent().is_empty());
    outcome.the_event("payload");
    assert!(tcp(b"quit\r\n").closed);
}

#[test]
fn commands_and_values_are_recorded_and_so_is_what_was_begun() {
    let outcome = tcp(b"set caf\xe9 1 60 3\r\nabc\r\nset b 0 0 10\r\nabc");
    let event = outcome.the_event("command");
    assert_eq!(event.fields["command_hex"], "73657420636166e920312036302033");
    assert_eq!(event.fields["payload_hex"], "616263");
    assert_eq!(event.fields["decoded"]["exptime"], 60);
    let rest = outcome.the_event("payload");
    assert_eq!(rest.fields["incomplete"], true);
    assert_eq!(rest.fields["payload_hex"], "736574206220302030203130".to_owned() + "0d0a616263");
    tcp(b"").the_event("connect");
}

#[test]
fn commands_beyond_the_limit_are_counted() {
    let outcome = Transcript::tcp("memcache", "max_records = 2").run(&[Step::Recv(b"mn\r\nmn\r\nmn\r\nmn\r\nmn\r\n")]);
    let commands: Vec<_> = outcome.events.iter().filter(|event| event.kind == "command").collect();
    assert_eq!(commands.len(), 3);
    assert_eq!(commands[2].fields["unrecorded"], 3);
}

/// A binary request.
fn request(opcode: u8, key: &[u8], extras: &[u8], value: &[u8], cas: u64) -> Vec<u8> {
    let body = u32::try_from(key.len() + extras.len() + value.len()).unwrap();
    let mut out = vec![0x80, opcode, 0, key.len() as u8, extras.len() as u8, 0, 0, 0];
    out.extend(body.to_be_bytes());
    out.extend(0xdead_beef_u32.to_be_bytes());
    out.extend(cas.to_be_bytes());
    [out.as_slice(), extras, key, value].concat()
}

/// Opcode, status, CAS and body.
type Response = (u8, u16, u64, Vec<u8>);

fn responses(mut bytes: &[u8]) -> Vec<Response> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[0], 0x81);
        assert_eq!(bytes[12..16], [0xde, 0xad, 0xbe, 0xef]);
        let len = u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let cas = u64::from_be_bytes(bytes[16..24].try_into().unwrap());
        out.push((bytes[1], u16::from_be_bytes([bytes[6], bytes[7]]), cas, bytes[24..24 + len].to_vec()));
        bytes = &bytes[24 + len..];
    }
    out
}

#[test]
fn binary_requests_are_answered_as_memcached_does() {
    let flags = [0, 0, 0, 5, 0, 0, 0, 0];
    let count = [[0, 0, 0, 0, 0, 0, 0, 1].as_slice(), &[0, 0, 0, 0, 0, 0, 0, 10], &[0; 4]].concat();
    let noinit = [&count[..16], &[0xff; 4]].concat();
    let script: Vec<(Vec<u8>, Vec<Response>)> = vec![
        (request(0x01, b"bk", &flags, b"hello", 0), vec![(1, 0, 1, vec![])]),
        (request(0x00, b"bk", b"", b"", 0), vec![(0, 0, 1, b"\0\0\0\x05hello".to_vec())]),
        (request(0x0c, b"bk", b"", b"", 0), vec![(0xc, 0, 1, b"\0\0\0\x05bkhello".to_vec())]),
        (request(0x0c, b"no", b"", b"", 0), vec![(0xc, 1, 0, b"no".to_vec())]),
        (request(0x09, b"no", b"", b"", 0), vec![]),
        (request(0x0a, b"", b"", b"", 0), vec![(0xa, 0, 0, vec![])]),
        (request(0x02, b"bk", &flags, b"x", 0), vec![(2, 2, 0, b"Data exists for key.".to_vec())]),
        (request(0x03, b"rn", &flags, b"x", 0), vec![(3, 1, 0, b"Not found".to_vec())]),
        (request(0x01, b"bk", &flags, b"x", 77), vec![(1, 2, 0, b"Data exists for key.".to_vec())]),
        (request(0x05, b"c", &count, b"", 0), vec![(5, 0, 2, vec![0, 0, 0, 0, 0, 0, 0, 10])]),
        (request(0x05, b"c", &count, b"", 0), vec![(5, 0, 3, vec![0, 0, 0, 0, 0, 0, 0, 11])]),
        (request(0x05, b"q", &noinit, b"", 0), vec![(5, 1, 0, b"Not found".to_vec())]),
        (request(0x0e, b"bk", b"", b"!", 0), vec![(0xe, 0, 4, vec![])]),
        (request(0x0e, b"bz", b"", b"!", 0), vec![(0xe, 5, 0, b"Not stored.".to_vec())]),
        (request(0x1d, b"bk", &[0, 0, 0, 9], b"", 0), vec![(0x1d, 0, 4, b"\0\0\0\x05hello!".to_vec())]),
        (request(0x04, b"bk", b"", b"", 0), vec![(4, 0, 0, vec![])]),
        (request(0x14, b"bk", b"", b"", 0), vec![(0x14, 1, 0, b"Not found".to_vec())]),
        (request(0x11, b"bq", &flags, b"x", 0), vec![]),
        (request(0x0b, b"", b"", b"", 0), vec![(0xb, 0, 0, b"1.6.18".to_vec())]),
        (request(0x20, b"", b"", b"", 0), vec![(0x20, 0x81, 0, b"Unknown command".to_vec())]),
        (request(0x21, b"PLAIN", b"", b"\0root\0secret", 0), vec![(0x21, 0x81, 0, b"Unknown command".to_vec())]),
        (request(0x10, b"foo", b"", b"", 0), vec![(0x10, 1, 0, b"Not found".to_vec())]),
        (request(0x00, b"bk", b"", b"xx", 0), vec![(0, 4, 0, b"Invalid arguments".to_vec())]),
    ];
    let steps: Vec<Step<'_>> = script.iter().map(|(input, _)| Step::Recv(input)).collect();
    let outcome = Transcript::tcp("memcache", VERSION).run(&steps);
    let sent = outcome.sent();
    let mut start = 0;
    for ((input, wanted), end) in script.iter().zip(outcome.sent_after.clone()) {
        assert_eq!(&responses(&sent[start..end]), wanted, "{}", input.escape_ascii());
        start = end;
    }
    assert!(outcome.closed, "memcached hangs up on invalid arguments");
    let login = outcome.the_event("login");
    assert_eq!((&login.fields["username"], &login.fields["password"]), (&"root".into(), &"secret".into()));
}

#[test]
fn a_udp_answer_is_framed_with_the_number_of_its_request() {
    let set = Step::Recv(b"\x12\x34\0\0\0\x01\0\0set u 0 0 1\r\nx\r\n");
    let outcome = Transcript::udp("memcache", VERSION).run(&[set, Step::Recv(b"\xab\xcd\0\0\0\x01\0\0version\r\n")]);
    assert_eq!(
        outcome.sends,
        [b"\x12\x34\0\0\0\x01\0\0STORED\r\n".to_vec(), b"\xab\xcd\0\0\0\x01\0\0VERSION 1.6.18\r\n".to_vec()]
    );
    assert_eq!(outcome.events[0].fields["request_id"], 0x1234);
}

#[test]
fn a_long_answer_comes_in_numbered_datagrams() {
    let outcome = Transcript::udp("memcache", "").run(&[Step::Recv(b"\0\x07\0\0\0\x01\0\0stats\r\n")]);
    let datagrams = &outcome.sends;
    assert_eq!(datagrams.len(), 2);
    assert!(datagrams[0].starts_with(b"\0\x07\0\0\0\x02\0\0STAT pid ") && datagrams[0].len() == 1_400);
    assert!(datagrams[1].starts_with(b"\0\x07\0\x01\0\x02\0\0") && datagrams[1].ends_with(b"END\r\n"));
}

#[test]
fn odd_datagrams_are_recorded_and_not_answered() {
    let odd: [&[u8]; 5] =
        [b"", b"\0\x01", b"\0\x01\0\0\0\x02\0\0get a\r\n", b"\0\x01\0\0\0\x01\0\0get a", b"\0\x01\0\0\0\x01\0\0"];
    for datagram in odd {
        let outcome = Transcript::udp("memcache", "").run(&[Step::Recv(datagram)]);
        assert!(outcome.sent().is_empty());
        assert_eq!(outcome.events.len(), 1, "{}", datagram.escape_ascii());
    }
}

#[test]
fn damaged_commands_are_taken_the_same_in_every_cut() {
    let text = b"set a 1 60 5\r\nhello\r\nget a b\r\nms k 3 T10 c\r\nabc\r\nmg k v t s\r\nincr a 1\r\nstats items\r\ncas a 0 0 1 1\r\nx\r\n";
    let binary =
        [request(0x01, b"k", &[0; 8], b"v", 0), request(0x0c, b"k", b"", b"", 0), request(0x0a, b"", b"", b"", 0)];
    for whole in [text.to_vec(), binary.concat()] {
        for seed in 0..40 {
            let damaged = damaged(&whole, seed);
            let outcome = tcp(&damaged);
            assert!(outcome.sent().len() < 8 * 1024, "{}", damaged.escape_ascii());
            assert!(!outcome.events.is_empty());
        }
    }
}
