//! The script of `sed`: its commands and their addresses.

use super::super::lossy;
use super::super::pattern::Pattern;

/// Commands of one script.
const MAX_COMMANDS: usize = 128;

/// Bytes of one `y`.
const MAX_PAIRS: usize = 256;

/// Which lines a command is for.
pub(super) enum Address {
    Line(usize),
    Last,
    /// `+N` after a first address: so many lines more.
    Further(usize),
    Fitting(Pattern),
}

pub(super) enum Action {
    Substitute {
        pattern: Pattern,
        text: Vec<u8>,
        place: usize,
        everywhere: bool,
        prints: bool,
        /// `w FILE`
        file: Option<Vec<u8>>,
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
    /// `N`: the next line as well.
    Join,
    /// `D` and `P`: the first line of several.
    DeleteFirst,
    PrintFirst,
    /// `h`, `H`: into the hold space, `g`, `G`: out of it, with capitals after what is there; `x`.
    Hold,
    HoldMore,
    Get,
    GetMore,
    Exchange,
    /// `l`: BusyBox knows it and shows nothing.
    List,
    /// A place that is branched to.
    Label(Vec<u8>),
    /// `b` always, `t` after a substitution; without a label to the end.
    Branch {
        label: Vec<u8>,
        after_change: bool,
    },
    Write(Vec<u8>),
    Read(Vec<u8>),
    /// A group: so many commands are skipped where its address does not fit.
    Group(usize),
}

pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) negated: bool,
    pub(super) action: Action,
    /// Within its range, which ends after so many lines more where `+N` says so.
    pub(super) open: bool,
    pub(super) left: usize,
}

impl Command {
    /// What its patterns have cost, in commands of the shell.
    pub(super) fn cost(&self) -> usize {
        let addresses = [&self.from, &self.to].into_iter().flatten();
        let fitting =
            addresses.filter_map(|address| if let Address::Fitting(pattern) = address { Some(pattern) } else { None });
        let own = if let Action::Substitute { pattern, .. } = &self.action { Some(pattern) } else { None };
        fitting.chain(own).map(Pattern::cost).sum()
    }
}

/// Where a piece of the script comes from.
pub(super) enum Piece {
    Text(Vec<u8>),
    File(Vec<u8>),
}

/// What `sed` is asked for.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) pieces: Vec<Piece>,
    pub(super) files: Vec<Vec<u8>>,
    pub(super) is_silent: bool,
    pub(super) is_extended: bool,
    /// `-i`, with what is put behind the name of the file as it was.
    pub(super) in_place: Option<Vec<u8>>,
}

/// The script, from every `-e` and `-f` or the first operand, the files, and the options.
pub(super) fn arguments(words: &[Vec<u8>]) -> Arguments {
    let mut found = Arguments::default();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
            found.files.push(word.clone());
            continue;
        };
        for (at, letter) in letters.iter().enumerate() {
            let rest = letters.get(at + 1..).unwrap_or_default();
            let mut value = || if rest.is_empty() { words.next().cloned() } else { Some(rest.to_vec()) };
            match letter {
                b'n' => found.is_silent = true,
                b'r' | b'E' => found.is_extended = true,
                b'i' => found.in_place = Some(rest.to_vec()),
                b'e' => found.pieces.extend(value().map(Piece::Text)),
                b'f' => found.pieces.extend(value().map(Piece::File)),
                _ => {}
            }
            if b"ief".contains(letter) {
                break;
            }
        }
    }
    if found.pieces.is_empty() && !found.files.is_empty() {
        found.pieces.push(Piece::Text(found.files.remove(0)));
    }
    found
}

pub(super) struct Reader<'s> {
    pub(super) text: &'s [u8],
    pub(super) at: usize,
    pub(super) is_extended: bool,
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

    pub(super) fn commands(&mut self) -> Result<Vec<Command>, String> {
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
            b'N' => Action::Join,
            b'D' => Action::DeleteFirst,
            b'P' => Action::PrintFirst,
            b'h' => Action::Hold,
            b'H' => Action::HoldMore,
            b'g' => Action::Get,
            b'G' => Action::GetMore,
            b'x' => Action::Exchange,
            b'l' => Action::List,
            b':' => Action::Label(self.label()),
            b'b' => Action::Branch { label: self.label(), after_change: false },
            b't' => Action::Branch { label: self.label(), after_change: true },
            b'w' => Action::Write(self.line()),
            b'r' => Action::Read(self.line()),
            b'{' => Action::Group(0),
            other => return Err(format!("unsupported command {}", char::from(other))),
        };
        Ok(Command { from, to, negated, action, open: false, left: 0 })
    }

    fn address(&mut self) -> Result<Option<Address>, String> {
        let digits = self.text.get(self.at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 {
            let text = lossy(self.text.get(self.at..self.at + digits).unwrap_or_default());
            self.at += digits;
            let line = text.parse().unwrap_or(usize::MAX);
            return Ok(Some(Address::Line(line)));
        }
        if self.take(b'+') {
            return Ok(Some(Address::Further(self.number())));
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
        let pattern = Pattern::new(&lossy(&text), self.is_extended, ignores_case);
        pattern.map(|pattern| Some(Address::Fitting(pattern))).ok_or_else(|| format!("bad regex '{}'", lossy(&text)))
    }

    fn number(&mut self) -> usize {
        let digits = self.text.get(self.at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        let text = lossy(self.text.get(self.at..self.at + digits).unwrap_or_default());
        self.at += digits;
        text.parse().unwrap_or(0)
    }

    /// The name after `:`, `b` and `t`.
    fn label(&mut self) -> Vec<u8> {
        self.skip(b" \t");
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|b| b"\n;}".contains(b)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default().trim_ascii_end().to_vec()
    }

    /// Text up to a mark; the mark is escaped by a backslash.
    fn until(&mut self, mark: u8) -> Result<Vec<u8>, String> {
        let mut text = Vec::new();
        let mut in_set = false;
        loop {
            let byte = self.peek().ok_or_else(|| format!("unmatched '{}'", char::from(mark)))?;
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
        let (mut place, mut everywhere, mut prints, mut ignores_case, mut file) = (1, false, false, false, None);
        while let Some(flag) = self.peek() {
            match flag {
                b'g' => everywhere = true,
                b'p' => prints = true,
                b'i' | b'I' => ignores_case = true,
                b'1'..=b'9' => place = usize::from(flag - b'0'),
                b'w' => {
                    self.at += 1;
                    file = Some(self.line());
                    break;
                }
                _ => break,
            }
            self.at += 1;
        }
        let pattern = Pattern::new(&lossy(&wanted), self.is_extended, ignores_case);
        let pattern = pattern.ok_or_else(|| format!("bad regex '{}'", lossy(&wanted)))?;
        Ok(Action::Substitute { pattern, text, place, everywhere, prints, file })
    }

    fn transliteration(&mut self) -> Result<Action, String> {
        let mark = self.peek().ok_or("unterminated y")?;
        self.at += 1;
        let (from, to) = (self.until(mark)?, self.until(mark)?);
        if from.len() == to.len() && from.len() <= MAX_PAIRS {
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
