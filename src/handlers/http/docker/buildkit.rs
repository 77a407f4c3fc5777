//! `POST /build?version=2`: BuildKit's builder. The client lends its files in a session; what is done is told as a trace of vertices
//! (moby.buildkit.v1, StatusResponse), one JSON object a line.

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::{Answer, Framing, Progress, Stream};
use super::super::ask::Ask;
use super::image::{self, Image};
use super::output::Channel;
use super::process::Played;
use super::protobuf::Message;
use super::recipe::{self, Builder, Failure, Step};
use super::session::Lent;
use super::stream::Lines;
use super::tar::Entry;
use super::{Docker, machine};
use crate::clock::Timestamp;

/// How often is looked whether the session has brought its files, and how many times: the engine waits five seconds for a session.
const LOOK: Duration = Duration::from_millis(100);
const MAX_LOOKS: u32 = 50;
const FRONTEND: &str = "failed to solve with frontend dockerfile.v0: ";

/// The Dockerfile, if it is there, and the context.
type Files = (Vec<Lent>, Vec<Lent>);

/// A build of a session's files.
struct Solve {
    docker: Docker,
    session: String,
    file: String,
    tag: String,
    looks: u32,
    lines: Option<Lines>,
}

impl Docker {
    /// Builds from a session's files.
    pub(super) fn solve(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let field = |name: &str| ask.field(name).unwrap_or_default();
        let file = field("dockerfile").rsplit('/').next().unwrap_or_default().to_owned();
        let file = if file.is_empty() { "Dockerfile".to_owned() } else { file };
        let (session, tag) = (field("session"), field("t"));
        self.with(cx, |machine| machine.with_loan(&session, |loan| loan.borrow(&file)));
        let solve =
            Solve { docker: self.clone(), session: session.clone(), file, tag: tag.clone(), looks: 0, lines: None };
        let answer = Answer::streamed(200, Framing::Chunked, solve);
        Answer { content_type: Some("application/json".into()), ..answer }
            .decoded("tag", tag)
            .decoded("session", session)
    }
}

impl Solve {
    /// What the session has brought; `None`: not yet all.
    fn borrowed(&self, cx: &Context<'_>) -> Option<Result<Files, String>> {
        self.docker.with(cx, |machine| {
            machine.with_loan(&self.session, |loan| {
                if loan.is_whole {
                    loan.is_whole = false;
                    return Some(Ok((std::mem::take(&mut loan.definition), std::mem::take(&mut loan.context))));
                }
                let why = format!(
                    "{FRONTEND}failed to read dockerfile: no active session for {}: context deadline exceeded",
                    self.session
                );
                (self.looks > MAX_LOOKS && (!loan.is_open || self.looks > 4 * MAX_LOOKS)).then_some(Err(why))
            })
        })
    }

    /// Builds, and tells of it.
    fn lines(&self, cx: &mut Context<'_>, definition: &[Lent], context: &[Lent]) -> Vec<(Value, u64)> {
        let mut trace = Trace::new(cx.now(), cx.session().seed);
        let text = definition.iter().map(Lent::entry).find(|entry| entry.name == self.file);
        let size = text.as_ref().map_or(2, |entry| entry.bytes.len() as u64 + 31);
        trace.transfer(
            &format!("[internal] load build definition from {}", self.file),
            "transferring dockerfile:",
            size,
        );
        trace.transfer("[internal] load .dockerignore", "transferring context:", 2);
        let Some(text) = text else {
            let directory = "/var/lib/docker/tmp/buildkit-mount";
            let number = cx.session().seed % 1_000_000_000;
            let why = format!("open {directory}{number:09}/{}: no such file or directory", self.file);
            return trace.failed(&format!("{FRONTEND}failed to read dockerfile: {why}"));
        };
        let steps = recipe::steps(&String::from_utf8_lossy(text.bytes));
        if let Some(wrong) = recipe::unknown(&steps) {
            let why = format!("dockerfile parse error line {}: unknown instruction: {}", wrong.line, wrong.word());
            return trace.failed(&format!("{FRONTEND}failed to create LLB definition: {why}"));
        }
        if steps.is_empty() {
            return trace.failed(&format!("{FRONTEND}failed to create LLB definition: the Dockerfile cannot be empty"));
        }
        let context: Vec<Entry<'_>> = context.iter().map(Lent::entry).collect();
        self.steps(cx, trace, &steps, &context)
    }

    fn steps(
        &self,
        cx: &mut Context<'_>,
        mut trace: Trace,
        steps: &[Step],
        context: &[Entry<'_>],
    ) -> Vec<(Value, u64)> {
        let mut builder = Builder::new(&self.docker, cx, context);
        let names = names(steps);
        if steps.iter().any(|step| matches!(step.word().as_str(), "COPY" | "ADD")) {
            let size = context.iter().map(|entry| entry.bytes.len() as u64 + 24).sum();
            trace.transfer("[internal] load build context", "transferring context:", size);
        }
        for (step, name) in steps.iter().zip(&names) {
            let is_known = step.word() == "FROM" && {
                let (name, version) = image::reference(step.base(), None);
                trace.moment(&format!("[internal] load metadata for {}:{version}", image::full(&name)), 700);
                self.docker.with(cx, |machine| machine.image(&format!("{name}:{version}")).is_some())
            };
            let (played, failure) = builder.step(cx, step);
            let Some(name) = name else { continue };
            if step.word() == "FROM" {
                trace.pulled(name, builder.image.as_ref().filter(|_| !is_known));
            } else if let Some(lines) = trace.ran(name, step, &played, failure) {
                return lines;
            }
        }
        match builder.finished() {
            Some(image) => {
                let tagged = self.docker.keep_built(cx, image.clone(), &self.tag);
                trace.exported(&image.id, tagged.as_deref())
            }
            None => {
                trace.failed(&format!("{FRONTEND}failed to create LLB definition: no build stage in current context"))
            }
        }
    }
}

impl Stream for Solve {
    fn next(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        if let Some(lines) = &mut self.lines {
            return lines.next(cx, out);
        }
        self.looks += 1;
        let lines = match self.borrowed(cx) {
            None => return Progress::After(LOOK),
            Some(Ok((definition, context))) => self.lines(cx, &definition, &context),
            Some(Err(why)) => Trace::new(cx.now(), cx.session().seed).failed(&why),
        };
        self.lines.insert(Lines::new(lines)).next(cx, out)
    }
}

/// What each step is called, if it is one that BuildKit tells of: `[2/3] RUN echo`, in builds of several stages `[stage-1 2/3] RUN echo`.
fn names(steps: &[Step]) -> Vec<Option<String>> {
    let is_told = |step: &Step| matches!(step.word().as_str(), "FROM" | "RUN" | "COPY" | "ADD" | "WORKDIR");
    let stages = steps.iter().filter(|step| step.word() == "FROM").count();
    let (mut stage, mut at, mut of, mut prefix) = (0, 0, 0, String::new());
    let mut names = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        if step.word() == "FROM" {
            let rest = steps.iter().skip(index + 1).take_while(|step| step.word() != "FROM");
            (at, of) = (0, 1 + rest.filter(|step| is_told(step)).count());
            let words: Vec<&str> = step.rest().split_whitespace().collect();
            let named = match words.as_slice() {
                [_, word, name] if word.eq_ignore_ascii_case("as") => (*name).to_owned(),
                _ => format!("stage-{stage}"),
            };
            prefix = if stages > 1 { format!("{named} ") } else { String::new() };
            stage += 1;
        }
        at += usize::from(is_told(step));
        let text = if step.word() == "FROM" {
            let (name, version) = image::reference(step.base(), None);
            let tag = if step.base().ends_with(&format!(":{version}")) { format!(":{version}") } else { String::new() };
            format!("FROM {}{tag}", image::full(&name))
        } else {
            format!("{} {}", step.word(), step.rest())
        };
        names.push(is_told(step).then(|| format!("[{prefix}{at}/{of}] {text}")));
    }
    names
}

/// The trace of a build, and its own clock: what is told later happens later.
struct Trace {
    lines: Vec<(Value, u64)>,
    now: Timestamp,
    seed: u64,
    vertices: u64,
    /// The vertex that the next one is made of.
    last: Option<String>,
}

/// A vertex: its digest, and what it is made of and called.
struct Vertex {
    digest: String,
    base: Message,
    started: Timestamp,
}

fn time(at: Timestamp) -> Vec<u8> {
    let micros = at.as_micros();
    Message::default().number(1, micros / 1_000_000).number(2, micros % 1_000_000 * 1_000 + 417).0
}

impl Trace {
    fn new(now: Timestamp, seed: u64) -> Self {
        Self { lines: Vec::new(), now, seed, vertices: 0, last: None }
    }

    /// Tells a status, and lets time pass.
    fn tell(&mut self, status: Message, millis: u64) {
        self.lines.push((json!({"id": "moby.buildkit.trace", "aux": BASE64.encode(&status.0)}), millis));
        self.now = self.now + Duration::from_millis(millis);
    }

    fn begin(&mut self, name: &str, inputs: &[String]) -> Vertex {
        self.vertices += 1;
        let digest = format!("sha256:{}", machine::id(self.seed, self.vertices, name));
        let base = Message::default().bytes(1, &digest);
        let base = inputs.iter().fold(base, |base, input| base.bytes(2, input)).bytes(3, name);
        let vertex = Vertex { digest, base, started: self.now };
        self.tell(Message::default().bytes(1, &vertex.base.0), 2);
        self.tell(Message::default().bytes(1, vertex.base.clone().bytes(5, time(vertex.started)).0), 5);
        vertex
    }

    fn end(&mut self, vertex: &Vertex, error: &str, millis: u64) {
        let done = vertex.base.clone().bytes(5, time(vertex.started)).bytes(6, time(self.now)).bytes(7, error);
        self.tell(Message::default().bytes(1, done.0), millis);
    }

    /// Something of a vertex that goes on: how much of what total is done.
    fn status(&mut self, vertex: &Vertex, names: (&str, &str), counts: (u64, u64), millis: u64) {
        let status = self.told(vertex, names, counts);
        self.tell(Message::default().bytes(2, status.0), millis);
    }

    fn status_done(&mut self, vertex: &Vertex, names: (&str, &str), counts: (u64, u64)) {
        let status = self.told(vertex, names, counts).bytes(8, time(self.now));
        self.tell(Message::default().bytes(2, status.0), 3);
    }

    fn told(&self, vertex: &Vertex, (id, name): (&str, &str), (current, total): (u64, u64)) -> Message {
        let status = Message::default().bytes(1, id).bytes(2, &vertex.digest).bytes(3, name).number(4, current);
        status.number(5, total).bytes(6, time(self.now)).bytes(7, time(vertex.started))
    }

    /// Something of a vertex that took so long and had no size.
    fn took(&mut self, vertex: &Vertex, id: &str, millis: u64) {
        self.status(vertex, (id, ""), (0, 0), millis);
        self.status_done(vertex, (id, ""), (0, 0));
    }

    /// A vertex that fetches from the client.
    fn transfer(&mut self, name: &str, what: &str, size: u64) {
        let vertex = self.begin(name, &[]);
        self.status(&vertex, (what, "transferring"), (0, 0), 30);
        self.status_done(&vertex, (what, "transferring"), (size, 0));
        self.end(&vertex, "", 4);
    }

    /// A vertex of which nothing is seen but its time.
    fn moment(&mut self, name: &str, millis: u64) {
        let vertex = self.begin(name, &[]);
        self.tell(Message::default(), millis);
        self.end(&vertex, "", 2);
    }

    /// A stage's beginning: an image that is there, or this one, which is fetched.
    fn pulled(&mut self, name: &str, image: Option<&Image>) {
        let Some(image) = image else {
            let vertex = self.begin(name, &[]);
            self.end(&vertex, "", 2);
            return self.last = Some(vertex.digest);
        };
        let vertex = self.begin(&format!("{name}@{}", image.digest), &[]);
        let resolve = format!(
            "resolve {}:{}@{}",
            image::full(&image.name),
            image.tag().rsplit(':').next().unwrap_or_default(),
            image.digest
        );
        self.took(&vertex, &resolve, 20);
        let size = image.size() / image.layers.len().max(1) as u64 / 2;
        let layers: Vec<String> =
            image.layers.iter().map(|layer| format!("sha256:{}", machine::id(0, 1, layer))).collect();
        for layer in &layers {
            for part in [0, 45, 80] {
                self.status(&vertex, (layer, "downloading"), (size * part / 100, size), 110);
            }
            self.status_done(&vertex, (layer, "done"), (size, size));
        }
        for layer in &layers {
            self.took(&vertex, &format!("extracting {layer}"), 150);
        }
        self.end(&vertex, "", 2);
        self.last = Some(vertex.digest);
    }

    /// A step with what it printed; all lines, if the build ends with it.
    fn ran(&mut self, name: &str, step: &Step, played: &Played, failure: Option<Failure>) -> Option<Vec<(Value, u64)>> {
        let inputs: Vec<String> = self.last.iter().cloned().collect();
        let vertex = self.begin(name, &inputs);
        let mut passed = Duration::ZERO;
        for ((after, ..), (channel, piece)) in played.pieces.iter().zip(recipe::shown(played)) {
            let millis = u64::try_from(after.saturating_sub(passed).as_millis()).unwrap_or(0) + 120;
            passed = *after;
            let stream = if channel == Channel::Err { 2 } else { 1 };
            self.tell(Message::default(), millis);
            let log =
                Message::default().bytes(1, &vertex.digest).bytes(2, time(self.now)).number(3, stream).bytes(4, piece);
            self.tell(Message::default().bytes(3, log.0), 2);
        }
        self.tell(Message::default(), if step.word() == "RUN" { 350 } else { 60 });
        let why = match failure {
            None => {
                self.end(&vertex, "", 2);
                self.last = Some(vertex.digest);
                return None;
            }
            Some(Failure::Exit(exit)) => {
                format!("executor failed running [/bin/sh -c {}]: exit code: {exit}", step.rest())
            }
            Some(Failure::Missing(path)) => format!("failed to compute cache key: \"/{path}\" not found: not found"),
        };
        self.end(&vertex, why.trim_start_matches("failed to compute cache key: "), 2);
        Some(std::mem::replace(self, Self::new(self.now, 0)).failed(&why))
    }

    fn exported(mut self, id: &str, tagged: Option<&str>) -> Vec<(Value, u64)> {
        let vertex = self.begin("exporting to image", &[]);
        self.took(&vertex, "exporting layers", 240);
        self.took(&vertex, &format!("writing image {id}"), 2);
        if let Some((name, version)) = tagged.and_then(|tagged| tagged.rsplit_once(':')) {
            let tag = if version == "latest" { String::new() } else { format!(":{version}") };
            self.took(&vertex, &format!("naming to {}{tag}", image::full(name)), 1);
        }
        self.lines.push((json!({"id": "moby.image.id", "aux": {"ID": id}}), 1));
        self.end(&vertex, "", 2);
        if let Some(tagged) = tagged {
            self.lines.push((json!({"stream": format!("Successfully tagged {tagged}\n")}), 0));
        }
        self.lines
    }

    fn failed(mut self, why: &str) -> Vec<(Value, u64)> {
        self.lines.push((json!({"errorDetail": {"message": why}, "error": why}), 0));
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_called_as_buildkit_calls_them() {
        let called = |text: &str| names(&recipe::steps(text)).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(
            called("FROM alpine\nENV A=1\nRUN echo  hi\nCOPY f /d\n"),
            ["[1/3] FROM docker.io/library/alpine", "[2/3] RUN echo  hi", "[3/3] COPY f /d"]
        );
        assert_eq!(
            called("FROM golang:1.19 AS make\nRUN a\nFROM quay.io/x/y\nWORKDIR /b\n"),
            [
                "[make 1/2] FROM docker.io/library/golang:1.19",
                "[make 2/2] RUN a",
                "[stage-1 1/2] FROM quay.io/x/y",
                "[stage-1 2/2] WORKDIR /b"
            ]
        );
    }
}
