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

/// The messages of a login of alice, the session that it gets, and its key. The challenge is the same in every run of one session.
fn login(settings: &str, best: u16, mode: u8, password: &str) -> (Vec<Vec<u8>>, u64, [u8; 16]) {
    let mut first = b"NTLMSSP\0\x01\0\0\0".to_vec();
    first.put32(0xe208_8297).put(&[0; 16]);
    let mut messages = vec![negotiate(best), setup(0, mode, &first)];
    let (replies, _) = play(settings, &messages);
    let challenge = replies[1][64 + 8 + 24..].first_chunk().copied().unwrap();
    let session = replies[1].le64(40).unwrap();
    let (last, key) = authenticate("alice", password, challenge);
    messages.push(setup(session, mode, &last));
    (messages, session, key)
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
        let (messages, ..) = login(&settings, 0x0210, REQUIRED, "Secret12");
        let (replies, outcome) = play(&settings, &messages);
        assert_eq!(status(&replies[2]), 0xc000_006d, "like a wrong password");
        assert_eq!(outcome.the_event("login").fields["success"], false);
        let about = outcome.events.iter().find(|event| event.msg.starts_with("NTLM login")).unwrap();
        assert_eq!(about.fields["decoded"]["signing"], "required, password not known");
    }
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
