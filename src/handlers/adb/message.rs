//! Messages of the transport: a header of six little-endian words, and data (AOSP packages/modules/adb, protocol.txt, "ADB protocol").

use crate::events::Event;
use crate::handlers::recording::with_text;

/// Bytes of a header.
pub(super) const HEADER: usize = 24;
/// The version of devices up to Android 8: every message carries a checksum.
pub(super) const VERSION: u32 = 0x0100_0000;
/// Data that one message may carry: MAX_PAYLOAD of Android 7 and 8. A client that takes less says so.
pub(super) const MAX_DATA: u32 = 256 * 1024;

/// What a message is about: the first word, four letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Command(pub(super) [u8; 4]);

impl Command {
    pub(super) const CNXN: Self = Self(*b"CNXN");
    pub(super) const OPEN: Self = Self(*b"OPEN");
    pub(super) const OKAY: Self = Self(*b"OKAY");
    pub(super) const WRTE: Self = Self(*b"WRTE");
    pub(super) const CLSE: Self = Self(*b"CLSE");
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) command: Command,
    pub(super) arg0: u32,
    pub(super) arg1: u32,
    pub(super) data: Vec<u8>,
}

impl Message {
    pub(super) fn new(command: Command, arg0: u32, arg1: u32, data: &[u8]) -> Self {
        Self { command, arg0, arg1, data: data.to_vec() }
    }

    /// The message as bytes.
    pub(super) fn emit(&self) -> Vec<u8> {
        let Command(name) = self.command;
        let word = u32::from_le_bytes(name);
        let length = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        let words = [word, self.arg0, self.arg1, length, checksum(&self.data), !word];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

/// The sum of all bytes, which the documentation calls a CRC.
fn checksum(data: &[u8]) -> u32 {
    data.iter().fold(0, |sum: u32, &byte| sum.wrapping_add(u32::from(byte)))
}

/// Why a device drops the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Magic,
    Length,
    Checksum,
}

impl Fault {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Magic => "the header's magic is wrong",
            Self::Length => "the data is too long",
            Self::Checksum => "the checksum of the data is wrong",
        }
    }
}

/// A header, read and checked.
struct Header {
    command: Command,
    arg0: u32,
    arg1: u32,
    length: usize,
    checksum: u32,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Result<Self, Fault> {
        let word =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word));
        let name = word(0);
        if word(20) != !name {
            return Err(Fault::Magic);
        }
        let length = word(12);
        if length > MAX_DATA {
            return Err(Fault::Length);
        }
        let (command, length) = (Command(name.to_le_bytes()), usize::try_from(length).map_err(|_| Fault::Length)?);
        Ok(Self { command, arg0: word(4), arg1: word(8), length, checksum: word(16) })
    }
}

/// Puts messages together from whatever pieces they come in; holds at most one.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
}

impl Reader {
    /// Takes what belongs to the next message from the front of `input`; the message once it is whole.
    ///
    /// # Errors
    /// The message is none; [`Reader::remains`] is what was taken of it.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Fault> {
        self.fill(HEADER, input);
        let Some(header) = self.bytes.first_chunk() else { return Ok(None) };
        let Header { command, arg0, arg1, length, checksum: wanted } = Header::parse(header)?;
        self.fill(HEADER + length, input);
        let Some(data) = self.bytes.get(HEADER..HEADER + length) else { return Ok(None) };
        // Later devices check nothing, and clients written for them send 0.
        if wanted != 0 && checksum(data) != wanted {
            return Err(Fault::Checksum);
        }
        let message = Message::new(command, arg0, arg1, data);
        self.bytes.clear();
        self.bytes.shrink_to(HEADER);
        Ok(Some(message))
    }

    fn fill(&mut self, wanted: usize, input: &mut &[u8]) {
        let missing = wanted.saturating_sub(self.bytes.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        self.bytes.extend_from_slice(taken);
        *input = rest;
    }

    /// What has come of a message that is not whole.
    pub(super) fn remains(&self) -> &[u8] {
        &self.bytes
    }
}

/// The `request` event of something that a client asks of the device.
pub(super) fn request(what: &str, service: &[u8]) -> Event {
    let shown = String::from_utf8_lossy(service.get(..120).unwrap_or(service)).into_owned();
    with_text(Event::new("request", format!("{what} {shown}")), "service", service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_from_its_bytes_however_they_are_cut() {
        let message = Message::new(Command::WRTE, 7, 9, b"some data");
        let bytes = [message.emit(), Message::new(Command::CLSE, 1, 2, b"").emit()].concat();
        for piece in [1, 3, 24, 25, 1_000] {
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for mut input in bytes.chunks(piece) {
                while let Some(message) = reader.next(&mut input).unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found.len(), 2);
            assert_eq!(found[0], message);
            assert!(reader.remains().is_empty());
        }
    }

    #[test]
    fn the_bytes_are_those_that_nmap_sends() {
        let probe = b"CNXN\0\0\0\x01\0\x10\0\0\x07\0\0\0\x32\x02\0\0\xbc\xb1\xa7\xb1host::\0";
        assert_eq!(Message::new(Command::CNXN, VERSION, 0x1000, b"host::\0").emit(), probe);
    }

    #[test]
    fn a_header_that_is_none_and_a_wrong_sum_are_faults() {
        let mut http: &[u8] = b"GET /index.html HTTP/1.1\r\n";
        assert_eq!(Reader::default().next(&mut http), Err(Fault::Magic));
        let mut changed = Message::new(Command::OPEN, 1, 0, b"shell:\0").emit();
        changed[26] ^= 1;
        assert_eq!(Reader::default().next(&mut &changed[..]), Err(Fault::Checksum));
        let mut long = Message::new(Command::OPEN, 1, 0, b"").emit();
        long[15] = 1;
        assert_eq!(Reader::default().next(&mut &long[..]), Err(Fault::Length));
    }
}
