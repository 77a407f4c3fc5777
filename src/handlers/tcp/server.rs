//! What a row of the table of servers is, and which of its replies fits a line.

use super::packet::Farewell;
use super::table::SERVERS;
use crate::clock::Timestamp;
use crate::handlers::release::Release;
use crate::handlers::{Persona, Random, Session};

/// A server that speaks first.
pub(super) struct Server {
    /// The protocol, as events name it.
    pub(super) name: &'static str,
    ports: &'static [u16],
    /// Ports where the same is said within TLS.
    tls_ports: &'static [u16],
    greeting: Greeting,
    pub(super) talk: Talk,
    /// Bytes without a line's end that it takes, and its words when there are more.
    pub(super) longest: usize,
    pub(super) too_long: &'static str,
    /// Silence that it endures, and its words then.
    pub(super) idle_secs: u64,
    pub(super) idle: &'static str,
    /// Failures that it endures, and its words after the last.
    pub(super) patience: (u8, Last),
}

/// Texts have these in braces: `{host}`, the persona's full name, and what its release calls itself and its packages; replies `{arg}`, what
/// follows the command, `{path}`, what follows its colon, `{tag}`, the word before it, or `{line}`.
pub(super) enum Greeting {
    Text(&'static str),
    Bytes(fn(Visit<'_>) -> Vec<u8>),
}

/// What a greeting may depend on.
pub(super) struct Visit<'a> {
    pub(super) persona: &'a Persona,
    pub(super) random: Random,
    pub(super) now: Timestamp,
    /// Connections of this server so far.
    pub(super) number: u32,
}

/// How it goes on.
pub(super) enum Talk {
    /// Line by line; the first reply that fits is given. With a tag before each command, or without.
    Lines { replies: &'static [Reply], tagged: bool },
    /// The last words to what came, `None` while more is needed.
    Packet(fn(&Session, &[u8]) -> Option<Farewell>),
}

/// The words at the end of a server's patience.
#[derive(Clone, Copy)]
pub(super) enum Last {
    Besides(&'static str),
    Instead(&'static str),
}

/// What a reply is given to.
pub(super) enum To {
    /// A command in any case.
    Word(&'static str),
    /// The same without an argument.
    Bare(&'static str),
    /// A line that begins like this, behind its tag.
    Start(&'static str),
    /// A command of another protocol.
    Foreign(&'static str),
    Empty,
    NoUtf8,
    NoLetter,
    Anything,
}

/// What follows a reply.
#[derive(Clone, Copy)]
pub(super) enum Then {
    GoesOn,
    Closes,
    /// A failure that the server counts.
    Strikes,
}

pub(super) struct Reply {
    to: To,
    /// Only while this word is open.
    while_open: &'static str,
    says: &'static str,
    /// The word that is open afterwards, if that changes.
    opens: Option<&'static str>,
    pub(super) after_ms: u64,
    pub(super) then: Then,
}

impl Reply {
    pub(super) const fn new(to: To, says: &'static str) -> Self {
        Self { to, while_open: "", says, opens: None, after_ms: 0, then: Then::GoesOn }
    }

    pub(super) const fn opening(self, word: &'static str) -> Self {
        Self { opens: Some(word), ..self }
    }

    pub(super) const fn after(self, word: &'static str) -> Self {
        Self { while_open: word, ..self }
    }

    pub(super) const fn slowly(self, after_ms: u64) -> Self {
        Self { after_ms, ..self }
    }

    pub(super) const fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// Given to a command of the server's protocol, not to whatever comes.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.to, To::Word(_) | To::Bare(_) | To::Start(_))
    }

    fn fits(&self, command: &Command<'_>, opened: &str) -> bool {
        let line = command.rest;
        (self.while_open.is_empty() || self.while_open == opened)
            && match self.to {
                To::Word(word) | To::Foreign(word) => command.word.eq_ignore_ascii_case(word.as_bytes()),
                To::Bare(word) => command.word.eq_ignore_ascii_case(word.as_bytes()) && command.arg.is_empty(),
                To::Start(text) => {
                    line.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()))
                }
                To::Empty => line.is_empty(),
                To::NoUtf8 => std::str::from_utf8(line).is_err(),
                To::NoLetter => !line.first().is_some_and(u8::is_ascii_alphabetic),
                To::Anything => true,
            }
    }
}

/// A word that others depend on, and the tag of its line.
#[derive(Default)]
pub(super) struct Open {
    word: &'static str,
    tag: Vec<u8>,
}

/// A line taken apart.
struct Command<'a> {
    tag: &'a [u8],
    /// What follows the tag: the whole line where there are no tags.
    rest: &'a [u8],
    word: &'a [u8],
    arg: &'a [u8],
}

impl<'a> Command<'a> {
    fn new(line: &'a [u8], tagged: bool) -> Self {
        let (tag, rest) = if tagged { first_word(line) } else { (&b""[..], line) };
        let (word, arg) = first_word(rest);
        // RFC 9051 section 9: a tag has none of these.
        let is_tag = |byte: &u8| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(byte);
        let tag = if !tag.is_empty() && tag.iter().all(is_tag) { tag } else { b"*" };
        Self { tag, rest, word, arg }
    }
}

fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    (line.get(..end).unwrap_or_default(), line.get(end + 1..).unwrap_or_default())
}

impl Server {
    pub(super) const fn new(name: &'static str, ports: &'static [u16], greeting: Greeting, talk: Talk) -> Self {
        Self {
            name,
            ports,
            tls_ports: &[],
            greeting,
            talk,
            longest: 4_096,
            too_long: "",
            idle_secs: 300,
            idle: "",
            patience: (u8::MAX, Last::Besides("")),
        }
    }

    pub(super) const fn within_tls(self, tls_ports: &'static [u16]) -> Self {
        Self { tls_ports, ..self }
    }

    pub(super) const fn long_lines(self, longest: usize, too_long: &'static str) -> Self {
        Self { longest, too_long, ..self }
    }

    pub(super) const fn idle(self, idle_secs: u64, idle: &'static str) -> Self {
        Self { idle_secs, idle, ..self }
    }

    pub(super) const fn patient(self, failures: u8, last: Last) -> Self {
        Self { patience: (failures, last), ..self }
    }

    /// The server of this port, and whether it stands there within TLS.
    pub(super) fn at(port: u16) -> Option<(&'static Self, bool)> {
        let server = SERVERS.iter().find(|server| server.ports.contains(&port) || server.tls_ports.contains(&port))?;
        Some((server, server.tls_ports.contains(&port)))
    }

    /// What it says at first.
    pub(super) fn greeting(&self, visit: Visit<'_>) -> Vec<u8> {
        match self.greeting {
            Greeting::Text(text) => dressed(text, visit.persona),
            Greeting::Bytes(make) => make(visit),
        }
    }

    /// The reply to a line, and its text. What was opened is set anew.
    pub(super) fn reply(&self, line: &[u8], open: &mut Open, persona: &Persona) -> Option<(&'static Reply, Vec<u8>)> {
        let Talk::Lines { replies, tagged } = self.talk else { return None };
        let command = Command::new(line, tagged);
        let reply = replies.iter().find(|reply| reply.fits(&command, open.word))?;
        if let Some(word) = reply.opens.filter(|word| !word.is_empty()) {
            *open = Open { word, tag: command.tag.to_vec() };
        }
        let tag = if reply.while_open.is_empty() { command.tag } else { &open.tag };
        let path = command.arg.splitn(2, |&byte| byte == b':').nth(1).unwrap_or(command.arg).trim_ascii();
        let said = [("{arg}", command.arg), ("{path}", path), ("{tag}", tag), ("{line}", line)];
        let mut text = dressed(reply.says, persona);
        // Of what the visitor said, one thing at most is said back: nothing of it is read as a placeholder.
        if let Some((place, bytes)) = said.iter().find(|(place, _)| reply.says.contains(place)) {
            text = String::from_utf8_lossy(&text).replace(place, &String::from_utf8_lossy(bytes)).into_bytes();
        }
        if reply.opens == Some("") {
            *open = Open::default();
        }
        Some((reply, text))
    }
}

/// A text of this sensor.
pub(super) fn dressed(text: &str, persona: &Persona) -> Vec<u8> {
    if !text.contains('{') {
        return text.as_bytes().to_vec();
    }
    let release = Release::of(persona);
    text.replace("{host}", &persona.fqdn())
        .replace("{release}", release.name)
        .replace("{mail}", release.mail)
        .replace("{openssh}", release.openssh)
        .replace("{vsftpd}", release.vsftpd)
        .into_bytes()
}
