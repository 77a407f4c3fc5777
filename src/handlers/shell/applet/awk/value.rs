//! Values of `awk`: numbers, texts, and texts that look like numbers.

use std::cmp::Ordering;
use std::rc::Rc;

#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    Number(f64),
    Text(Rc<str>),
    /// Text that was read and is a number as well.
    Both(Rc<str>, f64),
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Number(f64::from(u8::from(truth)))
    }
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// What was read: it compares as a number when it is one.
    pub(super) fn read(text: &str) -> Self {
        match text.trim().parse() {
            Ok(number) if text.bytes().all(|b| !b.is_ascii_alphabetic()) => Self::Both(text.into(), number),
            _ => Self::text(text),
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Nothing | Self::Number(_) => 8,
            Self::Text(text) | Self::Both(text, _) => text.len(),
        }
    }

    pub(super) fn to_number(&self) -> f64 {
        match self {
            Self::Nothing => 0.0,
            Self::Number(number) | Self::Both(_, number) => *number,
            Self::Text(text) => {
                let text = text.trim_start();
                let is_part =
                    |(at, c): &(usize, char)| c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '-' | '+'));
                let len = text.char_indices().take_while(is_part).count();
                text.get(..len).and_then(|text| text.parse().ok()).unwrap_or(0.0)
            }
        }
    }

    /// A place, from 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a conversion by `as` saturates")]
    pub(super) fn to_index(&self) -> usize {
        self.to_number() as usize
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Number(number) => shown(*number),
            Self::Text(text) | Self::Both(text, _) => text.to_string(),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Number(number) | Self::Both(_, number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
        }
    }

    pub(super) fn calculate(&self, operator: &str, other: &Self) -> Self {
        let (a, b) = (self.to_number(), other.to_number());
        Self::Number(match operator {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" if b != 0.0 => a / b,
            "%" if b != 0.0 => a % b,
            "^" => a.powf(b),
            _ => 0.0,
        })
    }

    pub(super) fn compares(&self, operator: &str, other: &Self) -> bool {
        let order = match (self, other) {
            (Self::Text(_), _) | (_, Self::Text(_)) => self.to_text().cmp(&other.to_text()),
            _ => self.to_number().partial_cmp(&other.to_number()).unwrap_or(Ordering::Less),
        };
        match operator {
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "!=" => order.is_ne(),
            _ => order.is_eq(),
        }
    }
}

/// Whole numbers without a fraction, others with six digits.
fn shown(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.fract() == 0.0 && number.abs() < 1e16 {
        return format!("{number:.0}");
    }
    let digits = 5.0 - number.abs().log10().floor().clamp(-5.0, 5.0);
    let text = format!("{number:.*}", Value::Number(digits.max(0.0)).to_index());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `printf` of `awk`.
pub(super) fn printed(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let len = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '.' | '+' | '#' | ' ')))
            .unwrap_or(rest.len());
        let (options, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        let Some(kind) = after.chars().next() else { break };
        rest = after.get(kind.len_utf8()..).unwrap_or_default();
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().cloned().unwrap_or(Value::Nothing);
        let (width, precision) =
            options.split_once('.').map_or((options, None), |(width, after)| (width, after.parse::<usize>().ok()));
        let precision = precision.map(|precision| precision.min(64));
        let text = match kind {
            'd' | 'i' => format!("{:.0}", value.to_number().trunc()),
            'f' => format!("{:.*}", precision.unwrap_or(6), value.to_number()),
            'x' => format!("{:x}", value.to_index()),
            'X' => format!("{:X}", value.to_index()),
            'o' => format!("{:o}", value.to_index()),
            'c' => match &value {
                Value::Number(_) => {
                    u8::try_from(value.to_index()).map_or(String::new(), |byte| char::from(byte).to_string())
                }
                _ => value.to_text().chars().take(1).collect(),
            },
            _ => value.to_text().chars().take(precision.unwrap_or(usize::MAX)).collect(),
        };
        out.push_str(&super::super::printf::padded(&text, width));
    }
    out.push_str(rest);
    out
}
