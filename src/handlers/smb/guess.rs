//! Passwords that visitors try first: which of them a response was made with is worth knowing, and makes the session's key known.

use super::ntlm::Response;

const COMMON: [&str; 48] = [
    "123456",
    "password",
    "admin",
    "12345678",
    "1234",
    "12345",
    "123456789",
    "1234567890",
    "123",
    "1",
    "111111",
    "000000",
    "654321",
    "qwerty",
    "abc123",
    "letmein",
    "welcome",
    "Welcome1",
    "changeme",
    "secret",
    "test",
    "test123",
    "guest",
    "root",
    "server",
    "backup",
    "user",
    "pass",
    "master",
    "Password1",
    "password1",
    "password123",
    "Password123",
    "Passw0rd",
    "P@ssw0rd",
    "p@ssw0rd",
    "P@ssword",
    "P@ssw0rd1",
    "P@ssw0rd123",
    "admin123",
    "Admin123",
    "Admin@123",
    "administrator",
    "123qwe",
    "1q2w3e4r",
    "1qaz2wsx",
    "1qaz@WSX",
    "!QAZ2wsx",
];

/// The password among the common ones, the empty one and the user's own name, and the session key that it gives.
pub(super) fn password(response: &Response, challenge: [u8; 8]) -> Option<(String, [u8; 16])> {
    let own = ["", response.user.as_str()];
    let mut tries = own.into_iter().chain(COMMON);
    tries.find_map(|password| Some((password.to_owned(), response.key_if(password.as_bytes(), challenge)?)))
}
