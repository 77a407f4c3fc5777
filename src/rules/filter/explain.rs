//! Why a filter does not match a packet: which part of its text fails, and what the packet has there.
//!
//! Every part of the syntax tree is compiled and run by itself, by the machine that runs whole filters; so what is said here cannot
//! drift from what matches.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::ast::{Arithmetic, Direction, Expr, Join, Primitive, Relation, Step};
use super::payload::payload;
use super::program::Program;
use super::word::Protocol;
use super::{Filter, Input, code};
use crate::packet::{Packet, Payload};

/// Parts that are named for one filter: a long list of ports says the same thing many times.
const MAX_PARTS: usize = 4;

/// A part of a filter that keeps it from matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The part, as it is written in the filter; several that fail alike are joined by `or`.
    pub part: String,
    /// What the packet has instead.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.part.is_empty() { f.write_str(&self.found) } else { write!(f, "`{}`: {}", self.part, self.found) }
    }
}

impl Filter {
    /// The parts that keep this filter from matching the packet; empty if it matches.
    pub fn why_not(&self, input: &Input<'_>) -> Vec<Mismatch> {
        let Some(expr) = self.expr.as_ref().filter(|_| !self.matches(input)) else { return Vec::new() };
        let mut blame = Blame { text: &self.text, input, parts: Vec::new() };
        blame.find(expr, true);
        if blame.parts.is_empty() {
            // Each part holds by itself; libpcap's optimizer has moved a load to where the packet is too short for it.
            blame.name(String::new(), "the packet ends before a field that the filter reads".to_owned());
        }
        blame.parts
    }
}

/// `None`: a load beyond the end of the packet, or a division by zero, rejects it.
type Truth = Option<bool>;

fn join(join: Join, left: Truth, right: impl FnOnce() -> Truth) -> Truth {
    match (join, left) {
        (Join::And, Some(true)) | (Join::Or, Some(false)) => right(),
        (_, decided) => decided,
    }
}

struct Blame<'f> {
    text: &'f str,
    input: &'f Input<'f>,
    parts: Vec<Mismatch>,
}

impl Blame<'_> {
    /// What an expression says by itself.
    fn truth(&self, expr: &Expr) -> Truth {
        match expr {
            Expr::Primitive(..) => Program::new(code::generate(expr).ok()?).outcome(self.input),
            Expr::Not(inner) => self.truth(inner).map(|truth| !truth),
            Expr::Chain(first, rest) => {
                rest.iter().fold(self.truth(first), |left, (how, next)| join(*how, left, || self.truth(next)))
            }
        }
    }

    /// Names the parts that make `expr` something else than `wanted`, which it is.
    fn find(&mut self, expr: &Expr, wanted: bool) {
        match expr {
            Expr::Primitive(primitive, span) => {
                let found = if self.truth(expr).is_none() {
                    "the packet ends before it".to_owned()
                } else {
                    self.found(primitive)
                };
                let negation = if wanted { "" } else { "not " };
                self.name(format!("{negation}{}", self.text.get(span.clone()).unwrap_or_default()), found);
            }
            Expr::Not(inner) => self.find(inner, !wanted),
            Expr::Chain(first, rest) => self.find_in_chain(first, rest, wanted),
        }
    }

    /// Terms are joined from the left: what stands before the last one is a chain of its own.
    fn find_in_chain(&mut self, first: &Expr, rest: &[(Join, Expr)], wanted: bool) {
        let mut left = self.truth(first);
        let mut lefts = Vec::with_capacity(rest.len());
        for (how, next) in rest {
            lefts.push(left);
            left = join(*how, left, || self.truth(next));
        }
        let mut guilty = Vec::new();
        let mut whole = left;
        let mut is_found = false;
        for ((how, term), left) in rest.iter().zip(lefts).rev() {
            let leaves_it_to_the_right = left == Some(*how == Join::And);
            if leaves_it_to_the_right {
                guilty.push(term);
                is_found = left == Some(wanted) || (whole.is_none() && !wanted);
            }
            if is_found {
                break;
            }
            whole = left;
        }
        if !is_found {
            guilty.push(first);
        }
        for term in guilty.into_iter().rev() {
            self.find(term, wanted);
        }
    }

    /// Parts that fail for the same reason are one.
    fn name(&mut self, part: String, found: String) {
        if let Some(same) = self.parts.iter_mut().find(|known| known.found == found) {
            if same.part.matches(" or ").count() + 1 < MAX_PARTS {
                same.part = format!("{} or {part}", same.part);
            } else if !same.part.ends_with("...") {
                same.part.push_str(" or ...");
            }
        } else if self.parts.len() < MAX_PARTS {
            self.parts.push(Mismatch { part, found });
        }
    }

    /// What the packet has where the primitive looks.
    fn found(&self, primitive: &Primitive) -> String {
        let packet = Packet::parse(self.input.bytes).ok();
        match primitive {
            Primitive::Protocol(Protocol::Ip | Protocol::Ip6) => format!("the packet is {}", self.version()),
            Primitive::Protocol(_) | Primitive::Number { .. } | Primitive::Chain { .. } => {
                self.protocol(packet.as_ref())
            }
            Primitive::Net4 { .. } if self.version() != "IPv4" => format!("the packet is {}", self.version()),
            Primitive::Net6 { .. } if self.version() != "IPv6" => format!("the packet is {}", self.version()),
            Primitive::Net4 { direction, .. } | Primitive::Net6 { direction, .. } => self.addresses(*direction),
            Primitive::Broadcast4 | Primitive::Multicast4 | Primitive::Multicast6 => {
                self.addresses(Direction::Destination)
            }
            Primitive::Listed { is_source: true, .. } => self.addresses(Direction::Source),
            Primitive::Listed { is_source: false, .. } => self.addresses(Direction::Destination),
            Primitive::Ports { transport, direction, .. } => self.ports(packet.as_ref(), *transport, *direction),
            Primitive::AtMost(_) | Primitive::AtLeast(_) => format!("the packet has {} bytes", self.input.wire_len),
            Primitive::Byte { index, .. } => {
                let byte = usize::try_from(*index).ok().and_then(|index| self.input.bytes.get(index));
                byte.map_or_else(|| "the packet ends before it".to_owned(), |byte| format!("byte {index} is {byte}"))
            }
            Primitive::Payload(_) => match payload(self.input.bytes).map_or(0, <[u8]>::len) {
                0 => "the packet carries no data".to_owned(),
                length => format!("the packet carries {length} bytes of data"),
            },
            Primitive::Relation { left, right, .. } => self.sides(left, right),
        }
    }

    fn version(&self) -> &'static str {
        match self.input.bytes.first().map(|first| first >> 4) {
            Some(4) => "IPv4",
            Some(6) => "IPv6",
            _ => "not IP",
        }
    }

    fn protocol(&self, packet: Option<&Packet>) -> String {
        let Some(packet) = packet else { return "the packet is malformed".to_owned() };
        let name = match packet.protocol {
            1 => "icmp",
            2 => "igmp",
            6 => "tcp",
            17 => "udp",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            58 => "icmp6",
            132 => "sctp",
            number => return format!("the packet is {} protocol {number}", self.version()),
        };
        format!("the packet is {name} over {}", self.version())
    }

    fn addresses(&self, direction: Direction) -> String {
        let Some((source, destination)) = self.ends() else { return "the packet ends before it".to_owned() };
        match direction {
            Direction::Source => format!("the source is {source}"),
            Direction::Destination => format!("the destination is {destination}"),
            Direction::Either | Direction::Both => format!("the packet goes from {source} to {destination}"),
        }
    }

    /// RFC 791 section 3.1 and RFC 8200 section 3; of packets that are too odd to be parsed, too.
    fn ends(&self) -> Option<(String, String)> {
        let bytes = self.input.bytes;
        let v4 = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).to_string());
        let v6 = |at: usize| bytes.get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).to_string());
        if self.version() == "IPv6" { Some((v6(8)?, v6(24)?)) } else { Some((v4(12)?, v4(16)?)) }
    }

    fn ports(&self, packet: Option<&Packet>, transport: Option<u8>, direction: Direction) -> String {
        let Some(known) = packet else { return self.protocol(packet) };
        let (source, destination) = match known.payload {
            _ if transport.is_some_and(|transport| transport != known.protocol) => return self.protocol(packet),
            Payload::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
            Payload::Udp { src_port, dst_port } => (src_port, dst_port),
            Payload::LaterFragment => return "a fragment that is not the first carries no ports".to_owned(),
            _ => return format!("{}, which has no ports", self.protocol(packet)),
        };
        match direction {
            Direction::Source => format!("the packet has {source}"),
            Direction::Destination => format!("the packet has {destination}"),
            Direction::Either | Direction::Both => format!("the packet has {source} and {destination}"),
        }
    }

    /// The values on the sides of a comparison that are no constants.
    fn sides(&self, left: &Arithmetic, right: &Arithmetic) -> String {
        let shown = |name: &str, side: &Arithmetic| {
            let is_constant = !side.steps.iter().any(|step| matches!(step, Step::Load(..) | Step::Length));
            if is_constant {
                return None;
            }
            let value = self.value(side).map_or_else(|| "not in this packet".to_owned(), |value| value.to_string());
            Some(format!("the {name} side is {value}"))
        };
        let sides: Vec<String> = [shown("left", left), shown("right", right)].into_iter().flatten().collect();
        if sides.is_empty() { "never so".to_owned() } else { sides.join(", ") }
    }

    /// The value of an expression, found by asking the machine whether it is at least so much, bit by bit.
    fn value(&self, side: &Arithmetic) -> Option<u32> {
        let at_least = |number: u32| {
            let relation = Primitive::Relation {
                relation: Relation::GreaterEqual,
                negated: false,
                left: side.clone(),
                right: Arithmetic { steps: vec![Step::Constant(number)] },
            };
            self.truth(&Expr::Primitive(relation, 0..0))
        };
        if at_least(0) != Some(true) {
            return None;
        }
        let mut value = 0;
        for bit in (0..u32::BITS).rev() {
            let higher = value | 1 << bit;
            if at_least(higher) == Some(true) {
                value = higher;
            }
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn syn() -> Vec<u8> {
        let mut bytes = Vec::new();
        let packet = PacketBuilder::ipv4([192, 0, 2, 1], [10, 0, 0, 1], 64).tcp(40_000, 22, 1, 1_024).syn();
        packet.write(&mut bytes, b"").unwrap();
        bytes
    }

    fn why_not(filter: &str) -> String {
        let bytes = syn();
        let input = Input { bytes: &bytes, wire_len: bytes.len() };
        let parts = Filter::parse(filter).unwrap().why_not(&input);
        parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_filter_that_matches_has_no_mismatch() {
        for filter in ["", "tcp", "not udp", "tcp and (dst port 22 or 23) and src net 192.0.2.0/24"] {
            assert_eq!(why_not(filter), "", "{filter}");
        }
    }

    #[test]
    fn the_part_that_fails_is_named_with_what_the_packet_has() {
        for (filter, why) in [
            ("udp", "`udp`: the packet is tcp over IPv4"),
            ("ip6", "`ip6`: the packet is IPv4"),
            ("tcp and dst port 23 and src net 192.0.2.0/24", "`dst port 23`: the packet has 22"),
            ("tcp and dst port 22 and src net 10.0.0.0/8", "`src net 10.0.0.0/8`: the source is 192.0.2.1"),
            ("udp dst port 22", "`udp dst port 22`: the packet is tcp over IPv4"),
            (
                "dst port 80 or 443 or udp",
                "`dst port 80 or 443`: the packet has 22; `udp`: the packet is tcp over IPv4",
            ),
            ("tcp and not dst port 22", "`not dst port 22`: the packet has 22"),
            (
                "not (tcp and port 22)",
                "`not tcp`: the packet is tcp over IPv4; `not port 22`: the packet has 40000 and 22",
            ),
            ("not (udp or dst port 22)", "`not dst port 22`: the packet has 22"),
            ("greater 100", "`greater 100`: the packet has 40 bytes"),
            ("tcp[tcpflags] & tcp-ack != 0", "`tcp[tcpflags] & tcp-ack != 0`: the left side is 0"),
            ("tcp[13] = 3", "`tcp[13] = 3`: the left side is 2"),
            ("tcp[100] = 3", "`tcp[100] = 3`: the packet ends before it"),
            ("dst host 2001:db8::1", "`dst host 2001:db8::1`: the packet is IPv4"),
            ("payload contains \"GET\"", "`payload contains \"GET\"`: the packet carries no data"),
        ] {
            assert_eq!(why_not(filter), why, "{filter}");
        }
    }

    #[test]
    fn long_lists_are_shortened() {
        let why = why_not("udp or dst port 1 or 2 or 3 or 4 or 5 or 6");
        assert_eq!(why, "`udp`: the packet is tcp over IPv4; `dst port 1 or 2 or 3 or 4 or ...`: the packet has 22");
    }
}
