//! The XML of a stream (RFC 6120 section 11): cut from bytes that come in any pieces. No document types and no entities beyond the five
//! predefined ones (section 11.1); nothing is expanded. Comments and processing instructions are passed over, as ejabberd does.

use super::element::Element;

/// Bytes of a stanza or header, as ejabberd's `max_stanza_size`.
const MAX_STANZA: usize = 65_536;
/// Elements within each other.
const MAX_DEPTH: usize = 24;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 32;
/// Prefixes that are bound at a time.
const MAX_PREFIXES: usize = 64;
/// A byte order mark, which may begin a stream.
const MARK: &[u8] = b"\xef\xbb\xbf";
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
    /// Bytes of the stream so far, as far as its first tag.
    before: usize,
    /// The root's name, once its start tag has come.
    root: Option<String>,
    /// Prefixes that are bound, and how deep (Namespaces in XML, section 6).
    prefixes: Vec<(usize, String)>,
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
            self.before += 1;
            if self.root.is_none() && MARK.get(self.before - 1) == Some(&byte) {
                return Ok(None);
            }
            // White space keeps connections alive (RFC 6120 section 4.6.1); ejabberd passes over other text, too, once it is in a stream.
            let fits = byte.is_ascii_whitespace() || (self.root.is_some() && byte != b'&' && byte >= b' ');
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
                    let text = std::str::from_utf8(data).ok().filter(|text| text.chars().all(may_stand));
                    let text = text.ok_or(Fault::NotWellFormed)?;
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
            let is_first = self.root.is_none() && matches!(self.before, 0 | 3);
            let fits = instruction.ends_with('?') && (is_first || !instruction.starts_with("xml "));
            self.before += instruction.len();
            return if fits { Ok(None) } else { Err(Fault::NotWellFormed) };
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let element = start_tag(tag)?;
        self.bind(&element, is_empty && self.root.is_some())?;
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

    /// Notes the prefixes that an element declares, and finds those that it uses; `is_over`: nothing is within it.
    fn bind(&mut self, element: &Element, is_over: bool) -> Result<(), Fault> {
        let depth = self.open.len() + usize::from(self.root.is_some());
        self.prefixes.retain(|(of, _)| *of < depth);
        let known = self.prefixes.len();
        let declared = element.attributes.iter().filter_map(|(name, _)| name.strip_prefix("xmlns:"));
        self.prefixes.extend(declared.map(|prefix| (depth, prefix.to_owned())));
        if self.prefixes.len() > MAX_PREFIXES {
            return Err(Fault::TooBig);
        }
        let names = element.attributes.iter().map(|(name, _)| name).chain([&element.name]);
        let mut used = names.filter_map(|name| name.split_once(':')).map(|(prefix, _)| prefix);
        let is_bound = |used| matches!(used, "xml" | "xmlns") || self.prefixes.iter().any(|(_, prefix)| prefix == used);
        let fits = used.all(is_bound);
        if is_over {
            self.prefixes.truncate(known);
        }
        if fits { Ok(()) } else { Err(Fault::NotWellFormed) }
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
    if !rest.chars().all(may_stand) {
        return Err(Fault::NotWellFormed);
    }
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

/// A character that XML knows (section 2.2).
fn may_stand(c: char) -> bool {
    c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\t' | '\n' | '\r')
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
            char::from_u32(number).filter(|&c| may_stand(c))
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
            "<a>\0</a>",
            "<a b='\x01'/>",
            "<a>\u{ffff}</a>",
            "\x02",
            "<x:y/>",
            "<a x:b=''/>",
            "<a xmlns:x='u'/><x:b/>",
        ];
        for text in inside {
            let found = all(&format!("<s:s xmlns:s='x'>{text}"));
            assert_eq!(found.last(), Some(&Found::Fault(Fault::NotWellFormed)), "{text}");
        }
        for text in ["GET / HTTP/1.0\r\n\r\n", "\0", "</a>"] {
            assert_eq!(all(text), [Found::Fault(Fault::NotWellFormed)], "{text}");
        }
        let found = all("\n<?xml version='1.0'?><s:s xmlns:s='x'>");
        assert_eq!(found, [Found::Fault(Fault::NotWellFormed)], "the declaration comes first");
    }

    #[test]
    fn prefixes_hold_as_long_as_what_declares_them_and_a_mark_may_come_first() {
        for text in [
            "\u{feff}<?xml version='1.0'?><s:s xmlns:s='x'><a/>",
            "\n<s:s xmlns:s='x'><s:a xml:lang='en'/>",
            "<s:s xmlns:s='x'><a xmlns:y='u'><b><y:c/></b></a><a/>",
        ] {
            let found = all(text);
            assert!(!found.iter().any(|found| matches!(found, Found::Fault(_))), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_stanza_that_grows_and_grows_is_refused() {
        let text = format!("<s:s xmlns:s='x'><a>{}", "x".repeat(MAX_STANZA));
        assert_eq!(all(&text).last(), Some(&Found::Fault(Fault::TooBig)));
        assert_eq!(
            all(&format!("<s:s xmlns:s='x'>{}", "<a>".repeat(MAX_DEPTH + 1))).last(),
            Some(&Found::Fault(Fault::TooBig))
        );
        let many = format!("<s:s xmlns:s='x'><x>{}", "<a/>".repeat(MAX_ELEMENTS + 1));
        assert_eq!(all(&many).last(), Some(&Found::Fault(Fault::TooBig)));
    }
}
