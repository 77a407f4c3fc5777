//! memcached over UDP (doc/protocol.txt, "UDP protocol"): every datagram begins with an 8-byte frame header: request id, sequence
//! number, number of datagrams, reserved; 16 bits each, big-endian.
//!
//! A source address of a datagram proves nothing, and memcached is the loudest amplifier there is. So the balance of a flow never
//! goes below zero: answers leave only against bytes that came, as the server demands of every handler. An answer that the balance
//! does not cover is not sent, which looks like a lost datagram; what a request leaves over helps the next one. So a `set` (16 bytes
//! for at least 20) and a missed `get` are answered at once, `version` and small values every second time, `stats` to those who sent
//! as much before.

use super::reply::Reply;

/// Bytes of a frame header.
pub(super) const FRAME: usize = 8;
/// Payload bytes of a datagram of ours, frame header included.
const DATAGRAM: usize = 1_400;
/// What may go out in one flow.
#[derive(Debug, Default)]
pub(super) struct Balance(usize);

impl Balance {
    /// A datagram of this many bytes came.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.0 = self.0.saturating_add(bytes);
    }

    /// Takes this many bytes when they may go out.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
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
    fn no_more_goes_out_than_came_in() {
        let mut balance = Balance::default();
        balance.earn(15);
        assert!(!balance.spend(24));
        balance.earn(15);
        assert!(balance.spend(24) && !balance.spend(7) && balance.spend(6));
    }
}
