//! A handler inside TLS, from the first byte to the last.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{TlsFault, TlsKit, TlsStream};
use crate::events::Event;
use crate::handlers::recording::{Direction, Recording};
use crate::handlers::{Close, Context, Handler, Output};

/// Time for the handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(60);
/// Bytes kept of a handshake that comes to nothing.
const MAX_RECORDED: usize = 4 * 1024;

/// A handler inside TLS. The inner one is opened when the handshake is complete, and its events carry a `tls` object with the
/// client's fingerprints. Every ClientHello is a `tls` event of its own, also that of a client that is refused.
///
/// An inner handler cannot hand over: the next one would talk in the clear. Its wish ends the session.
#[derive(Debug)]
pub struct Tls<H> {
    stream: TlsStream,
    inner: H,
    /// What the inner handler asks for.
    out: Output,
    /// The inner handler has been opened.
    opened: bool,
    /// It has been told that no more comes.
    told_eof: bool,
    /// What came before the handshake was complete.
    early: Recording,
    /// The `tls` object, once the ClientHello has come.
    hello: Option<Value>,
}

impl<H: Handler> Tls<H> {
    /// `inner` behind TLS with this kit.
    pub fn new(kit: Arc<TlsKit>, inner: H) -> Self {
        Self {
            stream: TlsStream::new(&kit),
            inner,
            out: Output::default(),
            opened: false,
            told_eof: false,
            early: Recording::new(MAX_RECORDED),
            hello: None,
        }
    }

    fn receive(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if !self.opened {
            self.early.push(bytes);
        }
        let received = self.stream.receive(bytes);
        self.say_hello(cx);
        let (plain, fault) = match received {
            Ok(plain) => (plain, None),
            Err(TlsFault { plain, reason }) => (plain, Some(reason)),
        };
        cx.send(self.stream.take_output());
        if self.stream.is_established() && !self.opened && fault.is_none() {
            self.opened = true;
            self.early = Recording::new(0);
            cx.clear_deadline();
            self.call(cx, |inner, cx| inner.open(cx));
        }
        if self.opened && !plain.is_empty() && self.out.close.is_none() {
            self.call(cx, |inner, cx| inner.data(cx, &plain));
        }
        if let Some(reason) = fault {
            cx.event(self.marked(Event::new("tls_fault", format!("TLS: {reason}")).with("reason", reason)));
            cx.close();
        } else if self.stream.has_ended() && self.out.close.is_none() {
            self.end_of_input(cx);
        }
    }

    fn end_of_input(&mut self, cx: &mut Context<'_>) {
        if !self.opened {
            cx.close();
        } else if !std::mem::replace(&mut self.told_eof, true) {
            self.call(cx, |inner, cx| inner.eof(cx));
        }
    }

    fn say_hello(&mut self, cx: &mut Context<'_>) {
        if self.hello.is_none()
            && let Some(hello) = self.stream.fingerprint()
        {
            let value = hello.to_value();
            let name = hello.server_name.as_deref().unwrap_or("no name");
            cx.event(Event::new("tls", format!("TLS hello for {name}, {}", hello.ja4())).with("tls", value.clone()));
            self.hello = Some(value);
        }
    }

    fn marked(&self, event: Event) -> Event {
        match &self.hello {
            Some(hello) => event.with("tls", hello.clone()),
            None => event,
        }
    }

    /// Calls the inner handler and passes on what it asks for.
    fn call(&mut self, cx: &mut Context<'_>, call: impl FnOnce(&mut H, &mut Context<'_>)) {
        call(&mut self.inner, &mut Context::new(cx.session(), cx.now(), &mut self.out));
        self.stream.send(self.out.bytes());
        self.out.clear_sends();
        for event in std::mem::take(&mut self.out.events) {
            cx.event(self.marked(event));
        }
        if self.out.hand_over.take().is_some() {
            self.out.close = Some(Close::Graceful);
        }
        cx.pass_on(&mut self.out);
        if self.out.close == Some(Close::Graceful) {
            self.stream.close();
        }
        cx.send(self.stream.take_output());
        match self.out.close {
            Some(Close::Graceful) => cx.close(),
            Some(Close::Reset) => cx.reset(),
            None => {}
        }
    }
}

impl<H: Handler> Handler for Tls<H> {
    fn open(&mut self, cx: &mut Context<'_>) {
        cx.deadline_in(HANDSHAKE_TIME);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.receive(cx, bytes);
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        self.end_of_input(cx);
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        if self.opened {
            self.call(cx, |inner, cx| inner.deadline(cx));
        } else {
            cx.close();
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        if self.opened {
            self.call(cx, |inner, cx| inner.closed(cx));
        } else {
            let event = self.early.event(Direction::Recv);
            cx.event(self.marked(event));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
