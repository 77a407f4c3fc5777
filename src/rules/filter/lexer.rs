//! Text to tokens, by the longest match at each place, as pcap-filter's scanner does.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::word::{self, Keyword, Meaning, Protocol};

/// A piece of the text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lexeme<'t> {
    pub(super) token: Token<'t>,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Protocol(Protocol),
    Keyword(Keyword),
    Number(u32),
    /// A host, service, network or protocol name; also what looks like `80-90`.
    Name(&'t str),
    /// Two to four numbers with dots.
    Dotted(&'t str),
    Address6(Ipv6Addr),
    /// A link-layer address.
    Hardware,
    /// `"..."`, escapes resolved.
    Text(Vec<u8>),
    /// `@FILE`, without the `@`.
    File(&'t str),
    /// `/.../`, and whether an `i` follows it.
    Regex(&'t str, bool),
    Symbol(Symbol),
    /// Nothing that could be understood, and why.
    Invalid(String),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Ampersand,
    Bar,
    Caret,
    ShiftLeft,
    ShiftRight,
    Colon,
    LeftBracket,
    RightBracket,
    LeftParen,
    RightParen,
    Less,
    Greater,
    Equal,
    GreaterEqual,
    LessEqual,
    NotEqual,
}

/// Two-byte symbols before the one-byte ones that they begin with.
const SYMBOLS: &[(&str, Token<'static>)] = &[
    ("&&", Token::Keyword(Keyword::And)),
    ("||", Token::Keyword(Keyword::Or)),
    (">=", Token::Symbol(Symbol::GreaterEqual)),
    ("<=", Token::Symbol(Symbol::LessEqual)),
    ("!=", Token::Symbol(Symbol::NotEqual)),
    ("==", Token::Symbol(Symbol::Equal)),
    ("<<", Token::Symbol(Symbol::ShiftLeft)),
    (">>", Token::Symbol(Symbol::ShiftRight)),
    ("!", Token::Keyword(Keyword::Not)),
    ("+", Token::Symbol(Symbol::Plus)),
    ("-", Token::Symbol(Symbol::Minus)),
    ("*", Token::Symbol(Symbol::Star)),
    ("/", Token::Symbol(Symbol::Slash)),
    ("%", Token::Symbol(Symbol::Percent)),
    ("&", Token::Symbol(Symbol::Ampersand)),
    ("|", Token::Symbol(Symbol::Bar)),
    ("^", Token::Symbol(Symbol::Caret)),
    (":", Token::Symbol(Symbol::Colon)),
    ("[", Token::Symbol(Symbol::LeftBracket)),
    ("]", Token::Symbol(Symbol::RightBracket)),
    ("(", Token::Symbol(Symbol::LeftParen)),
    (")", Token::Symbol(Symbol::RightParen)),
    ("<", Token::Symbol(Symbol::Less)),
    (">", Token::Symbol(Symbol::Greater)),
    ("=", Token::Symbol(Symbol::Equal)),
];

/// All tokens of `text`; the last is [`Token::End`].
pub(super) fn lex(text: &str) -> Vec<Lexeme<'_>> {
    let mut lexemes = Vec::new();
    let mut rest = text.trim_ascii_start_of_filter();
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let wants_regex = matches!(lexemes.last(), Some(Lexeme { token: Token::Name("matches"), .. }));
        let (token, length) = match rest.as_bytes() {
            [b'"', ..] => quoted(rest),
            [b'/', ..] if wants_regex => regex(rest),
            _ => next(rest),
        };
        let (_, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        lexemes.push(Lexeme { token, span: start..text.len() - after.len() });
        rest = after.trim_ascii_start_of_filter();
    }
    lexemes.push(Lexeme { token: Token::End, span: text.len()..text.len() });
    lexemes
}

/// White space is what pcap-filter takes for it: a form feed is not.
trait FilterSpace {
    fn trim_ascii_start_of_filter(&self) -> &Self;
}

impl FilterSpace for str {
    fn trim_ascii_start_of_filter(&self) -> &Self {
        self.trim_start_matches([' ', '\t', '\r', '\n'])
    }
}

/// The token that `rest` (not empty) begins with, and its length in bytes.
fn next(rest: &str) -> (Token<'_>, usize) {
    let word_length = word_length(rest);
    let (address, address_length) = address_with_colons(rest);
    if address_length > word_length {
        return (address, address_length);
    }
    if let Some(word) = rest.get(..word_length).filter(|word| !word.is_empty()) {
        return (classify(word), word_length);
    }
    if let Some(escaped) = rest.strip_prefix('\\') {
        let name = escaped.split([' ', '!', '(', ')', '\n', '\t']).next().unwrap_or("");
        if !name.is_empty() {
            return (Token::Name(name), 1 + name.len());
        }
    }
    if let Some(path) = rest.strip_prefix('@') {
        let path = path.split([' ', '\n', '\t', '\r', '(', ')']).next().unwrap_or("");
        if !path.is_empty() {
            return (Token::File(path), 1 + path.len());
        }
    }
    if let Some(digits) = rest.strip_prefix('$') {
        let digits = digits.bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
        if digits > 0 {
            return (Token::Hardware, 1 + digits);
        }
    }
    if let Some((symbol, token)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
        return (token.clone(), symbol.len());
    }
    let stray = rest.chars().next().unwrap_or(' ');
    (Token::Invalid(format!("`{}` has no meaning here", stray.escape_default())), stray.len_utf8())
}

/// Length of the name, keyword or number: letters, digits and `-_.`, beginning with a letter or digit, not ending in `-` or `_`.
fn word_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let run = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)).count();
    let last = bytes.iter().take(run).rposition(|b| b.is_ascii_alphanumeric() || *b == b'.');
    last.map_or(0, |last| last + 1)
}

/// `"..."` with `\\n \\r \\t \\0 \\\\ \\" \\xHH`.
fn quoted(rest: &str) -> (Token<'_>, usize) {
    let mut text = Vec::new();
    let mut bytes = rest.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        let escape = match byte {
            b'"' => return (Token::Text(text), at + 1),
            b'\\' => bytes.next().map(|(_, escape)| escape),
            plain => {
                text.push(plain);
                continue;
            }
        };
        text.push(match escape {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(literal @ (b'\\' | b'"')) => literal,
            Some(b'x') => match rest.get(at + 2..at + 4).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    bytes.nth(1);
                    byte
                }
                None => return unknown_escape(rest),
            },
            _ => return unknown_escape(rest),
        });
    }
    (Token::Invalid("the text has no closing `\"`".to_owned()), rest.len())
}

fn unknown_escape(rest: &str) -> (Token<'_>, usize) {
    (Token::Invalid("the text has an escape other than \\n \\r \\t \\0 \\\\ \\\" \\xHH".to_owned()), rest.len())
}

/// `/.../` or `/.../i`; a slash within is written `\\/`.
fn regex(rest: &str) -> (Token<'_>, usize) {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        if byte == b'/' && !is_escaped {
            let ignore_case = rest.as_bytes().get(at + 1) == Some(&b'i');
            let text = rest.get(1..at).unwrap_or("");
            return (Token::Regex(text, ignore_case), at + 1 + usize::from(ignore_case));
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    (Token::Invalid("the regular expression has no closing `/`".to_owned()), rest.len())
}

fn classify(word: &str) -> Token<'_> {
    match word::meaning(word) {
        Some(Meaning::Protocol(protocol)) => return Token::Protocol(protocol),
        Some(Meaning::Keyword(keyword)) => return Token::Keyword(keyword),
        Some(Meaning::Number(number)) => return Token::Number(number),
        None => {}
    }
    if is_hardware_address(word) {
        Token::Hardware
    } else if is_number(word) {
        number(word).map_or_else(Token::Invalid, Token::Number)
    } else if (2..=4).contains(&word.split('.').count()) && word.split('.').all(is_number) {
        Token::Dotted(word)
    } else {
        Token::Name(word)
    }
}

fn is_number(word: &str) -> bool {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// The value of what [`is_number`]: decimal, octal after `0`, hexadecimal after `0x`.
fn number(word: &str) -> Result<u32, String> {
    let (digits, radix) = match word.as_bytes() {
        [b'0', b'x' | b'X', ..] => (word.get(2..).unwrap_or(""), 16),
        [b'0', _, ..] => (word, 8),
        _ => (word, 10),
    };
    if radix == 8 && digits.bytes().any(|b| b > b'7') {
        return Err(format!("`{word}` begins with 0, so it is octal, and octal has no 8 or 9"));
    }
    u32::from_str_radix(digits, radix).map_err(|_| format!("`{word}` is more than 32 bits hold"))
}

/// Link-layer addresses that have no colons: `a-b-c-d-e-f`, `a.b.c.d.e.f`, `aaaa.bbbb.cccc`, `aaaabbbbcccc`.
fn is_hardware_address(word: &str) -> bool {
    let octets = |separator| {
        word.split(separator).count() == 6
            && word.split(separator).all(|part| matches!(part.len(), 1 | 2) && is_hexadecimal(part))
    };
    let words = || word.split('.').count() == 3 && word.split('.').all(|part| part.len() == 4 && is_hexadecimal(part));
    octets('-') || octets('.') || words() || (word.len() == 12 && is_hexadecimal(word))
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The longest IPv6 or link-layer address with colons that `rest` begins with; length 0 if none.
fn address_with_colons(rest: &str) -> (Token<'static>, usize) {
    /// No address has more colons.
    const MOST_COLONS: usize = 9;
    let mut colons = 0;
    let run = rest.bytes().take_while(|byte| {
        colons += usize::from(*byte == b':');
        colons <= MOST_COLONS && (byte.is_ascii_hexdigit() || b":.xX".contains(byte))
    });
    // Eight groups of four, or six and four numbers in hexadecimal, which may have leading zeros; the latter are cut here.
    let run = run.take(80).count();
    if colons < 2 {
        return (Token::End, 0);
    }
    for length in (2..=run).rev() {
        let Some(text) = rest.get(..length) else { continue };
        if text.split(':').count() == 6
            && text.split(':').all(|part| matches!(part.len(), 1 | 2) && is_hexadecimal(part))
        {
            return (Token::Hardware, length);
        }
        if has_shape_of_address6(text) {
            let invalid = |_| Token::Invalid(format!("`{text}` is not an IPv6 address"));
            return (text.parse().map_or_else(invalid, Token::Address6), length);
        }
        if is_torn_hardware_address(text) {
            return (Token::Invalid(format!("`{text}` is not a link-layer address")), length);
        }
    }
    (Token::End, 0)
}

/// Whether the scanner takes `text` for an IPv6 address: groups of up to four digits, `::` at most once, perhaps an IPv4 tail.
fn has_shape_of_address6(text: &str) -> bool {
    let (front, tail4) = match text.rsplit_once(':') {
        Some((front, tail)) if tail.contains('.') => (front, Some(tail)),
        _ => (text, None),
    };
    if tail4.is_some_and(|tail| tail.split('.').count() != 4 || !tail.split('.').all(is_number)) {
        return false;
    }
    // `front` has lost the colon before the tail, which may have been half of `::`.
    let front = if tail4.is_some() && front.ends_with(':') { text.get(..=front.len()).unwrap_or(front) } else { front };
    let full = if tail4.is_some() { 6 } else { 8 };
    let groups = |part: &str| -> Option<usize> {
        if part.is_empty() {
            return Some(0);
        }
        let fits = |group: &str| (1..=4).contains(&group.len()) && is_hexadecimal(group);
        part.split(':').all(fits).then(|| part.split(':').count())
    };
    match front.split_once("::") {
        Some((left, right)) => matches!((groups(left), groups(right)), (Some(l), Some(r)) if l + r < full),
        None => groups(front) == Some(full),
    }
}

/// At least two groups of one or two digits, each followed by colons.
fn is_torn_hardware_address(text: &str) -> bool {
    let mut groups = 0;
    let mut digits = 0;
    for byte in text.bytes() {
        match byte {
            b':' if digits > 0 => (groups, digits) = (groups + 1, 0),
            b':' if groups > 0 => {}
            b if b.is_ascii_hexdigit() && digits < 2 => digits += 1,
            _ => return false,
        }
    }
    groups >= 2 && digits == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        lex(text).into_iter().map(|lexeme| lexeme.token).collect()
    }

    fn only(text: &str) -> Token<'_> {
        let tokens = tokens(text);
        assert_eq!(tokens.len(), 2, "{text}: {tokens:?}");
        tokens.into_iter().next().unwrap()
    }

    #[test]
    fn the_longest_match_wins() {
        assert_eq!(only("tcp"), Token::Protocol(Protocol::Tcp));
        assert_eq!(only("tcp-syn"), Token::Number(2));
        assert_eq!(only("tcpx"), Token::Name("tcpx"));
        assert_eq!(only("80-90"), Token::Name("80-90"));
        assert_eq!(only("10.1"), Token::Dotted("10.1"));
        assert_eq!(only("1.2.3.4.5"), Token::Name("1.2.3.4.5"));
        assert_eq!(only("1.2.3.4.5.6"), Token::Hardware);
        assert_eq!(only("len-4"), Token::Name("len-4"));
        assert_eq!(tokens("tcp-").len(), 3);
    }

    #[test]
    fn numbers_have_c_bases() {
        assert_eq!(only("0x1F"), Token::Number(31));
        assert_eq!(only("017"), Token::Number(15));
        assert_eq!(only("0"), Token::Number(0));
        assert_eq!(only("4294967295"), Token::Number(u32::MAX));
        assert!(matches!(only("4294967296"), Token::Invalid(_)));
        assert!(matches!(only("08"), Token::Invalid(_)));
        assert_eq!(only("123456789012"), Token::Hardware);
    }

    #[test]
    fn colons_make_addresses() {
        assert_eq!(only("::"), Token::Address6(Ipv6Addr::UNSPECIFIED));
        assert_eq!(only("::1"), Token::Address6(Ipv6Addr::LOCALHOST));
        assert_eq!(only("fe80::1"), Token::Address6("fe80::1".parse().unwrap()));
        assert_eq!(only("::ffff:1.2.3.4"), Token::Address6("::ffff:1.2.3.4".parse().unwrap()));
        assert_eq!(only("::1.2.3.4"), Token::Address6("::1.2.3.4".parse().unwrap()));
        assert_eq!(only("1:2:3:4:5:6:7::"), Token::Address6("1:2:3:4:5:6:7::".parse().unwrap()));
        assert_eq!(only("1:2:3:4:5:6"), Token::Hardware);
        assert!(matches!(only("1:2:"), Token::Invalid(_)));
        assert_eq!(tokens("tcp[0:2]").len(), 7);
    }

    #[test]
    fn spans_are_byte_offsets() {
        let lexemes = lex("  port  80 é");
        assert_eq!(lexemes.iter().map(|l| l.span.clone()).collect::<Vec<_>>(), vec![2..6, 8..10, 11..13, 13..13]);
    }
}
