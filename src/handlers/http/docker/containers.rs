//! Requests about containers.

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::answer::{Answer, Framing};
use super::super::ask::Ask;
use super::super::record::command_event;
use super::container::Container;
use super::decode::{Shape, Type, json as decode};
use super::execs::EXEC;
use super::filter::Filters;
use super::logs::Selection;
use super::output::Wanted;
use super::process::Played;
use super::refusal::Refusal;
use super::stream::{Kind, Once, Until, Watch};
use super::{Docker, config, decode as go, error, filter, image, refusal, taken_over, value};

/// A container's configuration.
const CONFIG: Shape = Shape {
    name: "runconfig.ContainerConfigWrapper",
    short: "ContainerConfigWrapper",
    fields: &[
        ("Image", Type::Text),
        ("User", Type::Text),
        ("Hostname", Type::Text),
        ("WorkingDir", Type::Text),
        ("StopSignal", Type::Text),
        ("Cmd", Type::Words),
        ("Entrypoint", Type::Words),
        ("Env", Type::Texts),
        ("Tty", Type::Flag),
        ("OpenStdin", Type::Flag),
    ],
    status: 500,
};
const UPDATE: Shape = Shape { name: "container.UpdateConfig", short: "UpdateConfig", fields: &[], status: 500 };
/// What a request about a container may be about.
const ACTIONS: [(&str, &[&str]); 4] = [
    ("GET", &["json", "logs", "top", "stats", "changes", "export", "archive", "checkpoints"]),
    ("HEAD", &["archive"]),
    ("PUT", &["archive"]),
    (
        "POST",
        &[
            "start",
            "stop",
            "kill",
            "restart",
            "pause",
            "unpause",
            "rename",
            "resize",
            "wait",
            "attach",
            "exec",
            "update",
            "copy",
            "checkpoints",
        ],
    ),
];
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
            ("GET", ["json"]) => {
                return Some(self.list(cx, ask).unwrap_or_else(|(status, message)| error(status, &message)));
            }
            ("POST", ["create"]) => return Some(self.create(cx, ask)),
            ("POST", ["prune"]) => return Some(self.prune(cx)),
            ("DELETE", [id]) => (*id, "delete"),
            (_, [id, action]) if ACTIONS.iter().any(|(of, all)| *of == method && all.contains(action)) => {
                (*id, *action)
            }
            _ => return None,
        };
        if let Err((status, message)) = parameters(ask, action) {
            return Some(error(status, &message));
        }
        let wanted = match action {
            "exec" => Some(decode(ask, &EXEC)),
            "update" => Some(decode(ask, &UPDATE)),
            _ => None,
        };
        let wanted = match wanted {
            Some(Err(refused)) => return Some(*refused),
            Some(Ok(wanted)) => wanted,
            None => Value::Null,
        };
        let Some(found) = self.with(cx, |machine| machine.container(id).map(|container| container.id.clone())) else {
            return Some(no_such_container(ask, action, id));
        };
        if action == "exec" {
            return Some(self.create_exec(cx, (id, &found), &wanted));
        }
        self.change(cx, ask, method, (id, &found), action)
            .or_else(|| self.look(cx, ask, method, &found, action))
            .or_else(|| self.files(cx, ask, method, (id, &found), action))
    }

    /// Works with a container that there is.
    pub(super) fn inside<R>(&self, cx: &Context<'_>, id: &str, work: impl FnOnce(&mut Container) -> R) -> Option<R> {
        self.with(cx, |machine| machine.container(id).map(work))
    }

    fn list(&self, cx: &Context<'_>, ask: &Ask<'_>) -> Result<Answer, Refusal> {
        let now = cx.now();
        if let Some(limit) = ask.field("limit").filter(|limit| !limit.is_empty()) {
            go::number(Some(&limit)).map_err(|why| (500, why))?;
        }
        let filters = Filters::of(ask, filter::CONTAINERS)?;
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
                    shown.insert("SizeRootFs".to_owned(), 142_001_093_u64.into());
                }
                shown
            };
            shown.take(limit).map(|container| sizes(container.listed(now))).collect()
        });
        Ok(value(200, &list.into()))
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
        let wanted = match decode(ask, &CONFIG) {
            Ok(wanted) => wanted,
            Err(answer) => return *answer,
        };
        let image = wanted.get("Image").and_then(Value::as_str).unwrap_or_default();
        let own = self.with(cx, |machine| machine.image(image).map(|image| image.own.clone())).unwrap_or_default();
        let wanted = config::merged(wanted, &own);
        let decoded = config::summary(&wanted);
        let command = config::command_of(&wanted);
        if !command.is_empty() {
            cx.event(command_event(&command.join(" ")));
        }
        self.created(cx, ask, wanted)
            .unwrap_or_else(|(status, message)| error(status, &message))
            .decoded("container", decoded)
    }

    fn created(&self, cx: &Context<'_>, ask: &Ask<'_>, wanted: Value) -> Result<Answer, Refusal> {
        let is_empty =
            |config: &Map<String, Value>| config.keys().all(|key| key == "HostConfig" || key == "NetworkingConfig");
        if wanted.as_object().is_none_or(is_empty) {
            return Err((400, "Config cannot be empty in order to create a container".to_owned()));
        }
        refusal::of_settings(&wanted, self.engine.size().0).map_or(Ok(()), Err)?;
        let given = ask.field("name");
        let image = wanted.get("Image").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !image.is_empty() {
            image::check(&image).map_err(|message| (400, message.to_owned()))?;
        }
        let (name, tag) = image::reference(&image, None);
        let reference = format!("{name}:{tag}");
        let (seed, now) = (cx.session().seed, cx.now());
        let volumes: Vec<String> = config::mounts(&wanted).into_iter().map(|(source, _, _)| source).collect();
        self.with(cx, |machine| {
            let known =
                machine.image(&image).map(|image| image.id.clone()).or_else(|| image.is_empty().then(String::new));
            let id = known.ok_or_else(|| (404, format!("No such image: {reference}")))?;
            refusal::of_command(&wanted).map_or(Ok(()), Err)?;
            if let Some(name) = given.as_deref().filter(|name| !name.is_empty() && !is_name(name)) {
                return Err((400, invalid_name(name)));
            }
            refusal::of_binds(&wanted).map_or(Ok(()), Err)?;
            for volume in volumes.into_iter().filter(|source| !source.is_empty() && !source.starts_with('/')).take(8) {
                machine.add_volume((volume, super::engine::rfc3339(now)));
            }
            let container = machine
                .create(wanted, (&image, &id), given, seed, now)
                .map_err(|(name, holder)| (409, name_taken(&name, &holder)))?;
            container.furnish(&self.device, now);
            let id = container.id.clone();
            machine.happened_to(now, &id, "create", None);
            Ok(value(201, &json!({"Id": id, "Warnings": []})))
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
            ("POST", "kill") if signal_of(ask).parse::<u8>().is_ok_and(|number| number > 64) => {
                let signal = signal_of(ask);
                error(500, &format!("Cannot kill container: {name}: The linux daemon does not support signal {signal}"))
            }
            ("POST", "kill") if !running => {
                error(409, &format!("Cannot kill container: {name}: Container {id} is not running"))
            }
            ("POST", "stop") => {
                self.stop(cx, id, "15");
                self.with(cx, |machine| machine.happened_to(now, id, "stop", None));
                Answer::empty(204)
            }
            ("POST", "kill") => {
                let signal = signal_of(ask).to_ascii_uppercase();
                if matches!(signal.trim_start_matches("SIG"), "" | "KILL" | "9" | "TERM" | "15" | "INT" | "2" | "QUIT")
                {
                    self.stop(cx, id, "9");
                }
                Answer::empty(204)
            }
            ("POST", "restart") => {
                self.stop(cx, id, "15");
                let answer = self.start(cx, id);
                self.with(cx, |machine| machine.happened_to(now, id, "restart", None));
                answer
            }
            ("POST", "pause") if !running => error(409, &format!("Container {id} is not running")),
            ("POST", "pause") if paused => error(409, &format!("Container {id} is already paused")),
            ("POST", "unpause") if !paused => error(500, &format!("Container {id} is not paused")),
            ("POST", "pause" | "unpause") => {
                self.inside(cx, id, |one| one.paused = action == "pause");
                self.with(cx, |machine| machine.happened_to(now, id, action, None));
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
                if running {
                    self.stop(cx, id, "9");
                }
                self.with(cx, |machine| {
                    machine.happened_to(now, id, "destroy", None);
                    machine.remove_container(id);
                });
                Answer::empty(204)
            }
            _ => return None,
        })
    }

    fn rename(&self, cx: &Context<'_>, id: &str, name: &str) -> Answer {
        let own = self.inside(cx, id, |one| one.name.clone()).unwrap_or_default();
        if name.is_empty() {
            return error(400, "Neither old nor new names may be empty");
        }
        if name == own {
            return error(400, "Renaming a container with the same name as its current name");
        }
        if !is_name(name) {
            return error(400, &format!("Error when allocating new name: {}", invalid_name(&format!("/{name}"))));
        }
        match self.with(cx, |machine| machine.rename(id, name)) {
            Some(holder) => error(409, &format!("Error when allocating new name: {}", name_taken(name, &holder))),
            None => {
                self.with(cx, |machine| {
                    machine.happened_to(cx.now(), id, "rename", Some(("oldName", format!("/{own}"))))
                });
                Answer::empty(204)
            }
        }
    }

    /// Stops a container with this signal, as its events tell.
    fn stop(&self, cx: &Context<'_>, id: &str, signal: &str) {
        let now = cx.now();
        self.with(cx, |machine| {
            machine.happened_to(now, id, "kill", Some(("signal", signal.to_owned())));
            if let Some(container) = machine.container(id) {
                container.stop(now, KILLED);
            }
            machine.bound_to_die(now, id);
        });
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
        let user = wanted.get("User").and_then(Value::as_str).unwrap_or_default();
        let why = place.refuses(&self.device, program, now).filter(|_| !is_service);
        let is_there = why.is_none();
        let refusal = match (place.refuses_user(&self.device, user, now), why) {
            (Some(why), _) => Some(why),
            (None, Some(why)) if config::is_base(&image) => {
                Some(format!("failed to create shim task: {}", not_executable("create", &why)))
            }
            _ => None,
        };
        if let Some(message) = refusal {
            // Whoever waits for its end waits for its removal.
            if removes {
                self.with(cx, |machine| machine.remove_container(id));
            }
            return error(400, &message);
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
        self.with(cx, |machine| {
            machine.happened_to(now, id, "start", None);
            machine.bound_to_die(now, id);
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
            ("GET", "json") => {
                let shown = self.inside(cx, id, |one| one.inspected(now, ask.is_set("size")));
                value(200, &shown.unwrap_or_default())
            }
            ("POST", "copy") => Answer { content_type: None, body: Vec::new(), status: 404, ..Answer::default() },
            (_, "checkpoints") => error(
                501,
                "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.",
            ),
            ("POST", "resize") if !self.inside(cx, id, |one| one.is_running(now)).unwrap_or(false) => {
                error(409, &format!("Container {id} is not running"))
            }
            ("POST", "resize") => Answer::empty(200),
            ("POST", "wait") => {
                let until = match ask.field("condition").as_deref() {
                    Some("next-exit") => Until::NextExit,
                    Some("removed") => Until::Removed,
                    _ => Until::NotRunning,
                };
                json(chunked(Kind::Wait(until, now)))
            }
            ("POST", "attach") => {
                let all = |one: &mut Container| if ask.is_set("logs") { 0 } else { one.written(0, now).len() };
                let sent = self.inside(cx, id, all).unwrap_or_default();
                self.with(cx, |machine| machine.happened_to(now, id, "attach", None));
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
                    Answer::streamed(200, Framing::Chunked, Once(output))
                }
            },
            ("GET", "top") if !self.inside(cx, id, |one| one.is_running(now)).unwrap_or(false) => {
                error(409, &format!("Container {id} is not running"))
            }
            ("GET", "top") => {
                let shown = self.inside(cx, id, |one| one.top(&ask.field("ps_args").unwrap_or_default()));
                value(200, &shown.unwrap_or_default())
            }
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
            _ => return None,
        })
    }
}

/// What is wrong with a request's parameters whatever container it is about.
fn parameters(ask: &Ask<'_>, action: &str) -> Result<(), Refusal> {
    match action {
        "archive" if ask.field("path").is_none_or(|path| path.is_empty()) => {
            Err((400, "bad parameter: pathcannot be empty".to_owned()))
        }
        "resize" => ["h", "w"]
            .into_iter()
            .try_for_each(|name| go::number(ask.field(name).as_deref()).map(drop))
            .map_err(|why| (400, why)),
        "start" if ask.body.len() > 7 => Err((
            400,
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
                .to_owned(),
        )),
        "kill" => {
            let signal = signal_of(ask);
            let is_one = signal.is_empty() || signal.parse::<u8>().is_ok() || refusal::is_signal(&signal);
            if is_one { Ok(()) } else { Err((400, format!("Invalid signal: {signal}"))) }
        }
        _ => Ok(()),
    }
}

fn signal_of(ask: &Ask<'_>) -> String {
    ask.field("signal").unwrap_or_default()
}

fn no_such_container(ask: &Ask<'_>, action: &str, name: &str) -> Answer {
    let message = format!("No such container: {name}");
    match action {
        "kill" => error(404, &format!("Cannot kill container: {name}: {message}")),
        // The engine takes the connection over before it looks.
        "attach" => {
            let answer = taken_over(ask, Once(format!("{message}\r\n").into_bytes()));
            Answer { status: 404, ..answer }
        }
        _ => error(404, &message),
    }
}

/// A name as containers may have it.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name.len() > 1 && name.bytes().all(is_good) && !name.starts_with(['_', '.', '-'])
}

fn invalid_name(name: &str) -> String {
    format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
}

fn name_taken(name: &str, holder: &str) -> String {
    let why = "You have to remove (or rename) that container to be able to reuse that name.";
    format!("Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". {why}")
}

/// What runc says of a program that cannot be run, when it was to `create` or to `exec`.
pub(super) fn not_executable(step: &str, why: &str) -> String {
    let stage = if step == "create" { "runc create" } else { step };
    format!("OCI runtime {step} failed: {stage} failed: unable to start container process: {why}: unknown")
}
