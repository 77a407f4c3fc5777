//! The persona's certificate: self-signed, with a key that survives restarts and renewals.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use data_encoding::BASE64;
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, SerialNumber, date_time_ymd};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::crypto::ring::{Ticketer, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, StoresServerSessions};
use rustls::{CipherSuite, ServerConfig};

use super::ClientHello;
use super::openssl::{GROUPS, group};
use crate::clock::Timestamp;
use crate::handlers::Persona;

const DAY: Duration = Duration::from_secs(86_400);
/// How long a certificate is valid.
const VALIDITY: Duration = Duration::from_secs(180 * 86_400);
/// With less time left than this it is renewed at a start.
const RENEWED_BEFORE: Duration = Duration::from_secs(7 * 86_400);

/// Why there is no certificate.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot make the TLS certificate: {0}")]
pub struct CertificateError(String);

fn failed(error: impl ToString) -> CertificateError {
    CertificateError(error.to_string())
}

/// A self-signed certificate and its key, as they are kept between runs.
#[derive(Debug, Clone)]
pub struct Certificate {
    name: String,
    until: Timestamp,
    der: Vec<u8>,
    /// PKCS #8 (RFC 5958).
    key: Vec<u8>,
}

impl Certificate {
    /// A new certificate for the persona, ECDSA P-256, its beginning some days or weeks back. `key` is that of an older one.
    ///
    /// # Errors
    /// The key is none, or the system gives no randomness.
    pub fn issue(persona: &Persona, now: Timestamp, key: Option<&Self>) -> Result<Self, CertificateError> {
        let oldest_days = if key.is_some() { 3 } else { 120 };
        let mut random = persona.random(&format!("certificate {}", key.map_or(0, |_| now.as_micros())));
        let age = random.within(&(3_600..=oldest_days * DAY.as_secs()));
        let from = Duration::from_micros(now.as_micros()).saturating_sub(Duration::from_secs(age));
        // As long as OpenSSL's.
        let mut serial = [0; 20];
        random.fill(&mut serial);
        // Positive and not short (RFC 5280 section 4.1.2.2).
        serial[0] = serial[0] & 0x7f | 0x40;

        let key = match key {
            Some(old) => KeyPair::try_from(&PrivatePkcs8KeyDer::from(old.key.as_slice())).map_err(failed)?,
            None => KeyPair::generate().map_err(failed)?,
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, persona.host_name());
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.custom_extensions = extensions(key.public_key_raw(), &[persona.host_name(), &persona.fqdn()]);
        params.not_before = date_time_ymd(1970, 1, 1) + from;
        params.not_after = params.not_before + VALIDITY;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            name: persona.host_name().to_owned(),
            until: Timestamp::from_micros(u64::try_from((from + VALIDITY).as_micros()).unwrap_or(u64::MAX)),
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// It can serve this persona at this time.
    pub fn fits(&self, persona: &Persona, now: Timestamp) -> bool {
        self.name == persona.host_name() && now + RENEWED_BEFORE < self.until
    }

    /// As a PEM file with the certificate and the key (RFC 7468), after two lines that say name and end.
    pub fn to_pem(&self) -> String {
        let mut text = format!("name {}\nuntil {}\n", self.name, self.until.as_micros());
        push_pem(&mut text, "CERTIFICATE", &self.der);
        push_pem(&mut text, "PRIVATE KEY", &self.key);
        text
    }

    /// From [`Certificate::to_pem`]'s text; `None` when it is none.
    pub fn from_pem(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let name = lines.next()?.strip_prefix("name ")?.to_owned();
        let until = Timestamp::from_micros(lines.next()?.strip_prefix("until ")?.parse().ok()?);
        let der = CertificateDer::from_pem_slice(text.as_bytes()).ok()?.to_vec();
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()?.secret_pkcs8_der().to_vec();
        Some(Self { name, until, der, key })
    }
}

/// The extensions of what `openssl req -x509` makes, in its order (RFC 5280 section 4.2.1): the certificate is its own authority.
fn extensions(public_key: &[u8], names: &[&str]) -> Vec<CustomExtension> {
    let id = digest(&SHA1_FOR_LEGACY_USE_ONLY, public_key);
    let names: Vec<u8> = names.iter().flat_map(|name| der(DNS_NAME, name.as_bytes())).collect();
    let extension = |number, content| CustomExtension::from_oid_content(&[2, 5, 29, number], content);
    let mut constraints = extension(19, der(SEQUENCE, &[1, 1, 0xff]));
    constraints.set_criticality(true);
    vec![
        extension(14, der(OCTETS, id.as_ref())),
        extension(35, der(SEQUENCE, &der(KEY_ID, id.as_ref()))),
        constraints,
        extension(17, der(SEQUENCE, &names)),
    ]
}

/// Tags (X.690 section 8): universal ones, and those of GeneralName and AuthorityKeyIdentifier (RFC 5280 appendix A.2).
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const KEY_ID: u8 = 0x80;
const DNS_NAME: u8 = 0x82;

/// One element: tag, length, content of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend_from_slice(content);
    bytes
}

fn push_pem(text: &mut String, label: &str, der: &[u8]) {
    let base64 = BASE64.encode(der);
    // A String takes everything.
    let _ = writeln!(text, "-----BEGIN {label}-----");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        let _ = writeln!(text, "{line}");
        rest = after;
    }
    let _ = writeln!(text, "-----END {label}-----");
}

/// The library with one group and its cipher suites in OpenSSL's order, which servers impose on their clients: AES-128 comes last.
fn provider(group: &'static dyn SupportedKxGroup) -> CryptoProvider {
    let mut provider = CryptoProvider { kx_groups: vec![group], ..default_provider() };
    provider.cipher_suites.sort_by_key(|suite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    provider
}

/// The extension of clients that take tickets (RFC 5077).
const SESSION_TICKET: u16 = 35;

/// Sessions are the visitors' to keep, by tickets. Whoever takes none hears of a session all the same, as from OpenSSL, and it is not held.
#[derive(Debug)]
struct Forgetful;

impl StoresServerSessions for Forgetful {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// How long OpenSSL says that a session can be resumed, where its program says nothing.
const TICKET_LIFETIME: Duration = Duration::from_secs(7_200);

/// Session tickets with the lifetime that visitors are told. Their keys change more seldom.
#[derive(Debug)]
struct Tickets {
    keys: Arc<dyn ProducesTickets>,
    lifetime: Duration,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.keys.enabled()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.keys.decrypt(cipher)
    }
}

/// What TLS sessions need: certificate, key and settings. One for all sessions.
#[derive(Debug, Clone)]
pub struct TlsKit {
    /// One for each of [`GROUPS`]: rustls would go by the client's order, and OpenSSL does not.
    configs: [Arc<ServerConfig>; GROUPS.len()],
    /// A client that offers none of its names (ALPN) is served without one.
    is_lenient: bool,
}

impl TlsKit {
    /// A kit with this certificate: TLS 1.2 and 1.3, no client certificates.
    ///
    /// # Errors
    /// Certificate and key do not fit.
    pub fn new(certificate: &Certificate) -> Result<Self, CertificateError> {
        let keys = Ticketer::new().map_err(failed)?;
        let config = |group| -> Result<Arc<ServerConfig>, CertificateError> {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.key.clone()));
            let mut config = ServerConfig::builder_with_provider(Arc::new(provider(group)))
                .with_safe_default_protocol_versions()
                .map_err(failed)?
                .with_no_client_auth()
                .with_single_cert(vec![CertificateDer::from(certificate.der.clone())], key)
                .map_err(failed)?;
            config.ignore_client_order = true;
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.ticketer = Arc::new(Tickets { keys: Arc::clone(&keys), lifetime: TICKET_LIFETIME });
            Ok(Arc::new(config))
        };
        Ok(Self {
            configs: [config(kx_group::X25519)?, config(kx_group::SECP256R1)?, config(kx_group::SECP384R1)?],
            is_lenient: false,
        })
    }

    /// The kit of [`Persona::example`].
    ///
    /// # Panics
    /// Only when the system gives no randomness.
    #[expect(clippy::expect_used, reason = "for tests, and for what is prepared before the configuration is known")]
    pub fn example() -> Arc<Self> {
        static EXAMPLE: LazyLock<Arc<TlsKit>> = LazyLock::new(|| {
            let now = Timestamp::from_micros(1_790_000_000_000_000);
            let certificate = Certificate::issue(&Persona::example(), now, None);
            Arc::new(certificate.and_then(|certificate| TlsKit::new(&certificate)).expect("ECDSA keys can be made"))
        });
        Arc::clone(&EXAMPLE)
    }

    fn with(&self, change: impl Fn(&mut ServerConfig)) -> Self {
        Self { configs: self.configs.each_ref().map(|config| changed(config, &change)), ..*self }
    }

    /// The same, for a protocol that negotiates its name (ALPN): the first of `names` that the client offers, too. A client that offers
    /// others only is refused (RFC 7301 section 3.2).
    #[must_use]
    pub fn with_alpn(&self, names: &[&str]) -> Self {
        self.with(|config| config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect())
    }

    /// The same, for a program that leaves the choice of ciphers and groups to its clients and serves those that offer no name of its own.
    #[must_use]
    pub fn by_client(&self) -> Self {
        Self { is_lenient: true, ..self.with(|config| config.ignore_client_order = false) }
    }

    /// The same, for a program that says how long its sessions can be resumed.
    #[must_use]
    pub fn with_ticket_lifetime(&self, lifetime: Duration) -> Self {
        self.with(|config| config.ticketer = Arc::new(Tickets { keys: Arc::clone(&config.ticketer), lifetime }))
    }

    /// The configuration for a client.
    pub(super) fn config(&self, hello: Option<&ClientHello>) -> Arc<ServerConfig> {
        let [first, ..] = &self.configs;
        let Some(hello) = hello else { return Arc::clone(first) };
        let config = self.configs.get(group(hello, !first.ignore_client_order)).unwrap_or(first);
        let is_offered = |name: &Vec<u8>| hello.alpn.contains(name);
        let is_nameless = self.is_lenient && !hello.alpn.is_empty() && !config.alpn_protocols.iter().any(is_offered);
        let takes_tickets = hello.extensions.contains(&SESSION_TICKET);
        if takes_tickets && !is_nameless {
            return Arc::clone(config);
        }
        changed(config, |config| {
            if is_nameless {
                config.alpn_protocols.clear();
            }
            if !takes_tickets {
                config.session_storage = Arc::new(Forgetful);
            }
        })
    }
}

fn changed(config: &ServerConfig, change: impl Fn(&mut ServerConfig)) -> Arc<ServerConfig> {
    let mut config = config.clone();
    change(&mut config);
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn a_certificate_outlives_a_restart_and_its_key_a_renewal() {
        let persona = Persona::example();
        let first = Certificate::issue(&persona, NOW, None).unwrap();
        let kept = Certificate::from_pem(&first.to_pem()).unwrap();
        assert_eq!(format!("{kept:?}"), format!("{first:?}"));
        assert!(kept.fits(&persona, NOW) && TlsKit::new(&kept).is_ok());
        let later = NOW + VALIDITY;
        assert!(!kept.fits(&persona, later));
        let renewed = Certificate::issue(&persona, later, Some(&kept)).unwrap();
        assert_eq!(renewed.key, first.key);
        assert!(renewed.fits(&persona, later) && renewed.der != first.der);
    }

    #[test]
    fn a_certificate_looks_like_one_that_openssl_has_made() {
        let certificate = Certificate::issue(&Persona::example(), NOW, None).unwrap();
        let at = |bytes: &[u8]| memchr::memmem::find(&certificate.der, bytes).unwrap();
        // Key identifiers, constraints, names.
        let extensions = [14, 35, 19, 17].map(|number| at(&[0x06, 3, 0x55, 29, number]));
        assert!(extensions.is_sorted(), "{extensions:?}");
        // Version 3, a serial number of 20 bytes.
        assert!(at(&[0xa0, 3, 2, 1, 2, 2, 20]) < 16);
        assert_eq!(der(SEQUENCE, &[0; 200])[..3], [SEQUENCE, 0x81, 200]);
        assert_eq!(der(SEQUENCE, &[0; 300])[..4], [SEQUENCE, 0x82, 1, 44]);
    }

    #[test]
    fn another_name_needs_another_certificate() {
        let renamed = Persona::draw("example", NOW, &"host_name = 'other'".parse().unwrap()).unwrap();
        let certificate = Certificate::issue(&Persona::example(), NOW, None).unwrap();
        assert!(!certificate.fits(&renamed, NOW));
    }

    #[test]
    fn damaged_files_are_no_certificates() {
        let pem = Certificate::issue(&Persona::example(), NOW, None).unwrap().to_pem();
        for damaged in ["", "name x\n", &pem[..pem.len() / 2], &pem.replace("PRIVATE KEY", "PUBLIC KEY")] {
            assert!(Certificate::from_pem(damaged).is_none(), "{damaged}");
        }
    }
}
