//! CREATE, CLOSE, READ, WRITE and LOCK (MS-SMB2 2.2.13 to 2.2.27).

use super::super::access::Wanted;
use super::super::account::User;
use super::super::claim::{Claims, Owner};
use super::super::disk::view;
use super::super::host::{Dialect, Kind, Share};
use super::super::info::put_times;
pub(super) use super::super::lock::Lock;
use super::super::open::{Object, Open};
use super::super::status::Status;
use super::super::wire::{Fields, Put, text_of_utf16};
use super::context::Contexts;
use super::header::file_id;
use super::session::LARGE;
use super::{HEADER, Peer, Reply, Request};

/// Bytes that one read gives: less than was negotiated, so that a short request is not answered with a flood.
pub(super) const MAX_READ: usize = 512 * 1024;

/// The highest ImpersonationLevel (MS-SMB2 2.2.13): Delegate.
const MAX_IMPERSONATION: u32 = 3;
/// FILE_CREATED (MS-SMB2 2.2.14).
const CREATED: u32 = 2;
/// CreateOptions that there are (MS-SMB2 2.2.13).
const OPTIONS: u32 = 0x00ff_ffff;

/// What the FileId at this place of the body names, in the tree of the request.
pub(super) fn find<'a>(peer: &'a mut Peer<'_, '_>, request: &Request<'_>, at: usize) -> Result<&'a mut Open, Status> {
    let id = request.file(at).ok_or(Status::FILE_CLOSED)?;
    peer.core.opens.look(peer.host, peer.cx, request.tree, id).ok_or(Status::FILE_CLOSED)
}

/// Times, sizes and attributes as CREATE and CLOSE tell them.
fn put_open(out: &mut Vec<u8>, open: &Open) {
    match &open.entry {
        Some(entry) => {
            put_times(out, entry);
            out.put64(entry.allocated()).put64(entry.size).put32(entry.attributes());
        }
        None => {
            out.put(&[0; 32]).put64(4096).put64(0).put32(0x80);
        }
    }
}

pub(super) fn create(
    peer: &mut Peer<'_, '_>,
    request: &Request<'_>,
    user: &User,
    tree: (u32, Share),
    dialect: Option<Dialect>,
) -> Result<Reply, Status> {
    let body = request.body;
    let read = || {
        let path = text_of_utf16(request.buffer(body.at16(44)?, body.at16(46)?)?);
        let [access, attributes, shared, disposition, options] = [24, 28, 32, 36, 40].map(|at| body.le32(at));
        let (disposition, options) = (disposition?, options?);
        let wanted = Wanted { path, disposition, options, access: access?, shared: shared?, attributes: attributes? };
        Some((wanted, Contexts::read(request.buffer(body.at32(48)?, body.at32(52)?)?)?, body.byte(3)?))
    };
    let (wanted, contexts, oplock) = read().ok_or(Status::INVALID_PARAMETER)?;
    contexts.check()?;
    if wanted.options & !OPTIONS != 0 || wanted.shared & !7 != 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    if body.le32(4).is_some_and(|level| level > MAX_IMPERSONATION) {
        return Err(Status::BAD_IMPERSONATION_LEVEL);
    }
    if wanted.path.split('\\').any(|part| part == ".") {
        return Err(Status::OBJECT_NAME_INVALID);
    }
    if wanted.path.starts_with('\\') && tree.1.kind == Kind::Disk {
        // Paths are relative to the share (MS-SMB2 2.2.13).
        return Err(Status::INVALID_PARAMETER);
    }
    let host = peer.host;
    let id = peer.create(user, tree, &wanted)?.id;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    if let (CREATED, Some(given)) = (open.action, contexts.security()) {
        open.describe(host, peer.cx, given)?;
    }
    if let (0 | CREATED.., Some(len), Object::File(_)) = (open.action, contexts.allocation(), &open.object) {
        open.on_disk(host, peer.cx, |view, path, now| view.allocate(path, len, now))?;
        open.refresh(host, peer.cx);
    }
    let (level, contexts) = contexts.grant(host, dialect, open, oplock);
    let mut out = Vec::new();
    out.put16(89).put8(level).put8(0).put32(open.action);
    put_open(&mut out, open);
    out.put32(0);
    let [persistent, volatile] = file_id(request.seed, open.id);
    out.put64(persistent).put64(volatile);
    out.put_len32(if contexts.is_empty() { 0 } else { HEADER + 88 }).put_len32(contexts.len()).put(&contexts);
    Ok(Reply { file: Some(open.id), ..Reply::new(out) })
}

pub(super) fn close(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Reply, Status> {
    let wants_attributes = request.body.le16(2).unwrap_or(0) & 1 != 0;
    let id = find(peer, request, 8)?.id;
    let open = peer.core.opens.close(peer.host, peer.cx, id).ok_or(Status::FILE_CLOSED)?;
    let mut out = Vec::new();
    out.put16(60).put16(wants_attributes.into()).put32(0);
    if wants_attributes {
        put_open(&mut out, &open);
    } else {
        out.put(&[0; 52]);
    }
    Ok(Reply::new(out))
}

/// What a read gives; `None` when a pipe has nothing yet, for which its visitor waits.
pub(super) fn read(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Option<Reply>, Status> {
    let (Some(len), Some(offset), Some(least)) = (request.body.at32(4), request.body.le64(8), request.body.at32(32))
    else {
        return Err(Status::INVALID_PARAMETER);
    };
    if len > LARGE as usize || i64::try_from(offset.saturating_add(len as u64)).is_err() {
        return Err(Status::INVALID_PARAMETER);
    }
    let id = find(peer, request, 16)?.id;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    match open.read(peer.host, peer.cx, (offset, 0), len.min(MAX_READ)) {
        Err(Status::PIPE_EMPTY) => Ok(None),
        Ok((bytes, _)) if bytes.len() < least && !open.is_pipe() => Err(Status::END_OF_FILE),
        result => result.map(|read| Some(bytes_read(read))),
    }
}

/// The answer to a read, of which there may be more.
pub(super) fn bytes_read((bytes, more): (Vec<u8>, bool)) -> Reply {
    let mut out = Vec::new();
    out.put16(17).put_len16(HEADER + 16).put_len32(bytes.len()).put32(0).put32(0).put(&bytes);
    let status = if more { Status::BUFFER_OVERFLOW } else { Status::OK };
    Reply { status, ..Reply::new(out) }
}

pub(super) fn write(peer: &mut Peer<'_, '_>, request: &Request<'_>, user: &User) -> Result<Reply, Status> {
    let body = request.body;
    let read = || Some((request.buffer(body.at16(2)?, body.at32(4)?)?, body.le64(8)?));
    let (bytes, offset) = read().ok_or(Status::INVALID_PARAMETER)?;
    if bytes.len() > LARGE as usize || i64::try_from(offset.saturating_add(bytes.len() as u64)).is_err() {
        return Err(Status::INVALID_PARAMETER);
    }
    let id = find(peer, request, 16)?.id;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    open.write(peer.host, peer.cx, user, (offset, 0), bytes)?;
    let mut out = Vec::new();
    out.put16(17).put16(0).put_len32(bytes.len()).put32(0).put32(0);
    Ok(Reply::new(out))
}

/// LOCK (MS-SMB2 3.3.5.14): done, or the one lock that its visitor waits for.
pub(super) fn lock(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Option<Lock>, Status> {
    const SHARED: u32 = 1;
    const EXCLUSIVE: u32 = 2;
    const UNLOCK: u32 = 4;
    const AT_ONCE: u32 = 0x10;
    let id = find(peer, request, 8)?.id;
    let count = request.body.at16(2).ok_or(Status::INVALID_PARAMETER)?;
    let given = request.body.get(24..).unwrap_or_default().chunks_exact(24).take(count);
    let list: Vec<_> = given.filter_map(|one| Some((one.le64(0)?, one.le64(8)?, one.le32(16)?))).collect();
    let Some(&(_, _, first)) = list.first().filter(|_| list.len() == count) else {
        return Err(Status::INVALID_PARAMETER);
    };
    if first == UNLOCK {
        for (offset, len, flags) in list {
            if flags != UNLOCK {
                return Err(Status::INVALID_PARAMETER);
            }
            on_claims(peer, id, |claims, owner| claims.unlock(owner, (offset, len), 0))?;
        }
        return Ok(None);
    }
    let is_known = |flags: u32| matches!(flags & !AT_ONCE, SHARED | EXCLUSIVE);
    // Of several, none may wait.
    let waits = count > 1 && list.iter().any(|(_, _, flags)| flags & AT_ONCE == 0);
    if waits || !list.iter().all(|(_, _, flags)| is_known(*flags)) {
        return Err(Status::INVALID_PARAMETER);
    }
    let locks: Vec<Lock> = list
        .iter()
        .map(|&(offset, len, flags)| Lock { offset, len, is_exclusive: flags & EXCLUSIVE != 0, process: 0 })
        .collect();
    match on_claims(peer, id, |claims, owner| claims.lock(owner, &locks)) {
        Err(Status::LOCK_NOT_GRANTED) if first & AT_ONCE == 0 => Ok(locks.first().copied()),
        result => result.map(|()| None),
    }
}

/// Works with the locks of what is open.
pub(super) fn on_claims<R>(
    peer: &mut Peer<'_, '_>,
    id: u16,
    work: impl FnOnce(&mut Claims, Owner) -> Result<R, Status>,
) -> Result<R, Status> {
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    let (share, owner) = (open.share, open.owner(peer.cx));
    view(peer.host, peer.cx, share, |view, _| work(&mut view.visitor.claims, owner))
}
