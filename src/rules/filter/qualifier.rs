//! What stands before a name or number, and what both together mean.

use std::net::{IpAddr, Ipv6Addr};

use super::ast::{Direction, Expr, Join, Network, Primitive};
use super::name;
use super::word::{Absence, Protocol};

/// What kind of thing a name or number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
    ProtoChain,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Net => "net",
            Self::Port => "port",
            Self::PortRange => "portrange",
            Self::Proto => "proto",
            Self::ProtoChain => "protochain",
        }
    }
}

/// The qualifiers of a primitive; `None` where none was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Protocol>,
    pub(super) direction: Option<Direction>,
    pub(super) kind: Option<Kind>,
}

/// A refused combination: the reason, one clause.
type Refusal = String;

impl Qualifiers {
    fn direction(self) -> Direction {
        self.direction.unwrap_or(Direction::Either)
    }

    /// The transport that ports are limited to.
    fn transport(self, kind: Kind) -> Result<Option<u8>, Refusal> {
        match self.protocol {
            None => Ok(None),
            Some(protocol @ (Protocol::Tcp | Protocol::Udp | Protocol::Sctp)) => Ok(protocol.number()),
            Some(Protocol::Link) => Err(no_link_layer()),
            Some(_) => Err(format!("`{}` goes with tcp, udp or sctp only", kind.word())),
        }
    }

    /// The network protocol that hosts, networks and protocol numbers are limited to.
    fn network(self) -> Result<Network, Refusal> {
        match self.protocol {
            None => Ok(Network::Any),
            Some(Protocol::Ip) => Ok(Network::Ip),
            Some(Protocol::Ip6) => Ok(Network::Ip6),
            Some(Protocol::Arp) => Ok(Network::Arp),
            Some(Protocol::Rarp) => Ok(Network::Rarp),
            Some(Protocol::Link | Protocol::Radio | Protocol::OldNetwork | Protocol::OtherNetwork) => {
                Err(no_link_layer())
            }
            Some(_) => Err("a transport protocol does not go with hosts, networks and protocols".to_owned()),
        }
    }

    /// `NAME` with these qualifiers.
    pub(super) fn name(self, name: &str) -> Result<NamedPrimitive, Refusal> {
        match self.kind {
            None | Some(Kind::Host) => self.host_name(name),
            Some(Kind::Net) => {
                self.network()?;
                let (address, mask) = left_justified(name::network(name)?);
                self.net4(address, mask).map(NamedPrimitive::One)
            }
            Some(kind @ Kind::Port) => {
                let wanted = self.transport(kind)?;
                let service = name::service(name)?;
                let transport = agree(name, wanted, service.transport)?;
                Ok(NamedPrimitive::One(self.ports(transport, service.port, service.port, false)))
            }
            Some(kind @ Kind::PortRange) => {
                let wanted = self.transport(kind)?;
                let (low, high, transport) = name::service_range(name)?;
                let transport = agree(name, wanted, transport)?;
                Ok(NamedPrimitive::One(self.ports(transport, low, high, true)))
            }
            Some(Kind::Proto | Kind::ProtoChain) => {
                self.network()?;
                self.number(name::protocol(name)?).map(NamedPrimitive::One)
            }
        }
    }

    fn host_name(self, name: &str) -> Result<NamedPrimitive, Refusal> {
        let network = self.network()?;
        let direction = self.direction();
        let mut found = Vec::new();
        for address in name::host(name)? {
            match (address, network) {
                (IpAddr::V4(_), Network::Ip6) | (IpAddr::V6(_), Network::Ip) => {}
                (IpAddr::V4(v4), _) => {
                    let network = if network == Network::Any { Network::Ip } else { network };
                    found.push(Primitive::Net4 { network, direction, address: v4.into(), mask: u32::MAX });
                }
                (IpAddr::V6(v6), _) => found.push(self.net6(v6, 128)?),
            }
        }
        if found.is_empty() {
            return Err(format!("host `{name}` has no address of that family"));
        }
        Ok(NamedPrimitive::AnyOf(found))
    }

    /// `NUMBER` with these qualifiers.
    pub(super) fn number(self, number: u32) -> Result<Primitive, Refusal> {
        match self.kind {
            None | Some(Kind::Host) => self.net4(number, u32::MAX),
            Some(Kind::Net) => {
                let (address, mask) = left_justified(number);
                self.net4(address, mask)
            }
            Some(kind @ (Kind::Port | Kind::PortRange)) => {
                let transport = self.transport(kind)?;
                let port = u16::try_from(number).map_err(|_| format!("port {number} is above 65535"))?;
                Ok(self.ports(transport, port, port, kind == Kind::PortRange))
            }
            Some(kind @ (Kind::Proto | Kind::ProtoChain)) => match self.network()? {
                Network::Arp | Network::Rarp => Err("ARP carries no other protocol".to_owned()),
                network if kind == Kind::Proto => Ok(Primitive::Number { network, number }),
                network => Ok(Primitive::Chain { network, number }),
            },
        }
    }

    /// An IPv4 address or network with these qualifiers; `mask` covers the parts that were written.
    pub(super) fn address4(self, address: u32, mask: u32) -> Result<Primitive, Refusal> {
        match self.kind {
            None | Some(Kind::Host | Kind::Net) => self.net4(address, mask),
            Some(kind) => Err(format!("`{}` does not go with an address", kind.word())),
        }
    }

    /// An IPv4 network with its mask written out.
    pub(super) fn masked4(self, address: u32, mask: u32) -> Result<Primitive, Refusal> {
        if address & !mask != 0 {
            return Err("the address has bits set that the mask does not cover".to_owned());
        }
        if self.kind != Some(Kind::Net) {
            return Err("a mask goes with `net` only".to_owned());
        }
        self.net4(address, mask)
    }

    /// An IPv6 address or network with these qualifiers.
    pub(super) fn address6(self, address: Ipv6Addr, length: u32) -> Result<Primitive, Refusal> {
        match self.kind {
            Some(Kind::Net) => self.net6(address, length),
            None | Some(Kind::Host) if length == 128 => self.net6(address, length),
            None | Some(Kind::Host) => Err("a mask goes with `net` only".to_owned()),
            Some(kind) => Err(format!("`{}` does not go with an address", kind.word())),
        }
    }

    fn net4(self, address: u32, mask: u32) -> Result<Primitive, Refusal> {
        match self.network()? {
            Network::Ip6 => Err("`ip6` does not go with an IPv4 address".to_owned()),
            network => Ok(Primitive::Net4 { network, direction: self.direction(), address, mask }),
        }
    }

    fn net6(self, address: Ipv6Addr, length: u32) -> Result<Primitive, Refusal> {
        if !matches!(self.network()?, Network::Any | Network::Ip6) {
            return Err("only `ip6` goes with an IPv6 address".to_owned());
        }
        if length > 128 {
            return Err("an IPv6 mask has 128 bits at most".to_owned());
        }
        let bits = u128::from(address);
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        if bits & !mask != 0 {
            return Err("the address has bits set that the mask does not cover".to_owned());
        }
        Ok(Primitive::Net6 { direction: self.direction(), address: words(bits), mask: words(mask) })
    }

    fn ports(self, transport: Option<u8>, low: u16, high: u16, is_range: bool) -> Primitive {
        Primitive::Ports { transport, direction: self.direction(), low, high, is_range }
    }
}

/// What a name stands for.
pub(super) enum NamedPrimitive {
    One(Primitive),
    /// One for each address of a host, at least one.
    AnyOf(Vec<Primitive>),
}

impl NamedPrimitive {
    pub(super) fn into_expr(self, span: std::ops::Range<usize>) -> Expr {
        let primitive = |primitive| Expr::Primitive(primitive, span.clone());
        match self {
            Self::One(one) => primitive(one),
            Self::AnyOf(all) => {
                let mut all = all.into_iter().map(primitive);
                let first = all.next().unwrap_or_else(|| primitive(Primitive::AtLeast(0)));
                Expr::Chain(Box::new(first), all.map(|other| (Join::Or, other)).collect())
            }
        }
    }
}

fn no_link_layer() -> Refusal {
    Absence::LinkLayer.reason().to_owned()
}

/// The transport of a port name and the one asked for, if they agree.
fn agree(name: &str, wanted: Option<u8>, named: Option<u8>) -> Result<Option<u8>, Refusal> {
    match (wanted, named) {
        (Some(wanted), Some(named)) if wanted != named => {
            let known = if named == 6 { "tcp" } else { "udp" };
            Err(format!("`{name}` is a {known} service"))
        }
        (Some(wanted), _) => Ok(Some(wanted)),
        (None, named) => Ok(named),
    }
}

/// A network number moved to the left, as `net 10` is 10.0.0.0/8, and its mask.
fn left_justified(mut number: u32) -> (u32, u32) {
    let mut mask = u32::MAX;
    while number != 0 && number & 0xff00_0000 == 0 {
        number <<= 8;
        mask <<= 8;
    }
    (number, mask)
}

fn words(bits: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
}
