//! Tokens to a syntax tree, by recursive descent.
//!
//! The grammar is that of pcap-filter(7): `and` and `or` bind equally, from left to right, and after one of them a bare name or
//! number takes the qualifiers of the primitive before it. A mistake is recorded and the parser goes on behind the next `and`,
//! `or` or closing parenthesis, so that all mistakes of a text are found at once.

mod arithmetic;
mod primitive;

use std::ops::Range;

use super::ast::{Arithmetic, Expr, Join, Primitive};
use super::error::FilterError;
use super::lexer::{Lexeme, Symbol, Token, lex};
use super::list::ListFiles;
use super::qualifier::Qualifiers;
use super::word::Keyword;

/// Parentheses, `not` and arithmetic within each other.
pub(super) const MAX_DEPTH: usize = 100;
/// Hosts, nets, ports, comparisons and so on in one filter.
pub(super) const MAX_PRIMITIVES: usize = 8192;
/// Mistakes reported for one filter.
const MAX_ERRORS: usize = 20;

/// Parses a filter that is not empty.
pub(super) fn parse(text: &str, files: &mut dyn ListFiles) -> Result<Expr, FilterError> {
    let mut parser = Parser { text, files, lexemes: lex(text), at: 0, depth: 0, primitives: 0, errors: Vec::new() };
    let expr = parser.whole();
    match FilterError::gather(parser.errors) {
        Some(error) => Err(error),
        None => Ok(expr),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// Where lists are read from.
    files: &'t mut dyn ListFiles,
    /// Ends with [`Token::End`], which is never passed.
    lexemes: Vec<Lexeme<'t>>,
    at: usize,
    depth: usize,
    primitives: usize,
    errors: Vec<FilterError>,
}

/// The qualifiers that a bare name or number would take.
#[derive(Debug, Clone, Copy)]
enum Inherited {
    /// There is no primitive to take them from.
    None,
    From(Qualifiers),
    /// The primitive before was wrong: nothing can be said.
    Unknown,
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// A primitive with its own qualifiers, a comparison, a parenthesised expression.
    term: bool,
    /// A bare name or number.
    id: bool,
    /// Parentheses around bare names and numbers.
    id_group: bool,
}

impl Place {
    const TERM: Self = Self { term: true, id: false, id_group: false };
    const TERM_OR_ID: Self = Self { term: true, id: true, id_group: true };
    const ID: Self = Self { term: false, id: true, id_group: true };
}

/// What was found at a place.
enum Item {
    /// A truth value, the qualifiers it hands on, and whether it was a bare name or number.
    Truth {
        expr: Expr,
        hands_on: Inherited,
        is_id: bool,
    },
    /// A number that may be a bare one or begin an arithmetic expression.
    Number(u32),
    Value(Arithmetic),
}

type Parsed<T> = Result<T, FilterError>;

impl<'t> Parser<'t> {
    fn token(&self) -> &Token<'t> {
        self.lexemes.get(self.at).map_or(&Token::End, |lexeme| &lexeme.token)
    }

    fn token_after(&self) -> &Token<'t> {
        self.lexemes.get(self.at + 1).map_or(&Token::End, |lexeme| &lexeme.token)
    }

    fn span(&self) -> Range<usize> {
        self.lexemes.get(self.at).map_or(self.text.len()..self.text.len(), |lexeme| lexeme.span.clone())
    }

    /// From `start` to the end of the last token taken.
    fn span_from(&self, start: usize) -> Range<usize> {
        let last = self.at.checked_sub(1).and_then(|before| self.lexemes.get(before));
        start..last.map_or(start, |lexeme| lexeme.span.end.max(start))
    }

    fn advance(&mut self) {
        if self.at + 1 < self.lexemes.len() {
            self.at += 1;
        }
    }

    fn is_symbol(&self, symbol: Symbol) -> bool {
        *self.token() == Token::Symbol(symbol)
    }

    fn expect_symbol(&mut self, symbol: Symbol, written: &str) -> Parsed<()> {
        if self.is_symbol(symbol) {
            self.advance();
            return Ok(());
        }
        Err(self.unexpected(&[written]))
    }

    fn number(&mut self) -> Parsed<u32> {
        if let Token::Number(number) = *self.token() {
            self.advance();
            return Ok(number);
        }
        Err(self.unexpected(&["a number"]))
    }

    /// The token at hand does not belong here.
    fn unexpected(&self, expected: &[&str]) -> FilterError {
        let span = self.span();
        let message = match self.token() {
            Token::Invalid(reason) => return FilterError::new(span, reason.clone()),
            Token::End => "the filter ends too early".to_owned(),
            Token::Hardware => format!("`{}` is a link-layer address, NFQUEUE shows no link layer", self.found()),
            _ => format!("`{}` was not expected here", self.found()),
        };
        FilterError::new(span, message).expecting(expected)
    }

    /// The text of the token at hand.
    fn found(&self) -> &'t str {
        self.text.get(self.span()).unwrap_or("")
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} parentheses, `not` or operators within each other");
            return Err(FilterError::new(self.span(), message));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn primitive(&mut self, primitive: Primitive, span: Range<usize>) -> Parsed<Expr> {
        self.primitives += 1;
        if self.primitives > MAX_PRIMITIVES {
            return Err(FilterError::new(span, format!("more than {MAX_PRIMITIVES} primitives in one filter")));
        }
        Ok(Expr::Primitive(primitive, span))
    }

    fn whole(&mut self) -> Expr {
        let mut expr = self.chain_or_recover(Inherited::None);
        while *self.token() != Token::End && self.errors.len() < MAX_ERRORS {
            // Only a closing parenthesis ends a chain early; take it and look for more mistakes behind it.
            self.errors.push(FilterError::new(self.span(), "`)` closes nothing"));
            self.advance();
            if matches!(self.token(), Token::Keyword(Keyword::And | Keyword::Or)) {
                self.advance();
                expr = self.chain_or_recover(Inherited::Unknown);
            }
        }
        expr
    }

    /// A chain from its first term on.
    fn chain_or_recover(&mut self, inherited: Inherited) -> Expr {
        let place = if matches!(inherited, Inherited::Unknown) { Place::TERM_OR_ID } else { Place::TERM };
        let (first, hands_on) = match self.truth(place, inherited) {
            Ok((expr, hands_on, _)) => (expr, hands_on),
            Err(error) => (self.recover(error), Inherited::Unknown),
        };
        self.rest_of_chain(first, hands_on, Place::TERM_OR_ID).0
    }

    /// `and X or Y ...` after `first`, up to the end or a closing parenthesis.
    fn rest_of_chain(&mut self, first: Expr, mut hands_on: Inherited, place: Place) -> (Expr, Inherited) {
        let mut rest = Vec::new();
        loop {
            let join = match self.token() {
                Token::Keyword(Keyword::And) => Join::And,
                Token::Keyword(Keyword::Or) => Join::Or,
                Token::End | Token::Symbol(Symbol::RightParen) => break,
                _ => {
                    let error = self.unexpected(&["`and`", "`or`", "the end"]);
                    self.recover(error);
                    hands_on = Inherited::Unknown;
                    continue;
                }
            };
            self.advance();
            match self.truth(place, hands_on) {
                Ok((expr, next, _)) => {
                    rest.push((join, expr));
                    hands_on = next;
                }
                Err(error) => {
                    self.recover(error);
                    hands_on = Inherited::Unknown;
                }
            }
        }
        if rest.is_empty() { (first, hands_on) } else { (Expr::Chain(Box::new(first), rest), hands_on) }
    }

    /// Records a mistake and skips to where the next primitive may begin.
    fn recover(&mut self, error: FilterError) -> Expr {
        let stop = self.errors.len() + 1 >= MAX_ERRORS;
        self.errors.push(error);
        let mut open = 0usize;
        loop {
            match self.token() {
                Token::End => break,
                Token::Symbol(Symbol::LeftParen) => open += 1,
                Token::Symbol(Symbol::RightParen) if open > 0 => open -= 1,
                Token::Symbol(Symbol::RightParen) | Token::Keyword(Keyword::And | Keyword::Or)
                    if open == 0 && !stop =>
                {
                    break;
                }
                _ => {}
            }
            self.advance();
        }
        Expr::Primitive(Primitive::AtLeast(0), 0..0)
    }

    /// A term, comparison or bare name, whatever `place` allows.
    fn truth(&mut self, place: Place, inherited: Inherited) -> Parsed<(Expr, Inherited, bool)> {
        let start = self.span().start;
        match self.item(place, inherited)? {
            Item::Truth { expr, hands_on, is_id } => Ok((expr, hands_on, is_id)),
            Item::Number(number) if place.id && !(place.term && self.continues_arithmetic()) => {
                let expr = self.bare_number(number, inherited, start)?;
                Ok((expr, inherited, true))
            }
            Item::Number(number) if place.term => self.comparison(Arithmetic::constant(number), start),
            Item::Value(value) if place.term => self.comparison(value, start),
            Item::Number(_) | Item::Value(_) => {
                Err(FilterError::new(self.span_from(start), "a name, number or address was expected here"))
            }
        }
    }

    fn comparison(&mut self, value: Arithmetic, start: usize) -> Parsed<(Expr, Inherited, bool)> {
        let left = self.rest_of_arithmetic(value, None)?;
        let expr = self.relation(left, start)?;
        Ok((expr, Inherited::None, false))
    }

    fn item(&mut self, place: Place, inherited: Inherited) -> Parsed<Item> {
        match *self.token() {
            Token::Keyword(Keyword::Not) => {
                self.advance();
                let place = Place { id_group: place.id, ..place };
                let (expr, hands_on, is_id) = self.deeper(|parser| parser.truth(place, inherited))?;
                Ok(Item::Truth { expr: Expr::Not(Box::new(expr)), hands_on, is_id })
            }
            Token::Symbol(Symbol::LeftParen) => self.deeper(|parser| parser.group(place, inherited)),
            Token::Number(number) => {
                self.advance();
                Ok(Item::Number(number))
            }
            Token::Name("payload")
                if place.term && matches!(self.token_after(), Token::Name("contains" | "matches")) =>
            {
                self.payload()
            }
            Token::Name(_) | Token::Dotted(_) | Token::Address6(_) => {
                if !place.id {
                    return Err(self.bare_name_without_qualifier());
                }
                let expr = self.id(inherited)?;
                Ok(Item::Truth { expr, hands_on: inherited, is_id: true })
            }
            _ if place.term => self.term(),
            _ => {
                let escaped = matches!(self.token(), Token::Protocol(_)).then(|| format!("\\{}", self.found()));
                Err(self.unexpected(&["a name", "a number", "an address"]).suggesting(escaped))
            }
        }
    }

    /// `( ... )`: an expression, bare names and numbers, or arithmetic.
    fn group(&mut self, outer: Place, inherited: Inherited) -> Parsed<Item> {
        self.advance();
        let place = Place { term: outer.term, id: outer.id_group, id_group: false };
        let (expr, hands_on, is_id) = match self.first_in_group(place, inherited) {
            Ok(Item::Truth { expr, hands_on, is_id }) => (expr, hands_on, is_id),
            Ok(closed) => return Ok(closed),
            Err(error) => (self.recover(error), Inherited::Unknown, false),
        };
        let inner = if is_id { Place::ID } else { Place::TERM_OR_ID };
        let (expr, hands_on) = self.rest_of_chain(expr, hands_on, inner);
        if self.is_symbol(Symbol::RightParen) || self.errors.is_empty() {
            self.expect_symbol(Symbol::RightParen, "`)`")?;
        }
        // A parenthesised expression hands on what stood before it, not what it ends with.
        Ok(Item::Truth { expr, hands_on: if is_id { hands_on } else { inherited }, is_id })
    }

    /// What a group begins with; a number or value is the whole group, and the closing parenthesis is taken.
    fn first_in_group(&mut self, place: Place, inherited: Inherited) -> Parsed<Item> {
        let start = self.span().start;
        match self.item(place, inherited)? {
            Item::Number(number) if self.is_symbol(Symbol::RightParen) => {
                self.advance();
                Ok(Item::Number(number))
            }
            Item::Number(number) if place.id && !(place.term && self.continues_arithmetic()) => {
                let expr = self.bare_number(number, inherited, start)?;
                Ok(Item::Truth { expr, hands_on: inherited, is_id: true })
            }
            Item::Number(_) | Item::Value(_) if !place.term => {
                Err(FilterError::new(self.span_from(start), "a name, number or address was expected here"))
            }
            Item::Number(number) => self.value_or_comparison(Arithmetic::constant(number), start),
            Item::Value(value) => self.value_or_comparison(value, start),
            truth @ Item::Truth { .. } => Ok(truth),
        }
    }

    /// Within parentheses: arithmetic up to the closing one, which is taken, or a comparison.
    fn value_or_comparison(&mut self, value: Arithmetic, start: usize) -> Parsed<Item> {
        let value = self.rest_of_arithmetic(value, None)?;
        if self.is_symbol(Symbol::RightParen) {
            self.advance();
            return Ok(Item::Value(value));
        }
        let expr = self.relation(value, start)?;
        Ok(Item::Truth { expr, hands_on: Inherited::None, is_id: false })
    }
}

#[cfg(test)]
mod tests;
