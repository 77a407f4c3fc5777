//! What visitors of ports with servers that speak first see: held to what vsftpd 3.0.3, Postfix 3.7, Dovecot 2.3, OpenSSH 9.2, rsync 3.2,
//! MariaDB 10.11 and TigerVNC 1.12 answered to the same bytes.

use crate::handlers::Persona;
use crate::handlers::release::Release;
use crate::handlers::transcript::{Outcome, Step, Transcript};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n";
/// A ClientHello that is text but for its controls, up to its first line feed.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x75\x01\x00\x00\x71\x03\x03\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c";

const GARBAGE: &[u8] = b"\xff\xfe\0\0INVALID\r\n";

/// A visitor that waits for the greeting, then says all this.
fn dialogue(port: u16, said: &[u8]) -> (String, Outcome) {
    let steps = [Step::Wait(200), Step::Recv(said), Step::Wait(5_000)];
    let outcome = Transcript::tcp("tcp", "").dialling(port).run(&steps);
    let after = outcome.sent()[outcome.sent_after[0]..].to_vec();
    (String::from_utf8_lossy(&after).into_owned(), outcome)
}

fn greeting(port: u16) -> String {
    let outcome = Transcript::tcp("tcp", "").dialling(port).run(&[Step::Wait(200)]);
    String::from_utf8_lossy(&outcome.sent()).into_owned()
}

#[test]
fn each_port_greets_after_a_moment_as_its_server_does() {
    let (host, release) = (Persona::example().fqdn(), Release::of(&Persona::example()));
    for (port, text) in [
        (21, format!("220 (vsFTPd {})\r\n", release.vsftpd)),
        (2_222, format!("SSH-2.0-{}\r\n", release.openssh)),
        (25, format!("220 {host} ESMTP Postfix ({})\r\n", release.mail)),
        (587, format!("220 {host} ESMTP Postfix ({})\r\n", release.mail)),
        (110, format!("+OK Dovecot ({}) ready.\r\n", release.name)),
        (873, "@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n".to_owned()),
        (5_900, "RFB 003.008\n".to_owned()),
    ] {
        assert_eq!(greeting(port), text);
        let outcome = Transcript::tcp("tcp", "").dialling(port).run(&[Step::Wait(10)]);
        assert!(outcome.sent().is_empty(), "{port}: no server is so fast");
    }
    assert!(greeting(143).starts_with("* OK [CAPABILITY IMAP4rev1 "));
    assert!(greeting(3_306).contains(&format!("\n5.5.5-{}\0", release.mariadb)));
}

#[test]
fn a_client_of_another_protocol_is_told_what_the_greeted_server_tells_it() {
    let login = "530 Please login with USER and PASS.\r\n";
    let rules = "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n";
    let order = "!\0\0\x01\u{fffd}\u{fffd}\x04#08S01Got packets out of order";
    let pop = "-ERR Unknown command.\r\n";
    let ssh = "Invalid SSH identification string.\r\n";
    for (port, said, answer, closes) in [
        (21, GET, login.repeat(3), false),
        (21, HELLO, login.to_owned(), false),
        (25, GET, rules.to_owned(), true),
        (25, HELLO, rules.to_owned(), true),
        (25, GARBAGE, "500 5.5.2 Error: bad UTF-8 syntax\r\n".to_owned(), false),
        (110, GET, format!("{}-ERR Too many invalid bad commands.\r\n", pop.repeat(3)), true),
        (110, HELLO, pop.to_owned(), false),
        (
            143,
            GET,
            "GET BAD Error in IMAP command received by server.\r\nHost: BAD Error in IMAP command received by server.\r\n\
             * BYE Too many invalid IMAP commands.\r\n"
                .to_owned(),
            true,
        ),
        (143, HELLO, "* BAD Error in IMAP command received by server.\r\n".to_owned(), false),
        (873, GET, "@ERROR: protocol startup error\n".to_owned(), true),
        (2_222, GET, ssh.to_owned(), true),
        (2_222, HELLO, ssh.to_owned(), true),
        (3_306, GET, order.to_owned(), true),
        (3_306, HELLO, order.to_owned(), true),
        (5_900, GET, String::new(), true),
    ] {
        let (said_back, outcome) = dialogue(port, said);
        assert_eq!((said_back, outcome.closed), (answer, closes), "{port}: {}", said.escape_ascii());
        let event = outcome.the_event("payload");
        assert_eq!(event.fields["bytes"], said.len(), "{port}: all of it is recorded");
        let name = [(GET, "http"), (HELLO, "tls")].into_iter().find(|(bytes, _)| *bytes == said);
        assert_eq!(event.fields.get("protocol").and_then(|name| name.as_str()), name.map(|(_, name)| name), "{port}");
    }
}

#[test]
fn words_before_the_greeting_are_answered_after_it() {
    let steps = [Step::Recv(b"QUIT\r\n"), Step::Wait(600)];
    let outcome = Transcript::tcp("tcp", "").dialling(21).run(&steps);
    assert_eq!(outcome.sent_after[0], 0);
    assert!(outcome.sent().starts_with(b"220 ") && outcome.sent().ends_with(b"\r\n221 Goodbye.\r\n") && outcome.closed);
}

#[test]
fn first_steps_of_a_client_are_answered_and_its_protocol_is_named() {
    let host = Persona::example().fqdn();
    for (port, protocol, said, answer, closes) in [
        (
            21,
            "ftp",
            "OPTS UTF8 ON\r\nsyst\r\nPASS x\r\n",
            "200 Always in UTF8 mode.\r\n530 Please login with USER and PASS.\r\n503 Login with USER first.\r\n",
            false,
        ),
        (21, "ftp", "AUTH TLS\r\n", "530 Please login with USER and PASS.\r\n", false),
        (
            25,
            "smtp",
            "HELO x\r\nRCPT TO:<a@b.c>\r\nMAIL FROM:<q@w.e>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nRSET\r\nDATA\r\nVRFY root\r\nquit\r\n",
            &format!(
                "250 {host}\r\n503 5.5.1 Error: need MAIL command\r\n250 2.1.0 Ok\r\n454 4.7.1 <a@b.c>: Relay access denied\r\n554 5.5.1 Error: no valid recipients\r\n250 2.0.0 Ok\r\n503 5.5.1 Error: need RCPT command\r\n252 2.0.0 root\r\n221 2.0.0 Bye\r\n"
            ),
            true,
        ),
        (
            110,
            "pop3",
            "PASS x\r\nUSER root\r\nPASS x\r\nQUIT\r\n",
            "-ERR No username given.\r\n+OK\r\n-ERR [AUTH] Authentication failed.\r\n+OK Logging out\r\n",
            true,
        ),
        (
            143,
            "imap",
            "a AUTHENTICATE PLAIN\r\nAGEAYg==\r\nb LOGOUT\r\n",
            "+ \r\na NO [AUTHENTICATIONFAILED] Authentication failed.\r\n* BYE Logging out\r\nb OK Logout completed.\r\n",
            true,
        ),
        (873, "rsync", "@RSYNCD: 31.0\nnope\n", "@ERROR: Unknown module 'nope'\n", true),
        (873, "rsync", "@RSYNCD: 31.0\n\n", "@RSYNCD: EXIT\n", true),
        (2_222, "ssh", "SSH-1337-x\r\n", "Invalid SSH identification string.\r\n", true),
        (2_222, "ssh", "SSH-1.5-x\r\n", "Protocol major versions differ.\r\n", true),
        (5_900, "rfb", "RFB 003.008\n", "\0\0\0\0\x1aToo many security failures", true),
        (5_900, "rfb", "RFB 003.003\n", "\0\0\0\0\0\0\0\x1aToo many security failures", true),
    ] {
        let (said_back, outcome) = dialogue(port, said.as_bytes());
        assert_eq!((said_back.as_str(), outcome.closed), (answer, closes), "{port}: {said}");
        assert_eq!(outcome.the_event("payload").fields["protocol"], protocol, "{port}: {said}");
    }
}

#[test]
fn an_ssh_client_is_heard_out_so_that_its_algorithms_are_recorded() {
    let steps = [
        Step::Wait(200),
        Step::Recv(b"SSH-2.0-Go\r\n"),
        Step::Wait(200),
        Step::Recv(&[0x14; 1_000]),
        Step::Wait(1_000),
    ];
    let outcome = Transcript::tcp("tcp", "").dialling(2_222).run(&steps);
    assert!(outcome.closed && outcome.sent_after[0] == outcome.sent().len());
    assert_eq!(outcome.the_event("payload").fields["bytes"], 1_012);
}

#[test]
fn a_wrong_password_is_refused_after_a_while_and_the_third_one_ends_it() {
    let steps = [Step::Wait(200), Step::Recv(b"USER a\r\nPASS b\r\nPASS c\r\n"), Step::Wait(2_900), Step::Wait(600)];
    let outcome = Transcript::tcp("tcp", "").dialling(21).run(&steps);
    let said = String::from_utf8(outcome.sent()).unwrap();
    assert!(said[..outcome.sent_after[2]].ends_with("331 Please specify the password.\r\n"), "{said}");
    assert!(said.ends_with("530 Login incorrect.\r\n503 Login with USER first.\r\n"), "{said}");
    let steps = [Step::Wait(200), Step::Recv(&b"USER a\r\nPASS b\r\n".repeat(4)), Step::Wait(12_000)];
    let outcome = Transcript::tcp("tcp", "").dialling(21).run(&steps);
    assert_eq!(String::from_utf8(outcome.sent()).unwrap().matches("530 Login incorrect.").count(), 3);
    assert!(outcome.closed);
}

#[test]
fn who_names_itself_to_mysql_is_denied_by_name_and_address_and_each_has_another_scramble() {
    let mut packet = vec![0x55, 0, 0, 1];
    packet.extend_from_slice(&[0; 32]);
    packet.extend_from_slice(b"admin\0\x14");
    packet.resize(4 + 0x55, b'x');
    let (said, outcome) = dialogue(3_306, &packet);
    assert!(said.ends_with("#28000Access denied for user 'admin'@'192.0.2.1' (using password: YES)"), "{said}");
    assert!(outcome.closed);
    assert_eq!(outcome.the_event("payload").fields["protocol"], "mysql");
    let (said, _) =
        dialogue(3_306, b"\x20\0\0\x01\x85\xa6\x03\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert!(said.ends_with("#08S01Bad handshake"), "{said}");
    let (said, _) = dialogue(3_306, b"\r\n\r\n");
    assert!(said.ends_with("#HY000Proxy header is not accepted from 192.0.2.1"), "{said}");
}

#[test]
fn whoever_says_nothing_is_sent_away_as_the_server_does_it() {
    for (port, words, secs) in
        [(21, "421 Timeout.\r\n", 300), (110, "-ERR Disconnected for inactivity.\r\n", 180), (3_306, "", 10)]
    {
        let transcript = Transcript::tcp("tcp", "").dialling(port);
        assert!(!transcript.run(&[Step::Wait(secs * 1_000)]).closed, "{port}");
        let outcome = transcript.run(&[Step::Wait(secs * 1_000 + 200)]);
        assert!(outcome.closed && outcome.sent().ends_with(words.as_bytes()), "{port}");
        outcome.the_event("connect");
    }
}

#[test]
fn ports_of_mail_and_files_within_tls_say_nothing_in_the_clear() {
    for port in [465, 990, 993, 995] {
        let outcome = Transcript::tcp("tcp", "").dialling(port).run(&[Step::Wait(500), Step::Recv(b"G")]);
        assert_eq!(outcome.sent_after[0], 0, "{port}");
        assert!(outcome.closed && !outcome.sent().starts_with(b"HTTP/"), "{port}: {:?}", outcome.sent());
    }
}

#[test]
fn a_sensor_is_one_distribution_on_all_its_ports() {
    let born = crate::clock::Timestamp::from_micros(1_690_000_000_000_000);
    let releases: std::collections::BTreeSet<_> = (0..64)
        .map(|sensor| {
            let persona = Persona::draw(&sensor.to_string(), born, &toml::Table::new()).unwrap();
            let release = Release::of(&persona);
            let texts = [release.mail, release.openssh, release.mariadb, release.apache];
            let name = release.name.to_lowercase();
            assert!(texts.iter().all(|text| text.to_lowercase().contains(&name[..3])), "{release:?}");
            // Cowrie's own, and T-Pot's, which detectors know.
            assert!(!["deb12u3", "3ubuntu0.10"].iter().any(|known| release.openssh.ends_with(known)), "{release:?}");
            release.openssh
        })
        .collect();
    assert_eq!(releases.len(), 3, "every kind is drawn");
}
