//! Where in a quoted, escaped or folded scalar a part of its text stands.

use std::ops::Range;

/// The bytes of `raw` (a scalar as written) that `span` of `text` (its meaning) came from. `None` where an escape stands
/// for another character than itself.
pub(super) fn in_scalar(raw: &str, text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    Some(raw_offset(raw, text, span.start)?..raw_offset(raw, text, span.end)?)
}

/// Walks both texts; what stands in `raw` alone may be quotes, backslashes and white space.
fn raw_offset(raw: &str, text: &str, offset: usize) -> Option<usize> {
    let mut written = raw.char_indices().peekable();
    for meant in text.get(..offset)?.chars() {
        loop {
            let (_, found) = written.next()?;
            if found == meant || (found.is_whitespace() && meant.is_whitespace()) {
                break;
            }
            if !is_skipped(found) {
                return None;
            }
        }
    }
    let next = text.get(offset..)?.chars().next();
    while let Some((_, found)) = written.next_if(|(_, found)| next.is_some_and(|next| next != *found)) {
        if !is_skipped(found) {
            return None;
        }
    }
    Some(written.peek().map_or(raw.len(), |(at, _)| *at))
}

fn is_skipped(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\'' | '"' | '\\')
}

#[cfg(test)]
mod tests {
    use super::in_scalar;

    /// The part of `raw` that the word `prot` of `text` is found at.
    fn found<'r>(raw: &'r str, text: &str) -> Option<&'r str> {
        let at = text.find("prot").unwrap();
        in_scalar(raw, text, &(at..at + 4)).and_then(|span| raw.get(span))
    }

    #[test]
    fn a_word_is_found_in_every_style_of_scalar() {
        for (raw, text) in [
            ("dst prot 80", "dst prot 80"),
            ("'dst prot 80'", "dst prot 80"),
            ("'a ''b'' prot'", "a 'b' prot"),
            (r#""a \"b\" prot 80""#, r#"a "b" prot 80"#),
            ("tcp\n    dst prot 80\n", "tcp\ndst prot 80"),
            ("tcp\n  dst\n  prot 80\n", "tcp dst prot 80"),
            ("dst ü prot", "dst ü prot"),
        ] {
            assert_eq!(found(raw, text), Some("prot"), "{raw}");
        }
    }

    #[test]
    fn the_end_of_the_text_is_found() {
        assert_eq!(in_scalar("'tcp and'", "tcp and", &(7..7)), Some(8..8));
        assert_eq!(in_scalar("tcp and", "tcp and", &(7..7)), Some(7..7));
    }

    #[test]
    fn an_escape_that_stands_for_another_character_is_not_guessed() {
        assert_eq!(found(r#""tcp\tprot""#, "tcp\tprot"), None);
    }
}
