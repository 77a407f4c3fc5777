//! SMB2 (MS-SMB2): headers, compounds, signatures, and which command does what.

mod file;
mod query;
mod session;
mod signing;

use super::Peer;
use super::account::User;
use super::connection::{Login, Numbered};
use super::host::{Dialect, Share};
use super::open::Object;
use super::status::Status;
use super::wire::{Fields, Put, patch};
use crate::events::Event;

/// Bytes of the header (MS-SMB2 2.2.1).
const HEADER: usize = 64;
/// Requests in one compound.
const MAX_COMPOUND: usize = 16;
/// Credits that one answer grants at most.
const MAX_CREDITS: u16 = 64;
/// Bits of `Flags`.
const FROM_SERVER: u32 = 0x01;
const ASYNC: u32 = 0x02;
const RELATED: u32 = 0x04;
const SIGNED: u32 = 0x08;

/// Commands (MS-SMB2 2.2.1.2).
mod command {
    pub(super) const NEGOTIATE: u16 = 0;
    pub(super) const SESSION_SETUP: u16 = 1;
    pub(super) const LOGOFF: u16 = 2;
    pub(super) const TREE_CONNECT: u16 = 3;
    pub(super) const TREE_DISCONNECT: u16 = 4;
    pub(super) const CREATE: u16 = 5;
    pub(super) const CLOSE: u16 = 6;
    pub(super) const FLUSH: u16 = 7;
    pub(super) const READ: u16 = 8;
    pub(super) const WRITE: u16 = 9;
    pub(super) const LOCK: u16 = 10;
    pub(super) const IOCTL: u16 = 11;
    pub(super) const CANCEL: u16 = 12;
    pub(super) const ECHO: u16 = 13;
    pub(super) const QUERY_DIRECTORY: u16 = 14;
    pub(super) const CHANGE_NOTIFY: u16 = 15;
    pub(super) const QUERY_INFO: u16 = 16;
    pub(super) const SET_INFO: u16 = 17;
    pub(super) const OPLOCK_BREAK: u16 = 18;
}

/// `StructureSize` of each request in the order of their commands.
const SIZES: [u16; 19] = [36, 25, 4, 9, 4, 57, 24, 24, 49, 49, 48, 57, 4, 4, 33, 32, 41, 33, 24];

/// What a connection has set up.
#[derive(Debug, Default)]
pub(super) struct Two {
    dialect: Option<Dialect>,
    /// The visitor has the negotiation confirmed under a signature.
    confirms: bool,
    /// Under numbers that are drawn.
    logins: Numbered<Login, 1>,
    trees: Numbered<Share, 1>,
    /// The message that waits for a change which nobody makes, until it is cancelled.
    waiting: Option<u64>,
}

/// One request.
#[derive(Debug, Clone, Copy)]
struct Request<'a> {
    /// From its header to the next.
    message: &'a [u8],
    /// Without the header.
    body: &'a [u8],
    command: u16,
    message_id: u64,
    session: u64,
    tree: u32,
    /// The file of the request before, in a related compound.
    file: Option<u16>,
}

impl<'a> Request<'a> {
    /// A buffer by the offset and length that the body names at these places.
    fn buffer(&self, offset: usize, len: usize) -> Option<&'a [u8]> {
        if len == 0 { Some(&[]) } else { self.message.part(offset, len) }
    }

    /// The file that a FileId names: all ones is the one of the request before (MS-SMB2 3.3.5.2.7.2).
    fn file(&self, at: usize) -> Option<u16> {
        let (persistent, volatile) = (self.body.le64(at)?, self.body.le64(at + 8)?);
        if persistent == u64::MAX && volatile == u64::MAX {
            return self.file;
        }
        (persistent == volatile).then(|| u16::try_from(volatile & 0xffff).ok()).flatten()
    }
}

/// The answer to one request.
#[derive(Debug)]
struct Reply {
    status: Status,
    body: Vec<u8>,
    session: Option<u64>,
    tree: Option<u32>,
    file: Option<u16>,
    /// It is the answer to this message, which was told to wait for it.
    waited: Option<u64>,
}

impl Reply {
    fn new(body: Vec<u8>) -> Self {
        Self { status: Status::OK, body, session: None, tree: None, file: None, waited: None }
    }

    /// An ERROR response (MS-SMB2 2.2.2).
    fn failed(status: Status) -> Self {
        Self { status, ..Self::new(vec![9, 0, 0, 0, 0, 0, 0, 0, 0]) }
    }

    /// The shortest answer: four bytes.
    fn empty() -> Self {
        Self::new(vec![4, 0, 0, 0])
    }
}

impl From<Status> for Reply {
    fn from(status: Status) -> Self {
        Self::failed(status)
    }
}

/// What the request before in a compound leaves to those that relate to it (MS-SMB2 3.3.5.2.7.2).
struct Before {
    session: u64,
    tree: u32,
    /// Its file, or how it ended.
    file: Result<u16, Status>,
}

impl Before {
    /// Gives it to a request; a status when that fails like the one before, which opened no file.
    fn lend(&self, request: &mut Request<'_>) -> Option<Status> {
        (request.session, request.tree, request.file) = (self.session, self.tree, self.file.ok());
        self.file.err().filter(|status| *status != Status::OK && request.command != command::CREATE)
    }
}

impl Two {
    /// Takes a message, which may be a compound; false when the connection is to be closed.
    pub(super) fn message(&mut self, peer: &mut Peer<'_, '_>, message: &[u8]) -> bool {
        let mut out = Vec::new();
        let (mut at, mut before): (usize, Option<Before>) = (0, None);
        for _ in 0..MAX_COMPOUND {
            let rest = message.get(at..).unwrap_or_default();
            let next = rest.at32(20).filter(|next| *next >= HEADER && *next < rest.len());
            let part = next.and_then(|next| rest.get(..next)).unwrap_or(rest);
            let Some(mut request) = parse(part) else { return false };
            let flags = part.le32(16).unwrap_or(0);
            let relation = before.as_ref().filter(|_| flags & RELATED != 0);
            let reply = match relation.and_then(|before| before.lend(&mut request)) {
                Some(status) => Some(Reply::failed(status)),
                None => match self.request(peer, &request) {
                    Some(reply) => reply,
                    None => return false,
                },
            };
            if let Some(reply) = reply {
                before = Some(Before {
                    session: reply.session.unwrap_or(request.session),
                    tree: reply.tree.unwrap_or(request.tree),
                    file: reply.file.or(request.file).ok_or(reply.status),
                });
                self.write(&mut out, &request, &reply, flags, next.is_some());
            }
            match next {
                Some(next) => at += next,
                None => break,
            }
        }
        if !out.is_empty() {
            peer.send(&out);
        }
        true
    }

    fn write(&self, out: &mut Vec<u8>, request: &Request<'_>, reply: &Reply, flags: u32, has_next: bool) {
        let start = out.len();
        let session = reply.session.unwrap_or(request.session);
        let credits = request.message.le16(14).unwrap_or(1).clamp(1, MAX_CREDITS);
        out.put(b"\xfeSMB").put16(64).put16(request.message.le16(6).unwrap_or(0)).put32(reply.status.0);
        let command = if reply.waited.is_some() { command::CHANGE_NOTIFY } else { request.command };
        let waits = reply.status == Status::PENDING || reply.waited.is_some();
        let kept = FROM_SERVER | flags & RELATED | if waits { ASYNC } else { 0 };
        let message_id = reply.waited.unwrap_or(request.message_id);
        // The credits of one that was told to wait are granted then.
        out.put16(command)
            .put16(if reply.waited.is_some() { 0 } else { credits })
            .put32(kept)
            .put32(0)
            .put64(message_id);
        if waits {
            // Its number, for who wants to cancel it.
            out.put64(message_id);
        } else {
            out.put32(0xfeff).put32(reply.tree.unwrap_or(request.tree));
        }
        out.put64(session);
        out.put(&[0; 16]).put(&reply.body);
        if has_next {
            out.align(8);
            let len = u32::try_from(out.len() - start).unwrap_or(0);
            patch(out, start + 20, &len.to_le_bytes());
        }
        let is_last_setup = request.command == command::SESSION_SETUP && reply.status == Status::OK;
        if let Some(user) = self.user(session)
            && let Some(key) = user.key.filter(|_| !user.is_anonymous)
            && (flags & SIGNED != 0 || is_last_setup)
        {
            patch(out, start + 16, &(kept | SIGNED).to_le_bytes());
            let signature = signing::signature(&key, out.get(start..).unwrap_or_default());
            patch(out, start + 48, &signature);
        }
    }

    fn user(&self, session: u64) -> Option<&User> {
        self.logins.find(session)?.user.as_ref()
    }

    /// `None` closes the connection, `Some(None)` is silence.
    fn request(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Option<Option<Reply>> {
        if peer.host.dialects.is_empty() || (self.dialect.is_none() && request.command != command::NEGOTIATE) {
            return None;
        }
        if self.dialect.is_some() && request.command == command::NEGOTIATE {
            // A second negotiation ends the connection (MS-SMB2 3.3.5.4).
            return None;
        }
        let Some(size) = SIZES.get(usize::from(request.command)) else {
            peer.note(Event::new("request", format!("SMB2 command {} unknown", request.command)));
            return Some(Some(Reply::failed(Status::INVALID_PARAMETER)));
        };
        // OPLOCK_BREAK comes in two sizes.
        let is_sized = request.body.le16(0) == Some(*size) || request.command == command::OPLOCK_BREAK;
        if !is_sized || request.body.len() < usize::from(size & !1) {
            return Some(Some(Reply::failed(Status::INVALID_PARAMETER)));
        }
        Some(match request.command {
            command::NEGOTIATE => return self.negotiate(peer, request).map(Some),
            command::CANCEL => {
                self.waiting.take().map(|message| Reply { waited: Some(message), ..Reply::failed(Status::CANCELLED) })
            }
            command::ECHO => Some(match self.user(request.session) {
                Some(user) if !signing::is_genuine(user, request.message) => Reply::failed(Status::ACCESS_DENIED),
                _ => Reply::empty(),
            }),
            command::SESSION_SETUP => Some(self.session_setup(peer, request)),
            _ => Some(self.for_user(peer, request)),
        })
    }

    /// What needs a session.
    fn for_user(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Reply {
        let Some(user) = self.user(request.session).cloned() else {
            return Reply::failed(Status::USER_SESSION_DELETED);
        };
        if !signing::is_genuine(&user, request.message) {
            return Reply::failed(Status::ACCESS_DENIED);
        }
        match request.command {
            command::LOGOFF => return self.logoff(peer, request),
            command::TREE_CONNECT => return self.tree_connect(peer, request, &user),
            _ => {}
        }
        let Some(&share) = self.trees.find(request.tree) else {
            return Reply::failed(Status::NETWORK_NAME_DELETED);
        };
        let result = match request.command {
            command::TREE_DISCONNECT => Ok(self.tree_disconnect(peer, request)),
            command::CREATE => file::create(peer, request, &user, (request.tree, share)),
            command::CLOSE => file::close(peer, request),
            command::FLUSH => file::find(peer, request, 8).map(|_| Reply::empty()),
            command::READ => file::read(peer, request),
            command::WRITE => file::write(peer, request, &user),
            command::LOCK => file::find(peer, request, 8).and_then(|_| match request.body.le16(2) {
                Some(0) => Err(Status::INVALID_PARAMETER),
                _ => Ok(Reply::empty()),
            }),
            command::IOCTL => file::control(peer, request, &user),
            command::QUERY_DIRECTORY => query::directory(peer, request, share),
            command::QUERY_INFO => query::info(peer, request),
            command::SET_INFO => query::set(peer, request),
            command::CHANGE_NOTIFY => file::find(peer, request, 8).and_then(|open| {
                if !matches!(open.object, Object::Directory(_)) {
                    return Err(Status::INVALID_PARAMETER);
                }
                self.waiting = Some(request.message_id);
                Err(Status::PENDING)
            }),
            _ => Err(Status::INVALID_PARAMETER),
        };
        result.unwrap_or_else(Reply::failed)
    }
}

fn parse(message: &[u8]) -> Option<Request<'_>> {
    let is_header = message.starts_with(b"\xfeSMB") && message.le16(4) == Some(64);
    if !is_header {
        return None;
    }
    Some(Request {
        message,
        body: message.get(HEADER..)?,
        command: message.le16(12)?,
        message_id: message.le64(24)?,
        session: message.le64(40)?,
        tree: message.le32(36)?,
        file: None,
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::nobody;
