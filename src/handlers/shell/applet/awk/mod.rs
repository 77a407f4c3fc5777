//! `awk`: rules over records and fields, as droppers and scanners use it on `ps`, `/proc` and `/etc/passwd`.
//!
//! Bounds: [`MAX_STEPS`] statements and [`MAX_STORED`] bytes written to variables in one call; what is more ends the program.

mod field;
mod function;
mod parse;
mod program;
mod value;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{lossy, usage};
use program::{Expression, Rule, Statement, When};
use value::{Value, printed};

/// Statements of one call.
const MAX_STEPS: u32 = 50_000;
/// Statements that count as one command of the shell.
const STEPS_OF_A_COMMAND: u32 = 64;
/// Bytes written to variables in one call.
const MAX_STORED: usize = 1 << 20;
/// The highest field that can be made.
const MAX_FIELDS: usize = 1_000;

/// Why the present statement is not followed by the next.
#[derive(Debug, PartialEq, Eq)]
enum Leaving {
    Next,
    Break,
    Continue,
    Exit,
}

type Flow = Result<(), Leaving>;

struct Machine<'m, 'r, 'c> {
    run: &'m mut Run<'r, 'c>,
    io: Io,
    variables: BTreeMap<String, Value>,
    arrays: BTreeMap<String, BTreeMap<String, Value>>,
    record: String,
    /// `None` until they are asked for.
    fields: Option<Vec<String>>,
    /// Rules of two patterns that are between them.
    open: Vec<bool>,
    steps: u32,
    stored: usize,
    status: u8,
}

pub(super) fn awk(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut assignments = Vec::new();
    let mut program = None;
    let mut words_left = words.iter().skip(1);
    let mut operands = Vec::new();
    while let Some(word) = words_left.next() {
        let mut value = |prefix: &[u8]| match word.strip_prefix(prefix) {
            Some([]) => words_left.next().map(|word| lossy(word)),
            Some(value) => Some(lossy(value)),
            None => None,
        };
        match word.get(..2) {
            Some(b"-F") => assignments.extend(value(b"-F").map(|text| format!("FS={text}"))),
            Some(b"-v") => assignments.extend(value(b"-v")),
            Some(b"-f") => {
                let path = run.path(value(b"-f").unwrap_or_default().as_bytes());
                program = run.files.content(&path).ok().map(|text| lossy(&text));
            }
            Some([b'-', _]) => {}
            _ if program.is_none() => program = Some(lossy(word)),
            _ => operands.push(word.as_slice()),
        }
    }
    let Some(program) = program else { return usage(run, "awk", io) };
    let Ok(rules) = parse::parse(&program) else {
        return run.fail(io, words, "cmd. line:1: Unexpected token");
    };
    let mut machine = Machine {
        run,
        io,
        variables: BTreeMap::new(),
        arrays: BTreeMap::new(),
        record: String::new(),
        fields: Some(Vec::new()),
        open: vec![false; rules.len()],
        steps: 0,
        stored: 0,
        status: 0,
    };
    for (name, value) in [("FS", " "), ("OFS", " "), ("ORS", "\n"), ("RS", "\n"), ("SUBSEP", "\u{1c}")] {
        machine.set(name, Value::text(value));
    }
    for assignment in assignments {
        let (name, value) = assignment.split_once('=').unwrap_or((&assignment, ""));
        let value = super::super::escape::unescape(value.as_bytes()).0;
        machine.set(name, Value::read(&lossy(&value)));
    }
    machine.program(&rules, words, &operands)
}

impl Machine<'_, '_, '_> {
    fn program(mut self, rules: &[Rule], words: &[Vec<u8>], files: &[&[u8]]) -> u8 {
        let mut flow = self.all(rules, |when| matches!(when, When::Begin));
        let reads = rules.iter().any(|rule| !matches!(rule.when, When::Begin));
        let mut failed = 0;
        if flow.is_ok() && reads {
            let (found, status) = self.run.inputs(self.io, words, files, "");
            failed = status;
            let text: Vec<u8> = found.into_iter().flat_map(|(_, bytes)| bytes).collect();
            flow = self.records(rules, &lossy(&text));
        }
        if flow != Err(Leaving::Exit) || self.steps <= MAX_STEPS {
            // `exit` skips what is left of the input, not the end.
            let _ = self.all(rules, |when| matches!(when, When::End));
        }
        self.run.charge(usize::try_from(self.steps / STEPS_OF_A_COMMAND).unwrap_or(0));
        self.status.max(failed)
    }

    fn records(&mut self, rules: &[Rule], text: &str) -> Flow {
        let body = text.strip_suffix('\n').unwrap_or(text);
        for (at, line) in body.split('\n').enumerate().filter(|_| !text.is_empty()) {
            line.clone_into(&mut self.record);
            self.fields = None;
            let number = Value::Number(u32::try_from(at + 1).map_or(0.0, f64::from));
            self.set("NR", number.clone());
            self.set("FNR", number);
            for (place, rule) in rules.iter().enumerate() {
                self.step()?;
                if !self.applies(place, &rule.when)? {
                    continue;
                }
                match self.act(rule) {
                    Ok(()) => {}
                    Err(Leaving::Exit) => return Err(Leaving::Exit),
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }

    fn all(&mut self, rules: &[Rule], is_meant: impl Fn(&When) -> bool) -> Flow {
        for rule in rules.iter().filter(|rule| is_meant(&rule.when)) {
            self.act(rule)?;
        }
        Ok(())
    }

    fn applies(&mut self, place: usize, when: &When) -> Result<bool, Leaving> {
        Ok(match when {
            When::Begin | When::End => false,
            When::Always => true,
            When::If(condition) => self.value(condition)?.is_true(),
            When::Between(first, last) => {
                let was_open = self.open.get(place).copied().unwrap_or(false);
                let is_in = was_open || self.value(first)?.is_true();
                let stays = is_in && !self.value(last)?.is_true();
                if let Some(open) = self.open.get_mut(place) {
                    *open = stays;
                }
                is_in
            }
        })
    }

    fn act(&mut self, rule: &Rule) -> Flow {
        match &rule.action {
            Some(action) => self.statement(action),
            None => {
                let line = format!("{}\n", self.record);
                self.run.print(self.io.out, line.as_bytes());
                Ok(())
            }
        }
    }

    fn step(&mut self) -> Flow {
        self.steps += 1;
        if self.steps > MAX_STEPS || self.stored > MAX_STORED { Err(Leaving::Exit) } else { Ok(()) }
    }

    fn statement(&mut self, statement: &Statement) -> Flow {
        self.step()?;
        match statement {
            Statement::Expression(expression) => self.value(expression).map(drop),
            Statement::Block(statements) => statements.iter().try_for_each(|statement| self.statement(statement)),
            Statement::Print { format, values, file } => self.print(*format, values, file.as_ref()),
            Statement::If(condition, then, otherwise) => {
                if self.value(condition)?.is_true() {
                    return self.statement(then);
                }
                otherwise.as_ref().map_or(Ok(()), |otherwise| self.statement(otherwise))
            }
            Statement::While(condition, body) => {
                while self.value(condition)?.is_true() {
                    if !self.round(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Statement::Until(body, condition) => {
                while self.round(body)? && self.value(condition)?.is_true() {}
                Ok(())
            }
            Statement::For(first, condition, step, body) => {
                first.as_ref().map_or(Ok(()), |first| self.statement(first))?;
                loop {
                    let goes_on =
                        condition.as_ref().map_or(Ok(true), |condition| self.value(condition).map(|v| v.is_true()))?;
                    if !goes_on || !self.round(body)? {
                        return Ok(());
                    }
                    step.as_ref().map_or(Ok(()), |step| self.statement(step))?;
                }
            }
            Statement::Each(name, array, body) => {
                let keys: Vec<String> =
                    self.arrays.get(array).map(|array| array.keys().cloned().collect()).unwrap_or_default();
                for key in keys {
                    self.set(name, Value::read(&key));
                    if !self.round(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Statement::Delete(name, index) => {
                let index = index.as_ref().map(|index| self.value(index)).transpose()?;
                match index {
                    Some(index) => drop(self.arrays.get_mut(name).and_then(|array| array.remove(&index.to_text()))),
                    None => drop(self.arrays.remove(name)),
                }
                Ok(())
            }
            Statement::Next => Err(Leaving::Next),
            Statement::Break => Err(Leaving::Break),
            Statement::Continue => Err(Leaving::Continue),
            Statement::Exit(status) => {
                if let Some(status) = status {
                    self.status = self.value(status)?.to_index().to_le_bytes().first().copied().unwrap_or(0);
                }
                Err(Leaving::Exit)
            }
        }
    }

    /// One round of a loop; false when it ends the loop.
    fn round(&mut self, body: &Statement) -> Result<bool, Leaving> {
        self.step()?;
        match self.statement(body) {
            Ok(()) | Err(Leaving::Continue) => Ok(true),
            Err(Leaving::Break) => Ok(false),
            Err(leaving) => Err(leaving),
        }
    }

    fn print(&mut self, format: bool, values: &[Expression], file: Option<&(bool, Expression)>) -> Flow {
        let mut texts = Vec::new();
        for value in values {
            texts.push(self.value(value)?);
        }
        let text = if format {
            let (first, rest) =
                texts.split_first().map_or((String::new(), &[][..]), |(first, rest)| (first.to_text(), rest));
            printed(&first, rest)
        } else {
            let line = if texts.is_empty() {
                self.record.clone()
            } else {
                texts.iter().map(Value::to_text).collect::<Vec<_>>().join(&self.get("OFS").to_text())
            };
            line + &self.get("ORS").to_text()
        };
        match file {
            None => self.run.print(self.io.out, text.as_bytes()),
            Some((appends, name)) => {
                let name = self.value(name)?.to_text();
                let path = self.run.path(name.as_bytes());
                // Each `print > FILE` of one call adds to the file; only its first empties it.
                let known = self.get(&format!("file {name}")).is_true();
                if !appends && !known {
                    let _ = self.run.files.write(&path, Content::Kept(Vec::new()), true);
                }
                self.set(&format!("file {name}"), Value::Number(1.0));
                // A full disk takes no more.
                let _ = self.run.files.append(&path, text.as_bytes());
            }
        }
        Ok(())
    }

    fn value(&mut self, expression: &Expression) -> Result<Value, Leaving> {
        Ok(match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(Rc::clone(text)),
            Expression::Pattern(regex) => Value::from(regex.is_match(self.record.as_bytes())),
            Expression::Variable(name) if name == "NF" => {
                Value::Number(u32::try_from(self.fields().len()).map_or(0.0, f64::from))
            }
            Expression::Variable(name) => self.get(name),
            Expression::Element(name, index) => {
                let index = self.value(index)?.to_text();
                self.arrays.get(name).and_then(|array| array.get(&index)).cloned().unwrap_or(Value::Nothing)
            }
            Expression::Field(at) => {
                let at = self.value(at)?.to_index();
                self.field(at)
            }
            Expression::Assign(place, operator, value) => {
                let value = self.value(value)?;
                let value = match operator {
                    Some(operator) => self.value(place)?.calculate(operator, &value),
                    None => value,
                };
                self.step()?;
                self.assign(place, value)?
            }
            Expression::Step(place, step, before) => {
                let old = self.value(place)?.to_number();
                let new = self.assign(place, Value::Number(old + step))?;
                if *before { Value::Number(old) } else { new }
            }
            Expression::Unary(sign, value) => {
                let value = self.value(value)?;
                match sign {
                    b'!' => Value::from(!value.is_true()),
                    b'-' => Value::Number(-value.to_number()),
                    _ => Value::Number(value.to_number()),
                }
            }
            Expression::Binary(operator, left, right) => self.binary(operator, left, right)?,
            Expression::Choice(condition, first, second) => {
                let chosen = if self.value(condition)?.is_true() { first } else { second };
                self.value(chosen)?
            }
            Expression::In(index, array) => {
                let index = self.value(index)?.to_text();
                Value::from(self.arrays.get(array).is_some_and(|array| array.contains_key(&index)))
            }
            Expression::Call(name, values) => self.call(name, values)?,
        })
    }

    fn binary(&mut self, operator: &str, left: &Expression, right: &Expression) -> Result<Value, Leaving> {
        let first = self.value(left)?;
        Ok(match operator {
            "&&" => Value::from(first.is_true() && self.value(right)?.is_true()),
            "||" => Value::from(first.is_true() || self.value(right)?.is_true()),
            "~" | "!~" => {
                let fits = self.regex(right)?.is_some_and(|regex| regex.is_match(first.to_text().as_bytes()));
                Value::from(fits == (operator == "~"))
            }
            " " => {
                let text = first.to_text() + &self.value(right)?.to_text();
                self.stored += text.len() / 8;
                self.step()?;
                Value::text(&text)
            }
            "+" | "-" | "*" | "/" | "%" | "^" => first.calculate(operator, &self.value(right)?),
            _ => Value::from(first.compares(operator, &self.value(right)?)),
        })
    }
}
