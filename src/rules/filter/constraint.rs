//! What the syntax tree says about every packet that can match, for the index and the firewall.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::Constraints;
use super::ast::{Arithmetic, Direction, Expr, Join, Network, Primitive, Step};

/// Prefixes kept in one condition; beyond, the condition is dropped or the shorter list kept.
const MAX_NETS: usize = 16_384;
/// Pairs of prefixes compared for one `and`.
const MAX_NET_PAIRS: usize = 65_536;

/// Protocols that have ports.
const WITH_PORTS: &[u8] = &[6, 17, 132];

pub(super) fn constraints(expr: &Expr) -> Constraints {
    match expr {
        Expr::Primitive(primitive, _) => of_primitive(primitive),
        // What a negated expression demands is what the expression does not: nothing that could be said here.
        Expr::Not(inner) => match inner.as_ref() {
            Expr::Not(twice) => constraints(twice),
            _ => Constraints::default(),
        },
        Expr::Chain(first, rest) => rest.iter().fold(constraints(first), |left, (join, right)| {
            let right = constraints(right);
            match join {
                Join::And => both(left, right),
                Join::Or => either(left, right),
            }
        }),
    }
}

pub(super) fn names_dst_port(expr: &Expr, port: u16) -> bool {
    names(expr, port, true)
}

fn names(expr: &Expr, port: u16, positive: bool) -> bool {
    match expr {
        Expr::Primitive(Primitive::Ports { direction, low, high, .. }, _) => {
            positive && *direction != Direction::Source && *low == port && *high == port
        }
        Expr::Primitive(..) => false,
        Expr::Not(inner) => names(inner, port, !positive),
        Expr::Chain(first, rest) => {
            names(first, port, positive) || rest.iter().any(|(_, next)| names(next, port, positive))
        }
    }
}

pub(super) fn of_primitive(primitive: &Primitive) -> Constraints {
    let none = Constraints::default();
    match *primitive {
        Primitive::Protocol(protocol) => Constraints { protocols: protocol.number().and_then(upper_layer), ..none },
        Primitive::Number { network, number } => {
            let number = u8::try_from(number).ok();
            // IPv4 has no extension headers, but what a reader of packets takes for the protocol behind them may differ.
            let protocols = number.and_then(upper_layer).filter(|_| !matches!(network, Network::Arp | Network::Rarp));
            Constraints { protocols, ..none }
        }
        Primitive::Ports { transport, direction, low, high, .. } => {
            let ports = vec![low.min(high)..=low.max(high)];
            let (src_ports, dst_ports) = at_ends(direction, ports);
            let protocols = Some(transport.map_or(WITH_PORTS.to_vec(), |transport| vec![transport]));
            Constraints { protocols, src_ports, dst_ports, ..none }
        }
        Primitive::Net4 { network: Network::Any | Network::Ip, direction, address, mask } => {
            if mask.leading_ones() != mask.count_ones() {
                return none;
            }
            let net = (IpAddr::V4(Ipv4Addr::from(address)), mask.leading_ones() as u8);
            let (src_nets, dst_nets) = at_ends(direction, vec![net]);
            Constraints { src_nets, dst_nets, ..none }
        }
        Primitive::Net6 { direction, address, mask } => {
            let (address, mask) = (as_number(address), as_number(mask));
            let net = (IpAddr::V6(Ipv6Addr::from(address)), mask.leading_ones() as u8);
            let (src_nets, dst_nets) = at_ends(direction, vec![net]);
            Constraints { src_nets, dst_nets, ..none }
        }
        Primitive::Relation { ref left, ref right, .. } => {
            let protocols = |side| Constraints { protocols: accessed(side), ..Constraints::default() };
            both(protocols(left), protocols(right))
        }
        _ => none,
    }
}

/// A protocol number as a condition, unless it may be one of an IPv6 extension header, behind which readers of packets look.
fn upper_layer(number: u8) -> Option<Vec<u8>> {
    const EXTENSIONS: &[u8] = &[0, 43, 44, 50, 51, 60, 135, 139, 140, 253, 254];
    (!EXTENSIONS.contains(&number)).then(|| vec![number])
}

/// The protocol that the leftmost accessor demands; what stands to the right of an operator may go untested.
fn accessed(side: &Arithmetic) -> Option<Vec<u8>> {
    match side.steps.as_slice() {
        [Step::Constant(_), Step::Load(protocol, _), ..] => protocol.number().and_then(upper_layer),
        _ => None,
    }
}

fn at_ends<T: Clone>(direction: Direction, condition: Vec<T>) -> (Option<Vec<T>>, Option<Vec<T>>) {
    match direction {
        Direction::Source => (Some(condition), None),
        Direction::Destination => (None, Some(condition)),
        Direction::Both => (Some(condition.clone()), Some(condition)),
        Direction::Either => (None, None),
    }
}

pub(super) fn as_number(words: [u32; 4]) -> u128 {
    words.into_iter().fold(0, |bits, word| bits << 32 | u128::from(word))
}

pub(super) fn both(left: Constraints, right: Constraints) -> Constraints {
    Constraints {
        protocols: intersection(left.protocols, right.protocols, |left, right| {
            left.into_iter().filter(|number| right.contains(number)).collect()
        }),
        dst_ports: intersection(left.dst_ports, right.dst_ports, |left, right| common_ports(&left, &right)),
        src_ports: intersection(left.src_ports, right.src_ports, |left, right| common_ports(&left, &right)),
        src_nets: intersection(left.src_nets, right.src_nets, common_nets),
        dst_nets: intersection(left.dst_nets, right.dst_nets, common_nets),
    }
}

pub(super) fn either(left: Constraints, right: Constraints) -> Constraints {
    Constraints {
        protocols: union(left.protocols, right.protocols, |mut all| {
            all.sort_unstable();
            all.dedup();
            Some(all)
        }),
        dst_ports: union(left.dst_ports, right.dst_ports, |all| Some(merged(all))),
        src_ports: union(left.src_ports, right.src_ports, |all| Some(merged(all))),
        src_nets: union(left.src_nets, right.src_nets, |all| (all.len() <= MAX_NETS).then_some(all)),
        dst_nets: union(left.dst_nets, right.dst_nets, |all| (all.len() <= MAX_NETS).then_some(all)),
    }
}

fn intersection<T>(left: Option<Vec<T>>, right: Option<Vec<T>>, meet: fn(Vec<T>, Vec<T>) -> Vec<T>) -> Option<Vec<T>> {
    match (left, right) {
        (Some(left), Some(right)) => Some(meet(left, right)),
        (one, other) => one.or(other),
    }
}

fn union<T>(left: Option<Vec<T>>, right: Option<Vec<T>>, join: fn(Vec<T>) -> Option<Vec<T>>) -> Option<Vec<T>> {
    let (mut left, mut right) = (left?, right?);
    if left.len() < right.len() {
        std::mem::swap(&mut left, &mut right);
    }
    left.append(&mut right);
    join(left)
}

/// Sorted ranges that neither overlap nor touch.
fn merged(mut ranges: Vec<RangeInclusive<u16>>) -> Vec<RangeInclusive<u16>> {
    ranges.sort_unstable_by_key(|range| (*range.start(), *range.end()));
    let mut out: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if u32::from(*range.start()) <= u32::from(*last.end()) + 1 => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => out.push(range),
        }
    }
    out
}

fn common_ports(left: &[RangeInclusive<u16>], right: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut out = Vec::new();
    for a in left {
        for b in right {
            let range = *a.start().max(b.start())..=*a.end().min(b.end());
            if !range.is_empty() {
                out.push(range);
            }
        }
    }
    merged(out)
}

/// The prefixes in both lists; the shorter list if comparing them all would cost too much.
fn common_nets(left: Vec<(IpAddr, u8)>, right: Vec<(IpAddr, u8)>) -> Vec<(IpAddr, u8)> {
    if left.len().saturating_mul(right.len()) > MAX_NET_PAIRS {
        return if left.len() <= right.len() { left } else { right };
    }
    let mut out = Vec::new();
    for &a in &left {
        for &b in &right {
            if contains(a, b) {
                out.push(b);
            } else if contains(b, a) {
                out.push(a);
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// Whether every address of `inner` is in `outer`.
fn contains(outer: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    let shift4 = |length: u8| u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    let shift6 = |length: u8| u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    match (outer.0, inner.0) {
        (IpAddr::V4(a), IpAddr::V4(b)) => outer.1 <= inner.1 && (u32::from(a) ^ u32::from(b)) & shift4(outer.1) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => outer.1 <= inner.1 && (u128::from(a) ^ u128::from(b)) & shift6(outer.1) == 0,
        _ => false,
    }
}
