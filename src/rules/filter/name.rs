//! Names to numbers: services, protocols, networks, hosts and interfaces, asked once while a filter is compiled.

use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;

/// Addresses that one host name may stand for.
const MAX_ADDRESSES: usize = 64;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A port, and the transport that its name belongs to; `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) port: u16,
    pub(super) transport: Option<u8>,
}

/// Looks a service up in `/etc/services`, TCP before UDP; a name that is the same port in both belongs to neither.
pub(super) fn service(name: &str) -> Result<Service, String> {
    if name.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() {
        let port = name.parse().map_err(|_| format!("port {name} is above 65535"))?;
        return Ok(Service { port, transport: None });
    }
    let port = |transport| {
        let mut entries = services().iter().filter(|entry| entry.transport == transport);
        entries.find(|entry| entry.names.iter().any(|known| known == name)).map(|entry| entry.port)
    };
    match (port(TCP), port(UDP)) {
        (Some(tcp), Some(udp)) if tcp == udp => Ok(Service { port: tcp, transport: None }),
        (Some(port), _) => Ok(Service { port, transport: Some(TCP) }),
        (None, Some(port)) => Ok(Service { port, transport: Some(UDP) }),
        (None, None) => Err(format!("no service `{name}` in /etc/services")),
    }
}

/// Two ports, from `80-90`, `ftp-ssh` or `80-http`.
pub(super) fn service_range(text: &str) -> Result<(u16, u16, Option<u8>), String> {
    if let Some((low, high)) = numeric_range(text) {
        let port = |number: i64| u16::try_from(number).map_err(|_| format!("port {number} is not in 0..65535"));
        return Ok((port(low)?, port(high)?, None));
    }
    let Some((low, high)) = text.split_once('-') else {
        return Err(format!("`{text}` is not a range of ports such as 6000-6008"));
    };
    let (low, high) = (service(low)?, service(high)?);
    Ok((low.port, high.port, if low.transport == high.transport { low.transport } else { None }))
}

/// Two numbers as `sscanf("%d-%d")` reads them: decimal, and what follows the second is not looked at.
fn numeric_range(text: &str) -> Option<(i64, i64)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (low, rest) = text.split_at_checked(digits(text))?;
    let rest = rest.strip_prefix('-')?;
    let (sign, rest) = rest.strip_prefix('-').map_or((1, rest), |rest| (-1, rest));
    let high = rest.get(..digits(rest))?;
    Some((low.parse().ok()?, sign * high.parse::<i64>().ok()?))
}

/// Looks a protocol up in `/etc/protocols`.
pub(super) fn protocol(name: &str) -> Result<u32, String> {
    let entry = protocols().iter().find(|(_, names)| names.iter().any(|known| known == name));
    entry.map(|&(number, _)| number).ok_or_else(|| format!("no protocol `{name}` in /etc/protocols"))
}

/// Looks a network up in `/etc/networks`: its address, never 0.
pub(super) fn network(name: &str) -> Result<u32, String> {
    let file = std::fs::read_to_string("/etc/networks").unwrap_or_default();
    let mut lines = file.lines().filter_map(fields);
    let address = lines.find_map(|(first, mut rest)| {
        let address = rest.next()?;
        (first == name || rest.any(|alias| alias == name)).then(|| dotted_network(address)).flatten()
    });
    address.filter(|&address| address != 0).ok_or_else(|| format!("no network `{name}` in /etc/networks"))
}

/// The addresses of a host.
pub(super) fn host(name: &str) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|e| format!("host `{name}` does not resolve: {e}"))?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|socket| socket.ip()).take(MAX_ADDRESSES) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The index of an interface in this thread's network namespace. One that is made anew gets another.
pub(super) fn interface(name: &str) -> Result<u32, String> {
    let socket = UnixDatagram::unbound().map_err(|e| format!("interface `{name}` cannot be looked up: {e}"))?;
    name_to_index(socket, name).map_err(|error| match error {
        Errno::NODEV => {
            format!("interface `{name}` does not exist: correct it (`ip link` lists them), or set it up first")
        }
        other => format!("interface `{name}` cannot be looked up: {other}"),
    })
}

struct ServiceEntry {
    names: Vec<String>,
    port: u16,
    transport: u8,
}

/// `/etc/services`, read when it is first asked for.
fn services() -> &'static [ServiceEntry] {
    static SERVICES: OnceLock<Vec<ServiceEntry>> = OnceLock::new();
    SERVICES.get_or_init(|| {
        let file = std::fs::read_to_string("/etc/services").unwrap_or_default();
        file.lines().filter_map(service_entry).collect()
    })
}

fn service_entry(line: &str) -> Option<ServiceEntry> {
    let (name, mut rest) = fields(line)?;
    let (port, transport) = rest.next()?.split_once('/')?;
    let transport = match transport {
        "tcp" => TCP,
        "udp" => UDP,
        _ => return None,
    };
    let names = std::iter::once(name).chain(rest).map(str::to_owned).collect();
    Some(ServiceEntry { names, port: port.parse().ok()?, transport })
}

/// `/etc/protocols`, read when it is first asked for.
fn protocols() -> &'static [(u32, Vec<String>)] {
    static PROTOCOLS: OnceLock<Vec<(u32, Vec<String>)>> = OnceLock::new();
    PROTOCOLS.get_or_init(|| {
        let file = std::fs::read_to_string("/etc/protocols").unwrap_or_default();
        let entry = |line| {
            let (name, mut rest): (&str, _) = fields(line)?;
            let number = rest.next()?.parse().ok()?;
            Some((number, std::iter::once(name).chain(rest).map(str::to_owned).collect()))
        };
        file.lines().filter_map(entry).collect()
    })
}

/// The first word of a line and the others, without the comment; `None` for an empty line.
fn fields(line: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let mut words = line.split('#').next().unwrap_or("").split_ascii_whitespace();
    words.next().map(|first| (first, words))
}

/// A network number with one to four parts; the parts left out are 0.
fn dotted_network(text: &str) -> Option<u32> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let Some(part) = parts.next() else { break };
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| u32::from_be_bytes(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_sscanf_reads_them() {
        assert_eq!(service_range("80-90"), Ok((80, 90, None)));
        assert_eq!(service_range("90-80"), Ok((90, 80, None)));
        assert_eq!(service_range("010-20x"), Ok((10, 20, None)));
        assert!(service_range("80-65536").is_err());
        assert!(service_range("80--90").is_err());
        assert!(service_range("80").is_err());
    }

    #[test]
    fn networks_are_padded_with_zeros() {
        assert_eq!(dotted_network("127"), Some(0x7f00_0000));
        assert_eq!(dotted_network("169.254.0.0"), Some(0xa9fe_0000));
        assert_eq!(dotted_network("1.2.3.4.5"), None);
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        assert!(service("no-such-service-here").is_err());
        assert!(protocol("no-such-protocol").is_err());
        assert!(network("no-such-network").is_err());
    }
}
