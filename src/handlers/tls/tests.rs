//! Real TLS clients (rustls) against a handler inside TLS, in memory.

use std::io::{Read, Write};

use rustls::HandshakeKind;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion};

use super::*;
use crate::flow::Transport;
use crate::handlers::Session;

/// Says hello, answers in upper case, ends on `quit`.
#[derive(Debug, Default)]
struct Shouter {
    heard: Vec<u8>,
}

impl Handler for Shouter {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.send(b"hello\n");
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        cx.send(bytes.to_ascii_uppercase());
        if self.heard.ends_with(b"quit") {
            cx.close();
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        cx.event(Event::new("command", String::from_utf8_lossy(&self.heard)));
    }
}

#[derive(Debug)]
struct TrustsAnyone;

impl ServerCertVerifier for TrustsAnyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client(version: &'static SupportedProtocolVersion) -> ClientConnection {
    client_of(&client_config(version))
}

fn client_of(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), "mail.example.net".try_into().unwrap()).unwrap()
}

fn client_config(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustsAnyone))
        .with_no_client_auth();
    Arc::new(config)
}

/// A handler and everything that came out of it.
struct Sensor {
    handler: Tls<Shouter>,
    session: Session,
    out: Output,
    events: Vec<Event>,
    closed: bool,
}

impl Sensor {
    fn new() -> Self {
        Self::of(TlsKit::example())
    }

    fn of(kit: Arc<TlsKit>) -> Self {
        let mut sensor = Self {
            handler: Tls::new(kit, Shouter::default()),
            session: Session::example(Transport::Tcp, 443),
            out: Output::default(),
            events: Vec::new(),
            closed: false,
        };
        sensor.call(|handler, cx| handler.open(cx));
        sensor
    }

    fn call(&mut self, call: impl FnOnce(&mut Tls<Shouter>, &mut Context<'_>)) -> Vec<u8> {
        call(&mut self.handler, &mut Context::new(&self.session, Default::default(), &mut self.out));
        let sent = self.out.bytes().to_vec();
        self.events.append(&mut self.out.events);
        self.closed |= self.out.close.is_some();
        self.out.clear();
        sent
    }

    /// Bytes go to and fro, in pieces of at most so many, until nobody has anything to say; what the client could read.
    fn talk(&mut self, client: &mut ClientConnection, piece: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        loop {
            let mut records = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut records).unwrap();
            }
            if records.is_empty() {
                return plain;
            }
            for bytes in records.chunks(piece) {
                let mut answer = &self.call(|handler, cx| handler.data(cx, bytes))[..];
                while !answer.is_empty() {
                    client.read_tls(&mut answer).unwrap();
                    client.process_new_packets().unwrap();
                    let _ = client.reader().read_to_end(&mut plain);
                }
            }
        }
    }

    fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.kind).collect()
    }
}

#[test]
fn a_client_talks_to_the_handler_inside_however_records_are_cut() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for piece in [1, 7, 1_000, 100_000] {
            let (mut sensor, mut client) = (Sensor::new(), client(version));
            assert_eq!(sensor.talk(&mut client, piece), b"hello\n", "{version:?}");
            client.writer().write_all(b"abc").unwrap();
            assert_eq!(sensor.talk(&mut client, piece), b"ABC");
            assert!(!sensor.closed);
            client.writer().write_all(b"quit").unwrap();
            assert_eq!(sensor.talk(&mut client, piece), b"QUIT");
            assert!(sensor.closed);
            sensor.call(|handler, cx| handler.closed(cx));
            assert_eq!(sensor.kinds(), ["tls", "command"]);
            let tls = &sensor.events[1].fields["tls"];
            assert_eq!((&sensor.events[1].msg[..], &tls["sni"]), ("abcquit", &"mail.example.net".into()));
            assert!(tls["ja4"].as_str().unwrap().starts_with("t1"), "{tls}");
        }
    }
}

#[test]
fn a_client_resumes_its_session_with_a_ticket_of_which_nothing_is_held_here() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = client_config(version);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = client_of(&config);
            assert_eq!(Sensor::new().talk(&mut client, 1_000), b"hello\n", "{version:?}");
            assert_eq!(client.handshake_kind(), Some(expected), "{version:?}");
        }
    }
}

#[test]
fn a_large_answer_arrives_whole() {
    let (mut sensor, mut client) = (Sensor::new(), client(&rustls::version::TLS13));
    sensor.talk(&mut client, 100_000);
    let text = vec![b'x'; 300_000];
    let mut shouted = Vec::new();
    for part in text.chunks(10_000) {
        client.writer().write_all(part).unwrap();
        shouted.extend(sensor.talk(&mut client, 100_000));
    }
    assert!(shouted == text.to_ascii_uppercase());
}

#[test]
fn the_clients_close_notify_is_the_end_of_its_input() {
    let (mut sensor, mut client) = (Sensor::new(), client(&rustls::version::TLS13));
    sensor.talk(&mut client, 1_000);
    client.send_close_notify();
    sensor.talk(&mut client, 1_000);
    assert!(sensor.closed);
}

#[test]
fn the_server_chooses_the_cipher_and_refuses_a_fallback_as_openssl_does() {
    // A ClientHello for TLS 1.2 that prefers AES-128 to AES-256, with P-256 and ECDSA with SHA-256.
    let hello = |ciphers: &[u8]| {
        let groups = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let body =
            [&[3, 3][..], &[7; 32], &[0], &length(ciphers), ciphers, &[1, 0], &length(&groups), &groups].concat();
        let message = [&[1, 0][..], &length(&body), &body].concat();
        [&[22, 3, 1][..], &length(&message), &message].concat()
    };
    let answer = |ciphers: &[u8]| Sensor::new().call(|handler, cx| handler.data(cx, &hello(ciphers)));
    let chosen = answer(&[0xc0, 0x2b, 0xc0, 0x2c]);
    // ServerHello: after 5 + 4 + 2 + 32 bytes the length of a session id, and the suite.
    let id = usize::from(chosen[43]);
    assert_eq!(id, 32, "a session that could be resumed, for a client without tickets");
    assert_eq!(chosen[44 + id..46 + id], [0xc0, 0x2c]);
    assert_eq!(answer(&[0xc0, 0x2b, 0x56, 0]), [21, 3, 3, 0, 2, 2, 86]);
}

#[test]
fn a_tls_1_0_client_is_refused_with_an_alert_and_recorded() {
    // legacy_version 3.1, no session id, TLS_RSA_WITH_AES_256_CBC_SHA, no compression, no extensions.
    let body = [&[3, 1][..], &[7; 32], &[0], &[0, 2, 0, 0x35], &[1, 0]].concat();
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41][..], &body].concat();
    let mut sensor = Sensor::new();
    let answer = sensor.call(|handler, cx| handler.data(cx, &hello));
    // Alert, fatal, protocol_version (RFC 8446 section 6).
    assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "{answer:02x?}");
    assert!(sensor.closed);
    sensor.call(|handler, cx| handler.closed(cx));
    assert_eq!(sensor.kinds(), ["tls", "tls_fault", "payload"]);
    assert!(sensor.events[0].fields["tls"]["ja4"].as_str().unwrap().starts_with("t10i0100"));
    assert_eq!(sensor.events[2].fields["bytes"], hello.len());
}

#[test]
fn what_is_no_tls_is_recorded() {
    let mut sensor = Sensor::new();
    let answer = sensor.call(|handler, cx| handler.data(cx, b"GET / HTTP/1.0\r\n\r\n"));
    assert_eq!(answer.first(), Some(&21), "an alert");
    sensor.call(|handler, cx| handler.closed(cx));
    assert_eq!(sensor.kinds(), ["tls_fault", "payload"]);
}

#[test]
fn a_visitor_that_sends_nothing_is_a_connect_event() {
    let mut sensor = Sensor::new();
    sensor.call(|handler, cx| handler.deadline(cx));
    sensor.call(|handler, cx| handler.closed(cx));
    assert!(sensor.closed);
    assert_eq!(sensor.kinds(), ["connect"]);
}

/// What a server says first, as the record has it.
fn essence(said: &[u8]) -> String {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    match said {
        [] => "closed".to_owned(),
        [22, ..] => {
            let id = usize::from(said[43]);
            let (fixed, rest) = said[44 + id..].split_at(5);
            let length = usize::from(u16::from_be_bytes([fixed[3], fixed[4]]));
            let mut extensions = &rest[..length];
            let mut shown = Vec::new();
            while let [high, low, length_high, length_low, after @ ..] = extensions {
                let [kind, length] = [[*high, *low], [*length_high, *length_low]].map(u16::from_be_bytes);
                let (content, after) = after.split_at(usize::from(length));
                let group = content.get(..2).map(|group| u16::from_be_bytes([group[0], group[1]]));
                shown.push(if kind == 51 { format!("51/{}", group.unwrap()) } else { kind.to_string() });
                extensions = after;
            }
            shown.sort();
            let again = said[11..].starts_with(&[0xcf, 0x21, 0xad, 0x74]);
            shown.extend(again.then(|| "again".to_owned()));
            let start = format!("hello {} {} id{id}", hex(&said[9..11]), hex(&fixed[..2]));
            std::iter::once(start).chain(shown).collect::<Vec<_>>().join(" ")
        }
        _ => format!("alert {}", hex(said)),
    }
}

#[test]
fn odd_hellos_and_jarms_are_answered_as_openssl_answers_them() {
    let recorded = include_str!("../../../tests/dialogues/hellos.txt").lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = recorded.map(str::trim_start).collect();
    assert!(lines.len() > 200, "{}", lines.len());
    let kit = Arc::new(TlsKit::example().with_alpn(&["http/1.1", "http/1.0", "http/0.9"]));
    for entry in lines.chunks_exact(3) {
        let hello = data_encoding::HEXLOWER.decode(entry[1].as_bytes()).unwrap();
        for piece in [1, hello.len()] {
            let mut sensor = Sensor::of(Arc::clone(&kit));
            let said = hello.chunks(piece).flat_map(|bytes| sensor.call(|handler, cx| handler.data(cx, bytes)));
            assert_eq!(essence(&said.collect::<Vec<u8>>()), entry[2], "{} in pieces of {piece}", entry[0]);
        }
    }
}
