//! Which addresses of a capture are the sensor's own.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::capture::Capture;
use crate::packet::{Address, Packet, Payload, tcp_flag};

/// Bytes at the beginning of a capture that a guess should be made from.
pub const GUESS_BYTES: u64 = 8 << 20;

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Sorted.
    words: Vec<[u64; 2]>,
}

impl Hosts {
    /// Whether this address is among them.
    pub fn contain(&self, address: Address) -> bool {
        match self.words.as_slice() {
            [one] => *one == address.words(),
            many => many.binary_search(&address.words()).is_ok(),
        }
    }
}

impl FromIterator<IpAddr> for Hosts {
    fn from_iter<T: IntoIterator<Item = IpAddr>>(addresses: T) -> Self {
        let mut words: Vec<_> = addresses.into_iter().map(|address| Address::from(address).words()).collect();
        words.sort_unstable();
        words.dedup();
        Self { words }
    }
}

/// The addresses that most flows of a capture were opened to: one of each IP version, none if nothing was opened. `beginning` is
/// the beginning of the file and may end anywhere.
pub fn guess_hosts(beginning: &[u8]) -> Vec<IpAddr> {
    let mut census = Census::default();
    if let Ok(mut capture) = Capture::new(beginning) {
        while let Ok(Some(record)) = capture.next_record() {
            if let Some(packet) = record.packet.and_then(|packet| Packet::parse(packet.bytes).ok()) {
                census.see(&packet);
            }
        }
    }
    [true, false].into_iter().filter_map(|is_v4| census.most_dialled(is_v4)).map(IpAddr::from).collect()
}

#[derive(Default)]
struct Census {
    /// How often an address was dialled, and which flow was the first to.
    dialled: HashMap<Address, (usize, usize)>,
    /// Source and destination of UDP flows.
    seen: HashSet<[(Address, u16); 2]>,
    flows: usize,
}

impl Census {
    fn see(&mut self, packet: &Packet) {
        let opens = match packet.payload {
            Payload::Tcp(tcp) => tcp.flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST) == tcp_flag::SYN,
            Payload::Echo { request, .. } => request,
            // Who was first to speak is the client.
            Payload::Udp { src_port, dst_port } => {
                let (source, destination) = ((packet.src, src_port), (packet.dst, dst_port));
                !self.seen.contains(&[destination, source]) && self.seen.insert([source, destination])
            }
            _ => false,
        };
        if opens {
            self.dialled.entry(packet.dst).or_insert((0, self.flows)).0 += 1;
            self.flows += 1;
        }
    }

    /// Of equals the first; the order of the map plays no part.
    fn most_dialled(&self, is_v4: bool) -> Option<Address> {
        let family = self.dialled.iter().filter(|(address, _)| address.is_v4() == is_v4);
        family.max_by_key(|(_, (count, first))| (*count, std::cmp::Reverse(*first))).map(|(address, _)| *address)
    }
}
