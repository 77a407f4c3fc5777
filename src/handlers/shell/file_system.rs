//! The files that one source sees: the device's own, and over them whatever that source has written, changed and removed.
//!
//! The device's tree is made once and shared. What a source changes is kept in its [`Overlay`], across its connections, within
//! [`MAX_FILES`], [`MAX_BYTES`] and a room that all sources share: who wants more finds the disk full.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::device::Device;
use super::tree::{Content, Kind, Node, Tree};
use crate::clock::Timestamp;

/// Entries that one source can change, removals included.
pub(super) const MAX_FILES: usize = 512;
/// Bytes that one source can keep, entries included.
pub(super) const MAX_BYTES: usize = 2 << 20;
/// Bytes that all sources of one device can keep together.
pub(super) const MAX_BYTES_OF_ALL: usize = 128 << 20;
/// What an entry costs beside its content and its path.
const ENTRY: usize = 160;
/// Symbolic links that are followed in one path.
const MAX_LINKS: u32 = 8;
/// Shorter things (a loader's trial of a directory) are no samples unless they are executed.
const SAMPLE: usize = 64;

/// Why something cannot be done, in the words of `strerror`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotFound,
    NoDirectory,
    IsDirectory,
    ReadOnly,
    Exists,
    NotEmpty,
    Full,
    Denied,
    Loop,
}

impl Fault {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::NotFound => "No such file or directory",
            Self::NoDirectory => "Not a directory",
            Self::IsDirectory => "Is a directory",
            Self::ReadOnly => "Read-only file system",
            Self::Exists => "File exists",
            Self::NotEmpty => "Directory not empty",
            Self::Full => "No space left on device",
            Self::Denied => "Permission denied",
            Self::Loop => "Too many levels of symbolic links",
        }
    }
}

/// What one source has changed.
#[derive(Debug, Default)]
pub(in crate::handlers) struct Overlay {
    /// `None`: removed.
    nodes: BTreeMap<Vec<u8>, Option<Node>>,
    bytes: usize,
    room: Option<Arc<AtomicUsize>>,
}

impl Overlay {
    fn grow(&mut self, room: &Arc<AtomicUsize>, by: usize) -> Result<(), Fault> {
        if self.bytes.saturating_add(by) > MAX_BYTES {
            return Err(Fault::Full);
        }
        let shared = self.room.get_or_insert_with(|| Arc::clone(room));
        if shared.fetch_add(by, Ordering::Relaxed).saturating_add(by) > MAX_BYTES_OF_ALL {
            shared.fetch_sub(by, Ordering::Relaxed);
            return Err(Fault::Full);
        }
        self.bytes += by;
        Ok(())
    }

    fn shrink(&mut self, by: usize) {
        let by = by.min(self.bytes);
        self.bytes -= by;
        if let Some(room) = &self.room {
            room.fetch_sub(by, Ordering::Relaxed);
        }
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

/// A file that is about to be lost, or that has been used: worth keeping as a sample.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) path: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// The device's files with one source's changes, at one moment.
#[derive(Debug)]
pub(in crate::handlers) struct FileSystem<'a> {
    device: &'a Device,
    tree: &'a Tree,
    overlay: &'a mut Overlay,
    now: Timestamp,
    is_root: bool,
    samples: Vec<Sample>,
}

impl<'a> FileSystem<'a> {
    pub(super) fn new(device: &'a Device, overlay: &'a mut Overlay, now: Timestamp, is_root: bool) -> Self {
        Self { device, tree: device.tree(), overlay, now, is_root, samples: Vec::new() }
    }

    /// The samples since the last call.
    pub(super) fn take_samples(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.samples)
    }

    /// An absolute path without `.`, `..` and double slashes.
    pub(in crate::handlers) fn absolute(&self, cwd: &[u8], path: &[u8]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let start = if path.starts_with(b"/") { &b""[..] } else { cwd };
        for part in start.split(|&b| b == b'/').chain(path.split(|&b| b == b'/')) {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()),
                _ => parts.push(part),
            }
        }
        let mut absolute = Vec::with_capacity(path.len() + 1);
        for part in parts {
            absolute.push(b'/');
            absolute.extend_from_slice(part);
        }
        if absolute.is_empty() { b"/".to_vec() } else { absolute }
    }

    /// The entry of this very path; links in it are not followed.
    fn entry(&self, path: &[u8]) -> Option<&Node> {
        if let Some(changed) = self.overlay.nodes.get(path) {
            return changed.as_ref();
        }
        let node = self.tree.get(path)?;
        let removed = ancestors(path).any(|above| matches!(self.overlay.nodes.get(above), Some(None)));
        (!removed).then_some(node)
    }

    /// Follows the links of an absolute path; those of its last part only when `last`.
    fn resolve(&self, path: &[u8], last: bool) -> Result<Vec<u8>, Fault> {
        let mut links = 0;
        let mut done: Vec<u8> = Vec::new();
        let mut left: Vec<Vec<u8>> =
            path.split(|&b| b == b'/').filter(|p| !p.is_empty()).map(<[u8]>::to_vec).rev().collect();
        while let Some(part) = left.pop() {
            let mut next = done.clone();
            next.push(b'/');
            next.extend_from_slice(&part);
            match self.entry(&next).map(|node| &node.kind) {
                Some(Kind::Link(target)) if last || !left.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Fault::Loop);
                    }
                    let target = self.absolute(&done, target);
                    left.extend(target.split(|&b| b == b'/').filter(|p| !p.is_empty()).map(<[u8]>::to_vec).rev());
                    done.clear();
                }
                Some(Kind::Directory) => done = next,
                Some(_) if left.is_empty() => done = next,
                Some(_) => return Err(Fault::NoDirectory),
                None if left.is_empty() => done = next,
                None => return Err(Fault::NotFound),
            }
        }
        Ok(if done.is_empty() { b"/".to_vec() } else { done })
    }

    /// The entry that this absolute path means, and its true path.
    pub(super) fn find(&self, path: &[u8]) -> Result<(Vec<u8>, &Node), Fault> {
        let path = self.resolve(path, true)?;
        let node = self.entry(&path).ok_or(Fault::NotFound)?;
        Ok((path, node))
    }

    /// Like [`FileSystem::find`], but a link at the end is what is found.
    pub(super) fn find_link(&self, path: &[u8]) -> Result<(Vec<u8>, &Node), Fault> {
        let path = self.resolve(path, false)?;
        let node = self.entry(&path).ok_or(Fault::NotFound)?;
        Ok((path, node))
    }

    /// Something is there.
    pub(in crate::handlers) fn exists(&self, path: &[u8]) -> bool {
        self.find(path).is_ok()
    }

    /// A directory is there.
    pub(in crate::handlers) fn is_directory(&self, path: &[u8]) -> bool {
        self.find(path).is_ok_and(|(_, node)| node.is_directory())
    }

    /// Mode with the type bits of `st_mode`, size in bytes and time of the last change: what ADB's `STAT` and `LIST` tell.
    pub(in crate::handlers) fn stat(&self, path: &[u8]) -> Option<(u32, u64, Timestamp)> {
        let (_, node) = self.find(path).ok()?;
        Some((node.full_mode(), self.size(node), node.changed))
    }

    /// Bytes of a file.
    pub(super) fn size(&self, node: &Node) -> u64 {
        match &node.kind {
            Kind::File { content: Content::Kept(bytes), .. } => bytes.len() as u64,
            Kind::File { content: Content::StandIn { len, .. }, .. } => u64::from(*len),
            Kind::File { content: Content::Program, .. } => self.device.program().len() as u64,
            Kind::Link(target) => target.len() as u64,
            Kind::Directory => 4_096,
            _ => 0,
        }
    }

    /// The content of a file.
    pub(in crate::handlers) fn read(&self, path: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.content(path).ok()
    }

    /// The content of a file, or why there is none.
    pub(super) fn content(&self, path: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
        let (_, node) = self.find(path)?;
        match &node.kind {
            Kind::Directory => Err(Fault::IsDirectory),
            Kind::File { content, .. } => {
                if !self.is_root && node.mode & 0o004 == 0 {
                    return Err(Fault::Denied);
                }
                Ok(self.bytes(content))
            }
            Kind::Link(_) => Err(Fault::NotFound),
            Kind::Special(_) => Ok(Cow::Borrowed(b"")),
        }
    }

    fn bytes<'b>(&'b self, content: &'b Content) -> Cow<'b, [u8]> {
        match content {
            Content::Kept(bytes) => Cow::Borrowed(bytes),
            Content::Program => Cow::Borrowed(self.device.program()),
            Content::StandIn { len, seed } => Cow::Owned(self.device.stand_in(*len, *seed)),
            Content::Live(live) => Cow::Owned(self.device.live(*live, self.now)),
        }
    }

    /// Names in a directory, sorted, with their entries; `.` and `..` are not among them.
    pub(super) fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Node)>, Fault> {
        let (path, node) = self.find(path)?;
        if !node.is_directory() {
            return Err(Fault::NoDirectory);
        }
        let mut prefix = path;
        if prefix != b"/" {
            prefix.push(b'/');
        }
        let below = |path: &[u8]| {
            let name = path.strip_prefix(&prefix[..])?;
            (!name.is_empty() && !name.contains(&b'/')).then(|| name.to_vec())
        };
        let mut found = BTreeMap::new();
        for path in self.tree.below(&prefix) {
            if let (Some(name), Some(node)) = (below(path), self.entry(path)) {
                found.insert(name, node.clone());
            }
        }
        for (path, node) in self.overlay.nodes.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix))
        {
            if let (Some(name), Some(node)) = (below(path), node) {
                found.insert(name, node.clone());
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The names in a directory: what ADB's `LIST` tells; empty where there is none.
    pub(in crate::handlers) fn names(&self, path: &[u8]) -> Vec<Vec<u8>> {
        self.list(path).unwrap_or_default().into_iter().map(|(name, _)| name).collect()
    }

    /// The true path of something that is to be made, changed or removed; its directory must be there and writable.
    fn writable(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        let path = self.resolve(path, true)?;
        let parent = parent(&path);
        match self.entry(parent) {
            Some(node) if node.is_directory() => {}
            Some(_) => return Err(Fault::NoDirectory),
            None if parent == b"/" => {}
            None => return Err(Fault::NotFound),
        }
        if self.device.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.device.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        Ok(path)
    }

    fn put(&mut self, path: Vec<u8>, node: Option<Node>) -> Result<(), Fault> {
        self.keep_sample(&path, false);
        let cost = ENTRY + path.len() + node.as_ref().map_or(0, Node::kept);
        let before = self.overlay.nodes.get(&path).map(|node| ENTRY + path.len() + node.as_ref().map_or(0, Node::kept));
        if before.is_none() && self.overlay.nodes.len() >= MAX_FILES {
            return Err(Fault::Full);
        }
        self.overlay.shrink(before.unwrap_or(0));
        if let Err(fault) = self.overlay.grow(self.device.room(), cost) {
            self.overlay.grow(self.device.room(), before.unwrap_or(0))?;
            return Err(fault);
        }
        self.overlay.nodes.insert(path, node);
        Ok(())
    }

    /// Makes a file of this content, or gives an old one this content.
    pub(super) fn write(&mut self, path: &[u8], content: Content, by_visitor: bool) -> Result<(), Fault> {
        let path = self.writable(path)?;
        let mode = match self.entry(&path) {
            Some(node) if node.is_directory() => return Err(Fault::IsDirectory),
            Some(Node { kind: Kind::Special(_), .. }) => return Ok(()),
            Some(node) => node.mode,
            None => 0o644,
        };
        let fresh = by_visitor && !matches!(&content, Content::Kept(bytes) if bytes.is_empty());
        self.put(path, Some(Node { kind: Kind::File { content, fresh }, mode, changed: self.now }))
    }

    /// Stores a file that the visitor has sent whole, with this mode.
    pub(in crate::handlers) fn store(&mut self, path: &[u8], bytes: &[u8], mode: u32) -> Result<(), &'static str> {
        let kept = self.write(path, Content::Kept(bytes.to_vec()), false);
        kept.and_then(|()| self.set_mode(path, u16::try_from(mode & 0o7777).unwrap_or(0o644))).map_err(Fault::text)
    }

    /// Adds to the end of a file, which is made when it is not there.
    pub(super) fn append(&mut self, path: &[u8], more: &[u8]) -> Result<(), Fault> {
        let path = self.writable(path)?;
        let known = matches!(
            self.overlay.nodes.get(&path),
            Some(Some(Node { kind: Kind::File { content: Content::Kept(_), .. }, .. }))
        );
        if !known {
            let before = match self.entry(&path) {
                Some(node) if node.is_directory() => return Err(Fault::IsDirectory),
                Some(Node { kind: Kind::Special(_), .. }) => return Ok(()),
                Some(Node { kind: Kind::File { content, .. }, .. }) => self.bytes(content).into_owned(),
                _ => Vec::new(),
            };
            self.write(&path, Content::Kept(before), false)?;
        }
        self.overlay.grow(self.device.room(), more.len())?;
        if let Some(Some(Node { kind: Kind::File { content: Content::Kept(bytes), fresh }, changed, .. })) =
            self.overlay.nodes.get_mut(&path)
        {
            bytes.extend_from_slice(more);
            *fresh |= !more.is_empty();
            *changed = self.now;
        }
        Ok(())
    }

    /// Makes a directory.
    pub(super) fn make_directory(&mut self, path: &[u8]) -> Result<(), Fault> {
        let path = self.writable(path)?;
        if self.entry(&path).is_some() || path == b"/" {
            return Err(Fault::Exists);
        }
        self.put(path, Some(Node { kind: Kind::Directory, mode: 0o755, changed: self.now }))
    }

    /// Makes a symbolic link.
    pub(super) fn link(&mut self, target: &[u8], path: &[u8]) -> Result<(), Fault> {
        let path = self.writable(path)?;
        if self.entry(&path).is_some() {
            return Err(Fault::Exists);
        }
        self.put(path, Some(Node { kind: Kind::Link(target.to_vec()), mode: 0o777, changed: self.now }))
    }

    /// Removes a file, a link, or a directory with all that is in it.
    pub(super) fn remove(&mut self, path: &[u8]) -> Result<(), Fault> {
        let (path, _) = self.find_link(path)?;
        let parent = parent(&path).to_vec();
        if self.device.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.device.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        self.entry(&parent).ok_or(Fault::NotFound)?;
        let mut prefix = path.clone();
        prefix.push(b'/');
        let inside: Vec<Vec<u8>> = self
            .overlay
            .nodes
            .range(prefix.clone()..)
            .map(|(path, _)| path.clone())
            .take_while(|path| path.starts_with(&prefix))
            .collect();
        for path in inside {
            self.forget(&path);
        }
        self.forget(&path);
        if self.tree.get(&path).is_some() { self.put(path, None) } else { Ok(()) }
    }

    fn forget(&mut self, path: &[u8]) {
        self.keep_sample(path, false);
        if let Some(node) = self.overlay.nodes.remove(path) {
            self.overlay.shrink(ENTRY + path.len() + node.as_ref().map_or(0, Node::kept));
        }
    }

    /// Copies a file with its mode.
    pub(super) fn copy(&mut self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        let (_, node) = self.find(from)?;
        let (mode, content, fresh) = match &node.kind {
            Kind::File { content: content @ Content::Live(_), fresh } => {
                (node.mode, Content::Kept(self.bytes(content).into_owned()), *fresh)
            }
            Kind::File { content, fresh } => (node.mode, content.clone(), *fresh),
            Kind::Directory => return Err(Fault::IsDirectory),
            _ => (0o644, Content::Kept(Vec::new()), false),
        };
        let is_new = !self.exists(to);
        self.write(to, content, fresh)?;
        if is_new { self.set_mode(to, mode) } else { Ok(()) }
    }

    /// Gives a file another name.
    pub(super) fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        let (path, node) = self.find_link(from)?;
        let node = node.clone();
        if node.is_directory() {
            let to = self.writable(to)?;
            if self.entry(&to).is_some() {
                return Err(Fault::Exists);
            }
            for (name, _) in self.list(&path)? {
                let join = |directory: &[u8]| [directory, b"/", &name].concat();
                if !self.exists(&to) {
                    self.put(to.clone(), Some(node.clone()))?;
                }
                self.rename(&join(&path), &join(&to))?;
            }
            self.put(to, Some(node))?;
            return self.remove(&path);
        }
        let to = self.writable(to)?;
        if to == path {
            return Ok(());
        }
        self.put(to, Some(node))?;
        if let Some(Some(Node { kind: Kind::File { fresh, .. }, .. })) = self.overlay.nodes.get_mut(&path) {
            *fresh = false;
        }
        self.remove(&path)
    }

    /// Sets the permission bits.
    pub(super) fn set_mode(&mut self, path: &[u8], mode: u16) -> Result<(), Fault> {
        let (path, node) = self.find(path)?;
        let node = node.clone();
        if self.device.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.device.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        if node.mode == mode {
            return Ok(());
        }
        if let Some(Some(node)) = self.overlay.nodes.get_mut(&path) {
            node.mode = mode;
            return Ok(());
        }
        let node = Node { mode, ..node };
        self.put(path, Some(node))
    }

    /// Takes a file of the visitor's as a sample, if it was not taken before: always when it is executed, else when it looks like one.
    pub(super) fn keep_sample(&mut self, path: &[u8], executed: bool) {
        let Some(Some(Node { kind: Kind::File { content: Content::Kept(bytes), fresh }, .. })) =
            self.overlay.nodes.get_mut(path)
        else {
            return;
        };
        let looks = bytes.len() >= SAMPLE || bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!");
        if *fresh && (executed || looks) {
            *fresh = false;
            self.samples.push(Sample { path: path.to_vec(), bytes: bytes.clone() });
        }
    }

    /// Takes every file of the visitor's that was not taken before: its session ends.
    pub(super) fn keep_all_samples(&mut self) {
        let paths: Vec<Vec<u8>> = self.overlay.nodes.keys().cloned().collect();
        for path in paths {
            self.keep_sample(&path, false);
        }
    }

    /// The device's own program, or a copy of it.
    pub(super) fn is_program(&self, node: &Node) -> bool {
        match &node.kind {
            Kind::File { content: Content::Program, .. } => true,
            Kind::File { content: Content::Kept(bytes), .. } => bytes == self.device.program(),
            _ => false,
        }
    }
}

/// The directory that holds this absolute path.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        Some(0) | None => b"/",
        Some(at) => path.get(..at).unwrap_or(b"/"),
    }
}

/// The last part of a path.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').find(|part| !part.is_empty()).unwrap_or(b"/")
}

fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().skip(1).filter(|(_, b)| **b == b'/').filter_map(|(at, _)| path.get(..at))
}
