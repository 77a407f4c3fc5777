//! Code for the primitives. Offsets are from the first byte of the IP header.

use std::sync::Arc;

use super::super::ast::{ByteOp, Direction, Network, Operator, Primitive, Size};
use super::super::payload::Matcher;
use super::super::word::Protocol;
use super::{Code, Generator, Operand, OwnTest, Stmt, Test};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// IPv6 fragment header, RFC 8200 section 4.5.
const FRAGMENT: u32 = 44;

/// RFC 791 section 3.1: fragment offset and flags, protocol, addresses.
const FRAGMENT4: u32 = 6;
const FRAGMENT_OFFSET_BITS: u32 = 0x1fff;
const PROTOCOL4: u32 = 9;
const SOURCE4: u32 = 12;
const DESTINATION4: u32 = 16;
/// RFC 8200 section 3: next header, addresses, and the length of the header.
const NEXT_HEADER: u32 = 6;
const SOURCE6: u32 = 8;
const DESTINATION6: u32 = 24;
const HEADER6: u32 = 40;

/// Offsets of the ports from the transport header.
const SOURCE_PORT: u32 = 0;
const DESTINATION_PORT: u32 = 2;

impl Generator {
    pub(super) fn primitive(&mut self, primitive: &Primitive) -> Result<Code, String> {
        Ok(match *primitive {
            Primitive::Protocol(protocol) => self.protocol(protocol),
            Primitive::Net4 { network, direction, address, mask } => self.net4(network, direction, address, mask),
            Primitive::Net6 { direction, address, mask } => self.net6(direction, address, mask),
            Primitive::Ports { transport, direction, low, high, is_range } => {
                let ports = Ports { low: low.min(high), high: low.max(high), is_range, direction };
                let first = self.ports(Header::Ip6, transport, ports);
                let second = self.ports(Header::Ip, transport, ports);
                self.or(first, second)
            }
            Primitive::Number { network, number } => self.number(network, number),
            Primitive::Chain { network, number } => self.header_chain(network, number)?,
            Primitive::Broadcast4 => self.broadcast4(),
            Primitive::Multicast4 => {
                let ip = self.network(Network::Ip);
                let test =
                    self.test(vec![Stmt::Load(Size::Byte, DESTINATION4)], Test::GreaterEqual(Operand::Constant(224)));
                self.and(ip, test)
            }
            Primitive::Multicast6 => {
                let ip6 = self.network(Network::Ip6);
                let test = self.equal(Size::Byte, DESTINATION6, 255);
                self.and(ip6, test)
            }
            Primitive::AtMost(length) => {
                Self::not(self.test(vec![Stmt::LoadLength], Test::Greater(Operand::Constant(length))))
            }
            Primitive::AtLeast(length) => {
                self.test(vec![Stmt::LoadLength], Test::GreaterEqual(Operand::Constant(length)))
            }
            Primitive::Byte { index, op, value } => self.byte(index, op, value),
            Primitive::Payload(ref pattern) => {
                let matcher = Matcher::new(pattern)?;
                self.own_test(OwnTest::Payload(matcher))
            }
            Primitive::Listed { is_source, ref list } => {
                self.own_test(OwnTest::Listed { is_source, list: Arc::clone(list) })
            }
            Primitive::Relation { relation, negated, ref left, ref right } => {
                self.relation(relation, negated, left, right)?
            }
        })
    }

    fn own_test(&mut self, test: OwnTest) -> Code {
        self.graph.own_tests.push(test);
        self.test(Vec::new(), Test::Own(self.graph.own_tests.len() - 1))
    }

    pub(super) fn equal(&mut self, size: Size, offset: u32, value: u32) -> Code {
        self.test(vec![Stmt::Load(size, offset)], Test::Equal(Operand::Constant(value)))
    }

    fn masked(&mut self, size: Size, offset: u32, value: u32, mask: u32) -> Code {
        let mut stmts = vec![Stmt::Load(size, offset)];
        if mask != u32::MAX {
            stmts.push(Stmt::Constant(Operator::And, mask));
        }
        self.test(stmts, Test::Equal(Operand::Constant(value)))
    }

    /// The version of the packet; nothing but IP is ever there.
    pub(super) fn network(&mut self, network: Network) -> Code {
        match network {
            Network::Ip => self.masked(Size::Byte, 0, 0x40, 0xf0),
            Network::Ip6 => self.masked(Size::Byte, 0, 0x60, 0xf0),
            Network::Any | Network::Arp | Network::Rarp => self.always(false),
        }
    }

    /// A protocol that stands alone.
    pub(super) fn protocol(&mut self, protocol: Protocol) -> Code {
        let network = match protocol {
            Protocol::Ip => return self.network(Network::Ip),
            Protocol::Ip6 => return self.network(Network::Ip6),
            Protocol::Icmp | Protocol::Igmp | Protocol::Igrp | Protocol::Vrrp => Network::Ip,
            Protocol::Icmp6 => Network::Ip6,
            _ => Network::Any,
        };
        match protocol.number() {
            Some(number) => self.number(network, u32::from(number)),
            None => self.always(false),
        }
    }

    fn number(&mut self, network: Network, number: u32) -> Code {
        match network {
            Network::Any => {
                let first = self.number(Network::Ip, number);
                let second = self.number(Network::Ip6, number);
                self.or(first, second)
            }
            Network::Ip => {
                let ip = self.network(Network::Ip);
                let protocol = self.equal(Size::Byte, PROTOCOL4, number);
                self.and(ip, protocol)
            }
            Network::Ip6 => {
                let ip6 = self.network(Network::Ip6);
                let direct = self.equal(Size::Byte, NEXT_HEADER, number);
                let fragment = self.equal(Size::Byte, NEXT_HEADER, FRAGMENT);
                let behind = self.equal(Size::Byte, HEADER6, number);
                let behind = self.and(fragment, behind);
                let either = self.or(direct, behind);
                self.and(ip6, either)
            }
            Network::Arp | Network::Rarp => self.always(false),
        }
    }

    fn header_chain(&mut self, network: Network, wanted: u32) -> Result<Code, String> {
        // The slot is libpcap's; taking it here keeps the numbering of those after it.
        let slot = self.take_slot()?;
        if network == Network::Any {
            let first = self.header_chain(Network::Ip, wanted)?;
            let second = self.header_chain(Network::Ip6, wanted)?;
            return Ok(self.or(first, second));
        }
        self.graph.is_opaque = true;
        let is_ip = self.network(network);
        let walk = Stmt::WalkHeaders { is_v6: network == Network::Ip6, wanted };
        let found = self.test(vec![walk], Test::Equal(Operand::Constant(wanted)));
        self.free_slot(slot);
        Ok(self.and(is_ip, found))
    }

    fn net4(&mut self, network: Network, direction: Direction, address: u32, mask: u32) -> Code {
        let (source, destination) = match network {
            Network::Any => {
                let ip = self.net4(Network::Ip, direction, address, mask);
                let arp = self.net4(Network::Arp, direction, address, mask);
                let either = self.or(ip, arp);
                let rarp = self.net4(Network::Rarp, direction, address, mask);
                return self.or(either, rarp);
            }
            Network::Arp | Network::Rarp => (14, 24),
            Network::Ip | Network::Ip6 => (SOURCE4, DESTINATION4),
        };
        self.at_ends(direction, &mut |generator, is_source| {
            let is_there = generator.network(network);
            let offset = if is_source { source } else { destination };
            let matches = generator.masked(Size::Word, offset, address, mask);
            generator.and(is_there, matches)
        })
    }

    fn net6(&mut self, direction: Direction, address: [u32; 4], mask: [u32; 4]) -> Code {
        self.at_ends(direction, &mut |generator, is_source| {
            let mut code = generator.network(Network::Ip6);
            let mut offset = if is_source { SOURCE6 } else { DESTINATION6 };
            for (word, mask) in address.into_iter().zip(mask) {
                let matches = generator.masked(Size::Word, offset, word, mask);
                code = generator.and(code, matches);
                offset += 4;
            }
            code
        })
    }

    /// A test of the source, of the destination, of either or of both.
    fn at_ends(&mut self, direction: Direction, test: &mut dyn FnMut(&mut Self, bool) -> Code) -> Code {
        match direction {
            Direction::Source => test(self, true),
            Direction::Destination => test(self, false),
            Direction::Either | Direction::Both => {
                let source = test(self, true);
                let destination = test(self, false);
                if direction == Direction::Both { self.and(source, destination) } else { self.or(source, destination) }
            }
        }
    }

    fn ports(&mut self, header: Header, transport: Option<u8>, ports: Ports) -> Code {
        let network = self.network(if header == Header::Ip { Network::Ip } else { Network::Ip6 });
        let matches = match transport {
            Some(transport) => self.ports_of(header, transport, ports),
            None => {
                let sctp = self.ports_of(header, SCTP, ports);
                let tcp = self.ports_of(header, TCP, ports);
                let udp = self.ports_of(header, UDP, ports);
                let stream = self.or(tcp, udp);
                self.or(sctp, stream)
            }
        };
        self.and(network, matches)
    }

    /// IPv4 ports are where the header ends, in first fragments; IPv6 ports are behind 40 bytes and nowhere else.
    fn ports_of(&mut self, header: Header, transport: u8, ports: Ports) -> Code {
        let transport = u32::from(transport);
        let carries = match header {
            Header::Ip => {
                let protocol = self.equal(Size::Byte, PROTOCOL4, transport);
                let first_fragment = self.is_first_fragment();
                self.and(protocol, first_fragment)
            }
            Header::Ip6 => self.equal(Size::Byte, NEXT_HEADER, transport),
        };
        let matches = self.at_ends(ports.direction, &mut |generator, is_source| {
            let load = header.load(if is_source { SOURCE_PORT } else { DESTINATION_PORT });
            if !ports.is_range {
                return generator.test(load, Test::Equal(Operand::Constant(u32::from(ports.low))));
            }
            let low = generator.test(load.clone(), Test::GreaterEqual(Operand::Constant(u32::from(ports.low))));
            let above = generator.test(load, Test::Greater(Operand::Constant(u32::from(ports.high))));
            generator.and(low, Self::not(above))
        });
        self.and(carries, matches)
    }

    pub(super) fn is_first_fragment(&mut self) -> Code {
        let test = Test::AnyBit(Operand::Constant(FRAGMENT_OFFSET_BITS));
        Self::not(self.test(vec![Stmt::Load(Size::Half, FRAGMENT4)], test))
    }

    pub(super) fn next_header_is(&mut self, number: u32) -> Code {
        self.equal(Size::Byte, NEXT_HEADER, number)
    }

    /// libpcap compares the host part with all zeros and all ones; reading a file it takes the whole address for it.
    fn broadcast4(&mut self) -> Code {
        let ip = self.network(Network::Ip);
        let zeros = self.equal(Size::Word, DESTINATION4, 0);
        let ones = self.equal(Size::Word, DESTINATION4, u32::MAX);
        let either = self.or(zeros, ones);
        self.and(ip, either)
    }

    /// `byte N & V` and `byte N | V` look at whatever A holds, not at byte N: so they do in libpcap.
    fn byte(&mut self, index: u32, op: ByteOp, value: u32) -> Code {
        let load = vec![Stmt::Load(Size::Byte, index)];
        match op {
            ByteOp::Equal => self.test(load, Test::Equal(Operand::Constant(value))),
            ByteOp::Greater => self.test(load, Test::Greater(Operand::Constant(value))),
            ByteOp::Less => Self::not(self.test(load, Test::GreaterEqual(Operand::Constant(value)))),
            ByteOp::And | ByteOp::Or => {
                let operator = if op == ByteOp::And { Operator::And } else { Operator::Or };
                let test = Test::Equal(Operand::Constant(0));
                Self::not(self.test(vec![Stmt::Constant(operator, value)], test))
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Ip,
    Ip6,
}

impl Header {
    /// Loads two bytes of the transport header.
    fn load(self, offset: u32) -> Vec<Stmt> {
        match self {
            Self::Ip => vec![Stmt::IndexHeaderLength(0), Stmt::LoadIndexed(Size::Half, offset)],
            Self::Ip6 => vec![Stmt::Load(Size::Half, HEADER6 + offset)],
        }
    }
}

#[derive(Clone, Copy)]
struct Ports {
    low: u16,
    high: u16,
    is_range: bool,
    direction: Direction,
}
