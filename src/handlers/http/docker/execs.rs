//! Commands in containers.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::{Answer, Progress, Stream};
use super::super::ask::Ask;
use super::super::record::command_event;
use super::containers::not_executable;
use super::machine::Exec;
use super::output::{Channel, Wanted, emit};
use super::process::Played;
use super::stream::Session;
use super::{Docker, config, error, json_body, taken_over, value};

/// The exit code of a command that there is not.
const NOT_EXECUTABLE: i32 = 126;

impl Docker {
    pub(super) fn create_exec(&self, cx: &mut Context<'_>, ask: &Ask<'_>, container: &str) -> Answer {
        let wanted = match json_body(ask) {
            Ok(wanted) => wanted,
            Err(answer) => return *answer,
        };
        let command = config::words(wanted.get("Cmd"));
        if command.is_empty() {
            return error(400, "No exec command specified");
        }
        cx.event(command_event(&command.join(" ")));
        let (seed, now) = (cx.session().seed, cx.now());
        let is_set = |key: &str| wanted.get(key) == Some(&Value::Bool(true));
        let (tty, streams) = (is_set("Tty"), Wanted { out: is_set("AttachStdout"), err: is_set("AttachStderr") });
        let found = self.inside(cx, container, |one| (one.is_running(now), one.paused, one.place()));
        let Some((true, paused, mut place)) = found else {
            return error(409, &format!("Container {container} is not running")).decoded("exec", command);
        };
        if paused {
            return error(409, &format!("Container {container} is paused, unpause the container before exec"))
                .decoded("exec", command);
        }
        if let Some(cwd) = wanted.get("WorkingDir").and_then(Value::as_str).filter(|cwd| !cwd.is_empty()) {
            cwd.clone_into(&mut place.cwd);
        }
        place.env.extend(config::texts(&wanted, "/Env"));
        let id = self.with(cx, |machine| machine.add_exec(container, &command, (tty, streams), place, seed));
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
        let Some(exec) = self.with(cx, |machine| machine.exec(id).cloned()) else {
            return Some(error(404, &format!("No such exec instance: {id}")));
        };
        Some(match (method, rest) {
            ("POST", ["start"]) if exec.exit.is_some() => {
                error(409, &format!("Error: Exec command {id} has already run"))
            }
            ("POST", ["start"]) => self.start_exec(cx, ask, exec),
            ("POST", ["resize"]) => Answer::empty(200),
            ("GET", ["json"]) => value(200, &shown(&exec)),
            _ => return None,
        })
    }

    fn start_exec(&self, cx: &mut Context<'_>, ask: &Ask<'_>, exec: Exec) -> Answer {
        let options: Value = serde_json::from_slice(ask.body).unwrap_or_default();
        let detach = options.get("Detach") == Some(&Value::Bool(true));
        let program = exec.command.first().map_or("", String::as_str);
        if !exec.place.has(&self.device, program, cx.now()) {
            let message = not_executable("exec", program);
            self.with(cx, |machine| machine.exec_went_on(&exec.id, Some(NOT_EXECUTABLE)));
            if detach {
                return error(400, &message);
            }
            let mut said = Vec::new();
            emit(Channel::Out, format!("{message}\r\n").as_bytes(), exec.tty, &mut said);
            return taken_over(ask, Said(said));
        }
        if detach {
            let played = Played::run(cx, &self.device, &exec.place, &exec.command);
            let exit = played.runs.map(|_| played.exit);
            self.with(cx, |machine| machine.exec_went_on(&exec.id, exit));
            return Answer::empty(200);
        }
        self.with(cx, |machine| machine.exec_went_on(&exec.id, None));
        taken_over(ask, Session::new((&self.machines, &self.device), exec))
    }
}

/// A stream that says one thing.
struct Said(Vec<u8>);

impl Stream for Said {
    fn next(&mut self, _: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        out.append(&mut self.0);
        Progress::Ended
    }

    fn eof(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Progress {
        self.next(cx, out)
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
