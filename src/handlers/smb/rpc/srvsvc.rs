//! srvsvc (MS-SRVS) and wkssvc (MS-WKST): shares and what kind of server this is.

use super::super::host::SHARES;
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, NO_SUCH_OPERATION};

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
        // NetrShareEnum, NetrShareEnumSticky
        15 | 36 => enumerate(&mut stub),
        16 => share(caller, &mut stub),
        21 => about(caller, &mut stub),
        28 => time(caller),
        _ => return Err(NO_SUCH_OPERATION),
    }
    .ok_or(BAD_STUB)
}

/// NetrShareEnum (MS-SRVS 3.1.4.8).
fn enumerate(stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, level, _) = (stub.pointed_text(true)?, stub.long()?, stub.long()?);
    let mut out = Results::default();
    out.long(level).long(level);
    let result = match level {
        0 | 1 => 0,
        2 | 501 | 502 => ACCESS_DENIED,
        _ => INVALID_LEVEL,
    };
    if result == INVALID_LEVEL {
        return Some(out.long(0).long(0).long(0).returning(result));
    }
    let count = if result == 0 { SHARES.len() as u32 } else { 0 };
    out.pointer().long(count);
    if count == 0 {
        return Some(out.long(0).long(0).long(0).returning(result));
    }
    out.pointer().long(count);
    for share in SHARES {
        out.pointer();
        if level == 1 {
            out.long(share.code).pointer();
        }
    }
    for share in SHARES {
        out.text(share.name);
        if level == 1 {
            out.text(share.comment);
        }
    }
    out.long(count);
    Some(out.pointer().long(0).returning(result))
}

/// NetrShareGetInfo (MS-SRVS 3.1.4.10): levels 0, 1 and, for administrators, 2.
fn share(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, name, level) = (stub.pointed_text(true)?, stub.text(true)?, stub.long()?);
    let mut out = Results::default();
    out.long(level);
    let found = SHARES.into_iter().find(|share| share.name.eq_ignore_ascii_case(&name));
    let (share, result) = match (found, level) {
        (None, _) => return Some(out.long(0).returning(NO_SUCH_SHARE)),
        (Some(share), 0 | 1) => (share, 0),
        (Some(share), 2) if caller.is_admin => (share, 0),
        (Some(_), 2 | 501 | 502) => return Some(out.long(0).returning(ACCESS_DENIED)),
        _ => return Some(out.long(0).returning(INVALID_LEVEL)),
    };
    out.pointer().pointer();
    if level > 0 {
        out.long(share.code).pointer();
    }
    if level == 2 {
        // Permissions, uses (unlimited), users now, path, password.
        out.long(0).long(u32::MAX).long(1).pointer().long(0);
    }
    out.text(share.name);
    if level > 0 {
        out.text(share.comment);
    }
    if level == 2 {
        out.text(match share.name {
            "ADMIN$" => "C:\\Windows",
            "C$" => "C:\\",
            "Users" => "C:\\Users",
            _ => "",
        });
    }
    Some(out.returning(result))
}

/// NetrServerGetInfo (MS-SRVS 3.1.4.17): levels 100 and 101.
fn about(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, level) = (stub.pointed_text(true)?, stub.long()?);
    let mut out = Results::default();
    out.long(level);
    match level {
        100 => {
            out.pointer().long(PLATFORM_NT).pointer().text(&caller.host.name);
        }
        101 => {
            let version = caller.host.version;
            out.pointer().long(PLATFORM_NT).pointer();
            out.long(version.major.into()).long(version.minor.into()).long(SERVER_TYPE).pointer();
            out.text(&caller.host.name).text("");
        }
        102 | 103 | 502 | 503 => return Some(out.long(0).returning(ACCESS_DENIED)),
        _ => return Some(out.long(0).returning(INVALID_LEVEL)),
    }
    Some(out.returning(0))
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

/// NetrWkstaGetInfo (MS-WKST 3.2.4.1), level 100.
pub(super) fn workstation(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    let mut stub = Stub::new(stub);
    if operation != 0 {
        return if operation <= 30 { Err(super::DENIED) } else { Err(NO_SUCH_OPERATION) };
    }
    stub.pointed_text(true).ok_or(BAD_STUB)?;
    let level = stub.long().ok_or(BAD_STUB)?;
    let mut out = Results::default();
    out.long(level);
    if level != 100 {
        let result = if matches!(level, 101 | 102 | 502) { ACCESS_DENIED } else { INVALID_LEVEL };
        return Ok(out.long(0).returning(result));
    }
    let version = caller.host.version;
    out.pointer().long(PLATFORM_NT).pointer().pointer().long(version.major.into()).long(version.minor.into());
    out.text(&caller.host.name).text(&caller.host.workgroup);
    Ok(out.returning(0))
}
