//! SMB2 (MS-SMB2): headers, compounds, signatures, and which command does what.

mod context;
mod control;
mod file;
mod header;
mod query;
mod session;
mod signing;
mod waiting;
mod window;

use self::header::{Head, Request};
use self::waiting::{Waiting, What};
use self::window::Window;
use super::Peer;
use super::account::User;
use super::connection::{Login, Numbered};
use super::host::{Dialect, Share};
use super::status::Status;
use super::wire::{Fields, Put, patch};
use crate::events::Event;

/// Bytes of the header (MS-SMB2 2.2.1).
const HEADER: usize = 64;
/// Requests in one compound.
const MAX_COMPOUND: usize = 16;
/// Bytes that one credit pays for, from 2.1 on (MS-SMB2 3.1.5.2).
const PAID: usize = 64 * 1024;
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
    trees: Numbered<Share, 1, 4>,
    window: Window,
    waiting: Vec<Waiting>,
}

/// The answer to one request.
#[derive(Debug)]
struct Reply {
    status: Status,
    body: Vec<u8>,
    session: Option<u64>,
    tree: Option<u32>,
    file: Option<u16>,
}

impl Reply {
    fn new(body: Vec<u8>) -> Self {
        Self { status: Status::OK, body, session: None, tree: None, file: None }
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
        let seed = peer.cx.session().seed;
        let mut out = Vec::new();
        let (mut at, mut before, mut credits): (usize, Option<Before>, u16) = (0, None, 0);
        for number in 0..MAX_COMPOUND {
            let rest = message.get(at..).unwrap_or_default();
            let next = rest.at32(20).filter(|next| *next >= HEADER && *next < rest.len());
            let part = next.and_then(|next| rest.get(..next)).unwrap_or(rest);
            let Some(mut request) = Request::parse(part, seed) else { return false };
            if request.command != command::CANCEL && !self.window.take(request.message_id, self.cost(&request)) {
                return false;
            }
            let is_related = request.flags & RELATED != 0;
            // The answer to a LOGOFF is signed, too.
            let key = self.key(request.session);
            let relation = before.as_ref().filter(|_| is_related);
            let reply = match relation.and_then(|before| before.lend(&mut request)) {
                Some(status) => Some(Reply::failed(status)),
                // There is nothing that the first could relate to.
                None if is_related && number == 0 => Some(Reply::failed(Status::INVALID_PARAMETER)),
                None => match self.request(peer, &request) {
                    Some(reply) => reply,
                    None => return false,
                },
            };
            credits = credits.saturating_add(request.credits);
            if let Some(reply) = reply {
                before = Some(Before {
                    session: reply.session.unwrap_or(request.session),
                    tree: reply.tree.unwrap_or(request.tree),
                    file: reply.file.or(request.file).ok_or(reply.status),
                });
                // The last answer grants the credits of all.
                let granted = if next.is_some() { 0 } else { self.window.grant(credits) };
                self.write(&mut out, &request, &reply, key, (granted, next.is_some()));
            }
            match next {
                Some(next) => at += next,
                None => break,
            }
        }
        if !out.is_empty() {
            peer.send(&out);
        }
        self.wake(peer);
        true
    }

    /// How many numbers a message takes: in 2.1 one for each credit that it costs.
    fn cost(&self, request: &Request<'_>) -> u64 {
        if self.dialect == Some(Dialect::V210) { request.charge.max(1).into() } else { 1 }
    }

    /// What is sent, or asked for, must be paid for (MS-SMB2 3.3.5.2.5).
    fn is_paid(&self, request: &Request<'_>) -> bool {
        let asked = match request.command {
            command::READ | command::WRITE | command::QUERY_INFO => request.body.at32(4),
            command::QUERY_DIRECTORY => request.body.at32(28),
            command::IOCTL => request.body.at32(28).max(request.body.at32(44)),
            _ => None,
        };
        let paid = usize::try_from(self.cost(request)).unwrap_or(usize::MAX).saturating_mul(PAID);
        self.dialect != Some(Dialect::V210) || asked.is_none_or(|asked| asked <= paid)
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        request: &Request<'_>,
        reply: &Reply,
        key: Option<[u8; 16]>,
        (credits, has_next): (u16, bool),
    ) {
        let start = out.len();
        let session = reply.session.unwrap_or(request.session);
        let waits = if reply.status == Status::PENDING { ASYNC } else { 0 };
        let head = Head {
            command: request.command,
            charge: request.charge,
            status: reply.status,
            credits,
            flags: FROM_SERVER | request.flags & RELATED | waits,
            message_id: request.message_id,
            tree: reply.tree.unwrap_or(request.tree),
            session,
        };
        head.put(out, &reply.body);
        if has_next {
            out.align(8);
            let len = u32::try_from(out.len() - start).unwrap_or(0);
            patch(out, start + 20, &len.to_le_bytes());
        }
        let is_last_setup = request.command == command::SESSION_SETUP && reply.status == Status::OK;
        if request.flags & SIGNED != 0 || is_last_setup {
            sign(out, start, self.key(session).or(key));
        }
    }

    /// What messages of a session are signed with.
    fn key(&self, session: u64) -> Option<[u8; 16]> {
        self.user(session).filter(|user| !user.is_anonymous)?.key
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
        if !self.is_paid(request) {
            return Some(Some(Reply::failed(Status::INVALID_PARAMETER)));
        }
        Some(match request.command {
            command::NEGOTIATE => return self.negotiate(peer, request).map(Some),
            command::CANCEL => {
                self.cancel(peer, request);
                None
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
        self.on_tree(peer, request, &user, share).unwrap_or_else(Reply::failed)
    }

    /// What needs a tree.
    fn on_tree(
        &mut self,
        peer: &mut Peer<'_, '_>,
        request: &Request<'_>,
        user: &User,
        share: Share,
    ) -> Result<Reply, Status> {
        match request.command {
            command::TREE_DISCONNECT => Ok(self.tree_disconnect(peer, request)),
            command::CREATE => file::create(peer, request, user, (request.tree, share), self.dialect),
            command::CLOSE => {
                let id = file::find(peer, request, 8)?.id;
                self.close_waiting(peer, request.session, Some(request.tree), Some(id));
                file::close(peer, request)
            }
            command::FLUSH => file::find(peer, request, 8).map(|_| Reply::empty()),
            command::READ => match file::read(peer, request)? {
                Some(reply) => Ok(reply),
                None => {
                    let most = request.body.at32(4).unwrap_or(0).min(file::MAX_READ);
                    let id = file::find(peer, request, 16)?.id;
                    self.wait(peer.cx.now(), request, id, What::Bytes(most))
                }
            },
            command::WRITE => file::write(peer, request, user),
            command::LOCK => match file::lock(peer, request)? {
                None => Ok(Reply::empty()),
                Some(lock) => {
                    let id = file::find(peer, request, 8)?.id;
                    self.wait(peer.cx.now(), request, id, What::Lock(lock))
                }
            },
            command::IOCTL => control::control(peer, request, user),
            command::QUERY_DIRECTORY => query::directory(peer, request, share),
            command::QUERY_INFO => query::info(peer, request),
            command::SET_INFO => query::set(peer, request),
            command::CHANGE_NOTIFY => {
                let (id, room) = query::watch(peer, request)?;
                // What changed since the last time is told at once.
                match query::changes(peer, id, room) {
                    Some(reply) => Ok(reply),
                    None => self.wait(peer.cx.now(), request, id, What::Change(room)),
                }
            }
            // No oplock is ever taken back, so there is none to acknowledge.
            command::OPLOCK_BREAK => Err(Status::FILE_CLOSED),
            _ => Err(Status::INVALID_PARAMETER),
        }
    }
}

/// Signs the message that begins at `start`, where there is a key.
fn sign(out: &mut [u8], start: usize, key: Option<[u8; 16]>) {
    if let Some(key) = key {
        let flags = out.le32(start + 16).unwrap_or(0) | SIGNED;
        patch(out, start + 16, &flags.to_le_bytes());
        let signature = signing::signature(&key, out.get(start..).unwrap_or_default());
        patch(out, start + 48, &signature);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::{enforced::at_work, nobody};
