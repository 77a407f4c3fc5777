//! The door of an HTTPS port: who comes in the clear is told that this is the wrong way, in HTTP, as nginx and Apache tell him.

use std::sync::Arc;

use super::super::tls::{Tls, TlsKit};
use super::super::{Context, Handler};
use super::server::Connection;
use super::site::Site;

/// The first byte of a TLS record with a handshake (RFC 8446 section 5.1), and the bit that SSL 2.0 begins with.
const HANDSHAKE: u8 = 22;
const SSL2: u8 = 0x80;

/// One connection: inside TLS until its first byte says otherwise.
pub(super) struct Door {
    handler: Box<dyn Handler>,
    /// What answers in the clear, until the first byte has come.
    site: Option<Arc<Site>>,
    port: u16,
}

impl Door {
    pub(super) fn new(kit: &Arc<TlsKit>, site: &Arc<Site>, port: u16) -> Self {
        let handler = Box::new(Tls::new(Arc::clone(kit), Connection::new(Arc::clone(site), port)));
        Self { handler, site: Some(Arc::clone(site)).filter(|site| site.face().tells_the_way()), port }
    }
}

impl Handler for Door {
    fn open(&mut self, cx: &mut Context<'_>) {
        self.handler.open(cx);
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let is_tls = bytes.first().is_none_or(|&byte| byte == HANDSHAKE || byte & SSL2 != 0);
        if let Some(site) = self.site.take().filter(|_| !is_tls) {
            self.handler = Box::new(Connection::in_the_clear(site, self.port));
            self.handler.open(cx);
        }
        self.handler.data(cx, bytes);
    }

    fn eof(&mut self, cx: &mut Context<'_>) {
        self.handler.eof(cx);
    }

    fn deadline(&mut self, cx: &mut Context<'_>) {
        self.handler.deadline(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        self.handler.closed(cx);
    }
}
