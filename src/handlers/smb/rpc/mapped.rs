//! What the endpoint mapper of a Windows 7 lists: interfaces, what they say about themselves, and where each is found (C706 appendix O). The ports
//! are those of `interface::PORTS`, behind which the same process is.

use uuid::{Uuid, uuid};

/// Where an interface is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding {
    Port(u16),
    Pipe(&'static str),
    /// A name on its own machine.
    Local(&'static str),
}

/// An interface and all its places.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) uuid: Uuid,
    pub(super) version: [u16; 2],
    pub(super) annotation: &'static str,
    pub(super) bindings: &'static [Binding],
}

use Binding::{Local, Pipe, Port};

const WININIT: &[Binding] =
    &[Port(49_152), Local("WindowsShutdown"), Pipe("\\PIPE\\InitShutdown"), Local("WMsgKRpc0818C0")];
const WINLOGON: &[Binding] = &[Local("WindowsShutdown"), Pipe("\\PIPE\\InitShutdown"), Local("WMsgKRpc0818F1")];
const EVENTLOG: &[Binding] = &[Port(49_153), Pipe("\\pipe\\eventlog"), Local("eventlog")];
const NETSVCS: &[Binding] = &[Port(49_154), Pipe("\\PIPE\\atsvc"), Local("senssvc"), Local("IUserProfile2")];
const LSASS: &[Binding] = &[
    Port(49_155),
    Pipe("\\pipe\\lsass"),
    Pipe("\\PIPE\\protected_storage"),
    Local("lsapolicylookup"),
    Local("LSARPC_ENDPOINT"),
    Local("lsasspirpc"),
    Local("protected_storage"),
    Local("samss lpc"),
];

const fn mapped(uuid: Uuid, annotation: &'static str, bindings: &'static [Binding]) -> Mapped {
    Mapped { uuid, version: [1, 0], annotation, bindings }
}

static MAPPED: [Mapped; 30] = [
    mapped(uuid!("d95afe70-a6d5-4259-822e-2c84da1ddb0d"), "", WININIT),
    mapped(uuid!("76f226c3-ec14-4325-8a99-6a46348418af"), "", WINLOGON),
    mapped(uuid!("12e65dd8-887f-41ef-91bf-8d816c42c2e7"), "Secure Desktop LRPC interface", &[Local("WMsgKRpc0818F1")]),
    mapped(uuid!("b58aa02e-2884-4e97-8176-4ee06d794184"), "", &[Local("trkwks"), Pipe("\\pipe\\trkwks")]),
    mapped(uuid!("0767a036-0d22-48aa-ba69-b619480f38cb"), "PcaSvc", &[Local("trkwks"), Pipe("\\pipe\\trkwks")]),
    mapped(uuid!("06bba54a-be05-49f9-b0a0-30f790261023"), "Security Center", EVENTLOG),
    mapped(uuid!("f6beaff7-1e19-4fbb-9f8f-b89e2018337c"), "Event log TCPIP", EVENTLOG),
    mapped(uuid!("30adc50c-5cbc-46ce-9a0e-91914789e23c"), "NRP server endpoint", EVENTLOG),
    mapped(uuid!("3c4728c5-f0ab-448b-bda1-6ce01eb0a6d6"), "DHCPv6 Client LRPC Endpoint", &[Local("dhcpcsvc6")]),
    mapped(
        uuid!("3c4728c5-f0ab-448b-bda1-6ce01eb0a6d5"),
        "DHCP Client LRPC Endpoint",
        &[Local("dhcpcsvc6"), Local("dhcpcsvc")],
    ),
    mapped(uuid!("201ef99a-7fa0-444c-9399-19ba84f12a1a"), "AppInfo", NETSVCS),
    mapped(uuid!("5f54ce7d-5b79-4175-8584-cb65313a0e98"), "AppInfo", NETSVCS),
    mapped(uuid!("fd7a0523-dc70-43dd-9b2e-9c5ed48225b1"), "AppInfo", NETSVCS),
    mapped(uuid!("58e604e8-9adb-4d2e-a464-3b0683fb1480"), "AppInfo", NETSVCS),
    mapped(uuid!("a398e520-d59a-4bdd-aa7a-3c1e0303a511"), "IKE/Authip API", NETSVCS),
    mapped(uuid!("552d076a-cb29-4e44-8b6a-d15e59e2c0af"), "IP Transition Configuration endpoint", NETSVCS),
    mapped(uuid!("98716d03-89ac-44c7-bb8c-285824e51c4a"), "XactSrv service", NETSVCS),
    mapped(uuid!("c9ac6db5-82b7-4e55-ae8a-e464ed7b4277"), "Impl friendly name", NETSVCS),
    mapped(uuid!("86d35949-83c9-4044-b424-db363231fd0c"), "", NETSVCS),
    mapped(uuid!("378e52b0-c0a9-11cf-822d-00aa0051e40f"), "", &[Pipe("\\PIPE\\atsvc"), Local("senssvc")]),
    mapped(uuid!("1ff70682-0a51-30e8-076d-740be8cee98b"), "", &[Pipe("\\PIPE\\atsvc"), Local("senssvc")]),
    mapped(uuid!("0a74ef1c-41a4-4e06-83ae-dc74fb1cdd53"), "", &[Pipe("\\PIPE\\atsvc"), Local("senssvc")]),
    mapped(uuid!("7f9d11bf-7fb9-436b-a812-b2d50c5d4c03"), "Fw APIs", &[Local("LRPC-5b1b4d7e8a2f9c4d03")]),
    mapped(
        uuid!("dd490425-5325-4565-b774-7e27d6c09c24"),
        "Base Firewall Engine API",
        &[Local("LRPC-5b1b4d7e8a2f9c4d03")],
    ),
    mapped(uuid!("0b6edbfa-4a24-4fc6-8a23-942b1eca65d1"), "Spooler function endpoint", &[Local("spoolss")]),
    mapped(uuid!("4a452661-8290-4b36-8fbe-7f4093a94978"), "Spooler function endpoint", &[Local("spoolss")]),
    mapped(uuid!("ae33069b-a2a8-46ee-a235-ddfd339be281"), "Spooler base remote object endpoint", &[Local("spoolss")]),
    mapped(uuid!("12345778-1234-abcd-ef00-0123456789ac"), "", LSASS),
    mapped(uuid!("b25a52bf-e5dd-4f4a-aea6-8ca7272a0e86"), "KeyIso", LSASS),
    Mapped {
        uuid: uuid!("367abb81-9844-35f1-ad32-98f038001003"),
        version: [2, 0],
        annotation: "",
        bindings: &[Port(49_156)],
    },
];

/// Every interface with each of its places, in the order in which they are listed.
pub(super) fn entries() -> impl Iterator<Item = (&'static Mapped, Binding)> {
    MAPPED.iter().flat_map(|mapped| mapped.bindings.iter().map(move |binding| (mapped, *binding)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handlers::smb::rpc::interface::PORTS;

    #[test]
    fn every_port_that_is_listed_is_one_behind_which_a_process_is() {
        for (mapped, binding) in entries() {
            let Port(number) = binding else { continue };
            assert!(PORTS.iter().any(|known| known.port == Some(number)), "{} at {number}", mapped.uuid);
        }
    }
}
