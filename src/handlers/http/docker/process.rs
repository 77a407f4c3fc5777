//! Processes in containers: what one prints as time passes, and one that a client is attached to. All of it is the work of the
//! shell that telnet's visitors meet as well; nothing is executed.

use std::sync::Arc;
use std::time::Duration;

use super::super::super::Context;
use super::super::super::shell::{self, Act, Acts, Device, Shell, Terminal, User};
use super::config::is_shell;
use super::output::{Channel, Wanted, emit};
use crate::clock::Timestamp;

/// Bytes of output that are kept of a process that nobody is attached to, and pieces of it.
const MAX_OUTPUT: usize = 8 * 1024;
const MAX_PIECES: usize = 64;
/// Bytes that a client may send ahead.
const MAX_AHEAD: usize = 64 * 1024;
/// Bytes that one call sends.
const MAX_AT_ONCE: usize = 256 * 1024;
/// What the shortest process takes: longer than `stream::LOOK`, so that whoever is attached hears it before it is removed.
const SHORTEST: Duration = Duration::from_millis(400);

/// Parts of a line that describes a user (passwd(5)).
const MAX_PARTS: usize = 7;
const OUT_OF_RANGE: &str = "uids and gids must be in range 0-2147483647";

/// Where processes of a container run.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) inside: shell::Container,
    pub(super) cwd: String,
    /// `NAME=VALUE`
    pub(super) env: Vec<String>,
}

impl Place {
    fn shell(&self, cx: &Context<'_>, device: &Arc<Device>, is_interactive: bool) -> Shell {
        Shell::in_container(device, &self.inside, (&self.cwd, &self.env), cx.session().seed, is_interactive)
    }

    /// Why this cannot be run, in runc's words; `None`: it is a program.
    pub(super) fn refuses(&self, device: &Device, program: &str, now: Timestamp) -> Option<String> {
        self.inside.files(device, now, |files| {
            let in_path = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
            if !program.contains('/') {
                let is_there =
                    in_path.iter().any(|directory| files.exists(format!("{directory}/{program}").as_bytes()));
                return (!is_there).then(|| format!("exec: {program:?}: executable file not found in $PATH"));
            }
            match files.stat(&files.absolute(self.cwd.as_bytes(), program.as_bytes())) {
                None => Some(format!("exec: {program:?}: stat {program}: no such file or directory")),
                Some((mode, _, _)) if mode & 0o040_000 != 0 || mode & 0o111 == 0 => {
                    Some(format!("exec: {program:?}: permission denied"))
                }
                Some(_) => None,
            }
        })
    }

    /// The same for a process of this user, which is a name or a number, with a group or without; or why there is no such user.
    pub(super) fn for_user(mut self, device: &Device, wanted: &str, now: Timestamp) -> Result<Self, String> {
        let (name, group) = wanted.split_once(':').unwrap_or((wanted, ""));
        // The visitor may have written these files: one line is taken of them.
        let line = |file: &str, name: &str| -> Option<Vec<String>> {
            let text =
                self.inside.files(device, now, |files| files.read(file.as_bytes()).map(|bytes| bytes.into_owned()));
            let text = text.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let parts = |line: &str| line.split(':').take(MAX_PARTS).map(str::to_owned).collect();
            let is_it = |line: &&str| [0, 2].iter().any(|&at| line.split(':').nth(at) == Some(name));
            text.lines().find(is_it).map(parts)
        };
        let number = |line: &Vec<String>, at: usize| line.get(at).and_then(|part| part.parse().ok()).unwrap_or(0);
        let name = if name.is_empty() { "0" } else { name };
        let mut user = match (line("/etc/passwd", name), name.parse()) {
            (Some(line), _) => User {
                uid: number(&line, 2),
                gid: number(&line, 3),
                name: line.first().cloned(),
                home: line.get(5).cloned().unwrap_or_default(),
            },
            (None, Ok(uid)) if uid > i32::MAX.unsigned_abs() => return Err(OUT_OF_RANGE.to_owned()),
            (None, Err(_)) if name.bytes().all(|byte| byte.is_ascii_digit()) => return Err(OUT_OF_RANGE.to_owned()),
            (None, Ok(uid)) => User { uid, gid: 0, name: None, home: "/".to_owned() },
            (None, Err(_)) => return Err(format!("unable to find user {name}: no matching entries in passwd file")),
        };
        if !group.is_empty() {
            let known = line("/etc/group", group).map(|line| number(&line, 2));
            let why = || format!("unable to find group {group}: no matching entries in group file");
            user.gid = known.or_else(|| group.parse().ok()).ok_or_else(why)?;
        }
        self.inside = self.inside.with_user(user);
        Ok(self)
    }
}

/// What a process does that nobody is attached to.
#[derive(Debug, Clone, Default)]
pub(super) struct Played {
    /// What it prints, each piece at its time after the start.
    pub(super) pieces: Vec<(Duration, Channel, Vec<u8>)>,
    pub(super) exit: i32,
    /// How long it runs; `None` = until it is stopped.
    pub(super) runs: Option<Duration>,
    /// It waits for input that has not come.
    pub(super) reads: bool,
}

impl Played {
    /// A service: silent, and without end.
    pub(super) fn forever() -> Self {
        Self::default()
    }

    /// Runs these words; without input.
    pub(super) fn run(cx: &mut Context<'_>, device: &Arc<Device>, place: &Place, words: &[String]) -> Self {
        if is_shell(words) {
            // Nobody types at it: its input has ended.
            return Self { runs: Some(SHORTEST), ..Self::default() };
        }
        let mut shell = place.shell(cx, device, false).without_terminal();
        let mut acts = shell.exec(cx, words);
        let reads = shell.is_reading();
        if reads {
            acts.extend(shell.end_of_input(cx));
        }
        shell.closed(cx);
        let mut played = Self { exit: i32::from(shell.status()), reads, ..Self::default() };
        let (mut at, mut room) = (Duration::ZERO, MAX_OUTPUT);
        for act in acts {
            match act {
                Act::Print(bytes) => played.print(at, Channel::Out, bytes, &mut room),
                Act::Complain(bytes) => played.print(at, Channel::Err, bytes, &mut room),
                Act::Wait(time) => at = at.saturating_add(time),
                Act::Hang => return played,
            }
        }
        played.runs = Some(at.saturating_add(SHORTEST));
        played
    }

    fn print(&mut self, at: Duration, channel: Channel, mut bytes: Vec<u8>, room: &mut usize) {
        bytes.truncate(*room);
        *room -= bytes.len();
        let is_full = self.pieces.len() >= MAX_PIECES;
        match self.pieces.last_mut() {
            Some((last, same, piece)) if (*last, *same) == (at, channel) || is_full => piece.extend_from_slice(&bytes),
            _ => self.pieces.push((at, channel, bytes)),
        }
    }
}

/// A process that a client is attached to.
pub(super) enum Attached {
    /// A shell on a terminal.
    Terminal(Box<Terminal>),
    /// Anything else.
    Pipe(Box<Pipe>),
}

impl Attached {
    /// Starts these words.
    pub(super) fn new(
        cx: &mut Context<'_>,
        device: &Arc<Device>,
        place: &Place,
        (words, tty, wanted): (&[String], bool, Wanted),
        out: &mut Vec<u8>,
    ) -> Self {
        let is_script = is_shell(words);
        let inside = match words {
            [chroot, root, ..] if is_script && chroot.ends_with("chroot") => place.inside.rooted(root),
            _ => place.inside.clone(),
        };
        let place = &Place { inside: inside.with_shell(words.last().map_or("", String::as_str)), ..place.clone() };
        if is_script && tty {
            let mut terminal = Terminal::new(place.shell(cx, device, true));
            terminal.start(out);
            return Self::Terminal(Box::new(terminal));
        }
        let shell = place.shell(cx, device, false);
        let mut shell = if tty { shell } else { shell.without_terminal() };
        let acts = if is_script { Acts::new() } else { shell.exec(cx, words) };
        let mut pipe = Pipe {
            shell,
            tty,
            wanted,
            is_script,
            is_echo: !tty && matches!(words, [program] if program.rsplit('/').next() == Some("cat")),
            acts,
            due: None,
            hangs: false,
            ahead: Vec::new(),
            ended: false,
            over: false,
        };
        pipe.go_on(cx, out);
        Self::Pipe(Box::new(pipe))
    }

    /// When [`Attached::wake`] is to be called.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Terminal(terminal) => terminal.due(),
            Self::Pipe(pipe) => pipe.due,
        }
    }

    pub(super) fn wake(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Terminal(terminal) => terminal.wake(cx, out),
            Self::Pipe(pipe) => {
                if pipe.due.is_some_and(|due| due <= cx.now()) {
                    pipe.due = None;
                }
                pipe.go_on(cx, out);
            }
        }
    }

    /// What the client sends.
    pub(super) fn input(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Terminal(terminal) => terminal.input(cx, bytes, out),
            Self::Pipe(pipe) => pipe.input(cx, bytes, out),
        }
    }

    /// The client sends no more.
    pub(super) fn end_of_input(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Terminal(terminal) => terminal.end_of_input(cx, out),
            Self::Pipe(pipe) => {
                pipe.ended = true;
                pipe.go_on(cx, out);
            }
        }
    }

    /// Its exit code, when it has ended.
    pub(super) fn exit(&self) -> Option<i32> {
        match self {
            Self::Terminal(terminal) => terminal.has_ended().then(|| i32::from(terminal.status())),
            Self::Pipe(pipe) => pipe.over.then(|| i32::from(pipe.shell.status())),
        }
    }

    pub(super) fn closed(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Terminal(terminal) => terminal.closed(cx),
            Self::Pipe(pipe) => pipe.shell.closed(cx),
        }
    }
}

/// A command, or a shell whose commands come from the client's standard input.
pub(super) struct Pipe {
    shell: Shell,
    tty: bool,
    wanted: Wanted,
    is_script: bool,
    /// It is `cat`: what comes in goes out at once.
    is_echo: bool,
    acts: Acts,
    due: Option<Timestamp>,
    hangs: bool,
    ahead: Vec<u8>,
    ended: bool,
    over: bool,
}

impl Pipe {
    fn input(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) {
        if self.tty && bytes.contains(&3) {
            self.shell.interrupt(cx);
            self.over = true;
            return;
        }
        if self.is_echo {
            return self.print(Channel::Out, bytes, out);
        }
        let room = MAX_AHEAD.saturating_sub(self.ahead.len());
        self.ahead.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.go_on(cx, out);
    }

    /// Plays what is to be seen, gives input to whoever reads, until nothing more can be done now.
    fn go_on(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        while !self.over && !self.hangs && self.due.is_none() && out.len() < MAX_AT_ONCE {
            if let Some(act) = self.acts.pop_front() {
                match act {
                    Act::Print(bytes) => self.print(Channel::Out, &bytes, out),
                    Act::Complain(bytes) => self.print(Channel::Err, &bytes, out),
                    Act::Wait(time) => self.due = Some(cx.now() + time),
                    Act::Hang => self.hangs = true,
                }
            } else if self.shell.is_reading() && !self.ahead.is_empty() {
                let ahead = std::mem::take(&mut self.ahead);
                self.acts = self.shell.feed(cx, &ahead);
            } else if self.shell.is_reading() && self.ended {
                self.acts = self.shell.end_of_input(cx);
            } else if self.shell.is_reading() {
                return;
            } else if !self.is_script || self.shell.has_exited() {
                self.over = true;
            } else if !self.next_line(cx) {
                self.over = self.ended;
                return;
            }
        }
    }

    fn print(&self, channel: Channel, bytes: &[u8], out: &mut Vec<u8>) {
        if self.wanted.has(channel, self.tty) {
            emit(channel, bytes, self.tty, out);
        }
    }

    /// Runs the next line of the input, if it is whole or the last.
    fn next_line(&mut self, cx: &mut Context<'_>) -> bool {
        let length = match memchr::memchr(b'\n', &self.ahead) {
            Some(at) => at + 1,
            None if self.ended && !self.ahead.is_empty() => self.ahead.len(),
            None => return false,
        };
        let line: Vec<u8> = self.ahead.drain(..length).collect();
        self.acts = self.shell.line(cx, line.strip_suffix(b"\n").unwrap_or(&line));
        true
    }
}
