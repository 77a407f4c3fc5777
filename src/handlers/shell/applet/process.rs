//! Programs about programs: `ps`, `kill`, `sleep`, `passwd`.

use std::time::Duration;

use super::super::device::Flavor;
use super::super::file_system::base_name;
use super::super::run::{Io, Leaving, Run};
use super::{builtin, lossy, number, operands};

/// What runs, as the visitor sees it: number, user, size in KiB, state, command line.
fn running(run: &mut Run<'_, '_>) -> Vec<(u32, String, u32, &'static str, String)> {
    let user = run.state.user();
    let mut all: Vec<_> = run
        .device
        .processes()
        .iter()
        .map(|process| {
            (
                process.pid,
                "root".to_owned(),
                process.size_kib,
                if process.size_kib == 0 { "SW" } else { "S" },
                process.command.clone(),
            )
        })
        .collect();
    let (shell, looks) = match &run.state.process {
        Some(process) => (process.own.clone(), process.is_alone()),
        None => (lossy(&run.shell_name()), false),
    };
    if let Some(process) = run.state.process.as_ref().filter(|_| run.state.pid != 1) {
        all.push((1, "root".to_owned(), 1_352, "S", process.first.clone()));
    }
    all.push((run.state.pid, user.clone(), 1_352, "S", shell));
    all.extend(run.jobs.running.iter().map(|job| (job.pid, user.clone(), 612, "S", lossy(&job.command))));
    all.sort_by_key(|process| process.0);
    // A container's process that is no shell is itself what looks.
    if !looks {
        let last = run.next_pid();
        all.push((last, user, 1_344, "R", "ps".to_owned()));
    }
    all
}

pub(super) fn ps(run: &mut Run<'_, '_>, _: &[Vec<u8>], io: Io) -> u8 {
    if run.device.is_container() {
        run.print_line(io.out, "PID   USER     TIME  COMMAND");
        for (pid, user, _, _, command) in running(run) {
            run.print_line(io.out, &format!("{pid:>5} {user:<8}  0:00 {command}"));
        }
        return 0;
    }
    let header = match run.device.flavor() {
        Flavor::BusyBox => "  PID USER       VSZ STAT COMMAND",
        Flavor::Android => "USER     PID   PPID  VSIZE  RSS     WCHAN    PC        NAME",
    };
    run.print_line(io.out, header);
    for (pid, user, size, state, command) in running(run) {
        let line = match run.device.flavor() {
            Flavor::BusyBox => format!("{pid:5} {user:<8} {size:>5} {state:<4} {command}"),
            Flavor::Android => {
                format!("{user:<9} {pid:<5} 1     {size:<6} {:<6} ffffffff 00000000 S {command}", size / 3)
            }
        };
        let line: String = if io.out == super::super::run::TERMINAL { line.chars().take(80).collect() } else { line };
        run.print_line(io.out, &line);
    }
    0
}

pub(super) fn top(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let (total, free) = (run.device.memory_kib(), run.device.free_kib(run.cx.now()));
    run.print_line(
        io.out,
        &format!("Mem: {}K used, {free}K free, 0K shrd, {}K buff, {}K cached", total - free, total / 40, total / 5),
    );
    run.print_line(io.out, "CPU:   0% usr   1% sys   0% nic  98% idle   0% io   0% irq   0% sirq");
    ps(run, words, io)
}

/// The numbers of what runs under this name.
fn named(run: &mut Run<'_, '_>, name: &[u8]) -> Vec<u32> {
    let name = lossy(name);
    let is_named = |command: &str| {
        let program = command.split(' ').next().unwrap_or_default();
        lossy(base_name(program.as_bytes())).trim_matches(['[', ']', '-']) == name
    };
    running(run).into_iter().filter(|(.., command)| is_named(command)).map(|(pid, ..)| pid).collect()
}

/// `killall` and `pkill`.
pub(super) fn killall(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 0;
    for name in operands(words) {
        let found = named(run, name);
        if found.is_empty()
            && words.first().is_some_and(|word| base_name(word) == b"killall")
            && !super::has_flag(words, b'q')
        {
            status = run.fail(io, words, &format!("{}: no process killed", lossy(name)));
        } else if found.is_empty() {
            status = 1;
        }
        run.jobs.running.retain(|job| !found.contains(&job.pid));
    }
    status
}

pub(super) fn pidof(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut found = Vec::new();
    for name in operands(words) {
        found.extend(named(run, name).into_iter().map(|pid| pid.to_string()));
    }
    if found.is_empty() {
        return 1;
    }
    run.print_line(io.out, &found.join(" "));
    0
}

/// `pgrep NAME`: one number a line.
pub(super) fn pgrep(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut status = 1;
    for name in operands(words) {
        for pid in named(run, name) {
            run.print_line(io.out, &pid.to_string());
            status = 0;
        }
    }
    status
}

pub(super) fn sleep(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut total = Duration::ZERO;
    if words.len() < 2 {
        return super::usage(run, "sleep", io);
    }
    for word in words.iter().skip(1) {
        match builtin::duration(word) {
            Some(time) => total = total.saturating_add(time),
            None => return run.fail(io, words, &format!("invalid number '{}'", lossy(word))),
        }
    }
    run.wait(total);
    0
}

/// `halt`, `poweroff` and `reboot`: a moment later init ends what runs, the visitor's shell as well. Not so for Android's user, nor in a
/// container, which has no init of that kind.
pub(super) fn shut_down(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    if !run.state.is_root || run.device.is_container() {
        return run.fail(io, words, "Operation not permitted");
    }
    run.wait_about(900, 2_100);
    run.state.exited = true;
    run.leaving = Some(Leaving::Exit);
    0
}

pub(super) fn usleep(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    let micros = words.get(1).and_then(|word| number(word)).unwrap_or(0);
    run.wait(Duration::from_micros(micros));
    0
}

/// Two lines of the new password; the shell has asked for them.
pub(super) fn passwd(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let name = operands(words).next().cloned().unwrap_or_else(|| b"root".to_vec());
    let user = lossy(&name);
    if super::system::user(&name).is_none() {
        return run.fail(io, words, &format!("unknown user {user}"));
    }
    let (first, second) = (run.read_line(io), run.read_line(io));
    if first.is_none() || first != second {
        run.print_line(io.err, "Passwords don't match");
        return run.fail(io, words, &format!("password for {user} is unchanged"));
    }
    run.wait_about(80, 300);
    run.print_line(io.out, &format!("passwd: password for {user} changed by root"));
    0
}
