//! Containers on one machine: a shell in one has that container's name, environment and files.

use std::sync::{Arc, Mutex, PoisonError};

use super::HOST_NAME;
use super::device::{Device, Remembered};
use super::file_system::{Change, FileSystem};
use super::run::Run;
use super::{Acts, MAX_UNFINISHED, Shell, parse};
use crate::clock::Timestamp;
use crate::handlers::Context;

/// Directories above a mount that are made.
const MAX_DEPTH: usize = 8;

/// What a container is to a shell. Clones are the same container.
#[derive(Debug, Clone)]
pub(in crate::handlers) struct Container {
    host: String,
    /// Its image is one of Debian's kind: its shells are dash and bash, not BusyBox's.
    is_debian: bool,
    /// The shell that runs in it is bash.
    is_bash: bool,
    kept: Arc<Mutex<Remembered>>,
}

impl Container {
    /// A container of this name; nothing has changed in it.
    pub(in crate::handlers) fn new(host: &str, is_debian: bool) -> Self {
        Self { host: host.to_owned(), is_debian, is_bash: false, kept: Arc::default() }
    }

    /// The same container, for this shell.
    pub(in crate::handlers) fn with_shell(&self, program: &str) -> Self {
        Self { is_bash: program.ends_with("bash"), ..self.clone() }
    }

    /// What `hostname` says in it.
    pub(in crate::handlers) fn host(&self) -> &str {
        &self.host
    }

    /// Works with its files, as root.
    pub(in crate::handlers) fn files<R>(
        &self,
        device: &Device,
        now: Timestamp,
        work: impl FnOnce(&mut FileSystem<'_>) -> R,
    ) -> R {
        // What a panic left half done is this container's.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut FileSystem::new(device, &mut kept.overlay, now, true))
    }

    /// Shows a directory of the machine, or a volume, at this path. The machine below looks like the container.
    pub(in crate::handlers) fn mount(&self, device: &Device, now: Timestamp, source: &str, destination: &str) {
        self.files(device, now, |files| {
            let path = files.absolute(b"/", destination.as_bytes());
            if source == destination || files.exists(&path) && path != b"/mnt" && path != b"/tmp" {
                return;
            }
            let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            for at in ends.take(MAX_DEPTH).collect::<Vec<_>>() {
                // What cannot be made is not there.
                let _ = files.make_directory(path.get(..at).unwrap_or_default());
            }
            let _ = files.remove(&path);
            let _ = if source.starts_with('/') {
                files.link(source.as_bytes(), &path)
            } else {
                files.make_directory(&path)
            };
        });
    }

    /// Paths that are new, changed or gone, and whether they are there.
    pub(in crate::handlers) fn changes(&self, device: &Device) -> Vec<(String, Change)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.overlay.changes(device.tree())
    }

    pub(super) fn kept(&self) -> Arc<Mutex<Remembered>> {
        Arc::clone(&self.kept)
    }

    /// The prompt, where it is not that of BusyBox.
    pub(super) fn prompt(&self, cwd: &str) -> Option<String> {
        match (self.is_bash, self.is_debian) {
            (true, _) => Some(format!("root@{}:{}# ", self.host, if cwd == "/root" { "~" } else { cwd })),
            (false, true) => Some("# ".to_owned()),
            (false, false) => None,
        }
    }
}

impl Shell {
    /// A shell in a container: in this directory, with these variables (`NAME=VALUE`) besides those of every container.
    pub(in crate::handlers) fn in_container(
        device: &Arc<Device>,
        container: &Container,
        (cwd, variables): (&str, &[String]),
        seed: u64,
        is_interactive: bool,
    ) -> Self {
        let mut shell = Self { is_interactive, ..Self::new(Arc::clone(device), seed) };
        shell.state.pid = 1;
        shell.state.cwd = if cwd.starts_with('/') { cwd.as_bytes().to_vec() } else { b"/".to_vec() };
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let fixed = [("HOSTNAME", container.host.clone()), ("PATH", path)];
        let given = variables.iter().take(64).filter_map(|pair| pair.split_once('='));
        let all = fixed.iter().map(|(name, value)| (*name, value.as_str())).chain(given);
        shell.state.variables = all
            .filter(|(name, value)| name.len() + value.len() < 1_024)
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        shell.state.exported = shell.state.variables.keys().cloned().collect();
        shell.container = Some(container.clone());
        shell
    }

    /// The same shell in a pipe.
    pub(in crate::handlers) fn without_terminal(self) -> Self {
        Self { has_terminal: false, ..self }
    }

    /// Runs these words as one command, as execve(2) would: nothing in them is expanded. No event tells of it.
    pub(in crate::handlers) fn exec(&mut self, cx: &mut Context<'_>, words: &[String]) -> Acts {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        let line = quoted.join(" ");
        if line.len() > MAX_UNFINISHED {
            return Acts::new();
        }
        match parse::parse(line.as_bytes()) {
            Ok(list) => self.run(cx, list.0.into(), None),
            Err(_) => Acts::new(),
        }
    }
}

impl Run<'_, '_> {
    /// The name of the host, or of the container.
    pub(super) fn host(&self) -> String {
        let named = if self.device.is_container() { self.variable(b"HOSTNAME") } else { None };
        let named = named.map(|name| String::from_utf8_lossy(&name).into_owned());
        let given = self.settings.value(HOST_NAME).map(str::to_owned);
        named.or(given).unwrap_or_else(|| self.device.host().to_owned())
    }
}
