//! Dialogues of visitors, and the messages that they are made of.

mod exploit;
mod shape;
mod shared;
mod status;

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

/// Alice is let in.
pub(super) const ALICE: &str = "credentials = { list = ['alice:Secret12'] }";

fn play(messages: &[Vec<u8>]) -> (Vec<Reply>, Outcome) {
    let steps: Vec<Step<'_>> = messages.iter().map(|message| Step::Recv(message)).collect();
    let outcome = Transcript::tcp("smb", ALICE).run(&steps);
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

/// An SMB2 message of this number in its frame.
fn two(number: u64, command: u16, session: u64, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    out.put16(command).put16(1).put64(0).put64(number).put32(0).put32(1).put64(session).put(&[0; 16]).put(body);
    super::framed(&out)
}

/// Dialogues to be spoilt: the exploit, a bind and a call, SMB2 to a login, from there to
/// calls over a pipe, and to files.
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
    let mut pipe = status::at_home();
    pipe.extend([
        one(0xa2, &create, &[vec![0], utf16("\\srvsvc\0")].concat()).bytes(),
        one(0x25, &transact, &bind).bytes(),
        One { tid: 0x0801, ..one(0x32, &listing, &find) }.bytes(),
    ]);
    let mut negotiate = Vec::new();
    negotiate.put16(36).put16(2).put16(1).put16(0).put(&[0; 28]).put16(0x0202).put16(0x0210);
    let mut token = b"NTLMSSP\0\x01\0\0\0".to_vec();
    token.put32(0xe208_8297).put(&[0; 16]);
    let mut setup = Vec::new();
    setup.put16(25).put16(1).put32(0).put32(0).put16(88).put16(token.len() as u16).put64(0).put(&token);
    let short = vec![two(0, 0, 0, &negotiate), two(1, 1, 0, &setup), two(2, 13, 0, &[4, 0, 0, 0])];
    vec![exploit, pipe, short, super::two::nobody(), super::two::at_work()]
}
