//! NTLM (MS-NLMP), the server's side: the challenge, and what a response tells.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};

use super::des;
use super::host::Host;
use super::seal::{KEY_EXCHANGE, Rc4};
use super::spnego::SIGNATURE;
use super::wire::{Fields, Put, filetime, text_of_utf16, utf16};
use crate::clock::Timestamp;

/// Flags of MS-NLMP 2.2.2.5.
const UNICODE: u32 = 0x0000_0001;
const REQUEST_TARGET: u32 = 0x0000_0004;
const TARGET_TYPE_SERVER: u32 = 0x0002_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;
/// What Windows 7 agrees to when it is asked: 128 and 56 bit, key exchange, extended session security, signing, sealing, both charsets.
const AGREED: u32 = 0xe008_8237;
/// Bytes of an NTLMv1 response; longer ones are NTLMv2.
const V1_RESPONSE: usize = 24;

/// The first message of a visitor: NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1) has its flags at 12.
pub(super) fn negotiate_flags(message: &[u8]) -> u32 {
    message.le32(12).unwrap_or(UNICODE | REQUEST_TARGET)
}

/// The type of an NTLM message: 1 negotiate, 3 authenticate.
pub(super) fn kind(message: &[u8]) -> Option<u32> {
    message.le32(SIGNATURE.len())
}

/// CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2) of a Windows 7 without domain: its own name is the target.
pub(super) fn challenge(host: &Host, asked: u32, challenge: [u8; 8], now: Timestamp) -> Vec<u8> {
    const PAYLOAD: usize = 56;
    let unicode = asked & UNICODE != 0;
    let flags = asked & AGREED & !(if unicode { 2 } else { 0 }) | TARGET_TYPE_SERVER | TARGET_INFO | VERSION;
    let name = utf16(&host.name);
    let target = match (asked & REQUEST_TARGET != 0, unicode) {
        (false, _) => Vec::new(),
        (true, true) => name.clone(),
        (true, false) => host.name.clone().into_bytes(),
    };
    let mut info = Vec::new();
    // AV_PAIR (MS-NLMP 2.2.2.1): domain, computer, and the same in DNS, in which a machine without domain has its bare name.
    for id in [2, 1, 4, 3] {
        info.put16(id).put_len16(name.len()).put(&name);
    }
    info.put16(7).put16(8).put64(filetime(now)).put32(0);
    let mut out = SIGNATURE.to_vec();
    out.put32(2)
        .put_len16(target.len())
        .put_len16(target.len())
        .put_len32(PAYLOAD)
        .put32(flags)
        .put(&challenge)
        .put64(0);
    out.put_len16(info.len()).put_len16(info.len()).put_len32(PAYLOAD + target.len());
    // VERSION (MS-NLMP 2.2.2.10).
    out.put8(host.version.major).put8(host.version.minor).put16(host.version.build).put(&[0, 0, 0, 15]);
    out.put(&target).put(&info);
    out
}

/// A visitor's answer to a challenge, in whatever message it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) workstation: String,
    pub(super) lm: Vec<u8>,
    pub(super) nt: Vec<u8>,
    /// The session key, encrypted, when one was exchanged.
    key: Vec<u8>,
    /// What was agreed to.
    pub(super) flags: u32,
}

impl Response {
    /// From the passwords of a session setup without extended security (MS-CIFS 2.2.4.53.1).
    pub(super) fn bare(user: String, domain: String, lm: &[u8], nt: &[u8]) -> Self {
        Self { user, domain, lm: lm.to_vec(), nt: nt.to_vec(), ..Self::default() }
    }

    /// AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3); `None` when a field lies outside.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let field = |at: usize| message.part(message.at32(at + 4)?, message.at16(at)?);
        let flags = message.le32(60).unwrap_or(UNICODE);
        let text = |at: usize| {
            let bytes = field(at)?;
            Some(if flags & UNICODE != 0 { text_of_utf16(bytes) } else { String::from_utf8_lossy(bytes).into_owned() })
        };
        Some(Self {
            lm: field(12)?.to_vec(),
            nt: field(20)?.to_vec(),
            domain: text(28)?,
            user: text(36)?,
            workstation: text(44)?,
            key: field(52).unwrap_or_default().to_vec(),
            flags,
        })
    }

    /// No name and no proof (MS-NLMP 3.2.5.1.2). WannaCry's setup reads as the name "." when its one byte of password is counted.
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.user.as_str(), "" | ".") && self.nt.is_empty() && self.lm.len() <= 1
    }

    /// The line that john (netntlmv2, netntlm) and hashcat (5600, 5500) read.
    pub(super) fn line(&self, challenge: [u8; 8]) -> String {
        let Self { user, domain, lm, nt, .. } = self;
        let challenge = HEXLOWER.encode(&challenge);
        match nt.split_at_checked(16) {
            Some((proof, blob)) if nt.len() > V1_RESPONSE => {
                format!("{user}::{domain}:{challenge}:{}:{}", HEXLOWER.encode(proof), HEXLOWER.encode(blob))
            }
            _ => format!("{user}::{domain}:{}:{}:{challenge}", HEXLOWER.encode(lm), HEXLOWER.encode(nt)),
        }
    }

    /// What kind of line that is.
    pub(super) fn kind(&self) -> &'static str {
        match self.nt.len() {
            0..V1_RESPONSE => "NetLM or NetLMv2",
            V1_RESPONSE => "NetNTLMv1",
            _ => "NetNTLMv2",
        }
    }

    /// The session key when this response was made with this password (MS-NLMP 3.3.1, 3.3.2), in any of the forms that prove the NT hash.
    pub(super) fn key_if(&self, password: &[u8], challenge: [u8; 8]) -> Option<[u8; 16]> {
        let hash: [u8; 16] = Md4::digest(utf16(&String::from_utf8_lossy(password))).into();
        let base = match self.nt.len() {
            // Only the field of the LM response counts, which may hold any of three.
            0..V1_RESPONSE => self.base_if_lm2(hash, challenge).or_else(|| base_if_v1(hash, challenge, &self.lm))?,
            V1_RESPONSE => self.base_if_v1(hash, challenge)?,
            _ => {
                let (proof, blob) = self.nt.split_at_checked(16)?;
                let owner = self.owner(hash);
                (keyed(&owner, &[&challenge, blob]) == *proof).then(|| keyed(&owner, &[proof]))?
            }
        };
        Some(self.exchanged(base))
    }

    /// The session key of nobody: the one that was exchanged, under a key of zeros (MS-NLMP 3.4.5.1).
    pub(super) fn anonymous_key(&self) -> [u8; 16] {
        self.exchanged([0; 16])
    }

    /// ExportedSessionKey (MS-NLMP 3.1.5.1.2): the visitor's own, when one was exchanged.
    fn exchanged(&self, base: [u8; 16]) -> [u8; 16] {
        match <[u8; 16]>::try_from(self.key.as_slice()) {
            Ok(mut key) if self.flags & KEY_EXCHANGE != 0 => {
                Rc4::new(&base).apply(&mut key);
                key
            }
            _ => base,
        }
    }

    /// NTOWFv2 (MS-NLMP 3.3.2).
    fn owner(&self, hash: [u8; 16]) -> [u8; 16] {
        keyed(&hash, &[&utf16(&self.user.to_uppercase()), &utf16(&self.domain)])
    }

    /// LMv2 alone: a proof and the visitor's own challenge.
    fn base_if_lm2(&self, hash: [u8; 16], challenge: [u8; 8]) -> Option<[u8; 16]> {
        let (proof, own) = self.lm.split_at_checked(16).filter(|_| self.lm.len() == V1_RESPONSE)?;
        let owner = self.owner(hash);
        (keyed(&owner, &[&challenge, own]) == *proof).then(|| keyed(&owner, &[proof]))
    }

    /// NTLMv1 with extended session security: the challenge is mixed with the visitor's own, which stands where the LM response would, with
    /// zeros after it.
    fn base_if_v1(&self, hash: [u8; 16], challenge: [u8; 8]) -> Option<[u8; 16]> {
        let Some(own) = self.lm.strip_suffix(&[0; 16]).filter(|own| own.len() == 8 && **own != [0; 8]) else {
            return base_if_v1(hash, challenge, &self.nt);
        };
        let mixed = Md5::new().chain_update(challenge).chain_update(own).finalize().first_chunk().copied()?;
        base_if_v1(hash, mixed, &self.nt).map(|base| keyed(&base, &[&challenge, own]))
    }
}

/// NTLMv1: the challenge encrypted with the hash.
fn base_if_v1(hash: [u8; 16], challenge: [u8; 8], response: &[u8]) -> Option<[u8; 16]> {
    (des_long(hash, challenge) == response).then(|| Md4::digest(hash).into())
}

/// DESL (MS-NLMP 6): the challenge under the three parts of the hash.
fn des_long(hash: [u8; 16], challenge: [u8; 8]) -> Vec<u8> {
    let mut long = hash.to_vec();
    long.resize(21, 0);
    long.chunks_exact(7).filter_map(|key| key.first_chunk()).flat_map(|key| des::encrypt(*key, challenge)).collect()
}

/// HMAC-MD5 (RFC 2104).
pub(super) fn keyed(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(key) else { return [0; 16] };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The AUTHENTICATE_MESSAGE of a visitor that knows a password, and the session key that both then have.
#[cfg(test)]
pub(super) fn authenticate(user: &str, password: &str, challenge: [u8; 8]) -> (Vec<u8>, [u8; 16]) {
    use super::seal::{EXTENDED_SESSION_SECURITY, KEY_128};
    let response = Response { user: user.to_owned(), ..Response::default() };
    let owner = response.owner(Md4::digest(utf16(password)).into());
    let blob = [&[1, 1][..], &[0; 14], &[0xaa; 8], &[0; 12]].concat();
    let proof = keyed(&owner, &[&challenge, &blob]);
    let (nt, name) = ([&proof[..], &blob].concat(), utf16(user));
    let mut out = SIGNATURE.to_vec();
    out.put32(3);
    for field in [&[][..], &nt, &[], &name, &[], &[]] {
        let at = if std::ptr::eq(field, name.as_slice()) { 64 + nt.len() } else { 64 };
        out.put_len16(field.len()).put_len16(field.len()).put_len32(at);
    }
    out.put32(UNICODE | EXTENDED_SESSION_SECURITY | KEY_128).put(&nt).put(&name);
    (out, keyed(&owner, &[&proof]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of MS-NLMP 4.2.4: user "User", domain "Domain", password "Password".
    fn example() -> Response {
        let blob = "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000";
        let proof = "68cd0ab851e51c96aabc927bebef6a1c";
        Response {
            user: "User".into(),
            domain: "Domain".into(),
            nt: HEXLOWER.decode(format!("{proof}{blob}").as_bytes()).unwrap(),
            key: HEXLOWER.decode(b"c5dad2544fc9799094ce1ce90bc9d03e").unwrap(),
            flags: KEY_EXCHANGE,
            ..Response::default()
        }
    }

    const CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

    #[test]
    fn the_right_password_proves_itself_and_gives_the_session_key() {
        assert_eq!(example().key_if(b"Password", CHALLENGE), Some([0x55; 16]));
        assert_eq!(example().key_if(b"password", CHALLENGE), None);
        assert_eq!(example().key_if(b"Password", [0; 8]), None);
    }

    #[test]
    fn old_responses_prove_the_password_too() {
        // MS-NLMP 4.2.2 and 4.2.3: NTLMv1, and with extended session security.
        let decode = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let v1 = decode("67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
        let response = Response::bare("User".into(), "Domain".into(), &[], &v1);
        assert!(response.key_if(b"Password", CHALLENGE).is_some() && response.key_if(b"x", CHALLENGE).is_none());
        let session = decode("7537f803ae367128ca458204bde7caf81e97ed2683267232");
        let own = [[0xaa; 8], [0; 8], [0; 8]].concat();
        let response = Response::bare("User".into(), "Domain".into(), &own, &session);
        assert!(response.key_if(b"Password", CHALLENGE).is_some() && response.key_if(b"x", CHALLENGE).is_none());
        // MS-NLMP 4.2.4.2.1: LMv2.
        let lm2 = decode("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa");
        let response = Response::bare("User".into(), "Domain".into(), &lm2, &[]);
        assert!(response.key_if(b"Password", CHALLENGE).is_some() && response.key_if(b"x", CHALLENGE).is_none());
    }

    #[test]
    fn an_ntlm_response_in_the_field_for_lm_counts_when_the_other_is_too_short() {
        // As nmap sends it.
        let v1 = HEXLOWER.decode(b"67c43011f30298a2ad35ece64f16331c44bdbed927841f94").unwrap();
        let response = Response::bare("User".into(), "Domain".into(), &v1, &v1[..8]);
        assert!(response.key_if(b"Password", CHALLENGE).is_some() && response.key_if(b"x", CHALLENGE).is_none());
    }

    #[test]
    fn hashes_are_written_as_john_and_hashcat_read_them() {
        let line = example().line(CHALLENGE);
        assert!(line.starts_with("User::Domain:0123456789abcdef:68cd0ab851e51c96aabc927bebef6a1c:0101"), "{line}");
        let old = Response::bare("joe".into(), "WG".into(), &[1; 24], &[2; 24]);
        assert_eq!(old.line(CHALLENGE), format!("joe::WG:{}:{}:0123456789abcdef", "01".repeat(24), "02".repeat(24)));
    }

    #[test]
    fn a_field_outside_the_message_is_no_response() {
        let mut message = SIGNATURE.to_vec();
        message.put32(3).put(&[0xff; 52]);
        assert_eq!(Response::parse(&message), None);
        assert_eq!(Response::parse(b"NTLMSSP\0\x03\0\0\0"), None);
    }
}
