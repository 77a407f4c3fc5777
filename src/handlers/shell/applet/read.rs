//! `read`.

use super::super::run::{Io, Run};
use super::number;

/// What `read` is asked for.
#[derive(Default)]
struct Wish<'w> {
    is_raw: bool,
    /// `-n`: so many bytes are enough.
    most: Option<usize>,
    /// `-d`: the line ends here.
    end: Option<u8>,
    is_probe: bool,
    prompt: Option<&'w [u8]>,
    names: Vec<&'w [u8]>,
}

fn wish(words: &[Vec<u8>]) -> Wish<'_> {
    let mut wish = Wish::default();
    let mut rest = words.iter().skip(1).map(Vec::as_slice);
    while let Some(word) = rest.next() {
        let Some(letters) = word.strip_prefix(b"-").filter(|letters| !letters.is_empty() && wish.names.is_empty())
        else {
            wish.names.push(word);
            continue;
        };
        for (at, letter) in letters.iter().enumerate() {
            if matches!(letter, b'r' | b's') {
                wish.is_raw |= *letter == b'r';
                continue;
            }
            let attached = letters.get(at + 1..).filter(|value| !value.is_empty());
            let value = attached.or_else(|| rest.next()).unwrap_or_default();
            match letter {
                b'n' | b'N' => wish.most = number(value).and_then(|most| usize::try_from(most).ok()),
                b'd' => wish.end = Some(value.first().copied().unwrap_or(0)),
                b'p' => wish.prompt = Some(value),
                b't' => wish.is_probe = number(value) == Some(0),
                _ => {}
            }
            break;
        }
    }
    wish
}

/// The line, without its end and, unless they mean themselves, without backslashes; whether its end was there.
fn line(run: &mut Run<'_, '_>, wish: &Wish<'_>, io: Io) -> Option<(Vec<u8>, bool)> {
    let mut line = Vec::new();
    let mut after_backslash = false;
    let end = wish.end.unwrap_or(b'\n');
    while wish.most.is_none_or(|most| line.len() < most) {
        let Some(byte) = run.read_byte(io) else { return (!line.is_empty()).then_some((line, false)) };
        match byte {
            _ if after_backslash => {
                after_backslash = false;
                if byte != b'\n' {
                    line.push(byte);
                }
            }
            b'\\' if !wish.is_raw => after_backslash = true,
            byte if byte == end => return Some((line, true)),
            0 => {}
            byte => line.push(byte),
        }
    }
    Some((line, true))
}

/// `read NAME...`: the last name gets the rest of the line; NUL bytes are dropped, as shells do.
pub(super) fn read(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let wish = wish(words);
    if wish.is_probe {
        return 0;
    }
    if let Some(prompt) = wish.prompt.filter(|_| io.input == super::super::run::TERMINAL) {
        run.print(io.err, prompt);
    }
    let Some((line, is_whole)) = line(run, &wish, io) else {
        for name in &wish.names {
            run.set_variable(name, Vec::new());
        }
        return 1;
    };
    let names = if wish.names.is_empty() { vec![&b"REPLY"[..]] } else { wish.names };
    let separators = run.variable(b"IFS").unwrap_or_else(|| b" \t\n".to_vec());
    let is_separator = |byte: &u8| separators.contains(byte);
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() && separators.contains(byte);
    let trimmed = |text: &[u8]| {
        let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
        text.get(start..).unwrap_or_default().to_vec()
    };
    let mut rest = trimmed(&line);
    for (at, name) in names.iter().enumerate() {
        let is_last = at + 1 == names.len();
        let end = if is_last { None } else { rest.iter().position(is_separator) };
        let mut value = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().to_vec();
        while is_last && value.last().is_some_and(is_blank) {
            value.pop();
        }
        rest = trimmed(rest.get(end.map_or(rest.len(), |end| end + 1)..).unwrap_or_default());
        run.set_variable(name, value);
    }
    u8::from(!is_whole)
}
