//! Everything that one session has open: how it is opened, found and closed.

use super::access::{self, Wanted};
use super::account::User;
use super::claim::{Claim, Owner};
use super::disk::{View, view};
use super::host::{Host, Kind, Share};
use super::open::{Directory, File, Object, Open};
use super::path::normal;
use super::remote::RemCom;
use super::rpc::{Pipe, serves_registry};
use super::status::Status;
use super::written::{ATTRIBUTES, Entry, HIDDEN_OR_SYSTEM, READ_ONLY, TEMPORARY};
use crate::clock::Timestamp;
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
    pub(super) fn find(&mut self, id: u16) -> Option<&mut Open> {
        self.list.iter_mut().find(|open| open.id == id)
    }

    /// What is open under this number in this tree, as it is by now.
    pub(super) fn look(&mut self, host: &Host, cx: &Context<'_>, tree: u32, id: u16) -> Option<&mut Open> {
        let open = self.find(id).filter(|open| open.tree == tree)?;
        open.refresh(host, cx);
        Some(open)
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
        if self.is_full() {
            return Err(Status::TOO_MANY_OPENED_FILES);
        }
        let id = self.free_id();
        let access = access::granted(wanted.access);
        let (object, entry, path, action, is_alone) = match share.kind {
            Kind::Pipe => match RemCom::open(host, cx, &wanted.path) {
                Some(remote) => (Object::RemCom(remote), None, wanted.path.trim_matches('\\').to_owned(), 1, true),
                None => {
                    let pipe = open_pipe(host, cx, user, &wanted.path)?;
                    let path = pipe.name().to_owned();
                    (Object::Pipe(Box::new(pipe)), None, path, 1, true)
                }
            },
            Kind::Disk => {
                let path = normal(&wanted.path)?;
                let owner = Owner { session: cx.session().seed, id };
                let (entry, action, is_alone) =
                    view(host, cx, share, |view, now| open_on_disk(view, &path, wanted, owner, now))?;
                let object = if entry.is_directory {
                    Object::Directory(Directory::default())
                } else {
                    Object::File(File::new(matches!(action, 0 | 3)))
                };
                (object, Some(entry), path, action, is_alone)
            }
        };
        self.list.push(Open { id, tree, share, path, entry, object, action, access, position: 0, is_alone });
        self.find(id).ok_or(Status::TOO_MANY_OPENED_FILES)
    }

    /// Adds a search of SMB1.
    pub(super) fn insert(&mut self, open: Open) -> u16 {
        let id = self.free_id();
        self.list.push(Open { id, ..open });
        id
    }

    /// FIDs of Windows begin at 0x4000.
    fn free_id(&mut self) -> u16 {
        while self.last < 0x4000 || self.list.iter().any(|open| open.id == self.last) {
            self.last = self.last.wrapping_add(1).max(0x4000);
        }
        let id = self.last;
        self.last = self.last.wrapping_add(1);
        id
    }

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_OPEN
    }

    /// Closes; what was written is stored.
    pub(super) fn close(&mut self, host: &Host, cx: &mut Context<'_>, id: u16) -> Option<Open> {
        let at = self.list.iter().position(|open| open.id == id)?;
        let open = self.list.remove(at);
        finish(host, cx, &open);
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

/// Opens a file or directory: what lies there, how that came about, and whether nobody else has it open.
fn open_on_disk(
    view: &mut View<'_>,
    path: &str,
    wanted: &Wanted,
    owner: Owner,
    now: Timestamp,
) -> Result<(Entry, u32, bool), Status> {
    let (full, rights) = (view.full(path), access::granted(wanted.access));
    let deletes = wanted.options & DELETE_ON_CLOSE != 0;
    if wanted.access & access::SYSTEM_SECURITY != 0 {
        return Err(Status::PRIVILEGE_NOT_HELD);
    }
    if rights == 0 {
        return Err(Status::ACCESS_DENIED);
    }
    let claims = &view.visitor.claims;
    if claims.is_full() {
        return Err(Status::TOO_MANY_OPENED_FILES);
    }
    let is_alone = !claims.is_open(&full);
    if deletes && rights & access::DELETE == 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    if wanted.attributes & !ATTRIBUTES != 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    let action = act(view, path, wanted, now)?;
    if deletes {
        view.may_remove(path)?;
    }
    let entry = view.find(path)?;
    view.visitor.claims.add(Claim {
        owner,
        path: full,
        access: rights,
        shared: wanted.shared,
        deletes,
        locks: Vec::new(),
        refused: None,
        watch: None,
    });
    Ok((entry, action, is_alone))
}

/// What is opened, made or emptied (MS-FSA 2.1.5.1): FILE_SUPERSEDED 0, OPENED 1, CREATED 2, OVERWRITTEN 3.
fn act(view: &mut View<'_>, path: &str, wanted: &Wanted, now: Timestamp) -> Result<u32, Status> {
    let wants_directory = wanted.options & DIRECTORY_FILE != 0;
    let overwrites = matches!(wanted.disposition, 0 | 4 | 5);
    // What contradicts itself.
    if wanted.disposition > 5 || wants_directory && (overwrites || wanted.options & NON_DIRECTORY_FILE != 0) {
        return Err(Status::INVALID_PARAMETER);
    }
    let entry = match view.find(path) {
        Ok(entry) => entry,
        Err(Status::OBJECT_NAME_NOT_FOUND) if !matches!(wanted.disposition, 1 | 4) => {
            if wanted.options & DELETE_ON_CLOSE != 0 && wanted.attributes & READ_ONLY != 0 {
                return Err(Status::CANNOT_DELETE);
            }
            if wants_directory && wanted.attributes & TEMPORARY != 0 {
                return Err(Status::INVALID_PARAMETER);
            }
            view.make(path, wants_directory, wanted.attributes, now)?;
            return Ok(2);
        }
        Err(status) => return Err(status),
    };
    if entry.is_doomed {
        return Err(Status::DELETE_PENDING);
    }
    if wanted.disposition == 2 {
        return Err(Status::OBJECT_NAME_COLLISION);
    }
    if entry.is_directory && wanted.options & NON_DIRECTORY_FILE != 0 {
        return Err(Status::FILE_IS_A_DIRECTORY);
    }
    if wants_directory && !entry.is_directory {
        return Err(Status::NOT_A_DIRECTORY);
    }
    if entry.is_directory && overwrites {
        return Err(Status::OBJECT_NAME_COLLISION);
    }
    // Who empties a file writes to it.
    let rights = access::granted(wanted.access) | if overwrites { access::WRITE } else { 0 };
    let is_protected = entry.attributes() & READ_ONLY != 0;
    let hides = overwrites && entry.attributes() & HIDDEN_OR_SYSTEM & !wanted.attributes != 0;
    if !entry.is_directory && (is_protected && rights & (access::WRITE | access::APPEND) != 0 || hides) {
        return Err(Status::ACCESS_DENIED);
    }
    view.visitor.claims.suffer(&view.full(path), rights, wanted.shared)?;
    if !overwrites {
        return Ok(1);
    }
    if entry.is_locked {
        return Err(Status::SHARING_VIOLATION);
    }
    view.overwrite(path, wanted.attributes, now)?;
    Ok(if wanted.disposition == 0 { 0 } else { 3 })
}

/// Stores what was written, and tells what is deleted by that.
fn finish(host: &Host, cx: &mut Context<'_>, open: &Open) {
    if open.share.kind != Kind::Disk {
        return;
    }
    let owner = open.owner(cx);
    let is_changed = matches!(&open.object, Object::File(file) if file.is_changed);
    let Some(closed) = view(host, cx, open.share, |view, _| view.close(owner, is_changed)) else { return };
    let name = format!("\\\\{}\\{}\\{}", host.name, open.share.name, closed.path);
    if !closed.bytes.is_empty() {
        cx.sample(&name, closed.bytes);
    }
    if closed.is_deleted {
        cx.event(Event::new("request", format!("{name} deleted")).with("path", name.as_str()));
    }
}
