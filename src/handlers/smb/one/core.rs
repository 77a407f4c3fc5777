//! The commands of the core protocol (MS-CIFS 2.2.4), which small clients still speak: files opened, read and written with 32-bit offsets and times in
//! seconds or as DOS has them.

use super::super::access::Wanted;
use super::super::info::{self, seconds};
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::super::written::Entry;
use super::message::{Block, Reply};
use super::{One, Peer, command, lock};

/// Bytes of a message that this dialect reads and writes at once, and what a tree is told of it.
const MAX_BUFFER: u16 = 0x1104;
/// The mode of what is made: it is read and written, by others, too.
const FOR_ALL: u16 = 0x42;
/// What stands before the bytes of a read or a write: a format byte and their length.
const HEAD: usize = 3;

/// A path behind its format byte.
fn path(block: &Block<'_>) -> String {
    block.text(1).0
}

impl One {
    /// Commands on what is open or shall be.
    pub(super) fn core(&mut self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>) -> Result<Reply, Status> {
        match command {
            command::OPEN => self.core_open(peer, block, (1, block.words.le16(0).unwrap_or(0))),
            command::CREATE => self.core_open(peer, block, (5, FOR_ALL)),
            command::CREATE_NEW => self.core_open(peer, block, (2, FOR_ALL)),
            command::READ => core_read(peer, block),
            command::WRITE => self.core_write(peer, block),
            command::TREE_CONNECT => self.core_tree(peer, block),
            _ => {
                // The number stands in the first word, in a chain in the third.
                let at = if command == command::LOCKING_ANDX { 4 } else { 0 };
                let id = block.words.le16(at).unwrap_or(0);
                let found = peer.core.opens.look(peer.host, peer.cx, block.header.tid.into(), id);
                let open = found.ok_or(Status::INVALID_HANDLE)?;
                match command {
                    command::LOCKING_ANDX | command::LOCK | command::UNLOCK => lock::change(peer, command, block, id),
                    command::QUERY_INFORMATION2 => {
                        let entry = open.entry.as_ref().ok_or(Status::INVALID_DEVICE_REQUEST)?;
                        Ok(Reply::words(&info::standard(entry, 1)))
                    }
                    _ => Ok(Reply::default()),
                }
            }
        }
    }

    /// OPEN, CREATE and CREATE_NEW (MS-CIFS 2.2.4.3, 2.2.4.4, 2.2.4.16).
    fn core_open(
        &self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        (disposition, mode): (u32, u16),
    ) -> Result<Reply, Status> {
        let (user, tree) = (self.user(block)?, (block.header.tid.into(), self.tree(block)?));
        let open = peer.create(&user, tree, &Wanted::old(path(block), disposition, mode))?;
        let mut words = Vec::new();
        words.put16(open.id);
        if disposition == 1 {
            let told = |entry: &Entry| (entry.attributes(), entry.size, seconds(entry.times.written()));
            let (attributes, size, time) = open.entry.as_ref().map_or((0, 0, 0), told);
            words.put16(u16::try_from(attributes).unwrap_or(0)).put32(time);
            words.put32(u32::try_from(size).unwrap_or(u32::MAX)).put16(2);
        }
        Ok(Reply::words(&words))
    }

    /// WRITE (MS-CIFS 2.2.4.12): without bytes, it cuts the file.
    fn core_write(&self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Result<Reply, Status> {
        let user = self.user(block)?;
        let words = block.words;
        let (id, count, offset) = (words.le16(0), words.at16(2).unwrap_or(0), words.le32(4).unwrap_or(0));
        let found = id.and_then(|id| peer.core.opens.look(peer.host, peer.cx, block.header.tid.into(), id));
        let open = found.ok_or(Status::INVALID_HANDLE)?;
        if count == 0 {
            open.resize(peer.host, peer.cx, offset.into())?;
        } else {
            let bytes = block.data.part(HEAD, count).ok_or(Status::INVALID_SMB)?;
            open.write(peer.host, peer.cx, &user, (offset.into(), block.header.pid), bytes)?;
        }
        let mut words = Vec::new();
        words.put_len16(count);
        Ok(Reply::words(&words))
    }

    /// TREE_CONNECT (MS-CIFS 2.2.4.50): path, password and service, each behind a format byte.
    fn core_tree(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Result<Reply, Status> {
        let (path, at) = block.text(1);
        let (_, at) = block.ascii(at + 1);
        let (service, _) = block.ascii(at + 1);
        let (tid, _) = self.connect(peer, block, &path, &service)?;
        let mut words = Vec::new();
        words.put16(MAX_BUFFER).put16(tid);
        Ok(Reply { tid: Some(tid), ..Reply::words(&words) })
    }
}

/// READ (MS-CIFS 2.2.4.11).
fn core_read(peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Result<Reply, Status> {
    let words = block.words;
    let (id, count, offset) = (words.le16(0), words.le16(2).unwrap_or(0), words.le32(4).unwrap_or(0));
    let found = id.and_then(|id| peer.core.opens.look(peer.host, peer.cx, block.header.tid.into(), id));
    let open = found.ok_or(Status::INVALID_HANDLE)?;
    let at = (offset.into(), block.header.pid);
    let bytes = match open.read(peer.host, peer.cx, at, count.min(MAX_BUFFER).into()) {
        Ok((bytes, _)) => bytes,
        Err(Status::END_OF_FILE) => Vec::new(),
        Err(status) => return Err(status),
    };
    let (mut words, mut data) = (Vec::new(), Vec::new());
    words.put_len16(bytes.len()).put(&[0; 8]);
    data.put8(1).put_len16(bytes.len()).put(&bytes);
    Ok(Reply { words, data, ..Reply::default() })
}
