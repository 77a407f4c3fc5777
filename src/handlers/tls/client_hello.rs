//! What a ClientHello says (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2), and its fingerprints.

use data_encoding::HEXLOWER;
use md5::Md5;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Most bytes of records in which a ClientHello is looked for. With room for post-quantum key shares.
const MAX_HELLO: usize = 16 * 1024;
/// Bytes of the headers of a record and a message.
const BEGINNING: usize = 9;
/// Bytes until behind the version of a hello of SSL 2.0.
const SSL2_VERSION: usize = 5;
/// Record type of handshake messages (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// Handshake type of a ClientHello.
const CLIENT_HELLO: u8 = 1;

/// Extension types (IANA registry "TLS ExtensionType Values").
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;
const KEY_SHARE: u16 = 51;

/// What a ClientHello says. GREASE values (RFC 8701) are left out of every list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`: 0x0303 from TLS 1.2 on, 0x0301 for TLS 1.0.
    pub version: u16,
    /// Cipher suites, in order.
    pub ciphers: Vec<u16>,
    /// Extension types, in order.
    pub extensions: Vec<u16>,
    /// Named groups, in order.
    pub groups: Vec<u16>,
    /// Elliptic curve point formats, in order.
    pub point_formats: Vec<u8>,
    /// Signature algorithms, in order.
    pub signature_algorithms: Vec<u16>,
    /// Versions of the `supported_versions` extension, in order.
    pub supported_versions: Vec<u16>,
    /// The host name that the client wants (SNI, RFC 6066 section 3).
    pub server_name: Option<String>,
    /// Protocols inside that the client offers (ALPN, RFC 7301), in order.
    pub alpn: Vec<Vec<u8>>,
    /// Groups of the key shares, in order.
    pub key_shares: Vec<u16>,
    /// Every key share, GREASE too, is of a group that is listed.
    pub lists_its_shares: bool,
}

impl ClientHello {
    /// The ClientHello at the beginning of what a client sent; `None` when there is none, or not yet all of it.
    pub fn read(records: &[u8]) -> Option<Self> {
        Self::find(records)?
    }

    /// The same, and `Some(None)` for a message that is there as a whole and is none.
    #[expect(clippy::option_option, reason = "what has not come is not what is wrong")]
    fn find(records: &[u8]) -> Option<Option<Self>> {
        let mut message = Vec::new();
        let mut records = Reader(records);
        while let Some(HANDSHAKE) = records.byte() {
            records.take(2)?;
            let len = records.u16()?;
            message.extend_from_slice(records.take_up_to(usize::from(len)));
            if message.first().is_some_and(|&kind| kind != CLIENT_HELLO) {
                return Some(None);
            }
            if let Some(body) = Reader(&message).client_hello() {
                return Some(Self::parse(Reader(body)));
            }
        }
        None
    }

    fn parse(mut body: Reader<'_>) -> Option<Self> {
        let mut hello = Self { version: body.u16()?, ..Self::default() };
        body.take(32)?;
        body.vector8()?;
        let ciphers = body.vector16()?;
        if ciphers.0.len() % 2 != 0 {
            return None;
        }
        hello.ciphers = without_grease(ciphers.numbers());
        body.vector8()?;
        // Before TLS 1.2 a ClientHello may end here.
        let mut extensions = body.vector16().unwrap_or(Reader(&[]));
        while let (Some(kind), Some(content)) = (extensions.u16(), extensions.vector16()) {
            if !is_grease(kind) {
                hello.extensions.push(kind);
                hello.extension(kind, content);
            }
        }
        hello.lists_its_shares = hello.key_shares.iter().all(|share| hello.groups.contains(share));
        hello.groups.retain(|&group| !is_grease(group));
        hello.key_shares.retain(|&group| !is_grease(group));
        Some(hello)
    }

    fn extension(&mut self, kind: u16, mut content: Reader<'_>) {
        match kind {
            SUPPORTED_GROUPS => {
                self.groups = content.vector16().map(|list| list.numbers().collect()).unwrap_or_default();
            }
            KEY_SHARE => {
                let mut list = content.vector16().unwrap_or(Reader(&[]));
                let share = || list.u16().filter(|_| list.vector16().is_some());
                self.key_shares = std::iter::from_fn(share).collect();
            }
            SIGNATURE_ALGORITHMS => {
                self.signature_algorithms =
                    content.vector16().map(|list| without_grease(list.numbers())).unwrap_or_default();
            }
            SUPPORTED_VERSIONS => {
                self.supported_versions =
                    content.vector8().map(|list| without_grease(list.numbers())).unwrap_or_default();
            }
            EC_POINT_FORMATS => self.point_formats = content.vector8().map(|list| list.0.to_vec()).unwrap_or_default(),
            SERVER_NAME => self.server_name = server_name(content),
            ALPN => {
                let mut list = content.vector16().unwrap_or(Reader(&[]));
                self.alpn = std::iter::from_fn(|| list.vector8().map(|name| name.0.to_vec())).collect();
            }
            _ => {}
        }
    }

    /// The highest version that the client speaks: 0x0304 is TLS 1.3.
    pub fn highest_version(&self) -> u16 {
        self.supported_versions.iter().copied().max().unwrap_or(self.version)
    }

    /// What JA3 (Salesforce, 2017) is the MD5 of.
    pub fn ja3_text(&self) -> String {
        let points: Vec<u16> = self.point_formats.iter().copied().map(u16::from).collect();
        let [ciphers, extensions, groups, points] =
            [&self.ciphers, &self.extensions, &self.groups, &points].map(|list| decimal(list));
        format!("{},{ciphers},{extensions},{groups},{points}", self.version)
    }

    /// The JA3 fingerprint: the MD5 of [`ClientHello::ja3_text`], 32 hexadecimal digits.
    pub fn ja3(&self) -> String {
        HEXLOWER.encode(Md5::digest(self.ja3_text()).as_slice())
    }

    /// The JA4 fingerprint of a client over TCP (FoxIO, "JA4: TLS Client Fingerprinting").
    pub fn ja4(&self) -> String {
        let version = match self.highest_version() {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let named = if self.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let (ciphers, extensions) = (self.ciphers.len().min(99), self.extensions.len().min(99));
        let alpn = alpn_ends(self.alpn.first().map_or(&[], Vec::as_slice));
        let kinds: Vec<u16> =
            self.extensions.iter().copied().filter(|kind| ![SERVER_NAME, ALPN].contains(kind)).collect();
        let mut kinds_and_algorithms = sorted_hex(&kinds);
        if !kinds_and_algorithms.is_empty() && !self.signature_algorithms.is_empty() {
            kinds_and_algorithms = format!("{kinds_and_algorithms}_{}", hex(&self.signature_algorithms));
        }
        let [ciphers_hash, extensions_hash] =
            [sorted_hex(&self.ciphers), kinds_and_algorithms].map(|text| short_hash(&text));
        format!("t{version}{named}{ciphers:02}{extensions:02}{alpn}_{ciphers_hash}_{extensions_hash}")
    }

    /// The `tls` object of events.
    pub fn to_value(&self) -> Value {
        let alpn: Vec<String> = self.alpn.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        json!({
            "ja3": self.ja3(),
            "ja4": self.ja4(),
            "sni": self.server_name,
            "alpn": alpn,
            "version": format!("{:#06x}", self.highest_version()),
        })
    }
}

/// Gathers the beginning of what a client sends until a ClientHello is whole or cannot come any more.
#[derive(Debug, Default)]
pub(super) struct HelloReader {
    gathered: Vec<u8>,
    /// The first bytes of all.
    beginning: Vec<u8>,
    hello: Option<Box<ClientHello>>,
    done: bool,
}

impl HelloReader {
    /// Takes what comes next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.done {
            return;
        }
        let missing = BEGINNING.saturating_sub(self.beginning.len());
        self.beginning.extend(bytes.iter().take(missing));
        let room = MAX_HELLO.saturating_sub(self.gathered.len());
        self.gathered.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let found = ClientHello::find(&self.gathered);
        let hopeless = match *self.beginning {
            // Whether it is one of SSL 2.0 shows its version.
            [first, ..] if first & 0x80 != 0 => self.beginning.len() >= SSL2_VERSION,
            [first, ..] => first != HANDSHAKE,
            [] => false,
        };
        self.done = found.is_some() || hopeless || self.gathered.len() >= MAX_HELLO;
        self.hello = found.flatten().map(Box::new);
        if self.done {
            self.gathered = Vec::new();
        }
    }

    pub(super) fn hello(&self) -> Option<&ClientHello> {
        self.hello.as_deref()
    }

    /// The headers of the first record and message, as far as they have come.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// There is a ClientHello, or will not be one.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }
}

/// Takes bytes from the front; every method gives nothing when there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_up_to(&mut self, len: usize) -> &'a [u8] {
        self.take(len.min(self.0.len())).unwrap_or_default()
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// A vector with one byte of length.
    fn vector8(&mut self) -> Option<Self> {
        let len = self.byte()?;
        self.take(usize::from(len)).map(Self)
    }

    /// A vector with two bytes of length.
    fn vector16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(usize::from(len)).map(Self)
    }

    fn numbers(mut self) -> impl Iterator<Item = u16> {
        std::iter::from_fn(move || self.u16())
    }

    /// The body of the first handshake message, once it is whole and when it is a ClientHello.
    fn client_hello(mut self) -> Option<&'a [u8]> {
        if self.byte()? != CLIENT_HELLO {
            return None;
        }
        let high = self.byte()?;
        let low = self.u16()?;
        self.take(usize::from(high) << 16 | usize::from(low))
    }
}

/// The first name of type host_name.
fn server_name(mut content: Reader<'_>) -> Option<String> {
    let mut names = content.vector16()?;
    while let (Some(kind), Some(name)) = (names.byte(), names.vector16()) {
        if kind == 0 {
            return Some(String::from_utf8_lossy(name.0).into_owned());
        }
    }
    None
}

/// 0x0a0a, 0x1a1a, ... 0xfafa (RFC 8701 section 2).
const fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn without_grease(numbers: impl Iterator<Item = u16>) -> Vec<u16> {
    numbers.filter(|&number| !is_grease(number)).collect()
}

fn decimal(numbers: &[u16]) -> String {
    numbers.iter().map(u16::to_string).collect::<Vec<_>>().join("-")
}

fn hex(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

fn sorted_hex(numbers: &[u16]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    hex(&sorted)
}

/// Twelve digits of SHA-256; zeros for an empty list.
fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let mut hash = HEXLOWER.encode(Sha256::digest(text).as_slice());
    hash.truncate(12);
    hash
}

/// First and last character of a protocol name; of its hexadecimal form when one of them is no letter or digit.
fn alpn_ends(name: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last].map(char::from).iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a ClientHello of these parts.
    fn record(version: u16, ciphers: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let with_len16 = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let numbers = |list: &[u16]| list.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &with_len16(content)].concat())
            .collect();
        let body = [
            &version.to_be_bytes()[..],
            &[7; 32],
            &[0],
            &with_len16(&numbers(ciphers)),
            &[1, 0],
            &with_len16(&extensions),
        ];
        let body = body.concat();
        let len = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[CLIENT_HELLO][..], &len[1..], &body].concat();
        [&[HANDSHAKE, 3, 1][..], &with_len16(&message)].concat()
    }

    /// The example of FoxIO's description of JA4 (Chrome), with GREASE put in.
    fn chrome() -> Vec<u8> {
        let ciphers = [
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
            0x009d, 0x002f, 0x0035,
        ];
        let algorithms = b"\x00\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01";
        let extensions: &[(u16, &[u8])] = &[
            (0x1a1a, b""),
            (0x001b, b""),
            (0x0000, b"\x00\x0e\x00\x00\x0bexample.net"),
            (0x0033, b""),
            (0x0010, b"\x00\x0c\x02h2\x08http/1.1"),
            (0x4469, b""),
            (0x0017, b""),
            (0x002d, b""),
            (0x000d, algorithms),
            (0x0005, b""),
            (0x0023, b""),
            (0x0012, b""),
            (0x002b, b"\x06\x7a\x7a\x03\x04\x03\x03"),
            (0xff01, b""),
            (0x000b, b"\x01\x00"),
            (0x000a, b"\x00\x08\x5a\x5a\x00\x1d\x00\x17\x00\x18"),
            (0x0015, b""),
        ];
        record(0x0303, &ciphers, extensions)
    }

    #[test]
    fn ja4_is_that_of_the_published_example() {
        let hello = ClientHello::read(&chrome()).unwrap();
        assert_eq!(hello.ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(hello.server_name.as_deref(), Some("example.net"));
        assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn ja3_is_that_of_the_published_example() {
        // From the description of JA3: 769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0
        let ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let extensions: &[(u16, &[u8])] =
            &[(0, b"\x00\x04\x00\x00\x01x"), (10, b"\x00\x06\x00\x17\x00\x18\x00\x19"), (11, b"\x01\x00")];
        let hello = ClientHello::read(&record(0x0301, &ciphers, extensions)).unwrap();
        assert_eq!(hello.ja3_text(), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(hello.ja3(), "ada70206e40642a3e4461f35503241d5");
        let bare = ClientHello::read(&record(0x0301, &[4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], &[])).unwrap();
        assert_eq!(bare.ja3(), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn a_hello_is_found_however_it_is_cut() {
        let record = chrome();
        let whole = ClientHello::read(&record).unwrap();
        let mut reader = HelloReader::default();
        for (at, byte) in record.iter().enumerate() {
            assert_eq!(reader.hello(), None, "after {at} bytes");
            reader.push(&[*byte]);
        }
        assert_eq!(reader.hello(), Some(&whole));
        // Cut into records of at most 50 bytes (RFC 8446 section 5.1 allows it).
        let cut: Vec<u8> = record[5..]
            .chunks(50)
            .flat_map(|piece| [&[HANDSHAKE, 3, 1, 0, piece.len() as u8], piece].concat())
            .collect();
        assert_eq!(ClientHello::read(&cut), Some(whole));
    }

    #[test]
    fn what_is_no_hello_is_given_up_and_nothing_panics() {
        let mut reader = HelloReader::default();
        reader.push(b"GET / HTTP/1.0\r\n");
        assert!(reader.done && reader.hello().is_none());
        let record = chrome();
        for at in 5..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 0xff;
            let _ = ClientHello::read(&damaged).map(|hello| (hello.ja3(), hello.ja4(), hello.to_value()));
        }
    }
}
