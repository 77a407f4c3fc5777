//! One TLS connection from the server's side, without I/O: records in, plaintext out, and the other way round.

use std::fmt;
use std::io::{Read, Write};

use rustls::ServerConnection;

use super::client_hello::HelloReader;
use super::openssl::{Refusal, refusal};
use super::{ClientHello, TlsKit};

/// Plaintext that waits for the end of the handshake at most, in bytes; what is more is dropped.
const MAX_EARLY: usize = 64 * 1024;

/// The client broke the protocol, or wants one that is not spoken here. An alert waits in the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// What came before, decrypted.
    pub plain: Vec<u8>,
    /// What is wrong.
    pub reason: String,
}

/// One TLS connection from the server's side.
pub struct TlsStream {
    kit: TlsKit,
    /// What came before the ClientHello was whole.
    waiting: Vec<u8>,
    /// Made for what the ClientHello says: idle visitors cost nothing.
    connection: Option<Box<ServerConnection>>,
    hello: HelloReader,
    output: Vec<u8>,
    ended: bool,
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("established", &self.is_established()).finish_non_exhaustive()
    }
}

impl TlsStream {
    /// A connection of which nothing has come yet.
    pub fn new(kit: &TlsKit) -> Self {
        Self {
            kit: kit.clone(),
            waiting: Vec::new(),
            connection: None,
            hello: HelloReader::default(),
            output: Vec::new(),
            ended: false,
        }
    }

    /// Takes bytes from the client, cut anywhere; gives the plaintext that they complete. Look at [`TlsStream::take_output`] afterwards.
    ///
    /// # Errors
    /// The client broke the protocol. Send the output and end the session; the connection takes nothing any more.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, TlsFault> {
        let mut plain = Vec::new();
        if self.ended {
            return Ok(plain);
        }
        if self.connection.is_none() {
            self.hello.push(bytes);
            if let Some(Refusal { alert, reason }) = refusal(self.hello.beginning(), self.hello.hello()) {
                self.ended = true;
                self.output.extend(alert);
                return Err(TlsFault { plain, reason: reason.to_owned() });
            }
            self.waiting.extend_from_slice(bytes);
            if !self.hello.is_done() {
                return Ok(plain);
            }
        }
        let waiting = std::mem::take(&mut self.waiting);
        match self.process(if waiting.is_empty() { bytes } else { &waiting }, &mut plain) {
            Ok(()) => Ok(plain),
            Err(reason) => {
                self.ended = true;
                Err(TlsFault { plain, reason })
            }
        }
    }

    fn process(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let config = self.kit.config(self.hello.hello());
                let mut connection = ServerConnection::new(config).map_err(|error| error.to_string())?;
                connection.set_buffer_limit(Some(MAX_EARLY));
                none.insert(Box::new(connection))
            }
        };
        while !bytes.is_empty() {
            // Reading from a slice cannot fail; what can is a full buffer, and it is emptied in every round.
            let taken = connection.read_tls(&mut bytes).map_err(|error| error.to_string())?;
            let processed = connection.process_new_packets();
            // "Would block" is the end of what is there.
            let _ = connection.reader().read_to_end(plain);
            flush(connection, &mut self.output);
            let state = processed.map_err(|error| error.to_string())?;
            self.ended |= state.peer_has_closed();
            if taken == 0 || self.ended {
                break;
            }
        }
        Ok(())
    }

    /// Queues plaintext for the client: at once when the handshake is complete, else when it will be.
    pub fn send(&mut self, plain: &[u8]) {
        let Some(connection) = &mut self.connection else { return };
        let mut rest = plain;
        // As much as a record layer's buffer holds at a time.
        while let Ok(taken @ 1..) = connection.writer().write(rest) {
            flush(connection, &mut self.output);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Says that nothing more will be sent (close_notify, RFC 8446 section 6.1).
    pub fn close(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.send_close_notify();
            flush(connection, &mut self.output);
        }
    }

    /// What is to be sent to the client now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What the ClientHello said, once it has come, whatever became of it.
    pub fn fingerprint(&self) -> Option<&ClientHello> {
        self.hello.hello()
    }

    /// The handshake is complete.
    pub fn is_established(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.is_handshaking())
    }

    /// The client has said that it sends no more, or broke the protocol.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }
}

fn flush(connection: &mut ServerConnection, output: &mut Vec<u8>) {
    while connection.wants_write() {
        // A vector takes everything.
        if connection.write_tls(output).is_err() {
            break;
        }
    }
}
