//! What happened in one batch, counted without atomics and published once.

use crate::control::{Counter, Counters};

/// The counts of one batch. `received` is `accepted + dropped + fallback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Packets that the kernel handed over.
    pub received: u64,
    /// Bytes of those packets, from the IP header on, including what the copy range cut off.
    pub bytes: u64,
    /// Packets accepted, untouched or rewritten.
    pub accepted: u64,
    /// Packets dropped by a decision.
    pub dropped: u64,
    /// Accepted packets that were written back changed.
    pub rewritten: u64,
    /// Packets that nobody decided, or whose rewriting the kernel would not take, and that got the fallback verdict.
    pub fallback: u64,
    /// Packets longer than the copy range, accepted unchanged.
    pub truncated: u64,
    /// Verdicts that the kernel refused.
    pub refused: u64,
    /// Receive calls that reported lost datagrams (ENOBUFS).
    pub overruns: u64,
    /// Netlink messages that could not be read.
    pub unread: u64,
}

impl Tally {
    /// Adds the counts to the shared counters, touching only those that changed.
    pub fn publish(&self, counters: &Counters) {
        let rows = [
            (Counter::PacketsReceived, self.received),
            (Counter::BytesReceived, self.bytes),
            (Counter::VerdictAccept, self.accepted),
            (Counter::VerdictDrop, self.dropped),
            (Counter::PacketsRewritten, self.rewritten),
            (Counter::VerdictFallback, self.fallback),
            (Counter::PacketsTruncated, self.truncated),
            (Counter::VerdictErrors, self.refused),
            (Counter::ReceiveOverruns, self.overruns),
            (Counter::MessagesUnread, self.unread),
        ];
        for (counter, n) in rows.into_iter().filter(|&(_, n)| n != 0) {
            counters.add(counter, n);
        }
    }
}
