//! DEFLATE (RFC 1951) and its gzip envelope (RFC 1952): all of it is read, and written without compression.

/// Bits of the longest code (RFC 1951, 3.2.7).
const MAX_BITS: usize = 15;

/// Bits, from the lowest of each byte.
struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (self.at % 8) & 1;
        self.at += 1;
        Some(usize::from(bit))
    }

    fn number(&mut self, bits: usize) -> Option<usize> {
        let mut number = 0;
        for at in 0..bits {
            number |= self.bit()? << at;
        }
        Some(number)
    }

    fn whole_byte(&mut self) -> usize {
        self.at = self.at.div_ceil(8) * 8;
        self.at / 8
    }
}

/// A code: how many symbols each length has, and the symbols in the order of their codes (RFC 1951, 3.2.2).
struct Code {
    counts: [usize; MAX_BITS + 1],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; MAX_BITS + 1];
        let mut symbols = Vec::new();
        for length in 1..=MAX_BITS {
            let before = symbols.len();
            symbols.extend(lengths.iter().enumerate().filter(|(_, own)| **own == length).map(|(symbol, _)| symbol));
            if let Some(count) = counts.get_mut(length) {
                *count = symbols.len() - before;
            }
        }
        Self { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in self.counts.iter().skip(1) {
            code |= bits.bit()?;
            if code < first + count {
                return self.symbols.get(index + code.checked_sub(first)?).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// What was compressed, up to so many bytes; `None` where it is broken.
pub(super) fn inflate(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, at: 0 };
    let mut out = Vec::new();
    loop {
        let is_last = bits.bit()? == 1;
        match bits.number(2)? {
            0 => {
                let at = bits.whole_byte();
                let length =
                    bytes.get(at..at + 2).map(|pair| pair.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))?;
                out.extend_from_slice(bytes.get(at + 4..at + 4 + length)?);
                bits.at = (at + 4 + length) * 8;
            }
            1 => {
                let lengths: Vec<usize> = (0..288)
                    .map(|n| {
                        if n < 144 {
                            8
                        } else if n < 256 {
                            9
                        } else if n < 280 {
                            7
                        } else {
                            8
                        }
                    })
                    .collect();
                block(&mut bits, &Code::new(&lengths), &Code::new(&[5; 30]), &mut out, most)?;
            }
            2 => {
                let (literals, distances) = codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut out, most)?;
            }
            _ => return None,
        }
        if out.len() > most {
            out.truncate(most);
            return Some(out);
        }
        if is_last {
            return Some(out);
        }
    }
}

/// The codes at the beginning of a block (RFC 1951, 3.2.7).
fn codes(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, count) = (bits.number(5)? + 257, bits.number(5)? + 1, bits.number(4)? + 4);
    let mut lengths = [0; 19];
    for place in ORDER.iter().take(count) {
        *lengths.get_mut(*place)? = bits.number(3)?;
    }
    let code = Code::new(&lengths);
    let mut all: Vec<usize> = Vec::new();
    while all.len() < literals + distances {
        let (value, times) = match code.symbol(bits)? {
            16 => (*all.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length, 1),
        };
        all.extend(std::iter::repeat_n(value, times));
    }
    Some((Code::new(all.get(..literals)?), Code::new(all.get(literals..literals + distances)?)))
}

/// Literals and repetitions, up to the end of a block (RFC 1951, 3.2.5).
fn block(bits: &mut Bits<'_>, literals: &Code, distances: &Code, out: &mut Vec<u8>, most: usize) -> Option<()> {
    while out.len() <= most {
        let symbol = literals.symbol(bits)?;
        let length = match symbol {
            0..=255 => {
                out.push(u8::try_from(symbol).ok()?);
                continue;
            }
            256 => return Some(()),
            257..=264 => symbol - 254,
            285 => 258,
            265..=284 => {
                let extra = (symbol - 261) / 4;
                3 + ((4 + (symbol - 265) % 4) << extra) + bits.number(extra)?
            }
            _ => return None,
        };
        let symbol = distances.symbol(bits)?;
        let distance = match symbol {
            0..=3 => symbol + 1,
            4..=29 => {
                let extra = symbol / 2 - 1;
                1 + ((2 + symbol % 2) << extra) + bits.number(extra)?
            }
            _ => return None,
        };
        for _ in 0..length {
            out.push(*out.get(out.len().checked_sub(distance)?)?);
        }
    }
    Some(())
}

/// What a gzip file holds (RFC 1952, 2.3); `None` where it is none, or broken.
pub(super) fn gunzip(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = bytes else { return None };
    let mut rest = rest;
    if flags & 4 != 0 {
        let (low, high) = (*rest.first()?, *rest.get(1)?);
        rest = rest.get(2 + usize::from(u16::from_le_bytes([low, high]))..)?;
    }
    for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
        rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    inflate(rest, most)
}

/// A gzip file of these bytes, in stored blocks.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let mut pieces = bytes.chunks(0xffff).peekable();
    if bytes.is_empty() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(piece) = pieces.next() {
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        out.push(u8::from(pieces.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend_from_slice(piece);
    }
    out.extend(checksum(bytes).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out
}

/// CRC-32 (RFC 1952, 8).
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    #[test]
    fn what_gzip_has_compressed_is_read_again() {
        // `seq 40 | gzip -n`, `printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | gzip -n` of gzip 1.12.
        for (packed, text) in
            [(SEQ, (1..=40).map(|n| format!("{n}\n")).collect::<String>()), (REPEATED, "a".repeat(29) + "b")]
        {
            let packed = BASE64.decode(packed.as_bytes()).unwrap();
            assert_eq!(gunzip(&packed, 1_000).unwrap(), text.as_bytes());
            assert_eq!(gunzip(&packed, 5).unwrap(), &text.as_bytes()[..5], "bounded");
            assert_eq!(gunzip(&packed[..packed.len() / 2], 1_000), None, "cut short");
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        for text in [&b""[..], b"hello\n", &[7; 200_000]] {
            assert_eq!(gunzip(&gzip(text), 1 << 20).unwrap(), text);
        }
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    const SEQ: &str =
        "H4sIAAAAAAAAAw3MwQHAMAgDsf9Ng21Cwv6LtRpAwoTmMFweiwoJGQU1OmjQRQ8tLixsHNz44MEXP7ykiMhfhjQ5ZMgljyxdfO+00ORvAAAA";
    const REPEATED: &str = "H4sIAAAAAAAAA0tMxAOSAHuCyPIeAAAA";
}
