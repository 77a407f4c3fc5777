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
use super::local::MAX_NAME;
use super::logs::Selection;
use super::network::has_label;
use super::output::Wanted;
use super::refusal::Refusal;
use super::stream::{Kind, Once, Until, Watch};
use super::{Docker, config, decode as go, error, filter, image, refusal, refused, taken_over, value};

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
                return Some(self.list(cx, ask).unwrap_or_else(refused));
            }
            ("POST", ["create"]) => return Some(self.create(cx, ask)),
            ("POST", ["prune"]) => return Some(self.prune(cx)),
            ("DELETE", [id]) => (*id, "delete"),
            (_, [id, action]) if ACTIONS.iter().any(|(of, all)| *of == method && all.contains(action)) => {
                (*id, *action)
            }
            _ => return None,
        };
        if let Err(refusal) = parameters(ask, action) {
            return Some(refused(refusal));
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
        self.change(cx, ask, method, (id, &found), (action, &wanted))
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
                    && filters.holds("label", |label| has_label(&one.config, label))
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
        self.created(cx, ask, wanted).unwrap_or_else(refused).decoded("container", decoded)
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
            let known = machine.image(&image).map(|image| (image.id.clone(), image.files.clone()));
            let known = known.or_else(|| image.is_empty().then(Default::default));
            let (id, files) = known.ok_or_else(|| (404, format!("No such image: {reference}")))?;
            refusal::of_command(&wanted).map_or(Ok(()), Err)?;
            if let Some(name) = given.as_deref().filter(|name| !name.is_empty() && !is_name(name)) {
                return Err((400, invalid_name(name)));
            }
            refusal::of_binds(&wanted).map_or(Ok(()), Err)?;
            if let Some(source) = config::bound(&wanted)
                .into_iter()
                .find(|source| machine.ground.files(&self.device, now, |files| !files.exists(source.as_bytes())))
            {
                return Err((
                    400,
                    format!("invalid mount config for type \"bind\": bind source path does not exist: {source}"),
                ));
            }
            let is_volume =
                |source: &String| !source.is_empty() && !source.starts_with('/') && source.len() <= MAX_NAME;
            for volume in volumes.into_iter().filter(is_volume).take(8) {
                machine.volume(&volume, &Value::Null, now);
            }
            let container = machine
                .create(wanted, (&image, &id), given, seed, now)
                .map_err(|(name, holder)| (409, name_taken(&name, &holder)))?;
            container.furnish(&self.device, files.as_ref(), now);
            let id = container.id.clone();
            machine.happened_to(now, &id, "create", None);
            Ok(value(201, &json!({"Id": id, "Warnings": []})))
        })
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

pub(super) fn signal_of(ask: &Ask<'_>) -> String {
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
pub(super) fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name.len() > 1 && name.bytes().all(is_good) && !name.starts_with(['_', '.', '-'])
}

pub(super) fn invalid_name(name: &str) -> String {
    format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
}

pub(super) fn name_taken(name: &str, holder: &str) -> String {
    let why = "You have to remove (or rename) that container to be able to reuse that name.";
    format!("Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". {why}")
}
