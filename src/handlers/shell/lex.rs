//! Shell text to tokens (POSIX.1-2017, Shell Command Language 2.2, 2.3, 2.7).

use super::escape::unescape;

/// Text that is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A quote, a loop, a `&&` waits for more lines.
    Incomplete,
    /// What the shell names in its `syntax error: unexpected ...`.
    Unexpected(String),
    /// `for` without the name of a variable.
    ForWhat,
}

impl Fault {
    /// What the shell says of it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Incomplete => "syntax error: unterminated quoted string".to_owned(),
            Self::ForWhat => "syntax error: bad for loop variable".to_owned(),
            Self::Unexpected(what) => format!("syntax error: unexpected {what}"),
        }
    }
}

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text {
        bytes: Vec<u8>,
        quoted: bool,
    },
    /// `$name` or `${expression}`.
    Variable {
        expression: Vec<u8>,
        quoted: bool,
    },
    /// `$(source)` or `` `source` ``.
    Command {
        source: Vec<u8>,
        quoted: bool,
    },
    /// `$((source))`.
    Sum {
        source: Vec<u8>,
    },
}

impl Part {
    /// Its text as written, without quotes and brackets.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text { bytes, .. } => bytes,
            Self::Variable { expression, .. } => expression,
            Self::Command { source, .. } | Self::Sum { source } => source,
        }
    }
}

/// Pieces without a blank between.
pub(super) type Word = Vec<Part>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Operator(&'static str),
    /// A number that stands directly before `<` or `>`.
    Descriptor(u8),
    /// The end of a line.
    Line,
}

/// Longest first.
const OPERATORS: [&str; 17] =
    ["<<-", "&&", "||", ";;", ">>", "<<", "<&", ">&", "&>", "<>", ">|", ";", "&", "|", "(", ")", "<"];

/// Cuts a whole text. Bodies of here-documents become the word after their operator.
pub(super) fn tokens(text: &[u8]) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    // Where the delimiters of here-documents stand whose bodies begin on the next line.
    let mut documents: Vec<usize> = Vec::new();
    while let Some(byte) = lexer.peek() {
        match byte {
            b' ' | b'\t' | b'\r' => lexer.at += 1,
            b'\\' if lexer.rest().starts_with(b"\\\n") => lexer.at += 2,
            b'#' => lexer.skip_while(|b| b != b'\n'),
            b'\n' => {
                lexer.at += 1;
                tokens.push(Token::Line);
                for at in documents.drain(..) {
                    lexer.document(&mut tokens, at)?;
                }
            }
            _ => {
                let token = lexer.token()?;
                if matches!(token, Token::Word(_)) && matches!(tokens.last(), Some(Token::Operator("<<" | "<<-"))) {
                    documents.push(tokens.len());
                }
                tokens.push(token);
            }
        }
    }
    if documents.is_empty() { Ok(tokens) } else { Err(Fault::Incomplete) }
}

/// The word of `${name:-word}`: blanks and operators mean nothing in it.
pub(super) fn operand(text: &[u8]) -> Word {
    let plain = |_| vec![Part::Text { bytes: text.to_vec(), quoted: true }];
    Lexer { text, at: 0 }.word_until(|_| false).unwrap_or_else(plain)
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lexer<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self) -> Result<u8, Fault> {
        let byte = self.peek().ok_or(Fault::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip_while(&mut self, is_in: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is_in) {
            self.at += 1;
        }
    }

    fn take_while(&mut self, is_in: impl Fn(u8) -> bool) -> Vec<u8> {
        let start = self.at;
        self.skip_while(is_in);
        self.text.get(start..self.at).unwrap_or_default().to_vec()
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        if let [digit @ b'0'..=b'9', b'<' | b'>', ..] = rest {
            self.at += 1;
            return Ok(Token::Descriptor(digit - b'0'));
        }
        let operator = OPERATORS.iter().chain(&[">"]).find(|operator| rest.starts_with(operator.as_bytes()));
        match operator {
            Some(operator) => {
                self.at += operator.len();
                Ok(Token::Operator(operator))
            }
            None => self.word().map(Token::Word),
        }
    }

    fn word(&mut self) -> Result<Word, Fault> {
        self.word_until(|byte| b" \t\r\n;&|()<>".contains(&byte))
    }

    fn word_until(&mut self, is_end: impl Fn(u8) -> bool) -> Result<Word, Fault> {
        let mut word = Word::new();
        while let Some(byte) = self.peek() {
            match byte {
                byte if is_end(byte) => break,
                b'\\' => {
                    self.at += 1;
                    match self.take()? {
                        b'\n' => {}
                        escaped => add(&mut word, escaped, true),
                    }
                }
                b'\'' => {
                    self.at += 1;
                    add_all(&mut word, &self.take_while(|b| b != b'\''), true);
                    self.take()?;
                }
                b'"' => {
                    self.at += 1;
                    add_all(&mut word, b"", true);
                    self.quoted(&mut word, Some(b'"'))?;
                }
                b'$' | b'`' => self.expansion(&mut word, false)?,
                _ => {
                    self.at += 1;
                    add(&mut word, byte, false);
                }
            }
        }
        Ok(word)
    }

    /// Text in which only `\`, `$` and `` ` `` mean something, up to `end`, or up to the text's end.
    fn quoted(&mut self, word: &mut Word, end: Option<u8>) -> Result<(), Fault> {
        loop {
            match self.peek() {
                None if end.is_none() => return Ok(()),
                None => return Err(Fault::Incomplete),
                Some(byte) if Some(byte) == end => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.take()? {
                        b'\n' => {}
                        escaped @ (b'$' | b'`' | b'"' | b'\\') => add(word, escaped, true),
                        other => add_all(word, &[b'\\', other], true),
                    }
                }
                Some(b'$' | b'`') => self.expansion(word, true)?,
                Some(byte) => {
                    self.at += 1;
                    add(word, byte, true);
                }
            }
        }
    }

    fn expansion(&mut self, word: &mut Word, quoted: bool) -> Result<(), Fault> {
        if self.take()? == b'`' {
            let source = self.backquoted()?;
            word.push(Part::Command { source, quoted });
            return Ok(());
        }
        match self.rest() {
            [b'(', b'(', ..] => {
                self.at += 1;
                let source = self.bracketed(b'(', b')')?;
                if self.take()? != b')' {
                    return Err(Fault::Unexpected("\"(\"".to_owned()));
                }
                word.push(Part::Sum { source });
            }
            [b'(', ..] => {
                let source = self.bracketed(b'(', b')')?;
                word.push(Part::Command { source, quoted });
            }
            [b'\'', ..] if !quoted => {
                self.at += 1;
                let text = self.take_while(|b| b != b'\'');
                self.take()?;
                add_all(word, &unescape(&text).0, true);
            }
            [b'{', ..] => {
                let expression = self.bracketed(b'{', b'}')?;
                word.push(Part::Variable { expression, quoted });
            }
            [special @ (b'?' | b'$' | b'!' | b'#' | b'@' | b'*' | b'-' | b'0'..=b'9'), ..] => {
                self.at += 1;
                word.push(Part::Variable { expression: vec![*special], quoted });
            }
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
                let expression = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
                word.push(Part::Variable { expression, quoted });
            }
            _ => add(word, b'$', quoted),
        }
        Ok(())
    }

    /// What stands between brackets, which may be nested; quotes hide brackets.
    fn bracketed(&mut self, open: u8, close: u8) -> Result<Vec<u8>, Fault> {
        self.at += 1;
        let start = self.at;
        let mut depth = 1_u32;
        let mut quote = None;
        loop {
            let byte = self.take()?;
            match quote {
                Some(b'\'') if byte != b'\'' => {}
                _ if byte == b'\\' => drop(self.take()?),
                Some(mark) if byte == mark => quote = None,
                Some(_) => {}
                None if byte == b'\'' || byte == b'"' => quote = Some(byte),
                None if byte == open => depth += 1,
                None if byte == close => depth -= 1,
                None => {}
            }
            if depth == 0 {
                return Ok(self.text.get(start..self.at - 1).unwrap_or_default().to_vec());
            }
        }
    }

    fn backquoted(&mut self) -> Result<Vec<u8>, Fault> {
        let mut source = Vec::new();
        loop {
            match self.take()? {
                b'`' => return Ok(source),
                b'\\' => match self.take()? {
                    escaped @ (b'`' | b'\\' | b'$') => source.push(escaped),
                    other => source.extend([b'\\', other]),
                },
                byte => source.push(byte),
            }
        }
    }

    /// Reads the lines of a here-document and puts them where its delimiter stood.
    fn document(&mut self, tokens: &mut [Token], at: usize) -> Result<(), Fault> {
        let strips = matches!(at.checked_sub(1).and_then(|at| tokens.get(at)), Some(Token::Operator("<<-")));
        let Some(Token::Word(delimiter)) = tokens.get_mut(at) else { return Ok(()) };
        let is_quoted = delimiter.iter().any(|part| matches!(part, Part::Text { quoted: true, .. }));
        let end: Vec<u8> = delimiter
            .iter()
            .flat_map(|part| if let Part::Text { bytes, .. } = part { bytes.clone() } else { Vec::new() })
            .collect();
        let mut body = Vec::new();
        loop {
            if self.at >= self.text.len() {
                return Err(Fault::Incomplete);
            }
            let mut line = self.take_while(|b| b != b'\n');
            self.at += 1;
            if strips {
                let tabs = line.iter().take_while(|&&b| b == b'\t').count();
                line.drain(..tabs);
            }
            if line.strip_suffix(b"\r").unwrap_or(&line) == end {
                break;
            }
            body.extend(line);
            body.push(b'\n');
        }
        *delimiter = Word::new();
        if is_quoted {
            add_all(delimiter, &body, true);
            return Ok(());
        }
        Lexer { text: &body, at: 0 }.quoted(delimiter, None)
    }
}

fn add(word: &mut Word, byte: u8, quoted: bool) {
    add_all(word, &[byte], quoted);
}

fn add_all(word: &mut Word, more: &[u8], is_quoted: bool) {
    if let Some(Part::Text { bytes, quoted }) = word.last_mut()
        && *quoted == is_quoted
    {
        bytes.extend_from_slice(more);
        return;
    }
    word.push(Part::Text { bytes: more.to_vec(), quoted: is_quoted });
}
