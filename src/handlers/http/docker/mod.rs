//! A Docker engine's API (Engine API 1.41, as Docker 20.10 answers it) without a daemon behind: whoever finds it open may pull images,
//! start containers and run commands in them. Each source sees a machine of its own, which remembers what was done to it.
//!
//! What a visitor wants run is a `command` event; image, mounts and rights are in the request's `decoded` object.

mod archive;
mod build;
mod config;
mod container;
mod containers;
mod engine;
mod execs;
mod image;
mod images;
mod local;
mod logs;
mod machine;
mod output;
mod process;
mod shown;
mod stream;
mod tar;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::shell::Device;
use super::super::{Context, Persona, Sources};
use super::answer::{Answer, Framing};
use super::ask::Ask;
use super::face::Face;
use super::family::Family;
use engine::Engine;
use machine::Machine;

/// Sources whose machines are remembered, each up to `machine`'s bounds, and for how long.
const MAX_SOURCES: usize = 1_024;
const KEEP: Duration = Duration::from_secs(24 * 3_600);

/// Every source's machine.
type Machines = Arc<Sources<Machine>>;

/// The engine.
pub(super) struct Docker {
    face: Face,
    engine: Engine,
    machines: Machines,
    /// What all containers have in common.
    device: Arc<Device>,
}

impl Docker {
    pub(super) fn new(persona: &Persona) -> Self {
        let engine = Engine::new(persona);
        let device = Device::of_containers(persona, engine.kernel(), engine.size().1 / 1_024);
        Self { face: Face::Go, engine, machines: Arc::new(Sources::new(MAX_SOURCES, KEEP)), device }
    }

    /// Works with the visitor's machine, which has its first containers from the start.
    fn with<R>(&self, cx: &Context<'_>, work: impl FnOnce(&mut Machine) -> R) -> R {
        self.machines.with(cx.session().client.ip(), cx.now(), |machine| {
            if machine.is_new() {
                self.engine.furnish(machine, cx.now());
            }
            work(machine)
        })
    }

    fn route(&self, cx: &mut Context<'_>, ask: &Ask<'_>, path: &str) -> Option<Answer> {
        let method = if ask.head.method == "HEAD" { "GET" } else { ask.head.method.as_str() };
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        if method == "OPTIONS" {
            return Some(Answer::empty(200));
        }
        Some(match (method, parts.as_slice()) {
            ("GET", ["_ping"]) => Answer::new(200, "text/plain; charset=utf-8", "OK")
                .header("Cache-Control", "no-cache, no-store, must-revalidate")
                .header("Pragma", "no-cache"),
            ("GET", ["version"]) => value(200, &self.engine.version()),
            ("GET", ["info"]) => value(200, &self.with(cx, |machine| self.engine.info(machine, cx.now()))),
            ("GET", ["system", "df"]) => self.usage(cx),
            ("GET", ["events"]) => stream::silence(ask.field("until").is_some_and(|until| !until.is_empty())),
            // The credentials of a registry; the server has recorded them.
            ("POST", ["auth"]) => {
                error(500, "Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password")
            }
            ("GET", ["plugins"]) => value(200, &json!([])),
            (_, ["networks", rest @ ..]) => return self.networks(cx, ask, method, rest),
            (_, ["volumes", rest @ ..]) => return self.volumes(cx, ask, method, rest),
            ("POST", ["build", "prune"]) => value(200, &json!({"CachesDeleted": null, "SpaceReclaimed": 0})),
            (_, ["swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs", ..]) => {
                local::swarm(method, &parts)?
            }
            ("POST", ["build"]) => self.build(cx, ask),
            ("POST", ["commit"]) => self.commit(cx, ask),
            (_, ["images", rest @ ..]) => return self.images(cx, ask, method, rest),
            (_, ["containers", rest @ ..]) => return self.containers(cx, ask, method, rest),
            (_, ["exec", id, rest @ ..]) => return self.exec(cx, ask, method, id, rest),
            _ => return None,
        })
    }
}

/// The connection becomes a raw stream (Engine API, hijacking).
fn taken_over(ask: &Ask<'_>, stream: impl super::answer::Stream + 'static) -> Answer {
    let upgrades = ask.head.lists("connection", "upgrade");
    let answer = Answer::streamed(if upgrades { 101 } else { 200 }, Framing::Raw, stream);
    let answer = Answer { content_type: Some("application/vnd.docker.raw-stream".into()), ..answer };
    if upgrades { answer.header("Upgrade", "tcp").header("Connection", "Upgrade") } else { answer }
}

/// JSON as Go's encoder ends it.
fn value(status: u16, value: &Value) -> Answer {
    Answer::new(status, "application/json", format!("{value}\n"))
}

fn error(status: u16, message: &str) -> Answer {
    value(status, &json!({"message": message}))
}

/// The JSON of a request, or what the engine says of a body that is none.
fn json_body(ask: &Ask<'_>) -> Result<Value, Box<Answer>> {
    let refusal = |message: &str| Box::new(error(400, message));
    let kind = ask.head.values("content-type").next().unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(refusal(&format!("Content-Type specified ({kind}) must be 'application/json'")));
    }
    serde_json::from_slice(ask.body).map_err(|fault| match ask.body.trim_ascii().first() {
        None => refusal("EOF"),
        Some(_) if fault.is_eof() => refusal("unexpected EOF"),
        Some(&first) => refusal(&format!("invalid character '{}' looking for beginning of value", char::from(first))),
    })
}

/// The path without its version, and the version.
fn split_version(path: &str) -> (Option<(u32, u32)>, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, _) = rest.split_once('/')?;
        let (major, minor) = version.split_once('.')?;
        let rest = rest.get(version.len()..)?;
        Some(((major.parse().ok()?, minor.parse().ok()?), rest))
    });
    versioned.map_or((None, path), |(version, rest)| (Some(version), rest))
}

impl Family for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        let (version, path) = split_version(ask.raw_path);
        let is_known = [
            "/containers/",
            "/images/",
            "/exec/",
            "/_ping",
            "/version",
            "/info",
            "/networks",
            "/volumes",
            "/build",
            "/swarm",
            "/auth",
            "/events",
            "/commit",
            "/system/",
            "/services",
            "/nodes",
            "/secrets",
            "/configs",
            "/tasks",
            "/plugins",
        ]
        .iter()
        .any(|start| path.starts_with(start));
        is_known
            && (version.is_some()
                || matches!(
                    path,
                    "/_ping" | "/version" | "/info" | "/containers/json" | "/containers/create" | "/images/json"
                ))
    }

    fn face(&self) -> Option<&Face> {
        Some(&self.face)
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let (version, path) = split_version(ask.raw_path);
        let refusal = version.and_then(|version| self.engine.refuses(version));
        let answer = match refusal {
            Some(message) => Some(error(400, &message)),
            None => self.route(cx, ask, path),
        };
        // What no route takes never gets as far as the code that says who it is.
        Some(match answer {
            Some(answer) if answer.status == 101 => answer,
            Some(answer) => self.engine.sign(answer),
            None => error(404, "page not found"),
        })
    }
}

/// An archive of one file, as clients send it.
#[cfg(test)]
pub(super) fn archive_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    tar::push(&mut archive, name, 0o755, crate::clock::Timestamp::default(), Some(bytes));
    tar::finish(archive)
}
