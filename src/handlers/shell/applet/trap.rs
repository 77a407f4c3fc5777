//! Signals: their names, `trap`, and what a shell does with one (signal(7); POSIX.1-2017, trap).

use super::super::run::{Io, Leaving, Run};
use super::{lossy, number};

/// Names by number, without `SIG`; 0 is the end of the shell.
pub(super) const NAMES: [&str; 32] = [
    "EXIT", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
    "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
    "POLL", "PWR", "SYS",
];

/// Bytes of all traps of a shell.
const MAX_TRAPS: usize = 8 * 1_024;

/// The signal of this number or name.
pub(super) fn signal(text: &[u8]) -> Option<u8> {
    if let Some(number) = number(text) {
        return u8::try_from(number).ok().filter(|number| usize::from(*number) < NAMES.len());
    }
    let name = lossy(text).to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    NAMES.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok())
}

/// `trap`, `trap COMMAND SIGNAL...`, `trap - SIGNAL...`.
pub(super) fn trap(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let rest = words.get(1..).unwrap_or_default();
    let rest = rest.strip_prefix(&[b"--".to_vec()][..]).unwrap_or(rest);
    let (command, signals) = match rest {
        [] => {
            for (signal, command) in run.state.traps.clone() {
                let command = lossy(&command).replace('\'', "'\"'\"'");
                let name = NAMES.get(usize::from(signal)).copied().unwrap_or_default();
                run.print_line(io.out, &format!("trap -- '{command}' {name}"));
            }
            return 0;
        }
        [_] => (None, rest),
        [dash, signals @ ..] if dash == b"-" => (None, signals),
        [command, signals @ ..] => (Some(command), signals),
    };
    let mut status = 0;
    for name in signals {
        let Some(signal) = signal(name) else {
            run.complain_of(io, b"trap", &[&name[..], b": invalid signal specification"].concat());
            status = 1;
            continue;
        };
        run.state.traps.remove(&signal);
        let held: usize = run.state.traps.values().map(Vec::len).sum();
        if let Some(command) = command.filter(|command| held + command.len() <= MAX_TRAPS) {
            run.state.traps.insert(signal, command.clone());
        }
    }
    status
}

impl Run<'_, '_> {
    /// What was set for the end of the shell is done, once.
    pub(in super::super) fn exit_trap(&mut self, io: Io) {
        let Some(command) = self.state.traps.remove(&0).filter(|command| !command.is_empty()) else { return };
        let (status, leaving) = (self.state.status, self.leaving.take());
        if leaving == Some(Leaving::Hang) {
            self.leaving = leaving;
            return;
        }
        self.text(&command, io);
        self.leaving = leaving;
        self.state.status = status;
    }

    /// A signal for the shell itself: its trap, or what the signal does without one.
    pub(super) fn signalled(&mut self, signal: u8, io: Io) {
        const HANGUP: u8 = 1;
        const KILL: u8 = 9;
        const IGNORED: [u8; 8] = [0, 17, 18, 19, 20, 21, 22, 23];
        match self.state.traps.get(&signal).filter(|_| signal != KILL && signal != 0).cloned() {
            Some(command) => {
                let status = self.state.status;
                self.text(&command, io);
                self.state.status = status;
            }
            None if IGNORED.contains(&signal) => {}
            None if !self.is_interactive() || matches!(signal, HANGUP | KILL) => {
                self.leaving = Some(Leaving::Exit);
                self.state.status = 128 + signal;
            }
            // An interactive shell ignores the others.
            None => {}
        }
    }
}
