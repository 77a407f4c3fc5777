//! What belongs to the machine besides images and containers: networks, volumes, and what tidies up.

use serde_json::{Map, Value, json};

use super::super::super::Context;
use super::super::answer::Answer;
use super::super::ask::Ask;
use super::cluster::NONE;
use super::container::Container;
use super::decode::{Shape, Type, json as decode};
use super::filter::{self, Filters};
use super::machine::{MAX_LOCAL, id};
use super::refusal::Refusal;
use super::{Docker, error, value};
use crate::clock::Timestamp;

/// Characters of a name that are kept.
const MAX_NAME: usize = 128;

const NETWORK: Shape = Shape {
    name: "types.NetworkCreateRequest",
    short: "NetworkCreateRequest",
    fields: &[("Name", Type::Text)],
    status: 400,
};
const CONNECT: Shape =
    Shape { name: "types.NetworkConnect", short: "NetworkConnect", fields: &[("Container", Type::Text)], status: 400 };
const VOLUME: Shape = Shape {
    name: "volume.VolumeCreateBody",
    short: "VolumeCreateBody",
    fields: &[("Name", Type::Text), ("Driver", Type::Text)],
    status: 400,
};

fn text<'a>(config: &'a Value, key: &str) -> &'a str {
    config.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn name_in(config: &Value) -> String {
    text(config, "Name").chars().take(MAX_NAME).collect()
}

/// Why there is no network of this name and driver.
fn refuses_network(name: &str, driver: &str) -> Option<Refusal> {
    match (name, driver) {
        ("bridge" | "host" | "none", _) => {
            Some((403, format!("operation is not permitted on predefined {name} network ")))
        }
        (_, "host" | "null") => Some((403, format!("only one instance of {driver:?} network is allowed"))),
        (_, "overlay") => Some((500, NONE.to_owned())),
        (_, "" | "bridge" | "macvlan" | "ipvlan") if name.trim().is_empty() => {
            Some((500, format!("invalid name: {name}")))
        }
        (_, "" | "bridge" | "macvlan" | "ipvlan") => None,
        _ => Some((404, format!("plugin {driver:?} not found"))),
    }
}

/// Why there is no volume of this name, driver and options.
fn refuses_volume(name: &str, wanted: &Value) -> Option<Refusal> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let driver = text(wanted, "Driver");
    let option = wanted.get("DriverOpts").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
    let unknown = option.into_iter().find(|name| !matches!(name.as_str(), "type" | "o" | "device"));
    if !matches!(driver, "" | "local") {
        let why = format!("create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found");
        return Some((404, why));
    }
    if name.len() == 1 {
        let why = "volume name is too short, names should be at least two alphanumeric characters";
        return Some((400, format!("create {name}: {why}")));
    }
    if !name.bytes().all(is_good) || name.starts_with(['_', '.', '-']) {
        let why = "includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path";
        return Some((400, format!("create {name}: {name:?} {why}")));
    }
    unknown.map(|unknown| (400, format!("create {name}: invalid option: {unknown:?}")))
}

impl Docker {
    pub(super) fn networks(&self, cx: &Context<'_>, ask: &Ask<'_>, method: &str, rest: &[&str]) -> Option<Answer> {
        let (own, all) = self.with(cx, |machine| {
            let mut all = self.engine.networks(&machine.networks);
            all.iter_mut().for_each(|network| show_members(network, machine, cx.now()));
            (machine.networks.clone(), all)
        });
        let find = |name: &str| {
            let is_it = |network: &&Value| {
                let field = |key| network.get(key).and_then(Value::as_str).unwrap_or_default();
                field("Name") == name || name.len() > 3 && field("Id").starts_with(name)
            };
            all.iter().find(is_it).cloned()
        };
        let missing = |name: &str| error(404, &format!("network {name} not found"));
        let refused = |(status, message): Refusal| error(status, &message);
        Some(match (method, rest) {
            ("GET", [] | [""]) => match Filters::of(ask, filter::NETWORKS) {
                Ok(filters) => value(200, &chosen(&all, &filters).into()),
                Err(refusal) => refused(refusal),
            },
            ("GET", [name]) => match refuses_look(ask, name) {
                Some(why) => refused(why),
                None => find(name).map_or_else(|| missing(name), |network| value(200, &network)),
            },
            ("POST", ["create"]) => {
                let wanted = match decode(ask, &NETWORK) {
                    Ok(wanted) => wanted,
                    Err(refused) => return Some(*refused),
                };
                let name = name_in(&wanted);
                if let Some(why) = refuses_network(&name, text(&wanted, "Driver")) {
                    return Some(refused(why));
                }
                if find(&name).is_some() {
                    return Some(error(409, &format!("network with name {name} already exists")));
                }
                let id = id(cx.session().seed, own.len() as u64, &name);
                self.with(cx, |machine| {
                    machine.happened_to_thing(cx.now(), "network", "create", (&id, &name));
                    machine.add_network(name, id.clone());
                });
                value(201, &json!({"Id": id, "Warning": ""}))
            }
            ("POST", ["prune"]) => {
                let gone: Vec<String> = own.into_iter().map(|(name, _)| name).collect();
                self.with(cx, |machine| machine.networks.clear());
                value(200, &json!({"NetworksDeleted": if gone.is_empty() { Value::Null } else { gone.into() }}))
            }
            ("POST", [name, "connect" | "disconnect"]) => {
                let wanted = match decode(ask, &CONNECT) {
                    Ok(wanted) => wanted,
                    Err(refused) => return Some(*refused),
                };
                match text(&wanted, "Container") {
                    "" => error(400, "invalid name or ID supplied: \"\""),
                    container => match (self.inside(cx, container, |one| one.id.clone()), find(name)) {
                        (None, _) => error(404, &format!("No such container: {container}")),
                        (_, None) => missing(name),
                        (Some(container), Some(network)) => {
                            let pair = (text(&network, "Id").to_owned(), container);
                            self.with(cx, |machine| {
                                machine.joined.retain(|known| *known != pair);
                                if rest.last() == Some(&"connect") {
                                    push(&mut machine.joined, pair);
                                }
                            });
                            Answer::empty(200)
                        }
                    },
                }
            }
            ("DELETE", [name])
                if own.iter().any(|(known, _)| known == name)
                    && find(name).is_some_and(|one| one.get("Containers") != Some(&json!({}))) =>
            {
                let id = find(name).map_or_else(String::new, |network| text(&network, "Id").to_owned());
                error(403, &format!("error while removing network: network {name} id {id} has active endpoints"))
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
        let missing = |name: &str| {
            let space = if name.is_empty() { "" } else { " " };
            error(404, &format!("get{space}{name}: no such volume"))
        };
        Some(match (method, rest) {
            ("GET", []) => {
                if let Err((_, why)) = Filters::of(ask, &[]) {
                    return Some(error(400, &format!("error reading volume filters: {why}")));
                }
                let list: Vec<Value> = own.iter().map(shown_volume).collect();
                value(200, &json!({"Volumes": list, "Warnings": null}))
            }
            ("GET", [name]) => find(name).map_or_else(|| missing(name), |volume| value(200, &shown_volume(volume))),
            ("POST", ["create"]) => {
                let wanted = match decode(ask, &VOLUME) {
                    Ok(wanted) => wanted,
                    Err(refused) => return Some(*refused),
                };
                let drawn = || id(cx.session().seed, own.len() as u64, "volume");
                let name = Some(name_in(&wanted)).filter(|name| !name.is_empty()).unwrap_or_else(drawn);
                if let Some((status, why)) = refuses_volume(&name, &wanted) {
                    return Some(error(status, &why));
                }
                let known = find(&name).cloned();
                let volume = known.unwrap_or_else(|| (name, super::engine::rfc3339(cx.now())));
                self.with(cx, |machine| {
                    machine.happened_to_thing(cx.now(), "volume", "create", (&volume.0, &volume.0));
                    machine.add_volume(volume.clone());
                });
                value(201, &shown_volume(&volume))
            }
            ("POST", ["prune"]) => value(200, &json!({"VolumesDeleted": [], "SpaceReclaimed": 0})),
            ("DELETE", [name]) if find(name).is_some() => {
                self.with(cx, |machine| machine.volumes.retain(|(known, _)| known != name));
                Answer::empty(204)
            }
            ("DELETE", [_]) if ask.is_set("force") => Answer::empty(204),
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
        let usage = json!({"LayersSize": size, "Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": null, "BuilderSize": 0});
        value(200, &usage)
    }
}

/// What is wrong with how a network is asked for.
fn refuses_look(ask: &Ask<'_>, name: &str) -> Option<Refusal> {
    let verbose = ask.field("verbose").unwrap_or_default();
    if !matches!(
        verbose.as_str(),
        "" | "0" | "1" | "t" | "f" | "T" | "F" | "true" | "false" | "True" | "False" | "TRUE" | "FALSE"
    ) {
        let why =
            format!("invalid value for verbose: {verbose}: strconv.ParseBool: parsing {verbose:?}: invalid syntax");
        return Some((400, why));
    }
    let is_ours = matches!(ask.field("scope").as_deref(), None | Some("" | "local"));
    (!is_ours).then(|| (404, format!("network {name} not found")))
}

/// Puts the running containers of a network into it.
fn show_members(network: &mut Value, machine: &super::machine::Machine, now: Timestamp) {
    let (name, id) = (text(network, "Name").to_owned(), text(network, "Id").to_owned());
    let is_member = |one: &&Container| {
        one.is_running(now)
            && (one.network_name() == name || machine.joined.iter().any(|(to, who)| *to == id && *who == one.id))
    };
    let members = machine.containers.iter().filter(is_member);
    let members: Map<String, Value> = members.map(|one| (one.id.clone(), one.endpoint(now))).collect();
    if let Some(network) = network.as_object_mut() {
        network.insert("Containers".to_owned(), members.into());
    }
}

/// The networks that pass these filters.
fn chosen(all: &[Value], filters: &Filters) -> Vec<Value> {
    let passes = |network: &&Value| {
        filters.holds("name", |name| text(network, "Name").contains(name))
            && filters.holds("id", |id| text(network, "Id").starts_with(id))
            && filters.holds("driver", |driver| text(network, "Driver") == driver)
            && filters.holds("scope", |scope| scope == "local")
    };
    all.iter().filter(passes).cloned().collect()
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
