//! The expression of `find`: tests and actions joined by `-a`, `-o`, `!` and brackets.

use super::super::{lossy, number};

/// Brackets within brackets.
const MAX_DEPTH: u32 = 16;

/// `+N`, `-N` or `N`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measure {
    More(u64),
    Less(u64),
    Exactly(u64),
}

#[derive(Debug)]
pub(super) enum Primary {
    /// Alternatives of what must hold together.
    Group(Vec<Vec<Term>>),
    True,
    Name {
        pattern: Vec<u8>,
        ignores_case: bool,
    },
    Path {
        pattern: Vec<u8>,
        ignores_case: bool,
    },
    Kind(u8),
    Mode {
        sign: u8,
        bits: u16,
    },
    /// In units of so many bytes.
    Size {
        measure: Measure,
        unit: u64,
    },
    Age {
        measure: Measure,
        unit_secs: u64,
    },
    Newer(Vec<u8>),
    Empty,
    Executable,
    User(Vec<u8>),
    Links(Measure),
    /// With this byte after the name.
    Print(u8),
    Prune,
    Quit,
    Delete,
    /// `once`: with all names in one call.
    Execute {
        program: Vec<Vec<u8>>,
        once: bool,
    },
}

#[derive(Debug)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) primary: Primary,
}

/// All that is asked.
#[derive(Debug, Default)]
pub(super) struct Wish {
    pub(super) expression: Vec<Vec<Term>>,
    pub(super) least: usize,
    pub(super) most: Option<usize>,
    pub(super) is_depth_first: bool,
    /// It does something itself: nothing is printed beside.
    pub(super) has_action: bool,
}

/// Reads the words after the directories.
pub(super) fn read(words: &[Vec<u8>]) -> Result<Wish, String> {
    let mut reader = Reader { words: words.iter(), wish: Wish::default(), depth: 0 };
    reader.wish.expression = reader.any(false)?;
    Ok(reader.wish)
}

struct Reader<'w> {
    words: std::slice::Iter<'w, Vec<u8>>,
    wish: Wish,
    depth: u32,
}

impl<'w> Reader<'w> {
    fn value(&mut self, of: &[u8]) -> Result<&'w [u8], String> {
        self.words.next().map(Vec::as_slice).ok_or_else(|| format!("missing argument to {}", lossy(of)))
    }

    /// Alternatives, up to the end, or to a closing bracket.
    fn any(&mut self, in_brackets: bool) -> Result<Vec<Vec<Term>>, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("out of memory".to_owned());
        }
        let mut any = vec![Vec::new()];
        let mut negated = false;
        loop {
            let Some(word) = self.words.next() else {
                if in_brackets {
                    return Err("unpaired '('".to_owned());
                }
                break;
            };
            match word.as_slice() {
                b"!" | b"-not" => negated = !negated,
                b"-a" | b"-and" => {}
                b"-o" | b"-or" => any.push(Vec::new()),
                b")" if in_brackets => break,
                word => {
                    let primary = if word == b"(" { Primary::Group(self.any(true)?) } else { self.primary(word)? };
                    if let Some(all) = any.last_mut() {
                        all.push(Term { negated, primary });
                    }
                    negated = false;
                }
            }
        }
        self.depth -= 1;
        Ok(any)
    }

    fn primary(&mut self, word: &[u8]) -> Result<Primary, String> {
        let measured = |text: &[u8]| {
            let (sign, digits) = match text.split_first() {
                Some((sign @ (b'+' | b'-'), digits)) => (*sign, digits),
                _ => (b'=', text),
            };
            let value = number(digits).ok_or_else(|| format!("invalid number '{}'", lossy(text)))?;
            Ok::<_, String>(match sign {
                b'+' => Measure::More(value),
                b'-' => Measure::Less(value),
                _ => Measure::Exactly(value),
            })
        };
        self.wish.has_action |= matches!(word, b"-print" | b"-print0" | b"-delete" | b"-exec" | b"-ok" | b"-quit");
        Ok(match word {
            b"-name" | b"-iname" => {
                Primary::Name { pattern: self.value(word)?.to_vec(), ignores_case: word == b"-iname" }
            }
            b"-path" | b"-ipath" => {
                Primary::Path { pattern: self.value(word)?.to_vec(), ignores_case: word == b"-ipath" }
            }
            b"-type" => Primary::Kind(self.value(word)?.first().copied().unwrap_or(b'f')),
            b"-perm" => {
                let text = self.value(word)?;
                let (sign, digits) = match text.split_first() {
                    Some((sign @ (b'+' | b'-' | b'/'), digits)) => (*sign, digits),
                    _ => (b'=', text),
                };
                let bits = u16::from_str_radix(&lossy(digits), 8);
                Primary::Mode { sign, bits: bits.map_err(|_| format!("invalid mode '{}'", lossy(text)))? }
            }
            b"-size" => {
                let text = self.value(word)?;
                let (digits, unit) = match text.split_last() {
                    Some((b'c', digits)) => (digits, 1),
                    Some((b'k', digits)) => (digits, 1_024),
                    Some((b'M', digits)) => (digits, 1 << 20),
                    Some((b'b', digits)) => (digits, 512),
                    _ => (text, 512),
                };
                Primary::Size { measure: measured(digits)?, unit }
            }
            b"-mtime" | b"-atime" | b"-ctime" => {
                Primary::Age { measure: measured(self.value(word)?)?, unit_secs: 24 * 3_600 }
            }
            b"-mmin" | b"-amin" | b"-cmin" => Primary::Age { measure: measured(self.value(word)?)?, unit_secs: 60 },
            b"-newer" => Primary::Newer(self.value(word)?.to_vec()),
            b"-user" | b"-group" => Primary::User(self.value(word)?.to_vec()),
            b"-links" => Primary::Links(measured(self.value(word)?)?),
            b"-empty" => Primary::Empty,
            b"-executable" => Primary::Executable,
            b"-print" => Primary::Print(b'\n'),
            b"-print0" => Primary::Print(0),
            b"-prune" => Primary::Prune,
            b"-quit" => Primary::Quit,
            b"-delete" => {
                self.wish.is_depth_first = true;
                Primary::Delete
            }
            b"-exec" | b"-ok" => self.program(),
            b"-maxdepth" | b"-mindepth" => {
                let depth = number(self.value(word)?).and_then(|depth| usize::try_from(depth).ok());
                if word == b"-maxdepth" {
                    self.wish.most = depth;
                } else {
                    self.wish.least = depth.unwrap_or(0);
                }
                Primary::True
            }
            b"-depth" => {
                self.wish.is_depth_first = true;
                Primary::True
            }
            b"-xdev" | b"-mount" | b"-follow" | b"-noleaf" | b"-true" => Primary::True,
            other => return Err(format!("unrecognized: {}", lossy(other))),
        })
    }

    fn program(&mut self) -> Primary {
        let mut program = Vec::new();
        let mut once = false;
        for word in self.words.by_ref() {
            once = word == b"+" && program.last().is_some_and(|last| last == b"{}");
            if once || word == b";" {
                break;
            }
            program.push(word.clone());
        }
        Primary::Execute { program, once }
    }
}
