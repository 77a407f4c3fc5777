//! What the kernel shows of one moment: the visitor's processes and connections, by path.

use std::collections::BTreeMap;

use super::{Device, Flavor, Jobs, process_status};
use crate::clock::Timestamp;
use crate::handlers::Session;
use crate::handlers::shell::State;
use crate::handlers::shell::tree::{Content, Kind, Node};

/// What stands over the device's own tree while one line runs.
#[derive(Debug, Default)]
pub(in crate::handlers::shell) struct Present {
    pub(in crate::handlers::shell) nodes: BTreeMap<Vec<u8>, Node>,
    /// The number of the program that looks, and of the shell that has started it.
    pub(in crate::handlers::shell) own: u32,
    parent: u32,
}

impl Present {
    /// The program that looks is this one.
    pub(in crate::handlers::shell) fn starts(&mut self, words: &[Vec<u8>]) {
        let program = String::from_utf8_lossy(words.first().map(Vec::as_slice).unwrap_or_default()).into_owned();
        let name = program.rsplit('/').next().unwrap_or_default();
        let texts = [
            ("cmdline", [&words.join(&0)[..], b"\0"].concat()),
            ("comm", format!("{name}\n").into_bytes()),
            ("status", process_status(name, "R (running)", &self.own.to_string(), self.parent).into_bytes()),
        ];
        for (file, text) in texts {
            if let Some(node) = self.nodes.get_mut(format!("/proc/{}/{file}", self.own).as_bytes()) {
                node.kind = Kind::File { content: Content::Kept(text), fresh: false };
            }
        }
    }
}

impl Device {
    /// The shell of this session, what it has started, and the program that looks, which is `/proc/self`.
    pub(in crate::handlers::shell) fn present(
        &self,
        session: &Session,
        state: &State,
        jobs: &Jobs,
        now: Timestamp,
    ) -> Present {
        let mut moment = Moment { device: self, now, nodes: BTreeMap::new() };
        let own = jobs.following(self.newest_pid(now).max(state.pid));
        let shell = if self.flavor == Flavor::Android { "/system/bin/sh" } else { "sh" };
        let own_line = state.process.as_ref().map_or(shell, |process| &process.own);
        moment.process(state.pid, self.parent_of_shells(), own_line, "S (sleeping)");
        if let Some(process) = state.process.as_ref().filter(|_| state.pid != 1) {
            moment.process(1, 0, &process.first, "S (sleeping)");
        }
        for job in &jobs.running {
            moment.process(job.pid, state.pid, &String::from_utf8_lossy(&job.command), "S (sleeping)");
        }
        moment.process(own, state.pid, "cat", "R (running)");
        moment.add(format!("/proc/{own}/fd/3"), Kind::Link(format!("/proc/{own}/fd").into_bytes()), 0o500);
        moment.add("/proc/self".to_owned(), Kind::Link(own.to_string().into_bytes()), 0o777);
        if let Some(process) = &state.process {
            for pid in [1, state.pid, own] {
                moment.text(format!("/proc/{pid}/cgroup"), process.groups.clone());
            }
        }
        let network = self.network(session);
        for (name, text) in [("arp", network.arp()), ("route", network.routes()), ("tcp", network.sockets())] {
            moment.text(format!("/proc/net/{name}"), text);
        }
        Present { nodes: moment.nodes, own, parent: state.pid }
    }

    /// The process that starts the visitors' shells.
    pub(in crate::handlers::shell) fn parent_of_shells(&self) -> u32 {
        self.processes.last().map_or(0, |process| process.pid)
    }
}

struct Moment<'d> {
    device: &'d Device,
    now: Timestamp,
    nodes: BTreeMap<Vec<u8>, Node>,
}

impl Moment<'_> {
    fn add(&mut self, path: String, kind: Kind, mode: u16) {
        self.nodes.insert(path.into_bytes(), Node { kind, mode, changed: self.now });
    }

    fn text(&mut self, path: String, text: String) {
        let content = Content::Kept(text.into_bytes());
        self.add(path, Kind::File { content, fresh: false }, 0o444);
    }

    fn process(&mut self, pid: u32, parent: u32, command: &str, state: &str) {
        let at = |name: &str| format!("/proc/{pid}/{name}");
        let program = command.split(' ').next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        self.add(format!("/proc/{pid}"), Kind::Directory, 0o555);
        self.text(at("cmdline"), command.replace(' ', "\0") + "\0");
        self.text(at("comm"), format!("{name}\n"));
        self.text(at("maps"), String::new());
        self.text(at("mounts"), self.device.mounts());
        self.text(at("status"), process_status(name, state, &pid.to_string(), parent));
        self.add(at("fd"), Kind::Directory, 0o500);
        for descriptor in 0..3 {
            self.add(at(&format!("fd/{descriptor}")), Kind::Link(b"/dev/pts/0".to_vec()), 0o700);
        }
        let shared = if self.device.flavor == Flavor::Android { "/system/bin/toybox" } else { "/bin/busybox" };
        let file = if program.contains('/') { program } else { shared };
        self.add(at("exe"), Kind::Link(file.as_bytes().to_vec()), 0o777);
    }
}
