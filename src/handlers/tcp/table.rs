//! Servers that speak first: where they stand, how they greet, and what they say to whoever has not logged in, which is all that there is
//! behind them. One row a server; replies as vsftpd 3.0, Postfix 3.7, Dovecot 2.3, rsync 3.2, OpenSSH 9.2, MariaDB 10.11 and TigerVNC 1.12
//! give them with their distributions' settings and without TLS.

use super::packet::{mysql_greeting, mysql_verdict, vnc_verdict};
use super::server::{Greeting, Last, Reply, Server, Talk, Then, To};

const fn word(word: &'static str, says: &'static str) -> Reply {
    Reply::new(To::Word(word), says)
}

const fn anything(says: &'static str) -> Reply {
    Reply::new(To::Anything, says)
}

const NOT_LOGGED_IN: &str = "530 Please login with USER and PASS.\r\n";

const FTP: &[Reply] = &[
    Reply::new(To::Empty, ""),
    word("USER", "331 Please specify the password.\r\n").opening("USER"),
    word("PASS", "530 Login incorrect.\r\n").after("USER").opening("").slowly(3_000).then(Then::Strikes),
    word("PASS", "503 Login with USER first.\r\n"),
    word("QUIT", "221 Goodbye.\r\n").then(Then::Closes),
    word("FEAT", "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End\r\n"),
    Reply::new(To::Start("OPTS UTF8 ON"), "200 Always in UTF8 mode.\r\n"),
    word("OPTS", "501 Option not understood.\r\n"),
    word("AUTH", NOT_LOGGED_IN),
    word("SYST", NOT_LOGGED_IN),
    anything(NOT_LOGGED_IN),
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
    Reply::new(To::Foreign("GET"), RULE_BREAKER).then(Then::Closes),
    Reply::new(To::Foreign("POST"), RULE_BREAKER).then(Then::Closes),
    Reply::new(To::Foreign("CONNECT"), RULE_BREAKER).then(Then::Closes),
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

pub(super) static SERVERS: [Server; 8] = [
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
