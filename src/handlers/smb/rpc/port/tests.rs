//! Visitors of the ports of RPC.

use uuid::{Uuid, uuid};

use super::super::super::ntlm::authenticate;
use super::super::super::wire::{Fields, Put, text_of_utf16};
use super::super::{BIND, BIND_ACK, BIND_NAK, FAULT, NDR, REQUEST, RESPONSE, WHOLE};
use crate::handlers::transcript::{Outcome, Step, Transcript};

const ALICE: &str = "credentials = { list = ['alice:Secret12'] }";
const MAPPER: (Uuid, u16) = (uuid!("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), 3);
const EXPORTER: (Uuid, u16) = (uuid!("99fcfec4-5260-101b-bbcb-00aa0021347a"), 0);
const ACTIVATOR: (Uuid, u16) = (uuid!("000001a0-0000-0000-c000-000000000046"), 0);
const SERVICES: (Uuid, u16) = (uuid!("367abb81-9844-35f1-ad32-98f038001003"), 2);
const MANAGEMENT: (Uuid, u16) = (uuid!("afa8bd80-7d8a-11c9-bef4-08002b102989"), 1);

fn pdu(kind: u8, call: u32, body: &[u8], verifier: &[u8]) -> Vec<u8> {
    super::super::framed(kind, WHOLE, call, body, verifier)
}

fn bind((uuid, version): (Uuid, u16), verifier: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put16(5840).put16(5840).put32(0).put32(1).put16(0).put16(1).put(&uuid.to_bytes_le());
    body.put16(version).put16(0).put(&NDR);
    pdu(BIND, 1, &body, verifier)
}

fn request(operation: u16, stub: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_len32(stub.len()).put16(0).put16(operation).put(stub);
    pdu(REQUEST, 2, &body, &[])
}

/// The answers, each a PDU.
fn answers(outcome: &Outcome) -> Vec<Vec<u8>> {
    let (sent, mut found, mut at) = (outcome.sent(), Vec::new(), 0);
    while at < sent.len() {
        let len = sent.at16(at + 8).unwrap();
        found.push(sent[at..at + len].to_vec());
        at += len;
    }
    found
}

fn play(port: u16, messages: &[Vec<u8>]) -> (Vec<Vec<u8>>, Outcome) {
    let steps: Vec<_> = messages.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("msrpc", ALICE).dialling(port).run(&steps);
    (answers(&outcome), outcome)
}

#[test]
fn nmaps_probe_for_smb_is_refused_as_windows_rpc_refuses_it() {
    let mut probe = b"\0\0\0\xa4\xff\x53\x4d\x42\x72\0\0\0\0\x08\x01\x40".to_vec();
    probe.resize(168, 0);
    let (_, outcome) = play(135, &[probe]);
    assert_eq!(outcome.sent(), b"\x05\0\x0d\x03\x10\0\0\0\x18\0\0\0\0\x08\x01\x40\x04\0\x01\x05\0\0\0\0");
    assert!(outcome.closed);
}

#[test]
fn what_has_no_length_is_not_answered_and_ends_the_connection() {
    for probe in
        [&b"\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03"[..], b"GET / HTTP/1.0\r\n\r\n"]
    {
        let (_, outcome) = play(135, &[probe.to_vec()]);
        assert!(outcome.closed && outcome.sent().is_empty());
    }
    let (_, outcome) = play(135, &[b"\r\n\r\n".to_vec()]);
    assert!(!outcome.closed && outcome.sent().is_empty());
}

#[test]
fn the_mapper_lists_ports_at_the_address_that_was_dialled() {
    let lookup = request(2, &[&[0; 36][..], &500_u32.to_le_bytes()].concat());
    let (answers, outcome) = play(135, &[bind(MAPPER, &[]), lookup]);
    assert_eq!((answers[0][2], &answers[0][24..30]), (BIND_ACK, &b"\x04\x00135\0"[..]));
    assert_eq!((answers[0].le16(16), answers[0].le16(18)), (Some(5840), Some(5840)));
    assert!(answers[1..].iter().all(|answer| answer[2] == RESPONSE) && answers.len() > 2, "in fragments");
    let port = [&[7, 2, 0][..], &49_155_u16.to_be_bytes(), &[1, 0, 9, 4, 0, 198, 51, 100, 1]].concat();
    let all: Vec<u8> = answers[1..].iter().flat_map(|answer| answer[24..].to_vec()).collect();
    assert!(memchr::memmem::find(&all, &port).is_some());
    assert!(outcome.events.iter().any(|event| event.msg == "RPC epmapper operation 2"));
}

#[test]
fn the_machine_is_alive_at_its_name_and_address_and_knows_no_object() {
    let (answers, _) = play(135, &[bind(EXPORTER, &[]), request(5, &[]), request(0, &[0; 16])]);
    let stub = &answers[1][24..];
    assert_eq!((stub.le16(0), stub.le16(2), stub.le32(stub.len() - 4)), (Some(5), Some(7), Some(0)));
    let text = text_of_utf16(&stub[16..]);
    assert!(text.contains("\u{7}WIN-") && text.contains("\u{7}198.51.100.1\0"), "{text:?}");
    assert_eq!(answers[2].le32(answers[2].len() - 4), Some(1910));
}

#[test]
fn who_logs_in_to_start_an_object_is_recorded_with_a_hash_and_denied() {
    let verifier = |token: &[u8]| [&[10, 2, 0, 0, 0, 0, 0, 0][..], token].concat();
    let first = bind(ACTIVATOR, &verifier(b"NTLMSSP\0\x01\0\0\0\x05\x02\x88\xa0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    let (said, _) = play(135, std::slice::from_ref(&first));
    let at = memchr::memmem::find(&said[0], b"NTLMSSP\0\x02").unwrap();
    let challenge = said[0][at + 24..at + 32].try_into().unwrap();
    let (token, _) = authenticate("alice", "Secret12", challenge);
    let last = pdu(super::super::AUTH3, 1, &[0; 4], &verifier(&token));
    let class = uuid!("8bc3f05e-d86b-11d0-a075-00c04fb68820").to_bytes_le();
    let (said, outcome) = play(135, &[first, last, request(4, &class)]);
    assert_eq!((said[1][2], said[1].le32(24)), (FAULT, Some(5)), "access denied");
    let login = outcome.the_event("login");
    assert!(login.fields["response"].as_str().unwrap().starts_with("alice::") && login.fields["success"] == true);
    assert_eq!(outcome.the_event("scan").msg, "DCOM activation of WMI by IRemoteSCMActivator");
}

#[test]
fn a_port_has_its_processs_interfaces_and_strangers_are_denied() {
    let (answers, _) = play(49_156, &[bind(SERVICES, &[]), request(15, &[0; 16])]);
    assert_eq!(&answers[0][24..32], b"\x06\x0049156\0");
    assert_eq!((answers[0].le16(36), answers[1][2], answers[1].le32(24)), (Some(0), FAULT, Some(5)));
    let (answers, _) = play(135, &[bind(SERVICES, &[])]);
    assert_eq!(answers[0].le16(36), Some(2), "provider rejection");
    let (answers, _) = play(135, &[bind(MANAGEMENT, &[]), request(0, &[])]);
    assert_eq!(answers[1].le32(24 + 4), Some(12), "the interfaces that Windows 7 has there");
}

#[test]
fn another_version_is_refused() {
    let mut four = bind(MAPPER, &[]);
    four[0] = 4;
    let (answers, outcome) = play(135, &[four, bind(MAPPER, &[])]);
    assert!(answers.len() == 1 && answers[0][2] == BIND_NAK && outcome.closed);
}
