//! The machine that one source sees: images, containers, commands in them. All bounded; the oldest goes.

use std::collections::VecDeque;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::super::super::shell;
use super::container::Container;
use super::events::{Happening, MAX_EVENTS};
use super::image::Image;
use super::output::Wanted;
use super::process::Place;
use crate::clock::Timestamp;

const MAX_IMAGES: usize = 24;
/// Each holds at most about 50 KiB (`container`), and files (`shell`).
const MAX_CONTAINERS: usize = 16;
const MAX_EXECS: usize = 16;
/// Networks, and as many volumes.
pub(super) const MAX_LOCAL: usize = 16;
/// Bytes of the words of a command that is kept, of its variables, of each, and of its directory.
const MAX_COMMAND: usize = 4 * 1024;
const MAX_ENV: usize = 16 * 1024;
const MAX_PAIR: usize = 1024;
const MAX_CWD: usize = 4 * 1024;

/// One source's machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Its files.
    pub(super) ground: shell::Ground,
    pub(super) images: Vec<Image>,
    pub(super) containers: Vec<Container>,
    execs: Vec<Exec>,
    /// The networks that the visitor made, as the engine shows them.
    pub(super) networks: Vec<Value>,
    /// Networks that containers were connected to besides their own: both ids.
    pub(super) joined: Vec<(String, String)>,
    /// The volumes that it made, likewise.
    pub(super) volumes: Vec<Value>,
    /// The files that clients lend to builds.
    pub(super) loans: Vec<super::session::Loan>,
    /// What happened, or is bound to happen.
    pub(super) events: VecDeque<Happening>,
    serial: u64,
}

/// A command in a container.
#[derive(Debug, Clone)]
pub(super) struct Exec {
    pub(super) id: String,
    pub(super) container: String,
    pub(super) command: Vec<String>,
    pub(super) user: String,
    pub(super) tty: bool,
    /// The streams that its client hears.
    pub(super) wanted: Wanted,
    pub(super) place: Place,
    pub(super) started: bool,
    pub(super) exit: Option<i32>,
}

impl Machine {
    pub(super) fn is_new(&self) -> bool {
        self.images.is_empty() && self.serial == 0
    }

    /// By name with or without tag, or by id or its beginning.
    pub(super) fn image(&self, name: &str) -> Option<&Image> {
        let (repository, tag) = super::image::reference(name, None);
        let tagged = format!("{repository}:{tag}");
        self.images.iter().find(|image| image.tag() == tagged || is_id(&image.id, name.trim_start_matches("sha256:")))
    }

    pub(super) fn add_image(&mut self, image: Image) {
        self.images.retain(|known| known.tag() != image.tag());
        if self.images.len() >= MAX_IMAGES {
            self.images.remove(0);
        }
        self.images.push(image);
        self.serial += 1;
    }

    pub(super) fn next_id(&mut self, seed: u64, label: &str) -> String {
        self.serial += 1;
        id(seed, self.serial, label)
    }

    /// Another name for an image; false when there is no such image.
    pub(super) fn tag_image(&mut self, of: &str, name: &str, tag: &str) -> bool {
        let Some(image) = self.image(of).map(|image| image.tagged(name, tag)) else { return false };
        self.add_image(image);
        true
    }

    /// A new name for a container; the one that has it already.
    pub(super) fn rename(&mut self, id: &str, name: &str) -> Option<String> {
        if let Some(holder) = self.containers.iter().find(|container| container.name == name) {
            return Some(holder.id.clone());
        }
        if let Some(container) = self.container(id) {
            container.name = name.chars().take(128).collect();
        }
        None
    }

    pub(super) fn remove_image(&mut self, name: &str) -> Option<String> {
        let tag = self.image(name)?.tag();
        self.images.retain(|image| image.tag() != tag);
        Some(tag)
    }

    /// By name, or by id or its beginning.
    pub(super) fn container(&mut self, name: &str) -> Option<&mut Container> {
        let name = name.trim_start_matches('/');
        self.containers.iter_mut().find(|container| container.name == name || is_id(&container.id, name))
    }

    /// A new container; its id, or the container that has its name already.
    pub(super) fn create(
        &mut self,
        config: Value,
        (image, image_id): (&str, &str),
        name: Option<String>,
        seed: u64,
        now: Timestamp,
    ) -> Result<&mut Container, (String, String)> {
        self.serial += 1;
        let id = id(seed, self.serial, "container");
        let name = match name.filter(|name| !name.is_empty()) {
            Some(name) => name.trim_start_matches('/').chars().take(128).collect(),
            None => super::config::drawn_name(seed ^ self.serial),
        };
        if let Some(known) = self.containers.iter().find(|container| container.name == name) {
            return Err((name, known.id.clone()));
        }
        if self.containers.len() >= MAX_CONTAINERS {
            self.containers.remove(0);
        }
        self.containers.push(Container::new((id, name), (image, image_id), config, &self.ground, now));
        self.containers.last_mut().ok_or_else(Default::default)
    }

    pub(super) fn remove_container(&mut self, id: &str) {
        self.containers.retain(|container| container.id != id);
    }

    /// The running container, not this one, that publishes one of these ports.
    pub(super) fn port_taken(&self, id: &str, ports: &[(String, u16)], now: Timestamp) -> Option<u16> {
        let others = self.containers.iter().filter(|other| other.id != id && other.is_running(now));
        let taken: Vec<u16> =
            others.flat_map(|other| super::config::ports(&other.config)).map(|(_, outside)| outside).collect();
        ports.iter().map(|(_, outside)| *outside).find(|port| *port != 0 && taken.contains(port))
    }

    pub(super) fn add_exec(
        &mut self,
        container: &str,
        (words, user): (&[String], &str),
        (tty, wanted): (bool, Wanted),
        mut place: Place,
        seed: u64,
    ) -> String {
        self.serial += 1;
        let id = id(seed, self.serial, "exec");
        if self.execs.len() >= MAX_EXECS {
            self.execs.remove(0);
        }
        // Shells take no longer ones.
        place.env.retain(|pair| pair.len() <= MAX_PAIR);
        place.env = within(&place.env, MAX_ENV);
        super::config::cut(std::slice::from_mut(&mut place.cwd), MAX_CWD);
        self.execs.push(Exec {
            id: id.clone(),
            container: container.to_owned(),
            command: within(words, MAX_COMMAND),
            user: user.chars().take(64).collect(),
            tty,
            wanted,
            place,
            started: false,
            exit: None,
        });
        id
    }

    /// Something happened to what has this id.
    pub(super) fn happened(
        &mut self,
        at: Timestamp,
        of: &'static str,
        action: &str,
        id: &str,
        attributes: Map<String, Value>,
    ) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        let action = action.chars().take(256).collect();
        self.events.push_back(Happening { at, of, action, id: id.to_owned(), attributes });
    }

    /// Something happened to a container that there is, with one thing more to tell of it.
    pub(super) fn happened_to(&mut self, at: Timestamp, id: &str, action: &str, more: Option<(&str, String)>) {
        let Some(container) = self.container(id) else { return };
        let (id, mut attributes) = (container.id.clone(), container.attributes());
        attributes.extend(more.map(|(name, value)| (name.to_owned(), value.into())));
        self.happened(at, "container", action, &id, attributes);
    }

    /// Something happened to an image, a network or a volume of this name.
    pub(super) fn happened_to_thing(
        &mut self,
        at: Timestamp,
        of: &'static str,
        action: &str,
        (id, name): (&str, &str),
    ) {
        let mut attributes = Map::new();
        if of == "volume" {
            attributes.insert("driver".to_owned(), "local".into());
        } else {
            attributes.insert("name".to_owned(), name.into());
        }
        if of == "network" {
            attributes.insert("type".to_owned(), "bridge".into());
        }
        self.happened(at, of, action, id, attributes);
    }

    /// A process has started which ends by itself at a known time, or was stopped before that.
    pub(super) fn bound_to_die(&mut self, now: Timestamp, id: &str) {
        self.events.retain(|event| event.id != id || event.at <= now);
        let Some((at, exit)) = self.container(id).and_then(|container| Some((container.end()?, container.exit_code())))
        else {
            return;
        };
        self.happened_to(at, id, "die", Some(("exitCode", exit.to_string())));
    }

    /// A command was started, or has ended with this exit code.
    pub(super) fn exec_went_on(&mut self, now: Timestamp, id: &str, exit: Option<i32>) {
        let Some(exec) = self.execs.iter_mut().find(|exec| exec.id == id) else { return };
        (exec.started, exec.exit) = (true, exit);
        let (container, words) = (exec.container.clone(), exec.command.join(" "));
        let action = if exit.is_some() { "exec_die".to_owned() } else { format!("exec_start: {words}") };
        self.happened_to(now, &container, &action, Some(("execID", id.to_owned())));
    }

    pub(super) fn exec(&self, id: &str) -> Option<&Exec> {
        self.execs.iter().find(|exec| exec.id == id)
    }
}

/// The first of these texts that take less than so many bytes together.
fn within(texts: &[String], mut room: usize) -> Vec<String> {
    let fitting = texts.iter().take_while(|text| {
        room = room.saturating_sub(text.len());
        room > 0
    });
    fitting.cloned().collect()
}

/// `name` is this id or enough of its beginning.
fn is_id(id: &str, name: &str) -> bool {
    name.len() >= 2 && id.trim_start_matches("sha256:").starts_with(name)
}

/// 64 hexadecimal digits.
pub(super) fn id(seed: u64, serial: u64, label: &str) -> String {
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(serial.to_be_bytes())
        .chain_update(label)
        .finalize();
    HEXLOWER.encode(digest.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_command_is_bounded() {
        let mut machine = Machine::default();
        let inside = shell::Container::new("box", "1", false, &machine.ground);
        let long = "x".repeat(10_000);
        let place = Place { inside, cwd: format!("/{long}"), env: vec![format!("A={}", &long[..1_000]); 256] };
        let id = machine.add_exec("1", (&vec![long; 256], ""), (false, Wanted { out: true, err: true }), place, 7);
        let kept = format!("{:?}", machine.exec(&id).unwrap()).len();
        assert!(kept < 32 * 1_024, "{kept}");
    }
}
