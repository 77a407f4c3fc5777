//! A filter as a choice between conditions: `port 80` is a source port or a destination port, and as one condition it would say
//! nothing about either. The index looks up rules by each.

use super::Constraints;
use super::ast::{Direction, Expr, Join, Network, Primitive};
use super::constraint::{as_number, both, either, of_primitive};

/// Alternatives of one filter; a longer choice is told as one, wider condition.
const MAX_ALTERNATIVES: usize = 16;
/// Networks in one condition up to which none is left out when conditions are joined.
const MAX_SUFFICIENT_NETS: usize = 64;

/// The ways to match a filter: every matching packet fulfils one of these conditions at least.
#[derive(Debug)]
pub(in crate::rules) struct Alternatives {
    pub(in crate::rules) conditions: Vec<Constraints>,
    /// Whether a packet that fulfils one matches, if it is TCP or UDP with its ports, unfragmented or the first fragment.
    pub(in crate::rules) suffice: bool,
}

impl Alternatives {
    /// Those of a filter that every packet matches.
    pub(super) fn everything() -> Self {
        Self { conditions: vec![Constraints::default()], suffice: true }
    }

    /// Those of a filter of which nothing can be said.
    fn unknown() -> Self {
        Self { suffice: false, ..Self::everything() }
    }

    fn of_primitive(primitive: &Primitive) -> Self {
        let conditions = ends(primitive).iter().map(of_primitive).collect();
        Self { conditions, suffice: is_told_whole(primitive) }
    }

    fn join(self, join: Join, other: Self) -> Self {
        let is_short = |conditions: &[Constraints]| conditions.iter().all(|one| nets(one) <= MAX_SUFFICIENT_NETS);
        let suffice = self.suffice && other.suffice && is_short(&self.conditions) && is_short(&other.conditions);
        let (conditions, is_whole) = match join {
            Join::And => product(self.conditions, other.conditions),
            Join::Or => choice(self.conditions.into_iter().chain(other.conditions)),
        };
        Self { conditions, suffice: suffice && is_whole }
    }
}

fn nets(condition: &Constraints) -> usize {
    [&condition.src_nets, &condition.dst_nets].into_iter().flatten().map(Vec::len).sum()
}

/// The alternatives of a filter; never none.
pub(super) fn alternatives(expr: &Expr) -> Alternatives {
    match expr {
        Expr::Primitive(primitive, _) => Alternatives::of_primitive(primitive),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::Not(twice) => alternatives(twice),
            _ => Alternatives::unknown(),
        },
        Expr::Chain(first, rest) => {
            rest.iter().fold(alternatives(first), |left, (join, right)| left.join(*join, alternatives(right)))
        }
    }
}

/// Whether the conditions of a primitive are all that it asks of TCP and UDP. `ip proto 6` asks for IPv4, too, which no condition says;
/// so does `icmp`, but for a protocol that is neither.
fn is_told_whole(primitive: &Primitive) -> bool {
    match *primitive {
        Primitive::Protocol(_) => of_primitive(primitive).protocols.is_some(),
        Primitive::Ports { .. } => true,
        Primitive::Net4 { network: Network::Any | Network::Ip, address, mask, .. } => {
            mask.leading_ones() == mask.count_ones() && address & !mask == 0
        }
        Primitive::Net6 { address, mask, .. } => {
            let (address, mask) = (as_number(address), as_number(mask));
            mask.leading_ones() == mask.count_ones() && address & !mask == 0
        }
        _ => false,
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

/// The conditions of both, and whether they say all that these did.
fn product(left: Vec<Constraints>, right: Vec<Constraints>) -> (Vec<Constraints>, bool) {
    let is_short = left.len() * right.len() <= MAX_ALTERNATIVES;
    let (left, right) = if is_short { (left, right) } else { (as_one(left), as_one(right)) };
    let pairs = left.iter().flat_map(|left| right.iter().map(|right| both(left.clone(), right.clone())));
    let (conditions, is_whole) = choice(pairs.filter(can_be_fulfilled));
    (conditions, is_whole && is_short)
}

/// The alternatives, those joined that differ in one field only: joining them says nothing less. And whether all is said that they said.
fn choice(alternatives: impl IntoIterator<Item = Constraints>) -> (Vec<Constraints>, bool) {
    let mut out: Vec<Constraints> = Vec::new();
    for alternative in alternatives {
        match out.iter_mut().find(|earlier| differing_fields(earlier, &alternative) <= 1) {
            Some(earlier) => *earlier = joined(std::mem::take(earlier), alternative),
            None => out.push(alternative),
        }
    }
    let is_short = out.len() <= MAX_ALTERNATIVES;
    (if is_short { out } else { as_one(out) }, is_short)
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
    fn a_filter_about_protocols_ports_and_addresses_asks_for_nothing_but_its_conditions() {
        let suffice = |text: &str| Filter::parse(text).unwrap().alternatives_told().suffice;
        let whole =
            ["", "tcp", "tcp port 80 or 8080", "udp and dst portrange 1-9", "src host 10.0.0.1 or dst net ::/16"];
        let more =
            ["not tcp", "ip", "ip proto 6", "greater 60", "tcp[13] = 2", "tcp dst port 80 and payload contains \"x\""];
        assert_eq!((whole.map(suffice), more.map(suffice)), ([true; 5], [false; 6]));
    }

    #[test]
    fn a_long_choice_stays_short() {
        let text: Vec<String> =
            (1..200).map(|n| format!("(port {n} and host 10.0.0.{n} and net 10.{n}.0.0/16)")).collect();
        assert!(of(&text.join(" or ")).len() <= MAX_ALTERNATIVES);
    }
}
