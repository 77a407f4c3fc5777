//! What a visitor has open: pipes, files, directories. The same for SMB1 and SMB2.

use super::account::{Exchange, User};
use super::disk::{Content, Entry, View, fits, normal};
use super::host::{Host, Kind, Share};
use super::pool::Held;
use super::remote::RemCom;
use super::rpc::{Caller, Pipe, serves_registry};
use super::status::Status;
use crate::events::Event;
use crate::handlers::{Context, Random};

/// Open at once in one session.
const MAX_OPEN: usize = 32;
/// Bytes of an uploaded file.
const MAX_UPLOAD: usize = 16 * 1024 * 1024;
/// A write may begin this many bytes, and this many times what was written, after the start of the file: what lies between is stored, too.
const MAX_GAP: u64 = 64 * 1024;
const MAX_SPREAD: u64 = 16;

/// What a visitor wants opened (MS-SMB2 2.2.13, MS-CIFS 2.2.4.64: the same numbers).
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) path: String,
    /// FILE_SUPERSEDE 0, OPEN 1, CREATE 2, OPEN_IF 3, OVERWRITE 4, OVERWRITE_IF 5.
    pub(super) disposition: u32,
    pub(super) options: u32,
}

/// CreateOptions.
const DIRECTORY_FILE: u32 = 0x0000_0001;
const NON_DIRECTORY_FILE: u32 = 0x0000_0040;
const DELETE_ON_CLOSE: u32 = 0x0000_1000;

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
        match &mut self.object {
            Object::Pipe(pipe) => {
                let (now, session) = (cx.now(), cx.session());
                let (source, seed) = (session.client.ip(), session.seed);
                let caller = Caller { host, now, source, seed, user: &user.name, is_admin: !user.is_anonymous };
                let id = u64::from(self.id);
                // No two legs of a session draw the same challenge.
                let mut judge = |exchange: &mut Exchange, leg: u32, blob: &[u8]| {
                    let mut random = Random::new(seed ^ (id << 32 | u64::from(leg)));
                    exchange.step(host, cx, &mut random, blob)
                };
                let result = pipe.write(&caller, bytes, &mut judge);
                pipe.take_events().into_iter().for_each(|event| cx.event(event));
                result
            }
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
        let to = normal(to)?;
        view(host, cx, self.share, |view, _| view.rename(&self.path, &to, replaces))?;
        let name = format!("\\\\{}\\{}\\", host.name, self.share.name);
        let event = Event::new("request", format!("{name}{} renamed to {to}", self.path));
        cx.event(event.with("path", format!("{name}{to}")));
        self.path = to;
        Ok(())
    }

    /// Sets the length of a file. Only what is written makes it longer: clients announce the length before.
    pub(super) fn resize(&mut self, host: &Host, len: u64) -> Result<(), Status> {
        let Object::File(file) = &mut self.object else { return Err(Status::INVALID_PARAMETER) };
        let len = usize::try_from(len).ok().filter(|len| *len <= MAX_UPLOAD).ok_or(Status::DISK_FULL)?;
        let content = file.content(host)?;
        if len >= content.bytes().len() || content.resize(len) { Ok(()) } else { Err(Status::DISK_FULL) }
    }
}

impl File {
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

    /// Decides on the first call, and with `restart`, which entries fit the pattern; true when it did.
    pub(super) fn fill(&mut self, view: &View<'_>, path: &str, pattern: &str, restart: bool) -> bool {
        let is_first = restart || self.listing.is_none();
        if is_first {
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

/// Everything that one session has open.
#[derive(Debug, Default)]
pub(super) struct Opens {
    list: Vec<Open>,
    last: u16,
}

impl Opens {
    pub(super) fn find(&mut self, id: u16) -> Option<&mut Open> {
        self.list.iter_mut().find(|open| open.id == id)
    }

    /// Opens; the answer tells how.
    pub(super) fn create(
        &mut self,
        host: &Host,
        cx: &mut Context<'_>,
        user: &User,
        (tree, share): (u32, Share),
        wanted: &Wanted,
    ) -> Result<&mut Open, Status> {
        if self.list.len() >= MAX_OPEN {
            return Err(Status::TOO_MANY_OPENED_FILES);
        }
        let (object, path, action) = match share.kind {
            Kind::Pipe => match RemCom::open(host, cx, &wanted.path) {
                Some(remote) => (Object::RemCom(remote), wanted.path.trim_matches('\\').to_owned(), 1),
                None => {
                    let pipe = open_pipe(host, cx, user, &wanted.path)?;
                    let path = pipe.name().to_owned();
                    (Object::Pipe(Box::new(pipe)), path, 1)
                }
            },
            Kind::Disk => {
                let path = normal(&wanted.path)?;
                let (object, action) = view(host, cx, share, |view, now| {
                    let opened = open_on_disk(view, host, &path, wanted, now)?;
                    if wanted.options & DELETE_ON_CLOSE != 0 {
                        view.may_remove(&path)?;
                    }
                    Ok(opened)
                })?;
                (object, path, action)
            }
        };
        let id = self.insert(Open {
            id: 0,
            tree,
            share,
            path,
            object,
            action,
            deletes: wanted.options & DELETE_ON_CLOSE != 0,
        });
        self.find(id).ok_or(Status::TOO_MANY_OPENED_FILES)
    }

    /// Adds a search of SMB1.
    pub(super) fn insert(&mut self, mut open: Open) -> u16 {
        while self.last == 0 || self.list.iter().any(|open| open.id == self.last) {
            // FIDs of Windows begin at 0x4000.
            self.last = self.last.wrapping_add(1).max(0x4000);
        }
        open.id = self.last;
        self.last = self.last.wrapping_add(1);
        self.list.push(open);
        self.list.last().map_or(0, |open| open.id)
    }

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_OPEN
    }

    /// Closes; what was written is stored.
    pub(super) fn close(&mut self, host: &Host, cx: &mut Context<'_>, id: u16) -> Option<Open> {
        let at = self.list.iter().position(|open| open.id == id)?;
        let mut open = self.list.remove(at);
        finish(host, cx, &mut open);
        Some(open)
    }

    /// Closes what belongs to a tree, or everything.
    pub(super) fn close_all(&mut self, host: &Host, cx: &mut Context<'_>, tree: Option<u32>) {
        while let Some(open) = self.list.iter().find(|open| tree.is_none_or(|tree| open.tree == tree)) {
            let id = open.id;
            self.close(host, cx, id);
        }
    }
}

/// There is a pipe of this name for this visitor.
pub(super) fn is_pipe(host: &Host, cx: &Context<'_>, user: &User, name: &str) -> bool {
    RemCom::open(host, cx, name).is_some() || open_pipe(host, cx, user, name).is_ok()
}

fn open_pipe(host: &Host, cx: &Context<'_>, user: &User, name: &str) -> Result<Pipe, Status> {
    let serves_registry = host.visitors.with(cx.session().client.ip(), cx.now(), |visitor| serves_registry(visitor));
    Pipe::open(name, !user.is_anonymous, serves_registry)
}

/// Works on a share with what this source has written there.
pub(super) fn view<R>(
    host: &Host,
    cx: &Context<'_>,
    share: Share,
    work: impl FnOnce(&mut View<'_>, crate::clock::Timestamp) -> R,
) -> R {
    let now = cx.now();
    host.visitors.with(cx.session().client.ip(), now, |visitor| work(&mut View { host, share, visitor }, now))
}

fn open_on_disk(
    view: &mut View<'_>,
    host: &Host,
    path: &str,
    wanted: &Wanted,
    now: crate::clock::Timestamp,
) -> Result<(Object, u32), Status> {
    let wants_directory = wanted.options & DIRECTORY_FILE != 0;
    let overwrites = matches!(wanted.disposition, 0 | 4 | 5);
    // What contradicts itself (MS-FSA 2.1.5.1).
    if wanted.disposition > 5 || wants_directory && (overwrites || wanted.options & NON_DIRECTORY_FILE != 0) {
        return Err(Status::INVALID_PARAMETER);
    }
    match view.find(path) {
        Ok(_) if wanted.disposition == 2 => Err(Status::OBJECT_NAME_COLLISION),
        Ok(entry) if entry.is_directory => {
            if wanted.options & NON_DIRECTORY_FILE != 0 {
                return Err(Status::FILE_IS_A_DIRECTORY);
            }
            if overwrites {
                return Err(Status::OBJECT_NAME_COLLISION);
            }
            Ok((Object::Directory(Directory::new(entry)), 1))
        }
        Ok(_) if wants_directory => Err(Status::NOT_A_DIRECTORY),
        Ok(entry) if overwrites => {
            if matches!(entry.content, Content::Locked) {
                return Err(Status::SHARING_VIOLATION);
            }
            let upload = Some(Held::new(&host.uploads));
            Ok((Object::File(File { entry, upload, written: 0 }), 3))
        }
        Ok(entry) => Ok((Object::File(File { entry, upload: None, written: 0 }), 1)),
        Err(Status::OBJECT_NAME_NOT_FOUND) if matches!(wanted.disposition, 0 | 2 | 3 | 5) => {
            view.put(path, wants_directory, &[], now);
            let entry = view.find(path)?;
            Ok((
                if wants_directory {
                    Object::Directory(Directory::new(entry))
                } else {
                    Object::File(File { entry, upload: None, written: 0 })
                },
                2,
            ))
        }
        Err(status) => Err(status),
    }
}

/// Stores what was written, forgets what is to be deleted.
fn finish(host: &Host, cx: &mut Context<'_>, open: &mut Open) {
    let name = format!("\\\\{}\\{}\\{}", host.name, open.share.name, open.path);
    if let Object::File(file) = &mut open.object
        && let Some(held) = file.upload.take()
    {
        if !held.bytes().is_empty() {
            cx.sample(&name, held.bytes().to_vec());
        }
        if !open.deletes {
            view(host, cx, open.share, |view, now| view.put(&open.path, false, held.bytes(), now));
        }
    }
    if open.deletes && open.share.kind == Kind::Disk && view(host, cx, open.share, |view, _| view.remove(&open.path)) {
        cx.event(Event::new("request", format!("{name} deleted")).with("path", name.as_str()));
    }
}
