//! Ports that are reserved while the sensor runs, whatever becomes of its engine.
//!
//! Closed ones are what `reject` rewrites to, so that the kernel's own reset or port unreachable is the answer, byte for byte what a host without
//! that service says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// Ports that nobody else can bind while this lives, all in host byte order.
#[derive(Debug)]
pub(super) struct ReservedPorts {
    /// A TCP port that nobody answers at.
    pub(super) closed_tcp: u16,
    /// A UDP port that nobody answers at.
    pub(super) closed_udp: u16,
    /// A TCP port that the engine can listen on for redirected connections, if that was asked for.
    pub(super) redirect: Option<u16>,
    _reservations: Vec<Socket>,
}

impl ReservedPorts {
    pub(super) fn reserve(redirect: bool) -> io::Result<Self> {
        // Bound and not listening: the kernel resets who connects.
        let tcp = bind(Type::STREAM, false)?;
        let shared = redirect.then(|| bind(Type::STREAM, true)).transpose()?;
        // Bound and connected to a peer that never sends: for everybody else no socket is there.
        let udp = bind(Type::DGRAM, false)?;
        let (tcp_port, udp_port) = (port(&tcp)?, port(&udp)?);
        connect_to_nobody(&udp)?;
        let redirect = shared.as_ref().map(port).transpose()?;
        let reservations = [tcp, udp].into_iter().chain(shared).collect();
        Ok(Self { closed_tcp: tcp_port, closed_udp: udp_port, redirect, _reservations: reservations })
    }
}

/// Port 9 (RFC 863): nothing is ever sent there.
const DISCARD: u16 = 9;

/// Binds both families where IPv6 is there, else IPv4. A shared port lets others of the same user bind it, too.
fn bind(kind: Type, shared: bool) -> io::Result<Socket> {
    let both = Socket::new(Domain::IPV6, kind, None).and_then(|socket| {
        socket.set_only_v6(false)?;
        socket.set_reuse_port(shared)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        Ok(socket)
    });
    both.or_else(|_| {
        let socket = Socket::new(Domain::IPV4, kind, None)?;
        socket.set_reuse_port(shared)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        Ok(socket)
    })
}

/// Connects to this host itself. Where IPv6 is switched off (`disable_ipv6`), sockets for it can be had, and its loopback address is not there.
fn connect_to_nobody(udp: &Socket) -> io::Result<()> {
    let connect = |address: IpAddr| udp.connect(&SocketAddr::from((address, DISCARD)).into());
    match udp.local_addr()?.as_socket() {
        Some(SocketAddr::V6(_)) => {
            connect(Ipv6Addr::LOCALHOST.into()).or_else(|_| connect(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()))
        }
        _ => connect(Ipv4Addr::LOCALHOST.into()),
    }
}

fn port(socket: &Socket) -> io::Result<u16> {
    Ok(socket.local_addr()?.as_socket().map_or(0, |address| address.port()))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

    use super::*;

    #[test]
    fn closed_ports_are_taken_and_answer_like_closed_ones() {
        let ports = ReservedPorts::reserve(false).unwrap();
        assert!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, ports.closed_tcp)).is_err(), "the port is taken");
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, ports.closed_tcp)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let datagram = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        datagram.connect((Ipv4Addr::LOCALHOST, ports.closed_udp)).unwrap();
        datagram.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        datagram.send(b"?").unwrap();
        assert_eq!(datagram.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    #[test]
    fn only_the_engine_can_listen_on_the_port_for_redirected_connections() {
        let port = ReservedPorts::reserve(true).unwrap();
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port.redirect.unwrap()));
        assert!(TcpListener::bind(address).is_err(), "the port is taken");
        let mut config = crate::config::Config::default().server;
        (config.tcp_port, config.udp_port, config.workers, config.max_sessions) = (0, 0, 2, 64);
        let mut server = crate::server::bind(&config).unwrap();
        assert_eq!(server.listen_for_redirected(address.port()).unwrap(), address.port());
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).unwrap();
    }
}
