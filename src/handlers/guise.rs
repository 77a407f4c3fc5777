//! What visitors meet, whichever handler serves them.

use std::sync::Arc;

use super::{Persona, TlsKit};

/// The persona and its certificate.
#[derive(Debug, Clone)]
pub struct Guise {
    /// Who the sensor pretends to be.
    pub persona: Arc<Persona>,
    /// How it speaks TLS.
    pub tls: Arc<TlsKit>,
}

impl Guise {
    /// The guise that tests meet.
    pub fn example() -> Self {
        Self { persona: Persona::example(), tls: TlsKit::example() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::flow::Transport;
    use crate::handlers::{Context, Output, Registry, Session};

    /// Handlers, their settings, the port that is dialled, and words that bring out the host's name.
    const DIALOGUES: [(&str, &str, u16, &str); 6] = [
        ("telnet", "", 23, ""),
        ("tcp", "", 25, ""),
        (
            "jabber",
            "",
            5_222,
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' version='1.0'>",
        ),
        ("docker", "", 2_375, "GET /info HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("hadoop", "", 8_088, "GET /ws/v1/cluster/nodes HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("http", "", 80, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];

    fn guise_of(sensor: &str) -> Guise {
        let born = Timestamp::from_micros(1_690_000_000_000_000);
        Guise { persona: Arc::new(Persona::draw(sensor, born, &toml::Table::new()).unwrap()), tls: TlsKit::example() }
    }

    /// What the handler of this dialogue says.
    fn said(guise: &Guise, (handler, settings, port, words): (&str, &str, u16, &str)) -> String {
        let tables = toml::Table::from_iter([(handler.to_owned(), settings.parse::<toml::Table>().unwrap().into())]);
        let mut registry = Registry::builtin();
        registry.configure(&tables, 4_096, guise).unwrap();
        let session = Session::example(Transport::Tcp, port);
        let mut handler = registry.find(handler).unwrap().make(&session);
        let (mut out, now) = (Output::default(), Timestamp::from_micros(1_700_000_000_000_000));
        handler.open(&mut Context::new(&session, now, &mut out));
        if words.is_empty() {
            // The pause before a prompt is over.
            handler.deadline(&mut Context::new(&session, now + Duration::from_secs(2), &mut out));
        } else {
            handler.data(&mut Context::new(&session, now, &mut out), words.as_bytes());
        }
        String::from_utf8_lossy(out.bytes()).into_owned()
    }

    #[test]
    fn a_sensor_has_one_name_in_every_protocol_and_another_sensor_another() {
        let guises = ["a", "b"].map(guise_of);
        for dialogue in DIALOGUES {
            for (own, other) in [(0, 1), (1, 0)] {
                let said = said(&guises[own], dialogue);
                // A page names the host or its network.
                let names = |persona: &Persona| {
                    let network = persona.domain().split('.').next().unwrap_or_default().to_owned();
                    said.contains(persona.host_name()) || said.contains(&network)
                };
                assert!(names(&guises[own].persona), "{dialogue:?} does not name {:?}: {said}", guises[own].persona);
                assert!(!names(&guises[other].persona), "{dialogue:?}: {said}");
            }
        }
    }
}
