//! What the engine refuses of a container's configuration, in its order: settings first, then binds.

use serde_json::Value;

use super::config::{command_of, texts};

/// Status and words.
pub(super) type Refusal = (u16, String);

/// Bytes of memory that the engine grants at least.
const LEAST_MEMORY: i64 = 6 << 20;
/// Linux's capabilities (capability.h), without `CAP_`.
const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];
const SIGNALS: [&str; 16] = [
    "ABRT", "ALRM", "CHLD", "CONT", "HUP", "INT", "KILL", "PIPE", "QUIT", "RTMIN+3", "STOP", "TERM", "TSTP", "USR1",
    "USR2", "WINCH",
];

/// The signal of this name or number is one.
pub(super) fn is_signal(signal: &str) -> bool {
    let name = signal.to_ascii_uppercase();
    signal.parse::<u8>().map_or_else(
        |_| SIGNALS.contains(&name.strip_prefix("SIG").unwrap_or(&name)),
        |number| (1..=64).contains(&number),
    )
}

/// What is wrong with the settings, on a machine with so many processors.
pub(super) fn of_settings(config: &Value, cores: u64) -> Option<Refusal> {
    of_container(config).or_else(|| of_limits(config, cores)).or_else(|| of_host(config))
}

fn text<'a>(config: &'a Value, pointer: &str) -> &'a str {
    config.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn of_container(config: &Value) -> Option<Refusal> {
    let bad = |message: String| Some((400, message));
    let directory = text(config, "/WorkingDir");
    if !directory.is_empty() && !directory.starts_with('/') {
        return bad(format!("the working directory '{directory}' is invalid, it needs to be an absolute path"));
    }
    let signal = text(config, "/StopSignal");
    if !signal.is_empty() && !is_signal(signal) {
        return bad(format!("Invalid signal: {signal}"));
    }
    if let Some(wrong) = texts(config, "/Env").iter().find(|pair| pair.is_empty() || pair.starts_with('=')) {
        return bad(format!("invalid environment variable: {wrong}"));
    }
    let isolation = text(config, "/HostConfig/Isolation");
    if !matches!(isolation, "" | "default") {
        return Some((500, format!("Invalid isolation: {isolation:?} - linux only supports 'default'")));
    }
    None
}

fn of_limits(config: &Value, cores: u64) -> Option<Refusal> {
    let bad = |message: String| Some((400, message));
    let number = |name: &str| config.pointer(&format!("/HostConfig/{name}")).and_then(Value::as_i64).unwrap_or(0);
    let (memory, adjusted, period, nanos) =
        (number("Memory"), number("OomScoreAdj"), number("CpuPeriod"), number("NanoCpus"));
    if memory != 0 && memory < LEAST_MEMORY {
        return bad("Minimum memory limit allowed is 6MB".to_owned());
    }
    if nanos < 0 || nanos > i64::try_from(cores).unwrap_or(i64::MAX).saturating_mul(1_000_000_000) {
        return bad(format!("Range of CPUs is from 0.01 to {cores}.00, as there are only {cores} CPUs available"));
    }
    if period != 0 && !(1_000..=1_000_000).contains(&period) {
        return bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)".to_owned());
    }
    if !(-1_000..=1_000).contains(&adjusted) {
        return bad(format!("Invalid value {adjusted}, range for oom score adj is [-1000, 1000]"));
    }
    (number("ShmSize") < 0).then(|| (400, "SHM size can not be less than 0".to_owned()))
}

fn of_host(config: &Value) -> Option<Refusal> {
    let bad = |message: String| Some((400, message));
    let policy = text(config, "/HostConfig/RestartPolicy/Name");
    if !matches!(policy, "" | "no" | "always" | "unless-stopped" | "on-failure") {
        return bad(format!("invalid restart policy '{policy}'"));
    }
    if config.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true)) && !matches!(policy, "" | "no") {
        return bad("can't create 'AutoRemove' container with restart policy".to_owned());
    }
    let mounts = config.pointer("/HostConfig/Mounts").and_then(Value::as_array);
    let kinds = mounts.into_iter().flatten().map(|mount| text(mount, "/Type"));
    if let Some(kind) = kinds.into_iter().find(|kind| !matches!(*kind, "bind" | "volume" | "tmpfs" | "npipe")) {
        return bad(format!("invalid mount config for type {kind:?}: mount type unknown"));
    }
    let ports = config.pointer("/HostConfig/PortBindings").and_then(Value::as_object);
    for (inside, bindings) in ports.into_iter().flatten() {
        let outside = bindings.as_array().into_iter().flatten().map(|binding| text(binding, "/HostPort"));
        let inside = inside.split('/').next().unwrap_or_default();
        let is_port = |port: &&str| port.split('-').all(|end| end.is_empty() || end.parse::<u16>().is_ok());
        if let Some(wrong) = std::iter::once(inside).chain(outside).find(|port| !is_port(port)) {
            return bad(format!("invalid port specification: {wrong:?}"));
        }
    }
    for list in ["CapAdd", "CapDrop"] {
        let all = texts(config, &format!("/HostConfig/{list}"));
        let names = all.iter().map(|name| name.to_ascii_uppercase().trim_start_matches("CAP_").to_owned());
        if let Some(wrong) = names.into_iter().find(|name| !CAPABILITIES.contains(&name.as_str())) {
            return bad(format!("invalid {list}: unknown capability: \"CAP_{wrong}\""));
        }
    }
    let runtime = text(config, "/HostConfig/Runtime");
    if !matches!(runtime, "" | "runc" | "io.containerd.runc.v2" | "io.containerd.runtime.v1.linux") {
        return bad(format!("Unknown runtime specified {runtime}"));
    }
    let driver = text(config, "/HostConfig/LogConfig/Type");
    let is_known = super::engine::LOG_DRIVERS.contains(&driver) || matches!(driver, "" | "none");
    (!is_known).then(|| (400, format!("error looking up logging plugin {driver}: plugin {driver:?} not found")))
}

/// What is wrong with the command: there is none.
pub(super) fn of_command(config: &Value) -> Option<Refusal> {
    let is_emptied = config
        .get("Entrypoint")
        .and_then(Value::as_array)
        .is_some_and(|words| words.len() == 1 && words.first().and_then(Value::as_str) == Some(""));
    let has_image = !text(config, "/Image").is_empty();
    let is_none =
        if is_emptied { texts(config, "/Cmd").is_empty() } else { !has_image && command_of(config).is_empty() };
    is_none.then(|| (400, "No command specified".to_owned()))
}

/// What is wrong with binds and options of security.
pub(super) fn of_binds(config: &Value) -> Option<Refusal> {
    let options = texts(config, "/HostConfig/SecurityOpt");
    for option in &options {
        let known = ["apparmor", "label", "seccomp", "no-new-privileges", "systempaths"];
        let name = option.split(['=', ':']).next().unwrap_or_default();
        if !known.contains(&name) {
            let at = if option.contains(['=', ':']) { 2 } else { 1 };
            return Some((500, format!("invalid --security-opt {at}: {option:?}")));
        }
    }
    texts(config, "/HostConfig/Binds").iter().find_map(|bind| of_bind(bind)).map(|message| (500, message))
}

fn of_bind(bind: &str) -> Option<String> {
    let parts: Vec<&str> = bind.split(':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Some(format!("invalid volume specification: '{bind}'")),
    };
    const MODES: [&str; 14] = [
        "",
        "ro",
        "rw",
        "z",
        "Z",
        "nocopy",
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "consistent",
        "delegated",
    ];
    if !mode.split(',').all(|word| MODES.contains(&word) || word == "cached") {
        return Some(format!("invalid mode: {mode}"));
    }
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    let wrong = |why: &str| {
        Some(format!("invalid volume specification: '{bind}': invalid mount config for type \"{kind}\": {why}"))
    };
    if !target.starts_with('/') {
        return wrong(&format!("invalid mount path: '{target}' mount path must be absolute"));
    }
    if target.trim_end_matches('/').is_empty() {
        return wrong("invalid specification: destination can't be '/'");
    }
    None
}
