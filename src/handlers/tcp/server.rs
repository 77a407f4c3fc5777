//! Servers that speak first: where they stand, how they greet, and what they say to whoever has not logged in, which is all that there is
//! behind them. One row a server; replies as vsftpd 3.0, Postfix 3.7, Dovecot 2.3, rsync 3.2, OpenSSH 9.2, MariaDB 10.11 and TigerVNC 1.12
//! give them with their distributions' settings and without TLS.

use super::packet::{mysql_greeting, mysql_verdict, vnc_verdict};
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
enum Greeting {
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
    Packet(fn(&Session, &[u8]) -> Option<Vec<u8>>),
}

/// The words at the end of a server's patience.
#[derive(Clone, Copy)]
pub(super) enum Last {
    Besides(&'static str),
    Instead(&'static str),
}

/// What a reply is given to.
enum To {
    /// A command in any case.
    Word(&'static str),
    /// The same without an argument.
    Bare(&'static str),
    /// A line that begins like this, behind its tag.
    Start(&'static str),
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
    const fn new(to: To, says: &'static str) -> Self {
        Self { to, while_open: "", says, opens: None, after_ms: 0, then: Then::GoesOn }
    }

    const fn opening(self, word: &'static str) -> Self {
        Self { opens: Some(word), ..self }
    }

    const fn after(self, word: &'static str) -> Self {
        Self { while_open: word, ..self }
    }

    const fn slowly(self, after_ms: u64) -> Self {
        Self { after_ms, ..self }
    }

    const fn then(self, then: Then) -> Self {
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
                To::Word(word) => command.word.eq_ignore_ascii_case(word.as_bytes()),
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
    const fn new(name: &'static str, ports: &'static [u16], greeting: Greeting, talk: Talk) -> Self {
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

    const fn within_tls(self, tls_ports: &'static [u16]) -> Self {
        Self { tls_ports, ..self }
    }

    const fn long_lines(self, longest: usize, too_long: &'static str) -> Self {
        Self { longest, too_long, ..self }
    }

    const fn idle(self, idle_secs: u64, idle: &'static str) -> Self {
        Self { idle_secs, idle, ..self }
    }

    const fn patient(self, failures: u8, last: Last) -> Self {
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
            Greeting::Text(text) => self.dressed(text, visit.persona),
            Greeting::Bytes(make) => make(visit),
        }
    }

    /// A text of this sensor.
    pub(super) fn dressed(&self, text: &str, persona: &Persona) -> Vec<u8> {
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
        let mut text = self.dressed(reply.says, persona);
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

const fn word(word: &'static str, says: &'static str) -> Reply {
    Reply::new(To::Word(word), says)
}

const fn anything(says: &'static str) -> Reply {
    Reply::new(To::Anything, says)
}

const FTP: &[Reply] = &[
    Reply::new(To::Empty, ""),
    word("USER", "331 Please specify the password.\r\n").opening("USER"),
    word("PASS", "530 Login incorrect.\r\n").after("USER").opening("").slowly(3_000).then(Then::Strikes),
    word("PASS", "503 Login with USER first.\r\n"),
    word("QUIT", "221 Goodbye.\r\n").then(Then::Closes),
    word("FEAT", "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n"),
    Reply::new(To::Start("OPTS UTF8 ON"), "200 Always in UTF8 mode.\r\n"),
    word("OPTS", "501 Option not understood.\r\n"),
    anything("530 Please login with USER and PASS.\r\n"),
];

const RULE_BREAKER: &str = "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n";

const SMTP: &[Reply] = &[
    Reply::new(To::Empty, "500 5.5.2 Error: bad syntax\r\n").then(Then::Strikes),
    Reply::new(To::NoUtf8, "500 5.5.2 Error: bad UTF-8 syntax\r\n").then(Then::Strikes),
    Reply::new(To::Bare("EHLO"), "501 Syntax: EHLO hostname\r\n"),
    Reply::new(To::Bare("HELO"), "501 Syntax: HELO hostname\r\n"),
    word(
        "EHLO",
        "250-{host}\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n\
         250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
    ),
    word("HELO", "250 {host}\r\n"),
    Reply::new(To::Start("MAIL FROM:"), "250 2.1.0 Ok\r\n").opening("MAIL"),
    word("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>\r\n"),
    word("RCPT", "454 4.7.1 {path}: Relay access denied\r\n").after("MAIL"),
    word("RCPT", "503 5.5.1 Error: need MAIL command\r\n"),
    word("DATA", "554 5.5.1 Error: no valid recipients\r\n").after("MAIL"),
    word("DATA", "503 5.5.1 Error: need RCPT command\r\n"),
    word("RSET", "250 2.0.0 Ok\r\n").opening(""),
    word("NOOP", "250 2.0.0 Ok\r\n"),
    Reply::new(To::Bare("VRFY"), "501 5.5.4 Syntax: VRFY address [SMTPUTF8]\r\n"),
    Reply::new(To::Start("VRFY root"), "252 2.0.0 {arg}\r\n"),
    Reply::new(To::Start("VRFY postmaster"), "252 2.0.0 {arg}\r\n"),
    word("VRFY", "550 5.1.1 <{arg}>: Recipient address rejected: User unknown in local recipient table\r\n"),
    word("ETRN", "459 <{arg}>: service unavailable\r\n"),
    word("AUTH", "503 5.5.1 Error: authentication not enabled\r\n"),
    word("STARTTLS", "502 5.5.1 Error: command not implemented\r\n"),
    word("QUIT", "221 2.0.0 Bye\r\n").then(Then::Closes),
    word("GET", RULE_BREAKER).then(Then::Closes),
    word("POST", RULE_BREAKER).then(Then::Closes),
    word("CONNECT", RULE_BREAKER).then(Then::Closes),
    Reply::new(To::NoLetter, RULE_BREAKER).then(Then::Closes),
    anything("500 5.5.2 Error: command not recognized\r\n").then(Then::Strikes),
];

/// Dovecot holds a refusal back.
const REFUSAL_MS: u64 = 2_000;

const POP3: &[Reply] = &[
    anything("-ERR [AUTH] Authentication failed.\r\n").after("SASL").opening("").slowly(REFUSAL_MS),
    word(
        "CAPA",
        "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
    ),
    word("USER", "+OK\r\n").opening("USER"),
    word("PASS", "-ERR [AUTH] Authentication failed.\r\n").after("USER").opening("").slowly(REFUSAL_MS),
    word("PASS", "-ERR No username given.\r\n"),
    Reply::new(To::Bare("AUTH"), "+OK\r\nPLAIN\r\n.\r\n"),
    Reply::new(To::Start("AUTH PLAIN "), "-ERR [AUTH] Authentication failed.\r\n").slowly(REFUSAL_MS),
    Reply::new(To::Start("AUTH PLAIN"), "+ \r\n").opening("SASL"),
    word("AUTH", "-ERR [AUTH] Unsupported authentication mechanism.\r\n"),
    word("APOP", "-ERR APOP not enabled.\r\n"),
    word("QUIT", "+OK Logging out\r\n").then(Then::Closes),
    anything("-ERR Unknown command.\r\n").then(Then::Strikes),
];

const IMAP_REFUSAL: &str = "{tag} NO [AUTHENTICATIONFAILED] Authentication failed.\r\n";

const IMAP: &[Reply] = &[
    anything(IMAP_REFUSAL).after("SASL").opening("").slowly(REFUSAL_MS),
    word(
        "CAPABILITY",
        "* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN\r\n\
         {tag} OK Pre-login capabilities listed, post-login capabilities have more.\r\n",
    ),
    word("NOOP", "{tag} OK NOOP completed.\r\n"),
    word("ID", "* ID (\"name\" \"Dovecot\")\r\n{tag} OK ID completed.\r\n"),
    word("LOGIN", IMAP_REFUSAL).slowly(REFUSAL_MS),
    Reply::new(To::Start("AUTHENTICATE PLAIN "), IMAP_REFUSAL).slowly(REFUSAL_MS),
    Reply::new(To::Start("AUTHENTICATE PLAIN"), "+ \r\n").opening("SASL"),
    word("AUTHENTICATE", "{tag} NO [ALERT] Unsupported authentication mechanism.\r\n"),
    word("LOGOUT", "* BYE Logging out\r\n{tag} OK Logout completed.\r\n").then(Then::Closes),
    anything("{tag} BAD Error in IMAP command received by server.\r\n").then(Then::Strikes),
];

const RSYNC: &[Reply] = &[
    Reply::new(To::Start("@RSYNCD: "), "").opening("RSYNC"),
    Reply::new(To::Empty, "@RSYNCD: EXIT\n").after("RSYNC").then(Then::Closes),
    Reply::new(To::Start("#list"), "@RSYNCD: EXIT\n").after("RSYNC").then(Then::Closes),
    anything("@ERROR: Unknown module '{line}'\n").after("RSYNC").then(Then::Closes),
    anything("@ERROR: protocol startup error\n").then(Then::Closes),
];

const SSH: &[Reply] = &[
    Reply::new(To::Start("SSH-2.0-"), "").then(Then::Closes),
    Reply::new(To::Start("SSH-1.99-"), "").then(Then::Closes),
    Reply::new(To::Start("SSH-1."), "Protocol major versions differ.\r\n").then(Then::Closes),
    anything("Invalid SSH identification string.\r\n").then(Then::Closes),
];

const fn lines(replies: &'static [Reply]) -> Talk {
    Talk::Lines { replies, tagged: false }
}

static SERVERS: [Server; 8] = [
    Server::new("ftp", &[21], Greeting::Text("220 (vsFTPd {vsftpd})\r\n"), lines(FTP))
        .within_tls(&[990])
        .long_lines(4_096, "500 Input line too long.\r\n")
        .idle(300, "421 Timeout.\r\n")
        .patient(3, Last::Besides("")),
    Server::new("ssh", &[22, 2222], Greeting::Text("SSH-2.0-{openssh}\r\n"), lines(SSH))
        .long_lines(8_192, "Invalid SSH identification string.\r\n")
        .idle(120, ""),
    Server::new("smtp", &[25, 587], Greeting::Text("220 {host} ESMTP Postfix ({mail})\r\n"), lines(SMTP))
        .within_tls(&[465])
        .long_lines(16_384, "")
        .idle(300, "421 4.4.2 {host} Error: timeout exceeded\r\n")
        .patient(20, Last::Besides("421 4.7.0 {host} Error: too many errors\r\n")),
    Server::new("pop3", &[110], Greeting::Text("+OK Dovecot ({release}) ready.\r\n"), lines(POP3))
        .within_tls(&[995])
        .long_lines(1_024, "-ERR Input buffer full, aborting\r\n")
        .idle(180, "-ERR Disconnected for inactivity.\r\n")
        .patient(3, Last::Besides("-ERR Too many invalid bad commands.\r\n")),
    Server::new(
        "imap",
        &[143],
        Greeting::Text(
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN] Dovecot ({release}) ready.\r\n",
        ),
        Talk::Lines { replies: IMAP, tagged: true },
    )
    .within_tls(&[993])
    .long_lines(1_024, "* BYE Input buffer full, aborting\r\n")
    .idle(180, "* BYE Disconnected for inactivity.\r\n")
    .patient(3, Last::Instead("* BYE Too many invalid IMAP commands.\r\n")),
    Server::new("rsync", &[873], Greeting::Text("@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n"), lines(RSYNC))
        .long_lines(1_024, "@ERROR: protocol startup error\n"),
    Server::new("mysql", &[3306], Greeting::Bytes(mysql_greeting), Talk::Packet(mysql_verdict)).idle(10, ""),
    Server::new("rfb", &[5900], Greeting::Text("RFB 003.008\n"), Talk::Packet(vnc_verdict)),
];
