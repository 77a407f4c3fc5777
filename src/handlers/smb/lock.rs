//! Byte ranges of files that visitors lock (MS-FSA 2.1.5.7, 2.1.5.8), among all connections of a source.

use super::claim::{Claims, Owner};
use super::status::Status;

/// Locks on one open file.
const MAX: usize = 64;

/// A range that is locked, or to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) is_exclusive: bool,
    /// The visitor's process, which only SMB1 tells.
    pub(super) process: u16,
}

impl Lock {
    /// An empty range stands between two bytes: it is in the way of what has both, not of another empty one.
    const fn overlaps(&self, other: &Self) -> bool {
        let (end, other_end) = (self.offset.saturating_add(self.len), other.offset.saturating_add(other.len));
        match (self.len, other.len) {
            (0, 0) => false,
            (0, _) => other.offset < self.offset && self.offset < other_end,
            (_, 0) => self.offset < other.offset && other.offset < end,
            _ => {
                self.offset <= other.offset.saturating_add(other.len - 1)
                    && other.offset <= self.offset.saturating_add(self.len - 1)
            }
        }
    }
}

impl Claims {
    /// Locks all ranges or none. An exclusive one suffers no other lock, a shared one none that others have exclusively.
    pub(super) fn lock(&mut self, owner: Owner, wanted: &[Lock]) -> Result<(), Status> {
        if wanted.iter().any(|lock| lock.offset.checked_add(lock.len.saturating_sub(1)).is_none()) {
            return Err(Status::INVALID_LOCK_RANGE);
        }
        for lock in wanted {
            let is_denied = |(own, held): (bool, &Lock)| {
                held.overlaps(lock)
                    && (lock.is_exclusive || held.is_exclusive && !(own && held.process == lock.process))
            };
            if self.locks(owner).any(is_denied) {
                let claim = self.find_mut(owner).ok_or(Status::FILE_CLOSED)?;
                let again = claim.refused.replace(lock.offset) == Some(lock.offset);
                return Err(if again && lock.process != 0 {
                    Status::FILE_LOCK_CONFLICT
                } else {
                    Status::LOCK_NOT_GRANTED
                });
            }
        }
        let claim = self.find_mut(owner).ok_or(Status::FILE_CLOSED)?;
        if claim.locks.len() + wanted.len() > MAX {
            return Err(Status::INSUFFICIENT_RESOURCES);
        }
        claim.locks.extend_from_slice(wanted);
        Ok(())
    }

    /// Unlocks a range that is locked exactly so, an exclusive one first.
    pub(super) fn unlock(&mut self, owner: Owner, (offset, len): (u64, u64), process: u16) -> Result<(), Status> {
        let locks = &mut self.find_mut(owner).ok_or(Status::FILE_CLOSED)?.locks;
        let is_meant = |lock: &Lock| (lock.offset, lock.len, lock.process) == (offset, len, process);
        let exclusive = locks.iter().position(|lock| is_meant(lock) && lock.is_exclusive);
        let at = exclusive.or_else(|| locks.iter().position(is_meant));
        locks.remove(at.ok_or(Status::RANGE_NOT_LOCKED)?);
        Ok(())
    }

    /// Whether a range may be read or written: nobody else has locked it, exclusively for a read.
    pub(super) fn may_touch(&self, owner: Owner, range: Lock) -> Result<(), Status> {
        let is_denied = |(own, held): (bool, &Lock)| {
            let own = own && held.process == range.process;
            held.overlaps(&range)
                && if range.is_exclusive { !own || !held.is_exclusive } else { !own && held.is_exclusive }
        };
        if range.len > 0 && self.locks(owner).any(is_denied) { Err(Status::FILE_LOCK_CONFLICT) } else { Ok(()) }
    }

    /// Locks on what this has open, and whether they are its own.
    fn locks(&self, owner: Owner) -> impl Iterator<Item = (bool, &Lock)> {
        let claims = self.find(owner).into_iter().flat_map(|claim| self.at(&claim.path));
        claims.flat_map(move |claim| claim.locks.iter().map(move |lock| (claim.owner == owner, lock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_range_is_in_the_way_of_what_lies_on_both_sides_of_it() {
        let at = |offset: u64, len: u64| Lock { offset, len, is_exclusive: true, process: 0 };
        for (one, other, expected) in [
            ((0, 10), (9, 1), true),
            ((0, 10), (10, 1), false),
            ((5, 0), (0, 10), true),
            ((0, 10), (10, 0), false),
            ((0, 10), (0, 0), false),
            ((5, 0), (5, 0), false),
            ((u64::MAX, 1), (0, u64::MAX), false),
            ((u64::MAX, 1), (u64::MAX, 1), true),
        ] {
            assert_eq!(at(one.0, one.1).overlaps(&at(other.0, other.1)), expected, "{one:?} {other:?}");
        }
    }
}
