//! A filter as a choice between conditions: `port 80` is a source port or a destination port, and as one condition it would say
//! nothing about either. The index looks up rules by each.

use super::Constraints;
use super::ast::{Direction, Expr, Join, Primitive};
use super::constraint::{both, either, of_primitive};

/// Alternatives of one filter; a longer choice is told as one, wider condition.
const MAX_ALTERNATIVES: usize = 16;

/// Conditions of which every matching packet fulfils at least one; never none of them.
pub(super) fn alternatives(expr: &Expr) -> Vec<Constraints> {
    match expr {
        Expr::Primitive(primitive, _) => ends(primitive).iter().map(of_primitive).collect(),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::Not(twice) => alternatives(twice),
            _ => vec![Constraints::default()],
        },
        Expr::Chain(first, rest) => rest.iter().fold(alternatives(first), |left, (join, right)| {
            let right = alternatives(right);
            match join {
                Join::And => product(left, right),
                Join::Or => choice(left.into_iter().chain(right)),
            }
        }),
    }
}

/// A primitive about either end of a packet as two, one for each end.
fn ends(primitive: &Primitive) -> Vec<Primitive> {
    let towards = |end: Direction| {
        let mut towards = primitive.clone();
        match &mut towards {
            Primitive::Ports { direction, .. }
            | Primitive::Net4 { direction, .. }
            | Primitive::Net6 { direction, .. }
                if *direction == Direction::Either =>
            {
                *direction = end;
                Some(towards)
            }
            _ => None,
        }
    };
    match (towards(Direction::Source), towards(Direction::Destination)) {
        (Some(source), Some(destination)) => vec![source, destination],
        _ => vec![primitive.clone()],
    }
}

fn product(left: Vec<Constraints>, right: Vec<Constraints>) -> Vec<Constraints> {
    let (left, right) =
        if left.len() * right.len() > MAX_ALTERNATIVES { (as_one(left), as_one(right)) } else { (left, right) };
    let pairs = left.iter().flat_map(|left| right.iter().map(|right| both(left.clone(), right.clone())));
    choice(pairs.filter(can_be_fulfilled))
}

/// The alternatives, those joined that differ in one field only: joining them says nothing less.
fn choice(alternatives: impl IntoIterator<Item = Constraints>) -> Vec<Constraints> {
    let mut out: Vec<Constraints> = Vec::new();
    for alternative in alternatives {
        match out.iter_mut().find(|earlier| differing_fields(earlier, &alternative) <= 1) {
            Some(earlier) => *earlier = joined(std::mem::take(earlier), alternative),
            None => out.push(alternative),
        }
    }
    if out.len() > MAX_ALTERNATIVES { as_one(out) } else { out }
}

fn as_one(alternatives: Vec<Constraints>) -> Vec<Constraints> {
    alternatives.into_iter().reduce(either).into_iter().collect()
}

fn differing_fields(left: &Constraints, right: &Constraints) -> usize {
    usize::from(left.protocols != right.protocols)
        + usize::from(left.dst_ports != right.dst_ports)
        + usize::from(left.src_ports != right.src_ports)
        + usize::from(left.src_nets != right.src_nets)
        + usize::from(left.dst_nets != right.dst_nets)
}

/// The union of two conditions that differ in one field; lists of networks that are the same are not doubled.
fn joined(left: Constraints, mut right: Constraints) -> Constraints {
    for (left, right) in [(&left.src_nets, &mut right.src_nets), (&left.dst_nets, &mut right.dst_nets)] {
        if left == right {
            right.iter_mut().for_each(Vec::clear);
        }
    }
    either(left, right)
}

fn can_be_fulfilled(constraints: &Constraints) -> bool {
    let Constraints { protocols, dst_ports, src_ports, src_nets, dst_nets } = constraints;
    protocols.as_ref().is_none_or(|protocols| !protocols.is_empty())
        && [dst_ports, src_ports].into_iter().flatten().all(|ports| !ports.is_empty())
        && [src_nets, dst_nets].into_iter().flatten().all(|nets| !nets.is_empty())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::ops::RangeInclusive;

    use super::super::Filter;
    use super::*;

    fn of(text: &str) -> Vec<Constraints> {
        Filter::parse(text).unwrap().alternatives()
    }

    fn with(protocols: &[u8]) -> Constraints {
        Constraints { protocols: Some(protocols.to_vec()), ..Constraints::default() }
    }

    fn to(ports: &[RangeInclusive<u16>]) -> Constraints {
        Constraints { dst_ports: Some(ports.to_vec()), ..with(&[6]) }
    }

    fn from(ports: &[RangeInclusive<u16>]) -> Constraints {
        Constraints { src_ports: Some(ports.to_vec()), ..with(&[6]) }
    }

    #[test]
    fn a_port_is_a_source_or_a_destination_port() {
        assert_eq!(of("tcp port 80"), [from(&[80..=80]), to(&[80..=80])]);
        assert_eq!(of("tcp port 80 or tcp port 8080"), [from(&[80..=80, 8080..=8080]), to(&[80..=80, 8080..=8080])]);
        assert_eq!(of("tcp dst port 80 or 81"), [to(&[80..=81])]);
    }

    #[test]
    fn a_host_is_a_source_or_a_destination() {
        let net = Some(vec![(IpAddr::from([192, 0, 2, 1]), 32)]);
        let source = Constraints { src_nets: net.clone(), ..to(&[80..=80]) };
        let destination = Constraints { dst_nets: net, ..to(&[80..=80]) };
        assert_eq!(of("host 192.0.2.1 and tcp dst port 80"), [source, destination]);
    }

    #[test]
    fn a_choice_that_says_nothing_is_one_condition() {
        assert_eq!(of("tcp or not udp"), [Constraints::default()]);
        assert_eq!(of("tcp or tcp port 80"), [with(&[6])]);
        assert_eq!(of(""), [Constraints::default()]);
    }

    #[test]
    fn a_long_choice_stays_short() {
        let text: Vec<String> =
            (1..200).map(|n| format!("(port {n} and host 10.0.0.{n} and net 10.{n}.0.0/16)")).collect();
        assert!(of(&text.join(" or ")).len() <= MAX_ALTERNATIVES);
    }
}
