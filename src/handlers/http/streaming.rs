//! An answer that is under way, and how its pieces travel (RFC 9112 section 7.1).

use std::time::Duration;

use super::super::Context;
use super::answer::{Framing, Progress, Stream};

/// An answer under way.
pub(super) struct Streaming {
    pub(super) stream: Box<dyn Stream>,
    pub(super) framing: Framing,
    /// The connection may carry another request afterwards.
    pub(super) keep: bool,
    /// What the client sent ahead.
    pub(super) ahead: Vec<u8>,
}

impl Streaming {
    /// Sends a piece; true when there are more to come.
    pub(super) fn send(&self, cx: &mut Context<'_>, piece: &[u8], progress: Progress) -> bool {
        match self.framing {
            Framing::Raw => cx.send(piece),
            Framing::Chunked if !piece.is_empty() => {
                cx.send(format!("{:x}\r\n", piece.len()));
                cx.send(piece);
                cx.send("\r\n");
            }
            Framing::Chunked => {}
        }
        match progress {
            // A delay of zero keeps the deadline that stands.
            Progress::After(Duration::ZERO) => true,
            Progress::After(delay) => {
                cx.deadline_in(delay);
                true
            }
            Progress::Ended => {
                if self.framing == Framing::Chunked {
                    cx.send("0\r\n\r\n");
                }
                false
            }
        }
    }
}
