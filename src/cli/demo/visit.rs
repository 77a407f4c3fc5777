//! What the attacker does: plain connections and datagrams, nothing that needs more than a socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use socket2::{Domain, Protocol, Socket, Type};

const PATIENCE: Duration = Duration::from_secs(3);
/// Most of an answer that is looked at, in bytes.
const ANSWER: usize = 4096;
/// Descriptors besides those of the sweep.
const OTHER_FILES: u64 = 64;
/// First port of the sweep; one that no shipped rule names.
const SWEEP_FROM: u16 = 20_000;

/// How something is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Means {
    /// Over a TCP connection.
    Stream,
    /// In a UDP datagram.
    Datagram,
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "TCP",
            Self::Datagram => "UDP",
        })
    }
}

/// One thing to do.
pub(super) struct Plan {
    /// How.
    means: Means,
    /// Which port is dialled.
    port: u16,
    /// What is said.
    says: &'static str,
}

/// Everything that the attacker does over each family.
pub(super) const PLANS: &[Plan] = &[
    Plan { means: Means::Stream, port: 7005, says: "hello" },
    Plan { means: Means::Stream, port: 8080, says: "GET /admin HTTP/1.1\r\nHost: sensor\r\nConnection: close\r\n\r\n" },
    Plan { means: Means::Stream, port: 31_337, says: "\x01\x02who is there" },
    Plan { means: Means::Datagram, port: 7005, says: "hello" },
    Plan { means: Means::Datagram, port: 31_337, says: "\x01\x02who is there" },
];

/// One thing that was done.
pub(super) struct Visit {
    /// How.
    pub(super) means: Means,
    /// What was dialled.
    pub(super) to: SocketAddr,
    /// From where; `None` when there was no connection.
    pub(super) client: Option<SocketAddr>,
    /// What was said.
    pub(super) said: &'static str,
    /// What came back.
    pub(super) got: io::Result<Vec<u8>>,
}

impl Visit {
    /// Does it.
    pub(super) fn make(plan: &Plan, address: IpAddr) -> Self {
        let to = SocketAddr::new(address, plan.port);
        let mut client = None;
        let got = match plan.means {
            Means::Stream => stream(to, plan.says, &mut client),
            Means::Datagram => datagram(to, plan.says, &mut client),
        };
        Self { means: plan.means, to, client, said: plan.says, got }
    }
}

/// Many ports at the same time from one source port, as mass scanners do it.
#[derive(Default)]
pub(super) struct Sweep {
    /// From where.
    pub(super) client: Option<SocketAddr>,
    /// Ports that were dialled.
    pub(super) dialled: usize,
    /// Ports that took the connection while all the others were open, too.
    pub(super) connected: usize,
    /// Ports that answered, or closed in order on words that they do not know.
    pub(super) served: usize,
}

/// Dials `ports` ports from one source port and speaks only when all connections stand.
pub(super) fn sweep(address: IpAddr, ports: u16) -> Sweep {
    let mut sweep = Sweep { dialled: ports.into(), ..Sweep::default() };
    let mut streams = Vec::new();
    for port in (SWEEP_FROM..).take(ports.into()) {
        let source = sweep.client.map_or(0, |client| client.port());
        if let Ok(stream) = dial_from(source, SocketAddr::new(address, port)) {
            sweep.client = sweep.client.or(stream.local_addr().ok());
            streams.push(stream);
        }
    }
    sweep.connected = streams.len();
    sweep.served = streams.iter_mut().filter_map(|stream| exchange(stream, b"who is there").ok()).count();
    sweep
}

/// Raises the limit of open descriptors for a sweep; where it cannot be raised, the sweep shows fewer connections.
pub(super) fn allow_open_files(ports: u16) {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = u64::from(ports) + OTHER_FILES;
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

fn dial_from(source: u16, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    let any = if to.is_ipv4() { SocketAddr::from(([0; 4], source)) } else { SocketAddr::from(([0; 16], source)) };
    socket.bind(&any.into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

fn stream(to: SocketAddr, says: &str, client: &mut Option<SocketAddr>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    *client = Some(stream.local_addr()?);
    exchange(&mut stream, says.as_bytes())
}

/// Says its piece, ends its side, and listens to the end.
fn exchange(stream: &mut TcpStream, says: &[u8]) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(says)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(ANSWER as u64).read_to_end(&mut answer)?;
    Ok(answer)
}

fn datagram(to: SocketAddr, says: &str, client: &mut Option<SocketAddr>) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    // Connected, it hears the dialled address and port alone.
    socket.connect(to)?;
    *client = Some(socket.local_addr()?);
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send(says.as_bytes())?;
    let mut answer = vec![0; ANSWER];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}
