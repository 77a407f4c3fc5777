//! `expr`: sums, comparisons and parts of texts (POSIX.1-2017, expr).

use super::super::run::{Io, Run};
use super::pattern::Pattern;
use super::{lossy, usage};

/// Brackets within brackets.
const MAX_DEPTH: u32 = 24;
/// Two-sided operators by what binds them, weakest first.
const LEVELS: [&[&str]; 6] =
    [&["|"], &["&"], &["=", "==", "!=", "<", "<=", ">", ">="], &["+", "-"], &["*", "/", "%"], &[":"]];

pub(super) fn expr(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let words_of_it: Vec<String> = words.iter().skip(1).map(|word| lossy(word)).collect();
    if words_of_it.is_empty() {
        return usage(run, "expr", io);
    }
    let mut reader = Reader { run, rest: &words_of_it, depth: 0 };
    let result = reader.level(0);
    let is_whole = reader.rest.is_empty();
    match result {
        Ok(text) if is_whole => {
            run.print_line(io.out, &text);
            u8::from(is_false(&text))
        }
        Ok(_) => run.fail(io, words, "syntax error") + 1,
        Err(why) => run.fail(io, words, why) + 1,
    }
}

fn is_false(text: &str) -> bool {
    text.is_empty() || text == "0"
}

struct Reader<'e, 'r, 'c> {
    run: &'e mut Run<'r, 'c>,
    rest: &'e [String],
    depth: u32,
}

impl Reader<'_, '_, '_> {
    fn next(&mut self) -> Result<String, &'static str> {
        let (first, rest) = self.rest.split_first().ok_or("syntax error")?;
        self.rest = rest;
        Ok(first.clone())
    }

    fn level(&mut self, level: usize) -> Result<String, &'static str> {
        let Some(operators) = LEVELS.get(level) else { return self.operand() };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.rest.first().filter(|word| operators.contains(&word.as_str())).cloned() {
            self.next()?;
            let right = self.level(level + 1)?;
            left = self.joined(left, &operator, right)?;
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<String, &'static str> {
        let word = self.next()?;
        match word.as_str() {
            "(" => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err("syntax error");
                }
                let inside = self.level(0)?;
                self.depth -= 1;
                if self.next()? == ")" { Ok(inside) } else { Err("syntax error") }
            }
            "length" if !self.rest.is_empty() => Ok(self.next()?.len().to_string()),
            "match" if self.rest.len() >= 2 => {
                let (text, wanted) = (self.next()?, self.next()?);
                Ok(self.fitting(&text, &wanted))
            }
            "index" if self.rest.len() >= 2 => {
                let (text, set) = (self.next()?, self.next()?);
                Ok(text.find(|c| set.contains(c)).map_or(0, |at| at + 1).to_string())
            }
            "substr" if self.rest.len() >= 3 => {
                let (text, start, length) = (self.next()?, self.next()?, self.next()?);
                let place = |text: &str| text.parse::<usize>().unwrap_or(0);
                let (start, length) = (place(&start), place(&length));
                Ok(text.chars().skip(start.saturating_sub(1)).take(if start > 0 { length } else { 0 }).collect())
            }
            _ => Ok(word),
        }
    }

    fn joined(&mut self, a: String, operator: &str, b: String) -> Result<String, &'static str> {
        let number = |text: &str| text.trim().parse::<i64>();
        Ok(match (operator, number(&a), number(&b)) {
            (":", ..) => self.fitting(&a, &b),
            ("|", ..) => {
                if is_false(&a) {
                    b
                } else {
                    a
                }
            }
            ("&", ..) => {
                if is_false(&a) || is_false(&b) {
                    "0".to_owned()
                } else {
                    a
                }
            }
            ("+" | "-" | "*" | "/" | "%", Ok(a), Ok(b)) => sum(a, operator, b)?.to_string(),
            ("+" | "-" | "*" | "/" | "%", ..) => return Err("non-numeric argument"),
            (_, Ok(a), Ok(b)) => u8::from(compared(a.cmp(&b), operator)).to_string(),
            _ => u8::from(compared(a.cmp(&b), operator)).to_string(),
        })
    }

    /// `TEXT : PATTERN`: the length that fits at the beginning, or what is in brackets.
    fn fitting(&mut self, text: &str, wanted: &str) -> String {
        let has_group = wanted.contains("\\(");
        let pattern = Pattern::new(&format!("^{}", wanted.trim_start_matches('^')), false, false);
        let found = pattern.as_ref().and_then(|pattern| pattern.places(text.as_bytes()).next());
        self.run.charge(pattern.as_ref().map_or(0, Pattern::cost));
        let group = |at: usize| found.as_ref().and_then(|places| places.get(at).cloned().flatten());
        if has_group {
            return group(1).and_then(|range| text.as_bytes().get(range)).map(lossy).unwrap_or_default();
        }
        group(0).map_or(0, |whole| whole.len()).to_string()
    }
}

fn sum(a: i64, operator: &str, b: i64) -> Result<i64, &'static str> {
    Ok(match operator {
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        _ if b == 0 => return Err("division by zero"),
        "/" => a.wrapping_div(b),
        _ => a.wrapping_rem(b),
    })
}

fn compared(order: std::cmp::Ordering, operator: &str) -> bool {
    match operator {
        "=" | "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}
