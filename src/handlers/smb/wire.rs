//! Reading and writing little-endian fields (MS-CIFS 2.2, MS-SMB2 2.2, C706 chapter 14 with the little-endian representation).

use crate::clock::Timestamp;

/// 100-nanosecond steps from 1601-01-01 to 1970-01-01 (MS-DTYP 2.3.3).
pub(super) const EPOCH: u64 = 116_444_736_000_000_000;

/// Fields of a message by their offset; `None` where the message ends before.
pub(super) trait Fields {
    /// `len` bytes at `at`.
    fn part(&self, at: usize, len: usize) -> Option<&[u8]>;
    fn byte(&self, at: usize) -> Option<u8>;
    fn le16(&self, at: usize) -> Option<u16>;
    fn le32(&self, at: usize) -> Option<u32>;
    fn le64(&self, at: usize) -> Option<u64>;
    /// A 16-bit offset or length as an index.
    fn at16(&self, at: usize) -> Option<usize> {
        self.le16(at).map(usize::from)
    }
    /// A 32-bit offset or length as an index.
    fn at32(&self, at: usize) -> Option<usize> {
        usize::try_from(self.le32(at)?).ok()
    }
}

impl Fields for [u8] {
    fn part(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.get(at..)?.get(..len)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.get(at).copied()
    }

    fn le16(&self, at: usize) -> Option<u16> {
        self.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    fn le32(&self, at: usize) -> Option<u32> {
        self.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn le64(&self, at: usize) -> Option<u64> {
        self.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

/// Appending fields.
pub(super) trait Put {
    fn put(&mut self, bytes: &[u8]) -> &mut Self;
    fn put8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }
    fn put16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    fn put32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    fn put64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
    /// A length or offset in 16 bits; one that has no room there is the largest.
    fn put_len16(&mut self, value: usize) -> &mut Self {
        self.put16(u16::try_from(value).unwrap_or(u16::MAX))
    }
    /// A length or offset in 32 bits.
    fn put_len32(&mut self, value: usize) -> &mut Self {
        self.put32(u32::try_from(value).unwrap_or(u32::MAX))
    }
    /// UTF-16 without an end mark.
    fn put_utf16(&mut self, text: &str) -> &mut Self {
        for unit in text.encode_utf16() {
            self.put16(unit);
        }
        self
    }
    /// Zeros up to a multiple of `align`.
    fn align(&mut self, align: usize) -> &mut Self;
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }

    fn align(&mut self, align: usize) -> &mut Self {
        self.resize(self.len().next_multiple_of(align), 0);
        self
    }
}

/// Writes over what was left open.
pub(super) fn patch(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(room) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..value.len())) {
        room.copy_from_slice(value);
    }
}

/// The text in UTF-16.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 * text.len());
    bytes.put_utf16(text);
    bytes
}

/// UTF-16 as text; what is none shows replacement characters.
pub(super) fn text_of_utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk().map(|unit| u16::from_le_bytes(*unit)));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// FILETIME (MS-DTYP 2.3.3).
pub(super) const fn filetime(time: Timestamp) -> u64 {
    time.as_micros().saturating_mul(10).saturating_add(EPOCH)
}
