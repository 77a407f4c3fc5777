//! TLS for handlers: whole sessions ([`Tls`] around another handler) and STARTTLS ([`TlsStream`] inside one).
//!
//! Owns the certificate of the persona, the record layer (rustls with ring: TLS 1.2 and 1.3) and what a ClientHello says, which is read here
//! and not by rustls, so that clients whom rustls refuses (TLS 1.0 and 1.1) are recorded, too. The one thing here that no seed decides
//! are TLS's own secrets: they come from the system.

mod client_hello;
mod kit;
mod openssl;
mod session;
mod stream;

pub use client_hello::ClientHello;
pub use kit::{Certificate, CertificateError, TlsKit};
pub use session::Tls;
pub use stream::{TlsFault, TlsStream};
