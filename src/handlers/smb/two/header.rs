//! The header (MS-SMB2 2.2.1), read and written.

use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::{ASYNC, HEADER};

/// One request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// From its header to the next.
    pub(super) message: &'a [u8],
    /// Without the header.
    pub(super) body: &'a [u8],
    pub(super) command: u16,
    pub(super) flags: u32,
    /// Credits that it costs, and that its visitor asks for.
    pub(super) charge: u16,
    pub(super) credits: u16,
    pub(super) message_id: u64,
    pub(super) session: u64,
    pub(super) tree: u32,
    /// What files of this connection are numbered with.
    pub(super) seed: u64,
    /// The file of the request before, in a related compound.
    pub(super) file: Option<u16>,
}

/// The first number of a file, as it is numbered for SMB1 (`Opens`).
const FIRST_FILE: u16 = 0x4000;

/// The two numbers of a file (MS-SMB2 2.2.14.1), which look like those of Windows: places in two tables, in steps of four, each with how often
/// its table has grown.
pub(super) fn file_id(seed: u64, file: u16) -> [u64; 2] {
    let grown = ((seed >> 8 & 0x1f) + 1) << 34;
    let step = u64::from(file.wrapping_sub(FIRST_FILE)) * 4;
    let first = (seed >> 16 & 0x3ff) * 4 + 1;
    [grown | (first + step), grown | (step + 1)]
}

impl<'a> Request<'a> {
    pub(super) fn parse(message: &'a [u8], seed: u64) -> Option<Self> {
        let is_header = message.starts_with(b"\xfeSMB") && message.le16(4) == Some(64);
        if !is_header {
            return None;
        }
        Some(Self {
            message,
            body: message.get(HEADER..)?,
            command: message.le16(12)?,
            flags: message.le32(16)?,
            charge: message.le16(6)?,
            credits: message.le16(14)?,
            message_id: message.le64(24)?,
            session: message.le64(40)?,
            tree: message.le32(36)?,
            seed,
            file: None,
        })
    }

    /// A buffer by the offset and length that the body names at these places.
    pub(super) fn buffer(&self, offset: usize, len: usize) -> Option<&'a [u8]> {
        if len == 0 { Some(&[]) } else { self.message.part(offset, len) }
    }

    /// The file that a FileId names: all ones is the one of the request before (MS-SMB2 3.3.5.2.7.2).
    pub(super) fn file(&self, at: usize) -> Option<u16> {
        let given = [self.body.le64(at)?, self.body.le64(at + 8)?];
        if given == [u64::MAX; 2] {
            return self.file;
        }
        let [_, volatile] = given;
        let step = u16::try_from((volatile & 0xffff_ffff).checked_sub(1)? / 4).ok()?;
        let file = FIRST_FILE.wrapping_add(step);
        (file_id(self.seed, file) == given).then_some(file)
    }
}

/// The header of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) command: u16,
    pub(super) charge: u16,
    pub(super) status: Status,
    pub(super) credits: u16,
    pub(super) flags: u32,
    pub(super) message_id: u64,
    pub(super) tree: u32,
    pub(super) session: u64,
}

impl Head {
    /// Appends it and a body. What waits has the number of its message where others have their tree.
    pub(super) fn put(&self, out: &mut Vec<u8>, body: &[u8]) {
        out.put(b"\xfeSMB").put16(64).put16(self.charge).put32(self.status.0).put16(self.command).put16(self.credits);
        out.put32(self.flags).put32(0).put64(self.message_id);
        if self.flags & ASYNC != 0 {
            out.put64(self.message_id);
        } else {
            out.put32(0xfeff).put32(self.tree);
        }
        out.put64(self.session).put(&[0; 16]).put(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_both_of_their_numbers_which_differ_between_connections() {
        let find = |seed: u64, id: [u64; 2]| {
            let mut message = vec![0; 64];
            message.put64(id[0]).put64(id[1]);
            patched(&mut message);
            Request::parse(&message, seed).unwrap().file(0)
        };
        for file in [0x4000, 0x4001, 0x401f] {
            let [persistent, volatile] = file_id(7, file);
            assert_eq!(find(7, [persistent, volatile]), Some(file));
            assert_eq!(find(7, [persistent + 4, volatile]), None);
            assert_eq!(find(7, [persistent, volatile + (1 << 32)]), None);
        }
        assert_ne!(file_id(0x1234_5678, 0x4000), file_id(0x8765_4321, 0x4000));
        assert_eq!(find(7, [0, 0]), None);
    }

    fn patched(message: &mut [u8]) {
        super::super::super::wire::patch(message, 0, b"\xfeSMB\x40\0");
    }
}
