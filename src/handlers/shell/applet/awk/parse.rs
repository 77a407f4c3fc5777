//! The text of an `awk` program to its rules (POSIX.1-2017, awk, "Grammar"), without functions of its own and `getline`.

use super::super::super::escape::unescape;
use super::super::pattern;
use super::program::{Expression, Rule, Statement, When};

/// Brackets, blocks and operators within one another.
const MAX_DEPTH: u32 = 40;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    /// A name directly before `(`.
    Call(String),
    Operator(&'static str),
    Line,
    End,
}

const OPERATORS: [&str; 38] = [
    "**", "&&", "||", "==", "<=", ">=", "!=", "!~", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", ">>", "{", "}",
    "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~",
];

/// The rules of a program; `Err` with what stands where nothing of the kind can.
pub(super) fn parse(text: &str) -> Result<Vec<Rule>, ()> {
    let mut parser = Parser { text, at: 0, token: Token::Line, depth: 0, no_in: false, no_greater: false };
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
    text: &'t str,
    at: usize,
    token: Token,
    depth: u32,
    /// `in` belongs to the `for` around.
    no_in: bool,
    /// `>` belongs to the `print` around.
    no_greater: bool,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<(), ()> {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r']).len();
        if self.rest().starts_with('#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
        if self.rest().starts_with("\\\n") {
            self.at += 2;
            return self.next();
        }
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            self.token = Token::End;
            return Ok(());
        };
        let (token, length) = match first {
            '\n' => (Token::Line, 1),
            '"' => {
                let end = closing(rest, '"').ok_or(())?;
                let inside = rest.get(1..end).unwrap_or_default().replace("\\\"", "\"").replace("\\/", "/");
                let text = String::from_utf8_lossy(&unescape(inside.as_bytes()).0).into_owned();
                (Token::Text(text), end + 1)
            }
            '0'..='9' | '.' => {
                let length = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
                (Token::Number(rest.get(..length).and_then(|text| text.parse().ok()).ok_or(())?), length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let name = rest.get(..length).unwrap_or_default().to_owned();
                let is_call = rest.get(length..).is_some_and(|after| after.starts_with('('));
                (if is_call { Token::Call(name) } else { Token::Name(name) }, length)
            }
            '$' => (Token::Operator("$"), 1),
            '=' if !rest.starts_with("==") => (Token::Operator("="), 1),
            _ => {
                let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator)).ok_or(())?;
                (Token::Operator(operator), operator.len())
            }
        };
        self.at += length;
        self.token = token;
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

    fn rule(&mut self) -> Result<Rule, ()> {
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
        let (at, token) = (self.at, self.token.clone());
        self.skip_ends()?;
        if self.take_name("else")? {
            return Ok(Statement::If(condition, body, Some(self.body()?)));
        }
        (self.at, self.token) = (at, token);
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
        let start = (self.at, self.token.clone());
        // Brackets around all that is printed let `>` compare within them.
        if self.take("(")? {
            self.no_greater = false;
            values = self.values(")")?;
            self.no_greater = true;
            if !self.at_end() && !self.is(">") && !self.is(">>") && !self.is("|") {
                (self.at, self.token) = start;
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

    fn expression(&mut self) -> Result<Expression, ()> {
        self.deeper(|parser| {
            let left = parser.choice()?;
            let operators = [("=", None), ("+=", Some("+")), ("-=", Some("-")), ("*=", Some("*")), ("/=", Some("/"))];
            let more = [("%=", Some("%")), ("^=", Some("^"))];
            for (sign, operator) in operators.into_iter().chain(more) {
                if parser.is(sign) {
                    if !matches!(left, Expression::Variable(_) | Expression::Element(..) | Expression::Field(_)) {
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
            self.next()?;
            self.skip_lines()?;
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn concatenation(&mut self) -> Result<Expression, ()> {
        let mut left = self.sum()?;
        while self.begins_operand() {
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
        for (operator, step) in [("++", 1.0), ("--", -1.0)] {
            if self.take(operator)? {
                let place = self.primary()?;
                return Ok(Expression::Step(Box::new(place), step, false));
            }
        }
        let value = self.primary()?;
        if matches!(value, Expression::Variable(_) | Expression::Element(..) | Expression::Field(_)) {
            for (operator, step) in [("++", 1.0), ("--", -1.0)] {
                if self.take(operator)? {
                    return Ok(Expression::Step(Box::new(value), step, true));
                }
            }
        }
        Ok(value)
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
        let text = format!("/{}", self.rest());
        let end = closing(&text, '/').ok_or(())?;
        let regex = pattern::compile(text.get(1..end).unwrap_or_default(), true, false).ok_or(())?;
        self.at += end;
        self.next()?;
        Ok(Expression::Pattern(regex))
    }
}

/// Where a text that begins with a mark has its second, unescaped one.
fn closing(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return Some(at),
            '\n' => return None,
            _ => {}
        }
    }
    None
}
