//! `cat`, and what pages through files.

use super::super::run::{Io, Run};
use super::{has_flag, operands};

/// How lines are shown.
struct Manner {
    /// `-n`, and `-b` for those only that hold something.
    numbers: bool,
    numbers_full: bool,
    /// `-v`: bytes that cannot be seen as `^X` and `M-X`; `-t`: tabs as well; `-e`: with a `$` at the end of lines.
    signs: bool,
    tabs: bool,
    ends: bool,
}

pub(super) fn cat(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let paths: Vec<&[u8]> = operands(words).map(Vec::as_slice).collect();
    let flag = |letters: &[u8]| letters.iter().any(|letter| has_flag(words, *letter));
    let manner = Manner {
        numbers: flag(b"n"),
        numbers_full: flag(b"b"),
        signs: flag(b"vteA"),
        tabs: flag(b"tA"),
        ends: flag(b"eA"),
    };
    let is_plain = !(manner.numbers || manner.numbers_full || manner.signs);
    let (mut status, mut line) = (0, 0);
    let input: &[&[u8]] = &[b"-"];
    for path in if paths.is_empty() { input } else { &paths } {
        let (found, failed) = run.inputs(io, words, &[path], "can't open");
        status = failed.max(status);
        for (_, bytes) in found {
            if is_plain {
                run.print(io.out, &bytes);
                continue;
            }
            let mut out = Vec::new();
            for piece in super::lines::pieces(&bytes) {
                if manner.numbers_full && piece != b"\n" || manner.numbers && !manner.numbers_full {
                    line += 1;
                    out.extend(format!("{line:>6}\t").bytes());
                }
                manner.show(piece, &mut out);
            }
            run.print(io.out, &out);
        }
    }
    status
}

impl Manner {
    fn show(&self, line: &[u8], out: &mut Vec<u8>) {
        for &byte in line {
            match byte {
                b'\n' if self.ends => out.extend(b"$\n"),
                b'\n' => out.push(b'\n'),
                b'\t' if !self.tabs => out.push(b'\t'),
                byte if !self.signs => out.push(byte),
                byte => {
                    if byte >= 0x80 {
                        out.extend(b"M-");
                    }
                    match byte & 0x7f {
                        0x7f => out.extend(b"^?"),
                        low @ 0..=0x1f => out.extend([b'^', low + b'@']),
                        low => out.push(low),
                    }
                }
            }
        }
    }
}
