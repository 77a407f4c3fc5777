//! TRANSACTION2 (MS-CIFS 2.2.6): listings, and information about files and volumes.

use super::super::disk::normal;
use super::super::host::Kind;
use super::super::info;
use super::super::open::{Directory, Object, Open, view};
use super::super::status::Status;
use super::super::wire::{Fields, Put, patch};
use super::message::{Block, Reply};
use super::transaction::{Transaction, answer, text_of};
use super::{One, Peer};
use crate::events::Event;

/// Bytes of a directory listing in one answer.
const MAX_LISTING: usize = 16 * 1024;

impl One {
    /// TRANSACTION2 (MS-CIFS 2.2.6).
    pub(super) fn transaction2(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        setup: &[u8],
        transaction: Transaction<'_>,
    ) -> Reply {
        let subcommand = setup.le16(0).unwrap_or(u16::MAX);
        if subcommand == 0x0e {
            return self.pulsar.ping(peer, block, &transaction);
        }
        let share = match self.user(block).and_then(|_| self.tree(block)) {
            Ok(share) => share,
            Err(status) => return Reply::failed(status),
        };
        let parameters = transaction.parameters;
        match (subcommand, share.kind) {
            // GET_DFS_REFERRAL
            (0x10, _) => Reply::failed(Status::NOT_FOUND),
            (0x01, Kind::Disk) => self.find_first(peer, block, transaction),
            (0x02, Kind::Disk) => find_next(peer, block, transaction),
            (0x03, Kind::Disk) => volume(peer, block, parameters.le16(0).unwrap_or(0)),
            (0x05, Kind::Disk) => {
                let Some(path) = normal(&text_of(block, parameters, 6)) else {
                    return Reply::failed(Status::OBJECT_NAME_INVALID);
                };
                match view(peer.host, peer.cx, share, |view, _| view.find(&path)) {
                    Ok(entry) => {
                        query(block, parameters.le16(0), |class| info::file(class, &entry, &format!("\\{path}"), false))
                    }
                    Err(status) => Reply::failed(status),
                }
            }
            (0x07, _) => opened(peer, block, parameters),
            (0x08, Kind::Disk) => set(peer, block, transaction),
            (0x06, Kind::Disk) => answer(block, Status::OK, &[0, 0], &[]),
            (0x0d, Kind::Disk) => {
                let Some(path) = normal(&text_of(block, parameters, 4)) else {
                    return Reply::failed(Status::OBJECT_NAME_INVALID);
                };
                view(peer.host, peer.cx, share, |view, now| view.put(&path, true, &[], now));
                answer(block, Status::OK, &[0, 0], &[])
            }
            _ => Reply::failed(Status::INVALID_PARAMETER),
        }
    }

    /// FIND_FIRST2 (MS-CIFS 2.2.6.2).
    fn find_first(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>, transaction: Transaction<'_>) -> Reply {
        let parameters = transaction.parameters;
        let (Some(count), Some(flags), Some(level)) = (parameters.at16(2), parameters.le16(4), parameters.le16(6))
        else {
            return Reply::failed(Status::INVALID_PARAMETER);
        };
        let text = text_of(block, parameters, 12);
        let Some(path) = normal(&text) else { return Reply::failed(Status::OBJECT_NAME_INVALID) };
        let (directory, pattern) = path.rsplit_once('\\').unwrap_or(("", &path));
        let Ok(share) = self.tree(block) else { return Reply::failed(Status::SMB_BAD_TID) };
        peer.note(Event::new("request", format!("list {}\\{path}", share.name)));
        if peer.core.opens.is_full() {
            return Reply::failed(Status::TOO_MANY_OPENED_FILES);
        }
        let found = view(peer.host, peer.cx, share, |view, _| {
            let mut search = Directory::new(view.find(directory)?);
            search.fill(view, directory, pattern, true);
            Ok(search)
        });
        let mut search = match found {
            Ok(search) => search,
            Err(status) => return Reply::failed(status),
        };
        if search.peek().is_none() {
            return Reply::failed(Status::NO_SUCH_FILE);
        }
        let Some((data, found, last)) = listing(block, &mut search, level, count, transaction.max_data) else {
            return Reply::failed(Status::INVALID_INFO_CLASS);
        };
        let is_end = search.peek().is_none();
        let mut out = Vec::new();
        // The search is kept unless it is to be closed now, or at its end.
        let id = if flags & 1 != 0 || is_end && flags & 2 != 0 {
            0
        } else {
            let tree = block.header.tid.into();
            let path = directory.to_owned();
            peer.core.opens.insert(Open {
                id: 0,
                tree,
                share,
                path,
                object: Object::Directory(search),
                action: 1,
                deletes: false,
            })
        };
        out.put16(id).put_len16(found).put16(is_end.into()).put16(0).put_len16(last);
        answer(block, Status::OK, &out, &data)
    }
}

/// FIND_NEXT2 (MS-CIFS 2.2.6.3).
fn find_next(peer: &mut Peer<'_, '_>, block: &Block<'_>, transaction: Transaction<'_>) -> Reply {
    let parameters = transaction.parameters;
    let (Some(id), Some(count), Some(level)) = (parameters.le16(0), parameters.at16(2), parameters.le16(4)) else {
        return Reply::failed(Status::INVALID_PARAMETER);
    };
    let Some(Open { object: Object::Directory(search), .. }) = peer.core.opens.find(id) else {
        return Reply::failed(Status::INVALID_HANDLE);
    };
    let Some((data, found, last)) = listing(block, search, level, count, transaction.max_data) else {
        return Reply::failed(Status::INVALID_INFO_CLASS);
    };
    let mut out = Vec::new();
    out.put_len16(found).put16(search.peek().is_none().into()).put16(0).put_len16(last);
    answer(block, Status::OK, &out, &data)
}

/// QUERY_FS_INFORMATION (MS-CIFS 2.2.6.4).
fn volume(peer: &Peer<'_, '_>, block: &Block<'_>, level: u16) -> Reply {
    let class = match level {
        0x0102 => 1,
        0x0103 => 3,
        0x0104 => 4,
        0x0105 => 5,
        level => level.wrapping_sub(1000),
    };
    match info::volume(class, peer.host) {
        Some(data) => answer(block, Status::OK, &[], &data),
        None => Reply::failed(Status::INVALID_INFO_CLASS),
    }
}

/// QUERY_FILE_INFORMATION (MS-CIFS 2.2.6.8).
fn opened(peer: &mut Peer<'_, '_>, block: &Block<'_>, parameters: &[u8]) -> Reply {
    let Some(open) = peer.core.opens.find(parameters.le16(0).unwrap_or(0)) else {
        return Reply::failed(Status::INVALID_HANDLE);
    };
    let path = format!("\\{}", open.path);
    query(block, parameters.le16(2), |class| match open.entry() {
        Some(entry) => info::file(class, &entry, &path, open.deletes),
        None => info::pipe(class),
    })
}

/// SET_FILE_INFORMATION (MS-CIFS 2.2.6.9): length and deletion matter, times are taken.
fn set(peer: &mut Peer<'_, '_>, block: &Block<'_>, transaction: Transaction<'_>) -> Reply {
    let (id, level) = (transaction.parameters.le16(0).unwrap_or(0), transaction.parameters.le16(2).unwrap_or(0));
    let Some(open) = peer.core.opens.find(id) else { return Reply::failed(Status::INVALID_HANDLE) };
    let result = match level {
        // Disposition; end of file; allocation.
        0x0102 | 1013 => {
            open.deletes = transaction.data.first() == Some(&1);
            Ok(())
        }
        0x0104 | 1020 => open.resize(peer.host, transaction.data.le64(0).unwrap_or(0)),
        _ => Ok(()),
    };
    match result {
        Ok(()) => answer(block, Status::OK, &[0, 0], &[]),
        Err(status) => Reply::failed(status),
    }
}

/// Information by its level (MS-CIFS 2.2.8.3; above 1000 those of NT).
fn query(block: &Block<'_>, level: Option<u16>, info: impl FnOnce(u16) -> Option<Vec<u8>>) -> Reply {
    let class = match level.unwrap_or(0) {
        0x0101 => 4,
        0x0102 => 5,
        0x0103 => 7,
        0x0104 => 9,
        0x0107 => 18,
        0x0109 => 22,
        level => level.wrapping_sub(1000),
    };
    match info(class) {
        Some(data) => answer(block, Status::OK, &[0, 0], &data),
        None => Reply::failed(Status::INVALID_INFO_CLASS),
    }
}

/// Entries of a search from where it is, at most `count`, at most `max` bytes; with how many there are, and where the last begins.
fn listing(
    block: &Block<'_>,
    search: &mut Directory,
    level: u16,
    count: usize,
    max: usize,
) -> Option<(Vec<u8>, usize, usize)> {
    let is_unicode = block.header.is_unicode();
    let class = match level {
        0x0101 => 0x01,
        0x0102 => 0x02,
        0x0103 => 0x0c,
        0x0104 => 0x03,
        0x0105 => 0x26,
        0x0106 => 0x25,
        _ => return None,
    };
    let (mut out, mut found, mut last) = (Vec::new(), 0, 0);
    while let Some(entry) = search.peek().filter(|_| found < count) {
        let mut one = Vec::new();
        info::directory_entry(&mut one, class, entry, is_unicode);
        let at = out.len().next_multiple_of(8);
        if at + one.len() > max.min(MAX_LISTING) {
            break;
        }
        if found > 0 {
            let step = u32::try_from(at - last).unwrap_or(0);
            out.align(8);
            patch(&mut out, last, &step.to_le_bytes());
        }
        out.put(&one);
        (found, last) = (found + 1, at);
        search.advance();
    }
    Some((out, found, last))
}
