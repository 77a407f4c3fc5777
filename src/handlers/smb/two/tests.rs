//! Dialogues of SMB2 from the login on: who insists on signatures, and pipes.

use super::super::framed;
use super::super::ntlm::authenticate;
use super::super::wire::{Fields, Put, patch, utf16};
use super::signing::signature;
use super::{FROM_SERVER, SIGNED};
use crate::handlers::transcript::{Outcome, Step, Transcript};

const ALICE: &str = "credentials = { list = ['alice:Secret12'] }";
const REQUIRED: u8 = 2;

/// A message in its frame, signed when a key is given.
fn message(command: u16, (session, tree): (u64, u32), key: Option<[u8; 16]>, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    out.put16(command).put16(1).put32(if key.is_some() { SIGNED } else { 0 }).put32(0).put64(u64::from(command));
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
    body.put16(57).put16(0).put32(0x0011_c017).put64(0x4000).put64(0x4000);
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
    create.put16(57).put16(0).put32(2).put64(0).put64(0).put32(3).put32(0).put32(7).put32(1).put32(0);
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
    let (replies, outcome) = play(ALICE, &messages);
    let statuses: Vec<u32> = replies[2..].iter().map(|reply| status(reply)).collect();
    assert_eq!(statuses, [0, 0xc000_0022, 0xc000_0022, 0], "unsigned and badly signed requests are denied");
    assert!(is_signed(&replies[2], key) && is_signed(&replies[5], key));
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
