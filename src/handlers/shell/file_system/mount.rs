//! What is mounted in a container: directories of the machine below it, its volumes among them, under paths of the container.

use std::borrow::Cow;

use super::{FileSystem, Overlay};

/// A path of the container that shows a path of the machine.
#[derive(Debug, Clone)]
pub(in crate::handlers::shell) struct Mount {
    pub(in crate::handlers::shell) at: Vec<u8>,
    pub(in crate::handlers::shell) from: Vec<u8>,
    pub(in crate::handlers::shell) read_only: bool,
}

/// The machine below a container.
#[derive(Debug)]
pub(in crate::handlers::shell) struct Below<'a> {
    pub(in crate::handlers::shell) overlay: &'a mut Overlay,
    pub(in crate::handlers::shell) mounts: &'a [Mount],
    /// The container's own files are not to be changed.
    pub(in crate::handlers::shell) is_read_only: bool,
}

/// Whose file a path means, and how it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<'p> {
    pub(super) is_below: bool,
    pub(super) path: Cow<'p, [u8]>,
}

impl<'a> FileSystem<'a> {
    /// Over the machine that this container runs on.
    pub(in crate::handlers::shell) fn over(self, below: Option<Below<'a>>) -> Self {
        Self { below, ..self }
    }

    /// What the visitor takes for `/` from now on (chroot(2)); empty: what it is.
    pub(in crate::handlers::shell) fn set_root(&mut self, root: &[u8]) {
        root.clone_into(&mut self.root);
    }

    /// The true name of a directory that is to be the root.
    pub(in crate::handlers::shell) fn below_root(&self, path: &[u8]) -> Vec<u8> {
        let joined = [&self.root[..], path].concat();
        if joined.ends_with(b"/") { joined.get(..joined.len() - 1).unwrap_or_default().to_vec() } else { joined }
    }

    pub(super) fn place<'p>(&self, path: &'p [u8]) -> Place<'p> {
        let path = if self.root.is_empty() { Cow::Borrowed(path) } else { self.below_root(path).into() };
        match self.mount(&path).and_then(|mount| Some((mount, rest(&path, &mount.at)?))) {
            Some((mount, rest)) => Place { is_below: true, path: joined(&mount.from, rest).into() },
            None => Place { is_below: false, path: if path.is_empty() { Cow::Borrowed(b"/") } else { path } },
        }
    }

    /// Nothing below this path is to be changed.
    pub(super) fn is_read_only(&self, path: &[u8]) -> bool {
        let true_path = self.below_root(path);
        let is_mounted_so = self.below.as_ref().is_some_and(|below| {
            self.mount(&true_path).map_or(below.is_read_only, |mount| mount.read_only)
                && !true_path.starts_with(b"/dev/")
        });
        is_mounted_so || self.device.is_read_only(&self.place(path).path)
    }

    /// What the engine says where nothing may be put (`docker cp`).
    pub(in crate::handlers) fn refuses_all(&self, path: &[u8]) -> Option<&'static str> {
        let is_mounted = self.mount(path).is_some();
        let why =
            if is_mounted { "mounted volume is marked read-only" } else { "container rootfs is marked read-only" };
        self.is_read_only(path).then_some(why)
    }

    /// The innermost mount that holds this path.
    fn mount(&self, path: &[u8]) -> Option<&Mount> {
        let mounts = self.below.as_ref()?.mounts.iter();
        mounts.filter(|mount| rest(path, &mount.at).is_some()).max_by_key(|mount| mount.at.len())
    }

    pub(super) fn side(&self, is_below: bool) -> &Overlay {
        match &self.below {
            Some(below) if is_below => below.overlay,
            _ => self.overlay,
        }
    }

    pub(super) fn side_mut(&mut self, is_below: bool) -> &mut Overlay {
        match &mut self.below {
            Some(below) if is_below => below.overlay,
            _ => self.overlay,
        }
    }
}

/// What follows `top` in a path that is it or below it.
fn rest<'p>(path: &'p [u8], top: &[u8]) -> Option<&'p [u8]> {
    path.strip_prefix(top).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn joined(from: &[u8], rest: &[u8]) -> Vec<u8> {
    let path = [from.strip_suffix(b"/").unwrap_or(from), rest].concat();
    if path.is_empty() { b"/".to_vec() } else { path }
}
