//! Everything that one session has open: how it is opened, found and closed.

use super::access::{self, Wanted};
use super::account::User;
use super::disk::{Content, View, normal, view};
use super::host::{Host, Kind, Share};
use super::open::{Directory, File, Object, Open};
use super::pool::Held;
use super::remote::RemCom;
use super::rpc::{Pipe, serves_registry};
use super::status::Status;
use crate::events::Event;
use crate::handlers::Context;

/// Open at once in one session.
const MAX_OPEN: usize = 32;
/// CreateOptions.
const DIRECTORY_FILE: u32 = 0x0000_0001;
const NON_DIRECTORY_FILE: u32 = 0x0000_0040;
const DELETE_ON_CLOSE: u32 = 0x0000_1000;

/// Everything that one session has open.
#[derive(Debug, Default)]
pub(super) struct Opens {
    list: Vec<Open>,
    last: u16,
}

impl Opens {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Open> {
        self.list.iter()
    }

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
                self.check(share, &path, wanted)?;
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
        let is_alone = !self.list.iter().any(|open| open.is_at(share, &path));
        let id = self.insert(Open {
            id: 0,
            tree,
            share,
            path,
            object,
            action,
            deletes: wanted.options & DELETE_ON_CLOSE != 0,
            access: access::granted(wanted.access),
            shared: wanted.shared,
            is_alone,
            locks: Vec::new(),
        });
        self.find(id).ok_or(Status::TOO_MANY_OPENED_FILES)
    }

    /// Whether what is open already lets this be opened (MS-FSA 2.1.5.1.2).
    fn check(&self, share: Share, path: &str, wanted: &Wanted) -> Result<(), Status> {
        if wanted.access & access::SYSTEM_SECURITY != 0 {
            return Err(Status::PRIVILEGE_NOT_HELD);
        }
        let rights = access::granted(wanted.access);
        if rights == 0 {
            return Err(Status::ACCESS_DENIED);
        }
        for open in self.list.iter().filter(|open| open.is_at(share, path)) {
            if open.deletes {
                return Err(Status::DELETE_PENDING);
            }
            if !open.suffers(rights, wanted.shared) {
                return Err(Status::SHARING_VIOLATION);
            }
        }
        Ok(())
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
            Ok((Object::File(File::new(entry, upload)), 3))
        }
        Ok(entry) => Ok((Object::File(File::new(entry, None)), 1)),
        Err(Status::OBJECT_NAME_NOT_FOUND) if matches!(wanted.disposition, 0 | 2 | 3 | 5) => {
            view.put(path, wants_directory, &[], now);
            let entry = view.find(path)?;
            Ok((
                if wants_directory {
                    Object::Directory(Directory::new(entry))
                } else {
                    Object::File(File::new(entry, None))
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
        && let Some(held) = file.take()
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
