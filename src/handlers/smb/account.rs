//! Logins: the NTLM exchange in its envelopes, judged by the handler's credential policy.
//!
//! Signatures are made with a key that the password gives. A list of credentials knows passwords; the other policies let in who proves one
//! that the sensor learns only when it is a common one. Where the visitor insists on signatures, another is refused like a wrong password: an
//! answer that is not signed would tell more.

use std::cell::Cell;

use super::guess;
use super::host::Host;
use super::ntlm::{self, Response};
use super::seal::{From, Seal};
use super::spnego;
use super::status::Status;
use crate::events::Event;
use crate::handlers::{Context, Random};

/// A visitor whose login was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    /// No account: a null session.
    pub(super) is_anonymous: bool,
    /// The session key, where the password is known or there is none: messages can be signed.
    pub(super) key: Option<[u8; 16]>,
    /// What was agreed to with NTLM (MS-NLMP 2.2.2.5).
    pub(super) flags: u32,
    /// Its login took signatures, one of each side: the next ones are numbered on, with keys as if new (MS-SPNG 3.3.5.1).
    pub(super) has_signed: bool,
    /// It insists on signatures.
    pub(super) needs_signatures: bool,
}

impl User {
    /// Who has not logged in.
    pub(super) const fn nobody() -> Self {
        Self {
            name: String::new(),
            is_anonymous: true,
            key: None,
            flags: 0,
            has_signed: false,
            needs_signatures: false,
        }
    }

    /// What one side signs and seals with, from its first message on; `None` where the key is not known, or without extended session security.
    pub(super) fn seal(&self, from: From) -> Option<Seal> {
        Seal::new(self.key?, self.flags, self.has_signed.into(), from)
    }
}

/// Bytes of the list of mechanisms that are kept: a visitor offers a handful.
const MAX_MECHANISMS: usize = 256;

/// What comes of one leg of a login.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The challenge: another leg follows.
    Continue(Vec<u8>),
    /// Let in, with the last blob.
    Accepted(User, Vec<u8>),
    Refused(Status),
}

/// A login under way: its challenge, once it is made. No two have the same.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    challenge: Option<[u8; 8]>,
    /// The mechanisms that the visitor offered, in DER.
    mechanisms: Vec<u8>,
    /// The visitor insists on signatures.
    needs_signatures: bool,
}

impl Exchange {
    /// One whose visitor may insist on signatures.
    pub(super) fn new(needs_signatures: bool) -> Self {
        Self { needs_signatures, ..Self::default() }
    }

    /// Takes the visitor's security blob.
    pub(super) fn step(&mut self, host: &Host, cx: &mut Context<'_>, random: &mut Random, blob: &[u8]) -> Turn {
        let found = spnego::open(blob);
        if let Some(mechanisms) = found.mechanisms.filter(|list| list.len() <= MAX_MECHANISMS) {
            self.mechanisms = mechanisms.to_vec();
        }
        let Some(message) = found.ntlm else {
            // Kerberos or NEGOEX, optimistically: the visitor is told to go on with NTLMSSP.
            if found.in_spnego && self.challenge.is_none() {
                return Turn::Continue(spnego::go_on(None));
            }
            return Turn::Refused(Status::INVALID_PARAMETER);
        };
        match ntlm::kind(message) {
            Some(1) => {
                let challenge = fresh_challenge(random);
                self.challenge = Some(challenge);
                let token = ntlm::challenge(host, ntlm::negotiate_flags(message), challenge, cx.now());
                Turn::Continue(if found.in_spnego { spnego::go_on(Some(&token)) } else { token })
            }
            Some(3) => {
                let (Some(challenge), Some(response)) = (self.challenge.take(), Response::parse(message)) else {
                    return Turn::Refused(Status::INVALID_PARAMETER);
                };
                match judge(host, cx, &response, challenge, self.needs_signatures) {
                    Ok(user) => {
                        let seal = user.seal(From::Server).filter(|_| found.has_mic);
                        let user = User { has_signed: seal.is_some(), ..user };
                        let mic = seal.map(|mut seal| seal.signature(&self.mechanisms));
                        Turn::Accepted(user, if found.in_spnego { spnego::done(mic) } else { Vec::new() })
                    }
                    Err(status) => Turn::Refused(status),
                }
            }
            _ => Turn::Refused(Status::INVALID_PARAMETER),
        }
    }
}

/// Eight bytes that no other session has.
pub(super) fn fresh_challenge(random: &mut Random) -> [u8; 8] {
    random.bits().to_be_bytes()
}

/// Judges a response and records it as a `login`.
pub(super) fn judge(
    host: &Host,
    cx: &mut Context<'_>,
    response: &Response,
    challenge: [u8; 8],
    needs_signatures: bool,
) -> Result<User, Status> {
    if response.is_anonymous() {
        return Ok(User { key: Some(response.anonymous_key()), flags: response.flags, ..User::nobody() });
    }
    let mut decoded = serde_json::json!({
        "domain": response.domain, "workstation": response.workstation, "hash_type": response.kind(),
    });
    if response.user.eq_ignore_ascii_case("guest") {
        // Switched off on every Windows since 2000.
        cx.event(
            Event::new("login", "login guest refused")
                .with("username", response.user.as_str())
                .with("response", response.line(challenge))
                .with("success", false)
                .with("decoded", decoded),
        );
        return Err(Status::ACCOUNT_DISABLED);
    }
    let key = Cell::new(None);
    let matches = |password: &[u8]| {
        let found = response.key_if(password, challenge);
        key.set(found.or(key.get()));
        found.is_some()
    };
    let line = response.line(challenge);
    let mut note = |name: &str, text: &str| {
        if let Some(fields) = decoded.as_object_mut() {
            fields.insert(name.to_owned(), text.into());
        }
    };
    let mut guessed = None;
    let is_served = || {
        if key.get().is_none() {
            guessed = guess::password(response, challenge);
            key.set(guessed.as_ref().map(|(_, key)| *key));
        }
        !needs_signatures || key.get().is_some()
    };
    let is_accepted = host.credentials.judge_response(cx, response.user.as_bytes(), &line, matches, is_served);
    if let Some((password, _)) = guessed {
        note("password", &password);
    }
    if needs_signatures {
        note("signing", if key.get().is_some() { "required" } else { "required, password not known" });
    }
    cx.event(Event::new("request", format!("NTLM login of {:?}", response.user)).with("decoded", decoded));
    if !is_accepted {
        return Err(Status::LOGON_FAILURE);
    }
    let (name, key, flags) = (response.user.clone(), key.get(), response.flags);
    Ok(User { name, is_anonymous: false, key, flags, has_signed: false, needs_signatures })
}
