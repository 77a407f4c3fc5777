//! srvsvc (MS-SRVS) and wkssvc (MS-WKST): shares and what kind of server this is.

use super::super::host::{SHARES, Share};
use super::activity;
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};

/// Results of MS-ERREF 2.2.
const ACCESS_DENIED: u32 = 5;
const INVALID_LEVEL: u32 = 124;
const NO_SUCH_SHARE: u32 = 2310;
/// SV_TYPE_WORKSTATION, SERVER, NT (MS-SRVS 2.2.2.7).
const SERVER_TYPE: u32 = 0x0000_1003;
/// SV_PLATFORM_ID_NT.
const PLATFORM_NT: u32 = 500;

pub(super) fn server(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    let mut stub = Stub::new(stub);
    match operation {
        // NetrConnectionEnum, NetrFileEnum, NetrSessionEnum, NetrServerDiskEnum
        8 => activity::none(caller, &mut stub, 2),
        9 => activity::none(caller, &mut stub, 3),
        12 => activity::sessions(caller, &mut stub),
        23 => Some(activity::drives(caller)),
        // NetrShareEnum, NetrShareEnumSticky
        15 | 36 => enumerate(caller, &mut stub),
        16 => share(caller, &mut stub),
        21 => about(caller, &mut stub),
        28 => time(caller),
        30..=32 => path(operation, &mut stub),
        10..=57 => return Err(DENIED),
        _ => return Err(NO_SUCH_OPERATION),
    }
    .ok_or(BAD_STUB)
}

/// NetrShareEnum (MS-SRVS 3.1.4.8): levels 0, 1 and, for administrators, 2 and 502.
fn enumerate(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, level, _) = (stub.pointed_text(true)?, stub.long()?, stub.long()?);
    let mut out = Results::default();
    out.long(level).long(level);
    let result = match level {
        0 | 1 => 0,
        2 | 502 if caller.is_admin => 0,
        2 | 501 | 502 => ACCESS_DENIED,
        _ => return Some(out.long(0).long(0).long(0).returning(INVALID_LEVEL)),
    };
    out.pointer();
    if result != 0 {
        return Some(out.long(0).long(0).long(0).long(0).returning(result));
    }
    let count = SHARES.len() as u32;
    out.long(count).pointer().long(count);
    SHARES.iter().for_each(|share| put_fields(&mut out, share, level));
    SHARES.iter().for_each(|share| put_texts(&mut out, share, level));
    Some(out.long(count).pointer().long(0).returning(result))
}

/// The fixed part of SHARE_INFO_0, 1, 2 and 502 (MS-SRVS 2.2.4.22 to 2.2.4.26).
fn put_fields(out: &mut Results, share: &Share, level: u32) {
    out.pointer();
    if level > 0 {
        out.long(share.code).pointer();
    }
    if level > 1 {
        // Permissions, uses (unlimited), users now, path, no password.
        out.long(0).long(u32::MAX).long(1).pointer().long(0);
    }
    if level == 502 {
        // No security descriptor.
        out.long(0).long(0);
    }
}

/// What its pointers point to.
fn put_texts(out: &mut Results, share: &Share, level: u32) {
    out.text(share.name);
    if level > 0 {
        out.text(share.comment);
    }
    if level > 1 {
        out.text(match share.name {
            "ADMIN$" => "C:\\Windows",
            "C$" => "C:\\",
            "Users" => "C:\\Users",
            _ => "",
        });
    }
}

/// NetrShareGetInfo (MS-SRVS 3.1.4.10): levels 0, 1 and, for administrators, 2 and 502.
fn share(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, name, level) = (stub.pointed_text(true)?, stub.text(true)?, stub.long()?);
    let mut out = Results::default();
    out.long(level);
    let found = SHARES.into_iter().find(|share| share.name.eq_ignore_ascii_case(&name));
    let (share, result) = match (found, level) {
        (None, _) => return Some(out.long(0).returning(NO_SUCH_SHARE)),
        (Some(share), 0 | 1) => (share, 0),
        (Some(share), 2 | 502) if caller.is_admin => (share, 0),
        (Some(_), 2 | 501 | 502) => return Some(out.long(0).returning(ACCESS_DENIED)),
        _ => return Some(out.long(0).returning(INVALID_LEVEL)),
    };
    out.pointer();
    put_fields(&mut out, &share, level);
    put_texts(&mut out, &share, level);
    Some(out.returning(result))
}

/// NetrServerGetInfo (MS-SRVS 3.1.4.17): levels 100, 101 and, for administrators, 102.
fn about(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, level) = (stub.pointed_text(true)?, stub.long()?);
    let mut out = Results::default();
    out.long(level);
    match level {
        100 => {
            out.pointer().long(PLATFORM_NT).pointer().text(&caller.host.name);
        }
        101 | 102 if level == 101 || caller.is_admin => {
            let version = caller.host.version;
            out.pointer().long(PLATFORM_NT).pointer();
            out.long(version.major.into()).long(version.minor.into()).long(SERVER_TYPE).pointer();
            if level == 102 {
                // Users at most, minutes until they are dropped, visible, announced each 240 s, give or take 3 s, licenses, a path.
                out.long(20).long(15).long(0).long(240).long(3000).long(0).pointer();
            }
            out.text(&caller.host.name).text("");
            if level == 102 {
                out.text("c:\\");
            }
        }
        102 | 103 | 502 | 503 => return Some(out.long(0).returning(ACCESS_DENIED)),
        _ => return Some(out.long(0).returning(INVALID_LEVEL)),
    }
    Some(out.returning(0))
}

/// NetprPathType, NetprPathCanonicalize, NetprPathCompare (MS-SRVS 3.1.4.28 to 3.1.4.30). Paths that lead upwards are no names since MS08-067.
fn path(operation: u16, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    const INVALID_NAME: u32 = 123;
    /// ITYPE_PATH_ABSD and ITYPE_PATH_RELND: from the root, and from elsewhere (MS-SRVS 2.2.2.9).
    const FROM_ROOT: u32 = 0x1001;
    const FROM_ELSEWHERE: u32 = 0x1000;
    const MAX_ROOM: u32 = 4096;
    let (_, path) = (stub.pointed_text(true)?, stub.text(true)?);
    let is_name =
        |path: &str| !path.is_empty() && !path.contains("..") && !path.contains(['*', '?', '<', '>', '|', '"']);
    let result = if is_name(&path) { 0 } else { INVALID_NAME };
    let kind = if path.starts_with('\\') { FROM_ROOT } else { FROM_ELSEWHERE };
    let mut out = Results::default();
    Some(match operation {
        30 => out.long(if result == 0 { kind } else { 0 }).returning(result),
        31 => {
            let (room, before) = (stub.long()?.min(MAX_ROOM), stub.text(true)?);
            let whole = if before.is_empty() { path } else { format!("{before}\\{}", path.trim_start_matches('\\')) };
            let mut bytes = super::super::wire::utf16(&format!("{whole}\0"));
            bytes.resize(usize::try_from(room).ok()?, 0);
            out.long(room).put(&bytes).long(kind).returning(result)
        }
        _ => {
            let other = stub.text(true)?;
            let order = path.to_lowercase().cmp(&other.to_lowercase()) as i32;
            // Less is -1, as a number without sign.
            out.returning(if is_name(&other) && result == 0 { order.cast_unsigned() } else { INVALID_NAME })
        }
    })
}

/// NetrRemoteTOD (MS-SRVS 3.1.4.21).
fn time(caller: &Caller<'_>) -> Option<Vec<u8>> {
    let micros = caller.now.as_micros();
    let time = jiff::Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    let up = caller.now.saturating_since(caller.host.booted).as_millis();
    let field = |value: i8| u32::try_from(value).unwrap_or(0);
    let mut out = Results::default();
    out.pointer().long(u32::try_from(micros / 1_000_000).unwrap_or(0)).long(u32::try_from(up & 0xffff_ffff).ok()?);
    out.long(field(time.hour())).long(field(time.minute())).long(field(time.second()));
    // Hundredths, minutes west of UTC, the tick in 1/10000 s.
    out.long(u32::try_from(micros % 1_000_000 / 10_000).ok()?).long(0).long(310);
    out.long(field(time.day())).long(field(time.month())).long(u32::try_from(time.year()).ok()?);
    out.long(field(time.weekday().to_sunday_zero_offset()));
    Some(out.returning(0))
}

/// NetrWkstaGetInfo (MS-WKST 3.2.4.1) and NetrWkstaUserEnum.
pub(super) fn workstation(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    let mut stub = Stub::new(stub);
    match operation {
        0 => about_workstation(caller, &mut stub),
        2 => activity::users(caller, &mut stub),
        20 => join(caller, &mut stub),
        1..=30 => return Err(DENIED),
        _ => return Err(NO_SUCH_OPERATION),
    }
    .ok_or(BAD_STUB)
}

/// Level 100, for who has a login 101, and for administrators 102.
fn about_workstation(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    stub.pointed_text(true)?;
    let level = stub.long()?;
    let mut out = Results::default();
    out.long(level);
    match level {
        100 => {}
        101 | 102 if caller.is_admin => {}
        101 | 102 | 502 => return Some(out.long(0).returning(ACCESS_DENIED)),
        _ => return Some(out.long(0).returning(INVALID_LEVEL)),
    }
    let version = caller.host.version;
    out.pointer().long(PLATFORM_NT).pointer().pointer().long(version.major.into()).long(version.minor.into());
    if level > 100 {
        out.pointer();
    }
    if level == 102 {
        // One user is logged on.
        out.long(1);
    }
    out.text(&caller.host.name).text(&caller.host.workgroup);
    if level > 100 {
        out.text("");
    }
    Some(out.returning(0))
}

/// NetrGetJoinInformation (MS-WKST 3.2.4.16): the workgroup, and that it is one.
fn join(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    const WORKGROUP: u16 = 2;
    stub.pointed_text(true)?;
    let mut out = Results::default();
    if caller.user.is_empty() {
        return Some(out.long(0).short(0).returning(ACCESS_DENIED));
    }
    out.pointer().text(&caller.host.workgroup).short(WORKGROUP);
    Some(out.returning(0))
}
