//! Primitives: qualifiers, and the names, numbers and addresses that they qualify.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::super::ast::{Direction, Expr, Pattern, Primitive};
use super::super::error::{FilterError, nearest};
use super::super::lexer::{Symbol, Token};
use super::super::list::AddressList;
use super::super::qualifier::{Kind, Qualifiers};
use super::super::word::{self, Absence, Keyword, Protocol};
use super::{Inherited, Item, Parsed, Parser, Place};

const PRIMITIVES: &[&str] = &["a primitive such as `tcp`", "`host`", "`net`", "`port`"];

impl Parser<'_> {
    /// A primitive that begins with a word.
    pub(super) fn term(&mut self) -> Parsed<Item> {
        let start = self.span().start;
        let token = self.token().clone();
        match token {
            Token::Protocol(protocol) if *self.token_after() == Token::Symbol(Symbol::LeftBracket) => {
                Ok(Item::Value(self.accessor(protocol)?))
            }
            Token::Keyword(Keyword::Len) | Token::Symbol(Symbol::Minus) => Ok(Item::Value(self.value_word()?)),
            Token::Protocol(protocol) => self.after_protocol(protocol, start),
            Token::Keyword(keyword) => self.keyword(keyword, start),
            _ => Err(self.unexpected(PRIMITIVES)),
        }
    }

    fn plain(&mut self, primitive: Primitive, start: usize) -> Parsed<Item> {
        let span = self.span_from(start);
        let expr = self.primitive(primitive, span)?;
        Ok(Item::Truth { expr, hands_on: Inherited::None, is_id: false })
    }

    /// `payload contains "TEXT"` or `payload matches /REGEX/`: no libpcap primitive, and nothing that libpcap would understand.
    pub(super) fn payload(&mut self) -> Parsed<Item> {
        let start = self.span().start;
        self.advance();
        let wants_text = *self.token() == Token::Name("contains");
        self.advance();
        let pattern = match self.token().clone() {
            Token::Text(bytes) if wants_text && !bytes.is_empty() => Pattern::Bytes(bytes),
            Token::Regex(text, ignore_case) if !wants_text => Pattern::Regex { text: text.to_owned(), ignore_case },
            _ if wants_text => return Err(self.unexpected(&["a text such as \"GET /\""])),
            _ => return Err(self.unexpected(&["a regular expression such as /^GET/"])),
        };
        self.advance();
        self.plain(Primitive::Payload(pattern), start)
    }

    fn keyword(&mut self, keyword: Keyword, start: usize) -> Parsed<Item> {
        match keyword {
            Keyword::Less | Keyword::Greater => {
                self.advance();
                let length = self.number()?;
                let less = keyword == Keyword::Less;
                self.plain(if less { Primitive::AtMost(length) } else { Primitive::AtLeast(length) }, start)
            }
            Keyword::Byte => {
                self.advance();
                let expr = self.byte(start)?;
                Ok(Item::Truth { expr, hands_on: Inherited::None, is_id: false })
            }
            Keyword::Foreign(absence) => Err(self.absent(absence)),
            Keyword::Broadcast | Keyword::Multicast => Err(self.absent(Absence::LinkLayer)),
            Keyword::Mask | Keyword::And | Keyword::Or | Keyword::Not | Keyword::Len => {
                Err(self.unexpected(PRIMITIVES))
            }
            _ => self.qualified(None, start),
        }
    }

    /// What follows a protocol that is not indexed.
    fn after_protocol(&mut self, protocol: Protocol, start: usize) -> Parsed<Item> {
        let written = self.found();
        if matches!(protocol, Protocol::Link | Protocol::Radio) {
            return Err(self.absent(Absence::LinkLayer));
        }
        self.advance();
        match *self.token() {
            Token::Keyword(keyword @ (Keyword::Broadcast | Keyword::Multicast)) => {
                let primitive = match (protocol, keyword) {
                    (Protocol::Ip, Keyword::Broadcast) => Primitive::Broadcast4,
                    (Protocol::Ip, _) => Primitive::Multicast4,
                    (Protocol::Ip6, Keyword::Multicast) => Primitive::Multicast6,
                    _ => {
                        let message = format!("`{written}` does not go with `{}`", self.found());
                        return Err(FilterError::new(self.span(), message));
                    }
                };
                self.advance();
                self.plain(primitive, start)
            }
            Token::Keyword(Keyword::Foreign(absence)) => Err(self.absent(absence)),
            Token::Keyword(
                Keyword::Src
                | Keyword::Dst
                | Keyword::Host
                | Keyword::Net
                | Keyword::Port
                | Keyword::PortRange
                | Keyword::Proto
                | Keyword::ProtoChain,
            ) => self.qualified(Some(protocol), start),
            Token::Name(name) => Err(self.missing_kind(written, name)),
            Token::Number(_) | Token::Dotted(_) | Token::Address6(_) => Err(self.missing_kind(written, "")),
            _ => self.plain(Primitive::Protocol(protocol), start),
        }
    }

    /// Qualifiers from the direction or kind on, and what they qualify.
    fn qualified(&mut self, protocol: Option<Protocol>, start: usize) -> Parsed<Item> {
        let direction = self.direction();
        if matches!((self.token(), self.token_after()), (Token::Name("in"), Token::File(_))) {
            return self.listed(protocol, direction, start);
        }
        let kind = self.kind();
        if let (Some(_), Some(kind @ (Kind::Proto | Kind::ProtoChain))) = (direction, kind) {
            let message = format!("`{}` has no direction", kind.word());
            return Err(FilterError::new(self.span_from(start), message));
        }
        if kind.is_none() {
            self.check_kind_is_not_mistyped()?;
        }
        let inherited = Inherited::From(Qualifiers { protocol, direction, kind });
        let (mut expr, hands_on, _) = self.truth(Place::ID, inherited)?;
        if let Expr::Primitive(_, span) = &mut expr
            && !self.text.get(start..span.start).is_some_and(|before| before.contains('('))
        {
            span.start = start;
        }
        Ok(Item::Truth { expr, hands_on, is_id: false })
    }

    /// `in @FILE` after a direction: ours, not libpcap's.
    fn listed(&mut self, protocol: Option<Protocol>, direction: Option<Direction>, start: usize) -> Parsed<Item> {
        let is_source = match (protocol, direction) {
            (None, Some(Direction::Source)) => true,
            (None, Some(Direction::Destination)) => false,
            _ => return Err(self.unexpected(&["`src in @FILE`", "`dst in @FILE`"])),
        };
        self.advance();
        let Token::File(path) = *self.token() else { return Err(self.unexpected(&["`@FILE`"])) };
        let list = AddressList::read(Path::new(path), self.files).map_err(|why| FilterError::new(self.span(), why))?;
        self.advance();
        self.plain(Primitive::Listed { is_source, list: Arc::new(list) }, start)
    }

    fn direction(&mut self) -> Option<Direction> {
        let (first, other) = match *self.token() {
            Token::Keyword(Keyword::Src) => (Direction::Source, Keyword::Dst),
            Token::Keyword(Keyword::Dst) => (Direction::Destination, Keyword::Src),
            _ => return None,
        };
        self.advance();
        let joined = match *self.token() {
            Token::Keyword(Keyword::Or) => Direction::Either,
            Token::Keyword(Keyword::And) => Direction::Both,
            _ => return Some(first),
        };
        if *self.token_after() != Token::Keyword(other) {
            return Some(first);
        }
        self.advance();
        self.advance();
        Some(joined)
    }

    fn kind(&mut self) -> Option<Kind> {
        let kind = match *self.token() {
            Token::Keyword(Keyword::Host) => Kind::Host,
            Token::Keyword(Keyword::Net) => Kind::Net,
            Token::Keyword(Keyword::Port) => Kind::Port,
            Token::Keyword(Keyword::PortRange) => Kind::PortRange,
            Token::Keyword(Keyword::Proto) => Kind::Proto,
            Token::Keyword(Keyword::ProtoChain) => Kind::ProtoChain,
            _ => return None,
        };
        self.advance();
        Some(kind)
    }

    /// After a direction, a name followed by another name or number is a mistyped `port` or the like, not a host.
    fn check_kind_is_not_mistyped(&self) -> Parsed<()> {
        let follows = matches!(
            self.token_after(),
            Token::Name(_) | Token::Number(_) | Token::Dotted(_) | Token::Address6(_) | Token::Hardware
        );
        match *self.token() {
            Token::Name(name) if follows => Err(self.missing_kind("", name)),
            _ => Ok(()),
        }
    }

    /// Something stands where `host`, `port` or the like should.
    fn missing_kind(&self, protocol: &str, name: &str) -> FilterError {
        const KINDS: &[&str] = &["host", "net", "port", "portrange"];
        let near = nearest(name, KINDS.iter().copied().chain(["and", "or", "src", "dst", "proto"]));
        let transport = matches!(protocol, "tcp" | "udp" | "sctp");
        let suggestion = near.or_else(|| match *self.token() {
            Token::Number(_) if transport => Some(format!("{protocol} port {}", self.found())),
            Token::Number(_) if !protocol.is_empty() => Some(format!("{protocol} proto {}", self.found())),
            Token::Dotted(_) | Token::Address6(_) => Some(format!("host {}", self.found())),
            _ => None,
        });
        self.unexpected(KINDS).suggesting(suggestion)
    }

    fn absent(&self, absence: Absence) -> FilterError {
        FilterError::new(self.span(), format!("`{}` cannot be had: {}", self.found(), absence.reason()))
    }

    /// A name where no qualifier says what it is.
    pub(super) fn bare_name_without_qualifier(&self) -> FilterError {
        let found = self.found();
        let host = !matches!(self.token(), Token::Name(_));
        let suggestion = if host { Some(format!("host {found}")) } else { nearest(found, word::common_words()) };
        self.unexpected(PRIMITIVES).suggesting(suggestion)
    }

    /// A name where a number should stand.
    pub(super) fn unknown_number(&self) -> FilterError {
        let suggestion = nearest(self.found(), word::number_names());
        self.unexpected(&["a number", "`len`", "an accessor such as `tcp[13]`"]).suggesting(suggestion)
    }

    fn qualifiers(&self, inherited: Inherited, span: Range<usize>) -> Parsed<Option<Qualifiers>> {
        match inherited {
            Inherited::From(qualifiers) => Ok(Some(qualifiers)),
            Inherited::Unknown => Ok(None),
            Inherited::None => {
                let found = self.text.get(span.clone()).unwrap_or("");
                let message = format!("`{found}` has no qualifier, and what stands before it has none to share");
                Err(FilterError::new(span, message).expecting(&["host", "net", "port", "portrange", "proto"]))
            }
        }
    }

    pub(super) fn bare_number(&mut self, number: u32, inherited: Inherited, start: usize) -> Parsed<Expr> {
        let span = self.span_from(start);
        let primitive = match self.qualifiers(inherited, span.clone())? {
            Some(qualifiers) => qualifiers.number(number).map_err(|why| FilterError::new(span.clone(), why))?,
            None => Primitive::AtLeast(0),
        };
        self.primitive(primitive, span)
    }

    /// A name or address, with its mask.
    pub(super) fn id(&mut self, inherited: Inherited) -> Parsed<Expr> {
        let start = self.span();
        let token = self.token().clone();
        self.advance();
        let (mask, span) = match token {
            Token::Name(_) => (Mask::None, start.clone()),
            _ => (self.mask(&token)?, self.span_from(start.start)),
        };
        let Some(qualifiers) = self.qualifiers(inherited, span.clone())? else {
            return self.primitive(Primitive::AtLeast(0), span);
        };
        let primitive = match (token, mask) {
            (Token::Name(name), _) => {
                let named = qualifiers.name(name).map_err(|why| FilterError::new(span.clone(), why))?;
                self.primitives += 1;
                return Ok(named.into_expr(span));
            }
            (Token::Dotted(text), mask) => dotted(qualifiers, text, mask),
            (Token::Address6(address), Mask::Length(length)) => qualifiers.address6(address, length),
            (Token::Address6(address), _) => qualifiers.address6(address, 128),
            _ => Err("this is neither a name nor an address".to_owned()),
        };
        let primitive = primitive.map_err(|why| FilterError::new(span.clone(), why))?;
        self.primitive(primitive, span)
    }

    /// `/LENGTH`, or `mask ADDRESS` after an IPv4 address.
    fn mask(&mut self, address: &Token<'_>) -> Parsed<Mask> {
        match *self.token() {
            Token::Symbol(Symbol::Slash) => {
                self.advance();
                self.number().map(Mask::Length)
            }
            Token::Keyword(Keyword::Mask) if matches!(address, Token::Dotted(_)) => {
                self.advance();
                let Token::Dotted(text) = *self.token() else {
                    return Err(self.unexpected(&["a mask such as 255.255.0.0"]));
                };
                let (bits, length) = octets(text).map_err(|why| FilterError::new(self.span(), why))?;
                self.advance();
                Ok(Mask::Bits(bits << (32 - length)))
            }
            _ => Ok(Mask::None),
        }
    }
}

enum Mask {
    None,
    Length(u32),
    Bits(u32),
}

/// An IPv4 address or network: `10.1` is the network 10.1.0.0/16.
fn dotted(qualifiers: Qualifiers, text: &str, mask: Mask) -> Result<Primitive, String> {
    let (value, length) = octets(text)?;
    let address = value << (32 - length);
    match mask {
        Mask::None => qualifiers.address4(address, u32::MAX << (32 - length)),
        Mask::Length(length) if length > 32 => Err("an IPv4 mask has 32 bits at most".to_owned()),
        Mask::Length(length) => qualifiers.masked4(address, u32::MAX.checked_shl(32 - length).unwrap_or(0)),
        Mask::Bits(mask) => qualifiers.masked4(address, mask),
    }
}

/// The octets of a dotted number, right-justified, and how many bits they are; decimal, whatever they begin with.
fn octets(text: &str) -> Result<(u32, u32), String> {
    let octet = |part: &str| part.parse::<u32>().ok().filter(|&octet| octet <= 255);
    let mut value = 0;
    let mut length = 0;
    for part in text.split('.') {
        let octet = octet(part).ok_or_else(|| format!("`{text}` is not an IPv4 address"))?;
        value = value << 8 | octet;
        length += 8;
    }
    Ok((value, length))
}
