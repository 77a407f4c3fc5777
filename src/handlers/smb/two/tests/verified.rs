//! Logins inside RPC, and the calls that are signed and sealed with them.

use super::super::super::ntlm::authenticate;
use super::super::super::seal::{EXTENDED_SESSION_SECURITY, From, KEY_128, Seal};
use super::super::super::wire::{Fields, Put, patch};
use super::{ALICE, Outcome, nobody, play, transceive};

/// Levels of MS-RPCE 2.2.1.1.8.
const CONNECT: u8 = 2;
const INTEGRITY: u8 = 5;
const PRIVACY: u8 = 6;
/// Where an answer has its PDU: after the header and an IOCTL's fields.
const PDU: usize = 64 + 48;

/// A PDU of RPC with NTLM of this level in its verifier.
fn verified(pdu: &[u8], level: u8, token: &[u8]) -> Vec<u8> {
    let mut out = pdu.to_vec();
    out.put(&[10, level, 0, 0]).put32(79231).put(token);
    let len = u16::try_from(out.len()).unwrap();
    patch(&mut out, 8, &len.to_le_bytes());
    patch(&mut out, 10, &u16::try_from(token.len()).unwrap().to_le_bytes());
    out
}

/// A call of this operation of lsarpc, signed or sealed.
fn sealed(seal: &mut Seal, level: u8, operation: u16, stub: &[u8]) -> Vec<u8> {
    let mut pdu = b"\x05\0\0\x03\x10\0\0\0\0\0\0\0\x02\0\0\0".to_vec();
    pdu.put_len32(stub.len()).put16(0).put16(operation).put(stub);
    let mut plain = verified(&pdu, level, &[0; 16]);
    plain.truncate(plain.len() - 16);
    let (mut sealed, end) = (plain.clone(), 24 + stub.len());
    if level == PRIVACY {
        seal.crypt(&mut sealed[24..end]);
    }
    sealed.put(&seal.signature(&plain));
    sealed
}

/// Nobody's session, in which alice proves herself to lsarpc at this level: the dialogue so far, its session, the answer to her bind, her key.
fn proved(settings: &str, level: u8, password: &str) -> (Vec<Vec<u8>>, u64, Vec<u8>, [u8; 16]) {
    let mut messages = nobody();
    let session = messages[2].le64(44).unwrap();
    let pdu = messages[5].windows(3).position(|part| part == b"\x05\0\x0b").unwrap();
    let mut hello = b"NTLMSSP\0\x01\0\0\0".to_vec();
    hello.put32(0xe208_8297).put(&[0; 16]);
    messages[5] = transceive(session, &verified(&messages[5][pdu..], level, &hello));
    let (replies, _) = play(settings, &messages);
    let answer = replies[5][PDU..].to_vec();
    let at = answer.windows(8).position(|part| part == b"NTLMSSP\0").unwrap();
    let (token, key) = authenticate("alice", password, *answer[at + 24..].first_chunk().unwrap());
    let last = verified(b"\x05\0\x10\x03\x10\0\0\0\0\0\0\0\x01\0\0\0    ", level, &token);
    messages.insert(6, transceive(session, &last));
    (messages, session, answer, key)
}

/// What that is answered with: to the call after the login, which is not signed.
fn called(settings: &str, level: u8, password: &str) -> (Vec<u8>, Outcome) {
    let (messages, ..) = proved(settings, level, password);
    let (replies, outcome) = play(settings, &messages);
    (replies[7][PDU..].to_vec(), outcome)
}

#[test]
fn a_login_inside_rpc_is_challenged_judged_and_recorded_as_crackers_read_it() {
    let (_, _, bound, _) = proved(ALICE, CONNECT, "Secret12");
    let token = bound.at16(10).unwrap();
    assert_eq!((bound[2], bound.at16(8)), (12, Some(bound.len())), "a bind_ack");
    let verifier = &bound[bound.len() - token - 8..];
    assert_eq!((&verifier[..4], verifier.le32(4)), (&[10, CONNECT, 0, 0][..], Some(79231)));
    let (opened, outcome) = called(ALICE, CONNECT, "Secret12");
    assert_eq!((opened[2], opened.le32(opened.len() - 4)), (2, Some(0)), "a response");
    let login = outcome.events.iter().find(|event| event.kind == "login").unwrap();
    assert_eq!(login.msg, "login alice accepted");
    assert!(format!("{login:?}").contains("alice:::"), "{login:?}");
}

#[test]
fn calls_of_who_failed_to_log_in_inside_rpc_or_whose_password_nobody_knows_are_denied() {
    let anybody = "credentials = 'accept-all'";
    for (settings, level, password, said) in [
        (ALICE, CONNECT, "wrong", "login alice refused"),
        (anybody, INTEGRITY, "Tr0ub4dor&3", "login alice accepted"),
        (anybody, PRIVACY, "Tr0ub4dor&3", "login alice accepted"),
    ] {
        let (answer, outcome) = called(settings, level, password);
        assert_eq!((answer[2], answer.le32(24)), (3, Some(5)), "a fault: access denied");
        assert!(outcome.events.iter().any(|event| event.msg == said), "level {level}");
    }
}

#[test]
fn who_proved_a_known_password_inside_rpc_calls_under_signatures_and_seals() {
    for level in [INTEGRITY, PRIVACY] {
        let (mut messages, session, _, key) = proved(ALICE, level, "Secret12");
        let flags = EXTENDED_SESSION_SECURITY | KEY_128;
        let [mut from, mut to] = [From::Client, From::Server].map(|side| Seal::new(key, flags, 0, side).unwrap());
        messages.truncate(7);
        let open = [&[0; 28][..], &0x0200_0000_u32.to_le_bytes()].concat();
        messages.push(transceive(session, &sealed(&mut from, level, 44, &open)));
        let mut changed = sealed(&mut from, level, 44, &open);
        changed[30] ^= 1;
        messages.push(transceive(session, &changed));
        let (replies, _) = play(ALICE, &messages);
        let mut answer = replies[7][PDU..].to_vec();
        let end = answer.len() - 16;
        assert_eq!((answer[2], answer.at16(8), answer.at16(10)), (2, Some(end + 16), Some(16)), "a sealed response");
        if level == PRIVACY {
            to.crypt(&mut answer[24..end - 8]);
        }
        assert_eq!(answer[end..], to.signature(&answer[..end]), "its signature");
        let pad = usize::from(answer[end - 6]);
        assert_eq!((answer.le32(end - 8 - pad - 4), (end - 8) % 8), (Some(0), 0), "success, filled up");
        let refused = &replies[8][PDU..];
        assert_eq!((refused[2], refused.le32(24)), (3, Some(1825)), "a fault: one that was changed on its way");
    }
}
