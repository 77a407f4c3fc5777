//! The XML of a stream (RFC 6120 section 11): cut from bytes that come in any pieces. No document types and no entities beyond the five
//! predefined ones (section 11.1); nothing is expanded. Comments and processing instructions are passed over, as ejabberd does.

use super::element::Element;

/// Bytes of a stanza or header, as ejabberd's `max_stanza_size`.
const MAX_STANZA: usize = 65_536;
/// Elements within each other.
const MAX_DEPTH: usize = 24;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 32;
/// Elements of one stanza: each costs more memory than its bytes.
const MAX_ELEMENTS: usize = 512;

/// What ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotWellFormed,
    TooBig,
}

/// What the stream gave, with its bytes as they came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The root's start tag.
    Header(Element, Vec<u8>),
    /// A whole child of the root.
    Stanza(Element, Vec<u8>),
    /// The root's end tag.
    End,
    Fault(Fault),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Within `<...>`; the quote that is open.
    Tag(Option<u8>),
    /// Within `<![CDATA[...]]>`.
    Data,
    /// Within `<!-- ... -->`.
    Comment,
}

/// Cuts a stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    state: State,
    /// The tag or text that is not whole yet.
    part: Vec<u8>,
    /// Everything since the header or the last stanza.
    raw: Vec<u8>,
    /// The root's name, once its start tag has come.
    root: Option<String>,
    /// Open elements within the root.
    open: Vec<Element>,
    elements: usize,
}

impl Parser {
    /// The next thing that `input` completes.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            match self.push(byte) {
                Ok(None) => {}
                Ok(Some(found)) => return Some(found),
                Err(fault) => return Some(Found::Fault(fault)),
            }
        }
        None
    }

    /// What came and makes nothing whole.
    pub(super) fn remains(&self) -> &[u8] {
        &self.raw
    }

    fn push(&mut self, byte: u8) -> Result<Option<Found>, Fault> {
        let between = self.open.is_empty() && self.state == State::Text;
        if between && byte != b'<' {
            // White space keeps connections alive (RFC 6120 section 4.6.1); ejabberd passes over other text, too, once it is in a stream.
            let fits = byte.is_ascii_whitespace() || (self.root.is_some() && byte != b'&');
            if !fits {
                self.raw.push(byte);
                return Err(Fault::NotWellFormed);
            }
            return Ok(None);
        }
        if self.raw.len() >= MAX_STANZA {
            return Err(Fault::TooBig);
        }
        self.raw.push(byte);
        match (self.state, byte) {
            (State::Text, b'<') => {
                self.end_text()?;
                self.state = State::Tag(None);
            }
            (State::Text, _) => self.part.push(byte),
            (State::Tag(None), b'>') => {
                self.state = State::Text;
                let tag = std::mem::take(&mut self.part);
                return self.tag(&tag);
            }
            (State::Tag(None), b'<') => return Err(Fault::NotWellFormed),
            (State::Tag(None), b'\'' | b'"') => {
                self.part.push(byte);
                self.state = State::Tag(Some(byte));
            }
            (State::Tag(quote), _) => {
                self.part.push(byte);
                if quote == Some(byte) {
                    self.state = State::Tag(None);
                } else if self.part.starts_with(b"![CDATA[") && !self.open.is_empty() {
                    self.part.clear();
                    self.state = State::Data;
                } else if self.part == b"!--" {
                    self.part.clear();
                    self.state = State::Comment;
                } else if self.part.starts_with(b"!D") {
                    return Err(Fault::NotWellFormed);
                }
            }
            (State::Comment, _) => {
                self.part.push(byte);
                if self.part.ends_with(b"-->") {
                    self.part.clear();
                    self.state = State::Text;
                }
            }
            (State::Data, _) => {
                self.part.push(byte);
                if let Some(data) = self.part.strip_suffix(b"]]>") {
                    let text = std::str::from_utf8(data).map_err(|_| Fault::NotWellFormed)?;
                    if let Some(element) = self.open.last_mut() {
                        element.text.push_str(text);
                    }
                    self.part.clear();
                    self.state = State::Text;
                }
            }
        }
        Ok(None)
    }

    fn end_text(&mut self) -> Result<(), Fault> {
        let part = std::mem::take(&mut self.part);
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(&unescaped(&part)?);
        }
        Ok(())
    }

    fn tag(&mut self, tag: &[u8]) -> Result<Option<Found>, Fault> {
        let tag = std::str::from_utf8(tag).map_err(|_| Fault::NotWellFormed)?;
        if let Some(name) = tag.strip_prefix('/') {
            return self.close(name.trim_ascii_end());
        }
        if let Some(instruction) = tag.strip_prefix('?') {
            // The declaration comes before anything else.
            let fits = instruction.ends_with('?') && (self.root.is_none() || !instruction.starts_with("xml "));
            return if fits { Ok(None) } else { Err(Fault::NotWellFormed) };
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let element = start_tag(tag)?;
        if self.root.is_none() {
            self.root = Some(element.name.clone());
            return Ok(Some(Found::Header(element, std::mem::take(&mut self.raw))));
        }
        self.elements += 1;
        if self.open.len() >= MAX_DEPTH || self.elements > MAX_ELEMENTS {
            return Err(Fault::TooBig);
        }
        if is_empty {
            return Ok(self.complete(element));
        }
        self.open.push(element);
        Ok(None)
    }

    fn close(&mut self, name: &str) -> Result<Option<Found>, Fault> {
        match self.open.pop() {
            Some(element) if element.name == name => Ok(self.complete(element)),
            None if self.root.as_deref() == Some(name) => Ok(Some(Found::End)),
            _ => Err(Fault::NotWellFormed),
        }
    }

    /// An element is whole: its parent gets it, or it is a stanza.
    fn complete(&mut self, element: Element) -> Option<Found> {
        if let Some(parent) = self.open.last_mut() {
            parent.children.push(element);
            return None;
        }
        self.elements = 0;
        Some(Found::Stanza(element, std::mem::take(&mut self.raw)))
    }
}

/// Reads a start tag without its brackets.
fn start_tag(tag: &str) -> Result<Element, Fault> {
    let end = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tag.len());
    let (name, mut rest) = tag.split_at_checked(end).ok_or(Fault::NotWellFormed)?;
    if !is_name(name) {
        return Err(Fault::NotWellFormed);
    }
    let mut element = Element { name: name.to_owned(), ..Element::default() };
    loop {
        let trimmed = rest.trim_ascii_start();
        if trimmed.is_empty() {
            return Ok(element);
        }
        let separated = trimmed.len() < rest.len();
        let (name, after) = trimmed.split_once('=').ok_or(Fault::NotWellFormed)?;
        let (name, after) = (name.trim_ascii_end(), after.trim_ascii_start());
        let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"')).ok_or(Fault::NotWellFormed)?;
        let (value, after) = after.get(1..).and_then(|after| after.split_once(quote)).ok_or(Fault::NotWellFormed)?;
        let is_new = element.attribute(name).is_none();
        if !separated || !is_name(name) || !is_new || value.contains('<') {
            return Err(Fault::NotWellFormed);
        }
        if element.attributes.len() >= MAX_ATTRIBUTES {
            return Err(Fault::TooBig);
        }
        element.attributes.push((name.to_owned(), unescaped(value.as_bytes())?));
        rest = after;
    }
}

/// A name with or without a prefix; what else Unicode allows is taken, too.
fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_alphanumeric() || "_-.:".contains(c))
}

/// Text with its references resolved: the predefined entities and characters by number.
fn unescaped(bytes: &[u8]) -> Result<String, Fault> {
    let mut rest = std::str::from_utf8(bytes).map_err(|_| Fault::NotWellFormed)?;
    let mut out = String::with_capacity(rest.len());
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';').ok_or(Fault::NotWellFormed)?;
        out.push(reference(name).ok_or(Fault::NotWellFormed)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(number).filter(|&c| c >= ' ' || matches!(c, '\t' | '\n' | '\r'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Found> {
        let (mut parser, mut input, mut out) = (Parser::default(), text.as_bytes(), Vec::new());
        while let Some(found) = parser.next(&mut input) {
            let over = matches!(found, Found::Fault(_) | Found::End);
            out.push(found);
            if over {
                break;
            }
        }
        out
    }

    #[test]
    fn header_stanzas_and_end_come_one_after_the_other() {
        let found = all(
            "<?xml version='1.0'?><s:s to='a' xmlns:s=\"x\"> <iq id='1&amp;2'><q xmlns='y'>t<![CDATA[<&]]><!-- > ' -->&#x41;<?pi x?></q></iq><presence/></s:s>",
        );
        assert_eq!(found.len(), 4);
        let Found::Stanza(iq, raw) = &found[1] else { panic!("{found:?}") };
        assert_eq!(iq.attribute("id"), Some("1&2"));
        assert_eq!(iq.child("q").unwrap().text, "t<&A");
        assert!(raw.starts_with(b"<iq id='1&amp;2'>"));
        let mut written = String::new();
        iq.write(&mut written);
        assert_eq!(written, "<iq id='1&amp;2'><q xmlns='y'>t&lt;&amp;A</q></iq>");
        assert_eq!(found[3], Found::End);
    }

    #[test]
    fn what_xmpp_forbids_is_not_well_formed() {
        let inside = [
            "<a></b>",
            "<!DOCTYPE x>",
            "<?xml version='1.0'?>",
            "&foo;",
            "<a>&foo;</a>",
            "<a b=c/>",
            "<a b='1' b='2'/>",
            "<a b='1'c='2'/>",
            "<1/>",
            "<a b='<'/>",
        ];
        for text in inside {
            let found = all(&format!("<s:s>{text}"));
            assert_eq!(found.last(), Some(&Found::Fault(Fault::NotWellFormed)), "{text}");
        }
        for text in ["GET / HTTP/1.0\r\n\r\n", "\0", "</a>"] {
            assert_eq!(all(text), [Found::Fault(Fault::NotWellFormed)], "{text}");
        }
    }

    #[test]
    fn a_stanza_that_grows_and_grows_is_refused() {
        let text = format!("<s:s><a>{}", "x".repeat(MAX_STANZA));
        assert_eq!(all(&text).last(), Some(&Found::Fault(Fault::TooBig)));
        assert_eq!(all(&format!("<s:s>{}", "<a>".repeat(MAX_DEPTH + 1))).last(), Some(&Found::Fault(Fault::TooBig)));
        let many = format!("<s:s><x>{}", "<a/>".repeat(MAX_ELEMENTS + 1));
        assert_eq!(all(&many).last(), Some(&Found::Fault(Fault::TooBig)));
    }
}
