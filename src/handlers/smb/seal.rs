//! NTLM session security (MS-NLMP 3.4): messages signed and sealed with the key of a login, in the form of extended session security.

use md5::{Digest, Md5};

use super::ntlm::keyed;

/// Flags of MS-NLMP 2.2.2.5 that decide about keys.
pub(super) const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
pub(super) const KEY_128: u32 = 0x2000_0000;
pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
pub(super) const KEY_56: u32 = 0x8000_0000;

/// Bytes of a signature (MS-NLMP 2.2.2.9.1).
pub(super) const SIGNATURE: usize = 16;

/// RC4 (RFC 6229).
#[derive(Debug, Clone)]
pub(super) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut new = Self { state: std::array::from_fn(|at| u8::try_from(at).unwrap_or(0)), i: 0, j: 0 };
        let mut j = 0_u8;
        for (i, key) in (0..=255_u8).zip(key.iter().cycle()) {
            j = j.wrapping_add(new.at(i)).wrapping_add(*key);
            new.state.swap(usize::from(i), usize::from(j));
        }
        new
    }

    fn at(&self, index: u8) -> u8 {
        self.state.get(usize::from(index)).copied().unwrap_or(0)
    }

    /// Encrypts or decrypts what comes next.
    pub(super) fn apply(&mut self, data: &mut [u8]) {
        for byte in data {
            self.i = self.i.wrapping_add(1);
            self.j = self.j.wrapping_add(self.at(self.i));
            self.state.swap(usize::from(self.i), usize::from(self.j));
            *byte ^= self.at(self.at(self.i).wrapping_add(self.at(self.j)));
        }
    }
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Client,
    Server,
}

/// What one side of a login sends: its keys, and how many messages there were.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    signing: [u8; 16],
    sealing: Rc4,
    sequence: u32,
    /// Checksums are encrypted, too.
    has_exchanged: bool,
}

impl Seal {
    /// SIGNKEY and SEALKEY (MS-NLMP 3.4.5.2, 3.4.5.3) of this session key, its messages numbered from `sequence` on; `None` without extended
    /// session security.
    pub(super) fn new(key: [u8; 16], flags: u32, sequence: u32, from: From) -> Option<Self> {
        if flags & EXTENDED_SESSION_SECURITY == 0 {
            return None;
        }
        let way = if from == From::Client { "client-to-server" } else { "server-to-client" };
        let derived = |key: &[u8], what: &str| -> [u8; 16] {
            let magic = format!("session key to {way} {what} key magic constant\0");
            Md5::new().chain_update(key).chain_update(magic).finalize().into()
        };
        let strength = match flags {
            flags if flags & KEY_128 != 0 => 16,
            flags if flags & KEY_56 != 0 => 7,
            _ => 5,
        };
        Some(Self {
            signing: derived(&key, "signing"),
            sealing: Rc4::new(&derived(key.get(..strength)?, "sealing")),
            sequence,
            has_exchanged: flags & KEY_EXCHANGE != 0,
        })
    }

    /// Encrypts or decrypts a message in place, before its signature is made.
    pub(super) fn crypt(&mut self, message: &mut [u8]) {
        self.sealing.apply(message);
    }

    /// The signature of the next message in plain (MS-NLMP 3.4.4.2): version, checksum, sequence number.
    pub(super) fn signature(&mut self, message: &[u8]) -> [u8; SIGNATURE] {
        let number = self.sequence.to_le_bytes();
        self.sequence = self.sequence.wrapping_add(1);
        let [mut sum @ .., _, _, _, _, _, _, _, _] = keyed(&self.signing, &[&number, message]);
        if self.has_exchanged {
            self.sealing.apply(&mut sum);
        }
        let mut out = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let parts = sum.iter().chain(&number);
        out.iter_mut().skip(4).zip(parts).for_each(|(to, from)| *to = *from);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::smb::wire::utf16;

    /// What the examples of MS-NLMP 4.2.4 agree to.
    const FLAGS: u32 = 0xe28a_8233;

    #[test]
    fn a_sealed_message_is_the_one_of_the_specification() {
        // MS-NLMP 4.2.4.4.
        let mut seal = Seal::new([0x55; 16], FLAGS, 0, From::Client).unwrap();
        assert_eq!(seal.signing, *b"\x47\x88\xdc\x86\x1b\x47\x82\xf3\x5d\x43\xfd\x98\xfe\x1a\x2d\x39");
        let plain = utf16("Plaintext");
        let mut message = plain.clone();
        seal.crypt(&mut message);
        assert_eq!(message, b"\x54\xe5\x01\x65\xbf\x19\x36\xdc\x99\x60\x20\xc1\x81\x1b\x0f\x06\xfb\x5f");
        assert_eq!(seal.signature(&plain), *b"\x01\0\0\0\x7f\xb3\x8e\xc5\xc5\x5d\x49\x76\0\0\0\0");
    }

    #[test]
    fn signatures_count_and_differ_by_side_and_there_are_none_without_extended_session_security() {
        let mut seal = Seal::new([0x55; 16], FLAGS, 0, From::Server).unwrap();
        let (first, second) = (seal.signature(b"x"), seal.signature(b"x"));
        assert_eq!((&first[12..], &second[12..]), (&[0; 4][..], &[1, 0, 0, 0][..]));
        assert_ne!(first[4..12], second[4..12]);
        assert_ne!(first, Seal::new([0x55; 16], FLAGS, 0, From::Client).unwrap().signature(b"x"));
        assert!(Seal::new([0x55; 16], KEY_EXCHANGE | KEY_128, 0, From::Server).is_none());
    }

    #[test]
    fn short_keys_are_as_short_as_was_agreed() {
        // MS-NLMP 3.4.5.3: 56 bits, or 40.
        let sealed = |flags: u32| {
            let mut message = [0; 8];
            Seal::new([0x55; 16], EXTENDED_SESSION_SECURITY | flags, 0, From::Client).unwrap().crypt(&mut message);
            message
        };
        assert!(sealed(0) != sealed(KEY_56) && sealed(KEY_56) != sealed(KEY_128));
    }
}
