//! What the persona's system ships: servers of one machine come from one distribution, whichever port they stand on.

use super::Persona;

/// A release of a distribution, and the versions that its packages say of themselves.
#[derive(Debug)]
pub(super) struct Release {
    /// In the greetings of its servers.
    pub(super) name: &'static str,
    /// In Postfix's greeting.
    pub(super) mail: &'static str,
    /// Behind `SSH-2.0-`.
    pub(super) openssh: &'static str,
    pub(super) vsftpd: &'static str,
    pub(super) mariadb: &'static str,
    /// `Server` headers.
    pub(super) nginx: &'static str,
    pub(super) apache: &'static str,
    pub(super) memcached: &'static str,
    /// `$SYS/broker/version`
    pub(super) mosquitto: &'static str,
    /// What Linux calls itself, as far as the first dash.
    pub(super) kernel: &'static str,
}

const RELEASES: [Release; 3] = [
    Release {
        name: "Debian",
        mail: "Debian/GNU",
        openssh: "OpenSSH_9.2p1 Debian-2+deb12u7",
        vsftpd: "3.0.3",
        mariadb: "10.11.14-MariaDB-0+deb12u2",
        nginx: "nginx/1.22.1",
        apache: "Apache/2.4.65 (Debian)",
        memcached: "1.6.18",
        mosquitto: "2.0.11",
        kernel: "6.1.0",
    },
    Release {
        name: "Ubuntu",
        mail: "Ubuntu",
        openssh: "OpenSSH_8.9p1 Ubuntu-3ubuntu0.13",
        vsftpd: "3.0.5",
        mariadb: "10.6.22-MariaDB-0ubuntu0.22.04.1",
        nginx: "nginx/1.18.0 (Ubuntu)",
        apache: "Apache/2.4.52 (Ubuntu)",
        memcached: "1.6.14",
        mosquitto: "2.0.11",
        kernel: "5.15.0",
    },
    Release {
        name: "Ubuntu",
        mail: "Ubuntu",
        openssh: "OpenSSH_9.6p1 Ubuntu-3ubuntu13.14",
        vsftpd: "3.0.5",
        mariadb: "10.11.13-MariaDB-0ubuntu0.24.04.1",
        nginx: "nginx/1.24.0 (Ubuntu)",
        apache: "Apache/2.4.58 (Ubuntu)",
        memcached: "1.6.24",
        mosquitto: "2.0.18",
        kernel: "6.8.0",
    },
];

impl Release {
    /// The one of this persona.
    pub(super) fn of(persona: &Persona) -> &'static Self {
        let [first, others @ ..] = &RELEASES;
        match usize::try_from(persona.random("release").within(&(0..=others.len() as u64))) {
            Ok(at @ 1..) => others.get(at - 1).unwrap_or(first),
            _ => first,
        }
    }
}
