//! Backslash escapes of `echo -e`, `printf` and `$'...'`.

/// Backslash escapes of `echo -e` and `printf`: octal with or without a leading zero, hexadecimal, the usual letters; `\c` ends all.
pub(super) fn unescape(text: &[u8]) -> (Vec<u8>, bool) {
    unescape_octal(text, 3)
}

/// The same for the format of `printf`, whose leading zero is one of three digits.
pub(super) fn unescape_format(text: &[u8]) -> (Vec<u8>, bool) {
    unescape_octal(text, 2)
}

fn unescape_octal(text: &[u8], after_zero: usize) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&letter, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = after;
        match letter {
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'c' => return (out, true),
            b'e' => out.push(0x1b),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'\\' => out.push(b'\\'),
            b'0' => rest = digits(rest, 8, after_zero, &mut out, 0),
            b'1'..=b'7' => rest = digits(rest, 8, 2, &mut out, u32::from(letter - b'0')),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => rest = digits(rest, 16, 2, &mut out, 0),
            other => out.extend([b'\\', other]),
        }
    }
    (out, false)
}

/// Reads at most this many digits of this base on top of `value`.
fn digits<'t>(mut rest: &'t [u8], base: u32, most: usize, out: &mut Vec<u8>, mut value: u32) -> &'t [u8] {
    for _ in 0..most {
        let Some((&byte, after)) = rest.split_first() else { break };
        let Some(digit) = char::from(byte).to_digit(base) else { break };
        value = value * base + digit;
        rest = after;
    }
    out.push(u8::try_from(value & 0xff).unwrap_or(0));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_busybox_reads_them() {
        for (text, bytes) in [
            (&br"\x6b\x61\x6d\x69/dev"[..], &b"kami/dev"[..]),
            (br"\101\0102\61", b"AB1"),
            (br"\x7fELF\0\377", b"\x7fELF\0\xff"),
            (br"\\n\q\", br"\n\q\"),
            (br"\xzz", br"\xzz"),
            (br"\x4", b"\x04"),
        ] {
            assert_eq!(unescape(text), (bytes.to_vec(), false), "{}", text.escape_ascii());
        }
        assert_eq!(unescape(br"ab\cde"), (b"ab".to_vec(), true));
    }
}
