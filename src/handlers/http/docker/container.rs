//! Containers: what a visitor wants run, and how it goes on as time passes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::super::Random;
use super::command::{self, Kernel, Place, Ran};
use super::engine::rfc3339;
use crate::clock::Timestamp;

/// Bytes of a configuration that is kept as it was sent; of a longer one only its image.
const MAX_CONFIG: usize = 8 * 1024;
/// Bytes of output that are kept.
const MAX_OUTPUT: usize = 8 * 1024;
/// Words of a command that are looked at.
const MAX_WORDS: usize = 256;

/// A URL that a command fetches, and the tool.
pub(super) type Fetch = (String, String);

/// One container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    image: String,
    image_id: String,
    config: Value,
    command: Vec<String>,
    pub(super) tty: bool,
    /// Its first process is a shell that reads what an attached client types.
    pub(super) is_shell: bool,
    created: Timestamp,
    started: Option<Timestamp>,
    /// When it was stopped from outside.
    stopped: Option<Timestamp>,
    pub(super) paused: bool,
    /// Its image has no such program.
    missing: bool,
    pub(super) place: Place,
    ran: Ran,
}

impl Container {
    pub(super) fn new(
        id: String,
        name: String,
        (image, image_id): (&str, &str),
        config: Value,
        kernel: Kernel,
        now: Timestamp,
    ) -> Self {
        let mut command = command_of(&config);
        let (tty, stdin) =
            (config.get("Tty") == Some(&Value::Bool(true)), config.get("OpenStdin") == Some(&Value::Bool(true)));
        let is_service = command.is_empty() && !is_base(image);
        if command.is_empty() && !is_service {
            command.push("/bin/sh".to_owned());
        }
        let is_shell = command::is_shell(&command) && (tty || stdin);
        let place = Place { host: id.get(..12).unwrap_or_default().to_owned(), kernel };
        let mut ran = command::run(&command, &place);
        let not_found = |program: &String| ran.output == format!("sh: {program}: not found\n").as_bytes();
        let is_unknown = ran.exit == 127 && command.first().is_some_and(not_found);
        // What an image brings itself is not known here: it runs.
        if is_service || is_shell || is_unknown && !is_base(image) {
            ran = Ran { runs: None, ..Ran::default() };
        }
        ran.output.truncate(MAX_OUTPUT);
        let config = if config.to_string().len() > MAX_CONFIG { json!({"Image": image}) } else { config };
        Self {
            id,
            name,
            image: image.to_owned(),
            image_id: image_id.to_owned(),
            config,
            command,
            tty,
            is_shell,
            created: now,
            started: None,
            stopped: None,
            paused: false,
            missing: is_unknown && is_base(image),
            place,
            ran,
        }
    }

    /// The program that it cannot be started for.
    pub(super) fn missing_program(&self) -> Option<String> {
        self.command.first().filter(|_| self.missing).cloned()
    }

    /// Starts it; what it fetches, or `None` when it runs already.
    pub(super) fn start(&mut self, now: Timestamp) -> Option<Vec<Fetch>> {
        if self.is_running(now) {
            return None;
        }
        (self.started, self.stopped) = (Some(now), None);
        Some(self.ran.fetches.clone())
    }

    pub(super) fn stop(&mut self, now: Timestamp) {
        if self.is_running(now) {
            (self.stopped, self.paused) = (Some(now), false);
        }
    }

    /// When it ended, if it has.
    pub(super) fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        let started = self.started?;
        let by_itself = self.ran.runs.map(|runs| started + runs).filter(|&end| end <= now);
        self.stopped.or(by_itself)
    }

    pub(super) fn is_running(&self, now: Timestamp) -> bool {
        self.started.is_some() && self.ended(now).is_none()
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    pub(super) fn exit_code(&self) -> i32 {
        if self.stopped.is_some() && !self.is_shell { 137 } else { self.ran.exit }
    }

    pub(super) fn removes_itself(&self) -> bool {
        self.config.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true))
    }

    /// What it has written, framed as the API frames it.
    pub(super) fn logs(&self) -> Vec<u8> {
        if self.started.is_none() { Vec::new() } else { framed(&self.ran.output, self.tty) }
    }

    fn state(&self, now: Timestamp) -> &'static str {
        match (self.started, self.ended(now)) {
            (None, _) => "created",
            (Some(_), None) if self.paused => "paused",
            (Some(_), None) => "running",
            (Some(_), Some(_)) => "exited",
        }
    }

    fn status(&self, now: Timestamp) -> String {
        match (self.started, self.ended(now)) {
            (None, _) => "Created".to_owned(),
            (Some(started), None) => {
                let paused = if self.paused { " (Paused)" } else { "" };
                format!("Up {}{paused}", spoken(now.saturating_since(started)))
            }
            (Some(_), Some(ended)) => {
                format!("Exited ({}) {} ago", self.exit_code(), spoken(now.saturating_since(ended)))
            }
        }
    }

    fn command_line(&self) -> String {
        if self.command.is_empty() { "/docker-entrypoint.sh".to_owned() } else { self.command.join(" ") }
    }

    /// As in `GET /containers/json`.
    pub(super) fn listed(&self, now: Timestamp) -> Value {
        json!({
            "Id": self.id, "Names": [format!("/{}", self.name)], "Image": self.image, "ImageID": self.image_id,
            "Command": self.command_line(), "Created": self.created.as_micros() / 1_000_000, "Ports": [], "Labels": {},
            "State": self.state(now), "Status": self.status(now),
            "HostConfig": {"NetworkMode": self.config.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or("default")},
            "NetworkSettings": {"Networks": {"bridge": self.network(now)}}, "Mounts": [],
        })
    }

    fn network(&self, now: Timestamp) -> Value {
        let running = self.is_running(now);
        let last = 2 + self.id.bytes().fold(0_u8, u8::wrapping_add) % 8;
        json!({
            "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": "", "EndpointID": "",
            "Gateway": if running { "172.17.0.1" } else { "" },
            "IPAddress": if running { format!("172.17.0.{last}") } else { String::new() },
            "IPPrefixLen": if running { 16 } else { 0 }, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
            "MacAddress": if running { format!("02:42:ac:11:00:{last:02x}") } else { String::new() }, "DriverOpts": null,
        })
    }

    /// As in `GET /containers/ID/json`.
    pub(super) fn inspected(&self, now: Timestamp) -> Value {
        let never = || "0001-01-01T00:00:00Z".to_owned();
        let running = self.is_running(now);
        let (path, arguments) = self
            .command
            .split_first()
            .map_or(("/docker-entrypoint.sh", &[][..]), |(first, rest)| (first.as_str(), rest));
        let mut config = self.config.as_object().cloned().unwrap_or_default();
        let host = config.remove("HostConfig").unwrap_or_else(|| json!({"NetworkMode": "default"}));
        let mounts: Vec<Value> = words(host.get("Binds")).iter().filter_map(|bind| mount(bind)).collect();
        // The default network is told twice.
        let mut network = json!({"Bridge": "", "SandboxID": self.image_id.get(7..).filter(|_| running).unwrap_or_default(), "Ports": {}});
        let own = self.network(now);
        if let (Some(settings), Some(own)) = (network.as_object_mut(), own.as_object()) {
            let shared = ["Gateway", "IPAddress", "IPPrefixLen", "MacAddress", "EndpointID"];
            settings.extend(shared.iter().filter_map(|key| Some(((*key).to_owned(), own.get(*key)?.clone()))));
        }
        if let Some(settings) = network.as_object_mut() {
            settings.insert("Networks".to_owned(), json!({"bridge": own}));
        }
        config.remove("NetworkingConfig");
        config.insert("Hostname".to_owned(), self.id.get(..12).into());
        json!({
            "Id": self.id, "Created": rfc3339(self.created), "Path": path, "Args": arguments,
            "State": {
                "Status": self.state(now), "Running": running, "Paused": running && self.paused, "Restarting": false, "OOMKilled": false, "Dead": false,
                "Pid": if running { 1_000 + self.created.as_micros() % 30_000 } else { 0 },
                "ExitCode": if self.ended(now).is_some() { self.exit_code() } else { 0 }, "Error": "",
                "StartedAt": self.started.map_or_else(never, rfc3339), "FinishedAt": self.ended(now).map_or_else(never, rfc3339),
            },
            "Image": self.image_id, "Name": format!("/{}", self.name), "RestartCount": 0, "Driver": "overlay2", "Platform": "linux",
            "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "docker-default", "ExecIDs": null, "HostConfig": host,
            "GraphDriver": {"Data": null, "Name": "overlay2"}, "Mounts": mounts, "Config": config,
            "NetworkSettings": network,
        })
    }

    pub(super) fn top(&self) -> Value {
        json!({"Processes": [["root", "1", "0", "0", "00:00", "?", "00:00:00", self.command_line()]],
            "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]})
    }
}

/// Output as `attach` and `logs` send it (Engine API, stream format): with a header of eight bytes unless there is a terminal.
pub(super) fn framed(output: &[u8], tty: bool) -> Vec<u8> {
    if tty || output.is_empty() {
        return output.to_vec();
    }
    let length = u32::try_from(output.len()).unwrap_or(u32::MAX);
    [&[1, 0, 0, 0][..], &length.to_be_bytes(), output].concat()
}

/// Entry point and command of a configuration.
pub(super) fn command_of(config: &Value) -> Vec<String> {
    let mut command = words(config.get("Entrypoint"));
    command.extend(words(config.get("Cmd")));
    command.truncate(MAX_WORDS);
    command
}

/// A bind as the engine shows it: `source:destination[:mode]`.
fn mount(bind: &str) -> Option<Value> {
    let mut parts = bind.splitn(3, ':');
    let (source, destination, mode) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    Some(json!({
        "Type": "bind", "Source": source, "Destination": destination, "Mode": mode, "RW": !mode.split(',').any(|word| word == "ro"),
        "Propagation": "rprivate",
    }))
}

/// A list of words, or one text that a shell runs.
pub(super) fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).take(MAX_WORDS).map(str::to_owned).collect(),
        Some(Value::String(line)) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        _ => Vec::new(),
    }
}

/// What an event shows of a configuration.
pub(super) fn summary(config: &Value) -> Map<String, Value> {
    let host = |name: &str| config.pointer(&format!("/HostConfig/{name}")).cloned();
    let parts = [
        ("image", config.get("Image").cloned()),
        ("command", Some(command_of(config).into())),
        ("env", config.get("Env").cloned()),
        ("user", config.get("User").cloned()),
        ("binds", host("Binds")),
        ("mounts", host("Mounts")),
        ("privileged", host("Privileged")),
        ("network", host("NetworkMode")),
        ("pid", host("PidMode")),
        ("restart", config.pointer("/HostConfig/RestartPolicy/Name").cloned()),
    ];
    let told = |value: &Value| {
        !matches!(value, Value::Null) && *value != json!("") && *value != json!([]) && *value != json!(false)
    };
    parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.filter(told)?))).collect()
}

/// Images whose command is a shell.
fn is_base(image: &str) -> bool {
    let name = image.split(':').next().unwrap_or_default();
    matches!(
        name,
        "alpine"
            | "busybox"
            | "ubuntu"
            | "debian"
            | "centos"
            | "fedora"
            | "bash"
            | "amazonlinux"
            | "archlinux"
            | "oraclelinux"
    )
}

/// A name as Docker draws it.
pub(super) fn drawn_name(seed: u64) -> String {
    const MOODS: [&str; 16] = [
        "admiring", "bold", "clever", "dreamy", "eager", "focused", "goofy", "happy", "jolly", "keen", "loving",
        "modest", "nifty", "peaceful", "quirky", "stoic",
    ];
    const PEOPLE: [&str; 16] = [
        "albattani",
        "bohr",
        "curie",
        "darwin",
        "euler",
        "fermi",
        "galileo",
        "hopper",
        "jones",
        "kepler",
        "lovelace",
        "meitner",
        "newton",
        "pasteur",
        "ritchie",
        "turing",
    ];
    let mut random = Random::new(seed);
    let mut draw = |list: &[&'static str]| super::super::site::draw(&mut random, list);
    format!("{}_{}", draw(&MOODS), draw(&PEOPLE))
}

/// A time as `docker ps` says it (go-units, HumanDuration).
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1_800) / 3_600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ => format!("{} months", hours / 24 / 30),
    }
}
