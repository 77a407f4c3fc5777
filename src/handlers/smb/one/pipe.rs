//! TRANSACTION (MS-CIFS 2.2.5): operations on named pipes, and RAP.

use super::super::account::User;
use super::super::open::Object;
use super::super::status::Status;
use super::super::wire::Fields;
use super::message::{Block, Reply};
use super::transaction::{Transaction, answer};
use super::{One, Peer, rap};
use crate::events::Event;

/// Subcommands (MS-CIFS 2.2.2.2).
const SET_STATE: u16 = 0x01;
const QUERY_STATE: u16 = 0x21;
const PEEK: u16 = 0x23;
const TRANSACT: u16 = 0x26;
const WAIT: u16 = 0x53;

impl One {
    /// One operation on a pipe, or a call of RAP.
    pub(super) fn named_pipe(
        &mut self,
        peer: &mut Peer<'_, '_>,
        block: &Block<'_>,
        setup: &[u8],
        transaction: Transaction<'_>,
    ) -> Reply {
        if let Err(status) = self.tree(block) {
            return Reply::failed(status);
        }
        let Some(operation) = setup.le16(0) else {
            let (parameters, data) = rap::call(peer.host, transaction.parameters);
            let function = transaction.parameters.le16(0).unwrap_or(0);
            peer.note(Event::new("request", format!("RAP function {function}")));
            return answer(block, Status::OK, &parameters, &data);
        };
        let id = setup.le16(2).unwrap_or(0);
        if operation == PEEK && id == 0 {
            peer.note(Event::new("scan", "MS17-010 check: PeekNamedPipe of no pipe"));
            // Missing MS17-010, Windows runs out of resources; with it, it looks at the pipe first.
            return Reply::failed(if peer.host.is_vulnerable {
                Status::INSUFF_SERVER_RESOURCES
            } else {
                Status::INVALID_HANDLE
            });
        }
        let user = match self.user(block) {
            Ok(user) if operation != WAIT => user,
            Ok(_) => return Reply::failed(Status::OBJECT_NAME_NOT_FOUND),
            Err(status) => return Reply::failed(status),
        };
        let Some(open) = peer.core.opens.find(id) else { return Reply::failed(Status::INVALID_HANDLE) };
        let Object::Pipe(_) = open.object else { return Reply::failed(Status::INVALID_DEVICE_REQUEST) };
        match operation {
            TRANSACT => transact(peer, block, (&user, id), transaction),
            SET_STATE => answer(block, Status::OK, &[], &[]),
            QUERY_STATE => answer(block, Status::OK, &[0xff, 0x05], &[]),
            // Available, of this message, connected.
            PEEK => answer(block, Status::OK, &[0, 0, 0, 0, 3, 0], &[]),
            _ => Reply::failed(Status::INVALID_PARAMETER),
        }
    }
}

/// TRANS_TRANSACT_NMPIPE (MS-CIFS 2.2.5.6): write, then read.
fn transact(
    peer: &mut Peer<'_, '_>,
    block: &Block<'_>,
    (user, id): (&User, u16),
    transaction: Transaction<'_>,
) -> Reply {
    let Some(open) = peer.core.opens.find(id) else { return Reply::failed(Status::INVALID_HANDLE) };
    if let Err(status) = open.write(peer.host, peer.cx, user, 0, transaction.data) {
        return Reply::failed(status);
    }
    match open.read(0, transaction.max_data) {
        Ok((bytes, true)) => answer(block, Status::BUFFER_OVERFLOW, &[], &bytes),
        Ok((bytes, false)) => answer(block, Status::OK, &[], &bytes),
        Err(_) => answer(block, Status::OK, &[], &[]),
    }
}
