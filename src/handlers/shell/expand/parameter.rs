//! Variables, special parameters, and what `${...}` makes of them (POSIX.1-2017, Shell Command Language 2.5, 2.6.2).

use super::super::container::Process;
use super::super::device::Flavor;
use super::super::lex::operand;
use super::super::run::{Io, Run};
use super::super::{MAX_VARIABLES, arithmetic, glob};

/// Variables that a shell sets for itself; programs are not given them.
pub(in crate::handlers::shell) const OWN_VARIABLES: [(&str, &str); 5] =
    [("IFS", " \t\n"), ("OPTIND", "1"), ("PS1", "\\w \\$ "), ("PS2", "> "), ("PS4", "+ ")];

impl Run<'_, '_> {
    /// `${name}`, `${#name}`, `${name:-word}` and its kin, `${name#pattern}`, `${name%pattern}`, and of ash's own `${name:at:length}`,
    /// `${name/pattern/text}`.
    pub(in crate::handlers::shell) fn expression(&mut self, expression: &[u8], io: Io) -> Vec<u8> {
        if let [b'#', name @ ..] = expression
            && !name.is_empty()
        {
            return self.variable(name).unwrap_or_default().len().to_string().into_bytes();
        }
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let end = match expression.iter().position(|byte| !is_name(byte)) {
            Some(0) => 1,
            end => end.unwrap_or(expression.len()),
        };
        let (name, rest) = expression.split_at_checked(end).unwrap_or((expression, b""));
        let value = self.variable(name);
        match rest {
            [] => match value {
                Some(value) => value,
                None if self.state.options.has(b'u') && !matches!(name, b"@" | b"*") => {
                    let line = [name, b": parameter not set"].concat();
                    self.give_up(io, &String::from_utf8_lossy(&line));
                    Vec::new()
                }
                None => Vec::new(),
            },
            [b'#' | b'%', ..] => self.without_end(&value.unwrap_or_default(), rest, io),
            [b'/', rest @ ..] => self.replaced(&value.unwrap_or_default(), rest, io),
            [b':', b'-' | b'=' | b'+' | b'?', ..] => {
                let value = value.filter(|value| !value.is_empty());
                self.or_word(name, value, rest.get(1..).unwrap_or_default(), io)
            }
            [b'-' | b'=' | b'+' | b'?', ..] => self.or_word(name, value, rest, io),
            [b':', range @ ..] => self.slice(&value.unwrap_or_default(), range, io),
            _ => {
                self.give_up(io, "syntax error: bad substitution");
                Vec::new()
            }
        }
    }

    /// `-word`, `=word`, `+word`, `?word` after a name.
    fn or_word(&mut self, name: &[u8], value: Option<Vec<u8>>, rest: &[u8], io: Io) -> Vec<u8> {
        let (sign, word) = rest.split_first().unwrap_or((&b'-', b""));
        match (sign, value) {
            (b'+', None) => Vec::new(),
            (b'+', Some(_)) => self.expand_text(&operand(word), io),
            (_, Some(value)) => value,
            (b'?', None) => {
                let said = self.expand_text(&operand(word), io);
                let said = if said.is_empty() { b"parameter not set".to_vec() } else { said };
                let line = [name, b": ", &said].concat();
                self.give_up(io, &String::from_utf8_lossy(&line));
                Vec::new()
            }
            (sign, None) => {
                let text = self.expand_text(&operand(word), io);
                if *sign == b'=' {
                    self.set_variable(name, text.clone());
                }
                text
            }
        }
    }

    /// `#pattern` and `%pattern` take the shortest fitting beginning or end, doubled the longest.
    fn without_end(&mut self, value: &[u8], rest: &[u8], io: Io) -> Vec<u8> {
        let at_start = rest.starts_with(b"#");
        let is_longest = rest.starts_with(b"##") || rest.starts_with(b"%%");
        let pattern = rest.get(1 + usize::from(is_longest)..).unwrap_or_default();
        let pattern = self.expand_pattern(&operand(pattern), io);
        self.charge(value.len() / 64);
        let fits = |len: &usize| {
            let piece = if at_start { value.get(..*len) } else { value.get(value.len() - len..) };
            piece.is_some_and(|piece| glob::matches(&pattern, piece))
        };
        let mut lengths = 0..=value.len();
        let len = if is_longest { lengths.rev().find(fits) } else { lengths.find(fits) }.unwrap_or(0);
        let kept = if at_start { value.get(len..) } else { value.get(..value.len() - len) };
        kept.unwrap_or_default().to_vec()
    }

    /// `${name/pattern/text}`, with two slashes everywhere.
    fn replaced(&mut self, value: &[u8], rest: &[u8], io: Io) -> Vec<u8> {
        let (everywhere, rest) = rest.strip_prefix(b"/").map_or((false, rest), |rest| (true, rest));
        let at = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        let (pattern, text) = rest.split_at_checked(at).unwrap_or((rest, b""));
        let pattern = self.expand_pattern(&operand(pattern), io);
        let text = self.expand_text(&operand(text.get(1..).unwrap_or_default()), io);
        self.charge(value.len() / 16);
        let mut out = Vec::new();
        let mut left = value;
        let mut goes_on = !pattern.is_empty();
        while let Some((&first, after)) = left.split_first() {
            let longest = left.len().min(MAX_FITTING);
            let fits = |len: &usize| left.get(..*len).is_some_and(|piece| glob::matches(&pattern, piece));
            match (1..=longest).rev().find(fits).filter(|_| goes_on) {
                Some(len) => {
                    out.extend_from_slice(&text);
                    left = left.get(len..).unwrap_or_default();
                    goes_on = everywhere;
                }
                None => {
                    out.push(first);
                    left = after;
                }
            }
            if out.len() > MAX_VARIABLES {
                break;
            }
        }
        out
    }

    /// `${name:at:length}`; a negative place counts from the end.
    fn slice(&mut self, value: &[u8], range: &[u8], io: Io) -> Vec<u8> {
        let text = self.expand_text(&operand(range), io);
        let mut numbers = text.split(|&b| b == b':').map(|text| arithmetic::evaluate(text, self).unwrap_or(0));
        let (at, length) = (numbers.next().unwrap_or(0), numbers.next());
        let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
        let start = if at < 0 { (size + at).max(0) } else { at.min(size) };
        let end = match length {
            Some(length) if length < 0 => size + length,
            Some(length) => start.saturating_add(length).min(size),
            None => size,
        };
        let index = |at: i64| usize::try_from(at).unwrap_or(0);
        value.get(index(start)..index(end)).unwrap_or_default().to_vec()
    }

    /// The value of a variable or of a special parameter.
    pub(in crate::handlers::shell) fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        let arguments = &self.state.arguments;
        let text = match name {
            b"?" => self.state.status.to_string(),
            b"$" => self.state.pid.to_string(),
            b"!" => self.jobs.background.map(|pid| pid.to_string())?,
            b"#" => arguments.len().saturating_sub(1).to_string(),
            b"-" => {
                let kind = match (self.is_interactive(), self.is_from_file()) {
                    (true, _) => "smi",
                    (false, false) => "c",
                    (false, true) => "",
                };
                kind.to_owned() + &self.state.options.letters()
            }
            b"0" => return Some(arguments.first().cloned().unwrap_or_else(|| self.shell_name())),
            b"PPID" => self.parent().to_string(),
            b"RANDOM" => (self.chance() % 32_768).to_string(),
            b"@" => return Some(arguments.get(1..).unwrap_or_default().join(&b' ')),
            b"*" => {
                let separators = self.variable(b"IFS").unwrap_or_default();
                return Some(arguments.get(1..).unwrap_or_default().join(separators.get(..1).unwrap_or_default()));
            }
            digits if digits.iter().all(u8::is_ascii_digit) => {
                let at: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                return arguments.get(at).cloned();
            }
            _ => match self.state.variables.get(name) {
                Some(value) => return Some(value.clone()),
                None if self.state.gone.contains(name) => return None,
                None => {
                    let own = OWN_VARIABLES.iter().find(|(known, _)| known.as_bytes() == name);
                    let given = self.environment().into_iter().find(|(known, _)| known.as_bytes() == name);
                    return given
                        .map(|(_, value)| value)
                        .or(own.map(|(_, value)| (*value).to_owned()))
                        .map(String::into_bytes);
                }
            },
        };
        Some(text.into_bytes())
    }

    /// What a fresh login has in its environment.
    pub(in crate::handlers::shell) fn environment(&self) -> Vec<(&'static str, String)> {
        let cwd = String::from_utf8_lossy(&self.state.cwd).into_owned();
        match self.device.flavor() {
            Flavor::BusyBox if self.state.process.as_deref().is_some_and(Process::is_alone) => Vec::new(),
            Flavor::BusyBox if self.device.is_container() => vec![("PWD", cwd), ("SHLVL", "1".to_owned())],
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

    /// Takes a variable away, also one of the environment; not one that is read only.
    pub(in crate::handlers::shell) fn unset(&mut self, name: &[u8]) {
        if self.state.fixed.contains(name) {
            return;
        }
        self.state.variables.remove(name);
        self.state.exported.remove(name);
        if self.environment().iter().any(|(known, _)| known.as_bytes() == name) {
            self.state.gone.insert(name.to_vec());
        }
    }

    /// Sets a variable, unless there is no room for it.
    pub(in crate::handlers::shell) fn set_variable(&mut self, name: &[u8], value: Vec<u8>) {
        let cost = |name: &[u8], value: &[u8]| name.len() + value.len() + 64;
        let others: usize = self
            .state
            .variables
            .iter()
            .filter(|(known, _)| *known != name)
            .map(|(name, value)| cost(name, value))
            .sum();
        if others + cost(name, &value) <= MAX_VARIABLES {
            if self.state.options.has(b'a') {
                self.state.exported.insert(name.to_vec());
            }
            self.state.variables.insert(name.to_vec(), value);
        }
    }
}

/// Bytes that one pattern of `${name/pattern/text}` may fit.
const MAX_FITTING: usize = 256;
