//! Which pipes and ports there are, which process is behind each, and which interfaces a process has: one is found behind every endpoint of its
//! process and behind no other.

use uuid::{Uuid, uuid};

use super::super::status::Status;

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    Srvsvc,
    Wkssvc,
    Samr,
    Lsarpc,
    Svcctl,
    Dssetup,
    Efsrpc,
    Winreg,
    Atsvc,
    Tasks,
    Spoolss,
    Eventlog,
    Epmapper,
    Exporter,
    /// What starts objects for other machines.
    Activator(&'static str),
    Management,
    /// One of the others in 64-bit NDR.
    Wide(&'static str),
    /// Known, but answers nothing.
    Other(&'static str),
}

impl Interface {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Srvsvc => "srvsvc",
            Self::Wkssvc => "wkssvc",
            Self::Samr => "samr",
            Self::Lsarpc => "lsarpc",
            Self::Svcctl => "svcctl",
            Self::Dssetup => "dssetup",
            Self::Efsrpc => "efsrpc",
            Self::Winreg => "winreg",
            Self::Atsvc => "atsvc",
            Self::Tasks => "ITaskSchedulerService",
            Self::Spoolss => "spoolss",
            Self::Eventlog => "eventlog",
            Self::Epmapper => "epmapper",
            Self::Exporter => "IObjectExporter",
            Self::Management => "mgmt",
            Self::Activator(name) | Self::Wide(name) | Self::Other(name) => name,
        }
    }

    /// Whether it is there for who comes by TCP: the file server's interfaces and the registry's answer over pipes alone.
    pub(super) const fn is_on_ports(self) -> bool {
        !matches!(self, Self::Srvsvc | Self::Wkssvc | Self::Winreg | Self::Spoolss | Self::Efsrpc)
    }
}

/// A process that serves RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Lsass,
    Services,
    /// The host of services of the group netsvcs.
    Netsvcs,
    /// The one of the workstation service.
    Workstation,
    /// Those of services whose interfaces nobody asks for.
    Launch,
    Wininit,
    Eventlog,
    Spooler,
    Mapper,
    Registry,
}

/// An interface that a process has registered.
#[derive(Debug)]
pub(super) struct Registered {
    /// As on the wire.
    pub(super) uuid: [u8; 16],
    pub(super) version: [u16; 2],
    pub(super) interface: Interface,
    /// `None` for the one that every process has.
    pub(super) process: Option<Process>,
}

/// One of the endpoint mapper's process that only its own machine uses.
const fn local(uuid: Uuid, version: [u16; 2], name: &'static str) -> Registered {
    registered(&uuid.to_bytes_le(), version, Interface::Other(name), Process::Mapper)
}

const fn activator(uuid: Uuid, name: &'static str) -> Registered {
    registered(&uuid.to_bytes_le(), [0, 0], Interface::Activator(name), Process::Mapper)
}

const fn registered(uuid: &[u8; 16], version: [u16; 2], interface: Interface, process: Process) -> Registered {
    Registered { uuid: *uuid, version, interface, process: Some(process) }
}

/// The interface that tells about others (C706 appendix Q).
const MANAGEMENT: Registered = Registered {
    uuid: *b"\x80\xbd\xa8\xaf\x8a\x7d\xc9\x11\xbe\xf4\x08\x00\x2b\x10\x29\x89",
    version: [1, 0],
    interface: Interface::Management,
    process: None,
};

pub(super) const INTERFACES: [Registered; 27] = [
    registered(
        b"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88",
        [3, 0],
        Interface::Srvsvc,
        Process::Netsvcs,
    ),
    registered(
        b"\x98\xd0\xff\x6b\x12\xa1\x10\x36\x98\x33\x46\xc3\xf8\x7e\x34\x5a",
        [1, 0],
        Interface::Wkssvc,
        Process::Workstation,
    ),
    registered(
        b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac",
        [1, 0],
        Interface::Samr,
        Process::Lsass,
    ),
    registered(
        b"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab",
        [0, 0],
        Interface::Lsarpc,
        Process::Lsass,
    ),
    registered(
        b"\x6a\x28\x19\x39\x0c\xb1\xd0\x11\x9b\xa8\x00\xc0\x4f\xd9\x2e\xf5",
        [0, 0],
        Interface::Dssetup,
        Process::Lsass,
    ),
    registered(
        b"\x88\xd4\x81\xc6\x50\xd8\xd0\x11\x8c\x52\x00\xc0\x4f\xd9\x0f\x7e",
        [1, 0],
        Interface::Efsrpc,
        Process::Lsass,
    ),
    registered(
        b"\x81\xbb\x7a\x36\x44\x98\xf1\x35\xad\x32\x98\xf0\x38\x00\x10\x03",
        [2, 0],
        Interface::Svcctl,
        Process::Services,
    ),
    registered(
        b"\x82\x06\xf7\x1f\x51\x0a\xe8\x30\x07\x6d\x74\x0b\xe8\xce\xe9\x8b",
        [1, 0],
        Interface::Atsvc,
        Process::Netsvcs,
    ),
    registered(
        b"\xb0\x52\x8e\x37\xa9\xc0\xcf\x11\x82\x2d\x00\xaa\x00\x51\xe4\x0f",
        [1, 0],
        Interface::Other("sasec"),
        Process::Netsvcs,
    ),
    registered(
        b"\x49\x59\xd3\x86\xc9\x83\x44\x40\xb4\x24\xdb\x36\x32\x31\xfd\x0c",
        [1, 0],
        Interface::Tasks,
        Process::Netsvcs,
    ),
    registered(
        b"\xdc\x3f\x27\x82\x2a\xe3\xc3\x18\x3f\x78\x82\x79\x29\xdc\x23\xea",
        [0, 0],
        Interface::Eventlog,
        Process::Eventlog,
    ),
    registered(
        b"\xc0\xe0\x4d\x89\x55\x0d\xd3\x11\xa3\x22\x00\xc0\x4f\xa3\x21\xa1",
        [1, 0],
        Interface::Other("initshutdown"),
        Process::Wininit,
    ),
    registered(
        b"\x08\x83\xaf\xe1\x1f\x5d\xc9\x11\x91\xa4\x08\x00\x2b\x14\xa0\xfa",
        [3, 0],
        Interface::Epmapper,
        Process::Mapper,
    ),
    registered(
        b"\x01\xd0\x8c\x33\x44\x22\xf1\x31\xaa\xaa\x90\x00\x38\x00\x10\x03",
        [1, 0],
        Interface::Winreg,
        Process::Registry,
    ),
    registered(
        b"\x78\x56\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab",
        [1, 0],
        Interface::Spoolss,
        Process::Spooler,
    ),
    registered(
        &uuid!("99fcfec4-5260-101b-bbcb-00aa0021347a").to_bytes_le(),
        [0, 0],
        Interface::Exporter,
        Process::Mapper,
    ),
    activator(uuid!("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57"), "IActivation"),
    activator(uuid!("000001a0-0000-0000-c000-000000000046"), "IRemoteSCMActivator"),
    local(uuid!("00000136-0000-0000-c000-000000000046"), [0, 0], "ISCMLocalActivator"),
    local(uuid!("0b0a6584-9e0f-11cf-a3cf-00805f68cb1b"), [1, 1], "localepmp"),
    local(uuid!("1d55b526-c137-46c5-ab79-638f2a68e869"), [1, 0], "DbgIdl"),
    local(uuid!("412f241e-c12a-11ce-abff-0020af6e7a17"), [0, 2], "ISCM"),
    local(uuid!("64fe0b7f-9ef5-4553-a7db-9a1975777554"), [1, 0], "FwIdl"),
    local(uuid!("b9e79e60-3d52-11ce-aaa1-00006901293f"), [0, 2], "IROT"),
    local(uuid!("c6f3ee72-ce7e-11d1-b71e-00c04fc3111a"), [1, 0], "IMachineActivatorControl"),
    local(uuid!("e60c73e6-88f9-11cf-9af1-0020af6e72f4"), [2, 0], "ILocalObjectExporter"),
    MANAGEMENT,
];

/// A pipe or a port.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// What a bind answer calls it.
    pub(super) address: &'static str,
    pub(super) process: Process,
    /// Visitors without account may open it.
    for_all: bool,
    /// Its number, where it is a port of TCP.
    pub(super) port: Option<u16>,
}

const fn pipe(name: &'static str, address: &'static str, process: Process, for_all: bool) -> Known {
    Known { name, address, process, for_all, port: None }
}

const fn port(name: &'static str, number: u16, process: Process) -> Known {
    Known { name, address: name, process, for_all: true, port: Some(number) }
}

/// The endpoint mapper's, and those that the first services of a Windows 7 are given in the order in which they start.
pub(super) static PORTS: [Known; 6] = [
    port("135", 135, Process::Mapper),
    port("49152", 49_152, Process::Wininit),
    port("49153", 49_153, Process::Eventlog),
    port("49154", 49_154, Process::Netsvcs),
    port("49155", 49_155, Process::Lsass),
    port("49156", 49_156, Process::Services),
];

/// What is behind a port: on one that is nobody's, the mapper.
pub(super) fn find_port(number: u16) -> &'static Known {
    let [mapper, ..] = &PORTS;
    PORTS.iter().find(|known| known.port == Some(number)).unwrap_or(mapper)
}

static PIPES: [Known; 20] = [
    pipe("srvsvc", "\\PIPE\\srvsvc", Process::Netsvcs, true),
    pipe("wkssvc", "\\PIPE\\wkssvc", Process::Workstation, true),
    pipe("browser", "\\PIPE\\browser", Process::Netsvcs, true),
    pipe("samr", "\\PIPE\\lsass", Process::Lsass, true),
    pipe("lsarpc", "\\PIPE\\lsass", Process::Lsass, true),
    pipe("lsass", "\\PIPE\\lsass", Process::Lsass, true),
    pipe("protected_storage", "\\PIPE\\protected_storage", Process::Lsass, false),
    pipe("LSM_API_service", "\\PIPE\\LSM_API_service", Process::Launch, false),
    pipe("netlogon", "\\PIPE\\lsass", Process::Lsass, true),
    pipe("spoolss", "\\PIPE\\spoolss", Process::Spooler, true),
    pipe("svcctl", "\\PIPE\\ntsvcs", Process::Services, false),
    pipe("ntsvcs", "\\PIPE\\ntsvcs", Process::Services, false),
    pipe("scerpc", "\\PIPE\\scerpc", Process::Services, false),
    pipe("plugplay", "\\PIPE\\plugplay", Process::Launch, false),
    pipe("InitShutdown", "\\PIPE\\InitShutdown", Process::Wininit, false),
    pipe("eventlog", "\\PIPE\\eventlog", Process::Eventlog, false),
    pipe("trkwks", "\\PIPE\\trkwks", Process::Launch, false),
    pipe("atsvc", "\\PIPE\\atsvc", Process::Netsvcs, false),
    pipe("epmapper", "\\PIPE\\epmapper", Process::Mapper, false),
    pipe("winreg", "\\PIPE\\winreg", Process::Registry, false),
];

/// The pipe of this name, which may have `PIPE\` before it. That of the registry there is only while its service runs.
pub(super) fn find_pipe(path: &str, is_admin: bool, serves_registry: bool) -> Result<&'static Known, Status> {
    let name = path.trim_matches('\\');
    let start = name.get(..5).filter(|start| start.eq_ignore_ascii_case("pipe\\"));
    let name = start.and_then(|start| name.get(start.len()..)).unwrap_or(name);
    let found = PIPES.iter().find(|known| known.name.eq_ignore_ascii_case(name));
    let is_served = |known: &&Known| serves_registry || known.process != Process::Registry;
    let known = found.filter(is_served).ok_or(Status::OBJECT_NAME_NOT_FOUND)?;
    if known.for_all || is_admin { Ok(known) } else { Err(Status::ACCESS_DENIED) }
}

/// The interface of this UUID and version that a process has; of versions, the first number must be the same, the second may be lower
/// (C706 section 6.2.2).
pub(super) fn find(process: Process, uuid: &[u8], version: [u16; 2]) -> Option<Interface> {
    let is_wanted = |known: &&Registered| {
        known.uuid == uuid
            && known.process.is_none_or(|one| one == process)
            && known.version.first() == version.first()
            && known.version >= version
    };
    INTERFACES.iter().find(is_wanted).map(|known| known.interface)
}
