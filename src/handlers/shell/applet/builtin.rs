//! What the shell itself does, and programs that run other programs.

use std::time::Duration;

use super::super::arithmetic;
use super::super::device::Flavor;
use super::super::file_system::Fault;
use super::super::run::{Io, Leaving, Run};
use super::{Program, condition, job, lossy, number, operands, printf, read, set, setting, text, trap, variable};

/// What the shell does itself, in the order of `help`.
pub(in super::super) const BUILTINS: &[(&str, Program)] = &[
    (".", source),
    (":", succeed),
    ("[", condition::test),
    ("[[", condition::test),
    ("alias", setting::alias),
    ("bg", job::foreground),
    ("break", leave_loop),
    ("cd", cd),
    ("chdir", cd),
    ("command", command),
    ("continue", next_round),
    ("echo", text::echo),
    ("eval", eval),
    ("exec", exec),
    ("exit", exit),
    ("export", variable::export),
    ("false", fail),
    ("fg", job::foreground),
    ("getopts", set::getopts),
    ("hash", hash),
    ("help", help),
    ("history", history),
    ("jobs", job::jobs),
    ("kill", job::kill),
    ("let", calculate),
    ("local", variable::local),
    ("printf", printf::printf),
    ("pwd", pwd),
    ("read", read::read),
    ("readonly", variable::readonly),
    ("return", leave_function),
    ("set", set::set),
    ("shift", shift),
    ("source", source),
    ("test", condition::test),
    ("times", times_used),
    ("trap", trap::trap),
    ("true", succeed),
    ("type", kind_of),
    ("ulimit", setting::ulimit),
    ("umask", setting::umask),
    ("unalias", setting::unalias),
    ("unset", variable::unset),
    ("wait", job::wait),
];

/// The builtin of this name.
pub(in super::super) fn builtin(name: &[u8]) -> Option<Program> {
    BUILTINS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, program)| *program)
}

pub(super) fn succeed(_: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    0
}

pub(super) fn fail(_: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    1
}

/// The number that is the only argument; 1 without one.
fn times(words: &[Vec<u8>]) -> u32 {
    words.get(1).and_then(|word| number(word)).map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn leave_loop(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    run.leaving = run.levels(times(words)).map(Leaving::Break);
    0
}

fn next_round(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    run.leaving = run.levels(times(words)).map(Leaving::Continue);
    0
}

fn leave_function(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    if run.can_return() {
        run.leaving = Some(Leaving::Return);
    }
    let status = words.get(1).and_then(|word| number(word)).unwrap_or(u64::from(run.state.status));
    u8::try_from(status % 256).unwrap_or(0)
}

/// `let SUM...`
fn calculate(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut last = 0;
    for word in words.iter().skip(1) {
        match arithmetic::evaluate(word, run) {
            Ok(value) => last = value,
            Err(fault) => run.give_up(io, fault.text()),
        }
    }
    u8::from(last == 0)
}

fn cd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let home = run.variable(b"HOME").unwrap_or_else(|| b"/".to_vec());
    let target = match words.get(1) {
        None => home,
        Some(dash) if dash == b"-" => run.variable(b"OLDPWD").unwrap_or(home),
        Some(target) => target.clone(),
    };
    let path = run.path(&target);
    let why = match run.files.find(&path) {
        Ok((path, node)) if node.is_directory() => {
            let before = std::mem::replace(&mut run.state.cwd, path);
            run.set_variable(b"OLDPWD", before);
            return if words.get(1).is_some_and(|word| word == b"-") { pwd(run, words, io) } else { 0 };
        }
        Ok(_) => Fault::NoDirectory.text().to_owned(),
        Err(fault) => fault.text().to_owned(),
    };
    match run.device.flavor() {
        Flavor::BusyBox => {
            run.complain_of(io, b"cd", &[b"can't cd to ", &target[..], b": ", why.as_bytes()].concat());
        }
        Flavor::Android => run.complain(io, &[b"cd: ", &target[..], b": ", why.as_bytes()].concat()),
    }
    2
}

pub(super) fn pwd(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let line = [&run.state.cwd[..], b"\n"].concat();
    run.print(io.out, &line);
    0
}

/// The argument of a builtin, if there is one, is a number.
fn has_number(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> bool {
    let Some([name, wrong]) = words.get(..2).filter(|words| words.iter().skip(1).any(|word| number(word).is_none()))
    else {
        return true;
    };
    run.give_up_in(io, name, &[b"Illegal number: ", &wrong[..]].concat());
    false
}

fn exit(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if !has_number(run, words, io) {
        return 2;
    }
    run.leaving = Some(Leaving::Exit);
    let status = words.get(1).and_then(|word| number(word)).unwrap_or(u64::from(run.state.status));
    u8::try_from(status % 256).unwrap_or(0)
}

fn eval(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let source = words.get(1..).unwrap_or_default().join(&b' ');
    run.text(&source, io);
    run.state.status
}

/// `command PROG`, `command -v NAME`.
fn command(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest = words.get(1..).unwrap_or_default();
    match rest.first().map(Vec::as_slice) {
        None => 0,
        Some(b"-v") => {
            let Some(name) = rest.get(1) else { return 0 };
            let is_keyword = super::super::parse::KEYWORDS.contains(&name.as_slice());
            if is_keyword || builtin(name).is_some() || run.state.functions.contains_key(name) {
                run.print_line(io.out, &lossy(name));
                return 0;
            }
            let found = if name.contains(&b'/') {
                let path = run.path(name);
                run.files.exists(&path).then(|| name.clone())
            } else {
                super::system::where_is(run, name)
            };
            match found {
                Some(path) => run.print_line(io.out, &lossy(&path)),
                None => return 127,
            }
            0
        }
        Some(b"-V") => kind_of(run, rest, io),
        Some(_) => run.call_program(rest, io),
    }
}

/// `exec PROG`: the shell ends with the program; with redirections alone nothing changes.
fn exec(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest = words.get(1..).unwrap_or_default();
    let Some(name) = rest.first() else { return 0 };
    if !name.contains(&b'/') && super::system::where_is(run, name).is_none() {
        run.complain_of(io, b"exec", &[&name[..], b": not found"].concat());
        run.leaving = Some(if run.is_interactive() { Leaving::Abandon } else { Leaving::Exit });
        return 127;
    }
    let levels = run.state.levels;
    let status = run.call_program(rest, io);
    // A shell within the shell takes its place.
    if run.state.levels > levels {
        run.state.levels = levels;
    } else if run.leaving.is_none() {
        run.leaving = Some(Leaving::Exit);
    }
    status
}

fn source(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(name) = words.get(1) else { return 2 };
    let path = run.path(name);
    match run.files.content(&path).map(std::borrow::Cow::into_owned) {
        Ok(text) => {
            run.text(&text, io);
            if run.leaving == Some(Leaving::Return) {
                run.leaving = None;
            }
            run.state.status
        }
        Err(_) => {
            run.give_up_in(io, b".", &[b"can't open '", &name[..], b"': No such file or directory"].concat());
            2
        }
    }
}

fn help(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let mut text = "Built-in commands:\n------------------\n".to_owned();
    let mut column = 0;
    for (name, _) in BUILTINS {
        text.push(if column == 0 { '\t' } else { ' ' });
        text.push_str(name);
        column += name.len() + 1;
        if column > 60 {
            text.push('\n');
            column = 0;
        }
    }
    run.print_line(io.out, text.trim_end_matches('\n'));
    0
}

/// `history`: what was typed, with numbers.
fn history(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let lines: String =
        run.state.history.iter().enumerate().map(|(at, line)| format!("{at:4} {}\n", lossy(line))).collect();
    run.print(io.out, lines.as_bytes());
    0
}

/// `times`: nothing has taken long.
fn times_used(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.print(io.out, b"0m0.000s 0m0.010s\n0m0.030s 0m0.020s\n");
    0
}

fn shift(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if !has_number(run, words, io) {
        return 2;
    }
    let count = usize::try_from(times(words)).unwrap_or(usize::MAX);
    if run.state.arguments.len() <= count {
        return 1;
    }
    run.state.arguments.drain(1..=count);
    0
}

fn kind_of(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        let found = super::system::where_is(run, name);
        let shown = lossy(name);
        match found {
            _ if run.state.alias(name).is_some() => {
                let text = run.state.alias(name).map(lossy).unwrap_or_default();
                run.print_line(io.out, &format!("{shown} is an alias for {text}"));
            }
            _ if run.state.functions.contains_key(name) => run.print_line(io.out, &format!("{shown} is a function")),
            _ if super::super::parse::KEYWORDS.contains(&name.as_slice()) => {
                run.print_line(io.out, &format!("{shown} is a shell keyword"));
            }
            _ if builtin(name).is_some() => run.print_line(io.out, &format!("{shown} is a shell builtin")),
            Some(path) => run.print_line(io.out, &format!("{shown} is {}", lossy(&path))),
            None => {
                status = 127;
                run.print_line(io.out, &format!("{shown}: not found"));
            }
        }
    }
    status
}

/// `hash NAME...`: they are looked for, and that is all.
fn hash(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        if builtin(name).is_none() && super::system::where_is(run, name).is_none() {
            run.complain_of(io, b"hash", &[&name[..], b": not found"].concat());
            status = 1;
        }
    }
    status
}

/// Seconds, perhaps with a fraction and a unit.
pub(super) fn duration(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.chars().last()),
        None => (text, None),
    };
    let seconds: f64 = digits.parse().ok()?;
    let factor = match unit {
        Some('m') => 60.0,
        Some('h') => 3_600.0,
        Some('d') => 86_400.0,
        _ => 1.0,
    };
    Duration::try_from_secs_f64(seconds * factor).ok()
}
