//! Patterns that refer back to what their groups have taken (`\1`): the library has none of these, so they are tried one way after the
//! other, and not for long.

use std::cell::Cell;

use super::{Places, build};

/// Steps of a pattern's program; what needs more is refused.
const MAX_PROGRAM: usize = 1_024;
/// Groups within groups.
const MAX_DEPTH: u32 = 32;
/// Steps that are tried in all texts together; then nothing fits any more.
const MAX_TRIES: usize = 200_000;
/// Ways that are left to try at a time.
const MAX_WAYS: usize = 4_096;
/// Places that each of them notes.
const MAX_NOTES: usize = 64;
/// Groups that can be referred to, with the whole.
const GROUPS: usize = 10;

#[derive(Debug)]
enum Step {
    /// One of these bytes.
    Byte(Box<[bool; 256]>),
    Start,
    End,
    /// Between a word and what is none.
    Border,
    /// A place is noted: of group `n` the beginning at `2n`, its end after it; of repetitions what they have come to.
    Note(usize),
    /// What was noted there lies behind: a repetition of nothing ends.
    Progress(usize),
    /// The text of this group again.
    Same(usize),
    /// First this way, then that.
    Either(usize, usize),
    Go(usize),
}

/// Where one way of fitting has come to.
#[derive(Debug, Clone)]
struct Way {
    step: usize,
    at: usize,
    notes: Vec<Option<usize>>,
}

/// A compiled pattern.
#[derive(Debug)]
pub(in super::super) struct Referring {
    program: Vec<Step>,
    notes: usize,
    ignores_case: bool,
    tries: Cell<usize>,
}

impl Referring {
    /// Compiles a pattern in the library's syntax; `None` where it is none, or too big.
    pub(super) fn new(pattern: &str, ignores_case: bool) -> Option<Self> {
        let program = Vec::new();
        let mut compiler = Compiler {
            rest: pattern.chars().peekable(),
            program,
            groups: 0,
            notes: 2 * GROUPS,
            depth: 0,
            ignores_case,
        };
        compiler.note(0)?;
        compiler.alternatives()?;
        compiler.note(1)?;
        let Compiler { mut rest, program, notes, .. } = compiler;
        rest.next().is_none().then_some(Self { program, notes, ignores_case, tries: Cell::new(0) })
    }

    /// Steps tried so far.
    pub(super) const fn tries(&self) -> usize {
        self.tries.get()
    }

    /// The first place from here on that fits.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<Places> {
        (from..=text.len()).find_map(|start| self.fit(text, start))
    }

    fn fit(&self, text: &[u8], start: usize) -> Option<Places> {
        let mut ways = vec![Way { step: 0, at: start, notes: vec![None; self.notes] }];
        while let Some(mut way) = ways.pop() {
            while let Some(step) = self.program.get(way.step) {
                self.tries.set(self.tries.get() + 1);
                if self.tries.get() > MAX_TRIES {
                    return None;
                }
                way.step += 1;
                if let Step::Either(first, second) = step {
                    if ways.len() < MAX_WAYS {
                        ways.push(Way { step: *second, ..way.clone() });
                    }
                    way.step = *first;
                } else if !self.goes_on(step, text, &mut way) {
                    break;
                }
                if way.step == self.program.len() {
                    return Some(groups(&way.notes));
                }
            }
        }
        None
    }

    /// One step of one way; false when it does not fit.
    fn goes_on(&self, step: &Step, text: &[u8], way: &mut Way) -> bool {
        let noted = |at: usize| way.notes.get(at).copied().flatten();
        match step {
            Step::Byte(set) => {
                let fits = text.get(way.at).is_some_and(|byte| set.get(usize::from(*byte)).copied().unwrap_or(false));
                way.at += 1;
                fits
            }
            Step::Start => way.at == 0,
            Step::End => way.at == text.len(),
            Step::Border => {
                let is_word = |at: Option<usize>| {
                    at.and_then(|at| text.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                };
                is_word(way.at.checked_sub(1)) != is_word(Some(way.at))
            }
            Step::Note(place) => {
                if let Some(note) = way.notes.get_mut(*place) {
                    *note = Some(way.at);
                }
                true
            }
            Step::Progress(place) => noted(*place) != Some(way.at),
            Step::Same(group) => {
                let Some(taken) = groups(&way.notes).get(*group).cloned().flatten().and_then(|range| text.get(range))
                else {
                    return false;
                };
                let next = text.get(way.at..way.at + taken.len());
                way.at += taken.len();
                next.is_some_and(|next| next == taken || self.ignores_case && next.eq_ignore_ascii_case(taken))
            }
            Step::Go(to) => {
                way.step = *to;
                true
            }
            Step::Either(..) => true,
        }
    }
}

/// The whole and the groups, out of where they begin and end.
fn groups(notes: &[Option<usize>]) -> Places {
    notes
        .chunks(2)
        .take(GROUPS)
        .map(|pair| Some(pair.first().copied().flatten()?..pair.get(1).copied().flatten()?))
        .collect()
}

/// Reads a pattern and writes its program.
struct Compiler<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    program: Vec<Step>,
    groups: usize,
    notes: usize,
    depth: u32,
    ignores_case: bool,
}

impl Compiler<'_> {
    fn add(&mut self, step: Step) -> Option<()> {
        self.program.push(step);
        (self.program.len() <= MAX_PROGRAM).then_some(())
    }

    fn note(&mut self, place: usize) -> Option<()> {
        self.add(Step::Note(place))
    }

    fn alternatives(&mut self) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut ends = Vec::new();
        loop {
            let start = self.program.len();
            while self.rest.peek().is_some_and(|c| !matches!(c, '|' | ')')) {
                self.repeated()?;
            }
            if self.rest.next_if_eq(&'|').is_none() {
                break;
            }
            self.shift(start, 1);
            let next = self.program.len() + 1;
            self.program.insert(start, Step::Either(start + 1, next));
            ends.push(self.program.len());
            self.add(Step::Go(0))?;
        }
        let end = self.program.len();
        for at in ends {
            if let Some(step) = self.program.get_mut(at) {
                *step = Step::Go(end);
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// What begins here moves so many steps on.
    fn shift(&mut self, start: usize, by: usize) {
        for step in self.program.iter_mut().skip(start) {
            match step {
                Step::Either(first, second) => {
                    *first += by;
                    *second += by;
                }
                Step::Go(to) if *to > 0 => *to += by,
                _ => {}
            }
        }
    }

    /// An atom with what says how often it comes.
    fn repeated(&mut self) -> Option<()> {
        let start = self.program.len();
        self.atom()?;
        while let Some((least, most)) = self.bounds() {
            let body: Vec<Step> = self.program.drain(start..).collect();
            for _ in 0..least {
                self.copy(&body, start)?;
            }
            match most {
                Some(most) => {
                    for _ in least..most {
                        let at = self.program.len();
                        self.add(Step::Either(at + 1, at + 1 + body.len()))?;
                        self.copy(&body, start)?;
                    }
                }
                None => self.any_number(&body, start)?,
            }
        }
        Some(())
    }

    fn any_number(&mut self, body: &[Step], start: usize) -> Option<()> {
        let (at, place) = (self.program.len(), self.notes);
        self.notes += 1;
        (self.notes <= MAX_NOTES).then_some(())?;
        self.add(Step::Either(at + 1, at + body.len() + 4))?;
        self.note(place)?;
        self.copy(body, start)?;
        self.add(Step::Progress(place))?;
        self.add(Step::Go(at))
    }

    /// Another copy of steps that once stood at `start`.
    fn copy(&mut self, body: &[Step], start: usize) -> Option<()> {
        let by = self.program.len() - start;
        for step in body {
            self.add(match step {
                Step::Byte(set) => Step::Byte(set.clone()),
                Step::Start => Step::Start,
                Step::End => Step::End,
                Step::Border => Step::Border,
                Step::Note(place) => Step::Note(*place),
                Step::Progress(place) => Step::Progress(*place),
                Step::Same(group) => Step::Same(*group),
                Step::Either(first, second) => Step::Either(first + by, second + by),
                Step::Go(to) => Step::Go(to + by),
            })?;
        }
        Some(())
    }

    /// `*`, `+`, `?`, `{2}`, `{2,}`, `{2,3}`
    fn bounds(&mut self) -> Option<(usize, Option<usize>)> {
        match self.rest.next_if(|c| matches!(c, '*' | '+' | '?' | '{'))? {
            '*' => Some((0, None)),
            '+' => Some((1, None)),
            '?' => Some((0, Some(1))),
            _ => {
                let text: String = std::iter::from_fn(|| self.rest.next_if(|c| *c != '}')).collect();
                self.rest.next();
                let (least, most) = text.split_once(',').unwrap_or((&text, &text));
                let most = if most.is_empty() { None } else { Some(most.parse().ok()?) };
                Some((least.parse().unwrap_or(0), most)).filter(|(least, _)| *least <= MAX_PROGRAM)
            }
        }
    }

    fn atom(&mut self) -> Option<()> {
        match self.rest.next()? {
            '(' => self.group(),
            '^' => self.add(Step::Start),
            '$' => self.add(Step::End),
            '.' => self.class("."),
            '[' => {
                let mut text = "[".to_owned();
                self.set(&mut text)?;
                self.class(&text)
            }
            '\\' => match self.rest.next()? {
                digit @ '1'..='9' => {
                    let group = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok())?;
                    (group <= self.groups).then_some(())?;
                    self.add(Step::Same(group))
                }
                'b' => self.add(Step::Border),
                letter if letter.is_ascii_alphanumeric() => self.class(&format!("\\{letter}")),
                other => self.literal(other),
            },
            other => self.literal(other),
        }
    }

    fn group(&mut self) -> Option<()> {
        if self.rest.next_if_eq(&'?').is_some() {
            self.rest.next_if_eq(&':')?;
            self.alternatives()?;
        } else {
            self.groups += 1;
            let group = self.groups;
            let is_kept = group < GROUPS;
            if is_kept {
                self.note(2 * group)?;
            }
            self.alternatives()?;
            if is_kept {
                self.note(2 * group + 1)?;
            }
        }
        self.rest.next_if_eq(&')').map(drop)
    }

    /// What is left of a set in brackets, as it stands.
    fn set(&mut self, text: &mut String) -> Option<()> {
        loop {
            let c = self.rest.next()?;
            text.push(c);
            match c {
                '\\' => text.push(self.rest.next()?),
                '[' => self.set(text)?,
                ']' => return Some(()),
                _ => {}
            }
        }
    }

    /// The bytes that the library takes for this.
    fn class(&mut self, text: &str) -> Option<()> {
        let regex = build(&format!("^{text}$"), self.ignores_case)?;
        let mut set = Box::new([false; 256]);
        for (byte, is_in) in (0..=u8::MAX).zip(set.iter_mut()) {
            *is_in = regex.is_match(&[byte]);
        }
        self.add(Step::Byte(set))
    }

    fn literal(&mut self, c: char) -> Option<()> {
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            let mut set = Box::new([false; 256]);
            for (other, is_in) in (0..=u8::MAX).zip(set.iter_mut()) {
                *is_in = other == byte || self.ignores_case && other.eq_ignore_ascii_case(&byte);
            }
            self.add(Step::Byte(set))?;
        }
        Some(())
    }
}
