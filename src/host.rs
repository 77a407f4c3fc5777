//! Facts about this host: what must not be diverted (interfaces, default route, listening ports, the operator's SSH), and
//! its CPUs.
//!
//! Owns the reading of `/proc`; every parser takes text and can be fed anything. Refuses to open sockets and to change
//! anything.

mod address;
mod cpu;
mod listen;
mod route;
mod ssh;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use crate::config::Prefix;

pub use cpu::{cpus, parallelism};
pub use listen::Listener;

/// UDP ports of the DHCP clients (RFC 2131, section 4.1; RFC 8415, section 7.2). An answer to a broadcast opens a
/// connection of its own for conntrack; diverted, it would cost the host its address.
pub const DHCP_CLIENT_PORTS: [u16; 2] = [68, 546];

/// What the kernel begins with, should `/proc/sys` be hidden.
const DEFAULT_OWN_PORTS: (u16, u16) = (32_768, 60_999);

/// Network files of this thread's namespace. `/proc/net` would be that of the main thread.
const PROC_NET: &str = "/proc/thread-self/net";

/// Port numbers by protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ports {
    /// TCP.
    pub tcp: BTreeSet<u16>,
    /// UDP.
    pub udp: BTreeSet<u16>,
}

/// Why a fact cannot be had.
#[derive(Debug, Error)]
pub enum Error {
    /// Nothing says which interface is meant.
    #[error("no default route, so no interface to divert from: name one with -i (`ip link` lists them)")]
    NoDefaultRoute,
    /// No such interface.
    #[error(
        "interface `{name}` does not exist: this host has {}; name one with -i, or `-i {name}+` if it will come later",
        present.join(", ")
    )]
    NoInterface {
        /// As the operator wrote it.
        name: String,
        /// Those that exist.
        present: Vec<String>,
    },
    /// Nothing can stand in for the addresses of a captured network.
    #[error(
        "capture: {network} cannot be answered: this host has no {} address that others can reach; give it one, or take the network \
         out of `capture` in [engine]",
        if network.is_v4() { "IPv4" } else { "IPv6" }
    )]
    NoStandIn {
        /// The network.
        network: Prefix,
    },
    /// A file of `/proc` cannot be read.
    #[error("cannot read {}: {source}; is /proc mounted?", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The interface of the default route: IPv4 before IPv6, the lowest metric of several.
///
/// # Errors
/// There is no default route, or `/proc` is unreadable.
pub fn default_interface() -> Result<String, Error> {
    let v6 = read_optional("ipv6_route")?;
    let v4 = read("route")?;
    route::default_v4(&v4).or_else(|| route::default_v6(&v6)).map(str::to_owned).ok_or(Error::NoDefaultRoute)
}

/// Checks that the interface exists in this thread's network namespace. A name that ends in `+` may come to exist
/// later.
///
/// # Errors
/// It does not, or `/proc` is unreadable.
pub fn check_interface(name: &str) -> Result<(), Error> {
    let devices = read("dev")?;
    let present: Vec<String> = route::interfaces(&devices).map(str::to_owned).collect();
    if name.ends_with('+') || present.iter().any(|other| other == name) {
        return Ok(());
    }
    Err(Error::NoInterface { name: name.to_owned(), present })
}

/// Every socket of this host that waits for strangers: TCP in LISTEN, UDP bound and not connected.
///
/// # Errors
/// `/proc` is unreadable.
pub fn listeners() -> Result<Vec<Listener>, Error> {
    let mut listeners = listen::tcp(&read("tcp")?);
    listeners.extend(listen::tcp(&read_optional("tcp6")?));
    listeners.extend(listen::udp(&read("udp")?));
    listeners.extend(listen::udp(&read_optional("udp6")?));
    Ok(listeners)
}

/// The ports that stay with the host unless a rule names them: those that it listens on, the port of the operator's own
/// SSH connection, and DHCP. Sockets bound to loopback are out of a stranger's reach and count only with `loopback`,
/// for `-i lo`.
///
/// # Errors
/// `/proc` is unreadable.
pub fn ports_in_use(loopback: bool) -> Result<Ports, Error> {
    let mut ports = Ports::default();
    for listener in listeners()?.into_iter().filter(|listener| loopback || !listener.address.ip().is_loopback()) {
        let set = if listener.tcp { &mut ports.tcp } else { &mut ports.udp };
        set.insert(listener.address.port());
    }
    ports.tcp.extend(ssh_port());
    ports.udp.extend(DHCP_CLIENT_PORTS);
    Ok(ports)
}

/// First and last of the ports from which this host opens connections when nobody says another (ip(7), `ip_local_port_range`).
pub fn own_ports() -> (u16, u16) {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ports = text.split_ascii_whitespace().map_while(|word| word.parse().ok());
    ports.next().zip(ports.next()).unwrap_or(DEFAULT_OWN_PORTS)
}

/// Every address of this host, loopback included; those that `/proc` does not show are left out.
pub fn addresses() -> Vec<IpAddr> {
    let v4 = address::v4(&read_optional("fib_trie").unwrap_or_default());
    v4.into_iter().chain(address::v6(&read_optional("if_inet6").unwrap_or_default())).collect()
}

/// The first address of each family that others can reach: captured networks are answered by it.
pub fn stand_ins() -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
    address::reachable(&addresses())
}

/// Checks that every captured network has an address of this host that can stand in for its own.
///
/// # Errors
/// One has not.
pub fn check_captured(networks: &[Prefix]) -> Result<(), Error> {
    let (v4, v6) = if networks.is_empty() { (None, None) } else { stand_ins() };
    let lacks = |network: &&Prefix| if network.is_v4() { v4.is_none() } else { v6.is_none() };
    networks.iter().find(lacks).map_or(Ok(()), |&network| Err(Error::NoStandIn { network }))
}

/// The port of the SSH connection that this process was started over, from its environment or, because sudo clears
/// that, from the environment of its ancestors.
pub fn ssh_port() -> Option<u16> {
    ssh::port(Path::new("/proc"), std::process::id())
}

fn read(name: &str) -> Result<String, Error> {
    let path = Path::new(PROC_NET).join(name);
    fs::read(&path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(|source| Error::Unreadable { path, source })
}

/// Empty where the kernel has IPv6 disabled.
fn read_optional(name: &str) -> Result<String, Error> {
    match read(name) {
        Err(Error::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn what_listens_on_loopback_counts_only_when_loopback_is_diverted() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (tcp, udp) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
        let found = listeners().unwrap();
        assert!(found.contains(&Listener { tcp: true, address: tcp }));
        assert!(found.contains(&Listener { tcp: false, address: udp }));
        let ports = ports_in_use(true).unwrap();
        assert!(ports.tcp.contains(&tcp.port()) && ports.udp.contains(&udp.port()));
        assert!(ports.udp.contains(&68));
        assert!(!ports_in_use(false).unwrap().tcp.contains(&tcp.port()));
    }

    #[test]
    fn an_unknown_interface_is_named_with_those_that_exist() {
        check_interface("lo").unwrap();
        check_interface("veth+").unwrap();
        let error = check_interface("nope0").unwrap_err().to_string();
        assert!(error.contains("`nope0`") && error.contains("lo") && error.contains("-i"), "{error}");
    }
}
