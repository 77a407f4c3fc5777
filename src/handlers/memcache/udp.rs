//! memcached over UDP (doc/protocol.txt, "UDP protocol"): every datagram begins with an 8-byte frame header: request id, sequence
//! number, number of datagrams, reserved; 16 bits each, big-endian.
//!
//! A source address of a datagram proves nothing, and memcached is the loudest amplifier there is. So the balance of every source
//! never goes below zero: answers leave only against bytes that came. An answer that the balance does not cover is not sent, which
//! looks like a lost datagram; what a request leaves over helps the next one. A source that has completed a TCP handshake with this
//! handler lately has proved its address, and is answered in full up to [`PROVED_ALLOWANCE`] bytes a [`PERIOD_SECS`].

use super::reply::Reply;

/// Bytes of a frame header.
pub(super) const FRAME: usize = 8;
/// Payload bytes of a datagram of ours, frame header included.
const DATAGRAM: usize = 1_400;
/// Bytes that a balance gathers at most.
const MAX_BALANCE: usize = 4_096;
/// Bytes a proved source is sent in one period.
const PROVED_ALLOWANCE: usize = 64 * 1024;
/// Seconds of a period.
const PERIOD_SECS: u64 = 10;

/// What may go out to one source over UDP.
#[derive(Debug, Clone, Default)]
pub(super) struct Credit {
    balance: usize,
    /// Unix time when the source last had a TCP session.
    proved: Option<u64>,
    period: u64,
    spent: usize,
}

impl Credit {
    /// A datagram of this many bytes came.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.balance = (self.balance + bytes).min(MAX_BALANCE);
    }

    /// The source holds a TCP session: its address is its own.
    pub(super) fn prove(&mut self, now: u64) {
        self.proved = Some(now);
    }

    /// Takes this many bytes when they may go out.
    pub(super) fn spend(&mut self, bytes: usize, trust_secs: u64, now: u64) -> bool {
        if let Some(left) = self.balance.checked_sub(bytes) {
            self.balance = left;
            return true;
        }
        if self.proved.is_none_or(|when| now.saturating_sub(when) >= trust_secs) {
            return false;
        }
        if self.period != now / PERIOD_SECS {
            (self.period, self.spent) = (now / PERIOD_SECS, 0);
        }
        let fits = self.spent + bytes <= PROVED_ALLOWANCE;
        self.spent += if fits { bytes } else { 0 };
        fits
    }
}

/// Splits a datagram into request id and what follows its frame header; `None` when memcached would not look at it.
pub(super) fn request(datagram: &[u8]) -> Option<([u8; 2], &[u8])> {
    let (frame, rest) = datagram.split_first_chunk::<FRAME>()?;
    let [id1, id0, _, _, total1, total0, _, _] = *frame;
    // Requests of several datagrams are not taken.
    ([total1, total0] == [0, 1] && !rest.is_empty()).then_some(([id1, id0], rest))
}

/// The datagrams of the answers, one or more an answer; a farewell is a frame that counts none.
pub(super) fn datagrams(id: [u8; 2], reply: &Reply) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut start = 0;
    for &end in &reply.ends {
        let answer = reply.bytes.get(start..end).unwrap_or_default();
        let parts = answer.chunks(DATAGRAM - FRAME);
        let total = u16::try_from(parts.len()).unwrap_or(u16::MAX);
        out.extend(parts.zip(0_u16..total).map(|(part, n)| framed(id, n, total, part)));
        start = end;
    }
    if reply.close && out.is_empty() {
        out.push(framed(id, 0, 0, &[]));
    }
    out
}

fn framed(id: [u8; 2], sequence: u16, total: u16, part: &[u8]) -> Vec<u8> {
    [id, sequence.to_be_bytes(), total.to_be_bytes(), [0, 0]].as_flattened().iter().chain(part).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_proof_no_more_goes_out_than_came_in() {
        let mut credit = Credit::default();
        credit.earn(15);
        assert!(!credit.spend(24, 600, 1_000));
        credit.earn(15);
        assert!(credit.spend(24, 600, 1_000) && !credit.spend(7, 600, 1_000));
    }

    #[test]
    fn a_proved_source_is_answered_in_full_up_to_its_allowance_while_the_proof_is_fresh() {
        let mut credit = Credit::default();
        credit.prove(1_000);
        assert!(credit.spend(60_000, 600, 1_005) && !credit.spend(60_000, 600, 1_006));
        assert!(credit.spend(60_000, 600, 1_010));
        assert!(!credit.spend(60_000, 600, 1_700));
    }
}
