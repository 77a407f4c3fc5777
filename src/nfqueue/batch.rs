//! Receive, hand out, answer: every received packet gets exactly one verdict, whatever the caller does.

use std::io;
use std::ops::Range;

use super::codec::{Message, PacketMessage};
use super::outbox::Outbox;
use super::slots::{BATCH, Slots};
use super::tally::Tally;
use super::{Error, Queue};
use crate::config::Fail;
use crate::engine::{Checksum, Decision, Hook, Meta, Verdict};

/// `NF_INET_PRE_ROUTING` (`linux/netfilter.h`).
const PRE_ROUTING: u8 = 0;
/// `NF_INET_LOCAL_OUT` (`linux/netfilter.h`).
const LOCAL_OUT: u8 = 3;

/// A queue with its buffers: packets come out of it in batches, verdicts go back into it.
#[derive(Debug)]
pub struct Exchange<Q> {
    queue: Q,
    slots: Slots,
    outbox: Outbox,
    fallback: Verdict,
    tally: Tally,
    failure: Option<io::Error>,
    /// Errno of the last refusal that every further verdict would meet as well.
    refusal: Option<i32>,
}

impl<Q: Queue> Exchange<Q> {
    /// Buffers around a queue. A packet that nobody decides is accepted ([`Fail::Open`]) or dropped ([`Fail::Closed`]).
    pub fn new(queue: Q, fail: Fail) -> Self {
        let fallback = match fail {
            Fail::Open => Verdict::Accept,
            Fail::Closed => Verdict::Drop,
        };
        let outbox = Outbox::new(queue.number(), fallback);
        Self { queue, slots: Slots::new(), outbox, fallback, tally: Tally::default(), failure: None, refusal: None }
    }

    /// The queue.
    pub const fn queue(&self) -> &Q {
        &self.queue
    }

    /// The queue, for tests that play the kernel.
    pub const fn queue_mut(&mut self) -> &mut Q {
        &mut self.queue
    }

    /// Takes what waits, at most [`BATCH`] packets. A full socket buffer and a signal are no errors: the batch is empty and not
    /// [`Batch::is_last`].
    ///
    /// # Errors
    /// When the socket itself is broken, or an earlier batch that was dropped could not be answered.
    pub fn receive(&mut self) -> Result<Batch<'_, Q>, Error> {
        self.outcome()?;
        let (count, is_last) = match self.queue.receive(&mut self.slots) {
            Ok(count) => (count, count < BATCH),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => (0, true),
                Some(libc::EINTR) => (0, false),
                Some(libc::ENOBUFS | libc::ENOMEM) => {
                    self.tally.overruns += 1;
                    (0, false)
                }
                _ => return Err(Error::Receive { queue: self.queue.number(), source: error }),
            },
        };
        Ok(Batch { exchange: self, count, cursor: 0, is_last })
    }

    fn outcome(&mut self) -> Result<(), Error> {
        let queue = self.queue.number();
        if let Some(source) = self.failure.take() {
            return Err(Error::Send { queue, source });
        }
        match self.refusal.take() {
            Some(errno) => Err(Error::Refused { queue, source: io::Error::from_raw_os_error(errno) }),
            None => Ok(()),
        }
    }

    fn answer(&mut self, id: u32, decision: Decision, payload: Range<usize>) {
        self.outbox.push(id, decision, payload);
        if self.outbox.is_due() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Err(error) = self.outbox.flush(&mut self.queue, self.slots.bytes(), &mut self.tally) {
            self.failure = Some(error);
        }
    }

    fn refused(&mut self, errno: i32) {
        self.tally.refused += 1;
        // ENOENT and the like concern one packet (its device went away). These two say that the queue is no longer ours.
        if matches!(errno, libc::EPERM | libc::ENODEV) {
            self.refusal = Some(errno);
        }
    }
}

/// Received packets. Hands them out one by one, each after the one before is answered; when it is dropped, those not handed out get the
/// fallback verdict, and all verdicts are sent.
#[derive(Debug)]
pub struct Batch<'a, Q: Queue> {
    exchange: &'a mut Exchange<Q>,
    count: usize,
    cursor: usize,
    is_last: bool,
}

impl<Q: Queue> Batch<'_, Q> {
    /// Whether the queue had no more than this when it was asked.
    pub const fn is_last(&self) -> bool {
        self.is_last
    }

    /// The next packet that wants a decision. Packets that are not ours to decide are accepted on the way: cut ones, which must never be
    /// written back, those without bytes, and those of hooks that this engine does not use.
    pub fn next_packet(&mut self) -> Option<Packet<'_, Q>> {
        while let Some((message, payload)) = self.next_message() {
            self.exchange.tally.received += 1;
            self.exchange.tally.bytes += message.cap_len.map_or(payload.len() as u64, u64::from);
            self.exchange.tally.truncated += u64::from(message.cap_len.is_some());
            match meta(&message) {
                Some(meta) if message.cap_len.is_none() && !payload.is_empty() => {
                    return Some(Packet { exchange: self.exchange, id: message.id, meta, payload, answered: false });
                }
                _ => {
                    self.exchange.tally.accepted += 1;
                    self.exchange.answer(message.id, Decision::ACCEPT, 0..0);
                }
            }
        }
        None
    }

    /// Answers what is left with the fallback verdict, sends all verdicts, and says what happened since the last call.
    ///
    /// # Errors
    /// When the kernel did not take a verdict, or takes none from this process.
    pub fn finish(mut self) -> Result<Tally, Error> {
        self.complete();
        let tally = std::mem::take(&mut self.exchange.tally);
        self.exchange.outcome().map(|()| tally)
    }

    /// The next message that is a packet, and where its payload lies in the slots.
    fn next_message(&mut self) -> Option<(PacketMessage, Range<usize>)> {
        while self.cursor < self.count {
            let datagram = self.exchange.slots.datagram(self.cursor)?;
            self.cursor += 1;
            let bytes = self.exchange.slots.bytes().get(datagram.clone()).unwrap_or_default();
            match Message::parse(bytes) {
                Ok(Message::Packet(message)) => {
                    let payload = datagram.start + message.payload.start..datagram.start + message.payload.end;
                    return Some((message, payload));
                }
                Ok(Message::Refused(errno)) => self.exchange.refused(errno),
                Ok(Message::Acknowledged) => {}
                Ok(Message::Unknown(_)) | Err(_) => self.exchange.tally.unread += 1,
            }
        }
        None
    }

    fn complete(&mut self) {
        while self.next_packet().is_some() {}
        self.exchange.flush();
    }
}

impl<Q: Queue> Drop for Batch<'_, Q> {
    fn drop(&mut self) {
        self.complete();
    }
}

/// One packet that waits for its verdict. Dropped without [`Packet::answer`], it gets the fallback verdict and is counted.
#[derive(Debug)]
pub struct Packet<'b, Q: Queue> {
    exchange: &'b mut Exchange<Q>,
    id: u32,
    meta: Meta,
    payload: Range<usize>,
    answered: bool,
}

impl<Q: Queue> Packet<'_, Q> {
    /// What the kernel says about it.
    pub const fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The packet from its IP header on. Changes reach the kernel only with a decision that says `rewritten`.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.exchange.slots.bytes_mut().get_mut(self.payload.clone()).unwrap_or_default()
    }

    /// Decides it.
    pub fn answer(mut self, decision: Decision) {
        self.answered = true;
        let tally = &mut self.exchange.tally;
        match decision.verdict {
            Verdict::Accept | Verdict::Repeat => tally.accepted += 1,
            Verdict::Drop => tally.dropped += 1,
        }
        let writes_back = decision.rewritten && decision.verdict != Verdict::Drop;
        tally.rewritten += u64::from(writes_back);
        let payload = if writes_back { self.payload.clone() } else { 0..0 };
        self.exchange.answer(self.id, decision, payload);
    }
}

impl<Q: Queue> Drop for Packet<'_, Q> {
    fn drop(&mut self) {
        if !self.answered {
            self.exchange.tally.fallback += 1;
            let decision = Decision { verdict: self.exchange.fallback, rewritten: false, mark: None };
            self.exchange.answer(self.id, decision, 0..0);
        }
    }
}

/// What the engine is told; `None` when the packet was diverted where this engine does not divert.
fn meta(message: &PacketMessage) -> Option<Meta> {
    let (hook, ifindex) = match message.hook {
        PRE_ROUTING => (Hook::In, message.ifindex_in),
        LOCAL_OUT => (Hook::Out, message.ifindex_out),
        _ => return None,
    };
    let checksum = if message.skb_info.checksum_not_ready() { Checksum::NotReady } else { Checksum::Ready };
    Some(Meta { hook, checksum, mark: message.mark, ifindex })
}

#[cfg(test)]
mod tests;
