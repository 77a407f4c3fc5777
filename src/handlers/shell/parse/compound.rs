//! Loops, `if` and `case` (POSIX.1-2017, Shell Command Language 2.9.4).

use super::{Body, Fault, List, Parser, Token, is_name, plain};

impl Parser {
    pub(super) fn do_group(&mut self) -> Result<List, Fault> {
        self.expect_keyword(b"do")?;
        let body = self.body(&[b"done"])?;
        self.expect_keyword(b"done")?;
        Ok(body)
    }

    pub(super) fn for_loop(&mut self) -> Result<Body, Fault> {
        self.at += 1;
        let Some(Token::Word(word)) = self.next() else { return Err(Fault::ForWhat) };
        let name = plain(&word).filter(|name| is_name(name)).ok_or(Fault::ForWhat)?.to_vec();
        self.skip_lines();
        let mut words = None;
        if self.take_keyword(b"in") {
            let words = words.get_or_insert_with(Vec::new);
            while let Some(Token::Word(word)) = self.peek() {
                words.push(word.clone());
                self.at += 1;
            }
        }
        self.take_operator(";");
        self.skip_lines();
        Ok(Body::For { name, words, body: self.do_group()? })
    }

    pub(super) fn condition(&mut self) -> Result<Body, Fault> {
        self.at += 1;
        let mut branches = Vec::new();
        loop {
            let condition = self.body(&[b"then"])?;
            self.expect_keyword(b"then")?;
            let body = self.body(&[b"elif", b"else", b"fi"])?;
            branches.push((condition, body));
            if !self.take_keyword(b"elif") {
                break;
            }
        }
        let otherwise = if self.take_keyword(b"else") { self.body(&[b"fi"])? } else { List::default() };
        self.expect_keyword(b"fi")?;
        Ok(Body::If { branches, otherwise })
    }

    pub(super) fn case(&mut self) -> Result<Body, Fault> {
        self.at += 1;
        let Some(Token::Word(word)) = self.next() else { return Err(self.unexpected_before()) };
        self.skip_lines();
        self.expect_keyword(b"in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_lines();
            if self.take_keyword(b"esac") {
                return Ok(Body::Case { word, arms });
            }
            self.take_operator("(");
            let mut patterns = Vec::new();
            loop {
                let Some(Token::Word(pattern)) = self.next() else { return Err(self.unexpected_before()) };
                patterns.push(pattern);
                if !self.take_operator("|") {
                    break;
                }
            }
            if !self.take_operator(")") {
                return Err(self.unexpected());
            }
            arms.push((patterns, self.list(&[b"esac"])?));
            if !self.take_operator(";;") && self.keyword() != Some(b"esac") {
                self.skip_lines();
            }
        }
    }
}
