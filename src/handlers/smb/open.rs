//! What a visitor has open: pipes, files, directories. The same for SMB1 and SMB2.

use super::access;
use super::account::User;
use super::disk::{Content, Entry, View, fits, normal, view};
use super::host::{Host, Kind, Share};
use super::lock::Lock;
use super::pool::Held;
use super::remote::RemCom;
use super::rpc::Pipe;
use super::status::Status;
use crate::events::Event;
use crate::handlers::Context;

/// Bytes of an uploaded file.
const MAX_UPLOAD: usize = 16 * 1024 * 1024;
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
    pub(super) path: String,
    pub(super) object: Object,
    /// FILE_OPENED 1, CREATED 2, OVERWRITTEN 3.
    pub(super) action: u32,
    pub(super) deletes: bool,
    /// Rights that it was opened with, and what others may have.
    pub(super) access: u32,
    pub(super) shared: u32,
    /// Nothing else of this connection was open there when it was opened.
    pub(super) is_alone: bool,
    pub(super) locks: Vec<Lock>,
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
    pub(super) entry: Entry,
    /// Its new content, once the visitor has written.
    upload: Option<Held>,
    /// Bytes that it has written: gaps in the file are bounded by them.
    written: u64,
}

/// An open directory, or a search of SMB1.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) entry: Entry,
    listing: Option<Vec<Entry>>,
    at: usize,
}

impl Open {
    /// One that a search of SMB1 goes on in.
    pub(super) const fn search(tree: u32, share: Share, path: String, directory: Directory) -> Self {
        Self {
            id: 0,
            tree,
            share,
            path,
            object: Object::Directory(directory),
            action: 1,
            deletes: false,
            access: access::READ,
            shared: 7,
            is_alone: false,
            locks: Vec::new(),
        }
    }

    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.is_at(other.share, &other.path)
    }

    pub(super) fn is_at(&self, share: Share, path: &str) -> bool {
        share.kind == Kind::Disk && self.share.name == share.name && self.path.eq_ignore_ascii_case(path)
    }

    /// Whether it may be opened again with these rights, and these for others.
    pub(super) fn suffers(&self, wanted: u32, shared: u32) -> bool {
        access::suffers((self.access, self.shared), (wanted, shared))
    }

    /// Files and directories only do what they were opened for.
    const fn may(&self, rights: u32) -> Result<(), Status> {
        if self.access & rights != 0 || matches!(self.share.kind, Kind::Pipe) {
            Ok(())
        } else {
            Err(Status::ACCESS_DENIED)
        }
    }

    /// The entry of a file or directory, with the size that it has by now.
    pub(super) fn entry(&self) -> Option<Entry> {
        match &self.object {
            Object::Pipe(_) | Object::RemCom(_) => None,
            Object::File(file) => {
                let size = file.upload.as_ref().map_or(file.entry.size, |held| held.bytes().len() as u64);
                Some(Entry { size, ..file.entry.clone() })
            }
            Object::Directory(directory) => Some(directory.entry.clone()),
        }
    }

    pub(super) fn read(&mut self, offset: u64, max: usize) -> Result<(Vec<u8>, bool), Status> {
        self.may(access::READ | access::EXECUTE)?;
        let file = match &mut self.object {
            Object::Pipe(pipe) => {
                let (bytes, more) = pipe.read(max);
                return if bytes.is_empty() { Err(Status::PIPE_EMPTY) } else { Ok((bytes, more)) };
            }
            Object::RemCom(remote) => {
                let bytes = remote.read(max);
                return if bytes.is_empty() { Err(Status::PIPE_EMPTY) } else { Ok((bytes, false)) };
            }
            Object::Directory(_) => return Err(Status::INVALID_DEVICE_REQUEST),
            Object::File(file) => file,
        };
        let bytes = match &file.upload {
            Some(held) => held.bytes(),
            None => file.entry.content.bytes().ok_or(Status::SHARING_VIOLATION)?,
        };
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let part = rest.get(..max).unwrap_or(rest);
        if part.is_empty() && max > 0 { Err(Status::END_OF_FILE) } else { Ok((part.to_vec(), false)) }
    }

    /// Writes to a file or a pipe; events of the calls in the pipe are recorded.
    pub(super) fn write(
        &mut self,
        host: &Host,
        cx: &mut Context<'_>,
        user: &User,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Status> {
        self.may(access::WRITE | access::APPEND)?;
        match &mut self.object {
            Object::Pipe(pipe) => pipe.take(host, cx, user, self.id, bytes),
            Object::RemCom(remote) => {
                remote.write(cx, bytes);
                Ok(())
            }
            Object::Directory(_) => Err(Status::INVALID_DEVICE_REQUEST),
            Object::File(file) => {
                file.written = file.written.saturating_add(bytes.len() as u64);
                let most = file.written.saturating_mul(MAX_SPREAD).saturating_add(MAX_GAP);
                let content = file.content(host)?;
                if offset > most {
                    return Err(Status::DISK_FULL);
                }
                if content.write_at(offset, bytes, MAX_UPLOAD) { Ok(()) } else { Err(Status::DISK_FULL) }
            }
        }
    }

    /// Has it deleted when it is closed, or not.
    pub(super) fn delete(&mut self, host: &Host, cx: &Context<'_>, deletes: bool) -> Result<(), Status> {
        self.may(access::DELETE)?;
        if deletes && self.share.kind == Kind::Disk {
            view(host, cx, self.share, |view, _| view.may_remove(&self.path))?;
        }
        self.deletes = deletes;
        Ok(())
    }

    /// Gives it another path on its share.
    pub(super) fn rename(&mut self, host: &Host, cx: &mut Context<'_>, to: &str, replaces: bool) -> Result<(), Status> {
        if self.share.kind != Kind::Disk {
            return Err(Status::INVALID_PARAMETER);
        }
        self.may(access::DELETE)?;
        let to = normal(to)?;
        view(host, cx, self.share, |view, _| view.rename(&self.path, &to, replaces))?;
        let name = format!("\\\\{}\\{}\\", host.name, self.share.name);
        let event = Event::new("request", format!("{name}{} renamed to {to}", self.path));
        cx.event(event.with("path", format!("{name}{to}")));
        self.path = to;
        Ok(())
    }

    /// Gives a file that the visitor has written another name besides its own (MS-FSA 2.1.5.14.6).
    pub(super) fn link(&self, host: &Host, cx: &Context<'_>, to: &str) -> Result<(), Status> {
        let Object::File(File { entry: Entry { content: Content::Written(held), .. }, .. }) = &self.object else {
            return Err(Status::ACCESS_DENIED);
        };
        let to = normal(to)?;
        view(host, cx, self.share, |view, now| match view.find(&to) {
            Ok(_) => Err(Status::OBJECT_NAME_COLLISION),
            Err(Status::OBJECT_NAME_NOT_FOUND) => {
                view.put(&to, false, held.bytes(), now);
                Ok(())
            }
            Err(status) => Err(status),
        })
    }

    /// Sets the length of a file. Only what is written makes it longer: clients announce the length before.
    pub(super) fn resize(&mut self, host: &Host, len: u64) -> Result<(), Status> {
        self.may(access::WRITE)?;
        let Object::File(file) = &mut self.object else { return Err(Status::INVALID_PARAMETER) };
        let len = usize::try_from(len).ok().filter(|len| *len <= MAX_UPLOAD).ok_or(Status::DISK_FULL)?;
        let content = file.content(host)?;
        if len >= content.bytes().len() || content.resize(len) { Ok(()) } else { Err(Status::DISK_FULL) }
    }
}

impl File {
    /// One whose new content there is none of yet, or that is emptied.
    pub(super) const fn new(entry: Entry, upload: Option<Held>) -> Self {
        Self { entry, upload, written: 0 }
    }

    /// What was written, when it is closed.
    pub(super) fn take(&mut self) -> Option<Held> {
        self.upload.take()
    }

    /// What can be written to: a copy of what was there.
    fn content(&mut self, host: &Host) -> Result<&mut Held, Status> {
        if self.upload.is_none() {
            let bytes = self.entry.content.bytes().ok_or(Status::ACCESS_DENIED)?;
            let mut held = Held::new(&host.uploads);
            if !held.write_at(0, bytes, MAX_UPLOAD) {
                return Err(Status::DISK_FULL);
            }
            self.upload = Some(held);
        }
        self.upload.as_mut().ok_or(Status::DISK_FULL)
    }
}

impl Directory {
    pub(super) const fn new(entry: Entry) -> Self {
        Self { entry, listing: None, at: 0 }
    }

    /// Decides on the first call, and with `restart`, which entries fit the pattern; true when it is the first.
    pub(super) fn fill(&mut self, view: &View<'_>, path: &str, pattern: &str, restart: bool) -> bool {
        let is_first = self.listing.is_none();
        if restart || is_first {
            let entries = view.list(path).into_iter().filter(|entry| fits(pattern, &entry.name)).collect();
            (self.listing, self.at) = (Some(entries), 0);
        }
        is_first
    }

    /// The entry that comes next.
    pub(super) fn peek(&self) -> Option<&Entry> {
        self.listing.as_ref()?.get(self.at)
    }

    /// It was sent.
    pub(super) const fn advance(&mut self) {
        self.at += 1;
    }
}
