//! Plain clients. Every call has a time limit; a test runs them inside `lab.attacker(...)`.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Lab, PATIENCE};

/// Time after which a dropped connection attempt counts as timed out.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(1500);

impl Lab {
    /// A TCP connection from the attacker; it must come about.
    pub(crate) fn dial(&self, to: SocketAddr) -> TcpStream {
        self.attacker(|| dial(to)).unwrap_or_else(|error| panic!("connecting to {to}: {error}"))
    }

    /// A UDP socket of the attacker that sends to, and hears from, `to` alone.
    pub(crate) fn datagrams(&self, to: SocketAddr) -> UdpSocket {
        self.attacker(|| datagrams(to)).unwrap()
    }

    /// Connects, asks one line, returns the answer line.
    pub(crate) fn ask(&self, to: SocketAddr, line: &str) -> io::Result<String> {
        ask(&mut self.attacker(|| dial(to))?, line)
    }
}

/// Connects to `to` from any port.
pub(crate) fn dial(to: SocketAddr) -> io::Result<TcpStream> {
    connect(&tcp_socket(to)?, to, PATIENCE)
}

/// Connects with a limit of [`TIMEOUT`]: for ports that are expected to be silent.
pub(crate) fn dial_briefly(to: SocketAddr) -> io::Result<TcpStream> {
    connect(&tcp_socket(to)?, to, TIMEOUT)
}

/// Connects to `to` from the source port `port`, which other connections of the same process may be using, too.
pub(crate) fn dial_from(port: u16, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(to)?;
    socket.set_reuse_address(true)?;
    let any = if to.is_ipv4() { SocketAddr::from(([0; 4], port)) } else { SocketAddr::from(([0; 16], port)) };
    socket.bind(&any.into())?;
    connect(&socket, to, PATIENCE)
}

/// A UDP socket connected to `to`: an answer from another address or port never reaches it.
pub(crate) fn datagrams(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Sends one line, without its end, and reads one.
pub(crate) fn ask(stream: &mut TcpStream, line: &str) -> io::Result<String> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    // Nothing is asked before the answer is there: no byte of a later answer is lost in this buffer.
    BufReader::new(&mut *stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// Sends `bytes` and reads as many.
pub(crate) fn echo(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    let mut heard = vec![0; bytes.len()];
    stream.read_exact(&mut heard)?;
    Ok(heard)
}

/// Sends one datagram and receives one.
pub(crate) fn ask_datagram(socket: &UdpSocket, bytes: &[u8]) -> io::Result<Vec<u8>> {
    socket.send(bytes)?;
    let mut heard = vec![0; 65_536];
    loop {
        match socket.recv(&mut heard) {
            // A wait with a limit is not taken up again when the process was stopped meanwhile (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => {
                heard.truncate(outcome?);
                return Ok(heard);
            }
        }
    }
}

/// Ends the connection with a reset at once. (Closing a lingering socket would wait for every process that a parallel test is just
/// starting, for it holds a copy of the descriptor until it runs its program.)
pub(crate) fn abort(stream: TcpStream) {
    rustix::net::connect_unspec(&stream).unwrap();
}

fn tcp_socket(to: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))
}

fn connect(socket: &Socket, to: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    socket.connect_timeout(&to.into(), limit)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.try_clone()?.into())
}
