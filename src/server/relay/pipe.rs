//! One direction of a relay.

use super::super::wire::{Read, Unsent, Wire, Written};
use crate::handlers::Recording;

/// Reads of one direction before the other has its turn.
const READS_PER_TURN: usize = 4;

/// What a turn of pumping came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// Nothing more before the next event.
    Idle,
    /// The work budget is used up.
    More,
    /// One of the connections is broken.
    Gone,
}

/// One direction of a relay. It holds at most one read's worth of bytes: while the receiving side is full, the sending side is not read.
pub(super) struct Pipe {
    held: Unsent,
    recording: Recording,
    source_ended: bool,
    end_passed_on: bool,
}

impl Pipe {
    /// A pipe that records this many bytes.
    pub(super) const fn new(recorded: usize) -> Self {
        Self { held: Unsent::new(), recording: Recording::new(recorded), source_ended: false, end_passed_on: false }
    }

    /// What went through it.
    pub(super) const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Records bytes that will never be passed on.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        self.recording.push(bytes);
    }

    /// A number that changes when bytes move, in or out.
    pub(super) fn moved(&self) -> u64 {
        self.recording.total().wrapping_mul(2).wrapping_sub(self.held.len() as u64)
    }

    /// The end of the stream has been passed on.
    pub(super) const fn is_finished(&self) -> bool {
        self.end_passed_on
    }

    /// Moves bytes from one side to the other, and the end of the stream after them.
    pub(super) fn pump(&mut self, from: &mut Wire, to: &mut Wire, buffer: &mut [u8]) -> Pumped {
        for _ in 0..READS_PER_TURN {
            match self.held.flush(to) {
                Written::All => {}
                Written::Blocked => return Pumped::Idle,
                Written::Gone => return Pumped::Gone,
            }
            if self.source_ended {
                if !self.end_passed_on {
                    to.shutdown_write();
                    self.end_passed_on = true;
                }
                return Pumped::Idle;
            }
            match from.read(buffer) {
                Read::Bytes(len) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    self.recording.push(bytes);
                    if self.held.send(to, bytes) == Written::Gone {
                        return Pumped::Gone;
                    }
                }
                Read::Blocked => return Pumped::Idle,
                Read::Eof => self.source_ended = true,
                Read::Gone => return Pumped::Gone,
            }
        }
        Pumped::More
    }
}
