//! A packet in one line.

use std::net::{IpAddr, SocketAddr};

use super::build::{PSH, URG};
use crate::packet::{Packet, Payload, tcp_flag};

/// The packet in one line, in the words in which it could be given: `tcp 1.2.3.4:5 > 10.0.0.1:23 syn, 40 bytes`.
pub fn summary(bytes: &[u8], wire_len: usize) -> String {
    let Ok(packet) = Packet::parse(bytes) else { return format!("malformed packet, {wire_len} bytes") };
    let (source, destination): (IpAddr, IpAddr) = (packet.src.into(), packet.dst.into());
    let with_ports = |protocol: &str, from: u16, to: u16| {
        format!("{protocol} {} > {}", SocketAddr::new(source, from), SocketAddr::new(destination, to))
    };
    let plain = |what: String| format!("{what} {source} > {destination}");
    let icmp = || if packet.src.is_v4() { "icmp" } else { "icmp6" }.to_owned();
    let what = match packet.payload {
        Payload::Tcp(tcp) => format!("{} {}", with_ports("tcp", tcp.src_port, tcp.dst_port), flags(tcp.flags)),
        Payload::Udp { src_port, dst_port } => with_ports("udp", src_port, dst_port),
        Payload::Echo { request, .. } => format!("{} {}", plain(icmp()), if request { "echo" } else { "reply" }),
        Payload::IcmpError { .. } => format!("{} error", plain(icmp())),
        Payload::LaterFragment => format!("{} later fragment", plain(format!("protocol {}", packet.protocol))),
        Payload::Other => plain(format!("protocol {}", packet.protocol)),
    };
    format!("{what}, {wire_len} bytes")
}

fn flags(flags: u8) -> String {
    const NAMES: [(u8, &str); 6] = [
        (tcp_flag::SYN, "syn"),
        (tcp_flag::FIN, "fin"),
        (tcp_flag::RST, "rst"),
        (PSH, "psh"),
        (tcp_flag::ACK, "ack"),
        (URG, "urg"),
    ];
    let set: Vec<&str> = NAMES.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "no flags".to_owned() } else { set.join("-") }
}
