//! QUERY_DIRECTORY, QUERY_INFO and SET_INFO (MS-SMB2 2.2.33 to 2.2.40).

use super::super::access;
use super::super::change::Watch;
use super::super::disk::view;
use super::super::host::Share;
use super::super::info;
use super::super::open::{Object, Open};
use super::super::status::Status;
use super::super::wire::{Fields, Put, patch, text_of_utf16};
use super::session::LARGE;
use super::{HEADER, Peer, Reply, Request, file};

/// Bytes of a listing in one answer.
const MAX_LISTING: usize = 64 * 1024;
/// RESTART_SCANS, RETURN_SINGLE_ENTRY, REOPEN (MS-SMB2 2.2.33).
const RESTART: u8 = 0x11;
const SINGLE: u8 = 0x02;

fn buffer(bytes: &[u8]) -> Reply {
    let mut out = Vec::new();
    out.put16(9).put_len16(HEADER + 8).put_len32(bytes.len()).put(bytes);
    Reply::new(out)
}

pub(super) fn directory(peer: &mut Peer<'_, '_>, request: &Request<'_>, share: Share) -> Result<Reply, Status> {
    let body = request.body;
    let read = || {
        let pattern = request.buffer(body.at16(24)?, body.at16(26)?)?;
        Some((body.byte(2)?, body.byte(3)?, text_of_utf16(pattern), body.at32(28)?))
    };
    let (class, flags, pattern, max) = read().ok_or(Status::INVALID_PARAMETER)?;
    let id = file::find(peer, request, 8)?.id;
    let (host, cx) = (peer.host, &*peer.cx);
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    open.may(access::READ)?;
    let Open { object: Object::Directory(search), path, .. } = open else { return Err(Status::INVALID_PARAMETER) };
    if pattern.is_empty() {
        return Err(Status::OBJECT_NAME_INVALID);
    }
    let is_first = view(host, cx, share, |view, _| search.fill(view, path, &pattern, flags & RESTART != 0))?;
    let (mut out, mut last) = (Vec::new(), None);
    while let Some(entry) = search.peek() {
        let mut one = Vec::new();
        if !info::directory_entry(&mut one, class, entry, true) {
            return Err(Status::INVALID_INFO_CLASS);
        }
        let at = out.len().next_multiple_of(8);
        if at + one.len() > max.min(MAX_LISTING) {
            break;
        }
        out.align(8);
        if let Some(last) = last {
            let step = u32::try_from(at - last).unwrap_or(0);
            patch(&mut out, last, &step.to_le_bytes());
        }
        out.put(&one);
        last = Some(at);
        search.advance();
        if flags & SINGLE != 0 {
            break;
        }
    }
    match (last, search.peek()) {
        (Some(_), _) => Ok(buffer(&out)),
        (None, Some(_)) => Err(Status::INFO_LENGTH_MISMATCH),
        (None, None) if is_first => Err(Status::NO_SUCH_FILE),
        (None, None) => Err(Status::NO_MORE_FILES),
    }
}

/// CHANGE_NOTIFY (MS-SMB2 3.3.5.19): the directory that is watched, from now on, and the room for what is told of it.
pub(super) fn watch(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<(u16, usize), Status> {
    const TREE: u16 = 1;
    let body = request.body;
    let (Some(flags), Some(room), Some(kinds)) = (body.le16(2), body.at32(4), body.le32(24)) else {
        return Err(Status::INVALID_PARAMETER);
    };
    let id = file::find(peer, request, 8)?.id;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    if room > LARGE as usize || !matches!(open.object, Object::Directory(_)) {
        return Err(Status::INVALID_PARAMETER);
    }
    open.may(access::READ)?;
    let (share, owner) = (open.share, open.owner(peer.cx));
    view(peer.host, peer.cx, share, |view, _| {
        let next = view.visitor.changes.next();
        let claim = view.visitor.claims.find_mut(owner).ok_or(Status::FILE_CLOSED)?;
        claim.watch.get_or_insert(Watch { kinds, is_recursive: flags & TREE != 0, room, next });
        Ok((id, room))
    })
}

/// What has changed in a directory that is watched: `None` as long as nothing has.
pub(super) fn changes(peer: &mut Peer<'_, '_>, id: u16, room: usize) -> Option<Reply> {
    let tree = peer.core.opens.find(id)?.tree;
    let open = peer.core.opens.look(peer.host, peer.cx, tree, id)?;
    if open.entry.as_ref().is_some_and(|entry| entry.is_doomed) {
        return Some(Reply::failed(Status::DELETE_PENDING));
    }
    let (owner, share) = (open.owner(peer.cx), open.share);
    let told = view(peer.host, peer.cx, share, |view, _| {
        let (claims, changes) = (&mut view.visitor.claims, &view.visitor.changes);
        let claim = claims.find_mut(owner)?;
        changes.seen(claim.watch.as_mut()?, &claim.path, room)
    })?;
    let status = if told.is_empty() { Status::NOTIFY_ENUM_DIR } else { Status::OK };
    Some(Reply { status, ..buffer(&told) })
}

pub(super) fn info(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Reply, Status> {
    let body = request.body;
    let (Some(kind), Some(class), Some(max)) = (body.byte(2), body.byte(3), body.at32(4)) else {
        return Err(Status::INVALID_PARAMETER);
    };
    let host = peer.host;
    let id = file::find(peer, request, 24)?.id;
    let (cx, open) = (&*peer.cx, peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?);
    let class = u16::from(class);
    let bytes = match (kind, &open.entry) {
        // FileFullEaInformation: there are none.
        (1, Some(_)) if class == 15 => return Err(Status::NO_EAS_ON_FILE),
        // FileNormalizedNameInformation, which only the newest dialect has.
        (1, _) if class == 48 => return Err(Status::NOT_SUPPORTED),
        (1, Some(entry)) => info::file(class, entry, &format!("\\{}", open.path), (open.access, open.position)),
        (1, None) => info::pipe(class),
        (2, _) => info::volume(class, host),
        // Quotas of users: none are kept.
        (4, _) => return Err(Status::NO_MORE_ENTRIES),
        (3, _) => Some(open.security(host, cx, body.le32(16).unwrap_or(0))?),
        _ => return Err(Status::INVALID_PARAMETER),
    };
    let bytes = bytes.ok_or(Status::INVALID_INFO_CLASS)?;
    match bytes.get(..max) {
        Some(_) if kind == 3 && max < bytes.len() => {
            // The error tells how many it takes (MS-SMB2 3.3.5.20.3).
            let mut out = vec![9, 0, 0, 0, 4, 0, 0, 0];
            out.put_len32(bytes.len());
            Ok(Reply { status: Status::BUFFER_TOO_SMALL, ..Reply::new(out) })
        }
        Some(_) if max < fixed(kind, class).min(bytes.len()) => Err(Status::INFO_LENGTH_MISMATCH),
        Some(part) if part.len() < bytes.len() => Ok(Reply { status: Status::BUFFER_OVERFLOW, ..buffer(part) }),
        _ => Ok(buffer(&bytes)),
    }
}

/// The bytes of information that must have room (MS-FSCC 2.4, 2.5): all but names.
const fn fixed(kind: u8, class: u16) -> usize {
    match (kind, class) {
        (1, 9 | 21) => 8,
        (1, 18) => 104,
        (1, 22) => 32,
        (2, 1) => 24,
        (2, 5) => 16,
        _ => usize::MAX,
    }
}

pub(super) fn set(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Reply, Status> {
    let body = request.body;
    let read = || Some((body.byte(2)?, body.byte(3)?, request.buffer(body.at16(8)?, body.at32(4)?)?));
    let (kind, class, data) = read().ok_or(Status::INVALID_PARAMETER)?;
    let host = peer.host;
    let id = file::find(peer, request, 16)?.id;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    match (kind, class) {
        // FileDispositionInformation, FileEndOfFileInformation (MS-FSCC 2.4.11, 2.4.13).
        (1, 13) => open.delete(host, peer.cx, data.first() == Some(&1))?,
        (1, 20) => open.resize(host, peer.cx, data.le64(0).ok_or(Status::INFO_LENGTH_MISMATCH)?)?,
        // FileRenameInformation, FileLinkInformation (MS-FSCC 2.4.37.2, 2.4.21.2).
        (1, 10 | 11) => {
            let name = data.at32(16).and_then(|len| data.part(20, len)).ok_or(Status::INFO_LENGTH_MISMATCH)?;
            if name.is_empty() {
                return Err(Status::INVALID_PARAMETER);
            }
            if class == 11 {
                return open.link(host, peer.cx, &text_of_utf16(name)).map(|()| Reply::new(vec![2, 0]));
            }
            open.rename(host, peer.cx, &text_of_utf16(name), data.first() == Some(&1))?;
        }
        (1, 4) => {
            let read = || Some(([data.le64(0)?, data.le64(8)?, data.le64(16)?, data.le64(24)?], data.le32(32)?));
            let (times, attributes) = read().ok_or(Status::INFO_LENGTH_MISMATCH)?;
            open.set_basic(host, peer.cx, times, attributes)?;
        }
        (1, 14) => open.position = data.le64(0).ok_or(Status::INFO_LENGTH_MISMATCH)?,
        // The mode, which only the machine's own programs use.
        (1, 16) => {}
        (1, 19) => open.allocate(host, peer.cx, data.le64(0).ok_or(Status::INFO_LENGTH_MISMATCH)?)?,
        (3, _) => open.set_security(host, peer.cx, data, body.le32(12).unwrap_or(0))?,
        _ => return Err(Status::INVALID_INFO_CLASS),
    }
    Ok(Reply::new(vec![2, 0]))
}
