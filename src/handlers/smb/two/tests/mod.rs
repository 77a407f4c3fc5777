//! Dialogues of SMB2 from the login on: who insists on signatures, and pipes.

use std::cell::Cell;

use super::super::framed;
use super::super::ntlm::authenticate;
use super::super::wire::{Fields, Put, patch, utf16};
use super::header::file_id;
use super::signing::signature;
use super::{FROM_SERVER, SIGNED};
use crate::handlers::transcript::{Outcome, Step, Transcript};

pub(in super::super) mod enforced;
mod verified;

const ALICE: &str = "credentials = { list = ['alice:Secret12'] }";
const REQUIRED: u8 = 2;

thread_local! {
    /// The number of the next message; a negotiation begins anew.
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// A message in its frame, signed when a key is given, which asks for more credits than the dialogue needs.
fn message(command: u16, (session, tree): (u64, u32), key: Option<[u8; 16]>, body: &[u8]) -> Vec<u8> {
    let number = if command == 0 { 0 } else { NEXT.get() };
    NEXT.set(number + 1);
    numbered(number, command, (session, tree), key, body)
}

fn numbered(number: u64, command: u16, (session, tree): (u64, u32), key: Option<[u8; 16]>, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    out.put16(command).put16(64).put32(if key.is_some() { SIGNED } else { 0 }).put32(0).put64(number);
    out.put32(0).put32(tree).put64(session).put(&[0; 16]).put(body);
    if let Some(key) = key {
        let made = signature(&key, &out);
        patch(&mut out, 48, &made);
    }
    framed(&out)
}

fn negotiate(best: u16) -> Vec<u8> {
    let mut body = Vec::new();
    body.put16(36).put16(2).put16(1).put16(0).put(&[0; 28]).put16(0x0210).put16(best);
    message(0, (0, 0), None, &body)
}

fn setup(session: u64, mode: u8, token: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put16(25).put8(0).put8(mode).put32(0).put32(0).put16(88).put_len16(token.len()).put64(0).put(token);
    message(1, (session, 0), None, &body)
}

fn connect(session: u64, key: Option<[u8; 16]>) -> Vec<u8> {
    let path = utf16("\\\\x\\IPC$");
    let mut body = Vec::new();
    body.put16(9).put16(0).put16(72).put_len16(path.len()).put(&path);
    message(3, (session, 0), key, &body)
}

fn replies(outcome: &Outcome) -> Vec<Vec<u8>> {
    let (sent, mut found) = (outcome.sent(), Vec::new());
    let mut rest = sent.as_slice();
    while let Some((len, after)) = rest.split_first_chunk() {
        let (one, after) = after.split_at(u32::from_be_bytes(*len) as usize);
        found.push(one.to_vec());
        rest = after;
    }
    found
}

fn play(settings: &str, messages: &[Vec<u8>]) -> (Vec<Vec<u8>>, Outcome) {
    let steps: Vec<Step<'_>> = messages.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("smb", settings).run(&steps);
    (replies(&outcome), outcome)
}

/// The two messages that every login begins with.
fn hello(best: u16, mode: u8) -> Vec<Vec<u8>> {
    let mut token = b"NTLMSSP\0\x01\0\0\0".to_vec();
    token.put32(0xe208_8297).put(&[0; 16]);
    vec![negotiate(best), setup(0, mode, &token)]
}

/// The messages of a login of alice, the session that it gets, and its key. The challenge is the same in every run of one session.
fn login(settings: &str, best: u16, mode: u8, password: &str) -> (Vec<Vec<u8>>, u64, [u8; 16]) {
    let mut messages = hello(best, mode);
    let (replies, _) = play(settings, &messages);
    let challenge = replies[1][64 + 8 + 24..].first_chunk().copied().unwrap();
    let session = replies[1].le64(40).unwrap();
    let (last, key) = authenticate("alice", password, challenge);
    messages.push(setup(session, mode, &last));
    (messages, session, key)
}

/// An IOCTL that writes to the first pipe that was opened, and reads.
fn transceive(session: u64, written: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put16(57).put16(0).put32(0x0011_c017).put(&first_file());
    body.put32(120).put_len32(written.len()).put32(0).put32(0).put32(0).put32(4280).put32(1).put32(0).put(written);
    message(11, (session, 1), None, &body)
}

/// Nobody's login, and what it asks of lsarpc: to open the policy, and for the SID of a name.
pub(in super::super) fn nobody() -> Vec<Vec<u8>> {
    let mut messages = hello(0x0210, 1);
    let (replies, _) = play("", &messages);
    let session = replies[1].le64(40).unwrap();
    let mut token = b"NTLMSSP\0\x03\0\0\0".to_vec();
    for _ in 0..6 {
        token.put32(0).put32(64);
    }
    token.put32(0xe208_8297);
    let name = utf16("lsarpc");
    let mut create = Vec::new();
    create.put16(57).put16(0).put32(2).put64(0).put64(0).put32(0x0002_0003).put32(0).put32(7).put32(1).put32(0);
    create.put16(120).put_len16(name.len()).put32(0).put32(0).put(&name);
    let mut bind = b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xb8\x10\xb8\x10\0\0\0\0\x01\0\0\0\0\0\x01\0".to_vec();
    bind.put(b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab\0\0\0\0");
    bind.put(b"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\0\0\0");
    let call = |operation: u16, stub: &[u8]| {
        let mut pdu = b"\x05\0\0\x03\x10\0\0\0".to_vec();
        pdu.put_len16(24 + stub.len()).put16(0).put32(2).put_len32(stub.len()).put16(0).put16(operation).put(stub);
        transceive(session, &pdu)
    };
    let open = [&[0; 28][..], &0x0200_0000_u32.to_le_bytes()].concat();
    messages.extend([setup(session, 1, &token), connect(session, None), message(5, (session, 1), None, &create)]);
    messages.extend([transceive(session, &bind), call(44, &open), call(14, &[1; 64])]);
    messages
}

fn status(reply: &[u8]) -> u32 {
    reply.le32(8).unwrap()
}

fn is_signed(reply: &[u8], key: [u8; 16]) -> bool {
    reply.le32(16) == Some(FROM_SERVER | SIGNED) && reply[48..64] == signature(&key, reply)
}

#[test]
fn who_insists_on_signatures_is_served_when_its_password_is_known() {
    let (mut messages, session, key) = login(ALICE, 0x0311, REQUIRED, "Secret12");
    messages.extend([connect(session, None), connect(session, Some([9; 16])), connect(session, Some(key))]);
    messages.push(message(2, (session, 0), Some(key), &[4, 0, 0, 0]));
    let (replies, outcome) = play(ALICE, &messages);
    let statuses: Vec<u32> = replies[2..].iter().map(|reply| status(reply)).collect();
    assert_eq!(statuses, [0, 0xc000_0022, 0xc000_0022, 0, 0], "unsigned and badly signed requests are denied");
    assert!([2, 5, 6].iter().all(|at| is_signed(&replies[*at], key)), "up to the end of the session");
    assert_eq!(outcome.the_event("login").fields["success"], true);
}

#[test]
fn who_insists_on_signatures_is_refused_where_no_password_is_known() {
    for policy in ["'accept-all'", "{ list = ['alice:*'] }"] {
        let settings = format!("credentials = {policy}");
        let (messages, ..) = login(&settings, 0x0210, REQUIRED, "Tr0ub4dor&3");
        let (replies, outcome) = play(&settings, &messages);
        assert_eq!(status(&replies[2]), 0xc000_006d, "like a wrong password");
        assert_eq!(outcome.the_event("login").fields["success"], false);
        let about = outcome.events.iter().find(|event| event.msg.starts_with("NTLM login")).unwrap();
        assert_eq!(about.fields["decoded"]["signing"], "required, password not known");
    }
}

#[test]
fn a_common_password_is_told_and_its_session_signed_whatever_the_policy() {
    let settings = "credentials = 'accept-all'";
    let (mut messages, session, key) = login(settings, 0x0311, REQUIRED, "P@ssw0rd");
    messages.push(connect(session, Some(key)));
    let (replies, outcome) = play(settings, &messages);
    assert_eq!((status(&replies[2]), replies[2].le16(66), status(&replies[3])), (0, Some(0), 0));
    assert!(is_signed(&replies[2], key) && is_signed(&replies[3], key));
    let about = outcome.events.iter().find(|event| event.msg.starts_with("NTLM login")).unwrap();
    assert_eq!(about.fields["decoded"]["password"], "P@ssw0rd");
}

#[test]
fn who_can_do_without_signatures_is_let_in_unsigned_and_as_a_guest_where_it_would_have_the_negotiation_confirmed() {
    let settings = "credentials = 'accept-all'";
    for (best, flags) in [(0x0202, 0), (0x0300, 0), (0x0311, 1)] {
        let (mut messages, session, _) = login(settings, best, 1, "whatever");
        messages.push(connect(session, None));
        let (replies, outcome) = play(settings, &messages);
        assert_eq!((status(&replies[2]), replies[2].le16(66), status(&replies[3])), (0, Some(flags), 0));
        assert_eq!(replies[2].le32(16), Some(FROM_SERVER));
        assert_eq!(outcome.the_event("login").fields["success"], true);
    }
}

#[test]
fn nobody_opens_the_policy_over_a_pipe() {
    let (replies, outcome) = play("", &nobody());
    let statuses: Vec<u32> = replies[2..].iter().map(|reply| status(reply)).collect();
    assert_eq!(statuses, [0; 6]);
    assert_eq!(replies[2].le16(66), Some(2), "a null session");
    let (policy, lookup) = (&replies[6][112..], &replies[7][112..]);
    assert_eq!((policy[2], policy.le32(policy.len() - 4)), (2, Some(0)), "a response that returns success");
    assert_eq!((lookup[2], lookup.le32(24)), (3, Some(0x1c00_001a)), "a fault: no handle of this session");
    assert!(outcome.events.iter().any(|event| event.msg == "RPC lsarpc operation 44"));
}

#[test]
fn an_interface_that_there_is_not_is_recorded() {
    let mut messages = nobody();
    let bind = messages[5].windows(4).position(|part| part == b"\x78\x57\x34\x12").unwrap();
    messages[5][bind..bind + 4].copy_from_slice(&[1, 2, 3, 4]);
    let (_, outcome) = play("", &messages);
    let event = outcome.events.iter().find(|event| event.msg.starts_with("RPC bind")).unwrap();
    assert_eq!(event.msg, "RPC bind to an interface that there is not: 04030201-1234-abcd-ef00-0123456789ab");
}

/// A CREATE of this path in the first tree.
fn create(session: u64, path: &str, disposition: u32, options: u32) -> Vec<u8> {
    let name = utf16(path);
    let mut body = Vec::new();
    body.put16(57)
        .put16(0)
        .put32(2)
        .put64(0)
        .put64(0)
        .put32(0x0002_0003)
        .put32(0)
        .put32(7)
        .put32(disposition)
        .put32(options);
    body.put16(120).put_len16(name.len()).put32(0).put32(0).put(&name).put8(0);
    message(5, (session, 1), None, &body)
}

/// The number of the first file in every dialogue.
fn first_file() -> Vec<u8> {
    let mut id = Vec::new();
    for half in file_id(1, 0x4000) {
        id.put64(half);
    }
    id
}

/// A body of this size, the first file's number at a place in it, then more.
fn about(size: u16, at: usize, more: &[u8]) -> Vec<u8> {
    let mut body = vec![0; at];
    patch(&mut body, 0, &size.to_le_bytes());
    body.put(&first_file()).put(more);
    body
}

/// Alice on C$ says this; the answers from then on.
fn at_home(messages: impl Fn(u64) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let (mut all, session, _) = login(ALICE, 0x0210, 1, "Secret12");
    let path = utf16("\\\\x\\C$");
    let mut body = Vec::new();
    body.put16(9).put16(0).put16(72).put_len16(path.len()).put(&path);
    all.push(message(3, (session, 0), None, &body));
    all.extend(messages(session));
    let (replies, _) = play(ALICE, &all);
    assert_eq!(replies[2..4].iter().map(|reply| status(reply)).collect::<Vec<_>>(), [0, 0]);
    replies[4..].to_vec()
}

#[test]
fn a_watched_directory_waits_until_it_is_cancelled() {
    let replies = at_home(|session| {
        let watch = about(32, 8, &[0x17, 0, 0, 0, 0, 0, 0, 0]);
        let open = create(session, "", 1, 1);
        let watched = message(15, (session, 1), None, &watch);
        let cancel = |number: u64| numbered(number, 12, (session, 1), None, &[4, 0, 0, 0]);
        let number = watched[4..].le64(24).unwrap();
        vec![open, watched, cancel(number + 1), cancel(number), cancel(number)]
    });
    let told: Vec<_> =
        replies.iter().map(|reply| (status(reply), reply.le16(12).unwrap(), reply.le32(16).unwrap())).collect();
    assert_eq!(
        told,
        [(0, 5, FROM_SERVER), (0x103, 15, 3), (0xc000_0120, 15, 3)],
        "and nothing to another cancellation"
    );
    assert_eq!(replies[1][24..40], replies[2][24..40], "the number of the message, and the one to cancel it by");
}

#[test]
fn what_relates_to_a_file_that_is_not_there_fails_like_its_opening() {
    let replies = at_home(|session| {
        let (mut open, close) = (create(session, "nothere", 1, 0), message(6, (session, 1), None, &about(24, 8, &[])));
        let mut close = close[4..].to_vec();
        patch(&mut close, 16, &super::RELATED.to_le_bytes());
        patch(&mut close, 72, &[0xff; 16]);
        open.resize(4 + (open.len() - 4).next_multiple_of(8), 0);
        let next = u32::try_from(open.len() - 4).unwrap();
        patch(&mut open, 4 + 20, &next.to_le_bytes());
        vec![framed(&[&open[4..], &close].concat())]
    });
    let next = replies[0].at32(20).unwrap();
    assert_eq!((status(&replies[0]), status(&replies[0][next..])), (0xc000_0034, 0xc000_0034));
}

#[test]
fn lengths_and_paths_that_cannot_be_are_refused() {
    let query = |kind: u8, class: u8, room: u32| {
        let mut body = vec![41, 0, kind, class];
        body.put32(room).put(&[0; 8]).put32(7).put32(0).put(&first_file()).put8(0);
        body
    };
    let replies = at_home(|session| {
        let say = |command: u16, body: &[u8]| message(command, (session, 1), None, body);
        let mut read = vec![49, 0, 0, 0];
        read.put32(0x7fff_ffff).put64(0).put(&first_file()).put(&[0; 17]);
        let mut reparse = about(57, 8, &[]);
        patch(&mut reparse, 4, &0x0009_00a8_u32.to_le_bytes());
        reparse.put32(120).put32(0).put32(0).put32(0).put32(0).put32(100).put32(1).put32(0);
        let mut unknown = reparse.clone();
        patch(&mut unknown, 48, &[0]);
        vec![
            create(session, "new", 2, 0),
            create(session, "\\new", 1, 0),
            say(8, &read),
            say(16, &query(1, 5, 4)),
            say(16, &query(1, 9, 8)),
            say(16, &query(3, 0, 4)),
            say(11, &reparse),
            say(11, &unknown),
            say(10, &about(48, 8, &[0; 24])),
            say(10, &about(3, 8, &[0; 24])),
        ]
    });
    let (parameter, mismatch) = (0xc000_000d, 0xc000_0004);
    let expected = [0, parameter, parameter, mismatch, 0x8000_0005, 0xc000_0023, 0xc000_0275, 0xc000_00bb];
    let found: Vec<u32> = replies.iter().map(|reply| status(reply)).collect();
    assert_eq!((&found[..8], &found[8..]), (&expected[..], &[parameter, parameter][..]));
    assert_eq!(replies[5][64..], [9, 0, 0, 0, 4, 0, 0, 0, 160, 0, 0, 0], "how much security takes");
}
