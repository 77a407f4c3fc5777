//! Verdicts on their way to the kernel: coalesced, flushed in one call, never lost.

use std::ops::Range;
use std::time::Duration;
use std::{io, iter, slice, thread};

use super::codec::{Scope, VerdictMessage, padded};
use super::slots::BATCH;
use super::tally::Tally;
use super::{Queue, sys};
use crate::engine::{Decision, Verdict};

/// Bytes of verdicts that are sent before the batch is through. From 64 KiB (each large packet alone) to 4 MiB (a whole batch) the size makes no
/// difference in time that could be measured; a small one needs little kernel memory.
pub(super) const FLUSH_BYTES: usize = 256 << 10;

/// Bytes of one send at most: the limit, and the packet that went beyond it.
pub(super) const MAX_SEND: usize = FLUSH_BYTES + (64 << 10) + BATCH * VerdictMessage::MAX_HEAD;

/// How often one verdict is tried again while the kernel has no memory for it.
const ATTEMPTS: u32 = 16;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(1);

const PADDING: [u8; 3] = [0; 3];

/// One verdict message: its head in the outbox, its payload in the slots.
#[derive(Debug, Clone)]
struct Pending {
    id: u32,
    head: Range<usize>,
    payload: Range<usize>,
}

impl Pending {
    fn parts<'a>(&self, heads: &'a [u8], slots: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let padding = padded(self.payload.len()) - self.payload.len();
        let parts = [heads.get(self.head.clone()), slots.get(self.payload.clone()), PADDING.get(..padding)];
        parts.into_iter().flatten().filter(|part| !part.is_empty())
    }
}

/// Neighbouring packets that get the same verdict and mark, untouched.
#[derive(Debug, Clone, Copy)]
struct Run {
    verdict: Verdict,
    mark: Option<u32>,
    last: u32,
    length: usize,
}

/// The verdicts of one batch that the kernel does not have yet.
#[derive(Debug)]
pub(super) struct Outbox {
    number: u16,
    fallback: Verdict,
    run: Option<Run>,
    heads: Vec<u8>,
    pending: Vec<Pending>,
    bytes: usize,
}

impl Outbox {
    /// An empty outbox of queue `number`. A packet whose rewriting cannot be delivered gets `fallback`.
    pub(super) fn new(number: u16, fallback: Verdict) -> Self {
        let heads = Vec::with_capacity(BATCH * VerdictMessage::MAX_HEAD);
        Self { number, fallback, run: None, heads, pending: Vec::with_capacity(BATCH), bytes: 0 }
    }

    /// Puts the verdict of packet `id` behind those of all earlier packets. Once a batch, in the order of ids: a run of like verdicts goes
    /// out as one "every packet up to", which must not find an undecided one.
    pub(super) fn push(&mut self, id: u32, decision: Decision, payload: Range<usize>) {
        if decision.rewritten && decision.verdict != Verdict::Drop {
            self.close_run();
            self.append(Scope::One, id, decision, payload);
            return;
        }
        match &mut self.run {
            Some(run) if run.verdict == decision.verdict && run.mark == decision.mark => {
                run.last = id;
                run.length += 1;
            }
            _ => {
                self.close_run();
                self.run = Some(Run { verdict: decision.verdict, mark: decision.mark, last: id, length: 1 });
            }
        }
    }

    /// Whether so much is waiting that it should be sent now.
    pub(super) const fn is_due(&self) -> bool {
        self.bytes >= FLUSH_BYTES || self.pending.len() >= BATCH
    }

    /// Sends everything. Afterwards the outbox is empty, whatever happened.
    ///
    /// # Errors
    /// When a verdict cannot be delivered at all. Its packet then waits in the kernel until the queue is closed.
    pub(super) fn flush(&mut self, queue: &mut impl Queue, slots: &[u8], tally: &mut Tally) -> io::Result<()> {
        self.close_run();
        let result = self.deliver(&self.pending, queue, slots, tally);
        self.heads.clear();
        self.pending.clear();
        self.bytes = 0;
        result
    }

    fn close_run(&mut self) {
        if let Some(Run { verdict, mark, last, length }) = self.run.take() {
            let scope = if length == 1 { Scope::One } else { Scope::UpTo };
            self.append(scope, last, Decision { verdict, rewritten: false, mark }, 0..0);
        }
    }

    fn append(&mut self, scope: Scope, id: u32, decision: Decision, payload: Range<usize>) {
        let Decision { verdict, mark, .. } = decision;
        let payload_len = decision.rewritten.then_some(payload.len());
        let start = self.heads.len();
        VerdictMessage { scope, id, verdict, mark, payload_len }.emit(self.number, &mut self.heads);
        self.bytes += self.heads.len() - start + padded(payload.len());
        self.pending.push(Pending { id, head: start..self.heads.len(), payload });
    }

    /// Sends these messages as one datagram; when the kernel has no room for that, as two halves, and so on down to single ones.
    fn deliver(&self, messages: &[Pending], queue: &mut impl Queue, slots: &[u8], tally: &mut Tally) -> io::Result<()> {
        match (messages, self.send(messages, queue, slots)) {
            ([], _) | (_, Ok(())) => Ok(()),
            ([message], Err(error)) if is_shortage(&error) => self.deliver_one(message, error, queue, slots, tally),
            (_, Err(error)) if is_shortage(&error) => {
                let (first, second) = messages.split_at(messages.len() / 2);
                self.deliver(first, queue, slots, tally)?;
                self.deliver(second, queue, slots, tally)
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Waits for memory; gives up a rewriting that still cannot be delivered, so that at least its packet is decided.
    fn deliver_one(
        &self,
        message: &Pending,
        mut error: io::Error,
        queue: &mut impl Queue,
        slots: &[u8],
        tally: &mut Tally,
    ) -> io::Result<()> {
        for _ in 0..ATTEMPTS {
            if error.raw_os_error() == Some(libc::EMSGSIZE) {
                break;
            }
            thread::sleep(PAUSE);
            match self.send(slice::from_ref(message), queue, slots) {
                Ok(()) => return Ok(()),
                Err(again) if is_shortage(&again) => error = again,
                Err(fatal) => return Err(fatal),
            }
        }
        if message.payload.is_empty() {
            return Err(error);
        }
        let (scope, id, verdict) = (Scope::One, message.id, self.fallback);
        let mut head = Vec::with_capacity(VerdictMessage::MAX_HEAD);
        VerdictMessage { scope, id, verdict, mark: None, payload_len: None }.emit(self.number, &mut head);
        queue.send(iter::once(head.as_slice()))?;
        tally.rewritten = tally.rewritten.saturating_sub(1);
        tally.accepted = tally.accepted.saturating_sub(1);
        tally.fallback += 1;
        Ok(())
    }

    fn send(&self, messages: &[Pending], queue: &mut impl Queue, slots: &[u8]) -> io::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        debug_assert!(messages.len() * 3 <= sys::MAX_PARTS);
        loop {
            let parts = messages.iter().flat_map(|message| message.parts(&self.heads, slots));
            match queue.send(parts) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// Whether the kernel had no room for the datagram, rather than no use for it.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN))
}
