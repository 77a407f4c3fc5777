//! Bulk TCP through one queue, every packet rewritten, against the same transfer unqueued.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use glutton_nfq::netns::{Pair, SENSOR_V4};
use socket2::SockRef;

use super::Options;
use super::process::Server;
use super::report::{Figure, Goal};

/// What a client dials through the engine, and what listens.
const DIALLED: u16 = 9_200;
pub(crate) const LISTENED: u16 = 9_201;
const RULES: &str = "rules:\n  - { match: tcp dst port 9200, type: rewrite, target: '9201' }\n";
/// Bytes of one write and one read.
const CHUNK: usize = 256 << 10;
/// No call of a transfer waits longer.
const STALL: Duration = Duration::from_secs(5);

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the sensor.
    Up,
    /// From the sensor to the client.
    Down,
}

/// Measures both ways.
pub(crate) fn measure(options: &Options) -> Result<Vec<Figure>> {
    let (queued, bare) = (Pair::create()?, Pair::create()?);
    let _engine = Server::engine(&queued.sensor, RULES, 1)?;
    let figure = |name, way, goal| {
        Figure::compare(
            name,
            "Gbit/s",
            goal,
            || transfer(&queued, DIALLED, way, options.transfer()),
            || transfer(&bare, LISTENED, way, options.transfer()),
        )
    };
    Ok(vec![
        figure("bulk TCP up, every packet rewritten", Way::Up, Goal::AtLeast(0.65))?,
        figure("bulk TCP down, every packet rewritten", Way::Down, Goal::AtLeast(0.6))?,
    ])
}

/// One connection, one way, for this time; returns Gbit/s as the receiver saw them.
pub(crate) fn transfer(pair: &Pair, port: u16, way: Way, time: Duration) -> Result<f64> {
    let listener = pair.sensor.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, LISTENED)))??;
    SockRef::from(&listener).set_read_timeout(Some(STALL))?;
    let target = SocketAddr::from((SENSOR_V4, port));
    let mut client = pair.attacker.run(|| TcpStream::connect_timeout(&target, STALL))?.context("connecting")?;
    let (mut server, _) = listener.accept().context("accepting")?;
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(STALL))?;
        stream.set_write_timeout(Some(STALL))?;
    }
    let (sender, receiver) = match way {
        Way::Up => (&mut client, &mut server),
        Way::Down => (&mut server, &mut client),
    };
    thread::scope(|scope| {
        let sent = scope.spawn(|| send(sender, time));
        let rate = receive(receiver);
        sent.join().map_err(|_| anyhow!("the sender panicked"))??;
        rate
    })
}

/// Writes for this time.
fn send(stream: &mut TcpStream, time: Duration) -> Result<()> {
    let bytes = vec![0x5a; CHUNK];
    let begin = Instant::now();
    while begin.elapsed() < time {
        stream.write_all(&bytes).context("sending")?;
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(())
}

/// Reads to the end; Gbit/s from the first byte on.
fn receive(stream: &mut TcpStream) -> Result<f64> {
    let mut buffer = vec![0; CHUNK];
    let mut total = stream.read(&mut buffer).context("receiving")? as u64;
    let begin = Instant::now();
    loop {
        match stream.read(&mut buffer).context("receiving")? {
            0 => break,
            read => total += read as u64,
        }
    }
    Ok(total as f64 * 8.0 / begin.elapsed().as_secs_f64() / 1e9)
}
