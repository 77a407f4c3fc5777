//! Captures: the IP packets in pcap and pcapng files, with their times.
//!
//! Owns the two file formats, of which it writes pcap, and the link layers that are taken off. Refuses to guess: a file that is cut short or makes no sense
//! is an error at the record where that shows, after the records before it have been handed out. Memory is bounded whatever a file
//! claims: a buffer grows with the bytes that are there, up to [`MAX_FRAME_LEN`].
//!
//! Formats: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/> and
//! <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>.

mod field;
mod link;
mod pcap;
mod pcapng;
mod writer;

use std::io::{self, Read};
use std::time::Duration;

use thiserror::Error;

use field::Endian;
use link::Link;
pub use writer::Writer;

/// Captured bytes of one frame, at most.
pub const MAX_FRAME_LEN: usize = 1 << 20;

/// Bytes that a buffer grows by before the bytes for it have been seen.
const READ_STEP: usize = 64 * 1024;

/// One frame of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'c> {
    /// Position in the file, from 1; frames without IP are counted, too.
    pub number: u64,
    /// Since 1970-01-01 UTC; 0 where the file does not say.
    pub time: Duration,
    /// The IP packet in it; `None` if it carries something else, such as ARP.
    pub packet: Option<CapturedPacket<'c>>,
}

/// An IP packet as the queue would have shown it: without link layer, and without the padding of short Ethernet frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturedPacket<'c> {
    /// From the first byte of the IP header; cut short if the capture was.
    pub bytes: &'c [u8],
    /// Bytes on the wire from the IP header on; never less than `bytes` has.
    pub wire_len: usize,
    /// From the first byte of the IP header to the end of the frame, padding included: what a filter of tcpdump can load.
    pub padded: &'c [u8],
    /// Bytes of the whole frame on the wire, link layer included: `len` in a filter of tcpdump.
    pub frame_len: usize,
}

/// Why a capture cannot be read (any further).
#[derive(Debug, Error)]
pub enum CaptureError {
    /// Reading failed.
    #[error("the capture cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file begins like neither pcap nor pcapng.
    #[error("this is no capture: it begins with {magic:#010x}, pcap and pcapng do not")]
    NotACapture {
        /// The first four bytes, big-endian.
        magic: u32,
    },
    /// The file ends within a record.
    #[error("the capture is cut short after packet {after}")]
    CutShort {
        /// The last whole packet, from 1; 0 if there is none.
        after: u64,
    },
    /// A record is longer than [`MAX_FRAME_LEN`].
    #[error("packet {number} claims {length} bytes, {MAX_FRAME_LEN} are the most")]
    TooLong {
        /// The record, from 1.
        number: u64,
        /// Bytes that it claims.
        length: usize,
    },
    /// A record contradicts itself or the format.
    #[error("the capture is damaged after packet {after}: {what}")]
    Damaged {
        /// The last good packet, from 1; 0 if there is none.
        after: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A link layer that is not known here.
    #[error("packet {number} has link type {link_type}; raw IP, Ethernet, Linux cooked and BSD loopback can be read")]
    UnknownLink {
        /// The record, from 1.
        number: u64,
        /// LINKTYPE number, <https://www.tcpdump.org/linktypes.html>.
        link_type: u16,
    },
}

/// Reads a capture record by record.
#[derive(Debug)]
pub struct Capture<R> {
    source: R,
    format: Format,
    /// Records handed out.
    count: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::Header),
    PcapNg(pcapng::Section),
}

/// A frame in the buffer, before its link layer is taken off.
#[derive(Debug, Clone)]
struct Frame {
    /// Where in the buffer.
    range: std::ops::Range<usize>,
    wire_len: usize,
    time: Duration,
    link_type: u16,
}

impl<R: Read> Capture<R> {
    /// Reads the head of the file. `source` should be buffered.
    ///
    /// # Errors
    /// If the file is neither pcap nor pcapng, or ends here.
    pub fn new(mut source: R) -> Result<Self, CaptureError> {
        let mut magic = [0; 4];
        source.read_exact(&mut magic).map_err(|error| cut_short(error, 0))?;
        let format = if magic == pcapng::SECTION_HEADER {
            Format::PcapNg(pcapng::Section::read(&mut source)?)
        } else {
            let header = pcap::Header::read(magic, &mut source)?;
            Format::Pcap(header.ok_or(CaptureError::NotACapture { magic: u32::from_be_bytes(magic) })?)
        };
        Ok(Self { source, format, count: 0, buffer: Vec::new() })
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    /// See [`CaptureError`]; nothing can be read after one.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, CaptureError> {
        let frame = match &mut self.format {
            Format::Pcap(header) => header.next(&mut self.source, &mut self.buffer, self.count)?,
            Format::PcapNg(section) => section.next(&mut self.source, &mut self.buffer, self.count)?,
        };
        let Some(frame) = frame else { return Ok(None) };
        self.count += 1;
        let number = self.count;
        let unknown = CaptureError::UnknownLink { number, link_type: frame.link_type };
        let link = Link::new(frame.link_type).ok_or(unknown)?;
        let bytes = self.buffer.get(frame.range).unwrap_or(&[]);
        Ok(Some(Record { number, time: frame.time, packet: link.packet(bytes, frame.wire_len) }))
    }
}

/// An early end of the file is an error of the capture, not of reading.
fn cut_short(error: io::Error, after: u64) -> CaptureError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CaptureError::CutShort { after },
        _ => CaptureError::Io(error),
    }
}

/// Fills `buffer` with exactly `length` bytes; it grows with what is there, not with what is claimed.
fn read_into(source: &mut impl Read, buffer: &mut Vec<u8>, length: usize, after: u64) -> Result<(), CaptureError> {
    if length > MAX_FRAME_LEN {
        return Err(CaptureError::TooLong { number: after + 1, length });
    }
    buffer.clear();
    while buffer.len() < length {
        let filled = buffer.len();
        buffer.resize(length.min(filled + READ_STEP), 0);
        let room = buffer.get_mut(filled..).unwrap_or_default();
        source.read_exact(room).map_err(|error| cut_short(error, after))?;
    }
    Ok(())
}

/// Reads a header that may not be there; `None` if the file ends before it.
fn read_header<const N: usize>(source: &mut impl Read, after: u64) -> Result<Option<[u8; N]>, CaptureError> {
    let mut header = [0; N];
    let mut filled = 0;
    while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(CaptureError::CutShort { after }),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(header))
}

#[cfg(test)]
mod tests;
