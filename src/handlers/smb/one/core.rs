//! The commands of the core protocol (MS-CIFS 2.2.4), which small clients still speak: files opened, read and written with 32-bit offsets and times in
//! seconds or as DOS has them.

use super::super::access::Wanted;
use super::super::info::{self, seconds};
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::message::{ANDX, Block, Reply};
use super::{One, Peer, command};

/// Bytes of a message that this dialect reads and writes at once, and what a tree is told of it.
const MAX_BUFFER: u16 = 0x1104;
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
            command::OPEN => self.core_open(peer, block, 1),
            command::CREATE => self.core_open(peer, block, 5),
            command::CREATE_NEW => self.core_open(peer, block, 2),
            command::READ => core_read(peer, block),
            command::WRITE => self.core_write(peer, block),
            command::TREE_CONNECT => self.core_tree(peer, block),
            _ => {
                // The number stands in the first word, in a chain in the third.
                let at = if command == command::LOCKING_ANDX { 4 } else { 0 };
                let open = peer.core.opens.find(block.words.le16(at).unwrap_or(0)).ok_or(Status::INVALID_HANDLE)?;
                match command {
                    command::LOCKING_ANDX => Ok(Reply::words(&ANDX)),
                    command::QUERY_INFORMATION2 => {
                        let entry = open.entry().ok_or(Status::INVALID_DEVICE_REQUEST)?;
                        Ok(Reply::words(&info::standard(&entry, 1)))
                    }
                    _ => Ok(Reply::default()),
                }
            }
        }
    }

    /// OPEN, CREATE and CREATE_NEW (MS-CIFS 2.2.4.3, 2.2.4.4, 2.2.4.16).
    fn core_open(&self, peer: &mut Peer<'_, '_>, block: &Block<'_>, disposition: u32) -> Result<Reply, Status> {
        let (user, tree) = (self.user(block)?, (block.header.tid.into(), self.tree(block)?));
        let open = peer.create(&user, tree, &Wanted::old(path(block), disposition))?;
        let mut words = Vec::new();
        words.put16(open.id);
        if disposition == 1 {
            let entry = open.entry();
            let (attributes, size, time) =
                entry.map_or((0, 0, 0), |entry| (entry.attributes(), entry.size, seconds(entry.time)));
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
        let open = id.and_then(|id| peer.core.opens.find(id)).ok_or(Status::INVALID_HANDLE)?;
        if count == 0 {
            open.resize(peer.host, offset.into())?;
        } else {
            let bytes = block.data.part(HEAD, count).ok_or(Status::INVALID_SMB)?;
            open.write(peer.host, peer.cx, &user, offset.into(), bytes)?;
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
    let open = id.and_then(|id| peer.core.opens.find(id)).ok_or(Status::INVALID_HANDLE)?;
    let bytes = match open.read(offset.into(), count.min(MAX_BUFFER).into()) {
        Ok((bytes, _)) => bytes,
        Err(Status::END_OF_FILE) => Vec::new(),
        Err(status) => return Err(status),
    };
    let (mut words, mut data) = (Vec::new(), Vec::new());
    words.put_len16(bytes.len()).put(&[0; 8]);
    data.put8(1).put_len16(bytes.len()).put(&bytes);
    Ok(Reply { words, data, ..Reply::default() })
}
