//! Greetings of genuine servers that speak first, by port.

use crate::handlers::Persona;

/// Ports, and what servers that are common there say. `{host}` is the persona's full name.
const BANNERS: &[(&[u16], &[&str])] = &[
    (&[21, 2121], &["220 (vsFTPd 3.0.3)\r\n", "220 (vsFTPd 3.0.5)\r\n", "220 ProFTPD Server (Debian) [{host}]\r\n"]),
    (
        &[22, 222, 2022, 2222, 22_222],
        &[
            "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
            "SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.10\r\n",
            "SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3\r\n",
            "SSH-2.0-dropbear_2022.83\r\n",
        ],
    ),
    (&[25, 587, 2525], &["220 {host} ESMTP Postfix (Debian/GNU)\r\n", "220 {host} ESMTP Postfix (Ubuntu)\r\n"]),
    (&[110], &["+OK Dovecot (Debian) ready.\r\n", "+OK Dovecot (Ubuntu) ready.\r\n"]),
    (
        &[143],
        &[
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Debian) ready.\r\n",
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Ubuntu) ready.\r\n",
        ],
    ),
    (&[873], &["@RSYNCD: 31.0\n"]),
    (
        &[4190],
        &[
            "\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto reject envelope encoded-character vacation subaddress comparator-i;ascii-numeric relational regex imap4flags copy include variables body enotify environment mailbox date index ihave duplicate mime foreverypart extracttext\"\r\n\"NOTIFY\" \"mailto\"\r\n\"SASL\" \"PLAIN\"\r\n\"STARTTLS\"\r\n\"VERSION\" \"1.0\"\r\nOK \"Dovecot ready.\"\r\n",
        ],
    ),
    (&[5900, 5901, 5902, 5903], &["RFB 003.008\n"]),
    (&[6667], &[":{host} NOTICE Auth :*** Looking up your hostname...\r\n"]),
];

/// What a server on this port says first, if it says something; always the same for one sensor.
pub(super) fn banner(port: u16, persona: &Persona) -> Option<String> {
    let (_, texts) = BANNERS.iter().find(|(ports, _)| ports.contains(&port))?;
    let last = u64::try_from(texts.len()).ok()?.checked_sub(1)?;
    // One draw for all ports: Debian's servers stand beside each other, and so do Ubuntu's.
    let drawn = persona.random("banner").within(&(0..=11));
    let text = texts.get(usize::try_from(drawn % (last + 1)).ok()?)?;
    Some(text.replace("{host}", &persona.fqdn()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_always_greets_alike_and_names_the_persona() {
        let persona = Persona::example();
        let greeting = banner(25, &persona).unwrap();
        assert!(greeting.starts_with(&format!("220 {} ESMTP", persona.fqdn())), "{greeting}");
        assert_eq!(banner(25, &persona).unwrap(), greeting);
        assert_eq!(banner(80, &persona), None, "clients speak first here");
    }

    #[test]
    fn every_greeting_is_whole_lines() {
        for (ports, texts) in BANNERS {
            assert!(!ports.is_empty() && texts.iter().all(|text| text.ends_with('\n')), "{ports:?}");
        }
    }
}
