//! What the engine says of itself.

use std::cmp::Ordering;

use data_encoding::BASE32;
use serde_json::{Value, json};

use super::super::super::shell::Device;
use super::super::super::{Persona, Random};
use super::super::answer::Answer;
use super::super::site::draw;
use super::base;
use super::image::Image;
use super::machine::Machine;
use crate::clock::Timestamp;

/// The API of Docker 20.10, and the oldest that it takes.
const API: &str = "1.41";
const OLDEST: &str = "1.12";
/// Where a container's output may go.
pub(super) const LOG_DRIVERS: [&str; 10] =
    ["awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "logentries", "splunk", "syslog"];

/// A release: version, commit, Go, when it was built, containerd, runc.
type Release = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);
/// Release and build of a kernel.
pub(super) type Kernel = (&'static str, &'static str);
/// A system: name, version, kernel.
type System = (&'static str, &'static str, Kernel);

/// The engine of this sensor.
pub(super) struct Engine {
    release: Release,
    system: System,
    host: String,
    id: String,
    cores: u64,
    memory: u64,
    booted: Timestamp,
    installed: Timestamp,
    random: Random,
}

impl Engine {
    pub(super) fn new(persona: &Persona) -> Self {
        const RELEASES: [Release; 4] = [
            ("20.10.24", "5d6db84", "go1.19.7", "2023-04-04T18:18:43.000000000+00:00", "1.6.20", "1.1.5"),
            ("20.10.21", "3056208", "go1.18.7", "2022-10-25T18:00:04.000000000+00:00", "1.6.9", "1.1.4"),
            ("20.10.17", "a89b842", "go1.17.11", "2022-06-06T23:01:28.000000000+00:00", "1.6.6", "1.1.2"),
            ("20.10.12", "459d0df", "go1.16.12", "2021-12-13T11:43:42.000000000+00:00", "1.4.12", "1.0.2"),
        ];
        const SYSTEMS: [System; 3] = [
            ("Ubuntu 20.04.6 LTS", "20.04", ("5.4.0-150-generic", "#167-Ubuntu SMP Mon May 15 17:35:05 UTC 2023")),
            ("Ubuntu 22.04.2 LTS", "22.04", ("5.15.0-72-generic", "#79-Ubuntu SMP Wed Apr 19 08:22:18 UTC 2023")),
            ("Debian GNU/Linux 11 (bullseye)", "11", ("5.10.0-21-amd64", "#1 SMP Debian 5.10.162-1 (2023-01-21)")),
        ];
        let mut random = persona.random("http docker");
        let mut id = [0; 30];
        random.fill(&mut id);
        let id: Vec<String> =
            BASE32.encode(&id).as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        Self {
            release: draw(&mut random, &RELEASES),
            system: draw(&mut random, &SYSTEMS),
            host: persona.host_name().to_owned(),
            id: id.join(":"),
            cores: draw(&mut random, &[2, 4, 8]),
            memory: draw(&mut random, &[4_026_834_944, 8_152_879_104, 16_672_284_672]),
            booted: persona.booted(),
            installed: persona.installed(),
            random,
        }
    }

    pub(super) fn kernel(&self) -> Kernel {
        self.system.2
    }

    /// Processors, and bytes of memory.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.cores, self.memory)
    }

    /// Why a client of this API version is sent away.
    pub(super) fn refuses(&self, version: &str) -> Option<String> {
        if compare(version, API).is_gt() {
            return Some(format!("client version {version} is too new. Maximum supported API version is {API}"));
        }
        compare(version, OLDEST).is_lt().then(|| {
            format!(
                "client version {version} is too old. Minimum supported API version is {OLDEST}, please upgrade your client to a newer version"
            )
        })
    }

    /// Adds the headers of an engine that has not let its client in.
    pub(super) fn introduce(&self, answer: Answer) -> Answer {
        answer
            .header("Api-Version", API)
            .header("Ostype", "linux")
            .header("Server", format!("Docker/{} (linux)", self.release.0))
    }

    /// Adds the headers that every answer has.
    pub(super) fn sign(&self, answer: Answer) -> Answer {
        self.introduce(answer).header("Docker-Experimental", "false")
    }

    pub(super) fn version(&self) -> Value {
        let (version, commit, go, built, containerd, runc) = self.release;
        let kernel = self.system.2.0;
        json!({
            "Platform": {"Name": "Docker Engine - Community"},
            "Components": [
                {"Name": "Engine", "Version": version, "Details": {
                    "ApiVersion": "1.41", "Arch": "amd64", "BuildTime": built, "Experimental": "false", "GitCommit": commit,
                    "GoVersion": go, "KernelVersion": kernel, "MinAPIVersion": "1.12", "Os": "linux"}},
                {"Name": "containerd", "Version": containerd, "Details": {"GitCommit": containerd_commit(containerd)}},
                {"Name": "runc", "Version": runc, "Details": {"GitCommit": runc_commit(runc)}},
                {"Name": "docker-init", "Version": "0.19.0", "Details": {"GitCommit": "de40ad0"}},
            ],
            "Version": version, "ApiVersion": "1.41", "MinAPIVersion": "1.12", "GitCommit": commit, "GoVersion": go, "Os": "linux",
            "Arch": "amd64", "KernelVersion": kernel, "BuildTime": built,
        })
    }

    pub(super) fn info(&self, machine: &mut Machine, now: Timestamp) -> Value {
        let (version, _, _, _, containerd, runc) = self.release;
        let (system, system_version, (kernel, _)) = self.system;
        let running = machine.containers.iter().filter(|container| container.is_running(now)).count();
        let Value::Object(mut info) = json!({
            "ID": self.id, "Containers": machine.containers.len(), "ContainersRunning": running, "ContainersPaused": 0,
            "ContainersStopped": machine.containers.len() - running, "Images": machine.images.len(), "Driver": "overlay2",
            "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"], ["Native Overlay Diff", "true"], ["userxattr", "false"]],
            "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"], "Authorization": null,
                "Log": LOG_DRIVERS},
            "MemoryLimit": true, "SwapLimit": true, "KernelMemory": true, "KernelMemoryTCP": true, "CpuCfsPeriod": true, "CpuCfsQuota": true,
            "CPUShares": true, "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true, "BridgeNfIptables": true, "BridgeNfIp6tables": true,
            "Debug": false, "NFd": 32 + running * 8, "OomKillDisable": true, "NGoroutines": 42 + running * 6, "SystemTime": rfc3339(now),
            "LoggingDriver": "json-file",
        }) else {
            return Value::Null;
        };
        let rest = json!({
            "CgroupDriver": "cgroupfs", "CgroupVersion": "1", "NEventsListener": 0, "KernelVersion": kernel,
            "OperatingSystem": system, "OSVersion": system_version, "OSType": "linux", "Architecture": "x86_64",
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {"AllowNondistributableArtifactsCIDRs": [], "AllowNondistributableArtifactsHostnames": [],
                "InsecureRegistryCIDRs": ["127.0.0.0/8"], "Mirrors": [],
                "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": true, "Official": true}}},
            "NCPU": self.cores, "MemTotal": self.memory, "GenericResources": null, "DockerRootDir": "/var/lib/docker", "HttpProxy": "",
            "HttpsProxy": "", "NoProxy": "", "Name": self.host, "Labels": [], "ExperimentalBuild": false, "ServerVersion": version,
            "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "io.containerd.runtime.v1.linux": {"path": "runc"}, "runc": {"path": "runc"}},
            "DefaultRuntime": "runc",
            "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "", "RemoteManagers": null},
            "LiveRestoreEnabled": false, "Isolation": "", "InitBinary": "docker-init",
            "ContainerdCommit": {"ID": containerd_commit(containerd), "Expected": containerd_commit(containerd)},
            "RuncCommit": {"ID": runc_commit(runc), "Expected": runc_commit(runc)},
            "InitCommit": {"ID": "de40ad0", "Expected": "de40ad0"},
            "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"],
            "Warnings": ["WARNING: API is accessible on http://0.0.0.0:2375 without encryption.\n         Access to the remote API is equivalent to root access on the host. Refer\n         to the 'Docker daemon attack surface' section in the documentation for\n         more information: https://docs.docker.com/go/attack-surface/"],
        });
        if let Value::Object(rest) = rest {
            info.extend(rest);
        }
        Value::Object(info)
    }

    /// The networks of every engine, and these.
    pub(super) fn networks(&self, own: &[Value]) -> Vec<Value> {
        let mut random = self.random.clone();
        let created = rfc3339(self.installed);
        let network = |name: &str, driver: &str, id: String| {
            json!({
                "Name": name, "Id": id, "Created": created, "Scope": "local", "Driver": driver, "EnableIPv6": false,
                "IPAM": {"Driver": "default", "Options": null, "Config": if name == "bridge" { json!([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]) } else { json!([]) }},
                "Internal": false, "Attachable": false, "Ingress": false, "ConfigFrom": {"Network": ""}, "ConfigOnly": false,
                "Containers": {}, "Options": if name == "bridge" { bridge_options() } else { json!({}) }, "Labels": {},
            })
        };
        let of_all = [("bridge", "bridge"), ("host", "host"), ("none", "null")]
            .map(|(name, driver)| network(name, driver, super::machine::id(random.bits(), 0, name)));
        of_all.into_iter().chain(own.iter().cloned()).collect()
    }

    /// What runs on the machine before the visitor comes.
    pub(super) fn furnish(&self, machine: &mut Machine, device: &Device, now: Timestamp) {
        const SERVICES: [(&str, &str, &str); 5] = [
            ("nginx", "1.21", "web"),
            ("redis", "6.2", "cache"),
            ("postgres", "13", "db"),
            ("mysql", "8.0", "mysql"),
            ("registry", "2", "registry"),
        ];
        machine.ground.files(device, self.installed, |files| {
            // What there is no room for is not there.
            for directory in base::MACHINES_DIRECTORIES {
                let _ = files.make_way(directory.as_bytes());
            }
            for (path, text) in base::files_of_machine(&self.host, self.system.0, self.system.1) {
                let _ = files.store(path.as_bytes(), text.as_bytes(), 0o644);
            }
            files.take_away(b"/.dockerenv");
        });
        let mut random = self.random.clone();
        let (name, tag, container) = draw(&mut random, &SERVICES);
        for (name, tag) in [(name, tag), ("alpine", "3.14")] {
            machine.add_image(Image::pulled(name, tag, self.installed));
        }
        let reference = format!("{name}:{tag}");
        let image = machine.image(&reference).map(|image| image.id.clone()).unwrap_or_default();
        let config = json!({"Image": reference, "HostConfig": {"RestartPolicy": {"Name": "always"}}});
        let started = if self.booted < now { self.booted } else { now };
        let created = machine.create(config, (&reference, &image), Some(container.to_owned()), random.bits(), started);
        if let Ok(id) = created.map(|container| container.id.clone())
            && let Some(container) = machine.container(&id)
        {
            container.start(started, super::process::Played::forever());
            machine.attach(&id, &self.networks(&[]), now);
        }
    }
}

/// What the default bridge is made with.
fn bridge_options() -> Value {
    json!({
        "com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "true", "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
        "com.docker.network.bridge.name": "docker0", "com.docker.network.driver.mtu": "1500",
    })
}

/// Versions compare number by number.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let numbers = |text: &str| text.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>();
    let (mut one, mut other) = (numbers(one), numbers(other));
    let length = one.len().max(other.len());
    one.resize(length, 0);
    other.resize(length, 0);
    one.cmp(&other)
}

fn containerd_commit(version: &str) -> &'static str {
    match version {
        "1.6.20" => "2806fc1057397dbaeefbea0e4e17bddfbd388f38",
        "1.6.9" => "1c90a442489720eec95342e1789ee8a5e1b9536f",
        "1.6.6" => "10c12954828e7c7c9b6e0ea9b0c02b01407d3ae1",
        _ => "7b11cfaabd73bb80907dd23182b9347b4245eb5d",
    }
}

fn runc_commit(version: &str) -> &'static str {
    match version {
        "1.1.5" => "v1.1.5-0-gf19387a",
        "1.1.4" => "v1.1.4-0-g5fd4c4d",
        "1.1.2" => "v1.1.2-0-ga916309",
        _ => "v1.0.2-0-g52b36a2",
    }
}

/// The time as Go's JSON has it.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let micros = i64::try_from(time.as_micros()).unwrap_or(0);
    let text = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    format!("{text:.9}")
}
