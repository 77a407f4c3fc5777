//! Handlers: the dialogues that visitors meet, as state machines without I/O.
//!
//! Owns the [`Handler`] trait, the [`Registry`] and one protocol a file. Refuses sockets, clocks, files and threads: bytes, times and
//! seeds come in; bytes, deadlines and events go out. A handler never learns how its bytes were cut into segments or which
//! datapath brought them; `transcript` is the test that holds every handler to that.
//!
//! A new protocol is one file with a `BUILTIN` row, named once in the table of `builtin.rs`.

mod adb;
mod builtin;
mod credentials;
mod echo;
mod guise;
mod gzip;
mod handler;
mod held;
mod http;
mod jabber;
mod log_http;
mod log_tcp;
mod look;
mod memcache;
mod mqtt;
mod native;
mod nbns;
mod output;
mod persona;
mod random;
mod recognise;
mod recording;
mod registry;
mod release;
mod sample;
mod session;
mod shell;
mod smb;
mod sources;
mod tcp;
mod telnet;
pub mod tls;
#[cfg(test)]
mod transcript;
mod udp;
#[cfg(test)]
mod visitors;

pub use credentials::{Count, Credentials, Pair, Policy};
pub use guise::Guise;
pub use handler::{Context, Handler};
pub use native::is_native;
pub use output::{Close, HandOver, Output};
pub use persona::{Persona, PersonaError};
pub use random::Random;
pub use recording::{Direction, Recording};
pub use registry::{Entry, Environment, Handlers, Maker, Registry, SettingsError};
pub use sample::{Download, Sample};
pub use session::Session;
pub use sources::Sources;
pub use tls::{ClientHello, Tls, TlsFault, TlsKit, TlsStream};
