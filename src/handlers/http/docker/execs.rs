//! Commands in containers.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::super::record::command_event;
use super::decode::{Shape, Type, json as decode, number};
use super::lifecycle::not_executable;
use super::machine::Exec;
use super::output::{Channel, Wanted, emit};
use super::process::Played;
use super::stream::{Once, Session};
use super::{Docker, config, error, taken_over, value};

pub(super) const EXEC: Shape = Shape {
    name: "types.ExecConfig",
    short: "ExecConfig",
    fields: &[
        ("User", Type::Text),
        ("WorkingDir", Type::Text),
        ("Cmd", Type::Texts),
        ("Env", Type::Texts),
        ("Tty", Type::Flag),
        ("Privileged", Type::Flag),
    ],
    status: 400,
};
const START: Shape = Shape {
    name: "types.ExecStartCheck",
    short: "ExecStartCheck",
    fields: &[("Detach", Type::Flag), ("Tty", Type::Flag)],
    status: 400,
};
/// The exit code of a command that there is not.
const NOT_EXECUTABLE: i32 = 126;

impl Docker {
    /// `container` is what the client calls it, and its id.
    pub(super) fn create_exec(&self, cx: &mut Context<'_>, (name, container): (&str, &str), wanted: &Value) -> Answer {
        let command = config::words(wanted.get("Cmd"));
        if command.is_empty() {
            return error(400, "No exec command specified");
        }
        cx.event(command_event(&command.join(" ")));
        let (seed, now) = (cx.session().seed, cx.now());
        let is_set = |key: &str| wanted.get(key) == Some(&Value::Bool(true));
        let (tty, streams) = (is_set("Tty"), Wanted { out: is_set("AttachStdout"), err: is_set("AttachStderr") });
        let found = self.inside(cx, container, |one| (one.is_running(now), one.paused, one.place(), one.user()));
        let Some((true, paused, mut place, own_user)) = found else {
            return error(409, &format!("Container {container} is not running")).decoded("exec", command);
        };
        if paused {
            return error(409, &format!("Container {name} is paused, unpause the container before exec"))
                .decoded("exec", command);
        }
        if let Some(cwd) = wanted.get("WorkingDir").and_then(Value::as_str).filter(|cwd| !cwd.is_empty()) {
            cwd.clone_into(&mut place.cwd);
        }
        place.env.extend(config::texts(wanted, "/Env"));
        place.inside = place.inside.further();
        let user =
            wanted.get("User").and_then(Value::as_str).filter(|user| !user.is_empty()).unwrap_or(&own_user).to_owned();
        let id = self.with(cx, |machine| {
            let id = machine.add_exec(container, (&command, &user), (tty, streams), place, seed);
            machine.happened_to(
                now,
                container,
                &format!("exec_create: {}", command.join(" ")),
                Some(("execID", id.clone())),
            );
            id
        });
        value(201, &json!({"Id": id})).decoded("exec", command)
    }

    pub(super) fn exec(
        &self,
        cx: &mut Context<'_>,
        ask: &Ask<'_>,
        method: &str,
        id: &str,
        rest: &[&str],
    ) -> Option<Answer> {
        let is_known = matches!((method, rest), ("POST", ["start" | "resize"]) | ("GET", ["json"]));
        if !is_known {
            return None;
        }
        let options = match rest {
            ["start"] => decode(ask, &START),
            ["resize"] => ["h", "w"]
                .into_iter()
                .try_for_each(|name| number(ask.field(name).as_deref()).map(drop))
                .map_or_else(|why| Err(Box::new(error(400, &why))), |()| Ok(Value::Null)),
            _ => Ok(Value::Null),
        };
        let options = match options {
            Ok(options) => options,
            Err(refused) => return Some(*refused),
        };
        let Some(exec) = self.with(cx, |machine| machine.exec(id).cloned()) else {
            return Some(error(404, &format!("No such exec instance: {id}")));
        };
        Some(match (method, rest) {
            ("POST", ["start"]) if exec.exit.is_some() => {
                error(409, &format!("Error: Exec command {id} has already run"))
            }
            ("POST", ["start"]) => self.start_exec(cx, ask, &options, exec),
            ("POST", ["resize"]) => Answer::empty(200),
            ("GET", ["json"]) => value(200, &shown(&exec)),
            _ => return None,
        })
    }

    fn start_exec(&self, cx: &mut Context<'_>, ask: &Ask<'_>, options: &Value, exec: Exec) -> Answer {
        let detach = options.get("Detach") == Some(&Value::Bool(true));
        let program = exec.command.first().map_or("", String::as_str);
        let now = cx.now();
        let cwd = exec.place.cwd.as_str();
        let is_nowhere = cwd.starts_with('/')
            && exec.place.inside.files(&self.device, now, |files| !files.is_directory(cwd.as_bytes()));
        let why = if is_nowhere {
            Some(format!("chdir to cwd ({cwd:?}) set in config.json failed: no such file or directory"))
        } else {
            exec.place.refuses(&self.device, program, now)
        };
        let why = why.map(|why| not_executable("exec", &why));
        let place = exec.place.clone().for_user(&self.device, &exec.user, now);
        if let Some(message) = place.as_ref().err().cloned().or(why) {
            self.with(cx, |machine| machine.exec_went_on(cx.now(), &exec.id, Some(NOT_EXECUTABLE)));
            if detach {
                return error(400, &message);
            }
            let mut said = Vec::new();
            emit(Channel::Out, format!("{message}\r\n").as_bytes(), exec.tty, &mut said);
            return taken_over(ask, Once(said));
        }
        let exec = Exec { place: place.unwrap_or(exec.place), ..exec };
        if detach {
            let played = Played::run(cx, &self.device, &exec.place, &exec.command);
            let exit = played.runs.map(|_| played.exit);
            self.with(cx, |machine| machine.exec_went_on(cx.now(), &exec.id, exit));
            return Answer::empty(200);
        }
        self.with(cx, |machine| machine.exec_went_on(cx.now(), &exec.id, None));
        taken_over(ask, Session::new((&self.machines, &self.device), exec))
    }
}

fn shown(exec: &Exec) -> Value {
    let (program, arguments) = exec.command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    json!({
        "ID": exec.id, "Running": exec.started && exec.exit.is_none(), "ExitCode": exec.exit, "ContainerID": exec.container, "Pid": 0,
        "ProcessConfig": {"tty": exec.tty, "entrypoint": program, "arguments": arguments, "privileged": false},
        "OpenStdin": true, "OpenStderr": true, "OpenStdout": true, "CanRemove": false, "DetachKeys": "",
    })
}
