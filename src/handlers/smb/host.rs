//! The Windows machine that visitors meet: names, versions, shares, and what it remembers of each source.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::change::Changes;
use super::claim::Claims;
use super::pool::Pool;
use super::rpc::{Created, Set};
use super::written::Written;
use crate::clock::Timestamp;
use crate::handlers::{Count, Credentials, Environment, Persona, Policy, Sources};

/// Sources that are remembered.
const MAX_SOURCES: usize = 16_384;
/// How long after their last visit.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);

/// `[handlers.smb]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Which logins are let in.
    credentials: Policy,
    /// The Windows that it is.
    windows: Windows,
    /// SMB2 dialects besides SMB1, of "2.0.2" and "2.1"; none turns SMB2 off.
    dialects: Vec<Dialect>,
    /// Vulnerable to MS17-010 and open to DoublePulsar; otherwise answers as a patched machine.
    vulnerable: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let three = Count::try_from(3).map_or(Policy::RejectAll, Policy::After);
        Self {
            credentials: three,
            windows: Windows::Seven,
            dialects: vec![Dialect::V202, Dialect::V210],
            vulnerable: true,
        }
    }
}

/// `[handlers.msrpc]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PortSettings {
    /// As of the `smb` handler, as is the next.
    credentials: Policy,
    windows: Windows,
}

impl Default for PortSettings {
    fn default() -> Self {
        let Settings { credentials, windows, .. } = Settings::default();
        Self { credentials, windows }
    }
}

/// The Windows that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Windows {
    #[serde(rename = "7-professional")]
    Seven,
    #[serde(rename = "7-enterprise")]
    SevenEnterprise,
    #[serde(rename = "2008-r2")]
    Server2008R2,
}

/// A dialect of SMB2 (MS-SMB2 2.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum Dialect {
    #[serde(rename = "2.0.2")]
    V202 = 0x0202,
    #[serde(rename = "2.1")]
    V210 = 0x0210,
}

/// The version in NTLM and RPC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub(super) major: u8,
    pub(super) minor: u8,
    pub(super) build: u16,
}

/// What a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Disk,
    Pipe,
}

/// A share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The type in srvsvc (MS-SRVS 2.2.2.4).
    pub(super) code: u32,
    pub(super) comment: &'static str,
}

/// What Windows 7 shares once anything is shared.
pub(super) const SHARES: [Share; 4] = [
    Share { name: "ADMIN$", kind: Kind::Disk, code: 0x8000_0000, comment: "Remote Admin" },
    Share { name: "C$", kind: Kind::Disk, code: 0x8000_0000, comment: "Default share" },
    Share { name: "IPC$", kind: Kind::Pipe, code: 0x8000_0003, comment: "Remote IPC" },
    Share { name: "Users", kind: Kind::Disk, code: 0, comment: "" },
];

/// What is remembered of a source.
#[derive(Debug, Default)]
pub(super) struct Visitor {
    /// DoublePulsar is installed: an EternalBlue dialogue was completed.
    pub(super) is_infected: bool,
    /// It has started a service.
    pub(super) has_services: bool,
    /// Services that it has created.
    pub(super) created: Vec<Created>,
    /// Services of every Windows that it has started or stopped, and which of both.
    pub(super) services: Vec<(&'static str, bool)>,
    /// What it has set in the registry.
    pub(super) set: Vec<Set>,
    /// Files and directories that it made or changed, and how many it has made.
    pub(super) written: Vec<Written>,
    pub(super) made: u64,
    /// What its connections have open on the drive, and what has changed there for those that watch.
    pub(super) claims: Claims,
    pub(super) changes: Changes,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) workgroup: String,
    pub(super) guid: [u8; 16],
    pub(super) booted: Timestamp,
    pub(super) installed: Timestamp,
    pub(super) version: Version,
    /// No workstation.
    pub(super) is_server: bool,
    /// `NativeOS` and `NativeLanMan` (MS-CIFS 2.2.4.53.2).
    pub(super) native: [&'static str; 2],
    pub(super) dialects: Vec<Dialect>,
    pub(super) is_vulnerable: bool,
    /// The seed of DoublePulsar's key, which the signature field of its answers tells.
    pub(super) pulsar_seed: u32,
    pub(super) volume_serial: u32,
    /// What makes the SIDs of this machine its own.
    pub(super) sid: [u32; 3],
    pub(super) credentials: Credentials,
    pub(super) visitors: Sources<Visitor>,
    /// Memory for messages that are not whole yet.
    pub(super) messages: Arc<Pool>,
    /// Memory for files and payloads that are being uploaded.
    pub(super) uploads: Arc<Pool>,
    /// Memory for files that sources have written.
    pub(super) memory: Arc<Pool>,
    /// Bytes of one session that its payload event holds.
    pub(super) max_payload: usize,
}

impl Host {
    pub(super) fn prepared(environment: &Environment<'_>) -> Result<Arc<Self>, toml::de::Error> {
        environment.settings().map(|settings| Self::new(environment, settings))
    }

    /// What RPC over TCP needs of it, with settings of its own.
    pub(super) fn of_ports(environment: &Environment<'_>) -> Result<Arc<Self>, toml::de::Error> {
        let PortSettings { credentials, windows } = environment.settings()?;
        Ok(Self::new(environment, Settings { credentials, windows, ..Settings::default() }))
    }

    fn new(environment: &Environment<'_>, settings: Settings) -> Arc<Self> {
        let persona = &*environment.persona;
        let seven = Version { major: 6, minor: 1, build: 7601 };
        let (version, native) = match settings.windows {
            Windows::Seven => (seven, ["Windows 7 Professional 7601 Service Pack 1", "Windows 7 Professional 6.1"]),
            Windows::SevenEnterprise => {
                (seven, ["Windows 7 Enterprise 7601 Service Pack 1", "Windows 7 Enterprise 6.1"])
            }
            Windows::Server2008R2 => {
                (seven, ["Windows Server 2008 R2 Standard 7601 Service Pack 1", "Windows Server 2008 R2 Standard 6.1"])
            }
        };
        let mut dialects = settings.dialects;
        dialects.sort_unstable();
        Arc::new(Self {
            name: persona.windows_name().to_owned(),
            workgroup: persona.workgroup().to_owned(),
            guid: persona.guid(),
            booted: persona.booted(),
            installed: persona.installed(),
            version,
            is_server: settings.windows == Windows::Server2008R2,
            native,
            dialects,
            is_vulnerable: settings.vulnerable,
            pulsar_seed: drawn(persona, "smb doublepulsar"),
            volume_serial: drawn(persona, "smb volume"),
            sid: ["smb sid 1", "smb sid 2", "smb sid 3"].map(|label| drawn(persona, label)),
            credentials: Credentials::new(settings.credentials),
            visitors: Sources::new(MAX_SOURCES, KEEP),
            messages: Pool::new(),
            uploads: Pool::new(),
            memory: Pool::new(),
            max_payload: environment.max_payload,
        })
    }

    /// The share of this name: the last part of `\\server\share`.
    pub(super) fn share(path: &str) -> Option<Share> {
        let name = path.rsplit(['\\', '/']).next().unwrap_or(path);
        SHARES.into_iter().find(|share| share.name.eq_ignore_ascii_case(name))
    }
}

fn drawn(persona: &Persona, label: &str) -> u32 {
    let [_, _, a, b, c, d, _, _] = persona.random(label).bits().to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) | 1
}
