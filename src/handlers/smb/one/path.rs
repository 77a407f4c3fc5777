//! Commands that name a path and open nothing (MS-CIFS 2.2.4.1, 2.2.4.2, 2.2.4.7, 2.2.4.8, 2.2.4.17).

use super::super::disk::normal;
use super::super::host::Kind;
use super::super::open::view;
use super::super::status::Status;
use super::message::{Block, Reply};
use super::{One, Peer, command};
use crate::events::Event;

impl One {
    pub(super) fn on_path(&mut self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>) -> Reply {
        let share = match self.user(block).and_then(|_| self.tree(block)) {
            Ok(share) if share.kind == Kind::Disk => share,
            Ok(_) => return Reply::failed(Status::INVALID_DEVICE_REQUEST),
            Err(status) => return Reply::failed(status),
        };
        // A format byte 4 stands before the path.
        let Some(path) = normal(&block.text(1).0) else { return Reply::failed(Status::OBJECT_NAME_INVALID) };
        let verb = match command {
            command::CREATE_DIRECTORY => "make directory",
            command::CHECK_DIRECTORY => "check directory",
            command::RENAME => "rename",
            _ => "delete",
        };
        peer.note(Event::new("request", format!("{verb} {}\\{path}", share.name)));
        let result = view(peer.host, peer.cx, share, |view, now| match (command, view.find(&path)) {
            (command::CREATE_DIRECTORY, Ok(_)) => Err(Status::OBJECT_NAME_COLLISION),
            (command::CREATE_DIRECTORY, Err(Status::OBJECT_NAME_NOT_FOUND)) => {
                view.put(&path, true, &[], now);
                Ok(())
            }
            (_, Err(status)) => Err(status),
            (command::CHECK_DIRECTORY, Ok(entry)) if entry.is_directory => Ok(()),
            (command::CHECK_DIRECTORY, Ok(_)) => Err(Status::NOT_A_DIRECTORY),
            (command::RENAME, Ok(_)) => Err(Status::ACCESS_DENIED),
            (_, Ok(_)) if view.remove(&path) => Ok(()),
            (_, Ok(_)) => Err(Status::ACCESS_DENIED),
        });
        result.map_or_else(Reply::failed, |()| Reply::default())
    }
}
