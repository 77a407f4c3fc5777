//! Where OpenSSL decides otherwise than rustls: what it refuses and with which alert, and which group it takes.

use super::ClientHello;

/// Alerts (RFC 8446 section 6, RFC 7507).
const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const PROTOCOL_VERSION: u8 = 70;
const INAPPROPRIATE_FALLBACK: u8 = 86;
const MISSING_EXTENSION: u8 = 109;
const UNRECOGNIZED_NAME: u8 = 112;

/// `legacy_version` of SSL 2.0 and 3.0 and TLS 1.2, and TLS 1.3.
const SSL2: u16 = 0x0002;
const SSL3: u16 = 0x0300;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// Record and message types.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Most bytes of a record, and of a ClientHello.
const MAX_RECORD: u16 = 18_432;
const MAX_HELLO: u32 = 131_396;

/// The cipher suite that says that the client falls back to an older version.
const FALLBACK_SCSV: u16 = 0x5600;
/// ECDSA with SHA-256 on P-256: what the persona's certificate is made for.
const ECDSA_P256: u16 = 0x0403;
/// Extensions that TLS 1.3 wants where there is no key from before: groups, signature algorithms, key shares.
const WANTED: [u16; 3] = [10, 13, 51];
const KEY_FROM_BEFORE: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;

/// The groups that both libraries know, in OpenSSL's order: X25519, P-256, P-384.
pub(super) const GROUPS: [u16; 3] = [29, 23, 24];

/// A refusal: the record of the alert, which may be none, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) alert: Vec<u8>,
    pub(super) reason: &'static str,
}

fn fatal(version: u16, alert: u8, reason: &'static str) -> Option<Refusal> {
    let [high, low] = version.to_be_bytes();
    Some(Refusal { alert: vec![ALERT, high, low, 0, 2, 2, alert], reason })
}

/// What it refuses of the first bytes of a connection, or of a ClientHello that is there.
pub(super) fn refusal(beginning: &[u8], hello: Option<&ClientHello>) -> Option<Refusal> {
    of_records(beginning).or_else(|| of_hello(hello?))
}

fn of_records(beginning: &[u8]) -> Option<Refusal> {
    let (length, message) = match *beginning {
        // The only message of SSL 2.0 that a server begins with; later versions may come in it.
        [first, _, CLIENT_HELLO, high, low, ..] if first & 0x80 != 0 => {
            let is_old = u16::from_be_bytes([high, low]) == SSL2;
            return fatal(TLS12, if is_old { PROTOCOL_VERSION } else { HANDSHAKE_FAILURE }, "a hello of SSL 2.0");
        }
        [HANDSHAKE, major, ..] if major != 3 => {
            return Some(Refusal { alert: Vec::new(), reason: "a record of no version" });
        }
        [HANDSHAKE, _, _, high, low, ref message @ ..] => (u16::from_be_bytes([high, low]), message),
        _ => return None,
    };
    if length > MAX_RECORD {
        return fatal(TLS12, RECORD_OVERFLOW, "a record is too long");
    }
    match *message {
        [kind, ..] if length > 0 && kind != CLIENT_HELLO => {
            fatal(TLS12, UNEXPECTED_MESSAGE, "the handshake begins with another message")
        }
        [_, high, middle, low] if length >= 4 && u32::from_be_bytes([0, high, middle, low]) > MAX_HELLO => {
            fatal(TLS12, ILLEGAL_PARAMETER, "the ClientHello is too long")
        }
        _ => None,
    }
}

/// The version that a client wants: without the extension of TLS 1.3, none above TLS 1.2.
fn version(hello: &ClientHello) -> u16 {
    let highest = hello.highest_version();
    if hello.extensions.contains(&SUPPORTED_VERSIONS) { highest } else { highest.min(TLS12) }
}

fn of_hello(hello: &ClientHello) -> Option<Refusal> {
    let version = version(hello);
    let has = |extension| hello.extensions.contains(&extension);
    if has(SUPPORTED_VERSIONS) && hello.supported_versions.is_empty() {
        return fatal(TLS12, PROTOCOL_VERSION, "the client speaks no version");
    }
    if version < TLS12 {
        let said = if has(SUPPORTED_VERSIONS) { TLS12 } else { version };
        let alert = if version == SSL3 { HANDSHAKE_FAILURE } else { PROTOCOL_VERSION };
        return fatal(said, alert, "the client speaks no version that is spoken here");
    }
    if version == TLS12 && hello.ciphers.contains(&FALLBACK_SCSV) {
        return fatal(TLS12, INAPPROPRIATE_FALLBACK, "the client falls back to an older version");
    }
    if hello.ciphers.is_empty() {
        return fatal(TLS12, ILLEGAL_PARAMETER, "the client has no cipher suites");
    }
    if hello.server_name.as_ref().is_some_and(|name| name.contains('\0')) {
        return fatal(TLS12, UNRECOGNIZED_NAME, "the server name has a zero byte");
    }
    if version < TLS13 || has(KEY_FROM_BEFORE) {
        return None;
    }
    if !WANTED.iter().all(|&extension| has(extension)) {
        return fatal(TLS12, MISSING_EXTENSION, "an extension is missing");
    }
    if !hello.lists_its_shares {
        return fatal(TLS12, ILLEGAL_PARAMETER, "a key share is of a group that the client does not list");
    }
    if !hello.signature_algorithms.contains(&ECDSA_P256) {
        return fatal(TLS12, HANDSHAKE_FAILURE, "the client cannot verify the certificate");
    }
    None
}

/// The place in [`GROUPS`] of what it takes: with TLS 1.3 the first of the client's shares, before that, and where there is none, the first
/// of its own that the client lists, or the first of the client's if it goes by that order.
pub(super) fn group(hello: &ClientHello, by_client: bool) -> usize {
    let place = |group: &u16| GROUPS.iter().position(|known| known == group);
    let is_new = version(hello) >= TLS13;
    let shared = hello.key_shares.iter().filter(|share| hello.groups.contains(share)).find_map(place);
    let own = || GROUPS.iter().position(|group| hello.groups.contains(group));
    let first = || if by_client && !is_new { hello.groups.iter().find_map(place) } else { own() };
    shared.filter(|_| is_new).or_else(first).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> ClientHello {
        ClientHello {
            version: TLS12,
            ciphers: vec![0x1301, 0xc02b],
            extensions: vec![10, 13, 43, 51],
            groups: vec![29, 23],
            signature_algorithms: vec![ECDSA_P256],
            supported_versions: vec![TLS13, TLS12],
            key_shares: vec![29],
            lists_its_shares: true,
            ..ClientHello::default()
        }
    }

    fn alert(change: impl Fn(&mut ClientHello)) -> Option<(u16, u8)> {
        let mut hello = usual();
        change(&mut hello);
        refusal(&[], Some(&hello))
            .map(|refusal| (u16::from_be_bytes([refusal.alert[1], refusal.alert[2]]), refusal.alert[6]))
    }

    #[test]
    fn hellos_are_refused_with_openssls_alerts() {
        assert_eq!(alert(|_| {}), None);
        let old = |version| {
            move |hello: &mut ClientHello| {
                (hello.version, hello.supported_versions) = (version, Vec::new());
                hello.extensions.retain(|&extension| extension != SUPPORTED_VERSIONS);
            }
        };
        assert_eq!(alert(old(0x0300)), Some((0x0300, 40)));
        assert_eq!(alert(old(0x0301)), Some((0x0301, 70)));
        assert_eq!(alert(old(0x0302)), Some((0x0302, 70)));
        assert_eq!(alert(old(TLS12)), None);
        assert_eq!(alert(old(TLS13)), None);
        assert_eq!(alert(|hello| hello.supported_versions = vec![0x0302]), Some((TLS12, 70)));
        assert_eq!(alert(|hello| hello.supported_versions.clear()), Some((TLS12, 70)));
        assert_eq!(alert(|hello| hello.ciphers.clear()), Some((TLS12, 47)));
        assert_eq!(alert(|hello| hello.server_name = Some("a\0b".to_owned())), Some((TLS12, 112)));
        assert_eq!(alert(|hello| hello.lists_its_shares = false), Some((TLS12, 47)));
        assert_eq!(alert(|hello| hello.signature_algorithms = vec![0x0804]), Some((TLS12, 40)));
        for missing in WANTED {
            assert_eq!(alert(|hello| hello.extensions.retain(|&known| known != missing)), Some((TLS12, 109)));
        }
    }

    #[test]
    fn first_bytes_are_refused_with_openssls_alerts() {
        let alert = |bytes: &[u8]| refusal(bytes, None).map(|refusal| refusal.alert);
        assert_eq!(alert(b"\x80\x2e\x01\0\x02").unwrap()[6], 70);
        assert_eq!(alert(b"\x80\x1c\x01\x03\x03").unwrap()[6], 40);
        assert_eq!(alert(b"\x16\x02\0\0\x30\x01").unwrap(), b"");
        assert_eq!(alert(b"\x16\x03\x01\x48\x01\x01").unwrap()[6], 22);
        assert_eq!(alert(b"\x16\x03\x01\0\x04\x02\0\0\0").unwrap()[6], 10);
        assert_eq!(alert(b"\x16\x03\x01\0\x04\x01\xff\xff\xff").unwrap()[6], 47);
        // A whole hello, one in records of a byte, one behind an empty record.
        assert_eq!(alert(b"\x16\x03\x01\x01\xfc\x01\0\x01\xf8"), None);
        assert_eq!(alert(b"\x16\x03\x01\0\x01\x01\x16\x03\x01"), None);
        assert_eq!(alert(b"\x16\x03\x01\0\0\x16\x03\x01\0"), None);
        assert_eq!(alert(b"GET / HTTP"), None);
    }

    #[test]
    fn the_group_is_that_of_a_share_or_the_first_of_the_servers() {
        let taken = |groups: &[u16], shares: &[u16], versions: &[u16], by_client| {
            let (groups, key_shares, supported_versions) = (groups.to_vec(), shares.to_vec(), versions.to_vec());
            GROUPS[group(&ClientHello { groups, key_shares, supported_versions, ..usual() }, by_client)]
        };
        assert_eq!(taken(&[23, 29], &[29], &[TLS13], false), 29);
        assert_eq!(taken(&[29, 23], &[23], &[TLS13], false), 23);
        assert_eq!(taken(&[24, 23], &[], &[TLS13], true), 23);
        assert_eq!(taken(&[30, 24], &[30], &[TLS13], false), 24);
        assert_eq!(taken(&[23, 29], &[], &[TLS12], false), 29);
        assert_eq!(taken(&[23, 29], &[], &[TLS12], true), 23);
        assert_eq!(taken(&[], &[], &[TLS12], false), 29);
    }
}
