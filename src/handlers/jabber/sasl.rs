//! Logging in: SASL PLAIN (RFC 4616) and SCRAM (RFC 5802), and the older `jabber:iq:auth` (XEP-0078).

use std::cell::Cell;

use data_encoding::BASE64;

use super::element::Element;
use super::scram::{Exchange, Final, Hash};
use super::{Shared, text};
use crate::handlers::{Context, Random};

/// Bytes of a user's name (RFC 7622 section 3.3).
const MAX_NAME: usize = 1_023;

/// What a login waits for.
#[derive(Debug)]
pub(super) enum Pending {
    /// The first message of this mechanism: `<auth/>` came without one (RFC 6120 section 6.4.2).
    First(String),
    /// The client's proof.
    Proof(Box<Exchange>),
}

/// What became of one message of a login.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Send this and wait.
    Challenge(String, Pending),
    /// Send this; the client is this user.
    Success(String, String),
    /// Send this; the login failed with what was known of it.
    Failure(&'static str),
}

/// `<auth/>`: the beginning.
pub(super) fn begin(shared: &Shared, cx: &mut Context<'_>, random: &mut Random, auth: &Element) -> Outcome {
    let mechanism = auth.attribute("mechanism").unwrap_or_default();
    if !shared.mechanisms.iter().any(|known| known == mechanism) {
        return Outcome::Failure("invalid-mechanism");
    }
    if auth.text.trim_ascii().is_empty() {
        let challenge = format!("<challenge xmlns='{}'></challenge>", text::SASL);
        return Outcome::Challenge(challenge, Pending::First(mechanism.to_owned()));
    }
    first(shared, cx, random, mechanism, &auth.text)
}

/// `<response/>`: what was waited for.
pub(super) fn go_on(
    shared: &Shared,
    cx: &mut Context<'_>,
    random: &mut Random,
    pending: &Pending,
    response: &Element,
) -> Outcome {
    match pending {
        Pending::First(mechanism) => first(shared, cx, random, mechanism, &response.text),
        Pending::Proof(exchange) => finish(shared, cx, exchange, response),
    }
}

/// The client's first message.
fn first(shared: &Shared, cx: &mut Context<'_>, random: &mut Random, mechanism: &str, text: &str) -> Outcome {
    let message = match decoded(text) {
        Ok(message) => message,
        Err(condition) => return Outcome::Failure(condition),
    };
    let hash = match mechanism {
        "SCRAM-SHA-1" => Hash::Sha1,
        "SCRAM-SHA-256" => Hash::Sha256,
        _ => return plain(shared, cx, &message),
    };
    let mut nonce = [0; 18];
    random.fill(&mut nonce);
    let salt = |username: &str| {
        // The same user has the same salt at every visit.
        let mut salt = vec![0; 16];
        shared.persona.random(&format!("jabber salt {username}")).fill(&mut salt);
        salt
    };
    let first = std::str::from_utf8(&message).ok();
    match first.and_then(|first| Exchange::begin(hash, first, &BASE64.encode(&nonce), salt)) {
        Some(exchange) => {
            let challenge = BASE64.encode(exchange.challenge().as_bytes());
            let challenge = format!("<challenge xmlns='{}'>{challenge}</challenge>", text::SASL);
            Outcome::Challenge(challenge, Pending::Proof(Box::new(exchange)))
        }
        None => Outcome::Failure("malformed-request"),
    }
}

/// The end of a SCRAM exchange.
fn finish(shared: &Shared, cx: &mut Context<'_>, exchange: &Exchange, response: &Element) -> Outcome {
    let message = match decoded(&response.text) {
        Ok(message) => message,
        Err(condition) => return Outcome::Failure(condition),
    };
    let Some(last) = std::str::from_utf8(&message).ok().and_then(|last| exchange.finish(last)) else {
        return Outcome::Failure("malformed-request");
    };
    match judge(shared, cx, exchange, &last) {
        Some(signature) => {
            let signature = BASE64.encode(signature.as_bytes());
            let success = format!("<success xmlns='{}'>{signature}</success>", text::SASL);
            Outcome::Success(success, exchange.username.clone())
        }
        None => Outcome::Failure("not-authorized"),
    }
}

/// The signature for a proof, when the password that it was made with is on the list.
fn judge(shared: &Shared, cx: &mut Context<'_>, exchange: &Exchange, last: &Final) -> Option<String> {
    let (username, response) = (exchange.username.as_bytes(), exchange.record(last));
    let signature = Cell::new(None);
    let accepted = shared.credentials.judge_response(
        cx,
        username,
        &response,
        |password| {
            let found = exchange.verify(last, password);
            let fits = found.is_some();
            signature.set(found);
            fits
        },
        || true,
    );
    signature.into_inner().filter(|_| accepted)
}

fn plain(shared: &Shared, cx: &mut Context<'_>, message: &[u8]) -> Outcome {
    let mut parts = message.splitn(3, |&byte| byte == 0).skip(1);
    let (Some(username), Some(password)) = (parts.next(), parts.next()) else {
        return Outcome::Failure("malformed-request");
    };
    let is_accepted = shared.credentials.judge(cx, username, password);
    match std::str::from_utf8(username) {
        Ok(username) if is_accepted && (1..=MAX_NAME).contains(&username.len()) => {
            Outcome::Success(format!("<success xmlns='{}'/>", text::SASL), username.to_owned())
        }
        _ => Outcome::Failure("not-authorized"),
    }
}

/// The bytes of a SASL message; a lone `=` stands for none.
fn decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    let compact: String = text.split_ascii_whitespace().collect();
    match compact.as_str() {
        "=" => Ok(Vec::new()),
        compact => BASE64.decode(compact.as_bytes()).map_err(|_| "incorrect-encoding"),
    }
}

/// A `set` of `jabber:iq:auth`: the user and the resource, if the login is let in.
pub(super) fn legacy(shared: &Shared, cx: &mut Context<'_>, query: &Element) -> Option<(String, String)> {
    let field = |name| query.child(name).map(|child| child.text.clone());
    let username = field("username")?;
    let resource = field("resource").unwrap_or_default();
    let accepted = match (field("password"), field("digest")) {
        (Some(password), _) => shared.credentials.judge(cx, username.as_bytes(), password.as_bytes()),
        (None, Some(digest)) => shared.credentials.judge_response(cx, username.as_bytes(), &digest, |_| false, || true),
        (None, None) => false,
    };
    (accepted && (1..=MAX_NAME).contains(&username.len())).then_some((username, resource))
}
