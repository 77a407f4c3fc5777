//! `nbns`: NetBIOS names over UDP (RFC 1002 section 4.2), as the Windows machine of the persona keeps them: who asks for its status hears
//! them all and its MAC, who asks for one of them hears its address. Names of others are not answered, registrations are only recorded.
//!
//! An answer is longer than its question: it goes out to who has shown a TCP connection before, as a scanner of the shares has.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::builtin::Builtin;
use super::registry::{Environment, Maker, boxed};
use super::udp::Recorder;
use super::{Context, Handler, Persona, Session};
use crate::flow::Transport;

pub(super) const BUILTIN: Builtin = Builtin {
    name: "nbns",
    aliases: &[],
    transports: &[Transport::Udp],
    default_ports: &[137],
    about: "NetBIOS names of the Windows machine, over UDP",
    prepare,
};

/// `[handlers.nbns]` has no keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

/// Datagrams of one flow that are recorded.
const MAX_RECORDS: u32 = 16;

/// Bytes of the header, and of a question: the encoded name between its length and its end, type and class (RFC 1002 section 4.2.1).
const HEADER: usize = 12;
const QUESTION: usize = 38;
/// Response, operation and what a question may have set besides its operation: recursion desired and broadcast.
const OPCODE_AND_RESPONSE: u16 = 0xf800;
/// Types of questions: a name's address and a machine's status (RFC 1002 section 4.2.1.3); the class is that of the Internet.
const NB: u16 = 0x0020;
const NBSTAT: u16 = 0x0021;
const IN: u16 = 0x0001;
/// Flags of answers: authoritative, for a name recursion as it was desired.
const STATUS_FLAGS: u16 = 0x8400;
const NAME_FLAGS: u16 = 0x8500;
/// Name flags: a group (RFC 1002 section 4.2.1.3), an active name (section 4.2.18).
const GROUP: u16 = 0x8000;
const ACTIVE: u16 = 0x0400;
/// Seconds for which Windows gives a name: 300,000.
const NAME_TTL: u32 = 300_000;
/// Statistics behind the MAC in a status, which Windows leaves empty.
const STATISTICS: usize = 40;

/// Services that have a name of the machine, and of its workgroup: workstation, server; workgroup, browser elections.
const OWN_SUFFIXES: [u8; 2] = [0x00, 0x20];
const GROUP_SUFFIXES: [u8; 2] = [0x00, 0x1e];

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let Settings {} = environment.settings()?;
    let names = Arc::new(Names::new(&environment.persona));
    let limit = environment.max_payload;
    Ok(boxed(move |_: &Session| Nbns { names: Arc::clone(&names), recorder: Recorder::new(MAX_RECORDS, limit) }))
}

/// A name as it is registered: fifteen bytes, filled up with blanks, and the service.
type Name = [u8; 16];

/// What the machine has registered.
struct Names {
    /// Names in the order in which Windows lists them, each with its flags.
    registered: Vec<(Name, u16)>,
    mac: [u8; 6],
}

impl Names {
    fn new(persona: &Persona) -> Self {
        let [workstation, server] = OWN_SUFFIXES.map(|suffix| (name(persona.windows_name(), suffix), 0));
        let [group, elections] = GROUP_SUFFIXES.map(|suffix| (name(persona.workgroup(), suffix), GROUP));
        Self { registered: vec![workstation, group, server, elections], mac: persona.mac() }
    }

    /// The answer to a question, its name still encoded; `None` where Windows says nothing.
    fn answer(&self, asked: &Asked<'_>, dialled: IpAddr) -> Option<Vec<u8>> {
        let (flags, ttl, data) = match asked.kind {
            NBSTAT if asked.name == ANY || self.flags(&asked.name).is_some() => (STATUS_FLAGS, 0, self.status()),
            NB => {
                let IpAddr::V4(address) = dialled else { return None };
                let flags = self.flags(&asked.name)?;
                (NAME_FLAGS, NAME_TTL, [&flags.to_be_bytes()[..], &address.octets()].concat())
            }
            _ => return None,
        };
        let length = u16::try_from(data.len()).ok()?;
        let head = [asked.id, &flags.to_be_bytes(), &[0, 0, 0, 1, 0, 0, 0, 0], asked.question];
        Some([&head.concat(), &ttl.to_be_bytes()[..], &length.to_be_bytes(), &data].concat())
    }

    fn flags(&self, name: &Name) -> Option<u16> {
        self.registered.iter().find(|(own, _)| own == name).map(|(_, flags)| *flags)
    }

    /// Every name, and the card's address (RFC 1002 section 4.2.18).
    fn status(&self) -> Vec<u8> {
        let mut status = vec![u8::try_from(self.registered.len()).unwrap_or(u8::MAX)];
        for (name, flags) in &self.registered {
            status.extend_from_slice(name);
            status.extend_from_slice(&(flags | ACTIVE).to_be_bytes());
        }
        status.extend_from_slice(&self.mac);
        status.extend_from_slice(&[0; STATISTICS]);
        status
    }
}

fn name(text: &str, suffix: u8) -> Name {
    let mut name = [b' '; 16];
    for (place, byte) in name.iter_mut().zip(text.bytes().take(15)) {
        *place = byte.to_ascii_uppercase();
    }
    if let Some(last) = name.last_mut() {
        *last = suffix;
    }
    name
}

/// Whoever it is: an asterisk and nothing (RFC 1002 section 4.2.17).
const ANY: Name = *b"*\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A question.
struct Asked<'a> {
    id: &'a [u8],
    name: Name,
    kind: u16,
    /// Name, type and class as sent: an answer repeats them.
    question: &'a [u8],
}

impl<'a> Asked<'a> {
    /// The one question of a datagram; `None` for anything else, as registrations and answers are.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let (id, header) = header.split_at_checked(2)?;
        let [high, low, 0, 1, 0, 0, 0, 0, ..] = *header else { return None };
        let question = rest.get(..QUESTION)?;
        let (name, end) = question.split_at_checked(QUESTION - 4)?;
        let [kind_high, kind_low, class_high, class_low] = *end else { return None };
        let is_question = u16::from_be_bytes([high, low]) & OPCODE_AND_RESPONSE == 0;
        let kind = u16::from_be_bytes([kind_high, kind_low]);
        let name = decoded(name).filter(|_| is_question && u16::from_be_bytes([class_high, class_low]) == IN)?;
        Some(Self { id, name, kind, question })
    }
}

/// Undoes the first level of encoding: each half of a byte is a letter from A to P (RFC 1001 section 14.1); no scope.
fn decoded(encoded: &[u8]) -> Option<Name> {
    let letters = encoded.strip_prefix(b"\x20")?.strip_suffix(b"\0")?;
    let mut name = Name::default();
    for (place, pair) in name.iter_mut().zip(letters.chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        let half = |letter: u8| letter.checked_sub(b'A').filter(|&half| half < 16);
        *place = half(high)? << 4 | half(low)?;
    }
    Some(name)
}

struct Nbns {
    names: Arc<Names>,
    recorder: Recorder,
}

impl Handler for Nbns {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.recorder.record(cx, bytes);
        let answer = Asked::parse(bytes).and_then(|asked| self.names.answer(&asked, cx.session().dialled.ip()));
        if let Some(answer) = answer {
            cx.send(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::transcript::{Step, Transcript};
    use super::*;

    /// What nmap and nbtscan send.
    const STATUS: &[u8] = b"\x80\xf0\0\x10\0\x01\0\0\0\0\0\0 CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0\0!\0\x01";

    fn question(name: Name, kind: u16) -> Vec<u8> {
        let letters = name.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 0xf)]).collect::<Vec<u8>>();
        let end = [kind.to_be_bytes(), IN.to_be_bytes()].concat();
        [b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0 ", &letters[..], b"\0", &end].concat()
    }

    fn asked(question: &[u8]) -> Vec<u8> {
        let outcome = Transcript::udp("nbns", "").run(&[Step::Recv(question)]);
        assert_eq!(outcome.the_event("payload").fields["bytes"], question.len());
        outcome.sent()
    }

    #[test]
    fn the_status_lists_the_machines_names_and_its_mac() {
        let persona = Persona::example();
        let status = asked(STATUS);
        assert_eq!(status[..12], *b"\x80\xf0\x84\0\0\0\0\x01\0\0\0\0");
        assert_eq!(status[12..50], STATUS[12..], "the question comes back");
        // Time to live, length, and how many names.
        assert_eq!(status[50..57], [0, 0, 0, 0, 0, 119, 4]);
        let names: Vec<(&[u8], u8, u16)> = status[57..129]
            .chunks(18)
            .map(|entry| (entry[..15].trim_ascii_end(), entry[15], u16::from_be_bytes([entry[16], entry[17]])))
            .collect();
        let (own, group) = (persona.windows_name().as_bytes(), persona.workgroup().as_bytes());
        assert_eq!(names, [(own, 0, 0x400), (group, 0, 0x8400), (own, 0x20, 0x400), (group, 0x1e, 0x8400)]);
        assert_eq!((&status[129..135], status.len()), (&persona.mac()[..], 175));
    }

    #[test]
    fn who_asks_for_a_name_of_the_machine_hears_its_address_and_others_hear_nothing() {
        let persona = Persona::example();
        let own = name(persona.windows_name(), 0x20);
        let answer = asked(&question(own, NB));
        assert_eq!(answer[..12], *b"\x12\x34\x85\0\0\0\0\x01\0\0\0\0");
        let IpAddr::V4(dialled) = Session::example(Transport::Udp, 137).dialled.ip() else { panic!("IPv4") };
        assert_eq!(answer[50..], [&[0, 4, 0x93, 0xe0, 0, 6, 0, 0][..], &dialled.octets()].concat());
        assert!(asked(&question(name("OTHER", 0x20), NB)).is_empty());
        assert!(asked(&question(name("OTHER", 0x20), NBSTAT)).is_empty());
        assert!(!asked(&question(own, NBSTAT)).is_empty());
    }

    #[test]
    fn what_is_no_question_is_recorded_and_not_answered() {
        let mut registration = STATUS.to_vec();
        registration[2] = 0x29;
        let mut class = STATUS.to_vec();
        class[49] = 3;
        for bytes in [&registration[..], &class, &STATUS[..40], b"x", &[0xff; 60]] {
            assert!(asked(bytes).is_empty(), "{bytes:?}");
        }
    }
}
