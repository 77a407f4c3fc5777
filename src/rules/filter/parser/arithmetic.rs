//! Arithmetic and comparisons.
//!
//! `%` and `^` have no precedence in libpcap's grammar: whatever stands to their right belongs to them, and they belong to
//! whatever operator stands to their left. So `7 - 1 % 4 + 1` is `7 - (1 % (4 + 1))`.

use super::super::ast::{Arithmetic, ByteOp, Expr, Operator, Primitive, Relation, Size, Step};
use super::super::error::FilterError;
use super::super::lexer::{Symbol, Token};
use super::super::word::{Absence, Keyword, Protocol};
use super::{Parsed, Parser};

/// How tightly an operator binds; `None` for those without precedence.
type Precedence = Option<u8>;

const UNARY_MINUS: Precedence = Some(6);

/// Steps of all arithmetic in one comparison.
const MAX_STEPS: usize = 4096;

impl Arithmetic {
    pub(super) fn constant(number: u32) -> Self {
        Self { steps: vec![Step::Constant(number)] }
    }
}

const fn binary(symbol: Symbol) -> Option<(Operator, Precedence)> {
    Some(match symbol {
        Symbol::Bar => (Operator::Or, Some(1)),
        Symbol::Ampersand => (Operator::And, Some(2)),
        Symbol::ShiftLeft => (Operator::ShiftLeft, Some(3)),
        Symbol::ShiftRight => (Operator::ShiftRight, Some(3)),
        Symbol::Plus => (Operator::Add, Some(4)),
        Symbol::Minus => (Operator::Subtract, Some(4)),
        Symbol::Star => (Operator::Multiply, Some(5)),
        Symbol::Slash => (Operator::Divide, Some(5)),
        Symbol::Percent => (Operator::Remainder, None),
        Symbol::Caret => (Operator::Xor, None),
        _ => return None,
    })
}

/// The comparison that a symbol stands for, and whether its outcome is negated.
const fn comparison(symbol: Symbol) -> Option<(Relation, bool)> {
    Some(match symbol {
        Symbol::Greater => (Relation::Greater, false),
        Symbol::GreaterEqual => (Relation::GreaterEqual, false),
        Symbol::Equal => (Relation::Equal, false),
        Symbol::LessEqual => (Relation::Greater, true),
        Symbol::Less => (Relation::GreaterEqual, true),
        Symbol::NotEqual => (Relation::Equal, true),
        _ => return None,
    })
}

impl Parser<'_> {
    /// Whether a number at this place is the beginning of a comparison.
    pub(super) fn continues_arithmetic(&self) -> bool {
        matches!(*self.token(), Token::Symbol(symbol) if binary(symbol).is_some() || comparison(symbol).is_some())
    }

    /// Operators and operands after `left`, as long as they bind more tightly than the operator before it.
    pub(super) fn rest_of_arithmetic(&mut self, mut left: Arithmetic, before: Precedence) -> Parsed<Arithmetic> {
        while let Token::Symbol(symbol) = *self.token() {
            let Some((operator, precedence)) = binary(symbol) else { break };
            if matches!((before, precedence), (Some(before), Some(this)) if this <= before) {
                break;
            }
            self.advance();
            let right = self.deeper(|parser| {
                let operand = parser.operand()?;
                parser.rest_of_arithmetic(operand, precedence)
            })?;
            left.steps.extend(right.steps);
            left.steps.push(Step::Binary(operator));
            if left.steps.len() > MAX_STEPS {
                let message = format!("more than {MAX_STEPS} numbers and operators in one comparison");
                return Err(FilterError::new(self.span(), message));
            }
        }
        Ok(left)
    }

    /// `OP RIGHT` after the left side of a comparison.
    pub(super) fn relation(&mut self, left: Arithmetic, start: usize) -> Parsed<Expr> {
        let Token::Symbol(symbol) = *self.token() else { return Err(self.no_comparison()) };
        let Some((relation, negated)) = comparison(symbol) else { return Err(self.no_comparison()) };
        self.advance();
        let operand = self.operand()?;
        let right = self.rest_of_arithmetic(operand, None)?;
        let span = self.span_from(start);
        self.primitive(Primitive::Relation { relation, negated, left, right }, span)
    }

    fn no_comparison(&self) -> FilterError {
        self.unexpected(&["a comparison such as `= 0`"])
    }

    /// A number, `len`, an accessor, a negated or parenthesised value.
    fn operand(&mut self) -> Parsed<Arithmetic> {
        match *self.token() {
            Token::Number(number) => {
                self.advance();
                Ok(Arithmetic::constant(number))
            }
            Token::Symbol(Symbol::LeftParen) => self.deeper(|parser| {
                parser.advance();
                let operand = parser.operand()?;
                let value = parser.rest_of_arithmetic(operand, None)?;
                parser.expect_symbol(Symbol::RightParen, "`)`")?;
                Ok(value)
            }),
            Token::Symbol(Symbol::Minus) | Token::Keyword(Keyword::Len) => self.value_word(),
            Token::Protocol(protocol) if *self.token_after() == Token::Symbol(Symbol::LeftBracket) => {
                self.accessor(protocol)
            }
            Token::Name(_) => Err(self.unknown_number()),
            _ => Err(self.unexpected(&["a number", "`len`", "an accessor such as `tcp[13]`"])),
        }
    }

    /// `len` or a negated value.
    pub(super) fn value_word(&mut self) -> Parsed<Arithmetic> {
        if *self.token() == Token::Keyword(Keyword::Len) {
            self.advance();
            return Ok(Arithmetic { steps: vec![Step::Length] });
        }
        self.advance();
        self.deeper(|parser| {
            let operand = parser.operand()?;
            let mut value = parser.rest_of_arithmetic(operand, UNARY_MINUS)?;
            value.steps.push(Step::Negate);
            Ok(value)
        })
    }

    /// `PROTOCOL[OFFSET]` or `PROTOCOL[OFFSET:SIZE]`.
    pub(super) fn accessor(&mut self, protocol: Protocol) -> Parsed<Arithmetic> {
        let (span, written) = (self.span(), self.found());
        match protocol {
            Protocol::Link | Protocol::Radio => {
                let message = format!("`{written}[...]` cannot be had: {}", Absence::LinkLayer.reason());
                return Err(FilterError::new(span, message));
            }
            Protocol::Ah | Protocol::Esp | Protocol::OtherNetwork => {
                return Err(FilterError::new(span, format!("`{written}` has no byte accessor")));
            }
            _ => {}
        }
        self.advance();
        self.expect_symbol(Symbol::LeftBracket, "`[`")?;
        let mut value = self.deeper(|parser| {
            let operand = parser.operand()?;
            parser.rest_of_arithmetic(operand, None)
        })?;
        let size = self.size()?;
        self.expect_symbol(Symbol::RightBracket, "`]`")?;
        value.steps.push(Step::Load(protocol, size));
        Ok(value)
    }

    /// `:1`, `:2`, `:4` or nothing.
    fn size(&mut self) -> Parsed<Size> {
        if !self.is_symbol(Symbol::Colon) {
            return Ok(Size::Byte);
        }
        self.advance();
        let span = self.span();
        match self.number()? {
            1 => Ok(Size::Byte),
            2 => Ok(Size::Half),
            4 => Ok(Size::Word),
            other => {
                let message = format!("{other} bytes cannot be compared at once");
                Err(FilterError::new(span, message).expecting(&["1", "2", "4"]))
            }
        }
    }

    /// `byte INDEX OP VALUE`, the word taken.
    pub(super) fn byte(&mut self, start: usize) -> Parsed<Expr> {
        let index = self.number()?;
        let op = match *self.token() {
            Token::Symbol(Symbol::Equal) => ByteOp::Equal,
            Token::Symbol(Symbol::Less) => ByteOp::Less,
            Token::Symbol(Symbol::Greater) => ByteOp::Greater,
            Token::Symbol(Symbol::Ampersand) => ByteOp::And,
            Token::Symbol(Symbol::Bar) => ByteOp::Or,
            _ => return Err(self.unexpected(&["`=`", "`<`", "`>`", "`&`", "`|`"])),
        };
        self.advance();
        let value = self.number()?;
        let span = self.span_from(start);
        self.primitive(Primitive::Byte { index, op, value }, span)
    }
}
