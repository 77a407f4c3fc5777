//! Which logins are let in. Every try is a `login` event, whatever becomes of it.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde::Deserialize;

use super::recording::with_text;
use super::{Context, Sources};
use crate::events::Event;

/// Sources whose tries are remembered.
const MAX_SOURCES: usize = 16_384;
/// How long after their last try.
const KEEP: Duration = Duration::from_secs(24 * 3_600);
/// Most tries that `after` can ask for: that many are remembered of each source.
const MAX_AFTER: usize = 64;

/// `credentials = "accept-all" | "reject-all" | { list = ["root:root"] } | { after = 3 }`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Every login is let in.
    AcceptAll,
    /// None is.
    RejectAll,
    /// These are. `*` stands for any name or any password.
    List(Vec<Pair>),
    /// The n-th distinct try of a source is let in (1 to 64), and from then on only that one.
    After(Count),
}

/// A user name and a password, written `name:password`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pair {
    username: String,
    password: String,
}

impl TryFrom<String> for Pair {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pair = text.split_once(':');
        let (username, password) = pair.ok_or_else(|| format!("{text:?} has no colon: write \"name:password\""))?;
        Ok(Self { username: username.to_owned(), password: password.to_owned() })
    }
}

impl Pair {
    fn is_name(&self, username: &[u8]) -> bool {
        self.username == "*" || self.username.as_bytes() == username
    }

    fn is_password(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        self.password == "*" || matches(self.password.as_bytes())
    }
}

/// A number of tries, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct Count(usize);

impl TryFrom<usize> for Count {
    type Error = String;

    fn try_from(count: usize) -> Result<Self, String> {
        if (1..=MAX_AFTER).contains(&count) { Ok(Self(count)) } else { Err(format!("give 1 to {MAX_AFTER} tries")) }
    }
}

/// What is remembered of a source: keyed hashes of its distinct tries.
#[derive(Debug, Default)]
struct Tries {
    seen: Vec<u64>,
    /// The try that was let in.
    accepted: Option<u64>,
}

impl Tries {
    /// Whether this try is let in. `stays` is what is let in again afterwards.
    fn judge(&mut self, count: usize, attempt: u64, stays: u64) -> bool {
        if let Some(accepted) = self.accepted {
            return accepted == stays;
        }
        if !self.seen.contains(&attempt) {
            self.seen.push(attempt);
        }
        if self.seen.len() < count {
            return false;
        }
        (self.accepted, self.seen) = (Some(stays), Vec::new());
        true
    }
}

/// A policy at work, and what it remembers of each source.
#[derive(Debug)]
pub struct Credentials {
    policy: Policy,
    tries: Sources<Tries>,
    hasher: RandomState,
}

impl Credentials {
    /// A policy that has seen nobody.
    pub fn new(policy: Policy) -> Self {
        Self { policy, tries: Sources::new(MAX_SOURCES, KEEP), hasher: RandomState::new() }
    }

    /// The names that a list lets in, `*` left out; none for the other policies.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let pairs = if let Policy::List(pairs) = &self.policy { pairs.as_slice() } else { &[] };
        pairs.iter().map(|pair| pair.username.as_str()).filter(|name| *name != "*")
    }

    /// Every login that may be let in has a password that is known here.
    pub fn knows_passwords(&self) -> bool {
        matches!(&self.policy, Policy::List(pairs) if pairs.iter().all(|pair| pair.password != "*"))
    }

    /// A login of this name may be let in.
    pub fn knows(&self, username: &[u8]) -> bool {
        match &self.policy {
            Policy::AcceptAll | Policy::After(_) => true,
            Policy::RejectAll => false,
            Policy::List(pairs) => pairs.iter().any(|pair| pair.is_name(username)),
        }
    }

    /// Judges a login and records it.
    pub fn judge(&self, cx: &mut Context<'_>, username: &[u8], password: &[u8]) -> bool {
        let attempt = self.hasher.hash_one((username, password));
        let success = self.decide(cx, username, attempt, attempt, |known| known == password);
        let msg = format!("{}:{}", username.escape_ascii(), password.escape_ascii());
        let event = with_text(with_text(login(&msg, success), "username", username), "password", password);
        cx.event(event.with("success", success));
        success
    }

    /// Judges a challenge-response login, of which the password is not known, and records it. `matches` says whether the response
    /// fits a password; it is asked for those of the list only. `is_served` is asked last, of a login that the policy lets in: whether the
    /// protocol can go on without knowing the password. `response` goes into the event as it is. For `after`, every response is a distinct
    /// try, and the name that was let in stays.
    pub fn judge_response(
        &self,
        cx: &mut Context<'_>,
        username: &[u8],
        response: &str,
        matches: impl Fn(&[u8]) -> bool,
        is_served: impl FnOnce() -> bool,
    ) -> bool {
        let (attempt, stays) = (self.hasher.hash_one((username, response)), self.hasher.hash_one(username));
        let success = self.decide(cx, username, attempt, stays, matches) && is_served();
        let event = with_text(login(&username.escape_ascii().to_string(), success), "username", username);
        cx.event(event.with("response", response).with("success", success));
        success
    }

    fn decide(
        &self,
        cx: &Context<'_>,
        username: &[u8],
        attempt: u64,
        stays: u64,
        matches: impl Fn(&[u8]) -> bool,
    ) -> bool {
        match &self.policy {
            Policy::AcceptAll => true,
            Policy::RejectAll => false,
            Policy::List(pairs) => pairs.iter().any(|pair| pair.is_name(username) && pair.is_password(&matches)),
            Policy::After(Count(count)) => {
                let source = cx.session().client.ip();
                self.tries.with(source, cx.now(), |tries| tries.judge(*count, attempt, stays))
            }
        }
    }
}

fn login(what: &str, success: bool) -> Event {
    Event::new("login", format!("login {what} {}", if success { "accepted" } else { "refused" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;
    use crate::handlers::{Output, Session};

    fn credentials(policy: &str) -> Result<Credentials, toml::de::Error> {
        #[derive(Deserialize)]
        struct Settings {
            credentials: Policy,
        }
        toml::from_str(&format!("credentials = {policy}"))
            .map(|settings: Settings| Credentials::new(settings.credentials))
    }

    struct Visitor(Session, Output);

    impl Visitor {
        fn new(address: &str) -> Self {
            let mut session = Session::example(Transport::Tcp, 23);
            session.client.set_ip(address.parse().unwrap());
            Self(session, Output::default())
        }

        fn tries(&mut self, credentials: &Credentials, username: &[u8], password: &[u8]) -> bool {
            credentials.judge(&mut Context::new(&self.0, Default::default(), &mut self.1), username, password)
        }

        fn responds(&mut self, credentials: &Credentials, username: &[u8], password: &[u8]) -> bool {
            let response = format!("$hash${}", self.1.events.len());
            let mut cx = Context::new(&self.0, Default::default(), &mut self.1);
            credentials.judge_response(&mut cx, username, &response, |known| known == password, || true)
        }
    }

    #[test]
    fn everyone_or_nobody_is_let_in_and_every_try_is_recorded() {
        let mut visitor = Visitor::new("192.0.2.1");
        assert!(visitor.tries(&credentials("'accept-all'").unwrap(), b"root", b"xc3511"));
        assert!(!visitor.tries(&credentials("'reject-all'").unwrap(), b"root", b"\xff\x00"));
        let [first, second] = &visitor.1.events[..] else { panic!("{:?}", visitor.1.events) };
        assert_eq!((first.kind, first.msg.as_str()), ("login", "login root:xc3511 accepted"));
        assert_eq!((&first.fields["username"], &first.fields["password"]), (&"root".into(), &"xc3511".into()));
        assert_eq!((&first.fields["success"], &second.fields["success"]), (&true.into(), &false.into()));
        assert_eq!(second.fields["password_hex"], "ff00", "no byte is lost");
    }

    #[test]
    fn a_list_lets_in_what_it_names() {
        let list = credentials("{ list = ['root:a:b', 'admin:*', 'guest:'] }").unwrap();
        let mut visitor = Visitor::new("192.0.2.1");
        assert!(visitor.tries(&list, b"root", b"a:b") && visitor.tries(&list, b"admin", b"x"));
        assert!(visitor.tries(&list, b"guest", b"") && !visitor.tries(&list, b"root", b"a"));
        assert!(visitor.responds(&list, b"root", b"a:b") && !visitor.responds(&list, b"root", b"x"));
    }

    #[test]
    fn the_third_distinct_try_of_a_source_is_let_in_and_stays() {
        let after = credentials("{ after = 3 }").unwrap();
        let (mut one, mut other) = (Visitor::new("192.0.2.1"), Visitor::new("192.0.2.2"));
        assert!(!one.tries(&after, b"root", b"1") && !one.tries(&after, b"root", b"1"));
        assert!(!one.tries(&after, b"root", b"2") && !other.tries(&after, b"root", b"3"));
        assert!(one.tries(&after, b"root", b"3") && one.tries(&after, b"root", b"3"));
        assert!(!one.tries(&after, b"root", b"1") && !one.tries(&after, b"root", b"4"));
    }

    #[test]
    fn responses_are_all_distinct_and_the_name_stays() {
        let after = credentials("{ after = 2 }").unwrap();
        let mut visitor = Visitor::new("192.0.2.1");
        assert!(!visitor.responds(&after, b"root", b"x") && visitor.responds(&after, b"root", b"x"));
        assert!(visitor.responds(&after, b"root", b"y") && !visitor.responds(&after, b"admin", b"x"));
        assert_eq!(visitor.1.events[0].fields["response"], "$hash$0");
    }

    #[test]
    fn wrong_policies_are_refused() {
        for policy in ["'accept'", "{ list = ['root'] }", "{ after = 0 }", "{ after = 65 }", "3"] {
            assert!(credentials(policy).is_err(), "{policy}");
        }
    }
}
