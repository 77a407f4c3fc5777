//! What lies on the shares: a few files of every Windows, and what the source itself has written there or changed about them. All connections of
//! a source see the same.

use super::access;
use super::change::{Action, kind};
use super::claim::Owner;
use super::drive::{DRIVE, HIDDEN, Static, root};
use super::host::{Host, Share, Visitor};
use super::lock::Lock;
use super::path::{below, same, split};
use super::pool::Held;
use super::status::Status;
use super::written::{ARCHIVE, Content, DIRECTORY, Entry, MAX_UPLOAD, READ_ONLY, SETTABLE, TEMPORARY, Times, Written};
use crate::clock::Timestamp;
use crate::handlers::{Context, Random};

/// Files and directories that are remembered of one source; the oldest that is not open makes room. What one takes besides its path and content.
const MAX_WRITTEN: usize = 2048;
const WRITTEN: usize = 256;
/// Bytes of all files of one source that can be read back once they are closed.
const MAX_KEPT_ALL: usize = 2 * 1024 * 1024;
/// Bytes of a security descriptor.
const MAX_DESCRIPTOR: usize = 4096;
/// Bytes of a file that can be read back once it is closed; a longer one is in use, as if a scanner looked at it.
const MAX_KEPT: usize = 64 * 1024;
/// A share with what this source has written there.
pub(super) struct View<'a> {
    pub(super) host: &'a Host,
    pub(super) share: Share,
    pub(super) visitor: &'a mut Visitor,
}

/// What is left of something that was closed.
#[derive(Debug)]
pub(super) struct Closed {
    /// Below the root of its share.
    pub(super) path: String,
    pub(super) is_deleted: bool,
    /// What it holds, where that is asked for.
    pub(super) bytes: Vec<u8>,
}

impl View<'_> {
    pub(super) fn full(&self, path: &str) -> String {
        match (root(&self.share), path) {
            ("", path) => path.to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}\\{path}"),
        }
    }

    /// What a path on the drive is called on this share.
    pub(super) fn shown(&self, full: &str) -> String {
        below(full, root(&self.share)).unwrap_or(full).to_owned()
    }

    fn written(&self, full: &str) -> Option<&Written> {
        self.visitor.written.iter().find(|one| same(&one.path, full))
    }

    fn written_mut(&mut self, full: &str) -> Option<&mut Written> {
        self.visitor.written.iter_mut().find(|one| same(&one.path, full))
    }

    /// What lies at a normal path.
    pub(super) fn find(&self, path: &str) -> Result<Entry, Status> {
        self.find_full(&self.full(path)).map(|entry| Entry {
            // The root of a share has no name.
            name: if path.is_empty() { String::new() } else { entry.name },
            ..entry
        })
    }

    fn find_full(&self, full: &str) -> Result<Entry, Status> {
        if full.is_empty() {
            return Ok(self.made("", "", &Static::Directory));
        }
        if let Some(written) = self.written(full) {
            return Ok(written.entry());
        }
        if let Some((one, kind)) = DRIVE.iter().find(|(one, _)| same(one, full)) {
            return Ok(self.made(one, split(one).1, kind));
        }
        Err(match self.find_full(split(full).0) {
            Ok(entry) if entry.is_directory => Status::OBJECT_NAME_NOT_FOUND,
            _ => Status::OBJECT_PATH_NOT_FOUND,
        })
    }

    /// What lies in a directory, `.` and `..` first.
    pub(super) fn list(&self, directory: &str) -> Vec<Entry> {
        let full = self.full(directory);
        let dots = [".", ".."].map(|name| {
            let entry = self.find_full(&full).unwrap_or_else(|_| self.made(&full, name, &Static::Directory));
            Entry { name: name.to_owned(), ..entry }
        });
        let is_inside = |path: &str| !path.is_empty() && same(split(path).0, &full) && path != HIDDEN;
        let known = DRIVE.iter().filter(|(path, _)| is_inside(path) && self.written(path).is_none());
        let known = known.map(|(path, kind)| self.made(path, split(path).1, kind));
        let written = self.visitor.written.iter().filter(|one| is_inside(&one.path)).map(Written::entry);
        dots.into_iter().chain(known).chain(written).collect()
    }

    fn made(&self, path: &str, name: &str, what: &Static) -> Entry {
        let index = index_of(path);
        // Files of one system differ by minutes, not by years.
        let time = Timestamp::from_micros(self.host.installed.as_micros() + Random::new(index).bits() % 1_800_000_000);
        let (is_directory, size) = match what {
            Static::Directory => (true, 0),
            Static::Locked(size) => (false, *size),
            Static::Text(text) => (false, text.len() as u64),
        };
        let is_locked = matches!(what, Static::Locked(_));
        let settable = if is_directory { 0 } else { ARCHIVE };
        let (name, times) = (name.to_owned(), Times::at(time));
        Entry { name, is_directory, is_doomed: false, is_locked, size, reserved: 0, times, settable, index }
    }

    /// Makes room for one more, where something may be forgotten.
    fn make_room(&mut self, path: &str) -> Result<Held, Status> {
        if self.visitor.written.len() >= MAX_WRITTEN {
            let claims = &self.visitor.claims;
            let is_free = |one: &Written| !claims.is_open(&one.path) && !claims.is_open_below(&one.path);
            let at = self.visitor.written.iter().position(is_free).ok_or(Status::DISK_FULL)?;
            self.visitor.written.remove(at);
        }
        Held::elsewhere(&self.host.memory, WRITTEN + path.len()).ok_or(Status::DISK_FULL)
    }

    /// Makes an empty file or a directory where nothing lies.
    pub(super) fn make(
        &mut self,
        path: &str,
        is_directory: bool,
        attributes: u32,
        now: Timestamp,
    ) -> Result<(), Status> {
        let path = self.full(path);
        let room = self.make_room(&path)?;
        self.visitor.made += 1;
        if let Some(parent) = self.written_mut(split(&path).0) {
            parent.touch(now);
        }
        let (times, content) = (Times::at(now), Content::Text(""));
        let index = index_of(&format!("{path} {}", self.visitor.made));
        let attributes = attributes & SETTABLE | if is_directory { 0 } else { ARCHIVE };
        self.changed(&path, Action::Added, name_kind(is_directory));
        let (is_own, is_doomed, descriptor) = (true, false, None);
        self.visitor.written.push(Written {
            path,
            is_directory,
            is_own,
            is_doomed,
            times,
            attributes,
            index,
            content,
            reserved: 0,
            descriptor,
            _room: room,
        });
        Ok(())
    }

    /// Remembers a file that the machine itself has written.
    pub(super) fn put(&mut self, path: &str, bytes: &[u8], now: Timestamp) {
        if self.find(path).is_err() && self.make(path, false, 0, now).is_err() {
            return;
        }
        // What has no room is cut: the file is there.
        let host = self.host;
        if let Ok(written) = self.own(path)
            && let Ok(held) = written.upload(host)
            && held.resize(0)
        {
            held.write_at(0, bytes, MAX_KEPT);
        }
    }

    /// What can be changed: a file of every Windows becomes one that the source has changed.
    fn own(&mut self, path: &str) -> Result<&mut Written, Status> {
        let full = self.full(path);
        if self.written(&full).is_none() {
            let entry = self.find(path)?;
            let what = DRIVE.iter().find(|(one, _)| same(one, &full));
            let (name, what) = what.ok_or(Status::ACCESS_DENIED)?;
            let room = self.make_room(&full)?;
            self.visitor.written.push(Written {
                path: (*name).to_owned(),
                is_directory: entry.is_directory,
                is_own: false,
                is_doomed: false,
                times: entry.times,
                attributes: entry.settable,
                index: entry.index,
                content: match what {
                    Static::Directory => Content::Text(""),
                    Static::Text(text) => Content::Text(text),
                    Static::Locked(size) => Content::Locked(*size),
                },
                reserved: 0,
                descriptor: None,
                _room: room,
            });
        }
        self.written_mut(&full).ok_or(Status::OBJECT_NAME_NOT_FOUND)
    }

    /// Up to `max` bytes of a file.
    pub(super) fn read(&self, path: &str, offset: u64, max: usize) -> Result<Vec<u8>, Status> {
        let full = self.full(path);
        let fixed = DRIVE.iter().find(|(one, _)| same(one, &full)).and_then(|(_, what)| match what {
            Static::Text(text) => Some(text.as_bytes()),
            Static::Directory | Static::Locked(_) => None,
        });
        let bytes = self.written(&full).map_or(fixed, |written| written.content.bytes());
        let bytes = bytes.ok_or(Status::SHARING_VIOLATION)?;
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let part = rest.get(..max).unwrap_or(rest);
        if part.is_empty() && max > 0 { Err(Status::END_OF_FILE) } else { Ok(part.to_vec()) }
    }

    /// Writes; what was set as the time of the last write stays where `keeps_time`.
    pub(super) fn write(
        &mut self,
        path: &str,
        (offset, bytes): (u64, &[u8]),
        now: Timestamp,
        keeps_time: bool,
    ) -> Result<(), Status> {
        let host = self.host;
        let written = self.own(path)?;
        if !written.upload(host)?.write_at(offset, bytes, MAX_UPLOAD) {
            return Err(Status::DISK_FULL);
        }
        if !keeps_time {
            written.touch(now);
        }
        let full = written.path.clone();
        self.changed(&full, Action::Modified, kind::SIZE | kind::WRITTEN);
        Ok(())
    }

    /// Cuts a file or fills it up with zeros.
    pub(super) fn resize(&mut self, path: &str, len: u64, now: Timestamp) -> Result<(), Status> {
        let len = usize::try_from(len).ok().filter(|len| *len <= MAX_UPLOAD).ok_or(Status::DISK_FULL)?;
        let host = self.host;
        let written = self.own(path)?;
        if !written.upload(host)?.resize(len) {
            return Err(Status::DISK_FULL);
        }
        written.touch(now);
        let full = written.path.clone();
        self.changed(&full, Action::Modified, kind::SIZE | kind::WRITTEN);
        Ok(())
    }

    /// Keeps bytes for what will be written; fewer than there are cut the file (MS-FSA 2.1.5.14.1).
    pub(super) fn allocate(&mut self, path: &str, len: u64, now: Timestamp) -> Result<(), Status> {
        const MOST: u64 = 1 << 32;
        if len < self.find(path)?.size {
            self.resize(path, len, now)?;
        }
        self.own(path)?.reserved = len.min(MOST);
        Ok(())
    }

    /// Empties a file, which then has these attributes.
    pub(super) fn overwrite(&mut self, path: &str, attributes: u32, now: Timestamp) -> Result<(), Status> {
        self.resize(path, 0, now)?;
        self.own(path)?.attributes = attributes & SETTABLE | ARCHIVE;
        Ok(())
    }

    /// Sets times and attributes (MS-FSA 2.1.5.14.2): what is 0 stays, as do times whose changes are to be left out (all ones).
    pub(super) fn set_basic(&mut self, path: &str, times: [u64; 4], attributes: u32) -> Result<(), Status> {
        let written = self.own(path)?;
        let is_other = if written.is_directory { attributes & TEMPORARY != 0 } else { attributes & DIRECTORY != 0 };
        if is_other {
            return Err(Status::INVALID_PARAMETER);
        }
        let is_time = |time: u64| time != 0 && time < u64::MAX - 1;
        for (time, set) in written.times.0.iter_mut().zip(times).filter(|(_, set)| is_time(*set)) {
            *time = set;
        }
        if attributes != 0 {
            written.attributes = attributes & SETTABLE;
        }
        let [created, accessed, last, _] = times.map(is_time);
        let kinds = [(created, kind::CREATED), (accessed, kind::ACCESSED), (last, kind::WRITTEN)];
        let kinds = kinds.into_iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, one)| all | one);
        let full = written.path.clone();
        self.changed(&full, Action::Modified, kinds | if attributes != 0 { kind::ATTRIBUTES } else { 0 });
        Ok(())
    }

    /// The security descriptor that was set, if one was.
    pub(super) fn descriptor(&self, path: &str) -> Option<&[u8]> {
        self.written(&self.full(path))?.descriptor.as_ref().map(Held::bytes)
    }

    pub(super) fn set_descriptor(&mut self, path: &str, descriptor: &[u8]) -> Result<(), Status> {
        let mut held = Held::new(&self.host.memory);
        if !held.write_at(0, descriptor, MAX_DESCRIPTOR) {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        let written = self.own(path)?;
        written.descriptor = Some(held);
        let full = written.path.clone();
        self.changed(&full, Action::Modified, kind::SECURITY);
        Ok(())
    }

    /// Whether what lies there can be deleted: what the source has made and not protected, and no directory with something in it.
    pub(super) fn may_remove(&self, path: &str) -> Result<(), Status> {
        let entry = self.find(path)?;
        if entry.is_directory && self.list(path).len() > 2 {
            return Err(Status::DIRECTORY_NOT_EMPTY);
        }
        match self.written(&self.full(path)) {
            Some(written) if written.attributes & READ_ONLY != 0 => Err(Status::CANNOT_DELETE),
            Some(written) if written.is_own => Ok(()),
            _ if entry.is_locked => Err(Status::CANNOT_DELETE),
            _ => Err(Status::ACCESS_DENIED),
        }
    }

    /// Has it deleted when nobody has it open any more, or not.
    pub(super) fn doom(&mut self, path: &str, is_doomed: bool) -> Result<(), Status> {
        if is_doomed {
            self.may_remove(path)?;
        }
        let full = self.full(path);
        if let Some(written) = self.written_mut(&full) {
            written.is_doomed = is_doomed;
        }
        Ok(())
    }

    /// Deletes what nobody has open.
    pub(super) fn delete(&mut self, path: &str) -> Result<(), Status> {
        self.may_remove(path)?;
        let full = self.full(path);
        self.visitor.claims.suffer(&full, access::DELETE, 7)?;
        self.doom(path, true)?;
        self.settle(&full);
        Ok(())
    }

    /// Gives what the source has written another path, with all that lies below it.
    pub(super) fn rename(&mut self, from: &str, to: &str, replaces: bool) -> Result<(), Status> {
        let is_directory = self.find(from)?.is_directory;
        let (source, target) = (self.full(from), self.full(to));
        let is_own = self.written(&source).is_some_and(|written| written.is_own);
        match self.find(to) {
            Ok(_) if same(from, to) => {}
            Ok(_) if !replaces => return Err(Status::OBJECT_NAME_COLLISION),
            Ok(entry) => {
                if entry.is_directory || self.visitor.claims.is_open(&target) {
                    return Err(Status::ACCESS_DENIED);
                }
                self.may_remove(to)?;
                self.visitor.written.retain(|one| !same(&one.path, &target));
                self.changed(&target, Action::Removed, name_kind(false));
            }
            Err(Status::OBJECT_NAME_NOT_FOUND) => {}
            Err(status) => return Err(status),
        }
        // The other directory is opened for adding to it.
        self.visitor.claims.suffer(split(&target).0, access::WRITE, 3)?;
        if !is_own || self.visitor.claims.is_open_below(&source) {
            return Err(Status::ACCESS_DENIED);
        }
        for one in &mut self.visitor.written {
            let moved = match below(&one.path, &source) {
                Some("") => target.clone(),
                Some(rest) => format!("{target}\\{rest}"),
                None => continue,
            };
            one.path = moved;
        }
        self.visitor.claims.rename(&source, &target);
        let is_here = same(split(&source).0, split(&target).0);
        let (gone, came) =
            if is_here { (Action::RenamedFrom, Action::RenamedTo) } else { (Action::Removed, Action::Added) };
        self.changed(&source, gone, name_kind(is_directory));
        self.changed(&target, came, name_kind(is_directory));
        Ok(())
    }

    /// What it has open is closed: the last one to close it has it deleted, where that was wanted, or kept.
    pub(super) fn close(&mut self, owner: Owner, wants_bytes: bool) -> Option<Closed> {
        let claim = self.visitor.claims.remove(owner)?;
        let path = self.shown(&claim.path);
        if claim.deletes {
            // What has come to lie in a directory in the meantime keeps it.
            let _ = self.doom(&path, true);
        }
        let content = self.written(&claim.path).filter(|_| wants_bytes).and_then(|written| written.content.bytes());
        let bytes = content.unwrap_or_default().to_vec();
        let is_deleted = self.settle(&claim.path);
        if !self.visitor.claims.is_watched() {
            self.visitor.changes.forget();
        }
        Some(Closed { path, is_deleted, bytes })
    }

    /// What nobody has open any more is deleted (true), or kept in memory for what is closed.
    fn settle(&mut self, full: &str) -> bool {
        if self.visitor.claims.is_open(full) {
            return false;
        }
        let memory = &self.host.memory;
        let held = |one: &Written| if let Content::Written(held) = &one.content { held.bytes().len() } else { 0 };
        let all: usize = self.visitor.written.iter().map(held).sum();
        let Some(written) = self.written_mut(full) else { return false };
        if written.is_doomed {
            let is_directory = written.is_directory;
            self.visitor.written.retain(|one| !same(&one.path, full));
            self.changed(full, Action::Removed, name_kind(is_directory));
            return true;
        }
        written.reserved = 0;
        if let Content::Written(held) = &written.content {
            let mut kept = Held::new(memory);
            let has_room = held.bytes().len() <= MAX_KEPT && all <= MAX_KEPT_ALL;
            let is_kept = has_room && kept.write_at(0, held.bytes(), MAX_KEPT);
            let size = held.bytes().len() as u64;
            written.content = if is_kept { Content::Written(kept) } else { Content::Locked(size) };
        }
        false
    }

    /// Whether a range of what it has open may be touched.
    pub(super) fn may_touch(&self, owner: Owner, range: Lock) -> Result<(), Status> {
        self.visitor.claims.may_touch(owner, range)
    }

    /// Tells those that watch.
    fn changed(&mut self, full: &str, action: Action, kinds: u32) {
        if self.visitor.claims.is_watched() {
            self.visitor.changes.add(full, action, kinds);
        }
    }
}

/// Works on a share with what this source has written there.
pub(super) fn view<R>(
    host: &Host,
    cx: &Context<'_>,
    share: Share,
    work: impl FnOnce(&mut View<'_>, Timestamp) -> R,
) -> R {
    let now = cx.now();
    host.visitors.with(cx.session().client.ip(), now, |visitor| work(&mut View { host, share, visitor }, now))
}

const fn name_kind(is_directory: bool) -> u32 {
    if is_directory { kind::DIRECTORY_NAME } else { kind::FILE_NAME }
}

/// FNV-1a, spread: file numbers that look like those of NTFS.
fn index_of(path: &str) -> u64 {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    0x0001_0000_0000_0000 | (hash >> 20 & 0xffff)
}
