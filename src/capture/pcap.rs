//! The pcap format: a header of 24 bytes, then records of 16 bytes and the frame.

use std::io::Read;
use std::time::Duration;

use super::{CaptureError, Endian, Frame, cut_short, read_header, read_into};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// What the header of a file says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    endian: Endian,
    /// Nanoseconds in a unit of the time stamps' second field.
    tick: u32,
    link_type: u16,
}

impl Header {
    /// Reads what follows the first four bytes; `None` if those are of no pcap file.
    pub(super) fn read(magic: [u8; 4], source: &mut impl Read) -> Result<Option<Self>, CaptureError> {
        let known = |magic| matches!(magic, MICROSECONDS | NANOSECONDS);
        let endian = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (little, _) if known(little) => Endian::Little,
            (_, big) if known(big) => Endian::Big,
            _ => return Ok(None),
        };
        let tick = if endian.u32(&magic, 0) == NANOSECONDS { 1 } else { 1000 };
        let mut rest = [0; 20];
        source.read_exact(&mut rest).map_err(|error| cut_short(error, 0))?;
        // The upper half of the last field tells of frame check sequences, which IP's own length cuts off.
        let link_type = (endian.u32(&rest, 16) & 0xffff) as u16;
        Ok(Some(Self { endian, tick, link_type }))
    }

    pub(super) fn next(
        self,
        source: &mut impl Read,
        buffer: &mut Vec<u8>,
        after: u64,
    ) -> Result<Option<Frame>, CaptureError> {
        let Some(record) = read_header::<16>(source, after)? else { return Ok(None) };
        let field = |at| self.endian.u32(&record, at);
        let length = field(8) as usize;
        read_into(source, buffer, length, after)?;
        let fraction = Duration::from_nanos(u64::from(field(4)) * u64::from(self.tick));
        Ok(Some(Frame {
            range: 0..length,
            wire_len: field(12) as usize,
            time: Duration::from_secs(u64::from(field(0))) + fraction,
            link_type: self.link_type,
        }))
    }
}
