//! Whatever changes files, and what is kept of those that visitors bring.

use super::overlay::{ENTRY, MAX_FILES};
use super::{Fault, FileSystem, Place, Sample, parent};
use crate::handlers::shell::tree::{Content, Kind, Node};

/// Directories above one that are made with it.
const MAX_DEPTH: usize = 8;
/// Shorter things (a loader's trial of a directory) are no samples unless they are executed.
const SAMPLE: usize = 64;

impl FileSystem<'_> {
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
        if self.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        Ok(path)
    }

    fn lets_anyone_write(&self, path: &[u8]) -> bool {
        self.device.lets_anyone_write(&self.place(path).path)
    }

    /// Makes a file of this content, or gives an old one this content.
    pub(in crate::handlers::shell) fn write(
        &mut self,
        path: &[u8],
        content: Content,
        by_visitor: bool,
    ) -> Result<(), Fault> {
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

    /// Stores a file that the visitor has sent whole, with this mode; directories on the way are made, as adbd makes them.
    pub(in crate::handlers) fn store(&mut self, path: &[u8], bytes: &[u8], mode: u32) -> Result<(), &'static str> {
        let above: Vec<&[u8]> = super::ancestors(path).collect();
        let there = above.iter().rposition(|above| self.exists(above)).map_or(0, |at| at + 1);
        for directory in above.get(there..).unwrap_or_default() {
            self.make_directory(directory).map_err(Fault::text)?;
        }
        let kept = self.write(path, Content::Kept(bytes.to_vec()), false);
        kept.and_then(|()| self.set_mode(path, u16::try_from(mode & 0o7777).unwrap_or(0o644))).map_err(Fault::text)
    }

    /// Makes a directory and those above it that are missing.
    pub(in crate::handlers) fn make_way(&mut self, path: &[u8]) -> Result<(), &'static str> {
        let above: Vec<Vec<u8>> = super::ancestors(path).take(MAX_DEPTH).map(<[u8]>::to_vec).collect();
        above.iter().try_for_each(|directory| self.make(directory))?;
        self.make(path)
    }

    /// Takes something away; what is not there stays so.
    pub(in crate::handlers) fn take_away(&mut self, path: &[u8]) {
        let _ = self.remove(path);
    }

    /// Makes a directory that the visitor has sent, unless it is there.
    pub(in crate::handlers) fn make(&mut self, path: &[u8]) -> Result<(), &'static str> {
        if self.is_directory(path) { Ok(()) } else { self.make_directory(path).map_err(Fault::text) }
    }

    /// Adds to the end of a file, which is made when it is not there.
    pub(in crate::handlers::shell) fn append(&mut self, path: &[u8], more: &[u8]) -> Result<(), Fault> {
        let path = self.writable(path)?;
        let known =
            matches!(self.changed(&path), Some(Some(Node { kind: Kind::File { content: Content::Kept(_), .. }, .. })));
        if !known {
            let before = match self.entry(&path) {
                Some(node) if node.is_directory() => return Err(Fault::IsDirectory),
                Some(Node { kind: Kind::Special(_), .. }) => return Ok(()),
                Some(Node { kind: Kind::File { content, .. }, .. }) => self.bytes(content).into_owned(),
                _ => Vec::new(),
            };
            self.write(&path, Content::Kept(before), false)?;
        }
        let Place { is_below, path } = self.place(&path);
        let (room, now) = (self.device.room(), self.now);
        let side = self.side_mut(is_below);
        side.grow(room, more.len())?;
        if let Some(Some(Node { kind: Kind::File { content: Content::Kept(bytes), fresh }, changed, .. })) =
            side.nodes.get_mut(&path[..])
        {
            bytes.extend_from_slice(more);
            *fresh |= !more.is_empty();
            *changed = now;
        }
        Ok(())
    }

    /// Makes a directory.
    pub(in crate::handlers::shell) fn make_directory(&mut self, path: &[u8]) -> Result<(), Fault> {
        let path = self.writable(path)?;
        if self.entry(&path).is_some() || path == b"/" {
            return Err(Fault::Exists);
        }
        self.put(path, Some(Node { kind: Kind::Directory, mode: 0o755, changed: self.now }))
    }

    /// Makes a symbolic link.
    pub(in crate::handlers::shell) fn link(&mut self, target: &[u8], path: &[u8]) -> Result<(), Fault> {
        let path = self.writable(path)?;
        if self.entry(&path).is_some() {
            return Err(Fault::Exists);
        }
        self.put(path, Some(Node { kind: Kind::Link(target.to_vec()), mode: 0o777, changed: self.now }))
    }

    /// Removes a file, a link, or a directory with all that is in it.
    pub(in crate::handlers::shell) fn remove(&mut self, path: &[u8]) -> Result<(), Fault> {
        let (path, _) = self.find_link(path)?;
        let parent = parent(&path).to_vec();
        if self.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        self.entry(&parent).ok_or(Fault::NotFound)?;
        let Place { is_below, path } = self.place(&path);
        let mut prefix = path.to_vec();
        prefix.push(b'/');
        let changed = self.side(is_below).nodes.range(prefix.clone()..).map(|(path, _)| path);
        let inside: Vec<Vec<u8>> = changed.take_while(|path| path.starts_with(&prefix)).cloned().collect();
        for path in inside {
            self.forget(is_below, &path);
        }
        self.forget(is_below, &path);
        if self.tree.get(&path).is_some() {
            self.put_at(Place { is_below, path: path.into_owned().into() }, None)
        } else {
            Ok(())
        }
    }

    /// Copies a file with its mode.
    pub(in crate::handlers::shell) fn copy(&mut self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
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
    pub(in crate::handlers::shell) fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
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
        let Place { is_below, path: own } = self.place(&path);
        if let Some(Some(Node { kind: Kind::File { fresh, .. }, .. })) = self.side_mut(is_below).nodes.get_mut(&own[..])
        {
            *fresh = false;
        }
        self.remove(&path)
    }

    /// Sets the permission bits.
    pub(in crate::handlers::shell) fn set_mode(&mut self, path: &[u8], mode: u16) -> Result<(), Fault> {
        let (path, node) = self.find(path)?;
        let node = node.clone();
        if self.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        if node.mode == mode {
            return Ok(());
        }
        let Place { is_below, path: own } = self.place(&path);
        if let Some(Some(node)) = self.side_mut(is_below).nodes.get_mut(&own[..]) {
            node.mode = mode;
            return Ok(());
        }
        let node = Node { mode, ..node };
        self.put(path, Some(node))
    }

    fn put(&mut self, path: Vec<u8>, node: Option<Node>) -> Result<(), Fault> {
        let Place { is_below, path } = self.place(&path);
        self.put_at(Place { is_below, path: path.into_owned().into() }, node)
    }

    fn put_at(&mut self, Place { is_below, path }: Place<'static>, node: Option<Node>) -> Result<(), Fault> {
        self.keep_sample_of(is_below, &path, false);
        let room = self.device.room();
        let side = self.side_mut(is_below);
        let cost = ENTRY + path.len() + node.as_ref().map_or(0, Node::kept);
        let before = side.nodes.get(&path[..]).map(|node| ENTRY + path.len() + node.as_ref().map_or(0, Node::kept));
        if before.is_none() && side.nodes.len() >= MAX_FILES {
            return Err(Fault::Full);
        }
        side.shrink(before.unwrap_or(0));
        if let Err(fault) = side.grow(room, cost) {
            side.grow(room, before.unwrap_or(0))?;
            return Err(fault);
        }
        side.nodes.insert(path.into_owned(), node);
        Ok(())
    }

    fn forget(&mut self, is_below: bool, path: &[u8]) {
        self.keep_sample_of(is_below, path, false);
        let side = self.side_mut(is_below);
        if let Some(node) = side.nodes.remove(path) {
            side.shrink(ENTRY + path.len() + node.as_ref().map_or(0, Node::kept));
        }
    }

    /// Takes a file of the visitor's as a sample, if it was not taken before: always when it is executed, else when it looks like one.
    pub(in crate::handlers::shell) fn keep_sample(&mut self, path: &[u8], executed: bool) {
        let Place { is_below, path } = self.place(path);
        self.keep_sample_of(is_below, &path, executed);
    }

    fn keep_sample_of(&mut self, is_below: bool, path: &[u8], executed: bool) {
        let Some(Some(Node { kind: Kind::File { content: Content::Kept(bytes), fresh }, .. })) =
            self.side_mut(is_below).nodes.get_mut(path)
        else {
            return;
        };
        let looks = bytes.len() >= SAMPLE || bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!");
        if *fresh && (executed || looks) {
            *fresh = false;
            let sample = Sample { path: path.to_vec(), bytes: bytes.clone() };
            self.samples.push(sample);
        }
    }

    /// Takes every file of the visitor's that was not taken before: its session ends.
    pub(in crate::handlers::shell) fn keep_all_samples(&mut self) {
        for is_below in [false, true] {
            let paths: Vec<Vec<u8>> = self.side(is_below).nodes.keys().cloned().collect();
            for path in paths {
                self.keep_sample_of(is_below, &path, false);
            }
        }
    }
}
