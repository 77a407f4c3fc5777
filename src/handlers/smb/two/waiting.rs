//! Requests that are told to wait (MS-SMB2 3.3.4.2): for a change, for bytes of a pipe, for a lock. What other connections of the source do is
//! looked for from time to time: often at first, then less and less.

use std::time::Duration;

use super::header::Head;
use super::{ASYNC, FROM_SERVER, Peer, Reply, Request, Status, Two, file, query, sign};
use crate::clock::Timestamp;
use crate::handlers::smb::wire::Fields;

/// Waiting in one connection; more are told that there is no memory.
const MAX: usize = 16;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    command: u16,
    message_id: u64,
    session: u64,
    tree: u32,
    file: u16,
    is_signed: bool,
    since: Timestamp,
    what: What,
}

/// What for.
#[derive(Debug)]
pub(super) enum What {
    /// In as many bytes as there is room for, like the next.
    Change(usize),
    /// As many bytes as there is room for.
    Bytes(usize),
    Lock(file::Lock),
}

impl Two {
    /// Has a request wait, of which its visitor is told.
    pub(super) fn wait(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
        file: u16,
        what: What,
    ) -> Result<Reply, Status> {
        if self.waiting.len() >= MAX {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        self.waiting.push(Waiting {
            command: request.command,
            message_id: request.message_id,
            session: request.session,
            tree: request.tree,
            file,
            is_signed: request.flags & super::SIGNED != 0,
            since: now,
            what,
        });
        Err(Status::PENDING)
    }

    /// CANCEL names the message, or the number that it was told to wait under, which is the same.
    pub(super) fn cancel(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) {
        let by_number = request.message.le64(32).filter(|_| request.flags & ASYNC != 0);
        let wanted = by_number.unwrap_or(request.message_id);
        self.give_up(peer, |one| one.message_id == wanted, |_| Status::CANCELLED);
    }

    /// What waits for a file that is closed: one, those of a tree or of a session.
    pub(super) fn close_waiting(
        &mut self,
        peer: &mut Peer<'_, '_>,
        session: u64,
        tree: Option<u32>,
        file: Option<u16>,
    ) {
        let is_meant = |one: &Waiting| {
            one.session == session
                && tree.is_none_or(|tree| one.tree == tree)
                && file.is_none_or(|file| one.file == file)
        };
        self.give_up(peer, is_meant, |one| match one.what {
            What::Change(_) => Status::NOTIFY_CLEANUP,
            What::Bytes(_) => Status::PIPE_BROKEN,
            What::Lock(_) => Status::RANGE_NOT_LOCKED,
        });
    }

    fn give_up(
        &mut self,
        peer: &mut Peer<'_, '_>,
        is_meant: impl Fn(&Waiting) -> bool,
        status: impl Fn(&Waiting) -> Status,
    ) {
        let (meant, others) = std::mem::take(&mut self.waiting).into_iter().partition(is_meant);
        self.waiting = others;
        for one in meant {
            let reply = Reply::failed(status(&one));
            self.answer(peer, &one, &reply);
        }
    }

    /// Answers what waits no longer: its pipe has bytes, its lock is free.
    pub(in super::super) fn wake(&mut self, peer: &mut Peer<'_, '_>) {
        for one in std::mem::take(&mut self.waiting) {
            let reply = match &one.what {
                What::Bytes(max) => peer
                    .core
                    .opens
                    .find(one.file)
                    .filter(|open| open.is_pipe())
                    .and_then(|open| open.read(peer.host, peer.cx, (0, 0), *max).ok().map(file::bytes_read)),
                What::Lock(lock) => file::on_claims(peer, one.file, |claims, owner| claims.lock(owner, &[*lock]))
                    .ok()
                    .map(|()| Reply::empty()),
                What::Change(room) => query::changes(peer, one.file, *room),
            };
            match reply {
                Some(reply) => self.answer(peer, &one, &reply),
                None => self.waiting.push(one),
            }
        }
    }

    /// How long until what waits is looked at again; `None` when nothing waits that another connection could end.
    pub(in super::super) fn looks_again(&self, now: Timestamp) -> Option<Duration> {
        const LEAST: Duration = Duration::from_millis(200);
        const MOST: Duration = Duration::from_secs(15);
        let waits = self.waiting.iter().filter(|one| !matches!(one.what, What::Bytes(_)));
        let waited = waits.map(|one| now.saturating_since(one.since)).min()?;
        Some((waited / 8).clamp(LEAST, MOST))
    }

    /// The credits of one that was told to wait were granted then.
    fn answer(&self, peer: &mut Peer<'_, '_>, one: &Waiting, reply: &Reply) {
        let head = Head {
            command: one.command,
            charge: 1,
            status: reply.status,
            credits: 0,
            flags: FROM_SERVER | ASYNC,
            message_id: one.message_id,
            tree: one.tree,
            session: one.session,
        };
        let mut out = Vec::new();
        head.put(&mut out, &reply.body);
        if one.is_signed {
            sign(&mut out, 0, self.key(one.session));
        }
        peer.send(&out);
    }
}
