//! What RPC tells about itself: the interfaces of a process (mgmt, C706 appendix Q) and those of the machine (epmapper, C706 appendix O).

use super::super::wire::Put;
use super::handle::{self, Kind, handle};
use super::interface::{INTERFACES, Process, Registered};
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NDR, NO_SUCH_OPERATION};

/// `ept_s_not_registered` (C706 appendix E): nothing more is there.
const NOT_REGISTERED: u32 = 0x16c9_a0d6;
/// Entries of one answer.
const MAX_ENTRIES: usize = 500;
/// Towers that a visitor may have room for.
const MAX_TOWERS: u32 = 500;
/// Protocols of a tower (C706 appendix I): UUID, connections, pipe, NetBIOS name.
const BY_UUID: u8 = 0x0d;
const CONNECTED: u8 = 0x0b;
const PIPE: u8 = 0x0f;
const NETBIOS: u8 = 0x11;

/// Interfaces that the endpoint mapper knows, the pipe of each, and what they say about themselves.
const MAPPED: [(&str, &str, &str); 5] = [
    ("samr", "\\PIPE\\lsass", ""),
    ("atsvc", "\\PIPE\\atsvc", ""),
    ("sasec", "\\PIPE\\atsvc", ""),
    ("ITaskSchedulerService", "\\PIPE\\atsvc", ""),
    ("eventlog", "\\PIPE\\eventlog", "Event log TCPIP"),
];

/// mgmt of a process: which interfaces it has; that it listens; nobody may stop it.
pub(super) fn management(process: Process, operation: u16, stub: &[u8]) -> Answer {
    let mut out = Results::default();
    Ok(match operation {
        // inq_if_ids
        0 => {
            let found: Vec<_> = INTERFACES.iter().filter(|known| known.process == Some(process)).collect();
            out.pointer().count(found.len()).count(found.len());
            found.iter().for_each(|_| {
                out.pointer();
            });
            for known in found {
                out.align(4).put(&known.uuid).short(major(known)).short(minor(known));
            }
            out.returning(0)
        }
        // inq_stats: calls and packets, in and out.
        1 => {
            let count = Stub::new(stub).long().ok_or(BAD_STUB)?.min(4);
            out.long(count).long(count);
            (0..count).for_each(|_| {
                out.long(0);
            });
            out.returning(0)
        }
        // is_server_listening: a truth value, and how it went.
        2 => out.long(0).returning(1),
        3 | 4 => return Err(DENIED),
        _ => return Err(NO_SUCH_OPERATION),
    })
}

/// epmapper: `ept_lookup` and `ept_map`.
pub(super) fn mapper(caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
    match operation {
        2 => lookup(caller, stub).ok_or(BAD_STUB),
        3 => map(stub).ok_or(BAD_STUB),
        // ept_lookup_handle_free
        4 => Ok(Results::default().put(&[0; handle::LEN]).returning(0)),
        0..=7 => Err(DENIED),
        _ => Err(NO_SUCH_OPERATION),
    }
}

/// What is registered with the mapper, and a handle to go on with when the visitor wants less than there is left of it.
fn lookup(caller: &Caller<'_>, stub: &[u8]) -> Option<Vec<u8>> {
    let most = usize::try_from(Stub::new(stub).last_long()?).unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
    let given = stub.get(stub.len().checked_sub(handle::LEN + 4)?..)?.get(..handle::LEN)?;
    let start = handle::number(caller, Kind::Mapper, given).unwrap_or(0);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let found: Vec<_> = entries().skip(start).take(most).collect();
    let next = start.saturating_add(found.len());
    // Where an answer is full there may be more.
    let goes_on = most > 0 && found.len() == most;
    let given = if goes_on { handle(caller, Kind::Mapper, u32::try_from(next).ok()?) } else { [0; handle::LEN] };
    let mut out = Results::default();
    out.put(&given).count(found.len());
    // A conformant varying array: room, offset, count; the entries; what their pointers point to.
    out.count(most).long(0).count(found.len());
    for (_, _, annotation) in &found {
        out.align(4).put(&[0; 16]).pointer().long(0).count(annotation.len() + 1);
        out.put(annotation.as_bytes()).put(&[0]);
    }
    for (known, pipe, _) in &found {
        let tower = tower(known, pipe, &caller.host.name);
        out.count(tower.len()).count(tower.len()).put(&tower);
    }
    Some(out.returning(if found.is_empty() { NOT_REGISTERED } else { 0 }))
}

/// `ept_map`: an interface that is asked for over a pipe; everything else is not registered.
fn map(stub: &[u8]) -> Option<Vec<u8>> {
    let most = Stub::new(stub).last_long()?.min(MAX_TOWERS);
    let asked = entries().find(|(known, ..)| memchr::memmem::find(stub, &known.uuid).is_some());
    let wants_pipe = memchr::memmem::find(stub, &[1, 0, PIPE]).is_some();
    let mut out = Results::default();
    out.put(&[0; handle::LEN]);
    let Some((known, pipe, _)) = asked.filter(|_| wants_pipe && most > 0) else {
        return Some(out.long(0).long(most).long(0).long(0).returning(NOT_REGISTERED));
    };
    let tower = tower(known, pipe, "");
    out.long(1).long(most).long(0).long(1).pointer().count(tower.len()).count(tower.len()).put(&tower);
    Some(out.returning(0))
}

fn entries() -> impl Iterator<Item = (&'static Registered, &'static str, &'static str)> {
    MAPPED.iter().filter_map(|(name, pipe, annotation)| {
        INTERFACES.iter().find(|known| known.interface.name() == *name).map(|known| (known, *pipe, *annotation))
    })
}

const fn major(known: &Registered) -> u16 {
    let [major, _] = known.version;
    major
}

const fn minor(known: &Registered) -> u16 {
    let [_, minor] = known.version;
    minor
}

/// A tower of five floors: interface, NDR, connections, pipe, machine; each is a protocol with its data, then more data.
fn tower(known: &Registered, pipe: &str, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.put16(5);
    let (id, version) = NDR.split_at_checked(16).unwrap_or_default();
    let mut syntax = |uuid: &[u8], major: &[u8], minor: u16| {
        out.put16(19).put8(BY_UUID).put(uuid).put(major).put16(2).put16(minor);
    };
    syntax(&known.uuid, &major(known).to_le_bytes(), minor(known));
    syntax(id, version.get(..2).unwrap_or_default(), 0);
    out.put16(1).put8(CONNECTED).put16(2).put16(0);
    for (protocol, text) in [(PIPE, pipe.to_owned()), (NETBIOS, format!("\\\\{name}"))] {
        out.put16(1).put8(protocol).put_len16(text.len() + 1).put(text.as_bytes()).put8(0);
    }
    out
}
