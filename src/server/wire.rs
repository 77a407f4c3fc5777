//! A TCP stream on an edge-triggered poll, and bytes that wait for it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use mio::Interest;
use mio::event::Event;
use mio::net::TcpStream;
use socket2::SockRef;

/// What a [`Wire`] is registered for.
pub(super) const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);

/// A stream and what is known of its readiness.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    /// A short read does not mean that the socket is empty: the end of the connection or urgent data, at which reads stop, comes
    /// without another event.
    exhaustive: bool,
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// This many bytes.
    Bytes(usize),
    /// Nothing before the next event.
    Blocked,
    /// The other side sends no more.
    Eof,
    /// The connection is broken.
    Gone,
}

/// What became of bytes to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// All of them are sent.
    All,
    /// Some wait for the next event.
    Blocked,
    /// The connection is broken.
    Gone,
}

impl Wire {
    /// A stream that is registered with the poll and has had no event. An accepted one can be written to at once.
    pub(super) fn new(stream: TcpStream, writable: bool) -> Self {
        Self { stream, readable: false, writable, exhaustive: false }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &Event) {
        self.exhaustive |= event.is_read_closed() || event.is_error() || event.is_priority();
        self.readable |= event.is_readable() || self.exhaustive;
        self.writable |= event.is_writable() || event.is_error() || event.is_write_closed();
    }

    /// The last event said that there is room to write: for a connecting stream, that its fate is known.
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Read {
        while self.readable {
            match self.stream.read(buffer) {
                Ok(0) => return Read::Eof,
                Ok(len) => {
                    // What comes after a short read makes a new event: no need to ask the kernel again.
                    self.readable = len == buffer.len() || self.exhaustive;
                    return Read::Bytes(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(_) => return Read::Gone,
            }
        }
        Read::Blocked
    }

    /// Writes as much as there is room for.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len();
        while self.writable && !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => self.writable = false,
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(len - bytes.len())
    }

    /// Ends our side. That it is broken already shows when reading.
    pub(super) fn shutdown_write(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Makes the coming close a reset. A stream that refuses the option is broken already.
    pub(super) fn reset_on_close(&self) {
        reset_on_close(&self.stream);
    }
}

/// Makes the coming close a TCP reset: unsent bytes are thrown away, nothing lingers.
pub(super) fn reset_on_close(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Bytes that wait for room in a socket.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    /// Nothing waits.
    pub(super) const fn new() -> Self {
        Self { bytes: Vec::new(), sent: 0 }
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Sends what waits, then these; keeps what finds no room.
    pub(super) fn send(&mut self, wire: &mut Wire, bytes: &[u8]) -> Written {
        match self.flush(wire) {
            Written::All => {}
            Written::Blocked => {
                self.bytes.extend_from_slice(bytes);
                return Written::Blocked;
            }
            Written::Gone => return Written::Gone,
        }
        let Ok(sent) = wire.write(bytes) else { return Written::Gone };
        self.bytes.extend_from_slice(bytes.get(sent..).unwrap_or_default());
        if self.bytes.is_empty() { Written::All } else { Written::Blocked }
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self, wire: &mut Wire) -> Written {
        if self.bytes.is_empty() {
            return Written::All;
        }
        match wire.write(self.bytes.get(self.sent..).unwrap_or_default()) {
            Ok(sent) => self.sent += sent,
            Err(_) => return Written::Gone,
        }
        if self.len() > 0 {
            return Written::Blocked;
        }
        // An idle session holds no buffer.
        *self = Self::default();
        Written::All
    }
}
