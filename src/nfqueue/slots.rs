//! The memory that received packets lie in.

use std::fmt;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::{io, iter};

use super::sys;

/// Datagrams that one receive call takes at most.
pub const BATCH: usize = 64;

/// Bytes from one slot to the next: the largest packet (65535) and its netlink attributes (well under 4096), in whole pages.
const STRIDE: usize = (65_535 + 4_096usize).next_multiple_of(4_096);

/// [`BATCH`] slots, allocated once. The pages of a slot that never saw a large packet are never touched.
pub struct Slots {
    memory: Box<[u8]>,
    lengths: [usize; BATCH],
    filled: usize,
}

impl Slots {
    /// Empty slots.
    pub fn new() -> Self {
        Self { memory: vec![0; STRIDE * BATCH].into_boxed_slice(), lengths: [0; BATCH], filled: 0 }
    }

    /// Replaces the content by what waits on a socket. Never blocks.
    pub(super) fn receive_from(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.filled = 0;
        self.filled = sys::receive(socket, &mut self.memory, STRIDE, &mut self.lengths)?;
        Ok(self.filled)
    }

    /// Replaces the content by these datagrams, cut at the size of a slot, at most [`BATCH`]; returns how many were taken.
    pub fn fill<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>) -> usize {
        self.filled = 0;
        for ((slot, length), datagram) in
            self.memory.chunks_exact_mut(STRIDE).zip(self.lengths.iter_mut()).zip(datagrams)
        {
            *length = iter::zip(slot, datagram).map(|(to, from)| *to = *from).count();
            self.filled += 1;
        }
        self.filled
    }

    /// Where datagram `index` lies in [`Self::bytes`]; `None` past the last.
    pub(super) fn datagram(&self, index: usize) -> Option<Range<usize>> {
        let length = self.lengths.get(..self.filled)?.get(index)?;
        let start = index.checked_mul(STRIDE)?;
        Some(start..start.checked_add(*length)?)
    }

    /// The memory of all slots.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory
    }

    /// The memory of all slots.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("filled", &self.filled).finish_non_exhaustive()
    }
}
