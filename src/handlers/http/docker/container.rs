//! Containers: what a visitor wants run, and how it goes on as time passes.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::super::shell;
use super::config::{command_of, is_base, is_shell, mounts, texts};
use super::output::Channel;
use super::process::{Place, Played};
use super::stream::Until;
use crate::clock::Timestamp;

/// Bytes of a configuration that is kept as it was sent; of a longer one only its image.
const MAX_CONFIG: usize = 8 * 1024;

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
    played: Played,
}

impl Container {
    pub(super) fn new(
        id: String,
        name: String,
        (image, image_id): (&str, &str),
        config: Value,
        now: Timestamp,
    ) -> Self {
        let mut command = command_of(&config);
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
        Self {
            is_attended: is_shell(&command) && stdin,
            inside: shell::Container::new(&host, has_bash),
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
            played: Played::forever(),
        }
    }

    /// Where its processes run.
    pub(super) fn place(&self) -> Place {
        let text = |key: &str| self.config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Place { inside: self.inside.clone(), cwd: text("WorkingDir"), env: texts(&self.config, "/Env") }
    }

    /// What its image and its configuration put into it.
    pub(super) fn furnish(&self, device: &shell::Device, now: Timestamp) {
        let host = self.inside.host();
        self.inside.files(device, now, |files| {
            // What there is no room for is not there.
            let _ = files.store(b"/etc/hostname", format!("{host}\n").as_bytes(), 0o644);
            let _ = files.store(b"/etc/hosts", format!("127.0.0.1\tlocalhost\n172.17.0.2\t{host}\n").as_bytes(), 0o644);
            if let Some(release) = os_release(&self.image) {
                let _ = files.store(b"/etc/os-release", release.as_bytes(), 0o644);
            }
        });
        for (source, destination, _) in mounts(&self.config).iter().take(16) {
            self.inside.mount(device, now, source, destination);
        }
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

/// `/etc/os-release` of the images whose users look at it; Alpine's is in every container.
fn os_release(image: &str) -> Option<&'static str> {
    match image.split(':').next().unwrap_or_default() {
        "ubuntu" => Some(
            "PRETTY_NAME=\"Ubuntu 22.04.2 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.2 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n",
        ),
        "centos" => Some(
            "NAME=\"CentOS Linux\"\nVERSION=\"7 (Core)\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n",
        ),
        "alpine" | "busybox" => None,
        _ => Some(
            "PRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"11\"\nVERSION=\"11 (bullseye)\"\nVERSION_CODENAME=bullseye\nID=debian\n",
        ),
    }
}
