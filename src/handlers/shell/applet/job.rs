//! Programs in the background: `jobs`, `wait`, `fg`, `bg`, `kill`.

use super::super::device::Flavor;
use super::super::run::{Io, Leaving, Run};
use super::{lossy, number, trap};

/// A process number, or `%N` for one of the programs in the background.
fn pid_of(run: &Run<'_, '_>, word: &[u8]) -> Option<u32> {
    let Some(job) = word.strip_prefix(b"%") else { return number(word).and_then(|pid| u32::try_from(pid).ok()) };
    let running = &run.jobs.running;
    match job {
        b"" | b"%" | b"+" => running.last(),
        b"-" => running.iter().rev().nth(1),
        job => number(job).and_then(|at| running.get(usize::try_from(at).ok()?.checked_sub(1)?)),
    }
    .map(|job| job.pid)
}

/// `jobs`, the latest first; `jobs -p`: their numbers.
pub(super) fn jobs(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let lines = if super::has_flag(words, b'p') {
        run.jobs.running.iter().map(|job| job.pid.to_string().into_bytes()).collect()
    } else {
        run.jobs.lines()
    };
    for line in lines.iter().rev() {
        run.print(io.out, &[line, &b"\n"[..]].concat());
    }
    0
}

/// `fg` and `bg`: the program goes on where nobody sees it.
pub(super) fn foreground(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let name = words.first().map(Vec::as_slice).unwrap_or_default();
    let Some(job) = run.jobs.running.last_mut() else {
        run.complain_of(io, name, b"No current job");
        return 2;
    };
    job.is_stopped = false;
    let (line, until) = (lossy(&job.command), job.until);
    run.print_line(io.out, &line);
    if name == b"fg" {
        run.jobs.running.pop();
        let now = run.cx.now();
        match until {
            Some(until) => run.wait(until.saturating_since(now)),
            None => run.leaving = Some(Leaving::Hang),
        }
    }
    0
}

/// `wait`, `wait PID...`: until those programs have ended.
pub(super) fn wait(run: &mut Run<'_, '_>, words: &[Vec<u8>], _: Io) -> u8 {
    let now = run.cx.now();
    if words.len() == 1 {
        let last = run.jobs.running.iter().filter_map(|job| job.until).max();
        run.jobs.running.retain(|job| job.until.is_none());
        run.wait(last.map_or_else(Default::default, |until| until.saturating_since(now)));
        return 0;
    }
    let mut status = 0;
    for word in words.iter().skip(1) {
        let Some(pid) = pid_of(run, word) else { return 127 };
        if let Some(at) = run.jobs.running.iter().position(|job| job.pid == pid) {
            let until = run.jobs.running.remove(at).until;
            run.wait(until.map_or_else(Default::default, |until| until.saturating_since(now)));
            status = 0;
            continue;
        }
        status = run.jobs.ended.iter().find(|(ended, _)| *ended == pid).map_or(127, |(_, status)| *status);
    }
    status
}

/// `kill -l`: the names, or what a number or a name means.
fn list(run: &mut Run<'_, '_>, words: &[&[u8]], io: Io) -> u8 {
    for word in words {
        let Some(signal) = trap::signal(word) else {
            run.print_line(io.err, &format!("sh: unknown signal '{}'", lossy(word)));
            return 1;
        };
        let name = trap::NAMES.get(usize::from(signal)).copied().unwrap_or_default();
        let shown = if number(word).is_some() { name.to_owned() } else { signal.to_string() };
        run.print_line(io.out, &shown);
    }
    if words.is_empty() {
        for (at, name) in trap::NAMES.iter().enumerate().skip(1) {
            run.print_line(io.out, &format!("{at:2}) {name}"));
        }
    }
    0
}

pub(super) fn kill(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let mut rest: Vec<&[u8]> = words.iter().skip(1).map(Vec::as_slice).collect();
    let mut signal = Some(15);
    if let Some(option) = rest.first().and_then(|word| word.strip_prefix(b"-")) {
        let mut name = option;
        rest.remove(0);
        match name {
            b"l" => return list(run, &rest, io),
            b"s" | b"n" if !rest.is_empty() => name = rest.remove(0),
            _ => {}
        }
        if name != b"-" {
            signal = trap::signal(name);
        }
        if signal.is_none() {
            run.print_line(io.err, &format!("sh: bad signal name '{}'", lossy(name)));
            return 1;
        }
    }
    if rest.is_empty() {
        run.print_line(io.err, "sh: you need to specify whom to kill");
        return 1;
    }
    let mut status = 0;
    for word in rest {
        let Some(pid) = pid_of(run, word.strip_prefix(b"-").unwrap_or(word)) else {
            if word.starts_with(b"%") {
                run.complain_of(io, b"kill", &[word, b": no such job"].concat());
                status |= 2;
            } else {
                run.print_line(io.err, &format!("sh: invalid number '{}'", lossy(word)));
                status |= 1;
            }
            continue;
        };
        status |= u8::from(!send(run, pid, signal.unwrap_or(15), io));
    }
    status
}

/// Sends a signal; what is not there is complained about.
fn send(run: &mut Run<'_, '_>, pid: u32, signal: u8, io: Io) -> bool {
    if pid == run.state.pid {
        run.signalled(signal, io);
        return true;
    }
    let is_running = run.jobs.running.iter().any(|job| job.pid == pid);
    if signal != 0 {
        run.jobs.running.retain(|job| job.pid != pid);
    }
    let is_known = is_running || run.device.processes().iter().any(|process| process.pid == pid);
    if !is_known {
        match run.device.flavor() {
            Flavor::BusyBox => run.print_line(io.err, &format!("sh: can't kill pid {pid}: No such process")),
            Flavor::Android => run.complain(io, format!("kill: {pid}: No such process").as_bytes()),
        }
    }
    is_known
}
