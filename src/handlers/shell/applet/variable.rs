//! What changes variables and tells of them: `export`, `readonly`, `local`, `unset`.

use super::super::run::{Io, Run};
use super::{lossy, operands};

/// `local NAME=VALUE...`
pub(super) fn local(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    for word in operands(words) {
        let at = word.iter().position(|&b| b == b'=').unwrap_or(word.len());
        let (name, value) = word.split_at_checked(at).unwrap_or((word, b""));
        if !run.make_local(name) {
            run.give_up_in(io, b"local", b"not in a function");
            return 2;
        }
        if let Some(value) = value.get(1..) {
            run.set_variable(name, value.to_vec());
        }
    }
    0
}

/// `NAME=VALUE`, or the name of a variable that is there: programs are given it.
pub(super) fn assign_exported(run: &mut Run<'_, '_>, word: &[u8]) {
    if let Some(at) = word.iter().position(|&b| b == b'=') {
        let (name, value) = word.split_at_checked(at).unwrap_or((word, b""));
        run.set_variable(name, value.get(1..).unwrap_or_default().to_vec());
    }
    let name = word.split(|&b| b == b'=').next().unwrap_or(word);
    if run.state.variables.contains_key(name) {
        run.state.exported.insert(name.to_vec());
    }
}

/// `export NAME=VALUE`; without arguments what is set.
pub(super) fn export(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    for word in operands(words) {
        let name = word.split(|&b| b == b'=').next().unwrap_or(word);
        if !super::super::parse::is_name(name) {
            run.give_up_in(io, b"export", &[name, b": bad variable name"].concat());
            return 2;
        }
        if super::has_flag(words, b'n') {
            run.state.exported.remove(name);
            continue;
        }
        assign_exported(run, word);
    }
    if words.len() == 1 {
        for (name, value) in all_variables(run, true) {
            run.print_line(io.out, &format!("export {name}='{value}'"));
        }
    }
    0
}

/// `readonly NAME=VALUE...`
pub(super) fn readonly(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.len() == 1 || words.get(1).is_some_and(|word| word == b"-p") {
        let fixed: Vec<Vec<u8>> = run.state.fixed.iter().cloned().collect();
        for name in fixed {
            let value = run.variable(&name).unwrap_or_default();
            run.print_line(io.out, &format!("readonly {}='{}'", lossy(&name), lossy(&value)));
        }
        return 0;
    }
    for word in operands(words) {
        let (name, value) = word.split_at(word.iter().position(|&b| b == b'=').unwrap_or(word.len()));
        if let Some(value) = value.get(1..) {
            run.set_variable(name, value.to_vec());
        }
        // As many as there is room for values.
        if run.state.variables.contains_key(name) {
            run.state.fixed.insert(name.to_vec());
        }
    }
    0
}

pub(super) fn unset(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    for name in operands(words) {
        if run.state.fixed.contains(name) {
            run.give_up(io, &format!("unset: {}: is read only", lossy(name)));
            return 2;
        }
        run.unset(name);
        if super::has_flag(words, b'f') {
            run.state.functions.remove(name);
        }
    }
    0
}

/// Variables that a name can call, sorted; of the visitor's own those that are exported, or all.
pub(super) fn all_variables(run: &Run<'_, '_>, exported: bool) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = run
        .environment()
        .into_iter()
        .filter(|(name, _)| {
            !run.state.variables.contains_key(name.as_bytes()) && !run.state.gone.contains(name.as_bytes())
        })
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let is_own =
        |name: &[u8]| !name.contains(&b' ') && (!exported || name == b"OLDPWD" || run.state.exported.contains(name));
    all.extend(
        run.state.variables.iter().filter(|(name, _)| is_own(name)).map(|(name, value)| (lossy(name), lossy(value))),
    );
    all.sort();
    all
}
