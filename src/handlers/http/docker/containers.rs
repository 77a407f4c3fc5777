//! Requests about containers.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::{Answer, Framing};
use super::super::ask::Ask;
use super::super::record::command_event;
use super::container::Container;
use super::logs::Selection;
use super::output::Wanted;
use super::process::Played;
use super::stream::{Kind, Until, Watch};
use super::{Docker, config, error, image, json_body, taken_over, value};

/// Bytes of memory that the engine grants at least.
const LEAST_MEMORY: i64 = 6 << 20;
/// What a process that was killed leaves, and one that was asked to end and did not listen.
const KILLED: i32 = 137;

impl Docker {
    pub(super) fn containers(
        &self,
        cx: &mut Context<'_>,
        ask: &Ask<'_>,
        method: &str,
        rest: &[&str],
    ) -> Option<Answer> {
        let (id, action) = match (method, rest) {
            ("GET", ["json"]) => return Some(self.list(cx, ask)),
            ("POST", ["create"]) => return Some(self.create(cx, ask)),
            ("POST", ["prune"]) => return Some(self.prune(cx)),
            ("DELETE", [id]) => (*id, "delete"),
            (_, [id, action]) => (*id, *action),
            _ => return None,
        };
        let known =
            ["json", "start", "stop", "kill", "restart", "pause", "unpause", "rename", "resize", "wait", "attach"];
        let more = ["logs", "top", "stats", "changes", "exec", "archive", "export", "update", "delete"];
        if !known.contains(&action) && !more.contains(&action) {
            return None;
        }
        let Some(found) = self.with(cx, |machine| machine.container(id).map(|container| container.id.clone())) else {
            return Some(error(404, &format!("No such container: {id}")));
        };
        self.change(cx, ask, method, (id, &found), action)
            .or_else(|| self.look(cx, ask, method, &found, action))
            .or_else(|| self.files(cx, ask, method, &found, action))
    }

    /// Works with a container that there is.
    pub(super) fn inside<R>(&self, cx: &Context<'_>, id: &str, work: impl FnOnce(&mut Container) -> R) -> Option<R> {
        self.with(cx, |machine| machine.container(id).map(work))
    }

    fn list(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Answer {
        let now = cx.now();
        let filters = Filters::of(ask);
        let all = ask.is_set("all") || filters.any("status") || ask.field("limit").is_some_and(|limit| limit != "0");
        let limit =
            ask.field("limit").and_then(|limit| limit.parse().ok()).filter(|&limit| limit > 0).unwrap_or(usize::MAX);
        let list: Vec<Value> = self.with(cx, |machine| {
            let shown = machine.containers.iter().rev().filter(|one| all || one.is_running(now)).filter(|one| {
                filters.holds("name", |name| one.name.contains(name.trim_matches(['^', '$', '/'])))
                    && filters.holds("id", |id| one.id.starts_with(id))
                    && filters.holds("status", |status| one.state(now) == status)
                    && filters.holds("label", |label| one.has_label(label))
                    && filters.holds("ancestor", |image| {
                        image::reference(&one.image, None) == image::reference(image, None)
                            || one.image_id.contains(image)
                    })
            });
            let sizes = |mut shown: Value| {
                if let Some(shown) = shown.as_object_mut().filter(|_| ask.is_set("size")) {
                    shown.insert("SizeRw".to_owned(), 1_093.into());
                    shown.insert("SizeRootFs".to_owned(), 142_001_093_u64.into());
                }
                shown
            };
            shown.take(limit).map(|container| sizes(container.listed(now))).collect()
        });
        value(200, &list.into())
    }

    fn prune(&self, cx: &Context<'_>) -> Answer {
        let now = cx.now();
        let gone = self.with(cx, |machine| {
            let gone: Vec<String> =
                machine.containers.iter().filter(|one| !one.is_running(now)).map(|one| one.id.clone()).collect();
            machine.containers.retain(|one| one.is_running(now));
            gone
        });
        let size = gone.len() * 1_093;
        value(
            200,
            &json!({"ContainersDeleted": if gone.is_empty() { Value::Null } else { gone.into() }, "SpaceReclaimed": size}),
        )
    }

    fn create(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Answer {
        let wanted = match json_body(ask) {
            Ok(wanted) => wanted,
            Err(answer) => return *answer,
        };
        let decoded = config::summary(&wanted);
        let command = config::command_of(&wanted);
        if !command.is_empty() {
            cx.event(command_event(&command.join(" ")));
        }
        self.created(cx, ask, wanted)
            .unwrap_or_else(|(status, message)| error(status, &message))
            .decoded("container", decoded)
    }

    fn created(&self, cx: &Context<'_>, ask: &Ask<'_>, wanted: Value) -> Result<Answer, (u16, String)> {
        let given = ask.field("name");
        let name = given.as_deref().unwrap_or_default().trim_start_matches('/');
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if !name.is_empty() && (name.len() < 2 || !name.bytes().all(is_name) || name.starts_with(['_', '.', '-'])) {
            return Err((400, format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")));
        }
        let image = wanted.get("Image").and_then(Value::as_str).unwrap_or_default().to_owned();
        image::check(&image).map_err(|message| (400, message.to_owned()))?;
        let memory = wanted.pointer("/HostConfig/Memory").and_then(Value::as_i64).unwrap_or(0);
        if memory != 0 && memory < LEAST_MEMORY {
            return Err((400, "Minimum memory limit allowed is 6MB".to_owned()));
        }
        let runtime = wanted.pointer("/HostConfig/Runtime").and_then(Value::as_str).unwrap_or_default();
        if !matches!(runtime, "" | "runc" | "io.containerd.runc.v2" | "io.containerd.runtime.v1.linux") {
            return Err((400, format!("Unknown runtime specified {runtime}")));
        }
        let (name, tag) = image::reference(&image, None);
        let reference = format!("{name}:{tag}");
        let (seed, now) = (cx.session().seed, cx.now());
        let volumes: Vec<String> = config::mounts(&wanted).into_iter().map(|(source, _, _)| source).collect();
        self.with(cx, |machine| {
            let known = machine.image(&image).map(|image| image.id.clone());
            let id = known.ok_or_else(|| (404, format!("No such image: {reference}")))?;
            for volume in volumes.into_iter().filter(|source| !source.is_empty() && !source.starts_with('/')).take(8) {
                machine.add_volume((volume, super::engine::rfc3339(now)));
            }
            let container = machine
                .create(wanted, (&image, &id), given, seed, now)
                .map_err(|(name, holder)| (409, name_taken(&name, &holder)))?;
            container.furnish(&self.device, now);
            Ok(value(201, &json!({"Id": container.id, "Warnings": []})))
        })
    }

    /// What changes a container's state; `name` is what the client calls it.
    fn change(
        &self,
        cx: &mut Context<'_>,
        ask: &Ask<'_>,
        method: &str,
        (name, id): (&str, &str),
        action: &str,
    ) -> Option<Answer> {
        let now = cx.now();
        let (running, paused) = self.inside(cx, id, |one| (one.is_running(now), one.paused)).unwrap_or_default();
        Some(match (method, action) {
            ("POST", "start") if running => Answer::empty(304),
            ("POST", "start") => self.start(cx, id),
            ("POST", "stop") if !running => Answer::empty(304),
            ("POST", "kill") if !running => {
                error(409, &format!("Cannot kill container: {name}: Container {id} is not running"))
            }
            ("POST", "stop") => {
                self.inside(cx, id, |one| one.stop(now, KILLED));
                Answer::empty(204)
            }
            ("POST", "kill") => {
                let signal = ask.field("signal").unwrap_or_default().to_ascii_uppercase();
                if matches!(signal.trim_start_matches("SIG"), "" | "KILL" | "9" | "TERM" | "15" | "INT" | "2" | "QUIT")
                {
                    self.inside(cx, id, |one| one.stop(now, KILLED));
                }
                Answer::empty(204)
            }
            ("POST", "restart") => {
                self.inside(cx, id, |one| one.stop(now, KILLED));
                self.start(cx, id)
            }
            ("POST", "pause" | "unpause") if !running => error(409, &format!("Container {id} is not running")),
            ("POST", "pause") if paused => error(409, &format!("Container {id} is already paused")),
            ("POST", "unpause") if !paused => error(500, &format!("Container {id} is not paused")),
            ("POST", "pause" | "unpause") => {
                self.inside(cx, id, |one| one.paused = action == "pause");
                Answer::empty(204)
            }
            ("POST", "rename") => self.rename(cx, id, ask.field("name").unwrap_or_default().trim_start_matches('/')),
            ("POST", "update") => value(200, &json!({"Warnings": null})),
            ("DELETE", "delete") if running && !ask.is_set("force") => error(
                409,
                &format!(
                    "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
                ),
            ),
            ("DELETE", "delete") => {
                self.with(cx, |machine| machine.remove_container(id));
                Answer::empty(204)
            }
            _ => return None,
        })
    }

    fn rename(&self, cx: &Context<'_>, id: &str, name: &str) -> Answer {
        if name.is_empty() {
            return error(400, "Neither old nor new names may be empty");
        }
        match self.with(cx, |machine| machine.rename(id, name)) {
            Some(holder) => error(409, &name_taken(name, &holder)),
            None => Answer::empty(204),
        }
    }

    fn start(&self, cx: &mut Context<'_>, id: &str) -> Answer {
        let now = cx.now();
        let kept = self.inside(cx, id, |one| {
            (one.place(), one.command.clone(), one.config.clone(), one.name.clone(), one.removes_itself())
        });
        let Some((place, command, wanted, name, removes)) = kept else { return Answer::empty(304) };
        if let Some(message) = self.refuses_start(cx, id, &name, &wanted) {
            return message;
        }
        let (is_service, is_attended, image) =
            self.inside(cx, id, |one| (one.is_service, one.is_attended, one.image.clone())).unwrap_or_default();
        let program = command.first().map_or("", String::as_str);
        let is_there = is_service || place.has(&self.device, program, now);
        if !is_there && config::is_base(&image) {
            // Whoever waits for its end waits for its removal.
            if removes {
                self.with(cx, |machine| machine.remove_container(id));
            }
            return error(400, &format!("failed to create shim task: {}", not_executable("runc create", program)));
        }
        // What an image brings itself is not known here: it runs.
        let played = if is_service || is_attended || !is_there {
            Played::forever()
        } else {
            Played::run(cx, &self.device, &place, &command)
        };
        self.inside(cx, id, |one| {
            let stdin = wanted.get("OpenStdin") == Some(&Value::Bool(true));
            if played.reads && stdin {
                one.is_attended = true;
                one.start(now, Played::forever());
            } else {
                one.start(now, played);
            }
        });
        Answer::empty(204)
    }

    /// Why a container cannot be started: a network that is not there, a port that another has.
    fn refuses_start(&self, cx: &Context<'_>, id: &str, name: &str, wanted: &Value) -> Option<Answer> {
        let network = wanted.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or("default");
        let is_known =
            matches!(network, "" | "default" | "bridge" | "host" | "none") || network.starts_with("container:");
        if !is_known
            && !self.with(cx, |machine| machine.networks.iter().any(|(name, id)| name == network || id == network))
        {
            return Some(error(404, &format!("network {network} not found")));
        }
        let port = self.with(cx, |machine| machine.port_taken(id, &config::ports(wanted), cx.now()))?;
        let endpoint = super::machine::id(cx.session().seed, u64::from(port), id);
        Some(error(
            500,
            &format!(
                "driver failed programming external connectivity on endpoint {name} ({endpoint}): Bind for 0.0.0.0:{port} failed: port is already allocated"
            ),
        ))
    }

    /// What tells of a container.
    fn look(&self, cx: &mut Context<'_>, ask: &Ask<'_>, method: &str, id: &str, action: &str) -> Option<Answer> {
        let now = cx.now();
        let watch = |kind, sent| Watch::new((&self.machines, &self.device), id, kind, sent);
        let chunked = |kind| Answer::streamed(200, Framing::Chunked, watch(kind, 0));
        let json = |answer| Answer { content_type: Some("application/json".into()), ..answer };
        Some(match (method, action) {
            ("GET", "json") => value(200, &self.inside(cx, id, |one| one.inspected(now)).unwrap_or_default()),
            ("POST", "resize") => Answer::empty(200),
            ("POST", "wait") => {
                let until = match ask.field("condition").as_deref() {
                    None | Some("" | "not-running") => Until::NotRunning,
                    Some("next-exit") => Until::NextExit,
                    Some("removed") => Until::Removed,
                    Some(other) => return Some(error(400, &format!("invalid condition: {other:?}"))),
                };
                json(chunked(Kind::Wait(until, now)))
            }
            ("POST", "attach") => {
                let all = |one: &mut Container| if ask.is_set("logs") { 0 } else { one.written(0, now).len() };
                let sent = self.inside(cx, id, all).unwrap_or_default();
                taken_over(ask, watch(Kind::Attach(Wanted::of(ask)), sent))
            }
            ("GET", "logs") if Wanted::of(ask).is_nothing() => {
                error(400, "Bad parameters: you must choose at least one stream")
            }
            ("GET", "logs") => match Selection::of(ask) {
                Err(message) => error(500, &message),
                Ok(selection) if ask.is_set("follow") => chunked(Kind::Logs(selection)),
                Ok(selection) => {
                    let mut output = Vec::new();
                    self.inside(cx, id, |one| selection.lines(one, 0, now, &mut output));
                    Answer { body: output, ..Answer::empty(200) }
                }
            },
            ("GET", "top" | "export")
                if action == "top" && !self.inside(cx, id, |one| one.is_running(now)).unwrap_or(false) =>
            {
                error(409, &format!("Container {id} is not running"))
            }
            ("GET", "top") => value(200, &self.inside(cx, id, |one| one.top()).unwrap_or_default()),
            ("GET", "stats") => {
                let (cores, memory) = self.engine.size();
                if ask
                    .field("stream")
                    .is_some_and(|stream| matches!(stream.to_ascii_lowercase().as_str(), "0" | "no" | "false" | "none"))
                {
                    return Some(value(
                        200,
                        &self.inside(cx, id, |one| one.stats(now, memory, cores)).unwrap_or_default(),
                    ));
                }
                json(chunked(Kind::Stats { memory, cores }))
            }
            ("POST", "exec") => self.create_exec(cx, ask, id),
            _ => return None,
        })
    }
}

fn name_taken(name: &str, holder: &str) -> String {
    let why = "You have to remove (or rename) that container to be able to reuse that name.";
    format!("Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". {why}")
}

/// What runc says of a program that is not there.
pub(super) fn not_executable(step: &str, program: &str) -> String {
    let reason = if program.contains('/') { "stat" } else { "" };
    let why = if reason.is_empty() {
        format!("exec: {program:?}: executable file not found in $PATH: unknown")
    } else {
        format!("exec: {program:?}: stat {program}: no such file or directory: unknown")
    };
    if step == "exec" {
        return format!("OCI runtime exec failed: exec failed: unable to start container process: {why}");
    }
    format!("OCI runtime create failed: {step} failed: unable to start container process: {why}")
}

/// The `filters` of a request: a JSON object of names, each with a list or an object of values.
pub(super) struct Filters(Value);

impl Filters {
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        Self(serde_json::from_str(&ask.field("filters").unwrap_or_default()).unwrap_or_default())
    }

    pub(super) fn any(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// One of the values of this filter fits, or it has none.
    pub(super) fn holds(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        let values = self.values(name);
        values.is_empty() || values.into_iter().any(fits)
    }

    fn values(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(16).collect(),
            Some(Value::Object(set)) => set.keys().map(String::as_str).take(16).collect(),
            _ => Vec::new(),
        }
    }
}
