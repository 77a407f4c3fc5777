//! What goes on at the server (MS-SRVS 3.1.4.2 to 3.1.4.6, MS-WKST 3.2.4.3): sessions, connections, files, drives, users. Administrators are
//! told of themselves; others are told no more than that they may not know.

use super::Caller;
use super::ndr::{Results, Stub};

/// Results of MS-ERREF 2.2.
const ACCESS_DENIED: u32 = 5;
const INVALID_LEVEL: u32 = 124;

/// Reads the texts before the level, and the level.
fn level(stub: &mut Stub<'_>, texts: usize) -> Option<u32> {
    for _ in 0..texts {
        stub.pointed_text(true)?;
    }
    stub.long()
}

/// A container with this many entries, its pointer and its count.
fn opened(level: u32, count: u32) -> Results {
    let mut out = Results::default();
    out.long(level).long(level).pointer().long(count);
    if count == 0 {
        out.long(0);
    } else {
        out.pointer().long(count);
    }
    out
}

/// How many there are, no handle to go on with, and how it ended.
fn closed(mut out: Results, count: u32, result: u32) -> Vec<u8> {
    out.long(count).long(0).returning(result)
}

/// NetrConnectionEnum and NetrFileEnum: nobody else is connected, nothing is open.
pub(super) fn none(caller: &Caller<'_>, stub: &mut Stub<'_>, texts: usize) -> Option<Vec<u8>> {
    let level = level(stub, texts)?;
    Some(closed(opened(level, 0), 0, if caller.is_admin { 0 } else { ACCESS_DENIED }))
}

/// NetrSessionEnum: the visitor's own.
pub(super) fn sessions(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let level = level(stub, 3)?;
    let is_told = caller.is_admin || matches!(level, 0 | 10) && !caller.user.is_empty();
    if !matches!(level, 0 | 1 | 2 | 10 | 502) || !is_told {
        let result = if is_told { INVALID_LEVEL } else { ACCESS_DENIED };
        return Some(closed(opened(level, 0), 0, result));
    }
    let mut out = opened(level, 1);
    out.pointer();
    if level != 0 {
        out.pointer();
    }
    match level {
        // Seconds that it lasts and is idle; before them what is open, after them flags, and what the client and its way are.
        10 => out.long(0).long(0),
        1 => out.long(1).long(0).long(0).long(0),
        2 => out.long(1).long(0).long(0).long(0).pointer(),
        502 => out.long(1).long(0).long(0).long(0).pointer().pointer(),
        _ => &mut out,
    };
    out.text(&format!("\\\\{}", caller.source));
    if level != 0 {
        out.text(caller.user);
    }
    if matches!(level, 2 | 502) {
        out.text("");
    }
    if level == 502 {
        out.text("");
    }
    Some(closed(out, 1, 0))
}

/// NetrServerDiskEnum: the drive and one for discs.
pub(super) fn drives(caller: &Caller<'_>) -> Vec<u8> {
    const DRIVES: [&str; 2] = ["C:", "D:"];
    let mut out = Results::default();
    if !caller.is_admin {
        return out.long(0).long(0).long(0).long(0).returning(ACCESS_DENIED);
    }
    let count = DRIVES.len();
    out.count(count).pointer().count(count).long(0).count(count);
    for drive in DRIVES {
        out.long(0).count(drive.len() + 1).characters(drive);
    }
    out.count(count).long(0).returning(0)
}

/// NetrWkstaUserEnum: who sits at the machine.
pub(super) fn users(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let level = level(stub, 1)?;
    if !caller.is_admin || level > 1 {
        let result = if caller.is_admin { INVALID_LEVEL } else { ACCESS_DENIED };
        return Some(closed(opened(level, 0), 0, result));
    }
    let mut out = opened(level, 1);
    out.pointer();
    if level == 1 {
        out.pointer().pointer().pointer();
    }
    out.text("Administrator");
    if level == 1 {
        out.text(&caller.host.name).text("").text(&caller.host.name);
    }
    Some(closed(out, 1, 0))
}
