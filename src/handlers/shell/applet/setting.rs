//! What a login sets for itself: aliases, limits, the mask of new files.

use super::super::ALIAS;
use super::super::run::{Io, Run};
use super::{lossy, operands};

/// `alias`, `alias NAME`, `alias NAME=TEXT`.
pub(super) fn alias(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.len() == 1 {
        let all: Vec<String> = run.state.aliases().map(|(name, text)| shown(name, text)).collect();
        all.iter().for_each(|line| run.print_line(io.out, line));
    }
    let mut status = 0;
    for word in operands(words) {
        if let Some(at) = word.iter().position(|&b| b == b'=') {
            let (name, value) = word.split_at(at);
            run.set_variable(&[ALIAS, name].concat(), value.get(1..).unwrap_or_default().to_vec());
            continue;
        }
        match run.state.alias(word).map(|text| shown(word, text)) {
            Some(line) => run.print_line(io.out, &line),
            None => {
                run.print_line(io.err, &format!("alias: {} not found", lossy(word)));
                status = 1;
            }
        }
    }
    status
}

fn shown(name: &[u8], text: &[u8]) -> String {
    format!("{}='{}'", lossy(name), lossy(text))
}

pub(super) fn unalias(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for word in operands(words) {
        if run.state.variables.remove(&[ALIAS, &word[..]].concat()).is_none() {
            run.print_line(io.err, &format!("unalias: {} not found", lossy(word)));
            status = 1;
        }
    }
    status
}

pub(super) fn umask(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(wanted) = words.get(1) else {
        let mask = run.state.mask;
        run.print_line(io.out, &format!("{mask:04o}"));
        return 0;
    };
    if wanted == b"-S" {
        let mask = run.state.mask;
        let letters = |shift: u16| -> String {
            [(4, 'r'), (2, 'w'), (1, 'x')].iter().filter(|(bit, _)| mask >> shift & bit == 0).map(|(_, c)| *c).collect()
        };
        run.print_line(io.out, &format!("u={},g={},o={}", letters(6), letters(3), letters(0)));
        return 0;
    }
    let (mask, is_octal) = (run.state.mask, wanted.first().is_some_and(u8::is_ascii_digit));
    let allowed = super::mode::changed_mode(wanted, !mask & 0o777).filter(|mode| *mode <= 0o777);
    match allowed {
        Some(mode) => {
            run.state.mask = if is_octal { mode } else { !mode & 0o777 };
            0
        }
        None => {
            run.complain_of(io, b"umask", &[b"illegal mode: ", &wanted[..]].concat());
            2
        }
    }
}

/// Limits are taken note of and shown.
pub(super) fn ulimit(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    const LIMITS: [(u8, &str, &str); 9] = [
        (b't', "-t: cpu time (seconds)", "unlimited"),
        (b'f', "-f: file size (blocks)", "unlimited"),
        (b'd', "-d: data seg size (kb)", "unlimited"),
        (b's', "-s: stack size (kb)", "8192"),
        (b'c', "-c: core file size (blocks)", "0"),
        (b'm', "-m: resident set size (kb)", "unlimited"),
        (b'n', "-n: file descriptors", "1024"),
        (b'v', "-v: address space (kb)", "unlimited"),
        (b'p', "-p: processes", "1982"),
    ];
    let flags = words.iter().skip(1).filter_map(|word| word.strip_prefix(b"-")).flatten().copied();
    let wanted: Vec<u8> = flags.filter(|flag| !b"HS".contains(flag)).collect();
    let wanted = if wanted.is_empty() { vec![b'f'] } else { wanted };
    let value = operands(words).next().cloned();
    for (flag, text, usual) in LIMITS.iter().filter(|(flag, ..)| wanted.contains(flag) || wanted.contains(&b'a')) {
        let name = [b"limit ", &[*flag][..]].concat();
        if let Some(value) = &value {
            run.set_variable(&name, value.clone());
            continue;
        }
        let shown = run.variable(&name).map_or_else(|| (*usual).to_owned(), |value| lossy(&value));
        let label = if wanted.len() > 1 || wanted.contains(&b'a') { format!("{text:<32} ") } else { String::new() };
        run.print_line(io.out, &format!("{label}{shown}"));
    }
    0
}
