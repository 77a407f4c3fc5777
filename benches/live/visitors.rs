//! Visitors: connect, a question (16 bytes), answer, close, many at a time, on one thread.
//!
//! The visitor closes first and in order (FIN), so TIME_WAIT is his: source address and port are never used twice.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use glutton_nfq::netns::{INTERFACE, Namespace};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

/// Visitors at the same time.
pub(crate) const IN_FLIGHT: usize = 64;
const MESSAGE: &[u8] = b"sixteen bytes...";
/// An answer is here when so much of it is.
const ANSWER: usize = 16;
/// Source addresses 10.77.0.101 to 10.77.0.116, and the source ports of each.
const SOURCES: u8 = 16;
const PORTS: std::ops::Range<u16> = 10_000..60_000;
/// Without any progress for this time the run has failed.
const STALL: Duration = Duration::from_secs(10);

/// A network's visitors: where they come from next.
pub(crate) struct Visitors {
    next: u32,
    question: &'static [u8],
}

struct Visit {
    stream: TcpStream,
    question: &'static [u8],
    asked: bool,
    heard: usize,
}

impl Visitors {
    /// Gives the attacker the addresses that visitors come from.
    pub(crate) fn new(attacker: &Namespace) -> Result<Self> {
        Self::asking(attacker, MESSAGE)
    }

    /// Visitors who ask this.
    pub(crate) fn asking(attacker: &Namespace, question: &'static [u8]) -> Result<Self> {
        for source in 0..SOURCES {
            attacker.ip(&format!("addr add {}/24 dev {INTERFACE}", address(source)))?;
        }
        Ok(Self { next: 0, question })
    }

    /// So many visits to `target`; returns visits a second.
    pub(crate) fn run(&mut self, attacker: &Namespace, target: SocketAddr, visits: usize) -> Result<f64> {
        attacker.run(|| self.visit(target, visits))?
    }

    fn visit(&mut self, target: SocketAddr, visits: usize) -> Result<f64> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(2 * IN_FLIGHT);
        let begin = Instant::now();
        let (mut begun, mut done) = (0, 0);
        let mut places = Vec::with_capacity(IN_FLIGHT);
        while places.len() < IN_FLIGHT.min(visits) {
            places.push(Some(self.begin(target, &poll, places.len())?));
            begun += 1;
        }
        while done < visits {
            poll.poll(&mut events, Some(STALL))?;
            ensure!(!events.is_empty(), "visitors wait for {} s, after {done} visits", STALL.as_secs());
            for event in &events {
                let index = event.token().0;
                let Some(place) = places.get_mut(index) else { continue };
                let Some(visit) = place.as_mut() else { continue };
                if !visit.advance().with_context(|| format!("after {done} visits"))? {
                    continue;
                }
                done += 1;
                *place = None;
                if begun < visits {
                    *place = Some(self.begin(target, &poll, index)?);
                    begun += 1;
                }
            }
        }
        Ok(done as f64 / begin.elapsed().as_secs_f64())
    }

    fn begin(&mut self, target: SocketAddr, poll: &Poll, index: usize) -> Result<Visit> {
        let source = self.source()?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&source.into()).with_context(|| format!("binding {source}"))?;
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => bail!("connecting {source}: {error}"),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Visit { stream, question: self.question, asked: false, heard: 0 })
    }

    /// The addresses in turn, then the next port of each.
    fn source(&mut self) -> Result<SocketAddr> {
        let (port, source) = (self.next / u32::from(SOURCES), self.next % u32::from(SOURCES));
        self.next += 1;
        let port = u16::try_from(port).ok().and_then(|port| PORTS.start.checked_add(port));
        let port = port.filter(|port| PORTS.contains(port)).context("no source port is left")?;
        Ok(SocketAddrV4::new(address(u8::try_from(source)?), port).into())
    }
}

impl Visit {
    /// Goes on as far as it can; true when the answer is here.
    fn advance(&mut self) -> Result<bool> {
        if !self.asked {
            match self.stream.write(self.question) {
                Ok(written) => ensure!(written == self.question.len(), "a short write"),
                // Not connected yet.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(false);
                }
                Err(error) => return Err(error).context("a visitor asks"),
            }
            self.asked = true;
        }
        let mut answer = [0; 4_096];
        match self.stream.read(&mut answer) {
            Ok(0) => bail!("a visitor was sent away"),
            Ok(read) => self.heard += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("a visitor listens"),
        }
        Ok(self.heard >= ANSWER)
    }
}

fn address(source: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 101 + source)
}
