//! What changes the state of containers: start, stop, kill, pause, rename, removal.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::containers::{invalid_name, is_name, name_taken, signal_of};
use super::local::text;
use super::process::Played;
use super::{Docker, config, error, refused, value};

/// What a process that was killed leaves, and one that was asked to end and did not listen.
const KILLED: i32 = 137;

impl Docker {
    /// What changes a container's state; `name` is what the client calls it.
    pub(super) fn change(
        &self,
        cx: &mut Context<'_>,
        ask: &Ask<'_>,
        method: &str,
        (name, id): (&str, &str),
        (action, wanted): (&str, &Value),
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
            ("POST", "update") => match self.inside(cx, id, |one| one.update(wanted, self.engine.size().0)) {
                Some(Err(refusal)) => refused(refusal),
                _ => value(200, &json!({"Warnings": null})),
            },
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
        let user = self.inside(cx, id, |one| one.user()).unwrap_or_default();
        let (place, no_user) = match place.clone().for_user(&self.device, &user, now) {
            Ok(place) => (place, None),
            Err(why) => (place, Some(why)),
        };
        let why = place.refuses(&self.device, program, now).filter(|_| !is_service);
        let is_there = why.is_none();
        let refusal = match (no_user, why) {
            (Some(why), _) => Some((500, why)),
            (None, Some(why)) if config::is_base(&image) => {
                Some((400, format!("failed to create shim task: {}", not_executable("create", &why))))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            // Whoever waits for its end waits for its removal.
            if removes {
                self.with(cx, |machine| machine.remove_container(id));
            }
            return refused(refusal);
        }
        self.with(cx, |machine| {
            let all = self.engine.networks(&machine.networks);
            machine.attach(id, &all, now);
            if let Some(container) = machine.container(id) {
                container.name_host(&self.device, now);
            }
        });
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
        let other = network.strip_prefix("container:");
        if let Some(other) = other.filter(|other| self.inside(cx, other, |_| ()).is_none()) {
            return Some(error(404, &format!("No such container: {other}")));
        }
        if let Some(device) = self.missing_device(cx, wanted) {
            let why = format!("error gathering device information while adding custom device {device:?}");
            return Some(error(500, &format!("{why}: no such file or directory")));
        }
        let is_known =
            matches!(network, "" | "default" | "bridge" | "host" | "none") || network.starts_with("container:");
        if !is_known
            && !self.with(cx, |machine| {
                machine.networks.iter().any(|one| text(one, "Name") == network || text(one, "Id") == network)
            })
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
}

impl Docker {
    /// The device of the machine that a container is to have and that there is not.
    fn missing_device(&self, cx: &Context<'_>, wanted: &Value) -> Option<String> {
        let devices = wanted.pointer("/HostConfig/Devices").and_then(Value::as_array)?;
        let paths = devices.iter().take(8).filter_map(|device| device.get("PathOnHost")?.as_str());
        let ground = self.with(cx, |machine| machine.ground.clone());
        let known = ["/dev/sda", "/dev/sda1", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/snd"];
        let is_there = |path: &str| {
            known.contains(&path) || ground.files(&self.device, cx.now(), |files| files.exists(path.as_bytes()))
        };
        paths.into_iter().find(|path| !is_there(path)).map(str::to_owned)
    }
}

/// What runc says of a program that cannot be run, when it was to `create` or to `exec`.
pub(super) fn not_executable(step: &str, why: &str) -> String {
    let stage = if step == "create" { "runc create" } else { step };
    format!("OCI runtime {step} failed: {stage} failed: unable to start container process: {why}: unknown")
}
