//! Tokens to commands (POSIX.1-2017, Shell Command Language 2.9, 2.10): lists, pipelines, redirections, loops, conditions.

mod alias;
mod command;
mod compound;

use std::sync::Arc;

use super::lex::{Fault, Part, Token, Word, tokens};

pub(super) use command::{Body, Command, Item, Joint, List, Pipeline, Redirection, RedirectionKind};

/// Commands within commands.
const MAX_DEPTH: u32 = 24;

/// Reads a whole text.
pub(super) fn parse(text: &[u8]) -> Result<List, Fault> {
    whole(tokens(text)?)
}

/// The same of what was typed, where names may stand for other texts.
pub(super) fn parse_typed(text: &[u8], alias: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<List, Fault> {
    whole(alias::replaced(tokens(text)?, alias)?)
}

fn whole(tokens: Vec<Token>) -> Result<List, Fault> {
    let mut parser = Parser { tokens, at: 0, depth: 0, counted: (0, 1) };
    let list = parser.list(&[])?;
    match parser.peek() {
        None => Ok(list),
        Some(_) => Err(parser.unexpected()),
    }
}

/// The text of a word that is not quoted and holds nothing to expand: only such can be a keyword.
fn plain(word: &Word) -> Option<&[u8]> {
    match word.as_slice() {
        [Part::Text { bytes, quoted: false }] => Some(bytes),
        _ => None,
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    /// Tokens whose lines are counted, and the line after them.
    counted: (usize, u32),
}

impl Parser {
    /// The line of the next token.
    fn line(&mut self) -> u32 {
        let (from, line) = self.counted;
        let passed = self.tokens.get(from..self.at).unwrap_or_default();
        let lines: usize = passed.iter().map(lines_of).sum();
        self.counted = (from.max(self.at), line.saturating_add(u32::try_from(lines).unwrap_or(0)));
        self.counted.1
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn unexpected(&self) -> Fault {
        match self.peek() {
            None => Fault::Incomplete,
            Some(Token::Line) => Fault::Unexpected("newline".to_owned()),
            Some(Token::Operator(operator)) => Fault::Unexpected(format!("\"{operator}\"")),
            Some(Token::Descriptor(_)) => Fault::Unexpected("redirection".to_owned()),
            Some(Token::Word(word)) => match plain(word) {
                Some(bytes) if KEYWORDS.contains(&bytes) => {
                    Fault::Unexpected(format!("\"{}\"", String::from_utf8_lossy(bytes)))
                }
                _ => Fault::Unexpected("word".to_owned()),
            },
        }
    }

    fn is_operator(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(Token::Operator(found)) if *found == operator)
    }

    fn take_operator(&mut self, operator: &str) -> bool {
        let found = self.is_operator(operator);
        self.at += usize::from(found);
        found
    }

    fn keyword(&self) -> Option<&[u8]> {
        match self.peek() {
            Some(Token::Word(word)) => plain(word).filter(|text| KEYWORDS.contains(text)),
            _ => None,
        }
    }

    fn take_keyword(&mut self, keyword: &[u8]) -> bool {
        let found = self.keyword() == Some(keyword);
        self.at += usize::from(found);
        found
    }

    fn expect_keyword(&mut self, keyword: &[u8]) -> Result<(), Fault> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn skip_lines(&mut self) {
        while matches!(self.peek(), Some(Token::Line)) {
            self.at += 1;
        }
    }

    /// Commands up to one of these keywords, a `)`, a `;;` or the end.
    fn list(&mut self, ends: &[&[u8]]) -> Result<List, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected());
        }
        let mut list = List::default();
        loop {
            self.skip_lines();
            let at_end = self.peek().is_none() || self.is_operator(")") || self.is_operator(";;");
            if at_end || self.keyword().is_some_and(|found| ends.contains(&found)) {
                break;
            }
            let mut item = self.item()?;
            if self.take_operator("&") {
                item.in_background = true;
            } else if !self.take_operator(";")
                && !matches!(self.peek(), None | Some(Token::Line))
                && !self.is_operator(")")
                && !self.is_operator(";;")
            {
                return Err(self.unexpected());
            }
            list.0.push(item);
        }
        self.depth -= 1;
        Ok(list)
    }

    /// A list that must not be empty, as in a loop.
    fn body(&mut self, ends: &[&[u8]]) -> Result<List, Fault> {
        let list = self.list(ends)?;
        if list.0.is_empty() { Err(self.unexpected()) } else { Ok(list) }
    }

    fn item(&mut self) -> Result<Item, Fault> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let joint = if self.take_operator("&&") {
                Joint::And
            } else if self.take_operator("||") {
                Joint::Or
            } else {
                return Ok(Item { first, rest, in_background: false });
            };
            self.skip_lines();
            rest.push((joint, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, Fault> {
        let mut negated = false;
        while self.take_keyword(b"!") {
            negated = !negated;
        }
        let mut commands = vec![self.command()?];
        while self.take_operator("|") {
            self.skip_lines();
            commands.push(self.command()?);
        }
        Ok(Pipeline { negated, commands })
    }

    /// The name of a function whose definition begins here, and how many tokens come before its body.
    fn function(&self) -> Option<(Vec<u8>, usize)> {
        let word = |at: usize| match self.tokens.get(self.at + at) {
            Some(Token::Word(word)) => plain(word),
            _ => None,
        };
        let brackets = |at: usize| {
            let operator = |at: usize| self.tokens.get(self.at + at);
            operator(at) == Some(&Token::Operator("(")) && operator(at + 1) == Some(&Token::Operator(")"))
        };
        match (word(0)?, word(1)) {
            (b"function", Some(name)) => Some((name.to_vec(), if brackets(2) { 4 } else { 2 })),
            (name, _) if brackets(1) && !KEYWORDS.contains(&name) => Some((name.to_vec(), 3)),
            _ => None,
        }
    }

    fn definition(&mut self, name: Vec<u8>, before: usize) -> Result<Command, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected());
        }
        let line = self.line();
        self.at += before;
        self.skip_lines();
        let start = self.at;
        let body = Arc::new(self.command()?);
        let cost = self.tokens.get(start..self.at).unwrap_or_default().iter().map(cost_of).sum();
        self.depth -= 1;
        Ok(Command { body: Body::Function { name, body, cost }, redirections: Vec::new(), line })
    }

    fn command(&mut self) -> Result<Command, Fault> {
        if let Some((name, before)) = self.function() {
            return self.definition(name, before);
        }
        let line = self.line();
        self.compound_or_simple().map(|command| Command { line, ..command })
    }

    fn compound_or_simple(&mut self) -> Result<Command, Fault> {
        if self.take_operator("(") {
            let list = self.body(&[])?;
            if !self.take_operator(")") {
                return Err(self.unexpected());
            }
            return self.with_redirections(Body::Subshell(list));
        }
        let body = match self.keyword() {
            Some(b"{") => {
                self.at += 1;
                let list = self.body(&[b"}"])?;
                self.expect_keyword(b"}")?;
                Body::Group(list)
            }
            Some(keyword @ (b"while" | b"until")) => {
                let until = keyword == b"until";
                self.at += 1;
                let condition = self.body(&[b"do"])?;
                Body::Loop { until, condition, body: self.do_group()? }
            }
            Some(b"for") => self.for_loop()?,
            Some(b"if") => self.condition()?,
            Some(b"case") => self.case()?,
            Some(_) => return Err(self.unexpected()),
            None => return self.simple(),
        };
        self.with_redirections(body)
    }

    /// The fault of the token that `next` has just taken.
    fn unexpected_before(&mut self) -> Fault {
        self.at = self.at.saturating_sub(1);
        self.unexpected()
    }

    fn with_redirections(&mut self, body: Body) -> Result<Command, Fault> {
        let mut redirections = Vec::new();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
        }
        Ok(Command { body, redirections, line: 0 })
    }

    fn simple(&mut self) -> Result<Command, Fault> {
        let (mut assignments, mut words, mut redirections) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            let Some(Token::Word(word)) = self.peek() else { break };
            let word = word.clone();
            self.at += 1;
            match assignment(&word) {
                Some(assigned) if words.is_empty() => assignments.push(assigned),
                _ => words.push(word),
            }
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Command { body: Body::Simple { assignments, words }, redirections, line: 0 })
    }

    fn redirection(&mut self) -> Result<Option<Redirection>, Fault> {
        let start = self.at;
        let descriptor = match self.peek() {
            Some(Token::Descriptor(number)) => {
                let number = *number;
                self.at += 1;
                Some(number)
            }
            _ => None,
        };
        let kind = match self.peek() {
            Some(Token::Operator("<")) => RedirectionKind::From,
            Some(Token::Operator("<>")) => RedirectionKind::ReadWrite,
            Some(Token::Operator("<<" | "<<-")) => RedirectionKind::Document,
            Some(Token::Operator(">")) => RedirectionKind::To,
            Some(Token::Operator(">|")) => RedirectionKind::Over,
            Some(Token::Operator(">>")) => RedirectionKind::Append,
            Some(Token::Operator(">&" | "<&")) => RedirectionKind::Duplicate,
            Some(Token::Operator("&>")) => RedirectionKind::Both,
            _ => {
                self.at = start;
                return Ok(None);
            }
        };
        let is_input = matches!(self.peek(), Some(Token::Operator("<" | "<>" | "<<" | "<<-" | "<&")));
        self.at += 1;
        let Some(Token::Word(target)) = self.next() else { return Err(self.unexpected_before()) };
        Ok(Some(Redirection { descriptor: descriptor.unwrap_or(u8::from(!is_input)), kind, target }))
    }
}

/// Lines that a token ends or holds.
fn lines_of(token: &Token) -> usize {
    match token {
        Token::Line => 1,
        Token::Word(word) => word.iter().map(|part| memchr::memchr_iter(b'\n', part.bytes()).count()).sum(),
        _ => 0,
    }
}

/// About what a token's part of a command takes in memory.
fn cost_of(token: &Token) -> usize {
    match token {
        Token::Word(word) => 128 + word.iter().map(|part| 64 + part.bytes().len()).sum::<usize>(),
        _ => 64,
    }
}

/// Words that are no commands where one could begin.
pub(super) const KEYWORDS: [&[u8]; 16] = [
    b"!", b"{", b"}", b"case", b"do", b"done", b"elif", b"else", b"esac", b"fi", b"for", b"if", b"in", b"then",
    b"until", b"while",
];

/// `name=value`
fn assignment(word: &Word) -> Option<(Vec<u8>, Word)> {
    let (Part::Text { bytes, quoted: false }, rest) = word.split_first()? else { return None };
    let equals = bytes.iter().position(|&b| b == b'=')?;
    let name = bytes.get(..equals)?;
    let mut value = vec![Part::Text { bytes: bytes.get(equals + 1..)?.to_vec(), quoted: false }];
    value.extend_from_slice(rest);
    is_name(name).then(|| (name.to_vec(), value))
}

/// A variable can have this name.
pub(super) fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
