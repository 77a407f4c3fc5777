//! Opening the server's sockets: done once, while still root.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};

use super::{holder, sys};
use crate::{config, host};

/// Connections that the kernel completes before they are accepted; it takes less when net.core.somaxconn says so.
const BACKLOG: i32 = 4096;
/// Receive buffer of a UDP socket in bytes, for bursts; the kernel takes less when net.core.rmem_max says so.
const UDP_BUFFER: usize = 4 * 1024 * 1024;
/// Descriptors besides those of sessions.
const SPARE_DESCRIPTORS: u64 = 512;

/// TCP or UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
    Tcp,
    Udp,
}

impl Socket {
    const fn config_key(self) -> &'static str {
        match self {
            Self::Tcp => "tcp_port",
            Self::Udp => "udp_port",
        }
    }

    const fn types(self) -> (Type, Protocol) {
        match self {
            Self::Tcp => (Type::STREAM, Protocol::TCP),
            Self::Udp => (Type::DGRAM, Protocol::UDP),
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// Why the server's sockets cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error("{socket} port {port} is taken{}: stop it or set [server] {key}", by(holder.as_deref()))]
    Taken {
        /// `TCP` or `UDP`.
        socket: String,
        /// The port.
        port: u16,
        /// Who listens there, if that can be found out.
        holder: Option<String>,
        /// The configuration key that says another port.
        key: &'static str,
    },
    /// The address does not let itself be listened on.
    #[error("cannot listen on {address} ({socket}): {error}; see [server] listen")]
    Address {
        /// `TCP` or `UDP`.
        socket: String,
        /// Address and port.
        address: SocketAddr,
        /// What the kernel says.
        #[source]
        error: io::Error,
    },
    /// No address is left to listen on.
    #[error("[server] listen names no address that this host has")]
    Nowhere,
}

fn by(holder: Option<&str>) -> String {
    holder.map(|holder| format!(" (by {holder})")).unwrap_or_default()
}

/// The sockets of one worker.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) tcp: Vec<TcpListener>,
    /// For connections that the kernel has redirected.
    pub(super) redirected: Vec<TcpListener>,
    pub(super) udp: Vec<UdpSocket>,
    /// The TCP listeners take connections to any address and port.
    pub(super) transparent: bool,
}

/// A server that has its sockets, and no threads yet.
#[derive(Debug)]
pub struct BoundServer {
    pub(super) config: config::Server,
    pub(super) workers: Vec<Sockets>,
}

/// Opens the server's sockets, a set for every worker, and raises the limit of open files to what `max_sessions` needs. Port 0
/// lets the kernel choose.
///
/// # Errors
/// When a port is taken or an address is not this host's.
pub fn bind(config: &config::Server) -> Result<BoundServer, BindError> {
    raise_descriptor_limit(config.max_sessions);
    let mut config = config.clone();
    config.workers = config.workers(host::parallelism());
    let mut sockets: Vec<Sockets> = (0..config.workers).map(|_| Sockets::default()).collect();
    for address in config.listen.clone() {
        if address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !has_ipv6() {
            log::warn!("this host has no IPv6: the server listens on IPv4 only");
            continue;
        }
        config.tcp_port = probe(Socket::Tcp, address, config.tcp_port)?;
        config.udp_port = probe(Socket::Udp, address, config.udp_port)?;
        for worker in &mut sockets {
            worker.tcp.push(open(Socket::Tcp, SocketAddr::new(address, config.tcp_port))?.into());
            worker.udp.push(open(Socket::Udp, SocketAddr::new(address, config.udp_port))?.into());
        }
    }
    if sockets.iter().any(|worker| worker.tcp.is_empty()) {
        return Err(BindError::Nowhere);
    }
    Ok(BoundServer { config, workers: sockets })
}

impl BoundServer {
    /// Lets the TCP listeners take connections that the firewall's TPROXY rules bring, whatever they dialled, and gives this mark to all that the
    /// sockets of these connections send.
    ///
    /// # Errors
    /// Without CAP_NET_ADMIN, or in a kernel without transparent sockets.
    pub fn make_transparent(&mut self, mark: u32) -> io::Result<()> {
        for worker in &mut self.workers {
            for listener in &worker.tcp {
                sys::make_transparent(listener.as_fd(), listener.local_addr()?.is_ipv6())?;
                SockRef::from(listener).set_mark(mark)?;
            }
            worker.transparent = true;
        }
        Ok(())
    }

    /// Listens for connections that the firewall's NAT rules redirect to this port, in each family that is listened on; port 0 lets the kernel
    /// choose. Gives the port. Whoever else has bound it must have set SO_REUSEPORT, too.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn listen_for_redirected(&mut self, mut port: u16) -> Result<u16, BindError> {
        let listeners = self.workers.iter().flat_map(|worker| &worker.tcp);
        let listened: Vec<SocketAddr> = listeners.filter_map(|listener| listener.local_addr().ok()).collect();
        let wildcards = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        let is_listened = |ip: &IpAddr| listened.iter().any(|address| address.is_ipv4() == ip.is_ipv4());
        for ip in wildcards.into_iter().filter(is_listened) {
            for worker in &mut self.workers {
                let address = SocketAddr::new(ip, port);
                let listener = TcpListener::from(open(Socket::Tcp, address)?);
                let bound = listener.local_addr();
                let unbound = |error| BindError::Address { socket: Socket::Tcp.to_string(), address, error };
                port = bound.map_err(unbound)?.port();
                worker.redirected.push(listener);
            }
        }
        Ok(port)
    }

    /// The TCP port that it listens on.
    pub fn tcp_port(&self) -> u16 {
        self.config.tcp_port
    }

    /// The UDP port that it listens on.
    pub fn udp_port(&self) -> u16 {
        self.config.udp_port
    }
}

fn has_ipv6() -> bool {
    RawSocket::new(Domain::IPV6, Type::DGRAM, None)
        .and_then(|socket| socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into()))
        .is_ok()
}

/// Binds without SO_REUSEPORT, which would let us join another program's listeners, and gives the port back.
fn probe(kind: Socket, ip: IpAddr, port: u16) -> Result<u16, BindError> {
    let address = SocketAddr::new(ip, port);
    let bound = new_socket(kind, address).and_then(|socket| {
        // Connections that linger in TIME_WAIT do not count, listeners do.
        socket.set_reuse_address(kind == Socket::Tcp)?;
        socket.bind(&address.into())?;
        socket.local_addr()
    });
    match bound {
        Ok(local) => Ok(local.as_socket().map_or(port, |local| local.port())),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(BindError::Taken {
            socket: kind.to_string(),
            port,
            holder: holder::of(kind, port),
            key: kind.config_key(),
        }),
        Err(error) => Err(BindError::Address { socket: kind.to_string(), address, error }),
    }
}

fn new_socket(kind: Socket, address: SocketAddr) -> io::Result<RawSocket> {
    let (style, protocol) = kind.types();
    let socket = RawSocket::new(Domain::for_address(address), style, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open(kind: Socket, address: SocketAddr) -> Result<RawSocket, BindError> {
    let opened = new_socket(kind, address).and_then(|socket| {
        socket.set_reuse_port(true)?;
        if kind == Socket::Tcp {
            socket.set_reuse_address(true)?;
            // Accepted sockets inherit these, which saves as many system calls a connection. Urgent bytes (telnet's data mark)
            // stay where they were in the stream.
            socket.set_out_of_band_inline(true)?;
            socket.set_tcp_nodelay(true)?;
            socket.set_keepalive(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            // The answer of a handler carries the acknowledgement of what was asked: one packet less for each exchange. A socket
            // forgets this when it begins to listen, not when it accepts.
            socket.set_tcp_quickack(false)?;
        } else {
            sys::enable_packet_info(socket.as_fd(), address.is_ipv6())?;
            socket.set_recv_buffer_size(UDP_BUFFER)?;
            socket.bind(&address.into())?;
        }
        Ok(socket)
    });
    opened.map_err(|error| BindError::Address { socket: kind.to_string(), address, error })
}

/// A relay has two descriptors. What cannot be had is said: accept then fails earlier, and is counted.
fn raise_descriptor_limit(max_sessions: usize) {
    let wanted = (max_sessions as u64).saturating_mul(2).saturating_add(SPARE_DESCRIPTORS);
    let old = getrlimit(Resource::Nofile);
    if old.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let maximum = old.maximum.map(|maximum| maximum.max(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).or_else(|_| {
        let current = old.maximum.map(|maximum| maximum.min(wanted));
        setrlimit(Resource::Nofile, Rlimit { current, maximum: old.maximum })
    });
    let has = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if raised.is_err() || has < wanted {
        log::warn!(
            "max_sessions = {max_sessions} needs {wanted} open files, the limit is {has}: raise it (ulimit -n) or lower max_sessions"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_loopback(tcp_port: u16) -> config::Server {
        config::Server {
            listen: vec![IpAddr::from([127, 0, 0, 1])],
            tcp_port,
            udp_port: 0,
            workers: 2,
            max_sessions: 64,
            ..config::Server::default()
        }
    }

    #[test]
    fn every_worker_has_sockets_on_the_same_ports() {
        let bound = bind(&on_loopback(0)).unwrap();
        let ports: Vec<u16> =
            bound.workers.iter().flat_map(|worker| &worker.tcp).map(|tcp| tcp.local_addr().unwrap().port()).collect();
        assert_eq!(ports, [bound.tcp_port(); 2]);
    }

    #[test]
    fn a_taken_port_is_named_with_its_holder_and_the_mend_even_when_it_would_share() {
        let other = bind(&on_loopback(0)).unwrap();
        let error = bind(&on_loopback(other.tcp_port())).unwrap_err().to_string();
        let beginning = format!("TCP port {} is taken (by ", other.tcp_port());
        assert!(error.starts_with(&beginning) && error.ends_with("): stop it or set [server] tcp_port"), "{error}");
    }

    #[test]
    fn an_address_of_another_host_is_named() {
        let config = config::Server { listen: vec![IpAddr::from([192, 0, 2, 1])], ..on_loopback(0) };
        let error = bind(&config).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on 192.0.2.1:0 (TCP): "), "{error}");
    }
}
