//! TLS within the stream.

use super::Jabber;
use crate::events::Event;
use crate::handlers::Context;

impl Jabber {
    /// Bytes of the TLS connection.
    pub(super) fn encrypted(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) {
        if self.awaits_hello {
            // Some clients end `<starttls/>` with a line's end.
            bytes = bytes.trim_ascii_start();
            self.awaits_hello = bytes.is_empty();
            if bytes.is_empty() {
                return;
            }
        }
        let Some(tls) = &mut self.tls else { return };
        let received = tls.receive(bytes);
        cx.send(tls.take_output());
        if !self.said_hello
            && let Some(hello) = tls.fingerprint()
        {
            self.said_hello = true;
            let name = hello.server_name.as_deref().unwrap_or("no name");
            let msg = format!("TLS hello for {name}, {}", hello.ja4());
            cx.event(Event::new("tls", msg).with("tls", hello.to_value()));
        }
        let has_ended = tls.has_ended();
        match received {
            Ok(plain) => {
                self.read(cx, &plain);
                if has_ended && !self.over {
                    self.end(cx, "</stream:stream>");
                }
            }
            Err(fault) => {
                self.read(cx, &fault.plain);
                cx.event(Event::new("tls_fault", format!("TLS: {}", fault.reason)).with("reason", fault.reason));
                self.over = true;
                cx.close();
            }
        }
    }
}
