//! What RPC tells about itself: the interfaces of a process (mgmt, C706 appendix Q) and those of the machine (epmapper, C706 appendix O).

use std::net::IpAddr;

use super::super::wire::Put;
use super::handle::{self, Kind, handle};
use super::interface::{INTERFACES, Process, Registered};
use super::mapped::{Binding, Mapped, entries};
use super::ndr::{Results, Stub};
use super::{Answer, BAD_STUB, Caller, DENIED, NDR, NO_SUCH_OPERATION};

/// `ept_s_not_registered` (C706 appendix E): nothing more is there.
const NOT_REGISTERED: u32 = 0x16c9_a0d6;
/// Entries of one answer.
const MAX_ENTRIES: usize = 500;
/// Towers that a visitor may have room for.
const MAX_TOWERS: u32 = 500;
/// Protocols of a tower (C706 appendix I): UUID, connections, port, address, pipe, NetBIOS name, and both of a name on its own machine.
const BY_UUID: u8 = 0x0d;
const CONNECTED: u8 = 0x0b;
const PORT: u8 = 0x07;
const ADDRESS: u8 = 0x09;
const PIPE: u8 = 0x0f;
const NETBIOS: u8 = 0x11;
const LOCAL_CONNECTED: u8 = 0x0c;
const LOCAL: u8 = 0x10;

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
#[derive(Debug, Default)]
pub(super) struct Mapper {
    /// How far the last listing has come: its handle stays the same.
    listed: usize,
}

impl Mapper {
    pub(super) fn call(&mut self, caller: &Caller<'_>, operation: u16, stub: &[u8]) -> Answer {
        match operation {
            2 => self.lookup(caller, stub).ok_or(BAD_STUB),
            3 => map(caller, stub).ok_or(BAD_STUB),
            // ept_lookup_handle_free
            4 => Ok(Results::default().put(&[0; handle::LEN]).returning(0)),
            0..=7 => Err(DENIED),
            _ => Err(NO_SUCH_OPERATION),
        }
    }

    /// What is registered with the mapper, and a handle to go on with when the visitor wants less than there is left of it.
    fn lookup(&mut self, caller: &Caller<'_>, stub: &[u8]) -> Option<Vec<u8>> {
        let most = usize::try_from(Stub::new(stub).last_long()?).unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        let given = stub.get(stub.len().checked_sub(handle::LEN + 4)?..)?.get(..handle::LEN)?;
        if handle::number(caller, Kind::Mapper, given).is_none() {
            self.listed = 0;
        }
        let found: Vec<_> = entries().skip(self.listed).take(most).collect();
        self.listed += found.len();
        // Where an answer is full there may be more.
        let goes_on = most > 0 && found.len() == most;
        let given = if goes_on { handle(caller, Kind::Mapper, 0) } else { [0; handle::LEN] };
        let mut out = Results::default();
        out.put(&given).count(found.len());
        // A conformant varying array: room, offset, count; the entries; what their pointers point to.
        out.count(most).long(0).count(found.len());
        for (Mapped { annotation, .. }, _) in &found {
            out.align(4).put(&[0; 16]).pointer().long(0).count(annotation.len() + 1);
            out.put(annotation.as_bytes()).put(&[0]);
        }
        for (mapped, binding) in &found {
            let tower = tower(caller, mapped, *binding, &caller.host.name);
            out.count(tower.len()).count(tower.len()).put(&tower);
        }
        Some(out.returning(if found.is_empty() { NOT_REGISTERED } else { 0 }))
    }
}

/// `ept_map`: an interface that is asked for over a pipe or a port; everything else is not registered.
fn map(caller: &Caller<'_>, stub: &[u8]) -> Option<Vec<u8>> {
    let most = Stub::new(stub).last_long()?.min(MAX_TOWERS);
    let names = |bytes: &[u8]| memchr::memmem::find(stub, bytes).is_some();
    let wanted = [PORT, PIPE].into_iter().find(|protocol| names(&[1, 0, *protocol]));
    let is_wanted = |binding: Binding| match binding {
        Binding::Port(_) => wanted == Some(PORT),
        Binding::Pipe(_) => wanted == Some(PIPE),
        Binding::Local(_) => false,
    };
    let asked = entries().find(|(mapped, binding)| is_wanted(*binding) && names(&mapped.uuid.to_bytes_le()));
    let mut out = Results::default();
    out.put(&[0; handle::LEN]);
    let Some((mapped, binding)) = asked.filter(|_| most > 0) else {
        return Some(out.long(0).long(most).long(0).long(0).returning(NOT_REGISTERED));
    };
    let tower = tower(caller, mapped, binding, "");
    out.long(1).long(most).long(0).long(1).pointer().count(tower.len()).count(tower.len()).put(&tower);
    Some(out.returning(0))
}

const fn major(known: &Registered) -> u16 {
    let [major, _] = known.version;
    major
}

const fn minor(known: &Registered) -> u16 {
    let [_, minor] = known.version;
    minor
}

/// A tower: interface, NDR, connections, then pipe and machine, or port and address, or a name; each floor is a protocol with its data, then more
/// data.
fn tower(caller: &Caller<'_>, mapped: &Mapped, binding: Binding, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let is_local = matches!(binding, Binding::Local(_));
    out.put16(if is_local { 4 } else { 5 });
    let (id, version) = NDR.split_at_checked(16).unwrap_or_default();
    let mut syntax = |uuid: &[u8], major: &[u8], minor: u16| {
        out.put16(19).put8(BY_UUID).put(uuid).put(major).put16(2).put16(minor);
    };
    let [major, minor] = mapped.version;
    syntax(&mapped.uuid.to_bytes_le(), &major.to_le_bytes(), minor);
    syntax(id, version.get(..2).unwrap_or_default(), 0);
    out.put16(1).put8(if is_local { LOCAL_CONNECTED } else { CONNECTED }).put16(2).put16(0);
    let mut floor = |protocol: u8, data: &[u8]| {
        out.put16(1).put8(protocol).put_len16(data.len()).put(data);
    };
    let ended = |text: &str| [text.as_bytes(), &[0]].concat();
    match binding {
        Binding::Port(number) => {
            floor(PORT, &number.to_be_bytes());
            // Over a pipe, Windows does not know at which of its addresses it was met.
            floor(
                ADDRESS,
                &match caller.dialled.map(|address| address.to_canonical()) {
                    Some(IpAddr::V4(address)) => address.octets(),
                    _ => [0; 4],
                },
            );
        }
        Binding::Pipe(pipe) => {
            floor(PIPE, &ended(pipe));
            floor(NETBIOS, &ended(&format!("\\\\{name}")));
        }
        Binding::Local(name) => floor(LOCAL, &ended(name)),
    }
    out
}
