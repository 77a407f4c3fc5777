//! NDR, 32 bit (C706 chapter 14): reading parameters, writing results.

use super::super::wire::{Fields, Put, text_of_utf16};
use super::principal::Sid;
use crate::clock::Timestamp;

/// Things of one array in a request: more than any visitor asks for at once.
const MAX_ARRAY: u32 = 2048;
/// Parts of a SID (MS-DTYP 2.4.2).
const MAX_PARTS: u8 = 15;

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

    pub(super) fn short(&mut self) -> Option<u16> {
        let at = self.at.next_multiple_of(2);
        let value = self.bytes.le16(at)?;
        self.at = at + 2;
        Some(value)
    }

    /// The last parameter, when it is a long: what stands before it is not read.
    pub(super) fn last_long(&self) -> Option<u32> {
        self.bytes.le32((self.bytes.len() / 4).checked_sub(1)? * 4)
    }

    /// An array of longs.
    pub(super) fn longs(&mut self, count: u32) -> Option<Vec<u32>> {
        (count <= MAX_ARRAY).then(|| (0..count).map(|_| self.long()).collect())?
    }

    /// RPC_UNICODE_STRING (MS-DTYP 2.3.10).
    pub(super) fn name(&mut self) -> Option<String> {
        self.names(1)?.pop()
    }

    /// An array of them, then their texts.
    pub(super) fn names(&mut self, count: u32) -> Option<Vec<String>> {
        if count > MAX_ARRAY {
            return None;
        }
        let heads: Option<Vec<u32>> = (0..count).map(|_| self.long().and_then(|_| self.long())).collect();
        heads?.into_iter().map(|pointer| if pointer == 0 { Some(String::new()) } else { self.text(true) }).collect()
    }

    /// RPC_SID (MS-DTYP 2.4.2.3).
    pub(super) fn sid(&mut self) -> Option<Sid> {
        self.long()?;
        let &[_, count, .., authority] = self.take(8)?.first_chunk::<8>()?;
        let parts = (count <= MAX_PARTS).then(|| (0..count).map(|_| self.long()).collect::<Option<_>>())??;
        Some(Sid { authority, parts })
    }

    /// A counted array of pointers to SIDs (MS-LSAT 2.2.18), those that are null left out.
    pub(super) fn sids(&mut self) -> Option<Vec<Sid>> {
        let count = self.long()?;
        if self.long()? == 0 {
            return Some(Vec::new());
        }
        self.long()?;
        let pointers = self.longs(count)?;
        pointers.into_iter().filter(|pointer| *pointer != 0).map(|_| self.sid()).collect()
    }

    /// A long behind a pointer that may be null.
    pub(super) fn pointed_long(&mut self) -> Option<Option<u32>> {
        if self.long()? == 0 { Some(None) } else { self.long().map(Some) }
    }

    /// What has the look of texts in UTF-16 in the rest, whatever is around them: a few, for events.
    pub(super) fn texts(&self) -> Vec<String> {
        const MOST: usize = 16;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let whole = text_of_utf16(rest);
        let is_text = |text: &&str| text.len() > 3 && text.chars().all(|letter| (' '..='\u{2fff}').contains(&letter));
        whole.split(['\0', char::REPLACEMENT_CHARACTER]).filter(is_text).take(MOST).map(str::to_owned).collect()
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

    pub(super) fn short(&mut self, value: u16) -> &mut Self {
        self.align(2).put(&value.to_le_bytes())
    }

    /// A number of things.
    pub(super) fn count(&mut self, count: usize) -> &mut Self {
        self.long(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Two longs that make a number of 64 bits (OLD_LARGE_INTEGER, MS-SAMR 2.2.2.2).
    pub(super) fn pair(&mut self, value: u64) -> &mut Self {
        self.align(4).put(&value.to_le_bytes())
    }

    pub(super) fn align(&mut self, align: usize) -> &mut Self {
        self.bytes.align(align);
        self
    }

    /// A pointer to an array of so many, which follows; null when there are none.
    pub(super) fn array(&mut self, count: usize) -> &mut Self {
        if count == 0 { self.long(0) } else { self.pointer().count(count) }
    }

    /// RPC_UNICODE_STRING (MS-DTYP 2.3.10), whose text follows where NDR wants it; an empty one has none.
    pub(super) fn name(&mut self, text: &str) -> &mut Self {
        let len = u16::try_from(2 * text.encode_utf16().count()).unwrap_or(u16::MAX);
        self.align(4).short(len).short(len);
        if text.is_empty() { self.long(0) } else { self.pointer() }
    }

    /// The text of one.
    pub(super) fn name_text(&mut self, text: &str) -> &mut Self {
        if !text.is_empty() {
            let count = text.encode_utf16().count();
            self.count(count).long(0).count(count);
            self.bytes.put_utf16(text);
        }
        self
    }

    /// RPC_SID (MS-DTYP 2.4.2.3).
    pub(super) fn sid(&mut self, sid: &Sid) -> &mut Self {
        let count = u8::try_from(sid.parts.len()).unwrap_or(0);
        self.long(count.into()).put(&[1, count, 0, 0, 0, 0, 0, sid.authority]);
        sid.parts.iter().for_each(|part| {
            self.long(*part);
        });
        self
    }

    /// A pointer that is not null; what it points to follows where NDR wants it.
    pub(super) fn pointer(&mut self) -> &mut Self {
        self.pointers += 1;
        self.long(0x0002_0000 + 4 * (self.pointers - 1))
    }

    /// SYSTEMTIME (MS-DTYP 2.3.13), in UTC.
    pub(super) fn system_time(&mut self, time: Timestamp) -> &mut Self {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
        let field = |value: i8| u16::try_from(value).unwrap_or(0);
        self.short(u16::try_from(time.year()).unwrap_or(0)).short(field(time.month()));
        self.short(field(time.weekday().to_sunday_zero_offset())).short(field(time.day()));
        self.short(field(time.hour())).short(field(time.minute())).short(field(time.second()));
        self.short(u16::try_from(time.millisecond()).unwrap_or(0))
    }

    /// A conformant varying string of UTF-16 with its end mark.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let count = u32::try_from(text.encode_utf16().count() + 1).unwrap_or(u32::MAX);
        self.long(count).long(0).long(count);
        self.bytes.put_utf16(text).put16(0);
        self
    }

    /// The characters of a text with its end mark, whose length is written already.
    pub(super) fn characters(&mut self, text: &str) -> &mut Self {
        self.bytes.put_utf16(text).put16(0);
        self
    }

    /// What was written so far: parameters, not results.
    #[cfg(test)]
    pub(super) fn whole(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The whole, with the call's return value.
    pub(super) fn returning(&mut self, value: u32) -> Vec<u8> {
        self.long(value);
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let sid = Sid { authority: 5, parts: vec![21, 1, 2, 3, 500] };
        let mut out = Results::default();
        let bytes = out.short(7).name("Ab").name_text("Ab").sid(&sid).returning(9);
        let mut stub = Stub::new(&bytes);
        assert_eq!((stub.short(), stub.name().as_deref(), stub.sid()), (Some(7), Some("Ab"), Some(sid)));
        assert_eq!((stub.long(), stub.long(), Stub::new(&bytes).last_long()), (Some(9), None, Some(9)));
    }

    #[test]
    fn no_number_in_a_request_makes_more_than_its_bytes() {
        for bytes in [[0xff; 64], [0x10; 64]] {
            let mut stub = Stub::new(&bytes);
            assert_eq!((stub.sids(), stub.names(u32::MAX), stub.longs(u32::MAX)), (None, None, None));
        }
    }
}
