//! Byte ranges of files that visitors lock (MS-FSA 2.1.5.7, 2.1.5.8), among the files of one connection.

use super::open::Open;
use super::opens::Opens;
use super::status::Status;

/// Locks on one open file.
const MAX: usize = 64;

/// A range that is locked, or to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) is_exclusive: bool,
}

impl Lock {
    const fn overlaps(&self, other: &Self) -> bool {
        let ends_after = self.offset.saturating_add(self.len) > other.offset;
        self.len > 0 && other.len > 0 && ends_after && other.offset.saturating_add(other.len) > self.offset
    }
}

impl Opens {
    /// Locks all ranges or none. An exclusive one suffers no other lock, a shared one none that others have exclusively.
    pub(super) fn lock(&mut self, file: u16, wanted: &[Lock]) -> Result<(), Status> {
        if wanted.iter().any(|lock| lock.offset.checked_add(lock.len.saturating_sub(1)).is_none()) {
            return Err(Status::INVALID_LOCK_RANGE);
        }
        let is_denied = |own: bool, held: &Lock, lock: &Lock| {
            held.overlaps(lock) && (lock.is_exclusive || held.is_exclusive && !own)
        };
        for lock in wanted {
            if self.locks(file).any(|(own, held)| is_denied(own, held, lock)) {
                return Err(Status::LOCK_NOT_GRANTED);
            }
        }
        let open = self.find(file).ok_or(Status::FILE_CLOSED)?;
        if open.locks.len() + wanted.len() > MAX {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        open.locks.extend_from_slice(wanted);
        Ok(())
    }

    /// Unlocks a range that is locked exactly so.
    pub(super) fn unlock(&mut self, file: u16, (offset, len): (u64, u64)) -> Result<(), Status> {
        let open = self.find(file).ok_or(Status::FILE_CLOSED)?;
        let at = open.locks.iter().position(|lock| (lock.offset, lock.len) == (offset, len));
        open.locks.remove(at.ok_or(Status::RANGE_NOT_LOCKED)?);
        Ok(())
    }

    /// Whether a range may be read or written: nobody else has locked it, exclusively for a read.
    pub(super) fn may_touch(&self, file: u16, offset: u64, len: usize, writes: bool) -> Result<(), Status> {
        let range = Lock { offset, len: len as u64, is_exclusive: writes };
        let is_denied = |own: bool, held: &Lock| {
            held.overlaps(&range) && if writes { !own || !held.is_exclusive } else { !own && held.is_exclusive }
        };
        if self.locks(file).any(|(own, held)| is_denied(own, held)) { Err(Status::FILE_LOCK_CONFLICT) } else { Ok(()) }
    }

    /// Locks on what this file has open, and whether they are its own.
    fn locks(&self, file: u16) -> impl Iterator<Item = (bool, &Lock)> {
        let place = self.iter().find(|open| open.id == file);
        let same = move |open: &&Open| place.is_some_and(|place| place.is_same_place(open));
        self.iter().filter(same).flat_map(move |open| open.locks.iter().map(move |lock| (open.id == file, lock)))
    }
}
