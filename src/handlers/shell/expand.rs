//! Words to arguments: variables, command substitution, sums, field splitting, path names (POSIX.1-2017, 2.6).

use super::device::Flavor;
use super::lex::{Part, Word};
use super::run::{Io, Run};
use super::{MAX_OUTPUT, MAX_VARIABLES, glob};

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
                let paths = if field.has_wildcard { self.paths(&field.pattern) } else { Vec::new() };
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
        tilde(word, &mut text.bytes);
        text.bytes
    }

    fn fields(&mut self, word: &Word, io: Io) -> Vec<Field> {
        let mut done = Vec::new();
        let mut field: Option<Field> = None;
        for part in word {
            let (bytes, quoted) = self.part(part, io);
            if quoted || matches!(part, Part::Text { .. }) {
                field.get_or_insert_default().push(&bytes, quoted);
                continue;
            }
            // Unquoted results of an expansion are cut at blanks.
            let mut pieces = bytes.split(|b| b" \t\n".contains(b)).peekable();
            while let Some(piece) = pieces.next() {
                if !piece.is_empty() {
                    field.get_or_insert_default().push(piece, false);
                }
                if pieces.peek().is_some() {
                    done.extend(field.take());
                }
            }
        }
        done.extend(field);
        if let Some(first) = done.first_mut() {
            tilde(word, &mut first.bytes);
        }
        done
    }

    fn part(&mut self, part: &Part, io: Io) -> (Vec<u8>, bool) {
        match part {
            Part::Text { bytes, quoted } => (bytes.clone(), *quoted),
            Part::Variable { expression, quoted } => (self.expression(expression, io), *quoted),
            Part::Command { source, quoted } => {
                let mut output = self.output_of(source, io);
                output.retain(|&b| b != 0);
                while output.last() == Some(&b'\n') {
                    output.pop();
                }
                (output, *quoted)
            }
            Part::Sum { source } => (self.sum(source).to_string().into_bytes(), true),
        }
    }

    /// `${name}`, `${#name}`, `${name:-word}`, `${name:=word}`, `${name:+word}`.
    fn expression(&mut self, expression: &[u8], io: Io) -> Vec<u8> {
        if let [b'#', name @ ..] = expression
            && !name.is_empty()
        {
            return self.variable(name).unwrap_or_default().len().to_string().into_bytes();
        }
        let end = expression.iter().skip(1).position(|b| b":-=+".contains(b)).map_or(expression.len(), |at| at + 1);
        let (name, rest) = expression.split_at_checked(end).unwrap_or((expression, b""));
        let value = self.variable(name);
        let (is_set, rest) = match rest.strip_prefix(b":") {
            Some(rest) => (value.as_ref().is_some_and(|value| !value.is_empty()), rest),
            None => (value.is_some(), rest),
        };
        let word = rest.get(1..).unwrap_or_default();
        match (rest.first(), is_set) {
            (Some(b'-' | b'='), false) | (Some(b'+'), true) => {
                let word = vec![Part::Text { bytes: word.to_vec(), quoted: true }];
                let text = self.expand_text(&word, io);
                if rest.first() == Some(&b'=') {
                    self.set_variable(name, text.clone());
                }
                text
            }
            (Some(b'+'), false) => Vec::new(),
            _ => value.unwrap_or_default(),
        }
    }

    /// The value of a variable or of a special parameter.
    pub(super) fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        let arguments = &self.state.arguments;
        let text = match name {
            b"?" => self.state.status.to_string(),
            b"$" => self.state.pid.to_string(),
            b"!" => self.jobs.running.last().map(|(pid, _)| pid.to_string())?,
            b"#" => arguments.len().saturating_sub(1).to_string(),
            b"-" => "i".to_owned(),
            b"@" | b"*" => return Some(arguments.get(1..).unwrap_or_default().join(&b' ')),
            b"0" if arguments.is_empty() => self.shell_name().to_owned(),
            digits if digits.iter().all(u8::is_ascii_digit) => {
                let at: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                return arguments.get(at).cloned();
            }
            _ => match self.state.variables.get(name) {
                Some(value) => return Some(value.clone()),
                None => {
                    return self
                        .environment()
                        .iter()
                        .find(|(known, _)| known.as_bytes() == name)
                        .map(|(_, value)| value.clone().into_bytes());
                }
            },
        };
        Some(text.into_bytes())
    }

    /// What a fresh login has in its environment.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let cwd = String::from_utf8_lossy(&self.state.cwd).into_owned();
        match self.device.flavor() {
            Flavor::BusyBox => vec![
                ("HOME", "/root".to_owned()),
                ("LOGNAME", "root".to_owned()),
                ("PATH", "/sbin:/usr/sbin:/bin:/usr/bin".to_owned()),
                ("PWD", cwd),
                ("SHELL", "/bin/sh".to_owned()),
                ("TERM", "vt102".to_owned()),
                ("USER", "root".to_owned()),
            ],
            Flavor::Android => vec![
                ("ANDROID_DATA", "/data".to_owned()),
                ("ANDROID_ROOT", "/system".to_owned()),
                ("EXTERNAL_STORAGE", "/sdcard".to_owned()),
                ("HOME", "/".to_owned()),
                ("HOSTNAME", self.device.host().to_owned()),
                ("PATH", "/sbin:/system/sbin:/system/bin:/system/xbin".to_owned()),
                ("PWD", cwd),
                ("SHELL", "/system/bin/sh".to_owned()),
                ("USER", "shell".to_owned()),
            ],
        }
    }

    /// Sets a variable, unless there is no room for it.
    pub(super) fn set_variable(&mut self, name: &[u8], value: Vec<u8>) {
        let cost = |name: &[u8], value: &[u8]| name.len() + value.len() + 64;
        let others: usize = self
            .state
            .variables
            .iter()
            .filter(|(known, _)| *known != name)
            .map(|(name, value)| cost(name, value))
            .sum();
        if others + cost(name, &value) <= MAX_VARIABLES {
            self.state.variables.insert(name.to_vec(), value);
        }
    }

    /// `$((...))`: sums and products of numbers and variables, without brackets; what is more is 0.
    fn sum(&mut self, source: &[u8]) -> i64 {
        let text = String::from_utf8_lossy(source).replace('$', "");
        let mut total = 0_i64;
        let mut product: Option<i64> = None;
        let mut operator = b'+';
        let mut rest = text.as_bytes();
        loop {
            rest = rest.trim_ascii_start();
            let len = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
            let (term, after) = rest.split_at_checked(len).unwrap_or((rest, b""));
            let value = self.number(term);
            product = match (operator, product) {
                (b'*', Some(product)) => Some(product.wrapping_mul(value)),
                (b'/' | b'%', _) if value == 0 => return 0,
                (b'/', Some(product)) => Some(product.wrapping_div(value)),
                (b'%', Some(product)) => Some(product.wrapping_rem(value)),
                (sign, done) => {
                    total = total.wrapping_add(done.unwrap_or(0));
                    Some(if sign == b'-' { value.wrapping_neg() } else { value })
                }
            };
            rest = after.trim_ascii_start();
            let Some((&next, after)) = rest.split_first() else { return total.wrapping_add(product.unwrap_or(0)) };
            operator = next;
            rest = after;
        }
    }

    fn number(&self, term: &[u8]) -> i64 {
        let text = std::str::from_utf8(term).unwrap_or_default();
        if let Some(hex) = text.strip_prefix("0x") {
            return i64::from_str_radix(hex, 16).unwrap_or(0);
        }
        text.parse().ok().or_else(|| String::from_utf8(self.variable(term)?).ok()?.trim().parse().ok()).unwrap_or(0)
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
                let names = self.files.names(&at);
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

/// `~` at the beginning of a word is the home.
fn tilde(word: &Word, text: &mut Vec<u8>) {
    let Some(Part::Text { bytes, quoted: false }) = word.first() else { return };
    if bytes == b"~" && word.len() == 1 || bytes.starts_with(b"~/") {
        text.splice(..1, *b"/root");
    }
}
