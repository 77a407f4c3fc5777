//! `sed`: `s`, `y`, `p`, `d`, `q`, `n`, `=`, `a`, `i`, `c`, groups, and addresses by number, `$` and pattern.

use regex::bytes::Regex;

use super::super::run::{Io, Run};
use super::super::tree::Content;
use super::{has_flag, lossy, pattern, usage};

/// Commands of one script.
const MAX_COMMANDS: usize = 128;

/// Which lines a command is for.
enum Address {
    Line(usize),
    Last,
    Fitting(Regex),
}

enum Action {
    Substitute {
        regex: Regex,
        text: Vec<u8>,
        place: usize,
        everywhere: bool,
        prints: bool,
    },
    Transliterate(Vec<(u8, u8)>),
    Print,
    Delete,
    Quit,
    Next,
    Number,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    /// A group: so many commands are skipped where its address does not fit.
    Group(usize),
}

struct Command {
    from: Option<Address>,
    to: Option<Address>,
    negated: bool,
    action: Action,
    /// Within its range.
    open: bool,
}

pub(super) fn sed(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (script, names) = arguments(words);
    let Some(script) = script else { return usage(run, "sed", io) };
    let is_extended = has_flag(words, b'r') || has_flag(words, b'E');
    let mut commands = match (Reader { text: &script, at: 0, is_extended }).commands() {
        Ok(commands) => commands,
        Err(why) => return run.fail(io, words, &why),
    };
    let silent = has_flag(words, b'n');
    let paths: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let (found, status) = run.inputs(io, words, &paths, "");
    let in_place = has_flag(words, b'i');
    let all =
        if in_place { found } else { vec![(Vec::new(), found.into_iter().flat_map(|(_, bytes)| bytes).collect())] };
    for (name, bytes) in all {
        run.charge(bytes.len() * commands.len() / 4_096);
        let text = edited(&bytes, &mut commands, silent);
        if !in_place || name.is_empty() {
            run.print(io.out, &text);
            continue;
        }
        let path = run.path(&name);
        if let Err(fault) = run.files.write(&path, Content::Kept(text), true) {
            return run.fail_at(io, words, "", &name, fault);
        }
    }
    status
}

/// The script, from every `-e` or the first operand, and the files.
fn arguments(words: &[Vec<u8>]) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let mut script: Option<Vec<u8>> = None;
    let mut rest = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-e" => {
                let more = words.next().cloned().unwrap_or_default();
                let so_far = script.take().map(|script| [&script[..], b"\n"].concat()).unwrap_or_default();
                script = Some([so_far, more].concat());
            }
            [b'-', _, ..] => {}
            _ => rest.push(word.clone()),
        }
    }
    if script.is_none() && !rest.is_empty() {
        script = Some(rest.remove(0));
    }
    (script, rest)
}

struct Reader<'s> {
    text: &'s [u8],
    at: usize,
    is_extended: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip(&mut self, bytes: &[u8]) {
        while self.peek().is_some_and(|byte| bytes.contains(&byte)) {
            self.at += 1;
        }
    }

    fn commands(&mut self) -> Result<Vec<Command>, String> {
        let mut commands: Vec<Command> = Vec::new();
        let mut groups = Vec::new();
        loop {
            self.skip(b" \t;\n");
            if self.peek().is_none() {
                break;
            }
            if self.take(b'}') {
                let start: usize = groups.pop().ok_or("unexpected '}'")?;
                let inside = commands.len() - start - 1;
                if let Some(group) = commands.get_mut(start) {
                    group.action = Action::Group(inside);
                }
                continue;
            }
            let command = self.command()?;
            if matches!(command.action, Action::Group(_)) {
                groups.push(commands.len());
            }
            commands.push(command);
            if commands.len() > MAX_COMMANDS {
                return Err("out of memory".to_owned());
            }
        }
        if groups.is_empty() { Ok(commands) } else { Err("unmatched '{'".to_owned()) }
    }

    fn command(&mut self) -> Result<Command, String> {
        let from = self.address()?;
        let to = if from.is_some() && self.take(b',') { self.address()? } else { None };
        self.skip(b" \t");
        let negated = self.take(b'!');
        self.skip(b" \t");
        let letter = self.peek().ok_or("missing command")?;
        self.at += 1;
        let action = match letter {
            b's' => self.substitution()?,
            b'y' => self.transliteration()?,
            b'p' => Action::Print,
            b'd' => Action::Delete,
            b'q' => Action::Quit,
            b'n' => Action::Next,
            b'=' => Action::Number,
            b'a' => Action::Append(self.line()),
            b'i' => Action::Insert(self.line()),
            b'c' => Action::Change(self.line()),
            b'{' => Action::Group(0),
            other => return Err(format!("unsupported command {}", char::from(other))),
        };
        Ok(Command { from, to, negated, action, open: false })
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        let digits = self.text.get(self.at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            let text = lossy(self.text.get(self.at..self.at + digits).unwrap_or_default());
            self.at += digits;
            return Ok(Some(Address::Line(text.parse().unwrap_or(usize::MAX))));
        }
        if self.take(b'$') {
            return Ok(Some(Address::Last));
        }
        let mark = match self.peek() {
            Some(b'/') => b'/',
            Some(b'\\') => {
                self.at += 1;
                self.peek().ok_or("bad address")?
            }
            _ => return Ok(None),
        };
        self.at += 1;
        let text = self.until(mark)?;
        let ignores_case = self.take(b'I');
        let regex = pattern::compile(&lossy(&text), self.is_extended, ignores_case);
        regex.map(|regex| Some(Address::Fitting(regex))).ok_or_else(|| format!("bad regex '{}'", lossy(&text)))
    }

    /// Text up to a mark; the mark is escaped by a backslash.
    fn until(&mut self, mark: u8) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let mut in_set = false;
        loop {
            let byte = self.peek().ok_or("unterminated s")?;
            self.at += 1;
            match byte {
                b'\\' if self.peek() == Some(mark) => {
                    self.at += 1;
                    text.push(mark);
                }
                b'\\' => {
                    text.push(b'\\');
                    text.extend(self.peek());
                    self.at += 1;
                }
                byte if byte == mark && !in_set => return Ok(text),
                _ => {
                    in_set = (in_set || byte == b'[') && byte != b']';
                    text.push(byte);
                }
            }
        }
    }

    fn substitution(&mut self) -> Result<Action, String> {
        let mark = self.peek().ok_or("unterminated s")?;
        self.at += 1;
        let wanted = self.until(mark)?;
        let text = self.until(mark)?;
        let (mut place, mut everywhere, mut prints, mut ignores_case) = (1, false, false, false);
        while let Some(flag) = self.peek() {
            match flag {
                b'g' => everywhere = true,
                b'p' => prints = true,
                b'i' | b'I' => ignores_case = true,
                b'1'..=b'9' => place = usize::from(flag - b'0'),
                _ => break,
            }
            self.at += 1;
        }
        let regex = pattern::compile(&lossy(&wanted), self.is_extended, ignores_case);
        let regex = regex.ok_or_else(|| format!("bad regex '{}'", lossy(&wanted)))?;
        Ok(Action::Substitute { regex, text, place, everywhere, prints })
    }

    fn transliteration(&mut self) -> Result<Action, String> {
        let mark = self.peek().ok_or("unterminated y")?;
        self.at += 1;
        let (from, to) = (self.until(mark)?, self.until(mark)?);
        if from.len() == to.len() {
            Ok(Action::Transliterate(from.into_iter().zip(to).collect()))
        } else {
            Err("y/STRING/STRING/ strings have different lengths".to_owned())
        }
    }

    /// The text of `a`, `i` and `c`: the rest of the line.
    fn line(&mut self) -> Vec<u8> {
        self.skip(b" \t");
        if self.take(b'\\') {
            self.take(b'\n');
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default().to_vec()
    }
}

/// What becomes of a text.
fn edited(bytes: &[u8], commands: &mut [Command], silent: bool) -> Vec<u8> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines: Vec<&[u8]> = if bytes.is_empty() { Vec::new() } else { body.split(|&b| b == b'\n').collect() };
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let mut line = lines.get(at).copied().unwrap_or_default().to_vec();
        let mut appended = Vec::new();
        let (mut is_deleted, mut is_over) = (false, false);
        let mut next = 0;
        while let Some(command) = commands.get_mut(next) {
            next += 1;
            if !is_meant(command, &line, at, lines.len()) {
                if let Action::Group(inside) = command.action {
                    next += inside;
                }
                continue;
            }
            match &command.action {
                Action::Substitute { regex, text, place, everywhere, prints } => {
                    if let Some(changed) = substituted(regex, &line, text, *place, *everywhere) {
                        line = changed;
                        if *prints {
                            push(&mut out, &line);
                        }
                    }
                }
                Action::Transliterate(pairs) => {
                    for byte in &mut line {
                        *byte = pairs.iter().find(|(from, _)| from == byte).map_or(*byte, |(_, to)| *to);
                    }
                }
                Action::Print => push(&mut out, &line),
                Action::Number => push(&mut out, (at + 1).to_string().as_bytes()),
                Action::Append(text) => push(&mut appended, text),
                Action::Insert(text) => push(&mut out, text),
                Action::Change(text) => {
                    push(&mut out, text);
                    is_deleted = true;
                }
                Action::Delete => is_deleted = true,
                Action::Quit => is_over = true,
                Action::Next if at + 1 < lines.len() => {
                    if !silent {
                        push(&mut out, &line);
                    }
                    at += 1;
                    line = lines.get(at).copied().unwrap_or_default().to_vec();
                }
                Action::Next | Action::Group(_) => {}
            }
            if is_deleted || is_over || out.len() > super::super::MAX_OUTPUT {
                break;
            }
        }
        if !silent && !is_deleted {
            push(&mut out, &line);
        }
        out.extend(appended);
        at += 1;
        if is_over || out.len() > super::super::MAX_OUTPUT {
            break;
        }
    }
    if !bytes.ends_with(b"\n") && at >= lines.len() {
        out.pop();
    }
    out
}

fn push(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.push(b'\n');
}

fn is_meant(command: &mut Command, line: &[u8], at: usize, all: usize) -> bool {
    let fits = |address: &Address| match address {
        Address::Line(number) => at + 1 == *number,
        Address::Last => at + 1 == all,
        Address::Fitting(regex) => regex.is_match(line),
    };
    let is_in = match (&command.from, &command.to) {
        (None, _) => true,
        (Some(from), None) => fits(from),
        (Some(_), Some(to)) if command.open => {
            command.open = !fits(to) && !matches!(to, Address::Line(number) if *number <= at + 1);
            true
        }
        (Some(from), Some(to)) => {
            let begins = fits(from);
            command.open = begins && !matches!(to, Address::Line(number) if *number <= at + 1);
            begins
        }
    };
    is_in != command.negated
}

fn substituted(regex: &Regex, line: &[u8], text: &[u8], place: usize, everywhere: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut from = 0;
    let mut changed = false;
    for (count, found) in regex.captures_iter(line).enumerate() {
        let Some(whole) = found.get(0) else { continue };
        if count + 1 < place || (changed && !everywhere) || out.len() > super::super::MAX_OUTPUT {
            continue;
        }
        out.extend_from_slice(line.get(from..whole.start()).unwrap_or_default());
        from = whole.end();
        changed = true;
        let mut rest = text.iter().copied();
        while let Some(byte) = rest.next() {
            match byte {
                b'&' => out.extend_from_slice(whole.as_bytes()),
                b'\\' => match rest.next() {
                    Some(digit @ b'0'..=b'9') => {
                        let group = found.get(usize::from(digit - b'0'));
                        out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
                    }
                    Some(b'n') => out.push(b'\n'),
                    Some(b't') => out.push(b'\t'),
                    other => out.extend(other),
                },
                _ => out.push(byte),
            }
        }
    }
    out.extend_from_slice(line.get(from..).unwrap_or_default());
    changed.then_some(out)
}
