//! Commands that name a path and open nothing (MS-CIFS 2.2.4.1, 2.2.4.2, 2.2.4.7 to 2.2.4.10, 2.2.4.17).

use super::super::access;
use super::super::disk::view;
use super::super::host::Kind;
use super::super::info::{seconds, time_of_seconds};
use super::super::path::normal;
use super::super::status::Status;
use super::super::wire::{Fields, Put};
use super::message::{Block, Reply};
use super::{One, Peer, command};
use crate::events::Event;

impl One {
    pub(super) fn on_path(&self, peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>) -> Result<Reply, Status> {
        let share = self.tree(block)?;
        if share.kind != Kind::Disk {
            return Err(Status::INVALID_DEVICE_REQUEST);
        }
        // A format byte 4 stands before each path.
        if block.data.first() != Some(&4) {
            return Err(Status::INVALID_SMB);
        }
        let (path, end) = block.text(1);
        let path = normal(&path)?;
        let verb = match command {
            command::CREATE_DIRECTORY => "make directory",
            command::CHECK_DIRECTORY => "check directory",
            command::RENAME => "rename",
            command::QUERY_INFORMATION | command::SET_INFORMATION => "look at",
            _ => "delete",
        };
        peer.note(Event::new("request", format!("{verb} {}\\{path}", share.name)));
        if command == command::RENAME {
            let to = normal(&block.text(end + 1).0)?;
            return view(peer.host, peer.cx, share, |view, _| {
                view.visitor.claims.suffer(&view.full(&path), access::DELETE, 7)?;
                view.rename(&path, &to, false)
            })
            .map(|()| Reply::default());
        }
        view(peer.host, peer.cx, share, |view, now| match (command, view.find(&path)) {
            (command::CREATE_DIRECTORY, Ok(_)) => Err(Status::OBJECT_NAME_COLLISION),
            (command::CREATE_DIRECTORY, Err(Status::OBJECT_NAME_NOT_FOUND)) => {
                view.make(&path, true, 0, now).map(|()| Reply::default())
            }
            (_, Err(status)) => Err(status),
            (command::QUERY_INFORMATION, Ok(entry)) => {
                let mut words = Vec::new();
                words.put16(u16::try_from(entry.attributes()).unwrap_or(0));
                words.put32(seconds(entry.times.written()));
                words.put32(u32::try_from(entry.size).unwrap_or(u32::MAX)).put(&[0; 10]);
                Ok(Reply::words(&words))
            }
            (command::CHECK_DIRECTORY | command::DELETE_DIRECTORY, Ok(entry)) if !entry.is_directory => {
                Err(Status::NOT_A_DIRECTORY)
            }
            (command::CHECK_DIRECTORY, Ok(_)) => Ok(Reply::default()),
            (command::SET_INFORMATION, Ok(_)) => {
                let (attributes, time) = (block.words.le16(0).unwrap_or(0), block.words.le32(2).unwrap_or(0));
                // None at all are those of a normal file.
                let attributes = if attributes == 0 { 0x80 } else { attributes.into() };
                view.set_basic(&path, [0, 0, time_of_seconds(time), 0], attributes).map(|()| Reply::default())
            }
            (command::DELETE, Ok(entry)) if entry.is_directory => Err(Status::FILE_IS_A_DIRECTORY),
            (_, Ok(_)) => view.delete(&path).map(|()| Reply::default()),
        })
    }
}
