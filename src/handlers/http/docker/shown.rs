//! Containers as the engine shows them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::config::{is_read_only, mounts, ports, volume_path};
use super::container::Container;
use super::engine::rfc3339;
use super::network::Attachment;
use crate::clock::Timestamp;

impl Container {
    pub(super) fn state(&self, now: Timestamp) -> &'static str {
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
        let Some((path, arguments)) = self.command.split_first() else { return "/docker-entrypoint.sh".to_owned() };
        let shown = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
        std::iter::once(path.clone()).chain(arguments.iter().map(shown)).collect::<Vec<_>>().join(" ")
    }

    /// As in `GET /containers/json`.
    pub(super) fn listed(&self, now: Timestamp) -> Value {
        json!({
            "Id": self.id, "Names": [format!("/{}", self.name)], "Image": self.image, "ImageID": self.image_id,
            "Command": self.command_line(), "Created": self.created.as_micros() / 1_000_000, "Ports": self.listed_ports(now), "Labels": self.labels(),
            "State": self.state(now), "Status": self.status(now),
            "HostConfig": {"NetworkMode": self.config.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or("default")},
            "NetworkSettings": {"Networks": {self.network_name(): self.network(now)}}, "Mounts": self.mounts(),
        })
    }

    fn labels(&self) -> Value {
        self.config.get("Labels").filter(|labels| labels.is_object()).cloned().unwrap_or_else(|| json!({}))
    }

    fn mounts(&self) -> Vec<Value> {
        mounts(&self.config).iter().map(mount).collect()
    }

    fn listed_ports(&self, now: Timestamp) -> Vec<Value> {
        if !self.is_running(now) {
            return Vec::new();
        }
        let each = |(inside, outside): (String, u16)| {
            let (port, kind) = inside.split_once('/').unwrap_or((&inside, "tcp"));
            let port = port.parse::<u16>().unwrap_or(0);
            ["0.0.0.0", "::"]
                .map(|address| json!({"IP": address, "PrivatePort": port, "PublicPort": outside, "Type": kind}))
        };
        ports(&self.config).into_iter().flat_map(each).collect()
    }

    fn inspected_ports(&self, now: Timestamp) -> Value {
        let mut all = Map::new();
        for (inside, outside) in ports(&self.config).into_iter().filter(|_| self.is_running(now)) {
            let port = outside.to_string();
            all.insert(inside, json!([{"HostIp": "0.0.0.0", "HostPort": port}, {"HostIp": "::", "HostPort": port}]));
        }
        all.into()
    }

    /// As in `GET /containers/ID/stats`.
    pub(super) fn stats(&self, now: Timestamp, memory: u64, cores: u64) -> Value {
        let up = self.started.map_or(0, |started| now.saturating_since(started).as_nanos()) as u64;
        let seed = self.id.bytes().fold(7_u64, |sum, byte| sum * 31 % 65_521 + u64::from(byte));
        let running = self.is_running(now);
        let cpu = |at: u64| {
            json!({
                "cpu_usage": {"total_usage": at / 700 + seed * 9_000, "percpu_usage": [at / 700 + seed * 9_000], "usage_in_kernelmode": at / 4_000,
                    "usage_in_usermode": at / 1_500},
                "system_cpu_usage": at.saturating_mul(cores) + 1_000_000_000_000, "online_cpus": cores,
                "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
            })
        };
        let traffic = json!({"rx_bytes": 1_116 + seed, "rx_packets": 14, "rx_errors": 0, "rx_dropped": 0, "tx_bytes": seed, "tx_packets": 9,
            "tx_errors": 0, "tx_dropped": 0});
        if !running {
            return json!({"read": "0001-01-01T00:00:00Z", "preread": "0001-01-01T00:00:00Z", "pids_stats": {}, "blkio_stats": {},
                "num_procs": 0, "storage_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "precpu_stats": {"cpu_usage": {"total_usage": 0}},
                "memory_stats": {}, "name": format!("/{}", self.name), "id": self.id});
        }
        json!({
            "read": rfc3339(now), "preread": rfc3339(Timestamp::from_micros(now.as_micros().saturating_sub(1_000_000))), "pids_stats": {"current": 1},
            "blkio_stats": {"io_service_bytes_recursive": [], "io_serviced_recursive": []}, "num_procs": 0, "storage_stats": {},
            "cpu_stats": cpu(up), "precpu_stats": cpu(up.saturating_sub(1_000_000_000)),
            "memory_stats": {"usage": 900_000 + seed * 400, "max_usage": 1_400_000 + seed * 500, "stats": {"cache": 0, "inactive_file": 0},
                "limit": memory},
            "name": format!("/{}", self.name), "id": self.id, "networks": {"eth0": traffic},
        })
    }

    /// The network that it was created in.
    pub(super) fn network_name(&self) -> String {
        match self.config.pointer("/HostConfig/NetworkMode").and_then(Value::as_str).unwrap_or_default() {
            "" | "default" => "bridge".to_owned(),
            name if name.starts_with("container:") => "bridge".to_owned(),
            name => name.to_owned(),
        }
    }

    /// As a network shows it (`GET /networks/ID`).
    pub(super) fn endpoint(&self, now: Timestamp) -> Value {
        let own = self.network(now);
        let text = |key: &str| own.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let bits = self.attachment.as_ref().map_or(16, |own| own.bits);
        let address = match text("IPAddress") {
            address if address.is_empty() => address,
            address => format!("{address}/{bits}"),
        };
        json!({"Name": self.name, "EndpointID": text("EndpointID"), "MacAddress": text("MacAddress"), "IPv4Address": address, "IPv6Address": ""})
    }

    fn network(&self, now: Timestamp) -> Value {
        let own = self.attachment.as_ref().filter(|_| self.is_running(now));
        let told = |of: fn(&Attachment) -> String| own.map(of).unwrap_or_default();
        let endpoint =
            own.map_or_else(String::new, |own| super::machine::id(0, 1, &format!("{}{}", own.network, self.id)));
        json!({
            "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": own.map_or("", |own| own.network.as_str()),
            "EndpointID": endpoint, "Gateway": told(Attachment::gateway), "IPAddress": told(Attachment::address),
            "IPPrefixLen": own.map_or(0, |own| own.bits), "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
            "MacAddress": told(Attachment::hardware), "DriverOpts": null,
        })
    }

    /// As in `GET /containers/ID/json`.
    pub(super) fn inspected(&self, now: Timestamp, with_size: bool) -> Value {
        let never = || "0001-01-01T00:00:00Z".to_owned();
        let running = self.is_running(now);
        let (path, arguments) = self
            .command
            .split_first()
            .map_or(("/docker-entrypoint.sh", &[][..]), |(first, rest)| (first.as_str(), rest));
        let mut given = self.config.as_object().cloned().unwrap_or_default();
        let host = host_config(given.remove("HostConfig"));
        given.remove("NetworkingConfig");
        let mut config = super::image::config(None).as_object().cloned().unwrap_or_default();
        config.extend(given.into_iter().filter(|(_, value)| !value.is_null()));
        if config.get("Cmd").is_none_or(Value::is_null) && config.get("Entrypoint").is_none_or(Value::is_null) {
            config.insert("Cmd".to_owned(), self.command.clone().into());
        }
        if config.get("Env").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            config.insert("Env".to_owned(), json!([super::image::PATH]));
        }
        if config.get("Labels").is_none_or(Value::is_null) {
            config.insert("Labels".to_owned(), json!({}));
        }
        // The default network is told twice.
        let mut network = json!({"Bridge": "", "SandboxID": self.image_id.get(7..).filter(|_| running).unwrap_or_default(), "Ports": self.inspected_ports(now)});
        let own = self.network(now);
        if let (Some(settings), Some(own)) = (network.as_object_mut(), own.as_object()) {
            let shared = ["Gateway", "IPAddress", "IPPrefixLen", "MacAddress", "EndpointID"];
            settings.extend(shared.iter().filter_map(|key| Some(((*key).to_owned(), own.get(*key)?.clone()))));
        }
        if let Some(settings) = network.as_object_mut() {
            settings.insert("Networks".to_owned(), json!({self.network_name(): own}));
        }
        config.insert("Hostname".to_owned(), self.inside.host().into());
        let kept = |file: &str| format!("/var/lib/docker/containers/{}/{file}", self.id);
        let mut shown = json!({
            "Id": self.id, "Created": rfc3339(self.created), "Path": path, "Args": arguments,
            "State": {
                "Status": self.state(now), "Running": running, "Paused": running && self.paused, "Restarting": false, "OOMKilled": false, "Dead": false,
                "Pid": if running { self.pid() } else { 0 },
                "ExitCode": if self.ended(now).is_some() { self.exit_code() } else { 0 }, "Error": "",
                "StartedAt": self.started.map_or_else(never, rfc3339), "FinishedAt": self.ended(now).map_or_else(never, rfc3339),
            },
            "Image": self.image_id, "ResolvConfPath": kept("resolv.conf"), "HostnamePath": kept("hostname"), "HostsPath": kept("hosts"),
            "LogPath": kept(&format!("{}-json.log", self.id)), "Name": format!("/{}", self.name), "RestartCount": 0, "Driver": "overlay2", "Platform": "linux",
            "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "docker-default", "ExecIDs": null, "HostConfig": host,
            "GraphDriver": self.graph(), "Mounts": self.mounts(), "Config": config,
            "NetworkSettings": network,
        });
        if let Some(shown) = shown.as_object_mut().filter(|_| with_size) {
            shown.insert("SizeRw".to_owned(), 0.into());
            shown.insert("SizeRootFs".to_owned(), 142_001_093_u64.into());
        }
        shown
    }

    fn graph(&self) -> Value {
        let at = |part: &str| format!("/var/lib/docker/overlay2/{}/{part}", self.id.chars().rev().collect::<String>());
        json!({"Data": {"LowerDir": at("lower"), "MergedDir": at("merged"), "UpperDir": at("diff"), "WorkDir": at("work")}, "Name": "overlay2"})
    }

    /// Its one process as `ps` with these arguments shows it: `-ef` unless they say otherwise.
    pub(super) fn top(&self, arguments: &str) -> Value {
        let started = self.started.unwrap_or(self.created);
        let (pid, begun) = (self.pid(), started.as_micros() / 60_000_000 % 1_440);
        let (pid, begun) = (pid.to_string(), format!("{:02}:{:02}", begun / 60, begun % 60));
        let above = (self.pid().saturating_sub(21)).to_string();
        let command = self.command_line();
        if let Some((_, columns)) = arguments.split_once("-o").or_else(|| arguments.split_once("-eo")) {
            return chosen_columns(columns, (&pid, &above, &begun), &command);
        }
        if arguments.contains("aux") {
            return json!({"Processes": [["root", pid, "0.0", "0.0", "1320", "4", "?", "Ss", begun, "0:00", command]],
                "Titles": ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]});
        }
        json!({"Processes": [["root", pid, above, "0", begun, "?", "00:00:00", command]],
            "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]})
    }

    /// On the machine.
    fn pid(&self) -> u64 {
        1_000 + self.created.as_micros() % 30_000
    }
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

/// A process's columns that `ps -o` names: its number, its parent's and its start, and its command line.
fn chosen_columns(columns: &str, (pid, above, begun): (&str, &str, &str), command: &str) -> Value {
    let shown = |column: &str| {
        Some(match column {
            "pid" => ("PID", pid),
            "ppid" => ("PPID", above),
            "user" | "euser" => ("USER", "root"),
            "uid" => ("UID", "0"),
            "stat" => ("STAT", "Ss"),
            "tty" | "tt" => ("TT", "?"),
            "time" => ("TIME", "00:00:00"),
            "stime" | "start" => ("STIME", begun),
            "comm" | "ucmd" => ("COMMAND", command.split(' ').next().unwrap_or_default()),
            "args" | "cmd" | "command" => ("COMMAND", command),
            _ => return None,
        })
    };
    let all: Vec<(&str, &str)> = columns.split([',', ' ']).map(str::trim).take(16).filter_map(shown).collect();
    let (titles, row): (Vec<&str>, Vec<&str>) = all.into_iter().unzip();
    json!({"Processes": [row], "Titles": titles})
}

/// A mount as the engine shows it.
fn mount((source, destination, mode): &(String, String, String)) -> Value {
    let writable = !is_read_only(mode);
    if source.starts_with('/') {
        return json!({"Type": "bind", "Source": source, "Destination": destination, "Mode": mode, "RW": writable, "Propagation": "rprivate"});
    }
    json!({"Type": "volume", "Name": source, "Source": volume_path(source), "Destination": destination,
        "Driver": "local", "Mode": if mode.is_empty() { "z" } else { mode }, "RW": writable, "Propagation": ""})
}

/// The client's settings of the host, over those that it did not name.
fn host_config(given: Option<Value>) -> Value {
    let mut all = json!({
        "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": "default", "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": false, "VolumeDriver": "", "VolumesFrom": null, "CapAdd": null,
        "CapDrop": null, "CgroupnsMode": "host", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null,
        "IpcMode": "private", "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false, "PublishAllPorts": false,
        "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "", "ShmSize": 67_108_864, "Runtime": "runc",
        "Memory": 0, "NanoCpus": 0, "CpuShares": 0, "PidsLimit": null, "Ulimits": null,
    });
    if let (Some(all), Some(Value::Object(given))) = (all.as_object_mut(), given) {
        all.extend(
            given.into_iter().filter(|(name, value)| !value.is_null() && (name != "LogConfig" || value["Type"] != "")),
        );
        if all.get("Runtime").is_some_and(|runtime| runtime == "") {
            all.insert("Runtime".to_owned(), "runc".into());
        }
    }
    all
}
