//! The functions that `awk` has of its own.

use regex::bytes::Regex;

use super::program::Expression;
use super::value::{Value, printed};
use super::{Leaving, Machine};
use crate::handlers::shell::applet::pattern;
use crate::handlers::shell::option::Options;
use crate::handlers::shell::run::Script;

/// Fields of a text: at blanks, at one character, or at what fits a pattern.
pub(super) fn pieces(text: &str, separator: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut characters = separator.chars();
    match (characters.next(), characters.next()) {
        (Some(' '), None) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        (Some(mark), None) => text.split(mark).map(str::to_owned).collect(),
        (None, _) => text.chars().map(String::from).collect(),
        _ => {
            let Some(regex) = pattern::compile(separator, true, false) else { return vec![text.to_owned()] };
            regex.split(text.as_bytes()).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
        }
    }
}

impl Machine<'_, '_, '_> {
    /// What stands where a pattern is wanted: a pattern, or a value whose text is one.
    pub(super) fn regex(&mut self, expression: &Expression) -> Result<Option<Regex>, Leaving> {
        if let Expression::Pattern(regex) = expression {
            return Ok(Some(regex.clone()));
        }
        let text = self.value(expression)?.to_text();
        // To compile is more work than other steps.
        self.steps += 100;
        self.step()?;
        Ok(pattern::compile(&text, true, false))
    }

    pub(super) fn call(&mut self, name: &str, values: &[Expression]) -> Result<Value, Leaving> {
        self.step()?;
        if matches!(name, "sub" | "gsub") {
            return self.substitute(name == "gsub", values);
        }
        if name == "split" {
            return self.split(values);
        }
        if name == "match" {
            let text = values.first().map_or(Ok(Value::Nothing), |value| self.value(value))?.to_text();
            let regex = values.get(1).map_or(Ok(None), |regex| self.regex(regex))?;
            let found =
                regex.and_then(|regex| regex.find(text.as_bytes()).map(|found| (found.start() + 1, found.len())));
            let (start, length) = found.unwrap_or((0, 0));
            let number = |place: usize| Value::Number(u32::try_from(place).map_or(0.0, f64::from));
            self.set("RSTART", number(start));
            self.set("RLENGTH", if found.is_some() { number(length) } else { Value::Number(-1.0) });
            return Ok(number(start));
        }
        if let (true, [Expression::Variable(array)]) = (name == "length", values)
            && let Some(array) = self.arrays.get(array)
        {
            return Ok(Value::Number(u32::try_from(array.len()).map_or(0.0, f64::from)));
        }
        let mut given = Vec::new();
        for value in values {
            given.push(self.value(value)?);
        }
        Ok(self.plain(name, &given))
    }

    /// Functions of values alone.
    fn plain(&mut self, name: &str, given: &[Value]) -> Value {
        let first = || given.first().cloned().unwrap_or(Value::Nothing);
        let text = |at: usize| given.get(at).map(Value::to_text).unwrap_or_default();
        let number = |place: usize| Value::Number(u32::try_from(place).map_or(0.0, f64::from));
        match name {
            "length" => number(if given.is_empty() { self.record.chars().count() } else { text(0).chars().count() }),
            "toupper" => Value::text(&text(0).to_uppercase()),
            "tolower" => Value::text(&text(0).to_lowercase()),
            "index" => number(text(0).find(&text(1)).map_or(0, |at| at + 1)),
            "substr" => {
                let start = given.get(1).map_or(1.0, Value::to_number).round();
                let end = given.get(2).map_or(f64::INFINITY, |length| start + length.to_number().round());
                let place = |at: usize| u32::try_from(at + 1).map_or(f64::INFINITY, f64::from);
                let text = text(0);
                let chosen = text.chars().enumerate().filter(|(at, _)| place(*at) >= start && place(*at) < end);
                Value::text(&chosen.map(|(_, c)| c).collect::<String>())
            }
            "sprintf" => Value::text(&printed(&text(0), given.get(1..).unwrap_or_default())),
            "int" => Value::Number(first().to_number().trunc()),
            "sqrt" => Value::Number(first().to_number().sqrt()),
            "exp" => Value::Number(first().to_number().exp()),
            "log" => Value::Number(first().to_number().ln()),
            "rand" => Value::Number(u32::try_from(self.run.chance() % 1_000_000).map_or(0.0, f64::from) / 1e6),
            "system" => {
                let io = self.io;
                Value::Number(f64::from(self.run.script(text(0).as_bytes(), &[], Script::Text, Options::default(), io)))
            }
            _ => Value::Nothing,
        }
    }

    /// `sub(PATTERN, TEXT, PLACE)`; the place is the record where none is named.
    fn substitute(&mut self, everywhere: bool, values: &[Expression]) -> Result<Value, Leaving> {
        let record = Expression::Field(Box::new(Expression::Number(0.0)));
        let [wanted, text, place @ ..] = values else { return Ok(Value::Nothing) };
        let place = place.first().unwrap_or(&record);
        let Some(regex) = self.regex(wanted)? else { return Ok(Value::Nothing) };
        let text = self.value(text)?.to_text();
        let old = self.value(place)?.to_text();
        let mut out = String::new();
        let mut from = 0;
        let mut count = 0_u32;
        for found in regex.find_iter(old.as_bytes()) {
            out.push_str(old.get(from..found.start()).unwrap_or_default());
            let whole = String::from_utf8_lossy(found.as_bytes());
            out.push_str(&text.replace("\\&", "\0").replace('&', &whole).replace('\0', "&"));
            from = found.end();
            count += 1;
            if !everywhere || out.len() > super::super::super::MAX_OUTPUT {
                break;
            }
        }
        if count > 0 {
            out.push_str(old.get(from..).unwrap_or_default());
            self.assign(place, Value::text(&out))?;
        }
        Ok(Value::Number(f64::from(count)))
    }

    /// `split(TEXT, ARRAY, SEPARATOR)`
    fn split(&mut self, values: &[Expression]) -> Result<Value, Leaving> {
        let [text, Expression::Variable(array), separator @ ..] = values else { return Ok(Value::Nothing) };
        let text = self.value(text)?.to_text();
        let separator = match separator.first() {
            Some(Expression::Pattern(regex)) => format!("(?:{})", regex.as_str()),
            Some(separator) => self.value(separator)?.to_text(),
            None => self.get("FS").to_text(),
        };
        let pieces = pieces(&text, &separator);
        self.stored += text.len() + 64 * pieces.len();
        let count = u32::try_from(pieces.len()).map_or(0.0, f64::from);
        let all = pieces.iter().enumerate().map(|(at, piece)| ((at + 1).to_string(), Value::read(piece)));
        self.arrays.insert(array.clone(), all.collect());
        Ok(Value::Number(count))
    }
}
