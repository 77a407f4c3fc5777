//! A Dockerfile's instructions: what they say, and what each does to the image that is made of them.

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::super::shell;
use super::super::ask::{Ask, fields};
use super::super::record::command_event;
use super::image::{self, Image};
use super::output::Channel;
use super::process::{Place, Played};
use super::refusal::Refusal;
use super::tar::Entry;
use super::{Docker, config};

/// Steps of a Dockerfile that are done, and sources of one that copies: each may be all of the context.
const MAX_STEPS: usize = 64;
const MAX_SOURCES: usize = 64;
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

/// One instruction, as it was written on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) text: String,
    /// Its line in the file, from 1.
    pub(super) line: usize,
}

impl Step {
    /// The instruction in capitals.
    pub(super) fn word(&self) -> String {
        self.text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase()
    }

    /// What follows it.
    pub(super) fn rest(&self) -> &str {
        self.text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim())
    }

    /// The image that a stage begins with, as it is written.
    pub(super) fn base(&self) -> &str {
        self.rest().split(' ').next().unwrap_or_default()
    }
}

/// A list of words, or a line that a shell runs (Dockerfile reference, exec and shell form).
fn words(rest: &str) -> Vec<String> {
    serde_json::from_str(rest).unwrap_or_else(|_| ["/bin/sh", "-c", rest].map(str::to_owned).to_vec())
}

/// The instructions of a Dockerfile, each on one line.
pub(super) fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (at, line) in text.lines().enumerate() {
        let shown = line.trim();
        if shown.is_empty() || shown.starts_with('#') {
            continue;
        }
        let (part, more) = shown.strip_suffix('\\').map_or((shown, false), |part| (part, true));
        let has_room = steps.len() < MAX_STEPS;
        match steps.last_mut().filter(|_| goes_on) {
            // What is continued keeps the blanks of its lines.
            Some(step) => step.text.push_str(line.trim_end().strip_suffix('\\').unwrap_or(line.trim_end())),
            None if has_room => steps.push(Step { text: part.to_owned(), line: at + 1 }),
            None => break,
        }
        goes_on = more;
    }
    steps
}

/// The first instruction that is none.
pub(super) fn unknown(steps: &[Step]) -> Option<&Step> {
    steps.iter().find(|step| !INSTRUCTIONS.contains(&step.word().as_str()))
}

/// The image with the instructions that come with a commit or an import; or why one of them may not come so.
pub(super) fn changed(image: Image, ask: &Ask<'_>) -> Result<Image, Refusal> {
    const ALLOWED: [&str; 11] = [
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "ONBUILD",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ];
    let mut recipe = Recipe::of(&image.own);
    let changes = fields(ask.query).filter(|(name, _)| name == "changes").take(MAX_STEPS);
    for (_, text) in changes {
        let step = Step { text, line: 1 };
        if !ALLOWED.contains(&step.word().as_str()) {
            return Err((400, format!("{} is not a valid change command", step.word().to_ascii_lowercase())));
        }
        recipe.set(&step.word(), step.rest());
    }
    Ok(image.configured(recipe.0.into()))
}

/// The configuration that instructions add up to.
#[derive(Debug, Default)]
struct Recipe(Map<String, Value>);

impl Recipe {
    fn of(own: &Value) -> Self {
        Self(own.as_object().cloned().unwrap_or_default())
    }

    /// Its variables, each `NAME=VALUE`.
    fn env(&self) -> Vec<String> {
        self.0.get("Env").map(|env| config::texts(env, "")).unwrap_or_default()
    }

    fn set(&mut self, instruction: &str, rest: &str) {
        let (name, value) = rest.split_once('=').or_else(|| rest.split_once(' ')).unwrap_or((rest, ""));
        let (name, value) = (name.trim().to_owned(), value.trim_matches('"').to_owned());
        let (key, value): (&str, Value) = match instruction {
            "CMD" => ("Cmd", words(rest).into()),
            "ENTRYPOINT" => ("Entrypoint", words(rest).into()),
            "WORKDIR" => ("WorkingDir", rest.into()),
            "USER" => ("User", rest.into()),
            "ENV" => {
                let mut all = self.env();
                all.retain(|pair| pair.split_once('=').is_none_or(|(known, _)| known != name));
                all.push(format!("{name}={value}"));
                ("Env", all.into())
            }
            "LABEL" => {
                let mut all = self.0.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default();
                all.insert(name, value.into());
                ("Labels", all.into())
            }
            "EXPOSE" => {
                let port = if rest.contains('/') { rest.to_owned() } else { format!("{rest}/tcp") };
                ("ExposedPorts", json!({port: {}}))
            }
            _ => return,
        };
        self.0.insert(key.to_owned(), value);
    }
}

/// Why a step came to nothing.
pub(super) enum Failure {
    /// What it ran ended so.
    Exit(i32),
    /// There is no such thing in the context.
    Missing(String),
}

/// An image in the making.
pub(super) struct Builder<'a> {
    docker: &'a Docker,
    context: &'a [Entry<'a>],
    inside: shell::Container,
    recipe: Recipe,
    pub(super) image: Option<Image>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(docker: &'a Docker, cx: &Context<'_>, context: &'a [Entry<'a>]) -> Self {
        let inside = Self::fresh(docker, cx);
        Self { docker, context, inside, recipe: Recipe::default(), image: None }
    }

    fn fresh(docker: &Docker, cx: &Context<'_>) -> shell::Container {
        docker.with(cx, |machine| {
            let id = machine.next_id(cx.session().seed, "build");
            shell::Container::new(id.get(..12).unwrap_or_default(), &id, false, &machine.ground)
        })
    }

    /// Does one step: what it printed, or why it failed, with what it printed before.
    pub(super) fn step(&mut self, cx: &mut Context<'_>, step: &Step) -> (Played, Option<Failure>) {
        let (now, rest) = (cx.now(), step.rest());
        let done = match step.word().as_str() {
            "FROM" => {
                self.begin(cx, step.base());
                return (Played::default(), None);
            }
            "RUN" => self.run(cx, rest),
            "COPY" | "ADD" => (Played::default(), self.copy(cx, rest).err().map(Failure::Missing)),
            word => {
                if matches!(word, "CMD" | "ENTRYPOINT") {
                    cx.event(command_event(rest));
                }
                self.recipe.set(word, rest);
                (Played::default(), None)
            }
        };
        let seed = cx.session().seed ^ now.as_micros() ^ step.line as u64;
        self.image = self.image.take().map(|image| image.derived(seed, now));
        done
    }

    /// Begins a stage from this image, which is pulled where it is not there.
    fn begin(&mut self, cx: &Context<'_>, base: &str) {
        let (name, version) = image::reference(base, None);
        let known = self.docker.with(cx, |machine| machine.image(&format!("{name}:{version}")).cloned());
        let from = known.unwrap_or_else(|| {
            let pulled = Image::pulled(&name, &version, cx.now());
            self.docker.with(cx, |machine| machine.add_image(pulled.clone()));
            pulled
        });
        self.inside = Self::fresh(self.docker, cx);
        if let Some(files) = &from.files {
            self.inside.copy_files(&self.docker.device, files);
        }
        self.recipe = Recipe::of(&from.own);
        self.image = Some(from);
    }

    fn directory(&self) -> String {
        let own = self.recipe.0.get("WorkingDir").and_then(Value::as_str);
        own.unwrap_or("/").to_owned()
    }

    fn run(&self, cx: &mut Context<'_>, rest: &str) -> (Played, Option<Failure>) {
        cx.event(command_event(rest));
        let (words, env) = (words(rest), self.recipe.env());
        let mut inside = self.inside.clone();
        inside.set_first(&words.join(" "));
        let played = Played::run(cx, &self.docker.device, &Place { inside, cwd: self.directory(), env }, &words);
        let failure = (played.exit != 0).then_some(Failure::Exit(played.exit));
        (played, failure)
    }

    /// `COPY FROM... TO`; what another stage holds is taken to be there. The name of what there is not.
    fn copy(&self, cx: &mut Context<'_>, rest: &str) -> Result<(), String> {
        let words = serde_json::from_str::<Vec<String>>(rest);
        let words = words.unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect());
        if words.iter().any(|word| word.starts_with("--from=")) {
            return Ok(());
        }
        let words: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
        let Some((to, from)) = words.split_last() else { return Ok(()) };
        for name in from.iter().take(MAX_SOURCES) {
            if name.contains("://") {
                cx.download(name, "docker build");
                continue;
            }
            let top = name.trim_start_matches("./").trim_matches('/').trim_end_matches("/*");
            let top = if matches!(top, "." | "*") { "" } else { top };
            let below = |entry: &&Entry<'_>| {
                top.is_empty()
                    || entry.name == top
                    || entry.name.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
            };
            let found: Vec<&Entry<'_>> = self.context.iter().filter(below).collect();
            if found.is_empty() && !top.is_empty() {
                return Err(top.to_owned());
            }
            self.store(cx, &found, top, (to, from.len() > 1));
        }
        Ok(())
    }

    fn store(&self, cx: &Context<'_>, found: &[&Entry<'_>], top: &str, (to, is_one_of_many): (&str, bool)) {
        self.inside.files(&self.docker.device, cx.now(), |files| {
            let target = files.absolute(self.directory().as_bytes(), to.as_bytes());
            let into = to.ends_with('/') || is_one_of_many || files.is_directory(&target);
            for entry in found.iter().filter(|entry| !entry.is_directory) {
                let rest = entry.name.strip_prefix(top).unwrap_or_default().trim_start_matches('/');
                let name = entry.name.rsplit('/').next().unwrap_or_default();
                let below = if rest.is_empty() && into { name } else { rest };
                // What there is no room for is not there.
                let _ = files.store(&files.absolute(&target, below.as_bytes()), entry.bytes, entry.mode);
            }
        });
    }

    /// The image that the steps have made.
    pub(super) fn finished(self) -> Option<Image> {
        let (files, own) = (self.inside, Value::from(self.recipe.0));
        self.image.map(|image| image.configured(own).with_files(files))
    }
}

/// What the steps print, the errors as they are marked.
pub(super) fn shown(played: &Played) -> impl Iterator<Item = (Channel, String)> {
    played.pieces.iter().map(|(_, channel, piece)| (*channel, String::from_utf8_lossy(piece).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_go_over_several_lines() {
        let found = steps("# one\nFROM alpine\n\nRUN a && \\\n  # not this\n  b\nCMD [\"c\"]\n");
        let found: Vec<(&str, usize)> = found.iter().map(|step| (step.text.as_str(), step.line)).collect();
        assert_eq!(found, [("FROM alpine", 2), ("RUN a &&   b", 4), ("CMD [\"c\"]", 7)]);
        assert_eq!(unknown(&steps("FROM x\nNOPE y")).unwrap().line, 2);
    }
}
