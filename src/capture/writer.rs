//! Writing pcap: raw IP, microseconds, little-endian.

use std::io::{self, Write};
use std::time::Duration;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// LINKTYPE_RAW: IP from the first byte on.
const RAW_IP: u32 = 101;
/// Captured bytes of a packet at most, as the header announces them.
const SNAP_LEN: u32 = 1 << 18;
const RECORD_HEADER: usize = 16;

/// Writes IP packets as a pcap file.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
}

impl<W: Write> Writer<W> {
    /// Writes the head of the file. `sink` should be buffered.
    ///
    /// # Errors
    /// If `sink` cannot be written to.
    pub fn new(mut sink: W) -> io::Result<Self> {
        let version = 2_u32 | 4 << 16;
        let fields = [MICROSECONDS, version, 0, 0, SNAP_LEN, RAW_IP];
        fields.iter().try_for_each(|field| sink.write_all(&field.to_le_bytes()))?;
        Ok(Self { sink })
    }

    /// Writes a packet: its time since 1970-01-01 UTC, its bytes from the IP header on, and how many it had on the wire.
    ///
    /// # Errors
    /// If `sink` cannot be written to.
    pub fn write(&mut self, time: Duration, bytes: &[u8], wire_len: usize) -> io::Result<()> {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        // The format has 32 bits for seconds, RFC draft section 5.
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let fields = [seconds, time.subsec_micros(), number(bytes.len()), number(wire_len.max(bytes.len()))];
        let mut header = [0; RECORD_HEADER];
        for (slot, field) in header.chunks_exact_mut(4).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        self.sink.write_all(&header)?;
        self.sink.write_all(bytes)
    }

    /// Writes out what is buffered and gives the sink back.
    ///
    /// # Errors
    /// If `sink` cannot be written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        Ok(self.sink)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Capture, CapturedPacket};
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let time = Duration::new(1_700_000_000, 123_456_000);
        writer.write(time, &[0x45; 30], 40).unwrap();
        let file = writer.finish().unwrap();
        let mut capture = Capture::new(file.as_slice()).unwrap();
        let record = capture.next_record().unwrap().unwrap();
        let packet = CapturedPacket { bytes: &[0x45; 30], wire_len: 40, padded: &[0x45; 30], frame_len: 40 };
        assert_eq!((record.time, record.packet), (time, Some(packet)));
        assert!(capture.next_record().unwrap().is_none());
    }
}
