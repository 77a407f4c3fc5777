//! Ethernet frames of our own making, sent from the attacker's end of the cable: spoofed sources, broken headers.

#![expect(
    unsafe_code,
    reason = "a packet socket's address is a C structure that socket2 cannot build, and no wrapper has TCP_QUEUE_SEQ"
)]

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd as _;

use etherparse::{EtherType, Ethernet2Header, PacketBuilder};
use glutton_nfq::netns::{INTERFACE, Namespace, SENSOR_V4};
use serde_json::Value;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{Lab, succeeded};

/// Sends whole frames to the sensor.
pub(crate) struct FrameSender {
    socket: Socket,
    interface: SockAddr,
    attacker: [u8; 6],
    sensor: [u8; 6],
}

impl FrameSender {
    /// A sender at the attacker's end.
    pub(crate) fn new(lab: &Lab) -> Self {
        let (attacker, index) = link(lab.attacker_namespace());
        let (sensor, _) = link(lab.sensor_namespace());
        // Protocol 0: send only, no copy of what arrives.
        let socket = lab.attacker(|| Socket::new(Domain::PACKET, Type::RAW, None)).unwrap();
        Self { socket, interface: interface_address(index), attacker, sensor }
    }

    /// Sends `packet`, which begins with its IP header, whatever that is worth.
    pub(crate) fn send_ip(&self, packet: &[u8], ether_type: EtherType) {
        let header = Ethernet2Header { source: self.attacker, destination: self.sensor, ether_type };
        self.send(&[&header.to_bytes()[..], packet].concat());
    }

    /// Sends a TCP SYN to the sensor with this source, which need not be ours.
    pub(crate) fn send_syn(&self, source: Ipv4Addr, source_port: u16, port: u16) {
        self.send_syn_to((SENSOR_V4, port), source, source_port);
    }

    /// As [`Self::send_syn`], to an address that is routed to the sensor.
    pub(crate) fn send_syn_to(&self, (host, port): (Ipv4Addr, u16), source: Ipv4Addr, source_port: u16) {
        let builder = PacketBuilder::ethernet2(self.attacker, self.sensor)
            .ipv4(source.octets(), host.octets(), 64)
            .tcp(source_port, port, u32::from(source), 64_240)
            .syn();
        let mut frame = Vec::with_capacity(64);
        builder.write(&mut frame, &[]).unwrap();
        self.send(&frame);
    }

    /// Sends an acknowledgement to this port of the sensor, as a connection from `source` would with these sequence numbers.
    pub(crate) fn send_ack(&self, source: (Ipv4Addr, u16), port: u16, Numbers { next, awaited }: Numbers) {
        let builder = PacketBuilder::ethernet2(self.attacker, self.sensor)
            .ipv4(source.0.octets(), SENSOR_V4.octets(), 64)
            .tcp(source.1, port, next, 500)
            .ack(awaited);
        let mut frame = Vec::with_capacity(64);
        builder.write(&mut frame, &[]).unwrap();
        self.send(&frame);
    }

    fn send(&self, frame: &[u8]) {
        // A full transmit queue asks for a moment; every other refusal is a mistake of the test.
        loop {
            match self.socket.send_to(frame, &self.interface) {
                Ok(_) => return,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => std::thread::yield_now(),
                Err(error) => panic!("sending a frame of {} bytes: {error}", frame.len()),
            }
        }
    }
}

/// Sequence numbers of a connection's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    /// Of the byte that it sends next.
    next: u32,
    /// Of the byte that it awaits.
    awaited: u32,
}

impl Numbers {
    /// Those of this stream (TCP_QUEUE_SEQ of `linux/tcp.h`, which asks for repair mode meanwhile).
    pub(crate) fn of(stream: &TcpStream) -> Self {
        const RECEIVING: i32 = 1;
        const SENDING: i32 = 2;
        // TCP_REPAIR_OFF_NO_WP: nothing is sent at its end.
        const WITHOUT_PROBE: i32 = -1;
        set(stream, libc::TCP_REPAIR, 1);
        let [next, awaited] = [SENDING, RECEIVING].map(|queue| {
            set(stream, libc::TCP_REPAIR_QUEUE, queue);
            let (mut number, mut length) = (0_u32, size_of::<u32>() as libc::socklen_t);
            let into = (&raw mut number).cast();
            // SAFETY: `into` points to a live number of `length` bytes.
            let result = unsafe {
                libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ, into, &raw mut length)
            };
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
            number
        });
        set(stream, libc::TCP_REPAIR, WITHOUT_PROBE);
        // Repair mode has taken it away.
        SockRef::from(stream).set_reuse_address(true).unwrap();
        Self { next, awaited }
    }
}

fn set(stream: &TcpStream, option: i32, value: i32) {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of a live number.
    let result =
        unsafe { libc::setsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), length) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Hardware address and index of the cable's end in this namespace.
pub(crate) fn link(namespace: &Namespace) -> ([u8; 6], i32) {
    let line = format!("ip -n {} -json link show {INTERFACE}", namespace.name());
    let mut words = line.split_whitespace();
    let output = std::process::Command::new(words.next().unwrap()).args(words).output().unwrap();
    let links: Value = serde_json::from_str(&succeeded(&line, output)).unwrap();
    let octets = links[0]["address"].as_str().unwrap().split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap());
    (octets.collect::<Vec<u8>>().try_into().unwrap(), links[0]["ifindex"].as_i64().unwrap().try_into().unwrap())
}

/// `struct sockaddr_ll` (packet(7)) naming the interface alone: the frame brings its own addresses.
fn interface_address(index: i32) -> SockAddr {
    let fill = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        // SAFETY: socket2 hands out a zeroed storage that is larger than and aligned for every kind of socket address, and a valid length.
        unsafe {
            let address = &mut *storage.cast::<libc::sockaddr_ll>();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_ifindex = index;
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        }
        io::Result::Ok(())
    };
    // SAFETY: `fill` writes a complete address of the length that it sets.
    unsafe { SockAddr::try_init(fill) }.unwrap().1
}
