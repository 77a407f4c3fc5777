//! Dialogues of real visitors: WannaCry's scan, EternalBlue, DoublePulsar, and what detectors look for.

use super::one::pulsar_key;
use super::wire::{Fields, Put, utf16};
use crate::events::Event;
use crate::handlers::Persona;
use crate::handlers::transcript::{Outcome, Step, Transcript};

/// Flags2 of WannaCry's negotiation and of what follows.
const OLD: u16 = 0x2801;
const UNICODE: u16 = 0xc007;

/// An SMB1 message in its frame.
#[derive(Clone)]
struct One {
    command: u8,
    flags2: u16,
    mid: u16,
    uid: u16,
    tid: u16,
    words: Vec<u8>,
    data: Vec<u8>,
}

fn one(command: u8, words: &[u8], data: &[u8]) -> One {
    One { command, flags2: UNICODE, mid: 64, uid: 0x0800, tid: 0x0800, words: words.to_vec(), data: data.to_vec() }
}

impl One {
    fn bytes(&self) -> Vec<u8> {
        let mut out = b"\xffSMB".to_vec();
        out.put8(self.command).put32(0).put8(0x18).put16(self.flags2).put(&[0; 12]);
        out.put16(self.tid).put16(0xfeff).put16(self.uid).put16(self.mid);
        out.put8((self.words.len() / 2) as u8).put(&self.words).put16(self.data.len() as u16).put(&self.data);
        super::framed(&out)
    }
}

/// A reply without its frame, in parts.
#[derive(Debug, PartialEq)]
struct Reply {
    len: usize,
    command: u8,
    status: u32,
    flags: u8,
    flags2: u16,
    signature: [u8; 8],
    tid: u16,
    uid: u16,
    mid: u16,
    words: Vec<u8>,
    data: Vec<u8>,
}

fn replies(sent: &[u8]) -> Vec<Reply> {
    let (mut rest, mut found) = (sent, Vec::new());
    while !rest.is_empty() {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let message = &rest[4..4 + len];
        rest = &rest[4 + len..];
        assert_eq!(&message[..4], b"\xffSMB");
        let count = 2 * usize::from(message[32]);
        found.push(Reply {
            len,
            command: message[4],
            status: message.le32(5).unwrap(),
            flags: message[9],
            flags2: message.le16(10).unwrap(),
            signature: message[14..22].try_into().unwrap(),
            tid: message.le16(24).unwrap(),
            uid: message.le16(28).unwrap(),
            mid: message.le16(30).unwrap(),
            words: message[33..33 + count].to_vec(),
            data: message[35 + count..].to_vec(),
        });
        assert_eq!(message.at16(33 + count), Some(len - 35 - count), "the byte count");
    }
    found
}

fn play(messages: &[Vec<u8>]) -> (Vec<Reply>, Outcome) {
    let steps: Vec<Step<'_>> = messages.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("smb", "").run(&steps);
    (replies(&outcome.sent()), outcome)
}

fn kinds<'a>(outcome: &'a Outcome, kind: &str) -> Vec<&'a Event> {
    outcome.events.iter().filter(|event| event.kind == kind).collect()
}

/// Four dialects, of which the last is the one that both know.
const DIALECTS: &[u8] = b"\x02LANMAN1.0\0\x02LM1.2X002\0\x02NT LANMAN 1.0\0\x02NT LM 0.12\0";

fn negotiate() -> One {
    One { flags2: OLD, mid: 24_261, uid: 0, tid: 0, ..one(0x72, &[], DIALECTS) }
}

/// An anonymous session setup without extended security, 99 bytes like WannaCry's.
fn setup() -> One {
    let mut words = vec![0xff, 0, 0, 0];
    words.put16(0xffff).put16(2).put16(1).put32(0).put16(0).put16(0).put32(0).put32(0x40);
    let data = b"\0.\0Windows 2000 2195\0Windows 2000 5.0\0";
    One { flags2: 0x2001, uid: 0, tid: 0, ..one(0x73, &words, data) }
}

fn tree(flags2: u16, flags: u16, path: &str) -> One {
    let mut words = vec![0xff, 0, 0, 0];
    words.put16(flags).put16(1);
    let mut data = vec![0];
    if flags2 & 0x8000 != 0 {
        data.put(&utf16(path)).put16(0);
    } else {
        data.put(path.as_bytes()).put8(0);
    }
    data.put(b"?????\0");
    One { flags2, tid: 0, ..one(0x75, &words, &data) }
}

/// TRANS with PeekNamedPipe of FID 0: 74 bytes.
fn peek() -> One {
    let mut words = Vec::new();
    words
        .put32(0)
        .put16(0xffff)
        .put16(0xffff)
        .put16(0)
        .put16(0)
        .put32(0)
        .put16(0)
        .put16(0)
        .put16(74)
        .put16(0)
        .put16(74);
    words.put16(2).put16(0x23).put16(0);
    One { flags2: OLD, mid: 24_261, ..one(0x25, &words, b"\\PIPE\\\0") }
}

/// TRANS2 SESSION_SETUP with a command of DoublePulsar in its timeout.
fn pulsar(mid: u16, timeout: u32, parameters: &[u8; 12], data: &[u8]) -> One {
    let mut words = Vec::new();
    words.put16(12).put16(data.len() as u16).put16(1).put16(0).put16(0).put16(0).put32(timeout).put16(0);
    words.put16(12).put16(66).put16(data.len() as u16).put16(78).put16(1).put16(0x0e);
    let mut bytes = vec![0; 1];
    bytes.put(parameters).put(data);
    // Word count 15: the parameters begin at 32 + 1 + 30 + 2 + 1.
    One { mid, ..one(0x32, &words, &bytes) }
}

const PING: u32 = 0x00ee_3401;
const KILL: u32 = 0x0000_0077;
const EXEC: u32 = 0x0000_00c8;

fn nt_transact(total: u32, data: &[u8]) -> One {
    let mut words = vec![1, 0, 0];
    words
        .put32(30)
        .put32(total)
        .put32(30)
        .put32(0)
        .put32(30)
        .put32(75)
        .put32(data.len() as u32)
        .put32(104)
        .put8(1)
        .put16(0);
    words.put16(0);
    let mut bytes = vec![0; 29];
    bytes.put(&[0; 2]).put(data);
    // Word count 20: the data of the message begins at 75.
    let mut message = one(0xa0, &words, &bytes);
    message.words[19..23].copy_from_slice(&29_u32.to_le_bytes());
    message.words[3..7].copy_from_slice(&29_u32.to_le_bytes());
    message.words[31..35].copy_from_slice(&106_u32.to_le_bytes());
    message
}

fn secondary(data: &[u8]) -> One {
    let mut words = Vec::new();
    words
        .put16(0)
        .put16(data.len() as u16)
        .put16(0)
        .put16(0)
        .put16(0)
        .put16(data.len() as u16)
        .put16(53)
        .put16(0)
        .put16(0);
    one(0x33, &words, data)
}

fn echo() -> One {
    one(0x2b, &[1, 0], b"AAAAAAAAAAAA")
}

/// Negotiation, login and IPC$.
fn start() -> Vec<Vec<u8>> {
    [negotiate(), setup(), tree(UNICODE, 8, "\\\\198.51.100.1\\IPC$")].map(|message| message.bytes()).into()
}

#[test]
fn wannacrys_scan_finds_a_machine_without_ms17_010() {
    let (replies, outcome) = play(&[
        negotiate().bytes(),
        setup().bytes(),
        tree(0x2001, 0, "\\\\198.51.100.1\\IPC$").bytes(),
        peek().bytes(),
    ]);
    assert_eq!([negotiate().bytes().len(), peek().bytes().len()], [88, 78]);
    assert_eq!((replies[0].command, replies[0].mid, replies[0].flags), (0x72, 24_261, 0x98));
    assert_eq!(replies[0].words[..3], [3, 0, 3], "the dialect by its place in the visitor's list");
    assert_eq!((replies[1].status, replies[1].uid), (0, 0x0800));
    assert_eq!(replies[1].words[4..], [0, 0], "no guest");
    assert_eq!(replies[1].data, b"Windows 7 Professional 7601 Service Pack 1\0Windows 7 Professional 6.1\0WORKGROUP\0");
    assert_eq!(replies[2].words, [0xff, 0, 0x2e, 0, 1, 0]);
    assert_eq!((replies[2].data.as_slice(), replies[2].tid), (&b"IPC\0\0"[..], 0x0800));
    let peeked = &replies[3];
    assert_eq!((peeked.command, peeked.status, peeked.flags2, peeked.len), (0x25, 0xc000_0205, 0x6801, 35));
    assert_eq!(kinds(&outcome, "scan").len(), 1);
}

#[test]
fn a_negotiation_without_extended_security_has_the_bytes_of_windows_7() {
    let message = One { flags2: 0xc053, ..negotiate() }.bytes();
    let (replies, _) = play(std::slice::from_ref(&message));
    let reply = &replies[0];
    assert_eq!((reply.flags, reply.flags2), (0x98, 0xc053));
    let words = &reply.words;
    assert_eq!(words[..23], *b"\x03\0\x03\x32\0\x01\0\x04\x11\0\0\0\0\x01\0\0\0\0\0\xfc\xe3\x01\0");
    assert_eq!(words.as_slice().le64(23), Some(1_700_000_000 * 10_000_000 + 116_444_736_000_000_000));
    assert_eq!(words[31..], [0, 0, 8]);
    let name = Persona::example().windows_name().to_owned();
    assert_eq!(reply.data[8..], utf16(&format!("WORKGROUP\0{name}\0")));
    assert_eq!(reply.len, 69 + 8 + 20 + 2 * (name.len() + 1));
}

#[test]
fn a_negotiation_with_extended_security_has_the_guid_and_offers_ntlm() {
    let (replies, _) = play(&[One { flags2: 0xc853, ..negotiate() }.bytes()]);
    assert_eq!(replies[0].words[19..23], [0xfc, 0xe3, 0x01, 0x80]);
    assert_eq!(replies[0].data[..16], Persona::example().guid());
    assert_eq!(replies[0].data[16..], super::spnego::offer());
}

#[test]
fn unicode_logins_and_trees_have_the_shapes_of_windows_7() {
    let mut unicode = setup();
    unicode.flags2 = UNICODE;
    unicode.data = [vec![0], utf16("\0\0Windows\0Lan\0")].concat();
    let messages = [
        negotiate().bytes(),
        unicode.bytes(),
        tree(UNICODE, 8, "\\\\x\\IPC$").bytes(),
        tree(UNICODE, 0, "IPC$").bytes(),
    ];
    let (replies, _) = play(&messages);
    let text = utf16("Windows 7 Professional 7601 Service Pack 1\0Windows 7 Professional 6.1\0WORKGROUP\0");
    assert_eq!(replies[1].data, [vec![0], text].concat());
    assert_eq!(
        replies[2].words, *b"\xff\0\x38\0\x01\0\xff\xff\x1f\0\xff\xff\x1f\0",
        "the longer answer, which was asked for"
    );
    assert_eq!(replies[2].data, b"IPC\0\0\0\0");
    assert_eq!((replies[3].words.len(), replies[3].tid), (6, 0x0801));
}

#[test]
fn errors_are_those_that_detectors_expect() {
    let mut bogus = vec![0xff, 0, 0, 0, 0];
    bogus.put16(10).put32(0).put32(0).put32(1).put64(0).put32(0).put32(3).put32(1).put32(0).put32(2).put8(0);
    let mut messages = start();
    messages.extend([
        tree(UNICODE, 8, "\\\\x\\NOTHERE").bytes(),
        tree(UNICODE, 8, "\\\\x\\C$").bytes(),
        one(0xa2, &bogus, &[vec![0], utf16("\\bogus\0")].concat()).bytes(),
        One { tid: 0x0999, ..peek() }.bytes(),
        one(0x17, &[], &[]).bytes(),
        one(0x04, &[0, 0x40, 0, 0, 0, 0], &[]).bytes(),
    ]);
    let (replies, _) = play(&messages);
    let statuses: Vec<u32> = replies[3..].iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [0xc000_00cc, 0xc000_0022, 0xc000_0034, 0x0005_0002, 0x0016_0002, 0xc000_0008]);
}

#[test]
fn eternalblue_goes_through_and_leaves_doublepulsar_which_takes_a_payload_and_can_be_removed() {
    let payload: Vec<u8> = (0..10_000_u32).map(|n| (n % 251) as u8).collect();
    let seed = seed();
    let key = pulsar_key(seed).to_le_bytes();
    let crypt = |bytes: &[u8]| -> Vec<u8> { bytes.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b).collect() };
    let mut messages = start();
    messages.push(pulsar(65, PING, &[0; 12], &[]).bytes());
    messages.push(nt_transact(66_512, &[0x41; 976]).bytes());
    messages.extend((0..15).map(|_| secondary(&[0; 4096]).bytes()));
    messages.push(echo().bytes());
    messages.push(secondary(&[0x42; 4096]).bytes());
    messages.push(pulsar(65, PING, &[0; 12], &[]).bytes());
    for (number, piece) in payload.chunks(4096).enumerate() {
        let mut numbers = Vec::new();
        numbers.put32(payload.len() as u32).put32(piece.len() as u32).put32(4096 * number as u32);
        let numbers: [u8; 12] = crypt(&numbers).try_into().unwrap();
        messages.push(pulsar(66, EXEC, &numbers, &crypt(piece)).bytes());
    }
    messages.push(one(0x71, &[], &[]).bytes());
    messages.push(one(0x74, &[0xff, 0, 0, 0], &[]).bytes());
    // It is removed at the end, so that the next run of this transcript meets a clean machine, too.
    messages.push(pulsar(65, KILL, &[0; 12], &[]).bytes());
    messages.push(pulsar(65, PING, &[0; 12], &[]).bytes());
    let (replies, outcome) = play(&messages);

    let before = &replies[3];
    assert_eq!((before.len, before.status, before.mid, before.signature), (35, 0xc000_0002, 65, [0; 8]));
    assert_eq!((replies[4].command, replies[4].len, replies[4].status), (0xa0, 35, 0));
    assert_eq!((replies[5].command, replies[5].len, replies[5].words.as_slice()), (0x2b, 49, &[1, 0][..]));
    let end = &replies[6];
    assert_eq!((end.command, end.len, end.status), (0x32, 88, 0xc000_000d));
    assert_eq!(end.words[..4], [0x1e, 0, 0, 0]);
    let after = &replies[7];
    assert_eq!((after.len, after.status, after.mid), (35, 0xc000_0002, 81));
    assert_eq!(after.signature, [seed.to_le_bytes(), [1, 0, 0, 0]].concat()[..]);
    for exec in &replies[8..11] {
        assert_eq!((exec.command, exec.status, exec.mid), (0x32, 0xc000_0002, 82));
    }
    assert_eq!((replies[11].status, replies[11].signature), (0, [0; 8]));
    assert_eq!((replies[12].command, replies[12].status), (0x74, 0));
    assert_eq!((replies[13].mid, replies[14].mid), (81, 65));

    let names: Vec<&str> = outcome.samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names, ["eternalblue-transaction", "doublepulsar-payload"]);
    assert_eq!(outcome.samples[0].bytes.len(), 66_512);
    assert_eq!(outcome.samples[1].bytes, payload);
    assert_eq!(kinds(&outcome, "exploit").len(), 2);
}

/// The seed that this machine's implant tells.
fn seed() -> u32 {
    let [_, _, a, b, c, d, _, _] = Persona::example().random("smb doublepulsar").bits().to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) | 1
}

#[test]
fn a_patched_machine_is_neither_found_nor_taken() {
    let mut messages = start();
    messages.push(peek().bytes());
    messages.push(nt_transact(4096 + 976, &[0; 976]).bytes());
    messages.push(secondary(&[0; 4096]).bytes());
    messages.push(pulsar(65, PING, &[0; 12], &[]).bytes());
    let steps: Vec<Step<'_>> = messages.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("smb", "vulnerable = false").run(&steps);
    let replies = replies(&outcome.sent());
    assert_eq!(replies[3].status, 0xc000_0008);
    assert_eq!(replies.last().unwrap().mid, 65);
    assert!(kinds(&outcome, "exploit").is_empty());
}

#[test]
fn a_body_that_eternalblue_sprays_gets_no_answer_and_is_stored() {
    let spray = [&b"\0\0\xff\xf7\xfeSMB"[..], &[0x90; 2_000]].concat();
    let (replies, outcome) = play(std::slice::from_ref(&spray));
    assert!(replies.is_empty() && !outcome.closed);
    assert_eq!(outcome.samples[0].bytes, spray);
}

#[test]
fn port_139_grants_a_session_to_its_own_name_only() {
    let request = |name: &str| {
        let encoded: Vec<u8> =
            format!("{name:<16}").bytes().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]).collect();
        let name = [&[32][..], &encoded, &[0]].concat();
        [&[0x81, 0, 0, 68][..], &name, &name].concat()
    };
    let granted = Transcript::tcp("smb", "").run(&[Step::Recv(&request("*SMBSERVER"))]);
    assert_eq!((granted.sent(), granted.closed), (vec![0x82, 0, 0, 0], false));
    let refused = Transcript::tcp("smb", "").run(&[Step::Recv(&request("DC01"))]);
    assert_eq!((refused.sent(), refused.closed), (vec![0x83, 0, 0, 1, 0x82], true));
}

#[test]
fn what_is_no_smb_ends_the_connection_and_is_recorded() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\xff\xff\0\0"] {
        let outcome = Transcript::tcp("smb", "").run(&[Step::Recv(bytes), Step::Wait(1_000)]);
        assert!(outcome.closed && outcome.sent().is_empty(), "{bytes:?}");
        assert_eq!(outcome.the_event("payload").fields["bytes"], bytes.len(), "all of it is recorded");
    }
    for bytes in [&b"\0\0\0\x05hello"[..], b"\0\0\0\x20\xffSMB\x73aaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let outcome = Transcript::tcp("smb", "").run(&[Step::Recv(bytes), Step::Recv(&[0; 64])]);
        assert!(outcome.closed && outcome.sent().is_empty(), "{bytes:?}");
        assert_eq!(outcome.the_event("payload").fields["bytes"], bytes.len());
    }
    let outcome = Transcript::tcp("smb", "").run(&[Step::Eof]);
    outcome.the_event("connect");
}

#[test]
fn smb2_is_offered_to_who_asks_for_it_and_errors_are_those_of_windows() {
    let dialects = b"\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0";
    let first = One { flags2: 0xc853, uid: 0, tid: 0, ..one(0x72, &[], dialects) }.bytes();
    let two = |command: u16, session: u64, body: &[u8]| {
        let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
        out.put16(command).put16(1).put64(0).put64(7).put32(0).put32(0).put64(session).put(&[0; 16]).put(body);
        super::framed(&out)
    };
    let mut negotiate = Vec::new();
    negotiate.put16(36).put16(2).put16(1).put16(0).put(&[0; 28]).put16(0x0202).put16(0x0210);
    let outcome = Transcript::tcp("smb", "").run(&[
        Step::Recv(&first),
        Step::Recv(&two(0, 0, &negotiate)),
        Step::Recv(&two(3, 99, &[9, 0, 0, 0, 0, 0, 0, 0, 0])),
        Step::Recv(&two(1, 0, &[24; 25])),
        Step::Recv(&two(77, 0, &[4, 0, 0, 0])),
        Step::Recv(&two(13, 0, &[4, 0, 0, 0])),
    ]);
    let sent = outcome.sent();
    let mut rest = sent.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        found.push(&rest[4..4 + len]);
        rest = &rest[4 + len..];
    }
    assert_eq!((found[0].le16(68), found[1].le16(68)), (Some(0x02ff), Some(0x0210)));
    assert_eq!(found[1][72..88], Persona::example().guid());
    let statuses: Vec<u32> = found[2..].iter().map(|message| message.le32(8).unwrap()).collect();
    assert_eq!(statuses, [0xc000_0203, 0xc000_000d, 0xc000_000d, 0]);
}

/// An SMB2 message in its frame.
fn two(command: u16, session: u64, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    out.put16(command).put16(1).put64(0).put64(7).put32(0).put32(1).put64(session).put(&[0; 16]).put(body);
    super::framed(&out)
}

/// Dialogues to be spoilt: the exploit, a bind and a call, SMB2 to a login, and from there to calls over a pipe.
pub(super) fn dialogues() -> Vec<Vec<Vec<u8>>> {
    let mut exploit = start();
    exploit.extend([peek().bytes(), nt_transact(5_072, &[0x41; 976]).bytes(), secondary(&[0; 4096]).bytes()]);
    exploit.extend([
        pulsar(65, PING, &[0; 12], &[]).bytes(),
        pulsar(66, EXEC, &[9; 12], &[1; 64]).bytes(),
        echo().bytes(),
    ]);
    let mut create = vec![0xff, 0, 0, 0, 0];
    create.put16(14).put32(0).put32(0).put32(3).put64(0).put32(0).put32(3).put32(1).put32(0).put32(2).put8(3);
    let mut listing = Vec::new();
    listing.put16(16).put16(0).put16(10).put16(4000).put16(0).put16(0).put32(0).put16(0).put16(16).put16(66);
    listing.put16(0).put16(0).put16(1).put16(1);
    let mut find = vec![0];
    find.put16(0x16).put16(100).put16(6).put16(0x104).put32(0).put(&utf16("\\*\0")[..4]);
    let mut bind = b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xb8\x10\xb8\x10\0\0\0\0\x01\0\0\0\0\0\x01\0".to_vec();
    bind.put(b"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88\x03\0\0\0");
    bind.put(b"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60\x02\0\0\0");
    let mut transact = Vec::new();
    transact
        .put16(0)
        .put16(bind.len() as u16)
        .put16(0)
        .put16(4000)
        .put16(0)
        .put16(0)
        .put32(0)
        .put16(0)
        .put16(0)
        .put16(67);
    transact.put16(bind.len() as u16).put16(67).put16(2).put16(0x26).put16(0x4000);
    let mut pipe = start();
    pipe.extend([
        one(0xa2, &create, &[vec![0], utf16("\\srvsvc\0")].concat()).bytes(),
        one(0x25, &transact, &bind).bytes(),
        tree(UNICODE, 8, "\\\\x\\Users").bytes(),
        One { tid: 0x0801, ..one(0x32, &listing, &find) }.bytes(),
    ]);
    let mut negotiate = Vec::new();
    negotiate.put16(36).put16(2).put16(1).put16(0).put(&[0; 28]).put16(0x0202).put16(0x0210);
    let mut token = b"NTLMSSP\0\x01\0\0\0".to_vec();
    token.put32(0xe208_8297).put(&[0; 16]);
    let mut setup = Vec::new();
    setup.put16(25).put16(1).put32(0).put32(0).put16(88).put16(token.len() as u16).put64(0).put(&token);
    let short = vec![two(0, 0, &negotiate), two(1, 0, &setup), two(13, 0, &[4, 0, 0, 0])];
    vec![exploit, pipe, short, super::two::nobody()]
}

#[test]
fn a_pipe_is_bound_and_a_share_listed() {
    let (replies, _) = play(&dialogues()[1]);
    let statuses: Vec<u32> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [0; 7]);
    assert_eq!(replies[4].data[1..4], [5, 0, 12], "bind_ack");
    assert!(replies[6].data.windows(12).any(|part| part == utf16("Public")));
}
