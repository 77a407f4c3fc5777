//! The words and signs of an `awk` program (POSIX.1-2017, awk, "Lexical Conventions").

use super::super::super::super::escape::unescape;

/// One word or sign.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
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

/// What is left of a program's text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) const fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token; `Err` where none can be.
    pub(super) fn next(&mut self) -> Result<Token, ()> {
        self.skip();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        let (token, length) = match first {
            '\n' => (Token::Line, 1),
            '"' => {
                let end = rest.get(1..).and_then(|text| closing(text, '"')).ok_or(())? + 1;
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
        Ok(token)
    }

    /// The text of a regular expression whose first slash was the last token, up to its second.
    pub(super) fn pattern(&mut self) -> Result<&'t str, ()> {
        let text = self.rest();
        let end = closing(text, '/').ok_or(())?;
        self.at += end + 1;
        Ok(text.get(..end).unwrap_or_default())
    }

    /// Over blanks, a comment, and ends of lines that are none.
    fn skip(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r']).len();
            if self.rest().starts_with('#') {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            }
            if !self.rest().starts_with("\\\n") {
                return;
            }
            self.at += 2;
        }
    }
}

/// Where the first unescaped mark of a line is.
fn closing(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
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
