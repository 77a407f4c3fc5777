//! Logins: the NTLM exchange in its envelopes, judged by the handler's credential policy.

use std::cell::Cell;

use super::host::Host;
use super::ntlm::{self, Response};
use super::spnego::{self, State};
use super::status::Status;
use crate::events::Event;
use crate::handlers::{Context, Random};

/// A visitor whose login was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    /// No account: a null session.
    pub(super) is_anonymous: bool,
    /// The session key, where the password is known: messages can be signed.
    pub(super) key: Option<[u8; 16]>,
}

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
}

impl Exchange {
    /// Takes the visitor's security blob.
    pub(super) fn step(&mut self, host: &Host, cx: &mut Context<'_>, random: &mut Random, blob: &[u8]) -> Turn {
        let found = spnego::open(blob);
        let Some(message) = found.ntlm else {
            // Kerberos or NEGOEX, optimistically: the visitor is told to go on with NTLMSSP.
            if found.in_spnego && self.challenge.is_none() {
                return Turn::Continue(spnego::answer(State::Incomplete, true, None));
            }
            return Turn::Refused(Status::INVALID_PARAMETER);
        };
        match ntlm::kind(message) {
            Some(1) => {
                let challenge = fresh_challenge(random);
                self.challenge = Some(challenge);
                let token = ntlm::challenge(host, ntlm::negotiate_flags(message), challenge, cx.now());
                Turn::Continue(if found.in_spnego {
                    spnego::answer(State::Incomplete, true, Some(&token))
                } else {
                    token
                })
            }
            Some(3) => {
                let (Some(challenge), Some(response)) = (self.challenge.take(), Response::parse(message)) else {
                    return Turn::Refused(Status::INVALID_PARAMETER);
                };
                match judge(host, cx, &response, challenge) {
                    Ok(user) => {
                        let done = spnego::answer(State::Completed, false, None);
                        Turn::Accepted(user, if found.in_spnego { done } else { Vec::new() })
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
) -> Result<User, Status> {
    if response.is_anonymous() {
        return Ok(User { name: String::new(), is_anonymous: true, key: None });
    }
    let decoded = serde_json::json!({
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
    let is_accepted = host.credentials.judge_response(cx, response.user.as_bytes(), &line, matches);
    cx.event(Event::new("request", format!("NTLM login of {:?}", response.user)).with("decoded", decoded));
    if !is_accepted {
        return Err(Status::LOGON_FAILURE);
    }
    Ok(User { name: response.user.clone(), is_anonymous: false, key: key.get() })
}
