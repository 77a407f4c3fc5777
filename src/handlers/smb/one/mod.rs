//! SMB1 (MS-CIFS, MS-SMB): messages, their chains, and which command does what.

mod core;
mod file;
mod lock;
mod message;
mod negotiate;
mod nt;
mod path;
mod pipe;
mod pulsar;
mod query;
mod rap;
mod requirement;
mod session;
mod transaction;

use message::{Block, Header, Reply};
pub(super) use negotiate::{dialects as one_dialects, note as note_dialects};
#[cfg(test)]
pub(super) use pulsar::key as pulsar_key;

use super::Peer;
use super::account::User;
use super::connection::{Login, Numbered};
use super::host::Share;
use super::status::Status;
use super::wire::{Fields, patch};
use crate::events::Event;

/// Blocks of one chain.
const MAX_CHAIN: usize = 8;
/// UIDs and TIDs of Windows begin here.
const FIRST_ID: u64 = 0x0800;

/// Commands (MS-CIFS 2.2.2.1).
mod command {
    pub(super) const CREATE_DIRECTORY: u8 = 0x00;
    pub(super) const DELETE_DIRECTORY: u8 = 0x01;
    pub(super) const OPEN: u8 = 0x02;
    pub(super) const CREATE: u8 = 0x03;
    pub(super) const CLOSE: u8 = 0x04;
    pub(super) const FLUSH: u8 = 0x05;
    pub(super) const DELETE: u8 = 0x06;
    pub(super) const RENAME: u8 = 0x07;
    pub(super) const QUERY_INFORMATION: u8 = 0x08;
    pub(super) const SET_INFORMATION: u8 = 0x09;
    pub(super) const READ: u8 = 0x0a;
    pub(super) const WRITE: u8 = 0x0b;
    pub(super) const LOCK: u8 = 0x0c;
    pub(super) const UNLOCK: u8 = 0x0d;
    pub(super) const CREATE_NEW: u8 = 0x0f;
    pub(super) const CHECK_DIRECTORY: u8 = 0x10;
    pub(super) const PROCESS_EXIT: u8 = 0x11;
    pub(super) const SET_INFORMATION2: u8 = 0x22;
    pub(super) const QUERY_INFORMATION2: u8 = 0x23;
    pub(super) const LOCKING_ANDX: u8 = 0x24;
    pub(super) const TRANSACTION: u8 = 0x25;
    pub(super) const TRANSACTION_SECONDARY: u8 = 0x26;
    pub(super) const ECHO: u8 = 0x2b;
    pub(super) const OPEN_ANDX: u8 = 0x2d;
    pub(super) const READ_ANDX: u8 = 0x2e;
    pub(super) const WRITE_ANDX: u8 = 0x2f;
    pub(super) const TRANSACTION2: u8 = 0x32;
    pub(super) const TRANSACTION2_SECONDARY: u8 = 0x33;
    pub(super) const FIND_CLOSE2: u8 = 0x34;
    pub(super) const TREE_CONNECT: u8 = 0x70;
    pub(super) const TREE_DISCONNECT: u8 = 0x71;
    pub(super) const NEGOTIATE: u8 = 0x72;
    pub(super) const SESSION_SETUP_ANDX: u8 = 0x73;
    pub(super) const LOGOFF_ANDX: u8 = 0x74;
    pub(super) const TREE_CONNECT_ANDX: u8 = 0x75;
    pub(super) const QUERY_INFORMATION_DISK: u8 = 0x80;
    pub(super) const NT_TRANSACT: u8 = 0xa0;
    pub(super) const NT_TRANSACT_SECONDARY: u8 = 0xa1;
    pub(super) const NT_CREATE_ANDX: u8 = 0xa2;
    pub(super) const NT_CANCEL: u8 = 0xa4;
    /// No further block.
    pub(super) const NONE: u8 = 0xff;
}

/// What a connection has set up.
#[derive(Debug, Default)]
pub(super) struct One {
    /// The challenge of the negotiate response, for logins without extended security.
    challenge: [u8; 8],
    is_negotiated: bool,
    logins: Numbered<Login, FIRST_ID>,
    trees: Numbered<Share, FIRST_ID>,
    transaction: Option<transaction::Pending>,
    pulsar: pulsar::Upload,
}

impl One {
    /// Takes a message; false when the connection is to be closed.
    pub(super) fn message(&mut self, peer: &mut Peer<'_, '_>, message: &[u8]) -> bool {
        let Some(mut header) = Header::parse(message) else { return false };
        let Some(first) = message.byte(4) else { return false };
        if (first == command::NEGOTIATE) == self.is_negotiated {
            // Everything begins with one negotiation, and a second one ends the connection.
            return false;
        }
        let (mut command, mut at) = (first, 32);
        let mut out = header.bytes(first);
        let mut last_andx: Option<usize> = None;
        for _ in 0..MAX_CHAIN {
            let reply_at = out.len();
            let reply = match Block::parse(message, at, &header, reply_at) {
                Some(block) => self.command(peer, command, &block),
                None => Some(Reply::failed(Status::INVALID_SMB)),
            };
            let Some(reply) = reply else { return true };
            if let Some(andx) = last_andx {
                patch(&mut out, andx, &[command, 0]);
                patch(&mut out, andx + 2, &u16::try_from(reply_at).unwrap_or(0).to_le_bytes());
            }
            header.take(&reply);
            header.write(&mut out, reply.status);
            last_andx = reply.write(&mut out, command);
            let next = message.byte(at + 1).filter(|next| *next != command::NONE);
            match (next, message.at16(at + 3), last_andx) {
                (Some(next), Some(offset), Some(_)) if reply.status == Status::OK && offset > at => {
                    (command, at) = (next, offset)
                }
                _ => break,
            }
        }
        if let Some(andx) = last_andx {
            // The last block names none, and the end of the message as its offset.
            let end = u16::try_from(out.len()).unwrap_or(u16::MAX);
            patch(&mut out, andx, &[command::NONE, 0]);
            patch(&mut out, andx + 2, &end.to_le_bytes());
        }
        peer.send(&out);
        true
    }

    /// The answer to one block; `None` where Windows is silent.
    fn command(&mut self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>) -> Option<Reply> {
        if let Err(status) = self.require(command, block) {
            if status == Status::SMB_BAD_COMMAND {
                peer.note(Event::new("request", format!("SMB1 command {command:#04x} unknown")));
            }
            return Some(Reply::failed(status));
        }
        Some(match command {
            command::NEGOTIATE => self.negotiate(peer, block),
            command::SESSION_SETUP_ANDX => self.session_setup(peer, block),
            command::LOGOFF_ANDX => self.logoff(peer, block),
            command::TREE_CONNECT_ANDX => self.tree_connect(peer, block),
            command::TREE_DISCONNECT => self.tree_disconnect(peer, block),
            command::ECHO => return echo(peer, block),
            command::TRANSACTION | command::TRANSACTION2 | command::NT_TRANSACT => {
                return self.transaction(peer, command, block);
            }
            command::TRANSACTION_SECONDARY | command::TRANSACTION2_SECONDARY | command::NT_TRANSACT_SECONDARY => {
                return self.secondary(peer, command, block);
            }
            command::NT_CANCEL => return None,
            command::PROCESS_EXIT => Reply::default(),
            command::NT_CREATE_ANDX => self.create(peer, block),
            command::OPEN_ANDX => self.open_andx(peer, block),
            command::READ_ANDX => self.read(peer, block),
            command::WRITE_ANDX => self.write(peer, block),
            command::CLOSE | command::FIND_CLOSE2 => self.close(peer, block),
            command::CREATE_DIRECTORY
            | command::DELETE_DIRECTORY
            | command::DELETE
            | command::RENAME
            | command::QUERY_INFORMATION
            | command::SET_INFORMATION
            | command::CHECK_DIRECTORY => self.on_path(peer, command, block).unwrap_or_else(Reply::failed),
            // Units, blocks in a unit, bytes of a block, free units (MS-CIFS 2.2.4.57.2).
            command::QUERY_INFORMATION_DISK => {
                Reply::words(&[[0xfe, 0xff], [0x40, 0], [0, 2], [0x3a, 0x5b], [0, 0]].concat())
            }
            _ => self.core(peer, command, block).unwrap_or_else(Reply::failed),
        })
    }

    /// The session is over: what came of a payload is stored.
    pub(super) fn finish(&mut self, peer: &mut Peer<'_, '_>) {
        self.pulsar.finish(peer);
    }

    /// The user of a request; a UID that nobody has is refused.
    fn user(&self, block: &Block<'_>) -> Result<User, Status> {
        self.logins.find(block.header.uid).and_then(|login| login.user.clone()).ok_or(Status::SMB_BAD_UID)
    }

    fn tree(&self, block: &Block<'_>) -> Result<Share, Status> {
        self.trees.find(block.header.tid).copied().ok_or(Status::SMB_BAD_TID)
    }
}

/// ECHO (MS-CIFS 2.2.4.39): the data as often as asked; here at most a few times, for what goes out shall not exceed what came by much.
fn echo(peer: &mut Peer<'_, '_>, block: &Block<'_>) -> Option<Reply> {
    const MAX_ECHOES: u16 = 4;
    let Some(count) = block.words.le16(0) else { return Some(Reply::failed(Status::INVALID_SMB)) };
    for number in 1..=count.min(MAX_ECHOES) {
        let mut out = block.header.bytes(command::ECHO);
        let reply = Reply { words: number.to_le_bytes().to_vec(), data: block.data.to_vec(), ..Reply::default() };
        reply.write(&mut out, command::ECHO);
        peer.send(&out);
    }
    None
}
