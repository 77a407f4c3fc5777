//! NetBIOS session service framing (RFC 1002 section 4.3.1; MS-SMB2 2.1 for port 445): a type, a length, a message.

use std::sync::Arc;

use super::pool::{Held, Pool};

/// Bytes of the header.
const HEADER: usize = 4;
/// Longest message: what SMB 2.1 lets be written at once (1 MiB), and its header. Windows drops the connection above.
const MAX_MESSAGE: usize = 1024 * 1024 + 4096;

/// One packet of the session service.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// An SMB message.
    Message(Vec<u8>),
    /// A session request with the called name, in its first-level encoding.
    Request(Vec<u8>),
    /// What no server takes: the connection ends.
    Fault(&'static str),
}

/// Puts packets together.
#[derive(Debug)]
pub(super) struct Frames {
    held: Held,
    pool: Arc<Pool>,
}

impl Frames {
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self { held: Held::new(pool), pool: Arc::clone(pool) }
    }

    /// What came of a packet that is not whole, header included.
    pub(super) fn remains(&self) -> &[u8] {
        self.held.bytes()
    }

    /// Takes from the input up to the end of one packet; `None` when more is needed.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Packet> {
        loop {
            if !self.fill(HEADER, input)? {
                return Some(Packet::Fault("no memory is left for it"));
            }
            let &[kind, high, middle, low] = self.held.bytes().first_chunk()?;
            let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            if !matches!(kind, 0x00 | 0x81 | 0x85) {
                return Some(Packet::Fault("no packet of the session service"));
            }
            if len > MAX_MESSAGE {
                return Some(Packet::Fault("longer than any message"));
            }
            if !self.fill(HEADER + len, input)? {
                return Some(Packet::Fault("no memory is left for it"));
            }
            let whole = std::mem::replace(&mut self.held, Held::new(&self.pool));
            let body = whole.bytes().get(HEADER..).unwrap_or_default().to_vec();
            match kind {
                0x00 => return Some(Packet::Message(body)),
                0x81 => return Some(Packet::Request(body)),
                // Session keep-alive (RFC 1002 section 4.3.6).
                _ => {}
            }
        }
    }

    /// Fills up to `len` bytes: `None` when the input ends before, false when there is no memory.
    fn fill(&mut self, len: usize, input: &mut &[u8]) -> Option<bool> {
        let had = self.held.bytes().len();
        let missing = len.saturating_sub(had);
        let (now, later) = input.split_at(missing.min(input.len()));
        if !now.is_empty() && !self.held.write_at(had as u64, now, HEADER + MAX_MESSAGE) {
            return Some(false);
        }
        *input = later;
        (now.len() == missing).then_some(true)
    }
}

/// A message with its header.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// The name in a first-level encoding (RFC 1001 section 14.1), without the padding and the suffix.
pub(super) fn decoded_name(encoded: &[u8]) -> Option<String> {
    let halves = encoded.get(1..33)?;
    let nibble = |byte: u8| byte.checked_sub(b'A').filter(|value| *value < 16);
    let name: Option<Vec<u8>> = halves
        .chunks_exact(2)
        .map(|pair| pair.first_chunk().and_then(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)))
        .collect();
    Some(String::from_utf8_lossy(name?.get(..15)?).trim_end().to_owned())
}
