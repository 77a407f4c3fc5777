//! Privileges, and who has any (MS-LSAD 3.1.4.5.1, 3.1.4.8.1): those of a Windows 7 that nobody changed.

use super::ndr::{Results, Stub};
use super::principal::Sid;
use super::{ACCESS_DENIED, Caller};

const NO_MORE_ENTRIES: u32 = 0x8000_001a;
/// The number of the first privilege (MS-LSAD 3.1.1.2.1).
const FIRST: usize = 2;

const PRIVILEGES: [&str; 34] = [
    "SeCreateTokenPrivilege",
    "SeAssignPrimaryTokenPrivilege",
    "SeLockMemoryPrivilege",
    "SeIncreaseQuotaPrivilege",
    "SeMachineAccountPrivilege",
    "SeTcbPrivilege",
    "SeSecurityPrivilege",
    "SeTakeOwnershipPrivilege",
    "SeLoadDriverPrivilege",
    "SeSystemProfilePrivilege",
    "SeSystemtimePrivilege",
    "SeProfileSingleProcessPrivilege",
    "SeIncreaseBasePriorityPrivilege",
    "SeCreatePagefilePrivilege",
    "SeCreatePermanentPrivilege",
    "SeBackupPrivilege",
    "SeRestorePrivilege",
    "SeShutdownPrivilege",
    "SeDebugPrivilege",
    "SeAuditPrivilege",
    "SeSystemEnvironmentPrivilege",
    "SeChangeNotifyPrivilege",
    "SeRemoteShutdownPrivilege",
    "SeUndockPrivilege",
    "SeSyncAgentPrivilege",
    "SeEnableDelegationPrivilege",
    "SeManageVolumePrivilege",
    "SeImpersonatePrivilege",
    "SeCreateGlobalPrivilege",
    "SeTrustedCredManAccessPrivilege",
    "SeRelabelPrivilege",
    "SeIncreaseWorkingSetPrivilege",
    "SeTimeZonePrivilege",
    "SeCreateSymbolicLinkPrivilege",
];

/// Who has any: everyone, three kinds of services, groups of the machine, all services; each with its authority.
const HOLDERS: [(u8, &[u32]); 10] = [
    (1, &[0]),
    (5, &[6]),
    (5, &[19]),
    (5, &[20]),
    (5, &[32, 544]),
    (5, &[32, 545]),
    (5, &[32, 551]),
    (5, &[32, 555]),
    (5, &[32, 559]),
    (5, &[80, 0]),
];

/// LsarEnumeratePrivileges: a place to go on from, then how much room there is.
pub(super) fn privileges(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let start = usize::try_from(stub.long()?).unwrap_or(usize::MAX);
    let found = PRIVILEGES.get(start..).filter(|_| caller.is_admin).unwrap_or_default();
    let mut out = Results::default();
    out.count(start.saturating_add(found.len())).count(found.len()).array(found.len());
    for (number, name) in (FIRST + start..).zip(found) {
        // The number has 64 bits, of which the high ones are empty.
        out.name(name).count(number).long(0);
    }
    found.iter().for_each(|name| {
        out.name_text(name);
    });
    Some(out.returning(status(caller, found.len())))
}

/// LsarEnumerateAccounts: the same of those that have privileges or rights to log on.
pub(super) fn accounts(caller: &Caller<'_>, stub: &mut Stub<'_>) -> Option<Vec<u8>> {
    let start = usize::try_from(stub.long()?).unwrap_or(usize::MAX);
    let found = HOLDERS.get(start..).filter(|_| caller.is_admin).unwrap_or_default();
    let mut out = Results::default();
    out.count(start.saturating_add(found.len())).count(found.len()).array(found.len());
    found.iter().for_each(|_| {
        out.pointer();
    });
    for (authority, parts) in found {
        out.sid(&Sid { authority: *authority, parts: parts.to_vec() });
    }
    Some(out.returning(status(caller, found.len())))
}

const fn status(caller: &Caller<'_>, found: usize) -> u32 {
    match (caller.is_admin, found) {
        (false, _) => ACCESS_DENIED,
        (true, 0) => NO_MORE_ENTRIES,
        (true, _) => 0,
    }
}
