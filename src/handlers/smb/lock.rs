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
    /// An empty range stands between two bytes: it is in the way of what has both, not of another empty one.
    const fn overlaps(&self, other: &Self) -> bool {
        let (end, other_end) = (self.offset.saturating_add(self.len), other.offset.saturating_add(other.len));
        match (self.len, other.len) {
            (0, 0) => false,
            (0, _) => other.offset < self.offset && self.offset < other_end,
            (_, 0) => self.offset < other.offset && other.offset < end,
            _ => self.offset < other_end && other.offset < end,
        }
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
        if len == 0 {
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_range_is_in_the_way_of_what_lies_on_both_sides_of_it() {
        let at = |offset: u64, len: u64| Lock { offset, len, is_exclusive: true };
        for (one, other, expected) in [
            ((0, 10), (9, 1), true),
            ((0, 10), (10, 1), false),
            ((5, 0), (0, 10), true),
            ((0, 10), (10, 0), false),
            ((0, 10), (0, 0), false),
            ((5, 0), (5, 0), false),
            ((u64::MAX, 1), (0, u64::MAX), false),
        ] {
            assert_eq!(at(one.0, one.1).overlaps(&at(other.0, other.1)), expected, "{one:?} {other:?}");
        }
    }
}
