//! A flood of small UDP packets from many source ports, at a pace or as fast as it goes.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use glutton_nfq::netns::{Namespace, SENSOR_V4};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use socket2::SockRef;

use super::pace::{BURST, Pace};

/// IP packets of 64 bytes: 20 of IPv4, 8 of UDP, and this payload.
const PAYLOAD: [u8; 36] = [0x5a; 36];
/// The port that is dialled.
pub(crate) const DIALLED: u16 = 20_000;
/// Source ports, and with them flows.
const SOURCES: usize = 64;
/// Receive buffer of the drain in bytes.
const DRAIN_BUFFER: usize = 4 << 20;
/// The drain looks so often whether it is over.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Sockets on as many source ports.
pub(crate) struct Flood {
    sockets: Vec<UdpSocket>,
}

impl Flood {
    /// A flood out of this namespace.
    pub(crate) fn new(attacker: &Namespace) -> Result<Self> {
        let connected = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect((SENSOR_V4, DIALLED))?;
            Ok(socket)
        };
        let sockets = attacker.run(|| (0..SOURCES).map(|_| connected()).collect::<Result<_>>())??;
        Ok(Self { sockets })
    }

    /// Sends for this time; returns packets a second.
    pub(crate) fn run(&self, pace: Pace, time: Duration) -> Result<f64> {
        let mut sockets = self.sockets.iter().cycle();
        pace.keep(time, || sockets.next().map_or(Ok(0), burst))
    }
}

fn burst(socket: &UdpSocket) -> Result<usize> {
    let payload = [IoSlice::new(&PAYLOAD)];
    let mut controls: [SendAncillaryBuffer<'_, '_, '_>; BURST] =
        std::array::from_fn(|_| SendAncillaryBuffer::default());
    let mut messages = controls.each_mut().map(|control| MMsgHdr::new(&payload, control));
    match sendmmsg(socket, &mut messages, SendFlags::empty()) {
        Ok(sent) => Ok(sent),
        // Somebody refused an earlier packet (ICMP): the error is reported once and clears itself.
        Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOBUFS) => Ok(0),
        Err(error) => Err(error).context("sending datagrams"),
    }
}

/// Takes what comes to the dialled port of a namespace while `work` runs: somebody has to, as in the engine.
pub(crate) fn drained<T>(sensor: &Namespace, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DIALLED));
    let socket = sensor.run(|| UdpSocket::bind(address))??;
    SockRef::from(&socket).set_recv_buffer_size(DRAIN_BUFFER)?;
    socket.set_read_timeout(Some(DRAIN_LOOK))?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 2_048];
            while !over.load(Ordering::Relaxed) {
                // Nothing came in time: that is what the flag is looked at for.
                let _ = socket.recv(&mut buffer);
            }
        });
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        outcome
    })
}
