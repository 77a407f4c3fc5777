//! The keys of a packet: ports by protocol, addresses by family.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::interval::{Interval, Intervals};
use super::lists::{Entry, List, Lists};
use crate::flow::Transport;
use crate::rules::filter::Constraints;

const TCP: u8 = Transport::Tcp as u8;
const UDP: u8 = Transport::Udp as u8;

/// The rules that ask for a port. TCP and UDP have a table each, where a port is looked up in one step and no rule of the other
/// protocol is met.
#[derive(Debug)]
pub(super) struct Ports {
    tcp: Box<[List]>,
    udp: Box<[List]>,
    /// All of these rules, for other protocols and for packets whose protocol is not plain to see.
    any: Intervals<u16>,
}

impl Ports {
    #[inline]
    pub(super) fn find(&self, protocol: Option<u8>, port: Option<u16>) -> List {
        let Some(port) = port else {
            return List::EMPTY;
        };
        match protocol {
            Some(TCP) => at(&self.tcp, port),
            Some(UDP) => at(&self.udp, port),
            _ => self.any.find(port),
        }
    }
}

/// The rules that ask for a port, while the index is built.
#[derive(Debug, Default)]
pub(super) struct PortDemands {
    tcp: Vec<Interval<u16>>,
    udp: Vec<Interval<u16>>,
    any: Vec<Interval<u16>>,
}

impl PortDemands {
    pub(super) fn put(&mut self, entry: Entry, alternative: &Constraints, ranges: Option<&Vec<RangeInclusive<u16>>>) {
        let carries = |protocol| alternative.protocols.as_ref().is_none_or(|numbers| numbers.contains(&protocol));
        for range in ranges.into_iter().flatten() {
            let interval = Interval { first: *range.start(), last: *range.end(), entry };
            self.any.push(interval);
            if carries(TCP) {
                self.tcp.push(interval);
            }
            if carries(UDP) {
                self.udp.push(interval);
            }
        }
    }

    pub(super) fn build(self, lists: &mut Lists, left_over: &mut Vec<Entry>) -> Ports {
        Ports {
            tcp: table(self.tcp, u16::MAX, lists, left_over),
            udp: table(self.udp, u16::MAX, lists, left_over),
            any: Intervals::new(self.any, lists, left_over),
        }
    }
}

/// What a [`table`] has for a number. All beyond its end are as its last, so that no jump has to be foretold for ports that lie on either side.
#[inline]
fn at(table: &[List], number: u16) -> List {
    table.get(usize::from(number).min(table.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// One list for every number up to `last`, found in a single step; one for all behind the last number that any rule asks for.
pub(super) fn table(
    intervals: Vec<Interval<u16>>,
    last: u16,
    lists: &mut Lists,
    left_over: &mut Vec<Entry>,
) -> Box<[List]> {
    Intervals::new(intervals, lists, left_over).spread(last)
}

/// The rules that ask for an address.
#[derive(Debug)]
pub(super) struct Addresses {
    ipv4: Intervals<u32>,
    ipv6: Intervals<u128>,
}

impl Addresses {
    #[inline]
    pub(super) fn find(&self, address: Option<IpAddr>) -> List {
        match address {
            Some(IpAddr::V4(address)) => self.ipv4.find(address.to_bits()),
            Some(IpAddr::V6(address)) => self.ipv6.find(address.to_bits()),
            None => List::EMPTY,
        }
    }
}

/// The rules that ask for an address, while the index is built.
#[derive(Debug, Default)]
pub(super) struct AddressDemands {
    ipv4: Vec<Interval<u32>>,
    ipv6: Vec<Interval<u128>>,
}

impl AddressDemands {
    pub(super) fn put(&mut self, entry: Entry, prefixes: Option<&Vec<(IpAddr, u8)>>) {
        for (address, length) in prefixes.into_iter().flatten() {
            match address {
                IpAddr::V4(address) => {
                    let host_bits = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                    let first = address.to_bits() & !host_bits;
                    self.ipv4.push(Interval { first, last: first | host_bits, entry });
                }
                IpAddr::V6(address) => {
                    let host_bits = u128::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                    let first = address.to_bits() & !host_bits;
                    self.ipv6.push(Interval { first, last: first | host_bits, entry });
                }
            }
        }
    }

    pub(super) fn build(self, lists: &mut Lists, left_over: &mut Vec<Entry>) -> Addresses {
        Addresses {
            ipv4: Intervals::new(self.ipv4, lists, left_over),
            ipv6: Intervals::new(self.ipv6, lists, left_over),
        }
    }
}
