//! Images: what they are called, what they look like, how one is built.

use serde_json::{Value, json};

use super::super::super::shell;
use super::engine::rfc3339;
use super::machine::id;
use crate::clock::Timestamp;

/// Characters of an image's name that are kept.
pub(super) const MAX_NAME: usize = 255;
/// Bytes of a configuration that is kept.
const MAX_OWN: usize = 8 * 1_024;

/// The variable that every image sets.
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An image on a machine.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) name: String,
    tag: String,
    /// Empty: no registry has given it any.
    pub(super) digest: String,
    /// Twelve digits of each layer's id.
    pub(super) layers: Vec<String>,
    size: u64,
    created: Timestamp,
    /// What a build or a commit has put into its configuration.
    pub(super) own: Value,
    /// Its files, where they are not those of its name.
    pub(super) files: Option<shell::Container>,
    /// What its maker said of it, and who that is.
    pub(super) said: (String, String),
}

impl Image {
    /// What a pull brings: the same for the same name.
    pub(super) fn pulled(name: &str, tag: &str, now: Timestamp) -> Self {
        let reference = format!("{name}:{tag}");
        let seed = reference
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let layers = if matches!(name, "alpine" | "busybox") { 1 } else { 2 + seed % 5 };
        let layer = |at| id(seed, at, "layer").get(..12).unwrap_or_default().to_owned();
        Self {
            id: format!("sha256:{}", id(seed, 0, "image")),
            name: name.to_owned(),
            tag: tag.to_owned(),
            digest: format!("sha256:{}", id(seed, 0, "digest")),
            layers: (0..layers).map(layer).collect(),
            size: if layers == 1 { 5_500_000 + seed % 2_000_000 } else { 40_000_000 + seed % 300_000_000 },
            created: Timestamp::from_micros(now.as_micros().saturating_sub(86_400_000_000 * (9 + seed % 90))),
            own: Value::Null,
            files: None,
            said: Default::default(),
        }
    }

    /// The same under another name; no registry knows it by that.
    pub(super) fn tagged(&self, name: &str, tag: &str) -> Self {
        let digest = if name == self.name { self.digest.clone() } else { String::new() };
        Self { name: name.to_owned(), tag: tag.to_owned(), digest, ..self.clone() }
    }

    /// The same with this in its configuration, unless it is too long to be kept.
    pub(super) fn configured(self, own: Value) -> Self {
        let own = if own.to_string().len() > MAX_OWN { Value::Null } else { own };
        Self { own, ..self }
    }

    /// The same with these files.
    pub(super) fn with_files(self, files: shell::Container) -> Self {
        Self { files: Some(files), ..self }
    }

    /// A new image made of this one.
    pub(super) fn derived(&self, seed: u64, now: Timestamp) -> Self {
        Self {
            id: format!("sha256:{}", id(seed, 0, &self.id)),
            size: self.size + 2_048 + seed % 90_000,
            created: now,
            digest: String::new(),
            ..self.clone()
        }
    }

    /// As in `GET /images/NAME/history`.
    pub(super) fn history(&self) -> Value {
        let created = self.created.as_micros() / 1_000_000;
        let hash = self.digest.trim_start_matches("sha256:");
        let mut steps = vec![
            json!({"Comment": "", "Created": created, "CreatedBy": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]", "Id": self.id, "Size": 0, "Tags": [self.tag()]}),
            json!({"Comment": "", "Created": created, "CreatedBy": format!("/bin/sh -c #(nop) ADD file:{hash} in / "), "Id": "<missing>", "Size": self.size,
                "Tags": null}),
        ];
        if self.files.is_some() {
            let by = super::config::command_of(&self.own).join(" ");
            for step in steps.iter_mut().filter_map(Value::as_object_mut) {
                step.insert("Id".to_owned(), "<missing>".into());
                step.insert("Tags".to_owned(), Value::Null);
            }
            steps.insert(0, json!({"Comment": self.said.0, "Created": created, "CreatedBy": by, "Id": self.id, "Size": self.size % 90_000, "Tags": [self.tag()]}));
        }
        steps.into()
    }

    pub(super) fn tag(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// Its name by digest, if a registry has given it one.
    pub(super) fn digests(&self) -> Option<Vec<String>> {
        (!self.digest.is_empty()).then(|| vec![format!("{}@{}", self.name, self.digest)])
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// As in `GET /images/json`.
    pub(super) fn listed(&self) -> Value {
        json!({
            "Containers": -1, "Created": self.created.as_micros() / 1_000_000, "Id": self.id, "Labels": null, "ParentId": "",
            "RepoDigests": self.digests(), "RepoTags": [self.tag()], "SharedSize": -1, "Size": self.size,
            "VirtualSize": self.size,
        })
    }

    /// As an archive has it (Docker Image Specification 1.2).
    pub(super) fn saved(&self) -> Value {
        let shown = self.inspected();
        let part = |pointer: &str| shown.pointer(pointer).cloned().unwrap_or_default();
        json!({"architecture": "amd64", "config": part("/Config"), "created": part("/Created"), "docker_version": part("/DockerVersion"),
            "history": [{"created": part("/Created"), "created_by": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]"}], "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": part("/RootFS/Layers")}})
    }

    /// As in `GET /images/NAME/json`.
    pub(super) fn inspected(&self) -> Value {
        json!({
            "Id": self.id, "RepoTags": [self.tag()], "RepoDigests": self.digests().unwrap_or_default(), "Parent": "", "Comment": self.said.0,
            "Created": rfc3339(self.created), "Container": "", "ContainerConfig": config(None), "DockerVersion": "20.10.7", "Author": self.said.1,
            "Config": super::config::merged(self.own.clone(), &config(Some("/bin/sh"))),
            "Architecture": "amd64", "Os": "linux", "Size": self.size, "VirtualSize": self.size,
            "GraphDriver": {"Data": null, "Name": "overlay2"},
            "RootFS": {"Type": "layers", "Layers": self.layers.iter().map(|layer| format!("sha256:{}", id(0, 0, layer))).collect::<Vec<_>>()},
            "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
        })
    }
}

/// The configuration that an image brings.
pub(super) fn config(command: Option<&str>) -> Value {
    let env = command.map(|_| [PATH]);
    json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false, "AttachStderr": false, "Tty": false,
        "OpenStdin": false, "StdinOnce": false, "Env": env, "Cmd": command.map(|command| [command]), "Image": "", "Volumes": null,
        "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
    })
}

/// Name and tag of a reference such as `alpine`, `docker.io/library/alpine:3.14`, `host:5000/x`.
pub(super) fn reference(text: &str, tag: Option<&str>) -> (String, String) {
    let text: String = text.chars().take(MAX_NAME).collect();
    let (text, _) = text.split_once('@').unwrap_or((&text, ""));
    let colon = text.rfind(':').filter(|&at| !text.get(at..).unwrap_or_default().contains('/'));
    let (name, own) = colon.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let own = own.trim_start_matches(':');
    let given = tag.filter(|tag| !tag.is_empty()).unwrap_or(own);
    let tag: String = if given.is_empty() { "latest".to_owned() } else { given.chars().take(128).collect() };
    (name.to_owned(), tag)
}

/// A name with its registry (distribution, familiar names).
pub(super) fn full(name: &str) -> String {
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

/// What is wrong with a reference (distribution, reference grammar).
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    let (name, _) = text.split_once('@').unwrap_or((text, ""));
    if name.strip_prefix("sha256:").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
        return Ok(());
    }
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let repository = path.split_once('/').filter(|(host, _)| host.contains(['.', ':'])).map_or(path, |(_, rest)| rest);
    if repository.is_empty() || tag.is_some_and(|tag| tag.is_empty() || tag.len() > 128 || !tag.bytes().all(is_word)) {
        return Err("invalid reference format");
    }
    if !repository.bytes().all(|byte| is_word(byte) || byte == b'/')
        || repository.starts_with(['/', '-', '.'])
        || repository.ends_with('/')
    {
        return Err("invalid reference format");
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("invalid reference format: repository name must be lowercase");
    }
    Ok(())
}

/// A registry would know it: an official image, or a name with an owner.
pub(super) fn exists(name: &str) -> bool {
    const OFFICIAL: [&str; 42] = [
        "alpine",
        "amazonlinux",
        "archlinux",
        "bash",
        "buildpack-deps",
        "busybox",
        "caddy",
        "centos",
        "composer",
        "debian",
        "docker",
        "elasticsearch",
        "fedora",
        "gcc",
        "golang",
        "haproxy",
        "hello-world",
        "httpd",
        "influxdb",
        "java",
        "jenkins",
        "kali",
        "mariadb",
        "maven",
        "memcached",
        "mongo",
        "mysql",
        "nginx",
        "node",
        "openjdk",
        "oraclelinux",
        "perl",
        "php",
        "postgres",
        "python",
        "rabbitmq",
        "redis",
        "registry",
        "ruby",
        "tomcat",
        "traefik",
        "ubuntu",
    ];
    OFFICIAL.contains(&name) || name.contains('/')
}
