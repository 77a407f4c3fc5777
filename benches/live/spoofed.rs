//! Floods from forged sources, one packet each: SYNs, or small UDP packets.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use etherparse::PacketBuilder;
use glutton_nfq::netns::{Namespace, SENSOR_V4};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

use super::pace::{BURST, Pace};

/// `IPPROTO_RAW` (`linux/in.h`): we write the IP header.
const RAW: i32 = 255;
/// Sources are taken from 11.0.0.0/8, which the attacker's end swallows.
const FIRST_SOURCE: u32 = 0x0b00_0000;
const SOURCE_MASK: u32 = 0x00ff_ffff;

/// What is forged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A TCP SYN.
    Syn,
    /// A UDP packet of 64 bytes, IP header included.
    Udp,
}

/// A sender whose sources never come twice within 16 million packets.
pub(crate) struct Spoofed {
    socket: Socket,
    kind: Kind,
    next: u32,
}

impl Spoofed {
    /// A sender out of this namespace.
    pub(crate) fn new(attacker: &Namespace, kind: Kind) -> Result<Self> {
        let socket = attacker.run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW))))??;
        socket.connect(&SocketAddr::from((SENSOR_V4, 0)).into())?;
        Ok(Self { socket, kind, next: 0 })
    }

    /// Sends for this time; returns packets a second.
    pub(crate) fn run(&mut self, pace: Pace, time: Duration) -> Result<f64> {
        pace.keep(time, || self.burst())
    }

    fn burst(&mut self) -> Result<usize> {
        let packets = (0..BURST).map(|_| self.packet()).collect::<Result<Vec<_>>>()?;
        let parts: Vec<_> = packets.iter().map(|packet| [IoSlice::new(packet)]).collect();
        let mut controls: Vec<_> = packets.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<_> =
            parts.iter().zip(&mut controls).map(|(part, control)| MMsgHdr::new(part, control)).collect();
        match sendmmsg(&self.socket, &mut messages, SendFlags::empty()) {
            Err(rustix::io::Errno::NOBUFS) => Ok(0),
            sent => sent.context("sending forged packets"),
        }
    }

    fn packet(&mut self) -> Result<Vec<u8>> {
        // An odd multiplier visits every source before one comes again, in no order.
        let source = Ipv4Addr::from(FIRST_SOURCE | (self.next.wrapping_mul(0x9e37_79b1) & SOURCE_MASK));
        let port = 1_024 + (self.next % 60_000) as u16;
        self.next = self.next.wrapping_add(1);
        let mut bytes = Vec::with_capacity(64);
        let builder = PacketBuilder::ipv4(source.octets(), SENSOR_V4.octets(), 64);
        match self.kind {
            Kind::Syn => builder.tcp(port, 2_323, u32::from(source), 64_240).syn().write(&mut bytes, &[])?,
            Kind::Udp => builder.udp(port, 2_323).write(&mut bytes, &[0x5a; 36])?,
        }
        Ok(bytes)
    }
}
