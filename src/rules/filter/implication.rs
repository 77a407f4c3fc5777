//! Whether one filter takes every packet that another takes: how `check` finds rules that can never match.

use super::ast::{Direction, Expr, Join, Network, Primitive};

/// Steps of one comparison; beyond, the answer is "not known".
const MAX_STEPS: usize = 10_000;

/// Whether every packet that `narrow` matches is matched by `wide`, too, as far as their structure shows. `false` means "not
/// known". Packets that are cut short are left aside: libpcap rejects what it cannot read, whatever else would match.
pub(super) fn implies(narrow: &Expr, wide: &Expr) -> bool {
    Comparison { steps: MAX_STEPS }.implies(Part::of(narrow), Part::of(wide))
}

/// An expression, or a beginning of a chain: `and` and `or` bind from left to right.
#[derive(Clone, Copy)]
enum Part<'e> {
    Leaf(&'e Expr),
    Joined { first: &'e Expr, rest: &'e [(Join, Expr)] },
}

impl<'e> Part<'e> {
    fn of(expr: &'e Expr) -> Self {
        match expr {
            Expr::Chain(first, rest) => Self::Joined { first, rest },
            Expr::Not(inner) => match inner.as_ref() {
                Expr::Not(twice) => Self::of(twice),
                _ => Self::Leaf(expr),
            },
            Expr::Primitive(..) => Self::Leaf(expr),
        }
    }

    /// The last join and its two sides; `None` for a leaf.
    fn split(self) -> Option<(Join, Self, Self)> {
        let Self::Joined { first, rest } = self else {
            return None;
        };
        let ((join, right), before) = rest.split_last()?;
        let left = if before.is_empty() { Self::of(first) } else { Self::Joined { first, rest: before } };
        Some((*join, left, Self::of(right)))
    }
}

struct Comparison {
    steps: usize,
}

impl Comparison {
    fn implies(&mut self, narrow: Part<'_>, wide: Part<'_>) -> bool {
        let Some(steps) = self.steps.checked_sub(1) else {
            return false;
        };
        self.steps = steps;
        // What must hold for both sides comes before what may hold for one: the other order would miss some.
        if let Some((Join::Or, left, right)) = narrow.split() {
            return self.implies(left, wide) && self.implies(right, wide);
        }
        if let Some((Join::And, left, right)) = wide.split() {
            return self.implies(narrow, left) && self.implies(narrow, right);
        }
        if let Some((_, left, right)) = narrow.split()
            && (self.implies(left, wide) || self.implies(right, wide))
        {
            return true;
        }
        if let Some((_, left, right)) = wide.split() {
            return self.implies(narrow, left) || self.implies(narrow, right);
        }
        match (narrow, wide) {
            (Part::Leaf(Expr::Primitive(narrow, _)), Part::Leaf(Expr::Primitive(wide, _))) => primitive(narrow, wide),
            // The wider what is negated, the narrower the negation.
            (Part::Leaf(Expr::Not(narrow)), Part::Leaf(Expr::Not(wide))) => {
                self.implies(Part::of(wide), Part::of(narrow))
            }
            _ => false,
        }
    }
}

fn primitive(narrow: &Primitive, wide: &Primitive) -> bool {
    if narrow == wide {
        return true;
    }
    match (narrow, wide) {
        (Primitive::Ports { transport: Some(number), .. }, Primitive::Protocol(protocol)) => {
            protocol.number() == Some(*number)
        }
        (
            Primitive::Ports { transport, direction, low, high, .. },
            Primitive::Ports {
                transport: wide_transport,
                direction: wide_direction,
                low: wide_low,
                high: wide_high,
                ..
            },
        ) => {
            let (low, high) = (low.min(high), low.max(high));
            let (wide_low, wide_high) = (wide_low.min(wide_high), wide_low.max(wide_high));
            (wide_transport.is_none() || transport == wide_transport)
                && covers(*wide_direction, *direction)
                && wide_low <= low
                && high <= wide_high
        }
        (
            Primitive::Net4 { network, direction, address, mask },
            Primitive::Net4 {
                network: wide_network,
                direction: wide_direction,
                address: wide_address,
                mask: wide_mask,
            },
        ) => {
            (*wide_network == Network::Any || network == wide_network)
                && covers(*wide_direction, *direction)
                && mask & wide_mask == *wide_mask
                && (address ^ wide_address) & wide_mask == 0
        }
        (
            Primitive::Net6 { direction, address, mask },
            Primitive::Net6 { direction: wide_direction, address: wide_address, mask: wide_mask },
        ) => {
            let words = address.iter().zip(mask).zip(wide_address.iter().zip(wide_mask));
            covers(*wide_direction, *direction)
                && words.into_iter().all(|((address, mask), (wide_address, wide_mask))| {
                    mask & wide_mask == *wide_mask && (address ^ wide_address) & wide_mask == 0
                })
        }
        _ => false,
    }
}

/// Whether what holds in the one direction holds in the other.
fn covers(wide: Direction, narrow: Direction) -> bool {
    wide == narrow || wide == Direction::Either || narrow == Direction::Both
}

#[cfg(test)]
mod tests {
    use super::super::Filter;

    fn takes_all_of(wide: &str, narrow: &str) -> bool {
        Filter::parse(wide).unwrap().takes_all_of(&Filter::parse(narrow).unwrap())
    }

    #[test]
    fn a_wider_filter_takes_all_of_a_narrower_one() {
        for (wide, narrow) in [
            ("", "tcp"),
            ("", ""),
            ("tcp", "tcp"),
            ("tcp", "tcp dst port 22"),
            ("tcp", "tcp dst port 23 or tcp port 2323"),
            ("tcp", "src host 10.0.0.1 and tcp"),
            ("tcp or udp", "udp dst port 53 and src net 10.0.0.0/8"),
            ("dst port 80", "tcp dst port 80"),
            ("tcp port 80", "tcp dst port 80"),
            ("tcp dst portrange 1-1024", "tcp dst port 80"),
            ("src net 10.0.0.0/8", "src net 10.1.0.0/16 and tcp"),
            ("net 10.0.0.0/8", "src host 10.1.2.3"),
            ("net 2001:db8::/32", "dst host 2001:db8::1"),
            ("not udp dst port 53", "not udp"),
            ("tcp and src net 10.0.0.0/8", "tcp dst port 22 and src host 10.0.0.1"),
            ("tcp dst port 80 or tcp dst port 81", "tcp dst port 81"),
        ] {
            assert!(takes_all_of(wide, narrow), "{wide} takes all of {narrow}");
        }
    }

    #[test]
    fn a_filter_that_leaves_something_does_not() {
        for (wide, narrow) in [
            ("tcp", ""),
            ("tcp", "udp"),
            ("tcp", "tcp or udp"),
            ("tcp", "dst port 80"),
            ("tcp dst port 23 or tcp port 2323", "tcp"),
            ("tcp dst port 80", "tcp port 80"),
            ("src net 10.1.0.0/16", "src net 10.0.0.0/8"),
            ("src net 10.0.0.0/8", "dst host 10.0.0.1"),
            ("not udp", "not udp dst port 53"),
            ("tcp and not dst port 22", "tcp"),
            ("tcp and src net 10.0.0.0/8", "tcp dst port 22"),
        ] {
            assert!(!takes_all_of(wide, narrow), "{wide} does not take all of {narrow}");
        }
    }

    #[test]
    fn filters_made_to_cost_are_given_up() {
        let text = |join: &str| (1..500).map(|n| format!("port {n}")).collect::<Vec<_>>().join(join);
        let start = std::time::Instant::now();
        takes_all_of(&text(" or "), &text(" and "));
        assert!(start.elapsed() < std::time::Duration::from_secs(5));
    }
}
