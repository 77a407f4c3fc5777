//! Containers on one machine: a shell in one has that container's name, environment and files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::HOST_NAME;
use super::device::{Device, Remembered};
use super::file_system::{Below, Change, FileSystem, Mount};
use super::run::Run;
use super::{Acts, MAX_UNFINISHED, Shell, parse};
use crate::clock::Timestamp;
use crate::handlers::Context;

/// Mounts of one container.
const MAX_MOUNTS: usize = 16;
/// Where `nsenter` finds the machine: no path that can be written.
pub(super) const MACHINE: &[u8] = b"/\0machine";

/// The files of the machine that containers run on, volumes among them. Clones are the same machine.
#[derive(Debug, Clone, Default)]
pub(in crate::handlers) struct Ground(Arc<Mutex<Remembered>>);

impl Ground {
    /// Works with its files, as root.
    pub(in crate::handlers) fn files<R>(
        &self,
        device: &Device,
        now: Timestamp,
        work: impl FnOnce(&mut FileSystem<'_>) -> R,
    ) -> R {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut FileSystem::new(device, &mut kept.overlay, now, true))
    }
}

/// Whose rights a process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::handlers) struct User {
    pub(in crate::handlers) uid: u32,
    pub(in crate::handlers) gid: u32,
    /// As `/etc/passwd` has it.
    pub(in crate::handlers) name: Option<String>,
    pub(in crate::handlers) home: String,
}

impl Default for User {
    fn default() -> Self {
        Self { uid: 0, gid: 0, name: Some("root".to_owned()), home: "/root".to_owned() }
    }
}

/// A process of a container: its user, and what `ps` shows of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) user: User,
    /// The command line of process 1.
    pub(super) first: String,
    /// The one that this shell runs in.
    pub(super) own: String,
    /// The lines of `/proc/PID/cgroup`.
    pub(super) groups: String,
    pub(super) is_debian: bool,
}

impl Process {
    /// It is no shell that starts others.
    pub(super) fn is_alone(&self) -> bool {
        let program = self.own.split(' ').next().unwrap_or_default();
        !matches!(program.rsplit('/').next(), Some("sh" | "ash" | "bash" | "dash" | "chroot"))
    }
}

/// What a container is to a shell. Clones are the same container.
#[derive(Debug, Clone)]
pub(in crate::handlers) struct Container {
    host: String,
    /// 64 digits.
    id: String,
    /// Its image is one of Debian's kind: its shells are dash and bash, not BusyBox's.
    is_debian: bool,
    /// The shell that runs in it is bash.
    is_bash: bool,
    kept: Arc<Mutex<Remembered>>,
    ground: Ground,
    mounts: Vec<Mount>,
    /// Its own files are not to be changed.
    is_read_only: bool,
    user: User,
    /// The command line of its first process, and whether the present one is another.
    first: String,
    is_further: bool,
    root: Vec<u8>,
}

impl Container {
    /// A container of this name on this machine; nothing has changed in it.
    pub(in crate::handlers) fn new(host: &str, id: &str, is_debian: bool, ground: &Ground) -> Self {
        Self {
            host: host.to_owned(),
            id: id.to_owned(),
            is_debian,
            is_bash: false,
            kept: Arc::default(),
            ground: ground.clone(),
            mounts: vec![Mount { at: MACHINE.to_vec(), from: b"/".to_vec(), read_only: false }],
            is_read_only: false,
            user: User::default(),
            first: String::new(),
            is_further: false,
            root: Vec::new(),
        }
    }

    /// The same container, for this shell.
    pub(in crate::handlers) fn with_shell(&self, program: &str) -> Self {
        Self { is_bash: program.ends_with("bash"), ..self.clone() }
    }

    /// The same container, for a process of this user.
    pub(in crate::handlers) fn with_user(&self, user: User) -> Self {
        Self { user, ..self.clone() }
    }

    /// The same container, for a process that comes to it while another runs.
    pub(in crate::handlers) fn further(&self) -> Self {
        Self { is_further: true, ..self.clone() }
    }

    /// The same container, for a process that takes this directory for `/`.
    pub(in crate::handlers) fn rooted(&self, root: &str) -> Self {
        Self { root: root.trim_end_matches('/').as_bytes().to_vec(), ..self.clone() }
    }

    /// Its first process has this command line.
    pub(in crate::handlers) fn set_first(&mut self, line: &str) {
        line.clone_into(&mut self.first);
    }

    /// Its own files are not to be changed from now on.
    pub(in crate::handlers) fn freeze(&mut self) {
        self.is_read_only = true;
    }

    /// Takes over the files of another as they are now, as far as there is room.
    pub(in crate::handlers) fn copy_files(&self, device: &Device, of: &Self) {
        if Arc::ptr_eq(&self.kept, &of.kept) {
            return;
        }
        let from = of.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        to.overlay = from.overlay.copied(device.room());
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
        let mut ground = self.lock_ground();
        work(&mut FileSystem::new(device, &mut kept.overlay, now, true).over(Some(self.below(&mut ground))))
    }

    /// Works with its own files as the engine does, which heeds no mount.
    pub(in crate::handlers) fn files_of_engine(
        &self,
        device: &Device,
        now: Timestamp,
        work: impl FnOnce(&mut FileSystem<'_>),
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut FileSystem::new(device, &mut kept.overlay, now, true));
    }

    /// Shows a path of the machine at this one; a directory is made where there is nothing.
    pub(in crate::handlers) fn mount(
        &mut self,
        device: &Device,
        now: Timestamp,
        (source, destination, read_only): (&str, &str, bool),
    ) {
        let from = self.ground.files(device, now, |files| {
            let path = files.absolute(b"/", source.as_bytes());
            if !files.exists(&path) {
                // What there is no room for is not there.
                let _ = files.make_way(&path);
            }
            path
        });
        let at = self.files(device, now, |files| {
            let at = files.absolute(b"/", destination.as_bytes());
            if !files.exists(&at) {
                let _ = files.make_way(&at);
            }
            at
        });
        if at != b"/" && self.mounts.len() < MAX_MOUNTS {
            self.mounts.retain(|mount| mount.at != at);
            self.mounts.push(Mount { at, from, read_only });
        }
    }

    /// The process of a shell in it.
    pub(super) fn process(&self, words: &str) -> Process {
        let own = if self.is_further || self.first.is_empty() { words.to_owned() } else { self.first.clone() };
        let first = if self.first.is_empty() { own.clone() } else { self.first.clone() };
        Process { user: self.user.clone(), first, own, groups: self.groups(), is_debian: self.is_debian }
    }

    /// `/proc/PID/cgroup` of a process in it (cgroups(7), version 1).
    fn groups(&self) -> String {
        const OF_EACH: [&str; 11] = [
            "12:pids",
            "10:perf_event",
            "9:cpuset",
            "8:hugetlb",
            "7:freezer",
            "6:memory",
            "5:blkio",
            "4:devices",
            "3:net_cls,net_prio",
            "2:cpu,cpuacct",
            "1:name=systemd",
        ];
        let lines: String = OF_EACH.iter().map(|group| format!("{group}:/docker/{}\n", self.id)).collect();
        lines + "0::/system.slice/containerd.service\n"
    }

    pub(super) fn lock_ground(&self) -> MutexGuard<'_, Remembered> {
        self.ground.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies below its files. Whoever locks both locks the container first.
    pub(super) fn below<'a>(&'a self, ground: &'a mut Remembered) -> Below<'a> {
        Below { overlay: &mut ground.overlay, mounts: &self.mounts, is_read_only: self.is_read_only }
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
        let (user, sign) =
            (self.user.name.as_deref().unwrap_or("I have no name!"), if self.user.uid == 0 { '#' } else { '$' });
        match (self.is_bash, self.is_debian) {
            (true, _) => Some(format!("{user}@{}:{}{sign} ", self.host, if cwd == self.user.home { "~" } else { cwd })),
            (false, true) => Some(format!("{sign} ")),
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
        shell.state.pid = if container.is_further { 7 + u32::try_from(seed % 23).unwrap_or(0) } else { 1 };
        shell.state.cwd = if cwd.starts_with('/') { cwd.as_bytes().to_vec() } else { b"/".to_vec() };
        shell.state.process = Some(Box::new(container.process("sh")));
        shell.state.is_root = container.user.uid == 0;
        shell.state.roots = if container.root.is_empty() { Vec::new() } else { vec![(0, container.root.clone())] };
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let fixed = [("HOSTNAME", container.host.clone()), ("HOME", container.user.home.clone()), ("PATH", path)];
        let given = variables.iter().take(64).filter_map(|pair| pair.split_once('='));
        let all = fixed.iter().map(|(name, value)| (*name, value.as_str())).chain(given);
        shell.state.variables = all
            .filter(|(name, value)| name.len() + value.len() < 1_024)
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        shell.state.exported = shell.state.variables.keys().cloned().collect();
        shell.container = Some(Box::new(container.clone()));
        shell
    }

    /// The same shell in a pipe.
    pub(in crate::handlers) fn without_terminal(self) -> Self {
        Self { has_terminal: false, ..self }
    }

    /// Runs these words as one command, as execve(2) would: nothing in them is expanded. No event tells of it.
    pub(in crate::handlers) fn exec(&mut self, cx: &mut Context<'_>, words: &[String]) -> Acts {
        let (device, line) = (&self.device, words.join(" "));
        if let (true, Some(container)) = (device.is_container(), &self.container) {
            self.state.process = Some(Box::new(container.process(&line)));
        }
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
