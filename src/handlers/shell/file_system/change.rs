//! Whatever changes files, and what is kept of those that visitors bring.

use super::overlay::{ENTRY, MAX_FILES};
use super::{Fault, FileSystem, Sample, parent};
use crate::handlers::shell::tree::{Content, Kind, Node};

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
        if self.device.is_read_only(&path) {
            return Err(Fault::ReadOnly);
        }
        if !self.is_root && !self.device.lets_anyone_write(&path) {
            return Err(Fault::Denied);
        }
        Ok(path)
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

    /// Makes a directory that the visitor has sent, unless it is there.
    pub(in crate::handlers) fn make(&mut self, path: &[u8]) -> Result<(), &'static str> {
        if self.is_directory(path) { Ok(()) } else { self.make_directory(path).map_err(Fault::text) }
    }

    /// Adds to the end of a file, which is made when it is not there.
    pub(in crate::handlers::shell) fn append(&mut self, path: &[u8], more: &[u8]) -> Result<(), Fault> {
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
        if let Some(Some(Node { kind: Kind::File { fresh, .. }, .. })) = self.overlay.nodes.get_mut(&path) {
            *fresh = false;
        }
        self.remove(&path)
    }

    /// Sets the permission bits.
    pub(in crate::handlers::shell) fn set_mode(&mut self, path: &[u8], mode: u16) -> Result<(), Fault> {
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

    fn forget(&mut self, path: &[u8]) {
        self.keep_sample(path, false);
        if let Some(node) = self.overlay.nodes.remove(path) {
            self.overlay.shrink(ENTRY + path.len() + node.as_ref().map_or(0, Node::kept));
        }
    }

    /// Takes a file of the visitor's as a sample, if it was not taken before: always when it is executed, else when it looks like one.
    pub(in crate::handlers::shell) fn keep_sample(&mut self, path: &[u8], executed: bool) {
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
    pub(in crate::handlers::shell) fn keep_all_samples(&mut self) {
        let paths: Vec<Vec<u8>> = self.overlay.nodes.keys().cloned().collect();
        for path in paths {
            self.keep_sample(&path, false);
        }
    }
}
