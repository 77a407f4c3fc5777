//! The SMB1 message (MS-CIFS 2.2.3): header, words, data.

use super::super::status::Status;
use super::super::wire::{Fields, Put, patch, text_of_utf16};
use super::command;

/// Bits of `Flags` and `Flags2` (MS-CIFS 2.2.3.1).
const REPLY: u8 = 0x80;
pub(super) const EXTENDED_SECURITY: u16 = 0x0800;
const NT_STATUS: u16 = 0x4000;
const UNICODE: u16 = 0x8000;

/// What a reply takes over from its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    flags: u8,
    pub(super) flags2: u16,
    pid_high: u16,
    signature: [u8; 8],
    pub(super) tid: u16,
    pub(super) pid: u16,
    pub(super) uid: u16,
    pub(super) mid: u16,
}

impl Header {
    /// `None` when the message is shorter than a header.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        Some(Self {
            flags: message.byte(9)?,
            flags2: message.le16(10)?,
            pid_high: message.le16(12)?,
            signature: [0; 8],
            tid: message.le16(24)?,
            pid: message.le16(26)?,
            uid: message.le16(28)?,
            mid: message.le16(30)?,
        })
    }

    pub(super) const fn is_unicode(&self) -> bool {
        self.flags2 & UNICODE != 0
    }

    /// The header of a successful reply to this command.
    pub(super) fn bytes(&self, command: u8) -> Vec<u8> {
        let mut out = b"\xffSMB".to_vec();
        out.put8(command).put(&[0; 27]);
        self.write(&mut out, Status::OK);
        out
    }

    /// Takes what the reply decides.
    pub(super) fn take(&mut self, reply: &Reply) {
        self.uid = reply.uid.unwrap_or(self.uid);
        self.tid = reply.tid.unwrap_or(self.tid);
        self.mid = reply.mid.unwrap_or(self.mid);
        self.signature = reply.signature;
    }

    /// Writes over the header of a reply. A status says that it is one of NT whatever the request preferred.
    pub(super) fn write(&self, out: &mut [u8], status: Status) {
        let flags2 = if status == Status::OK { self.flags2 } else { self.flags2 | NT_STATUS };
        patch(out, 5, &status.0.to_le_bytes());
        patch(out, 9, &[self.flags | REPLY]);
        patch(out, 10, &flags2.to_le_bytes());
        patch(out, 12, &self.pid_high.to_le_bytes());
        patch(out, 14, &self.signature);
        for (at, value) in [(24, self.tid), (26, self.pid), (28, self.uid), (30, self.mid)] {
            patch(out, at, &value.to_le_bytes());
        }
    }
}

/// One block of a request: words and data of one command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) header: Header,
    /// The whole message: offsets of transactions count from its start.
    pub(super) message: &'a [u8],
    pub(super) words: &'a [u8],
    pub(super) data: &'a [u8],
    /// Where the data begins in the message: strings of UTF-16 are aligned to that.
    pub(super) data_at: usize,
    /// Where the block of the reply begins.
    reply_at: usize,
}

impl<'a> Block<'a> {
    /// The block at this offset; `None` when the message ends before its words do. Data that is missing is taken as not there, as Windows
    /// does for the commands that need none.
    pub(super) fn parse(message: &'a [u8], at: usize, header: &Header, reply_at: usize) -> Option<Self> {
        let count = 2 * usize::from(message.byte(at)?);
        let words = message.part(at + 1, count)?;
        let data_at = at + 3 + count;
        let len = message.at16(at + 1 + count).unwrap_or(0);
        let rest = message.get(data_at..).unwrap_or_default();
        let data = rest.get(..len).unwrap_or(rest);
        Some(Self { header: *header, message, words, data, data_at, reply_at })
    }

    /// How many words the request has.
    pub(super) const fn word_count(&self) -> usize {
        self.words.len() / 2
    }

    /// The text at this offset of the data up to its end mark, and where the next begins.
    pub(super) fn text(&self, at: usize) -> (String, usize) {
        if self.header.is_unicode() {
            let at = at + (self.data_at + at) % 2;
            let units = self.data.get(at..).unwrap_or_default();
            let len = units.chunks_exact(2).position(|unit| unit == [0, 0]).map_or(units.len(), |count| 2 * count);
            (text_of_utf16(units.get(..len).unwrap_or(units)), at + len + 2)
        } else {
            self.ascii(at)
        }
    }

    /// The same for a text that is never UTF-16.
    pub(super) fn ascii(&self, at: usize) -> (String, usize) {
        let bytes = self.data.get(at..).unwrap_or_default();
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        (String::from_utf8_lossy(bytes.get(..len).unwrap_or(bytes)).into_owned(), at + len + 1)
    }

    /// Appends a text with its end mark to the data of a reply with this many bytes of words.
    pub(super) fn put_text(&self, data: &mut Vec<u8>, words: usize, text: &str) {
        if self.header.is_unicode() {
            if (self.reply_data_at(words) + data.len()) % 2 == 1 {
                data.put8(0);
            }
            data.put_utf16(text).put16(0);
        } else {
            data.put(text.as_bytes()).put8(0);
        }
    }

    /// Where the data of a reply with this many bytes of words begins.
    pub(super) const fn reply_data_at(&self, words: usize) -> usize {
        self.reply_at + 3 + words
    }
}

/// One block of a reply.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: Status,
    pub(super) words: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) uid: Option<u16>,
    pub(super) tid: Option<u16>,
    pub(super) mid: Option<u16>,
    pub(super) signature: [u8; 8],
}

impl Default for Reply {
    fn default() -> Self {
        let (words, data) = (Vec::new(), Vec::new());
        Self { status: Status::OK, words, data, uid: None, tid: None, mid: None, signature: [0; 8] }
    }
}

/// The first words of a command that can be chained: filled in when the chain is known.
pub(super) const ANDX: [u8; 4] = [command::NONE, 0, 0, 0];

impl Reply {
    /// Nothing but a status.
    pub(super) fn failed(status: Status) -> Self {
        Self { status, ..Self::default() }
    }

    /// Words without data.
    pub(super) fn words(words: &[u8]) -> Self {
        Self { words: words.to_vec(), ..Self::default() }
    }

    /// Appends the block; says where its chain words are, when it has some.
    pub(super) fn write(&self, out: &mut Vec<u8>, command: u8) -> Option<usize> {
        let at = out.len() + 1;
        out.put8(u8::try_from(self.words.len() / 2).unwrap_or(0)).put(&self.words);
        out.put_len16(self.data.len()).put(&self.data);
        let is_chained = matches!(
            command,
            command::SESSION_SETUP_ANDX
                | command::LOGOFF_ANDX
                | command::TREE_CONNECT_ANDX
                | command::NT_CREATE_ANDX
                | command::LOCKING_ANDX
                | command::OPEN_ANDX
                | command::READ_ANDX
                | command::WRITE_ANDX
        );
        (is_chained && self.words.len() >= ANDX.len()).then_some(at)
    }
}
