//! Answers of the engine that come over time: pulls, waits, logs, and the terminals of containers and commands.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::recording::{Direction, Recording};
use super::super::super::{Context, shell::Device};
use super::super::answer::{Answer, Framing, Progress, Stream};
use super::Machines;
use super::image::Image;
use super::logs::Selection;
use super::machine::Exec;
use super::output::{Wanted, emit};
use super::process::Attached;
use crate::clock::Timestamp;

/// What a process that was killed leaves.
const KILLED: i32 = 137;
/// How often a container is looked at that a client waits for.
const LOOK: Duration = Duration::from_millis(200);
/// What it takes to start a command. Clients that read the answer's head from a buffer lose what comes with it.
const STARTING: Duration = Duration::from_millis(60);
/// Time that a client may wait for something that never ends.
const MAX_LOOKS: u32 = 5 * 3_600;
/// Bytes that are kept of what a client sends ahead.
const MAX_LINE: usize = 4 * 1024;

/// A stream that says one thing.
pub(super) struct Once(pub(super) Vec<u8>);

impl Stream for Once {
    fn next(&mut self, _: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        out.append(&mut self.0);
        Progress::Ended
    }

    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.next(cx, out)
    }
}

/// The progress of a pull, a push or a build: JSON objects, one a line.
#[derive(Default)]
pub(super) struct Lines {
    /// Lines still to come, last first, each with the time before the next.
    lines: Vec<(String, Duration)>,
}

impl Lines {
    /// These objects, each with the milliseconds before the next.
    pub(super) fn new(lines: Vec<(Value, u64)>) -> Self {
        let line = |(value, millis)| (format!("{value}\r\n"), Duration::from_millis(millis));
        Self { lines: lines.into_iter().map(line).rev().collect() }
    }

    /// The answer.
    pub(super) fn answer(self) -> Answer {
        Answer { content_type: Some("application/json".into()), ..Answer::streamed(200, Framing::Chunked, self) }
    }

    /// A pull.
    pub(super) fn pull(image: &Image, known: bool) -> Self {
        let mut lines = Vec::new();
        let mut say = |value: Value, millis: u64| lines.push((value, millis));
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
        Self::new(lines)
    }
}

fn bar(part: u64) -> String {
    let filled = usize::try_from(part / 2).unwrap_or(0);
    format!("[{}>{}] {part}%", "=".repeat(filled.saturating_sub(1)), " ".repeat(50_usize.saturating_sub(filled)))
}

impl Stream for Lines {
    fn next(&mut self, _: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        let Some((line, delay)) = self.lines.pop() else { return Progress::Ended };
        out.extend_from_slice(line.as_bytes());
        if self.lines.is_empty() { Progress::Ended } else { Progress::After(delay) }
    }
}

/// When a wait is over (Engine API, ContainerWait).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// It does not run: also when it never did.
    NotRunning,
    /// It has ended once more.
    NextExit,
    /// It is gone.
    Removed,
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its end; the time when the wait began.
    Wait(Until, Timestamp),
    /// What it writes.
    Logs(Selection),
    /// What it writes on these streams; what the client sends is its input.
    Attach(Wanted),
    /// What it uses, of this much memory and so many processors.
    Stats { memory: u64, cores: u64 },
}

/// A client that waits for a container.
pub(super) struct Watch {
    machines: Machines,
    device: Arc<Device>,
    container: String,
    kind: Kind,
    /// Pieces of output that were sent, of the run that began then.
    sent: usize,
    run: Option<Timestamp>,
    begun: Option<Timestamp>,
    /// The exit code that was seen last.
    exit: i32,
    looks: u32,
    process: Option<Attached>,
    /// What the client sent before there was a process, or to one that reads nothing; clients send ahead.
    input: Recording,
    /// The client sends no more.
    ended: bool,
}

/// What is seen of a container at one moment.
struct Seen {
    output: Vec<u8>,
    /// Its exit code, when it has ended.
    exit: Option<i32>,
    starts: Option<(super::process::Place, Vec<String>, bool)>,
    next: Duration,
}

impl Watch {
    /// Of what it writes, from this piece on.
    pub(super) fn new((machines, device): (&Machines, &Arc<Device>), container: &str, kind: Kind, sent: usize) -> Self {
        Self {
            machines: Arc::clone(machines),
            device: Arc::clone(device),
            container: container.to_owned(),
            kind,
            sent,
            run: None,
            begun: None,
            exit: KILLED,
            looks: 0,
            process: None,
            input: Recording::new(MAX_LINE),
            ended: false,
        }
    }

    /// Looks at the container; `None` when it is gone.
    fn look(&mut self, cx: &Context<'_>) -> Option<Seen> {
        let (now, kind, attached) = (cx.now(), self.kind, self.process.is_some());
        self.machines.with(cx.session().client.ip(), now, |machine| {
            let container = machine.container(&self.container)?;
            let mut output = Vec::new();
            if self.begun.is_some() && self.run != container.started {
                self.sent = 0;
            }
            self.run = container.started;
            self.begun.get_or_insert(now);
            self.exit = if container.is_running(now) { KILLED } else { container.exit_code() };
            match kind {
                Kind::Wait(..) => {}
                Kind::Stats { memory, cores } => output = format!("{}\n", container.stats(now, memory, cores)).into(),
                Kind::Logs(selection) => self.sent = selection.lines(container, self.sent, now, &mut output),
                Kind::Attach(wanted) => {
                    for (_, channel, bytes) in container.written(self.sent, now) {
                        self.sent += 1;
                        if wanted.has(channel, container.tty) {
                            emit(channel, bytes, container.tty, &mut output);
                        }
                    }
                }
            }
            let exit = match kind {
                Kind::Wait(until, since) => container.awaited(until, since, now),
                // Who is attached to what has ended hears its next run.
                Kind::Attach(_) => container.awaited(Until::NextExit, self.begun.unwrap_or(now), now),
                _ => container.ended(now).map(|_| container.exit_code()),
            };
            let is_attended =
                matches!(kind, Kind::Attach(_)) && container.is_attended && container.is_running(now) && !attached;
            let starts = is_attended.then(|| {
                let place = container.place();
                // It has started: its user is known.
                let place = place.clone().for_user(&self.device, &container.user(), now).unwrap_or(place);
                (place, container.command.clone(), container.tty)
            });
            let next =
                container.next_change(self.sent, now).map_or(LOOK, |next| next.clamp(Duration::from_millis(1), LOOK));
            if container.ended(now).is_some() && matches!(kind, Kind::Wait(..)) && container.removes_itself() {
                let id = container.id.clone();
                machine.happened_to(now, &id, "destroy", None);
                machine.remove_container(&id);
            }
            Some(Seen { output, exit, starts, next })
        })
    }

    /// The process that the client is attached to goes on; true when it has ended.
    fn attend(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(exit) = self.process.as_ref().and_then(Attached::exit) else { return false };
        let now = cx.now();
        self.machines.with(cx.session().client.ip(), now, |machine| {
            if let Some(container) = machine.container(&self.container) {
                container.stop(now, exit);
            }
            machine.bound_to_die(now, &self.container);
        });
        true
    }

    fn start(&mut self, cx: &mut Context<'_>, seen: Seen, out: &mut Vec<u8>) {
        let (Some((place, words, tty)), Kind::Attach(wanted)) = (seen.starts, self.kind) else { return };
        let process = self.process.insert(Attached::new(cx, &self.device, &place, (&words, tty, wanted), out));
        let ahead = std::mem::replace(&mut self.input, Recording::new(MAX_LINE));
        process.input(cx, ahead.bytes(), out);
        if self.ended {
            process.end_of_input(cx, out);
        }
    }
}

impl Stream for Watch {
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.looks += 1;
        let Some(seen) = self.look(cx) else {
            if matches!(self.kind, Kind::Wait(..)) {
                out.extend_from_slice(format!("{{\"Error\":null,\"StatusCode\":{}}}\n", self.exit).as_bytes());
            }
            return Progress::Ended;
        };
        out.extend_from_slice(&seen.output);
        let (exit, mut next) = (seen.exit, seen.next);
        match &mut self.process {
            Some(process) => process.wake(cx, out),
            None => self.start(cx, seen, out),
        }
        if self.attend(cx) {
            return Progress::Ended;
        }
        if let Some(due) = self.process.as_ref().and_then(Attached::due) {
            next = due.saturating_since(cx.now()).clamp(Duration::from_millis(1), LOOK);
        }
        match (exit, self.kind) {
            (_, Kind::Stats { .. }) if self.looks < MAX_LOOKS / 5 => Progress::After(Duration::from_secs(1)),
            (Some(exit), Kind::Wait(..)) => {
                out.extend_from_slice(format!("{}\n", json!({"Error": null, "StatusCode": exit})).as_bytes());
                Progress::Ended
            }
            (Some(_), _) => Progress::Ended,
            (None, _) if self.looks > MAX_LOOKS => Progress::Ended,
            (None, _) => Progress::After(next),
        }
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let Some(process) = &mut self.process else {
            self.input.push(bytes);
            return Progress::After(Duration::ZERO);
        };
        process.input(cx, bytes, out);
        if self.attend(cx) { Progress::Ended } else { Progress::After(Duration::from_millis(1)) }
    }

    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.ended = true;
        if let Some(process) = &mut self.process {
            process.end_of_input(cx, out);
        }
        if self.attend(cx) { Progress::Ended } else { Progress::After(Duration::ZERO) }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        if let Some(process) = &mut self.process {
            process.closed(cx);
        }
        // What was sent to a program that reads nothing.
        if self.input.total() > 0 {
            cx.event(self.input.event(Direction::Recv));
        }
    }
}

/// A command that was started in a container.
pub(super) struct Session {
    machines: Machines,
    device: Arc<Device>,
    exec: Exec,
    process: Option<Attached>,
    looks: u32,
}

impl Session {
    pub(super) fn new((machines, device): (&Machines, &Arc<Device>), exec: Exec) -> Self {
        Self { machines: Arc::clone(machines), device: Arc::clone(device), exec, process: None, looks: 0 }
    }

    fn process(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> &mut Attached {
        let Exec { place, command, tty, wanted, .. } = &self.exec;
        let device = &self.device;
        self.process.get_or_insert_with(|| Attached::new(cx, device, place, (command, *tty, *wanted), out))
    }

    fn progress(&self, cx: &Context<'_>) -> Progress {
        let Some(process) = &self.process else { return Progress::After(LOOK) };
        if let Some(exit) = process.exit() {
            let (source, now) = (cx.session().client.ip(), cx.now());
            self.machines.with(source, now, |machine| machine.exec_went_on(cx.now(), &self.exec.id, Some(exit)));
            return Progress::Ended;
        }
        let due = process.due().map(|due| due.saturating_since(cx.now()).max(Duration::from_millis(1)));
        Progress::After(due.unwrap_or(LOOK))
    }
}

impl Stream for Session {
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.looks += 1;
        if self.looks == 1 && self.process.is_none() {
            return Progress::After(STARTING);
        }
        self.process(cx, out).wake(cx, out);
        if self.looks > MAX_LOOKS { Progress::Ended } else { self.progress(cx) }
    }

    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        self.process(cx, out).input(cx, bytes, out);
        self.progress(cx)
    }

    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.process(cx, out).end_of_input(cx, out);
        self.progress(cx)
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        if let Some(process) = &mut self.process {
            process.closed(cx);
        }
    }
}
