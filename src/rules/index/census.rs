//! How many rules ask for the same key, and so which key of a rule is the most telling.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::Demand;
use crate::rules::filter::Constraints;

/// Part of all ports or addresses beyond which a key tells too little to wait under it.
const WIDE: f64 = 0.25;

/// Under which field of the packet a rule waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    DestinationPort,
    SourcePort,
    Destination,
    Source,
    Protocol,
    /// Visited by every packet.
    Rest,
    /// Matches no packet.
    None,
}

impl Key {
    /// Whether a packet that has this key, TCP or UDP with ports, fulfils the condition: it asks for nothing else. The tables of ports are by
    /// protocol, so a port includes it.
    pub(super) fn tells_all_of(self, alternative: &Constraints) -> bool {
        let Constraints { protocols, dst_ports, src_ports, src_nets, dst_nets } = alternative;
        let (no_dst_port, no_src_port) = (dst_ports.is_none(), src_ports.is_none());
        let (no_src_net, no_dst_net, no_protocol) = (src_nets.is_none(), dst_nets.is_none(), protocols.is_none());
        match self {
            Self::DestinationPort => no_src_port && no_src_net && no_dst_net,
            Self::SourcePort => no_dst_port && no_src_net && no_dst_net,
            Self::Destination => no_protocol && no_dst_port && no_src_port && no_src_net,
            Self::Source => no_protocol && no_dst_port && no_src_port && no_dst_net,
            Self::Protocol => no_dst_port && no_src_port && no_src_net && no_dst_net,
            Self::Rest => no_protocol && no_dst_port && no_src_port && no_src_net && no_dst_net,
            Self::None => false,
        }
    }
}

/// The rules of a list counted by what they ask for.
#[derive(Debug)]
pub(super) struct Census {
    destination_ports: PortCensus,
    source_ports: PortCensus,
    destinations: HashMap<(IpAddr, u8), u32>,
    sources: HashMap<(IpAddr, u8), u32>,
}

impl Census {
    pub(super) fn new(demands: &[Demand]) -> Self {
        let alternatives = || demands.iter().flat_map(|demand| &demand.alternatives.conditions);
        Self {
            destination_ports: PortCensus::new(
                alternatives().filter_map(|alternative| alternative.dst_ports.as_deref()),
            ),
            source_ports: PortCensus::new(alternatives().filter_map(|alternative| alternative.src_ports.as_deref())),
            destinations: count_prefixes(alternatives().filter_map(|alternative| alternative.dst_nets.as_deref())),
            sources: count_prefixes(alternatives().filter_map(|alternative| alternative.src_nets.as_deref())),
        }
    }

    /// The key with the fewest rules under it; of equals the narrowest.
    pub(super) fn best_key(&self, alternative: &Constraints) -> Key {
        if is_unfulfillable(alternative) {
            return Key::None;
        }
        let ports = |ports: &Option<Vec<_>>, census: &PortCensus| ports.as_deref().map(|ports| census.crowd(ports));
        let nets =
            |nets: &Option<Vec<_>>, census: &HashMap<_, _>| nets.as_deref().map(|nets| crowd_of_prefixes(nets, census));
        let keys = [
            (Key::DestinationPort, ports(&alternative.dst_ports, &self.destination_ports)),
            (Key::SourcePort, ports(&alternative.src_ports, &self.source_ports)),
            (Key::Source, nets(&alternative.src_nets, &self.sources)),
            (Key::Destination, nets(&alternative.dst_nets, &self.destinations)),
        ];
        keys.into_iter()
            .filter_map(|(key, crowd)| Some((key, crowd?)))
            .filter(|(_, crowd)| crowd.share <= WIDE)
            .min_by(|(_, left), (_, right)| left.rules.total_cmp(&right.rules).then(left.share.total_cmp(&right.share)))
            .map_or(if alternative.protocols.is_some() { Key::Protocol } else { Key::Rest }, |(key, _)| key)
    }
}

/// What waits under a key.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    /// Rules that a packet with this key meets.
    rules: f64,
    /// Part of all keys, from 0 to 1.
    share: f64,
}

/// Something is asked for that nothing can be.
fn is_unfulfillable(alternative: &Constraints) -> bool {
    let Constraints { protocols, dst_ports, src_ports, src_nets, dst_nets } = alternative;
    let no_protocol = protocols.as_ref().is_some_and(Vec::is_empty);
    let no_port = [dst_ports, src_ports].into_iter().flatten().any(Vec::is_empty);
    let no_net = [src_nets, dst_nets].into_iter().flatten().any(Vec::is_empty);
    no_protocol || no_port || no_net
}

/// For every port the number of rules that ask for this port or one below it.
#[derive(Debug)]
struct PortCensus {
    sums: Vec<u64>,
}

impl PortCensus {
    fn new<'d>(demands: impl Iterator<Item = &'d [RangeInclusive<u16>]>) -> Self {
        let mut changes = vec![0_i64; usize::from(u16::MAX) + 2];
        for range in demands.flatten().filter(|range| !range.is_empty()) {
            for (at, change) in [(usize::from(*range.start()), 1), (usize::from(*range.end()) + 1, -1)] {
                if let Some(slot) = changes.get_mut(at) {
                    *slot += change;
                }
            }
        }
        let (mut rules, mut sum) = (0_i64, 0_u64);
        let sums = changes.iter().map(|change| {
            rules += change;
            sum += rules.unsigned_abs();
            sum
        });
        Self { sums: sums.collect() }
    }

    /// Rules per port, averaged over the ports of the ranges.
    fn crowd(&self, ranges: &[RangeInclusive<u16>]) -> Crowd {
        let sum_at = |port: u16| self.sums.get(usize::from(port)).copied().unwrap_or(0);
        let rules: u64 = ranges
            .iter()
            .map(|range| {
                sum_at(*range.end()) - range.start().checked_sub(1).map_or(0, sum_at).min(sum_at(*range.end()))
            })
            .sum();
        let ports: usize = ranges.iter().map(ExactSizeIterator::len).sum();
        Crowd { rules: rules as f64 / ports.max(1) as f64, share: ports as f64 / 65_536.0 }
    }
}

fn count_prefixes<'d>(demands: impl Iterator<Item = &'d [(IpAddr, u8)]>) -> HashMap<(IpAddr, u8), u32> {
    let mut census = HashMap::new();
    for prefix in demands.flatten() {
        *census.entry(*prefix).or_insert(0) += 1;
    }
    census
}

fn crowd_of_prefixes(prefixes: &[(IpAddr, u8)], census: &HashMap<(IpAddr, u8), u32>) -> Crowd {
    let rules = prefixes.iter().filter_map(|prefix| census.get(prefix)).max().copied().unwrap_or(0);
    let share = prefixes.iter().map(|(_, length)| (-f64::from(*length)).exp2()).sum();
    Crowd { rules: f64::from(rules), share }
}
