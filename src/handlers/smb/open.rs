//! What a visitor has open: pipes, files, directories. The same for SMB1 and SMB2.

use super::access;
use super::account::User;
use super::claim::Owner;
use super::descriptor::{changed, descriptor, parts, rights_to_set};
use super::disk::{View, view};
use super::host::{Host, Kind, Share};
use super::lock::Lock;
use super::path::{fits, normal};
use super::pool::Held;
use super::remote::RemCom;
use super::rpc::Pipe;
use super::status::Status;
use super::written::Entry;
use crate::clock::Timestamp;
use crate::events::Event;
use crate::handlers::Context;

/// A write may begin this many bytes, and this many times what was written, after the start of the file: what lies between is stored, too.
const MAX_GAP: u64 = 64 * 1024;
const MAX_SPREAD: u64 = 16;

/// Something open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: u16,
    /// The tree that it was opened in.
    pub(super) tree: u32,
    pub(super) share: Share,
    /// Below the root of its share: as it was when it was looked at last, as are the next two.
    pub(super) path: String,
    /// Of a file or directory.
    pub(super) entry: Option<Entry>,
    pub(super) object: Object,
    /// FILE_SUPERSEDED 0, OPENED 1, CREATED 2, OVERWRITTEN 3.
    pub(super) action: u32,
    /// Rights that it was opened with.
    pub(super) access: u32,
    /// Where reading or writing has ended, or what was set as that.
    pub(super) position: u64,
    /// Nothing else of this source was open there when it was opened.
    pub(super) is_alone: bool,
}

/// What is open.
#[derive(Debug)]
pub(super) enum Object {
    Pipe(Box<Pipe>),
    RemCom(RemCom),
    File(File),
    Directory(Directory),
}

/// An open file.
#[derive(Debug)]
pub(super) struct File {
    /// Its content was changed over this handle: it is stored when that is closed.
    pub(super) is_changed: bool,
    /// Bytes that were written: gaps in the file are bounded by them.
    written: u64,
    /// The time of the last write was set, and stays.
    keeps_time: bool,
}

/// An open directory, or a search of SMB1.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The entries, and what they take out of the budget.
    listing: Option<(Vec<Entry>, Held)>,
    at: usize,
}

impl Open {
    /// One that a search of SMB1 goes on in.
    pub(super) const fn search(tree: u32, share: Share, path: String, directory: Directory) -> Self {
        let object = Object::Directory(directory);
        Self {
            id: 0,
            tree,
            share,
            path,
            entry: None,
            object,
            action: 1,
            access: access::READ,
            position: 0,
            is_alone: false,
        }
    }

    pub(super) const fn is_pipe(&self) -> bool {
        matches!(self.object, Object::Pipe(_) | Object::RemCom(_))
    }

    pub(super) fn owner(&self, cx: &Context<'_>) -> Owner {
        Owner { session: cx.session().seed, id: self.id }
    }

    /// Looks again: other handles may have written there, or renamed it.
    pub(super) fn refresh(&mut self, host: &Host, cx: &Context<'_>) {
        if self.share.kind == Kind::Pipe {
            return;
        }
        let owner = self.owner(cx);
        let found = view(host, cx, self.share, |view, _| {
            let path = view.visitor.claims.find(owner).map(|claim| view.shown(&claim.path))?;
            let entry = view.find(&path).ok()?;
            Some((path, entry))
        });
        if let Some((path, entry)) = found {
            (self.path, self.entry) = (path, Some(entry));
        }
    }

    /// Files and directories only do what they were opened for.
    pub(super) const fn may(&self, rights: u32) -> Result<(), Status> {
        if self.access & rights != 0 || matches!(self.share.kind, Kind::Pipe) {
            Ok(())
        } else {
            Err(Status::ACCESS_DENIED)
        }
    }

    /// Works on what lies there.
    pub(super) fn on_disk<R>(
        &self,
        host: &Host,
        cx: &Context<'_>,
        work: impl FnOnce(&mut View<'_>, &str, Timestamp) -> Result<R, Status>,
    ) -> Result<R, Status> {
        if self.share.kind != Kind::Disk {
            return Err(Status::INVALID_DEVICE_REQUEST);
        }
        view(host, cx, self.share, |view, now| work(view, &self.path, now))
    }

    pub(super) fn read(
        &mut self,
        host: &Host,
        cx: &Context<'_>,
        (offset, process): (u64, u16),
        max: usize,
    ) -> Result<(Vec<u8>, bool), Status> {
        self.may(access::READ | access::EXECUTE)?;
        match &mut self.object {
            Object::Pipe(pipe) => {
                let (bytes, more) = pipe.read(max);
                return if bytes.is_empty() { Err(Status::PIPE_EMPTY) } else { Ok((bytes, more)) };
            }
            Object::RemCom(remote) => {
                let bytes = remote.read(max);
                return if bytes.is_empty() { Err(Status::PIPE_EMPTY) } else { Ok((bytes, false)) };
            }
            Object::Directory(_) => return Err(Status::INVALID_DEVICE_REQUEST),
            Object::File(_) => {}
        }
        let owner = self.owner(cx);
        self.on_disk(host, cx, |view, path, _| {
            view.may_touch(owner, Lock { offset, len: max as u64, is_exclusive: false, process })?;
            view.read(path, offset, max)
        })
        .map(|bytes| {
            self.position = offset.saturating_add(bytes.len() as u64);
            (bytes, false)
        })
    }

    /// Writes to a file or a pipe; events of the calls in the pipe are recorded.
    pub(super) fn write(
        &mut self,
        host: &Host,
        cx: &mut Context<'_>,
        user: &User,
        (offset, process): (u64, u16),
        bytes: &[u8],
    ) -> Result<(), Status> {
        self.may(access::WRITE | access::APPEND)?;
        let id = self.id;
        let file = match &mut self.object {
            Object::Pipe(pipe) => return pipe.take(host, cx, user, id, bytes),
            Object::RemCom(remote) => {
                remote.write(cx, bytes);
                return Ok(());
            }
            Object::Directory(_) => return Err(Status::INVALID_DEVICE_REQUEST),
            Object::File(file) => file,
        };
        file.written = file.written.saturating_add(bytes.len() as u64);
        let keeps_time = file.keeps_time;
        if offset > file.written.saturating_mul(MAX_SPREAD).saturating_add(MAX_GAP) {
            return Err(Status::DISK_FULL);
        }
        file.is_changed = true;
        let owner = self.owner(cx);
        self.on_disk(host, cx, |view, path, now| {
            view.may_touch(owner, Lock { offset, len: bytes.len() as u64, is_exclusive: true, process })?;
            view.write(path, (offset, bytes), now, keeps_time)
        })?;
        self.position = offset.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Has it deleted when nobody has it open any more, or not.
    pub(super) fn delete(&mut self, host: &Host, cx: &Context<'_>, deletes: bool) -> Result<(), Status> {
        self.may(access::DELETE)?;
        self.on_disk(host, cx, |view, path, _| view.doom(path, deletes))
    }

    /// Gives it another path on its share.
    pub(super) fn rename(&mut self, host: &Host, cx: &mut Context<'_>, to: &str, replaces: bool) -> Result<(), Status> {
        if self.share.kind != Kind::Disk {
            return Err(Status::INVALID_PARAMETER);
        }
        self.may(access::DELETE)?;
        let to = normal(to)?;
        self.on_disk(host, cx, |view, path, _| view.rename(path, &to, replaces))?;
        let name = format!("\\\\{}\\{}\\", host.name, self.share.name);
        let event = Event::new("request", format!("{name}{} renamed to {to}", self.path));
        cx.event(event.with("path", format!("{name}{to}")));
        self.path = to;
        Ok(())
    }

    /// Gives a file that the visitor has written another name besides its own (MS-FSA 2.1.5.14.6).
    pub(super) fn link(&self, host: &Host, cx: &Context<'_>, to: &str) -> Result<(), Status> {
        let to = normal(to)?;
        self.on_disk(host, cx, |view, path, now| {
            view.may_remove(path)?;
            match view.find(&to) {
                Ok(_) => return Err(Status::OBJECT_NAME_COLLISION),
                Err(Status::OBJECT_NAME_NOT_FOUND) => {}
                Err(status) => return Err(status),
            }
            let bytes = view.read(path, 0, usize::MAX).or_else(|status| match status {
                Status::END_OF_FILE => Ok(Vec::new()),
                other => Err(other),
            })?;
            view.put(&to, &bytes, now);
            Ok(())
        })
    }

    /// Sets the length of a file. Only what is written makes it longer than that: clients announce the length before.
    pub(super) fn resize(&mut self, host: &Host, cx: &Context<'_>, len: u64) -> Result<(), Status> {
        self.may(access::WRITE)?;
        let Object::File(file) = &mut self.object else { return Err(Status::INVALID_PARAMETER) };
        let most = file.written.saturating_mul(MAX_SPREAD).saturating_add(MAX_GAP);
        file.is_changed = true;
        self.on_disk(host, cx, |view, path, now| {
            let size = view.find(path)?.size;
            if len > size && len > most { Ok(()) } else { view.resize(path, len, now) }
        })
    }

    /// FileAllocationInformation (MS-FSCC 2.4.4).
    pub(super) fn allocate(&mut self, host: &Host, cx: &Context<'_>, len: u64) -> Result<(), Status> {
        self.may(access::WRITE)?;
        if !matches!(self.object, Object::File(_)) {
            return Err(Status::INVALID_PARAMETER);
        }
        self.on_disk(host, cx, |view, path, now| view.allocate(path, len, now))
    }

    /// FileBasicInformation (MS-FSCC 2.4.7): four times, attributes.
    pub(super) fn set_basic(
        &mut self,
        host: &Host,
        cx: &Context<'_>,
        times: [u64; 4],
        attributes: u32,
    ) -> Result<(), Status> {
        self.may(access::WRITE_ATTRIBUTES)?;
        let [_, _, last, _] = times;
        if let Object::File(file) = &mut self.object {
            file.keeps_time |= last != 0;
        }
        self.on_disk(host, cx, |view, path, _| view.set_basic(path, times, attributes))
    }
}

impl Open {
    /// The parts of the security descriptor that are asked for.
    pub(super) fn security(&self, host: &Host, cx: &Context<'_>, asked: u32) -> Result<Vec<u8>, Status> {
        if asked != 0 {
            self.may(access::READ_CONTROL)?;
        }
        if self.share.kind == Kind::Pipe {
            return descriptor(host, false, None, asked);
        }
        self.on_disk(host, cx, |view, path, _| {
            descriptor(host, view.find(path)?.is_directory, view.descriptor(path), asked)
        })
    }

    /// Gives what was just made the parts that this has.
    pub(super) fn describe(&self, host: &Host, cx: &Context<'_>, given: &[u8]) -> Result<(), Status> {
        self.on_disk(host, cx, |view, path, _| {
            let whole = changed(host, view.find(path)?.is_directory, None, (given, parts(given)))?;
            view.set_descriptor(path, &whole)
        })
    }

    /// Sets these parts of it.
    pub(super) fn set_security(&self, host: &Host, cx: &Context<'_>, given: &[u8], which: u32) -> Result<(), Status> {
        self.may(rights_to_set(which))?;
        self.on_disk(host, cx, |view, path, _| {
            let whole = changed(host, view.find(path)?.is_directory, view.descriptor(path), (given, which))?;
            view.set_descriptor(path, &whole)
        })
    }
}

impl File {
    /// One that may have been emptied by being opened.
    pub(super) const fn new(is_changed: bool) -> Self {
        Self { is_changed, written: 0, keeps_time: false }
    }
}

impl Directory {
    /// Decides on the first call, and with `restart`, which entries fit the pattern; true when it is the first. Refused where there is no memory
    /// for them.
    pub(super) fn fill(&mut self, view: &View<'_>, path: &str, pattern: &str, restart: bool) -> Result<bool, Status> {
        let is_first = self.listing.is_none();
        if restart || is_first {
            self.listing = None;
            let entries: Vec<_> = view.list(path).into_iter().filter(|entry| fits(pattern, &entry.name)).collect();
            let bytes = entries.iter().map(|entry| size_of::<Entry>() + entry.name.len()).sum();
            let held = Held::elsewhere(&view.host.uploads, bytes).ok_or(Status::INSUFFICIENT_RESOURCES)?;
            (self.listing, self.at) = (Some((entries, held)), 0);
        }
        Ok(is_first)
    }

    /// The entry that comes next.
    pub(super) fn peek(&self) -> Option<&Entry> {
        self.listing.as_ref()?.0.get(self.at)
    }

    /// It was sent.
    pub(super) const fn advance(&mut self) {
        self.at += 1;
    }
}
