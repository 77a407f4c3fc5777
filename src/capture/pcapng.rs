//! The pcapng format: sections of blocks, each with its type and its length at both ends.

use std::io::{self, Read};
use std::time::Duration;

use super::{CaptureError, Endian, Frame, MAX_FRAME_LEN, cut_short, read_header, read_into};

/// Type of the block that begins a section, the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE_DESCRIPTION: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Type and both lengths of a block.
const BLOCK_FRAME: usize = 12;
/// What may stand around a frame in its block: fields and options.
const MAX_AROUND_FRAME: usize = 64 * 1024;
const MAX_INTERFACES: usize = 4096;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

/// What the blocks of the current section have said so far.
#[derive(Debug)]
pub(super) struct Section {
    endian: Endian,
    interfaces: Vec<Interface>,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u16,
    /// Captured bytes of a frame at most; 0 is no limit.
    snap_len: usize,
    ticks_per_second: u64,
    /// Seconds to add to every time.
    offset: i64,
}

impl Section {
    /// Reads a section header behind its type.
    pub(super) fn read(source: &mut impl Read) -> Result<Self, CaptureError> {
        Self::read_after(source, 0)
    }

    fn read_after(source: &mut impl Read, after: u64) -> Result<Self, CaptureError> {
        let damaged = |what| CaptureError::Damaged { after, what };
        let mut head = [0; 8];
        source.read_exact(&mut head).map_err(|error| cut_short(error, after))?;
        let endian = match (Endian::Little.u32(&head, 4), Endian::Big.u32(&head, 4)) {
            (BYTE_ORDER_MAGIC, _) => Endian::Little,
            (_, BYTE_ORDER_MAGIC) => Endian::Big,
            _ => return Err(damaged("a section without byte order")),
        };
        let length = endian.u32(&head, 0) as usize;
        // Type, length and byte order have been read.
        let rest = length.checked_sub(12).ok_or(damaged("a section header that is too short"))?;
        skip(source, rest, after)?;
        Ok(Self { endian, interfaces: Vec::new() })
    }

    /// The next frame; blocks without one are taken in or skipped.
    pub(super) fn next(
        &mut self,
        source: &mut impl Read,
        buffer: &mut Vec<u8>,
        after: u64,
    ) -> Result<Option<Frame>, CaptureError> {
        loop {
            let Some(kind) = read_header::<4>(source, after)? else { return Ok(None) };
            if kind == SECTION_HEADER {
                *self = Self::read_after(source, after)?;
                continue;
            }
            let mut length = [0; 4];
            source.read_exact(&mut length).map_err(|error| cut_short(error, after))?;
            let length = self.endian.u32(&length, 0) as usize;
            let damaged = CaptureError::Damaged { after, what: "a block that is too short" };
            let body = length.checked_sub(BLOCK_FRAME).ok_or(damaged)?;
            let kind = self.endian.u32(&kind, 0);
            if !matches!(kind, INTERFACE_DESCRIPTION | OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                skip(source, body + 4, after)?;
                continue;
            }
            if body > MAX_FRAME_LEN.saturating_sub(MAX_AROUND_FRAME) {
                return Err(CaptureError::TooLong { number: after + 1, length: body });
            }
            read_into(source, buffer, body + 4, after)?;
            buffer.truncate(body);
            if kind == INTERFACE_DESCRIPTION {
                self.add_interface(buffer, after)?;
            } else {
                return self.frame(kind, buffer, after).map(Some);
            }
        }
    }

    fn add_interface(&mut self, body: &[u8], after: u64) -> Result<(), CaptureError> {
        if body.len() < 8 {
            return Err(CaptureError::Damaged { after, what: "an interface description that is too short" });
        }
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(CaptureError::Damaged { after, what: "more than 4096 interfaces in one section" });
        }
        let (link_type, snap_len) = (self.endian.u16(body, 0), self.endian.u32(body, 4) as usize);
        let mut interface = Interface { link_type, snap_len, ticks_per_second: 1_000_000, offset: 0 };
        let mut options = body.get(8..).unwrap_or(&[]);
        while options.len() >= 4 {
            let (code, length) = (self.endian.u16(options, 0), usize::from(self.endian.u16(options, 2)));
            let Some(value) = options.get(4..4 + length).filter(|_| code != OPTION_END) else { break };
            match (code, value) {
                (OPTION_TIME_RESOLUTION, [resolution, ..]) => {
                    let unknown = CaptureError::Damaged { after, what: "a time resolution that is too fine" };
                    interface.ticks_per_second = ticks_per_second(*resolution).ok_or(unknown)?;
                }
                (OPTION_TIME_OFFSET, _) if length == 8 => interface.offset = self.endian.u64(value, 0).cast_signed(),
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn frame(&self, kind: u32, body: &[u8], after: u64) -> Result<Frame, CaptureError> {
        let damaged = |what| CaptureError::Damaged { after, what };
        let interface = match kind {
            ENHANCED_PACKET => self.endian.u32(body, 0) as usize,
            OLD_PACKET => usize::from(self.endian.u16(body, 0)),
            _ => 0,
        };
        let interface = self.interfaces.get(interface).ok_or(damaged("a packet of an interface not described"))?;
        let (start, length, wire_len, time) = if kind == SIMPLE_PACKET {
            let wire_len = self.endian.u32(body, 0) as usize;
            let limit = if interface.snap_len == 0 { usize::MAX } else { interface.snap_len };
            (4, wire_len.min(limit), wire_len, Duration::ZERO)
        } else {
            let ticks = u64::from(self.endian.u32(body, 4)) << 32 | u64::from(self.endian.u32(body, 8));
            let (length, wire_len) = (self.endian.u32(body, 12) as usize, self.endian.u32(body, 16) as usize);
            (20, length, wire_len, interface.time(ticks))
        };
        let end = start + length;
        if end > body.len() {
            return Err(damaged("a packet that is longer than its block"));
        }
        Ok(Frame { range: start..end, wire_len, time, link_type: interface.link_type })
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> Duration {
        const NANOS: u128 = 1_000_000_000;
        let seconds = (ticks / self.ticks_per_second).saturating_add_signed(self.offset);
        let rest = u128::from(ticks % self.ticks_per_second) * NANOS / u128::from(self.ticks_per_second);
        Duration::new(seconds, u32::try_from(rest).unwrap_or(0))
    }
}

/// The upper bit says that the rest is a power of 2, not of 10.
fn ticks_per_second(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 { 10u64.checked_pow(exponent) } else { 2u64.checked_pow(exponent) }
}

/// Passes over bytes without keeping them.
fn skip(source: &mut impl Read, length: usize, after: u64) -> Result<(), CaptureError> {
    let skipped = io::copy(&mut source.take(length as u64), &mut io::sink())?;
    if skipped == length as u64 { Ok(()) } else { Err(CaptureError::CutShort { after }) }
}
