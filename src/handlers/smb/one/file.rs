//! Opening, reading, writing and closing (MS-CIFS 2.2.4.64, 2.2.4.41 to 2.2.4.43, 2.2.4.5).

use super::super::access::Wanted;
use super::super::info::put_times;
use super::super::open::{Object, Open};
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::message::{ANDX, Block, Reply};
use super::{One, Peer};
use crate::events::Event;

/// Bytes that one read gives: what fits the largest message that was negotiated for reads (CAP_LARGE_READX).
const MAX_READ: usize = 60 * 1024;

impl One {
    pub(super) fn create(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let [Some(access), Some(shared), Some(disposition), Some(options)] =
            [15, 31, 35, 39].map(|at| block.words.le32(at))
        else {
            return Reply::failed(Status::INVALID_SMB);
        };
        let attributes = block.words.le32(27).unwrap_or(0);
        let wanted = Wanted { path: block.text(0).0, disposition, options, access, shared, attributes };
        self.opened(peer, block, &wanted, |open| {
            let mut words = ANDX.to_vec();
            words.put8(0).put16(open.id).put32(open.action);
            put_created(&mut words, open);
            Reply::words(&words)
        })
    }

    pub(super) fn open_andx(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let Some(mode) = block.words.le16(16) else { return Reply::failed(Status::INVALID_SMB) };
        // OpenMode (MS-CIFS 2.2.4.41.1): what to do with a file that exists, and with one that does not.
        let disposition = match (mode & 3, mode & 0x10 != 0) {
            (1, false) => 1,
            (1, true) => 3,
            (2, false) => 4,
            (2, true) => 5,
            (_, true) => 2,
            (_, false) => return Reply::failed(Status::INVALID_PARAMETER),
        };
        let mode_of_access = block.words.le16(6).unwrap_or(0);
        self.opened(peer, block, &Wanted::old(block.text(0).0, disposition, mode_of_access), |open| {
            let (attributes, size) = open.entry.as_ref().map_or((0, 0), |entry| (entry.attributes(), entry.size));
            let kind = if matches!(open.object, Object::Pipe(_)) { 2 } else { 0 };
            let mut words = ANDX.to_vec();
            words.put16(open.id).put16(u16::try_from(attributes).unwrap_or(0)).put32(0);
            words.put32(u32::try_from(size).unwrap_or(u32::MAX)).put16(2).put16(kind).put16(0x05ff);
            words.put16(u16::try_from(open.action).unwrap_or(1)).put(&[0; 6]);
            Reply::words(&words)
        })
    }

    fn opened(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        wanted: &Wanted,
        answer: impl FnOnce(&Open) -> Reply,
    ) -> Reply {
        let (user, share) = match (self.user(block), self.tree(block)) {
            (Ok(user), Ok(share)) => (user, share),
            (Err(status), _) | (_, Err(status)) => return Reply::failed(status),
        };
        let tree = (block.header.tid.into(), share);
        match peer.create(&user, tree, wanted) {
            Ok(open) => answer(open),
            Err(status) => Reply::failed(status),
        }
    }

    pub(super) fn read(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let words = block.words;
        let (Some(id), Some(low), Some(count)) = (words.le16(4), words.le32(6), words.at16(10)) else {
            return Reply::failed(Status::INVALID_SMB);
        };
        let high = words.le32(20).filter(|_| block.word_count() >= 12).unwrap_or(0);
        let offset = u64::from(high) << 32 | u64::from(low);
        let Some(open) = peer.core.opens.look(peer.host, peer.cx, block.header.tid.into(), id) else {
            return Reply::failed(Status::INVALID_HANDLE);
        };
        let (bytes, more) = match open.read(peer.host, peer.cx, (offset, block.header.pid), count.min(MAX_READ)) {
            Ok(read) => read,
            Err(Status::END_OF_FILE) => (Vec::new(), false),
            Err(status) => return Reply::failed(status),
        };
        let mut words = ANDX.to_vec();
        // Where the data begins: one byte of padding makes it even.
        let at = block.reply_data_at(24) + 1;
        words.put16(u16::MAX).put32(0).put_len16(bytes.len()).put_len16(at).put(&[0; 10]);
        let data = [&[0][..], &bytes].concat();
        let status = if more { Status::BUFFER_OVERFLOW } else { Status::OK };
        Reply { status, words, data, ..Reply::default() }
    }

    pub(super) fn write(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let user = match self.user(block) {
            Ok(user) => user,
            Err(status) => return Reply::failed(status),
        };
        let words = block.words;
        let (Some(id), Some(low), Some(len), Some(at)) = (words.le16(4), words.le32(6), words.at16(20), words.at16(22))
        else {
            return Reply::failed(Status::INVALID_SMB);
        };
        let len = len | usize::from(words.le16(18).unwrap_or(0)) << 16;
        let high = words.le32(24).filter(|_| block.word_count() >= 14).unwrap_or(0);
        let Some(bytes) = block.message.part(at, len) else { return Reply::failed(Status::INVALID_PARAMETER) };
        let offset = u64::from(high) << 32 | u64::from(low);
        let Some(open) = peer.core.opens.look(peer.host, peer.cx, block.header.tid.into(), id) else {
            return Reply::failed(Status::INVALID_HANDLE);
        };
        if let Err(status) = open.write(peer.host, peer.cx, &user, (offset, block.header.pid), bytes) {
            return Reply::failed(status);
        }
        let mut words = ANDX.to_vec();
        words.put_len16(len & 0xffff).put16(u16::MAX).put_len16(len >> 16).put16(0);
        Reply::words(&words)
    }

    /// CLOSE and FIND_CLOSE2: both have the number in the first word.
    pub(super) fn close(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let Some(id) = block.words.le16(0) else { return Reply::failed(Status::INVALID_SMB) };
        match peer.core.opens.close(peer.host, peer.cx, id) {
            Some(_) => Reply::default(),
            None => Reply::failed(Status::INVALID_HANDLE),
        }
    }
}

/// What NT_CREATE_ANDX and NT_TRANSACT_CREATE tell of what they opened: from its times on (MS-CIFS 2.2.4.64.2, 2.2.7.1.2).
pub(super) fn put_created(out: &mut Vec<u8>, open: &Open) {
    match &open.entry {
        Some(entry) => {
            put_times(out, entry);
            out.put32(entry.attributes()).put64(entry.allocated()).put64(entry.size).put16(0).put16(7);
            out.put8(entry.is_directory.into());
        }
        // A pipe of messages with 255 instances.
        None => {
            out.put(&[0; 32]).put32(0x80).put64(4096).put64(0).put16(2).put16(0x05ff).put8(0);
        }
    }
}

impl Peer<'_, '_> {
    /// Opens and records it.
    pub(in super::super) fn create(
        &mut self,
        user: &super::User,
        tree: (u32, super::Share),
        wanted: &Wanted,
    ) -> Result<&mut Open, Status> {
        let share = tree.1.name;
        let path = &wanted.path;
        let result = self.core.opens.create(self.host, self.cx, user, tree, wanted).map(|open| open.id);
        let decoded = serde_json::json!({
            "share": share, "path": path, "disposition": wanted.disposition,
            "status": result.as_ref().err().map_or(0, |status| status.0),
        });
        self.note(
            Event::new("request", format!("open {share}\\{}", path.trim_start_matches('\\'))).with("decoded", decoded),
        );
        let id = result?;
        self.core.opens.find(id).ok_or(Status::FILE_CLOSED)
    }
}
