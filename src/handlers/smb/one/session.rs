//! SESSION_SETUP (MS-CIFS 2.2.4.53, MS-SMB 2.2.4.6), TREE_CONNECT (2.2.4.55) and their ends.

use super::super::account::{self, Turn, User, fresh_challenge};
use super::super::connection::Login;
use super::super::host::{Host, Kind, Share};
use super::super::ntlm::Response;
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::message::{ANDX, Block, Reply};
use super::{One, Peer};
use crate::events::Event;

/// GENERIC_ALL as Windows grants it on a share.
const FULL_ACCESS: u32 = 0x001f_ffff;
/// SMB_SUPPORT_SEARCH_BITS.
const SEARCH_BITS: u16 = 1;
/// The visitor wants the longer answer (MS-SMB 2.2.4.7.1).
const EXTENDED_RESPONSE: u16 = 0x0008;

impl One {
    /// Three shapes by the count of words: 12 with a security blob, 13 with two responses, 10 with a password.
    pub(super) fn session_setup(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        if self.logins.is_full() {
            return Reply::failed(Status::REQUEST_NOT_ACCEPTED);
        }
        match block.word_count() {
            12 => self.setup_extended(peer, block),
            13 => self.setup_plain(peer, block),
            10 => self.setup_old(peer, block),
            _ => Reply::failed(Status::INVALID_SMB),
        }
    }

    fn setup_extended(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let len = block.words.at16(14).unwrap_or(0);
        let blob = block.data.get(..len).unwrap_or(block.data);
        let Some((uid, login)) = self.login(peer, block, len) else {
            return Reply::failed(Status::REQUEST_NOT_ACCEPTED);
        };
        let (status, blob) = match login.exchange.step(peer.host, peer.cx, &mut peer.core.random, blob) {
            Turn::Refused(status) => {
                self.logins.remove(uid);
                return Reply::failed(status);
            }
            Turn::Continue(blob) => (Status::MORE_PROCESSING_REQUIRED, blob),
            Turn::Accepted(user, blob) => {
                login.user = Some(user);
                (Status::OK, blob)
            }
        };
        let mut words = ANDX.to_vec();
        words.put16(0).put_len16(blob.len());
        let mut data = blob;
        for text in peer.host.native {
            block.put_text(&mut data, words.len(), text);
        }
        Reply { status, words, data, uid: u16::try_from(uid).ok(), ..Reply::default() }
    }

    /// The login that a leg belongs to: the one under way, or a new one.
    fn login(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>, blob: usize) -> Option<(u64, &mut Login)> {
        let uid = match self.logins.position(|login| login.user.is_none()) {
            Some(uid) => uid,
            None => {
                note_client(peer, block, blob);
                self.logins.insert(Login::default()).ok()?
            }
        };
        self.logins.find_mut(uid).map(|login| (uid, login))
    }

    fn setup_plain(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let (lm, nt) = (block.words.at16(14).unwrap_or(0), block.words.at16(16).unwrap_or(0));
        let (Some(lm_response), Some(nt_response)) = (block.data.part(0, lm), block.data.part(lm, nt)) else {
            return Reply::failed(Status::INVALID_SMB);
        };
        let (user, at) = block.text(lm + nt);
        let (domain, at) = block.text(at);
        note_client(peer, block, at);
        let is_password = nt == 0 && !matches!(lm, 0 | 1 | 24);
        if self.challenge == [0; 8] {
            // After a negotiation with extended security there was no challenge; nobody can have answered one.
            self.challenge = fresh_challenge(&mut peer.core.random);
        }
        let judged = if is_password {
            judge_password(peer, &user, lm_response)
        } else {
            self.judge(peer, &Response::bare(user, domain, lm_response, nt_response))
        };
        self.let_in(peer.host, block, judged)
    }

    fn setup_old(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let len = block.words.at16(14).unwrap_or(0);
        let password = block.data.get(..len).unwrap_or(block.data);
        let (user, at) = block.text(len);
        let (domain, at) = block.text(at);
        note_client(peer, block, at);
        let judged = match len {
            0 | 1 | 24 => self.judge(peer, &Response::bare(user, domain, password, &[])),
            _ => judge_password(peer, &user, password),
        };
        self.let_in(peer.host, block, judged)
    }

    /// Judges a response to the negotiation's challenge. SMB1 is never signed: the negotiation says so.
    fn judge(&self, peer: &mut Peer<'_, '_>, response: &Response) -> Result<User, Status> {
        account::judge(peer.host, peer.cx, response, self.challenge, false)
    }

    fn let_in(&mut self, host: &Host, block: &Block<'_>, judged: Result<User, Status>) -> Reply {
        let login = judged.map(|user| Login { user: Some(user), ..Login::default() });
        let uid = match login.and_then(|login| self.logins.insert(login)) {
            Ok(uid) => uid,
            Err(status) => return Reply::failed(status),
        };
        let mut words = ANDX.to_vec();
        words.put16(0);
        let mut data = Vec::new();
        for text in [host.native[0], host.native[1], &host.workgroup] {
            block.put_text(&mut data, words.len(), text);
        }
        Reply { words, data, uid: u16::try_from(uid).ok(), ..Reply::default() }
    }

    pub(super) fn logoff(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        self.logins.remove(block.header.uid);
        peer.core.opens.close_all(peer.host, peer.cx, None);
        Reply::words(&ANDX)
    }

    pub(super) fn tree_connect(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        let (path, at) = block.text(block.words.at16(6).unwrap_or(0));
        let (service, _) = block.ascii(at);
        let (tid, share) = match self.connect(peer, block, &path, &service) {
            Ok(connected) => connected,
            Err(status) => return Reply::failed(status),
        };
        let mut words = ANDX.to_vec();
        words.put16(SEARCH_BITS);
        if block.words.le16(4).unwrap_or(0) & EXTENDED_RESPONSE != 0 {
            words.put32(FULL_ACCESS).put32(FULL_ACCESS);
        }
        let (service, file_system): (&[u8], _) = match share.kind {
            Kind::Pipe => (b"IPC\0", ""),
            Kind::Disk => (b"A:\0", "NTFS"),
        };
        let mut data = service.to_vec();
        block.put_text(&mut data, words.len(), file_system);
        Reply { words, data, tid: Some(tid), ..Reply::default() }
    }

    /// Connects to a share, and records it.
    pub(super) fn connect(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        path: &str,
        service: &str,
    ) -> Result<(u16, Share), Status> {
        let result = self.user(block).and_then(|user| self.trees.connect(path, service, &user));
        let event = Event::new("request", format!("tree connect {path}"));
        let status = result.err().map_or(0, |status| status.0);
        let decoded = serde_json::json!({ "path": path, "service": service, "status": status });
        peer.note(event.with("decoded", decoded));
        let (tid, share) = result?;
        Ok((u16::try_from(tid).map_err(|_| Status::REQUEST_NOT_ACCEPTED)?, share))
    }

    pub(super) fn tree_disconnect(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        self.trees.remove(block.header.tid);
        peer.core.opens.close_all(peer.host, peer.cx, Some(block.header.tid.into()));
        Reply::default()
    }
}

/// A password in the clear, which the negotiation did not ask for.
fn judge_password(peer: &mut Peer<'_, '_>, user: &str, password: &[u8]) -> Result<User, Status> {
    let password = password.strip_suffix(&[0]).unwrap_or(password);
    if peer.host.credentials.judge(peer.cx, user.as_bytes(), password) {
        Ok(User {
            name: user.to_owned(),
            is_anonymous: false,
            key: None,
            flags: 0,
            has_signed: false,
            needs_signatures: false,
        })
    } else {
        Err(Status::LOGON_FAILURE)
    }
}

/// What the visitor says it is: `NativeOS` and `NativeLanMan`.
fn note_client(peer: &mut Peer<'_, '_>, block: &Block<'_>, at: usize) {
    let (os, at) = block.text(at);
    let (lan_manager, _) = block.text(at);
    let event = Event::new("request", format!("SMB1 session setup by {os:?}"));
    peer.note(event.with("decoded", serde_json::json!({ "native_os": os, "native_lan_manager": lan_manager })));
}
