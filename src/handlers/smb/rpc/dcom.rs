//! DCOM as far as a machine shows it to strangers (MS-DCOM 3.1.2.5): that it is alive and where, which objects it has not, and that it starts none.

use std::net::IpAddr;

use uuid::{Uuid, uuid};

use super::super::wire::Put;
use super::ndr::Results;
use super::{Answer, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Version 5.7 (MS-DCOM 2.2.11), as Windows has had it since 2003.
const VERSION: [u16; 2] = [5, 7];
/// OR_INVALID_OXID, OR_INVALID_SET (MS-ERREF 2.2).
const INVALID_OXID: u32 = 1910;
const INVALID_SET: u32 = 1912;
/// `ncacn_ip_tcp` in a string binding (MS-DCOM 2.2.19.3).
const TCP: u16 = 0x07;
/// Ways to authenticate (MS-RPCE 2.2.1.1.7), in the order of Windows.
const SECURITY: [u16; 7] = [0x09, 0x1e, 0x10, 0x0a, 0x16, 0x1f, 0x0e];

/// Classes that visitors start to run commands by.
const CLASSES: [(Uuid, &str); 5] = [
    (uuid!("8bc3f05e-d86b-11d0-a075-00c04fb68820"), "WMI"),
    (uuid!("49b2791a-b1ae-4c90-9b8e-e860ba07f889"), "MMC20.Application"),
    (uuid!("9ba05972-f6a8-11cf-a442-00a0c90a8f39"), "ShellWindows"),
    (uuid!("c08afd90-f2a1-11d1-8455-00a0c91f3880"), "ShellBrowserWindow"),
    (uuid!("4991d34b-80a1-4291-83b6-3328366b9097"), "BITS"),
];

/// `IObjectExporter` (MS-DCOM 3.1.2.5.1), which answers everybody: no object lives here for others.
pub(super) fn exporter(caller: &Caller<'_>, operation: u16) -> Answer {
    let mut out = Results::default();
    let [major, minor] = VERSION;
    Ok(match operation {
        // ResolveOxid, ResolveOxid2: bindings, the number of their object, how to authenticate.
        0 => out.long(0).put(&[0; 16]).long(0).returning(INVALID_OXID),
        4 => out.long(0).put(&[0; 16]).long(0).short(0).short(0).returning(INVALID_OXID),
        // SimplePing, ComplexPing
        1 => out.returning(INVALID_SET),
        2 => out.put(&[0; 8]).short(0).returning(INVALID_SET),
        // ServerAlive, ServerAlive2
        3 => out.returning(0),
        5 => {
            let (bindings, security_at) = bindings(caller);
            out.short(major).short(minor).pointer().count(bindings.len() / 2);
            out.short(u16::try_from(bindings.len() / 2).unwrap_or(0)).short(security_at).put(&bindings);
            out.long(0).returning(0)
        }
        _ => return Err(NO_SUCH_OPERATION),
    })
}

/// DUALSTRINGARRAY (MS-DCOM 2.2.19.2) without its counts: the machine by name and address, ways to authenticate, each list with an end mark; and
/// where the second begins, in units of 16 bits.
fn bindings(caller: &Caller<'_>) -> (Vec<u8>, u16) {
    let mut out = Vec::new();
    let address = caller.dialled.map(|address| address.to_canonical());
    let names = [Some(caller.host.name.clone()), address.as_ref().map(IpAddr::to_string)];
    for name in names.iter().flatten() {
        out.put16(TCP).put_utf16(name).put16(0);
    }
    out.put16(0);
    let security_at = u16::try_from(out.len() / 2).unwrap_or(0);
    for way in SECURITY {
        // The way, something reserved, no principal.
        out.put16(way).put16(0xffff).put16(0);
    }
    out.put16(0);
    (out, security_at)
}

/// `RemoteActivation`, `RemoteGetClassObject`, `RemoteCreateInstance` (MS-DCOM 3.1.2.5.2.3): what shall be started is recorded. Over the network
/// only the built-in administrator may start anything, and that account is switched off.
pub(super) fn activate(name: &str, stub: &[u8], events: &mut Vec<Event>) -> Answer {
    let found = CLASSES.iter().find(|(class, _)| memchr::memmem::find(stub, &class.to_bytes_le()).is_some());
    let (class, text) = found.map_or((None, "an object"), |(class, text)| (Some(class), *text));
    let mut event = Event::new("scan", format!("DCOM activation of {text} by {name}"));
    if let Some(class) = class {
        event = event.with("class", class.to_string());
    }
    events.push(event);
    Err(DENIED)
}
