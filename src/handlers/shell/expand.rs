//! Words to arguments: variables, command substitution, sums, field splitting, path names (POSIX.1-2017, 2.6).
//!
//! `parameter` has what stands between `${` and `}`.

mod parameter;

use super::lex::{Part, Word, operand};
use super::run::{Io, Run};
use super::{MAX_OUTPUT, arithmetic, glob};

/// Path names that one pattern may become.
const MAX_PATHS: usize = 512;

/// A word on its way to an argument.
#[derive(Default)]
struct Field {
    bytes: Vec<u8>,
    /// The same with quoted wildcards escaped.
    pattern: Vec<u8>,
    has_wildcard: bool,
}

impl Field {
    fn push(&mut self, bytes: &[u8], quoted: bool) {
        let room = MAX_OUTPUT.saturating_sub(self.bytes.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(bytes);
        for &byte in bytes {
            let is_special = matches!(byte, b'*' | b'?' | b'[' | b'\\');
            if is_special && quoted {
                self.pattern.push(b'\\');
            }
            self.has_wildcard |= is_special && !quoted && byte != b'\\';
            self.pattern.push(byte);
        }
    }
}

impl Run<'_, '_> {
    /// The arguments that these words make.
    pub(super) fn expand_words(&mut self, words: &[Word], io: Io) -> Vec<Vec<u8>> {
        let mut arguments = Vec::new();
        let mut total = 0;
        for word in words {
            for field in self.fields(word, io) {
                total += field.bytes.len() + 1;
                if total > MAX_OUTPUT {
                    return arguments;
                }
                let paths = if field.has_wildcard && !self.state.options.has(b'f') {
                    self.paths(&field.pattern)
                } else {
                    Vec::new()
                };
                if paths.is_empty() {
                    arguments.push(field.bytes);
                } else {
                    arguments.extend(paths);
                }
            }
        }
        arguments
    }

    /// The one text that a word makes: a file name of a redirection, the value of a variable.
    pub(super) fn expand_text(&mut self, word: &Word, io: Io) -> Vec<u8> {
        let mut text = Field::default();
        for part in word {
            let (bytes, quoted) = self.part(part, io);
            text.push(&bytes, quoted);
        }
        tilde(self, word, &mut text.bytes);
        text.bytes
    }

    /// The one pattern that a word makes, as in `case`: wildcards in quotes mean themselves.
    pub(super) fn expand_pattern(&mut self, word: &Word, io: Io) -> Vec<u8> {
        let mut text = Field::default();
        for part in word {
            let (bytes, quoted) = self.part(part, io);
            text.push(&bytes, quoted);
        }
        text.pattern
    }

    fn fields(&mut self, word: &Word, io: Io) -> Vec<Field> {
        let mut done = Vec::new();
        let mut field: Option<Field> = None;
        let is_all = |part: &Part| matches!(part, Part::Variable { expression, quoted: true } if expression == b"@");
        // Without arguments `"$@"` is no field at all; the quotes around it are none either.
        let has_all = word.iter().any(is_all);
        for part in word {
            if is_all(part) {
                self.arguments_apart(&mut done, &mut field);
                continue;
            }
            if has_all && matches!(part, Part::Text { bytes, .. } if bytes.is_empty()) {
                continue;
            }
            let (bytes, quoted) = self.part(part, io);
            if quoted || matches!(part, Part::Text { .. }) {
                field.get_or_insert_default().push(&bytes, quoted);
            } else {
                self.split(&bytes, &mut done, &mut field);
            }
        }
        done.extend(field);
        if let Some(first) = done.first_mut() {
            tilde(self, word, &mut first.bytes);
        }
        done
    }

    /// `"$@"`: every argument is a field of its own.
    fn arguments_apart(&self, done: &mut Vec<Field>, field: &mut Option<Field>) {
        for (at, argument) in self.state.arguments.iter().skip(1).enumerate() {
            if at > 0 {
                done.extend(field.take());
            }
            field.get_or_insert_default().push(argument, true);
        }
    }

    /// Cuts the unquoted result of an expansion at the bytes of `IFS`; blanks among them make no empty fields.
    fn split(&self, bytes: &[u8], done: &mut Vec<Field>, field: &mut Option<Field>) {
        let separators = self.variable(b"IFS").unwrap_or_else(|| b" \t\n".to_vec());
        for piece in bytes.split_inclusive(|byte| separators.contains(byte)) {
            let separator = piece.last().copied().filter(|byte| separators.contains(byte));
            let text = piece.get(..piece.len() - usize::from(separator.is_some())).unwrap_or_default();
            if !text.is_empty() {
                field.get_or_insert_default().push(text, false);
            }
            match separator {
                Some(byte) if byte.is_ascii_whitespace() => done.extend(field.take()),
                Some(_) => done.push(field.take().unwrap_or_default()),
                None => {}
            }
        }
    }

    fn part(&mut self, part: &Part, io: Io) -> (Vec<u8>, bool) {
        match part {
            Part::Text { bytes, quoted } => (bytes.clone(), *quoted),
            Part::Variable { expression, quoted } => (self.nested(io, |run| run.expression(expression, io)), *quoted),
            Part::Command { source, quoted } => {
                let mut output = self.output_of(source, io);
                output.retain(|&b| b != 0);
                while output.last() == Some(&b'\n') {
                    output.pop();
                }
                (output, *quoted)
            }
            Part::Sum { source } => (self.nested(io, |run| run.sum(source, io)).to_string().into_bytes(), true),
        }
    }

    /// `$((...))`: what `$` and quotes mean in it is settled first.
    pub(super) fn sum(&mut self, source: &[u8], io: Io) -> i64 {
        let text = self.expand_text(&operand(source), io);
        arithmetic::evaluate(&text, self).unwrap_or_else(|fault| {
            self.give_up(io, fault.text());
            0
        })
    }

    /// The path names that fit a pattern, sorted; none when nothing fits.
    fn paths(&mut self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let is_absolute = pattern.starts_with(b"/");
        let mut found: Vec<Vec<u8>> = vec![if is_absolute { b"/".to_vec() } else { Vec::new() }];
        for part in pattern.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
            let mut next = Vec::new();
            for directory in &found {
                let at = self.path(if directory.is_empty() { b"." } else { directory });
                let join = |name: &[u8]| {
                    let slash: &[u8] = if directory.is_empty() || directory.ends_with(b"/") { b"" } else { b"/" };
                    [directory, slash, name].concat()
                };
                if !glob::is_pattern(part) {
                    let path = join(part);
                    if self.files.exists(&self.path(&path)) {
                        next.push(path);
                    }
                    continue;
                }
                let mut names = self.files.names(&at);
                if part.starts_with(b".") {
                    names.splice(..0, [b".".to_vec(), b"..".to_vec()]);
                }
                let fits =
                    |name: &Vec<u8>| (part.starts_with(b".") || !name.starts_with(b".")) && glob::matches(part, name);
                next.extend(names.iter().filter(|name| fits(name)).map(|name| join(name)));
                if next.len() > MAX_PATHS {
                    break;
                }
            }
            next.truncate(MAX_PATHS);
            found = next;
        }
        found
    }
}

impl arithmetic::Variables for Run<'_, '_> {
    fn value(&self, name: &[u8]) -> i64 {
        self.variable(name).map_or(0, |text| arithmetic::number(&text))
    }

    fn assign(&mut self, name: &[u8], value: i64) {
        self.set_variable(name, value.to_string().into_bytes());
    }
}

/// `~` at the beginning of a word is the home, `~NAME` that of a user.
fn tilde(run: &Run<'_, '_>, word: &Word, text: &mut Vec<u8>) {
    let Some(Part::Text { bytes, quoted: false }) = word.first() else { return };
    let Some(rest) = bytes.strip_prefix(b"~") else { return };
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    if end == rest.len() && word.len() > 1 {
        return;
    }
    let home = match rest.get(..end) {
        Some(b"") => run.variable(b"HOME"),
        Some(b"root") => Some(b"/root".to_vec()),
        Some(b"daemon") => Some(b"/usr/sbin".to_vec()),
        Some(b"nobody") => Some(b"/home".to_vec()),
        _ => None,
    };
    if let Some(home) = home {
        text.splice(..=end, home);
    }
}
