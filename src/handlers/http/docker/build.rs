//! `POST /build` as the classic builder answers it: every step of the Dockerfile is told, what it runs is recorded.

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::super::record::command_event;
use super::decode::syntax;
use super::image::{self, Image};
use super::output::Channel;
use super::process::{Place, Played};
use super::refusal::Refusal;
use super::stream::Lines;
use super::{Docker, error, tar};

/// Bytes of the smallest archive.
const BLOCK: usize = 512;
/// Steps of a Dockerfile that are done.
const MAX_STEPS: usize = 64;
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Docker {
    /// Builds; the context was stored as a sample.
    pub(super) fn build(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        if let Some((status, message)) = refuses(ask) {
            return error(status, &message);
        }
        if let Some(remote) = ask.field("remote").filter(|remote| !remote.is_empty() && remote != "client-session") {
            cx.download(&remote, "docker build");
            let why = format!("error downloading remote context {remote}: Get {remote:?}: context deadline exceeded");
            return error(500, &why);
        }
        if !ask.body.is_empty() && ask.body.len() < BLOCK {
            return error(500, "unexpected EOF");
        }
        let name = ask.field("dockerfile").filter(|name| !name.is_empty()).unwrap_or_else(|| "Dockerfile".to_owned());
        let entries = tar::entries(ask.body);
        let Some(file) = entries.iter().find(|entry| entry.name == name) else {
            return error(500, &format!("Cannot locate specified Dockerfile: {name}"));
        };
        let steps = steps(&String::from_utf8_lossy(file.bytes));
        let wrong = steps.iter().find(|step| !INSTRUCTIONS.contains(&word(step).as_str()));
        if let Some(wrong) = wrong {
            return error(400, &format!("dockerfile parse error line 1: unknown instruction: {}", word(wrong)));
        }
        if steps.is_empty() {
            return error(400, "the Dockerfile (Dockerfile) cannot be empty");
        }
        let tag = ask.field("t").unwrap_or_default();
        let lines = self.steps(cx, &steps, &tag);
        Lines::new(lines).answer().decoded("tag", tag).decoded("steps", steps)
    }

    fn steps(&self, cx: &mut Context<'_>, steps: &[String], tag: &str) -> Vec<(Value, u64)> {
        let now = cx.now();
        let mut lines = Vec::new();
        let say = |text: String| json!({"stream": text});
        let mut image: Option<Image> = None;
        let mut recipe = Recipe::default();
        let mut place = Place {
            inside: super::super::super::shell::Container::new("buildkit", false),
            cwd: "/".to_owned(),
            env: Vec::new(),
        };
        for (at, step) in steps.iter().enumerate() {
            lines.push((say(format!("Step {}/{} : {step}", at + 1, steps.len())), 20));
            lines.push((say("\n".to_owned()), 5));
            let rest = step.split_once(' ').map_or("", |(_, rest)| rest.trim());
            if word(step) == "FROM" {
                let (name, version) = image::reference(rest.split(' ').next().unwrap_or_default(), None);
                let from = Image::pulled(&name, &version, now);
                self.with(cx, |machine| machine.add_image(from.clone()));
                lines.push((say(format!(" ---> {}\n", short(&from.id))), 400));
                image = Some(from);
                continue;
            }
            let seed = cx.session().seed ^ at as u64;
            let made = self.with(cx, |machine| machine.next_id(seed, "step"));
            match word(step).as_str() {
                "RUN" => {
                    lines.push((say(format!(" ---> Running in {}\n", short(&made))), 600));
                    cx.event(command_event(rest));
                    let words = ["/bin/sh", "-c", rest].map(str::to_owned);
                    let played = Played::run(cx, &self.device, &place, &words);
                    for (_, channel, piece) in &played.pieces {
                        let piece = String::from_utf8_lossy(piece);
                        // The builder shows errors in bright red.
                        let shown = match channel {
                            Channel::Out => piece.into_owned(),
                            Channel::Err => format!("\u{1b}[91m{piece}\u{1b}[0m"),
                        };
                        lines.push((say(shown), 300));
                    }
                    if played.exit != 0 {
                        let exit = played.exit;
                        let message = format!("The command '/bin/sh -c {rest}' returned a non-zero code: {exit}");
                        lines.push((json!({"errorDetail": {"code": exit, "message": message}, "error": message}), 0));
                        return lines;
                    }
                }
                "COPY" | "ADD" => {}
                instruction => {
                    if matches!(instruction, "CMD" | "ENTRYPOINT") {
                        cx.event(command_event(rest));
                    }
                    recipe.set(instruction, rest, &mut place);
                    lines.push((say(format!(" ---> Running in {}\n", short(&made))), 100));
                }
            }
            if !matches!(word(step).as_str(), "COPY" | "ADD") {
                lines.push((say(format!("Removing intermediate container {}\n", short(&made))), 50));
            }
            image = image.map(|image| image.derived(seed ^ now.as_micros(), now));
            lines.push((say(format!(" ---> {}\n", image.as_ref().map_or("", |image| short(&image.id)))), 50));
        }
        let Some(image) = image.map(|image| image.configured(recipe.into_value(&place))) else {
            let message = "no build stage in current context";
            return vec![(json!({"errorDetail": {"message": message}, "error": message}), 0)];
        };
        lines.push((json!({"aux": {"ID": image.id}}), 5));
        lines.push((say(format!("Successfully built {}\n", short(&image.id))), 5));
        let (name, version) = image::reference(tag, None);
        if !name.is_empty() {
            self.with(cx, |machine| machine.add_image(image.tagged(&name, &version)));
            lines.push((say(format!("Successfully tagged {name}:{version}\n")), 0));
        }
        lines
    }
}

/// The configuration that the instructions of a Dockerfile add up to.
#[derive(Default)]
struct Recipe {
    command: Vec<String>,
    entry: Vec<String>,
    labels: Map<String, Value>,
}

impl Recipe {
    fn set(&mut self, instruction: &str, rest: &str, place: &mut Place) {
        let words = || {
            let list = serde_json::from_str::<Vec<String>>(rest).ok();
            list.unwrap_or_else(|| ["/bin/sh", "-c", rest].map(str::to_owned).to_vec())
        };
        let pair = || {
            let (name, value) = rest.split_once('=').or_else(|| rest.split_once(' ')).unwrap_or((rest, ""));
            (name.trim().to_owned(), value.trim_matches('"').to_owned())
        };
        match instruction {
            "CMD" => self.command = words(),
            "ENTRYPOINT" => self.entry = words(),
            "WORKDIR" => rest.clone_into(&mut place.cwd),
            "ENV" => {
                let (name, value) = pair();
                place.env.push(format!("{name}={value}"));
            }
            "LABEL" => {
                let (name, value) = pair();
                self.labels.insert(name, value.into());
            }
            _ => {}
        }
    }

    /// As an image has it; what was not set is not there.
    fn into_value(self, place: &Place) -> Value {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value, is_set: bool| is_set.then(|| all.insert(name.to_owned(), value));
        put("Env", place.env.clone().into(), !place.env.is_empty());
        put("WorkingDir", place.cwd.clone().into(), place.cwd != "/");
        put("Cmd", self.command.clone().into(), !self.command.is_empty());
        put("Entrypoint", self.entry.clone().into(), !self.entry.is_empty());
        put("Labels", self.labels.clone().into(), !self.labels.is_empty());
        all.into()
    }
}

/// What is wrong with the parameters of a build.
fn refuses(ask: &Ask<'_>) -> Option<Refusal> {
    let version = ask.field("version").unwrap_or_default();
    if !matches!(version.as_str(), "" | "1" | "2") {
        return Some((500, format!("invalid version {version:?}")));
    }
    for (name, what) in [("ulimits", "ulimit settings"), ("buildargs", "build args"), ("labels", "labels")] {
        let given = ask.field(name).unwrap_or_default();
        if !given.is_empty() && serde_json::from_str::<Value>(&given).is_err() {
            return Some((400, format!("error reading {what}: {}", syntax(given.as_bytes()))));
        }
    }
    if let Some(tag) = ask.field("t").filter(|tag| !tag.is_empty())
        && let Err(message) = image::check(&tag)
    {
        return Some((500, message.to_owned()));
    }
    let remote = ask.field("remote").unwrap_or_default();
    let is_url = ["http://", "https://", "git://", "github.com/", "git@"].iter().any(|start| remote.starts_with(start));
    let is_known = is_url || remote.is_empty() || remote == "client-session";
    (!is_known).then(|| (500, format!("remoteURL ({remote}) could not be recognized as URL")))
}

/// The instructions of a Dockerfile, each on one line.
fn steps(text: &str) -> Vec<String> {
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.take(MAX_STEPS).map(str::to_owned).collect()
}

/// The instruction of a step.
fn word(step: &str) -> String {
    step.split_whitespace().next().unwrap_or_default().to_ascii_uppercase()
}

/// Twelve digits of an id.
fn short(id: &str) -> &str {
    id.trim_start_matches("sha256:").get(..12).unwrap_or_default()
}
