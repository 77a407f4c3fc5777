//! Signatures of SMB2 before 3.0 (MS-SMB2 3.1.4.1).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::super::account::User;
use super::super::wire::Fields;
use super::SIGNED;

/// Where the header has its signature.
const AT: usize = 48;

/// HMAC-SHA256 over the message with an empty signature field, its first half.
pub(super) fn signature(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 16] };
    mac.update(message.get(..AT).unwrap_or_default());
    mac.update(&[0; 16]);
    mac.update(message.get(AT + 16..).unwrap_or_default());
    mac.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
}

/// Whether a request is as its user sent it: signed with the session's key, or not signed where it need not be (MS-SMB2 3.3.5.2.4). Where the
/// key is not known every signature passes.
pub(super) fn is_genuine(user: &User, request: &[u8]) -> bool {
    let Some(key) = user.key.filter(|_| !user.is_anonymous) else { return true };
    if request.le32(16).unwrap_or(0) & SIGNED == 0 {
        return !user.needs_signatures;
    }
    request.part(AT, 16) == Some(&signature(&key, request))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::smb::wire::{Put, patch};

    #[test]
    fn a_signature_is_proved_and_a_changed_message_is_not_genuine() {
        let user = User {
            name: "a".into(),
            is_anonymous: false,
            key: Some([7; 16]),
            flags: 0,
            has_signed: false,
            needs_signatures: true,
        };
        let mut message = b"\xfeSMB\x40\0".to_vec();
        message.put(&[0; 58]).put(b"\x04\0\0\0");
        assert!(!is_genuine(&user, &message), "it must be signed");
        assert!(is_genuine(&User { needs_signatures: false, ..user.clone() }, &message));
        patch(&mut message, 16, &SIGNED.to_le_bytes());
        let made = signature(&[7; 16], &message);
        patch(&mut message, AT, &made);
        assert!(is_genuine(&user, &message));
        assert!(is_genuine(&User { key: None, ..user.clone() }, &message[..40]));
        patch(&mut message, 64, &[5]);
        assert!(!is_genuine(&user, &message));
    }
}
