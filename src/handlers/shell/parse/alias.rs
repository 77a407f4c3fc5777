//! Names that stand for other texts (POSIX.1-2017, Shell Command Language 2.3.1).

use super::{Fault, KEYWORDS, Token, plain, tokens};

/// Bytes that the aliases of one text may add.
const MAX_ADDED: usize = 8 * 1_024;

/// The tokens with every alias replaced that stands where a command begins. A name within its own text is left as it is.
pub(super) fn replaced(given: Vec<Token>, alias: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<Token>, Fault> {
    let mut done = Vec::with_capacity(given.len());
    let mut added = 0;
    let mut begins = true;
    for token in given {
        let text = match &token {
            Token::Word(word) if begins => plain(word).and_then(|name| Some((name.to_vec(), alias(name)?))),
            _ => None,
        };
        begins = begins_command(&token);
        let Some((name, text)) = text.filter(|(_, text)| added + text.len() <= MAX_ADDED) else {
            done.push(token);
            continue;
        };
        added += text.len();
        let own = |other: &[u8]| if other == name { None } else { alias(other) };
        done.extend(once(tokens(&text)?, own)?);
    }
    Ok(done)
}

/// An alias whose text begins with another.
fn once(given: Vec<Token>, alias: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<Token>, Fault> {
    let Some(Token::Word(word)) = given.first() else { return Ok(given) };
    let Some(text) = plain(word).and_then(alias) else { return Ok(given) };
    let mut found = tokens(&text)?;
    found.extend(given.into_iter().skip(1));
    Ok(found)
}

/// After this token a command can begin.
fn begins_command(token: &Token) -> bool {
    match token {
        Token::Line => true,
        Token::Operator(operator) => matches!(*operator, ";" | "&" | "&&" | "||" | "|" | "(" | ")" | ";;"),
        Token::Word(word) => {
            plain(word).is_some_and(|text| KEYWORDS.contains(&text) && !matches!(text, b"in" | b"for" | b"case"))
        }
        Token::Descriptor(_) => false,
    }
}
