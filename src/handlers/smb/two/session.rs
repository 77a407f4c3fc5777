//! NEGOTIATE, SESSION_SETUP, TREE_CONNECT and their ends (MS-SMB2 2.2.3 to 2.2.12).

use super::super::account::{Exchange, Turn, User};
use super::super::connection::Login;
use super::super::host::{Dialect, Kind};
use super::super::one_dialects;
use super::super::spnego;
use super::super::status::Status;
use super::super::wire::{Fields, Put, filetime, text_of_utf16};
use super::{HEADER, Peer, Reply, Request, Two, command};
use crate::events::Event;

/// Signatures are made, not required; a visitor may require them.
const SIGNING_ENABLED: u16 = 1;
const SIGNING_REQUIRED: u8 = 2;
/// Distributed file system; leases and large transfers from 2.1 on; more from 3.0 on.
const CAP_DFS: u32 = 0x01;
const CAP_LEASING_AND_LARGE_MTU: u32 = 0x06;
/// The dialect number that leaves the choice to a second negotiation.
const ANY: u16 = 0x02ff;
/// Most that is read or written at once, before and from 2.1 on.
const SMALL: u32 = 0x0001_0000;
pub(super) const LARGE: u32 = 0x0010_0000;
/// Sessions whose messages nobody expects to be signed: those of a guest, and of nobody.
const SESSION_IS_GUEST: u16 = 0x0001;
const SESSION_IS_NULL: u16 = 0x0002;
/// From this dialect on visitors have the negotiation confirmed under a signature, unless they are guests (MS-SMB2 3.2.5.5). One library of
/// attackers offers 3.0 and does not.
const CONFIRMS: u16 = 0x0302;

impl Two {
    /// Answers an SMB1 NEGOTIATE that offers SMB2 (MS-SMB2 3.3.5.3); false when it does not.
    pub(in super::super) fn invited(&mut self, peer: &mut Peer<'_, '_>, data: &[u8]) -> bool {
        let offers = |name: &[u8]| one_dialects(data).any(|one| one == name);
        let highest = peer.host.dialects.last().copied();
        let number = match highest {
            Some(highest) if highest > Dialect::V202 && offers(b"SMB 2.???") => ANY,
            Some(_) if offers(b"SMB 2.002") => {
                self.dialect = Some(Dialect::V202);
                Dialect::V202 as u16
            }
            _ => return false,
        };
        let request = Request {
            message: &[],
            body: &[],
            command: command::NEGOTIATE,
            flags: 0,
            charge: 0,
            credits: 1,
            message_id: 0,
            session: 0,
            tree: 0,
            seed: 0,
            file: None,
        };
        let mut out = Vec::new();
        // It counts as the message with the first number.
        self.window.take(0, 1);
        let credits = self.window.grant(1);
        self.write(&mut out, &request, &offer(peer, number), None, (credits, false));
        peer.send(&out);
        true
    }

    /// Takes the best dialect of those that are offered.
    pub(super) fn negotiate(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Option<Reply> {
        let count = request.body.at16(2)?;
        if count == 0 || request.body.len() < 36 + 2 * count {
            return Some(Reply::failed(Status::INVALID_PARAMETER));
        }
        let offered: Vec<u16> = (0..count.min(64)).map_while(|at| request.body.le16(36 + 2 * at)).collect();
        let names: Vec<String> = offered.iter().map(|number| format!("{number:#06x}")).collect();
        let event = Event::new("request", format!("SMB2 negotiate: {}", names.join(", ")));
        peer.note(event.with("decoded", serde_json::json!({ "dialects": names })));
        self.confirms = offered.iter().any(|number| *number >= CONFIRMS);
        let best = peer.host.dialects.iter().rev().find(|dialect| offered.contains(&(**dialect as u16)));
        let Some(&best) = best else { return Some(Reply::failed(Status::NOT_SUPPORTED)) };
        self.dialect = Some(best);
        Some(offer(peer, best as u16))
    }

    pub(super) fn session_setup(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Reply {
        let body = request.body;
        let (Some(offset), Some(len)) = (body.at16(12), body.at16(14)) else {
            return Reply::failed(Status::INVALID_PARAMETER);
        };
        let Some(blob) = request.buffer(offset, len) else { return Reply::failed(Status::INVALID_PARAMETER) };
        let needs_signatures = body.byte(3).is_some_and(|mode| mode & SIGNING_REQUIRED != 0);
        let session = match request.session {
            0 => {
                let new = Login { exchange: Exchange::new(needs_signatures), user: None };
                let session = new_id(peer);
                if let Err(status) = self.logins.insert_as(session, new) {
                    return Reply::failed(status);
                }
                session
            }
            session => session,
        };
        let Some(login) = self.logins.find_mut(session) else { return Reply::failed(Status::USER_SESSION_DELETED) };
        let (status, flags, blob) = match login.exchange.step(peer.host, peer.cx, &mut peer.core.random, blob) {
            Turn::Refused(status) => {
                self.logins.remove(session);
                return Reply::failed(status);
            }
            Turn::Continue(blob) => (Status::MORE_PROCESSING_REQUIRED, 0, blob),
            Turn::Accepted(user, blob) => {
                let flags = match user.key {
                    _ if user.is_anonymous => SESSION_IS_NULL,
                    // It could not go on without a signature that only its password makes: it is told what makes it do without.
                    None if self.confirms => SESSION_IS_GUEST,
                    _ => 0,
                };
                // Who logs in again keeps the key that its messages are signed with (MS-SMB2 3.3.5.5.3).
                let key = login.user.as_ref().map_or(user.key, |before| before.key);
                login.user = Some(User { key, ..user });
                (Status::OK, flags, blob)
            }
        };
        let mut out = Vec::new();
        out.put16(9).put16(flags).put_len16(HEADER + 8).put_len16(blob.len()).put(&blob);
        Reply { status, session: Some(session), ..Reply::new(out) }
    }

    pub(super) fn logoff(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Reply {
        self.close_waiting(peer, request.session, None, None);
        self.logins.remove(request.session);
        self.trees.clear();
        peer.core.opens.close_all(peer.host, peer.cx, None);
        Reply::empty()
    }

    pub(super) fn tree_connect(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>, user: &User) -> Reply {
        let body = request.body;
        let (Some(offset), Some(len)) = (body.at16(4), body.at16(6)) else {
            return Reply::failed(Status::INVALID_PARAMETER);
        };
        let Some(path) = request.buffer(offset, len) else { return Reply::failed(Status::INVALID_PARAMETER) };
        let path = text_of_utf16(path);
        let result = self.trees.connect(&path, "", user);
        let decoded = serde_json::json!({ "path": path, "status": result.err().map_or(0, |status| status.0) });
        peer.note(Event::new("request", format!("tree connect {path}")).with("decoded", decoded));
        let (tree, share) = match result {
            Ok(connected) => connected,
            Err(status) => return Reply::failed(status),
        };
        let mut out = Vec::new();
        // The type, flags (pipes are not cached offline), capabilities, access.
        match share.kind {
            Kind::Pipe => out.put16(16).put8(2).put8(0).put32(0x30).put32(0).put32(0x011f_01ff),
            Kind::Disk => out.put16(16).put8(1).put8(0).put32(0).put32(0).put32(0x001f_01ff),
        };
        Reply { tree: u32::try_from(tree).ok(), ..Reply::new(out) }
    }

    pub(super) fn tree_disconnect(&mut self, peer: &mut Peer<'_, '_>, request: &Request<'_>) -> Reply {
        self.close_waiting(peer, request.session, Some(request.tree), None);
        self.trees.remove(request.tree);
        peer.core.opens.close_all(peer.host, peer.cx, Some(request.tree));
        Reply::empty()
    }
}

/// Session numbers look like those of Windows: 0x400000000000 and a few bits that rise.
fn new_id(peer: &mut Peer<'_, '_>) -> u64 {
    0x0000_4000_0000_0001 | (peer.core.random.bits() & 0x3f_ffff) << 2
}

/// The negotiate response (MS-SMB2 2.2.4).
fn offer(peer: &Peer<'_, '_>, number: u16) -> Reply {
    let host = peer.host;
    let (capabilities, most) = match number {
        0x0202 => (CAP_DFS, SMALL),
        _ => (CAP_DFS | CAP_LEASING_AND_LARGE_MTU, LARGE),
    };
    let blob = spnego::offer();
    let mut out = Vec::new();
    out.put16(65).put16(SIGNING_ENABLED).put16(number).put16(0).put(&host.guid).put32(capabilities);
    out.put32(most).put32(most).put32(most).put64(filetime(peer.cx.now())).put64(filetime(host.booted));
    out.put_len16(HEADER + 64).put_len16(blob.len()).put32(0).put(&blob);
    Reply::new(out)
}
