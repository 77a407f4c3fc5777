//! spoolss (MS-RPRN): a machine that shares no printer. Drivers that a visitor wants installed and machines that it wants called are recorded;
//! nothing is fetched, nobody is called.

use super::super::wire::{Put, utf16};
use super::handle::{self, Kind, handle};
use super::ndr::{Results, Stub};
use super::{Answer, BAD_HANDLE, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Bytes that one answer fills at most, whatever there is room for.
const MAX_ROOM: usize = 16 * 1024;
/// Results of MS-ERREF 2.2.
const BAD_NETWORK_PATH: u32 = 53;
const INSUFFICIENT_BUFFER: u32 = 122;
const INVALID_LEVEL: u32 = 124;
const SERVER_UNAVAILABLE: u32 = 1722;
const INVALID_PRINTER_NAME: u32 = 1801;

const DRIVER: &str = "Microsoft XPS Document Writer";
const ENVIRONMENT: &str = "Windows x64";
const STORE: &str =
    "C:\\Windows\\system32\\DriverStore\\FileRepository\\ntprint.inf_amd64_neutral_4616c3de1949be6d\\Amd64";

/// A field of a structure whose texts lie behind it (MS-RPRN 2.2.2).
enum Field {
    Number(u32),
    Text(String),
}

fn text(text: &str) -> Field {
    Field::Text(text.to_owned())
}

pub(super) fn spoolss(caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
    let mut stub = Stub::new(stub);
    match operation {
        // RpcEnumPrinters: flags, a name; none is shared.
        0 => stub.long().and_then(|_| enumerated(&mut stub, 1, |level| (level <= 5).then(Vec::new))),
        1 | 69 => open(caller, &mut stub),
        // RpcAddPrinterDriver, RpcAddPrinterDriverEx
        9 | 89 => Some(add_driver(&stub, events)),
        10 => enumerate_drivers(&mut stub),
        12 => directory(&mut stub),
        // RpcEnumPrintProcessors, RpcEnumPorts, RpcEnumMonitors
        15 => enumerated(&mut stub, 2, |level| listed(level, &["winprint"])),
        35 => enumerated(&mut stub, 1, |level| {
            listed(level, &["COM1:", "COM2:", "COM3:", "COM4:", "FILE:", "LPT1:", "LPT2:", "LPT3:", "XPSPort:"])
        }),
        36 => enumerated(&mut stub, 1, |level| {
            listed(level, &["Local Port", "Standard TCP/IP Port", "USB Monitor", "WSD Port"])
        }),
        // RpcClosePrinter
        29 => Some(Results::default().put(&[0; handle::LEN]).returning(0)),
        // RpcRemoteFindFirstPrinterChangeNotification and Ex
        62 | 65 => {
            let given = stub.take(handle::LEN).ok_or(BAD_STUB)?;
            handle::number(caller, Kind::Printer, given).ok_or(BAD_HANDLE)?;
            notify(&mut stub, events)
        }
        2..=95 => return Err(DENIED),
        _ => return Err(NO_SUCH_OPERATION),
    }
    .ok_or(BAD_STUB)
}

/// RpcOpenPrinter (MS-RPRN 3.1.4.2.2): the server itself, by any of its names.
fn open(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let name = stub.pointed_text(true)?.unwrap_or_default();
    let is_server = name.is_empty() || name.strip_prefix("\\\\").is_some_and(|name| !name.contains(['\\', ',']));
    Some(if is_server {
        Results::default().put(&handle(caller, Kind::Printer, 0)).returning(0)
    } else {
        Results::default().put(&[0; handle::LEN]).returning(INVALID_PRINTER_NAME)
    })
}

/// RpcAddPrinterDriverEx (MS-RPRN 3.1.4.4.8): where its files lie nobody looks.
fn add_driver(stub: &Stub<'_>, events: &mut Vec<Event>) -> Vec<u8> {
    let texts = stub.texts();
    let is_remote = |text: &&String| text.starts_with("\\\\") || text.contains("UNC\\");
    let shown = texts.iter().find(is_remote).or(texts.last()).cloned().unwrap_or_default();
    let event = Event::new("command", format!("printer driver to be installed: {shown}"));
    events.push(event.with("path", shown).with("decoded", serde_json::json!({ "texts": texts })));
    Results::default().returning(BAD_NETWORK_PATH)
}

/// RpcRemoteFindFirstPrinterChangeNotificationEx (MS-RPRN 3.1.4.10.4): another machine is to be told of changes, which means to be called.
fn notify(stub: &mut Stub<'_>, events: &mut Vec<Event>) -> Option<Vec<u8>> {
    let (_, _) = (stub.long()?, stub.long()?);
    let machine = stub.pointed_text(true)?.unwrap_or_default();
    let event = Event::new("scan", format!("printer notification: to call {machine}"));
    events.push(event.with("path", machine.as_str()));
    Some(Results::default().returning(SERVER_UNAVAILABLE))
}

/// Structures of one name each.
fn listed(level: u32, names: &[&str]) -> Option<Vec<Vec<Field>>> {
    (level == 1).then(|| names.iter().map(|name| vec![text(name)]).collect())
}

/// RpcEnumPrinterDrivers (MS-RPRN 3.1.4.4.2): there are drivers for one kind of machine.
fn enumerate_drivers(stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    stub.pointed_text(true)?;
    let environment = stub.pointed_text(true)?.unwrap_or_default();
    let is_ours = [ENVIRONMENT, "", "all"].iter().any(|one| one.eq_ignore_ascii_case(&environment));
    enumerated(stub, 0, |level| drivers(level).map(|list| if is_ours { list } else { Vec::new() }))
}

/// RpcGetPrinterDriverDirectory (MS-RPRN 3.1.4.4.4): a bare text.
fn directory(stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let (_, _, level) = (stub.pointed_text(true)?, stub.pointed_text(true)?, stub.long()?);
    let mut text = utf16("C:\\Windows\\system32\\spool\\DRIVERS\\x64");
    text.put16(0);
    let (has_buffer, needed) = (stub.long()? != 0, text.len());
    let room = usize::try_from(stub.last_long()?).ok()?.min(MAX_ROOM);
    let mut out = Results::default();
    if has_buffer {
        text.resize(if room < needed { 0 } else { room }, 0);
        text.resize(room, 0);
        out.pointer().count(room).put(&text);
    } else {
        out.long(0);
    }
    let result = if level != 1 {
        INVALID_LEVEL
    } else if room < needed {
        INSUFFICIENT_BUFFER
    } else {
        0
    };
    Some(out.count(needed).returning(result))
}

/// DRIVER_INFO_1, 2 and 3 (MS-RPRN 2.2.1.5): version, name, environment, driver, data, configuration; help, more files, monitor, kind of data.
fn drivers(level: u32) -> Option<Vec<Vec<Field>>> {
    let file = |name: &str| Field::Text(format!("{STORE}\\{name}"));
    let mut driver = vec![
        Field::Number(3),
        text(DRIVER),
        text(ENVIRONMENT),
        file("mxdwdrv.dll"),
        file("mxdwdrv.gpd"),
        file("UNIDRVUI.DLL"),
    ];
    match level {
        1 => Some(vec![vec![text(DRIVER)]]),
        2 => Some(vec![driver]),
        3 => {
            driver.extend([file("UNIDRV.HLP"), Field::Number(0), Field::Number(0), Field::Number(0)]);
            Some(vec![driver])
        }
        _ => None,
    }
}

/// An enumeration: names, a level, a buffer that may be null and the room in it; the buffer, how much it takes, how many there are.
fn enumerated(stub: &mut Stub<'_>, names: usize, list: impl FnOnce(u32) -> Option<Vec<Vec<Field>>>) -> Option<Vec<u8>> {
    for _ in 0..names {
        stub.pointed_text(true)?;
    }
    let level = stub.long()?;
    let has_buffer = stub.long()? != 0;
    let room = usize::try_from(stub.last_long()?).ok()?.min(MAX_ROOM);
    let mut out = Results::default();
    let Some(found) = list(level) else { return Some(out.long(0).long(0).long(0).returning(INVALID_LEVEL)) };
    let (mut bytes, needed) = packed(&found);
    let fits = needed <= room && (has_buffer || needed == 0);
    if has_buffer {
        bytes.resize(if fits { room.max(bytes.len()) } else { 0 }, 0);
        bytes.resize(room, 0);
        out.pointer().count(room).put(&bytes);
    } else {
        out.long(0);
    }
    out.count(needed).count(if fits { found.len() } else { 0 });
    Some(out.returning(if fits { 0 } else { INSUFFICIENT_BUFFER }))
}

/// The structures, then their texts, at offsets from the structure that has them; and how many bytes that is.
fn packed(list: &[Vec<Field>]) -> (Vec<u8>, usize) {
    let fixed: usize = list.iter().map(|fields| 4 * fields.len()).sum();
    let (mut out, mut texts) = (Vec::new(), Vec::new());
    for fields in list {
        let start = out.len();
        for field in fields {
            match field {
                Field::Number(number) => out.put32(*number),
                Field::Text(text) => {
                    out.put_len32(fixed + texts.len() - start);
                    texts.put(&utf16(text)).put16(0);
                    &mut out
                }
            };
        }
    }
    out.put(&texts);
    let needed = out.len();
    (out, needed)
}
