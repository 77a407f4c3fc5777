//! Context handles (C706 section 14.2.16.6) that carry what they stand for, so that nothing must be remembered of them.

use super::Caller;
use crate::handlers::Random;

/// Bytes of a handle: attributes and a UUID.
pub(super) const LEN: usize = 20;

/// What a handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ServiceManager,
    Service,
    SamServer,
    SamDomain,
    User,
    Group,
    Alias,
    Policy,
    Key,
    Printer,
    Log,
    Mapper,
}

/// The handle of a thing with this number, which looks drawn and differs from session to session.
pub(super) fn handle(caller: &Caller<'_>, kind: Kind, number: u32) -> [u8; LEN] {
    let (first, mask) = drawn(caller);
    let tail = (u64::from(kind as u8) << 32 | u64::from(number)) ^ mask;
    let mut out = [0; LEN];
    for (to, from) in out.iter_mut().skip(4).zip([first, tail].iter().flat_map(|half| half.to_le_bytes())) {
        *to = from;
    }
    out
}

/// The number of a handle of this kind; `None` when this session was given no such handle.
pub(super) fn number(caller: &Caller<'_>, kind: Kind, handle: &[u8]) -> Option<u32> {
    let (first, mask) = drawn(caller);
    let head = [&[0; 4][..], &first.to_le_bytes()].concat();
    let tail = u64::from_le_bytes(handle.strip_prefix(head.as_slice())?.try_into().ok()?) ^ mask;
    (tail >> 32 == u64::from(kind as u8)).then(|| u32::try_from(tail & 0xffff_ffff).ok()).flatten()
}

fn drawn(caller: &Caller<'_>) -> (u64, u64) {
    let mut random = Random::new(caller.seed ^ 0x6861_6e64_6c65);
    (random.bits(), random.bits())
}
