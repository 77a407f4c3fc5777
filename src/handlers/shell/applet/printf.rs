//! `printf`.

use super::super::MAX_OUTPUT;
use super::super::escape::{unescape, unescape_format};
use super::super::run::{Io, Run};
use super::lossy;

/// Columns that one number or text may be padded to.
const MAX_WIDTH: usize = 1_024;

/// A text in so many columns: `-` to the left, `0` filled with zeros.
pub(super) fn padded(text: &str, width: &str) -> String {
    let digits = width.trim_start_matches(['-', '+', '#', ' ', '0']);
    let columns = digits.parse().unwrap_or(0_usize).min(MAX_WIDTH);
    let flags = width.get(..width.len() - digits.len()).unwrap_or_default();
    if flags.contains('-') {
        return format!("{text:<columns$}");
    }
    if !flags.contains('0') {
        return format!("{text:>columns$}");
    }
    let (sign, number) = text.split_at(usize::from(text.starts_with('-')));
    format!("{sign}{number:0>rest$}", rest = columns.saturating_sub(sign.len()))
}

/// A number as C writes it, or `'c`: a character's.
fn number(text: &str) -> Option<i64> {
    if let Some(quoted) = text.strip_prefix(['\'', '"']) {
        return Some(quoted.chars().next().map_or(0, |c| i64::from(u32::from(c))));
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let value = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16).ok()?,
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok()?,
        _ => digits.parse().ok()?,
    };
    Some(sign * value)
}

/// The arguments that are left, and what was wrong with those before.
struct Arguments<'w> {
    left: std::slice::Iter<'w, Vec<u8>>,
    wrong: Vec<String>,
}

impl Arguments<'_> {
    fn bytes(&mut self) -> Vec<u8> {
        self.left.next().cloned().unwrap_or_default()
    }

    fn float(&mut self) -> f64 {
        lossy(&self.bytes()).trim().parse().unwrap_or(0.0)
    }

    fn number(&mut self) -> i64 {
        let Some(word) = self.left.next() else { return 0 };
        let text = lossy(word);
        number(text.trim()).unwrap_or_else(|| {
            self.wrong.push(text);
            0
        })
    }
}

/// `%e`: one digit, a point, and an exponent of two digits at least.
fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let Some((number, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{number}e{sign}{exponent:0>2}")
}

/// `%g`: as `%e` or `%f`, whichever is shorter, without zeros at the end.
fn shortest(value: f64, digits: usize) -> String {
    let plain = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    let scientific = scientific(value, digits - 1);
    let Some((number, exponent)) = scientific.split_once('e') else { return scientific };
    let power: i64 = exponent.parse().unwrap_or(0);
    let digits = i64::try_from(digits).unwrap_or(6);
    if power < -4 || power >= digits {
        return format!("{}e{exponent}", plain(number.to_owned()));
    }
    plain(format!("{value:.*}", usize::try_from(digits - 1 - power).unwrap_or(0)))
}

/// One `%` with its options, and the conversion's letter.
fn convert(options: &str, kind: u8, arguments: &mut Arguments<'_>, out: &mut Vec<u8>) {
    let mut options = options.to_owned();
    while let Some(at) = options.find('*') {
        let value = arguments.number().to_string();
        options.replace_range(at..=at, &value);
    }
    let (width, precision) = match options.split_once('.') {
        Some((width, precision)) => (width, precision.parse::<usize>().ok().or(Some(0))),
        None => (options.as_str(), None),
    };
    let alternate = width.contains('#');
    let text = match kind {
        b'%' => return out.push(b'%'),
        b'c' => return out.extend(arguments.bytes().first()),
        b's' | b'b' => {
            let bytes = arguments.bytes();
            let bytes = if kind == b'b' { unescape(&bytes).0 } else { bytes };
            let shown = bytes.get(..precision.unwrap_or(bytes.len()).min(bytes.len())).unwrap_or_default();
            if width.is_empty() {
                return out.extend_from_slice(shown);
            }
            lossy(shown)
        }
        b'd' | b'i' if width.contains('+') => format!("{:+}", arguments.number()),
        b'd' | b'i' => arguments.number().to_string(),
        b'u' => arguments.number().cast_unsigned().to_string(),
        b'x' => format!("{}{:x}", if alternate { "0x" } else { "" }, arguments.number()),
        b'X' => format!("{}{:X}", if alternate { "0X" } else { "" }, arguments.number()),
        b'o' => format!("{}{:o}", if alternate { "0" } else { "" }, arguments.number()),
        b'e' | b'E' => scientific(arguments.float(), precision.unwrap_or(6).min(64)),
        b'g' | b'G' => shortest(arguments.float(), precision.unwrap_or(6).clamp(1, 64)),
        _ => format!("{:.*}", precision.unwrap_or(6).min(64), arguments.float()),
    };
    out.extend(padded(&text, width).bytes());
}

/// `printf FORMAT ARGUMENT...`; the format is used again while arguments are left.
pub(in super::super) fn printf(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let words = words.get(1..).unwrap_or_default();
    let words = words.strip_prefix(&[b"--".to_vec()][..]).unwrap_or(words);
    let Some(format) = words.first() else {
        run.print_line(io.err, "sh: usage: printf FORMAT [ARGUMENT...]");
        return 2;
    };
    let (format, _) = unescape_format(format);
    let mut arguments = Arguments { left: words.get(1..).unwrap_or_default().iter(), wrong: Vec::new() };
    let mut out = Vec::new();
    loop {
        let before = arguments.left.len();
        let mut rest = &format[..];
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            let is_option = |b: &u8| b.is_ascii_digit() || b"-+ #.*".contains(b);
            let len = rest.iter().position(|b| !is_option(b)).unwrap_or(rest.len());
            let (options, after) = rest.split_at_checked(len).unwrap_or((rest, b""));
            let Some((&kind, after)) = after.split_first() else {
                out.push(b'%');
                break;
            };
            if !b"%csbdiuxXofegEGF".contains(&kind) {
                run.print(io.out, &out);
                run.print_line(
                    io.err,
                    &format!("sh: %{}{}: invalid format", lossy(options), lossy(rest.get(len..).unwrap_or_default())),
                );
                return 1;
            }
            convert(&lossy(options), kind, &mut arguments, &mut out);
            rest = after;
        }
        if arguments.left.len() == 0 || arguments.left.len() == before || out.len() > MAX_OUTPUT {
            break;
        }
    }
    for text in &arguments.wrong {
        run.print_line(io.err, &format!("sh: invalid number '{text}'"));
    }
    run.print(io.out, &out);
    u8::from(!arguments.wrong.is_empty())
}
