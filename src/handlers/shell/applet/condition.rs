//! `test`, `[` and `[[` (POSIX.1-2017, test): any combination with `!`, brackets, `-a` and `-o`.

use super::super::glob;
use super::super::run::{Io, Run};
use super::lossy;

/// Brackets and negations within one another.
const MAX_DEPTH: u32 = 32;

pub(super) fn test(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let name = words.first().map(Vec::as_slice).unwrap_or_default();
    let mut arguments: Vec<&[u8]> = words.iter().skip(1).map(Vec::as_slice).collect();
    let closing: Option<&[u8]> = match name {
        b"[" => Some(b"]"),
        b"[[" => Some(b"]]"),
        _ => None,
    };
    if let Some(closing) = closing
        && arguments.pop() != Some(closing)
    {
        run.print_line(io.err, &format!("sh: missing {}", lossy(closing)));
        return 2;
    }
    if arguments.is_empty() {
        return 1;
    }
    let mut test = Test { run, rest: &arguments, depth: 0, has_patterns: name == b"[[" };
    let result = test.any();
    let left = test.rest.first().copied();
    match (result, left) {
        (Ok(truth), None) => u8::from(!truth),
        (Ok(_), Some(word)) => {
            run.print_line(io.err, &format!("sh: {}: unknown operand", lossy(word)));
            2
        }
        (Err(why), _) => {
            run.print_line(io.err, &format!("sh: {why}"));
            2
        }
    }
}

struct Test<'t, 'r, 'c> {
    run: &'t Run<'r, 'c>,
    rest: &'t [&'t [u8]],
    depth: u32,
    /// `=` compares with a pattern.
    has_patterns: bool,
}

impl<'t> Test<'t, '_, '_> {
    fn take(&mut self) -> Option<&'t [u8]> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn next_is(&mut self, words: &[&[u8]]) -> bool {
        let found = self.rest.first().is_some_and(|word| words.contains(word));
        if found {
            self.take();
        }
        found
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut truth = self.all()?;
        while self.next_is(&[b"-o", b"||"]) {
            truth |= self.all()?;
        }
        Ok(truth)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut truth = self.one()?;
        while self.next_is(&[b"-a", b"&&"]) {
            truth &= self.one()?;
        }
        Ok(truth)
    }

    fn one(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("out of memory".to_owned());
        }
        let result = self.primary();
        self.depth -= 1;
        result
    }

    fn primary(&mut self) -> Result<bool, String> {
        // With an operator between, the words beside it are what they are.
        if let [left, operator, right, ..] = *self.rest
            && let Some(truth) = self.compare(left, operator, right)
        {
            self.rest = self.rest.get(3..).unwrap_or_default();
            return truth;
        }
        match *self.rest {
            [] => Err("argument expected".to_owned()),
            [b"!", _, ..] => {
                self.take();
                self.one().map(|truth| !truth)
            }
            [b"(", _, ..] => {
                self.take();
                let truth = self.any()?;
                if self.next_is(&[b")"]) { Ok(truth) } else { Err("closing paren expected".to_owned()) }
            }
            [[b'-', flag], operand, ..] if b"bcdefghkLnprSstuwxzO".contains(flag) => {
                self.rest = self.rest.get(2..).unwrap_or_default();
                Ok(self.file(*flag, operand))
            }
            [word, ..] => {
                self.take();
                Ok(!word.is_empty())
            }
        }
    }

    fn compare(&self, a: &[u8], operator: &[u8], b: &[u8]) -> Option<Result<bool, String>> {
        let numbers = |compare: fn(&i64, &i64) -> bool| {
            let read = |text: &[u8]| {
                let text = lossy(text);
                text.trim().parse::<i64>().map_err(|_| format!("{text}: bad number"))
            };
            Some(read(a).and_then(|a| Ok(compare(&a, &read(b)?))))
        };
        let changed = |path: &[u8]| self.run.files.stat(&self.run.path(path)).map(|(.., changed)| changed);
        let equal = || if self.has_patterns { glob::matches(b, a) } else { a == b };
        match operator {
            b"=" | b"==" => Some(Ok(equal())),
            b"!=" => Some(Ok(!equal())),
            b"<" => Some(Ok(a < b)),
            b">" => Some(Ok(a > b)),
            b"-eq" => numbers(i64::eq),
            b"-ne" => numbers(i64::ne),
            b"-lt" => numbers(i64::lt),
            b"-le" => numbers(i64::le),
            b"-gt" => numbers(i64::gt),
            b"-ge" => numbers(i64::ge),
            b"-nt" => Some(Ok(changed(a).zip(changed(b)).is_some_and(|(a, b)| a > b))),
            b"-ot" => Some(Ok(changed(a).zip(changed(b)).is_some_and(|(a, b)| a < b))),
            b"-ef" => Some(Ok(self.run.path(a) == self.run.path(b))),
            _ => None,
        }
    }

    fn file(&self, flag: u8, operand: &[u8]) -> bool {
        let path = self.run.path(operand);
        let is_kind =
            |kind: u32| self.run.files.find(&path).is_ok_and(|(_, node)| node.full_mode() & 0o170_000 == kind);
        match flag {
            b'n' => !operand.is_empty(),
            b'z' => operand.is_empty(),
            b't' => self.run.is_interactive(),
            b'd' => is_kind(0o040_000),
            b'f' => is_kind(0o100_000),
            b'c' => is_kind(0o020_000),
            b'h' | b'L' => {
                self.run.files.find_link(&path).is_ok_and(|(_, node)| node.full_mode() & 0o170_000 == 0o120_000)
            }
            b's' => self.run.files.find(&path).is_ok_and(|(_, node)| self.run.files.size(node) > 0),
            b'x' => self.run.files.find(&path).is_ok_and(|(_, node)| node.is_executable() || node.is_directory()),
            b'e' | b'r' | b'w' | b'O' => self.run.files.exists(&path),
            _ => false,
        }
    }
}
