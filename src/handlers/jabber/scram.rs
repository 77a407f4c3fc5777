//! SCRAM (RFC 5802, RFC 7677): the server's side of the exchange. Whether a proof is right can be said only of a password that is
//! known.

use std::num::NonZeroU32;

use data_encoding::BASE64;
use ring::{digest, hmac, pbkdf2};

/// Rounds of PBKDF2, ejabberd's default.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4_095);

/// The hash of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    fn salted(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        let (algorithm, size) = match self {
            Self::Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
        };
        let mut out = vec![0; size];
        pbkdf2::derive(algorithm, ITERATIONS, salt, password, &mut out);
        out
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        }
    }
}

/// An exchange of which the first half is done.
#[derive(Debug)]
pub(super) struct Exchange {
    hash: Hash,
    pub(super) username: String,
    /// `c=` must be this.
    header: String,
    nonce: String,
    salt: Vec<u8>,
    first_bare: String,
    server_first: String,
}

/// The client's last word.
#[derive(Debug)]
pub(super) struct Final {
    message: String,
    proof: Vec<u8>,
}

impl Exchange {
    /// Reads the client's first message (section 7); the server's nonce and salt are given. `None`: no such message.
    pub(super) fn begin(
        hash: Hash,
        first: &str,
        server_nonce: &str,
        salt: impl FnOnce(&str) -> Vec<u8>,
    ) -> Option<Self> {
        let (flag, rest) = first.split_once(',')?;
        let (identity, bare) = rest.split_once(',')?;
        if !matches!(flag, "n" | "y") {
            return None;
        }
        let mut parts = bare.split(',');
        let username = parts.next()?.strip_prefix("n=")?.replace("=2C", ",").replace("=3D", "=");
        let nonce = parts.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        let nonce = format!("{nonce}{server_nonce}");
        let salt = salt(&username);
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(&salt));
        let header = BASE64.encode(format!("{flag},{identity},").as_bytes());
        Some(Self { hash, username, header, nonce, salt, first_bare: bare.to_owned(), server_first })
    }

    /// The challenge.
    pub(super) fn challenge(&self) -> &str {
        &self.server_first
    }

    /// Reads the client's final message. `None`: it does not belong to this exchange.
    pub(super) fn finish(&self, last: &str) -> Option<Final> {
        let (without_proof, proof) = last.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let header = parts.next()?.strip_prefix("c=")?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        let proof = BASE64.decode(proof.as_bytes()).ok()?;
        if header != self.header || nonce != self.nonce {
            return None;
        }
        Some(Final { message: format!("{},{},{without_proof}", self.first_bare, self.server_first), proof })
    }

    /// The server's signature, if the proof was made with this password (section 3).
    pub(super) fn verify(&self, last: &Final, password: &[u8]) -> Option<String> {
        let hash = self.hash;
        let salted = hash.salted(password, &self.salt);
        let stored = hash.digest(&hash.hmac(&salted, b"Client Key"));
        let signature = hash.hmac(&stored, last.message.as_bytes());
        let key: Vec<u8> = last.proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        if last.proof.len() != signature.len() || hash.digest(&key) != stored {
            return None;
        }
        let server = hash.hmac(&hash.hmac(&salted, b"Server Key"), last.message.as_bytes());
        Some(format!("v={}", BASE64.encode(&server)))
    }

    /// Everything that a password can be tried against, in one line.
    pub(super) fn record(&self, last: &Final) -> String {
        format!(
            "$scram${}${ITERATIONS}${}${}${}",
            self.hash.name(),
            BASE64.encode(&self.salt),
            BASE64.encode(last.message.as_bytes()),
            BASE64.encode(&last.proof)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 5802 section 5 and RFC 7677 section 3.
    #[test]
    fn the_examples_of_the_rfcs_verify() {
        let examples = [
            (
                Hash::Sha1,
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "3rfcNHYJY1ZVvWVs7j",
                "QSXCR+Q6sek8bf92",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                Hash::Sha256,
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                "W22ZaJ0SNY7soEsUEjb6gQ==",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ];
        for (hash, first, nonce, salt, last, signature) in examples {
            let salt = BASE64.decode(salt.as_bytes()).unwrap();
            let exchange = Exchange::begin(hash, first, nonce, |_| salt).unwrap();
            let last = exchange.finish(last).unwrap();
            assert_eq!(exchange.verify(&last, b"pencil").as_deref(), Some(signature));
            assert_eq!(exchange.verify(&last, b"pencils"), None);
        }
    }

    #[test]
    fn a_foreign_nonce_and_channel_binding_are_refused() {
        let exchange = Exchange::begin(Hash::Sha1, "n,,n=u=2Cx,r=abc", "def", |_| vec![1]).unwrap();
        assert_eq!(exchange.username, "u,x");
        assert!(exchange.finish("c=biws,r=abcxx,p=AAAA").is_none());
        assert!(exchange.finish("c=biws,r=abcdef,p=AAAA").is_some());
        assert!(Exchange::begin(Hash::Sha1, "p=tls-unique,,n=u,r=abc", "def", |_| vec![1]).is_none());
    }
}
