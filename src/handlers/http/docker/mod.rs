//! A Docker engine's API (Engine API 1.41, as Docker 20.10 answers it) without a daemon behind: whoever finds it open may pull images,
//! start containers and run commands in them. Each source sees a machine of its own, which remembers what was done to it.
//!
//! What a visitor wants run is a `command` event; image, mounts and rights are in the request's `decoded` object.

mod archive;
mod base;
mod build;
mod buildkit;
mod cluster;
mod config;
mod container;
mod containers;
mod decode;
mod engine;
mod events;
mod execs;
mod filter;
mod frame;
mod image;
mod images;
mod lifecycle;
mod local;
mod logs;
mod machine;
mod network;
mod output;
mod process;
mod protobuf;
mod recipe;
mod refusal;
mod registry;
mod session;
mod shown;
mod stream;
mod tar;
mod volume;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::shell::Device;
use super::super::{Context, Persona, Sources};
use super::answer::{Answer, Framing};
use super::ask::Ask;
use super::face::Face;
use super::family::Family;
use super::go_json::answer as value;
use engine::Engine;
use machine::Machine;
use refusal::Refusal;

/// Sources whose machines are remembered, each up to `machine`'s bounds, and for how long.
const MAX_SOURCES: usize = 1_024;
const KEEP: Duration = Duration::from_secs(24 * 3_600);

/// Every source's machine.
type Machines = Arc<Sources<Machine>>;

/// The engine. Clones are the same.
#[derive(Clone)]
pub(super) struct Docker {
    face: Face,
    engine: Arc<Engine>,
    machines: Machines,
    /// What all containers have in common.
    device: Arc<Device>,
}

impl Docker {
    pub(super) const NAME: &str = "docker";

    pub(super) fn new(persona: &Persona) -> Self {
        let engine = Arc::new(Engine::new(persona));
        let device = Device::of_containers(persona, engine.kernel(), engine.size().1 / 1_024);
        Self { face: Face::Go, engine, machines: Arc::new(Sources::new(MAX_SOURCES, KEEP)), device }
    }

    /// Works with the visitor's machine, which has its first containers from the start.
    fn with<R>(&self, cx: &Context<'_>, work: impl FnOnce(&mut Machine) -> R) -> R {
        self.machines.with(cx.session().client.ip(), cx.now(), |machine| {
            if machine.is_new() {
                self.engine.furnish(machine, &self.device, cx.now());
            }
            work(machine)
        })
    }

    fn route(&self, cx: &mut Context<'_>, ask: &Ask<'_>, path: &str) -> Option<Answer> {
        let method = ask.head.method.as_str();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let is_for_heads = matches!(parts.as_slice(), ["_ping"] | ["containers", _, "archive"]);
        match method {
            "OPTIONS" => return Some(Answer::empty(200)),
            "HEAD" if !is_for_heads => return None,
            _ => {}
        }
        Some(match (method, parts.as_slice()) {
            ("GET" | "HEAD", ["_ping"]) => ping(method),
            ("GET", ["version"]) => value(200, &self.engine.version()),
            ("GET", ["info"]) => {
                let mut info = self.with(cx, |machine| self.engine.info(machine, cx.now()));
                let is_old =
                    split_version(ask.raw_path).0.is_some_and(|version| engine::compare(version, "1.25").is_lt());
                if let Some(info) = info.as_object_mut().filter(|_| is_old) {
                    info.insert("ExecutionDriver".to_owned(), "<not supported>".into());
                }
                value(200, &info)
            }
            ("GET", ["system", "df"]) => self.usage(cx),
            ("GET", ["events"]) => self.events(cx, ask),
            ("POST", ["auth"]) => registry::login(ask),
            ("GET", ["distribution", name @ .., "json"]) => registry::distribution(&name.join("/")),
            (_, ["plugins", rest @ ..]) => return cluster::plugins(ask, method, rest),
            (_, ["networks", rest @ ..]) => return self.networks(cx, ask, method, rest),
            (_, ["volumes", rest @ ..]) => return self.volumes(cx, ask, method, rest),
            (_, ["swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs", ..]) => {
                return cluster::swarm(ask, method, &parts);
            }
            ("POST", ["build", "prune"]) => value(200, &json!({"CachesDeleted": null, "SpaceReclaimed": 0})),
            ("POST", ["build", "cancel"]) if ask.field("id").is_none_or(|id| id.is_empty()) => {
                error(500, "build ID not provided")
            }
            ("POST", ["build", "cancel"]) => Answer::new(200, "application/json", ""),
            ("POST", ["session"]) => self.session(cx, ask),
            ("POST", ["build"]) => self.build(cx, ask),
            ("POST", ["commit"]) => self.commit(cx, ask),
            (_, ["images", rest @ ..]) => return self.images(cx, ask, method, rest),
            (_, ["containers", rest @ ..]) => return self.containers(cx, ask, method, rest),
            (_, ["exec", id, rest @ ..]) => return self.exec(cx, ask, method, id, rest),
            _ => return None,
        })
    }
}

fn ping(method: &str) -> Answer {
    let body = if method == "HEAD" { "" } else { "OK" };
    let answer = Answer::new(200, "text/plain; charset=utf-8", body)
        .header("Cache-Control", "no-cache, no-store, must-revalidate")
        .header("Pragma", "no-cache");
    if method == "HEAD" { answer.header("Content-Length", "0") } else { answer }
}

/// The connection becomes a raw stream (Engine API, hijacking).
fn taken_over(ask: &Ask<'_>, stream: impl super::answer::Stream + 'static) -> Answer {
    let upgrades = ask.head.lists("connection", "upgrade");
    let answer = Answer::streamed(if upgrades { 101 } else { 200 }, Framing::Raw, stream);
    let answer = Answer { content_type: Some("application/vnd.docker.raw-stream".into()), ..answer };
    if upgrades { answer.header("Upgrade", "tcp").header("Connection", "Upgrade") } else { answer }
}

fn error(status: u16, message: &str) -> Answer {
    value(status, &json!({"message": message}))
}

fn refused((status, message): Refusal) -> Answer {
    error(status, &message)
}

/// The path without its version, and the version: digits and dots.
fn split_version(path: &str) -> (Option<&str>, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, _) = rest.split_once('/')?;
        let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_version.then(|| (version, rest.get(version.len()..).unwrap_or_default()))
    });
    versioned.map_or((None, path), |(version, rest)| (Some(version), rest))
}

/// Engine APIs before 1.24 had no JSON for errors.
fn in_plain_words(answer: Answer) -> Answer {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(message) = body.get("message").and_then(Value::as_str).filter(|_| answer.status >= 400) else {
        return answer;
    };
    let (body, kind) = (format!("{message}\n").into_bytes(), Some("text/plain; charset=utf-8".into()));
    Answer { body, content_type: kind, ..answer }.header("X-Content-Type-Options", "nosniff")
}

/// The path is one of the engine's, as far as its beginning tells.
fn is_known(path: &str) -> bool {
    const KNOWN: [&str; 22] = [
        "/containers/",
        "/images/",
        "/exec/",
        "/_ping",
        "/version",
        "/info",
        "/networks",
        "/volumes",
        "/build",
        "/session",
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
        "/distribution/",
    ];
    KNOWN.iter().any(|start| path.starts_with(start))
}

impl Family for Docker {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn claims(&self, ask: &Ask<'_>) -> bool {
        let (version, path) = split_version(ask.raw_path);
        let is_known = is_known(path);
        // `/v1/images` is many another's; the engine's clients name a minor version.
        is_known
            && (version.is_some_and(|version| version.contains('.'))
                || matches!(
                    path,
                    "/_ping" | "/version" | "/info" | "/containers/json" | "/containers/create" | "/images/json"
                ))
    }

    fn face(&self) -> Option<&Face> {
        Some(&self.face)
    }

    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer> {
        let decoded = ask.decoded_path();
        let clean = clean(&decoded);
        if clean != decoded {
            let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query) };
            return Some(Answer::empty(301).header("Location", clean + &query));
        }
        let (version, path) = split_version(&decoded);
        let refusal = version.filter(|_| is_known(path)).and_then(|version| self.engine.refuses(version));
        let answer = match refusal {
            Some(message) => self.engine.introduce(error(400, &message)),
            // What no route takes never gets as far as the code that says who it is.
            None => match self.route(cx, ask, path) {
                // Written by hand once the connection is taken over.
                Some(answer) if matches!(answer.stream, Some((Framing::Raw, _))) => answer,
                Some(answer) => self.engine.sign(answer),
                None => error(404, "page not found"),
            },
        };
        let is_old = version.is_some_and(|version| engine::compare(version, "1.24").is_lt());
        Some(if is_old { in_plain_words(answer) } else { answer })
    }
}

/// The path as the router wants it (gorilla/mux, cleanPath): rooted, without empty parts and dots.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}

/// What a client says in a session whose files are asked for: its settings, these files for both calls, and its farewells.
#[cfg(test)]
pub(super) fn lent(files: &[(&str, &str)]) -> Vec<u8> {
    use protobuf::Message;
    let mut out = Vec::new();
    frame::write(frame::SETTINGS, 0, 0, &[], &mut out);
    for stream in [1, 3] {
        let mut send = |packet: Message| frame::write_message(stream, &packet.0, false, &mut out);
        for (name, text) in files {
            let stat = Message::default().bytes(1, name).number(2, 0o644).number(5, text.len() as u64);
            send(Message::default().bytes(2, stat.0));
        }
        send(Message::default());
        for (number, (_, text)) in files.iter().enumerate() {
            let content = || Message::default().number(1, 2).number(3, number as u64);
            send(content().bytes(4, text));
            send(content());
        }
        send(Message::default().number(1, 3));
    }
    out
}

/// An archive of one file, as clients send it.
#[cfg(test)]
pub(super) fn archive_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    tar::push(&mut archive, name, 0o755, crate::clock::Timestamp::default(), Some(bytes));
    tar::finish(archive)
}
