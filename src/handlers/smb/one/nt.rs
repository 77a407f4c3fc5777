//! NT_TRANSACT (MS-CIFS 2.2.7): what visitors use of it.

use super::super::access::Wanted;
use super::super::account::User;
use super::super::host::Share;
use super::super::open::Object;
use super::super::status::Status;
use super::super::wire::{Fields, Put, text_of_utf16};
use super::file::put_created;
use super::message::Reply;
use super::transaction::Transaction;
use super::{One, Peer};
use crate::events::Event;

/// Functions (MS-CIFS 2.2.2.3).
const CREATE: u16 = 1;
const IOCTL: u16 = 2;
const SET_SECURITY: u16 = 3;
const NOTIFY_CHANGE: u16 = 4;
const RENAME: u16 = 5;
const QUERY_SECURITY: u16 = 6;
const QUOTAS: [u16; 2] = [7, 8];

/// Where the name of a CREATE begins.
const NAME: usize = 53;

impl One {
    /// `None` while what was asked for does not happen.
    pub(super) fn nt_transact(
        &self,
        peer: &mut Peer<'_, '_>,
        asked: &Transaction<'_>,
    ) -> Result<Option<Reply>, Status> {
        let function = asked.function;
        peer.note(Event::new("request", format!("NT_TRANSACT function {function}")));
        if !(CREATE..=QUOTAS[1]).contains(&function) {
            return Err(Status::INVALID_SMB);
        }
        let user = self.user(asked.block)?;
        let share = self.tree(asked.block)?;
        let parameters = asked.parameters;
        if function == CREATE {
            return create(peer, asked, &user, share).map(Some);
        }
        // Two have the file in their setup, the others in their parameters.
        let id = match function {
            IOCTL | NOTIFY_CHANGE => asked.setup.le16(4),
            _ => parameters.le16(0),
        };
        let found = id.and_then(|id| peer.core.opens.look(peer.host, peer.cx, asked.block.header.tid.into(), id));
        let open = found.ok_or(Status::INVALID_HANDLE)?;
        match function {
            IOCTL => Err(Status::INVALID_DEVICE_REQUEST),
            NOTIFY_CHANGE if matches!(open.object, Object::Directory(_)) => Ok(None),
            NOTIFY_CHANGE => Err(Status::INVALID_PARAMETER),
            QUERY_SECURITY => {
                let found = open.security(peer.host, peer.cx, parameters.le32(4).unwrap_or(0))?;
                let mut out = Vec::new();
                out.put_len32(found.len());
                Ok(Some(if asked.max_data < found.len() {
                    Reply { status: Status::BUFFER_TOO_SMALL, ..asked.answer(&out, &[]) }
                } else {
                    asked.answer(&out, &found)
                }))
            }
            SET_SECURITY => {
                open.set_security(peer.host, peer.cx, asked.data, parameters.le32(4).unwrap_or(0))?;
                Ok(Some(asked.answer(&[], &[])))
            }
            // A file that is open is not renamed by this, whatever the answer says.
            RENAME => Ok(Some(asked.answer(&[], &[]))),
            // Quotas of users: none are kept.
            7 => Err(Status::NO_MORE_ENTRIES),
            _ => Err(Status::NOT_SUPPORTED),
        }
    }
}

/// NT_TRANSACT_CREATE (MS-CIFS 2.2.7.1).
fn create(peer: &mut Peer<'_, '_>, asked: &Transaction<'_>, user: &User, share: Share) -> Result<Reply, Status> {
    let parameters = asked.parameters;
    let read = || {
        let len = parameters.at32(44)?;
        let is_unicode = asked.block.header.is_unicode();
        let at = if is_unicode { NAME.next_multiple_of(2) } else { NAME };
        let name = parameters.get(at..)?;
        let name = name.get(..len).unwrap_or(name);
        let path = if is_unicode { text_of_utf16(name) } else { String::from_utf8_lossy(name).into_owned() };
        let (access, shared) = (parameters.le32(8)?, parameters.le32(24)?);
        let [attributes, disposition, options] = [20, 28, 32].map(|at| parameters.le32(at));
        let (disposition, options) = (disposition?, options?);
        Some(Wanted { path, disposition, options, access, shared, attributes: attributes? })
    };
    let wanted = read().ok_or(Status::INVALID_PARAMETER)?;
    let open = peer.create(user, (asked.block.header.tid.into(), share), &wanted)?;
    let mut out = Vec::new();
    out.put16(0).put16(open.id).put32(open.action).put32(0);
    put_created(&mut out, open);
    Ok(asked.answer(&out, &[]))
}
