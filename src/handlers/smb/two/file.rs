//! CREATE, CLOSE, READ, WRITE and IOCTL (MS-SMB2 2.2.13 to 2.2.22, 2.2.31, 2.2.32).

use super::super::account::User;
use super::super::host::{Kind, Share};
use super::super::info::put_times;
use super::super::open::{Object, Open, Wanted, is_pipe};
use super::super::status::Status;
use super::super::wire::{Fields, Put, text_of_utf16};
use super::session::LARGE;
use super::{HEADER, Peer, Reply, Request};
use crate::events::Event;

/// Bytes that one read gives: less than was negotiated, so that a short request is not answered with a flood.
const MAX_READ: usize = 512 * 1024;

/// FSCTL codes (MS-FSCC 2.3, MS-SMB2 2.2.31).
const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
const PIPE_PEEK: u32 = 0x0011_400c;
const PIPE_WAIT: u32 = 0x0011_0018;
const GET_REPARSE_POINT: u32 = 0x0009_00a8;
/// The only kind of IOCTL (MS-SMB2 3.3.5.15).
const IS_FSCTL: u32 = 1;
const DFS_REFERRALS: u32 = 0x0006_0194;
const DFS_REFERRALS_EX: u32 = 0x0006_01b0;
const VALIDATE_NEGOTIATE: u32 = 0x0014_0204;

/// What the FileId at this place of the body names.
pub(super) fn find<'a>(peer: &'a mut Peer<'_, '_>, request: &Request<'_>, at: usize) -> Result<&'a mut Open, Status> {
    let id = request.file(at).ok_or(Status::FILE_CLOSED)?;
    peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)
}

fn put_id(out: &mut Vec<u8>, id: u16) {
    out.put64(id.into()).put64(id.into());
}

/// Times, sizes and attributes as CREATE and CLOSE tell them.
fn put_open(out: &mut Vec<u8>, open: &Open) {
    match open.entry() {
        Some(entry) => {
            put_times(out, &entry);
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
) -> Result<Reply, Status> {
    let read = || {
        let body = request.body;
        let name = request.buffer(body.at16(44)?, body.at16(46)?)?;
        Some(Wanted { path: text_of_utf16(name), disposition: body.le32(36)?, options: body.le32(40)? })
    };
    let wanted = read().ok_or(Status::INVALID_PARAMETER)?;
    if wanted.path.starts_with('\\') && tree.1.kind == Kind::Disk {
        // Paths are relative to the share (MS-SMB2 2.2.13).
        return Err(Status::INVALID_PARAMETER);
    }
    let open = peer.create(user, tree, &wanted)?;
    let mut out = Vec::new();
    out.put16(89).put8(0).put8(0).put32(open.action);
    put_open(&mut out, open);
    out.put32(0);
    put_id(&mut out, open.id);
    out.put32(0).put32(0);
    Ok(Reply { file: Some(open.id), ..Reply::new(out) })
}

pub(super) fn close(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Reply, Status> {
    let wants_attributes = request.body.le16(2).unwrap_or(0) & 1 != 0;
    let id = request.file(8).ok_or(Status::FILE_CLOSED)?;
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

pub(super) fn read(peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Result<Reply, Status> {
    let (Some(len), Some(offset)) = (request.body.at32(4), request.body.le64(8)) else {
        return Err(Status::INVALID_PARAMETER);
    };
    if len > LARGE as usize {
        return Err(Status::INVALID_PARAMETER);
    }
    let (bytes, more) = find(peer, request, 16)?.read(offset, len.min(MAX_READ))?;
    let mut out = Vec::new();
    out.put16(17).put_len16(HEADER + 16).put_len32(bytes.len()).put32(0).put32(0).put(&bytes);
    let status = if more { Status::BUFFER_OVERFLOW } else { Status::OK };
    Ok(Reply { status, ..Reply::new(out) })
}

pub(super) fn write(peer: &mut Peer<'_, '_>, request: &Request<'_>, user: &User) -> Result<Reply, Status> {
    let body = request.body;
    let read = || Some((request.buffer(body.at16(2)?, body.at32(4)?)?, body.le64(8)?));
    let (bytes, offset) = read().ok_or(Status::INVALID_PARAMETER)?;
    let id = request.file(16).ok_or(Status::FILE_CLOSED)?;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    open.write(peer.host, peer.cx, user, offset, bytes)?;
    let mut out = Vec::new();
    out.put16(17).put16(0).put_len32(bytes.len()).put32(0).put32(0);
    Ok(Reply::new(out))
}

pub(super) fn control(peer: &mut Peer<'_, '_>, request: &Request<'_>, user: &User) -> Result<Reply, Status> {
    let body = request.body;
    let read = || Some((body.le32(4)?, request.buffer(body.at32(24)?, body.at32(28)?)?, body.at32(44)?));
    let (code, input, max) = read().ok_or(Status::INVALID_PARAMETER)?;
    if body.le32(48) != Some(IS_FSCTL) {
        return Err(Status::NOT_SUPPORTED);
    }
    match code {
        PIPE_TRANSCEIVE => {}
        // Without a domain there is no distributed file system; a Windows before 8 knows no validation.
        DFS_REFERRALS | DFS_REFERRALS_EX => return Err(Status::FS_DRIVER_REQUIRED),
        VALIDATE_NEGOTIATE => return Err(Status::FILE_CLOSED),
        PIPE_WAIT => {
            // FSCTL_PIPE_WAIT (MS-FSCC 2.3.49): the name stands at 14.
            let name = input.at32(8).and_then(|len| input.part(14, len)).map(text_of_utf16).unwrap_or_default();
            let is_there = is_pipe(peer.host, peer.cx, user, &name);
            return if is_there { Ok(controlled(code, u16::MAX, &[])) } else { Err(Status::OBJECT_NAME_NOT_FOUND) };
        }
        _ => {
            peer.note(Event::new("request", format!("SMB2 IOCTL {code:#010x}")));
            let open = find(peer, request, 8)?;
            return Err(match (code, open.share.kind) {
                (PIPE_PEEK, Kind::Pipe) => Status::PIPE_EMPTY,
                (GET_REPARSE_POINT, Kind::Disk) => Status::NOT_A_REPARSE_POINT,
                _ => Status::INVALID_DEVICE_REQUEST,
            });
        }
    }
    let id = request.file(8).ok_or(Status::FILE_CLOSED)?;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    if !matches!(open.object, Object::Pipe(_) | Object::RemCom(_)) {
        return Err(Status::INVALID_DEVICE_REQUEST);
    }
    open.write(peer.host, peer.cx, user, 0, input)?;
    let (bytes, more) = open.read(0, max.min(MAX_READ))?;
    let status = if more { Status::BUFFER_OVERFLOW } else { Status::OK };
    Ok(Reply { status, ..controlled(code, id, &bytes) })
}

/// The answer to an IOCTL (MS-SMB2 2.2.32).
fn controlled(code: u32, id: u16, bytes: &[u8]) -> Reply {
    let mut out = Vec::new();
    out.put16(49).put16(0).put32(code);
    put_id(&mut out, id);
    out.put_len32(HEADER + 48).put32(0).put_len32(HEADER + 48).put_len32(bytes.len()).put32(0).put32(0).put(bytes);
    Reply::new(out)
}
