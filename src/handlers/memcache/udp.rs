//! memcached over UDP (doc/protocol.txt, "UDP protocol"): every datagram begins with an 8-byte frame header: request id, sequence
//! number, number of datagrams, reserved; 16 bits each, big-endian.
//!
//! A source address of a datagram proves nothing, and memcached is the loudest amplifier there is. What goes out is the server's to
//! decide, for this handler as for all (`server.udp_answer_bytes_per_source`): an answer that it holds back looks like a lost datagram.

use super::reply::Reply;

/// Bytes of a frame header.
pub(super) const FRAME: usize = 8;
/// Payload bytes of a datagram of ours, frame header included.
const DATAGRAM: usize = 1_400;

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
