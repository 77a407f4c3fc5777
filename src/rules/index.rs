//! The index: which rules can match a packet, in the order of the list.
//!
//! Every rule waits under one kind of key: a destination port, source port, source or destination address that it asks for, or
//! else its protocol, or else in the list that every packet visits. Which kind is chosen by how few others wait under the
//! same key. A packet looks up its own fields, one list each, and visits these lists merged by position: first match is
//! exact, and rules that cannot match are not looked at. A filter that is a choice (`port 80` is a source or a destination port)
//! waits under a key for each alternative.

use std::net::IpAddr;

use super::filter::Constraints;

mod census;
mod fields;
mod interval;
mod lists;

use census::{Census, Key};
pub(super) use fields::Fields;
use interval::{Interval, Intervals};
use lists::{List, Lists, Merge};

/// Lists that one packet visits.
const LISTS: usize = 6;

/// The rules that can match a packet, by its fields.
#[derive(Debug)]
pub(super) struct Index {
    lists: Lists,
    destination_ports: Box<[List]>,
    source_ports: Box<[List]>,
    destinations: Addresses,
    sources: Addresses,
    protocols: Box<[List]>,
    /// All rules of `protocols`, for packets whose protocol is not plain to see.
    any_protocol: List,
    /// Rules without a key.
    rest: List,
}

/// What a rule asks for: its position and the alternatives of its filter.
#[derive(Debug)]
pub(super) struct Demand {
    pub(super) position: u32,
    pub(super) alternatives: Vec<Constraints>,
}

impl Index {
    /// Builds the index of rules in ascending order of their positions.
    pub(super) fn new(demands: &[Demand]) -> Self {
        let census = Census::new(demands);
        let mut waiting = Waiting::default();
        for demand in demands {
            for alternative in &demand.alternatives {
                waiting.put(demand.position, alternative, census.best_key(alternative));
            }
        }
        waiting.build()
    }

    /// Positions of the rules that can match a packet with these fields, ascending; all others cannot match.
    #[inline]
    pub(super) fn candidates(&self, fields: &Fields) -> Merge<'_, LISTS> {
        let of_port = |ports: &[List], port: Option<u16>| {
            port.and_then(|port| ports.get(usize::from(port))).copied().unwrap_or_default()
        };
        let protocol = match fields.protocol {
            Some(protocol) => self.protocols.get(usize::from(protocol)).copied().unwrap_or_default(),
            None => self.any_protocol,
        };
        self.lists.merge([
            of_port(&self.destination_ports, fields.destination_port),
            of_port(&self.source_ports, fields.source_port),
            self.destinations.find(fields.destination),
            self.sources.find(fields.source),
            protocol,
            self.rest,
        ])
    }
}

/// Address ranges of both families.
#[derive(Debug)]
struct Addresses {
    ipv4: Intervals<u32>,
    ipv6: Intervals<u128>,
}

impl Addresses {
    #[inline]
    fn find(&self, address: Option<IpAddr>) -> List {
        match address {
            Some(IpAddr::V4(address)) => self.ipv4.find(address.to_bits()),
            Some(IpAddr::V6(address)) => self.ipv6.find(address.to_bits()),
            None => List::EMPTY,
        }
    }
}

/// The rules under their keys, while the index is built.
#[derive(Debug, Default)]
struct Waiting {
    destination_ports: Vec<Interval<u16>>,
    source_ports: Vec<Interval<u16>>,
    destinations: Prefixes,
    sources: Prefixes,
    /// Protocol number and position.
    protocols: Vec<Interval<u16>>,
    rest: Vec<u32>,
}

#[derive(Debug, Default)]
struct Prefixes {
    ipv4: Vec<Interval<u32>>,
    ipv6: Vec<Interval<u128>>,
}

impl Waiting {
    fn put(&mut self, position: u32, alternative: &Constraints, key: Key) {
        let ports = |ports: &Option<Vec<std::ops::RangeInclusive<u16>>>| {
            let ranges = ports.iter().flatten();
            ranges.map(|range| Interval { first: *range.start(), last: *range.end(), position }).collect::<Vec<_>>()
        };
        match key {
            Key::None => {}
            Key::Rest => self.rest.push(position),
            Key::Protocol => {
                let numbers = alternative.protocols.iter().flatten().map(|number| u16::from(*number));
                self.protocols.extend(numbers.map(|number| Interval { first: number, last: number, position }));
            }
            Key::DestinationPort => self.destination_ports.extend(ports(&alternative.dst_ports)),
            Key::SourcePort => self.source_ports.extend(ports(&alternative.src_ports)),
            Key::Destination => self.destinations.put(position, alternative.dst_nets.as_deref().unwrap_or_default()),
            Key::Source => self.sources.put(position, alternative.src_nets.as_deref().unwrap_or_default()),
        }
    }

    fn build(mut self) -> Index {
        let mut lists = Lists::new();
        let destination_ports = table(self.destination_ports, u16::MAX, &mut lists, &mut self.rest);
        let source_ports = table(self.source_ports, u16::MAX, &mut lists, &mut self.rest);
        let destinations = self.destinations.build(&mut lists, &mut self.rest);
        let sources = self.sources.build(&mut lists, &mut self.rest);
        let mut any_protocol: Vec<u32> = self.protocols.iter().map(|interval| interval.position).collect();
        let protocols = table(self.protocols, u16::from(u8::MAX), &mut lists, &mut self.rest);
        any_protocol.dedup();
        self.rest.sort_unstable();
        self.rest.dedup();
        let (any_protocol, rest) = (lists.add(&any_protocol), lists.add(&self.rest));
        Index { lists, destination_ports, source_ports, destinations, sources, protocols, any_protocol, rest }
    }
}

/// One list for every number up to `last`: a single step instead of a search.
fn table(intervals: Vec<Interval<u16>>, last: u16, lists: &mut Lists, left_over: &mut Vec<u32>) -> Box<[List]> {
    let intervals = Intervals::new(intervals, lists, left_over);
    (0..=last).map(|number| intervals.find(number)).collect()
}

impl Prefixes {
    fn put(&mut self, position: u32, prefixes: &[(IpAddr, u8)]) {
        for (address, length) in prefixes {
            match address {
                IpAddr::V4(address) => {
                    let host_bits = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                    let first = address.to_bits() & !host_bits;
                    self.ipv4.push(Interval { first, last: first | host_bits, position });
                }
                IpAddr::V6(address) => {
                    let host_bits = u128::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                    let first = address.to_bits() & !host_bits;
                    self.ipv6.push(Interval { first, last: first | host_bits, position });
                }
            }
        }
    }

    fn build(self, lists: &mut Lists, left_over: &mut Vec<u32>) -> Addresses {
        Addresses {
            ipv4: Intervals::new(self.ipv4, lists, left_over),
            ipv6: Intervals::new(self.ipv6, lists, left_over),
        }
    }
}

#[cfg(test)]
mod tests;
