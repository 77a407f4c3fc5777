//! NDR, 32 bit (C706 chapter 14): reading parameters, writing results.

use super::super::wire::{Fields, Put, text_of_utf16};

/// Parameters, read in order.
pub(super) struct Stub<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Stub<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn long(&mut self) -> Option<u32> {
        let at = self.at.next_multiple_of(4);
        let value = self.bytes.le32(at)?;
        self.at = at + 4;
        Some(value)
    }

    /// Bytes without alignment: a context handle has 20.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.part(self.at, len)?;
        self.at += len;
        Some(bytes)
    }

    /// A conformant varying string of UTF-16 or, without `wide`, of bytes; without its end mark.
    pub(super) fn text(&mut self, wide: bool) -> Option<String> {
        let (_, _, count) = (self.long()?, self.long()?, self.long()?);
        let len = usize::try_from(count).ok()?.checked_mul(if wide { 2 } else { 1 })?;
        let bytes = self.take(len)?;
        let text = if wide { text_of_utf16(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// A string behind a pointer that may be null.
    pub(super) fn pointed_text(&mut self, wide: bool) -> Option<Option<String>> {
        if self.long()? == 0 { Some(None) } else { self.text(wide).map(Some) }
    }
}

/// Results, written in order; pointers get their numbers as Windows counts them.
#[derive(Default)]
pub(super) struct Results {
    bytes: Vec<u8>,
    pointers: u32,
}

impl Results {
    pub(super) fn long(&mut self, value: u32) -> &mut Self {
        self.bytes.align(4).put32(value);
        self
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.put(bytes);
        self
    }

    /// A pointer that is not null; what it points to follows where NDR wants it.
    pub(super) fn pointer(&mut self) -> &mut Self {
        self.pointers += 1;
        self.long(0x0002_0000 + 4 * (self.pointers - 1))
    }

    /// A conformant varying string of UTF-16 with its end mark.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let count = u32::try_from(text.encode_utf16().count() + 1).unwrap_or(u32::MAX);
        self.long(count).long(0).long(count);
        self.bytes.put_utf16(text).put16(0);
        self
    }

    /// The whole, with the call's return value.
    pub(super) fn returning(&mut self, value: u32) -> Vec<u8> {
        self.long(value);
        std::mem::take(&mut self.bytes)
    }

    /// The whole, when the return value is in it already.
    pub(super) fn returning_nothing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}
