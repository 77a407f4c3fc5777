//! Containers: what a visitor wants run, and how it goes on as time passes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::super::shell;
use super::base;
use super::config::{command_of, cut, is_base, is_read_only, is_shell, mounts, texts, tmpfs, volume_path};
use super::image::MAX_NAME;
use super::network::Attachment;
use super::output::Channel;
use super::process::{Place, Played};
use super::refusal::{self, Refusal};
use super::stream::Until;
use crate::clock::Timestamp;

/// Bytes of a configuration that is kept as it was sent; of a longer one only its image.
const MAX_CONFIG: usize = 8 * 1024;
/// Bytes of a command that are kept: more than shells run (`shell`), so that what was cut is not run.
const MAX_COMMAND: usize = 33 * 1024;
/// Bytes of it that its processes see.
const MAX_SEEN: usize = 4 * 1024;

/// `/etc/hosts` before the container's own line.
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// One container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) image_id: String,
    pub(super) config: Value,
    pub(super) command: Vec<String>,
    pub(super) tty: bool,
    /// Its first process reads what an attached client types.
    pub(super) is_attended: bool,
    /// Its image brings a service that runs.
    pub(super) is_service: bool,
    pub(super) created: Timestamp,
    pub(super) started: Option<Timestamp>,
    /// When it was stopped from outside or by the client attached to it, and the exit code.
    stopped: Option<(Timestamp, i32)>,
    pub(super) paused: bool,
    pub(super) inside: shell::Container,
    /// Its place in its network, once it was started.
    pub(super) attachment: Option<Attachment>,
    played: Played,
}

impl Container {
    pub(super) fn new(
        (id, name): (String, String),
        (image, image_id): (&str, &str),
        config: Value,
        ground: &shell::Ground,
        now: Timestamp,
    ) -> Self {
        // No more of it is looked at (`image::reference`).
        let image: String = image.chars().take(MAX_NAME).collect();
        let image = image.as_str();
        let mut command = command_of(&config);
        cut(&mut command, MAX_COMMAND);
        let is_set = |key: &str| config.get(key) == Some(&Value::Bool(true));
        let (tty, stdin) = (is_set("Tty"), is_set("OpenStdin"));
        let is_service = command.is_empty() && !is_base(image);
        if command.is_empty() && !is_service {
            command.push("/bin/sh".to_owned());
        }
        let host = config.get("Hostname").and_then(Value::as_str).filter(|host| !host.is_empty());
        let host: String = host.unwrap_or(&id).chars().take(if host.is_some() { 63 } else { 12 }).collect();
        let has_bash = !["alpine", "busybox"].contains(&image.split(':').next().unwrap_or_default());
        let config = if config.to_string().len() > MAX_CONFIG { json!({"Image": image}) } else { config };
        let mut inside = shell::Container::new(&host, &id, has_bash, ground);
        let mut seen = [command.join(" ")];
        cut(&mut seen, MAX_SEEN);
        inside.set_first(&seen.concat());
        Self {
            is_attended: is_shell(&command) && stdin,
            inside,
            id,
            name,
            image: image.to_owned(),
            image_id: image_id.to_owned(),
            config,
            command,
            tty,
            is_service,
            created: now,
            started: None,
            stopped: None,
            paused: false,
            attachment: None,
            played: Played::forever(),
        }
    }

    /// The user that its configuration names.
    pub(super) fn user(&self) -> String {
        self.config.get("User").and_then(Value::as_str).unwrap_or_default().chars().take(64).collect()
    }

    /// Where its processes run.
    pub(super) fn place(&self) -> Place {
        let text = |key: &str| self.config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Place { inside: self.inside.clone(), cwd: text("WorkingDir"), env: texts(&self.config, "/Env") }
    }

    /// What its image and its configuration put into it.
    pub(super) fn furnish(&mut self, device: &shell::Device, of_image: Option<&shell::Container>, now: Timestamp) {
        if let Some(files) = of_image {
            self.inside.copy_files(device, files);
        }
        let host = self.inside.host();
        let of_base = if of_image.is_some() { Vec::new() } else { base::files_of(&self.image) };
        let own = [("/etc/hostname", format!("{host}\n")), ("/etc/hosts", HOSTS.to_owned())];
        self.inside.files(device, now, |files| {
            for (path, text) in of_base.into_iter().chain(own) {
                // What there is no room for is not there.
                let _ = files.store(path.as_bytes(), text.as_bytes(), 0o644);
            }
        });
        for (source, destination, mode) in mounts(&self.config).iter().take(16) {
            let source = if source.starts_with('/') { source.clone() } else { volume_path(source) };
            self.inside.mount(device, now, (&source, destination, is_read_only(mode)));
        }
        for destination in tmpfs(&self.config) {
            let source = format!("/run/docker/tmpfs/{}{destination}", self.id);
            self.inside.mount(device, now, (&source, &destination, false));
        }
        if self.config.pointer("/HostConfig/ReadonlyRootfs") == Some(&Value::Bool(true)) {
            self.inside.freeze();
        }
    }

    /// Puts its address into its own `/etc/hosts`.
    pub(super) fn name_host(&self, device: &shell::Device, now: Timestamp) {
        let address = self.attachment.as_ref().map(Attachment::address).unwrap_or_default();
        let host = self.inside.host();
        let own = if address.is_empty() { String::new() } else { format!("{address}\t{host}\n") };
        self.inside.files_of_engine(device, now, |files| {
            // What there is no room for is not there.
            let _ = files.store(b"/etc/hosts", format!("{HOSTS}{own}").as_bytes(), 0o644);
        });
    }

    /// New limits and restart policy (`docker update`), or what is wrong with them on a machine of so many processors.
    pub(super) fn update(&mut self, wanted: &Value, cores: u64) -> Result<(), Refusal> {
        let all = wanted.as_object().into_iter().flatten();
        let told = all.filter(|(_, value)| {
            !matches!(value, Value::Null) && **value != json!(0) && **value != json!("") && **value != json!([])
        });
        let told = told.filter(|(_, value)| value.pointer("/Name").is_none_or(|name| name != ""));
        let told: Map<String, Value> = told.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(refusal) = refusal::of_settings(&json!({"HostConfig": told}), cores) {
            return Err(refusal);
        }
        let mut config = self.config.clone();
        if let Some(host) = config.as_object_mut().map(|all| all.entry("HostConfig").or_insert_with(|| json!({})))
            && let Some(host) = host.as_object_mut()
        {
            host.extend(told);
        }
        if config.to_string().len() <= MAX_CONFIG {
            self.config = config;
        }
        Ok(())
    }

    /// Starts it with what its process does.
    pub(super) fn start(&mut self, now: Timestamp, played: Played) {
        (self.started, self.stopped, self.played) = (Some(now), None, played);
    }

    pub(super) fn stop(&mut self, now: Timestamp, exit: i32) {
        if self.is_running(now) {
            (self.stopped, self.paused) = (Some((now, exit)), false);
        }
    }

    /// When it ended, if it has.
    pub(super) fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        let started = self.started?;
        let by_itself = self.played.runs.map(|runs| started + runs).filter(|&end| end <= now);
        self.stopped.map(|(at, _)| at).or(by_itself)
    }

    /// When it ended or is going to.
    pub(super) fn end(&self) -> Option<Timestamp> {
        let by_itself = self.played.runs.and_then(|runs| Some(self.started? + runs));
        self.stopped.map(|(at, _)| at).or(by_itself)
    }

    /// What events tell of it.
    pub(super) fn attributes(&self) -> Map<String, Value> {
        let mut all = self.config.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default();
        all.insert("image".to_owned(), self.image.as_str().into());
        all.insert("name".to_owned(), self.name.as_str().into());
        all
    }

    pub(super) fn is_running(&self, now: Timestamp) -> bool {
        self.started.is_some() && self.ended(now).is_none()
    }

    pub(super) fn exit_code(&self) -> i32 {
        self.stopped.map_or(self.played.exit, |(_, exit)| exit)
    }

    pub(super) fn removes_itself(&self) -> bool {
        self.config.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true))
    }

    /// The exit code for who waits since then, if the wait is over. A container that is gone is not asked.
    pub(super) fn awaited(&self, until: Until, since: Timestamp, now: Timestamp) -> Option<i32> {
        let is_over = match until {
            Until::NotRunning => !self.is_running(now),
            Until::NextExit => self.ended(now).is_some_and(|ended| ended >= since),
            Until::Removed => self.removes_itself() && self.ended(now).is_some(),
        };
        is_over.then(|| if self.started.is_some() { self.exit_code() } else { 0 })
    }

    /// The pieces of output that it has written by now, from this one on, each with its time and stream.
    pub(super) fn written(&self, from: usize, now: Timestamp) -> Vec<(Timestamp, Channel, &[u8])> {
        let Some(started) = self.started else { return Vec::new() };
        let until = self.ended(now).unwrap_or(now);
        let pieces = self.played.pieces.iter().skip(from);
        let all = pieces.map(|(after, channel, bytes)| (started + *after, *channel, bytes.as_slice()));
        all.take_while(|(at, _, _)| *at <= until).collect()
    }

    /// How long it is until it writes or ends.
    pub(super) fn next_change(&self, from: usize, now: Timestamp) -> Option<Duration> {
        let started = self.started?;
        let next = self.played.pieces.get(from).map(|(after, _, _)| *after).or(self.played.runs)?;
        Some((started + next).saturating_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_container_is_bounded() {
        let long = "\u{e9}".repeat(100_000);
        let image = format!("alpine:3.14@sha256:{}", "0".repeat(100_000));
        let config = json!({"Image": image, "Cmd": ["sh", "-c", long, long], "Hostname": long, "Env": [long]});
        let made = Container::new(
            ("i".repeat(64), "name".to_owned()),
            (&image, ""),
            config,
            &shell::Ground::default(),
            Timestamp::default(),
        );
        let kept = format!("{made:?}").len();
        assert!(kept < 64 * 1_024, "{kept}");
        // It is still too long to be run.
        assert!(made.command.concat().len() > 32 * 1_024);
    }
}
