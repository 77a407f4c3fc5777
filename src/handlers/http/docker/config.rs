//! What a client wants of a container: the configuration that it sends.

use serde_json::{Map, Value, json};

use super::super::super::Random;
use super::super::site::draw;

/// Words of a command that are looked at.
const MAX_WORDS: usize = 256;

/// Entry point and command of a configuration.
pub(super) fn command_of(config: &Value) -> Vec<String> {
    let mut command = words(config.get("Entrypoint"));
    command.extend(words(config.get("Cmd")));
    command.truncate(MAX_WORDS);
    command
}

/// The command is a shell that reads from its input.
pub(super) fn is_shell(words: &[String]) -> bool {
    let base = |program: &str| program.rsplit('/').next().unwrap_or(program).to_owned();
    match words.split_first() {
        Some((first, rest)) if matches!(base(first).as_str(), "sh" | "bash" | "ash" | "dash") => {
            rest.iter().all(|word| word.starts_with('-') && word != "-c")
        }
        Some((first, rest)) if base(first) == "chroot" => {
            rest.len() == 1 || is_shell(rest.get(1..).unwrap_or_default())
        }
        _ => false,
    }
}

/// Cuts words to these bytes together.
pub(super) fn cut(words: &mut [String], mut room: usize) {
    for word in words {
        let end = (0..=room.min(word.len())).rev().find(|&at| word.is_char_boundary(at)).unwrap_or(0);
        word.truncate(end);
        word.shrink_to_fit();
        room -= end;
    }
}

/// A configuration over that of its image: command, variables, directory and labels are the image's where it names none.
pub(super) fn merged(mut config: Value, image: &Value) -> Value {
    let (Some(wanted), Some(own)) = (config.as_object_mut(), image.as_object()) else { return config };
    let is_told = |value: Option<&Value>| {
        value.is_some_and(|value| !matches!(value, Value::Null) && *value != json!([]) && *value != json!(""))
    };
    let (has_entry, has_command) = (is_told(wanted.get("Entrypoint")), is_told(wanted.get("Cmd")));
    for (name, value) in own {
        match name.as_str() {
            "Env" => {
                let given = wanted.get("Env").and_then(Value::as_array).cloned().unwrap_or_default();
                let all = value.as_array().into_iter().flatten().cloned().chain(given).collect::<Vec<_>>();
                wanted.insert(name.clone(), all.into());
            }
            "Cmd" if has_entry || has_command => {}
            "Entrypoint" if has_entry => {}
            "Labels" => {
                let mut all = value.as_object().cloned().unwrap_or_default();
                all.extend(wanted.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default());
                wanted.insert(name.clone(), if all.is_empty() { value.clone() } else { all.into() });
            }
            name if is_told(wanted.get(name)) => {}
            _ => drop(wanted.insert(name.clone(), value.clone())),
        }
    }
    config
}

/// Texts of a list in a configuration.
pub(super) fn texts(config: &Value, pointer: &str) -> Vec<String> {
    let list = config.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).take(MAX_WORDS).map(str::to_owned).collect()
}

/// `source:destination[:mode]`, of binds and of mounts.
pub(super) fn mounts(config: &Value) -> Vec<(String, String, String)> {
    let binds = texts(config, "/HostConfig/Binds").into_iter().filter_map(|bind| {
        let mut parts = bind.splitn(3, ':').map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next().unwrap_or_default()))
    });
    let field = |mount: &Value, name: &str| mount.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mounts = config.pointer("/HostConfig/Mounts").and_then(Value::as_array).into_iter().flatten().take(MAX_WORDS);
    let mounts = mounts.filter(|mount| mount.get("Type").is_none_or(|kind| kind != "tmpfs")).map(|mount| {
        let mode = if mount.get("ReadOnly") == Some(&Value::Bool(true)) { "ro" } else { "" };
        (field(mount, "Source"), field(mount, "Target"), mode.to_owned())
    });
    binds.chain(mounts).filter(|(_, destination, _)| destination.starts_with('/')).collect()
}

/// Where temporary file systems are to be.
pub(super) fn tmpfs(config: &Value) -> Vec<String> {
    let named = config.pointer("/HostConfig/Tmpfs").and_then(Value::as_object).into_iter().flatten();
    let named = named.map(|(path, _)| path.clone());
    let mounts = config.pointer("/HostConfig/Mounts").and_then(Value::as_array).into_iter().flatten();
    let mounts = mounts.filter(|mount| mount.get("Type").is_some_and(|kind| kind == "tmpfs"));
    let mounts = mounts.filter_map(|mount| mount.get("Target").and_then(Value::as_str)).map(str::to_owned);
    named.chain(mounts).filter(|path| path.starts_with('/')).take(8).collect()
}

/// What mounts of type `bind` show: unlike that of `-v`, it must be there.
pub(super) fn bound(config: &Value) -> Vec<String> {
    let mounts = config.pointer("/HostConfig/Mounts").and_then(Value::as_array).into_iter().flatten().take(8);
    let bound = mounts.filter(|mount| mount.get("Type").is_some_and(|kind| kind == "bind"));
    bound.filter_map(|mount| mount.get("Source").and_then(Value::as_str)).map(str::to_owned).collect()
}

/// A mount's mode lets nobody write.
pub(super) fn is_read_only(mode: &str) -> bool {
    mode.split(',').any(|word| word == "ro")
}

/// Where the machine has a volume.
pub(super) fn volume_path(name: &str) -> String {
    format!("/var/lib/docker/volumes/{name}/_data")
}

/// Published ports: the container's, such as `80/tcp`, and the host's.
pub(super) fn ports(config: &Value) -> Vec<(String, u16)> {
    let all = config.pointer("/HostConfig/PortBindings").and_then(Value::as_object);
    let each = all.into_iter().flatten().take(MAX_WORDS).flat_map(|(inside, bindings)| {
        bindings.as_array().into_iter().flatten().take(4).filter_map(move |binding| {
            let port = binding.get("HostPort").and_then(Value::as_str)?;
            Some((inside.clone(), port.parse().ok()?))
        })
    });
    each.collect()
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
pub(super) fn is_base(image: &str) -> bool {
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
    let mut draw = |list: &[&'static str]| draw(&mut random, list);
    format!("{}_{}", draw(&MOODS), draw(&PEOPLE))
}
