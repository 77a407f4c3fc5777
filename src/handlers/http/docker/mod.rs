//! A Docker engine's API (Engine API 1.41, as Docker 20.10 answers it) without a daemon behind: whoever finds it open may pull images,
//! start containers and run commands in them. Each source sees a machine of its own, which remembers what was done to it.
//!
//! What a visitor wants run is a `command` event; image, mounts and rights are in the request's `decoded` object.

mod command;
mod container;
mod engine;
mod image;
mod local;
mod machine;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Context, Persona, Sources};
use super::answer::{Answer, Framing};
use super::ask::Ask;
use super::face::Face;
use super::family::Family;
use super::record::command_event;
use engine::Engine;
use machine::{Exec, Machine};

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
}

impl Docker {
    pub(super) fn new(persona: &Persona) -> Self {
        Self { face: Face::Go, engine: Engine::new(persona), machines: Arc::new(Sources::new(MAX_SOURCES, KEEP)) }
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
            ("GET", ["events"]) => stream::silence(),
            // The credentials of a registry; the server has recorded them.
            ("POST", ["auth"]) => {
                error(500, "Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password")
            }
            ("GET", ["plugins"]) => value(200, &json!([])),
            (_, ["networks", rest @ ..]) => return self.networks(cx, ask, method, rest),
            (_, ["volumes", rest @ ..]) => return self.volumes(cx, ask, method, rest),
            // A machine with addresses on several interfaces cannot choose one.
            ("POST", ["swarm", "init"]) => error(
                400,
                "could not choose an IP address to advertise since this system has multiple addresses on different interfaces - specify one with --advertise-addr",
            ),
            ("POST", ["build", "prune"]) => value(200, &json!({"CachesDeleted": null, "SpaceReclaimed": 0})),
            ("GET", ["swarm" | "nodes" | "services" | "tasks" | "secrets" | "configs", ..]) => error(
                503,
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
            ),
            ("POST", ["build"]) => image::build(cx, ask),
            (_, ["images", rest @ ..]) => return self.images(cx, ask, method, rest),
            (_, ["containers", rest @ ..]) => return self.containers(cx, ask, method, rest),
            (_, ["exec", id, rest @ ..]) => return self.exec(cx, ask, method, id, rest),
            _ => return None,
        })
    }

    fn images(&self, cx: &mut Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        Some(match (method, rest) {
            ("GET", ["json"]) => {
                value(200, &self.with(cx, |machine| machine.images.iter().map(image::Image::listed).collect()))
            }
            ("POST", ["create"]) => self.pull(cx, ask),
            ("GET", ["search"]) => value(200, &json!([])),
            ("POST", ["load"]) => value(200, &json!({"stream": "Loaded image ID: sha256:0\n"})),
            ("POST", ["prune"]) => value(200, &json!({"ImagesDeleted": null, "SpaceReclaimed": 0})),
            // Names have slashes of their own.
            ("GET", [name @ .., "json"]) => {
                let name = name.join("/");
                let found = self.with(cx, |machine| machine.image(&name).map(image::Image::inspected));
                found.map_or_else(|| no_such_image(&name), |found| value(200, &found))
            }
            ("GET", [.., "history"]) => value(200, &json!([])),
            ("POST", [name @ .., "tag"]) => {
                let of = name.join("/");
                let (name, tag) = image::reference(&ask.field("repo").unwrap_or_default(), ask.field("tag").as_deref());
                let is_done = self.with(cx, |machine| machine.tag_image(&of, &name, &tag));
                if is_done { Answer::empty(201) } else { no_such_image(&of) }
            }
            ("DELETE", name) => {
                let name = name.join("/");
                let removed = self.with(cx, |machine| machine.remove_image(&name));
                removed.map_or_else(|| no_such_image(&name), |tag| value(200, &json!([{"Untagged": tag}])))
            }
            _ => return None,
        })
    }

    fn pull(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let (name, tag) = image::reference(&ask.field("fromImage").unwrap_or_default(), ask.field("tag").as_deref());
        let reference = format!("{name}:{tag}");
        if !image::exists(&name) {
            let message = format!(
                "pull access denied for {name}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"
            );
            return error(404, &message).decoded("image", reference);
        }
        let image = image::Image::pulled(&name, &tag, cx.now());
        let known = self.with(cx, |machine| machine.image(&reference).is_some());
        let stream = stream::Pull::new(&image, known);
        self.with(cx, |machine| machine.add_image(image));
        Answer { content_type: Some("application/json".into()), ..Answer::streamed(200, Framing::Chunked, stream) }
            .decoded("image", reference)
    }

    fn containers(&self, cx: &mut Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        let now = cx.now();
        let (id, action) = match (method, rest) {
            ("GET", ["json"]) => {
                let all = ask.is_set("all");
                let list: Vec<Value> = self.with(cx, |machine| {
                    let shown = machine.containers.iter().rev().filter(|container| all || container.is_running(now));
                    shown.map(|container| container.listed(now)).collect()
                });
                return Some(value(200, &list.into()));
            }
            ("POST", ["create"]) => return Some(self.create(cx, ask)),
            ("POST", ["prune"]) => return Some(value(200, &json!({"ContainersDeleted": null, "SpaceReclaimed": 0}))),
            ("DELETE", [id]) => (*id, "delete"),
            (_, [id, action]) => (*id, *action),
            _ => return None,
        };
        let Some(found) = self.with(cx, |machine| machine.container(id).map(|container| container.id.clone())) else {
            return Some(error(404, &format!("No such container: {id}")));
        };
        self.container(cx, ask, method, &found, action)
    }

    /// What is done to a container that there is.
    fn container(&self, cx: &mut Context<'_>, ask: &Ask<'_>, method: &str, id: &str, action: &str) -> Option<Answer> {
        let now = cx.now();
        let watch = |kind| stream::Watch::new(Arc::clone(&self.machines), id, kind);
        let change =
            |work: &dyn Fn(&mut container::Container)| self.with(cx, |machine| machine.container(id).map(work));
        Some(match (method, action) {
            ("GET", "json") => value(
                200,
                &self.with(cx, |machine| machine.container(id).map(|c| c.inspected(now))).unwrap_or_default(),
            ),
            ("POST", "start") => {
                let missing = self.with(cx, |machine| {
                    let container = machine.container(id)?;
                    let program = container.missing_program()?;
                    // Whoever waits for its end waits for its removal.
                    if container.removes_itself() {
                        machine.remove_container(id);
                    }
                    Some(program)
                });
                if let Some(program) = missing {
                    let why = format!(
                        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: {program:?}: executable file not found in $PATH: unknown"
                    );
                    return Some(error(400, &why));
                }
                let downloads = self.with(cx, |machine| machine.container(id).map(|c| c.start(now))).flatten();
                let Some(downloads) = downloads else { return Some(Answer::empty(304)) };
                downloads.iter().for_each(|(url, tool)| cx.download(url, tool));
                Answer::empty(204)
            }
            ("POST", "stop" | "kill") => {
                change(&|container| container.stop(now));
                Answer::empty(204)
            }
            ("POST", "restart") => {
                change(&|container| {
                    container.stop(now);
                    container.start(now);
                });
                Answer::empty(204)
            }
            ("POST", "pause" | "unpause") => {
                change(&|container| container.paused = action == "pause");
                Answer::empty(204)
            }
            ("POST", "rename") => {
                let name = ask.field("name").unwrap_or_default();
                let name = name.trim_start_matches('/');
                if name.is_empty() {
                    return Some(error(400, "Neither old nor new names may be empty"));
                }
                if self.with(cx, |machine| machine.rename(id, name)) {
                    Answer::empty(204)
                } else {
                    error(409, &name_taken(name))
                }
            }
            ("POST", "resize") => Answer::empty(200),
            ("POST", "wait") => Answer {
                content_type: Some("application/json".into()),
                ..Answer::streamed(200, Framing::Chunked, watch(stream::Kind::Wait))
            },
            ("POST", "attach") => taken_over(ask, watch(stream::Kind::Attach)),
            ("GET", "logs") if ask.is_set("follow") => {
                Answer::streamed(200, Framing::Chunked, watch(stream::Kind::Logs))
            }
            ("GET", "logs") => {
                let output = self.with(cx, |machine| machine.container(id).map(|container| container.logs()));
                Answer { body: output.unwrap_or_default(), ..Answer::empty(200) }
            }
            ("GET", "top") => {
                value(200, &self.with(cx, |machine| machine.container(id).map(|c| c.top())).unwrap_or_default())
            }
            ("GET", "stats") => value(
                200,
                &json!({"read": engine::rfc3339(now), "pids_stats": {"current": 1}, "cpu_stats": {}, "memory_stats": {}, "id": id}),
            ),
            ("GET", "changes") => value(200, &Value::Null),
            ("POST", "exec") => self.create_exec(cx, ask, id),
            ("PUT", "archive") => Answer::empty(200),
            ("GET", "archive") => {
                let path = ask.field("path").unwrap_or_default();
                error(404, &format!("Could not find the file {path} in container {id}"))
            }
            ("POST", "update") => value(200, &json!({"Warnings": null})),
            ("DELETE", "delete") => {
                let running =
                    self.with(cx, |machine| machine.container(id).is_some_and(|container| container.is_running(now)));
                if running && !ask.is_set("force") {
                    return Some(error(
                        409,
                        &format!(
                            "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
                        ),
                    ));
                }
                self.with(cx, |machine| machine.remove_container(id));
                Answer::empty(204)
            }
            _ => return None,
        })
    }

    fn create(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let Ok(config) = serde_json::from_slice::<Value>(ask.body) else {
            return error(400, "invalid character in request body");
        };
        let wanted = config.get("Image").and_then(Value::as_str).unwrap_or_default().to_owned();
        let decoded = container::summary(&config);
        let command = container::command_of(&config);
        if !command.is_empty() {
            cx.event(command_event(&command.join(" ")));
        }
        let (name, tag) = image::reference(&wanted, None);
        let reference = format!("{name}:{tag}");
        let given = ask.field("name");
        let (seed, now) = (cx.session().seed, cx.now());
        let created = self.with(cx, |machine| {
            let image = machine.image(&reference).map(|image| image.id.clone());
            let image = image.ok_or_else(|| (404, format!("No such image: {reference}")))?;
            machine.create(config, &wanted, &image, given, seed, now).map_err(|name| (409, name_taken(&name)))
        });
        match created {
            Ok(id) => value(201, &json!({"Id": id, "Warnings": []})),
            Err((status, message)) => error(status, &message),
        }
        .decoded("container", decoded)
    }

    fn create_exec(&self, cx: &mut Context<'_>, ask: &Ask<'_>, container: &str) -> Answer {
        let config: Value = serde_json::from_slice(ask.body).unwrap_or_default();
        let command = container::words(config.get("Cmd"));
        if command.is_empty() {
            return error(400, "No exec command specified");
        }
        cx.event(command_event(&command.join(" ")));
        let (seed, now) = (cx.session().seed, cx.now());
        let id = self.with(cx, |machine| {
            let is_running = machine.container(container).is_some_and(|found| found.is_running(now));
            is_running
                .then(|| machine.add_exec(container, &command, config.get("Tty") == Some(&Value::Bool(true)), seed))
        });
        match id {
            Some(id) => value(201, &json!({"Id": id})),
            None => error(409, &format!("Container {container} is not running")),
        }
        .decoded("exec", command)
    }

    fn exec(&self, cx: &mut Context<'_>, ask: &Ask<'_>, method: &str, id: &str, rest: &[&str]) -> Option<Answer> {
        let Some(exec) = self.with(cx, |machine| machine.exec(id).cloned()) else {
            return Some(error(404, &format!("No such exec instance: {id}")));
        };
        Some(match (method, rest) {
            ("POST", ["start"]) => {
                let options: Value = serde_json::from_slice(ask.body).unwrap_or_default();
                let session = stream::Shell::new(&exec);
                session.downloads().for_each(|(url, tool)| cx.download(url, tool));
                if options.get("Detach") == Some(&Value::Bool(true)) {
                    return Some(Answer::empty(200));
                }
                taken_over(ask, session)
            }
            ("POST", ["resize"]) => Answer::empty(200),
            ("GET", ["json"]) => value(200, &exec_value(&exec)),
            _ => return None,
        })
    }
}

fn exec_value(exec: &Exec) -> Value {
    let (program, arguments) = exec.command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    json!({
        "ID": exec.id, "Running": false, "ExitCode": exec.exit, "ContainerID": exec.container, "Pid": 0,
        "ProcessConfig": {"tty": exec.tty, "entrypoint": program, "arguments": arguments, "privileged": false},
        "OpenStdin": true, "OpenStderr": true, "OpenStdout": true, "CanRemove": false, "DetachKeys": "",
    })
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

fn name_taken(name: &str) -> String {
    let why = "is already in use. You have to remove (or rename) that container to be able to reuse that name.";
    format!("Conflict. The container name \"/{name}\" {why}")
}

fn no_such_image(name: &str) -> Answer {
    error(404, &format!("No such image: {name}"))
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
