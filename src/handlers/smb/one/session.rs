//! SESSION_SETUP (MS-CIFS 2.2.4.53, MS-SMB 2.2.4.6), TREE_CONNECT (2.2.4.55) and their ends.

use super::super::account::{self, Turn, User, fresh_challenge};
use super::super::host::{Host, Kind};
use super::super::ntlm::Response;
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::message::{ANDX, Block, Reply};
use super::{MAX_TREES, MAX_USERS, One, Peer};
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
        if self.users.len() >= MAX_USERS {
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
        if self.exchange_uid.is_none() {
            note_client(peer, block, len);
        }
        let turn = self.exchange.step(peer.host, peer.cx, &mut peer.core.random, blob);
        let (status, blob, user) = match turn {
            Turn::Refused(status) => {
                self.exchange_uid = None;
                return Reply::failed(status);
            }
            Turn::Continue(blob) => (Status::MORE_PROCESSING_REQUIRED, blob, None),
            Turn::Accepted(user, blob) => (Status::OK, blob, Some(user)),
        };
        let uid = self.exchange_uid.unwrap_or_else(|| self.new_uid());
        self.exchange_uid = user.is_none().then_some(uid);
        if let Some(user) = user {
            self.users.push((uid, user));
        }
        let mut words = ANDX.to_vec();
        words.put16(0).put_len16(blob.len());
        let mut data = blob;
        for text in peer.host.native {
            block.put_text(&mut data, words.len(), text);
        }
        Reply { status, words, data, uid: Some(uid), ..Reply::default() }
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
            account::judge(peer.host, peer.cx, &Response::bare(user, domain, lm_response, nt_response), self.challenge)
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
            0 | 1 | 24 => {
                account::judge(peer.host, peer.cx, &Response::bare(user, domain, password, &[]), self.challenge)
            }
            _ => judge_password(peer, &user, password),
        };
        self.let_in(peer.host, block, judged)
    }

    fn let_in(&mut self, host: &Host, block: &Block<'_>, judged: Result<User, Status>) -> Reply {
        let user = match judged {
            Ok(user) => user,
            Err(status) => return Reply::failed(status),
        };
        let uid = self.new_uid();
        self.users.push((uid, user));
        let mut words = ANDX.to_vec();
        words.put16(0);
        let mut data = Vec::new();
        for text in [host.native[0], host.native[1], &host.workgroup] {
            block.put_text(&mut data, words.len(), text);
        }
        Reply { words, data, uid: Some(uid), ..Reply::default() }
    }

    fn new_uid(&mut self) -> u16 {
        self.issue(|one, id| one.users.iter().any(|(uid, _)| *uid == id) || one.exchange_uid == Some(id))
    }

    pub(super) fn logoff(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        if let Err(status) = self.user(block) {
            return Reply::failed(status);
        }
        self.users.retain(|(uid, _)| *uid != block.header.uid);
        peer.core.opens.close_all(peer.host, peer.cx, None);
        Reply::words(&ANDX)
    }

    pub(super) fn tree_connect(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        if block.word_count() != 4 {
            return Reply::failed(Status::INVALID_SMB);
        }
        let (path, at) = block.text(block.words.at16(6).unwrap_or(0));
        let (service, _) = block.ascii(at);
        let result = self.connect(block, &path, &service);
        let event = Event::new("request", format!("tree connect {path}"));
        let decoded = serde_json::json!({ "path": path, "service": service, "status": result.err().map_or(0, |status| status.0) });
        peer.note(event.with("decoded", decoded));
        let (tid, kind) = match result {
            Ok(connected) => connected,
            Err(status) => return Reply::failed(status),
        };
        let mut words = ANDX.to_vec();
        words.put16(SEARCH_BITS);
        if block.words.le16(4).unwrap_or(0) & EXTENDED_RESPONSE != 0 {
            words.put32(FULL_ACCESS).put32(FULL_ACCESS);
        }
        let (service, file_system): (&[u8], _) = match kind {
            Kind::Pipe => (b"IPC\0", ""),
            Kind::Disk => (b"A:\0", "NTFS"),
        };
        let mut data = service.to_vec();
        block.put_text(&mut data, words.len(), file_system);
        Reply { words, data, tid: Some(tid), ..Reply::default() }
    }

    fn connect(&mut self, block: &Block<'_>, path: &str, service: &str) -> Result<(u16, Kind), Status> {
        let user = self.user(block)?;
        let share = Host::share(path).ok_or(Status::BAD_NETWORK_NAME)?;
        if share.is_closed && user.is_anonymous {
            return Err(Status::ACCESS_DENIED);
        }
        let fits = match service {
            "IPC" => share.kind == Kind::Pipe,
            "A:" => share.kind == Kind::Disk,
            other => other.is_empty() || other == "?????",
        };
        if !fits {
            return Err(Status::BAD_DEVICE_TYPE);
        }
        if self.trees.len() >= MAX_TREES {
            return Err(Status::REQUEST_NOT_ACCEPTED);
        }
        let tid = self.issue(|one, id| one.trees.iter().any(|(tid, _)| *tid == id));
        self.trees.push((tid, share));
        Ok((tid, share.kind))
    }

    pub(super) fn tree_disconnect(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Reply {
        self.with_tree_gone(peer, block).map_or_else(Reply::failed, |()| Reply::default())
    }

    fn with_tree_gone(&mut self, peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Result<(), Status> {
        self.tree(block)?;
        self.trees.retain(|(tid, _)| *tid != block.header.tid);
        peer.core.opens.close_all(peer.host, peer.cx, Some(block.header.tid.into()));
        Ok(())
    }
}

/// A password in the clear, which the negotiation did not ask for.
fn judge_password(peer: &mut Peer<'_, '_>, user: &str, password: &[u8]) -> Result<User, Status> {
    let password = password.strip_suffix(&[0]).unwrap_or(password);
    if peer.host.credentials.judge(peer.cx, user.as_bytes(), password) {
        Ok(User { name: user.to_owned(), is_anonymous: false, key: None })
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
