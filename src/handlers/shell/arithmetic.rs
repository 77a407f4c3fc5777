//! `$((...))`, `let`: the operators of C over 64-bit numbers (POSIX.1-2017, Shell Command Language 2.6.4).

/// Brackets, signs and conditions within one another.
const MAX_DEPTH: u32 = 32;

/// Why there is no result, in the shell's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Syntax,
    DivideByZero,
    Exponent,
}

impl Fault {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Syntax => "arithmetic syntax error",
            Self::DivideByZero => "divide by zero",
            Self::Exponent => "exponent less than 0",
        }
    }
}

/// Where names have their values.
pub(super) trait Variables {
    fn value(&self, name: &[u8]) -> i64;
    fn assign(&mut self, name: &[u8], value: i64);
}

/// The number that a variable's text means: 0 where it means none.
pub(super) fn number(text: &[u8]) -> i64 {
    let text = std::str::from_utf8(text).unwrap_or_default().trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let value = constant(digits).unwrap_or(0);
    if negative { value.wrapping_neg() } else { value }
}

/// Decimal, `0x` hexadecimal, `0` octal, `BASE#DIGITS`.
fn constant(text: &str) -> Option<i64> {
    if let Some((base, digits)) = text.split_once('#') {
        let base = base.parse().ok().filter(|base| (2..=36).contains(base))?;
        return i64::from_str_radix(digits, base).ok();
    }
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// Evaluates an expression; an empty one is 0.
pub(super) fn evaluate(text: &[u8], variables: &mut dyn Variables) -> Result<i64, Fault> {
    let mut sum = Sum { text, at: 0, depth: 0, variables, silent: 0 };
    if sum.peek().is_none() {
        return Ok(0);
    }
    let value = sum.list()?;
    if sum.peek().is_none() { Ok(value) } else { Err(Fault::Syntax) }
}

/// Binary operators with how strongly they bind; longer ones before their beginnings.
const BINARY: [(&str, u8); 19] = [
    ("**", 11),
    ("||", 1),
    ("&&", 2),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

struct Sum<'t> {
    text: &'t [u8],
    at: usize,
    depth: u32,
    variables: &'t mut dyn Variables,
    /// Within what `&&`, `||` and `?:` do not evaluate: nothing is assigned there, and nothing divides by zero.
    silent: u32,
}

impl Sum<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, operator: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(operator.as_bytes());
        self.at += if found { operator.len() } else { 0 };
        found
    }

    fn list(&mut self) -> Result<i64, Fault> {
        let mut value = self.assignment()?;
        while self.take(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn deeper<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R, Fault>) -> Result<R, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Syntax);
        }
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn assignment(&mut self) -> Result<i64, Fault> {
        let start = self.at;
        if let Some(name) = self.name() {
            for (operator, _) in BINARY.iter().filter(|(_, binding)| !matches!(binding, 1 | 2 | 6 | 7)) {
                let after = self.at;
                if self.take(operator) && self.rest().starts_with(b"=") {
                    self.at += 1;
                    let old = self.variables.value(&name);
                    let value = self.deeper(Self::assignment)?;
                    let value = self.apply(operator, old, value)?;
                    return Ok(self.set(&name, value));
                }
                self.at = after;
            }
            if self.peek() == Some(b'=') && !self.rest().starts_with(b"==") {
                self.at += 1;
                let value = self.deeper(Self::assignment)?;
                return Ok(self.set(&name, value));
            }
        }
        self.at = start;
        self.choice()
    }

    fn set(&mut self, name: &[u8], value: i64) -> i64 {
        if self.silent == 0 {
            self.variables.assign(name, value);
        }
        value
    }

    fn choice(&mut self) -> Result<i64, Fault> {
        let condition = self.binary(1)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let first = self.when(condition != 0, |sum| sum.deeper(Self::assignment))?;
        if !self.take(":") {
            return Err(Fault::Syntax);
        }
        let second = self.when(condition == 0, |sum| sum.deeper(Self::assignment))?;
        Ok(if condition != 0 { first } else { second })
    }

    fn when(&mut self, counts: bool, work: impl FnOnce(&mut Self) -> Result<i64, Fault>) -> Result<i64, Fault> {
        self.silent += u32::from(!counts);
        let result = work(self);
        self.silent -= u32::from(!counts);
        result
    }

    /// Operators that bind at least so strongly.
    fn binary(&mut self, least: u8) -> Result<i64, Fault> {
        let mut value = self.unary()?;
        loop {
            self.peek();
            let rest = self.rest();
            let found = BINARY.iter().find(|(operator, _)| rest.starts_with(operator.as_bytes()));
            let Some(&(operator, binding)) = found.filter(|(_, binding)| *binding >= least) else { return Ok(value) };
            self.at += operator.len();
            let counts = match operator {
                "&&" => value != 0,
                "||" => value == 0,
                _ => true,
            };
            let right = self.when(counts, |sum| sum.deeper(|sum| sum.binary(binding + 1)))?;
            value = self.apply(operator, value, right)?;
        }
    }

    fn apply(&self, operator: &str, a: i64, b: i64) -> Result<i64, Fault> {
        let shift = u32::try_from(b & 63).unwrap_or(0);
        Ok(match operator {
            "||" => i64::from(a != 0 || b != 0),
            "&&" => i64::from(a != 0 && b != 0),
            "==" => i64::from(a == b),
            "!=" => i64::from(a != b),
            "<=" => i64::from(a <= b),
            ">=" => i64::from(a >= b),
            "<" => i64::from(a < b),
            ">" => i64::from(a > b),
            "<<" => a.wrapping_shl(shift),
            ">>" => a.wrapping_shr(shift),
            "|" => a | b,
            "^" => a ^ b,
            "&" => a & b,
            "+" => a.wrapping_add(b),
            "-" => a.wrapping_sub(b),
            "*" => a.wrapping_mul(b),
            "**" if b < 0 => return Err(Fault::Exponent),
            "**" => a.wrapping_pow(u32::try_from(b).unwrap_or(u32::MAX)),
            _ if b == 0 && self.silent > 0 => 0,
            _ if b == 0 => return Err(Fault::DivideByZero),
            "/" => a.wrapping_div(b),
            _ => a.wrapping_rem(b),
        })
    }

    fn unary(&mut self) -> Result<i64, Fault> {
        for (operator, step) in [("++", 1), ("--", -1)] {
            let start = self.at;
            if self.take(operator) {
                self.peek();
                if let Some(name) = self.name() {
                    let value = self.variables.value(&name).wrapping_add(step);
                    return Ok(self.set(&name, value));
                }
                self.at = start;
            }
        }
        match self.peek().ok_or(Fault::Syntax)? {
            sign @ (b'-' | b'+' | b'!' | b'~') => {
                self.at += 1;
                let value = self.deeper(Self::unary)?;
                Ok(match sign {
                    b'-' => value.wrapping_neg(),
                    b'!' => i64::from(value == 0),
                    b'~' => !value,
                    _ => value,
                })
            }
            b'(' => {
                self.at += 1;
                let value = self.deeper(Self::list)?;
                if self.take(")") { Ok(value) } else { Err(Fault::Syntax) }
            }
            _ => self.operand(),
        }
    }

    fn operand(&mut self) -> Result<i64, Fault> {
        if let Some(name) = self.name() {
            let value = self.variables.value(&name);
            for (operator, step) in [("++", 1), ("--", -1)] {
                if self.take(operator) {
                    self.set(&name, value.wrapping_add(step));
                    break;
                }
            }
            return Ok(value);
        }
        let len = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'#').count();
        let text = self.rest().get(..len).unwrap_or_default();
        let value = std::str::from_utf8(text).ok().and_then(constant).ok_or(Fault::Syntax)?;
        self.at += len;
        Ok(value)
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        self.peek().filter(|b| b.is_ascii_alphabetic() || *b == b'_')?;
        let len = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = self.rest().get(..len)?.to_vec();
        self.at += len;
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Variables for BTreeMap<Vec<u8>, i64> {
        fn value(&self, name: &[u8]) -> i64 {
            self.get(name).copied().unwrap_or(0)
        }

        fn assign(&mut self, name: &[u8], value: i64) {
            self.insert(name.to_vec(), value);
        }
    }

    #[test]
    fn what_is_not_chosen_neither_assigns_nor_fails() {
        let mut variables = BTreeMap::new();
        for (text, expected) in [
            (&b"0 && 1/0"[..], Ok(0)),
            (b"1 ? 2 : (x = 3)", Ok(2)),
            (b"x", Ok(0)),
            (b"1/0", Err(Fault::DivideByZero)),
            (b"1 +", Err(Fault::Syntax)),
            (b"  ", Ok(0)),
        ] {
            assert_eq!(evaluate(text, &mut variables), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn brackets_without_end_are_refused() {
        let mut variables = BTreeMap::new();
        assert_eq!(evaluate(&b"(".repeat(8_000), &mut variables), Err(Fault::Syntax));
        assert_eq!(evaluate(&b"-".repeat(8_001), &mut variables), Err(Fault::Syntax));
        assert_eq!(evaluate(&b"1?".repeat(4_000), &mut variables), Err(Fault::Syntax));
    }
}
