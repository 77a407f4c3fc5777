//! Answers of the engine that come over time: pulls, waits, logs, and the terminals of containers and commands.

use std::time::Duration;

use serde_json::json;

use super::super::super::Context;
use super::super::super::recording::{Direction, Recording};
use super::super::answer::{Answer, Framing, Progress, Stream};
use super::super::record::command_event;
use super::Machines;
use super::command::{self, Place, Ran};
use super::container::{Fetch, framed};
use super::image::Image;
use super::machine::Exec;

/// How often a container is looked at that a client waits for.
const LOOK: Duration = Duration::from_millis(200);
/// Time that a client may wait for something that never ends.
const MAX_LOOKS: u32 = 5 * 3_600;
/// Bytes of a line that is typed.
const MAX_LINE: usize = 4 * 1024;
/// What ends the input of a terminal (Ctrl-D).
const END_OF_INPUT: u8 = 4;

/// `GET /events`: nothing happens.
pub(super) fn silence() -> Answer {
    struct Silence(u32);
    impl Stream for Silence {
        fn next(&mut self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Progress {
            self.0 += 1;
            if self.0 > MAX_LOOKS { Progress::Ended } else { Progress::After(LOOK) }
        }
    }
    Answer { content_type: Some("application/json".into()), ..Answer::streamed(200, Framing::Chunked, Silence(0)) }
}

/// The progress of a pull.
pub(super) struct Pull {
    /// Lines still to come, last first, each with the time before the next.
    lines: Vec<(String, Duration)>,
}

impl Pull {
    pub(super) fn new(image: &Image, known: bool) -> Self {
        let mut lines = Vec::new();
        let mut say =
            |value: serde_json::Value, millis: u64| lines.push((format!("{value}\r\n"), Duration::from_millis(millis)));
        let tag = image.tag();
        let (_, tag_alone) = tag.rsplit_once(':').unwrap_or(("", ""));
        let repository = if image.name.contains('/') { image.name.clone() } else { format!("library/{}", image.name) };
        say(json!({"status": format!("Pulling from {repository}"), "id": tag_alone}), 350);
        if !known {
            for layer in &image.layers {
                say(json!({"status": "Pulling fs layer", "progressDetail": {}, "id": layer}), 5);
            }
            let size = image.size() / image.layers.len().max(1) as u64 / 2;
            for layer in &image.layers {
                for part in [30, 70, 100] {
                    let current = size * part / 100;
                    say(
                        json!({"status": "Downloading", "progressDetail": {"current": current, "total": size}, "progress": bar(part), "id": layer}),
                        90,
                    );
                }
                say(json!({"status": "Download complete", "progressDetail": {}, "id": layer}), 30);
                say(
                    json!({"status": "Extracting", "progressDetail": {"current": size, "total": size}, "progress": bar(100), "id": layer}),
                    120,
                );
                say(json!({"status": "Pull complete", "progressDetail": {}, "id": layer}), 20);
            }
        }
        say(json!({"status": format!("Digest: {}", image.digest)}), 5);
        let news = if known { "Image is up to date for" } else { "Downloaded newer image for" };
        say(json!({"status": format!("Status: {news} {tag}")}), 5);
        lines.reverse();
        Self { lines }
    }
}

fn bar(part: u64) -> String {
    let filled = usize::try_from(part / 2).unwrap_or(0);
    format!("[{}>{}] {part}%", "=".repeat(filled.saturating_sub(1)), " ".repeat(50_usize.saturating_sub(filled)))
}

impl Stream for Pull {
    fn next(&mut self, _: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        let Some((line, delay)) = self.lines.pop() else { return Progress::Ended };
        out.extend_from_slice(line.as_bytes());
        if self.lines.is_empty() { Progress::Ended } else { Progress::After(delay) }
    }
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its end.
    Wait,
    /// What it writes.
    Logs,
    /// What it writes; what the client sends is its input.
    Attach,
}

/// A client that waits for a container.
pub(super) struct Watch {
    machines: Machines,
    container: String,
    kind: Kind,
    /// The output was sent.
    sent: bool,
    looks: u32,
    terminal: Option<Terminal>,
    /// What the client sent before there was a terminal; clients send ahead.
    input: Recording,
    /// The client sends no more.
    ended: bool,
}

impl Watch {
    pub(super) fn new(machines: Machines, container: &str, kind: Kind) -> Self {
        Self {
            machines,
            container: container.to_owned(),
            kind,
            sent: false,
            looks: 0,
            terminal: None,
            input: Recording::new(MAX_LINE),
            ended: false,
        }
    }
}

impl Stream for Watch {
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.looks += 1;
        let now = cx.now();
        let (kind, wants_output) = (self.kind, self.kind != Kind::Wait && !self.sent);
        let seen = self.machines.with(cx.session().client.ip(), now, |machine| {
            let container = machine.container(&self.container)?;
            let output = if wants_output && container.has_started() { Some(container.logs()) } else { None };
            let ended = container.ended(now).map(|_| container.exit_code());
            let removes = ended.is_some() && kind == Kind::Wait && container.removes_itself();
            let shell = container.is_shell.then(|| (container.tty, container.place.clone()));
            let running = container.is_running(now);
            if removes {
                let id = container.id.clone();
                machine.remove_container(&id);
            }
            Some((output, ended, shell, running))
        });
        let Some((output, ended, shell, running)) = seen else {
            if kind == Kind::Wait {
                out.extend_from_slice(b"{\"Error\":null,\"StatusCode\":0}\n");
            }
            return Progress::Ended;
        };
        if let Some(output) = output {
            self.sent = true;
            out.extend_from_slice(&output);
        }
        if let (Kind::Attach, Some((tty, place)), true, None) = (kind, shell, running, &self.terminal) {
            let terminal = Terminal::new(tty, place);
            terminal.prompt(out);
            self.terminal = Some(terminal);
            let mut ahead = std::mem::replace(&mut self.input, Recording::new(MAX_LINE)).bytes().to_vec();
            if self.ended {
                ahead.push(END_OF_INPUT);
            }
            if self.data(cx, &ahead, out) == Progress::Ended {
                return Progress::Ended;
            }
        }
        match ended {
            Some(exit) => {
                if kind == Kind::Wait {
                    out.extend_from_slice(format!("{}\n", json!({"Error": null, "StatusCode": exit})).as_bytes());
                }
                Progress::Ended
            }
            None if self.looks > MAX_LOOKS => Progress::Ended,
            None => Progress::After(LOOK),
        }
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let Some(terminal) = &mut self.terminal else {
            self.input.push(bytes);
            return Progress::After(Duration::ZERO);
        };
        if terminal.take(cx, bytes, out) {
            return Progress::After(Duration::ZERO);
        }
        let now = cx.now();
        self.machines.with(cx.session().client.ip(), now, |machine| {
            if let Some(container) = machine.container(&self.container) {
                container.stop(now);
            }
        });
        Progress::Ended
    }

    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.ended = true;
        if self.terminal.is_some() { self.data(cx, &[END_OF_INPUT], out) } else { Progress::After(Duration::ZERO) }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        record_input(cx, &self.input);
    }
}

/// What was sent to a program that reads nothing.
fn record_input(cx: &mut Context<'_>, input: &Recording) {
    if input.total() > 0 {
        cx.event(input.event(Direction::Recv));
    }
}

/// A command that was started in a container.
pub(super) struct Shell {
    ran: Ran,
    tty: bool,
    /// The command is a shell that reads what is typed.
    terminal: Option<Terminal>,
    prompted: bool,
    looks: u32,
    sent: bool,
    /// What the client sent to a program that is no shell.
    input: Recording,
}

impl Shell {
    pub(super) fn new(exec: &Exec) -> Self {
        let host = exec.container.get(..12).unwrap_or_default().to_owned();
        let place = Place { host, kernel: exec.kernel };
        let terminal = command::is_shell(&exec.command).then(|| Terminal::new(exec.tty, place.clone()));
        Self {
            ran: command::run(&exec.command, &place),
            tty: exec.tty,
            terminal,
            prompted: false,
            looks: 0,
            sent: false,
            input: Recording::new(MAX_LINE),
        }
    }

    pub(super) fn downloads(&self) -> impl Iterator<Item = &Fetch> {
        self.ran.fetches.iter()
    }
}

impl Stream for Shell {
    fn next(&mut self, _: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.looks += 1;
        if let Some(terminal) = &self.terminal {
            if !std::mem::replace(&mut self.prompted, true) {
                terminal.prompt(out);
            }
            return if self.looks > MAX_LOOKS { Progress::Ended } else { Progress::After(LOOK) };
        }
        if !std::mem::replace(&mut self.sent, true) {
            out.extend_from_slice(&on_terminal(&self.ran.output, self.tty));
            return Progress::After(self.ran.runs.unwrap_or(Duration::from_secs(3_600)));
        }
        Progress::Ended
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        if let Some(terminal) = &self.terminal
            && !std::mem::replace(&mut self.prompted, true)
        {
            terminal.prompt(out);
        }
        if self.terminal.is_none() {
            self.input.push(bytes);
        }
        let goes_on = self.terminal.as_mut().is_none_or(|terminal| terminal.take(cx, bytes, out));
        if goes_on { Progress::After(Duration::ZERO) } else { Progress::Ended }
    }

    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        if self.terminal.is_some() { self.data(cx, &[END_OF_INPUT], out) } else { Progress::After(Duration::ZERO) }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        record_input(cx, &self.input);
    }
}

/// Output as a terminal or the stream format has it.
fn on_terminal(output: &[u8], tty: bool) -> Vec<u8> {
    if !tty {
        return framed(output, false);
    }
    String::from_utf8_lossy(output).replace('\n', "\r\n").into_bytes()
}

/// A shell that someone types at.
struct Terminal {
    tty: bool,
    place: Place,
    line: Vec<u8>,
}

impl Terminal {
    fn new(tty: bool, place: Place) -> Self {
        Self { tty, place, line: Vec::new() }
    }

    fn prompt(&self, out: &mut Vec<u8>) {
        if self.tty {
            out.extend_from_slice(b"/ # ");
        }
    }

    /// Takes what is typed; false when the shell has ended.
    fn take(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    if self.tty {
                        out.extend_from_slice(b"\r\n");
                    }
                    if !self.enter(cx, out) {
                        return false;
                    }
                    self.prompt(out);
                }
                // Ctrl-D at the beginning of a line.
                END_OF_INPUT if self.line.is_empty() => return false,
                // A pipe may end without a line end; the shell runs the line and ends.
                END_OF_INPUT if !self.tty => {
                    self.enter(cx, out);
                    return false;
                }
                3 if self.tty => {
                    self.line.clear();
                    out.extend_from_slice(b"^C\r\n");
                    self.prompt(out);
                }
                8 | 127 if self.tty => {
                    let erased = self.line.pop().map_or(&b""[..], |_| b"\x08 \x08");
                    out.extend_from_slice(erased);
                }
                _ if self.line.len() < MAX_LINE => {
                    self.line.push(byte);
                    if self.tty {
                        out.push(byte);
                    }
                }
                _ => {}
            }
        }
        true
    }

    fn enter(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> bool {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            return true;
        }
        cx.event(command_event(text));
        if text == "exit" || text.starts_with("exit ") || text == "logout" {
            return false;
        }
        let ran = command::run_line(text, &self.place);
        for (url, tool) in &ran.fetches {
            cx.download(url, tool);
        }
        out.extend_from_slice(&on_terminal(&ran.output, self.tty));
        true
    }
}
