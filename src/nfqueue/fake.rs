//! The kernel's end of a queue, without a kernel: packets are pushed in, verdicts are read out.

use std::collections::VecDeque;
use std::{io, iter};

use super::Queue;
use super::codec::{Message, PacketMessage, Scope, VerdictMessage};
use super::slots::{BATCH, Slots};
use crate::engine::Verdict;

/// What became of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The packet.
    pub id: u32,
    /// What was decided.
    pub verdict: Verdict,
    /// The mark that was set.
    pub mark: Option<u32>,
    /// The bytes that replace the packet.
    pub payload: Option<Vec<u8>>,
}

/// A queue in memory that speaks the same messages as the kernel and decides packets as it does: in order, batch verdicts up to an id, an
/// error report for an id that does not wait. What was decided is found in [`Self::outcomes`].
#[derive(Debug, Default)]
pub struct FakeQueue {
    number: u16,
    sequence: u32,
    datagrams: VecDeque<Vec<u8>>,
    undecided: VecDeque<u32>,
    outcomes: Vec<Outcome>,
    sends: Vec<usize>,
    receive_errors: VecDeque<i32>,
    send_errors: VecDeque<i32>,
    send_limit: Option<usize>,
}

impl FakeQueue {
    /// An empty queue.
    pub fn new(number: u16) -> Self {
        Self { number, ..Self::default() }
    }

    /// Queues a packet; `message` says what the kernel would about it, except the id, which is given out in order and returned.
    pub fn push(&mut self, message: &PacketMessage, payload: &[u8]) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        PacketMessage { id: self.sequence, ..message.clone() }.emit(self.number, payload, &mut datagram);
        self.datagrams.push_back(datagram);
        self.undecided.push_back(self.sequence);
        self.sequence
    }

    /// Queues any bytes as a datagram.
    pub fn push_raw(&mut self, datagram: Vec<u8>) {
        self.datagrams.push_back(datagram);
    }

    /// Forgets a packet that waits, as the kernel does when its device goes away: its verdict will be refused.
    pub fn forget(&mut self, id: u32) {
        self.undecided.retain(|&waiting| waiting != id);
    }

    /// Makes the next receive calls fail with these errnos, one each.
    pub fn fail_receives(&mut self, errnos: impl IntoIterator<Item = i32>) {
        self.receive_errors.extend(errnos);
    }

    /// Makes the next send calls fail with these errnos, one each.
    pub fn fail_sends(&mut self, errnos: impl IntoIterator<Item = i32>) {
        self.send_errors.extend(errnos);
    }

    /// Makes every send of more bytes fail with EMSGSIZE.
    pub fn limit_sends(&mut self, bytes: usize) {
        self.send_limit = Some(bytes);
    }

    /// What was decided, in the order in which the kernel would act.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Ids that still wait for a verdict.
    pub fn undecided(&self) -> impl Iterator<Item = u32> + '_ {
        self.undecided.iter().copied()
    }

    /// Number of verdict messages of each send that was taken.
    pub fn sends(&self) -> &[usize] {
        &self.sends
    }

    fn act(&mut self, message: &VerdictMessage, payload: Option<&[u8]>) {
        let VerdictMessage { scope, id, verdict, mark, .. } = *message;
        let is_meant = |waiting: u32| match scope {
            Scope::One => waiting == id,
            // `nfq_id_after`: ids wrap.
            Scope::UpTo => id.wrapping_sub(waiting).cast_signed() >= 0,
        };
        let meant: Vec<u32> = self.undecided().filter(|&waiting| is_meant(waiting)).collect();
        self.undecided.retain(|&waiting| !is_meant(waiting));
        if meant.is_empty() {
            self.datagrams.push_back(Message::emit_refusal(libc::ENOENT));
        }
        let outcome = |id| Outcome { id, verdict, mark, payload: payload.map(<[u8]>::to_vec) };
        self.outcomes.extend(meant.into_iter().map(outcome));
    }
}

impl Queue for FakeQueue {
    fn number(&self) -> u16 {
        self.number
    }

    fn receive(&mut self, slots: &mut Slots) -> io::Result<usize> {
        if let Some(errno) = self.receive_errors.pop_front() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if self.datagrams.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let count = self.datagrams.len().min(BATCH);
        Ok(slots.fill(self.datagrams.drain(..count).collect::<Vec<_>>().iter().map(Vec::as_slice)))
    }

    fn send<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        if let Some(errno) = self.send_errors.pop_front() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let datagram = parts.collect::<Vec<_>>().concat();
        if self.send_limit.is_some_and(|limit| datagram.len() > limit) {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let mut rest = datagram.as_slice();
        let messages = iter::from_fn(|| {
            let (message, payload, next) = VerdictMessage::parse(rest).ok()?;
            let bytes = message.payload_len.and_then(|_| rest.get(payload));
            rest = rest.get(next..).unwrap_or_default();
            Some((message, bytes))
        });
        let messages: Vec<_> = messages.collect();
        for (message, payload) in &messages {
            self.act(message, *payload);
        }
        self.sends.push(messages.len());
        Ok(())
    }
}
