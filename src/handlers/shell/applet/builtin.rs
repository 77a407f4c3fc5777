//! What the shell itself does, and programs that run other programs.

use std::time::Duration;

use super::super::device::Flavor;
use super::super::run::{Io, Leaving, Run, TERMINAL};
use super::{Program, lossy, number, operands, process, text};

/// The builtin of this name.
pub(in super::super) fn builtin(name: &[u8]) -> Option<Program> {
    Some(match name {
        b":" | b"true" => succeed,
        b"false" => fail,
        b"." | b"source" => source,
        b"[" | b"[[" | b"test" => test,
        b"alias" | b"bg" | b"fg" | b"getopts" | b"hash" | b"history" | b"jobs" | b"local" | b"readonly" | b"return"
        | b"trap" | b"ulimit" | b"umask" | b"unalias" | b"wait" => succeed,
        b"break" => leave_loop,
        b"continue" => next_round,
        b"cd" | b"chdir" => cd,
        b"command" | b"exec" => command,
        b"echo" => text::echo,
        b"eval" => eval,
        b"exit" | b"logout" => exit,
        b"export" => export,
        b"help" => help,
        b"kill" => process::kill,
        b"printf" => text::printf,
        b"pwd" => pwd,
        b"read" => read,
        b"set" => set,
        b"shift" => shift,
        b"type" => kind,
        b"unset" => unset,
        _ => return None,
    })
}

pub(super) fn succeed(_: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    0
}

pub(super) fn fail(_: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    1
}

fn leave_loop(run: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    run.leaving = Some(Leaving::Break);
    0
}

fn next_round(run: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    run.leaving = Some(Leaving::Continue);
    0
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
            return 0;
        }
        Ok(_) => "not a directory".to_owned(),
        Err(fault) => fault.text().to_owned(),
    };
    match run.device.flavor() {
        Flavor::BusyBox => run.complain(io, &[b"cd: can't cd to ", &target[..], b": ", why.as_bytes()].concat()),
        Flavor::Android => run.complain(io, &[b"cd: ", &target[..], b": ", why.as_bytes()].concat()),
    }
    2
}

pub(super) fn pwd(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    let line = [&run.state.cwd[..], b"\n"].concat();
    run.print(io.out, &line);
    0
}

fn exit(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    run.leaving = Some(Leaving::Exit);
    let status = words.get(1).and_then(|word| number(word)).unwrap_or(u64::from(run.state.status));
    u8::try_from(status % 256).unwrap_or(0)
}

/// `export NAME=VALUE`; without arguments what is set.
fn export(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    for word in operands(words) {
        if let Some(at) = word.iter().position(|&b| b == b'=') {
            let (name, value) = word.split_at(at);
            run.set_variable(name, value.get(1..).unwrap_or_default().to_vec());
        }
    }
    if words.len() == 1 {
        for (name, value) in all_variables(run) {
            run.print_line(io.out, &format!("export {name}='{value}'"));
        }
    }
    0
}

fn set(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if words.len() == 1 {
        for (name, value) in all_variables(run) {
            run.print_line(io.out, &format!("{name}='{value}'"));
        }
    }
    0
}

fn unset(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    for name in operands(words) {
        run.state.variables.remove(name);
    }
    0
}

fn all_variables(run: &Run<'_, '_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = run
        .environment()
        .into_iter()
        .filter(|(name, _)| !run.state.variables.contains_key(name.as_bytes()))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    all.extend(run.state.variables.iter().map(|(name, value)| (lossy(name), lossy(value))));
    all.sort();
    all
}

/// `env`, perhaps with a program to run.
pub(super) fn env(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest: Vec<Vec<u8>> = operands(words).skip_while(|word| word.contains(&b'=')).cloned().collect();
    if !rest.is_empty() {
        return run.call(&rest, io);
    }
    for (name, value) in all_variables(run) {
        run.print_line(io.out, &format!("{name}={value}"));
    }
    0
}

fn eval(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let source = words.get(1..).unwrap_or_default().join(&b' ');
    let arguments = run.state.arguments.clone();
    run.script(&source, &arguments, io)
}

/// `exec PROG`, `command PROG`; `exec` with redirections alone does nothing.
fn command(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1).map(Vec::as_slice) {
        None => 0,
        Some(b"-v") => kind(run, words.get(1..).unwrap_or_default(), io),
        Some(_) => run.call(words.get(1..).unwrap_or_default(), io),
    }
}

/// `nohup PROG`, `time PROG`.
pub(super) fn nohup(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1..) {
        Some(rest) if !rest.is_empty() => run.call(rest, io),
        _ => super::usage(run, &lossy(words.first().map(Vec::as_slice).unwrap_or_default()), io),
    }
}

/// `timeout SECS PROG`: what would take longer is not cut off.
pub(super) fn timeout(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest: Vec<Vec<u8>> = operands(words).skip(1).cloned().collect();
    if rest.is_empty() { super::usage(run, "timeout", io) } else { run.call(&rest, io) }
}

fn source(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(name) = words.get(1) else { return 2 };
    let path = run.path(name);
    match run.files.content(&path).map(std::borrow::Cow::into_owned) {
        Ok(text) => run.script(&text, words.get(1..).unwrap_or_default(), io),
        Err(_) => {
            run.complain(io, &[b"can't open '", &name[..], b"': No such file or directory"].concat());
            2
        }
    }
}

/// `sh`: with `-c` or a file it runs that; on the terminal it is a shell within the shell.
pub(super) fn shell(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if let Some(at) = words.iter().position(|word| word == b"-c") {
        let text = words.get(at + 1).cloned().unwrap_or_default();
        let arguments = words.get(at + 2..).unwrap_or_default();
        return run.script(&text, arguments, io);
    }
    if let Some(name) = operands(words).next() {
        let path = run.path(name);
        let at = words.iter().position(|word| word == name).unwrap_or(1);
        run.files.keep_sample(&path, true);
        let input = match run.open(&path) {
            Ok(input) => input,
            Err(fault) => {
                run.complain(io, &[b"can't open '", &name[..], b"': ", fault.text().as_bytes()].concat());
                return 2;
            }
        };
        return script_from(run, Io { input, ..io }, words.get(at..).unwrap_or_default());
    }
    if io.input == TERMINAL && io.out == TERMINAL {
        if run.state.levels < super::super::MAX_LEVELS {
            run.state.levels += 1;
            if run.device.flavor() == Flavor::BusyBox && !run.device.is_container() {
                let greeting = format!(
                    "\n\n{} built-in shell (ash)\nEnter 'help' for a list of built-in commands.\n\n",
                    run.device.busybox_banner()
                );
                run.print(io.out, greeting.as_bytes());
            }
        }
        return 0;
    }
    script_from(run, io, words)
}

/// Runs what is read. What stands for a fetched script does what nobody knows.
fn script_from(run: &mut Run<'_, '_>, io: Io, arguments: &[Vec<u8>]) -> u8 {
    if run.is_stand_in(io) {
        run.wait_about(200, 900);
        run.state.has_dropped = true;
        return 0;
    }
    let text = run.read_all(io);
    run.script(&text, arguments, io)
}

/// On a device of this kind everybody is root; on Android nobody becomes it.
pub(super) fn su(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if run.device.flavor() == Flavor::Android {
        run.complain(io, b"su: not found");
        return 127;
    }
    if let Some(text) = super::value_of(words, b'c') {
        let text = text.to_vec();
        return run.script(&text, &[], io);
    }
    let plain = words.first().cloned().into_iter().collect::<Vec<_>>();
    shell(run, &plain, io)
}

fn help(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    run.print(
        io.out,
        b"Built-in commands:\n------------------\n\t. : [ [[ alias bg break cd chdir command continue echo eval exec\n\texit export false fg getopts hash help history jobs kill let\n\tlocal printf pwd read readonly return set shift source test times\n\ttrap true type ulimit umask unalias unset wait\n",
    );
    0
}

/// `read NAME...`: the last name gets the rest of the line; NUL bytes are dropped, as shells do.
fn read(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some(mut line) = run.read_line(io) else { return 1 };
    let is_whole = line.last() == Some(&b'\n');
    line.retain(|b| !matches!(b, 0 | b'\n'));
    let names: Vec<&Vec<u8>> = operands(words).collect();
    let mut rest = line.trim_ascii();
    for (at, name) in names.iter().enumerate() {
        let end = if at + 1 == names.len() {
            rest.len()
        } else {
            rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len())
        };
        let (value, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
        run.set_variable(name, value.to_vec());
        rest = after.trim_ascii_start();
    }
    u8::from(!is_whole)
}

fn shift(run: &mut Run<'_, '_>, _: &[Vec<u8>], _: Io) -> u8 {
    if run.state.arguments.len() < 2 {
        return 1;
    }
    run.state.arguments.remove(1);
    0
}

fn kind(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        let found = super::system::where_is(run, name);
        let shown = lossy(name);
        match found {
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

/// `test EXPRESSION`, `[ EXPRESSION ]`: one comparison, perhaps with `!`, `-a` and `-o`.
pub(super) fn test(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    let arguments: Vec<&[u8]> =
        words.iter().skip(1).map(Vec::as_slice).filter(|word| !matches!(*word, b"]" | b"]]")).collect();
    let any = arguments
        .split(|word| matches!(*word, b"-o" | b"||"))
        .any(|all| all.split(|word| matches!(*word, b"-a" | b"&&")).all(|one| holds(run, one)));
    u8::from(!any)
}

fn holds(run: &Run<'_, '_>, words: &[&[u8]]) -> bool {
    let numbers = |a: &[u8], b: &[u8], compare: fn(&i64, &i64) -> bool| {
        let read = |text: &[u8]| lossy(text).trim().parse::<i64>().ok();
        read(a).zip(read(b)).is_some_and(|(a, b)| compare(&a, &b))
    };
    match words {
        [b"!", rest @ ..] => !holds(run, rest),
        [a, b"=" | b"==", b] => a == b,
        [a, b"!=", b] => a != b,
        [a, b"-eq", b] => numbers(a, b, i64::eq),
        [a, b"-ne", b] => numbers(a, b, i64::ne),
        [a, b"-lt", b] => numbers(a, b, i64::lt),
        [a, b"-le", b] => numbers(a, b, i64::le),
        [a, b"-gt", b] => numbers(a, b, i64::gt),
        [a, b"-ge", b] => numbers(a, b, i64::ge),
        [b"-n", text] => !text.is_empty(),
        [b"-z", text] => text.is_empty(),
        [b"-t", _] => true,
        [flag, path] if flag.starts_with(b"-") => {
            let path = run.path(path);
            let found = run.files.find(&path);
            match (*flag, found) {
                (b"-d", Ok((_, node))) => node.is_directory(),
                (b"-f", Ok((_, node))) => node.full_mode() & 0o170_000 == 0o100_000,
                (b"-x", Ok((_, node))) => node.is_executable() || node.is_directory(),
                (b"-s", Ok((_, node))) => run.files.size(node) > 0,
                (b"-c", Ok((_, node))) => node.full_mode() & 0o170_000 == 0o020_000,
                (b"-h" | b"-L", _) => {
                    run.files.find_link(&path).is_ok_and(|(_, node)| node.full_mode() & 0o170_000 == 0o120_000)
                }
                (b"-e" | b"-r" | b"-w", found) => found.is_ok(),
                _ => false,
            }
        }
        [text] => !text.is_empty(),
        _ => false,
    }
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
