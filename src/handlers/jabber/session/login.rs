//! The login: SASL, or the older way by `iq`.

use std::sync::{Arc, PoisonError};

use super::{Jabber, User};
use crate::events::Event;
use crate::handlers::Context;
use crate::handlers::jabber::element::Element;
use crate::handlers::jabber::register;
use crate::handlers::jabber::sasl::{self, Outcome};
use crate::handlers::jabber::text::{self, Wrong};

/// Logins that one session may try.
const MAX_TRIES: u32 = 10;

impl Jabber {
    pub(super) fn login(&mut self, cx: &mut Context<'_>, message: &Element) {
        let shared = Arc::clone(&self.shared);
        let outcome = match (message.name.as_str(), self.login.take()) {
            ("auth", _) => sasl::begin(&shared, cx, &mut self.random, message),
            ("response", Some(pending)) => sasl::go_on(&shared, cx, &mut self.random, &pending, message),
            ("response", None) => Outcome::Failure("not-authorized"),
            _ => Outcome::Failure("aborted"),
        };
        match outcome {
            Outcome::Challenge(text, pending) => {
                self.login = Some(pending);
                self.send(cx, &text);
            }
            Outcome::Success(text, name) => {
                self.send(cx, &text);
                self.enter(cx, name);
                self.restart();
            }
            Outcome::Failure(condition) => {
                self.send(cx, &text::sasl_failure(condition));
                self.tries += 1;
                if self.tries >= MAX_TRIES {
                    self.fail(cx, "policy-violation", "");
                }
            }
        }
    }

    fn enter(&mut self, cx: &mut Context<'_>, name: String) {
        cx.clear_deadline();
        let spare =
            self.random.within(&(1_000_000_000..=9_999_999_999)).to_string() + &cx.now().as_micros().to_string();
        self.room = self.shared.rooms.with(cx.session().client.ip(), cx.now(), |room| Arc::clone(room));
        self.user = Some(User { name: name.to_lowercase(), resource: None, spare, link: None });
    }

    /// An `iq` before the login: the older way to log in, or nothing that is answered well.
    pub(super) fn early(&mut self, cx: &mut Context<'_>, stanza: &Element) {
        if let Some(query) = stanza.child("query").filter(|it| it.namespace() == register::NAMESPACE)
            && self.shared.registers
        {
            return self.register(cx, stanza, query);
        }
        let Some(query) = stanza.child("query").filter(|query| query.namespace() == "jabber:iq:auth") else {
            // What was asked is not repeated: it may hold a password.
            let error = Wrong::UNAVAILABLE.element();
            let text = text::answer(stanza, "error", "", self.host.as_deref(), &error);
            return self.send(cx, &text);
        };
        let shared = Arc::clone(&self.shared);
        let host = self.host.clone();
        let text = if stanza.attribute("type") == Some("get") {
            let fields = "<query xmlns='jabber:iq:auth'><username/><password/><digest/><resource/></query>";
            text::answer(stanza, "result", "", host.as_deref(), fields)
        } else if let Some((name, resource)) = sasl::legacy(&shared, cx, query) {
            self.enter(cx, name);
            self.with_place(cx, |user, place| user.bind(&resource, place));
            text::answer(stanza, "result", "", host.as_deref(), "")
        } else {
            self.tries += 1;
            let error = Wrong::NOT_AUTHORIZED.of(stanza);
            text::answer(stanza, "error", "", host.as_deref(), &error)
        };
        self.send(cx, &text);
        if self.tries >= MAX_TRIES && self.user.is_none() {
            self.fail(cx, "policy-violation", "");
        }
    }

    /// Somebody wants an account.
    fn register(&mut self, cx: &mut Context<'_>, stanza: &Element, query: &Element) {
        let Some(host) = self.host.clone() else { return };
        let reply = if stanza.attribute("type") == Some("get") {
            Ok(register::form(None))
        } else {
            let room = self.shared.rooms.with(cx.session().client.ip(), cx.now(), |room| Arc::clone(room));
            let made = register::make(query, &host, &mut room.lock().unwrap_or_else(PoisonError::into_inner));
            made.map(|(name, password)| {
                let event = Event::new("login", format!("XMPP account made: {name}"));
                cx.event(
                    event
                        .with("username", name)
                        .with("password", password)
                        .with("success", true)
                        .with("registered", true),
                );
                String::new()
            })
        };
        let text = match reply {
            Ok(content) => text::answer(stanza, "result", "", Some(&host), &content),
            // What was asked is not repeated: it holds a password.
            Err(wrong) => text::answer(stanza, "error", "", Some(&host), &wrong.element()),
        };
        self.send(cx, &text);
    }
}
