//! One line being typed: as the terminal edits it while a program reads (termios `ICANON`), or as BusyBox's shell does at its prompt
//! (libbb `lineedit.c`): the cursor moves, earlier lines come back, names are completed.

use std::collections::VecDeque;

use super::super::MAX_LINE;
use super::super::applet::columns;

const BELL: u8 = 0x07;
/// Clears from the cursor to the end (ECMA-48 8.3.39).
const CLEAR_REST: &[u8] = b"\x1b[J";

/// What a byte from the visitor completes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::handlers) enum Key {
    Nothing,
    /// A line, without its end.
    Line(Vec<u8>),
    /// `^C`
    Interrupt,
    /// `^D` at the beginning of a line.
    EndOfInput,
    /// Tab; `again` when the key before was one.
    Complete {
        again: bool,
    },
}

/// Who edits the line.
#[derive(Debug, Clone, Copy)]
pub(in crate::handlers) enum Manner<'h> {
    /// The terminal; with `echoes` what is typed is shown.
    Terminal { echoes: bool },
    /// The shell, with its earlier lines.
    Shell { history: &'h VecDeque<Vec<u8>> },
}

/// Where a sequence of a function key stands (ECMA-48 5.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After ESC.
    Started,
    /// After `ESC [`, up to a final byte; the first parameter.
    Sequence(u8),
    /// After `ESC O`: one byte.
    Single,
}

/// One line being typed.
#[derive(Debug, Default)]
pub(in crate::handlers) struct Editor {
    line: Vec<u8>,
    /// Where the next byte goes.
    cursor: usize,
    /// How many lines back the one on the screen was taken from; 0: it is new.
    back: usize,
    /// A line feed or NUL that follows belongs to the carriage return before (RFC 854, "The NVT printer and keyboard").
    after_return: bool,
    after_tab: bool,
    escape: Escape,
    is_stale: bool,
}

impl Editor {
    /// Takes one byte as the terminal does; with `echoes` it is shown.
    pub(in crate::handlers) fn cooked(&mut self, byte: u8, echoes: bool, out: &mut Vec<u8>) -> Key {
        self.byte(byte, Manner::Terminal { echoes }, out)
    }

    /// Takes one byte.
    pub(in crate::handlers) fn byte(&mut self, byte: u8, manner: Manner<'_>, out: &mut Vec<u8>) -> Key {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        if after_return && matches!(byte, b'\n' | 0) {
            return Key::Nothing;
        }
        let again = std::mem::replace(&mut self.after_tab, byte == b'\t');
        if self.escape != Escape::None {
            self.function_key(byte, manner, out);
            return Key::Nothing;
        }
        match (byte, manner) {
            (b'\r' | b'\n', _) => {
                if let Manner::Shell { .. } = manner {
                    self.move_to(self.line.len(), out);
                }
                out.extend_from_slice(b"\r\n");
                return Key::Line(self.take());
            }
            (0x03, _) => {
                out.extend_from_slice(b"^C\r\n");
                self.take();
                return Key::Interrupt;
            }
            (0x04, _) if self.line.is_empty() => {
                out.extend_from_slice(if matches!(manner, Manner::Shell { .. }) { b"\r\n" } else { b"" });
                return Key::EndOfInput;
            }
            (0x1b, _) => self.escape = Escape::Started,
            (b'\t', Manner::Shell { .. }) => return Key::Complete { again },
            (0..=0x1f | 0x7f, Manner::Shell { history }) => self.control(byte, history, out),
            (0x08 | 0x7f, Manner::Terminal { echoes }) => self.erase_one(echoes, out),
            (0x15, Manner::Terminal { echoes }) => self.erase_all(echoes, out),
            (0..=0x1f, _) if byte != b'\t' => {}
            (_, Manner::Terminal { echoes: false }) => self.insert(byte, &mut Vec::new()),
            _ => self.insert(byte, out),
        }
        Key::Nothing
    }

    /// What there is of a line; the next is empty.
    pub(in crate::handlers) fn take(&mut self) -> Vec<u8> {
        (self.cursor, self.back) = (0, 0);
        std::mem::take(&mut self.line)
    }

    /// Takes back the last character (termios VERASE).
    fn erase_one(&mut self, echoes: bool, out: &mut Vec<u8>) {
        if self.line.pop().is_some() && echoes {
            out.extend_from_slice(b"\x08 \x08");
        }
        self.cursor = self.cursor.min(self.line.len());
    }

    /// Takes back the line (termios VKILL).
    fn erase_all(&mut self, echoes: bool, out: &mut Vec<u8>) {
        while !self.line.is_empty() {
            self.erase_one(echoes, out);
        }
        self.take();
    }

    /// The line is not what the screen shows: [`Editor::redraw`] is wanted.
    pub(super) const fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Shows prompt and line anew.
    pub(super) fn redraw(&mut self, prompt: &str, out: &mut Vec<u8>) {
        self.is_stale = false;
        out.extend([b"\r", prompt.as_bytes(), &self.line, CLEAR_REST].concat());
        go_back(self.line.len() - self.cursor, out);
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> &[u8] {
        self.line.get(..self.cursor).unwrap_or_default()
    }

    /// Completes the name that begins at `start` to what all these have in common; shows them when asked again.
    pub(super) fn complete(&mut self, start: usize, names: &[Vec<u8>], again: bool, prompt: &str, out: &mut Vec<u8>) {
        let (Some(first), typed) = (names.first(), self.cursor.saturating_sub(start)) else {
            return out.push(BELL);
        };
        if again && names.len() > 1 {
            out.extend_from_slice(b"\r\n");
            super::print(&columns(names), out);
            return self.redraw(prompt, out);
        }
        let same = |name: &Vec<u8>| first.iter().zip(name).take_while(|(a, b)| a == b).count();
        let mut known = first.get(..names.iter().map(same).min().unwrap_or(0)).unwrap_or_default().to_vec();
        if names.len() > 1 {
            out.push(BELL);
        } else if !known.ends_with(b"/") {
            known.push(b' ');
        }
        if known.is_empty() {
            return;
        }
        let more = known.get(typed..).unwrap_or_default();
        if self.line.len() + more.len() <= MAX_LINE {
            self.line.splice(self.cursor..self.cursor, more.iter().copied());
            self.cursor += more.len();
        }
        self.redraw(prompt, out);
    }

    fn after_cursor(&self) -> &[u8] {
        self.line.get(self.cursor..).unwrap_or_default()
    }

    fn insert(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.line.len() < MAX_LINE {
            self.line.insert(self.cursor, byte);
            out.extend_from_slice(self.after_cursor());
            self.cursor += 1;
            go_back(self.line.len() - self.cursor, out);
        }
    }

    /// A control key at the shell's prompt.
    fn control(&mut self, byte: u8, history: &VecDeque<Vec<u8>>, out: &mut Vec<u8>) {
        match byte {
            0x01 => self.move_to(0, out),
            0x02 => self.move_to(self.cursor.saturating_sub(1), out),
            0x04 => self.delete(out),
            0x05 => self.move_to(self.line.len(), out),
            0x06 => self.move_to(self.cursor + 1, out),
            0x08 | 0x7f => self.backspace(out),
            0x0b => {
                self.line.truncate(self.cursor);
                out.extend_from_slice(CLEAR_REST);
            }
            0x0c => {
                out.extend_from_slice(b"\x1b[H\x1b[J");
                self.is_stale = true;
            }
            0x0e => self.recall(self.back.checked_sub(1), history, out),
            0x10 => self.recall(Some(self.back + 1), history, out),
            0x15 => {
                self.line.drain(..self.cursor);
                self.cursor = 0;
                self.is_stale = true;
            }
            0x17 => {
                let start = self.word_before();
                while self.cursor > start {
                    self.backspace(out);
                }
            }
            _ => {}
        }
    }

    fn function_key(&mut self, byte: u8, manner: Manner<'_>, out: &mut Vec<u8>) {
        let escape = std::mem::take(&mut self.escape);
        let key = match (escape, byte) {
            (Escape::Started, b'[') => {
                self.escape = Escape::Sequence(0);
                return;
            }
            (Escape::Started, b'O') => {
                self.escape = Escape::Single;
                return;
            }
            (Escape::Sequence(first), ..=0x3f) => {
                self.escape = Escape::Sequence(if first == 0 { byte } else { first });
                return;
            }
            (Escape::Sequence(first), b'~') => first,
            _ => byte,
        };
        let Manner::Shell { history } = manner else { return };
        match (escape, key) {
            (Escape::Started, b'b') => self.move_to(self.word_before(), out),
            (Escape::Started, b'f') => self.move_to(self.word_after(), out),
            (Escape::Started, 0x08 | 0x7f) => self.control(0x17, history, out),
            (Escape::Started, _) => {}
            (_, b'A') => self.control(0x10, history, out),
            (_, b'B') => self.control(0x0e, history, out),
            (_, b'C') => self.control(0x06, history, out),
            (_, b'D') => self.control(0x02, history, out),
            (_, b'H' | b'1' | b'7') => self.control(0x01, history, out),
            (_, b'F' | b'4' | b'8') => self.control(0x05, history, out),
            (_, b'3') => self.delete(out),
            _ => {}
        }
    }

    fn move_to(&mut self, to: usize, out: &mut Vec<u8>) {
        let to = to.min(self.line.len());
        match self.line.get(self.cursor..to) {
            Some(passed) => out.extend_from_slice(passed),
            None => go_back(self.cursor - to, out),
        }
        self.cursor = to;
    }

    fn backspace(&mut self, out: &mut Vec<u8>) {
        if self.cursor > 0 {
            self.move_to(self.cursor - 1, out);
            self.delete(out);
        }
    }

    fn delete(&mut self, out: &mut Vec<u8>) {
        if self.cursor < self.line.len() {
            self.line.remove(self.cursor);
            out.extend([self.after_cursor(), CLEAR_REST].concat());
            go_back(self.line.len() - self.cursor, out);
        }
    }

    /// Where the word before the cursor begins.
    fn word_before(&self) -> usize {
        let before = self.before_cursor().trim_ascii_end();
        before.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1)
    }

    /// Where the word after the cursor ends.
    fn word_after(&self) -> usize {
        let after = self.after_cursor();
        let blanks = after.len() - after.trim_ascii_start().len();
        let rest = after.get(blanks..).unwrap_or_default();
        self.cursor + blanks + rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len())
    }

    /// Shows the line of so many lines back.
    fn recall(&mut self, back: Option<usize>, history: &VecDeque<Vec<u8>>, out: &mut Vec<u8>) {
        let Some(back) = back.filter(|back| *back <= history.len()) else {
            return out.push(BELL);
        };
        self.back = back;
        self.line = history.get(history.len() - back).cloned().unwrap_or_default();
        self.cursor = self.line.len();
        self.is_stale = true;
    }
}

/// Takes the cursor back: BusyBox counts up to four steps out.
fn go_back(steps: usize, out: &mut Vec<u8>) {
    match steps {
        0..=4 => out.extend(std::iter::repeat_n(0x08, steps)),
        _ => out.extend(format!("\x1b[{steps}D").bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these bytes show at the prompt `# `, and the line that they make.
    fn typed(bytes: &[u8], earlier: &[&str]) -> (String, String) {
        let history: VecDeque<Vec<u8>> = earlier.iter().map(|line| line.as_bytes().to_vec()).collect();
        let (mut editor, mut out) = (Editor::default(), Vec::new());
        for &byte in bytes {
            editor.byte(byte, Manner::Shell { history: &history }, &mut out);
            if editor.is_stale() {
                editor.redraw("# ", &mut out);
            }
        }
        (String::from_utf8(out).unwrap(), String::from_utf8(editor.line).unwrap())
    }

    #[test]
    fn keys_at_the_prompt_show_what_busybox_shows() {
        for (keys, shown, line) in [
            ("ab\x7f\x08", "ab\x08\x1b[J\x08\x1b[J", ""),
            ("abc\x1b[D\x1b[DX", "abc\x08\x08Xbc\x08\x08", "aXbc"),
            ("echo abc\x01#\x05Z", "echo abc\x1b[8D#echo abc\x1b[8Decho abcZ", "#echo abcZ"),
            ("ab cd\x17\x15", "ab cd\x08\x1b[J\x08\x1b[J\r# \x1b[J", ""),
            ("abc\x1b[H\x1b[3~\x1b[F", "abc\x08\x08\x08bc\x1b[J\x08\x08bc", "bc"),
            ("a\x02\x02b\x06c\x0b", "a\x08ba\x08ac\x1b[J", "bac"),
            ("ls\x0c", "ls\x1b[H\x1b[J\r# ls\x1b[J", "ls"),
            ("x y\x1bb\x1bf", "x y\x08y", "x y"),
            ("abc\x04", "abc", "abc"),
            ("\x1bOAx\x1bOD", "\x07x\x08", "x"),
        ] {
            assert_eq!(typed(keys.as_bytes(), &[]), (shown.to_owned(), line.to_owned()), "{keys:?}");
        }
    }

    #[test]
    fn earlier_lines_come_back() {
        let (shown, line) = typed(b"\x1b[A\x1b[A\x1b[A\x1b[B", &["one", "two"]);
        assert_eq!(shown, "\r# two\x1b[J\r# one\x1b[J\x07\r# two\x1b[J");
        assert_eq!(line, "two");
    }
}
