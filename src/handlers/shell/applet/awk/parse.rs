//! The text of an `awk` program to its rules (POSIX.1-2017, awk, "Grammar"), without functions of its own and `getline`.

mod expression;
mod token;

use super::program::{Expression, Rule, Statement, When};
use token::{Token, Tokens};

/// Brackets, blocks and operators within one another.
const MAX_DEPTH: u32 = 40;
/// Rules, patterns and two-sided operators of one program: a chain of operators is as deep a tree.
const MAX_OPERATORS: u32 = 300;

/// The rules of a program; `Err` with what stands where nothing of the kind can.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>, ()> {
    let tokens = Tokens::of(text);
    let mut parser = Parser { tokens, token: Token::Line, depth: 0, operators: 0, no_in: false, no_greater: false };
    parser.next()?;
    let mut rules = Vec::new();
    loop {
        parser.skip_ends()?;
        if parser.token == Token::End {
            return Ok(rules);
        }
        rules.push(parser.rule()?);
    }
}

struct Parser<'t> {
    tokens: Tokens<'t>,
    token: Token,
    depth: u32,
    operators: u32,
    /// `in` belongs to the `for` around.
    no_in: bool,
    /// `>` belongs to the `print` around.
    no_greater: bool,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<(), ()> {
        self.token = self.tokens.next()?;
        Ok(())
    }

    fn is(&self, operator: &str) -> bool {
        matches!(&self.token, Token::Operator(found) if *found == operator)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(&self.token, Token::Name(found) | Token::Call(found) if found == name)
    }

    fn take(&mut self, operator: &str) -> Result<bool, ()> {
        let found = self.is(operator);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn take_name(&mut self, name: &str) -> Result<bool, ()> {
        let found = self.is_name(name);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn expect(&mut self, operator: &str) -> Result<(), ()> {
        if self.take(operator)? { Ok(()) } else { Err(()) }
    }

    fn skip_lines(&mut self) -> Result<(), ()> {
        while self.token == Token::Line {
            self.next()?;
        }
        Ok(())
    }

    fn skip_ends(&mut self) -> Result<(), ()> {
        while self.token == Token::Line || self.is(";") {
            self.next()?;
        }
        Ok(())
    }

    fn deeper<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R, ()>) -> Result<R, ()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(());
        }
        let result = work(self);
        self.depth -= 1;
        result
    }

    /// Counts one more of what a program may have so many of.
    fn grow(&mut self) -> Result<(), ()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS { Err(()) } else { Ok(()) }
    }

    fn rule(&mut self) -> Result<Rule, ()> {
        self.grow()?;
        let when = if self.take_name("BEGIN")? {
            When::Begin
        } else if self.take_name("END")? {
            When::End
        } else if self.is("{") {
            When::Always
        } else {
            let first = self.expression()?;
            if self.take(",")? { When::Between(first, self.expression()?) } else { When::If(first) }
        };
        let action = if self.is("{") { Some(self.block()?) } else { None };
        Ok(Rule { when, action })
    }

    fn block(&mut self) -> Result<Statement, ()> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip_ends()?;
            if self.take("}")? {
                return Ok(Statement::Block(statements));
            }
            statements.push(self.deeper(Self::statement)?);
        }
    }

    fn body(&mut self) -> Result<Box<Statement>, ()> {
        self.skip_lines()?;
        if self.take(";")? {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        self.deeper(Self::statement).map(Box::new)
    }

    fn statement(&mut self) -> Result<Statement, ()> {
        if self.is("{") {
            return self.block();
        }
        let name = match &self.token {
            Token::Name(name) | Token::Call(name) => name.clone(),
            _ => String::new(),
        };
        let statement = match name.as_str() {
            "if" => return self.condition(),
            "for" => return self.for_loop(),
            "while" => {
                self.next()?;
                let condition = self.bracketed()?;
                return Ok(Statement::While(condition, self.body()?));
            }
            "do" => {
                self.next()?;
                let body = self.body()?;
                self.skip_ends()?;
                if !self.take_name("while")? {
                    return Err(());
                }
                Statement::Until(body, self.bracketed()?)
            }
            "next" => self.alone(Statement::Next)?,
            "break" => self.alone(Statement::Break)?,
            "continue" => self.alone(Statement::Continue)?,
            "exit" => {
                self.next()?;
                Statement::Exit(if self.at_end() { None } else { Some(self.expression()?) })
            }
            _ => self.simple()?,
        };
        if self.at_end() { Ok(statement) } else { Err(()) }
    }

    fn alone(&mut self, statement: Statement) -> Result<Statement, ()> {
        self.next()?;
        Ok(statement)
    }

    fn at_end(&self) -> bool {
        matches!(self.token, Token::Line | Token::End) || self.is(";") || self.is("}")
    }

    fn bracketed(&mut self) -> Result<Expression, ()> {
        self.expect("(")?;
        let expression = self.expression()?;
        self.expect(")")?;
        Ok(expression)
    }

    fn condition(&mut self) -> Result<Statement, ()> {
        self.next()?;
        let condition = self.bracketed()?;
        let body = self.body()?;
        let before = (self.tokens, self.token.clone());
        self.skip_ends()?;
        if self.take_name("else")? {
            return Ok(Statement::If(condition, body, Some(self.body()?)));
        }
        (self.tokens, self.token) = before;
        Ok(Statement::If(condition, body, None))
    }

    fn for_loop(&mut self) -> Result<Statement, ()> {
        self.next()?;
        self.expect("(")?;
        let first = if self.is(";") {
            None
        } else {
            self.no_in = true;
            let first = self.simple();
            self.no_in = false;
            Some(first?)
        };
        if self.take_name("in")? {
            let (Some(Statement::Expression(Expression::Variable(name))), Token::Name(array)) =
                (first, self.token.clone())
            else {
                return Err(());
            };
            self.next()?;
            self.expect(")")?;
            return Ok(Statement::Each(name, array, self.body()?));
        }
        self.expect(";")?;
        let condition = if self.is(";") { None } else { Some(self.expression()?) };
        self.expect(";")?;
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Statement::For(first.map(Box::new), condition, step, self.body()?))
    }

    fn simple(&mut self) -> Result<Statement, ()> {
        if self.is_name("print") || self.is_name("printf") {
            return self.print();
        }
        if self.take_name("delete")? {
            let Token::Name(name) = self.token.clone() else { return Err(()) };
            self.next()?;
            let index = if self.take("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                Some(index)
            } else {
                None
            };
            return Ok(Statement::Delete(name, index));
        }
        self.expression().map(Statement::Expression)
    }

    fn print(&mut self) -> Result<Statement, ()> {
        let format = self.is_name("printf");
        self.next()?;
        let outer = std::mem::replace(&mut self.no_greater, true);
        let mut values = Vec::new();
        let start = (self.tokens, self.token.clone());
        // Brackets around all that is printed let `>` compare within them.
        if self.take("(")? {
            self.no_greater = false;
            values = self.values(")")?;
            self.no_greater = true;
            if !self.at_end() && !self.is(">") && !self.is(">>") && !self.is("|") {
                (self.tokens, self.token) = start;
                values = self.values("")?;
            }
        } else if !self.at_end() && !self.is(">") && !self.is(">>") {
            values = self.values("")?;
        }
        let file = match (self.is(">>"), self.is(">")) {
            (false, false) => None,
            (appends, _) => {
                self.next()?;
                Some((appends, self.concatenation()?))
            }
        };
        self.no_greater = outer;
        Ok(Statement::Print { format, values, file })
    }

    /// Expressions with commas between, and what ends them.
    fn values(&mut self, end: &str) -> Result<Vec<Expression>, ()> {
        let mut values = Vec::new();
        if !end.is_empty() && self.take(end)? {
            return Ok(values);
        }
        loop {
            values.push(self.expression()?);
            if !self.take(",")? {
                break;
            }
            self.skip_lines()?;
        }
        if !end.is_empty() {
            self.expect(end)?;
        }
        Ok(values)
    }
}
