//! `POST /build` as the classic builder answers it: every step of the Dockerfile is told, what it runs is recorded.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::decode::syntax;
use super::image::{self, Image};
use super::output::Channel;
use super::recipe::{self, Builder, Failure, Step};
use super::refusal::Refusal;
use super::stream::Lines;
use super::{Docker, error, refused, tar};

/// Bytes of the smallest archive.
const BLOCK: usize = 512;
impl Docker {
    /// Builds; the context was stored as a sample.
    pub(super) fn build(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        if let Some(refusal) = refuses(ask) {
            return refused(refusal);
        }
        if ask.field("version").as_deref() == Some("2")
            && ask.field("session").is_some_and(|session| !session.is_empty())
        {
            return self.solve(cx, ask);
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
        let steps = recipe::steps(&String::from_utf8_lossy(file.bytes));
        if let Some(wrong) = recipe::unknown(&steps) {
            let why = format!("dockerfile parse error line {}: unknown instruction: {}", wrong.line, wrong.word());
            return error(400, &why);
        }
        if steps.is_empty() {
            return error(400, "the Dockerfile (Dockerfile) cannot be empty");
        }
        let tag = ask.field("t").unwrap_or_default();
        let mut lines = self.told(cx, (&steps, &entries), &tag);
        let id = lines.iter().find_map(|(line, _)| line.pointer("/aux/ID")?.as_str().map(str::to_owned));
        if let Some(id) = id.filter(|_| ask.is_set("q")) {
            // Who wants it quiet hears nothing but this.
            lines = vec![(json!({"stream": format!("{id}\n")}), 0)];
        }
        let steps: Vec<String> = steps.into_iter().map(|step| step.text).collect();
        Lines::new(lines).answer().decoded("tag", tag).decoded("steps", steps)
    }

    /// Does the steps and tells each.
    fn told(
        &self,
        cx: &mut Context<'_>,
        (steps, context): (&[Step], &[tar::Entry<'_>]),
        tag: &str,
    ) -> Vec<(Value, u64)> {
        let mut lines = Vec::new();
        let say = |text: String| json!({"stream": text});
        let failed = |message: &str, code: Option<i32>| {
            let detail =
                code.map_or_else(|| json!({"message": message}), |code| json!({"code": code, "message": message}));
            (json!({"errorDetail": detail, "error": message}), 0)
        };
        let mut builder = Builder::new(self, cx, context);
        for (at, step) in steps.iter().enumerate() {
            lines.push((say(format!("Step {}/{} : {}", at + 1, steps.len(), step.text)), 20));
            lines.push((say("\n".to_owned()), 5));
            let word = step.word();
            let runs = !matches!(word.as_str(), "FROM" | "COPY" | "ADD");
            let made = self.with(cx, |machine| machine.next_id(cx.session().seed ^ at as u64, "step"));
            if runs {
                lines
                    .push((say(format!(" ---> Running in {}\n", short(&made))), if word == "RUN" { 600 } else { 100 }));
            }
            let (played, failure) = builder.step(cx, step);
            for (channel, piece) in recipe::shown(&played) {
                // The builder shows errors in bright red.
                let shown = if channel == Channel::Err { format!("\u{1b}[91m{piece}\u{1b}[0m") } else { piece };
                lines.push((say(shown), 300));
            }
            match failure {
                Some(Failure::Exit(exit)) => {
                    let rest = step.rest();
                    let message = format!("The command '/bin/sh -c {rest}' returned a non-zero code: {exit}");
                    lines.push(failed(&message, Some(exit)));
                    return lines;
                }
                Some(Failure::Missing(name)) => {
                    let message = format!(
                        "{word} failed: file not found in build context or excluded by .dockerignore: stat {name}: file does not exist"
                    );
                    lines.push(failed(&message, None));
                    return lines;
                }
                None => {}
            }
            if runs {
                lines.push((say(format!("Removing intermediate container {}\n", short(&made))), 50));
            }
            let id = builder.image.as_ref().map_or("", |image| short(&image.id));
            lines.push((say(format!(" ---> {id}\n")), if word == "FROM" { 400 } else { 50 }));
        }
        let Some(image) = builder.finished() else {
            return vec![failed("no build stage in current context", None)];
        };
        lines.push((json!({"aux": {"ID": image.id}}), 5));
        lines.push((say(format!("Successfully built {}\n", short(&image.id))), 5));
        if let Some(name) = self.keep_built(cx, image, tag) {
            lines.push((say(format!("Successfully tagged {name}\n")), 0));
        }
        lines
    }

    /// Keeps what was built under its name, if it is to have one.
    pub(super) fn keep_built(&self, cx: &Context<'_>, image: Image, tag: &str) -> Option<String> {
        let (name, version) = image::reference(tag, None);
        let (name, version) =
            if name.is_empty() { ("<none>".to_owned(), "<none>".to_owned()) } else { (name, version) };
        self.with(cx, |machine| machine.add_image(image.tagged(&name, &version)));
        (name != "<none>").then(|| format!("{name}:{version}"))
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
    if remote == "client-session" && version != "2" {
        let why =
            "experimental session with v1 builder is no longer supported, use builder version v2 (BuildKit) instead";
        return Some((400, why.to_owned()));
    }
    let is_url = ["http://", "https://", "git://", "github.com/", "git@"].iter().any(|start| remote.starts_with(start));
    let is_known = is_url || remote.is_empty() || remote == "client-session";
    (!is_known).then(|| (500, format!("remoteURL ({remote}) could not be recognized as URL")))
}

/// Twelve digits of an id.
fn short(id: &str) -> &str {
    id.trim_start_matches("sha256:").get(..12).unwrap_or_default()
}
