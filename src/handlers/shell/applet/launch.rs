//! Programs that run others: `sh`, `su`, `env`, `nohup`, `time` and their kin.

use super::super::device::Flavor;
use super::super::option::Options;
use super::super::run::{Io, Run, Script, TERMINAL};
use super::builtin;
use super::lossy;
use super::variable::{all_variables, assign_exported};

/// `env`, perhaps with a program to run.
pub(super) fn env(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let is_bare =
        words.iter().skip(1).take_while(|word| word.starts_with(b"-")).any(|word| word.contains(&b'i') || word == b"-");
    let without = super::value_of(words, b'u').map(<[u8]>::to_vec);
    let mut rest = words.get(1..).unwrap_or_default();
    while let Some((word, after)) = rest.split_first().filter(|(word, _)| word.starts_with(b"-")) {
        rest = if word == b"-u" { after.get(1..).unwrap_or_default() } else { after };
    }
    let rest = rest.iter();
    let given: Vec<Vec<u8>> = rest.clone().take_while(|word| word.contains(&b'=')).cloned().collect();
    let rest: Vec<Vec<u8>> = rest.skip(given.len()).cloned().collect();
    let mut status = 0;
    run.apart(|run| {
        let gone: Vec<Vec<u8>> = if is_bare {
            all_variables(run, true)
                .into_iter()
                .map(|(name, _)| name.into_bytes())
                .filter(|name| name != b"PATH")
                .collect()
        } else {
            without.into_iter().collect()
        };
        for name in gone {
            run.unset(&name);
        }
        for word in &given {
            assign_exported(run, word);
        }
        match rest.first() {
            None if is_bare => given.iter().for_each(|word| run.print_line(io.out, &lossy(word))),
            None => {
                for (name, value) in all_variables(run, true) {
                    run.print_line(io.out, &format!("{name}={value}"));
                }
            }
            Some(name) if !name.contains(&b'/') && super::system::where_is(run, name).is_none() => {
                status = run.fail(io, words, &format!("can't execute '{}': No such file or directory", lossy(name)));
                status = 127.max(status);
            }
            Some(_) => status = run.call_program(&rest, io),
        }
    });
    status
}

/// `time [-p] PROG`: what it took, on the error output.
pub(super) fn time(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest = words.get(1..).unwrap_or_default();
    let is_plain = rest.first().is_some_and(|word| word == b"-p");
    let rest = rest.get(usize::from(rest.first().is_some_and(|word| word.starts_with(b"-")))..).unwrap_or_default();
    if rest.is_empty() {
        return super::usage(run, "time", io);
    }
    let before = run.waited();
    let status = run.call(rest, io);
    let took = run.waited().saturating_sub(before);
    let (seconds, hundredths) = (took.as_secs(), took.subsec_millis() / 10);
    let text = if is_plain {
        format!("real {seconds}.{hundredths:02}\nuser 0.00\nsys 0.00\n")
    } else {
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        format!("real\t{minutes}m {seconds}.{hundredths:02}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n")
    };
    run.print(io.err, text.as_bytes());
    status
}

/// `nohup PROG`.
pub(super) fn nohup(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    match words.get(1..) {
        Some(rest) if !rest.is_empty() => run.call(rest, io),
        _ => super::usage(run, &lossy(words.first().map(Vec::as_slice).unwrap_or_default()), io),
    }
}

/// `nice -n N PROG`
pub(super) fn nice(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest: Vec<Vec<u8>> = super::operands_beside(words, b"n").into_iter().map(<[u8]>::to_vec).collect();
    if rest.is_empty() {
        run.print_line(io.out, "0");
        return 0;
    }
    run.call_program(&rest, io)
}

/// `timeout SECS PROG`: what takes longer is cut off.
pub(super) fn timeout(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    const ENDED: u8 = 128 + 15;
    let rest = super::operands_beside(words, b"skt");
    // Older ones have `-t SECS PROG`.
    let (seconds, rest) = match (super::value_of(words, b't'), rest.split_first()) {
        (Some(seconds), _) => (builtin::duration(seconds), &rest[..]),
        (None, Some((seconds, rest))) => (builtin::duration(seconds), rest),
        (None, None) => (None, &rest[..]),
    };
    let (Some(limit), false) = (seconds, rest.is_empty()) else { return super::usage(run, "timeout", io) };
    let rest: Vec<Vec<u8>> = rest.iter().map(|word| word.to_vec()).collect();
    let before = run.waited();
    let status = run.call(&rest, io);
    if run.cut_off(before + limit) {
        run.print_line(io.err, "Terminated");
        return ENDED;
    }
    status
}

/// Options of a shell that begins: those of `sh -ex -c TEXT`. The letters that come before the script, and where the rest stands.
fn shell_options(words: &[Vec<u8>]) -> (Options, Vec<u8>, &[Vec<u8>]) {
    let mut rest = words.get(1..).unwrap_or_default();
    let (mut options, mut letters) = (Options::default(), Vec::new());
    while let Some((word, after)) = rest.split_first().filter(|(word, _)| word.len() > 1 && word.starts_with(b"-")) {
        rest = after;
        for letter in word.get(1..).unwrap_or_default() {
            options.set(*letter, true);
            letters.push(*letter);
        }
        if word.ends_with(b"o")
            && let Some((name, after)) = rest.split_first()
        {
            rest = after;
            if let Some(letter) = Options::named(name) {
                options.set(letter, true);
            }
        }
    }
    (options, letters, rest)
}

/// `sh`: with `-c` or a file it runs that; on the terminal it is a shell within the shell.
pub(super) fn shell(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (options, letters, rest) = shell_options(words);
    if letters.contains(&b'c') {
        let Some((text, arguments)) = rest.split_first() else {
            run.print_line(io.err, "sh: -c requires an argument");
            return 2;
        };
        return run.script(text, arguments, Script::Text, options, io);
    }
    if letters.contains(&b's') {
        let arguments = [&[b"sh".to_vec()], rest].concat();
        return script_from(run, io, &arguments, Script::Text, options);
    }
    if let Some(name) = rest.first() {
        let path = run.path(name);
        run.files.keep_sample(&path, true);
        let input = match run.open(&path) {
            Ok(input) => input,
            Err(fault) => {
                run.print_line(io.err, &format!("sh: can't open '{}': {}", lossy(name), fault.text()));
                return 2;
            }
        };
        return script_from(run, Io { input, ..io }, rest, Script::File, options);
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
    script_from(run, io, words.get(..1).unwrap_or_default(), Script::Text, options)
}

/// Runs what is read. What stands for a fetched script does what nobody knows.
fn script_from(run: &mut Run<'_, '_>, io: Io, arguments: &[Vec<u8>], script: Script, options: Options) -> u8 {
    if run.is_stand_in(io) {
        run.wait_about(200, 900);
        run.state.has_dropped = true;
        return 0;
    }
    let text = run.read_all(io);
    run.script(&text, arguments, script, options, io)
}

/// On a device of this kind everybody is root.
pub(super) fn su(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if let Some(name) = super::operands_beside(words, b"cs").first()
        && super::user(name).is_none()
    {
        return run.fail(io, words, &format!("unknown user {}", lossy(name)));
    }
    if let Some(text) = super::value_of(words, b'c') {
        let text = text.to_vec();
        return run.script(&text, &[], Script::Text, Options::default(), io);
    }
    let plain = words.first().cloned().into_iter().collect::<Vec<_>>();
    shell(run, &plain, io)
}
