//! The index: which rules can match a packet, in the order of the list.
//!
//! Every rule waits under one kind of key: a destination port, source port, source or destination address that it asks for, or
//! else its protocol, or else in the list that every packet visits. Which kind is chosen by how few others wait under the
//! same key. A packet looks up its own fields, one list each, and visits these lists merged by position: first match is
//! exact, and rules that cannot match are not looked at. A filter that is a choice (`port 80` is a source or a destination port)
//! waits under a key for each alternative. Where a filter asks for nothing but its key (`tcp dst port 80`), the packet that has the
//! key has matched, and the filter is not run.

use super::filter::{Alternatives, Constraints};

mod census;
mod fields;
mod interval;
mod key;
mod lists;

use census::{Census, Key};
pub(super) use fields::Fields;
use interval::Interval;
use key::{AddressDemands, Addresses, PortDemands, Ports};
pub(super) use lists::Candidate;
use lists::{Entry, List, Lists, Merge};

/// Lists that one packet visits.
const LISTS: usize = 6;

/// The rules that can match a packet, by its fields.
#[derive(Debug)]
pub(super) struct Index {
    lists: Lists,
    destination_ports: Ports,
    source_ports: Ports,
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
    pub(super) alternatives: Alternatives,
}

impl Index {
    /// Builds the index of rules in ascending order of their positions.
    pub(super) fn new(demands: &[Demand]) -> Self {
        let census = Census::new(demands);
        let mut waiting = Waiting::default();
        for demand in demands {
            for alternative in &demand.alternatives.conditions {
                let key = census.best_key(alternative);
                let is_certain = demand.alternatives.suffice && key.tells_all_of(alternative);
                waiting.put(Entry::new(demand.position, is_certain), alternative, key);
            }
        }
        waiting.build()
    }

    /// The rules that can match a packet with these fields, in their order; all others cannot match.
    #[inline]
    pub(super) fn candidates(&self, fields: &Fields) -> Merge<'_, LISTS> {
        let protocol = match fields.protocol {
            Some(protocol) => self.protocols.get(usize::from(protocol)).copied().unwrap_or_default(),
            None => self.any_protocol,
        };
        let lists = [
            self.destination_ports.find(fields.protocol, fields.destination_port),
            self.source_ports.find(fields.protocol, fields.source_port),
            self.destinations.find(fields.destination),
            self.sources.find(fields.source),
            protocol,
            self.rest,
        ];
        self.lists.merge(lists, fields.are_plain())
    }
}

/// The rules under their keys, while the index is built.
#[derive(Debug, Default)]
struct Waiting {
    destination_ports: PortDemands,
    source_ports: PortDemands,
    destinations: AddressDemands,
    sources: AddressDemands,
    /// Intervals of protocol numbers.
    protocols: Vec<Interval<u16>>,
    rest: Vec<Entry>,
}

impl Waiting {
    fn put(&mut self, entry: Entry, alternative: &Constraints, key: Key) {
        match key {
            Key::None => {}
            Key::Rest => self.rest.push(entry),
            Key::Protocol => {
                let numbers = alternative.protocols.iter().flatten().map(|number| u16::from(*number));
                self.protocols.extend(numbers.map(|number| Interval { first: number, last: number, entry }));
            }
            Key::DestinationPort => self.destination_ports.put(entry, alternative, alternative.dst_ports.as_ref()),
            Key::SourcePort => self.source_ports.put(entry, alternative, alternative.src_ports.as_ref()),
            Key::Destination => self.destinations.put(entry, alternative.dst_nets.as_ref()),
            Key::Source => self.sources.put(entry, alternative.src_nets.as_ref()),
        }
    }

    fn build(mut self) -> Index {
        let mut lists = Lists::new();
        let destination_ports = self.destination_ports.build(&mut lists, &mut self.rest);
        let source_ports = self.source_ports.build(&mut lists, &mut self.rest);
        let destinations = self.destinations.build(&mut lists, &mut self.rest);
        let sources = self.sources.build(&mut lists, &mut self.rest);
        let any_protocol: Vec<Entry> = self.protocols.iter().map(|interval| interval.entry).collect();
        let protocols = key::table(self.protocols, u16::from(u8::MAX), &mut lists, &mut self.rest);
        self.rest.sort_unstable();
        let (any_protocol, rest) = (lists.add(&any_protocol), lists.add(&self.rest));
        Index { lists, destination_ports, source_ports, destinations, sources, protocols, any_protocol, rest }
    }
}

#[cfg(test)]
mod tests;
