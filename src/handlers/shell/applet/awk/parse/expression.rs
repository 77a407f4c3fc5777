//! Expressions, weakest operators first.

use super::super::super::pattern;
use super::super::program::Expression;
use super::Parser;
use super::token::Token;

/// What can be assigned to.
const fn is_place(expression: &Expression) -> bool {
    matches!(expression, Expression::Variable(_) | Expression::Element(..) | Expression::Field(_))
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expression, ()> {
        self.deeper(|parser| {
            let left = parser.choice()?;
            let operators = [("=", None), ("+=", Some("+")), ("-=", Some("-")), ("*=", Some("*")), ("/=", Some("/"))];
            let more = [("%=", Some("%")), ("^=", Some("^"))];
            for (sign, operator) in operators.into_iter().chain(more) {
                if parser.is(sign) {
                    if !is_place(&left) {
                        return Err(());
                    }
                    parser.next()?;
                    let right = parser.expression()?;
                    return Ok(Expression::Assign(Box::new(left), operator, Box::new(right)));
                }
            }
            Ok(left)
        })
    }

    fn choice(&mut self) -> Result<Expression, ()> {
        let condition = self.binary(0)?;
        if !self.take("?")? {
            return Ok(condition);
        }
        let first = self.expression()?;
        self.expect(":")?;
        let second = self.expression()?;
        Ok(Expression::Choice(Box::new(condition), Box::new(first), Box::new(second)))
    }

    /// The levels of two-sided operators, weakest first; below them is what stands side by side.
    fn binary(&mut self, level: usize) -> Result<Expression, ()> {
        const LEVELS: [&[&str]; 4] = [&["||"], &["&&"], &["~", "!~"], &["<", "<=", "!=", "==", ">", ">="]];
        let Some(operators) = LEVELS.get(level) else { return self.concatenation() };
        let mut left = self.binary(level + 1)?;
        loop {
            if level == 2 && !self.no_in && self.is_name("in") {
                self.grow()?;
                self.next()?;
                let Token::Name(array) = self.token.clone() else { return Err(()) };
                self.next()?;
                left = Expression::In(Box::new(left), array);
                continue;
            }
            let found = operators.iter().copied().find(|operator| self.is(operator));
            let Some(operator) = found.filter(|operator| !(self.no_greater && *operator == ">")) else {
                return Ok(left);
            };
            self.grow()?;
            self.next()?;
            self.skip_lines()?;
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    pub(super) fn concatenation(&mut self) -> Result<Expression, ()> {
        let mut left = self.sum()?;
        while self.begins_operand() {
            self.grow()?;
            let right = self.sum()?;
            left = Expression::Binary(" ", Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn begins_operand(&self) -> bool {
        match &self.token {
            Token::Name(name) => name != "in",
            Token::Number(_) | Token::Text(_) | Token::Call(_) => true,
            Token::Operator(operator) => matches!(*operator, "$" | "(" | "++" | "--" | "!"),
            Token::Line | Token::End => false,
        }
    }

    fn sum(&mut self) -> Result<Expression, ()> {
        self.chain(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Result<Expression, ()> {
        self.chain(&["*", "/", "%"], Self::unary)
    }

    fn chain(
        &mut self,
        operators: &[&'static str],
        operand: fn(&mut Self) -> Result<Expression, ()>,
    ) -> Result<Expression, ()> {
        let mut left = operand(self)?;
        while let Some(operator) = operators.iter().copied().find(|operator| self.is(operator)) {
            self.grow()?;
            self.next()?;
            let right = operand(self)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, ()> {
        for (operator, sign) in [("!", b'!'), ("-", b'-'), ("+", b'+')] {
            if self.take(operator)? {
                let value = self.deeper(Self::unary)?;
                return Ok(Expression::Unary(sign, Box::new(value)));
            }
        }
        let base = self.step()?;
        if self.take("^")? || self.take("**")? {
            let power = self.deeper(Self::unary)?;
            return Ok(Expression::Binary("^", Box::new(base), Box::new(power)));
        }
        Ok(base)
    }

    fn step(&mut self) -> Result<Expression, ()> {
        if let Some(step) = self.take_step()? {
            return Ok(Expression::Step(Box::new(self.primary()?), step, false));
        }
        let value = self.primary()?;
        let step = if is_place(&value) { self.take_step()? } else { None };
        Ok(match step {
            Some(step) => Expression::Step(Box::new(value), step, true),
            None => value,
        })
    }

    fn take_step(&mut self) -> Result<Option<f64>, ()> {
        Ok(if self.take("++")? { Some(1.0) } else { self.take("--")?.then_some(-1.0) })
    }

    fn primary(&mut self) -> Result<Expression, ()> {
        match self.token.clone() {
            Token::Number(number) => self.then(Expression::Number(number)),
            Token::Text(text) => self.then(Expression::Text(text.into())),
            Token::Operator("/") => self.pattern(),
            Token::Operator("$") => {
                self.next()?;
                let at = self.deeper(Self::step_below_field)?;
                Ok(Expression::Field(Box::new(at)))
            }
            Token::Operator("(") => {
                self.next()?;
                let outer = (std::mem::take(&mut self.no_in), std::mem::take(&mut self.no_greater));
                let inside = self.expression()?;
                (self.no_in, self.no_greater) = outer;
                self.expect(")")?;
                Ok(inside)
            }
            Token::Call(name) => {
                self.next()?;
                self.expect("(")?;
                let outer = std::mem::take(&mut self.no_greater);
                let values = self.deeper(|parser| parser.values(")"))?;
                self.no_greater = outer;
                Ok(Expression::Call(name, values))
            }
            Token::Name(name) => {
                self.next()?;
                if self.take("[")? {
                    let index = self.deeper(Self::expression)?;
                    self.expect("]")?;
                    return Ok(Expression::Element(name, Box::new(index)));
                }
                if name == "length" {
                    return Ok(Expression::Call(name, Vec::new()));
                }
                Ok(Expression::Variable(name))
            }
            _ => Err(()),
        }
    }

    /// What follows `$`: `$NF`, `$(NF-1)`, `$i++` means `($i)++`.
    fn step_below_field(&mut self) -> Result<Expression, ()> {
        if self.take("-")? {
            let value = self.primary()?;
            return Ok(Expression::Unary(b'-', Box::new(value)));
        }
        if self.is("++") || self.is("--") { self.step() } else { self.primary() }
    }

    fn then(&mut self, expression: Expression) -> Result<Expression, ()> {
        self.next()?;
        Ok(expression)
    }

    /// `/regular expression/`: its first slash was taken.
    fn pattern(&mut self) -> Result<Expression, ()> {
        let text = self.tokens.pattern()?;
        self.grow()?;
        let regex = pattern::compile(text, true, false).ok_or(())?;
        self.then(Expression::Pattern(regex))
    }
}
