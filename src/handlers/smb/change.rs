//! What changes on the drive, for those that watch a directory (MS-FSA 2.1.5.11, MS-FSCC 2.7.1).

use std::collections::VecDeque;

use super::path::{below, same, split};
use super::wire::{Put, patch, utf16};

/// Changes that are remembered of one source while it watches: who is told of more lists the directory again.
const MAX: usize = 32;

/// FILE_ACTION_* (MS-FSCC 2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Added = 1,
    Removed = 2,
    Modified = 3,
    RenamedFrom = 4,
    RenamedTo = 5,
}

/// Bits of CompletionFilter (MS-SMB2 2.2.35).
pub(super) mod kind {
    pub(in super::super) const FILE_NAME: u32 = 0x001;
    pub(in super::super) const DIRECTORY_NAME: u32 = 0x002;
    pub(in super::super) const ATTRIBUTES: u32 = 0x004;
    pub(in super::super) const SIZE: u32 = 0x008;
    pub(in super::super) const WRITTEN: u32 = 0x010;
    pub(in super::super) const ACCESSED: u32 = 0x020;
    pub(in super::super) const CREATED: u32 = 0x040;
    pub(in super::super) const SECURITY: u32 = 0x100;
}

#[derive(Debug, PartialEq, Eq)]
struct Change {
    /// On the drive.
    path: String,
    action: Action,
    kinds: u32,
}

/// The last changes, numbered on.
#[derive(Debug, Default)]
pub(super) struct Changes {
    list: VecDeque<Change>,
    /// The number of the first.
    first: u64,
}

/// What one watches that has a directory open: decided by its first request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    pub(super) kinds: u32,
    pub(super) is_recursive: bool,
    /// Bytes that are told at once, however much room later requests have.
    pub(super) room: usize,
    /// The number of the change that it has not seen yet.
    pub(super) next: u64,
}

impl Changes {
    pub(super) fn next(&self) -> u64 {
        self.first + self.list.len() as u64
    }

    /// Remembers a change; one like the last is the last.
    pub(super) fn add(&mut self, path: &str, action: Action, kinds: u32) {
        let change = Change { path: path.to_owned(), action, kinds };
        if self.list.back() == Some(&change) && action == Action::Modified {
            return;
        }
        if self.list.len() >= MAX {
            self.list.pop_front();
            self.first += 1;
        }
        self.list.push_back(change);
    }

    /// Nobody watches any more.
    pub(super) fn forget(&mut self) {
        self.first = self.next();
        self.list.clear();
    }

    /// What a watch of this directory is told (FILE_NOTIFY_INFORMATION), which has then seen it: `None` when nothing has changed; empty when that
    /// is more than there is room for.
    pub(super) fn seen(&self, watch: &mut Watch, directory: &str, room: usize) -> Option<Vec<u8>> {
        let is_late = watch.next < self.first;
        let skip = usize::try_from(watch.next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        watch.next = self.next();
        let (mut out, mut last) = (Vec::new(), None);
        for change in self.list.iter().skip(skip).filter(|change| change.kinds & watch.kinds != 0) {
            let Some(name) = below(&change.path, directory).filter(|name| !name.is_empty()) else { continue };
            if !watch.is_recursive && !same(split(&change.path).0, directory) {
                continue;
            }
            out.align(4);
            if let Some(last) = last {
                let step = u32::try_from(out.len() - last).unwrap_or(0);
                patch(&mut out, last, &step.to_le_bytes());
            }
            last = Some(out.len());
            let name = utf16(name);
            out.put32(0).put32(change.action as u32).put_len32(name.len()).put(&name);
        }
        match last {
            _ if is_late => Some(Vec::new()),
            None => None,
            Some(_) if out.len() > room.min(watch.room) => Some(Vec::new()),
            Some(_) => Some(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::smb::wire::Fields;

    #[test]
    fn who_watches_is_told_what_lies_in_its_directory_and_of_its_kind_once() {
        let mut changes = Changes::default();
        let mut watch = Watch { kinds: kind::FILE_NAME, is_recursive: false, room: 1000, next: 0 };
        changes.add("Users\\a.txt", Action::Added, kind::FILE_NAME);
        changes.add("Users\\Public\\b.txt", Action::Added, kind::FILE_NAME);
        changes.add("Users\\a.txt", Action::Modified, kind::SIZE);
        changes.add("users\\c", Action::Removed, kind::FILE_NAME);
        let told = changes.seen(&mut watch, "Users", 1000).unwrap();
        assert_eq!([0, 4, 8].map(|at| told.le32(at)), [Some(24), Some(1), Some(10)]);
        assert_eq!((told.len(), told.le32(24), told.le32(28)), (24 + 14, Some(0), Some(2)));
        assert_eq!(changes.seen(&mut watch, "Users", 1000), None);
        let mut all = Watch { next: 0, is_recursive: true, ..watch };
        assert!(changes.seen(&mut all, "Users", 1000).is_some_and(|told| told.len() > 70));
        let mut all = Watch { next: 0, ..watch };
        assert_eq!(changes.seen(&mut all, "Users", 20), Some(Vec::new()), "no room");
    }

    #[test]
    fn who_comes_too_late_is_told_so() {
        let mut changes = Changes::default();
        let mut watch = Watch { kinds: kind::FILE_NAME, is_recursive: true, room: 1000, next: 0 };
        for number in 0..=MAX {
            changes.add(&format!("x{number}"), Action::Added, kind::FILE_NAME);
        }
        assert_eq!(changes.seen(&mut watch, "", 1000), Some(Vec::new()));
        changes.forget();
        assert_eq!(changes.seen(&mut watch, "", 1000), None);
    }
}
