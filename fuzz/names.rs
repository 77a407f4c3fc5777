//! Which texts would ask for names: lists are read from the disk and host names are asked of the resolver, and a fuzzer shall do neither.

/// Whether a filter in this text may name a list, a host or a network.
pub fn are_asked_for(text: &str) -> bool {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut words = text.split(|c| !is_of_word(c)).filter(|word| !word.is_empty()).peekable();
    let mut asked = text.contains('@');
    while let Some(word) = words.next() {
        asked |= match word {
            "host" | "net" | "gateway" => true,
            "src" | "dst" => !matches!(words.peek(), Some(&("port" | "portrange" | "and" | "or"))),
            _ => false,
        };
    }
    asked
}
