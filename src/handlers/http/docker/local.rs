//! What belongs to the machine besides images and containers: networks, volumes, and what tidies up.

use serde_json::{Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::machine::{MAX_LOCAL, id};
use super::{Docker, error, value};

/// Characters of a name that are kept.
const MAX_NAME: usize = 128;

fn name_in(body: &[u8]) -> Option<String> {
    let config: Value = serde_json::from_slice(body).ok()?;
    let name: String = config.get("Name")?.as_str()?.chars().take(MAX_NAME).collect();
    Some(name).filter(|name| !name.is_empty())
}

impl Docker {
    pub(super) fn networks(&self, cx: &Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        let own = self.with(cx, |machine| machine.networks.clone());
        let all = self.engine.networks(&own);
        let find = |name: &str| {
            let is_it = |network: &&Value| {
                let field = |key| network.get(key).and_then(Value::as_str).unwrap_or_default();
                field("Name") == name || name.len() > 3 && field("Id").starts_with(name)
            };
            all.iter().find(is_it).cloned()
        };
        let missing = |name: &str| error(404, &format!("network {name} not found"));
        Some(match (method, rest) {
            ("GET", []) => value(200, &all.into()),
            ("GET", [name]) => find(name).map_or_else(|| missing(name), |network| value(200, &network)),
            ("POST", ["create"]) => {
                let Some(name) = name_in(ask.body) else { return Some(error(400, "name is required")) };
                if find(&name).is_some() {
                    return Some(error(409, &format!("network with name {name} already exists")));
                }
                let id = id(cx.session().seed, own.len() as u64, &name);
                self.with(cx, |machine| machine.add_network(name, id.clone()));
                value(201, &json!({"Id": id, "Warning": ""}))
            }
            ("POST", ["prune"]) => {
                let gone: Vec<String> = own.into_iter().map(|(name, _)| name).collect();
                self.with(cx, |machine| machine.networks.clear());
                value(200, &json!({"NetworksDeleted": if gone.is_empty() { Value::Null } else { gone.into() }}))
            }
            ("POST", [name, "connect" | "disconnect"]) => {
                find(name).map_or_else(|| missing(name), |_| Answer::empty(200))
            }
            ("DELETE", [name]) => match own.iter().any(|(known, id)| known == name || id.starts_with(name)) {
                true => {
                    self.with(cx, |machine| {
                        machine.networks.retain(|(known, id)| known != name && !id.starts_with(name))
                    });
                    Answer::empty(204)
                }
                false if find(name).is_some() => {
                    error(403, &format!("{name} is a pre-defined network and cannot be removed"))
                }
                false => missing(name),
            },
            _ => return None,
        })
    }

    pub(super) fn volumes(&self, cx: &Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        let own = self.with(cx, |machine| machine.volumes.clone());
        let find = |name: &str| own.iter().find(|(known, _)| known == name);
        let missing = |name: &str| error(404, &format!("get {name}: no such volume"));
        Some(match (method, rest) {
            ("GET", []) => {
                let list: Vec<Value> = own.iter().map(shown_volume).collect();
                value(200, &json!({"Volumes": list, "Warnings": null}))
            }
            ("GET", [name]) => find(name).map_or_else(|| missing(name), |volume| value(200, &shown_volume(volume))),
            ("POST", ["create"]) => {
                let name = name_in(ask.body).unwrap_or_else(|| id(cx.session().seed, own.len() as u64, "volume"));
                let known = find(&name).cloned();
                let volume = known.unwrap_or_else(|| (name, super::engine::rfc3339(cx.now())));
                self.with(cx, |machine| machine.add_volume(volume.clone()));
                value(201, &shown_volume(&volume))
            }
            ("POST", ["prune"]) => value(200, &json!({"VolumesDeleted": [], "SpaceReclaimed": 0})),
            ("DELETE", [name]) if find(name).is_some() => {
                self.with(cx, |machine| machine.volumes.retain(|(known, _)| known != name));
                Answer::empty(204)
            }
            ("DELETE", [name]) => missing(name),
            _ => return None,
        })
    }

    /// `docker system df`.
    pub(super) fn usage(&self, cx: &Context<'_>) -> Answer {
        let now = cx.now();
        let (images, containers, size) = self.with(cx, |machine| {
            let users = |image: &super::image::Image| {
                let mut shown = image.listed();
                let count = machine.containers.iter().filter(|container| container.image_id == image.id).count();
                if let Some(shown) = shown.as_object_mut() {
                    shown.insert("Containers".to_owned(), count.into());
                    shown.insert("SharedSize".to_owned(), 0.into());
                }
                shown
            };
            let images: Vec<Value> = machine.images.iter().map(users).collect();
            let size: u64 = machine.images.iter().map(super::image::Image::size).sum();
            let containers: Vec<Value> = machine.containers.iter().map(|container| container.listed(now)).collect();
            (images, containers, size)
        });
        let volumes = self.with(cx, |machine| machine.volumes.clone());
        let used = |volume| {
            let mut shown = shown_volume(volume);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("UsageData".to_owned(), json!({"RefCount": 0, "Size": 0}));
            }
            shown
        };
        let volumes: Vec<Value> = volumes.iter().map(used).collect();
        let usage = json!({"LayersSize": size, "Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": []});
        value(200, &usage)
    }
}

/// Keeps a list short: the oldest goes.
pub(super) fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= MAX_LOCAL {
        list.remove(0);
    }
    list.push(item);
}

/// A volume as the engine shows it.
fn shown_volume((name, created): &(String, String)) -> Value {
    json!({
        "CreatedAt": created, "Driver": "local", "Labels": null, "Name": name, "Options": null, "Scope": "local",
        "Mountpoint": format!("/var/lib/docker/volumes/{name}/_data"),
    })
}

/// Clusters: this machine is in none, and cannot choose an address for one.
pub(super) fn swarm(method: &str, parts: &[&str]) -> Option<Answer> {
    const NONE: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
    const JOINING: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the \"docker info\" command to see the current swarm status of your node.";
    // The client adds what to specify.
    const ADDRESSES: &str = "could not choose an IP address to advertise since this system has multiple addresses on different interfaces (10.0.2.15 on eth0 and 192.168.56.12 on eth1)";
    Some(match (method, parts) {
        ("POST", ["swarm", "init"]) => error(400, ADDRESSES),
        ("POST", ["swarm", "join"]) => error(503, JOINING),
        ("POST", ["swarm", "leave"]) => error(503, "This node is not part of a swarm"),
        ("GET" | "POST" | "DELETE", _) => error(503, NONE),
        _ => return None,
    })
}
