//! `set` and `getopts`: options of the shell, and those of a script.

use super::super::option::{NAMES, Options};
use super::super::run::{Io, Run};
use super::{number, variable};

/// `set`, `set -- ARGUMENT...`, `set -e`, `set -o NAME`.
pub(super) fn set(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.len() == 1 {
        for (name, value) in variable::all_variables(run, false) {
            run.print_line(io.out, &format!("{name}='{value}'"));
        }
        return 0;
    }
    let mut rest = words.get(1..).unwrap_or_default();
    let mut gives_arguments = false;
    while let Some((word, after)) = rest.split_first() {
        match word.as_slice() {
            b"--" => {
                gives_arguments = true;
                rest = after;
                break;
            }
            [sign @ (b'-' | b'+'), b'o'] => {
                let Some((name, after)) = after.split_first() else {
                    show(run, io, *sign == b'+');
                    return 0;
                };
                let found = Options::named(name).is_some_and(|letter| run.state.options.set(letter, *sign == b'-'));
                if !found {
                    let sign = char::from(*sign);
                    run.give_up(io, &format!("set: illegal option {sign}o {}", super::lossy(name)));
                    return 2;
                }
                rest = after;
            }
            [sign @ (b'-' | b'+'), _, ..] => {
                if !run.state.options.set_word(word) {
                    let letter = word.last().copied().unwrap_or(*sign);
                    run.give_up(io, &format!("set: illegal option {}{}", char::from(*sign), char::from(letter)));
                    return 2;
                }
                rest = after;
            }
            _ => break,
        }
    }
    if gives_arguments || !rest.is_empty() {
        let name = run.state.arguments.first().cloned().unwrap_or_else(|| run.shell_name());
        run.state.arguments = [&[name], rest].concat();
        run.state.option_at = 0;
    }
    0
}

/// `set -o`, and `set +o` as commands.
fn show(run: &mut Run<'_, '_>, io: Io, as_commands: bool) {
    let options = run.state.options;
    for (letter, name) in NAMES {
        let is_on = options.has(letter) || run.is_interactive() && matches!(letter, b'i' | b's');
        if as_commands {
            run.print_line(io.out, &format!("set {} {name}", if is_on { "-o" } else { "+o" }));
        } else {
            run.print_line(io.out, &format!("{name:<16}{}", if is_on { "on" } else { "off" }));
        }
    }
}

/// `getopts LETTERS NAME [ARGUMENT...]`: one option a call (POSIX.1-2017, getopts).
pub(super) fn getopts(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let [_, letters, name, given @ ..] = words else {
        run.complain_of(io, b"getopts", b"usage: getopts optstring var [arg]");
        return 2;
    };
    let arguments = match given {
        [] => run.state.arguments.get(1..).unwrap_or_default().to_vec(),
        given => given.to_vec(),
    };
    let index = run.variable(b"OPTIND").and_then(|text| number(&text)).unwrap_or(1).max(1);
    let index = usize::try_from(index).unwrap_or(1);
    if run.state.option_at == 0 || run.state.option_index != index {
        run.state.option_at = 1;
    }
    let (index, status) = next_option(run, (letters, name), &arguments, index, io);
    run.state.option_index = index;
    run.set_variable(b"OPTIND", index.to_string().into_bytes());
    status
}

/// Takes the option at this place; the place of the next argument, and the status.
fn next_option(
    run: &mut Run<'_, '_>,
    (letters, name): (&[u8], &[u8]),
    arguments: &[Vec<u8>],
    mut index: usize,
    io: Io,
) -> (usize, u8) {
    let word = arguments.get(index - 1).map(Vec::as_slice).unwrap_or_default();
    if word.len() < 2 || !word.starts_with(b"-") || word == b"--" {
        run.set_variable(name, b"?".to_vec());
        run.state.option_at = 0;
        return (index + usize::from(word == b"--"), 1);
    }
    let letter = word.get(run.state.option_at).copied().unwrap_or(b'?');
    run.state.option_at += 1;
    let value = word.get(run.state.option_at..).filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
    let mut ends_word = value.is_none();
    let at = letters
        .iter()
        .skip(usize::from(letters.starts_with(b":")))
        .position(|known| *known == letter && letter != b':');
    let at = at.map(|at| at + usize::from(letters.starts_with(b":")));
    let is_silent = letters.starts_with(b":");
    let mut said = letter;
    run.state.variables.remove(&b"OPTARG"[..]);
    match at {
        None => {
            said = b'?';
            if is_silent {
                run.set_variable(b"OPTARG", vec![letter]);
            } else {
                run.print(io.err, &[b"Illegal option -", &[letter][..], b"\n"].concat());
            }
        }
        Some(at) if letters.get(at + 1) == Some(&b':') => {
            let value = value.or_else(|| {
                index += 1;
                arguments.get(index - 1).cloned()
            });
            ends_word = true;
            match value {
                Some(value) => run.set_variable(b"OPTARG", value),
                None if is_silent => {
                    said = b':';
                    run.set_variable(b"OPTARG", vec![letter]);
                }
                None => {
                    said = b'?';
                    index -= 1;
                    run.print(io.err, &[b"No arg for -", &[letter][..], b" option\n"].concat());
                }
            }
        }
        Some(_) => {}
    }
    run.set_variable(name, vec![said]);
    if ends_word {
        index += 1;
        run.state.option_at = 1;
    }
    (index, 0)
}
