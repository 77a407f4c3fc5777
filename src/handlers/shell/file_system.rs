//! The files that one source sees: the device's own, and over them whatever that source has written, changed and removed.
//!
//! The device's tree is made once and shared. What a source changes is kept in its [`Overlay`], across its connections, within
//! `overlay::MAX_FILES`, `overlay::MAX_BYTES` and a room that all sources share: who wants more finds the disk full.

mod change;
mod mount;
mod overlay;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::device::{Device, Present};
use super::tree::{Content, Kind, Node, Tree};
use crate::clock::Timestamp;

use mount::Place;
pub(super) use mount::{Below, Mount};
pub(in crate::handlers) use overlay::{Change, Overlay};
/// Symbolic links that are followed in one path.
const MAX_LINKS: u32 = 8;

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
    /// What a container shows of its machine.
    below: Option<Below<'a>>,
    /// What is taken for `/`; empty: what it is.
    root: Vec<u8>,
    /// What the kernel shows of the moment, over the tree.
    present: Present,
    now: Timestamp,
    is_root: bool,
    samples: Vec<Sample>,
}

impl<'a> FileSystem<'a> {
    pub(super) fn new(device: &'a Device, overlay: &'a mut Overlay, now: Timestamp, is_root: bool) -> Self {
        let tree = device.tree();
        let (below, root, present, samples) = (None, Vec::new(), Present::default(), Vec::new());
        Self { device, tree, overlay, below, root, present, now, is_root, samples }
    }

    /// With what the kernel shows of a visitor's processes and connections.
    pub(super) fn at_present(self, present: Present) -> Self {
        Self { present, ..self }
    }

    /// A program of the device starts: it finds itself in `/proc/self`.
    pub(super) fn starts(&mut self, words: &[Vec<u8>]) {
        self.present.starts(words);
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
        self.entry_at(&self.place(path))
    }

    fn entry_at(&self, place: &Place<'_>) -> Option<&Node> {
        let (path, changed) = (&place.path[..], &self.side(place.is_below).nodes);
        if let Some(changed) = changed.get(path) {
            return changed.as_ref();
        }
        if let Some(node) = self.present.nodes.get(path) {
            return Some(node);
        }
        let node = self.tree.get(path)?;
        let removed = ancestors(path).any(|above| matches!(changed.get(above), Some(None)));
        (!removed).then_some(node)
    }

    /// What the visitor has made of this very path.
    fn changed(&self, path: &[u8]) -> Option<&Option<Node>> {
        let place = self.place(path);
        self.side(place.is_below).nodes.get(&place.path[..])
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

    /// Where a link leads; the programs of an image are links to one.
    pub(in crate::handlers) fn target(&self, path: &[u8]) -> Option<Vec<u8>> {
        let (path, node) = self.find_link(path).ok()?;
        match &node.kind {
            Kind::Link(target) => Some(target.clone()),
            Kind::File { content: Content::Program, .. } if path != b"/bin/busybox" => Some(b"/bin/busybox".to_vec()),
            _ => None,
        }
    }

    /// The content of a file.
    pub(in crate::handlers) fn read(&self, path: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.content(path).ok()
    }

    /// The content of a file, or why there is none.
    pub(super) fn content(&self, path: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
        let (path, node) = self.find(path)?;
        match &node.kind {
            Kind::Directory => Err(Fault::IsDirectory),
            Kind::File { content, .. } => {
                // What the visitor has written is its own.
                let reads = if self.changed(&path).is_some() { 0o400 } else { 0o004 };
                if !self.is_root && node.mode & reads == 0 {
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
            Content::Live(live) => Cow::Owned(self.device.live(*live, self.now, self.present.own)),
        }
    }

    /// Names in a directory, sorted, with their entries; `.` and `..` are not among them.
    pub(super) fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Node)>, Fault> {
        let (path, node) = self.find(path)?;
        if !node.is_directory() {
            return Err(Fault::NoDirectory);
        }
        let Place { is_below, path } = self.place(&path);
        let mut prefix = path.into_owned();
        if prefix != b"/" {
            prefix.push(b'/');
        }
        let below = |path: &[u8]| {
            let name = path.strip_prefix(&prefix[..])?;
            (!name.is_empty() && !name.contains(&b'/')).then(|| name.to_vec())
        };
        let mut found = BTreeMap::new();
        for path in self.tree.below(&prefix) {
            let place = Place { is_below, path: path.into() };
            if let (Some(name), Some(node)) = (below(path), self.entry_at(&place)) {
                found.insert(name, node.clone());
            }
        }
        for (path, node) in self.present.nodes.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix))
        {
            if let Some(name) = below(path) {
                found.insert(name, node.clone());
            }
        }
        let changed = &self.side(is_below).nodes;
        for (path, node) in changed.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
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
