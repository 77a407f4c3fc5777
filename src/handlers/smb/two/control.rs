//! IOCTL (MS-SMB2 2.2.31): what file systems, pipes and the server itself are told by codes (MS-FSCC 2.3).

use super::super::account::User;
use super::super::host::Kind;
use super::super::open::{Object, Open};
use super::super::opens::is_pipe;
use super::super::status::Status;
use super::super::wire::{Fields, Put, text_of_utf16};
use super::file::{MAX_READ, find};
use super::header::file_id;
use super::{HEADER, Peer, Reply, Request};
use crate::events::Event;

/// FSCTL codes (MS-FSCC 2.3, MS-SMB2 2.2.31).
const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
const PIPE_PEEK: u32 = 0x0011_400c;
const PIPE_WAIT: u32 = 0x0011_0018;
const GET_REPARSE_POINT: u32 = 0x0009_00a8;
const GET_COMPRESSION: u32 = 0x0009_003c;
const SET_COMPRESSION: u32 = 0x0009_c040;
const SET_SPARSE: u32 = 0x0009_00c4;
const SET_ZERO_DATA: u32 = 0x0009_80c8;
const ALLOCATED_RANGES: u32 = 0x0009_40cf;
const MAKE_OBJECT_ID: u32 = 0x0009_00c0;
const SNAPSHOTS: u32 = 0x0014_4064;
const RESUME_KEY: u32 = 0x0014_0078;
/// The same, for who may read what it writes, or not.
const COPY_CHUNK: [u32; 2] = [0x0014_40f2, 0x0014_80f2];
const DFS_REFERRALS: u32 = 0x0006_0194;
const DFS_REFERRALS_EX: u32 = 0x0006_01b0;
const VALIDATE_NEGOTIATE: u32 = 0x0014_0204;
/// The only kind of IOCTL (MS-SMB2 3.3.5.15).
const IS_FSCTL: u32 = 1;
/// Pieces of one copy, and bytes of each and of all (MS-SMB2 3.3.3).
const MAX_CHUNKS: u32 = 256;
const MAX_CHUNK: u32 = 1024 * 1024;
const MAX_COPY: u32 = 16 * 1024 * 1024;

pub(super) fn control(peer: &mut Peer<'_, '_>, request: &Request<'_>, user: &User) -> Result<Reply, Status> {
    let body = request.body;
    let read = || Some((body.le32(4)?, request.buffer(body.at32(24)?, body.at32(28)?)?, body.at32(44)?));
    let (code, input, max) = read().ok_or(Status::INVALID_PARAMETER)?;
    if body.le32(48) != Some(IS_FSCTL) {
        return Err(Status::NOT_SUPPORTED);
    }
    match code {
        PIPE_TRANSCEIVE => return transceive(peer, request, user, (input, max)),
        // Without a domain there is no distributed file system; a Windows before 8 knows no validation.
        DFS_REFERRALS | DFS_REFERRALS_EX => return Err(Status::FS_DRIVER_REQUIRED),
        VALIDATE_NEGOTIATE => return Err(Status::FILE_CLOSED),
        PIPE_WAIT => {
            // FSCTL_PIPE_WAIT (MS-FSCC 2.3.49): the name stands at 14.
            let name = input.at32(8).and_then(|len| input.part(14, len)).map(text_of_utf16).unwrap_or_default();
            let is_there = is_pipe(peer.host, peer.cx, user, &name);
            return if is_there {
                Ok(controlled(code, [u64::MAX; 2], &[]))
            } else {
                Err(Status::OBJECT_NAME_NOT_FOUND)
            };
        }
        _ => peer.note(Event::new("request", format!("SMB2 IOCTL {code:#010x}"))),
    }
    let id = find(peer, request, 8)?.id;
    let bytes = if COPY_CHUNK.contains(&code) {
        copy(peer, request, user, (id, input))?
    } else {
        let (guid, open) = (peer.host.guid, find(peer, request, 8)?);
        let bytes = match open.share.kind {
            Kind::Pipe => on_pipe(code, open)?,
            Kind::Disk => on_disk(code, open, (request.seed, guid))?,
        };
        if bytes.len() > max {
            return Err(Status::INVALID_PARAMETER);
        }
        bytes
    };
    Ok(controlled(code, file_id(request.seed, id), &bytes))
}

/// FSCTL_PIPE_TRANSCEIVE: what is written, and what comes of it.
fn transceive(
    peer: &mut Peer<'_, '_>,
    request: &Request<'_>,
    user: &User,
    (input, max): (&[u8], usize),
) -> Result<Reply, Status> {
    let id = find(peer, request, 8)?.id;
    let open = peer.core.opens.find(id).ok_or(Status::FILE_CLOSED)?;
    if !open.is_pipe() {
        return Err(Status::INVALID_DEVICE_REQUEST);
    }
    open.write(peer.host, peer.cx, user, (0, 0), input)?;
    let (bytes, more) = open.read(peer.host, peer.cx, (0, 0), max.min(MAX_READ))?;
    let status = if more { Status::BUFFER_OVERFLOW } else { Status::OK };
    Ok(Reply { status, ..controlled(PIPE_TRANSCEIVE, file_id(request.seed, id), &bytes) })
}

/// FSCTL_PIPE_PEEK (MS-FSCC 2.3.48): connected, how many bytes wait, and how many of them are of the first message.
fn on_pipe(code: u32, open: &Open) -> Result<Vec<u8>, Status> {
    if code != PIPE_PEEK {
        return Err(Status::INVALID_DEVICE_REQUEST);
    }
    let (all, first) = if let Object::Pipe(pipe) = &open.object { pipe.waits() } else { (0, 0) };
    let mut out = Vec::new();
    out.put32(3).put_len32(all).put32(u32::from(all > 0)).put_len32(first);
    Ok(out)
}

/// What NTFS and the server say of a file.
fn on_disk(code: u32, open: &Open, (seed, guid): (u64, [u8; 16])) -> Result<Vec<u8>, Status> {
    let entry = open.entry.as_ref().ok_or(Status::INVALID_DEVICE_REQUEST)?;
    let mut out = Vec::new();
    match code {
        GET_REPARSE_POINT => return Err(Status::NOT_A_REPARSE_POINT),
        GET_COMPRESSION => {
            out.put16(0);
        }
        SET_COMPRESSION | SET_SPARSE | SET_ZERO_DATA => {}
        ALLOCATED_RANGES if entry.size > 0 => {
            out.put64(0).put64(entry.size);
        }
        ALLOCATED_RANGES => {}
        // The file's own number, where it was born: volume, number, domain.
        MAKE_OBJECT_ID => {
            out.put64(entry.index).put64(seed).put(&guid).put64(entry.index).put64(seed).put(&[0; 16]);
        }
        // There are none: their count, those that follow, and the room that is needed.
        SNAPSHOTS => {
            out.put32(0).put32(0).put32(2).put32(0);
        }
        RESUME_KEY => {
            let [persistent, volatile] = file_id(seed, open.id);
            out.put64(persistent).put64(volatile).put64(0).put32(0).put32(0);
        }
        _ => return Err(Status::INVALID_DEVICE_REQUEST),
    }
    Ok(out)
}

/// FSCTL_SRV_COPYCHUNK (MS-SMB2 3.3.5.15.6): pieces of the file that a key names are copied into this one.
fn copy(
    peer: &mut Peer<'_, '_>,
    request: &Request<'_>,
    user: &User,
    (to, input): (u16, &[u8]),
) -> Result<Vec<u8>, Status> {
    let from = Request { body: input, ..*request }.file(0).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
    let count = input.le32(24).ok_or(Status::INVALID_PARAMETER)?;
    let mut out = Vec::new();
    let pieces = input.get(32..).unwrap_or_default().chunks_exact(24);
    let len = |piece: &[u8]| piece.le32(16).unwrap_or(u32::MAX);
    let all = pieces.clone().map(len).fold(0, u32::saturating_add);
    if count > MAX_CHUNKS || all > MAX_COPY || pieces.clone().any(|piece| len(piece) > MAX_CHUNK) {
        return Err(Status::INVALID_PARAMETER);
    }
    let opens = &mut peer.core.opens;
    let mut copied = 0;
    for piece in pieces.take(usize::try_from(count).unwrap_or(0)) {
        let (Some(source), Some(target), Some(len)) = (piece.le64(0), piece.le64(8), piece.at32(16)) else { break };
        let open = opens.find(from).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
        let (bytes, _) = open.read(peer.host, peer.cx, (source, 0), len)?;
        if bytes.len() < len {
            return Err(Status::INVALID_VIEW_SIZE);
        }
        let open = opens.find(to).ok_or(Status::FILE_CLOSED)?;
        open.write(peer.host, peer.cx, user, (target, 0), &bytes)?;
        copied += bytes.len();
    }
    out.put32(count).put32(0).put_len32(copied);
    Ok(out)
}

/// The answer to an IOCTL (MS-SMB2 2.2.32).
fn controlled(code: u32, [persistent, volatile]: [u64; 2], bytes: &[u8]) -> Reply {
    let mut out = Vec::new();
    out.put16(49).put16(0).put32(code).put64(persistent).put64(volatile);
    out.put_len32(HEADER + 48).put32(0).put_len32(HEADER + 48).put_len32(bytes.len()).put32(0).put32(0).put(bytes);
    Reply::new(out)
}
