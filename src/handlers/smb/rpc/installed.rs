//! Services that every Windows 7 has (MS-SCMR): what they are called, how they are started, and whether they run.

use super::super::host::Visitor;
use super::super::wire::{Put, utf16};
use super::ndr::Results;

/// SERVICE_WIN32_OWN_PROCESS and SERVICE_WIN32_SHARE_PROCESS.
const OWN: u32 = 0x10;
const SHARED: u32 = 0x20;
/// SERVICE_AUTO_START and SERVICE_DEMAND_START.
const AUTO: u32 = 2;
const DEMAND: u32 = 3;
/// Results of MS-ERREF 2.2.
const MORE_DATA: u32 = 234;
const INSUFFICIENT_BUFFER: u32 = 122;
const ALREADY_RUNNING: u32 = 1056;
const NOT_ACTIVE: u32 = 1062;
/// ERROR_SERVICE_NEVER_STARTED, the exit code of a service that has not run.
const NEVER_STARTED: u32 = 1077;
/// Bytes that one answer fills at most (MS-SCMR 3.1.4.11), whatever is asked for.
const MAX_BUFFER: usize = 16 * 1024;
/// Bytes of ENUM_SERVICE_STATUSW and of QUERY_SERVICE_CONFIGW before their texts (MS-SCMR 2.2.11, 2.2.15).
const ENTRY: usize = 36;
const CONFIG: usize = 36;

/// One service.
pub(super) struct Installed {
    pub(super) name: &'static str,
    pub(super) display: &'static str,
    pub(super) kind: u32,
    pub(super) start: u32,
    pub(super) is_running: bool,
    pub(super) path: &'static str,
    pub(super) account: &'static str,
}

const fn service(name: &'static str, display: &'static str, start: u32, is_running: bool, group: Group) -> Installed {
    let (kind, path, account) = match group {
        Group::Netsvcs => (SHARED, "C:\\Windows\\system32\\svchost.exe -k netsvcs", "LocalSystem"),
        Group::Network => {
            (SHARED, "C:\\Windows\\system32\\svchost.exe -k NetworkService", "NT AUTHORITY\\NetworkService")
        }
        Group::Local => (
            SHARED,
            "C:\\Windows\\system32\\svchost.exe -k LocalServiceNetworkRestricted",
            "NT AUTHORITY\\LocalService",
        ),
        Group::Launch => (SHARED, "C:\\Windows\\system32\\svchost.exe -k DcomLaunch", "LocalSystem"),
        Group::Registry => (SHARED, "C:\\Windows\\system32\\svchost.exe -k regsvc", "NT AUTHORITY\\LocalService"),
        Group::Lsass => (SHARED, "C:\\Windows\\system32\\lsass.exe", "LocalSystem"),
        Group::Spooler => (OWN | 0x100, "C:\\Windows\\System32\\spoolsv.exe", "LocalSystem"),
    };
    Installed { name, display, kind, start, is_running, path, account }
}

/// Where a service runs.
enum Group {
    Netsvcs,
    Network,
    Local,
    Launch,
    Registry,
    Lsass,
    Spooler,
}

/// In the order of their names, as the service manager lists them.
pub(super) const INSTALLED: [Installed; 18] = [
    service("Browser", "Computer Browser", DEMAND, true, Group::Netsvcs),
    service("CryptSvc", "Cryptographic Services", AUTO, true, Group::Network),
    service("DcomLaunch", "DCOM Server Process Launcher", AUTO, true, Group::Launch),
    service("Dhcp", "DHCP Client", AUTO, true, Group::Local),
    service("Dnscache", "DNS Client", AUTO, true, Group::Network),
    service("eventlog", "Windows Event Log", AUTO, true, Group::Local),
    service("LanmanServer", "Server", AUTO, true, Group::Netsvcs),
    service("LanmanWorkstation", "Workstation", AUTO, true, Group::Network),
    service("lmhosts", "TCP/IP NetBIOS Helper", AUTO, true, Group::Local),
    service("PlugPlay", "Plug and Play", AUTO, true, Group::Launch),
    service("RemoteRegistry", "Remote Registry", DEMAND, false, Group::Registry),
    service("SamSs", "Security Accounts Manager", AUTO, true, Group::Lsass),
    service("Schedule", "Task Scheduler", AUTO, true, Group::Netsvcs),
    service("seclogon", "Secondary Logon", DEMAND, false, Group::Netsvcs),
    service("Spooler", "Print Spooler", AUTO, true, Group::Spooler),
    service("TermService", "Remote Desktop Services", DEMAND, false, Group::Network),
    service("Winmgmt", "Windows Management Instrumentation", AUTO, true, Group::Netsvcs),
    service("wuauserv", "Windows Update", AUTO, true, Group::Netsvcs),
];

/// SERVICE_STATUS (MS-SCMR 2.2.47): type, state, controls, exit codes, progress.
const fn status(kind: u32, is_running: bool) -> [u32; 7] {
    if is_running { [kind, 4, 5, 0, 0, 0, 0] } else { [kind, 1, 0, NEVER_STARTED, 0, 0, 0] }
}

impl Installed {
    /// Whether it runs for this source, which may have started or stopped it.
    pub(super) fn runs(&self, visitor: &Visitor) -> bool {
        let changed = visitor.services.iter().find(|(name, _)| *name == self.name);
        changed.map_or(self.is_running, |(_, runs)| *runs)
    }

    /// Starts or stops it for its source: how that ends.
    pub(super) fn turn(&self, visitor: &mut Visitor, on: bool) -> u32 {
        match (self.runs(visitor), on) {
            (true, true) => ALREADY_RUNNING,
            (false, false) => NOT_ACTIVE,
            _ => {
                visitor.services.retain(|(name, _)| *name != self.name);
                visitor.services.push((self.name, on));
                0
            }
        }
    }
}

/// The remote registry runs for this source.
pub(in super::super) fn serves_registry(visitor: &Visitor) -> bool {
    INSTALLED.iter().any(|one| one.name == "RemoteRegistry" && one.runs(visitor))
}

/// The state of a service, which runs or not, or of one that a visitor created and that has ended.
pub(super) fn state(found: Option<&Installed>, is_running: bool, is_extended: bool) -> Results {
    let values = status(found.map_or(OWN, |one| one.kind), is_running);
    let mut out = Results::default();
    if is_extended {
        // SERVICE_STATUS_PROCESS (MS-SCMR 2.2.49) in a buffer: also a process, which is not told, and flags.
        out.count(ENTRY);
    }
    values.iter().for_each(|value| {
        out.long(*value);
    });
    if is_extended {
        out.long(0).long(0).count(ENTRY);
    }
    out
}

/// REnumServicesStatusW (MS-SCMR 3.1.4.11): those of a kind and a state (1 active, 2 inactive, 3 all), texts behind the entries.
pub(super) fn list(visitor: &Visitor, kind: u32, wanted: u32, room: usize) -> Vec<u8> {
    let fits = |one: &&Installed| one.kind & kind != 0 && wanted & if one.runs(visitor) { 1 } else { 2 } != 0;
    let found: Vec<_> = INSTALLED.iter().filter(fits).collect();
    let (mut entries, mut texts) = (Vec::new(), Vec::new());
    for one in &found {
        for text in [one.name, one.display] {
            entries.put_len32(ENTRY * found.len() + texts.len());
            texts.put(&utf16(text)).put16(0);
        }
        for value in status(one.kind, one.runs(visitor)) {
            entries.put32(value);
        }
    }
    entries.put(&texts);
    let needed = entries.len();
    let mut out = Results::default();
    if room < needed {
        out.count(room.min(MAX_BUFFER)).put(&vec![0; room.min(MAX_BUFFER)]);
        return out.count(needed).long(0).long(0).returning(MORE_DATA);
    }
    entries.resize(room.min(MAX_BUFFER).max(needed), 0);
    out.count(entries.len()).put(&entries);
    out.long(0).count(found.len()).long(0).returning(0)
}

/// RQueryServiceConfigW (MS-SCMR 3.1.4.17).
pub(super) fn config(one: &Installed, room: usize) -> Vec<u8> {
    let texts = [one.path, "", "", one.account, one.display];
    let needed = CONFIG + texts.iter().map(|text| 2 * (text.len() + 1)).sum::<usize>();
    let mut out = Results::default();
    if room < needed {
        return out.put(&[0; CONFIG]).count(needed).returning(INSUFFICIENT_BUFFER);
    }
    out.long(one.kind).long(one.start).long(1).pointer().pointer().long(0).pointer().pointer().pointer();
    texts.iter().for_each(|text| {
        out.text(text);
    });
    out.count(needed).returning(0)
}
