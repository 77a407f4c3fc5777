//! Ports that are reserved and closed: what `reject` rewrites to, so that the kernel's own reset or port unreachable is the answer, byte
//! for byte what a host without that service says.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// One port of each protocol that nobody else can bind and nobody answers at, while this lives.
#[derive(Debug)]
pub(super) struct ClosedPorts {
    /// TCP port, host byte order.
    pub(super) tcp: u16,
    /// UDP port, host byte order.
    pub(super) udp: u16,
    _reservations: [Socket; 2],
}

impl ClosedPorts {
    pub(super) fn reserve() -> io::Result<Self> {
        // Bound and not listening: the kernel resets who connects.
        let tcp = bind(Type::STREAM)?;
        // Bound and connected to a peer that never sends: for everybody else no socket is there.
        let udp = bind(Type::DGRAM)?;
        let (tcp_port, udp_port) = (port(&tcp)?, port(&udp)?);
        let loopback = match udp.local_addr()?.as_socket() {
            Some(SocketAddr::V6(_)) => SocketAddr::from((Ipv6Addr::LOCALHOST, DISCARD)),
            _ => SocketAddr::from((Ipv4Addr::LOCALHOST, DISCARD)),
        };
        udp.connect(&loopback.into())?;
        Ok(Self { tcp: tcp_port, udp: udp_port, _reservations: [tcp, udp] })
    }
}

/// Port 9 (RFC 863): nothing is ever sent there.
const DISCARD: u16 = 9;

/// Binds both families where IPv6 is there, else IPv4.
fn bind(kind: Type) -> io::Result<Socket> {
    let both = Socket::new(Domain::IPV6, kind, None).and_then(|socket| {
        socket.set_only_v6(false)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        Ok(socket)
    });
    both.or_else(|_| {
        let socket = Socket::new(Domain::IPV4, kind, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        Ok(socket)
    })
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
        let closed = ClosedPorts::reserve().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, closed.tcp)).is_err(), "the port is taken");
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, closed.tcp)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let datagram = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        datagram.connect((Ipv4Addr::LOCALHOST, closed.udp)).unwrap();
        datagram.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        datagram.send(b"?").unwrap();
        assert_eq!(datagram.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
