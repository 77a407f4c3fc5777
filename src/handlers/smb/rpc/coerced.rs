//! efsrpc (MS-EFSR) and eventlog (MS-EVEN): what visitors call to make the machine log in elsewhere, and to remove their traces. Files of other
//! machines are not opened: what is asked for is recorded.

use super::handle::{self, Kind, handle};
use super::ndr::{Results, Stub};
use super::{Answer, BAD_HANDLE, BAD_STUB, Caller, DENIED, NO_SUCH_OPERATION};
use crate::events::Event;

/// Results of MS-ERREF 2.2: of a path on another machine, and of one on this.
const BAD_NETWORK_PATH: u32 = 53;
const FILE_NOT_FOUND: u32 = 2;
/// NTSTATUS values (MS-ERREF 2.3.1): there is no further record, and no room.
const NO_MORE_RECORDS: u32 = 0xc000_0011;
const BUFFER_TOO_SMALL: u32 = 0xc000_0023;
/// Bytes about a log (MS-EVEN 3.1.4.16).
const MAX_INFORMATION: u32 = 1024;
/// Bytes of records in one answer.
const MAX_RECORDS: u32 = 16 * 1024;

/// Which call takes a path first, what it is called, and what its answer has before the result.
const EFS: [(u16, &str, usize); 12] = [
    (0, "EfsRpcOpenFileRaw", handle::LEN),
    (4, "EfsRpcEncryptFileSrv", 0),
    (5, "EfsRpcDecryptFileSrv", 0),
    (6, "EfsRpcQueryUsersOnFile", 4),
    (7, "EfsRpcQueryRecoveryAgents", 4),
    (8, "EfsRpcRemoveUsersFromFile", 0),
    (9, "EfsRpcAddUsersToFile", 0),
    (12, "EfsRpcFileKeyInfo", 4),
    (13, "EfsRpcDuplicateEncryptionInfoFile", 0),
    (15, "EfsRpcAddUsersToFileEx", 0),
    (18, "EfsRpcFileKeyInfoEx", 4),
    (20, "EfsRpcEncryptFileExSrv", 0),
];

/// efsrpc: every file is out of reach.
pub(super) fn efs(caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
    let Some((_, name, before)) = EFS.into_iter().find(|(known, ..)| *known == operation) else {
        return Err(if operation < 22 { DENIED } else { NO_SUCH_OPERATION });
    };
    let mut stub = Stub::new(stub);
    if operation == 15 || operation == 18 {
        // Flags, and something reserved, come before the path.
        let (_, pointer) = (stub.long(), stub.long());
        if pointer.is_some_and(|pointer| pointer != 0) {
            return Err(BAD_STUB);
        }
    }
    let path = stub.text(true).ok_or(BAD_STUB)?;
    let event = Event::new("scan", format!("{name} of {path}"));
    events.push(event.with("path", path.as_str()));
    if !caller.is_admin {
        return Err(DENIED);
    }
    let result = if path.starts_with("\\\\") { BAD_NETWORK_PATH } else { FILE_NOT_FOUND };
    Ok(Results::default().put(&vec![0; before]).returning(result))
}

/// eventlog: logs without a record.
pub(super) fn eventlog(caller: &Caller<'_>, operation: u16, stub: &[u8], events: &mut Vec<Event>) -> Answer {
    if !caller.is_admin {
        return Err(DENIED);
    }
    let mut stub = Stub::new(stub);
    let mut out = Results::default();
    if operation == 7 {
        // ElfrOpenELW: a machine, the log's name, and twice what is not used.
        if stub.long().ok_or(BAD_STUB)? != 0 {
            stub.long();
        }
        let name = stub.name().ok_or(BAD_STUB)?;
        let number = LOGS.iter().position(|log| log.eq_ignore_ascii_case(&name)).unwrap_or(0);
        let number = u32::try_from(number).unwrap_or(0);
        return Ok(out.put(&handle(caller, Kind::Log, number)).returning(0));
    }
    if !matches!(operation, 0 | 2 | 4 | 5 | 10 | 22) {
        return Err(if operation < 25 { DENIED } else { NO_SUCH_OPERATION });
    }
    let given = stub.take(handle::LEN).ok_or(BAD_STUB)?;
    let number = handle::number(caller, Kind::Log, given).ok_or(BAD_HANDLE)?;
    Ok(match operation {
        // ElfrClearELFW
        0 => {
            let name = usize::try_from(number).ok().and_then(|number| LOGS.get(number)).copied().unwrap_or_default();
            events.push(Event::new("command", format!("event log {name} cleared")).with("log", name));
            out.returning(0)
        }
        // ElfrCloseEL
        2 => out.put(&[0; handle::LEN]).returning(0),
        // ElfrNumberOfRecords, ElfrOldestRecord
        4 | 5 => out.long(0).returning(0),
        // ElfrReadELW: flags, where, how many bytes.
        10 => {
            let room = stub.last_long().ok_or(BAD_STUB)?.min(MAX_RECORDS);
            out.long(room).put(&vec![0; usize::try_from(room).unwrap_or(0)]);
            out.long(0).long(0).returning(NO_MORE_RECORDS)
        }
        // ElfrGetLogInformation: it is not full, in a buffer of the size that is asked for.
        _ => {
            let room = stub.last_long().ok_or(BAD_STUB)?.min(MAX_INFORMATION);
            out.long(room).put(&vec![0; usize::try_from(room).unwrap_or(0)]);
            out.long(4).returning(if room < 4 { BUFFER_TOO_SMALL } else { 0 })
        }
    })
}

/// Those that every machine has; other names mean the first.
const LOGS: [&str; 3] = ["Application", "Security", "System"];
