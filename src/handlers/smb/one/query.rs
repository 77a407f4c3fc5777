//! TRANSACTION2 (MS-CIFS 2.2.6): listings, and information about files and volumes.

use super::super::access;
use super::super::disk::view;
use super::super::host::{Kind, Share};
use super::super::info;
use super::super::open::{Directory, Object, Open};
use super::super::path::{normal, pattern};
use super::super::status::Status;
use super::super::wire::{Fields, Put, patch, text_of_utf16};
use super::super::written::Entry;
use super::message::Reply;
use super::transaction::Transaction;
use super::{One, Peer};
use crate::events::Event;

/// Bytes of a directory listing in one answer.
const MAX_LISTING: usize = 16 * 1024;

/// Subcommands (MS-CIFS 2.2.2.2).
const FIND_FIRST: u16 = 0x01;
const FIND_NEXT: u16 = 0x02;
const QUERY_VOLUME: u16 = 0x03;
const QUERY_PATH: u16 = 0x05;
const SET_PATH: u16 = 0x06;
const QUERY_FILE: u16 = 0x07;
const SET_FILE: u16 = 0x08;
const CREATE_DIRECTORY: u16 = 0x0d;
const SESSION_SETUP: u16 = 0x0e;
const DFS_REFERRAL: u16 = 0x10;

impl One {
    /// TRANSACTION2 (MS-CIFS 2.2.6).
    pub(super) fn transaction2(&mut self, peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Result<Reply, Status> {
        let subcommand = asked.setup.le16(0).unwrap_or(u16::MAX);
        if subcommand == SESSION_SETUP {
            return Ok(self.pulsar.ping(peer, asked));
        }
        self.user(asked.block)?;
        let share = self.tree(asked.block)?;
        let parameters = asked.parameters;
        match subcommand {
            DFS_REFERRAL => Err(Status::NOT_FOUND),
            QUERY_FILE => opened(peer, asked),
            SET_FILE => set(peer, asked),
            FIND_FIRST..=SET_PATH | CREATE_DIRECTORY if share.kind != Kind::Disk => Err(Status::INVALID_DEVICE_REQUEST),
            FIND_FIRST => find_first(peer, asked, share),
            FIND_NEXT => find_next(peer, asked),
            QUERY_VOLUME => volume(peer, asked, parameters.le16(0).ok_or(Status::INVALID_PARAMETER)?),
            QUERY_PATH | SET_PATH => {
                let level = parameters.le16(0).ok_or(Status::INVALID_PARAMETER)?;
                let path = normal(&asked.path(6))?;
                let entry = view(peer.host, peer.cx, share, |view, _| view.find(&path))?;
                if subcommand == SET_PATH {
                    if let Some((times, attributes)) = basic(level, asked.data) {
                        view(peer.host, peer.cx, share, |view, _| view.set_basic(&path, times, attributes))?;
                    }
                    return Ok(asked.answer(&[0, 0], &[]));
                }
                if entry.is_doomed {
                    return Err(Status::DELETE_PENDING);
                }
                query(asked, level, Some(&entry), &format!("\\{path}"), 0)
            }
            CREATE_DIRECTORY => {
                let path = normal(&asked.path(4))?;
                view(peer.host, peer.cx, share, |view, now| match view.find(&path) {
                    Ok(_) => Err(Status::OBJECT_NAME_COLLISION),
                    Err(Status::OBJECT_NAME_NOT_FOUND) => {
                        view.make(&path, true, 0, now).map(|()| asked.answer(&[0, 0], &[]))
                    }
                    Err(status) => Err(status),
                })
            }
            // Those that were never implemented, and those that there are not (MS-CIFS 2.2.6).
            0..=DFS_REFERRAL => Err(Status::NOT_IMPLEMENTED),
            _ => Err(Status::INVALID_SMB),
        }
    }
}

/// FIND_FIRST2 (MS-CIFS 2.2.6.2).
fn find_first(peer: &mut Peer<'_, '_>, asked: &Transaction<'_>, share: Share) -> Result<Reply, Status> {
    let parameters = asked.parameters;
    let read = || Some((parameters.at16(2)?, parameters.le16(4)?, parameters.le16(6)?));
    let (count, flags, level) = read().ok_or(Status::INVALID_PARAMETER)?;
    let path = pattern(&asked.path(12))?;
    let (directory, wanted) = path.rsplit_once('\\').unwrap_or(("", &path));
    peer.note(Event::new("request", format!("list {}\\{path}", share.name)));
    if peer.core.opens.is_full() {
        return Err(Status::TOO_MANY_OPENED_FILES);
    }
    let mut search = view(peer.host, peer.cx, share, |view, _| {
        let entry = view.find(directory)?;
        if !entry.is_directory {
            return Err(Status::NOT_A_DIRECTORY);
        }
        let mut search = Directory::default();
        search.fill(view, directory, wanted, true)?;
        Ok(search)
    })?;
    if search.peek().is_none() {
        return Err(Status::NO_SUCH_FILE);
    }
    let (data, found, last) = listing(asked, &mut search, (level, flags), count)?;
    let is_end = search.peek().is_none();
    // The search is kept unless it is to be closed now, or at its end.
    let id = if flags & 1 != 0 || is_end && flags & 2 != 0 {
        0
    } else {
        let (tree, path) = (asked.block.header.tid.into(), directory.to_owned());
        peer.core.opens.insert(Open::search(tree, share, path, search))
    };
    let mut out = Vec::new();
    out.put16(id).put_len16(found).put16(is_end.into()).put16(0).put_len16(last);
    Ok(asked.answer(&out, &data))
}

/// FIND_NEXT2 (MS-CIFS 2.2.6.3).
fn find_next(peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Result<Reply, Status> {
    let parameters = asked.parameters;
    let read = || Some((parameters.le16(0)?, parameters.at16(2)?, parameters.le16(4)?, parameters.le16(10)?));
    let (id, count, level, flags) = read().ok_or(Status::INVALID_PARAMETER)?;
    let Some(Open { object: Object::Directory(search), .. }) = peer.core.opens.find(id) else {
        return Err(Status::INVALID_HANDLE);
    };
    let (data, found, last) = listing(asked, search, (level, flags), count)?;
    let mut out = Vec::new();
    out.put_len16(found).put16(search.peek().is_none().into()).put16(0).put_len16(last);
    Ok(asked.answer(&out, &data))
}

/// The status of a level that there is not: those above 1000 are classes of NT (MS-SMB 2.2.2.3.5).
const fn unknown(level: u16) -> Status {
    if level >= 1000 { Status::INVALID_INFO_CLASS } else { Status::OS2_INVALID_LEVEL }
}

/// QUERY_FS_INFORMATION (MS-CIFS 2.2.6.4, 2.2.8.2).
fn volume(peer: &Peer<'_, '_>, asked: &Transaction<'_>, level: u16) -> Result<Reply, Status> {
    let data = match level {
        1 => Some(info::allocation()),
        2 => {
            // The serial number, and the label.
            let mut out = Vec::new();
            out.put32(peer.host.volume_serial);
            put_counted(&mut out, info::LABEL, asked.block.header.is_unicode());
            Some(out)
        }
        0x0102 => info::volume(1, peer.host),
        0x0103 => info::volume(3, peer.host),
        0x0104 => info::volume(4, peer.host),
        0x0105 => info::volume(5, peer.host),
        _ => level.checked_sub(1000).and_then(|class| info::volume(class, peer.host)),
    };
    data.map(|data| asked.answer(&[], &data)).ok_or(unknown(level))
}

/// QUERY_FILE_INFORMATION (MS-CIFS 2.2.6.8).
fn opened(peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Result<Reply, Status> {
    let (id, level) = (asked.parameters.le16(0), asked.parameters.le16(2).ok_or(Status::INVALID_PARAMETER)?);
    let found = id.and_then(|id| peer.core.opens.look(peer.host, peer.cx, asked.block.header.tid.into(), id));
    let open = found.ok_or(Status::INVALID_HANDLE)?;
    query(asked, level, open.entry.as_ref(), &format!("\\{}", open.path), open.position)
}

/// SET_FILE_INFORMATION (MS-CIFS 2.2.6.9): length, name, deletion, times and attributes.
fn set(peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Result<Reply, Status> {
    let (id, level) = (asked.parameters.le16(0), asked.parameters.le16(2).ok_or(Status::INVALID_PARAMETER)?);
    let data = asked.data;
    let found = id.and_then(|id| peer.core.opens.look(peer.host, peer.cx, asked.block.header.tid.into(), id));
    let open = found.ok_or(Status::INVALID_HANDLE)?;
    match level {
        // Disposition; end of file; name (MS-FSCC 2.4.37.1).
        0x0102 | 1013 => open.delete(peer.host, peer.cx, data.first() == Some(&1))?,
        0x0104 | 1020 => open.resize(peer.host, peer.cx, data.le64(0).ok_or(Status::INVALID_PARAMETER)?)?,
        0x0103 | 1019 => open.allocate(peer.host, peer.cx, data.le64(0).ok_or(Status::INVALID_PARAMETER)?)?,
        1014 => open.position = data.le64(0).ok_or(Status::INVALID_PARAMETER)?,
        1010 => {
            let name = data.at32(8).and_then(|len| data.part(12, len)).ok_or(Status::INVALID_PARAMETER)?;
            open.rename(peer.host, peer.cx, &text_of_utf16(name), data.first() == Some(&1))?;
        }
        _ => {
            if let Some((times, attributes)) = basic(level, data) {
                open.set_basic(peer.host, peer.cx, times, attributes)?;
            }
        }
    }
    Ok(asked.answer(&[0, 0], &[]))
}

/// Times and attributes to be set (SMB_SET_FILE_BASIC_INFO, MS-CIFS 2.2.8.4.3), where a level has them.
fn basic(level: u16, data: &[u8]) -> Option<([u64; 4], u32)> {
    let is_basic = matches!(level, 0x0101 | 1004);
    let read = || Some(([data.le64(0)?, data.le64(8)?, data.le64(16)?, data.le64(24)?], data.le32(32)?));
    is_basic.then(read).flatten()
}

/// Information about what has an entry, or a pipe, by its level (MS-CIFS 2.2.8.3).
fn query(
    asked: &Transaction<'_>,
    level: u16,
    entry: Option<&Entry>,
    path: &str,
    position: u64,
) -> Result<Reply, Status> {
    let class = match level {
        0x0101 => 4,
        0x0102 => 5,
        0x0103 => 7,
        0x0104 => 9,
        0x0108 => 21,
        0x0109 => 22,
        0x010b => 28,
        _ => level.saturating_sub(1000),
    };
    let data = match (level, entry) {
        (1 | 2 | 4, Some(entry)) => Some(info::standard(entry, level)),
        // SMB_INFO_IS_NAME_VALID says so by its success.
        (6, Some(_)) => return Ok(asked.answer(&[], &[])),
        (0x0107, Some(entry)) => Some(info::all(entry, path)),
        (_, Some(entry)) => info::file(class, entry, path, (access::ALL, position)),
        (_, None) => info::pipe(class),
    };
    data.map(|data| asked.answer(&[0, 0], &data)).ok_or(unknown(level))
}

/// Entries of a search from where it is, at most `count`; with how many there are, and where the last begins.
fn listing(
    asked: &Transaction<'_>,
    search: &mut Directory,
    (level, flags): (u16, u16),
    count: usize,
) -> Result<(Vec<u8>, usize, usize), Status> {
    let is_unicode = asked.block.header.is_unicode();
    let class = match level {
        0x0001 => 0,
        0x0101 => 0x01,
        0x0102 => 0x02,
        0x0103 => 0x0c,
        0x0104 => 0x03,
        0x0105 => 0x26,
        0x0106 => 0x25,
        _ => return Err(Status::OS2_INVALID_LEVEL),
    };
    let (mut out, mut found, mut last) = (Vec::new(), 0, 0);
    while let Some(entry) = search.peek().filter(|_| found < count) {
        let mut one = Vec::new();
        let align = if class == 0 {
            old_entry(&mut one, entry, is_unicode, flags & 4 != 0);
            1
        } else {
            info::directory_entry(&mut one, class, entry, is_unicode);
            8
        };
        let at = out.len().next_multiple_of(align);
        if at + one.len() > asked.max_data.min(MAX_LISTING) {
            break;
        }
        if found > 0 && class != 0 {
            let step = u32::try_from(at - last).unwrap_or(0);
            out.align(align);
            patch(&mut out, last, &step.to_le_bytes());
        }
        out.put(&one);
        (found, last) = (found + 1, at);
        search.advance();
    }
    Ok((out, found, last))
}

/// SMB_INFO_STANDARD of a listing (MS-CIFS 2.2.8.1.1): with a key to go on from, when one is asked for.
fn old_entry(out: &mut Vec<u8>, entry: &Entry, is_unicode: bool, has_key: bool) {
    if has_key {
        out.put32(0);
    }
    out.put(&info::standard(entry, 1));
    put_counted(out, &entry.name, is_unicode);
}

/// A text behind one byte that counts its bytes, with an end mark.
fn put_counted(out: &mut Vec<u8>, text: &str, is_unicode: bool) {
    let len = if is_unicode { 2 * text.encode_utf16().count() } else { text.len() };
    out.put8(u8::try_from(len).unwrap_or(u8::MAX));
    if is_unicode {
        out.put_utf16(text).put16(0);
    } else {
        out.put(text.as_bytes()).put8(0);
    }
}
