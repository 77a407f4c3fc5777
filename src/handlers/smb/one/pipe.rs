//! TRANSACTION (MS-CIFS 2.2.5): operations on named pipes, and RAP.

use super::super::open::Object;
use super::super::opens::is_pipe;
use super::super::status::Status;
use super::super::wire::Fields;
use super::message::Reply;
use super::transaction::Transaction;
use super::{One, Peer, rap};
use crate::events::Event;

/// Subcommands (MS-CIFS 2.2.2.2).
const SET_STATE: u16 = 0x01;
const QUERY_STATE: u16 = 0x21;
const PEEK: u16 = 0x23;
const TRANSACT: u16 = 0x26;
const WAIT: u16 = 0x53;
const CALL: u16 = 0x54;

/// Where RAP is called (MS-RAP 2.1).
const LANMAN: &str = "\\PIPE\\LANMAN";

impl One {
    /// One operation on a pipe, or a call of RAP.
    pub(super) fn named_pipe(&self, peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Result<Reply, Status> {
        self.tree(asked.block)?;
        let Some(operation) = asked.setup.le16(0) else { return remote_administration(peer, asked) };
        let id = asked.setup.le16(2).unwrap_or(0);
        if operation == PEEK && id == 0 {
            peer.note(Event::new("scan", "MS17-010 check: PeekNamedPipe of no pipe"));
            // Missing MS17-010, Windows runs out of resources; with it, it looks at the pipe first.
            return Err(if peer.host.is_vulnerable { Status::INSUFF_SERVER_RESOURCES } else { Status::INVALID_HANDLE });
        }
        let user = self.user(asked.block)?;
        if matches!(operation, WAIT | CALL) {
            // Both name the pipe; to be called it must be opened first, which none of its clients does.
            let is_there = operation == WAIT && is_pipe(peer.host, peer.cx, &user, asked.name);
            return if is_there { Ok(asked.answer(&[], &[])) } else { Err(Status::OBJECT_NAME_NOT_FOUND) };
        }
        let open = peer
            .core
            .opens
            .look(peer.host, peer.cx, asked.block.header.tid.into(), id)
            .ok_or(Status::INVALID_HANDLE)?;
        let Object::Pipe(_) = open.object else { return Err(Status::INVALID_DEVICE_REQUEST) };
        match operation {
            // TRANS_TRANSACT_NMPIPE (MS-CIFS 2.2.5.6): write, then read.
            TRANSACT => {
                open.write(peer.host, peer.cx, &user, (0, 0), asked.data)?;
                Ok(match open.read(peer.host, peer.cx, (0, 0), asked.max_data) {
                    Ok((bytes, true)) => Reply { status: Status::BUFFER_OVERFLOW, ..asked.answer(&[], &bytes) },
                    Ok((bytes, false)) => asked.answer(&[], &bytes),
                    Err(_) => asked.answer(&[], &[]),
                })
            }
            SET_STATE => Ok(asked.answer(&[], &[])),
            QUERY_STATE => Ok(asked.answer(&[0xff, 0x05], &[])),
            // Available, of this message, connected.
            PEEK => Ok(asked.answer(&[0, 0, 0, 0, 3, 0], &[])),
            _ => Err(Status::INVALID_PARAMETER),
        }
    }
}

fn remote_administration(peer: &mut Peer<'_, '_>, asked: &Transaction<'_>) -> Result<Reply, Status> {
    if !asked.name.eq_ignore_ascii_case(LANMAN) {
        return Err(Status::INVALID_SMB);
    }
    let function = asked.parameters.le16(0).ok_or(Status::INVALID_PARAMETER)?;
    peer.note(Event::new("request", format!("RAP function {function}")));
    let (parameters, data) = rap::call(peer.host, asked.parameters);
    Ok(asked.answer(&parameters, &data))
}
