//! What the device knows of its network: one address, one card, one neighbour, told by programs and by `/proc/net` alike.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Device;
use crate::handlers::Session;
use crate::handlers::shell::elf::Architecture;

/// Width to which the kernel pads the rows of `/proc/net/route` and `/proc/net/tcp` (`fib_trie.c`, `tcp_ipv4.c`).
const ROUTE_WIDTH: usize = 127;
const SOCKET_WIDTH: usize = 149;
/// States of `/proc/net/tcp` (`tcp_states.h`).
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;

/// The network as one visitor sees it.
#[derive(Debug)]
pub(in crate::handlers::shell) struct Network {
    pub(in crate::handlers::shell) card: &'static str,
    /// The address that the visitor dialled, where it is IPv4.
    pub(in crate::handlers::shell) address: Ipv4Addr,
    pub(in crate::handlers::shell) mac: [u8; 6],
    pub(in crate::handlers::shell) gateway_mac: [u8; 6],
    /// The visitor's own connection.
    pub(in crate::handlers::shell) connection: (SocketAddr, SocketAddr),
    /// Ports that are listened on, and by which program.
    pub(in crate::handlers::shell) servers: Vec<(u16, u32, &'static str)>,
    is_big_endian: bool,
}

impl Device {
    /// The network as seen from this session.
    pub(in crate::handlers::shell) fn network(&self, session: &Session) -> Network {
        let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (here, there) = (plain(session.dialled), plain(session.client));
        let address = match here.ip() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::new(192, 168, 1, 20),
        };
        let [a, b, c, d, e, f] = self.mac;
        let gateway_mac = [a, b, c, d, e ^ 0x2c, f ^ 0x91];
        let server = |name: &'static str, port: u16| {
            let found = self.processes.iter().find(|process| {
                process.command.split(' ').next().is_some_and(|path| path.rsplit('/').next() == Some(name))
            });
            found.map(|process| (port, process.pid, name))
        };
        let mut servers: Vec<_> = [server("httpd", 80), server("telnetd", here.port()), server("adbd", here.port())]
            .into_iter()
            .flatten()
            .collect();
        servers.dedup_by_key(|server| server.0);
        Network {
            card: self.card(),
            address,
            mac: self.mac,
            gateway_mac,
            connection: (here, there),
            servers,
            is_big_endian: matches!(self.architecture, Architecture::Mips),
        }
    }
}

impl Network {
    /// Another address of the same /24.
    const fn neighbour(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.address.octets();
        Ipv4Addr::new(a, b, c, last)
    }

    pub(in crate::handlers::shell) const fn net(&self) -> Ipv4Addr {
        self.neighbour(0)
    }

    pub(in crate::handlers::shell) const fn broadcast(&self) -> Ipv4Addr {
        self.neighbour(255)
    }

    pub(in crate::handlers::shell) const fn gateway(&self) -> Ipv4Addr {
        self.neighbour(if self.address.octets()[3] == 1 { 254 } else { 1 })
    }

    /// `/proc/net/arp`.
    pub(in crate::handlers::shell) fn arp(&self) -> String {
        let mac = self.gateway_mac.map(|byte| format!("{byte:02x}")).join(":");
        format!(
            "IP address       HW type     Flags       HW address            Mask     Device\n\
             {:<16} 0x1         0x2         {mac}     *        {}\n",
            self.gateway().to_string(),
            self.card
        )
    }

    /// An address as the kernel prints the number that it holds it in.
    fn hexadecimal(&self, address: Ipv4Addr) -> String {
        let bytes = address.octets();
        let number = if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
        format!("{number:08X}")
    }

    /// `/proc/net/route`.
    pub(in crate::handlers::shell) fn routes(&self) -> String {
        let any = Ipv4Addr::UNSPECIFIED;
        let row = |net, gateway, flags, mask| {
            let [net, gateway, mask] = [net, gateway, mask].map(|address| self.hexadecimal(address));
            let row = format!("{}\t{net}\t{gateway}\t{flags:04X}\t0\t0\t0\t{mask}\t0\t0\t0", self.card);
            format!("{row:<ROUTE_WIDTH$}\n")
        };
        let header = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
        format!("{header:<ROUTE_WIDTH$}\n")
            + &row(any, self.gateway(), 3, any)
            + &row(self.net(), any, 1, Ipv4Addr::new(255, 255, 255, 0))
    }

    /// `/proc/net/tcp`.
    pub(in crate::handlers::shell) fn sockets(&self) -> String {
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let listening =
            self.servers.iter().map(|(port, ..)| (SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)), nobody, LISTEN));
        let all = listening.chain([(self.connection.0, self.connection.1, ESTABLISHED)]);
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        let mut text = format!("{header:<SOCKET_WIDTH$}\n");
        for (at, (here, there, state)) in all.enumerate() {
            let (IpAddr::V4(own), IpAddr::V4(other)) = (here.ip(), there.ip()) else { continue };
            let (own, other) = (self.hexadecimal(own), self.hexadecimal(other));
            let row = format!(
                "{at:4}: {own}:{:04X} {other}:{:04X} {state:02X} 00000000:00000000 00:00000000 00000000     0        0 {} 1 00000000 100 0 0 10 0",
                here.port(),
                there.port(),
                self.inode(at)
            );
            text += &format!("{row:<SOCKET_WIDTH$}\n");
        }
        text
    }

    /// The number of a socket.
    fn inode(&self, at: usize) -> u32 {
        let (port, pid) = (u32::from(self.connection.1.port()), self.servers.get(at).map_or(0, |server| server.1));
        if pid > 0 { 900 + pid } else { 12_000 + port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Transport;
    use crate::handlers::Persona;
    use crate::handlers::shell::Flavor;

    #[test]
    fn tables_of_the_kernel_have_its_widths_and_its_byte_order() {
        let device = Device::new(Flavor::BusyBox, &Persona::example(), &[]);
        let mut session = Session::example(Transport::Tcp, 23);
        session.dialled = "192.0.2.7:23".parse().unwrap();
        let mut network = device.network(&session);
        for (big, address) in [(false, "070200C0"), (true, "C0000207")] {
            network.is_big_endian = big;
            assert_eq!(network.hexadecimal(network.address), address);
            assert!(network.sockets().contains(&format!(" {address}:0017 ")), "{}", network.sockets());
        }
        assert!(network.routes().lines().all(|row| row.len() == ROUTE_WIDTH));
        assert!(network.sockets().lines().all(|row| row.len() == SOCKET_WIDTH));
    }
}
