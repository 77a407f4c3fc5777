//! Byte ranges that are locked (MS-CIFS 2.2.4.32, 2.2.4.13, 2.2.4.14). Nobody waits: what is not free now is refused.

use super::super::lock::Lock;
use super::super::status::Status;
use super::super::wire::Fields;
use super::message::{ANDX, Block, Reply};
use super::{Peer, command};

/// Bits of TypeOfLock.
const SHARED: u8 = 0x01;
const CHANGES: u8 = 0x04;
const CANCELS: u8 = 0x08;
const LARGE: u8 = 0x10;
/// Bytes of a range, with offsets and lengths of 32 and of 64 bits.
const RANGE: usize = 10;
const LARGE_RANGE: usize = 20;

/// LOCKING_ANDX, LOCK and UNLOCK on what is open under this number.
pub(super) fn change(peer: &mut Peer<'_, '_>, command: u8, block: &Block<'_>, id: u16) -> Result<Reply, Status> {
    let words = block.words;
    let open = peer.core.opens.find(id).ok_or(Status::INVALID_HANDLE)?;
    let owner = open.owner(peer.cx);
    let claims = |work: &dyn Fn(&mut super::super::claim::Claims) -> Result<(), Status>| {
        peer.host.visitors.with(peer.cx.session().client.ip(), peer.cx.now(), |visitor| work(&mut visitor.claims))
    };
    if command != command::LOCKING_ANDX {
        let (Some(len), Some(offset)) = (words.le32(2), words.le32(6)) else { return Err(Status::INVALID_SMB) };
        let (len, offset, process) = (len.into(), offset.into(), block.header.pid);
        let lock = Lock { offset, len, is_exclusive: true, process };
        claims(&|claims| match command {
            command::LOCK => claims.lock(owner, &[lock]),
            _ => claims.unlock(owner, (offset, len), process),
        })?;
        return Ok(Reply::default());
    }
    let (Some(kind), Some(unlocks), Some(locks)) = (words.byte(6), words.at16(12), words.at16(14)) else {
        return Err(Status::INVALID_SMB);
    };
    if kind & CHANGES != 0 {
        return Err(Status::OS2_ATOMIC_LOCKS_NOT_SUPPORTED);
    }
    let ranges = ranges(block.data, unlocks + locks, kind & LARGE != 0).ok_or(Status::INVALID_SMB)?;
    let (unlocks, locks) = ranges.split_at_checked(unlocks).ok_or(Status::INVALID_SMB)?;
    if kind & CANCELS != 0 {
        // Nothing waits that could be given up.
        return Err(Status::OS2_CANCEL_VIOLATION);
    }
    let locks: Vec<Lock> = locks.iter().map(|lock| Lock { is_exclusive: kind & SHARED == 0, ..*lock }).collect();
    claims(&|claims| {
        for lock in unlocks {
            claims.unlock(owner, (lock.offset, lock.len), lock.process)?;
        }
        claims.lock(owner, &locks)
    })?;
    Ok(Reply::words(&ANDX))
}

/// So many ranges; `None` when there are fewer.
fn ranges(data: &[u8], count: usize, is_large: bool) -> Option<Vec<Lock>> {
    let len = if is_large { LARGE_RANGE } else { RANGE };
    let bytes = data.get(..count.checked_mul(len)?)?;
    let wide = |range: &[u8], at: usize| Some(u64::from(range.le32(at)?) << 32 | u64::from(range.le32(at + 4)?));
    let read = |range: &[u8]| {
        let (offset, len) =
            if is_large { (wide(range, 4)?, wide(range, 12)?) } else { (range.le32(2)?.into(), range.le32(6)?.into()) };
        Some(Lock { offset, len, is_exclusive: true, process: range.le16(0)? })
    };
    bytes.chunks_exact(len).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::smb::wire::Put;

    #[test]
    fn ranges_of_both_sizes_are_read_and_none_that_is_cut() {
        let mut small = Vec::new();
        small.put16(7).put32(4).put32(8);
        let lock = Lock { offset: 4, len: 8, is_exclusive: true, process: 7 };
        assert_eq!(ranges(&small, 1, false), Some(vec![lock]));
        let mut large = Vec::new();
        large.put16(7).put16(0).put32(1).put32(4).put32(0).put32(8);
        assert_eq!(ranges(&large, 1, true), Some(vec![Lock { offset: 1 << 32 | 4, ..lock }]));
        assert_eq!((ranges(&large, 2, true), ranges(&small, 1, true)), (None, None));
    }
}
