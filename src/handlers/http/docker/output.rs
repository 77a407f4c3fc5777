//! What processes print, on two streams, as `attach`, `exec` and `logs` carry it (Engine API, stream format).

use super::super::ask::Ask;

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Out,
    Err,
}

/// The streams that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) out: bool,
    pub(super) err: bool,
}

impl Wanted {
    /// As `stdout` and `stderr` of a request tell.
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        Self { out: ask.is_set("stdout"), err: ask.is_set("stderr") }
    }

    pub(super) fn is_nothing(self) -> bool {
        !self.out && !self.err
    }

    /// A terminal has one stream.
    pub(super) fn has(self, channel: Channel, tty: bool) -> bool {
        match channel {
            Channel::Out => self.out,
            Channel::Err => {
                if tty {
                    self.out
                } else {
                    self.err
                }
            }
        }
    }
}

/// Adds what was printed: on a terminal lines end with CR LF, else a header of eight bytes tells stream and length.
pub(super) fn emit(channel: Channel, bytes: &[u8], tty: bool, out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    if !tty {
        let id = if channel == Channel::Out { 1 } else { 2 };
        out.extend_from_slice(&[id, 0, 0, 0]);
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        return out.extend_from_slice(bytes);
    }
    for &byte in bytes {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
}
